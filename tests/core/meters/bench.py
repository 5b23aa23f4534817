"""A meter and a line in memory: what a conversation is tried against, with one fault at one place.

The meter keeps books of its own, so that a test can ask what really happened to it.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from prewatt.core.meters import Profile, catalogue
from prewatt.core.meters.drivers import Consult, Finished, MeterAddress, Send, converse, receipt
from prewatt.core.meters.jobs import Job, OrderKind, Outcome
from prewatt.core.meters.quantities import Quantity, StatusBit
from prewatt.core.meters.registers import RegisterImage, WrittenOrder, decode_order
from prewatt.core.meters.security import SecurityProvider, consult
from prewatt.core.meters.simulated_security import SimulatedProvider
from prewatt.core.wire.modbus import (
    ExceptionReply,
    ReadReply,
    ReadRequest,
    Reply,
    Request,
    RtuServerDecoder,
    TcpServerDecoder,
    WriteMultiple,
    WriteReply,
    encode_rtu_reply,
    encode_tcp_reply,
)

NUMBER = "260311005207"
UNIT = 11
_LONG = catalogue()["pilot-spm9511"].registers[Quantity.METER_NUMBER]
MOST_STEPS = 600  # a conversation that takes more is stuck


def simulated() -> SimulatedProvider:
    """The simulated security provider, with random numbers of its own."""
    return SimulatedProvider(production=False, chance=secrets.token_bytes)


class Fault(StrEnum):
    """What the line does to one exchange."""

    NONE = "none"
    REQUEST_LOST = "request_lost"
    REPLY_LOST = "reply_lost"
    REPLY_LATE = "reply_late"  # after the time-out, while the line drains
    REPLY_VERY_LATE = "reply_very_late"  # in front of the reply to the next request
    REPLY_CORRUPT = "reply_corrupt"
    REPLY_TWICE = "reply_twice"  # the second one in front of the next reply
    REPLY_IN_PIECES = "reply_in_pieces"
    NOISE_FIRST = "noise_first"  # RTU only: on TCP noise ends the link, see BROKEN_STREAM
    EXCEPTION = "exception"  # the meter says 04 and does nothing
    BROKEN_STREAM = "broken_stream"  # bytes that are no Modbus at all, then nothing
    GATEWAY_EXCEPTION = "gateway_exception"  # the gateway says 0B, though the meter heard the request


@dataclass
class FakeMeter:
    """Registers, a purse and a relay, for profiles with and without a purse."""

    profile: Profile
    number: str = NUMBER
    values: dict[Quantity, int] = field(default_factory=dict)
    bits: set[StatusBit] = field(default_factory=set)
    orders: list[WrittenOrder] = field(default_factory=list)  # applied
    writes: int = 0  # function 10h requests heard
    relay_stuck: bool = False
    partly: bool = False  # takes only the first value of a settings write and then says no

    def __post_init__(self) -> None:
        if self.number == NUMBER and self.profile.registers.get(Quantity.METER_NUMBER, _LONG).words < 3:
            self.number = NUMBER[-8:]  # a serial number in two words
        self.values = (
            dict.fromkeys(self.profile.registers, 0)
            | {
                Quantity.METER_NUMBER: int(self.number),
                Quantity.PURCHASE_COUNT: 23,
                Quantity.BALANCE: -12_350 if self.profile.order else 0,
                Quantity.PURCHASED_TOTAL: 2_000_000,
                Quantity.LAST_ORDER_KIND: 1,
                Quantity.LAST_ORDER_AMOUNT: 869_570,
                Quantity.ALARM_LEVEL_1: 50_000,
                Quantity.HOARDING_LIMIT: 1_500_000,
                Quantity.RELAY: 1,
                Quantity.FORCE_CONTROL: 0 if self.profile.order else 1,
            }
            | self.values
        )

    def handle(self, request: Request) -> Reply:
        if isinstance(request, ReadRequest):
            image = RegisterImage(self.profile)
            image.put(self.values | {Quantity.STATUS: self.profile.status_word(frozenset(self.bits))})
            data = image.read(request.address, request.count)
            if data is None:
                return ExceptionReply(function=request.function, code=2)
            return ReadReply(function=request.function, data=data)
        assert isinstance(request, WriteMultiple), request
        self.writes += 1
        refused = ExceptionReply(function=request.function, code=4)
        order = decode_order(self.profile, request.address, request.data)
        if order is not None:
            if not self._order(order):
                return refused
        elif not self._values(request):
            return refused
        return WriteReply(function=request.function, address=request.address, count=request.count)

    def _order(self, order: WrittenOrder) -> bool:
        values = self.values
        held = values[Quantity.PURCHASE_COUNT]
        amount = {OrderKind.RETURN: -order.amount, OrderKind.CLEAR: -values[Quantity.BALANCE]}.get(
            order.kind or OrderKind.PURCHASE, order.amount
        )
        assert order.kind is not None and self.profile.order is not None
        if order.count == held and amount == values[Quantity.LAST_ORDER_AMOUNT]:
            return True
        values[Quantity.ORDER_RESULT] = 0
        if order.count != held + 1:
            values[Quantity.ORDER_RESULT] = 1
        elif values[Quantity.BALANCE] + amount > values[Quantity.HOARDING_LIMIT]:
            values[Quantity.ORDER_RESULT] = 2
        if values[Quantity.ORDER_RESULT]:
            return False
        values[Quantity.PURCHASE_COUNT] += 1
        values[Quantity.BALANCE] += amount
        values[Quantity.PURCHASED_TOTAL] += amount
        values[Quantity.LAST_ORDER_KIND] = self.profile.order.kinds[order.kind]
        values[Quantity.LAST_ORDER_AMOUNT] = amount
        self.orders.append(order)
        return True

    def _values(self, request: WriteMultiple) -> bool:
        image = RegisterImage(self.profile)
        image.put(self.values)
        written = image.values(request.address, request.data)
        if written is None:
            return False
        for quantity, value in written[1].items():
            if quantity is Quantity.RELAY and self.relay_stuck:
                continue
            self.values[quantity] = value
            if self.partly:
                return False
        if not self.relay_stuck and Quantity.FORCE_CONTROL in written[1] and self.values[Quantity.FORCE_CONTROL]:
            self.values[Quantity.RELAY] = 1 - self.values[Quantity.FORCED_STATE]
        return True


class Shown(Protocol):
    """Whatever stands at the end of a line."""

    profile: Profile


M = TypeVar("M", bound=Shown)


@dataclass
class AnyLine(Generic[M]):
    """Carries a conversation to a meter. `faults` names the fault of the n-th Send (from 0)."""

    meter: M
    transport: str = "rtu"
    faults: dict[int, Fault] = field(default_factory=dict)
    before: dict[int, Callable[[M], None]] = field(default_factory=dict)  # n-th Send -> act first
    sends: int = 0
    time_outs: int = 0
    stale: bytes = b""
    modem: str = ""  # a modem of this serial carries the line: it answers writes with the serial alone
    provider: SecurityProvider | None = field(default_factory=simulated)

    def run(
        self, job: Job, *, number: str = NUMBER, unit: int = UNIT, bus: frozenset[str] = frozenset(),
        closes_by_key: bool = False, lacks: frozenset[int] = frozenset(),
    ) -> Outcome:  # fmt: skip
        assert self.transport in ("rtu", "tcp")
        talk = converse(
            self.meter.profile,
            MeterAddress(
                unit=unit, number=number, neighbours=bus, identity=self.modem, closes_by_key=closes_by_key, lacks=lacks
            ),
            job,
            transport="rtu" if self.transport == "rtu" else "tcp",
            transaction=0xFFFE,  # the numbers wrap within a conversation
        )
        waiting: list[bytes] = []
        for _ in range(MOST_STEPS):
            step = talk.next()
            if isinstance(step, Finished):
                return step.outcome
            if isinstance(step, Consult):
                talk.answered(consult(self.provider, step.question))
                continue
            if isinstance(step, Send):
                waiting = self._exchange(step.data)
            if waiting:
                part = waiting.pop(0)
                if part:
                    talk.receive(part)
                    continue
            self.time_outs += 1
            talk.timed_out()
        raise AssertionError("the conversation does not end")

    def _exchange(self, data: bytes) -> list[bytes]:
        """What the line brings, part by part; an empty part is a time-out."""
        fault = self.faults.get(self.sends, Fault.NONE)
        if self.sends in self.before:
            self.before[self.sends](self.meter)
        self.sends += 1
        stale, self.stale = self.stale, b""
        if fault is Fault.REQUEST_LOST:
            return [stale] if stale else []
        reply = self._answer(data, fault)
        match fault:
            case Fault.REPLY_LOST:
                return [stale]
            case Fault.REPLY_LATE:
                return [stale, b"", reply] if stale else [b"", reply]
            case Fault.REPLY_VERY_LATE:
                self.stale = reply
                return [stale] if stale else []
            case Fault.REPLY_CORRUPT:
                # TCP has no check sum of ours: what TCP's own lets through shows in the header or not at all
                at = -3 if self.transport == "rtu" else 6
                return [stale + reply[:at] + bytes((reply[at] ^ 0x10,)) + reply[at + 1 :]]
            case Fault.REPLY_TWICE:
                self.stale = reply
            case Fault.REPLY_IN_PIECES:
                return [bytes((byte,)) for byte in stale + reply]
            case Fault.BROKEN_STREAM:
                return [b"HTTP/1.1 400 Bad Request\r\n"]
            case Fault.NOISE_FIRST if self.transport == "rtu":
                return [b"HEARTBEAT\r\n" + stale, bytes((UNIT, 3)) + reply]
            case _:
                pass
        return [stale + reply]

    def _answer(self, data: bytes, fault: Fault) -> bytes:
        raise NotImplementedError


class Line(AnyLine[FakeMeter]):
    """A line that speaks Modbus."""

    def _answer(self, data: bytes, fault: Fault) -> bytes:
        if self.transport == "rtu":
            ((unit, request),) = RtuServerDecoder().receive(data)
            answer = encode_rtu_reply(unit, self._reply(request, fault))
            return receipt(self.modem) if self.modem and isinstance(request, WriteMultiple) else answer
        (asked,) = TcpServerDecoder().receive(data)
        assert asked.request is not None
        return encode_tcp_reply(asked.transaction, asked.unit, self._reply(asked.request, fault))

    def _reply(self, request: Request, fault: Fault) -> Reply:
        if fault is Fault.EXCEPTION:
            return ExceptionReply(function=request.function, code=4)
        reply = self.meter.handle(request)
        if fault is Fault.GATEWAY_EXCEPTION:
            return ExceptionReply(function=request.function, code=11)
        return reply
