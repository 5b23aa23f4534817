"""Filling a gap between readings with what the meter froze meanwhile: what is believed of it, and the use of each day.

Pure: instants are aware, energy is whole Wh of a counter on the primary side.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from enum import IntEnum
from typing import Final

MOST_W: Final = 2_000_000  # no supply point draws more, as the intake judges
SLACK_WH: Final = 1_000
HOUR_S: Final = 3600


class Quality(IntEnum):
    """What is thought of a reading; `metering_reading.quality`. Only good ones are billed."""

    GOOD = 0
    BACKWARD = 1
    JUMP = 2
    REPEATED = 3
    CLOCK_OFF = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """What a counter stood at."""

    at: datetime
    wh: int


def judged(freezes: Sequence[Point], before: Point, after: Point, *, clock_off: bool) -> list[tuple[Point, Quality]]:
    """Each freeze between two readings, the oldest first, with what is thought of it.

    A counter that stands lower after the gap began anew at the end of its display: then what lies below `before` is
    behind that, and must not be above `after`.
    """
    found: list[tuple[Point, Quality]] = []
    low, turned = before, False
    for each in sorted(freezes, key=lambda point: point.at):
        quality = Quality.CLOCK_OFF if clock_off else _quality(each, low, before, after, turned)
        found.append((each, quality))
        if quality is Quality.GOOD:
            turned = turned or each.wh < low.wh
            low = each
    return found


def _quality(each: Point, low: Point, before: Point, after: Point, turned: bool) -> Quality:
    rolls = after.wh < before.wh
    if each.wh >= low.wh:
        if (not rolls or turned) and each.wh > after.wh:
            return Quality.JUMP
        most = SLACK_WH + MOST_W * int((each.at - low.at).total_seconds()) // HOUR_S
        return Quality.JUMP if each.wh - low.wh > most else Quality.GOOD
    return Quality.GOOD if rolls and not turned and each.wh <= after.wh else Quality.BACKWARD


def by_day(points: Sequence[Point], zone: tzinfo) -> dict[date, int]:
    """Wh of each local day between the first and the last of rising points. Where a midnight has no point, linear time
    between its neighbours says how much falls to which day; whole Wh, the rest to the later one: as charges do."""
    used: dict[date, int] = {}
    for before, after in zip(points, points[1:], strict=False):
        at, wh = before.at, before.wh
        while at < after.at:
            day = at.astimezone(zone).date()
            midnight = datetime.combine(day + timedelta(days=1), datetime.min.time(), zone)
            if midnight >= after.at:
                upto, until = after.wh, after.at
            else:
                span = (after.at - before.at) // timedelta(microseconds=1)
                share = (midnight - before.at) // timedelta(microseconds=1)
                upto, until = before.wh + (after.wh - before.wh) * share // span, midnight
            used[day] = used.get(day, 0) + upto - wh
            at, wh = until, upto
    return used
