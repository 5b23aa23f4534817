"""What may be asked for: one frozen value per kind of token, its JSON, and the engine's token behind it.

An ask holds neither time nor chance; the token identifier and the random bits are given when the request is stored.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from prewatt.core.refusals import Refused
from prewatt.core.sts import (
    CreditKind,
    CurrencyCredit,
    Extended,
    Management,
    ManagementKind,
    MeterTest,
    Token,
    UnitsCredit,
    decode_amount16,
    decode_amount20,
    encode_amount16,
    encode_amount20,
)
from prewatt.core.sts.tokens import FLAG_INDEX, POWER_KINDS
from prewatt.office.tokens import errors as _errors  # noqa: F401  registers the texts
from prewatt.office.tokens.models import TokenRequest

Kind = TokenRequest.Kind
MONEY_E5_MOST: Final = 10**17  # a credit of 10^12 base units: fits the database's integers, and no purchase is larger


@dataclass(frozen=True, kw_only=True)
class CreditAsk:
    """Credit. `amount` in tenths (0.1 kWh, m3, min), or in 10^-5 base units where `kind` is a currency one."""

    kind: CreditKind
    amount: int
    free: bool = False  # nobody paid: takes two persons


@dataclass(frozen=True, kw_only=True)
class ManagementAsk:
    """Power limit and phase unbalance in W, clear credit by register, clear tamper, tariff rate, water factor."""

    kind: ManagementKind
    amount: int = 0


@dataclass(frozen=True, kw_only=True)
class ExtendedAsk:
    """Class 2 subclass 10: index 0-62 with a control value, or index 63 with a flag."""

    index: int
    control_value: int = 0
    flag_index: int = 0
    flag_value: int = 0


@dataclass(frozen=True, kw_only=True)
class MeterTestAsk:
    """Class 1: start a test or a display. Maker code 0 addresses every make."""

    control: int
    subclass: int = 0
    maker_code: int = 0


@dataclass(frozen=True, kw_only=True)
class KeyChangeAsk:
    """From the key the meter holds to another one; `new_ti` and `rollover` as the tokens will say them."""

    new_key_id: int
    new_ti: str
    rollover: bool
    three_tokens: bool


TimedAsk = CreditAsk | ManagementAsk | ExtendedAsk
Ask = TimedAsk | MeterTestAsk | KeyChangeAsk


def kind_of(ask: Ask) -> Kind:
    """Under which kind the request is stored."""
    match ask:
        case CreditAsk():
            return Kind.FREE_CREDIT if ask.free else Kind.CREDIT
        case ManagementAsk(kind=ManagementKind.CLEAR_CREDIT):
            return Kind.CLEAR_CREDIT
        case ManagementAsk() | ExtendedAsk():
            return Kind.MANAGEMENT
        case MeterTestAsk():
            return Kind.TEST
        case KeyChangeAsk():
            return Kind.KEY_CHANGE


def takes_two(ask: Ask) -> bool:
    """True for credit that nobody paid for, and for clearing what a meter holds."""
    return kind_of(ask) in (Kind.FREE_CREDIT, Kind.CLEAR_CREDIT)


def token(ask: TimedAsk | MeterTestAsk, *, tid: int, rnd: int) -> Token:
    """The engine's token; refuses what the standard refuses, in its order."""
    match ask:
        case CreditAsk() if ask.kind.is_currency:
            return CurrencyCredit(kind=ask.kind, tid=tid, amount_e5=ask.amount)
        case CreditAsk():
            return UnitsCredit(kind=ask.kind, tid=tid, rnd=rnd, amount_tenths=ask.amount)
        case ManagementAsk():
            return Management(kind=ask.kind, tid=tid, rnd=rnd, value=ask.amount)
        case ExtendedAsk():
            return Extended(
                tid=tid, rnd=rnd, index=ask.index, control_value=ask.control_value,
                flag_index=ask.flag_index, flag_value=ask.flag_value,
            )  # fmt: skip
        case MeterTestAsk():
            return MeterTest(subclass=ask.subclass, maker_code=ask.maker_code, control=ask.control)


def carried(ask: Ask) -> int | None:
    """What the token will really carry, known before it is made: tenths, 10^-5 base units, W, or the plain value.

    Refuses what the engine refuses, and credit of nothing (`token_amount_zero`) or above `MONEY_E5_MOST`.
    """
    if isinstance(ask, KeyChangeAsk):
        return None
    token(ask, tid=0, rnd=0)
    match ask:
        case CreditAsk():
            if ask.amount <= 0:
                raise Refused("token_amount_zero")
            if not ask.kind.is_currency:
                return decode_amount16(encode_amount16(ask.amount))
            if ask.amount > MONEY_E5_MOST:
                raise Refused("token_amount_too_large", limit=MONEY_E5_MOST // 10**5)
            return decode_amount20(encode_amount20(ask.amount))
        case ManagementAsk() if ask.kind in POWER_KINDS:
            return decode_amount16(encode_amount16(ask.amount))
        case ManagementAsk():
            return None if ask.kind is ManagementKind.CLEAR_TAMPER else ask.amount
        case ExtendedAsk():
            return ask.flag_value if ask.index == FLAG_INDEX else ask.control_value
    return None


def to_json(ask: Ask) -> dict[str, Any]:
    """The JSON a request keeps; plain numbers and short names."""
    match ask:
        case CreditAsk():
            return {"ask": "credit", "kind": int(ask.kind), "amount": ask.amount, "free": ask.free}
        case ManagementAsk():
            return {"ask": "management", "kind": int(ask.kind), "amount": ask.amount}
        case ExtendedAsk():
            return {
                "ask": "extended", "index": ask.index, "control_value": ask.control_value,
                "flag_index": ask.flag_index, "flag_value": ask.flag_value,
            }  # fmt: skip
        case MeterTestAsk():
            return {"ask": "test", "subclass": ask.subclass, "maker_code": ask.maker_code, "control": ask.control}
        case KeyChangeAsk():
            return {
                "ask": "key_change", "new_key_id": ask.new_key_id, "new_ti": ask.new_ti, "rollover": ask.rollover,
                "three_tokens": ask.three_tokens,
            }  # fmt: skip


def from_json(content: Mapping[str, Any]) -> Ask:
    """The ask behind the JSON of a request. Raises KeyError or ValueError on what this version does not know."""
    fields = {name: part for name, part in content.items() if name != "ask"}
    match content["ask"]:
        case "credit":
            return CreditAsk(**{**fields, "kind": CreditKind(fields["kind"])})
        case "management":
            return ManagementAsk(**{**fields, "kind": ManagementKind(fields["kind"])})
        case "extended":
            return ExtendedAsk(**fields)
        case "test":
            return MeterTestAsk(**fields)
        case "key_change":
            return KeyChangeAsk(**fields)
    raise ValueError(f"no such ask: {content['ask']}")


def digest(*parts: object) -> str:
    """One line for "the same thing was asked": SHA-256 of the parts as JSON."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
