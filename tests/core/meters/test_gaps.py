"""What is believed of freezes between two readings, and how the use of a gap falls to its days."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prewatt.core.meters.gaps import Point, Quality, by_day, judged

NOON = datetime(2026, 11, 20, 4, tzinfo=UTC)  # 12:00 in Shanghai
SHANGHAI = ZoneInfo("Asia/Shanghai")
G, B, J, C = Quality.GOOD, Quality.BACKWARD, Quality.JUMP, Quality.CLOCK_OFF
DAY = timedelta(days=1)


def points(*counters: int, first: datetime = NOON) -> list[Point]:
    return [Point(at=first + place * DAY, wh=wh) for place, wh in enumerate(counters)]


@pytest.mark.parametrize(
    ("before", "frozen", "after", "expected"),
    [
        (100, [100, 110, 120], 120, [G, G, G]),
        (100, [90, 110], 120, [B, G]),
        (100, [110, 105, 130], 120, [G, B, J]),
        (100, [110, 60_000_000], 70_000_000, [G, J]),  # more than 2 MW for a day
        (900, [950, 980, 20], 50, [G, G, G]),  # the display began anew
        (900, [20, 40, 60], 50, [G, G, J]),
        (900, [20, 950, 40], 50, [G, J, G]),
        (900, [100], 50, [B]),
    ],
)
def test_what_is_thought_of_each(before: int, frozen: list[int], after: int, expected: list[Quality]) -> None:
    held = points(before, *frozen, after)
    assert [quality for _, quality in judged(held[1:-1], held[0], held[-1], clock_off=False)] == expected
    assert {quality for _, quality in judged(held[1:-1], held[0], held[-1], clock_off=True)} == {C}


@given(
    st.lists(st.tuples(st.integers(1, 200_000), st.integers(0, 10**7)), min_size=1, max_size=12),
    st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "America/New_York", "UTC"]),
)
def test_no_energy_is_lost_or_made_and_no_day_is_negative(steps: list[tuple[int, int]], zone: str) -> None:
    held = [Point(at=datetime(2026, 3, 27, 22, 13, tzinfo=UTC), wh=5)]
    for minutes, wh in steps:
        held.append(Point(at=held[-1].at + timedelta(minutes=minutes % 20_000 + 1), wh=held[-1].wh + wh))
    used = by_day(held, ZoneInfo(zone))
    assert sum(used.values()) == held[-1].wh - held[0].wh and min(used.values()) >= 0
    assert min(used) == held[0].at.astimezone(ZoneInfo(zone)).date()


def test_a_midnight_without_a_freeze_is_reckoned_by_linear_time() -> None:
    used = by_day([Point(at=NOON, wh=0), Point(at=NOON + 2 * DAY, wh=96)], SHANGHAI)
    assert list(used.values()) == [24, 48, 24]
    assert by_day(points(7), SHANGHAI) == {}
