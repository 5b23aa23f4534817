"""What a simulated meter says of its own reckoning, read by the driver with its purse."""

from pathlib import Path
from typing import Any

import pytest

from prewatt.core.meters import catalogue
from prewatt.core.meters.drivers import MeterAddress
from prewatt.core.meters.jobs import Intent, Job, Verdict
from prewatt.core.meters.quantities import Quantity
from prewatt.field.simulator import SiteError
from prewatt.field.simulator.events import Event, happen
from tests.field.simulator.plant import NOON_MS, SPM, meter, world
from tests.field.simulator.test_driver import Master

DAY_MS = 86_400_000
PURSE = Job(intent=Intent.READ_PURSE)


def test_days_left_and_how_it_warns_and_watches_come_with_the_purse(tmp_path: Path) -> None:
    a_world = world(
        tmp_path,
        meter(
            load={"kind": "constant", "peak_w": 1_000}, opening={"balance_wh": 500_000},
            settings={"warning_trip": True, "malicious_step_w": 1_500},
        ),
    )  # fmt: skip
    address = MeterAddress(unit=1, number=next(iter(a_world.meters)))
    asking = Master(a_world.lines["a"], "rtu", profile=SPM, address=address)
    first = asking.do(PURSE)
    assert first.verdict is Verdict.DONE and Quantity.DAYS_LEFT not in first.values  # nothing was used yet
    asking.now_ms = NOON_MS + 5 * DAY_MS
    values = asking.do(PURSE).values
    assert values[Quantity.DAYS_LEFT] == (500_000 - 120_000) // 24_000
    assert (values[Quantity.MALICIOUS_SWITCH], values[Quantity.MALICIOUS_STEP]) == (1, 1_500)
    assert (values[Quantity.ALARM_TRIPS_1], values[Quantity.ALARM_TRIPS_2]) == (0, 1)


def test_the_load_watch_and_what_a_level_does_are_written_and_obeyed(tmp_path: Path) -> None:
    a_world = world(
        tmp_path,
        meter(
            load={"kind": "constant", "peak_w": 0}, opening={"balance_wh": 500_000},
            settings={"warning_trip": True, "malicious_step_w": 1_500},
        ),
    )  # fmt: skip
    one = next(iter(a_world.meters.values()))
    asking = Master(a_world.lines["a"], "rtu", profile=SPM, address=MeterAddress(unit=1, number=one.number))
    told = {
        Quantity.MALICIOUS_SWITCH: 0, Quantity.MALICIOUS_STEP: 900, Quantity.ALARM_TRIPS_1: 1, Quantity.ALARM_TRIPS_2: 0
    }  # fmt: skip
    assert asking.do(Job(intent=Intent.WRITE_SETTINGS, settings=told)).verdict is Verdict.DONE
    state = one.circuits[1].state
    assert (state.malicious_off, state.malicious_step_w, state.warning_trip_1, state.warning_trip) == (
        True, 900, True, False
    )  # fmt: skip
    assert {quantity: asking.do(PURSE).values[quantity] for quantity in told} == told
    with pytest.raises(SiteError, match="forbidden step"):
        happen(one, Event.MALICIOUS_LOAD, 1, asking.now_ms)
    on = asking.do(Job(intent=Intent.WRITE_SETTINGS, settings={Quantity.MALICIOUS_SWITCH: 1}))
    assert on.verdict is Verdict.DONE and not state.malicious_off
    wrong = asking.do(Job(intent=Intent.WRITE_SETTINGS, settings={Quantity.ALARM_TRIPS_1: 2}))
    assert wrong.verdict is Verdict.REFUSED and state.warning_trip_1


def test_a_loop_said_to_be_postpaid_counts_below_zero_and_is_not_cut(tmp_path: Path) -> None:
    code = "pilot-spm2506-6"
    bare: dict[str, Any] = {"settings": {}, "load": {"kind": "constant", "peak_w": 2_000}, "relay": {}}
    circuits = [{"index": index, "opening": {"balance_wh": 1_000}, **bare} for index in (1, 2)]
    a_world = world(tmp_path, {**meter(profile=code), "circuits": circuits})
    one = next(iter(a_world.meters.values()))
    address = MeterAddress(unit=1, number=one.number)
    asking = Master(a_world.lines["a"], "rtu", profile=catalogue()[code], address=address)
    told = Job(intent=Intent.WRITE_SETTINGS, circuit_index=2, settings={Quantity.PAY_MODE: 1})
    assert asking.do(told).verdict is Verdict.DONE
    assert (one.circuits[1].state.postpaid, one.circuits[2].state.postpaid) == (False, True)
    asking.now_ms += DAY_MS
    read = {index: asking.do(Job(intent=Intent.READ_STATUS, circuit_index=index)).values for index in (1, 2)}
    assert (read[1][Quantity.RELAY], read[2][Quantity.RELAY]) == (0, 1)
    assert read[1][Quantity.BALANCE] <= 0 and read[2][Quantity.BALANCE] < -40_000
    back = Job(intent=Intent.WRITE_SETTINGS, circuit_index=2, settings={Quantity.PAY_MODE: 0})
    assert asking.do(back).verdict is Verdict.DONE and not one.circuits[2].relay_closed()
