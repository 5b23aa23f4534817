"""What a DL/T 645 meter writes down of what happened to it, read back by the decoder that reads real ones."""

from pathlib import Path
from typing import Any

import pytest

from prewatt.core.meters import catalogue
from prewatt.core.meters.drivers import MeterAddress
from prewatt.core.meters.jobs import Intent, Job, Verdict, Wish
from prewatt.core.meters.quantities import Quantity
from prewatt.core.wire import dlt645
from prewatt.field.simulator.data_meter import DataMeter
from prewatt.field.simulator.events import Event
from prewatt.field.simulator.world import World
from tests.field.simulator.plant import NOON_MS, NUMBER, meter, stop, world
from tests.field.simulator.test_driver import Master

CODE = "ningju-ddzy1218"
HELD: dict[str, Any] = {
    "settings": {"load_limit_w": 4_000}, "load": {"kind": "constant", "peak_w": 1_200},
    "opening": {"energy_wh": 50_000},
}  # fmt: skip
MINUTE_MS = 60_000


def played(directory: Path, code: str = CODE) -> World:
    return world(directory, meter(profile=code, **HELD))


def shown(a_world: World, di: int, at_ms: int) -> dict[str, str | None] | None:
    """The values behind an identifier by name; None where the meter refuses it."""
    bus = a_world.lines["a"]
    bus.connect(9)
    long = dlt645.LongRead(NUMBER, di)
    while True:
        ((_, data),) = bus.answer(9, dlt645.encode(long.request), at_ms)
        (frame,) = dlt645.Decoder().receive(data)
        if frame.refused:
            return None
        whole = long.take(frame)
        if whole is not None:
            return {each.name: each.value for each in dlt645.read_values(di, whole)}


def shows(a_world: World, di: int, at_ms: int, **wanted: str | None) -> None:
    found = shown(a_world, di, at_ms)
    assert found is not None, f"{di:08X}"
    assert {name: found[name] for name in wanted} == wanted, f"{di:08X}"


def test_an_open_cover_is_counted_and_kept_with_what_the_meter_read_then(tmp_path: Path) -> None:
    a_world = played(tmp_path)
    shows(a_world, 0x03300D00, NOON_MS, count="000000")
    nothing = shown(a_world, 0x03300D01, NOON_MS)
    assert nothing is not None and set(nothing.values()) == {None}, "no such record"
    a_world.happen(NUMBER, Event.COVER_OPEN, 1, NOON_MS)
    later = NOON_MS + 10 * MINUTE_MS  # 0.2 kWh
    shows(a_world, 0x03300D01, later, ended_at=None, total_after=None, total_before="50.00")
    a_world.happen(NUMBER, Event.COVER_CLOSED, 1, later)
    shows(a_world, 0x03300D00, later, count="000001")
    shows(a_world, 0x03300D01, later, total_before="50.00", total_after="50.20", reverse_total_after="0.00")
    record = shown(a_world, 0x03300D01, later)
    assert record is not None and record["quadrant_1_total_before"] is None, "it counts no reactive energy"
    assert record["started_at"] is not None and record["ended_at"] is not None
    assert record["started_at"] < record["ended_at"]


@pytest.mark.parametrize(
    ("event", "ends", "blocks"),
    [
        (Event.VOLTAGE_LOW, Event.VOLTAGE_NORMAL, (0x02, 0x11)),
        (Event.VOLTAGE_HIGH, Event.VOLTAGE_NORMAL, (0x03, 0x12)),
        (Event.REVERSE, Event.REVERSE_END, (0x0E, 0x1B)),
    ],
)
def test_what_lasts_is_told_by_phase_with_its_minutes_in_both_groups(
    event: Event, ends: Event, blocks: tuple[int, int], tmp_path: Path
) -> None:
    a_world = played(tmp_path)
    a_world.happen(NUMBER, event, 1, NOON_MS)
    running, over = NOON_MS + 5 * MINUTE_MS, NOON_MS + 7 * MINUTE_MS
    kind, group = 0x03000000 | blocks[0] << 16, blocks[1] << 24
    shows(a_world, kind, running, a_count="000001", a_minutes="000005", b_count=None, c_minutes=None)
    a_world.happen(NUMBER, ends, 1, over)
    for at_ms in (over, over + MINUTE_MS):
        shows(a_world, kind, at_ms, a_count="000001", a_minutes="000007")
        shows(a_world, group | 0x00010001, at_ms, count="000001")
        shows(a_world, group | 0x00010002, at_ms, minutes="000007")
    record = shown(a_world, kind | 0x0101, over)
    fields = shown(a_world, group | 0x0001FF01, over)
    assert record is not None and fields is not None
    assert record["started_at"] == fields["started_at"] and record["ended_at"] == fields["ended_at"] is not None
    assert fields["total_before"] == "50.00"
    assert record["gain"] == ("0.14" if event is not Event.REVERSE else "0.17"), "this model adds what flows back"
    assert shown(a_world, kind | 0x0201, over) is None, "it has no phase B"


