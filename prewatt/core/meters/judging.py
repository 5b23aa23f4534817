"""What is thought of a reading: may it be billed, and what are people told of it. Pure.

One reading at a time, against what was known of its circuit: `judge` is the definition, and `metering_absorb` does the
same in SQL for a whole batch (`tests/office/metering/test_marks.py` compares the two). Energy is whole Wh of a counter
on the primary side.

A counter that fell, or leapt further than it can, leaves a *doubt*: where it stood before. The doubt ends by itself
when the counter is back where it can have come from there; else a person says what happened
(`billing.doubts`), and until then nothing behind it is billed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from prewatt.core.meters.gaps import HOUR_S, MOST_W, SLACK_WH, Quality

GAP: Final = timedelta(hours=2)  # a register clock of half an hour that missed three times
AHEAD: Final = timedelta(minutes=5)  # a reading that is dated further in the future is of a host whose clock is off
HASTE: Final = timedelta(seconds=5)  # clocks of two hosts that both are right
STILL_WH: Final = 5_000  # by power, at a counter that did not move: more than any step of a counter we know


class Mark(StrEnum):
    """`metering_reading.mark`, by `CODES`; NULL there is GOOD."""

    GOOD = "good"
    BACKWARD = "backward"
    JUMP = "jump"
    REPEATED = "repeated"  # or late: there was a newer one already
    CLOCK_OFF = "clock_off"
    ROLLOVER = "rollover"
    FROZEN = "frozen"
    GAP = "gap"  # nothing was read for hours before it
    GAP_FILLED = "gap_filled"  # and what the meter froze meanwhile has filled it since


CODES: Final[dict[Mark, int]] = {mark: code for code, mark in enumerate(Mark)}
BY_CODE: Final[dict[int, Mark]] = {code: mark for mark, code in CODES.items()}


@dataclass(frozen=True, kw_only=True, slots=True)
class Doubt:
    """Where a counter stood before it fell or leapt."""

    at: datetime
    wh: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """What is known of a circuit: the newest frame, the newest energy, and how long it stands still."""

    at: datetime
    power_w: int | None = None  # as told last
    energy_at: datetime | None = None
    wh: int | None = None
    still_ws: int = 0  # by power, since the counter last moved
    doubt: Doubt | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """One frame of a circuit. None: the meter told none."""

    at: datetime
    wh: int | None
    power_w: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """`used_wh`: what the counter went on by since what was known; None where nothing can be said."""

    quality: Quality
    mark: Mark
    used_wh: int | None
    known: Known | None


def most_wh(apart: timedelta) -> int:
    """The most that a supply point can have used in a time."""
    return SLACK_WH + MOST_W * max(0, apart // timedelta(seconds=1)) // HOUR_S


def judge(known: Known | None, told: Reading, *, now: datetime, end_wh: int | None, ratio: int = 1) -> Judged:
    """What is thought of one frame. `now`: by the clock of the books; `end_wh`: where the counter begins anew; `ratio`:
    what one step of it is multiplied by before it is kept."""
    if told.at > now + AHEAD:  # shows what the meter does, and is no base for anything
        off = told.wh is not None
        return Judged(
            quality=Quality.CLOCK_OFF if off else Quality.GOOD, mark=Mark.CLOCK_OFF if off else Mark.GOOD, used_wh=None,
            known=_first(known, replace(told, wh=None)),
        )  # fmt: skip
    if known is not None and told.at <= known.at <= now + HASTE:
        late = told.wh is not None and known.wh is not None
        return Judged(
            quality=Quality.REPEATED if late else Quality.GOOD, mark=Mark.REPEATED if late else Mark.GOOD, used_wh=None,
            known=known,
        )  # fmt: skip
    if known is None or known.wh is None or told.wh is None:
        return Judged(quality=Quality.GOOD, mark=Mark.GOOD, used_wh=None, known=_first(known, told))
    return _against(known, known.wh, told, told.wh, end_wh, ratio)


def _told(told: Reading, known: Known) -> int | None:
    return known.power_w if told.power_w is None else told.power_w


def _first(known: Known | None, told: Reading) -> Known:
    """Before there is an energy to compare with, or where the frame has none."""
    if known is None:
        return Known(at=told.at, power_w=told.power_w, energy_at=None if told.wh is None else told.at, wh=told.wh)
    if told.wh is None:
        return replace(known, at=told.at, power_w=_told(told, known))
    return replace(known, at=told.at, power_w=_told(told, known), energy_at=told.at, wh=told.wh, still_ws=0)


def _against(known: Known, before: int, told: Reading, wh: int, end_wh: int | None, ratio: int) -> Judged:
    """One energy against the one before it."""
    since = known.energy_at or known.at
    apart = max(timedelta(), told.at - since)
    quality, mark, base, doubt = Quality.GOOD, Mark.GOOD, before, known.doubt
    if doubt is not None and _returned(doubt, before, told, wh):
        base, doubt = doubt.wh, None
    elif wh < before and rolled(before, wh, apart, end_wh):
        mark, base = Mark.ROLLOVER, before - (end_wh or 0)
    elif wh < before:
        quality, mark = Quality.BACKWARD, Mark.BACKWARD
    elif wh - before > most_wh(apart):
        quality, mark = Quality.JUMP, Mark.JUMP
    if quality is not Quality.GOOD:
        doubt = doubt or Doubt(at=since, wh=before)
    watts = max(0, min(known.power_w or 0, told.power_w or 0)) if wh == before and apart <= GAP else 0
    still = known.still_ws + watts * (apart // timedelta(seconds=1)) if wh == before else 0
    limit = STILL_WH * ratio * HOUR_S
    if mark is Mark.GOOD and still // limit > known.still_ws // limit:  # once for each 5 kWh that went by
        mark = Mark.FROZEN
    elif mark is Mark.GOOD and apart > GAP:
        mark = Mark.GAP
    return Judged(
        quality=quality, mark=mark, used_wh=wh - base if quality is Quality.GOOD else None,
        known=Known(
            at=told.at, power_w=_told(told, known), energy_at=told.at, wh=wh, still_ws=still, doubt=doubt
        ),
    )  # fmt: skip


def _returned(doubt: Doubt, before: int, told: Reading, wh: int) -> bool:
    """Is the counter back where it can have come from the doubt? Going on up from where it leapt to is no return."""
    if not 0 <= wh - doubt.wh <= most_wh(told.at - doubt.at):
        return False
    return before < doubt.wh or wh < before


def rolled(before: int, after: int, apart: timedelta, end_wh: int | None) -> bool:
    """Did the display begin anew? As the books judge: from its last tenth, by no more than a tenth, and by no more
    than can be used in the time."""
    if end_wh is None:
        return False
    return before < end_wh and after + end_wh - before <= min(end_wh // 10, most_wh(apart))


def marked(
    readings: Sequence[Reading], *, now: datetime, end_wh: int | None, ratio: int = 1, known: Known | None = None
) -> list[Judged]:
    """What is thought of each of a circuit's frames, in the order in which they came, when the last one has come.

    Where the counter was back from a doubt, what had been read meanwhile and does not lie between the two was the error
    told again: good when it came, and no longer.
    """
    found: list[Judged] = []
    for place, each in enumerate(readings):
        judged = judge(known, each, now=now, end_wh=end_wh, ratio=ratio)
        doubt = None if known is None else known.doubt
        if doubt is not None and judged.known is not None and judged.known.doubt is None and each.wh is not None:
            for n, other in enumerate(readings[:place]):
                if doubt.at < other.at < each.at and found[n].quality is Quality.GOOD and other.wh is not None:
                    if not doubt.wh <= other.wh <= each.wh:
                        fell = other.wh < doubt.wh
                        quality, mark = (Quality.BACKWARD, Mark.BACKWARD) if fell else (Quality.JUMP, Mark.JUMP)
                        found[n] = replace(found[n], quality=quality, mark=mark)
        known = judged.known
        found.append(judged)
    return found
