"""Token values <-> the named fields of the JSON-lines interface."""

from typing import Any, Final

from prewatt.core.sts import fields
from prewatt.core.sts.amounts import parse_currency, show_currency
from prewatt.core.sts.codec import Decoded
from prewatt.core.sts.fields import Request, malformed, present
from prewatt.core.sts.ids import is_digits
from prewatt.core.sts.keys import DecoderKey
from prewatt.core.sts.refusals import StsCode, refuse
from prewatt.core.sts.tid import time_of
from prewatt.core.sts.tokens import (
    CONTROL_BITS,
    EXTENDED_READ,
    EXTENDED_SUBCLASS,
    FLAG_INDEX,
    KEY_SUBCLASSES,
    CreditKind,
    CurrencyCredit,
    Extended,
    KeyHigh,
    KeyLow,
    KeyMiddle,
    KeySupplyGroup,
    Management,
    ManagementKind,
    MeterTest,
    Token,
    TokenClass,
    UnitsCredit,
    maker_digits_of,
)

Fields = dict[str, Any]
# Published cases use 5. A vending system passes the low bits of a fast counter; a fixed default keeps a
# repeated request repeatable.
RND_DEFAULT: Final = 5
_PAYLOAD_HEX: Final = 11  # 44 bits
VALUE_FIELDS: Final = {
    ManagementKind.POWER_LIMIT: "power_w",
    ManagementKind.CLEAR_CREDIT: "register",
    ManagementKind.TARIFF_RATE: "rate",
    ManagementKind.PHASE_UNBALANCE: "power_w",
    ManagementKind.WATER_FACTOR: "factor",
}
_ALL_VALUES: Final = ("amount_tenths", "amount_currency", "power_w", "register", "rate", "factor", "index")


def read_token(request: Request, token_class: TokenClass, key: DecoderKey | None) -> Token:
    """The token an `encode` request describes; refuses values that belong to another subclass."""
    subclass = fields.bounded(request, "subclass", 0, 15)
    if token_class is TokenClass.RESERVED:
        raise refuse(StsCode.CLASS_RESERVED)
    if token_class is TokenClass.TEST:
        return _read_test(request, subclass)
    assert key is not None, "the caller reads the key of classes 0 and 2"
    if token_class is TokenClass.CREDIT and subclass <= CreditKind.TIME_CURRENCY:
        return _read_credit(request, CreditKind(subclass), key)
    if token_class is TokenClass.MANAGEMENT and subclass == EXTENDED_SUBCLASS:
        return _read_extended(request, key)
    if token_class is TokenClass.MANAGEMENT and subclass in KEY_SUBCLASSES:
        raise malformed("subclass", "one that is not a key change: use the operation key_change")
    if token_class is TokenClass.MANAGEMENT and subclass in frozenset(kind.value for kind in ManagementKind):
        return _read_management(request, ManagementKind(subclass), key)
    raise refuse(StsCode.SUBCLASS_UNKNOWN, token_class=token_class.value, subclass=subclass)


def _only_value(request: Request, wanted: str | None) -> None:
    """Refuses a value that this subclass does not carry, and a missing one."""
    for field in _ALL_VALUES:
        if field != wanted and present(request, field):
            raise refuse(StsCode.FIELDS_CONFLICT, field=field, other="subclass")
    if wanted is not None:
        fields.required(request, wanted)


def _rnd(request: Request) -> int:
    return fields.whole(request, "rnd") if present(request, "rnd") else RND_DEFAULT


def _read_credit(request: Request, kind: CreditKind, key: DecoderKey) -> Token:
    _only_value(request, "amount_currency" if kind.is_currency else "amount_tenths")
    tid = fields.token_time(request, key.base_date, key.ken)
    if kind.is_currency:  # no RND: its place is taken by the amount
        return CurrencyCredit(kind=kind, tid=tid, amount_e5=parse_currency(fields.decimal(request, "amount_currency")))
    return UnitsCredit(kind=kind, tid=tid, rnd=_rnd(request), amount_tenths=fields.whole(request, "amount_tenths"))


def _read_management(request: Request, kind: ManagementKind, key: DecoderKey) -> Management:
    name = VALUE_FIELDS.get(kind)
    _only_value(request, name)
    tid = fields.token_time(request, key.base_date, key.ken)
    value = fields.whole(request, name) if name else 0
    return Management(kind=kind, tid=tid, rnd=_rnd(request), value=value)


