"""Loads follow the published profiles, re-timed to a mall and a dormitory."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from prewatt.field.simulator.fields import Load, LoadKind
from prewatt.field.simulator.town import RECIPES, LiveLoad, _published, day_w, load_curve, power_w

SHANGHAI = ZoneInfo("Asia/Shanghai")
KINDS = sorted(RECIPES)
WORKDAY = date(2026, 1, 14)
SUMMER_DAY = date(2026, 7, 15)


def mean_w(load: Load, day: date, start_hour: int, end_hour: int) -> int:
    quarters = day_w(load, day)[start_hour * 4 : end_hour * 4]
    return sum(quarters) // len(quarters)


@pytest.mark.parametrize("name", ["h25", "g25"])
def test_the_data_is_the_published_one(name: str) -> None:
    """A year of 1,000,000 kWh over 35,040 quarters is 28.54 kWh on average: January and July enclose it."""
    columns = _published(name)
    assert set(columns) == {f"{season}_{day}" for season in ("jan", "jul") for day in ("sa", "ft", "wt")}
    week = [5 * sum(columns[f"{s}_wt"]) + sum(columns[f"{s}_sa"]) + sum(columns[f"{s}_ft"]) for s in ("jan", "jul")]
    assert 25_000 < sum(week) // (2 * 7 * 96) < 31_500


@pytest.mark.parametrize("kind", KINDS)
def test_a_year_uses_what_was_asked_for(kind: LoadKind) -> None:
    load = Load(kind=kind, annual_kwh=12_000, seed=5)
    used_wh = sum(sum(day_w(load, date(2026, 1, 1) + timedelta(days=day))) // 4 for day in range(365))
    assert 11_000_000 < used_wh < 13_000_000


def test_a_shop_lives_from_ten_to_ten() -> None:
    load = Load(kind=LoadKind.SHOP, annual_kwh=12_000, seed=1)
    assert mean_w(load, WORKDAY, 11, 21) > 3 * mean_w(load, WORKDAY, 1, 6)
    assert mean_w(load, WORKDAY, 11, 21) > 2 * mean_w(load, WORKDAY, 23, 24)


def test_a_restaurant_has_two_peaks_and_a_cold_room() -> None:
    load = Load(kind=LoadKind.RESTAURANT, annual_kwh=60_000, seed=1)
    lunch, pause, dinner, night = (mean_w(load, WORKDAY, *hours) for hours in ((11, 13), (14, 16), (18, 20), (2, 5)))
    assert lunch > 2 * pause and dinner > 2 * pause
    assert night > 60_000_000 // 8_760 // 4


def test_a_dormitory_is_awake_in_the_evening() -> None:
    load = Load(kind=LoadKind.DORM, annual_kwh=900, seed=1)
    evening = mean_w(load, WORKDAY, 19, 23)
    assert evening > 2 * mean_w(load, WORKDAY, 3, 6)
    assert evening > mean_w(load, WORKDAY, 9, 16)


def test_summer_cools() -> None:
    load = Load(kind=LoadKind.SHOP, annual_kwh=12_000, seed=1)
    assert mean_w(load, SUMMER_DAY, 10, 22) > mean_w(load, WORKDAY, 10, 22)


def test_the_peak_is_never_passed() -> None:
    load = Load(kind=LoadKind.RESTAURANT, annual_kwh=60_000, peak_w=9_000, seed=1)
    assert max(day_w(load, WORKDAY)) == 9_000
    assert max(power_w(load, datetime(2026, 1, 14, 18, minute)) for minute in range(60)) <= 9_000


def test_the_same_seed_gives_the_same_watts_and_another_seed_others() -> None:
    load = Load(kind=LoadKind.SHOP, annual_kwh=12_000, seed=1)
    assert day_w(load, WORKDAY) == day_w(Load(kind=LoadKind.SHOP, annual_kwh=12_000, seed=1), WORKDAY)
    assert day_w(load, WORKDAY) != day_w(Load(kind=LoadKind.SHOP, annual_kwh=12_000, seed=2), WORKDAY)


@pytest.mark.parametrize("kind", list(LoadKind))
def test_the_live_load_is_the_pure_function(kind: LoadKind) -> None:
    load = Load(kind=kind, annual_kwh=9_000, peak_w=5_000, seed=9)
    live = LiveLoad(load, SHANGHAI)
    at = datetime(2026, 3, 7, 13, 59, 30, tzinfo=UTC)
    for _ in range(200):
        at_ms = int(at.timestamp()) * 1_000
        watts, until_ms = live(at_ms)
        assert watts == power_w(load, at.astimezone(SHANGHAI))
        assert at_ms < until_ms <= at_ms + 60_000 and until_ms % 60_000 == 0
        at += timedelta(seconds=47)


def test_the_curve_of_the_past_is_the_day_quarter_by_quarter() -> None:
    load = Load(kind=LoadKind.DORM, annual_kwh=900, seed=3)
    start = datetime(2026, 1, 13, 16, tzinfo=UTC)  # midnight in Shanghai
    curve = list(load_curve(load, SHANGHAI, start, 192))
    assert [watts for _, watts in curve] == [*day_w(load, WORKDAY), *day_w(load, date(2026, 1, 15))]
    assert curve[-1][0] == start + timedelta(minutes=15 * 191)