def test_a_meter_of_three_phases_tells_of_each(tmp_path: Path) -> None:
    a_world = played(tmp_path, "ningju-dtzy1218")
    a_world.happen(NUMBER, Event.OVERLOAD, 1, NOON_MS)
    at_ms = NOON_MS + MINUTE_MS
    shows(a_world, 0x030F0000, at_ms, a_count="000001", b_count="000001", c_count="000001")
    for phase in (1, 2, 3):
        assert shown(a_world, 0x030F0001 | phase << 8, at_ms) is not None
    shows(a_world, 0x1D000001, at_ms, count="000001")
    shows(a_world, 0x1D000101, at_ms, operator="00000000")
    a_world.command(NUMBER, at_ms, load_w=500)
    a_world.command(NUMBER, at_ms, press_key=True)
    shows(a_world, 0x1E000001, at_ms, count="000001")


def test_who_tripped_and_closed_it_from_afar_and_who_wrote_what_is_kept(tmp_path: Path) -> None:
    a_world = played(tmp_path)
    master = Master(a_world.lines["a"], "rtu", profile=catalogue()[CODE], address=MeterAddress(unit=1, number=NUMBER))
    master.now_ms = NOON_MS
    for wish in (Wish.TRIP, Wish.KEEP_ON, Wish.TRIP):
        assert master.do(Job(intent=Intent.RELAY, wish=wish)).verdict is Verdict.DONE
    written = master.do(Job(intent=Intent.WRITE_SETTINGS, settings={Quantity.LOAD_LIMIT: 3_000}))
    assert written.verdict is Verdict.DONE
    at_ms = master.now_ms
    shows(a_world, 0x1D000001, at_ms, count="000002")
    shows(a_world, 0x1E000001, at_ms, count="000001")
    shows(a_world, 0x1D00FF02, at_ms, operator="00000000", total="50.00")
    shows(a_world, 0x03300000, at_ms, count="000001")
    shows(a_world, 0x03300001, at_ms, operator="00000000", identifier1="04000E01", identifier2="FFFFFFFF")


def test_of_many_the_last_ten_are_kept_and_all_are_counted(tmp_path: Path) -> None:
    a_world = played(tmp_path)
    for place in range(12):
        at_ms = NOON_MS + place * 2 * MINUTE_MS
        a_world.happen(NUMBER, Event.COVER_OPEN, 1, at_ms)
        a_world.happen(NUMBER, Event.COVER_CLOSED, 1, at_ms + MINUTE_MS)
    end_ms = NOON_MS + 24 * MINUTE_MS
    shows(a_world, 0x03300D00, end_ms, count="000012")
    newest, oldest = shown(a_world, 0x03300D01, end_ms), shown(a_world, 0x03300D0A, end_ms)
    assert newest is not None and oldest is not None
    assert str(oldest["started_at"]) < str(newest["started_at"])
    assert shown(a_world, 0x03300D0B, end_ms) is None


def test_a_power_cut_is_told_and_what_was_written_down_outlives_it(tmp_path: Path) -> None:
    a_world = played(tmp_path)
    a_world.happen(NUMBER, Event.COVER_OPEN, 1, NOON_MS)
    a_world.happen(NUMBER, Event.COVER_CLOSED, 1, NOON_MS + MINUTE_MS)
    a_world.snapshot(NOON_MS + MINUTE_MS)
    hour = NOON_MS + 60 * MINUTE_MS
    stop(a_world)
    again = world(tmp_path, meter(profile=CODE, **HELD), at_ms=hour)
    shows(again, 0x03110000, hour, count="000001")
    shows(again, 0x03300D00, hour, count="000001")
    lost = shown(again, 0x03110001, hour)
    assert lost is not None and str(lost["started_at"]) < str(lost["ended_at"])


def test_a_write_that_could_not_be_kept_is_not_written_down(tmp_path: Path) -> None:
    a_world = played(tmp_path)
    one = a_world.meters[NUMBER]
    assert isinstance(one, DataMeter)
    one.settle(NOON_MS)
    memory, before = one.remember(), dict(one.state.events)
    a_world.happen(NUMBER, Event.COVER_OPEN, 1, NOON_MS)
    one.go_back(memory)
    assert one.state.events == before
