"""Another address or speed for a meter: what is written, what is read back, and what is said when it is not known."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from prewatt.core.meters import catalogue
from prewatt.core.meters.drivers import Finished, MeterAddress, Send, converse
from prewatt.core.meters.jobs import Intent, Job, Outcome, Verdict
from prewatt.core.meters.quantities import Quantity
from prewatt.core.meters.registers import RegisterImage
from prewatt.core.wire.dlt645 import Decoder, Function, encode, meant, reply
from prewatt.core.wire.modbus import (
    ExceptionReply,
    ReadReply,
    ReadRequest,
    RtuServerDecoder,
    WriteMultiple,
    WriteReply,
    encode_rtu_reply,
)

DDS, SDM, DATA = (catalogue()[code] for code in ("hiking-dds238-zn-s", "eastron-sdm120", "ningju-ddzy1218"))
NUMBER = "00012345"
LONG = "202500000007"


@dataclass
class Bus:
    """Modbus meters by address; a write to the address register moves one."""

    profile: str
    units: dict[int, int]  # address -> number
    takes: bool = True
    answers: bool = True  # a write
    writes: list[tuple[int, int, bytes]] = field(default_factory=list)
    deaf_after: bool = False

    def answer(self, data: bytes, baud: int | None) -> bytes:
        ((unit, request),) = RtuServerDecoder().receive(data)
        profile = catalogue()[self.profile]
        assert profile.bus is not None
        if unit not in self.units or (self.deaf_after and self.writes):
            return b""
        if isinstance(request, WriteMultiple):
            self.writes.append((unit, request.address, request.data))
            if not self.takes:
                return encode_rtu_reply(unit, ExceptionReply(function=16, code=4)) if self.answers else b""
            new = request.data[0] if len(request.data) == 2 else 9
            self.units[new] = self.units.pop(unit)
            done = WriteReply(function=request.function, address=request.address, count=request.count)
            return encode_rtu_reply(unit, done) if self.answers else b""
        assert isinstance(request, ReadRequest)
        if request.address == profile.bus.address and int(request.function) == 3:
            return encode_rtu_reply(unit, ReadReply(function=request.function, data=b"\x07\x01" * request.count))
        image = RegisterImage(profile)
        image.put({Quantity.METER_NUMBER: self.units[unit]} if Quantity.METER_NUMBER in profile.registers else {})
        found = image.read(request.address, request.count)
        if found is None:
            return encode_rtu_reply(unit, ExceptionReply(function=int(request.function), code=2))
        return encode_rtu_reply(unit, ReadReply(function=request.function, data=found))


def run(profile: str, job: Job, answer: Callable[[bytes, int | None], bytes], *, number: str = NUMBER) -> Outcome:
    talk = converse(catalogue()[profile], MeterAddress(unit=7, number=number), job, transport="rtu")
    for _ in range(100):
        step = talk.next()
        if isinstance(step, Finished):
            return step.outcome
        data = answer(step.data, step.baud) if isinstance(step, Send) else b""
        if data:
            talk.receive(data)
        else:
            talk.timed_out()
    raise AssertionError("endless")


def readdress(bus: Bus, *, again: bool = False) -> tuple[Verdict, str | None]:
    outcome = run(bus.profile, Job(intent=Intent.READDRESS, unit=9, again=again), bus.answer)
    return outcome.verdict, outcome.code


def test_the_address_is_written_once_at_the_old_one_and_read_at_the_new_one() -> None:
    bus = Bus(DDS.code, {7: 12_345})
    assert readdress(bus) == (Verdict.DONE, None)
    assert bus.writes == [(7, 0x15, b"\x09\x01")], "the baud code beside it stays"
    bus = Bus(SDM.code, {7: 12_345}, answers=False)
    assert readdress(bus) == (Verdict.DONE, None)
    assert bus.writes == [(7, 0x14, bytes.fromhex("41100000"))]


@pytest.mark.parametrize(
    ("what", "bus", "said", "writes"),
    [
        ("somebody has it already", Bus(DDS.code, {7: 1, 9: 2}), (Verdict.REFUSED, "address_taken"), 0),
        ("nobody is there", Bus(DDS.code, {}), (Verdict.SILENT, "no_reply"), 0),
        ("it wants its key", Bus(SDM.code, {7: 12_345}, takes=False), (Verdict.REFUSED, "address_key_needed"), 1),
        ("it says no", Bus(DDS.code, {7: 1}, takes=False), (Verdict.REFUSED, "modbus_exception_04"), 1),
        ("it says nothing", Bus(DDS.code, {7: 1}, takes=False, answers=False),
         (Verdict.UNKNOWN, "write_unanswered"), 1),
        ("it was not heard of again", Bus(DDS.code, {7: 1}, deaf_after=True), (Verdict.UNKNOWN, "write_unanswered"), 1),
    ],
)  # fmt: skip
def test_what_is_said_when_it_is_not_done(what: str, bus: Bus, said: tuple[Verdict, str], writes: int) -> None:
    assert readdress(bus) == said, what
    assert len(bus.writes) == writes


def test_a_later_look_finds_a_meter_that_moved_after_all() -> None:
    assert readdress(Bus(DDS.code, {9: 1})) == (Verdict.REFUSED, "address_taken"), "nobody ever wrote: another meter"
    bus = Bus(DDS.code, {9: 1})
    assert readdress(bus, again=True) == (Verdict.DONE, None) and not bus.writes


def test_a_model_that_does_not_say_where_is_not_written_to() -> None:
    outcome = run("pilot-spm9511", Job(intent=Intent.READDRESS, unit=9), lambda data, baud: b"")
    assert (outcome.verdict, outcome.code, outcome.sent) == (Verdict.REFUSED, "address_not_changeable", False)


@dataclass
class DataLine:
    """DL/T 645 meters; who answers together is noise."""

    addresses: list[str]
    key: bool = True
    baud: int = 2400
    follows: bool = True
    asked: list[int] = field(default_factory=list)

    def answer(self, data: bytes, baud: int | None) -> bytes:
        (frame,) = Decoder().receive(data)
        self.asked.append(frame.function)
        here = [each for each in self.addresses if meant(frame.address, each)]
        if (baud or 2400) != self.baud or not here:
            return b""
        if len(here) > 1:
            return b"\xff\x00" * 8
        match frame.function:
            case Function.WRITE_ADDRESS if self.key:
                self.addresses = [bytes(frame.data)[::-1].hex()]
                return encode(reply(frame, self.addresses[0]))
            case Function.WRITE_ADDRESS:
                return b""
            case Function.CHANGE_BAUD:
                said = encode(reply(frame, here[0], frame.data))
                self.baud = 9600 if self.follows else self.baud
                return said
            case Function.READ_ADDRESS:
                return encode(reply(frame, here[0], bytes.fromhex(here[0])[::-1]))
        return encode(reply(frame, here[0], frame.data[:4] + bytes.fromhex(here[0])[::-1]))


def on(line: DataLine, job: Job) -> tuple[Verdict, str | None]:
    outcome = run(DATA.code, job, line.answer, number=LONG)
    return outcome.verdict, outcome.code


def test_a_data_meter_gets_the_address_of_its_number() -> None:
    line = DataLine(["000000000001"])
    assert on(line, Job(intent=Intent.READDRESS)) == (Verdict.DONE, None)
    assert line.addresses == [LONG]
    assert on(line, Job(intent=Intent.READDRESS)) == (Verdict.DONE, None)
    assert line.asked.count(Function.WRITE_ADDRESS) == 1, "one that has it already is not written to"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (DataLine(["000000000001"], key=False), (Verdict.REFUSED, "address_key_needed")),
        (DataLine(["000000000001", "000000000002"]), (Verdict.SILENT, "address_nobody_alone")),
        (DataLine([]), (Verdict.SILENT, "address_nobody_alone")),
    ],
)
def test_it_is_said_why_a_data_meter_has_no_new_address(line: DataLine, said: tuple[Verdict, str]) -> None:
    assert on(line, Job(intent=Intent.READDRESS)) == said


def test_a_speed_is_changed_when_the_meter_answers_at_it() -> None:
    line = DataLine([LONG])
    assert on(line, Job(intent=Intent.CHANGE_BAUD, baud=9600)) == (Verdict.DONE, None)
    assert on(line, Job(intent=Intent.CHANGE_BAUD, baud=9600)) == (Verdict.DONE, None)
    assert line.asked.count(Function.CHANGE_BAUD) == 1
    stubborn = DataLine([LONG], follows=False)
    assert on(stubborn, Job(intent=Intent.CHANGE_BAUD, baud=9600)) == (Verdict.UNKNOWN, "write_not_applied")
    gone = DataLine([])
    assert on(gone, Job(intent=Intent.CHANGE_BAUD, baud=9600)) == (Verdict.SILENT, "no_reply")
