"""The plan's price held in readiness by a meter with two sets, by itself and by a person; on a simulated meter."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from prewatt.core.meters import catalogue
from prewatt.core.meters.drivers import Finished, MeterAddress, Send, converse
from prewatt.core.meters.jobs import Intent, Outcome, Verdict
from prewatt.core.refusals import Refused
from prewatt.field.simulator.world import World
from prewatt.office.estate import plans
from prewatt.office.estate.models import Circuit, Meter, PlanAssignment, SupplyPoint
from prewatt.office.metering.jobs import decode, prices_read_json
from prewatt.office.metering.models import JobRow, WantedPrices
from prewatt.office.metering.parameters import ParameterState
from prewatt.office.metering.prices import PRICE_SETS
from prewatt.office.metering.standby import earliest
from prewatt.office.vending import price_sets, purse_prices
from prewatt.office.vending.models import PursePrice
from tests.field.simulator.plant import meter, stop, world
from tests.office.vending.scene import AT, PRICE, Scene, build

pytestmark = pytest.mark.django_db
NUMBER, PROFILE = "202500000001", "generic-dlt645-order"
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


class Here:
    """A scene whose first circuit's meter keeps two sets, and time."""

    def __init__(self, scene: Scene, site: World) -> None:
        self.scene, self.site, self.at = scene, site, AT

    @property
    def supply(self) -> SupplyPoint:
        return price_sets.candidates(self.scene.site.pk).get()

    @property
    def meter(self) -> Meter:
        return self.supply.circuit.meter

    @property
    def drains_by(self) -> int:
        one = self.site.meters[NUMBER]
        one.settle(int(self.at.timestamp()) * 1_000)
        return one.circuits[1].state.price_flat

    def job(self) -> JobRow:
        found = price_sets.jobs_of(self.supply).first()
        assert found is not None
        return found

    def sweep(self, after: timedelta = timedelta()) -> int:
        self.at += after
        return purse_prices.sweep(at=self.at)

    def carry_out(self, *, lost: bool = False) -> Outcome:
        """What the head-end does with the newest job; `lost`: no write is answered, though it is heard."""
        row = self.job()
        job = replace(decode(row.payload), clock=int(self.at.timestamp()))
        talk = converse(catalogue()[PROFILE], MeterAddress(unit=1, number=NUMBER), job, transport="rtu")
        while not isinstance(step := talk.next(), Finished):
            replies = []
            if isinstance(step, Send):
                replies = self.site.lines["a"].answer(1, step.data, int(self.at.timestamp()) * 1_000)
            deaf = lost and isinstance(step, Send) and step.data[12:13] == b"\x14"
            for _, data in [] if deaf else replies:
                talk.receive(data)
            if deaf or not replies:
                talk.timed_out()
        self.ends(step.outcome)
        return step.outcome

    def ends(self, outcome: Outcome) -> None:
        row = self.job()
        shown = None if outcome.prices is None else prices_read_json(outcome.prices)
        JobRow.objects.filter(pk=row.pk).update(
            state="done", verdict=outcome.verdict, code=outcome.code or "", prices=shown, finished_at=self.at,
            ever_sent=outcome.sent,
        )  # fmt: skip
        purse_prices.settle(self.supply.pk, at=self.at)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Here]:
    scene = build(1)
    Meter.objects.filter(pk=scene.circuits[0].meter_id).update(profile=PROFILE, number=NUMBER)
    scene.circuits[0] = Circuit.objects.get(pk=scene.circuits[0].pk)
    SupplyPoint.objects.filter(circuit=scene.circuits[0]).update(credit_unit="CNY")
    old = {f"price_{each}": 500_000 for each in ("sharp", "peak", "flat", "valley")}
    one = meter(1, profile=PROFILE, settings=old, load={"kind": "constant", "peak_w": 0})
    site = world(tmp_path, one, at_ms=int(AT.timestamp()) * 1_000)
    site.lines["a"].connect(1)
    yield Here(scene, site)
    stop(site)


def test_a_price_in_force_gets_the_nearest_swap_and_is_said_once_it_was_read(here: Here) -> None:
    assert here.sweep() == 1 and here.sweep() == 0, "one is at work"
    assert here.carry_out().verdict is Verdict.DONE
    told = WantedPrices.objects.get()
    assert (told.actor, told.swap_at) == ("system", AT + 32 * MINUTE)
    assert PRICE_SETS.of_meter(here.meter).state is ParameterState.AGREES
    state = purse_prices.state_of(here.supply, at=here.at)
    assert state is not None and (state.shown, state.wanted, state.swap_at) == (Decimal("0.5"), PRICE, told.swap_at)
    assert here.drains_by == 500_000
    assert here.sweep(35 * MINUTE) == 0, "a clock may be late"
    assert here.drains_by == 920_000 and PursePrice.objects.get().price == Decimal("0.5")
    assert here.sweep(10 * MINUTE) == 1 and here.job().intent == Intent.READ_PRICES
    here.carry_out()
    assert PursePrice.objects.get().price == PRICE and here.sweep(MINUTE) == 0
    assert PRICE_SETS.of_meter(here.meter).state is ParameterState.AGREES


def brought_in(here: Here) -> None:
    """The meter drains by the plan's price."""
    here.sweep()
    here.carry_out()
    here.sweep(50 * MINUTE)
    here.carry_out()
    assert PursePrice.objects.get().price == PRICE


