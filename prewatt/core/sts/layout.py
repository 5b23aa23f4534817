"""Tokens <-> the clear 48 bits from the subclass on, and blocks <-> the twenty digits.

Order of work: 48 bits, CRC over class and bits, 64-bit block, encrypt (classes 0 and 2), insert the
class, decimal (sts.md, section 2).
"""

from typing import Final

from prewatt.core.sts.amounts import decode_amount16, decode_amount20, encode_amount16, encode_amount20
from prewatt.core.sts.ids import KRN_HIGH, KRN_LOW, Ea, KeyType, is_digits
from prewatt.core.sts.refusals import StsCode, refuse
from prewatt.core.sts.tokens import (
    CONTROL_BITS,
    EXTENDED_SUBCLASS,
    FLAG_INDEX,
    POWER_KINDS,
    CreditKind,
    CurrencyCredit,
    Extended,
    KeyHigh,
    KeyLow,
    KeyMiddle,
    KeySupplyGroup,
    KeyToken,
    Management,
    ManagementKind,
    MeterTest,
    Token,
    TokenClass,
    UnitsCredit,
    maker_code_high,
    maker_digits_of,
)

TOKEN_DIGITS: Final = 20
TOKEN_HIGH: Final = (1 << 66) - 1
_CLASS_SHIFT: Final = 27  # the class takes bits 28 and 27; what stood there moves to 65 and 64
_CLASS_MASK: Final = 3 << _CLASS_SHIFT
_CURRENCY_HIGH_SHIFT: Final = 16  # of the 20-bit field: four bits in RND's place, sixteen in the value's
_MANAGEMENT_SUBCLASSES: Final = frozenset(kind.value for kind in ManagementKind)
SGC_HIGH: Final = 999_999
TI_HIGH: Final = 99


def insert_class(block: int, token_class: int) -> int:
    """A 64-bit block and its class -> 66 bits."""
    return block >> _CLASS_SHIFT << 64 & (3 << 64) | block & ~_CLASS_MASK | token_class << _CLASS_SHIFT


def remove_class(token66: int) -> tuple[int, int]:
    """66 bits -> (class, 64-bit block)."""
    block = token66 & ((1 << 64) - 1) & ~_CLASS_MASK | token66 >> 64 << _CLASS_SHIFT
    return token66 >> _CLASS_SHIFT & 3, block


def to_digits(token66: int) -> str:
    """66 bits -> 20 decimal digits with leading zeros."""
    return f"{token66:020d}"


def from_digits(digits: str) -> int:
    """20 decimal digits -> 66 bits; refuses anything else, also a number above 2^66-1."""
    if not is_digits(digits, TOKEN_DIGITS, TOKEN_DIGITS) or int(digits) > TOKEN_HIGH:
        raise refuse(StsCode.TOKEN_MALFORMED)
    return int(digits)


def pack(token: Token) -> int:
    """The clear 48 bits of a token."""
    match token:
        case UnitsCredit():
            return token.kind << 44 | token.rnd << 40 | token.tid << 16 | encode_amount16(token.amount_tenths)
        case CurrencyCredit():
            field = encode_amount20(token.amount_e5)
            high, low = field >> _CURRENCY_HIGH_SHIFT, field & 0xFFFF
            return token.kind << 44 | high << 40 | token.tid << 16 | low
        case MeterTest():
            maker_bits = 4 * token.maker_digits
            return token.subclass << 44 | token.control << maker_bits | token.maker_code
        case Management():
            value = encode_amount16(token.value) if token.kind in POWER_KINDS else token.value
            return token.kind << 44 | token.rnd << 40 | token.tid << 16 | value
        case Extended():
            return EXTENDED_SUBCLASS << 44 | token.rnd << 40 | token.tid << 16 | _extended_word(token)
        case _:
            return _pack_key_part(token)


def _extended_word(token: Extended) -> int:
    if token.index == FLAG_INDEX:
        return FLAG_INDEX << 10 | token.flag_index << 1 | token.flag_value
    return token.index << 10 | token.control_value


def _pack_key_part(token: KeyToken) -> int:
    match token:
        case KeyHigh():
            flags = token.rollover << 3 | token.three_tokens << 2 | token.kt
            return 3 << 44 | token.ken_high << 40 | token.krn << 36 | flags << 32 | token.key_part
        case KeyLow():
            return 4 << 44 | token.ken_low << 40 | int(token.ti) << 32 | token.key_part
        case KeyMiddle():
            return token.subclass << 44 | token.sgc_part << 32 | token.key_part
        case KeySupplyGroup():
            return 8 << 44 | int(token.sgc) << 20


