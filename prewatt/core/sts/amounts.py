"""The value codes of tokens: exponent and mantissa, 16 bits for units, 20 bits for currency.

value = 10^e x m + sum over n = 1..e of 2^14 x 10^(n-1), with m of 14 bits. Whatever is between two
representable values goes the customer's way: up when positive, towards zero when negative. The caller
gets back what the token really carries and must book that (sts.md, sections 3.2 and 3.3).
"""

import re
from bisect import bisect_right
from typing import Final

from prewatt.core.sts.refusals import StsCode, refuse

_MANTISSAS: Final = 1 << 14
_TOP_MANTISSA: Final = _MANTISSAS - 1
_EXPONENTS_20: Final = 32
# lowest value of each exponent: 0, 16384, 180224, 1818624, ...
_LOWEST: Final[tuple[int, ...]] = tuple(_MANTISSAS * (10**e - 1) // 9 for e in range(_EXPONENTS_20))
_STEPS: Final[tuple[int, ...]] = tuple(10**e for e in range(_EXPONENTS_20))
AMOUNT16_MAX: Final = _LOWEST[3] + _TOP_MANTISSA * _STEPS[3]  # 18,201,624: tenths, or watts
# The formula's own top. A vendor's interface quotes 1.6383e30 base units, which leaves out the sum.
AMOUNT20_MAX_E5: Final = _LOWEST[31] + _TOP_MANTISSA * _STEPS[31]
CURRENCY_DECIMALS: Final = 5  # currency amounts are integers of 10^-5 base unit
_SIGN_20: Final = 1 << 19
# 31 digits before the point reach the top of the code; 40 after it are more than any money has
_DECIMAL: Final = re.compile(r"(-?)(\d{1,40})(?:\.(\d{1,40}))?", re.ASCII)


def _encode_up(value: int) -> int:
    """exponent << 14 | mantissa of the smallest representable value >= `value`."""
    exponent = bisect_right(_LOWEST, value) - 1
    step = _STEPS[exponent]
    mantissa = (value - _LOWEST[exponent] + step - 1) // step
    if mantissa > _TOP_MANTISSA:  # between the top of one exponent and the bottom of the next
        return (exponent + 1) << 14
    return exponent << 14 | mantissa


def _encode_down(value: int) -> int:
    """exponent << 14 | mantissa of the largest representable value <= `value`."""
    exponent = bisect_right(_LOWEST, value) - 1
    return exponent << 14 | min((value - _LOWEST[exponent]) // _STEPS[exponent], _TOP_MANTISSA)


def _decode(code: int) -> int:
    exponent = code >> 14
    return _LOWEST[exponent] + (code & _TOP_MANTISSA) * _STEPS[exponent]


def encode_amount16(value: int) -> int:
    """The 16-bit field for 0..18201624 (0.1 kWh, 0.1 m3, 0.1 min, or 1 W), rounded up."""
    if 0 <= value < _MANTISSAS:
        return value
    if value < 0:
        raise refuse(StsCode.AMOUNT_NEGATIVE)
    if value > AMOUNT16_MAX:
        raise refuse(StsCode.AMOUNT_TOO_LARGE, limit=AMOUNT16_MAX)
    return _encode_up(value)


def decode_amount16(field: int) -> int:
    """What a 16-bit field carries."""
    assert 0 <= field <= 0xFFFF, field
    return _decode(field)


def amount16_from(value: int) -> int:
    """What the smallest token of at least `value` carries. Refuses as `encode_amount16`."""
    return decode_amount16(encode_amount16(value))


def amount16_within(value: int) -> int:
    """What the largest token of at most `value` (0 or more) carries."""
    assert value >= 0, value
    return _decode(_encode_down(min(value, AMOUNT16_MAX)))


def encode_amount20(amount_e5: int) -> int:
    """The 20-bit field (sign, 5 bits exponent, 14 bits mantissa) of an amount in 10^-5 base units.

    A negative amount never grows in magnitude; one that vanishes becomes plain zero.
    """
    if abs(amount_e5) > AMOUNT20_MAX_E5:
        raise refuse(StsCode.AMOUNT_TOO_LARGE, limit=show_currency(AMOUNT20_MAX_E5))
    if amount_e5 >= 0:
        return _encode_up(amount_e5)
    return _SIGN_20 | _encode_down(-amount_e5)


def decode_amount20(field: int) -> int:
    """What a 20-bit field carries, in 10^-5 base units; a negative zero is zero."""
    assert 0 <= field < 1 << 20, field
    magnitude = _decode(field & ~_SIGN_20)
    return -magnitude if field & _SIGN_20 else magnitude


def parse_currency(text: str) -> int:
    """A decimal string of base units -> 10^-5 base units; finer digits round as the field does."""
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise refuse(StsCode.FIELD_MALFORMED, field="amount", expected="a decimal string such as 12.34")
    sign, whole, fraction = match[1], match[2], match[3] or ""
    amount = int(whole + fraction[:CURRENCY_DECIMALS].ljust(CURRENCY_DECIMALS, "0"))
    if sign:
        return -amount
    return amount + 1 if fraction[CURRENCY_DECIMALS:].strip("0") else amount


def show_currency(amount_e5: int) -> str:
    """10^-5 base units -> the shortest decimal string of base units: 10000624 -> 100.00624."""
    whole, fraction = divmod(abs(amount_e5), 10**CURRENCY_DECIMALS)
    decimals = f"{fraction:0{CURRENCY_DECIMALS}d}".rstrip("0")
    return f"{'-' if amount_e5 < 0 else ''}{whole}{'.' if decimals else ''}{decimals}"
