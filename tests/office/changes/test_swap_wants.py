"""What was wanted of a meter is wanted of the one in its place, and what its model cannot be told is said."""

from datetime import datetime, timedelta

import pytest

from prewatt.core.meters.prices import PriceRead
from prewatt.core.meters.quantities import Quantity
from prewatt.core.meters.schedule import Period, Schedule, Zone
from prewatt.office.billing import charges
from prewatt.office.changes import steps, swap_steps, swap_wants
from prewatt.office.changes.models import Swap, SwapPart
from prewatt.office.changes.swap_wants import Handed
from prewatt.office.changes.swaps import Read, SwapCommand, swap
from prewatt.office.estate.models import Circuit, Meter, SupplyPoint
from prewatt.office.metering import parameters, settings, times
from prewatt.office.metering.jobs import prices_of, prices_read_json
from prewatt.office.metering.models import JobRow, WantedPrices, WantedSchedule
from prewatt.office.metering.times import TIMES
from prewatt.office.staff.actors import of_operator
from prewatt.office.staff.models import AuditRow
from prewatt.office.vending import price_sets, purse_prices
from prewatt.office.vending.models import Opening
from tests.office.billing.scene import HOUR, MINUTE, OPENING_WH, Shop, opened
from tests.office.changes.test_swaps import AT, held
from tests.office.vending.scene import AT as TEN
from tests.office.vending.scene import PRICE, Scene
from tests.office.vending.test_money_purse import NUMBER, answer, read, scene  # noqa: F401  a fixture

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
NIGHT = Schedule(
    zones=(Zone(month=1, day=1, table=1),), tables=((Period(minute=0, rate=4), Period(minute=480, rate=2)),)
)
FLAT = Schedule(zones=(Zone(month=1, day=1, table=1),), tables=((Period(minute=0, rate=3),),))


def ends(verdict: str = "done", **values: object) -> JobRow:
    """The newest job has an outcome."""
    job = JobRow.objects.latest("pk")
    JobRow.objects.filter(pk=job.pk).update(state="done", verdict=verdict, ever_sent=True, **values)
    return job


@pytest.fixture
def shop() -> Shop:
    """Server-held, on a meter with two sets of times of use; it was read five minutes ago."""
    made = opened()
    made.pay(5000)
    made.read(HOUR - 5 * MINUTE, OPENING_WH + 1000)
    Meter.objects.filter(pk=made.circuit.meter_id).update(profile="pilot-spm9511")
    made.circuit = Circuit.objects.get(pk=made.circuit.pk)
    return made


def wants_times(shop: Shop, schedule: Schedule, swap_at: datetime, *, at: datetime) -> WantedSchedule:
    times.write(
        shop.circuit.meter, schedule, swap_at=swap_at, reason="the new tariff", actor=of_operator(shop.cast.bob),
        request_key=f"t{at}", at=at,
    )  # fmt: skip
    ends(finished_at=at)
    return WantedSchedule.objects.latest("pk")


def wants_limit(shop: Shop, watts: int) -> None:
    wanted = {Quantity.LOAD_LIMIT: watts, Quantity.MALICIOUS_SWITCH: 1}
    able = {each: value for each, value in wanted.items() if each in settings.writable(shop.circuit)}
    bob, at = of_operator(shop.cast.bob), AT - HOUR
    settings.write(shop.circuit, able, reason="too hot", actor=bob, request_key="s", at=at)
    ends(finished_at=AT - HOUR, values={each.value: value for each, value in able.items()})
    settings.settle(shop.circuit.pk)


def exchanged(shop: Shop, profile: str) -> Swap:
    made = swap(held(shop, profile=profile, read={1: Read(first_wh=40)}))
    assert swap_wants.sweep(at=AT) == 0, "the new meter is not open yet"
    charges.sweep(at=AT)
    steps.sweep(at=AT + MINUTE)
    swap_steps.sweep(at=AT + MINUTE)
    assert SwapPart.objects.get(swap=made).state == "done"
    return made


def test_parameters_and_times_of_use_are_wanted_of_the_new_meter_one_after_the_other(shop: Shop) -> None:
    wants_limit(shop, 5_000)
    held_since = wants_times(shop, FLAT, AT - HOUR, at=AT - 3 * HOUR)
    to_come = wants_times(shop, NIGHT, AT + 9 * DAY, at=AT - 2 * HOUR)
    made = exchanged(shop, "pilot-spm9511")
    at = AT + 2 * MINUTE
    assert swap_wants.sweep(at=at) == 1
    circuit = Circuit.objects.get(meter=made.new_meter)
    limit = parameters.newest(circuit.pk)[Quantity.LOAD_LIMIT]
    assert (limit.value, limit.reason, limit.actor, limit.job.state) == (5_000, "too hot", f"swap:{made.pk}", "queued")
    now = TIMES.versions(made.new_meter)
    assert [(TIMES.held(each), each.actor) for each in now] == [(FLAT, f"swap:{made.pk}")]
    assert now[0].swap_at > at and held_since.swap_at < at
    made.refresh_from_db()
    assert made.handed_at is None and not any(each.code for each in swap_wants.handed(made))
    JobRow.objects.filter(state="queued").update(state="done", verdict="done", finished_at=at)
    assert not swap_wants.hand_over(made.pk, at=at + 10 * MINUTE), "the set that holds has not come into force yet"
    assert swap_wants.hand_over(made.pk, at=at + HOUR) and swap_wants.hand_over(made.pk, at=at + HOUR)
    newest = TIMES.versions(made.new_meter)[0]
    assert (TIMES.held(newest), newest.swap_at, newest.reason) == (NIGHT, to_come.swap_at, "the new tariff")
    assert WantedSchedule.objects.filter(meter=made.old_meter).count() == 2, "the old one's versions stay its own"
    assert AuditRow.objects.filter(action="metering.times", actor=f"swap:{made.pk}").count() == 2
    assert swap_wants.sweep(at=at + HOUR) == 0


