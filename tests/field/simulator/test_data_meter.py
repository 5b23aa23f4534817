"""The DL/T 645 driver of core against simulated meters, in memory: on a good line, on bad ones, beside Modbus."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from prewatt.core.meters import catalogue
from prewatt.core.meters.drivers import MeterAddress, clock_broadcast
from prewatt.core.meters.jobs import Intent, Job, Verdict, Wish
from prewatt.core.meters.quantities import Quantity, StatusBit
from prewatt.core.wire.dlt645 import (
    Access,
    Command,
    Frame,
    control,
    decode,
    encode,
    errors_of,
    read,
    read_address,
    values_of,
)
from prewatt.field.simulator.data_meter import DataMeter
from prewatt.field.simulator.site import faults_from
from prewatt.field.simulator.world import World
from tests.field.simulator.plant import HOUR_MS, NOON_MS, circuit_of, line, meter, stop, world
from tests.field.simulator.test_driver import Master

CODE = "ningju-ddzy1218"
PROFILE = catalogue()[CODE]
NUMBER = "202500000007"
STEADY = {"kind": "constant", "peak_w": 1_200}
STATUS, REGISTERS, PURSE = (Job(intent=each) for each in (Intent.READ_STATUS, Intent.READ_REGISTERS, Intent.READ_PURSE))
BAD_LINES: list[tuple[str, Mapping[str, object]]] = [
    ("lost", {"lose_request": 0.1, "lose_reply": 0.2, "late_reply": 0.05, "duplicate_reply": 0.02}),
    ("late", {"late_reply": 0.3, "late_ms": 1_900}),
    ("noisy", {"corrupt": 0.15, "noise": 0.2, "collision": 0.05}),
]


def wish(wanted: Wish) -> Job:
    return Job(intent=Intent.RELAY, wish=wanted)


def site(directory: Path) -> World:
    parts = meter(7, profile=CODE, load=STEADY, opening={"energy_wh": 1_215_000})
    return world(directory, parts, meter(1), lines=[line(baud=9_600, turnaround_ms=40, gateway_ms=5)])


def master(a_world: World) -> Master:
    address = MeterAddress(unit=7, number=NUMBER)
    return Master(a_world.lines["a"], "rtu", profile=PROFILE, address=address)


def test_a_simulated_meter_is_read_as_the_standard_says(tmp_path: Path) -> None:
    a_world = site(tmp_path)
    asking = master(a_world)
    status = asking.do(STATUS)
    assert status.verdict is Verdict.DONE
    assert (status.values[Quantity.RELAY], status.values[Quantity.POWER_ACTIVE]) == (1, 1_200)
    assert PROFILE.bits(status.values[Quantity.STATUS]) == {StatusBit.KEPT_ON}
    registers = asking.do(REGISTERS)
    assert registers.values[Quantity.ENERGY_IMPORT_TOTAL] == 1_215_000
    asking.now_ms = NOON_MS + HOUR_MS
    assert asking.do(REGISTERS).values[Quantity.ENERGY_IMPORT_TOTAL] == 1_216_200
    assert asking.do(PURSE).values[Quantity.METER_NUMBER] == int(NUMBER)


def test_a_trip_and_a_close_move_the_relay_and_outlast_a_restart(tmp_path: Path) -> None:
    a_world = site(tmp_path)
    asking = master(a_world)
    tripped = asking.do(wish(Wish.TRIP))
    assert (tripped.verdict, tripped.values[Quantity.RELAY]) == (Verdict.DONE, 0)
    assert circuit_of(a_world, asking.now_ms, NUMBER)["relay"] == "open"
    stop(a_world)
    again = site(tmp_path)
    assert circuit_of(again, asking.now_ms, NUMBER)["relay"] == "open"
    supplied = master(again).do(wish(Wish.AUTOMATIC))
    assert (supplied.verdict, supplied.values[Quantity.RELAY]) == (Verdict.DONE, 1)


@pytest.mark.parametrize(("name", "faults"), BAD_LINES, ids=[name for name, _ in BAD_LINES])
def test_on_a_bad_line_nothing_is_claimed_that_is_not_so(
    name: str, faults: Mapping[str, object], tmp_path: Path
) -> None:
    a_world = site(tmp_path)
    a_world.lines["a"].set_faults(faults_from({"seed": 645, **faults}, "faults"))
    asking = master(a_world)
    done = 0
    for number in range(60):
        wanted = (Wish.TRIP, Wish.KEEP_ON)[number % 2]
        for _ in range(40):
            outcome = asking.do(wish(wanted))
            stands = circuit_of(a_world, asking.now_ms, NUMBER)["relay"]
            if outcome.verdict is Verdict.DONE:
                assert stands == ("open" if wanted is Wish.TRIP else "closed"), (name, number, outcome)
                done += 1
                break
            assert outcome.verdict in (Verdict.SILENT, Verdict.UNKNOWN), (name, number, outcome)
            assert outcome.verdict is not Verdict.SILENT or not outcome.sent
        read_back = asking.do(STATUS)
        if read_back.verdict is Verdict.DONE:
            assert read_back.values[Quantity.RELAY] == (wanted is not Wish.TRIP)
    assert done == 60


def test_both_protocols_share_a_bus_and_each_meter_hears_its_own(tmp_path: Path) -> None:
    a_world = site(tmp_path)
    data, words = master(a_world), Master(a_world.lines["a"], "rtu")
    for _ in range(3):
        words.now_ms = data.now_ms = max(words.now_ms, data.now_ms) + 1_000
        assert data.do(STATUS).values[Quantity.POWER_ACTIVE] == 1_200
        words.now_ms = data.now_ms
        assert Quantity.BALANCE in words.do(STATUS).values


def spoken(a_world: World, data: bytes, at_ms: int = NOON_MS) -> list[bytes]:
    bus = a_world.lines["a"]
    if 9 not in bus._decoders:
        bus.connect(9)
    return [answer for _, answer in bus.answer(9, data, at_ms)]


def test_a_broadcast_sets_a_clock_that_is_a_little_off_and_no_other(tmp_path: Path) -> None:
    a_world = site(tmp_path)
    one = a_world.meters[NUMBER]
    assert isinstance(one, DataMeter)
    noon = datetime.fromtimestamp(NOON_MS / 1_000, UTC).astimezone(one.zone).replace(tzinfo=None)
    assert spoken(a_world, clock_broadcast(noon + timedelta(minutes=2))) == []
    assert abs(one.clock_ms(NOON_MS) - NOON_MS - 120_000) < 1_000
    assert spoken(a_world, clock_broadcast(noon + timedelta(minutes=30))) == []
    assert abs(one.clock_ms(NOON_MS) - NOON_MS - 120_000) < 1_000


def test_a_command_that_ran_out_or_has_the_wrong_password_does_nothing(tmp_path: Path) -> None:
    a_world = site(tmp_path)
    past, later = datetime(2020, 1, 1), datetime(2030, 1, 1)
    (answer,) = spoken(a_world, encode(control(NUMBER, Command.TRIP, past, Access())))
    assert decode(answer).data == b"\x01"
    (answer,) = spoken(a_world, encode(control(NUMBER, Command.TRIP, later, Access(password="123456"))))
    assert (decode(answer).control, decode(answer).data) == (0xDC, b"\x04")
    assert circuit_of(a_world, NOON_MS, NUMBER)["relay"] == "closed"
    (answer,) = spoken(a_world, encode(control(NUMBER, Command.TRIP, later, Access())))
    assert decode(answer).control == 0x9C
    assert circuit_of(a_world, NOON_MS, NUMBER)["relay"] == "closed", "kept power beats a trip"


def test_it_tells_its_address_to_a_wildcard_and_refuses_what_it_has_not(tmp_path: Path) -> None:
    a_world = site(tmp_path)
    (answer,) = spoken(a_world, encode(read_address()))
    assert (decode(answer).address, decode(answer).data.hex()) == (NUMBER, "070000002520")
    (answer,) = spoken(a_world, encode(read(NUMBER, 0x03050000)))
    assert (decode(answer).refused, decode(answer).data) == (True, b"\x02")
    assert spoken(a_world, encode(read("202500000099", 0x00010000))) == []


def test_a_meter_that_gives_all_rates_at_once_gives_each_by_itself(tmp_path: Path) -> None:
    parts = meter(8, profile="ningju-dtzy1218", opening={"energy_wh": 1_215_000, "peak_wh": 200_000})
    a_world = world(tmp_path, parts)
    a_world.lines["a"].connect(1)

    def asked(di: int) -> list[Frame]:
        heard = a_world.lines["a"].answer(1, encode(read("202500000008", di)), NOON_MS)
        return [decode(data) for _, data in heard]

    (whole,), (peak,), (none,) = asked(0x0001FF00), asked(0x00010200), asked(0x00010900)
    assert [each.value for each in values_of(peak)] == ["200.00"]
    assert peak.data[4:] == whole.data[12:16]
    assert none.refused and errors_of(none) == ("no_requested_data",)
    (phase,) = asked(0x02010200)
    assert values_of(phase)[0].name == "ub"
