"""What people are told of readings: which are good, and what is wrong with the others. Pure.

The intake marks what it can say at once (`gaps.Quality`); what needs a longer look is said here: a counter that stands
still although power flows, one that began anew at the end of its display, a time without any reading.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from prewatt.core.meters.gaps import Quality

GAP: Final = timedelta(hours=2)  # a register clock of half an hour that missed three times
STILL_WH: Final = 5_000  # by power, at a counter that did not move: more than any step of a counter we know
HOUR_S: Final = 3600


class Mark(StrEnum):
    GOOD = "good"
    BACKWARD = "backward"
    JUMP = "jump"
    REPEATED = "repeated"  # or late: there was a newer one already
    CLOCK_OFF = "clock_off"
    ROLLOVER = "rollover"
    FROZEN = "frozen"
    GAP = "gap"  # nothing was read for hours before it


_OF_INTAKE: Final = {
    Quality.BACKWARD: Mark.BACKWARD,
    Quality.JUMP: Mark.JUMP,
    Quality.REPEATED: Mark.REPEATED,
    Quality.CLOCK_OFF: Mark.CLOCK_OFF,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """One stored reading of a counter. `power_w` None: the meter told none then."""

    at: datetime
    wh: int
    power_w: int | None
    quality: Quality


def marked(readings: Sequence[Reading], *, rollover_wh: int | None, ratio: int = 1) -> list[Mark]:
    """The mark of each of a circuit's readings, which are given oldest first. `ratio`: what one step of the counter is
    multiplied by before it is kept."""
    marks: list[Mark] = []
    last: Reading | None = None
    still = 0  # watt-seconds since the counter last moved
    for each in readings:
        mark = _OF_INTAKE.get(each.quality, Mark.GOOD)
        if mark is Mark.BACKWARD and last is not None and _rolled(last.wh, each.wh, rollover_wh):
            mark = Mark.ROLLOVER
        if last is not None and mark is Mark.GOOD:
            apart = each.at - last.at
            moved = each.wh != last.wh
            watts = 0 if moved or apart > GAP else max(0, min(last.power_w or 0, each.power_w or 0))
            still = 0 if moved else still + watts * int(apart.total_seconds())
            if still >= STILL_WH * ratio * HOUR_S:
                mark = Mark.FROZEN
            elif apart > GAP:
                mark = Mark.GAP
        if mark in (Mark.GOOD, Mark.GAP, Mark.FROZEN, Mark.ROLLOVER):
            last = each
        marks.append(mark)
    return marks


def _rolled(before: int, after: int, rollover_wh: int | None) -> bool:
    """Did the display begin anew? As the books judge: from its last tenth, and by no more than a tenth."""
    if rollover_wh is None:
        return False
    tenth = rollover_wh // 10
    return before >= rollover_wh - tenth and after + rollover_wh - before <= tenth
