"""A circuit day by day: what was used, what its meter froze, which of its readings are not good, where none were.

The caller has found the circuit through the door; these statements add nothing about another one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import Final

from django.db import connection

from prewatt.core.meters.freezes import FreezeKind
from prewatt.core.meters.judging import BY_CODE, Mark
from prewatt.office.metering import freezes
from prewatt.office.metering.freezes import Frozen
from prewatt.office.metering.models import Gap
from prewatt.office.reports.use import days_of

DAYS: Final = 31
LOOKED_THROUGH: Final = timedelta(days=DAYS)  # for readings that are marked
MOST_SHOWN: Final = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class Day:
    """One local day. `frozen_wh`: the use between the freezes at its two ends, None where one is missing; `counter`:
    the freeze at its end."""

    day: date
    used_wh: int | None
    counter: int | None
    frozen_wh: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Marked:
    """A reading with what is thought of it. `source`: as `metering_reading`."""

    at: datetime
    wh: int
    mark: Mark
    source: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Days:
    """Everything of the page."""

    days: Sequence[Day]
    months: Sequence[Frozen]
    gaps: Sequence[Gap]
    marked: Sequence[Marked]  # those that are not good, the newest first


def of_circuit(site_id: int, circuit_id: int, *, at: datetime, zone: tzinfo) -> Days:
    """The last month of a circuit."""
    today = at.astimezone(zone).date()
    first = today - timedelta(days=DAYS - 1)
    used = {each.day: each.used_wh for each in days_of(site_id, circuit_id, first=first, last=today)}
    frozen = {
        (each.at - timedelta(seconds=1)).astimezone(zone).date(): each.energy_wh
        for each in freezes.listed(site_id, circuit_id, FreezeKind.DAY)
    }
    found = []
    for back in range(DAYS):
        day = today - timedelta(days=back)
        ends = frozen.get(day), frozen.get(day - timedelta(days=1))
        between = ends[0] - ends[1] if ends[0] is not None and ends[1] is not None and ends[0] >= ends[1] else None
        if day in used or ends[0] is not None:
            found.append(Day(day=day, used_wh=used.get(day), counter=ends[0], frozen_wh=between))
    return Days(
        days=found, months=freezes.listed(site_id, circuit_id, FreezeKind.MONTH, most=12),
        gaps=freezes.gaps_of(circuit_id), marked=_not_good(site_id, circuit_id, at),
    )  # fmt: skip


def _not_good(site_id: int, circuit_id: int, at: datetime) -> list[Marked]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT at, energy_wh, mark, source FROM metering_reading"
            " WHERE site_id = %s AND circuit_id = %s AND at > %s AND mark IS NOT NULL AND energy_wh IS NOT NULL"
            " ORDER BY at DESC LIMIT %s",
            [site_id, circuit_id, at - LOOKED_THROUGH, MOST_SHOWN],
        )
        return [
            Marked(at=when, wh=wh, mark=BY_CODE[mark], source=source) for when, wh, mark, source in cursor.fetchall()
        ]
