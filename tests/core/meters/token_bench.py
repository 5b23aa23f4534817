"""A meter in memory that takes STS tokens over its line and at its keypad, and the tokens that are made for it."""

from dataclasses import dataclass, field
from typing import Final

from prewatt.core.meters.quantities import Quantity
from prewatt.core.meters.token_face import CREDIT_WORDS, DIGIT_WORDS, TokenAnswer, bcd, digits_of
from prewatt.core.sts import (
    Answer,
    BaseDate,
    CreditKind,
    DecoderKey,
    Dkga,
    Ea,
    KeyChange,
    KeyType,
    MeterPan,
    MeterProfile,
    MeterState,
    UnitsCredit,
    VendingKey,
    encode,
    judge,
    luhn_digit,
    new_meter,
)
from prewatt.core.wire.modbus import ExceptionReply, ReadReply, ReadRequest, Reply, Request, WriteMultiple, WriteReply
from tests.core.meters.bench import FakeMeter

PAN: Final = MeterPan.of_drn(f"1100000001{luhn_digit('1100000001')}").digits
_FIRST: Final = bytes.fromhex("826de00e63dd9344")
_SECOND: Final = bytes.fromhex("0123456789abcdef")
SAYS: Final = {
    Answer.ACCEPT: TokenAnswer.ACCEPTED, Answer.KEY_PART_1: TokenAnswer.KEY_PART,
    Answer.KEY_PART_2: TokenAnswer.KEY_PART, Answer.KEY_PART_3: TokenAnswer.KEY_PART,
    Answer.KEY_PART_4: TokenAnswer.KEY_PART, Answer.USED: TokenAnswer.USED,
    Answer.OLD: TokenAnswer.OLD, Answer.CRC: TokenAnswer.CRC, Answer.OVERFLOW: TokenAnswer.OVERFLOW,
    Answer.FORMAT: TokenAnswer.FORMAT, Answer.FUNCTION: TokenAnswer.FUNCTION,
}  # fmt: skip


def _key(value: bytes, krn: int) -> DecoderKey:
    made = VendingKey(
        dkga=Dkga.DES, value=value, sgc="600123", krn=krn, kt=KeyType.DUTK, base_date=BaseDate.Y2014, ken=255
    )
    return made.decoder_key(meter_pan=PAN, ti="01", ea=Ea.STA)


OLD: Final = _key(_FIRST, 1)
NEW: Final = _key(_SECOND, 2)


def credit(tenths: int, tid: int = 6_000_000, key: DecoderKey = OLD) -> str:
    return encode(UnitsCredit(kind=CreditKind.ELECTRICITY, tid=tid, rnd=3, amount_tenths=tenths), key).digits


def key_change() -> list[str]:
    return [each.digits for each in KeyChange(old=OLD, new=NEW, rollover=False, three_tokens=False).tokens()]


@dataclass
class TokenMeter(FakeMeter):
    """`taken`: what the virtual meter behind it took, each token as often as it had effect."""

    sts: MeterState = field(default_factory=lambda: new_meter(OLD))
    limits: MeterProfile = field(default_factory=MeterProfile)
    echo: str = "0" * 20
    raw: int = 0
    brought: int = 0
    taken: list[str] = field(default_factory=list)
    deaf: bool = False  # answers the write and judges nothing

    def enter(self, digits: str) -> None:
        """By whichever way it came."""
        assert self.profile.token is not None and self.profile.token.wire is not None
        wire = self.profile.token.wire
        verdict = judge(self.sts, self.limits, digits, 1_000)
        gained = verdict.state.registers[0] - self.sts.registers[0]
        self.sts, self.echo, self.brought = verdict.state, digits, gained
        self.raw = wire.word_of(SAYS[verdict.answer]) or 99
        if verdict.answer.is_taken:
            self.taken.append(digits)
        self.values[Quantity.BALANCE] += gained * 100

    def handle(self, request: Request) -> Reply:
        assert self.profile.token is not None and self.profile.token.wire is not None
        wire = self.profile.token.wire
        if isinstance(request, ReadRequest) and request.address == wire.start:
            words = bytearray((wire.count + wire.spare) * 2)

            def put(at: int, data: bytes) -> None:
                words[(at - wire.start) * 2 : (at - wire.start) * 2 + len(data)] = data

            put(wire.echo, bcd(self.echo))
            put(wire.result, self.raw.to_bytes(2, "big"))
            if wire.credit is not None:
                put(wire.credit, self.brought.to_bytes(CREDIT_WORDS * 2, "big", signed=True))
            return ReadReply(function=request.function, data=bytes(words[: request.count * 2]))
        if isinstance(request, WriteMultiple) and request.address == wire.address:
            self.writes += 1
            if request.count != DIGIT_WORDS or not digits_of(request.data):
                return ExceptionReply(function=request.function, code=3)
            if not self.deaf:
                self.enter(digits_of(request.data))
            return WriteReply(function=request.function, address=request.address, count=request.count)
        return super().handle(request)
