"""Identifiers of IEC 62055-41: DRN, IIN, meter PAN, their Luhn digits, and the small numbers of a key.

Digits are text, never a number: leading zeros count. A wrong check digit is refused before anything
else is looked at (sts.md, section 8).
"""

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final

from prewatt.core.sts.refusals import StsCode, in_range, refuse

IIN_11: Final = "600727"  # with a DRN of 11 digits (2-digit maker code)
IIN_13: Final = "0000"  # with a DRN of 13 digits (4-digit maker code)
PAN_DIGITS: Final = 18
KEN_NEVER: Final = 255  # a key with this KEN never expires
KRN_LOW: Final = 1
KRN_HIGH: Final = 9
MAX_DIGITS: Final = 64  # longest digit string a check digit is computed for
_LUHN_DOUBLED: Final = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


class Ea(StrEnum):
    """Encryption algorithm code of a meter; EA09 (DEA) was withdrawn and is not offered for tokens."""

    STA = "07"
    MISTY1 = "11"

    @property
    def key_bytes(self) -> int:
        """Length of its decoder key: 8 or 16."""
        return 8 if self is Ea.STA else 16


class Dkga(StrEnum):
    """Decoder key generation algorithm."""

    DES = "02"
    HMAC = "04"

    @property
    def key_bytes(self) -> int:
        """Length of its vending key: 8 or 20."""
        return 8 if self is Dkga.DES else 20


class KeyType(IntEnum):
    """KT, with the names of the decoder keys."""

    DITK = 0  # factory
    DDTK = 1  # default supply group: may not decrypt credit
    DUTK = 2  # unique to the meter
    DCTK = 3  # common to the supply group; magnetic-card meters


# From which key type a meter may be changed to which (sts.md 5.3; the DDTK row is from memory, mark d).
KEY_CHANGES: Final[dict[KeyType, frozenset[KeyType]]] = {
    KeyType.DITK: frozenset(KeyType),
    KeyType.DDTK: frozenset({KeyType.DDTK, KeyType.DUTK, KeyType.DCTK}),
    KeyType.DUTK: frozenset({KeyType.DUTK, KeyType.DDTK}),
    KeyType.DCTK: frozenset({KeyType.DCTK}),
}


def is_digits(text: str, low: int, high: int) -> bool:
    """True for low..high ASCII digits; other scripts' digits are not digits here."""
    return low <= len(text) <= high and text.isascii() and text.isdigit()


def luhn_digit(digits: str) -> int:
    """The Luhn check digit (0..9) that follows `digits` (1..64 of them)."""
    if not is_digits(digits, 1, MAX_DIGITS):
        raise refuse(StsCode.FIELD_MALFORMED, field="digits", expected=f"1 to {MAX_DIGITS} digits")
    total = 0
    for place, digit in enumerate(reversed(digits)):
        total += _LUHN_DOUBLED[int(digit)] if place % 2 == 0 else int(digit)
    return -total % 10


def luhn_holds(digits: str) -> bool:
    """True when the last digit is the check digit of those before it."""
    return len(digits) > 1 and int(digits[-1]) == luhn_digit(digits[:-1])


def check_drn(drn: str) -> str:
    """A DRN of 11 or 13 digits with a right check digit; refuses anything else."""
    if not is_digits(drn, 11, 13) or len(drn) == 12:
        raise refuse(StsCode.DRN_MALFORMED)
    if not luhn_holds(drn):
        raise refuse(StsCode.DRN_CHECK_DIGIT)
    return drn


@dataclass(frozen=True, kw_only=True, slots=True)
class MeterPan:
    """A meter's primary account number, taken apart: 18 digits = IIN + DRN + Luhn digit."""

    iin: str
    drn: str

    @property
    def digits(self) -> str:
        """The 18 digits."""
        body = self.iin + self.drn
        return body + str(luhn_digit(body))

    @property
    def maker_code(self) -> str:
        """The 2 or 4 digits of the maker, as they stand in the DRN."""
        return self.drn[: len(self.drn) - 9]

    @classmethod
    def parse(cls, digits: str) -> "MeterPan":
        """Refuses wrong lengths, wrong check digits (of the PAN, then of the DRN) and foreign IINs.

        000001000000000082 is IIN 0000 and DRN 0100000000008, not a split at six digits.
        """
        if not is_digits(digits, PAN_DIGITS, PAN_DIGITS):
            raise refuse(StsCode.PAN_MALFORMED)
        if not luhn_holds(digits):
            raise refuse(StsCode.PAN_CHECK_DIGIT)
        iin, drn = split_pan(digits)
        return cls(iin=iin, drn=check_drn(drn))

    @classmethod
    def of_drn(cls, drn: str) -> "MeterPan":
        """The PAN that belongs to a DRN: 600727 before 11 digits, 0000 before 13."""
        check_drn(drn)
        return cls(iin=IIN_11 if len(drn) == 11 else IIN_13, drn=drn)


def split_pan(digits: str) -> tuple[str, str]:
    """(IIN, DRN) of 18 digits, check digits not looked at; refuses a foreign IIN."""
    for iin in (IIN_11, IIN_13):
        if digits.startswith(iin):
            return iin, digits[len(iin) : PAN_DIGITS - 1]
    raise refuse(StsCode.PAN_IIN_UNKNOWN)


def check_sgc(sgc: str) -> str:
    """A supply group code: six digits, as text."""
    if not is_digits(sgc, 6, 6):
        raise refuse(StsCode.FIELD_MALFORMED, field="sgc", expected="6 digits")
    return sgc


def check_ti(ti: str) -> str:
    """A tariff index: two digits, as text."""
    if not is_digits(ti, 2, 2):
        raise refuse(StsCode.FIELD_MALFORMED, field="ti", expected="2 digits")
    return ti


def check_krn(krn: int) -> int:
    """A key revision number: 1..9."""
    return in_range("krn", krn, KRN_LOW, KRN_HIGH)


def check_kt(kt: int) -> KeyType:
    """A key type: 0..3."""
    return KeyType(in_range("kt", kt, KeyType.DITK, KeyType.DCTK))


def check_ken(ken: int) -> int:
    """A key expiry number: 0..255; 255 never expires."""
    return in_range("ken", ken, 0, KEN_NEVER)
