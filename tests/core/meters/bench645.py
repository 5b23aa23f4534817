"""A DL/T 645 meter and its line in memory, with one fault at one place.

It knows what the standard says of status word 3 and of function 1C, and keeps count of what it was told.
"""

from dataclasses import dataclass, field
from datetime import datetime

from prewatt.core.meters import Profile
from prewatt.core.meters.dataitems import decode_item, encode_answer
from prewatt.core.meters.quantities import Quantity
from prewatt.core.wire.dlt645 import Command, Decoder, Frame, Function, answer_read, encode, meant, refuse, reply
from tests.core.meters.bench import NUMBER, AnyLine, Fault

OPEN, COMMAND_OPEN, KEPT = 1 << 4, 1 << 6, 1 << 12
NO_DATA, UNAUTHORISED, OTHER = 0x02, 0x04, 0x01


@dataclass
class DataMeter:
    """One meter. `word` is status word 3."""

    profile: Profile
    number: str = NUMBER
    values: dict[Quantity, int] = field(default_factory=dict)
    word: int = 0
    clock: datetime = datetime(2026, 11, 21, 12, 0, 0)
    password: str = "000000"
    missing: set[int] = field(default_factory=set)  # identifiers it has not
    extra: dict[int, bytes] = field(default_factory=dict)  # identifiers with longer answers
    needs_key: bool = False  # a close only permits
    stuck: bool = False  # takes commands, and its relay stays
    refuses: set[Command] = field(default_factory=set)  # commands it does not know
    deaf: bool = False  # answers 9C and does nothing
    told: list[Command] = field(default_factory=list)  # commands obeyed
    writes: int = 0  # frames of function 1C heard
    valid_until: list[datetime] = field(default_factory=list)

    def handle(self, request: Frame) -> Frame | None:
        """The answer, None where a meter keeps silent."""
        if request.reply or not meant(request.address, self.number):
            return None
        match request.function:
            case Function.READ | Function.READ_FOLLOWING:
                value = self._value(request.di or 0)
                return (
                    refuse(request, self.number, NO_DATA) if value is None else answer_read(request, self.number, value)
                )
            case Function.CONTROL:
                self.writes += 1
                return self._control(request)
            case Function.WRITE:
                self.writes += 1
                return self._write(request)
            case _:
                return None

    def _value(self, di: int) -> bytes | None:
        if di in self.missing:
            return None
        if di in self.extra:
            return self.extra[di]
        now = self.clock
        if di == 0x04000503:
            return self.word.to_bytes(2, "little")
        if di == 0x04000101:
            return bytes.fromhex(f"{now.isoweekday() % 7:02d}{now:%d%m%y}")
        if di == 0x04000102:
            return bytes.fromhex(f"{now:%S%M%H}")
        values = self.values | {Quantity.METER_NUMBER: int(self.number), Quantity.RELAY: int(not self.word & OPEN)}
        for blocks in self.profile.blocks.values():
            for block in blocks:
                if block.address == di:
                    words = {0x040005FF: {4: self.word}}.get(di, {})
                    return encode_answer(self.profile.registers.values(), block, values, words)
        return None

    def _control(self, request: Frame) -> Frame:
        data = request.data
        if data[1:4][::-1].hex() != self.password:
            return refuse(request, self.number, UNAUTHORISED)
        until = datetime.strptime(data[10:16].hex(), "%S%M%H%d%m%y")
        self.valid_until.append(until)
        if until < self.clock or Command(data[8]) in self.refuses:
            return refuse(request, self.number, OTHER)
        if not self.deaf:
            self._obey(Command(data[8]))
        return reply(request, self.number)

    def _write(self, request: Frame) -> Frame:
        data = request.data
        if data[5:8][::-1].hex() != self.password:
            return refuse(request, self.number, UNAUTHORISED)
        for quantity in self.profile.settings:
            register = self.profile.registers[quantity]
            value = decode_item(register, data[12:]) if register.address == request.di else None
            if value is not None and not self.deaf:
                self.values[quantity] = value
        return reply(request, self.number)

    def _obey(self, command: Command) -> None:
        self.told.append(command)
        match command:
            case Command.TRIP:
                self.word |= COMMAND_OPEN
                if not self.word & KEPT and not self.stuck:
                    self.word |= OPEN
            case Command.CLOSE | Command.PERMIT_CLOSE:
                self.word &= ~COMMAND_OPEN
                if not self.needs_key and command is Command.CLOSE and not self.stuck:
                    self.word &= ~OPEN
            case Command.KEEP_POWER_ON:
                self.word |= KEPT
            case Command.KEEP_POWER_OFF:
                self.word &= ~KEPT
            case _:
                raise AssertionError(command)

    @property
    def closed(self) -> bool:
        return not self.word & OPEN


class DataLine(AnyLine[DataMeter]):
    """A line that speaks DL/T 645."""

    def _answer(self, data: bytes, fault: Fault) -> bytes:
        (request,) = Decoder().receive(data)
        if fault is Fault.EXCEPTION:
            return encode(refuse(request, self.meter.number, OTHER), wake_up=1)
        answer = self.meter.handle(request)
        return b"" if answer is None else encode(answer)