def test_what_the_new_model_cannot_be_told_is_kept_with_the_reason(shop: Shop) -> None:
    wants_limit(shop, 5_000)
    wants_times(shop, FLAT, AT - HOUR, at=AT - 3 * HOUR)
    made = exchanged(shop, "hiking-dds238-zn-sr")
    swap_wants.sweep(at=AT + HOUR)
    made.refresh_from_db()
    assert made.handed_at == AT + HOUR and not WantedSchedule.objects.filter(meter=made.new_meter).exists()
    assert {each.code for each in swap_wants.handed(made)} == {"setting_not_supported", "schedule_not_supported"}
    assert Handed(what="times", index=0, code="schedule_not_supported") in swap_wants.handed(made)
    assert Handed(what="load_limit", index=1, code="setting_not_supported") in swap_wants.handed(made)


def test_what_somebody_wanted_of_the_new_meter_meanwhile_stands(shop: Shop) -> None:
    wants_times(shop, FLAT, AT - HOUR, at=AT - 3 * HOUR)
    made = exchanged(shop, "pilot-spm9511")
    times.write(made.new_meter, NIGHT, swap_at=AT + DAY, reason="mine", actor=of_operator(shop.cast.bob),
                request_key="n", at=AT + MINUTE)  # fmt: skip
    assert swap_wants.hand_over(made.pk, at=AT + HOUR)
    made.refresh_from_db()
    assert [each.code for each in swap_wants.handed(made)] == ["swap_wanted_since"]
    assert [TIMES.held(each) for each in TIMES.versions(made.new_meter)] == [NIGHT]


def test_the_time_of_a_swap_of_prices_follows_once_the_new_meter_drains_by_the_price_in_force(
    scene: Scene,  # noqa: F811
) -> None:
    two_sets = "generic-dlt645-order"
    Meter.objects.filter(pk=scene.circuits[0].meter_id).update(profile=two_sets)
    supply = SupplyPoint.objects.get(circuit=scene.circuits[0], valid_to=None)
    SupplyPoint.objects.filter(pk=supply.pk).update(valid_from=TEN)
    supply = SupplyPoint.objects.select_related("circuit__meter__site").get(pk=supply.pk)
    read(scene, TEN, wh=1_000_000, balance=0)
    read(scene, TEN + 3 * HOUR - 2 * MINUTE, wh=1_040_000, balance=0)
    price_sets.write(
        supply, swap_at=TEN + 9 * DAY, reason="new year", actor=scene.bob, request_key="p", at=TEN + HOUR
    )
    ends(finished_at=TEN + HOUR)
    made = swap(
        SwapCommand(
            key="x1", meter=supply.circuit.meter, number=str(NUMBER + 90), profile=two_sets, line=scene.line,
            unit=supply.circuit.meter.unit, ct_ratio=1, reason="broken", till=scene.api, actor=scene.bob,
            found=Opening.Act.TAKE_OVER, at=TEN + 3 * HOUR,
        )
    )  # fmt: skip
    part, later = SwapPart.objects.select_related("opening").get(swap=made), TEN + 4 * HOUR
    answer(part.opening, {"meter_number": NUMBER + 90, "purchase_count": 0}, at=later, balance=0)
    assert answer(part.opening, at=later) == "done"
    swap_steps.sweep(at=later)
    assert not swap_wants.hand_over(made.pk, at=later), "the price in force comes first"
    first = WantedPrices.objects.get(meter=made.new_meter)
    assert (first.actor, prices_of(first.prices).rates) == ("system", (920_000,) * 4)
    shown = PriceRead(in_force=prices_of(first.prices), standby=prices_of(first.prices), swap_at=None)
    ends(finished_at=later + HOUR, prices=prices_read_json(shown))
    purse_prices.settle(part.new_supply_id, at=later + HOUR)
    assert swap_wants.hand_over(made.pk, at=later + HOUR)
    told = WantedPrices.objects.filter(meter=made.new_meter).latest("pk")
    assert (told.swap_at, told.reason, told.actor) == (TEN + 9 * DAY, "new year", f"swap:{made.pk}")
    assert PRICE == price_sets.proposed(SupplyPoint.objects.get(pk=part.new_supply_id), swap_at=told.swap_at).price
    assert purse_prices.sweep(at=later + HOUR + MINUTE) == 0, "nothing else is written over it"
