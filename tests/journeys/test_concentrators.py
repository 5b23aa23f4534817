"""Selling behind power-line and radio concentrators in virtual time: seconds for each reply, loss in bursts, replies
late and twice. PREWATT_SEED replays a run."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from prewatt.core.meters.jobs import Intent, Job, Verdict, Wish
from prewatt.core.meters.media import AIRS, Medium
from prewatt.core.wire import dlt645
from prewatt.core.wire.dlt645 import Function
from prewatt.field.headend.air import heard_by_all, over, patience_of
from prewatt.field.headend.bus import Bus
from prewatt.field.headend.transports import TRANSPORTS
from prewatt.field.headend.waiter import Waiter
from prewatt.field.simulator.faults import PROFILES, Faults, Way, faults_from
from tests import virtual_time
from tests.field.simulator.plant import circuit_of
from tests.journeys.memory import Story, now_ms, seed_of
from tests.journeys.test_virtual_lines import shop, tell

ORDERS_PER_METER = 5
METERS = 3


@pytest.mark.parametrize(("medium", "seed"), [(Medium.POWER_LINE, 1), (Medium.RADIO, 20261121)])
def test_every_order_behind_a_concentrator_is_settled_once_and_told_truly(
    tmp_path: Path, medium: Medium, seed: int
) -> None:
    seed = seed_of(seed)

    async def told() -> None:
        story = Story(
            tmp_path, seed, lines=2, meters=METERS, medium=medium.value, baud=2400, turnaround_ms=100, status_s=60
        )
        story.office.retry_s = 20.0
        story.faults(profile=medium.value)
        story.start()
        units = range(1, 2 * METERS + 1)
        await asyncio.gather(*(shop(story, unit, ORDERS_PER_METER) for unit in units))
        story.reckon()
        verdicts = Counter(outcome.verdict for row in story.office.jobs.values() for outcome in row.outcomes)
        assert verdicts[Verdict.DONE] == 2 * METERS * ORDERS_PER_METER, f"seed {seed}: {verdicts}"
        assert not verdicts[Verdict.DISPUTED] and not verdicts[Verdict.REFUSED], f"seed {seed}: {verdicts}"
        assert verdicts[Verdict.UNKNOWN] and verdicts[Verdict.SILENT], "the line was as bad as it should be"
        await story.end()

    tell(told(), seed)


def test_a_meter_behind_a_concentrator_is_cut_and_restored(tmp_path: Path) -> None:
    seed = seed_of(2)

    async def told() -> None:
        story = Story(tmp_path, seed, meters=2, medium="plc", baud=2400, status_s=60)
        story.faults(profile="plc", lose_reply=0.0, lose_request=0.0, burst=0.0, corrupt=0.0, late_reply=0.0)
        story.start()
        assert (await story.settled(story.sell(1, 5_000), within_s=600)).verdict is Verdict.DONE
        for wish, relay in ((Wish.TRIP, "open"), (Wish.AUTOMATIC, "closed")):
            row = story.office.ask(story.plans[0], Job(intent=Intent.RELAY, wish=wish))
            assert (await story.settled(row, within_s=600)).verdict is Verdict.DONE
            assert circuit_of(story.site, now_ms(), "202500000001")["relay"] == relay
        await story.end()

    tell(told(), seed)


@pytest.mark.parametrize("medium", list(AIRS))
def test_the_head_end_is_at_least_as_patient_as_the_played_concentrator_is_slow(medium: Medium) -> None:
    air, played = AIRS[medium], faults_from({"seed": 5, "profile": medium.value})
    way = Way(played)
    longest_ms = max(way.one_way_ms() + way.one_way_ms() for _ in range(20_000))
    assert air.link_ms // 2 < longest_ms <= air.link_ms
    assert played.late_ms < air.drain_ms and played.duplicate_ms <= air.link_ms
    assert over(TRANSPORTS["rtu-over-tcp"], medium).link_ms > air.link_ms
    assert over(TRANSPORTS["rtu-over-tcp"], Medium.WIRE) is TRANSPORTS["rtu-over-tcp"]


def test_a_profile_of_faults_is_a_name_and_a_seed_and_what_is_named_beside_it_counts() -> None:
    told = faults_from({"profile": "radio", "seed": 9, "lose_reply": 0.5})
    assert (told.lose_reply, told.hops, told.seed) == (0.5, PROFILES["radio"]["hops"], 9)
    first, again, other = (
        [Way(Faults(seed=seed, hops=4, hop_ms=400, tail_ms=300)).one_way_ms() for _ in range(1)] for seed in (1, 1, 2)
    )
    assert first == again != other


def test_bursts_swallow_everything_for_a_while() -> None:
    way = Way(Faults(seed=3, burst=0.1, burst_ms=8_000))
    heard = "".join("x" if way.noisy(at_ms) else "." for at_ms in range(0, 600_000, 1_000))
    assert "xxx" in heard and "..." in heard and 0.1 < heard.count("x") / len(heard) < 0.9


def test_what_every_meter_passes_on_is_sent_seldom() -> None:
    single = bytes.fromhex("010300000001840A")
    everybody = dlt645.encode(dlt645.Frame(address="9" * 12, control=Function.BROADCAST_TIME, data=bytes(6)))
    anybody = dlt645.encode(dlt645.Frame(address="A" * 12, control=Function.READ_ADDRESS))
    assert [heard_by_all(frame) for frame in (single, everybody, anybody)] == [False, True, True]

    async def story() -> None:
        loop = virtual_time.running()
        bus = Bus(
            baud=2400, quiet_s=0, waiter=Waiter(loop), now=loop.time, patience=patience_of(Medium.POWER_LINE)
        )
        wire = Bus(baud=2400, quiet_s=0, waiter=Waiter(loop), now=loop.time)
        for frame, at_s, loud in ((everybody, 0, False), (anybody, 899, True), (single, 899, False),
                                  (anybody, 901, False), (everybody, 902, True)):  # fmt: skip
            assert bus._too_loud(frame, 1000.0 + at_s) is loud, (frame.hex(), at_s)
            assert not wire._too_loud(frame, 1000.0 + at_s)

    virtual_time.run(story())
