"""The corrections at the desk, each kept apart: reversal, return, refund, make-up, rewrite, settlement."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from prewatt.core.refusals import Refused
from prewatt.office.estate.models import SupplyPoint
from prewatt.office.ledger.books import books
from prewatt.office.ledger.models import AccountKind, Entry
from prewatt.office.metering.models import JobRow
from prewatt.office.staff.models import AuditRow
from prewatt.office.vending import deliveries, make_ups, orders, returns, shifts
from prewatt.office.vending.models import Act, CircuitCredit, Delivery, Receipt, Sale
from prewatt.office.vending.read import sale_view
from prewatt.office.vending.reversals import reverse
from tests.office.vending.scene import AT, Scene, build, meter_says, read_latest

pytestmark = pytest.mark.django_db


@pytest.fixture
def scene() -> Scene:
    made = build()
    shifts.open_shift(till_id=made.w2.pk, float_minor=20_000, actor=made.bob, at=AT)
    return made


def code_of(act: Callable[[], object]) -> str:
    before = Entry.objects.count(), AuditRow.objects.count()
    with pytest.raises(Refused) as caught:
        act()
    assert (Entry.objects.count(), AuditRow.objects.count()) == before
    return caught.value.code


def sold(scene: Scene, key: str = "k1", n: int = 0) -> tuple[Sale, Delivery]:
    sale = scene.sell(n, key=key).sale
    return sale, Delivery.objects.get(sale=sale)


def said(delivery: Delivery, verdict: str, **more: object) -> None:
    values = more.pop("values", f'{{"purchase_count": {delivery.expected_count}, "balance": 200000}}')
    meter_says(delivery.pk, verdict, values=str(values), **more)  # type: ignore[arg-type]
    deliveries.settle(delivery.pk, at=AT)
    delivery.refresh_from_db()


def money(scene: Scene) -> dict[AccountKind, int]:
    found = books(scene.company.pk)
    assert found.debit_minor == found.credit_minor
    return {kind: value for kind, value in found.by_kind.items() if value and kind is not AccountKind.HANDED_OVER}


CASH, TRANSIT, DEFERRED = AccountKind.CASH, AccountKind.IN_DELIVERY, AccountKind.DEFERRED_INCOME
FLOAT = 20_000  # in Bob's drawer


def test_a_sale_that_never_left_is_reversed_and_its_command_taken_back(scene: Scene) -> None:
    sale, delivery = sold(scene)
    first = reverse(sale, reason="wrong shop", actor=scene.alice, key="r1", at=AT)
    again = reverse(sale, reason="wrong shop", actor=scene.alice, key="r1", at=AT)
    assert (first.replayed, again.replayed, again.act.pk) == (False, True, first.act.pk)
    sale.refresh_from_db()
    view = sale_view(sale)
    assert (view["state"], view["delivery"]["state"]) == ("reversed", "refused")
    assert view["delivery"]["steps"][-1]["code"] == "reversed"
    assert JobRow.objects.get(delivery=delivery).state == "dropped"
    assert money(scene) == {CASH: FLOAT}
    assert Entry.objects.get(key=f"reversal:{sale.number}").reverses_id == sale.entry_id
    assert CircuitCredit.objects.get(circuit=scene.circuits[0]).carried_minor == 0
    assert Receipt.objects.get(kind="reversal").data["reverses_receipt"] == "W1-000001"
    assert code_of(lambda: reverse(sale, reason="again", actor=scene.alice, key="r2", at=AT)) == "sale_reversed"
    assert not scene.sell(key="k9").replayed  # the circuit is free again, with the same count
    assert Delivery.objects.order_by("-id")[0].expected_count == 4


@pytest.mark.parametrize("state", ["claimed", "unknown", "silent-after-write", "disputed"])
def test_what_may_have_been_sent_is_not_reversed(scene: Scene, state: str) -> None:
    sale, delivery = sold(scene)
    if state == "claimed":
        JobRow.objects.update(state="claimed", claimed_at=AT, claim=1)
    elif state == "unknown":
        said(delivery, "unknown", again=True, values="{}")
    elif state == "silent-after-write":
        JobRow.objects.update(ever_sent=True)  # settle has not run yet
    else:
        said(delivery, "disputed", values='{"purchase_count": 9}')
    assert code_of(lambda: reverse(sale, reason="x", actor=scene.alice, key="r", at=AT)) == "delivery_unknown"
    assert code_of(lambda: refund(scene, delivery)) == "delivery_unknown"


NOT_YET = '{"purchase_count": 3, "balance": 0}'


def test_what_was_sent_and_read_back_as_not_applied_is_reversed(scene: Scene) -> None:
    """The write was answered and two looks showed the old count: no frame of it can take effect any more."""
    sale, delivery = sold(scene)
    said(delivery, "unknown", code="write_unanswered", again=True, values="{}")
    assert delivery.state == "unknown"
    said(delivery, "unknown", code="write_not_applied", again=True, values=NOT_YET)
    assert (delivery.state, delivery.read_count) == ("waiting", 3)
    reverse(sale, reason="wrong shop", actor=scene.alice, key="r1", at=AT)
    delivery.refresh_from_db()
    assert (delivery.state, JobRow.objects.get(delivery=delivery).state) == ("refused", "dropped")
    assert money(scene) == {CASH: FLOAT}
    assert sale_view(Sale.objects.get(pk=sale.pk))["delivery"]["steps"][-1]["code"] == "reversed"


def test_a_reversal_does_not_wait_for_the_delivery_to_catch_up_with_its_job(scene: Scene) -> None:
    sale, delivery = sold(scene)
    said(delivery, "unknown", code="write_unanswered", again=True, values="{}")
    meter_says(delivery.pk, "unknown", code="write_not_applied", again=True, values=NOT_YET)  # settle is late
    reverse(sale, reason="wrong shop", actor=scene.alice, key="r1", at=AT)


@pytest.mark.parametrize(
    ("what", "job"),
    [
        ("no answer came: the write may only be late", {"code": "write_unanswered"}),
        ("the count fits no order of ours", {"values": {"purchase_count": 4}}),
        ("nothing was read", {"values": {}}),
        ("a later claim has not reported", {"claimed_at": AT + timedelta(days=400)}),
        ("the order is with the meter now", {"state": "claimed"}),
        ("the last conversation was silent", {"verdict": "silent", "code": "no_reply"}),
    ],
)
def test_what_is_not_known_to_be_unapplied_is_not_reversed(scene: Scene, what: str, job: dict[str, object]) -> None:
    sale, delivery = sold(scene)
    said(delivery, "unknown", code="write_not_applied", again=True, values=NOT_YET)
    JobRow.objects.update(**job)
    assert code_of(lambda: reverse(sale, reason="x", actor=scene.alice, key="r", at=AT)) == "delivery_unknown", what


def test_a_successor_that_never_sent_does_not_clear_what_the_first_job_sent(scene: Scene) -> None:
    sale, delivery = sold(scene)
    said(delivery, "unknown", code="write_unanswered", values="{}")  # ended for good: a new job carries the order
    assert (delivery.state, delivery.orders) == ("unknown", 2)
    assert not JobRow.objects.get(delivery=delivery).ever_sent
    assert code_of(lambda: reverse(sale, reason="x", actor=scene.alice, key="r", at=AT)) == "delivery_unknown"


def refund(scene: Scene, delivery: Delivery, key: str = "f1") -> object:
    return returns.refund(delivery, till_id=scene.w2.pk, reason="asked", actor=scene.bob, key=key, at=AT)


def test_credit_in_the_meter_is_not_reversed(scene: Scene) -> None:
    sale, delivery = sold(scene)
    said(delivery, "done")
    assert code_of(lambda: reverse(sale, reason="x", actor=scene.alice, key="r", at=AT)) == "credit_in_meter"
    assert code_of(lambda: refund(scene, delivery)) == "credit_in_meter"


def test_only_the_last_sale_in_its_own_shift_is_reversed(scene: Scene) -> None:
    sale, delivery = sold(scene)
    said(delivery, "refused", code="meter_count_wrong")
    later, _ = sold(scene, "k2")
    assert code_of(lambda: reverse(sale, reason="x", actor=scene.alice, key="r", at=AT)) == "reversal_not_last"
    reverse(later, reason="x", actor=scene.alice, key="r2", at=AT)
    reverse(sale, reason="x", actor=scene.alice, key="r", at=AT)
    third, _ = sold(scene, "k3")
    shifts.hand_over(scene.shift, counted_minor=5000, actor=scene.alice, at=AT)
    assert code_of(lambda: reverse(third, reason="x", actor=scene.alice, key="r3", at=AT)) == "reversal_other_shift"


def test_a_reversal_needs_a_reason_and_the_role(scene: Scene) -> None:
    sale, _ = sold(scene)
    assert code_of(lambda: reverse(sale, reason=" ", actor=scene.alice, key="r", at=AT)) == "reason_needed"
    assert code_of(lambda: reverse(sale, reason="x" * 256, actor=scene.alice, key="r", at=AT)) == "reason_too_long"
    assert code_of(lambda: reverse(sale, reason="x", actor=scene.fay, key="r", at=AT)) == "not_permitted"
    reverse(sale, reason="x", actor=scene.bob, key="r", at=AT)  # a manager, in Alice's shift
    assert money(scene) == {CASH: FLOAT}


def test_return_takes_the_credit_first_then_refund_pays_once(scene: Scene) -> None:
    _, delivery = sold(scene)
    said(delivery, "done")
    read_latest(scene, 0, balance=54_350)
    given = returns.give_back(
        contract_number=scene.contracts[0].number, circuit_id=scene.circuits[0].pk, credit=20_000, reason="moves out",
        actor=scene.bob, key="t1", at=AT,
    )  # fmt: skip
    back = given.act.delivery
    assert back is not None and (back.kind, back.expected_count, back.value_minor) == ("return", 5, 1840)
    assert JobRow.objects.get(delivery=back).payload["order"] == {"count": 5, "kind": "return", "amount": 20_000}
    assert code_of(lambda: refund(scene, back)) == "delivery_unknown"
    assert money(scene) == {CASH: FLOAT + 5000, DEFERRED: 5000}
    said(back, "done")
    given.act.refresh_from_db()
    assert given.act.state == "done"
    assert money(scene) == {CASH: FLOAT + 5000, DEFERRED: 3160, AccountKind.REFUND_PAYABLE: 1840}
    refund(scene, back)
    assert refund(scene, back).replayed  # type: ignore[attr-defined]
    assert money(scene) == {CASH: FLOAT + 3160, DEFERRED: 3160}
    assert code_of(lambda: refund(scene, back, "f2")) == "refund_not_due"
    assert Receipt.objects.get(kind="refund").data["amount_words_zh"] == "人民币壹拾捌元肆角整"


def test_a_sale_returned_whole_can_be_reversed_in_its_shift(scene: Scene) -> None:
    sale, delivery = sold(scene)
    said(delivery, "done")
    read_latest(scene, 0, balance=54_350)
    back = returns.give_back_sale(sale, reason="wrong shop", actor=scene.bob, key="t1", at=AT).act.delivery
    assert back is not None
    assert code_of(lambda: reverse(sale, reason="x", actor=scene.alice, key="r", at=AT)) == "credit_in_meter"
    said(back, "done")
    assert code_of(
        lambda: returns.give_back_sale(sale, reason="twice", actor=scene.bob, key="t2", at=AT)
    ) == "sale_returned"  # fmt: skip
    reverse(sale, reason="wrong shop", actor=scene.alice, key="r1", at=AT)
    assert money(scene) == {CASH: FLOAT}
    assert code_of(lambda: refund(scene, back)) == "sale_reversed"


@pytest.mark.parametrize(
    ("credit", "balance", "code"),
    [
        (0, 54_350, "credit_malformed"), (-10, 54_350, "credit_malformed"), (5, 54_350, "credit_malformed"),
        (54_360, 54_350, "return_above_balance"), (100_000, 900_000, "return_above_books"),
        (10, None, "balance_unknown"),
    ],
)  # fmt: skip
def test_no_more_is_returned_than_meter_and_books_hold(
    scene: Scene, credit: int, balance: int | None, code: str
) -> None:
    _, delivery = sold(scene)
    said(delivery, "done")
    if balance is not None:
        read_latest(scene, 0, balance=balance)
    assert code_of(
        lambda: returns.give_back(
            contract_number=scene.contracts[0].number, circuit_id=scene.circuits[0].pk, credit=credit, reason="x",
            actor=scene.bob, key="t", at=AT,
        )
    ) == code  # fmt: skip


def test_a_refused_sale_is_written_again_with_its_count_or_refunded(scene: Scene) -> None:
    sale, delivery = sold(scene)
    assert code_of(lambda: rewrite(scene, delivery)) == "delivery_not_refused"
    said(delivery, "refused", code="modbus_exception_04", values="{}")
    rewrite(scene, delivery)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.orders, delivery.expected_count) == ("waiting", 2, 4)
    assert JobRow.objects.get(delivery=delivery).payload["order"]["count"] == 4
    said(delivery, "refused", code="modbus_exception_04", values="{}")
    refund(scene, delivery)
    assert money(scene) == {CASH: FLOAT}
    assert code_of(lambda: rewrite(scene, delivery, "w2")) == "sale_refunded"
    assert code_of(lambda: reverse(sale, reason="x", actor=scene.alice, key="r", at=AT)) == "sale_refunded"


def rewrite(scene: Scene, delivery: Delivery, key: str = "w1") -> object:
    return orders.rewrite(delivery, reason="line is back", actor=scene.alice, key=key, at=AT)


def test_an_order_whose_count_was_taken_is_not_written_again(scene: Scene) -> None:
    _, delivery = sold(scene)
    said(delivery, "refused", code="modbus_exception_04", values="{}")
    _, second = sold(scene, "k2")
    assert code_of(lambda: rewrite(scene, delivery)) == "delivery_open"
    said(second, "done")
    assert code_of(lambda: rewrite(scene, delivery)) == "count_moved"


def ask(scene: Scene, key: str = "m1") -> Act:
    return make_ups.ask(
        contract_number=scene.contracts[0].number, circuit_id=scene.circuits[0].pk, credit=10_000,
        reason="billed twice by the old system", actor=scene.alice, key=key, at=AT,
    ).act  # fmt: skip


def test_a_make_up_needs_another_person_and_costs_us(scene: Scene) -> None:
    act = ask(scene)
    assert Delivery.objects.count() == 0
    assert code_of(lambda: make_ups.agree(act, actor=scene.alice, at=AT)) == "not_permitted"
    make_ups.agree(act, actor=scene.bob, at=AT)
    assert make_ups.agree(act, actor=scene.bob, at=AT).replayed
    assert code_of(lambda: make_ups.agree(act, actor=scene.fay, at=AT)) == "act_not_asked"
    assert money(scene) == {CASH: FLOAT, AccountKind.MAKE_UP_COST: 920, TRANSIT: 920}
    delivery = Delivery.objects.get(origin="make_up")
    said(delivery, "done")
    assert money(scene) == {CASH: FLOAT, AccountKind.MAKE_UP_COST: 920, DEFERRED: 920}
    act.refresh_from_db()
    assert (act.state, act.second_person) == ("done", scene.bob.key)


def test_a_manager_does_not_agree_with_himself(scene: Scene) -> None:
    act = make_ups.ask(
        contract_number=scene.contracts[0].number, circuit_id=scene.circuits[0].pk, credit=10_000, reason="x",
        actor=scene.bob, key="m", at=AT,
    ).act  # fmt: skip
    assert code_of(lambda: make_ups.agree(act, actor=scene.bob, at=AT)) == "second_person_needed"


def test_a_make_up_declined_or_refused_by_the_meter_costs_nothing(scene: Scene) -> None:
    declined = ask(scene)
    make_ups.decline(declined, actor=scene.fay, at=AT, reason="no proof")
    assert code_of(lambda: make_ups.agree(declined, actor=scene.bob, at=AT)) == "act_not_asked"
    make_ups.agree(ask(scene, "m2"), actor=scene.bob, at=AT)
    said(Delivery.objects.get(origin="make_up"), "refused", code="meter_hoarding_limit")
    assert money(scene) == {CASH: FLOAT}


@pytest.mark.parametrize("delivered", [True, False])
def test_a_dispute_is_settled_by_what_a_manager_read(scene: Scene, delivered: bool) -> None:
    _, delivery = sold(scene)
    said(delivery, "disputed", code="count_moved", values='{"purchase_count": 6}')
    assert code_of(lambda: scene.sell(key="k2")) == "delivery_open"

    def settle(key: str = "s1", count: int = 6) -> object:
        return orders.settle_by_hand(
            delivery, delivered=delivered, purchase_count=count, evidence={"balance": 90_000},
            reason="read on site", actor=scene.bob, key=key, at=AT,
        )  # fmt: skip

    assert code_of(lambda: settle(count=65_536)) == "evidence_malformed"
    if delivered:
        assert code_of(lambda: settle(count=3)) == "evidence_contradicts"
    settle()
    assert settle().replayed  # type: ignore[attr-defined]
    assert code_of(lambda: settle("s2")) == "delivery_not_disputed"
    assert CircuitCredit.objects.get(circuit=scene.circuits[0]).purchase_count == 6
    delivery.refresh_from_db()
    assert delivery.state == ("confirmed" if delivered else "refused")
    if not delivered:
        refund(scene, delivery)
    assert money(scene) == ({CASH: FLOAT + 5000, DEFERRED: 5000} if delivered else {CASH: FLOAT})
    assert scene.sell(key="k3").sale.number
    assert Delivery.objects.order_by("-id")[0].expected_count == 7


def test_a_refund_needs_cash_in_the_drawer(scene: Scene) -> None:
    sale = scene.sell(amount_minor=30_000).sale
    delivery = Delivery.objects.get(sale=sale)
    said(delivery, "refused", code="modbus_exception_04", values="{}")
    assert code_of(lambda: refund(scene, delivery)) == "drawer_short"
    paid = returns.refund(
        delivery, till_id=scene.w2.pk, reason="x", actor=scene.bob, key="f2", at=AT, tender="bank_transfer",
        reference="B77",
    )  # fmt: skip
    assert paid.act.amount_minor == 30_000
    assert money(scene) == {CASH: FLOAT + 30_000, AccountKind.CLEARING: -30_000}


def test_a_reversal_pays_no_more_than_the_drawer_holds(scene: Scene) -> None:
    """A card sale that the meter refused was paid back in cash; the drawer has nothing left for the next one."""
    by_card = scene.sell(1, key="k0", tender="pos_card", reference="A1").sale
    refused = Delivery.objects.get(sale=by_card)
    said(refused, "refused", code="meter_refused", values="{}")
    sale = scene.sell(actor=scene.key, till_id=scene.api.pk).sale
    returns.refund(refused, till_id=scene.api.pk, reason="x", actor=scene.key, key="f0", at=AT)
    assert code_of(lambda: reverse(sale, reason="x", actor=scene.key, key="r", at=AT)) == "drawer_short"
    assert JobRow.objects.get(delivery__sale=sale).state == "queued", "its command was not taken away"


def test_a_make_up_is_judged_by_the_balance_when_asked_and_when_agreed(scene: Scene) -> None:
    SupplyPoint.objects.filter(circuit=scene.circuits[0]).update(hoarding_limit=100_000)

    def ask() -> Act:
        return make_ups.ask(
            contract_number=scene.contracts[0].number, circuit_id=scene.circuits[0].pk, credit=40_000, reason="lost",
            actor=scene.alice, key="m1", at=AT,
        ).act  # fmt: skip

    assert code_of(ask) == "balance_unknown"
    read_latest(scene, 0, balance=60_000)
    act = ask()
    read_latest(scene, 0, balance=60_010)
    assert code_of(lambda: make_ups.agree(act, actor=scene.bob, at=AT)) == "make_up_above_hoarding_limit"
    read_latest(scene, 0, balance=60_000)
    assert make_ups.agree(act, actor=scene.bob, at=AT).act.delivery is not None
