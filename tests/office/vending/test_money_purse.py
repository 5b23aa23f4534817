"""A purse in the meter that holds money: opened with its price, sold to in money, closed, and the books beside it."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection

from prewatt.core.refusals import Refused
from prewatt.office.billing import releases
from prewatt.office.changes import swap_steps
from prewatt.office.changes.models import Swap, SwapPart
from prewatt.office.changes.swaps import SwapCommand, swap
from prewatt.office.estate import plans
from prewatt.office.estate.models import Circuit, Company, Customer, Meter, PlanAssignment, PlanVersion, SupplyPoint
from prewatt.office.ledger.books import books
from prewatt.office.ledger.models import AccountKind
from prewatt.office.metering.jobs import prices_of
from prewatt.office.metering.models import JobRow, WantedPrices, WantedSetting
from prewatt.office.metering.standby import earliest
from prewatt.office.reports import circuits
from prewatt.office.staff.models import Operator, Scope
from prewatt.office.vending import (
    closings,
    deliveries,
    make_ups,
    opening_steps,
    openings,
    price_sets,
    purse_prices,
    quotes,
    recounts,
    returns,
    reversals,
)
from prewatt.office.vending.audits import audit_books
from prewatt.office.vending.models import CircuitCredit, Delivery, Opening, PursePrice, Receipt, Sale, Shift
from tests.office.vending.scene import AT, BEGAN, PRICE, Scene, build, meter_says

pytestmark = pytest.mark.django_db
MONEY = "acrel-dtsy1352-nk-purse"
NUMBER = 260000000000
HOUR = timedelta(hours=1)
PRICES = ("price_sharp", "price_peak", "price_flat", "price_valley")


@pytest.fixture
def scene() -> Iterator[Scene]:
    """The first circuit's meter holds money, and drains by the price in force."""
    made = build(2)
    Meter.objects.filter(number=str(NUMBER)).update(profile=MONEY)
    made.circuits[0] = Circuit.objects.get(pk=made.circuits[0].pk)
    SupplyPoint.objects.filter(circuit=made.circuits[0]).update(credit_unit="CNY")
    purse_prices.read_back(supply(made), PRICE, at=BEGAN)
    yield made
    assert audit_books() == []
    found = books(made.company.pk)
    assert found.debit_minor == found.credit_minor


def supply(scene: Scene) -> SupplyPoint:
    return SupplyPoint.objects.select_related("circuit__meter", "contract").get(
        circuit=scene.circuits[0], valid_to=None
    )