def test_a_price_to_come_is_in_the_meter_days_before_and_holds_from_its_minute_on(here: Here) -> None:
    brought_in(here)
    dear = here.at.replace(hour=16, minute=0) + 5 * DAY
    plans.add_version(here.scene.plan, price=Decimal("1.05"), valid_from=dear, actor="x", at=here.at)
    assert here.sweep() == 0, "too early"
    assert price_sets.suggested(here.supply, at=here.at) == dear
    assert here.sweep(3 * DAY) == 1
    assert here.carry_out().verdict is Verdict.DONE
    assert WantedPrices.objects.latest("pk").swap_at == dear and here.sweep(MINUTE) == 0
    here.at = dear - MINUTE
    assert here.drains_by == 920_000 and here.sweep() == 0
    here.at = dear + MINUTE
    assert here.drains_by == 1_050_000 and here.sweep() == 0
    here.at = dear + 11 * MINUTE
    assert here.sweep() == 1 and here.carry_out().verdict is Verdict.DONE
    assert PursePrice.objects.get().price == Decimal("1.05")


def test_what_a_person_decided_is_not_displaced_and_is_the_plan_s_price_all_the_same(here: Here) -> None:
    brought_in(here)
    dear, cheap = here.at + 1 * DAY, here.at + 2 * DAY
    plans.add_version(here.scene.plan, price=Decimal("1.05"), valid_from=dear, actor="x", at=here.at)
    plans.add_version(here.scene.plan, price=Decimal("0.70"), valid_from=cheap, actor="x", at=here.at)
    job_id = price_sets.write(
        here.supply, swap_at=cheap + DAY, reason="with the new year", actor=here.scene.bob, request_key="k", at=here.at
    )
    again = price_sets.write(
        here.supply, swap_at=cheap + DAY, reason="with the new year", actor=here.scene.bob, request_key="k", at=here.at
    )
    assert job_id == again and WantedPrices.objects.latest("pk").prices["rates"] == [700_000] * 4
    with pytest.raises(Refused) as refused:
        price_sets.write(here.supply, swap_at=dear, reason="r", actor=here.scene.bob, request_key="l", at=here.at)
    assert refused.value.code == "settings_running" and refused.value.retry
    here.carry_out()
    assert here.sweep(MINUTE) == 0
    here.at = cheap + MINUTE  # the plan's price is in force now, and waits in the meter as the person said
    assert here.sweep() == 0


def test_silence_is_tried_again_and_a_dispute_is_a_person_s(here: Here) -> None:
    here.sweep()
    assert here.carry_out(lost=True).verdict is Verdict.DONE, "what is read decides, not what was answered"
    JobRow.objects.filter(pk=here.job().pk).update(verdict="unknown")
    assert PRICE_SETS.of_meter(here.meter).state is ParameterState.UNKNOWN
    assert here.sweep(timedelta(seconds=30)) == 0 and here.sweep(MINUTE) == 1
    assert here.carry_out().verdict is Verdict.DONE, "the next one finds what was left half done"
    JobRow.objects.filter(pk=here.job().pk).update(verdict="disputed")
    assert here.sweep(DAY) == 0
    price_sets.write(
        here.supply, swap_at=earliest(here.at), reason="looked", actor=here.scene.bob, request_key="p",
        at=here.at,
    )  # fmt: skip
    assert here.carry_out().verdict is Verdict.DONE


def test_a_batch_asks_each_for_itself_and_says_of_each_why_not(here: Here) -> None:
    one = here.supply
    other = SupplyPoint.objects.select_related("circuit__meter__site").get(pk=one.pk)
    other.circuit.meter.profile = "acrel-dtsy1352-nk-purse"
    asked = price_sets.write_many(
        [one, other], swap_at=None, reason="tariff", actor=here.scene.bob, request_key="b", at=here.at
    )
    assert asked[0].job_id is not None and asked[0].refusal is None
    assert asked[1].refusal is not None and asked[1].refusal.code == "prices_no_standby"
    assert WantedPrices.objects.get().swap_at == earliest(here.at)
    with pytest.raises(Refused) as refused:
        price_sets.write_many([one] * 201, swap_at=None, reason="", actor=here.scene.bob, request_key="c", at=here.at)
    assert refused.value.code == "prices_too_many"


def test_refusals_come_before_anything_is_written(here: Here) -> None:
    def ask(swap_at: datetime) -> str:
        with pytest.raises(Refused) as refused:
            price_sets.write(here.supply, swap_at=swap_at, reason="r", actor=here.scene.bob, request_key="r", at=AT)
        return refused.value.code

    assert ask(AT + 10 * MINUTE) == "schedule_swap_past" and ask(AT + 900 * DAY) == "schedule_swap_far"
    with pytest.raises(Refused) as refused:
        plans.add_version(here.scene.plan, price=Decimal("1.05001"), valid_from=AT + DAY, actor="x", at=AT)
    assert refused.value.code == "value_too_fine"
    PlanAssignment.objects.all().delete()
    assert ask(AT + DAY) == "plan_without_price"
    assert not WantedPrices.objects.exists() and not price_sets.jobs_of(here.supply).exists()


def test_a_meter_that_shows_several_prices_has_none_that_could_be_said(here: Here) -> None:
    purse_prices.read_back(here.supply, PRICE, at=AT)
    here.site.meters[NUMBER].circuits[1].state.price_peak = 900_000
    price_sets.read(here.meter, request_key="r", actor=here.scene.bob, at=AT)
    assert here.carry_out().verdict is Verdict.DONE
    assert not PursePrice.objects.exists() and here.sweep() == 1
