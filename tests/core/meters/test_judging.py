"""The marks that people see beside readings."""

from datetime import UTC, datetime, timedelta

import pytest

from prewatt.core.meters.gaps import Quality
from prewatt.core.meters.judging import GAP, Mark, Reading, marked

NOON = datetime(2026, 11, 20, 4, tzinfo=UTC)
END = 1_000_000_000


def readings(*told: tuple[int, int | None, int], every: timedelta = timedelta(minutes=30)) -> list[Reading]:
    return [
        Reading(at=NOON + place * every, wh=wh, power_w=power, quality=Quality(quality))
        for place, (wh, power, quality) in enumerate(told)
    ]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ([(10, 0, 0), (20, 0, 0)], ["good", "good"]),
        ([(10, 0, 0), (5, 0, 1), (12, 0, 0)], ["good", "backward", "good"]),
        ([(END - 50, 0, 0), (30, 0, 1), (60, 0, 0)], ["good", "rollover", "good"]),
        ([(END - 50, 0, 0), (500_000_000, 0, 1)], ["good", "backward"]),
        ([(10, 0, 0), (9_000_000_000, 0, 2), (20, 0, 3), (21, 0, 4)], ["good", "jump", "repeated", "clock_off"]),
        ([(10, 6_000, 0), (10, 6_000, 0), (10, 6_000, 0), (11, 6_000, 0)], ["good", "good", "frozen", "good"]),
        ([(10, 0, 0), (10, 6_000, 0), (10, 0, 0), (10, 0, 0)], ["good"] * 4),  # no load all the time
        ([(10, -6_000, 0), (10, -6_000, 0), (10, -6_000, 0)], ["good"] * 3),  # it flows back, and is counted elsewhere
        ([(10, None, 0), (10, None, 0), (10, None, 0)], ["good"] * 3),
    ],
)
def test_each_reading_has_its_mark(told: list[tuple[int, int | None, int]], expected: list[str]) -> None:
    assert [each.value for each in marked(readings(*told), rollover_wh=END)] == expected


def test_a_counter_behind_a_transformer_moves_in_larger_steps() -> None:
    told = readings(*[(10, 6_000, 0)] * 3)
    assert marked(told, rollover_wh=None, ratio=40)[-1] is Mark.GOOD


def test_hours_without_a_reading_are_a_gap_and_say_nothing_about_standing_still() -> None:
    told = readings((10, 9_000, 0), (10, 9_000, 0), (10, 9_000, 0), every=GAP * 2)
    assert marked(told, rollover_wh=None) == [Mark.GOOD, Mark.GAP, Mark.GAP]
