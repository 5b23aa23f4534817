"""A scan against simulated meters on a bus in memory: who is there, what it may be, and what it looks like when two
answer at once."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

import pytest

from prewatt.core.meters import Profile, catalogue
from prewatt.core.meters.drivers import Finished, Send
from prewatt.core.meters.drivers.conversation import Bus
from prewatt.core.meters.identify import MOST_PERMILLE, Why
from prewatt.core.meters.model import Protocol
from prewatt.core.meters.scanning import MAX_NARROWED, Found, Scan, ScanPlan
from prewatt.core.wire.dlt645 import Decoder, encode
from prewatt.core.wire.modbus import (
    RtuServerDecoder,
    TcpServerDecoder,
    decode_rtu_reply,
    encode_rtu_reply,
    encode_tcp_reply,
)
from prewatt.field.simulator.data_meter import DataMeter
from prewatt.field.simulator.meter import Meter
from tests.field.simulator.plant import HOUR_MS, NOON_MS, meter, site

LOAD = {"kind": "constant", "peak_w": 1_200}
BUS = Bus(transport="rtu", baud=9_600, link_ms=0, transaction=1)
BOTH = (Protocol.MODBUS, Protocol.DLT645)
MODELS = sorted(code for code, profile in catalogue().items() if any(profile.blocks.values()))  # those with a wire


def simulated(profile: Profile, unit: int = 1, number: str = "") -> Meter:
    parts = meter(unit, profile=profile.code, load=LOAD, opening={"energy_wh": 1_215_000})
    if number:
        parts["number"] = number
    held = site(parts).meters[0]
    kind = DataMeter if profile.protocol is Protocol.DLT645 else Meter
    return kind(held, profile, ZoneInfo("Asia/Shanghai"), at_ms=NOON_MS)


class Wire:
    """One bus. Who answers together is garbled into each other; at another speed nobody hears anything."""

    def __init__(self, *meters: Meter, baud: int = 9_600, units: dict[int, list[Meter]] | None = None) -> None:
        self.data = [each for each in meters if isinstance(each, DataMeter)]
        self.units = units or {each.site.unit: [each] for each in meters if not isinstance(each, DataMeter)}
        self.baud = baud
        self.asked: list[bytes] = []

    def answer(self, data: bytes, baud: int, transport: str = "rtu") -> bytes:
        self.asked.append(data)
        if baud != self.baud:
            return b""
        if transport == "tcp":
            (asked,) = TcpServerDecoder().receive(data)
            assert asked.request is not None
            here = self.units.get(asked.unit, [])
            replies = [each.handle(asked.request, NOON_MS + HOUR_MS).reply for each in here]
            return b"".join(encode_tcp_reply(asked.transaction, asked.unit, reply) for reply in replies)
        answers = [
            encode_rtu_reply(unit, each.handle(request, NOON_MS + HOUR_MS).reply)
            for unit, request in RtuServerDecoder().receive(data)
            for each in self.units.get(unit, [])
        ]
        for frame in Decoder().receive(data):
            heard = [each.handle_frame(frame, NOON_MS + HOUR_MS).reply for each in self.data if each.hears(frame)]
            answers += [encode(reply) for reply in heard if reply is not None]
        if len(answers) < 2:
            return b"".join(answers)
        longest = max(map(len, answers))
        padded = [each.ljust(longest, b"\xff") for each in answers]
        return bytes(a & b for a, b in zip(padded[0], padded[1], strict=True))


def scanned(wire: Wire, plan: ScanPlan, *, bus: Bus = BUS, known: Sequence[int] = ()) -> Scan:
    scan = Scan(plan, bus=bus, profiles=catalogue(), known_units=known)
    while (probe := scan.next()) is not None:
        while not isinstance(step := probe.next(), Finished):
            data = wire.answer(step.data, step.baud or bus.baud, bus.transport) if isinstance(step, Send) else b""
            if data:
                probe.receive(data)
            else:
                probe.timed_out()
    return scan


def only(scan: Scan) -> Found:
    (found,) = scan.found
    return found


@pytest.mark.parametrize("code", MODELS)
def test_the_right_profile_is_among_the_first_proposals(code: str) -> None:
    profile = catalogue()[code]
    plan = ScanPlan(protocols=(profile.protocol,), first=7, last=8)
    found = only(scanned(Wire(simulated(profile, 7)), plan))
    first_two = [each.codes for each in found.proposals[:2]]
    assert code in {each for codes in first_two for each in codes}, found.proposals
    assert found.address == ("7" if profile.protocol is Protocol.MODBUS else "202500000007")
    assert all(each.permille <= MOST_PERMILLE for each in found.proposals)
    assert found.frames and all(each.sent and each.received for each in found.frames)


def test_a_meter_that_says_its_model_is_proposed_by_it() -> None:
    found = only(scanned(Wire(simulated(catalogue()["pilot-spm9513"])), ScanPlan(protocols=BOTH, last=1)))
    assert "pilot-spm9513" in found.proposals[0].codes
    assert found.proposals[0].why[0] is Why.MODEL_SAID
    assert found.proposals[0].number == "202500000001"


def test_models_with_one_map_are_named_together() -> None:
    found = only(scanned(Wire(simulated(catalogue()["acrel-dtsy1352"])), ScanPlan(protocols=BOTH, last=1)))
    (codes,) = [each.codes for each in found.proposals if "acrel-dtsy1352" in each.codes]
    assert "acrel-dtsy1352-4g" in codes


@pytest.mark.parametrize("transport", ["rtu", "tcp"])
def test_everybody_on_the_bus_is_found_and_nobody_else(transport: str) -> None:
    bus = Bus(transport=transport, baud=9_600, link_ms=0, transaction=1)
    wire = Wire(*(simulated(catalogue()["eastron-sdm120"], unit) for unit in (1, 3, 9)))
    scan = scanned(wire, ScanPlan(protocols=BOTH, last=10), bus=bus)
    assert [each.address for each in scan.found] == ["1", "3", "9"]
    assert scan.asked == scan.total
    assert not any(each.garbled for each in scan.found)


def test_a_meter_that_is_known_is_left_alone() -> None:
    wire = Wire(*(simulated(catalogue()["eastron-sdm120"], unit) for unit in (1, 2)))
    scan = scanned(wire, ScanPlan(protocols=(Protocol.MODBUS,), last=2), known=[1])
    assert [each.address for each in scan.found] == ["2"]
    assert not [data for data in wire.asked if data[0] == 1]


def test_a_meter_at_another_speed_is_found_where_the_speed_can_be_tried() -> None:
    wire = Wire(simulated(catalogue()["chint-dtsu666"], 1), baud=2_400)
    plan = ScanPlan(protocols=(Protocol.MODBUS,), last=2, bauds=(9_600, 2_400))
    assert only(scanned(wire, plan)).baud == 2_400


def test_two_meters_at_one_address_are_told_as_garbled() -> None:
    profile = catalogue()["chint-ddsu666"]
    both = [simulated(profile, 4, "202500000004"), simulated(profile, 4, "202500009999")]
    wire = Wire(units={4: both})
    garbling = wire.answer
    # the meters answer alike to what they both have: one of them is a little late, as in the field
    wire.answer = lambda data, baud, transport="rtu": garbling(data, baud, transport)[1:]  # type: ignore[method-assign]
    found = only(scanned(wire, ScanPlan(protocols=(Protocol.MODBUS,), first=3, last=5)))
    assert (found.address, found.garbled, found.proposals) == ("4", True, ())
    assert found.frames[0].received


def test_data_meters_that_answer_together_are_parted_by_their_last_digits() -> None:
    profile = catalogue()["ningju-ddzy1218"]
    numbers = ("202500000017", "202500000018", "202511110018")
    wire = Wire(*(simulated(profile, 1, number) for number in numbers))
    scan = scanned(wire, ScanPlan(protocols=(Protocol.DLT645,)))
    assert sorted(each.address for each in scan.found) == sorted(numbers)
    assert all("ningju-ddzy1218" in each.proposals[0].codes for each in scan.found)
    assert scan.asked <= MAX_NARROWED


def test_two_data_meters_with_one_number_are_garbled_down_to_the_last_digit() -> None:
    profile = catalogue()["ningju-ddzy1218"]
    first, second = (simulated(profile, 1, "202500000017") for _ in range(2))
    wire = Wire(first, second)
    garbling = wire.answer

    def cut(data: bytes, baud: int, transport: str = "rtu") -> bytes:
        return garbling(data, baud, transport)[:-2]

    wire.answer = cut  # type: ignore[method-assign]
    (found,) = scanned(wire, ScanPlan(protocols=(Protocol.DLT645,))).found
    assert (found.address, found.garbled) == ("202500000017", True)


def test_a_scan_only_ever_reads() -> None:
    wire = Wire(simulated(catalogue()["pilot-spm9511"]), simulated(catalogue()["ningju-ddzy1218"], 2))
    scanned(wire, ScanPlan(protocols=BOTH, last=2))
    functions = {data[1] for data in wire.asked if not data.startswith(b"\xfe")}
    controls = {frame.control for data in wire.asked for frame in Decoder().receive(data)}
    assert functions <= {3, 4} and controls <= {0x11, 0x13}


def test_an_empty_line_ends_in_nothing() -> None:
    scan = scanned(Wire(), ScanPlan(protocols=BOTH))
    assert (scan.found, scan.asked) == ([], 249)


def test_noise_is_not_taken_for_a_meter_of_another_unit() -> None:
    wire = Wire(simulated(catalogue()["chint-ddsu666"], 2))
    late: list[bytes] = []

    def answer(data: bytes, baud: int, transport: str = "rtu") -> bytes:
        """The word of the unit before comes to the next one."""
        late.append(Wire.answer(wire, data, baud, transport))
        return late[-2] if len(late) > 1 and data[0] == 3 else late[-1]

    wire.answer = answer  # type: ignore[method-assign]
    found = scanned(wire, ScanPlan(protocols=(Protocol.MODBUS,), first=2, last=3)).found
    assert [each.address for each in found] == ["2"]
    assert decode_rtu_reply(found[0].frames[0].received)[0] == 2
