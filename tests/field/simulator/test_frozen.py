"""Freezes of simulated meters, asked for by the drivers: each day's counter at its own midnight, on both wires."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from prewatt.core.meters import catalogue
from prewatt.core.meters.drivers import MeterAddress
from prewatt.core.meters.freezes import Freeze, FreezeKind, FreezeSpan
from prewatt.core.meters.jobs import Intent, Job, Verdict
from prewatt.core.meters.quantities import Quantity
from prewatt.field.simulator.frozen import freezes
from prewatt.field.simulator.site import faults_from
from prewatt.field.simulator.world import World
from tests.field.simulator.plant import NOON_MS, line, meter, world
from tests.field.simulator.test_driver import Master

SHANGHAI = ZoneInfo("Asia/Shanghai")
DAY_MS = 86_400_000
STEADY = {"kind": "constant", "peak_w": 1_000}
TOTAL = Quantity.ENERGY_IMPORT_TOTAL
BOTH = [("ningju-dtzy1218", True), ("pilot-spm9571", False)]


def asked(kind: FreezeKind, since: int = 0, until: int = 2**33) -> Job:
    return Job(intent=Intent.READ_FREEZES, freezes=FreezeSpan(kind=kind, since=since, until=until))


def site(directory: Path, profile: str, days: int) -> tuple[World, Master]:
    parts = meter(7, profile=profile, load=STEADY, opening={"energy_wh": 1_000_000})
    a_world = world(directory, parts, lines=[line(baud=9_600, turnaround_ms=40, gateway_ms=5)])
    a_world.settle(NOON_MS + days * DAY_MS)
    address = MeterAddress(unit=7, number=next(iter(a_world.meters)))
    asking = Master(a_world.lines["a"], "rtu", profile=catalogue()[profile], address=address)
    asking.now_ms = NOON_MS + days * DAY_MS
    return a_world, asking


def midnights(found: tuple[Freeze, ...], *, local: bool) -> list[tuple[int, int, int]]:
    zone = ZoneInfo("UTC") if local else SHANGHAI
    shown = [datetime.fromtimestamp(each.shown, zone) for each in found]
    assert all((each.hour, each.minute, each.second) == (0, 0, 0) for each in shown)
    return [(each.year, each.month, each.day) for each in shown]


@pytest.mark.parametrize(("profile", "local"), BOTH)
def test_the_last_days_come_with_the_counter_of_each_midnight(tmp_path: Path, profile: str, local: bool) -> None:
    a_world, asking = site(tmp_path, profile, 5)
    outcome = asking.do(asked(FreezeKind.DAY))
    assert outcome.verdict is Verdict.DONE and not outcome.sent
    assert len(midnights(outcome.freezes, local=local)) == 5
    totals = [each.values[TOTAL] for each in outcome.freezes]
    assert [after - before for before, after in zip(totals, totals[1:], strict=False)] == [24_000] * 4
    for each in outcome.freezes:
        rates = [value for quantity, value in each.values.items() if quantity is not TOTAL]
        assert len(rates) == 4 and abs(sum(rates) - each.values[TOTAL]) <= 40


@pytest.mark.parametrize(("profile", "local"), BOTH)
def test_a_span_of_weeks_ago_and_the_months(tmp_path: Path, profile: str, local: bool) -> None:
    a_world, asking = site(tmp_path, profile, 70)
    (circuit,) = next(iter(a_world.meters.values())).circuits.values()
    held = freezes(circuit.state, FreezeKind.DAY, zone=SHANGHAI, local=local, ratio=1)
    assert len(held) == 62
    wanted = held[50:57]
    outcome = asking.do(asked(FreezeKind.DAY, wanted[-1].shown, wanted[0].shown))
    assert [each.shown for each in outcome.freezes] == [each.shown for each in reversed(wanted)]
    months = asking.do(asked(FreezeKind.MONTH))
    assert months.verdict is Verdict.DONE
    assert {day for _, _, day in midnights(months.freezes, local=local)} == {1} and len(months.freezes) >= 2


@pytest.mark.parametrize(("profile", "local"), BOTH)
@pytest.mark.parametrize(
    "faults",
    [
        {"lose_reply": 0.2, "late_reply": 0.1, "late_ms": 1_900},
        {"corrupt": 0.15, "noise": 0.2},
        {"late_reply": 0.4, "late_ms": 900},
    ],
)
def test_on_a_bad_line_a_freeze_is_right_or_not_there(
    tmp_path: Path, profile: str, local: bool, faults: Mapping[str, object]
) -> None:
    a_world, asking = site(tmp_path, profile, 9)
    (circuit,) = next(iter(a_world.meters.values())).circuits.values()
    true = {each.shown: each.values[TOTAL] // 10 * 10 for each in freezes(
        circuit.state, FreezeKind.DAY, zone=SHANGHAI, local=local, ratio=1)}  # fmt: skip
    a_world.lines["a"].set_faults(faults_from(faults))
    seen = 0
    for _ in range(12):
        outcome = asking.do(asked(FreezeKind.DAY))
        assert outcome.verdict in (Verdict.DONE, Verdict.SILENT)
        seen += len(outcome.freezes)
        assert all(true[each.shown] == each.values[TOTAL] for each in outcome.freezes)
    assert seen > 0
