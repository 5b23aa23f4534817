"""What a token can say: one frozen value per layout, with ranges checked when it is made.

Subclass numbers are those of IEC 62055-41 (docs/algorithms/sts.md, section 2). Values are what the
caller asks for; the layout turns them into bits and tells what the token really carries.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from prewatt.core.sts.amounts import AMOUNT16_MAX, AMOUNT20_MAX_E5, show_currency
from prewatt.core.sts.ids import KRN_HIGH, KRN_LOW, KeyType, is_digits
from prewatt.core.sts.refusals import StsCode, in_range, refuse
from prewatt.core.sts.tid import TID_HIGH

RND_HIGH: Final = 15
WORD_HIGH: Final = 0xFFFF
ALL_REGISTERS: Final = 0xFFFF
REGISTER_HIGH: Final = 7
FLAG_INDEX: Final = 63  # this index of an extended token means "flag index and flag value"
CONTROL_VALUE_HIGH: Final = (1 << 10) - 1
FLAG_NUMBER_HIGH: Final = (1 << 9) - 1
CONTROL_BITS: Final = {2: 36, 4: 28}  # class 1: bits of control beside a maker code of 2 or 4 digits
MAKER_HIGH: Final = {2: 99, 4: 9999}


class TokenClass(IntEnum):
    """The two class bits."""

    CREDIT = 0
    TEST = 1
    MANAGEMENT = 2
    RESERVED = 3


class CreditKind(IntEnum):
    """Class 0 subclasses: what is credited. From 4 on the amount is money."""

    ELECTRICITY = 0
    WATER = 1
    GAS = 2
    TIME = 3
    ELECTRICITY_CURRENCY = 4
    WATER_CURRENCY = 5
    GAS_CURRENCY = 6
    TIME_CURRENCY = 7

    @property
    def is_currency(self) -> bool:
        return self >= CreditKind.ELECTRICITY_CURRENCY


class ManagementKind(IntEnum):
    """Class 2 subclasses of the common shape RND, TID, value."""

    POWER_LIMIT = 0  # W
    CLEAR_CREDIT = 1  # register 0-7, FFFFh all
    TARIFF_RATE = 2  # reserved by the STS Association: sixteen bits, meaning not public
    CLEAR_TAMPER = 5
    PHASE_UNBALANCE = 6  # W
    WATER_FACTOR = 7  # reserved likewise


EXTENDED_SUBCLASS: Final = 10
EXTENDED_READ: Final = 2  # of class 1
KEY_SUBCLASSES: Final = (3, 4, 8, 9)
POWER_KINDS: Final = frozenset({ManagementKind.POWER_LIMIT, ManagementKind.PHASE_UNBALANCE})


def maker_digits_of(subclass: int) -> int:
    """Digits of the maker code in a class 1 token: 2 or 4; refuses the reserved subclasses 3-5.

    Subclass 2 is the extended read token: 36 bits of control, then 8 that fit a maker code.
    """
    if subclass in (0, EXTENDED_READ) or 11 <= subclass <= 15:
        return 2
    if subclass == 1 or 6 <= subclass <= 10:
        return 4
    raise refuse(StsCode.SUBCLASS_UNKNOWN, token_class=1, subclass=subclass)


def maker_code_high(subclass: int) -> int:
    """The largest maker code. The last eight bits of the extended read token are not proven to be one: any will do."""
    return 0xFF if subclass == EXTENDED_READ else MAKER_HIGH[maker_digits_of(subclass)]


@dataclass(frozen=True, kw_only=True, slots=True)
class UnitsCredit:
    """Class 0, subclasses 0-3: 0.1 kWh, 0.1 m3 or 0.1 min."""

    kind: CreditKind
    tid: int
    rnd: int
    amount_tenths: int

    def __post_init__(self) -> None:
        assert self.kind < 4, self.kind
        if not (0 <= self.tid <= TID_HIGH and 0 <= self.rnd <= RND_HIGH):
            _check_time_bits(self.tid, self.rnd)
        if self.amount_tenths < 0:
            raise refuse(StsCode.AMOUNT_NEGATIVE)
        if self.amount_tenths > AMOUNT16_MAX:
            raise refuse(StsCode.AMOUNT_TOO_LARGE, limit=AMOUNT16_MAX)


@dataclass(frozen=True, kw_only=True, slots=True)
class CurrencyCredit:
    """Class 0, subclasses 4-7: money in 10^-5 base units, negative too. It has no RND."""

    kind: CreditKind
    tid: int
    amount_e5: int

    def __post_init__(self) -> None:
        assert self.kind.is_currency, self.kind
        in_range("tid", self.tid, 0, TID_HIGH)
        if abs(self.amount_e5) > AMOUNT20_MAX_E5:
            raise refuse(StsCode.AMOUNT_TOO_LARGE, limit=show_currency(AMOUNT20_MAX_E5))


@dataclass(frozen=True, kw_only=True, slots=True)
class MeterTest:
    """Class 1: start a test or a display; no key, no TID. Maker code 0 addresses every make."""

    subclass: int
    maker_code: int
    control: int

    def __post_init__(self) -> None:
        digits = maker_digits_of(self.subclass)
        in_range("manufacturer_code", self.maker_code, 0, maker_code_high(self.subclass))
        in_range("control", self.control, 0, (1 << CONTROL_BITS[digits]) - 1)

    @property
    def maker_digits(self) -> int:
        return maker_digits_of(self.subclass)


@dataclass(frozen=True, kw_only=True, slots=True)
class Management:
    """Class 2, subclasses 0, 1, 2, 5, 6, 7. `value` is W, a register, or the plain sixteen bits."""

    kind: ManagementKind
    tid: int
    rnd: int
    value: int = 0

    def __post_init__(self) -> None:
        _check_time_bits(self.tid, self.rnd)
        if self.kind in POWER_KINDS:
            if self.value < 0:
                raise refuse(StsCode.AMOUNT_NEGATIVE)
            if self.value > AMOUNT16_MAX:
                raise refuse(StsCode.AMOUNT_TOO_LARGE, limit=AMOUNT16_MAX)
        elif self.kind is ManagementKind.CLEAR_CREDIT:
            if not (0 <= self.value <= REGISTER_HIGH or self.value == ALL_REGISTERS):
                raise refuse(StsCode.REGISTER_UNKNOWN)
        elif self.kind is ManagementKind.CLEAR_TAMPER:
            in_range("pad", self.value, 0, 0)
        else:
            in_range("rate" if self.kind is ManagementKind.TARIFF_RATE else "factor", self.value, 0, WORD_HIGH)


@dataclass(frozen=True, kw_only=True, slots=True)
class Extended:
    """Class 2, subclass 10: index 0-62 sets a control value; index 63 sets a flag."""

    tid: int
    rnd: int
    index: int
    control_value: int = 0
    flag_index: int = 0
    flag_value: int = 0

    def __post_init__(self) -> None:
        _check_time_bits(self.tid, self.rnd)
        in_range("index", self.index, 0, FLAG_INDEX)
        if self.index == FLAG_INDEX:
            in_range("flag_index", self.flag_index, 0, FLAG_NUMBER_HIGH)
            in_range("flag_value", self.flag_value, 0, 1)
        else:
            in_range("control_value", self.control_value, 0, CONTROL_VALUE_HIGH)


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyHigh:
    """Class 2, subclass 3: the first key-change token."""

    ken_high: int
    krn: int
    rollover: int
    three_tokens: bool
    kt: KeyType
    key_part: int

    def __post_init__(self) -> None:
        in_range("krn", self.krn, KRN_LOW, KRN_HIGH)
        assert 0 <= self.ken_high <= 15, self.ken_high
        assert self.rollover in (0, 1), self.rollover
        _check_part(self.key_part)


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyLow:
    """Class 2, subclass 4: the second key-change token. TI is plain binary here."""

    ken_low: int
    ti: str
    key_part: int

    def __post_init__(self) -> None:
        assert 0 <= self.ken_low <= 15, self.ken_low
        if not is_digits(self.ti, 2, 2):
            raise refuse(StsCode.FIELD_MALFORMED, field="ti", expected="2 digits")
        _check_part(self.key_part)


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyMiddle:
    """Class 2, subclass 8 or 9 under EA11: twelve bits of the SGC and a middle part of the key."""

    subclass: int
    sgc_part: int  # low twelve bits in subclass 8, high twelve in subclass 9
    key_part: int

    def __post_init__(self) -> None:
        assert self.subclass in (8, 9), self.subclass
        assert 0 <= self.sgc_part <= 0xFFF, self.sgc_part
        _check_part(self.key_part)


@dataclass(frozen=True, kw_only=True, slots=True)
class KeySupplyGroup:
    """Class 2, subclass 8 under EA07: the third token of a three-token set, the whole SGC."""

    sgc: str

    def __post_init__(self) -> None:
        if not is_digits(self.sgc, 6, 6):
            raise refuse(StsCode.FIELD_MALFORMED, field="sgc", expected="6 digits")


KeyToken = KeyHigh | KeyLow | KeyMiddle | KeySupplyGroup
TimedToken = UnitsCredit | CurrencyCredit | Management | Extended
Token = TimedToken | MeterTest | KeyToken


def _check_time_bits(tid: int, rnd: int) -> None:
    in_range("tid", tid, 0, TID_HIGH)
    in_range("rnd", rnd, 0, RND_HIGH)


def _check_part(part: int) -> None:
    assert 0 <= part < 1 << 32, "a key part is 32 bits"


def class_of(token: Token) -> TokenClass:
    """The class a token value belongs to."""
    if isinstance(token, UnitsCredit | CurrencyCredit):
        return TokenClass.CREDIT
    return TokenClass.TEST if isinstance(token, MeterTest) else TokenClass.MANAGEMENT