def _read_extended(request: Request, key: DecoderKey) -> Extended:
    _only_value(request, "index")
    tid, index = fields.token_time(request, key.base_date, key.ken), fields.whole(request, "index")
    wanted, other = ("flag_index", "control_value") if index == FLAG_INDEX else ("control_value", "flag_index")
    if present(request, other):
        raise refuse(StsCode.FIELDS_CONFLICT, field=other, other="index")
    if index == FLAG_INDEX:
        flag_index, flag_value = fields.whole(request, wanted), fields.whole(request, "flag_value")
        return Extended(tid=tid, rnd=_rnd(request), index=index, flag_index=flag_index, flag_value=flag_value)
    return Extended(tid=tid, rnd=_rnd(request), index=index, control_value=fields.whole(request, wanted))


def _read_test(request: Request, subclass: int) -> MeterTest:
    digits = maker_digits_of(subclass)
    _only_value(request, None)
    if present(request, "manufacturer_code_digits"):
        given = fields.whole(request, "manufacturer_code_digits")
        if given not in CONTROL_BITS:
            raise malformed("manufacturer_code_digits", "2 or 4")
        if given != digits:
            raise refuse(StsCode.FIELDS_CONFLICT, field="manufacturer_code_digits", other="subclass")
    control = fields.hex_text(request, "control", 1, _PAYLOAD_HEX)
    if subclass == EXTENDED_READ and len(control) == _PAYLOAD_HEX and not present(request, "manufacturer_code"):
        # the extended read token as its whole 44 bits
        return MeterTest(subclass=subclass, maker_code=int(control[-2:], 16), control=int(control[:-2], 16))
    maker_code = (
        0 if subclass == EXTENDED_READ and not present(request, "manufacturer_code") else _maker_code(request, digits)
    )
    return MeterTest(subclass=subclass, maker_code=maker_code, control=int(control, 16))


def _maker_code(request: Request, digits: int) -> int:
    """A number, or its digits as text with leading zeros."""
    value = fields.required(request, "manufacturer_code")
    if isinstance(value, str):
        if not is_digits(value, digits, digits):
            raise malformed("manufacturer_code", f"{digits} digits")
        return int(value)
    return fields.whole(request, "manufacturer_code")


def describe(decoded: Decoded, key: DecoderKey | None) -> Fields:
    """The fields of a decoded token by the names of the interface; `issued_at` when the base date is known."""
    found: Fields = {
        "token_class": decoded.token_class.value,
        "subclass": decoded.subclass,
        "block": f"{decoded.bits48:012x}",
        **_fields_of(decoded.token),
    }
    if "tid" in found and key is not None and key.base_date is not None:
        found["issued_at"] = f"{time_of(found['tid'], key.base_date):%Y-%m-%dT%H:%M:%SZ}"
    return found


def _fields_of(token: Token) -> Fields:
    match token:
        case UnitsCredit():
            return {"rnd": token.rnd, "tid": token.tid, "amount_tenths": token.amount_tenths}
        case CurrencyCredit():
            return {"tid": token.tid, "amount_currency": show_currency(token.amount_e5)}
        case MeterTest():
            return {
                "manufacturer_code_digits": token.maker_digits,
                "manufacturer_code": token.maker_code,
                "control": f"{token.control:0{CONTROL_BITS[token.maker_digits] // 4}x}",
            }
        case Management():
            name = VALUE_FIELDS.get(token.kind)
            return {"rnd": token.rnd, "tid": token.tid, **({name: token.value} if name else {})}
        case Extended(index=index) if index == FLAG_INDEX:
            flag = {"flag_index": token.flag_index, "flag_value": token.flag_value}
            return {"rnd": token.rnd, "tid": token.tid, "index": index, **flag}
        case Extended():
            value = token.control_value
            return {"rnd": token.rnd, "tid": token.tid, "index": token.index, "control_value": value}
        case KeyHigh():
            return {
                "ken_high": token.ken_high,
                "krn": token.krn,
                "rollover": token.rollover,
                "three_tokens": token.three_tokens,
                "kt": int(token.kt),
                "key_part": f"{token.key_part:08x}",
            }
        case KeyLow():
            return {"ken_low": token.ken_low, "ti": token.ti, "key_part": f"{token.key_part:08x}"}
        case KeyMiddle():
            name = "sgc_low" if token.subclass == 8 else "sgc_high"
            return {name: token.sgc_part, "key_part": f"{token.key_part:08x}"}
        case KeySupplyGroup():
            number = int(token.sgc)
            return {"sgc": token.sgc, "sgc_low": number & 0xFFF, "sgc_high": number >> 12}
