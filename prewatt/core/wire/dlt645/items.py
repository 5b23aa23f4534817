"""Fields of a data block: how each is written and what it says (DL/T 645-2007 annex A).

A field's value is a decimal string as the meter displays it, so that nothing is lost on the way: digits
of a count keep their zeros, a word of bits is hex, a moment is `YYYY-MM-DD hh:mm:ss` of the meter's clock.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, auto
from typing import Final

from prewatt.core.wire.dlt645 import bcd
from prewatt.core.wire.errors import RemoteProtocolError

CENTURY: Final = 2000  # years travel as two digits


class Kind(StrEnum):
    """How the bytes of a field are read; all but RAW are written lowest byte first."""

    NUMBER = auto()  # packed BCD with decimals; without any it keeps its zeros, as the meter displays it
    DIGITS = auto()  # packed BCD shown digit for digit
    HEX = auto()  # any bits, highest byte first
    BITS = auto()  # a word of flags with names
    RAW = auto()  # hex in wire order
    MOMENT = auto()  # BCD date or time, `form` in wire order
    TEXT = auto()  # ASCII
    BINARY = auto()  # unsigned integer


class Fault(StrEnum):
    """Why a field has no value."""

    NO_VALUE = "no_value"  # full of FF: the meter has none
    BAD_VALUE = "bad_value"  # the frame is good, the field is not


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One field of `size` bytes. `form` (MOMENT) names each byte: ss mm hh DD MM YY, WW for the weekday."""

    name: str
    size: int
    kind: Kind = Kind.NUMBER
    decimals: int = 0
    signed: bool = False
    unit: str = ""
    form: str = ""
    bits: tuple[str, ...] = ()
    settlement: int = 0  # 0 now, m = at the m-th last settlement


@dataclass(frozen=True, kw_only=True, slots=True)
class Value:
    """What a field says. `value` is None exactly when `fault` says why; `bits` are the flags that are set."""

    name: str
    value: str | None
    unit: str = ""
    fault: Fault | None = None
    bits: tuple[str, ...] = ()
    settlement: int = 0


def value_of(item: Item, data: bytes) -> Value:
    """The value of one field; `data` has the item's size."""
    assert len(data) == item.size, (item, len(data))
    fault: Fault | None = None
    bits: tuple[str, ...] = ()
    text: str | None = None
    if bcd.is_nothing(data) and item.kind not in (Kind.HEX, Kind.RAW, Kind.BINARY):
        fault = Fault.NO_VALUE
    else:
        text = _text(item, data)
        fault = Fault.BAD_VALUE if text is None else None
        if item.kind is Kind.BITS:
            bits = flags(item.bits, int.from_bytes(data, "little"))
    return Value(name=item.name, value=text, unit=item.unit, fault=fault, bits=bits, settlement=item.settlement)


def flags(names: tuple[str, ...], word: int) -> tuple[str, ...]:
    """The names of the bits that are set, lowest first; a bit without a name is `bit_n`."""
    known = dict(enumerate(names))
    return tuple(known.get(bit) or f"bit_{bit}" for bit in range(word.bit_length()) if word >> bit & 1)


def _text(item: Item, data: bytes) -> str | None:
    match item.kind:
        case Kind.NUMBER:
            return _number(item, data)
        case Kind.DIGITS:
            return _digits(data)
        case Kind.HEX | Kind.BITS:
            return data[::-1].hex().upper()
        case Kind.RAW:
            return data.hex().upper()
        case Kind.MOMENT:
            return moment(data, item.form)
        case Kind.TEXT:
            text = data[::-1].strip(b"\x00 ")
            return text.decode("ascii") if all(32 <= byte < 127 for byte in text) else None
        case Kind.BINARY:
            return str(int.from_bytes(data, "little"))


def _number(item: Item, data: bytes) -> str | None:
    if not item.decimals and not item.signed:
        return _digits(data)
    try:
        value = bcd.read(data, signed=item.signed)
    except RemoteProtocolError:
        return None
    return None if value is None else bcd.show(value, item.decimals)


def _digits(data: bytes) -> str | None:
    digits = data[::-1].hex()
    return digits if digits.isdecimal() else None


def moment(data: bytes, form: str) -> str | None:
    """BCD bytes as `YYYY-MM-DD hh:mm:ss`, as much of it as `form` has; None for what is no date or time."""
    digits = data.hex()
    if len(digits) != len(form) or not digits.isdecimal():
        return None
    part = {form[at : at + 2]: int(digits[at : at + 2]) for at in range(0, len(form), 2)}
    try:
        point = datetime(
            CENTURY + part.get("YY", 0),
            part.get("MM", 1),
            part.get("DD", 1),
            part.get("hh", 0),
            part.get("mm", 0),
            part.get("ss", 0),
        )
    except ValueError:
        return None
    date = "%Y-%m-%d" if "YY" in part else "%m-%d" if "MM" in part else "%d" if "DD" in part else ""
    hour = "%H:%M:%S" if "ss" in part else "%H:%M" if "mm" in part else "%H" if "hh" in part else ""
    return point.strftime(f"{date} {hour}".strip())
