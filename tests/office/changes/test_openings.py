"""Opening and closing by hand where the books hold the credit: done with a reading, refused while money is left."""

from datetime import timedelta

import pytest

from prewatt.core.refusals import Refused
from prewatt.office.changes import steps
from prewatt.office.changes.closings import close_held
from prewatt.office.changes.openings import HeldOpening, HeldTerms, give_up, open_held
from prewatt.office.estate.models import Contract, SupplyPoint
from prewatt.office.metering.models import JobRow, RelayWish
from prewatt.office.staff.actors import of_operator
from prewatt.office.vending import returns
from prewatt.office.vending.models import Opening, Receipt
from prewatt.office.vending.sales import SellCommand, sell
from tests.cast import NOON
from tests.office.billing.scene import BACKWARD, HOUR, MINUTE, OPENING_WH, Shop, another, opened, waiting

pytestmark = pytest.mark.django_db


def command(shop: Shop, **changes: object) -> HeldOpening:
    """Bob opens shop 102 for a new customer's contract, from NOON on."""
    given: dict[str, object] = {
        "key": "form-1", "circuit": shop.cast.shop_102, "customer": shop.contract.customer, "contract": None,
        "terms": HeldTerms(plan=shop.cast.plan, alarm_1=5000, alarm_2=1000), "valid_from": NOON + HOUR,
        "till": shop.cast.window, "actor": of_operator(shop.cast.bob), "at": NOON + HOUR, **changes,
    }  # fmt: skip
    return HeldOpening(**given)  # type: ignore[arg-type]


@pytest.fixture
def free() -> Shop:
    """The circuit is supplied to nobody."""
    shop = waiting()
    SupplyPoint.objects.filter(pk=shop.supply.pk).update(state="closed", valid_to=NOON + MINUTE)
    return shop


@pytest.fixture
def shop() -> Shop:
    return opened()


def test_the_first_good_reading_opens_it_and_prints_the_slip(free: Shop) -> None:
    row = open_held(command(free))
    assert open_held(command(free)).pk == row.pk
    assert (row.state, row.contract.state, row.supply_point.state) == ("reading", "opening", "opening")
    job = JobRow.objects.get()
    assert (job.intent, job.then_task) == ("read_registers", "changes.follow")
    free.read(HOUR + MINUTE, OPENING_WH, BACKWARD)
    assert steps.follow(row.pk, at=NOON + HOUR + MINUTE) == "reading"
    free.read(HOUR + 2 * MINUTE, OPENING_WH)
    assert steps.follow(row.pk, at=NOON + HOUR + 2 * MINUTE) == "done"
    assert steps.follow(row.pk, at=NOON + HOUR + 3 * MINUTE) == "done"
    supply = SupplyPoint.objects.select_related("contract").get(pk=row.supply_point_id)
    assert (supply.state, supply.contract.state, supply.opening_wh) == ("open", "open", OPENING_WH)
    data = Receipt.objects.get(kind="opening").data
    assert (data["energy_wh"], data["balance"], data["credit_unit"], data["alarm_1"], data["price"]) == (
        OPENING_WH, 0, "CNY", 5000, "0.920000",
    )  # fmt: skip


def test_the_sweep_finds_an_opening_that_a_poll_has_read(free: Shop) -> None:
    row = open_held(command(free))
    free.read(HOUR + MINUTE, OPENING_WH)
    free.sweep(HOUR + MINUTE)
    assert steps.sweep(at=NOON + HOUR + MINUTE) == 1
    assert Opening.objects.get(pk=row.pk).state == "done"


def test_a_silent_meter_is_asked_again(free: Shop) -> None:
    row = open_held(command(free))
    JobRow.objects.update(state="done", verdict="silent")
    steps.sweep(at=NOON + HOUR + MINUTE)
    row.refresh_from_db()
    assert (row.state, row.tries) == ("reading", 2)


def test_a_second_circuit_of_a_contract_shares_its_balance_unless_told_otherwise(shop: Shop) -> None:
    SupplyPoint.objects.filter(circuit=shop.cast.shop_103).delete()
    shop.cast.shop_103.meter.profile = "acrel-ddsy1352"
    for shared, key in ((True, "a"), (False, "b")):
        terms = HeldTerms(plan=shop.cast.plan, alarm_1=0, alarm_2=0, shared=shared)
        row = open_held(
            command(shop, key=key, circuit=shop.cast.shop_103, contract=shop.contract, customer=None, terms=terms)
        )
        assert (row.contract_id, row.supply_point.credit_account_id == shop.account) == (shop.contract.pk, shared)
        give_up(row, actor=of_operator(shop.cast.bob), at=NOON + HOUR)
        shop.contract.refresh_from_db()
        assert shop.contract.state == "open"


