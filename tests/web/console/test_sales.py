"""The page of a sale in each of its states, the list, and the workbook that holds what the list shows."""

import re
from datetime import datetime
from io import BytesIO

import pytest
from python_calamine import CalamineWorkbook

from prewatt.office.estate.models import Room
from prewatt.office.metering.models import LineState
from prewatt.office.vending.models import Delivery, Sale
from tests.cast import NOON
from tests.web.console import sell_desk
from tests.web.console.sell_desk import Desk, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    return sell_desk.make(monkeypatch)


def page(desk: Desk, sale: Sale, *, manager: bool = False) -> str:
    answer = (desk.bob if manager else desk.alice).get(f"/console/sales/{sale.pk}")
    assert answer.status_code == 200
    return text_of(answer)


def state_of(text: str) -> str:
    found = re.findall(r'data-test="delivery-state" data-state="(\w+)"', text)
    assert len(found) == 1
    return str(found[0])


def stages(text: str) -> list[str]:
    steps = text[text.index('<ol class="pw-steps">') : text.index("</ol>")]
    return re.findall(r'<li class="(\w+)">', steps)


def test_a_sale_that_waits_says_so_and_takes_no_second_payment(desk: Desk) -> None:
    text = page(desk, desk.sell())
    assert state_of(text) == "waiting"
    assert stages(text) == ["done", "done", "now", "todo", "todo"]
    assert "¥50.00, receipt W1-000001" in text
    assert "on its way to the meter" in text
    assert 'data-open="1"' in text and 'data-test="sell-amount"' not in text


def test_a_confirmed_sale_shows_count_balance_and_watches_the_load(desk: Desk) -> None:
    sale = desk.sell()
    desk.said(sale, "done")
    text = page(desk, sale)
    assert state_of(text) == "confirmed"
    assert stages(text) == ["done", "done", "done", "done", "now"]
    assert "Count 5 → 6" in text and "100.00 → 154.35 kWh" in text
    assert "The credit is in the meter, 54 kWh" in text


def test_unknown_is_said_plainly_with_what_comes_next(desk: Desk) -> None:
    sale = desk.sell()
    desk.said(sale, "unknown")
    text = page(desk, sale)
    assert state_of(text) == "unknown"
    assert stages(text) == ["done", "done", "done", "unknown", "todo"]
    assert "we do not know yet whether the credit arrived" in text
    assert "Please do not take payment again and do not refund yet." in text
    assert "What happens next" in text
    assert f'hx-post="/console/circuits/{sale.circuit_id}/read"' in text
    assert 'data-test="act-refund"' not in text and 'data-test="act-reverse"' not in text


def test_refused_offers_what_the_role_may_do(desk: Desk) -> None:
    sale = desk.sell()
    desk.said(sale, "refused", count=5, code="meter_03")
    text = page(desk, sale)
    assert state_of(text) == "refused" and "(code meter_03)" in text
    assert re.findall(r'data-test="act-(\w+)"', text) == ["rewrite", "reverse"]
    assert re.findall(r'data-test="act-(\w+)"', page(desk, sale, manager=True)) == ["rewrite", "refund", "reverse"]


def test_disputed_is_for_a_manager(desk: Desk) -> None:
    sale = desk.sell()
    desk.said(sale, "disputed", count=8)
    assert "The count reads 8, expected 6" in page(desk, sale)
    assert 'data-test="act-settle"' not in page(desk, sale)
    assert 'data-test="act-settle"' in page(desk, sale, manager=True)


def test_a_lost_gateway_is_named_and_the_money_is_safe(desk: Desk) -> None:
    sale = desk.sell()
    LineState.objects.create(
        line=desk.cast.line, up=False, error="timeout", since=NOON, at=NOON, replies=0, timeouts=9, last_reply_at=NOON
    )
    text = page(desk, sale)
    assert "Not sent yet: gateway G1 is lost" in text
    assert "It goes out by itself on reconnection, once." in text


def test_the_moving_part_alone_is_given_to_the_script(desk: Desk) -> None:
    sale = desk.sell()
    text = text_of(desk.alice.get(f"/console/sales/{sale.pk}/live"))
    assert "<html" not in text and state_of(text) == "waiting"


