"""Pages of a meter whose purse holds money: money is shown as money, in both languages, and typed as money."""

import re
from decimal import Decimal

import pytest

from prewatt.office.estate import plans
from prewatt.office.estate.models import Circuit, Meter, SupplyPoint
from prewatt.office.metering.models import JobRow
from prewatt.office.vending import opening_steps, purse_prices
from prewatt.office.vending.models import Delivery, Opening, Receipt
from tests.cast import NOON, lately_read
from tests.web.console import sell_desk
from tests.web.console.sell_desk import Desk, text_of

pytestmark = pytest.mark.django_db
MONEY = "acrel-dtsy1352-4g-purse"
OF_ENERGY = re.compile(r"[\d.,]+ ?kWh")


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Shop 101's meter holds 12.50 yuan; shop 103 stands empty with another one."""
    made = sell_desk.make(monkeypatch)
    cast = made.cast
    Meter.objects.filter(pk__in=[cast.shop_101.meter_id, cast.shop_103.meter_id]).update(profile=MONEY)
    terms = {"credit_unit": "CNY", "alarm_1": 5_000, "alarm_2": 1_000, "hoarding_limit": 0}
    SupplyPoint.objects.filter(pk=cast.supply_101.pk).update(**terms)
    cast.supply_101.refresh_from_db()
    cast.supply_101.circuit = Circuit.objects.select_related("meter").get(pk=cast.shop_101.pk)
    purse_prices.read_back(cast.supply_101, Decimal("0.92"), at=NOON)
    lately_read(cast.shop_101, at=NOON, balance=1_250)
    return made


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_selling_shows_money_and_about_how_much_it_is(desk: Desk, language: str) -> None:
    client = desk.client(desk.cast.alice, language=language)
    quoted = text_of(client.get(f"/console/sell?circuit={desk.cast.shop_101.pk}&amount=50"))
    assert "¥62.50" in quoted and "54.34 kWh" in quoted
    sale = desk.sell(find="A-101", amount="50")
    assert (sale.credit, sale.credit_unit) == (5_000, "CNY")
    desk.said(sale, "done", balance=6_250)
    shown = text_of(client.get(f"/console/sales/{sale.pk}"))
    assert "¥12.50 → ¥62.50" in shown and 'data-state="confirmed"' in shown
    assert ("Confirmed" in shown) if language == "en" else ("表计已确认" in shown)
    assert set(OF_ENERGY.findall(shown.replace("¥0.9200/kWh", ""))) <= {"54.34 kWh"}
    receipt = Receipt.objects.get(sale=sale)
    printed = text_of(client.get(f"/console/receipts/{receipt.pk}"))
    assert "¥50.00" in printed and not OF_ENERGY.findall(printed.replace("0.9200 元/kWh", "").replace("¥0.9200/kWh", ""))
    assert ("books" not in printed) and ("后台" not in printed), "the meter holds it"


def test_the_contract_says_by_which_price_its_meter_drains(desk: Desk) -> None:
    page = f"/console/contracts/{desk.cast.contract_101.number}"
    assert "0.92" in _price_line(text_of(desk.bob.get(page)))
    plans.add_version(desk.cast.plan, price=Decimal("1.05"), valid_from=NOON, actor="operator:1", at=NOON)
    assert "is not in the meter yet" in _price_line(text_of(desk.bob.get(page)))
    purse_prices.sweep(at=NOON)
    assert "is being written" in _price_line(text_of(desk.bob.get(page)))
    meter = text_of(desk.bob.get(f"/console/meters/{desk.cast.shop_101.meter_id}"))
    assert "Price, flat" in meter and "1.0500" in meter and "Alarm amount 1" in meter
    zh = desk.client(desk.cast.bob, language="zh-hans")
    assert "正在下发" in text_of(zh.get(page))


def _price_line(page: str) -> str:
    found = re.search(r"Price in the meter.{0,300}", page, re.DOTALL)
    assert found is not None, page
    return found[0]


def test_a_money_purse_is_opened_with_amounts_typed_in_money(desk: Desk) -> None:
    cast = desk.cast
    typed = {
        "request_key": "o1", "circuit": str(cast.shop_103.pk), "customer": "", "name": "New Tenant", "phone": "1",
        "plan": str(cast.plan.pk), "till": str(cast.window.pk), "custody": "", "alarm_1": "50", "alarm_2": "10.5",
        "overdraft": "0", "hoarding_limit": "2000", "load_limit": "8", "act": "",
    }  # fmt: skip
    answer = desk.alice.post("/console/openings/new", typed)
    assert answer.status_code == 302, text_of(answer)
    row = Opening.objects.get()
    supply = row.supply_point
    assert (supply.custody, supply.credit_unit) == ("meter", "CNY")
    assert (supply.alarm_1, supply.alarm_2, supply.hoarding_limit) == (5_000, 1_050, 200_000)
    assert supply.load_limit_w == 8_000
    assert row.job is not None
    values = {"meter_number": int(cast.shop_103.meter.number), "balance": 1_320, "purchase_count": 2}
    JobRow.objects.filter(pk=row.job.pk).update(state="done", verdict="done", values=values)
    opening_steps.advance(row.pk, at=NOON)
    shown = text_of(desk.alice.get(f"/console/openings/{row.pk}"))
    assert "still holds ¥13.20" in shown and not OF_ENERGY.findall(shown)


def test_settings_by_hand_are_money_and_the_price_is_none_of_them(desk: Desk) -> None:
    page = text_of(desk.bob.get(f"/console/circuits/{desk.cast.shop_101.pk}/settings"))
    assert "Alarm amount 1 (yuan)" in page and 'value="50.00"' in page
    assert "price_flat" not in page


def test_what_the_meter_has_is_a_delivery_and_not_a_line_of_our_books(desk: Desk) -> None:
    sale = desk.sell(find="A-101", amount="50")
    desk.said(sale, "done", balance=6_250)
    assert Delivery.objects.get(sale=sale).credit_account_id is None
    assert "Booked" not in text_of(desk.alice.get("/console/sales"))
