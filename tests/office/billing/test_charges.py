"""What is charged, at which price, and what is not."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import DatabaseError, transaction

from prewatt.core.refusals import Refused
from prewatt.office.billing import settlements
from prewatt.office.estate import plans
from prewatt.office.estate.models import Contract, PlanAssignment, SupplyPoint
from prewatt.office.ledger import books
from prewatt.office.ledger.models import AccountKind
from prewatt.office.vending.audits import audit_books
from tests.cast import NOON
from tests.office.billing.scene import (
    BACKWARD,
    HOUR,
    JUMP,
    MINUTE,
    OPENING_WH,
    REPEATED,
    Charge,
    another,
    opened,
    query,
    waiting,
)

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def test_the_first_good_reading_opens_and_nothing_before_it_is_billed() -> None:
    shop = waiting()
    shop.read(-HOUR, OPENING_WH - 9000)
    shop.sweep()
    assert SupplyPoint.objects.get(pk=shop.supply.pk).state == "opening"

    shop.read(MINUTE, OPENING_WH - 5000, BACKWARD)
    shop.read(5 * MINUTE, OPENING_WH)
    assert shop.sweep() == 0

    supply = SupplyPoint.objects.get(pk=shop.supply.pk)
    contract = Contract.objects.get(pk=shop.contract.pk)
    assert (supply.state, supply.opening_wh, supply.opening_at) == ("open", OPENING_WH, NOON + 5 * MINUTE)
    assert (contract.state, contract.opened_at) == ("open", NOON + 5 * MINUTE)
    assert shop.balance == 0


def test_energy_between_good_readings_is_charged_at_the_price_in_force() -> None:
    shop = opened()
    shop.pay(5000)

    assert shop.read_and_sweep(HOUR, OPENING_WH + 1500) == 1

    assert shop.charges == [Charge(begins=0, ends=1, wh=1500, price="0.92", minor=138)]
    assert shop.balance == 5000 - 138
    assert books.books(shop.cast.company.pk).of(AccountKind.INCOME) == 138
    assert [finding for finding in audit_books() if finding.check != "money"] == []


def test_a_reading_is_charged_once_however_often_it_is_swept() -> None:
    shop = opened()
    assert [shop.read_and_sweep(HOUR, OPENING_WH + 1500), shop.sweep(), shop.sweep()] == [1, 0, 0]


def test_the_balance_may_go_below_zero() -> None:
    shop = opened()
    shop.read_and_sweep(HOUR, OPENING_WH + 10_000)
    assert shop.balance == -920


def test_no_use_is_no_charge_and_moves_the_charged_reading_on() -> None:
    shop = opened()
    assert shop.read_and_sweep(HOUR, OPENING_WH) == 0
    shop.read_and_sweep(2 * HOUR, OPENING_WH + 100)
    assert shop.charges == [Charge(begins=1, ends=2, wh=100, price="0.92", minor=9)]


def test_fractions_are_carried_so_that_the_sum_is_that_of_the_exact_values_cut_once() -> None:
    shop = opened()
    for n in range(1, 51):  # fifty times 10 Wh, each worth 0.92 fen
        shop.read_and_sweep(n * MINUTE, OPENING_WH + 10 * n)

    assert [charge.minor for charge in shop.charges[:4]] == [0, 1, 1, 1]
    assert sum(charge.minor for charge in shop.charges) == 46 == 50 * 92 // 100
    assert shop.progress.carried_minor == 0
    assert query("SELECT count(*) FROM billing_charge WHERE (entry_id IS NULL) <> (amount_minor = 0)", []) == [(0,)]


@pytest.mark.parametrize("quality", [BACKWARD, JUMP, REPEATED])
def test_a_marked_reading_is_kept_and_not_billed(quality: int) -> None:
    shop = opened()
    assert shop.read_and_sweep(HOUR, OPENING_WH + 500, quality) == 0
    assert query("SELECT count(*) FROM metering_reading WHERE quality = %s", [quality]) == [(1,)]

    shop.read_and_sweep(2 * HOUR, OPENING_WH + 900)
    assert shop.charges == [Charge(begins=0, ends=2, wh=900, price="0.92", minor=82)]


def test_a_reading_older_than_the_charged_one_changes_no_charge() -> None:
    shop = opened()
    shop.read_and_sweep(2 * HOUR, OPENING_WH + 2000)
    before = shop.charges
    shop.read(HOUR, OPENING_WH + 1999)

    assert shop.sweep() == 0
    assert shop.charges == before


def test_what_seems_good_and_stands_below_what_was_charged_is_held() -> None:
    shop = opened()  # a meter that lies twice in the same way is believed by the intake, not by the books
    shop.read_and_sweep(HOUR, OPENING_WH + 100)
    assert shop.read_and_sweep(2 * HOUR, 0) == 0
    assert (shop.progress.held, shop.progress.held_wh) == ("backward", 0)

    shop.read_and_sweep(3 * HOUR, OPENING_WH + 300)
    assert shop.progress.held == ""
    assert sum(charge.wh for charge in shop.charges) == 300


def test_what_seems_good_and_no_circuit_can_have_used_is_held() -> None:
    shop = opened()
    assert shop.read_and_sweep(MINUTE, OPENING_WH + 900_000) == 0
    assert shop.progress.held == "jump"

    shop.read_and_sweep(2 * MINUTE, OPENING_WH + 20)
    assert (shop.progress.held, sum(charge.wh for charge in shop.charges)) == ("", 20)


def test_a_wrong_reading_in_the_middle_spoils_nothing_that_follows() -> None:
    shop = opened()
    shop.read(MINUTE, OPENING_WH + 900_000)
    shop.read(2 * MINUTE, OPENING_WH + 20)
    shop.sweep()
    assert sum(charge.wh for charge in shop.charges) == 20


def test_a_gap_is_billed_when_readings_return_each_day_for_itself() -> None:
    shop = opened()  # noon to midnight, a day, midnight to noon
    shop.read_and_sweep(2 * DAY, OPENING_WH + 48_001)
    assert shop.charges == [
        Charge(begins=0, ends=12, wh=12_000, price="0.92", minor=1104),
        Charge(begins=12, ends=36, wh=24_000, price="0.92", minor=2208),
        Charge(begins=36, ends=48, wh=12_001, price="0.92", minor=1104),
    ]


def test_a_counter_that_rolls_over_at_the_width_of_its_display_is_charged_on() -> None:
    shop = waiting()
    shop.read(timedelta(), 999_999_990)
    shop.read(HOUR, 510, BACKWARD)  # as the intake marks it
    shop.sweep()
    assert shop.charges == []

    shop.read_and_sweep(2 * HOUR, 1010)
    assert shop.charges == [Charge(begins=0, ends=2, wh=1020, price="0.92", minor=93)]
    shop.read_and_sweep(3 * HOUR, 2010)
    assert [charge.wh for charge in shop.charges] == [1020, 1000]


def test_a_rollover_comes_where_the_ratio_puts_it() -> None:
    shop = waiting()
    query("UPDATE billing_progress SET rollover_wh = 40 * rollover_wh RETURNING 1", [])
    shop.read_and_sweep(timedelta(), 39_999_999_600)
    shop.read_and_sweep(HOUR, 400)
    assert [charge.wh for charge in shop.charges] == [800]


def test_a_price_change_between_two_readings_is_shared_by_time() -> None:
    shop = opened()
    shop.new_price(20 * MINUTE, "1.10")
    shop.read_and_sweep(HOUR, OPENING_WH + 1000)

    first, second = shop.charges
    assert (first.wh, first.price, second.wh, second.price) == (333, "0.92", 667, "1.1")
    assert first.ends == second.begins == pytest.approx(1 / 3)
    exact = 333 * 92 + 667 * 110  # thousandths of a fen
    assert (first.minor, second.minor) == (333 * 92 // 1000, exact // 1000 - 333 * 92 // 1000)


def test_readings_near_the_price_change_say_where_the_energy_went() -> None:
    shop = opened()
    shop.new_price(30 * MINUTE, "2")
    shop.read(29 * MINUTE, OPENING_WH + 900)
    shop.read(31 * MINUTE, OPENING_WH + 902)
    shop.read_and_sweep(HOUR, OPENING_WH + 1000)
    assert [(charge.wh, charge.price) for charge in shop.charges] == [(901, "0.92"), (99, "2")]


def test_a_plan_assigned_at_a_date_holds_from_then() -> None:
    shop = opened()
    dear = plans.add_plan(
        shop.cast.company, code="dear", name="Dear", price=Decimal("3"), valid_from=NOON, actor="system", at=NOON
    )
    plans.assign(shop.supply, dear, valid_from=NOON + HOUR, actor="system", at=NOON)
    shop.read_and_sweep(2 * HOUR, OPENING_WH + 1000)
    assert [(charge.wh, charge.price) for charge in shop.charges] == [(500, "0.92"), (500, "3")]


def test_a_plan_is_assigned_to_all_circuits_of_a_contract_or_to_none(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = opened()
    other = another(shop, shop.cast.lift)
    plan = plans.add_plan(
        shop.cast.company, code="b", name="B", price=Decimal("3"), valid_from=NOON, actor="system", at=NOON
    )

    def too_fine(point: SupplyPoint, plan: object, *, at: object) -> None:
        if point.pk == other.supply.pk:
            raise Refused("value_too_fine")

    monkeypatch.setattr(plans, "check_meter_takes", too_fine)
    with pytest.raises(Refused, match="value_too_fine"):
        plans.assign_all([shop.supply, other.supply], plan, valid_from=NOON + HOUR, actor="system", at=NOON)
    assert not PlanAssignment.objects.filter(plan=plan).exists()
    plans.assign_all([shop.supply], plan, valid_from=NOON + HOUR, actor="system", at=NOON)
    assert PlanAssignment.objects.filter(plan=plan).count() == 1


def test_a_plan_without_a_price_yet_is_not_assigned_and_time_without_one_is_held() -> None:
    """No price can be given later for time that is over: nothing would be charged there any more."""
    shop = opened()
    late = plans.add_plan(
        shop.cast.company, code="late", name="Late", price=Decimal("3"), valid_from=NOON + 3 * HOUR, actor="system",
        at=NOON,
    )  # fmt: skip
    with pytest.raises(Refused, match="plan_without_price"):
        plans.assign(shop.supply, late, valid_from=NOON + HOUR, actor="system", at=NOON)
    PlanAssignment.objects.create(supply_point=shop.supply, plan=late, valid_from=NOON + HOUR)
    assert shop.read_and_sweep(2 * HOUR, OPENING_WH + 1000) == 0
    assert shop.progress.held == "unpriced"
    assert shop.read_and_sweep(4 * HOUR, OPENING_WH + 2000) == 0
    assert shop.balance == 0


def test_circuits_of_a_contract_draw_on_one_balance_and_carry_their_own_fractions() -> None:
    shop = opened()
    shop.pay(1000)
    other = another(shop, shop.cast.lift)
    shop.read(HOUR, OPENING_WH + 10)
    other.read(HOUR, OPENING_WH + 10)
    shop.sweep()
    shop.read(2 * HOUR, OPENING_WH + 20)
    other.read(2 * HOUR, OPENING_WH + 20)
    shop.sweep()

    assert shop.balance == other.balance == 1000 - 2
    assert query("SELECT count(DISTINCT entry_id) FROM billing_charge WHERE amount_minor > 0", []) == [(1,)]


def test_a_circuit_may_have_a_balance_of_its_own() -> None:
    shop = opened()
    other = another(shop, shop.cast.lift, shared=False)
    other.read_and_sweep(HOUR, OPENING_WH + 1000)
    assert (shop.balance, other.balance) == (0, -92)


def test_nothing_is_charged_after_the_end_of_a_supply_point() -> None:
    shop = opened()
    SupplyPoint.objects.filter(pk=shop.supply.pk).update(valid_to=NOON + HOUR)
    shop.read(HOUR, OPENING_WH + 100)
    shop.read(2 * HOUR, OPENING_WH + 500)
    shop.sweep()
    assert [charge.wh for charge in shop.charges] == [100]


def test_a_settlement_charges_to_the_newest_reading_and_tells_the_balance() -> None:
    shop = opened()
    shop.pay(500)
    shop.read(HOUR, OPENING_WH + 1000)
    assert settlements.settle(shop.supply, at=NOON + HOUR) == 500 - 92
    assert settlements.settle(shop.supply, at=NOON + HOUR) == 500 - 92


def test_a_charge_is_never_changed() -> None:
    shop = opened()
    shop.read_and_sweep(HOUR, OPENING_WH + 1000)
    for statement in ("UPDATE billing_charge SET amount_minor = 1", "DELETE FROM billing_charge"):
        with pytest.raises(DatabaseError, match="append_only"), transaction.atomic():
            query(statement, [])


def test_a_day_that_is_closed_takes_no_charge() -> None:
    shop = opened()
    shop.read(HOUR, OPENING_WH + 1000)
    query("INSERT INTO ledger_closedday (site_id, day, closed_at, actor) VALUES (%s, %s, now(), 'x') RETURNING 1",
          [shop.cast.site.pk, NOON.date()])  # fmt: skip
    with pytest.raises(Refused) as refused:
        shop.sweep(HOUR)
    assert refused.value.code == "day_closed"


def test_the_worked_numbers_of_the_document() -> None:
    """docs/algorithms/billing.md: a price change at 18:20, a gap over midnight."""
    shop = opened()
    shop.new_price(6 * HOUR + 20 * MINUTE, "1.10")
    for after, wh in ((30 * MINUTE, 450), (6 * HOUR, 4100), (7 * HOUR, 4700), (14 * HOUR, 8900)):
        shop.read_and_sweep(after, OPENING_WH + wh)

    assert [(n.wh, n.price, n.minor) for n in shop.charges] == [
        (450, "0.92", 41), (3650, "0.92", 336), (200, "0.92", 18),
        (400, "1.1", 44), (3000, "1.1", 330), (1200, "1.1", 132),
    ]  # fmt: skip
    assert (shop.balance, shop.progress.carried_minor) == (-901, Decimal("0.6"))


@pytest.mark.parametrize(
    ("exponent", "price", "minor", "carried"),
    [(0, "805.1", 905, "0.7375"), (2, "0.92", 103, "0.5000"), (3, "0.0025", 2, "0.8125")],
)
def test_other_currencies_have_other_minor_units(exponent: int, price: str, minor: int, carried: str) -> None:
    shop = waiting()
    query("UPDATE estate_company SET exponent = %s RETURNING 1", [exponent])
    shop.new_price(timedelta(0), price)
    shop.read_and_sweep(timedelta(0), OPENING_WH)
    shop.read_and_sweep(HOUR, OPENING_WH + 1125)
    assert (-shop.balance, shop.progress.carried_minor) == (minor, Decimal(carried))


def test_a_day_of_twenty_three_hours_is_a_day() -> None:
    shop = waiting()
    query("UPDATE estate_site SET timezone = 'Europe/Berlin' RETURNING 1", [])
    shop.read(datetime(2027, 3, 27, 12, tzinfo=UTC) - NOON, OPENING_WH)
    shop.read_and_sweep(datetime(2027, 3, 29, 12, tzinfo=UTC) - NOON, OPENING_WH + 48_000)
    assert [(charge.ends - charge.begins, charge.wh) for charge in shop.charges] == [
        (11, 11_000), (23, 23_000), (14, 14_000),
    ]  # fmt: skip
