"""Selling and correcting where the books hold the credit (后台计费): the same verbs, confirmed as they are booked."""

from collections.abc import Callable

import pytest

from prewatt.core.refusals import Refused
from prewatt.office.estate.models import Contract, SupplyPoint
from prewatt.office.ledger import books
from prewatt.office.ledger.models import AccountKind, Entry
from prewatt.office.metering.models import JobRow
from prewatt.office.staff.models import AuditRow
from prewatt.office.vending import make_ups, orders, returns, shifts
from prewatt.office.vending.audits import audit_books
from prewatt.office.vending.models import Act, CircuitCredit, Delivery, DeliveryStep, Receipt, Sale
from prewatt.office.vending.quotes import quote
from prewatt.office.vending.read import sale_view
from prewatt.office.vending.reversals import reverse, take_back
from tests.office.vending.scene import AT, Scene, build, hold, use

pytestmark = pytest.mark.django_db


@pytest.fixture
def scene() -> Scene:
    made = build()
    shifts.open_shift(till_id=made.w2.pk, float_minor=20_000, actor=made.bob, at=AT)
    return made


def code_of(act: Callable[[], object]) -> str:
    before = Entry.objects.count(), AuditRow.objects.count(), Delivery.objects.count()
    with pytest.raises(Refused) as caught:
        act()
    assert (Entry.objects.count(), AuditRow.objects.count(), Delivery.objects.count()) == before
    return caught.value.code


def agreed(scene: Scene) -> None:
    found = books.books(scene.company.pk)
    assert found.debit_minor == found.credit_minor
    assert audit_books() == []


def test_a_sale_is_confirmed_as_it_is_booked(scene: Scene) -> None:
    account = hold(scene)
    sale = scene.sell().sale
    view = sale_view(sale)
    assert (view["credit"], view["credit_unit"], view["amount_minor"]) == (5000, "CNY", 5000)
    delivery = view["delivery"]
    assert (delivery["state"], delivery["expected_count"], delivery["read_count"]) == ("confirmed", 1, 1)
    assert [step["state"] for step in delivery["steps"]] == ["confirmed"]
    assert books.running(account) == 5000
    assert (books.books(scene.company.pk).in_delivery_minor, JobRow.objects.count()) == (0, 0)
    assert Receipt.objects.get(sale=sale).data["purchase_count"] == 1
    agreed(scene)


def test_the_count_is_our_own_and_the_same_key_sells_once(scene: Scene) -> None:
    account = hold(scene)
    first = scene.sell()
    assert [scene.sell().replayed, scene.sell(key="k2").replayed] == [True, False]
    assert sorted(Delivery.objects.values_list("expected_count", flat=True)) == [1, 2]
    assert (books.running(account), CircuitCredit.objects.get(circuit=scene.circuits[0]).purchase_count) == (10_000, 2)
    assert code_of(lambda: scene.sell(key="k3", amount_minor=1)) == "amount_too_small"
    assert code_of(lambda: scene.sell(amount_minor=6000)) == "key_reused"
    assert first.sale.balance_before == 0


def test_what_is_owed_is_repaid_first_and_shown_so(scene: Scene) -> None:
    account = hold(scene, overdraft=1000)
    use(scene, account, 1500)
    shown = quote(scene.contracts[0].number, scene.circuits[0].pk, 5000, AT)
    assert (shown.balance, shown.repaid_past_zero + shown.repaid_overdraft, shown.added) == (-1500, 1500, 3500)
    sale = scene.sell().sale
    data = Receipt.objects.get(sale=sale).data
    assert (data["balance_before"], data["repaid_past_zero"], data["repaid_overdraft"], data["added"]) == (
        -1500, 500, 1000, 3500,
    )  # fmt: skip
    assert books.running(account) == 3500
    agreed(scene)


def test_the_hoarding_limit_counts_what_the_books_hold(scene: Scene) -> None:
    hold(scene, hoarding_limit=8000)
    scene.sell()
    assert code_of(lambda: scene.sell(key="k2")) == "hoarding_limit"
    assert not scene.sell(key="k3", amount_minor=3000).replayed


@pytest.mark.parametrize(("state", "code"), [("opening", ""), ("closing", "contract_not_open")])
def test_money_is_taken_before_the_opening_reading_and_not_while_closing(scene: Scene, state: str, code: str) -> None:
    hold(scene, state=state)
    Contract.objects.filter(pk=scene.contracts[0].pk).update(state=state)
    if code:
        assert code_of(scene.sell) == code
    else:
        assert scene.sell().sale.state == "sold"


