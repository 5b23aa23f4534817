"""A scan (扫描) of one line: who answers at which address, in which protocol, and what it may be.

Pure: `Scan.next` gives one question at a time as a conversation of one frame, the line asks it when nobody else wants
the bus, and what came moves the scan on. Nothing is ever written.
"""

from collections.abc import Collection, Generator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from prewatt.core.meters.drivers.conversation import Await, Bus, Finished, Send
from prewatt.core.meters.drivers.exchange import bus_ms
from prewatt.core.meters.identify import READ_DATA, Answers, Proposal, Question, covered, propose, questions
from prewatt.core.meters.jobs import Frame, Outcome, Verdict
from prewatt.core.meters.model import Profile, Protocol
from prewatt.core.wire.dlt645 import ANYONE, Decoder, encode, read, read_address
from prewatt.core.wire.dlt645 import Frame as DataFrame
from prewatt.core.wire.errors import RemoteProtocolError
from prewatt.core.wire.modbus import (
    ExceptionCode,
    ExceptionReply,
    Function,
    ReadReply,
    ReadRequest,
    Reply,
    RtuClientDecoder,
    TcpClientDecoder,
    decode_rtu_reply,
    encode_rtu_request,
    encode_tcp_request,
    reply_size,
)

FIRST_UNIT, LAST_UNIT = 1, 247
MAX_BAUDS: Final = 4
MAX_PROBES: Final = 4_000  # a scan ends, whatever the line brings
MAX_FOUND: Final = 64  # twice what a bus should carry
MAX_NARROWED: Final = 1_200  # questions to part data meters that answer together: twelve of them in the worst case
TURNAROUND_MS: Final = 500  # the slowest of the shipped profiles that anybody would scan for
DATA_REPLY_BYTES: Final = 40
SECOND_LOOK_MS: Final = 1  # beyond the time-out: told apart from a reply that was due
KEPT_BYTES: Final = 512
COMMUNICATION_ADDRESS: Final = 0x04000401
DIGITS: Final = 12
_ABSENT: Final = frozenset({int(ExceptionCode.GATEWAY_PATH_UNAVAILABLE), int(ExceptionCode.GATEWAY_TARGET_FAILED)})

