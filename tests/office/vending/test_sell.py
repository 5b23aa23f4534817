"""Selling: what is paid, repaid and added; what is refused; one sale per key."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from prewatt.core.refusals import Refused
from prewatt.office.estate.models import PlanVersion, SupplyPoint
from prewatt.office.ledger.books import books
from prewatt.office.ledger.models import AccountKind, ClosedDay
from prewatt.office.metering.models import JobRow
from prewatt.office.payments.models import Payment
from prewatt.office.staff.models import AuditRow
from prewatt.office.vending.deliveries import settle
from prewatt.office.vending.models import CircuitCredit, Delivery, Receipt, Sale, Till
from prewatt.office.vending.quotes import quote
from prewatt.office.vending.read import sale_view
from tests.office.vending.scene import AT, Scene, build, meter_says, read_latest

pytestmark = pytest.mark.django_db


@pytest.fixture
def scene() -> Scene:
    return build()


def refusal(scene: Scene, n: int = 0, **changes: Any) -> str:
    before = Sale.objects.count(), Payment.objects.count(), AuditRow.objects.count()
    with pytest.raises(Refused) as caught:
        scene.sell(n, **changes)
    assert (Sale.objects.count(), Payment.objects.count(), AuditRow.objects.count()) == before
    return caught.value.code


def test_a_sale_leaves_everything_that_belongs_to_it(scene: Scene) -> None:
    sale = scene.sell().sale
    delivery = Delivery.objects.get(sale=sale)
    assert sale.number.startswith("S261120") and sale.number[7:].isdigit() and len(sale.number) >= 11
    assert (sale.state, sale.amount_minor, sale.currency, sale.credit, sale.credit_unit) == (
        "sold", 5000, "CNY", 54_350, "Wh",
    )  # fmt: skip
    assert (delivery.state, delivery.expected_count, delivery.amount, delivery.value_minor) == (
        "waiting",
        4,
        54_350,
        5000,
    )
    job = JobRow.objects.get(delivery=delivery)
    assert job.payload == {
        "intent": "credit", "circuit_index": 1, "order": {"count": 4, "kind": "purchase", "amount": 54_350},
    }  # fmt: skip
    assert (job.then_task, job.then_args) == ("vending.settle", {"delivery_id": delivery.pk})
    assert AuditRow.objects.get(action="vending.sell").object_id == str(sale.pk)
    receipt = Receipt.objects.get(sale=sale)
    assert receipt.data["receipt_number"] == "W1-000001"
    assert receipt.data["amount_words_zh"] == "人民币伍拾元整"
    assert receipt.data["purchase_count"] == 4
    found = books(scene.company.pk)
    assert found.debit_minor == found.credit_minor == 5000
    assert (found.cash_minor, found.in_delivery_minor, found.deferred_income_minor) == (5000, 5000, 0)


def test_the_shape_of_a_sale_is_the_pinned_one(scene: Scene) -> None:
    sale = scene.sell().sale
    assert sale_view(sale) == {
        "id": str(sale.pk), "number": sale.number, "state": "sold", "amount_minor": 5000, "currency": "CNY",
        "credit": 54_350, "credit_unit": "Wh", "circuit_id": str(scene.circuits[0].pk),
        "delivery": {
            "state": "waiting", "expected_count": 4, "read_count": None, "next_try_at": None,
            "steps": [{"state": "waiting", "at": "2026-11-20T02:00:00.000Z", "code": None}],
        },
    }  # fmt: skip


def test_a_claimed_job_shows_as_sent(scene: Scene) -> None:
    sale = scene.sell().sale
    JobRow.objects.update(state="claimed", claimed_at=AT + timedelta(seconds=1), claim=1, attempts=1)
    view = sale_view(sale)["delivery"]
    assert view["state"] == "sent"
    assert [step["state"] for step in view["steps"]] == ["waiting", "sent"]


def test_the_same_key_and_body_gives_the_same_sale_whatever_became_of_the_contract(scene: Scene) -> None:
    first = scene.sell()
    again = scene.sell()
    assert (first.replayed, again.replayed, again.sale.pk) == (False, True, first.sale.pk)
    SupplyPoint.objects.filter(circuit=scene.circuits[0]).update(valid_to=AT - timedelta(days=1), state="closed")
    assert scene.sell(at=AT + timedelta(days=1)).sale.pk == first.sale.pk
    assert Sale.objects.count() == 1


def test_the_same_key_with_another_body_is_refused(scene: Scene) -> None:
    scene.sell()
    assert refusal(scene, amount_minor=5001) == "key_reused"
    assert refusal(scene, 1) == "key_reused"
    assert refusal(scene, tender="pos_card", reference="A1") == "key_reused"
    assert refusal(scene, contract_number="nowhere") == "key_reused"


def test_two_actors_may_use_the_same_key(scene: Scene) -> None:
    scene.sell()
    assert not scene.sell(1, actor=scene.key, till_id=scene.api.pk).replayed


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"key": ""}, "key_required"),
        ({"key": "x" * 65}, "key_required"),
        ({"key": "键"}, "key_required"),
        ({"amount_minor": 0}, "amount_malformed_minor"),
        ({"amount_minor": -5000}, "amount_malformed_minor"),
        ({"amount_minor": 10**15}, "amount_malformed_minor"),
        ({"amount_minor": 99}, "amount_too_small"),
        ({"amount_minor": 5_000_001}, "amount_above_limit"),
        ({"contract_number": "nowhere"}, "circuit_not_of_contract"),
        ({"circuit_id": 10**9}, "circuit_not_of_contract"),
        ({"tender": "cheque"}, "tender_unknown"),
        ({"tender": "pos_card"}, "reference_needed"),
        ({"tender": "pos_card", "reference": "x" * 65}, "reference_malformed"),
        ({"till_id": 10**9}, "till_unknown"),
    ],
)
def test_bad_input_is_refused_and_nothing_is_half_done(scene: Scene, changes: dict[str, Any], code: str) -> None:
    assert refusal(scene, **changes) == code


def test_a_circuit_of_another_contract_is_refused(scene: Scene) -> None:
    assert refusal(scene, circuit_id=scene.circuits[1].pk) == "circuit_not_of_contract"


def test_roles_that_do_not_sell_are_refused(scene: Scene) -> None:
    assert refusal(scene, actor=scene.fay) == "not_permitted"


def test_a_till_needs_a_shift_of_ones_own(scene: Scene) -> None:
    assert refusal(scene, till_id=scene.w2.pk) == "shift_not_open"
    assert refusal(scene, actor=scene.bob) == "shift_not_yours"
    other = Till.objects.create(site_id=scene.site.pk + 1, code="X", name="elsewhere", needs_shift=False)
    assert refusal(scene, till_id=other.pk) == "till_unknown"


def test_contracts_that_are_not_open_are_refused_and_server_custody_without_an_account_is_not_open(
    scene: Scene,
) -> None:
    SupplyPoint.objects.filter(circuit=scene.circuits[0]).update(state="opening")
    assert refusal(scene) == "contract_not_open"
    SupplyPoint.objects.filter(circuit=scene.circuits[0]).update(state="open", custody="server")
    assert refusal(scene) == "contract_not_open"


def test_nothing_is_sold_into_a_closed_day(scene: Scene) -> None:
    ClosedDay.objects.create(site_id=scene.site.pk, day=AT.date(), closed_at=AT, actor="operator:1")
    assert refusal(scene) == "day_closed"


def test_one_open_delivery_per_circuit(scene: Scene) -> None:
    scene.sell()
    assert refusal(scene, key="k2") == "delivery_open"
    assert not scene.sell(1, key="k2").replayed


def test_the_hoarding_limit_counts_what_the_meter_holds(scene: Scene) -> None:
    SupplyPoint.objects.filter(circuit=scene.circuits[0]).update(hoarding_limit=100_000)
    assert refusal(scene) == "balance_unknown"
    read_latest(scene, 0, balance=45_660)
    assert refusal(scene) == "hoarding_limit"
    read_latest(scene, 0, balance=45_650)
    assert scene.sell().sale.credit == 54_350


def test_use_past_zero_is_repaid_before_permitted_overdraft(scene: Scene) -> None:
    SupplyPoint.objects.filter(circuit=scene.circuits[0]).update(overdraft=20_000)
    read_latest(scene, 0, balance=-50_000)  # 30 kWh below the permitted 20
    shown = quote(scene.contracts[0].number, scene.circuits[0].pk, 5000, AT)
    assert (shown.repaid_past_zero, shown.repaid_overdraft, shown.added) == (30_000, 20_000, 4_350)
    assert shown.balance_after == 4_350
    small = quote(scene.contracts[0].number, scene.circuits[0].pk, 3000, AT)
    assert (small.credit, small.repaid_past_zero, small.repaid_overdraft, small.added) == (32_610, 30_000, 2_610, 0)
    sale = scene.sell().sale
    assert (sale.repaid_past_zero, sale.repaid_overdraft, sale.balance_before) == (30_000, 20_000, -50_000)
    assert Receipt.objects.get(sale=sale).data["added"] == 4_350


def test_what_was_rounded_up_is_taken_off_the_next_sale(scene: Scene) -> None:
    """50.00 / 0.92 = 54.3478… kWh, sold as 54.35 (worth 50.002): 0.2 fen are carried, and so on."""
    credits, carried = [], []
    for n in range(12):
        sale = scene.sell(key=f"c{n}").sale
        credits.append(sale.credit)
        carried.append(sale.carried_after)
        delivery = Delivery.objects.get(sale=sale)
        meter_says(delivery.pk, "done", values=f'{{"purchase_count": {4 + n}}}')
        settle(delivery.pk, at=AT)
    assert set(credits) == {54_350, 54_340}
    step = Decimal("0.92")  # price of 10 Wh in fen
    assert all(0 <= each < step for each in carried)
    assert sum(credits) * Decimal("0.092") == 12 * 5000 + carried[-1]
    assert CircuitCredit.objects.get(circuit=scene.circuits[0]).purchase_count == 15


def test_a_price_that_began_meanwhile_is_quoted_again(scene: Scene) -> None:
    PlanVersion.objects.create(plan=scene.plan, price=Decimal("1.00"), valid_from=AT, created_at=AT)
    sale = scene.sell().sale
    assert (sale.price, sale.credit) == (Decimal("1.000000"), 50_000)
    earlier = scene.sell(1, at=AT - timedelta(seconds=1), key="k2").sale
    assert earlier.price == Decimal("0.920000")


def test_money_that_is_not_cash_lies_in_clearing(scene: Scene) -> None:
    sale = scene.sell(tender="merchant_qr", reference=" 4200001 ").sale
    found = books(scene.company.pk)
    assert (found.cash_minor, found.of(AccountKind.CLEARING)) == (0, 5000)
    assert Payment.objects.get(pk=sale.payment_id).reference == "4200001"


def test_a_key_sells_on_its_own_till_without_a_shift(scene: Scene) -> None:
    sale = scene.sell(actor=scene.key, till_id=scene.api.pk).sale
    assert sale.shift_id is None
    assert Receipt.objects.get(sale=sale).data["receipt_number"] == "API1-000001"


def test_receipt_numbers_have_no_gaps(scene: Scene) -> None:
    scene.sell()
    refusal(scene, key="k2")
    scene.sell(1, key="k3")
    assert [row.data["receipt_number"] for row in Receipt.objects.order_by("id")] == ["W1-000001", "W1-000002"]


def test_the_quote_refuses_what_the_sale_would(scene: Scene) -> None:
    for amount, code in ((99, "amount_too_small"), (5_000_001, "amount_above_limit"), (0, "amount_malformed_minor")):
        with pytest.raises(Refused) as caught:
            quote(scene.contracts[0].number, scene.circuits[0].pk, amount, AT)
        assert caught.value.code == code
    scene.sell()
    with pytest.raises(Refused) as caught:
        quote(scene.contracts[0].number, scene.circuits[0].pk, 5000, AT)
    assert caught.value.code == "delivery_open"


def test_a_command_hashes_what_the_caller_asked_for(scene: Scene) -> None:
    one = scene.command()
    assert one.request_hash == replace(one, at=AT + timedelta(hours=1), till_id=99).request_hash
    assert one.request_hash != replace(one, amount_minor=1).request_hash
