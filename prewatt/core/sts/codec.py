"""Encode and decode tokens under a decoder key.

`encode` refuses what the issuer must refuse (an expired key above all) and says what the token really
carries; `decode` takes twenty digits apart. Class 1 tokens need no key.
"""

from dataclasses import dataclass

from prewatt.core.sts.amounts import decode_amount16, decode_amount20
from prewatt.core.sts.crc import block_crc
from prewatt.core.sts.ids import Ea
from prewatt.core.sts.keys import DecoderKey
from prewatt.core.sts.layout import from_digits, insert_class, pack, remove_class, to_digits, unpack
from prewatt.core.sts.refusals import StsCode, refuse
from prewatt.core.sts.tid import check_not_expired
from prewatt.core.sts.tokens import (
    FLAG_INDEX,
    POWER_KINDS,
    CurrencyCredit,
    Extended,
    Management,
    ManagementKind,
    Token,
    TokenClass,
    UnitsCredit,
    class_of,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Encoded:
    """A finished token. `bits48` are the clear bits from the subclass on.

    `carried` is what the token really carries in the unit asked: tenths, 10^-5 base units, W, or the
    plain value; None where there is no value (class 1, clear tamper, key change).
    """

    digits: str
    bits48: int
    tid: int | None
    carried: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Decoded:
    """A token taken apart; its CRC held."""

    token_class: TokenClass
    subclass: int
    bits48: int
    token: Token


def encode(token: Token, key: DecoderKey | None = None) -> Encoded:
    """Twenty digits. Refuses a token whose TID lies behind the key's expiry; class 1 takes no key."""
    tid: int | None = None
    if isinstance(token, UnitsCredit | CurrencyCredit | Management | Extended):
        tid = token.tid
        assert key is not None, "classes 0 and 2 are encrypted"
        if tid >> 16 > key.ken:
            check_not_expired(tid, key.ken)
    bits48 = pack(token)
    return Encoded(
        digits=digits_of(class_of(token), bits48, key), bits48=bits48, tid=tid, carried=_carried(token, bits48)
    )


def digits_of(token_class: TokenClass, bits48: int, key: DecoderKey | None) -> str:
    """Clear 48 bits -> CRC, cipher, class, digits. The class must not be reserved."""
    assert token_class is not TokenClass.RESERVED, "class 3 is reserved"
    block = bits48 << 16 | block_crc(token_class, bits48)
    if token_class is not TokenClass.TEST:
        assert key is not None, "classes 0 and 2 are encrypted"
        block = key.cipher().encrypt(block)
    return to_digits(insert_class(block, token_class))


def _carried(token: Token, bits48: int) -> int | None:
    match token:
        case UnitsCredit():
            return decode_amount16(bits48 & 0xFFFF)
        case CurrencyCredit():
            return decode_amount20(bits48 >> 24 & 0xF0000 | bits48 & 0xFFFF)
        case Management():
            if token.kind in POWER_KINDS:
                return decode_amount16(bits48 & 0xFFFF)
            return None if token.kind is ManagementKind.CLEAR_TAMPER else token.value
        case Extended():
            return token.flag_value if token.index == FLAG_INDEX else token.control_value
        case _:
            return None


def needs_key(digits: str) -> bool:
    """False for class 1 (and the reserved class 3), whose bits are in clear."""
    return remove_class(from_digits(digits))[0] in (TokenClass.CREDIT, TokenClass.MANAGEMENT)


def decode(digits: str, key: DecoderKey | None = None) -> Decoded:
    """Refuses, in this order: malformed digits, class 3, a missing key, a wrong CRC, unknown layouts."""
    token_class, bits48, ea = open_block(digits, key)
    token = unpack(token_class, bits48, ea)
    return Decoded(token_class=token_class, subclass=bits48 >> 44, bits48=bits48, token=token)


def open_block(digits: str, key: DecoderKey | None) -> tuple[TokenClass, int, Ea | None]:
    """Digits -> class, the clear 48 bits behind a right CRC, and the EA that applies (None for class 1)."""
    class_bits, block = remove_class(from_digits(digits))
    token_class = TokenClass(class_bits)
    if token_class is TokenClass.RESERVED:
        raise refuse(StsCode.CLASS_RESERVED)
    ea: Ea | None = None
    if token_class is not TokenClass.TEST:
        if key is None:
            raise refuse(StsCode.FIELD_MISSING, field="key")
        block, ea = key.cipher().decrypt(block), key.ea
    if block & 0xFFFF != block_crc(token_class, block >> 16):
        raise refuse(StsCode.TOKEN_CRC)
    return token_class, block >> 16, ea