Framing = Literal["rtu", "tcp"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ScanPlan:
    """What a person wants scanned. `bauds`: speeds to try one after the other, empty for the line's own alone."""

    protocols: tuple[Protocol, ...]
    first: int = FIRST_UNIT
    last: int = LAST_UNIT
    bauds: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        assert FIRST_UNIT <= self.first <= self.last <= LAST_UNIT and len(self.bauds) <= MAX_BAUDS, self


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """Who answered. `garbled`: bytes came and no frame: two meters at one address, or a wrong speed or parity."""

    protocol: Protocol
    address: str  # Modbus unit, or the 12 digits of DL/T 645 (AA for pairs that are not known)
    baud: int
    garbled: bool = False
    proposals: tuple[Proposal, ...] = ()
    frames: tuple[Frame, ...] = ()


class Probe:
    """One question as a Conversation: no second try, nothing that could change a meter. `all_of_it`: several may
    answer, so everything that comes until the time is over is looked at."""

    def __init__(self, request: "ReadRequest | DataFrame", *, unit: int, baud: int, bus: Bus, transaction: int) -> None:
        self.request = request
        self.unit = unit
        self.baud = baud
        self._transport, self._transaction = bus.transport, transaction
        if isinstance(request, DataFrame):
            self.data, expected = encode(request), DATA_REPLY_BYTES
        elif bus.transport == "rtu":
            self.data, expected = encode_rtu_request(unit, request), reply_size(request)
        else:
            self.data, expected = encode_tcp_request(transaction, unit, request), reply_size(request)
        self._timeout_ms = bus_ms(len(self.data) + expected, baud) + TURNAROUND_MS + bus.link_ms
        self.again()

    def again(self) -> None:
        """As if it had never been asked."""
        self.replies: list[DataFrame] = []
        self.reply: Reply | None = None
        self.received = b""
        self._sent = False
        self._over = False
        self._modbus: RtuClientDecoder | TcpClientDecoder | None = None
        self._data: Decoder | None = None
        if isinstance(self.request, DataFrame):
            self._data = Decoder()
        elif self._transport == "rtu":
            self._modbus = RtuClientDecoder(self.unit, self.request)
        else:
            self._modbus = TcpClientDecoder(self._transaction, self.unit, self.request)

    @property
    def all_of_it(self) -> bool:
        return isinstance(self.request, DataFrame) and "A" in self.request.address

    @property
    def garbled(self) -> bool:
        """Something came that is no frame of anybody's, our own echo apart."""
        rest = self.received.removeprefix(self.data)
        if not rest or self.reply is not None or isinstance(self._modbus, TcpClientDecoder):
            return False
        if self._data is not None:
            return self._data.discarded > 0 or not self.replies
        try:
            return decode_rtu_reply(rest)[0] == self.unit  # a late word of another unit is not this one's
        except RemoteProtocolError:
            return True

    def next(self) -> Send | Await | Finished:
        if self._over:
            heard = self.reply is not None or self.replies or self.received
            return Finished(Outcome(verdict=Verdict.DONE if heard else Verdict.SILENT))
        if not self._sent:
            self._sent = True
            return Send(self.data, self._timeout_ms, self.baud)
        return Await(self._timeout_ms + SECOND_LOOK_MS)

    def receive(self, data: bytes) -> None:
        self.received = (self.received + data)[:KEPT_BYTES]
        if self._data is not None:
            mine = [each for each in self._data.receive(data) if each.reply]
            self.replies += mine
            self._over = bool(mine) and not self.all_of_it
            return
        assert self._modbus is not None
        try:
            self.reply = self._modbus.receive(data)
        except RemoteProtocolError:
            self._over = True
        self._over = self._over or self.reply is not None

    def answered(self, answer: object) -> None:
        """Nobody but the line is asked here."""

    def timed_out(self) -> None:
        if self._data is not None:
            self._data.idle()
        self._over = True


Asking = Generator[Probe, None, None]


class Scan:
    """One scan. `next` after each probe has ended; `found`, `asked` and `total` say how far it is."""

    def __init__(
        self,
        plan: ScanPlan,
        *,
        bus: Bus,
        profiles: Mapping[str, Profile],
        known_units: Collection[int] = (),
        known_numbers: Collection[str] = (),
    ) -> None:
        self.plan = plan
        self.found: list[Found] = []
        self.asked = 0
        self._bus = bus
        self._profiles = tuple(profiles.values())
        self._units = [unit for unit in range(plan.first, plan.last + 1) if unit not in known_units]
        self._numbers = frozenset(known_numbers)
        self._bauds = plan.bauds or (bus.baud,)
        self._transaction = bus.transaction
        self._narrowed = 0
        per_baud = len(self._units) * (Protocol.MODBUS in plan.protocols)
        per_baud += 2 * (Protocol.DLT645 in plan.protocols and bus.transport == "rtu")
        self.total = per_baud * len(self._bauds)
        self._run = self._everything()

    def next(self) -> Probe | None:
        """The next question, None when the scan is over."""
        if self.asked >= MAX_PROBES or len(self.found) >= MAX_FOUND:
            return None
        probe = next(self._run, None)
        self.asked += probe is not None
        self.total = max(self.total, self.asked)
        return probe

    def _everything(self) -> Asking:
        for baud in self._bauds:
            if Protocol.DLT645 in self.plan.protocols and self._bus.transport == "rtu":
                yield from self._data_meters(baud)
            if Protocol.MODBUS in self.plan.protocols:
                for unit in self._units:
                    yield from self._unit(unit, baud)

    # --- Modbus ------------------------------------------------------------------------------------------------------

    def _ask(self, unit: int, question: Question, baud: int) -> Probe:
        self._transaction = (self._transaction + 1) & 0xFFFF
        request = ReadRequest(function=Function(question.function), address=question.address, count=question.count)
        return Probe(request, unit=unit, baud=baud, bus=self._bus, transaction=self._transaction)

    def _unit(self, unit: int, baud: int) -> Asking:
        """Is somebody there? Any answer will do, a refusal too."""
        there = Question(function=3, address=0, count=1)
        for last in (False, True):
            probe = self._ask(unit, there, baud)
            yield probe
            if not probe.garbled:
                break
            if last:
                self._found(Protocol.MODBUS, str(unit), baud, garbled=True, frames=(_shown(there, probe),))
                return
        if probe.reply is None or (isinstance(probe.reply, ExceptionReply) and probe.reply.code in _ABSENT):
            return
        frames = [_shown(there, probe)]
        answers: dict[Question, bytes | None] = {}
        wanted = questions(Protocol.MODBUS, self._profiles)
        self.total += len(wanted)
        for question in wanted:
            if covered(question, answers):
                self.total -= 1
                continue
            probe = self._ask(unit, question, baud)
            yield probe
            if probe.reply is not None:
                answers[question] = probe.reply.data if isinstance(probe.reply, ReadReply) else None
            if probe.received and (question not in answers or answers[question] is not None):
                frames.append(_shown(question, probe))  # forty refusals would hide what was said
        self._found(Protocol.MODBUS, str(unit), baud, answers=answers, frames=tuple(frames))

    # --- DL/T 645 ----------------------------------------------------------------------------------------------------

    def _data(self, request: DataFrame, baud: int) -> Probe:
        return Probe(request, unit=0, baud=baud, bus=self._bus, transaction=0)

    def _data_meters(self, baud: int) -> Asking:
        """By the wildcard; where several answer at once, by the last pairs of their addresses."""
        probe = self._data(read_address(), baud)
        yield probe
        if not probe.received:
            probe = self._data(read(ANYONE, COMMUNICATION_ADDRESS), baud)
            yield probe
        addresses = {each.address for each in probe.replies}
        if len(addresses) > 1 or probe.garbled:
            before = len(self.found)
            parted: set[str] = set()
            yield from self._part("", baud, parted)
            addresses |= parted
            if not addresses and len(self.found) == before:
                frames = (_shown_data(COMMUNICATION_ADDRESS, probe),)
                self._found(Protocol.DLT645, ANYONE, baud, garbled=True, frames=frames)
        for address in sorted(addresses):
            if address not in self._numbers:
                yield from self._data_meter(address, baud)

    def _part(self, end: str, baud: int, found: set[str]) -> Asking:
        """Ask each hundredth of those whose address ends so."""
        self.total += 100
        for pair in range(100):
            if self._narrowed >= MAX_NARROWED:
                return
            self._narrowed += 1
            pattern = f"{pair:02d}{end}".rjust(DIGITS, "A")
            probe = self._data(read(pattern, COMMUNICATION_ADDRESS), baud)
            yield probe
            addresses = {each.address for each in probe.replies}
            if len(addresses) <= 1 and not probe.garbled:
                found |= addresses
            elif "A" in pattern:
                yield from self._part(f"{pair:02d}{end}", baud, found)
            else:
                frames = (_shown_data(COMMUNICATION_ADDRESS, probe),)
                self._found(Protocol.DLT645, pattern, baud, garbled=True, frames=frames)

    def _data_meter(self, address: str, baud: int) -> Asking:
        answers: dict[Question, bytes | None] = {}
        frames = []
        wanted = questions(Protocol.DLT645, self._profiles)
        self.total += len(wanted)
        for question in wanted:
            probe = self._data(read(address, question.address), baud)
            yield probe
            reply = next((each for each in probe.replies if each.function == READ_DATA), None)
            if reply is not None:
                answers[question] = None if reply.refused else reply.data[4:]
                if not reply.refused:
                    frames.append(_shown_data(question.address, probe))
        self._found(Protocol.DLT645, address, baud, answers=answers, frames=tuple(frames))

    def _found(
        self, protocol: Protocol, address: str, baud: int, *, garbled: bool = False, answers: Answers | None = None,
        frames: tuple[Frame, ...] = (),
    ) -> None:  # fmt: skip
        proposals = propose(protocol, answers, self._profiles) if answers else ()
        self.found.append(
            Found(
                protocol=protocol, address=address, baud=baud, garbled=garbled, proposals=proposals, frames=frames
            )
        )  # fmt: skip


def _shown(question: Question, probe: Probe) -> Frame:
    words = probe.reply.data if isinstance(probe.reply, ReadReply) else b""
    return Frame(
        function=question.function, address=question.address, count=question.count, sent=probe.data,
        received=probe.received, words=words,
    )  # fmt: skip


def _shown_data(di: int, probe: Probe) -> Frame:
    words = probe.replies[0].data[4:] if len(probe.replies) == 1 and not probe.replies[0].refused else b""
    return Frame(function=READ_DATA, address=di, count=0, sent=probe.data, received=probe.received, words=words)
