"""The list of marked readings, its workbook, and what a person says of a counter that fell or leapt."""

from datetime import timedelta
from io import BytesIO

import pytest
from django.test import Client
from python_calamine import CalamineWorkbook

from prewatt.office.metering.clock import database_now
from prewatt.office.staff.models import AuditRow, Operator
from tests.office.billing.scene import Shop, waiting
from tests.office.billing.test_intake import told
from tests.web.console.token_desk import text_of

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
LEAP = 500_000


@pytest.fixture
def shop() -> Shop:
    """Polled each minute: it fell and came back, then leapt."""
    begins = database_now() - 20 * MINUTE
    made = waiting(valid_from=begins)
    for minute, wh in enumerate((1_000_000, 5_000, 1_000_100, 1_000_100 + LEAP, 1_000_150 + LEAP)):
        told(made, begins + minute * MINUTE, wh)
    return made


def as_(operator: Operator, language: str = "en") -> Client:
    client = Client()
    client.force_login(operator)
    client.cookies["django_language"] = language
    return client


def test_the_list_tells_each_mark_and_narrows_to_one(shop: Shop) -> None:
    bob = as_(shop.cast.bob)
    page = text_of(bob.get("/console/meters/marks"))
    assert "backward" in page and "jump" in page and "1,500.10" in page and "1,000.10" in page
    assert page.count("Say what happened") == 1, "what fell is back, what leapt is open"
    only = text_of(bob.get("/console/meters/marks?mark=jump&days=1"))
    assert "1,500.10" in only and ">5.00<" not in only
    assert "1,500.10" in text_of(bob.get("/console/meters/marks?doubted=1"))
    assert "No reading is like this" in text_of(bob.get("/console/meters/marks?doubted=1&mark=backward"))
    assert "All readings were good" in text_of(bob.get("/console/meters/marks?q=nobody"))
    assert "倒走" in text_of(as_(shop.cast.bob, "zh-hans").get("/console/meters/marks?days=7"))


def test_the_workbook_has_the_same_readings(shop: Shop) -> None:
    body = as_(shop.cast.bob).get("/console/meters/marks/export?days=7").content
    [head, leapt, fell] = CalamineWorkbook.from_filelike(BytesIO(body)).get_sheet_by_index(0).to_python()
    assert head[1] == "Mark" and (leapt[1], fell[1]) == ("jump", "backward")
    assert (leapt[8:10], leapt[11:13]) == (["1,000.10", "1,500.10"], ["no", "yes"])


def test_a_cashier_sees_it_and_may_not_decide_and_a_stranger_sees_nothing(shop: Shop) -> None:
    assert "To be decided" in text_of(as_(shop.cast.alice).get("/console/meters/marks"))
    form = f"/console/circuits/{shop.circuit.pk}/doubt"
    assert as_(shop.cast.alice).get(form).status_code == 403
    assert as_(shop.cast.charlie).get(form).status_code in (403, 404)
    assert "1,500.10" not in text_of(as_(shop.cast.charlie).get("/console/meters/marks"))


def test_a_manager_says_what_happened_with_a_reason(shop: Shop) -> None:
    bob, form = as_(shop.cast.bob), f"/console/circuits/{shop.circuit.pk}/doubt"
    for path in (f"/console/circuits/{shop.circuit.pk}/days", f"/console/meters/{shop.circuit.meter_id}"):
        page = text_of(bob.get(path))
        assert 'data-test="doubt"' in page and form in page
    page = text_of(bob.get(form))
    assert "500.05 kWh more" in page
    [value] = [part.split('"')[0] for part in page.split('value="') if part.startswith("accept ")]
    assert bob.post(form, {"what": value, "reason": ""}).status_code == 422
    assert bob.post(form, {"what": "", "reason": "x"}).status_code == 422
    assert bob.post(form, {"what": "accept never", "reason": "x"}).status_code == 422
    contract = f"/console/contracts/{shop.contract.number}"
    assert "the counter leapt, and nobody has said yet why" in text_of(bob.get(contract))
    assert bob.get(f"{contract}/held/{shop.circuit.pk}")["Location"] == form
    refused = bob.post(form, {"what": value, "reason": "two ovens"})
    assert refused.status_code == 422 and "doubt_impossible" in text_of(refused), "two minutes after"
    assert shop.balance == -9, "100 Wh at 0.92"
    told(shop, database_now(), 1_000_200 + LEAP)
    assert bob.post(form, {"what": value, "reason": "two ovens"}).status_code == 302
    assert sum(charge.wh for charge in shop.charges) == 200 + LEAP
    assert AuditRow.objects.get(action="billing.reading_accepted").reason == "two ovens"
    assert bob.get(form).status_code == 302
    assert "doubt_over" in text_of(bob.post(form, {"what": value, "reason": "again"}))
