"""TIDs: minutes since a base date, the reserved minute, both ends of the range, UTC and nothing else."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prewatt.core.refusals import Refused
from prewatt.core.sts import BaseDate, StsCode, check_not_expired, is_reserved, next_tid, parse_utc, tid_of, time_of
from prewatt.core.sts.tid import TID_HIGH, special_tid_of, tid_under_key
from tests.core.sts.cases import tids


@pytest.mark.parametrize(
    ("base", "last"),
    [
        (BaseDate.Y1993, "2024-11-24T20:15Z"),
        (BaseDate.Y2014, "2045-11-24T20:15Z"),
        (BaseDate.Y2035, "2066-11-24T20:15Z"),
    ],
)
def test_each_base_date_ends_where_the_standard_says_and_never_wraps(base: BaseDate, last: str) -> None:
    at = parse_utc(last)
    assert tid_of(at, base) == TID_HIGH
    with pytest.raises(Refused) as late:
        tid_of(at + timedelta(minutes=1), base)
    assert late.value.code == StsCode.TIME_AFTER_RANGE
    with pytest.raises(Refused) as early:
        tid_of(base.start - timedelta(seconds=1), base)
    assert early.value.code == StsCode.TIME_BEFORE_BASE_DATE


@pytest.mark.parametrize(
    ("text", "tid"),
    [
        ("2004-04-21T10:01:00Z", 5944921),
        ("2004-04-21T10:01:59.999Z", 5944921),  # seconds are dropped
        ("1993-01-01T00:00Z", 0),
        ("1993-01-01T00:01Z", 2),  # the reserved minute is stepped over
        ("1993-01-01T00:01:30+00:00", 2),
        ("1993-01-01T00:02Z", 2),
        ("1993-01-02T00:01Z", 1442),
    ],
)
def test_minutes_are_counted_in_utc_and_the_reserved_one_is_left_out(text: str, tid: int) -> None:
    assert tid_of(parse_utc(text), BaseDate.Y1993) == tid


@given(tids, st.sampled_from(BaseDate))
def test_time_and_tid_are_inverse_outside_the_reserved_minute(tid: int, base: BaseDate) -> None:
    back = tid_of(time_of(tid, base), base)
    assert back == (tid + 1 if is_reserved(tid) else tid)


@given(st.integers(0, TID_HIGH - 2))
def test_the_next_free_minute_is_later_and_never_the_reserved_one(tid: int) -> None:
    following = next_tid(tid, BaseDate.Y2014)
    assert tid < following <= tid + 2
    assert not is_reserved(following)


def test_special_tokens_take_the_reserved_minute_of_their_day() -> None:
    at = datetime(2020, 5, 17, 13, 40, tzinfo=UTC)
    assert time_of(special_tid_of(at, BaseDate.Y2014), BaseDate.Y2014) == datetime(2020, 5, 17, 0, 1, tzinfo=UTC)


def test_after_the_last_minute_there_is_no_next_one() -> None:
    with pytest.raises(Refused) as refusal:
        next_tid(TID_HIGH, BaseDate.Y2014)
    assert refusal.value.code == StsCode.TIME_AFTER_RANGE


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("2020-01-01T00:00:00+08:00", StsCode.TIME_NOT_UTC),
        ("2020-01-01T00:00:00-00:30", StsCode.TIME_NOT_UTC),
        ("2020-01-01T00:00:00", StsCode.TIME_NOT_UTC),
        ("2020-02-30T00:00:00Z", StsCode.FIELD_MALFORMED),
        ("2020-01-01T24:00:00Z", StsCode.FIELD_MALFORMED),
        ("2020-01-01", StsCode.FIELD_MALFORMED),
        ("2020-1-1T00:00:00Z", StsCode.FIELD_MALFORMED),
        ("２０２０-01-01T00:00:00Z", StsCode.FIELD_MALFORMED),
        ("", StsCode.FIELD_MALFORMED),
    ],
)
def test_a_time_that_is_not_plainly_utc_is_refused(text: str, code: StsCode) -> None:
    with pytest.raises(Refused) as refusal:
        parse_utc(text)
    assert refusal.value.code == code


def test_a_time_in_another_zone_is_refused_also_as_a_value() -> None:
    with pytest.raises(Refused) as refusal:
        tid_of(datetime(2020, 1, 1, tzinfo=timezone(timedelta(hours=2))), BaseDate.Y2014)
    assert refusal.value.code == StsCode.TIME_NOT_UTC


@pytest.mark.parametrize(
    ("ken", "base", "last"),
    [
        (85, BaseDate.Y1993, "2003-09-19T22:55Z"),
        (170, BaseDate.Y1993, "2014-04-23T09:35Z"),
        (254, BaseDate.Y1993, "2024-10-10T07:59Z"),
        (85, BaseDate.Y2014, "2024-09-18T22:55Z"),
        (170, BaseDate.Y2014, "2035-04-23T09:35Z"),
        (254, BaseDate.Y2035, "2066-10-10T07:59Z"),
    ],
)
def test_a_key_expires_with_its_block_of_minutes(ken: int, base: BaseDate, last: str) -> None:
    at = parse_utc(last)
    check_not_expired(tid_of(at, base), ken)
    with pytest.raises(Refused) as refusal:
        check_not_expired(tid_of(at + timedelta(minutes=1), base), ken)
    assert refusal.value.code == "key_expired"


def test_behind_the_range_a_key_that_can_expire_has_expired() -> None:
    at = parse_utc("2025-01-01T00:00Z")
    with pytest.raises(Refused) as refusal:
        tid_under_key(at, BaseDate.Y1993, 254)
    assert refusal.value.code == StsCode.KEY_EXPIRED
    with pytest.raises(Refused) as refusal:
        tid_under_key(at, BaseDate.Y1993, 255)
    assert refusal.value.code == StsCode.TIME_AFTER_RANGE


def test_a_year_that_is_no_base_date_is_refused() -> None:
    with pytest.raises(Refused) as refusal:
        BaseDate.of(2000)
    assert refusal.value.code == StsCode.BASE_DATE_UNKNOWN
