"""Token identifiers: minutes since a base date, in UTC, with the reserved minute of each day.

A TID is 24 bits. It is never wrapped: a time before the base date or after the last minute is refused.
00:01 of every day is reserved for special tokens; an ordinary token that would fall there takes 00:02
(sts.md, section 3.4).
"""

import re
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Final

from prewatt.core.sts.ids import KEN_NEVER
from prewatt.core.sts.refusals import StsCode, in_range, refuse

TID_HIGH: Final = 0xFFFFFF
MINUTES_PER_DAY: Final = 1440
RESERVED_MINUTE: Final = 1  # 00:01
_TIME: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d)(?::(\d\d)(?:[.,]\d{1,9})?)?(Z|z|[+-]\d\d(?::?\d\d)?)?", re.ASCII
)


class BaseDate(IntEnum):
    """The base years; base dates are 1 January, 00:00 UTC."""

    Y1993 = 1993
    Y2014 = 2014
    Y2035 = 2035

    @property
    def code(self) -> str:
        """The two digits DKGA04 binds into a key: 93, 14, 35."""
        return f"{self.value % 100:02d}"

    @property
    def start(self) -> datetime:
        return _STARTS[self]

    @property
    def last_minute(self) -> datetime:
        """The time of TID FFFFFFh."""
        return self.start + timedelta(minutes=TID_HIGH)

    @classmethod
    def of(cls, year: int) -> "BaseDate":
        """Refuses every year but the three."""
        if year not in _YEARS:
            raise refuse(StsCode.BASE_DATE_UNKNOWN)
        return cls(year)


_STARTS: Final = {base: datetime(base.value, 1, 1, tzinfo=UTC) for base in BaseDate}
_YEARS: Final = frozenset(base.value for base in BaseDate)


def parse_utc(text: str) -> datetime:
    """An ISO 8601 time of the form 2004-04-21T10:01[:00[.000]]Z (or +00:00).

    Refuses every other offset and a time without one: a TID hours off is an expired or a future token.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise refuse(StsCode.FIELD_MALFORMED, field="issued_at", expected="an ISO 8601 time in UTC")
    *numbers, zone = match.groups()
    if zone is None or (zone not in ("Z", "z") and zone.strip("+-0:")):
        raise refuse(StsCode.TIME_NOT_UTC)
    year, month, day, hour, minute, second = (int(number or 0) for number in numbers)
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        raise refuse(StsCode.FIELD_MALFORMED, field="issued_at", expected="a time that exists") from None


def is_reserved(tid: int) -> bool:
    """True for 00:01 of any day."""
    return tid % MINUTES_PER_DAY == RESERVED_MINUTE


def tid_of(at: datetime, base: BaseDate) -> int:
    """The TID of an ordinary token issued `at` (aware, UTC); seconds are dropped, 00:01 becomes 00:02."""
    minutes = minutes_since(at, base)
    return minutes + 1 if is_reserved(minutes) else minutes


def tid_or_expired(at: datetime, base: BaseDate, ken: int) -> int:
    """`tid_of`; behind the whole range a key that can expire has expired, and that is what is said."""
    if ken < KEN_NEVER and at.utcoffset() == timedelta(0) and at >= base.last_minute + timedelta(minutes=1):
        raise refuse(StsCode.KEY_EXPIRED, block=(at - base.start) // timedelta(minutes=1) >> 16, ken=ken)
    return tid_of(at, base)


def tid_under_key(at: datetime, base: BaseDate, ken: int) -> int:
    """The TID of a token issued `at` under a key of this KEN; refuses an expired key."""
    tid = tid_or_expired(at, base, ken)
    check_not_expired(tid, ken)
    return tid


def special_tid_of(at: datetime, base: BaseDate) -> int:
    """The reserved minute of the day of `at`, for special tokens."""
    minutes = minutes_since(at, base)
    return minutes - minutes % MINUTES_PER_DAY + RESERVED_MINUTE


def minutes_since(at: datetime, base: BaseDate) -> int:
    """Whole minutes since the base date; refuses naive and non-UTC times and both ends of the range."""
    if at.utcoffset() != timedelta(0):
        raise refuse(StsCode.TIME_NOT_UTC)
    minutes = (at - base.start) // timedelta(minutes=1)
    if minutes < 0:
        raise refuse(StsCode.TIME_BEFORE_BASE_DATE, base_date=base.value)
    if minutes > TID_HIGH:
        raise refuse(StsCode.TIME_AFTER_RANGE, base_date=base.value)
    return minutes


def next_tid(tid: int, base: BaseDate) -> int:
    """The next free minute after `tid` for the same meter; the reserved minute is never handed out."""
    following = check_tid(tid) + 1
    if is_reserved(following):
        following += 1
    if following > TID_HIGH:
        raise refuse(StsCode.TIME_AFTER_RANGE, base_date=base.value)
    return following


def time_of(tid: int, base: BaseDate) -> datetime:
    """The minute a TID stands for, UTC."""
    return base.start + timedelta(minutes=check_tid(tid))


def check_tid(tid: int) -> int:
    """A TID: 0..16777215."""
    return in_range("tid", tid, 0, TID_HIGH)


def check_not_expired(tid: int, ken: int) -> None:
    """Refuses a token whose time lies after the key's last block of 65,536 minutes (sts.md, 3.6)."""
    if tid >> 16 > ken:
        raise refuse(StsCode.KEY_EXPIRED, block=tid >> 16, ken=ken)
