"""Packed BCD, lowest pair first, as DL/T 645-2007 writes numbers (annex A)."""

from typing import Final

from prewatt.core.wire.errors import LocalProtocolError, RemoteProtocolError

SIGN: Final = 0x80  # top bit of the highest byte: 1 is minus
NOTHING: Final = 0xFF


def is_nothing(data: bytes) -> bool:
    """A field full of FF: the meter has no such value."""
    return bool(data) and data.count(NOTHING) == len(data)


def read(data: bytes, *, signed: bool = False) -> int | None:
    """The integer in a field, None for "no value"; raises RemoteProtocolError `not_bcd`."""
    if is_nothing(data):
        return None
    minus = signed and bool(data) and bool(data[-1] & SIGN)
    high = bytes((data[-1] & ~SIGN & 0xFF,)) if minus else data[-1:]
    digits = (data[:-1] + high)[::-1].hex()
    if not digits.isdecimal():
        raise RemoteProtocolError("not_bcd", data[:16].hex())
    return -int(digits) if minus else int(digits)


def write(value: int | None, size: int, *, signed: bool = False) -> bytes:
    """`value` in `size` bytes, None as FF; raises LocalProtocolError `value` for what does not fit."""
    if value is None:
        return bytes((NOTHING,)) * size
    digits = str(abs(value)).rjust(2 * size, "0")
    if len(digits) > 2 * size or (value < 0 and not signed) or (signed and digits[0] in "89"):
        raise LocalProtocolError("value", f"{value} does not fit {size} bytes")
    data = bytearray(bytes.fromhex(digits)[::-1])
    if value < 0:
        data[-1] |= SIGN
    return bytes(data)


def show(value: int, decimals: int) -> str:
    """A decimal string with exactly `decimals` places, the way the meter displays it."""
    if decimals == 0:
        return str(value)
    digits = str(abs(value)).rjust(decimals + 1, "0")
    return f"{'-' if value < 0 else ''}{digits[:-decimals]}.{digits[-decimals:]}"