def test_two_circuits_of_a_contract_fill_one_balance(scene: Scene) -> None:
    account = hold(scene, 0)
    SupplyPoint.objects.filter(circuit=scene.circuits[1]).update(contract=scene.contracts[0])
    assert hold(scene, 1, key=f"credit:contract:{scene.contracts[0].pk}") == account
    scene.sell(0)
    second = scene.sell(1, key="k2", contract_number=scene.contracts[0].number).sale
    assert (books.running(account), second.balance_before) == (10_000, 5000)
    assert Delivery.objects.get(sale=second).expected_count == 1  # each circuit counts its own purchases
    agreed(scene)


def test_a_reversal_lowers_what_was_paid(scene: Scene) -> None:
    account = hold(scene)
    scene.sell()
    sale = scene.sell(key="k2").sale
    use(scene, account, 100)
    done = reverse(sale, reason="wrong shop", actor=scene.alice, key="r1", at=AT)
    assert reverse(sale, reason="wrong shop", actor=scene.alice, key="r1", at=AT).act.pk == done.act.pk
    sale.refresh_from_db()
    view = sale_view(sale)
    assert (view["state"], view["delivery"]["state"], view["delivery"]["steps"][-1]["code"]) == (
        "reversed", "refused", "reversed",
    )  # fmt: skip
    assert books.running(account) == 4900
    assert code_of(lambda: orders.rewrite(
        Delivery.objects.get(sale=sale), reason="x", actor=scene.bob, key="w", at=AT)) == "delivery_not_refused"
    assert scene.sell(key="k3").sale.pk != sale.pk
    assert Delivery.objects.order_by("-id")[0].expected_count == 3  # a number that was printed is not used again
    agreed(scene)


def test_an_overdraft_is_not_paid_out_by_returning_a_part_and_reversing_the_whole(scene: Scene) -> None:
    account = hold(scene, overdraft=5000)
    sale = scene.sell().sale
    returns.give_back(
        contract_number=scene.contracts[0].number, circuit_id=scene.circuits[0].pk, credit=2000, reason="x",
        actor=scene.bob, key="t", at=AT,
    )  # fmt: skip
    assert code_of(lambda: reverse(sale, reason="x", actor=scene.bob, key="r", at=AT)) == "credit_used"
    assert books.running(account) == 3000
    agreed(scene)


@pytest.mark.parametrize(
    ("used", "overdraft", "code"), [(500, 0, ""), (501, 0, "credit_used"), (501, 1000, ""), (1001, 1000, "credit_used")]
)
def test_a_sale_whose_credit_was_used_is_not_reversed(scene: Scene, used: int, overdraft: int, code: str) -> None:
    account = hold(scene, overdraft=overdraft)
    sale = scene.sell().sale
    use(scene, account, used)
    if code:
        assert code_of(lambda: reverse(sale, reason="x", actor=scene.alice, key="r1", at=AT)) == code
    else:
        reverse(sale, reason="x", actor=scene.alice, key="r1", at=AT)
        assert books.running(account) == -used
    agreed(scene)


def returned(scene: Scene, credit: int, key: str = "t1") -> Act:
    return returns.give_back(
        contract_number=scene.contracts[0].number, circuit_id=scene.circuits[0].pk, credit=credit, reason="moves out",
        actor=scene.bob, key=key, at=AT,
    ).act  # fmt: skip


def test_a_return_leaves_the_balance_at_once_and_is_paid_out_once(scene: Scene) -> None:
    account = hold(scene)
    scene.sell()
    assert code_of(lambda: returned(scene, 5001)) == "return_above_balance"
    act = returned(scene, 2000)
    assert (act.state, act.amount_minor, books.running(account)) == ("done", 2000, 3000)
    assert returned(scene, 2000).pk == act.pk
    assert paid_out(scene, act, "f1").amount_minor == 2000
    assert code_of(
        lambda: paid_out(scene, act, "f2")
    ) == "refund_not_due"
    assert code_of(lambda: take_back(act, reason="x", actor=scene.bob, key="b1", at=AT)) == "sale_refunded"
    assert books.books(scene.company.pk).of(AccountKind.REFUND_PAYABLE) == 0
    agreed(scene)


def test_a_return_that_was_a_mistake_is_taken_back(scene: Scene) -> None:
    account = hold(scene)
    scene.sell()
    act = returned(scene, 2000)
    first = take_back(act, reason="typed wrong", actor=scene.bob, key="b1", at=AT)
    assert take_back(act, reason="typed wrong", actor=scene.bob, key="b1", at=AT).act.pk == first.act.pk
    act.refresh_from_db()
    assert (act.state, books.running(account), books.books(scene.company.pk).of(AccountKind.REFUND_PAYABLE)) == (
        "refused", 5000, 0,
    )  # fmt: skip
    assert code_of(lambda: take_back(act, reason="x", actor=scene.bob, key="b2", at=AT)) == "act_not_done"
    assert code_of(
        lambda: paid_out(scene, act, "f")
    ) == "refund_not_due"
    agreed(scene)


