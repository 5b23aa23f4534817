"""Freezes of DL/T 645 meters: days under 0506..NN with a time each, months as settlements dated by their day."""

from collections.abc import Generator
from dataclasses import replace
from datetime import datetime
from typing import Final

from prewatt.core.meters.drivers.dlt645_talk import Script, Step, Talk, seconds_of
from prewatt.core.meters.freezes import (
    COUNTERS,
    ITEM_BYTES,
    MOST_OF_JOB,
    Freeze,
    FreezeKind,
    Freezes,
    FreezeSpan,
    chosen,
    falling,
    skipped,
)
from prewatt.core.meters.jobs import Job, Outcome, Verdict
from prewatt.core.meters.quantities import Quantity
from prewatt.core.wire.dlt645 import Frame, RemoteProtocolError, bcd
from prewatt.core.wire.dlt645.items import moment

DAY_TIME, DAY_ENERGY = 0x05060000, 0x05060100  # + NN, 1 is the last
SETTLED: Final = 0x0001FF00  # + NN, 1 is the last
SETTLEMENT_DAYS: Final = (0x04000B01, 0x04000B02, 0x04000B03)  # hhDD
NO_DATA: Final = "dlt645_no_requested_data"
LAST_DAY: Final = 28  # of a month that every month has
Item = Generator[Step, Frame | None, "bytes | None | Outcome"]
Number = Generator[Step, Frame | None, "int | None | Outcome"]


def read_freezes(talk: Talk, job: Job) -> Script:
    """The freezes a job asks for, the oldest first, at most `MOST_OF_JOB` of them. Times as the meter's clock shows."""
    table, span = talk.profile.freezes, job.freezes
    if table is None or span is None or span.kind not in table.kept:
        return talk.end(Verdict.REFUSED, "freezes_not_supported")
    return (yield from (_days if span.kind is FreezeKind.DAY else _months)(talk, table, span))


def _item(talk: Talk, di: int) -> Item:
    """The bytes of an item; None where the meter has none."""
    data = yield from talk.item(di)
    if isinstance(data, Outcome):
        return None if data.code == NO_DATA else data
    return data


def _time(talk: Talk, number: int) -> Number:
    """When the day freeze `number` was made; None where there is none, or no time."""
    data = yield from _item(talk, DAY_TIME | number)
    if data is None or isinstance(data, Outcome):
        return data
    text = moment(data, "mmhhDDMMYY")
    return seconds_of(datetime.fromisoformat(text)) if text else None


def _days(talk: Talk, table: Freezes, span: FreezeSpan) -> Script:
    youngest = yield from _time(talk, 1)
    if isinstance(youngest, Outcome):
        return youngest
    if youngest is None:
        return talk.end(Verdict.DONE)
    number = max(1, min(skipped(youngest, span), table.kept[span.kind]))
    there = (yield from _time(talk, number)) if number > 1 else youngest
    if isinstance(there, Outcome):
        return there
    if number > 1 and (there is None or there <= span.until):
        number, there = 1, youngest
    found: list[Freeze] = []
    times: list[int] = []
    while there is not None and there >= span.since and len(found) < MOST_OF_JOB:
        times.append(there)
        if there <= span.until:
            data = yield from _item(talk, DAY_ENERGY | number)
            if isinstance(data, Outcome):
                return data
            if data is not None and (values := counters(data)):
                found.append(Freeze(kind=span.kind, shown=there, values=values))
        number += 1
        if number > table.kept[span.kind]:
            break
        there = yield from _time(talk, number)
        if isinstance(there, Outcome):
            return there
    again = yield from _time(talk, 1)
    if isinstance(again, Outcome):
        return again
    if again != youngest or not falling(times):  # it froze a day meanwhile, and every number moved on
        return talk.end(Verdict.SILENT, "reads_differ")
    return replace(talk.end(Verdict.DONE), freezes=chosen(found, span))


def _months(talk: Talk, table: Freezes, span: FreezeSpan) -> Script:
    last = yield from _last_settlement(talk)
    if isinstance(last, Outcome):
        return last
    found: list[Freeze] = []
    for number in range(1, min(table.kept[span.kind], MOST_OF_JOB) + 1):
        shown = seconds_of(_back(last, number - 1))
        if shown < span.since:
            break
        if shown > span.until:
            continue
        data = yield from _item(talk, SETTLED | number)
        if isinstance(data, Outcome):
            return data
        if data is None or not (values := counters(data)):
            break
        found.append(Freeze(kind=span.kind, shown=shown, values=values))
    again = yield from _last_settlement(talk)
    if isinstance(again, Outcome):
        return again
    if again != last:
        return talk.end(Verdict.SILENT, "reads_differ")
    return replace(talk.end(Verdict.DONE), freezes=chosen(found, span))


def _last_settlement(talk: Talk) -> Generator[Step, Frame | None, "datetime | Outcome"]:
    """When the meter settled last, by its own clock and its one settlement day."""
    days = []
    for di in SETTLEMENT_DAYS:
        data = yield from _item(talk, di)
        if isinstance(data, Outcome):
            return data
        place = _place(data)
        if place is not None:
            days.append(place)
    if len(days) != 1:
        return talk.end(Verdict.REFUSED, "freeze_times_unclear")
    now = yield from talk.clock()
    if isinstance(now, Outcome):
        return now
    day, hour = days[0]
    settled = now.replace(day=day, hour=hour, minute=0, second=0)
    return settled if settled <= now else _back(settled, 1)


def _place(data: bytes | None) -> tuple[int, int] | None:
    """Day and hour; None where none is set (9999, FFFF or 0000)."""
    if data is None or len(data) != 2 or bcd.is_nothing(data):
        return None
    try:
        hour, day = bcd.read(data[:1]), bcd.read(data[1:])
    except RemoteProtocolError:
        return None
    return (day, hour) if day is not None and hour is not None and 1 <= day <= LAST_DAY and hour <= 23 else None


def _back(moment_of: datetime, months: int) -> datetime:
    """The same day so many months before."""
    year, month = divmod(moment_of.year * 12 + moment_of.month - 1 - months, 12)
    return moment_of.replace(year=year, month=month + 1)


def counters(data: bytes) -> dict[Quantity, int]:
    """Total and rates of a freeze in Wh; a rate the meter does not have is left out, without a total all is."""
    values: dict[Quantity, int] = {}
    for place, quantity in enumerate(COUNTERS):
        part = data[place * ITEM_BYTES : (place + 1) * ITEM_BYTES]
        try:
            raw = bcd.read(part) if len(part) == ITEM_BYTES else None
        except RemoteProtocolError:
            raw = None
        if raw is not None:
            values[quantity] = raw * 10
        elif not values:
            return {}
    return values
