"""What is thought of a reading, and what people are told of it."""

from datetime import UTC, datetime, timedelta

import pytest

from prewatt.core.meters.gaps import Quality
from prewatt.core.meters.judging import AHEAD, BY_CODE, CODES, GAP, Judged, Mark, Reading, marked

NOON = datetime(2026, 11, 20, 4, tzinfo=UTC)
LATER = NOON + timedelta(days=30)
END = 1_000_000_000
HALF_HOUR = timedelta(minutes=30)


def judged(
    *told: tuple[int | None, int | None], every: timedelta = HALF_HOUR, ratio: int = 1, end: int | None = END
) -> list[Judged]:
    readings = [Reading(at=NOON + place * every, wh=wh, power_w=power) for place, (wh, power) in enumerate(told)]
    return marked(readings, now=LATER, end_wh=end, ratio=ratio)


def marks(found: list[Judged]) -> list[str]:
    return [each.mark.value for each in found]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ([(10, 0), (20, 0)], ["good", "good"]),
        ([(10, 0), (5, 0), (12, 0)], ["good", "backward", "good"]),
        ([(END - 50, 0), (30, 0), (60, 0)], ["good", "rollover", "good"]),
        ([(END - 50, 0), (500_000_000, 0)], ["good", "backward"]),
        ([(10, 0), (900_000_000, 0), (900_000_010, 0), (20, 0), (30, 0)], ["good", "jump", "jump", "good", "good"]),
        ([(10, 0), (900_000_000, 0), (900_000_010, 0)], ["good", "jump", "good"]),  # was it an error?
        ([(10, 6_000), (10, 6_000), (10, 6_000), (11, 6_000)], ["good", "good", "frozen", "good"]),
        ([(10, 6_000)] * 6, ["good", "good", "frozen", "good", "frozen", "frozen"]),  # once for each 5 kWh
        ([(10, 0), (10, 6_000), (10, 0), (10, 0)], ["good"] * 4),  # no load all the time
        ([(10, -6_000), (10, -6_000), (10, -6_000)], ["good"] * 3),  # it flows back, and is counted elsewhere
        ([(10, None), (10, None), (10, None)], ["good"] * 3),
        ([(10, 6_000), (None, 6_000), (10, 6_000)], ["good", "good", "frozen"]),  # a frame without an energy between
    ],
)
def test_each_reading_has_its_mark(told: list[tuple[int | None, int | None]], expected: list[str]) -> None:
    assert marks(judged(*told)) == expected


@pytest.mark.parametrize(
    ("told", "used"),
    [
        ([(END - 50, 0), (30, 0), (60, 0)], [None, 80, 30]),  # over the end of the display
        ([(1_000, 0), (0, 0), (0, 0), (1_300, 0)], [None, None, 0, 300]),  # it lied twice, and came back
        ([(1_000, 0), (900_000_000, 0), (1_300, 0)], [None, None, 300]),
        ([(1_000, 0), (900_000_000, 0), (900_000_500, 0)], [None, None, 500]),
    ],
)
def test_use_is_reckoned_from_where_the_counter_truly_stood(
    told: list[tuple[int | None, int | None]], used: list[int | None]
) -> None:
    assert [each.used_wh for each in judged(*told)] == used


def test_a_doubt_lasts_until_the_counter_is_back_and_remembers_where_it_stood_first() -> None:
    found = judged((1_000, 0), (900_000_000, 0), (900_000_500, 0), (5, 0), (1_200, 0))
    doubts = [None if each.known is None or each.known.doubt is None else each.known.doubt.wh for each in found]
    assert doubts == [None, 1_000, 1_000, 1_000, None]
    assert [each.quality.name for each in found] == ["GOOD", "JUMP", "JUMP", "BACKWARD", "GOOD"]


def test_without_a_known_width_no_display_begins_anew() -> None:
    assert marks(judged((END - 50, 0), (30, 0), end=None)) == ["good", "backward"]
    assert marks(judged((END - 50, 0), (900, 0), every=timedelta(0))) == ["good", "repeated"]


def test_a_counter_behind_a_transformer_moves_in_larger_steps() -> None:
    assert marks(judged(*[(10, 6_000)] * 3, ratio=40))[-1] == "good"


def test_hours_without_a_reading_are_a_gap_and_say_nothing_about_standing_still() -> None:
    assert marks(judged(*[(10, 9_000)] * 3, every=GAP * 2)) == ["good", "gap", "gap"]
    assert marks(judged(*[(10, 0)] * 2, every=GAP)) == ["good", "good"]


def test_late_and_doubled_readings_change_nothing() -> None:
    said = ((0, 10), (2, 30), (1, 5), (2, 30))
    told = [Reading(at=NOON + minutes * timedelta(minutes=1), wh=wh) for minutes, wh in said]
    found = marked(told, now=LATER, end_wh=END)
    assert marks(found) == ["good", "good", "repeated", "repeated"]
    assert found[1].known == found[2].known == found[3].known


def test_a_reading_from_the_future_is_of_a_clock_that_is_off_and_no_base_for_the_next() -> None:
    ahead = Reading(at=NOON + AHEAD * 2, wh=999)
    told = [Reading(at=NOON - HALF_HOUR, wh=10), ahead, Reading(at=NOON, wh=20)]
    found = marked(told, now=NOON, end_wh=END)
    assert marks(found) == ["good", "clock_off", "good"]
    assert found[2].used_wh == 10


def test_each_mark_has_a_code_of_its_own_that_the_intakes_qualities_share() -> None:
    assert {BY_CODE[code] for code in CODES.values()} == set(Mark)
    assert [CODES[Mark(quality.name.lower())] for quality in Quality] == list(Quality)