def test_the_whole_of_a_sale_is_returned_then_reversed_or_refunded_never_both(scene: Scene) -> None:
    account = hold(scene)
    sale = scene.sell().sale
    act = returns.give_back_sale(sale, reason="x", actor=scene.bob, key="t1", at=AT).act
    assert (act.state, books.running(account)) == ("done", 0)
    assert code_of(
        lambda: returns.give_back_sale(sale, reason="x", actor=scene.bob, key="t2", at=AT)
    ) == "sale_returned"
    reverse(sale, reason="x", actor=scene.alice, key="r1", at=AT)
    assert (books.running(account), books.books(scene.company.pk).of(AccountKind.REFUND_PAYABLE)) == (0, 0)
    assert code_of(
        lambda: paid_out(scene, act, "f")
    ) == "sale_reversed"
    assert code_of(lambda: take_back(act, reason="x", actor=scene.bob, key="b", at=AT)) == "sale_reversed"
    agreed(scene)


def paid_out(scene: Scene, act: Act, key: str) -> Act:
    assert act.delivery is not None
    return returns.refund(act.delivery, till_id=scene.w2.pk, reason="out", actor=scene.bob, key=key, at=AT).act


def asked(scene: Scene, credit: int = 700, key: str = "m1") -> Act:
    return make_ups.ask(
        contract_number=scene.contracts[0].number, circuit_id=scene.circuits[0].pk, credit=credit, reason="outage",
        actor=scene.alice, key=key, at=AT,
    ).act  # fmt: skip


def test_a_make_up_is_credit_when_a_second_person_agrees(scene: Scene) -> None:
    account = hold(scene)
    act = asked(scene)
    assert (act.state, books.running(account)) == ("asked", 0)
    assert code_of(lambda: make_ups.agree(act, actor=scene.alice, at=AT)) == "not_permitted"
    done = make_ups.agree(act, actor=scene.bob, at=AT).act
    assert make_ups.agree(act, actor=scene.bob, at=AT).replayed
    assert (done.state, done.amount_minor, books.running(account)) == ("done", 700, 700)
    assert books.books(scene.company.pk).of(AccountKind.MAKE_UP_COST) == 700
    agreed(scene)


@pytest.mark.parametrize(("used", "code"), [(0, ""), (1, "credit_used")])
def test_a_make_up_is_taken_back_until_it_is_used(scene: Scene, used: int, code: str) -> None:
    account = hold(scene)
    act = make_ups.agree(asked(scene), actor=scene.bob, at=AT).act
    if used:
        use(scene, account, used)
        assert code_of(lambda: take_back(act, reason="x", actor=scene.bob, key="b", at=AT)) == code
    else:
        take_back(act, reason="x", actor=scene.bob, key="b", at=AT)
        assert (books.running(account), books.books(scene.company.pk).of(AccountKind.MAKE_UP_COST)) == (0, 0)
    agreed(scene)


def test_a_make_up_asked_in_energy_is_not_given_in_money(scene: Scene) -> None:
    act = asked(scene, credit=10_000)
    hold(scene)
    assert code_of(lambda: make_ups.agree(act, actor=scene.bob, at=AT)) == "quote_stale"


def test_what_a_meter_was_sold_is_not_returned_from_the_books(scene: Scene) -> None:
    sale = scene.sell().sale
    Delivery.objects.update(state="confirmed")
    SupplyPoint.objects.filter(circuit=scene.circuits[0]).update(state="closed", valid_to=AT)
    moved = SupplyPoint.objects.get(circuit=scene.circuits[0])
    moved.pk, moved.valid_from, moved.valid_to, moved.state = None, AT, None, "open"
    moved.save(force_insert=True)
    SupplyPoint.objects.filter(valid_to=None, circuit=scene.circuits[0]).update(custody="meter")
    account = books.credit_account(company_id=scene.company.pk, site_id=scene.site.pk, key="credit:supply:1")
    SupplyPoint.objects.filter(valid_to=None, circuit=scene.circuits[0]).update(
        custody="server", credit_unit="CNY", credit_account_id=account
    )
    assert code_of(
        lambda: returns.give_back_sale(sale, reason="x", actor=scene.bob, key="t", at=AT)
    ) == "credit_not_in_meter"


def test_a_take_back_needs_books_that_hold_the_credit(scene: Scene) -> None:
    act = make_ups.agree(asked(scene, credit=10_000), actor=scene.bob, at=AT).act
    assert code_of(lambda: take_back(act, reason="x", actor=scene.bob, key="b", at=AT)) == "act_in_meter"
    waiting = asked(scene, 10_000, "m2")
    assert code_of(lambda: take_back(waiting, reason="x", actor=scene.bob, key="b", at=AT)) == "act_not_done"
    assert DeliveryStep.objects.filter(code="reversed").count() == 0
    assert Sale.objects.count() == 0
