"""Another address or speed for a simulated meter: it answers there and nowhere else, also after a restart."""

from pathlib import Path

import pytest

from prewatt.core.meters import catalogue
from prewatt.core.meters.drivers import MeterAddress
from prewatt.core.meters.jobs import Intent, Job, Outcome, Verdict
from prewatt.core.wire import dlt645
from prewatt.core.wire.modbus import Function, ReadRequest, encode_rtu_request
from prewatt.field.simulator.commissioning import KEY_MS
from prewatt.field.simulator.world import World
from tests.field.simulator.plant import NOON_MS, line, meter, replies, stop, world
from tests.field.simulator.test_driver import Master

DATA, DDS, SDM = "ningju-ddzy1218", "hiking-dds238-zn-s", "eastron-sdm120"
NUMBER = "202500000007"
WORKS = "000000000001"


def of(code: str, directory: Path, **more: object) -> World:
    return world(directory, {**meter(7, profile=code), **more}, lines=[line(baud=2_400)])


def ask(a_world: World, code: str, job: Job, *, unit: int = 7, at_ms: int = NOON_MS) -> Outcome:
    master = Master(
        a_world.lines["a"], "rtu", profile=catalogue()[code], address=MeterAddress(unit=unit, number=NUMBER)
    )
    master.now_ms = at_ms
    return master.do(job)


def there(a_world: World, unit: int) -> bool:
    """Does anybody answer at a Modbus address?"""
    bus = a_world.lines["a"]
    bus.connect(9)
    request = ReadRequest(function=Function.READ_HOLDING_REGISTERS, address=0, count=1)
    return bool(bus.answer(9, encode_rtu_request(unit, request), NOON_MS + 60_000))


def called(a_world: World, address: str) -> bytes:
    """What comes back on a read of the communication address."""
    bus = a_world.lines["a"]
    bus.connect(9)
    asked = dlt645.encode(dlt645.read(address, 0x04000401))
    return b"".join(data for _, data in bus.answer(9, asked, NOON_MS + 60_000))


def test_a_data_meter_takes_the_address_of_its_number_once_its_key_is_pressed(tmp_path: Path) -> None:
    a_world = of(DATA, tmp_path, address=WORKS)
    assert called(a_world, WORKS) and not called(a_world, NUMBER)
    refused = ask(a_world, DATA, Job(intent=Intent.READDRESS))
    assert (refused.verdict, refused.code) == (Verdict.REFUSED, "address_key_needed")
    a_world.command(NUMBER, NOON_MS, programming_key=True)
    late = ask(a_world, DATA, Job(intent=Intent.READDRESS), at_ms=NOON_MS + KEY_MS)
    assert (late.verdict, late.code) == (Verdict.REFUSED, "address_key_needed"), "it counts for a while only"
    assert ask(a_world, DATA, Job(intent=Intent.READDRESS)).verdict is Verdict.DONE
    stop(a_world)
    again = of(DATA, tmp_path, address=WORKS)
    assert called(again, NUMBER) and not called(again, WORKS)
    assert again.describe(NOON_MS, {})[0]["address"] == NUMBER


def test_two_data_meters_that_answer_at_once_are_one_noise(tmp_path: Path) -> None:
    pair = [meter(7, profile=DATA), {**meter(8, profile=DATA), "address": WORKS}]
    a_world = world(tmp_path, *pair, lines=[line(baud=2_400)])
    heard = called(a_world, dlt645.ANYONE)
    assert heard and not dlt645.Decoder().receive(heard)
    assert ask(a_world, DATA, Job(intent=Intent.READDRESS)).verdict is Verdict.DONE, "its own answers alone"


def test_a_speed_is_another_one_from_the_next_frame_on_and_the_old_one_is_noise(tmp_path: Path) -> None:
    a_world = of(DATA, tmp_path)
    bus = a_world.lines["a"]
    bus.connect(1)
    (said,) = bus.answer(1, dlt645.encode(dlt645.change_baud(NUMBER, 9_600)), NOON_MS)
    (frame,) = dlt645.Decoder().receive(said[1])
    assert (frame.function, frame.refused) == (dlt645.Function.CHANGE_BAUD, False)
    assert not called(a_world, NUMBER)
    bus.speed = 9_600
    assert called(a_world, NUMBER)
    stop(a_world)
    again = of(DATA, tmp_path)
    assert not called(again, NUMBER)
    stop(again)
    moved = world(tmp_path, meter(7, profile=DATA), lines=[line(baud=9_600)])
    assert called(moved, NUMBER), "the site file's line followed"


@pytest.mark.parametrize("code", [DDS, SDM])
def test_a_modbus_meter_moves_to_the_address_that_is_written(code: str, tmp_path: Path) -> None:
    a_world = of(code, tmp_path)
    if catalogue()[code].bus.key_needed:  # type: ignore[union-attr]
        refused = ask(a_world, code, Job(intent=Intent.READDRESS, unit=9))
        assert (refused.verdict, refused.code) == (Verdict.REFUSED, "address_key_needed")
        a_world.command(NUMBER, NOON_MS, programming_key=True)
    assert ask(a_world, code, Job(intent=Intent.READDRESS, unit=9)).verdict is Verdict.DONE
    assert (there(a_world, 7), there(a_world, 9)) == (False, True)
    stop(a_world)
    again = of(code, tmp_path)
    assert (there(again, 7), there(again, 9)) == (False, True)
    assert again.describe(NOON_MS, {})[0]["unit"] == 9


def test_two_modbus_meters_at_one_address_are_one_noise(tmp_path: Path) -> None:
    a_world = world(tmp_path, {**meter(7, profile=DDS), "works_unit": 9}, meter(9, profile=DDS))
    assert there(a_world, 9) and not there(a_world, 7)
    bus = a_world.lines["a"]
    bus.connect(1)
    request = ReadRequest(function=Function.READ_HOLDING_REGISTERS, address=0, count=2)
    heard = bus.answer(1, encode_rtu_request(9, request), NOON_MS)
    assert heard
    with pytest.raises(Exception, match="crc"):
        replies(heard)
    a_world.command("202500000009", NOON_MS, silent=True)
    assert ask(a_world, DDS, Job(intent=Intent.READDRESS, unit=7), unit=9).verdict is Verdict.DONE
    a_world.command("202500000009", NOON_MS, silent=False)
    assert replies(bus.answer(1, encode_rtu_request(9, request), NOON_MS)), "each is alone at its own now"
