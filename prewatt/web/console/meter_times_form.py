"""A set of times of use as a form: a row for each zone of the year and for each period of a day table.

Rows that are left empty do not count, and their order does not matter; one that is half filled is refused by name.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.http import QueryDict
from django.utils.translation import gettext as _

from prewatt.core.meters.schedule import Period, Schedule, ScheduleTable, Zone
from prewatt.core.refusals import Refused
from prewatt.web.console.meter_standby import RATES

MIDNIGHT: Final = "00:00"  # where the first period of a day begins
_CLOCK: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)(?::00)?", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of a form: its name in words, and its fields' values by their names."""

    number: int
    name: str
    values: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class TableRows:
    """One day table of a form."""

    number: int
    rows: Sequence[Row]


def clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def filled(schedule: Schedule | None) -> dict[str, str]:
    """A set as its form would hold it, by the names of the fields; where there is none, a year of one day table."""
    if schedule is None:
        return {"month_1": "1", "day_1": "1", "table_1": "1"}
    found: dict[str, str] = {}
    for row, zone in enumerate(schedule.zones, 1):
        found |= {f"month_{row}": str(zone.month), f"day_{row}": str(zone.day), f"table_{row}": str(zone.table)}
    for number, periods in enumerate(schedule.tables, 1):
        for row, period in enumerate(periods, 1):
            found |= {f"from_{number}_{row}": clock(period.minute), f"rate_{number}_{row}": str(period.rate)}
    return found


def grid_of(typed: Mapping[str, str], table: ScheduleTable) -> dict[str, Any]:
    """What the template needs: every row there can be, with what stands in it."""
    tables = [str(each) for each in range(1, table.most_tables + 1)]
    return {
        "zones": [
            Row(number=row, name=_zone(row), values={each: typed.get(f"{each}_{row}", "") for each in _ZONE})
            for row in range(1, table.most_zones + 1)
        ],
        "tables": [
            TableRows(
                number=number,
                rows=[
                    Row(number=row, name=_period(number, row), values={
                        each: typed.get(f"{each}_{number}_{row}", "") for each in ("from", "rate")
                    })
                    for row in range(1, table.most_periods + 1)
                ],
            )
            for number in range(1, table.most_tables + 1)
        ],
        "months": [str(each) for each in range(1, 13)], "days": [str(each) for each in range(1, 32)],
        "numbers": tables, "rates": [(str(number), name) for number, name in RATES.items()], "midnight": MIDNIGHT,
    }  # fmt: skip


_ZONE: Final = ("month", "day", "table")


def _zone(row: int) -> str:
    return _("Zone %d") % row


def _period(number: int, row: int) -> str:
    return _("Day table %(table)d, period %(row)d") % {"table": number, "row": row}


def schedule_of_form(form: QueryDict, table: ScheduleTable) -> Schedule:
    """What was chosen. Raises Refused `field_needed`, `schedule_unreadable`; whether it makes a year and days the
    office says."""
    words = {"month": _("month"), "day": _("day"), "table": _("day table")}
    zones = []
    for row in range(1, table.most_zones + 1):
        held = {each: form.get(f"{each}_{row}", "").strip() for each in _ZONE}
        if any(held.values()):
            _needed(held, words, _zone(row))
            month, day, number = (_number(held[each]) for each in _ZONE)
            zones.append(Zone(month=month, day=day, table=number))
    tables = [_periods(form, number, table.most_periods) for number in range(1, table.most_tables + 1)]
    while tables and not tables[-1]:
        tables.pop()
    return Schedule(zones=tuple(sorted(zones, key=lambda zone: (zone.month, zone.day))), tables=tuple(tables))


def _periods(form: QueryDict, number: int, most: int) -> tuple[Period, ...]:
    words, found = {"from": _("from"), "rate": _("rate")}, []
    for row in range(1, most + 1):
        held = {each: form.get(f"{each}_{number}_{row}", "").strip() for each in words}
        if row == 1:
            held["from"] = MIDNIGHT if held["rate"] else ""
        if any(held.values()):
            _needed(held, words, _period(number, row))
            match = _CLOCK.fullmatch(held["from"])
            if match is None:
                raise Refused("schedule_unreadable", line=held["from"][:40])
            found.append(Period(minute=int(match[1]) * 60 + int(match[2]), rate=_number(held["rate"])))
    return tuple(sorted(found, key=lambda period: period.minute))


def _needed(held: Mapping[str, str], words: Mapping[str, str], row: str) -> None:
    for name, value in held.items():
        if not value:
            raise Refused("field_needed", field=f"{row}: {words[name]}")


def _number(typed: str) -> int:
    if not (typed.isascii() and typed.isdecimal() and len(typed) <= 2):
        raise Refused("schedule_unreadable", line=typed[:40])
    return int(typed)
