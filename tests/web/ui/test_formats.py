"""Numbers, money, ages and times, as both languages write them."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import translation

from prewatt.web.ui import formats

SHANGHAI = ZoneInfo("Asia/Shanghai")
MONDAY = datetime(2026, 11, 23, 0, 50, tzinfo=UTC)  # 08:50 in Shanghai


@pytest.mark.parametrize(
    ("minor", "currency", "exponent", "text"),
    [
        (216_000, "CNY", 2, "¥2,160.00"),
        (-8_320, "CNY", 2, "\u2212¥83.20"),
        (5, "CNY", 2, "¥0.05"),
        (1_250_000, "UGX", 0, "UGX 1,250,000"),
        (1_500, "JOD", 3, "JOD 1.500"),
    ],
)
def test_money(minor: int, currency: str, exponent: int, text: str) -> None:
    assert formats.money(minor, currency, exponent) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (86_400, "Wh", "86.40"),
        (999_999, "Wh", "999.99"),
        (1_386_700, "Wh", "1,386"),
        (-12_350, "Wh", "\u221212.35"),
        (-9, "Wh", "\u22120.00"),
        (4_408, "CNY", "¥44.08"),
        (None, "Wh", "\u2014"),
    ],
)
def test_a_balance_on_a_tile(value: int | None, unit: str, text: str) -> None:
    assert formats.credit_short(value, unit) == text


@pytest.mark.parametrize(
    ("seconds", "chinese", "english"),
    [(0, "0秒", "0 s"), (59, "59秒", "59 s"), (60, "1分", "1 min"), (34_320, "9时", "9 h"), (200_000, "2天", "2 d")],
)
def test_an_age_is_written_in_its_largest_unit(seconds: int, chinese: str, english: str) -> None:
    with translation.override("zh-hans"):
        assert formats.age_short(seconds) == chinese
        assert formats.ago(seconds) == f"{chinese}前"
    with translation.override("en"):
        assert formats.age_short(seconds) == english


@pytest.mark.parametrize(
    ("seconds", "text"), [(34_320, "9时32分"), (2_820, "47分"), (58, "58秒"), (133_680, "1天13时")]
)
def test_a_duration_has_two_units_at_most(seconds: int, text: str) -> None:
    with translation.override("zh-hans"):
        assert formats.duration(seconds) == text


@pytest.mark.parametrize(("days", "text"), [("0.25", "6时"), ("2.1", "2.1天"), ("12", "12天")])
def test_how_long_the_credit_lasts(days: str, text: str) -> None:
    from decimal import Decimal

    with translation.override("zh-hans"):
        assert formats.left_short(int(Decimal(days) * 86400)) == text


@pytest.mark.parametrize(
    ("before", "text"),
    [
        (timedelta(hours=1), "今天 07:50"),
        (timedelta(hours=10), "昨天 22:50"),
        (timedelta(days=2), "周六 08:50"),
        (timedelta(days=9), "11-14 08:50"),
        (timedelta(days=400), "2025-10-19 08:50"),
    ],
)
def test_a_moment_is_told_as_near_as_needed(before: timedelta, text: str) -> None:
    with translation.override("zh-hans"):
        assert formats.when(MONDAY - before, MONDAY, SHANGHAI) == text


def test_a_day_has_its_weekday_in_both_languages() -> None:
    with translation.override("zh-hans"):
        assert formats.day(MONDAY, SHANGHAI) == "11月23日 周一"
    with translation.override("en"):
        assert formats.day(MONDAY, SHANGHAI) == "Mon 23 Nov"
