"""The statement of a contract as a third party gets it."""

from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.utils import timezone

from prewatt.office.staff import keys
from prewatt.office.staff.models import Operator
from tests.cast import NOON
from tests.office.billing.scene import HOUR, OPENING_WH, Shop, opened
from tests.web.api.test_api import Caller, code

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop() -> Shop:
    """One kWh in the first hour, 50 yuan paid half an hour later."""
    made = opened()
    made.pay(5000, after=1.5 * HOUR)
    made.read_and_sweep(HOUR, OPENING_WH + 1000)
    return made


def caller(shop: Shop, operator: Operator) -> Caller:
    made = keys.make(name="x", operator=operator, till_id=shop.cast.till.pk, actor=None, at=timezone.now())
    return Caller(made.secret)


def ask(shop: Shop, query: str = "") -> tuple[int, Any]:
    return caller(shop, shop.cast.bob).get(f"/contracts/{shop.contract.number}/statement{query}")


def instant(after: timedelta) -> str:
    return (NOON + after).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_it_has_the_sums_and_the_lines(shop: Shop) -> None:
    assert ask(shop, f"?from={instant(timedelta())}&to={instant(2 * HOUR)}") == (
        200,
        {
            "opening_minor": 0, "paid_minor": 5000, "returned_minor": 0, "used_minor": 92, "closing_minor": 4908,
            "lines": [
                {
                    "circuit_id": str(shop.circuit.pk), "from": "2026-11-23T04:00:00.000Z",
                    "to": "2026-11-23T05:00:00.000Z", "energy_wh": 1000, "price": "0.92", "amount_minor": 92,
                }
            ],
        },
    )  # fmt: skip


def test_the_end_is_exclusive_for_money(shop: Shop) -> None:
    _, body = ask(shop, f"?from={instant(timedelta())}&to={instant(1.5 * HOUR)}")
    assert (body["paid_minor"], body["used_minor"], body["closing_minor"]) == (0, 92, -92)


def test_an_instant_may_name_its_zone_escaped_or_not(shop: Shop) -> None:
    local = "2026-11-23T12:00:00+08:00"
    assert ask(shop, f"?from={local}&to={quote('2026-11-23T13:00:00+08:00')}")[1]["used_minor"] == 92


def test_what_is_malformed_or_the_wrong_way_round_is_refused(shop: Shop) -> None:
    assert code(ask(shop, "?from=yesterday")) == (400, "malformed")
    assert code(ask(shop, "?to=2026-11-23")) == (400, "malformed")
    assert code(ask(shop, "?from=1")) == (400, "malformed")
    assert code(ask(shop, f"?from={instant(HOUR)}&to={instant(timedelta())}")) == (422, "statement_range")


def test_who_may_not_see_the_contract_is_told_that_there_is_none(shop: Shop) -> None:
    path = f"/contracts/{shop.contract.number}/statement"
    assert code(caller(shop, shop.cast.charlie).get(path)) == (404, "contract_unknown")
    assert code(caller(shop, shop.cast.bob).get("/contracts/39999999/statement")) == (404, "contract_unknown")


def test_the_ends_of_the_calendar_are_times_too(shop: Shop) -> None:
    status, body = ask(shop, "?from=0001-01-01T00:00:00Z&to=9999-12-31T23:59:59Z")
    assert (status, body["used_minor"], body["closing_minor"]) == (200, 92, 4908)


def test_without_times_it_is_all_since_the_first_supply_until_now(shop: Shop) -> None:
    status, told = ask(shop, "?from=&to=")
    assert status == 200
    assert (
        told["opening_minor"] + told["paid_minor"] - told["returned_minor"] - told["used_minor"]
        == (told["closing_minor"])
    )
