"""Receipts: what stands on them, which copy it is, and for whom they exist."""

import pytest

from prewatt.office.staff.models import AuditRow
from prewatt.office.vending.models import Receipt
from tests.web.console import sell_desk
from tests.web.console.sell_desk import Desk, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    return sell_desk.make(monkeypatch)


def test_a_sale_prints_all_that_it_must(desk: Desk) -> None:
    sale = desk.sell()
    desk.said(sale, "done")
    receipt = Receipt.objects.get()
    text = text_of(desk.client(desk.cast.alice, language="zh-hans").get(f"/console/receipts/{receipt.pk}"))
    for told in ("收据，非发票", "W1-000001", "30010101", "260311000001", "A-101", "100.00 kWh", "0.9200 元/kWh", "54.35 kWh",
                 "¥50.00", "人民币伍拾元整", "现金", "Alice", "表计已确认", "① 存根 白", sale.number):  # fmt: skip
        assert told in text, told


def test_an_unconfirmed_sale_says_so_on_paper(desk: Desk) -> None:
    sale = desk.sell()
    desk.said(sale, "unknown")
    assert "Unknown, to be confirmed" in text_of(desk.alice.get(f"/console/receipts/{Receipt.objects.get().pk}"))


def test_a_print_is_counted_and_a_copy_says_which_it_is(desk: Desk) -> None:
    desk.sell()
    address = f"/console/receipts/{Receipt.objects.get().pk}"
    client = desk.client(desk.cast.alice, language="zh-hans")
    assert "尚未打印" in text_of(client.get(address))
    first = client.post(f"{address}/print")
    assert first["Location"] == f"{address}?print=1"
    assert "首次打印" in text_of(client.get(first["Location"]))
    second = client.post(f"{address}/print")
    assert "补打 第 2 次" in text_of(client.get(second["Location"]))
    assert "已打印 2 次" in text_of(client.get(f"{address}?print=9"))  # nobody prints a copy that was not counted
    assert Receipt.objects.get().prints == 2
    assert AuditRow.objects.filter(action="vending.reprint").count() == 1


def test_a_reversal_has_a_receipt_that_names_the_first(desk: Desk) -> None:
    sale = desk.sell()
    desk.alice.post(f"/console/sales/{sale.pk}/reverse", {"reason": "wrong shop", "request_key": "r1"})
    receipt = Receipt.objects.get(kind="reversal")
    text = text_of(desk.alice.get(f"/console/receipts/{receipt.pk}"))
    assert "W1-000002" in text and "W1-000001" in text and "wrong shop" in text


@pytest.mark.parametrize("kind", ["opening", "closing"])
def test_opening_and_closing_slips_show_what_stood_in_the_meter(desk: Desk, kind: str) -> None:
    receipt = Receipt.objects.create(
        site_id=desk.cast.site.pk, till=desk.cast.till, number=1, kind=kind, contract=desk.cast.contract_101,
        at=desk.at,
        data={"kind": kind, "receipt_number": "K1-000001", "contract_number": "30010101", "customer": "Li Xingye",
              "room": "A-101", "meter_number": "260311000001", "credit_unit": "Wh", "currency": "CNY",
              "cashier": "Alice",
              "at": desk.at.isoformat(), "balance": 12_340, "purchase_count": 5, "energy_wh": 1_000_000,
              "alarm_1": 50_000, "alarm_2": 10_000, "overdraft": 0, "hoarding_limit": 2_000_000, "load_limit_w": 0,
              "price": "0.920000", "taken_over_minor": 1_135},
    )  # fmt: skip
    text = text_of(desk.alice.get(f"/console/receipts/{receipt.pk}"))
    assert "12.34 kWh" in text and "1,000.00 kWh" in text
    assert ("¥11.35" in text) == (kind == "opening")


def test_who_has_no_scope_finds_no_receipt_and_counts_no_print(desk: Desk) -> None:
    desk.sell()
    receipt = Receipt.objects.get()
    elsewhere = type(desk.cast.site).objects.create(company=desk.cast.company, code="dorm", name="Dormitory")
    desk.cast.charlie.scopes.create(site_id=elsewhere.pk)
    assert desk.charlie.get(f"/console/receipts/{receipt.pk}").status_code == 404
    assert desk.charlie.post(f"/console/receipts/{receipt.pk}/print").status_code == 404
    assert Receipt.objects.get().prints == 0