def read(scene: Scene, at: datetime, *, wh: int, balance: int, count: int | None = None) -> None:
    """A register read and the newest values, as the head-end leaves them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO metering_reading (site_id, circuit_id, at, full_read, source, quality, energy_wh, balance)"
            " VALUES (%s, %s, %s, true, 0, 0, %s, %s)",
            [scene.site.pk, scene.circuits[0].pk, at, wh, balance],
        )
        cursor.execute(
            "INSERT INTO metering_latest (site_id, circuit_id, at, full_at, energy_wh, balance, purchase_count, relay)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, 1) ON CONFLICT (site_id, circuit_id) DO UPDATE SET at = excluded.at,"
            " full_at = excluded.full_at, energy_wh = excluded.energy_wh, balance = excluded.balance,"
            " purchase_count = excluded.purchase_count",
            [scene.site.pk, scene.circuits[0].pk, at, at, wh, balance, count],
        )


def job_of(delivery: Delivery) -> JobRow:
    assert delivery.job is not None
    return delivery.job


def confirm(delivery: Delivery, at: datetime = AT, *, balance: int = 0) -> None:
    count = delivery.expected_count
    meter_says(delivery.pk, "done", values=f'{{"purchase_count": {count}, "balance": {balance}}}')
    JobRow.objects.filter(pk=job_of(delivery).pk).update(finished_at=at)
    deliveries.settle(delivery.pk, at=at)


def bought(scene: Scene, amount_minor: int = 10_000, at: datetime = AT, key: str = "k1") -> Sale:
    sale = scene.sell(amount_minor=amount_minor, at=at, key=key).sale
    confirm(Delivery.objects.get(sale=sale), at)
    return sale


def of(scene: Scene, kind: AccountKind) -> int:
    return books(scene.company.pk).of(kind)


# selling


def test_the_amount_itself_is_the_order_and_nothing_is_carried(scene: Scene) -> None:
    read(scene, AT - HOUR, wh=0, balance=1_234)
    quoted = quotes.quote(scene.contracts[0].number, scene.circuits[0].pk, 4_999, AT)
    assert (quoted.credit, quoted.added, quoted.balance_after) == (4_999, 4_999, 6_233)
    assert quoted.carried_after == 0
    sale = scene.sell(amount_minor=4_999).sale
    order = job_of(Delivery.objects.get(sale=sale)).payload["order"]
    assert order == {"count": 4, "kind": "purchase", "amount": 4_999}
    assert (sale.credit, sale.credit_unit, sale.amount_minor) == (4_999, "CNY", 4_999)
    assert of(scene, AccountKind.IN_DELIVERY) == 4_999
    confirm(Delivery.objects.get(sale=sale))
    assert (of(scene, AccountKind.IN_DELIVERY), of(scene, AccountKind.DEFERRED_INCOME)) == (0, 4_999)
    receipt = Receipt.objects.get(sale=sale).data
    assert (receipt["credit"], receipt["credit_unit"], receipt["custody"]) == (4_999, "CNY", "meter")
    bob = Operator.objects.get(pk=scene.bob.operator_id)
    Scope.objects.create(operator=bob, site_id=scene.site.pk)
    view = circuits.one(bob, scene.circuits[0].pk, at=AT, stale=timedelta(hours=9))
    assert view is not None
    assert (view.custody, view.credit_unit, view.balance) == ("meter", "CNY", 1_234)


def test_a_debt_in_money_is_repaid_first_and_the_hoarding_limit_is_money(scene: Scene) -> None:
    SupplyPoint.objects.filter(circuit=scene.circuits[0]).update(overdraft=500, hoarding_limit=20_000)
    read(scene, AT - HOUR, wh=0, balance=-800)
    quoted = quotes.quote(scene.contracts[0].number, scene.circuits[0].pk, 5_000, AT)
    assert (quoted.repaid_past_zero, quoted.repaid_overdraft, quoted.added) == (300, 500, 4_200)
    with pytest.raises(Refused) as refused:
        scene.sell(amount_minor=20_801)
    assert refused.value.code == "hoarding_limit"


def test_an_unpaid_price_holds_up_no_sale_but_no_price_at_all_does(scene: Scene) -> None:
    PursePrice.objects.all().delete()
    assert scene.sell(amount_minor=1_000).sale.credit == 1_000
    PlanAssignment.objects.filter(supply_point=supply(scene)).delete()
    with pytest.raises(Refused) as refused:
        quotes.quote(scene.contracts[0].number, scene.circuits[0].pk, 1_000, AT)
    assert refused.value.code == "plan_missing"


# correcting


def test_a_return_takes_money_out_of_the_meter_at_its_own_worth_and_is_refunded(scene: Scene) -> None:
    bought(scene)
    read(scene, AT + HOUR, wh=0, balance=9_000)
    act = returns.give_back(
        contract_number=scene.contracts[0].number, circuit_id=scene.circuits[0].pk, credit=4_001, reason="moves out",
        actor=scene.bob, key="r1", at=AT + HOUR,
    ).act  # fmt: skip
    assert act.amount_minor == 4_001 and act.delivery is not None
    assert job_of(act.delivery).payload["order"]["amount"] == 4_001
    confirm(act.delivery, AT + HOUR)
    assert (of(scene, AccountKind.DEFERRED_INCOME), of(scene, AccountKind.REFUND_PAYABLE)) == (5_999, 4_001)
    Shift.objects.create(till=scene.w2, operator_id=scene.bob.operator_id, opened_at=AT)
    returns.refund(
        Delivery.objects.get(pk=act.delivery.pk), till_id=scene.w2.pk, reason="moves out", actor=scene.bob, key="f1",
        at=AT + HOUR, tender="merchant_qr", reference="Q1",
    )  # fmt: skip
    assert of(scene, AccountKind.REFUND_PAYABLE) == 0
    slip = Receipt.objects.get(kind="refund").data
    assert (slip["credit"], slip["credit_unit"], slip["amount_minor"]) == (4_001, "CNY", 4_001)
    with pytest.raises(Refused) as refused:
        returns.give_back(
            contract_number=scene.contracts[0].number, circuit_id=scene.circuits[0].pk, credit=9_001, reason="more",
            actor=scene.bob, key="r2", at=AT + HOUR,
        )  # fmt: skip
    assert refused.value.code == "return_above_balance"


def test_a_sale_is_reversed_while_it_waits_and_a_make_up_is_money(scene: Scene) -> None:
    sale = scene.sell(amount_minor=3_000).sale
    meter_says(Delivery.objects.get(sale=sale).pk, "refused", code="meter_hoarding_limit", sent=False)
    deliveries.settle(Delivery.objects.get(sale=sale).pk, at=AT)
    reversals.reverse(sale, reason="typed wrong", actor=scene.alice, key="rv", at=AT)
    assert (Sale.objects.get().state, of(scene, AccountKind.IN_DELIVERY)) == ("reversed", 0)
    asked = make_ups.ask(
        contract_number=scene.contracts[0].number, circuit_id=scene.circuits[0].pk, credit=2_000, reason="outage",
        actor=scene.alice, key="m1", at=AT,
    ).act  # fmt: skip
    assert asked.amount_minor == 2_000
    agreed = make_ups.agree(asked, actor=scene.bob, at=AT).act
    assert agreed.delivery is not None
    confirm(agreed.delivery)
    assert of(scene, AccountKind.DEFERRED_INCOME) == 2_000


# what was used


def test_what_the_balance_lost_is_income_when_the_day_is_over(scene: Scene) -> None:
    SupplyPoint.objects.filter(circuit=scene.circuits[0]).update(valid_from=AT)
    read(scene, AT, wh=1_000_000, balance=0)
    bought(scene, 10_000, AT + HOUR)
    read(scene, AT + 2 * HOUR, wh=1_020_000, balance=8_160)  # 20 kWh at 0.92
    read(scene, AT + 13 * HOUR, wh=1_050_000, balance=5_400)
    releases.sweep(at=AT + 15 * HOUR)
    assert (of(scene, AccountKind.INCOME), of(scene, AccountKind.DEFERRED_INCOME)) == (4_600, 5_400)
    with connection.cursor() as cursor:
        cursor.execute("SELECT energy_wh, price, amount_minor FROM billing_release WHERE circuit_id = %s",
                       [scene.circuits[0].pk])  # fmt: skip
        assert cursor.fetchall() == [(50_000, Decimal("0.920000"), 4_600)]


def test_a_balance_between_order_and_books_is_not_taken_for_use(scene: Scene) -> None:
    SupplyPoint.objects.filter(circuit=scene.circuits[0]).update(valid_from=AT)
    read(scene, AT, wh=1_000_000, balance=0)
    sale = scene.sell(amount_minor=10_000, at=AT + HOUR).sale
    read(scene, AT + 2 * HOUR, wh=1_010_000, balance=9_080)  # the meter has it, the books not yet
    releases.sweep(at=AT + 40 * HOUR)
    assert of(scene, AccountKind.INCOME) == 0
    confirm(Delivery.objects.get(sale=sale), AT + 41 * HOUR)
    read(scene, AT + 42 * HOUR, wh=1_010_000, balance=9_080)
    releases.sweep(at=AT + 90 * HOUR)
    assert (of(scene, AccountKind.INCOME), of(scene, AccountKind.DEFERRED_INCOME)) == (920, 9_080)


def test_use_past_zero_is_income_when_the_next_purchase_has_paid_for_it(scene: Scene) -> None:
    SupplyPoint.objects.filter(circuit=scene.circuits[0]).update(valid_from=AT)
    read(scene, AT, wh=1_000_000, balance=0)
    read(scene, AT + HOUR, wh=1_005_000, balance=-460)
    releases.sweep(at=AT + 20 * HOUR)
    assert of(scene, AccountKind.INCOME) == 0
    bought(scene, 2_000, AT + 24 * HOUR)
    read(scene, AT + 25 * HOUR, wh=1_005_000, balance=1_540)
    releases.sweep(at=AT + 60 * HOUR)
    assert (of(scene, AccountKind.INCOME), of(scene, AccountKind.DEFERRED_INCOME)) == (460, 1_540)


# opening and closing


def opened(scene: Scene, **changes: object) -> Opening:
    SupplyPoint.objects.filter(circuit=scene.circuits[0], valid_to=None).update(state="closed", valid_to=AT)
    command = openings.OpenCommand(
        **{
            "key": "form-1", "circuit": scene.circuits[0], "customer": Customer.objects.all()[0],
            "terms": openings.Terms(plan=scene.plan, alarm_1=5_000, alarm_2=2_000, load_limit_w=8_000),
            "till": scene.w1, "actor": scene.alice, "at": AT, **changes,
        }  # type: ignore[arg-type]
    )  # fmt: skip
    return openings.open_contract(command)


def answer(
    row: Opening, values: Mapping[str, int] | None = None, *, at: datetime = AT, balance: int | None = None
) -> str:
    told = dict(values or {}) if balance is None else {**(values or {}), "balance": balance}
    row.refresh_from_db()
    assert row.job is not None
    JobRow.objects.filter(pk=row.job.pk).update(state="done", verdict="done", values=told, finished_at=at)
    opening_steps.advance(row.pk, at=at)
    row.refresh_from_db()
    return row.state


PURSE = {"meter_number": NUMBER, "purchase_count": 3}


def test_opening_takes_money_over_writes_the_price_and_says_what_was_read_back(scene: Scene) -> None:
    row = opened(scene, act=Opening.Act.TAKE_OVER)
    assert answer(row, PURSE, balance=1_250) == "writing"
    assert row.job is not None
    settings = dict(row.job.payload["settings"])
    assert {name: settings.pop(name) for name in PRICES} == dict.fromkeys(PRICES, 920_000)
    assert settings == {
        "alarm_level_1": 5_000, "alarm_level_2": 2_000, "overdraft_limit": 0, "hoarding_limit": 0, "load_limit": 8_000,
    }  # fmt: skip
    assert answer(row, settings) == "done"
    now = supply(scene)
    assert (now.state, now.credit_unit, PursePrice.objects.get(supply_point=now).price) == ("open", "CNY", PRICE)
    assert of(scene, AccountKind.DEFERRED_INCOME) == 1_250, "money is worth itself"
    assert Receipt.objects.get(kind="opening").data["taken_over_minor"] == 1_250


def test_a_meter_with_a_standby_set_of_prices_is_told_the_plan_s_as_it_is_opened(scene: Scene) -> None:
    meter = scene.circuits[0].meter
    Meter.objects.filter(pk=meter.pk).update(profile="generic-dlt645-order")
    scene.circuits[0] = Circuit.objects.get(pk=scene.circuits[0].pk)
    row = opened(scene)
    assert answer(row, PURSE, balance=0) == "writing"
    assert row.job is not None and not set(PRICES) & row.job.payload["settings"].keys()
    assert not WantedPrices.objects.exists(), "nothing of a price before the meter has agreed"
    assert answer(row) == "done"
    told = WantedPrices.objects.get()
    assert prices_of(told.prices).rates == (920_000,) * 4 and (told.actor, told.meter_id) == ("system", meter.pk)
    assert (told.job.intent, told.job.state) == ("write_prices", "queued")
    assert told.swap_at == earliest(AT)
    assert not PursePrice.objects.filter(supply_point=supply(scene)).exists(), "only what is read back is claimed"
    assert purse_prices.sweep(at=AT + timedelta(seconds=10)) == 0, "it is on its way"
    assert JobRow.objects.filter(intent="write_prices").count() == 1


def test_money_found_in_the_meter_can_be_cleared(scene: Scene) -> None:
    row = opened(scene, act=Opening.Act.CLEAR)
    assert answer(row, PURSE, balance=1_250) == "clearing"
    assert answer(row) == "writing"
    assert answer(row) == "done"
    assert CircuitCredit.objects.get(circuit=scene.circuits[0]).purchase_count == 4
    assert of(scene, AccountKind.DEFERRED_INCOME) == 0


@pytest.mark.parametrize(
    ("price", "exponent", "code"),
    [("0.92345", 2, "value_too_fine"), ("0.92", 0, "purse_other_currency")],
)
def test_what_the_purse_cannot_count_is_refused_before_anything_is_written(
    scene: Scene, price: str, exponent: int, code: str
) -> None:
    PlanVersion.objects.create(plan=scene.plan, price=Decimal(price), valid_from=AT - HOUR, created_at=AT)
    Company.objects.filter(pk=scene.company.pk).update(exponent=exponent)
    scene.circuits[0] = Circuit.objects.get(pk=scene.circuits[0].pk)
    before = JobRow.objects.count(), SupplyPoint.objects.count()
    with pytest.raises(Refused) as refused:
        opened(scene)
    assert refused.value.code == code
    assert (JobRow.objects.count(), SupplyPoint.objects.count(), Opening.objects.count()) == (*before, 0)


def test_closing_is_refused_while_money_is_in_the_meter_and_releases_the_rest_at_zero(scene: Scene) -> None:
    row = closings.close_contract(supply(scene), key="c1", till=scene.w1, actor=scene.bob, at=AT)
    assert (answer(row, PURSE, balance=40), row.code) == ("refused", "credit_unsettled")
    row = closings.close_contract(supply(scene), key="c2", till=scene.w1, actor=scene.bob, at=AT)
    assert answer(row, PURSE, balance=0) == "done"


# the price


def job_of_price() -> JobRow | None:
    return JobRow.objects.filter(key__startswith=price_sets.PREFIX).order_by("-pk").first()


def ends(verdict: str, *, at: datetime) -> None:
    job = job_of_price()
    assert job is not None
    JobRow.objects.filter(pk=job.pk).update(state="done", verdict=verdict, finished_at=at)
    purse_prices.settle(int(job.key.split(":")[1]), at=at)


def test_a_new_price_is_written_into_the_meter_and_only_what_is_read_back_counts(scene: Scene) -> None:
    new = Decimal("1.0450")
    plans.add_version(scene.plan, price=new, valid_from=AT + HOUR, actor="operator:1", at=AT)
    assert purse_prices.sweep(at=AT) == 0, "it is not in force yet"
    at = AT + HOUR
    assert purse_prices.sweep(at=at) == 1
    assert purse_prices.sweep(at=at) == 0, "one is at work"
    job = job_of_price()
    assert job is not None and job.payload["settings"] == dict.fromkeys(PRICES, 1_045_000)
    assert set(WantedSetting.objects.values_list("quantity", "before")) == {(name, 920_000) for name in PRICES}
    told = purse_prices.state_of(supply(scene), at=at)
    assert told is not None
    assert (told.shown, told.wanted, told.running, told.agrees) == (PRICE, new, True, False)
    ends("silent", at=at)
    told = purse_prices.state_of(supply(scene), at=at)
    assert told is not None and not told.agrees and not told.running
    assert purse_prices.sweep(at=at + timedelta(seconds=30)) == 0, "a meter that is silent is left alone for a minute"
    assert purse_prices.sweep(at=at + timedelta(minutes=2)) == 1
    ends("done", at=at + timedelta(minutes=2))
    told = purse_prices.state_of(supply(scene), at=at + timedelta(minutes=2))
    assert told is not None and told.agrees and told.shown == new
    assert purse_prices.sweep(at=at + timedelta(minutes=9)) == 0


def test_a_price_that_a_meter_refuses_is_tried_again_later_and_said_until_then(scene: Scene) -> None:
    PursePrice.objects.update(price=Decimal("0.80"))
    assert purse_prices.sweep(at=AT) == 1
    ends("refused", at=AT)
    assert purse_prices.sweep(at=AT + timedelta(minutes=10)) == 0
    assert purse_prices.sweep(at=AT + timedelta(minutes=16)) == 1
    assert PursePrice.objects.get().price == Decimal("0.80")


def test_a_price_finer_than_the_meter_counts_is_refused_for_the_plan(scene: Scene) -> None:
    with pytest.raises(Refused) as refused:
        plans.add_version(scene.plan, price=Decimal("0.91234"), valid_from=AT, actor="operator:1", at=AT)
    assert refused.value.code == "value_too_fine"
    assert PlanVersion.objects.count() == 1


def test_a_circuit_in_energy_has_no_price_in_its_meter(scene: Scene) -> None:
    other = SupplyPoint.objects.get(circuit=scene.circuits[1])
    assert purse_prices.state_of(other, at=AT) is None
    assert purse_prices.sweep(at=AT) == 0


# after a restore


@pytest.mark.parametrize(
    ("balance", "wh", "state"),
    [(9_000, 1_010_000, "agreed"), (7_000, 1_010_000, "disputed"), (10_500, 1_010_000, "disputed")],
)
def test_after_a_restore_money_may_have_fallen_by_what_was_used_and_no_more(
    scene: Scene, balance: int, wh: int, state: str
) -> None:
    read(scene, AT - HOUR, wh=1_000_000, balance=10_000, count=3)
    recounts.begin(at=AT)
    read(scene, AT + HOUR, wh=wh, balance=balance, count=3)
    recounts.look(at=AT + HOUR)
    with connection.cursor() as cursor:
        cursor.execute("SELECT state FROM vending_recount WHERE circuit_id = %s", [scene.circuits[0].pk])
        assert cursor.fetchall() == [(state,)]


# another meter in its place


def swapped(scene: Scene, profile: str) -> Swap:
    meter = scene.circuits[0].meter
    return swap(
        SwapCommand(
            key="x1", meter=meter, number=str(NUMBER + 90), profile=profile, line=scene.line, unit=meter.unit,
            ct_ratio=1, reason="the display is dead", till=scene.api, actor=scene.bob, at=AT + 3 * HOUR,
        )
    )  # fmt: skip


def test_money_goes_on_into_the_meter_that_takes_its_place_with_the_price(scene: Scene) -> None:
    SupplyPoint.objects.filter(circuit=scene.circuits[0]).update(valid_from=AT)
    read(scene, AT, wh=1_000_000, balance=0)
    bought(scene, 10_000, AT + HOUR)
    read(scene, AT + 3 * HOUR - timedelta(minutes=2), wh=1_040_000, balance=6_320)
    with pytest.raises(Refused) as refused:
        swapped(scene, "pilot-spm9511")
    assert refused.value.code == "swap_credit_unit"
    made = swapped(scene, "acrel-dtsy1352-4g-purse")
    part = SwapPart.objects.select_related("opening").get(swap=made)
    assert (part.credit, part.value_minor) == (6_320, 6_320)
    later = AT + 4 * HOUR
    assert answer(part.opening, {"meter_number": NUMBER + 90, "purchase_count": 0}, at=later, balance=0) == "writing"
    part.opening.refresh_from_db()
    assert part.opening.job is not None and part.opening.job.payload["settings"]["price_flat"] == 920_000
    assert answer(part.opening, at=later) == "done"
    swap_steps.sweep(at=later)
    part = SwapPart.objects.select_related("delivery", "new_supply").get(pk=part.pk)
    assert part.delivery is not None and (part.delivery.amount, part.delivery.value_minor) == (6_320, 6_320)
    assert part.new_supply.credit_unit == "CNY"
    confirm(part.delivery, later, balance=6_320)
    releases.sweep(at=AT + 60 * HOUR)
    assert (of(scene, AccountKind.INCOME), of(scene, AccountKind.DEFERRED_INCOME)) == (3_680, 6_320)
