"""An STS meter that is also on a line: the registers of its profile over the same meter that its keypad types into.

Whichever way a token comes, one virtual meter judges it, remembers it and shows it as the last one. What the line asks
of it beside tokens (registers, relay, settings, clock) a `Meter` answers.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import tzinfo
from typing import Final

from prewatt.core.meters import Profile
from prewatt.core.meters.token_face import CREDIT_WORDS, DIGIT_WORDS, DIGITS, TokenAnswer, TokenWire, bcd, digits_of
from prewatt.core.sts import Answer
from prewatt.core.wire.modbus import (
    ExceptionCode,
    ExceptionReply,
    Function,
    ReadReply,
    ReadRequest,
    Request,
    WriteMultiple,
    WriteReply,
)
from prewatt.field.simulator.circuit import CircuitState
from prewatt.field.simulator.fields import SiteError
from prewatt.field.simulator.keypad import KeypadMeter
from prewatt.field.simulator.meter import Handled, Meter, MeterState
from prewatt.field.simulator.site import CircuitSite, MeterSite, Opening

SAYS: Final = {
    Answer.ACCEPT: TokenAnswer.ACCEPTED,
    Answer.KEY_PART_1: TokenAnswer.KEY_PART,
    Answer.KEY_PART_2: TokenAnswer.KEY_PART,
    Answer.KEY_PART_3: TokenAnswer.KEY_PART,
    Answer.KEY_PART_4: TokenAnswer.KEY_PART,
    Answer.LOCKED_OUT: TokenAnswer.LOCKED_OUT,
    Answer.FORMAT: TokenAnswer.FORMAT,
    Answer.CRC: TokenAnswer.CRC,
    Answer.FUNCTION: TokenAnswer.FUNCTION,
    Answer.OLD: TokenAnswer.OLD,
    Answer.USED: TokenAnswer.USED,
    Answer.KEY_EXPIRED: TokenAnswer.KEY_EXPIRED,
    Answer.DDTK: TokenAnswer.DDTK,
    Answer.KEY_TYPE: TokenAnswer.KEY_TYPE,
    Answer.MAKER: TokenAnswer.MAKER,
    Answer.RANGE: TokenAnswer.RANGE,
    Answer.OVERFLOW: TokenAnswer.OVERFLOW,
}
assert set(SAYS) == set(Answer), "a register has a word for every answer"


class WiredKeypad(Meter):
    """The line's side of the keypad meters that are circuits of one, each with its own key and its own tokens. Whoever
    runs it keeps `encoded()` of every one: that is all its memory."""

    def __init__(self, keypads: Sequence[KeypadMeter], profile: Profile, zone: tzinfo, *, at_ms: int) -> None:
        site, first = keypads[0].site, keypads[0]
        assert profile.token is not None and profile.token.wire is not None, profile.code
        self.keypads, self._wire = {each.site.index: each for each in keypads}, profile.token.wire
        circuits = tuple(CircuitSite(index=each.site.index, opening=Opening(), load=each.site.load) for each in keypads)
        super().__init__(
            MeterSite(number=site.number, profile=site.profile, unit=site.unit, line=site.line, circuits=circuits),
            profile, zone, at_ms=at_ms, state=first.line,
        )  # fmt: skip
        self.circuits = {index: each.circuit for index, each in self.keypads.items()}
        self.state.order_results += [0] * (len(circuits) - len(self.state.order_results))
        first.line = self.state

    def settle(self, at_ms: int) -> None:
        super().settle(at_ms)
        for each in self.keypads.values():
            each.settle(at_ms)

    def sleep(self, at_ms: int) -> None:
        super().sleep(at_ms)
        for each in self.keypads.values():
            each.sleep(at_ms)

    def remember(self) -> tuple[MeterState, tuple[CircuitState, ...]]:
        self._memory = [each.remember() for each in self.keypads.values()]
        return super().remember()

    def go_back(self, memory: tuple[MeterState, tuple[CircuitState, ...]]) -> None:
        super().go_back(memory)
        for each, remembered in zip(self.keypads.values(), self._memory, strict=True):
            each.go_back(remembered)
        self.keypads[1].line = self.state

    def handle(self, request: Request, at_ms: int) -> Handled:
        for index in self.keypads:
            handled = self._token(index, request, at_ms)
            if handled is not None:
                return handled
        return super().handle(request, at_ms)

    def _token(self, index: int, request: Request, at_ms: int) -> Handled | None:
        """What this circuit's answer block or its place for digits is asked; None: something else."""
        wire, functions = self._wire, self.profile.read_functions
        offset = self.profile.offset(index, shared=wire.shared)
        match request:
            case ReadRequest() if 0 <= request.address - offset - wire.start < wire.count + wire.spare:
                at, shown = (request.address - offset - wire.start) * 2, self._shown(index)
                if int(request.function) in functions and at + request.count * 2 <= len(shown):
                    self.settle(at_ms)
                    return Handled(reply=ReadReply(function=request.function, data=shown[at:][: request.count * 2]))
            case WriteMultiple() if request.address == wire.address + offset:
                if request.function is Function.WRITE_REGISTERS:
                    return self._enter(index, request, at_ms)
        return None

    def _enter(self, index: int, request: WriteMultiple, at_ms: int) -> Handled:
        """As if somebody typed it in. What it says stands in the registers; the write itself was good."""
        digits = digits_of(request.data)
        if request.count != DIGIT_WORDS or not digits:
            no = ExceptionReply(function=int(request.function), code=int(ExceptionCode.ILLEGAL_DATA_VALUE))
            return Handled(reply=no)
        self.settle(at_ms)
        keypad = self.keypads[index]
        keypad.enter(digits, at_ms)
        done = WriteReply(function=request.function, address=request.address, count=request.count)
        applied = keypad.applied
        return Handled(reply=done, kept=True, accepted=((index, applied),) if applied is not None else ())

    def _shown(self, index: int) -> bytes:
        """The answer block: zero throughout while no token was judged."""
        wire, entries = self._wire, self.keypads[index].entries
        words = bytearray((wire.count + wire.spare) * 2)
        if entries:
            last = entries[-1]
            digits = last.digits if len(last.digits) == DIGITS and last.digits.isdecimal() else "0" * DIGITS
            _put(words, wire, wire.echo, bcd(digits))
            _put(words, wire, wire.result, wire.word_of(SAYS[Answer(last.code)]).to_bytes(2, "big"))
            if wire.credit is not None:
                raw = last.credit_wh * wire.factor.denominator // wire.factor.numerator
                _put(words, wire, wire.credit, raw.to_bytes(CREDIT_WORDS * 2, "big", signed=True))
        return bytes(words)


def _put(words: bytearray, wire: TokenWire, address: int, data: bytes) -> None:
    at = (address - wire.start) * 2
    words[at : at + len(data)] = data


def wired(
    keypads: Iterable[KeypadMeter], profiles: Mapping[str, Profile], zone: tzinfo, *, at_ms: int
) -> dict[str, WiredKeypad]:
    """The line's side of those keypad meters that have one. Raises `SiteError` where their model takes no tokens so."""
    found = {}
    everyone = [each for each in keypads if each.site.wired]
    for each in everyone:
        if each.site.of:
            continue
        circuits = [other for other in everyone if other.site.meter_number == each.number]
        profile = profiles.get(each.site.profile)
        if profile is None or profile.token is None or profile.token.wire is None:
            where = f"site.keypads.{each.number}.profile"
            raise SiteError("unknown_profile", where, f"{each.site.profile} takes no tokens over a line")
        if len(circuits) > (1 if profile.token.wire.shared else profile.circuits):
            where = f"site.keypads.{each.number}.circuits"
            raise SiteError("bad_circuits", where, f"a {profile.code} has {profile.circuits}, each with its tokens")
        found[each.number] = WiredKeypad(circuits, profile, zone, at_ms=at_ms)
    return found
