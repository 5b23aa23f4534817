"""The past in bulk, through the functions that sell."""

from datetime import timedelta

import pytest

from prewatt.core.refusals import Refused
from prewatt.office.ledger.books import books
from prewatt.office.ledger.models import AccountKind
from prewatt.office.metering.models import JobRow
from prewatt.office.vending.history import PastReturn, PastSale, load
from prewatt.office.vending.models import CircuitCredit, Delivery, DeliveryStep, Receipt, Sale
from tests.office.vending.scene import AT, Scene, build

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def sale(scene: Scene, n: int, day: int, **changes: object) -> PastSale:
    at = AT - 60 * DAY + day * DAY + timedelta(minutes=n)
    given: dict[str, object] = {
        "key": f"past-{n}-{day}", "contract_number": scene.contracts[n].number, "circuit_id": scene.circuits[n].pk,
        "till_id": scene.w1.pk, "shift_id": scene.shift.pk, "actor": scene.alice, "at": at, "amount_minor": 5000,
        "balance": 12_000, "confirmed_at": at + timedelta(seconds=4), **changes,
    }  # fmt: skip
    return PastSale(**given)  # type: ignore[arg-type]


def test_sales_of_the_past_stand_in_the_books_as_if_sold_then() -> None:
    scene = build(2)
    rows = [sale(scene, n, day) for day in range(30) for n in range(2)]
    assert load(rows) == 60
    assert load(rows) == 0
    found = books(scene.company.pk)
    assert found.debit_minor == found.credit_minor
    assert (found.cash_minor, found.in_delivery_minor, found.deferred_income_minor) == (300_000, 0, 300_000)
    assert JobRow.objects.count() == 0
    assert set(Delivery.objects.values_list("state", flat=True)) == {"confirmed"}
    assert CircuitCredit.objects.get(circuit=scene.circuits[0]).purchase_count == 33
    first = Sale.objects.order_by("id")[0]
    assert (first.at, first.number[:7]) == (rows[0].at, "S260921")
    assert Receipt.objects.get(sale=first).data["balance_before"] == 12_000
    assert scene.sell().sale.credit in (54_340, 54_350)
    assert list(Receipt.objects.order_by("id").values_list("number", flat=True)) == list(range(1, 62))


def test_a_delivery_that_was_unknown_shows_how_it_was_resolved() -> None:
    scene = build(1)
    at = AT - 10 * DAY
    load([sale(scene, 0, 50, at=at, unknown_at=at + timedelta(seconds=5), confirmed_at=at + timedelta(minutes=3))])
    assert list(DeliveryStep.objects.order_by("id").values_list("state", flat=True)) == [
        "waiting", "sent", "unknown", "confirmed",
    ]  # fmt: skip


def test_a_return_of_the_past_is_returned_and_refunded() -> None:
    scene = build(1)
    at = AT - 5 * DAY
    back = PastReturn(
        key="ret", contract_number=scene.contracts[0].number, circuit_id=scene.circuits[0].pk, till_id=scene.w1.pk,
        shift_id=scene.shift.pk, actor=scene.bob, at=at, credit=20_000, balance=60_000,
        confirmed_at=at + timedelta(seconds=5), refunded_at=at + timedelta(minutes=2), reason="moved out",
    )  # fmt: skip
    assert load([sale(scene, 0, 1), back]) == 2
    assert load([back]) == 0
    found = books(scene.company.pk)
    assert (found.cash_minor, found.deferred_income_minor, found.of(AccountKind.REFUND_PAYABLE)) == (3160, 3160, 0)
    assert CircuitCredit.objects.get(circuit=scene.circuits[0]).purchase_count == 5
    assert Receipt.objects.get(kind="refund").data["amount_minor"] == 1840


def test_the_past_is_loaded_whole_or_not_at_all() -> None:
    scene = build(1)
    with pytest.raises(Refused) as caught:
        load([sale(scene, 0, 1), sale(scene, 0, 2, amount_minor=99)])
    assert (caught.value.code, caught.value.params["why"]) == ("history_refused", "amount_too_small")
    assert Sale.objects.count() == 0
    with pytest.raises(Refused) as caught:
        load([sale(scene, 0, 2), sale(scene, 0, 1)])
    assert caught.value.code == "history_not_in_order"
