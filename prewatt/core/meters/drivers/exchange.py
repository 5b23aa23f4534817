"""Request by request: framing, tries, draining. A script says what to ask; this says how it reaches the line."""

from collections.abc import Generator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, Generic, Protocol, TypeVar

from prewatt.core.meters.drivers.acrel4g import receipt
from prewatt.core.meters.drivers.conversation import Await, Bus, Consult, Finished, MeterAddress, Send
from prewatt.core.meters.jobs import Frame, Outcome
from prewatt.core.meters.model import Profile
from prewatt.core.meters.security import Answer, Question
from prewatt.core.wire.errors import RemoteProtocolError
from prewatt.core.wire.modbus import (
    ReadReply,
    ReadRequest,
    Reply,
    Request,
    RtuClientDecoder,
    TcpClientDecoder,
    encode_rtu_request,
    encode_tcp_request,
    reply_size,
)

READ_TRIES: Final = 2
WRITE_TRIES: Final = 1  # a write is sent once; then the witness is read
MAX_CHUNKS: Final = 512  # receive() calls per request: twice a frame byte by byte; more is a line that babbles
CACHED_FRAMES: Final = 65_536  # two poll frames each for 30,000 meters
BITS_PER_BYTE: Final = 11
KEPT_FRAMES: Final = 64  # requests, repeats included: five times what the largest profile has blocks
KEPT_BYTES: Final = 1024  # of what came to one request: three full frames
FRAME_OVERHEAD: Final = 16  # unit, CRC and silences of request and reply, in byte times


Q = TypeVar("Q")  # a request of some protocol
R = TypeVar("R")  # its reply
R_co = TypeVar("R_co", covariant=True)


class Decoder(Protocol[R_co]):
    """Finds the one reply to the one request in flight, whatever else the line brings."""

    def receive(self, data: bytes) -> R_co | None: ...


@dataclass(slots=True)
class Asking(Generic[Q]):
    """Send a request; the script gets the reply, or None when there was none.

    `unit`, `baud`: to another Modbus unit, at another speed than the meter's own; for commissioning.
    `taken`: there was none, but for a modem's word that a write arrived, this one or one before it.
    """

    request: Q
    write: bool = False
    unit: int | None = None
    baud: int | None = None
    taken: bool = False


class Ask(Asking[Request]):
    """Of Modbus."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Let time pass; counted from the last Send, or from the end of the draining if the line was drained. The
    script gets None, and what the line brings meanwhile is dropped."""

    until_ms: int


@dataclass(slots=True)
class Asked:
    """Ask the security provider; the script gets None and finds the answer here, None where nobody could say."""

    question: Question
    answer: Answer | None = None


Script = Generator[Ask | Pause, Reply | None, Outcome]


@lru_cache(maxsize=CACHED_FRAMES)
def _rtu_frame(unit: int, request: Request) -> bytes:
    return encode_rtu_request(unit, request)


