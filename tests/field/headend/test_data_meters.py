"""A head-end on a bus that DL/T 645 meters and Modbus meters share, in memory and under a virtual clock."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from prewatt.core.meters.dataitems import ALL_WORDS, WORD_3
from prewatt.core.meters.jobs import Intent, Job, Verdict, Wish
from prewatt.core.meters.mailbox import CircuitPlan, LinePlan, MeterPlan
from prewatt.core.meters.quantities import Quantity
from prewatt.core.wire.dlt645 import Frame
from prewatt.field.headend.memory import MemoryBus
from prewatt.field.simulator.data_meter import DataMeter, HandledFrame
from prewatt.field.simulator.site import faults_from
from prewatt.field.simulator.world import World as Site
from tests import virtual_time
from tests.field.headend.office import at_of
from tests.field.headend.world import World, world
from tests.field.simulator import plant

STEADY = {"kind": "constant", "peak_w": 1_200}
MODELS = ("ningju-ddzy1218", "pilot-spm9511", "eastron-sdm120", "ningju-dtzy1218")
BAD = {"seed": 645, "lose_reply": 0.2, "late_reply": 0.05, "late_ms": 1_500, "duplicate_reply": 0.02, "noise": 0.05}


def mixed(here: World, directory: Path, **faults: object) -> tuple[LinePlan, Site]:
    """Four meters of three makers on one serial server at 2400, all played by the simulator."""
    meters = [plant.meter(unit, profile=code, load=STEADY) for unit, code in enumerate(MODELS, 1)]
    site = plant.world(directory, *meters, lines=[plant.line(baud=2_400, turnaround_ms=60, gateway_ms=15)])
    bus = site.lines["a"]
    if faults:
        bus.set_faults(faults_from(faults, "faults"))
    bus.connect(1)
    loop = virtual_time.running()

    def answer(data: bytes) -> list[tuple[float, bytes]]:
        now_ms = plant.NOON_MS + int((loop.time() - 1_000) * 1_000)
        return [(delay_ms / 1_000, reply) for delay_ms, reply in bus.answer(1, data, now_ms)]

    plan = LinePlan(
        line_id=1, site_id=1, transport="memory", host="", port=1, baud=2_400,
        meters=tuple(
            MeterPlan(
                meter_id=unit, number=f"20250000{unit:04d}", profile=code, unit=unit,
                circuits=(CircuitPlan(circuit_id=unit, index=1),),
            )
            for unit, code in enumerate(MODELS, 1)
        ),
    )  # fmt: skip
    here.plans[1], here.buses[1] = plan, MemoryBus(answer)
    here.office.add(1, plan)
    return plan, site


def test_both_protocols_are_polled_on_one_bus(tmp_path: Path) -> None:
    async def story() -> None:
        here = world()
        mixed(here, tmp_path)
        here.start()
        await asyncio.sleep(3_600)
        await here.end()
        for circuit_id in range(1, len(MODELS) + 1):
            times = at_of(here.office.polls, circuit_id)
            assert 58 <= len(times) <= 63, MODELS[circuit_id - 1]
            assert max((b - a).total_seconds() for a, b in zip(times, times[1:], strict=False)) <= 65
        relays = {poll.circuit_id for poll in here.office.polls if poll.values.get(Quantity.RELAY) == 1}
        assert relays == {1, 4}, "an SPM9511 without credit is open, an SDM120 has no relay"
        energies = [
            poll.values[Quantity.ENERGY_IMPORT_TOTAL]
            for poll in here.office.polls
            if poll.full and poll.circuit_id == 1
        ]
        assert energies == sorted(energies) and energies[-1] > energies[0]

    virtual_time.run(story())


def test_wishes_reach_meters_over_a_bad_line_and_are_never_claimed_falsely(tmp_path: Path) -> None:
    async def story() -> None:
        here = world()
        plan, site = mixed(here, tmp_path, **BAD)
        here.start()
        await asyncio.sleep(5)
        for wish in (Wish.TRIP, Wish.AUTOMATIC, Wish.TRIP):
            for meter in (0, 3):
                row = here.office.ask(plan, Job(intent=Intent.RELAY, wish=wish), meter=meter)
                await here.settled(within_s=3_600)
                circuit = site.meters[plan.meters[meter].number].circuits[1]
                assert row.outcomes[-1].verdict is Verdict.DONE, row.outcomes
                assert circuit.relay_closed() is (wish is not Wish.TRIP)
        await here.end()

    virtual_time.run(story())


def test_a_meter_with_status_word_3_alone_is_polled_by_it_and_asked_for_all_words_twice_after_each_register_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, item = Counter[int](), DataMeter._item

    def lacking(self: DataMeter, di: int, at_ms: int) -> bytes | None:
        asked[di] += 1
        return None if di == ALL_WORDS else item(self, di, at_ms)

    monkeypatch.setattr(DataMeter, "_item", lacking)

    async def story() -> None:
        here = world()
        mixed(here, tmp_path)
        here.start()
        await asyncio.sleep(3_600)
        await here.end()
        assert asked[WORD_3] >= 2 * 58, "each status poll of both meters"
        reads = sum(poll.full for poll in here.office.polls if poll.circuit_id in (1, 4))
        assert 2 <= asked[ALL_WORDS] <= 2 * (reads + 2)
        assert {poll.values.get(Quantity.RELAY) for poll in here.office.polls if poll.circuit_id == 1} == {None, 1}

    virtual_time.run(story())


def test_a_meter_that_is_silent_to_what_it_has_not_is_found_by_word_3_and_stays_in_contact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = DataMeter.handle_frame

    def deaf(self: DataMeter, frame: Frame, at_ms: int) -> HandledFrame:
        return HandledFrame(reply=None) if frame.di == ALL_WORDS else handle(self, frame, at_ms)

    monkeypatch.setattr(DataMeter, "handle_frame", deaf)

    async def story() -> None:
        here = world()
        mixed(here, tmp_path)
        here.start()
        await asyncio.sleep(3_600)
        await here.end()
        for circuit_id in (1, 4):
            times = at_of(here.office.polls, circuit_id)
            assert len(times) >= 50, circuit_id
            assert max((b - a).total_seconds() for a, b in zip(times, times[1:], strict=False)) <= 180

    virtual_time.run(story())