@pytest.mark.parametrize("path", ["", "/live", "/reverse", "/refund", "/settle"])
def test_what_is_outside_the_scope_does_not_exist(desk: Desk, path: str) -> None:
    sale = desk.sell()
    other = type(desk.cast.charlie).objects.get(pk=desk.cast.charlie.pk)
    assert desk.charlie.get(f"/console/sales/{sale.pk}{path}").status_code == 403  # no site at all
    elsewhere = type(desk.cast.site).objects.create(company=desk.cast.company, code="dorm", name="Dormitory")
    other.scopes.create(site_id=elsewhere.pk)
    assert desk.charlie.get(f"/console/sales/{sale.pk}{path}").status_code == 404
    assert desk.charlie.get("/console/sales").status_code == 200
    assert sale.number not in text_of(desk.charlie.get("/console/sales?from=2026-01-01"))


def fill(desk: Desk, number: int) -> list[Sale]:
    made = []
    for each in range(number):
        sale = desk.sell(request_key=f"n{each}", amount="20")
        desk.said(sale, "done", count=6 + each)
        made.append(sale)
    return made


def numbers(text: str) -> list[str]:
    return re.findall(r">(S\d+)</a>", text)


def test_the_list_filters_sums_and_pages_by_key(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    made = fill(desk, 3)
    monkeypatch.setattr("prewatt.web.console.sales.LIST_MOST", 2)
    monkeypatch.setattr("prewatt.office.reports.sales.sales.__kwdefaults__", {"before_id": None, "most": 2})
    first = text_of(desk.alice.get("/console/sales"))
    assert numbers(first)[:2] == [made[2].number, made[1].number]
    assert "¥60.00" in first  # the sum of all, not of the page
    assert f"before={made[1].pk}" in first
    assert numbers(text_of(desk.alice.get(f"/console/sales?before={made[1].pk}")))[:1] == [made[0].number]
    assert numbers(text_of(desk.alice.get("/console/sales?tender=pos_card"))) == []
    assert numbers(text_of(desk.alice.get(f"/console/sales?text={made[0].number}"))) == [made[0].number]
    assert numbers(text_of(desk.alice.get("/console/sales?from=2026-11-24"))) == []
    assert desk.alice.get("/console/sales?from=nonsense&before=x&delivery=y").status_code == 200


def test_the_workbook_holds_what_the_list_shows(desk: Desk) -> None:
    made = fill(desk, 2)
    answer = desk.alice.get("/console/sales.xlsx?from=2026-11-23&tender=cash")
    assert answer["Content-Disposition"] == 'attachment; filename="sales-2026-11-23.xlsx"'
    rows = CalamineWorkbook.from_filelike(BytesIO(answer.content)).get_sheet_by_index(0).to_python()
    assert rows[0][:3] == ["Time", "Sale no.", "Shop"]
    assert [row[1] for row in rows[1:3]] == [made[1].number, made[0].number]
    assert rows[0][6] == "Amount CNY" and [row[6] for row in rows[1:]] == [20.0, 20.0, 40.0]
    assert rows[0][13] == "Credit unit" and [row[13] for row in rows[1:3]] == ["kWh", "kWh"]
    assert rows[1][0] == datetime(2026, 11, 23, 12)  # the site's wall clock
    assert Delivery.objects.filter(state="confirmed").count() == 2


def test_a_name_that_looks_like_a_formula_stays_a_text(desk: Desk) -> None:
    Room.objects.filter(code="A-101").update(name="=1+1")
    desk.sell()
    answer = desk.alice.get("/console/sales.xlsx")
    rows = CalamineWorkbook.from_filelike(BytesIO(answer.content)).get_sheet_by_index(0).to_python()
    assert rows[1][3] == "=1+1"


def test_a_waiting_sale_is_checked_now(desk: Desk) -> None:
    sale = desk.sell()
    assert 'data-test="check-now"' in page(desk, sale)
    assert desk.alice.post(f"/console/sales/{sale.pk}/check")["Location"] == f"/console/sales/{sale.pk}"
    desk.said(sale, "done")
    assert desk.alice.post(f"/console/sales/{sale.pk}/check").status_code == 302
    assert 'data-test="check-now"' not in page(desk, sale)