def unpack(token_class: int, bits48: int, ea: Ea | None) -> Token:
    """The token behind clear 48 bits; `ea` decides the layout of subclass 8, None for class 1.

    Refuses class 3, reserved and proprietary subclasses, and values the standard does not allow.
    """
    subclass = bits48 >> 44
    rnd, tid, word = bits48 >> 40 & 15, bits48 >> 16 & 0xFFFFFF, bits48 & 0xFFFF
    if token_class == TokenClass.CREDIT and subclass <= CreditKind.TIME_CURRENCY:
        kind = CreditKind(subclass)
        if kind.is_currency:
            return CurrencyCredit(kind=kind, tid=tid, amount_e5=decode_amount20(rnd << _CURRENCY_HIGH_SHIFT | word))
        return UnitsCredit(kind=kind, tid=tid, rnd=rnd, amount_tenths=decode_amount16(word))
    if token_class == TokenClass.TEST:
        return _unpack_test(subclass, bits48)
    if token_class == TokenClass.MANAGEMENT and ea is not None:
        return _unpack_management(subclass, bits48, ea)
    if token_class == TokenClass.RESERVED:
        raise refuse(StsCode.CLASS_RESERVED)
    raise refuse(StsCode.SUBCLASS_UNKNOWN, token_class=token_class, subclass=subclass)


def _unpack_test(subclass: int, bits48: int) -> MeterTest:
    digits = maker_digits_of(subclass)
    maker_code = bits48 & ((1 << 4 * digits) - 1)
    _expect("manufacturer_code", maker_code <= maker_code_high(subclass))
    control = bits48 >> 4 * digits & ((1 << CONTROL_BITS[digits]) - 1)
    return MeterTest(subclass=subclass, maker_code=maker_code, control=control)


def _unpack_management(subclass: int, bits48: int, ea: Ea) -> Token:
    rnd, tid, word = bits48 >> 40 & 15, bits48 >> 16 & 0xFFFFFF, bits48 & 0xFFFF
    if subclass == EXTENDED_SUBCLASS:
        index = word >> 10
        if index == FLAG_INDEX:
            return Extended(tid=tid, rnd=rnd, index=index, flag_index=word >> 1 & 0x1FF, flag_value=word & 1)
        return Extended(tid=tid, rnd=rnd, index=index, control_value=word & 0x3FF)
    if subclass in (3, 4, 8, 9):
        return _unpack_key_part(subclass, bits48, ea)
    if subclass not in _MANAGEMENT_SUBCLASSES:
        raise refuse(StsCode.SUBCLASS_UNKNOWN, token_class=TokenClass.MANAGEMENT.value, subclass=subclass)
    kind = ManagementKind(subclass)
    _expect("register", kind is not ManagementKind.CLEAR_CREDIT or word <= 7 or word == 0xFFFF)
    _expect("pad", kind is not ManagementKind.CLEAR_TAMPER or word == 0)
    return Management(kind=kind, tid=tid, rnd=rnd, value=decode_amount16(word) if kind in POWER_KINDS else word)


def _unpack_key_part(subclass: int, bits48: int, ea: Ea) -> KeyToken:
    nibble, byte, part = bits48 >> 40 & 15, bits48 >> 32 & 0xFF, bits48 & 0xFFFFFFFF
    if subclass == 3:
        krn, flags = byte >> 4, byte & 15
        _expect("krn", KRN_LOW <= krn <= KRN_HIGH)
        return KeyHigh(
            ken_high=nibble,
            krn=krn,
            rollover=flags >> 3,
            three_tokens=bool(flags >> 2 & 1),
            kt=KeyType(flags & 3),
            key_part=part,
        )
    if subclass == 4:
        _expect("ti", byte <= TI_HIGH)
        return KeyLow(ken_low=nibble, ti=f"{byte:02d}", key_part=part)
    if ea is Ea.MISTY1:
        return KeyMiddle(subclass=subclass, sgc_part=bits48 >> 32 & 0xFFF, key_part=part)
    if subclass == 9:  # only a four-token set has one, and only EA11 has four-token sets
        raise refuse(StsCode.SUBCLASS_UNKNOWN, token_class=TokenClass.MANAGEMENT.value, subclass=subclass)
    sgc = bits48 >> 20 & 0xFFFFFF
    _expect("sgc", sgc <= SGC_HIGH)
    _expect("pad", bits48 & 0xFFFFF == 0)
    return KeySupplyGroup(sgc=f"{sgc:06d}")


def _expect(field: str, holds: bool) -> None:
    if not holds:
        raise refuse(StsCode.TOKEN_FIELD, field=field)