@lru_cache(maxsize=1024)
def bus_ms(size: int, baud: int) -> int:
    """What `size` bytes there and back take on the bus, silences included."""
    return -(-(size + FRAME_OVERHEAD) * BITS_PER_BYTE * 1000 // baud)


class Talking(Generic[Q, R]):
    """A Conversation that runs a script: what is the same for every protocol of questions and answers."""

    def __init__(
        self,
        script: Generator[Asking[Q] | Pause | Asked, R | None, Outcome],
        profile: Profile,
        bus: Bus,
        *,
        keep_frames: bool = False,
    ) -> None:
        self._script = script
        self._profile = profile
        self._bus = bus
        self._outcome: Outcome | None = None
        self._decoder: Decoder[R] | None = None
        self._unsent: Send | None = None
        self._deadline_ms = 0
        self._drain_ms = 0
        self._tries = 0
        self._chunks = 0
        self._draining = False
        self._broken = False
        self._ask: Asking[Q] | None = None
        self._asked: Asked | None = None
        self._kept: list[Frame] | None = [] if keep_frames else None
        self._advance(None, start=True)

    def next(self) -> Send | Await | Consult | Finished:
        if self._outcome is not None:
            return Finished(self._outcome)
        if self._asked is not None:
            return Consult(self._asked.question)
        if self._unsent is not None:
            send, self._unsent = self._unsent, None
            return send
        return Await(self._deadline_ms)

    def answered(self, answer: Answer) -> None:
        if self._asked is not None:
            self._asked.answer = answer
            self._advance(None)

    def receive(self, data: bytes) -> None:
        if self._outcome is not None or self._decoder is None or not data:
            return
        if self._kept:
            last = self._kept[-1]
            self._kept[-1] = replace(last, received=(last.received + data)[:KEPT_BYTES])
        try:
            reply = self._decoder.receive(data)
        except RemoteProtocolError:
            # no later frame of this stream can be found either
            self._broken = True
            self._advance(None)
            return
        if reply is not None:
            self._advance(reply)
            return
        if self._ask is not None and self._ask.write and self._taken(data):
            # no answer will come: the script looks at once what came of it, as after one that was lost
            self._ask.taken = True
            self._advance(None)
            return
        self._chunks += 1
        if self._chunks >= MAX_CHUNKS:
            self.timed_out()

    def timed_out(self) -> None:
        if self._outcome is not None:
            return
        if self._ask is None:
            self._advance(None)
        elif not self._draining and (self._tries > 0 or self._ask.write):
            # a late reply still counts while we wait for the line to fall silent
            self._draining, self._chunks = True, 0
            self._deadline_ms += self._drain_ms
        elif self._tries > 0 and not self._broken:
            self._send(self._ask)
        else:
            self._advance(None)

    def _open(self, request: Q) -> tuple[bytes, Decoder[R], int]:
        """The bytes of a request, the decoder of its reply and how many bytes that reply has."""
        raise NotImplementedError

    def _taken(self, data: bytes) -> bool:
        """Does this say that a write arrived, and nothing more?"""
        return False

    def _kept_of(self, request: Q, data: bytes) -> Frame | None:
        """A read as people are shown it; None for what is not shown."""
        raise NotImplementedError

    def _words_of(self, reply: R) -> bytes:
        """What a good reply to a read carries."""
        raise NotImplementedError

    def _advance(self, reply: R | None, *, start: bool = False) -> None:
        if self._kept and reply is not None and (words := self._words_of(reply)):
            self._kept[-1] = replace(self._kept[-1], words=words)
        self._decoder = self._ask = self._asked = self._unsent = None
        try:
            step = next(self._script) if start else self._script.send(reply)
            while self._broken:
                step = self._script.send(None)
        except StopIteration as stop:
            self._outcome = stop.value if self._kept is None else replace(stop.value, frames=tuple(self._kept))
            return
        if isinstance(step, Asked):
            self._asked = step
            return
        if isinstance(step, Pause):
            self._deadline_ms = step.until_ms + (self._deadline_ms if self._draining else 0)
            return
        self._ask = step
        self._tries = WRITE_TRIES if step.write else READ_TRIES
        self._send(step)

    def _send(self, ask: Asking[Q]) -> None:
        self._tries -= 1
        self._chunks = 0
        self._draining = False
        data, self._decoder, reply_bytes = self._open(ask.request)
        on_bus_ms = bus_ms(len(data) + reply_bytes, ask.baud or self._bus.baud)
        self._deadline_ms = on_bus_ms + self._profile.turnaround_ms + self._bus.link_ms
        self._drain_ms = on_bus_ms + self._profile.turnaround_ms + self._profile.quiet_ms
        self._unsent = Send(data, self._deadline_ms, ask.baud)
        if self._kept is not None and len(self._kept) < KEPT_FRAMES:
            shown = self._kept_of(ask.request, data)
            if shown is not None:
                self._kept.append(shown)


class Exchange(Talking[Request, Reply]):
    """A Conversation over Modbus RTU or TCP."""

    def __init__(
        self, script: Script, profile: Profile, meter: MeterAddress, bus: Bus, *, keep_frames: bool = False
    ) -> None:
        self._unit = self._asked_unit = meter.unit
        self._identity = meter.identity
        self._transaction = bus.transaction
        super().__init__(script, profile, bus, keep_frames=keep_frames)

    def _send(self, ask: Asking[Request]) -> None:
        self._asked_unit = self._unit if ask.unit is None else ask.unit
        super()._send(ask)

    def _open(self, request: Request) -> tuple[bytes, Decoder[Reply], int]:
        unit = self._asked_unit
        if self._bus.transport == "rtu":
            return _rtu_frame(unit, request), RtuClientDecoder(unit, request), reply_size(request)
        transaction, self._transaction = self._transaction, self._transaction + 1 & 0xFFFF
        data = encode_tcp_request(transaction, unit, request)
        return data, TcpClientDecoder(transaction, unit, request), reply_size(request)

    def _taken(self, data: bytes) -> bool:
        return bool(self._identity) and receipt(self._identity) in data

    def _kept_of(self, request: Request, data: bytes) -> Frame | None:
        if not isinstance(request, ReadRequest):
            return None
        function, address, count = request.function.value, request.address, request.count
        return Frame(function=function, address=address, count=count, sent=data, received=b"")

    def _words_of(self, reply: Reply) -> bytes:
        return reply.data if isinstance(reply, ReadReply) else b""