def test_an_opening_is_given_up_until_money_was_taken(free: Shop) -> None:
    row = open_held(command(free))
    sell(
        SellCommand(
            key="k1", contract_number=row.contract.number, circuit_id=row.supply_point.circuit_id,
            till_id=free.cast.till.pk, amount_minor=5000, actor=of_operator(free.cast.bob), at=NOON + HOUR,
        )
    )  # fmt: skip
    with pytest.raises(Refused) as caught:
        give_up(row, actor=of_operator(free.cast.bob), at=NOON + HOUR + MINUTE)
    assert caught.value.code == "balance_not_settled"
    second = returns.give_back(
        contract_number=row.contract.number, circuit_id=row.supply_point.circuit_id, credit=5000, reason="x",
        actor=of_operator(free.cast.bob), key="t", at=NOON + HOUR + MINUTE,
    )  # fmt: skip
    assert second.act.state == "done"
    give_up(row, actor=of_operator(free.cast.bob), at=NOON + HOUR + 2 * MINUTE)
    row.refresh_from_db()
    assert (row.state, row.code, Contract.objects.get(pk=row.contract_id).state) == ("refused", "cancelled", "closed")


def closing(shop: Shop, key: str = "c1") -> Opening:
    return close_held(
        shop.supply, key=key, till=shop.cast.window, actor=of_operator(shop.cast.bob), at=NOON + HOUR
    )


@pytest.fixture
def at() -> timedelta:
    return HOUR + MINUTE


@pytest.mark.parametrize(
    ("paid", "used_wh", "state", "code"),
    [
        (0, 0, "done", ""), (920, 10_000, "done", ""), (921, 10_000, "refused", "credit_unsettled"),
        (0, 10_000, "refused", "debt_unsettled"),
    ],
)  # fmt: skip
def test_a_closing_charges_the_last_reading_and_refuses_what_is_left(
    shop: Shop, at: timedelta, paid: int, used_wh: int, state: str, code: str
) -> None:
    if paid:
        shop.pay(paid)
    row = closing(shop)
    assert closing(shop).pk == row.pk
    shop.read(HOUR - MINUTE, OPENING_WH)
    assert steps.follow(row.pk, at=NOON + at) == "reading"  # read before it was asked for
    shop.read(at, OPENING_WH + used_wh)
    assert steps.follow(row.pk, at=NOON + at) == state
    row.refresh_from_db()
    supply = SupplyPoint.objects.select_related("contract").get(pk=shop.supply.pk)
    assert (row.code, supply.state, supply.contract.state) == (
        (code, "closed", "closed") if state == "done" else (code, "open", "open")
    )
    assert Receipt.objects.filter(kind="closing").count() == (state == "done")


def test_closing_one_of_two_circuits_leaves_the_balance_with_the_other(shop: Shop, at: timedelta) -> None:
    shop.cast.shop_103.meter.profile = "acrel-ddsy1352"
    other = another(shop, shop.cast.shop_103)
    shop.pay(5000)
    row = closing(shop)
    assert Contract.objects.get(pk=shop.contract.pk).state == "open"  # the other is sold to meanwhile
    RelayWish.objects.create(
        circuit=shop.circuit, wish="automatic", actor="system", set_at=NOON, decided="closed", decided_at=NOON
    )
    shop.read(at, OPENING_WH + 1000)
    assert steps.follow(row.pk, at=NOON + at) == "done"
    assert (other.balance, Contract.objects.get(pk=shop.contract.pk).state) == (5000 - 92, "open")
    assert not RelayWish.objects.filter(circuit=shop.circuit, decided__isnull=False).exists()
    last = close_held(
        other.supply, key="c2", till=shop.cast.window, actor=of_operator(shop.cast.bob), at=NOON + at
    )
    other.read(at + MINUTE, OPENING_WH)
    assert steps.follow(last.pk, at=NOON + at + MINUTE) == "refused"


def test_a_closing_waits_for_what_is_to_be_paid_back(shop: Shop) -> None:
    shop.pay(5000)
    returns.give_back(
        contract_number=shop.contract.number, circuit_id=shop.circuit.pk, credit=5000, reason="x",
        actor=of_operator(shop.cast.bob), key="t", at=NOON + MINUTE,
    )  # fmt: skip
    with pytest.raises(Refused) as caught:
        closing(shop)
    assert caught.value.code == "money_unsettled"


def test_a_closing_that_cannot_be_billed_is_refused_and_one_that_waits_is_given_up(shop: Shop, at: timedelta) -> None:
    row = closing(shop)
    give_up(row, actor=of_operator(shop.cast.bob), at=NOON + HOUR)
    assert SupplyPoint.objects.get(pk=shop.supply.pk).state == "open"
    second = closing(shop, "c2")
    shop.read(at, OPENING_WH - 5)  # good by its mark, and below what was charged
    assert steps.follow(second.pk, at=NOON + at) == "refused"
    second.refresh_from_db()
    assert (second.code, SupplyPoint.objects.get(pk=shop.supply.pk).state) == ("reading_not_billed", "open")
