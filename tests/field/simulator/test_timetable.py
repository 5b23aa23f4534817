"""Times of use of simulated meters, by the drivers over a simulated line: read, written, swapped at their time."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from prewatt.core.meters import catalogue
from prewatt.core.meters.drivers import MeterAddress
from prewatt.core.meters.jobs import Intent, Job, Verdict
from prewatt.core.meters.schedule import Period, Schedule, Zone
from prewatt.field.simulator.timetable import WORKS
from tests.field.simulator.plant import HOUR_MS, NOON_MS, line, meter, world
from tests.field.simulator.test_driver import Master

ALL_SHARP = Schedule(zones=(Zone(month=1, day=1, table=1),), tables=((Period(minute=0, rate=1),),))
LOCAL_S = 8 * 3_600
SWAP = NOON_MS // 1_000 + LOCAL_S + 3_600
WRITE = Job(
    intent=Intent.WRITE_SCHEDULE, schedule=ALL_SHARP, swap_at=SWAP, clock=NOON_MS // 1_000, zone_s=LOCAL_S
)
READ = Job(intent=Intent.READ_SCHEDULE)


@pytest.mark.parametrize("profile", ["ningju-dtzy1218", "pilot-spm9513", "pilot-spm2506-36", "acrel-dtsy1352-nk-purse"])
def test_a_standby_set_is_written_and_comes_into_force_at_its_time(tmp_path: Path, profile: str) -> None:
    opening = {"energy_wh": 1_000_000, "balance_wh": 900_000}
    parts = meter(7, profile=profile, load={"kind": "constant", "peak_w": 1_000}, opening=opening)
    a_world = world(tmp_path, parts, lines=[line(baud=9_600)])
    a_world.settle(NOON_MS)
    (a_meter,) = a_world.meters.values()
    address = MeterAddress(unit=7, number=a_meter.number)
    asking = Master(a_world.lines["a"], "rtu", profile=catalogue()[profile], address=address)
    before = asking.do(READ).schedule
    assert before is not None and (before.in_force, before.standby, before.swap_at) == (WORKS, WORKS, None)
    outcome = asking.do(WRITE)
    assert outcome.verdict is Verdict.DONE and outcome.schedule is not None, outcome
    assert (outcome.schedule.in_force, outcome.schedule.standby) == (WORKS, ALL_SHARP)
    assert outcome.schedule.swap_at == SWAP, datetime.fromtimestamp(outcome.schedule.swap_at or 0, UTC)
    asking.now_ms = NOON_MS + 2 * HOUR_MS
    sharp = a_meter.circuits[1].state.sharp_wh
    a_world.settle(asking.now_ms)
    after = asking.do(READ).schedule
    assert after is not None and after.in_force == ALL_SHARP
    assert abs(a_meter.circuits[1].state.sharp_wh - sharp - 1_000) <= 2  # the second hour alone
