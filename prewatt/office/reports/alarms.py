"""Alarms as the page lists them: open ones, and those of the past with how long they stood. Reads only."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import connection

from prewatt.office.reports.keyset import BALANCE, RUNNING, find_text

LIST_MOST: Final = 50
EXPORT_MOST: Final = 20_000


@dataclass(frozen=True, kw_only=True, slots=True)
class AlarmRow:
    """One alarm of a circuit, of a line or of a station (then `circuit_id` is None)."""

    id: int
    kind: str
    raised_at: datetime
    cleared_at: datetime | None
    seen_by: str
    seen_at: datetime | None
    values: dict[str, Any]
    circuit_id: int | None
    room: str
    room_name: str
    building: str
    contract_number: str
    customer: str
    phone: str
    credit_unit: str
    balance: int | None
    read_at: datetime | None
    gateway: str
    line: str
    line_id: int | None
    circuits: int  # behind the line or the station, for its alarm
    station: str  # where the gateway stands, or which station is lost
    station_name: str


@dataclass(frozen=True, kw_only=True)
class AlarmFilters:
    """`past`: cleared ones instead of open ones; `seen`: "" | yes | no."""

    past: bool = False
    kind: str = ""
    seen: str = ""
    building_id: int | None = None
    text: str = ""


_FROM: Final = f"""
FROM alarms_alarm a
JOIN estate_site s ON s.id = a.site_id
LEFT JOIN estate_circuit c ON c.id = a.circuit_id
LEFT JOIN estate_meter m ON m.id = c.meter_id
LEFT JOIN estate_room r ON r.id = c.room_id
LEFT JOIN estate_building b ON b.id = r.building_id
LEFT JOIN estate_line n ON n.id = coalesce(a.line_id, m.line_id)
LEFT JOIN estate_gateway g ON g.id = n.gateway_id
LEFT JOIN estate_station st ON st.id = coalesce(a.station_id, g.station_id)
LEFT JOIN estate_supplypoint sp ON sp.circuit_id = c.id AND sp.state <> 'closed'
LEFT JOIN estate_contract k ON k.id = sp.contract_id
LEFT JOIN estate_customer cu ON cu.id = k.customer_id
LEFT JOIN metering_latest la ON la.site_id = a.site_id AND la.circuit_id = a.circuit_id
{RUNNING}
WHERE a.site_id = %(site)s AND (a.cleared_at IS NOT NULL) = %(past)s
  AND EXISTS (SELECT 1 FROM staff_scope sc WHERE sc.operator_id = %(operator)s
      AND (sc.company_id = s.company_id OR sc.site_id = s.id OR sc.building_id = r.building_id
           OR (a.line_id IS NOT NULL AND sc.building_id IN (
               SELECT x.building_id FROM estate_room x JOIN estate_circuit y ON y.room_id = x.id
               JOIN estate_meter z ON z.id = y.meter_id WHERE z.line_id = a.line_id))
           OR (a.station_id IS NOT NULL AND sc.building_id IN (
               SELECT x.building_id FROM estate_room x JOIN estate_circuit y ON y.room_id = x.id
               JOIN estate_meter z ON z.id = y.meter_id JOIN estate_line l ON l.id = z.line_id
               JOIN estate_gateway h ON h.id = l.gateway_id WHERE h.station_id = a.station_id))))
  AND (%(id)s::bigint IS NULL OR a.id = %(id)s)
  AND (%(kind)s = '' OR a.kind = %(kind)s)
  AND (%(seen)s = '' OR (a.seen_at IS NOT NULL) = (%(seen)s = 'yes'))
  AND (%(building)s::bigint IS NULL OR b.id = %(building)s)
  AND (%(text)s = '' OR r.code ILIKE %(inside)s OR replace(r.code, '-', '') ILIKE %(start)s OR r.name ILIKE %(inside)s
       OR r.initials ILIKE %(start)s OR cu.name ILIKE %(inside)s OR m.number LIKE %(inside)s OR k.number LIKE %(inside)s
       OR g.code ILIKE %(inside)s OR st.code ILIKE %(inside)s OR st.name ILIKE %(inside)s)
"""
_COLUMNS: Final = f"""
a.id, a.kind, a.raised_at, a.cleared_at, a.seen_by, a.seen_at, a.values::text, a.circuit_id,
coalesce(r.code, m.number, ''),
coalesce(r.name, ''), coalesce(b.name, ''), coalesce(k.number, ''), coalesce(cu.name, ''), coalesce(cu.phone, ''),
coalesce(sp.credit_unit, 'Wh'), {BALANCE}, la.at, coalesce(g.code, ''),
coalesce(n.code, ''), a.line_id,
(SELECT count(*) FROM estate_circuit y JOIN estate_meter z ON z.id = y.meter_id
 WHERE z.removed_at IS NULL AND (z.line_id = a.line_id OR z.line_id IN (
     SELECT l.id FROM estate_line l JOIN estate_gateway h ON h.id = l.gateway_id WHERE h.station_id = a.station_id))),
coalesce(st.code, ''), coalesce(st.name, '')
"""


def _arguments(operator_id: int, site_id: int, filters: AlarmFilters) -> dict[str, Any]:
    return {
        **find_text(filters.text),
        "operator": operator_id,
        "site": site_id,
        "past": filters.past,
        "kind": filters.kind,
        "seen": filters.seen,
        "building": filters.building_id,
        "id": None,
    }


def alarms(
    operator_id: int, site_id: int, filters: AlarmFilters, *, before_id: int | None = None, most: int = LIST_MOST
) -> list[AlarmRow]:
    """Newest first by when they were raised, at most `most`, older than `before_id`."""
    return _rows({**_arguments(operator_id, site_id, filters), "before": before_id, "most": most})


def one_alarm(operator_id: int, site_id: int, alarm_id: int) -> AlarmRow | None:
    """One alarm, open or past; None when he may not see it."""
    for past in (False, True):
        wanted = {**_arguments(operator_id, site_id, AlarmFilters(past=past)), "id": alarm_id}
        if rows := _rows({**wanted, "before": None, "most": 1}):
            return rows[0]
    return None


def _rows(arguments: dict[str, Any]) -> list[AlarmRow]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {_COLUMNS} {_FROM} AND (%(before)s::bigint IS NULL OR (a.raised_at, a.id)"
            " < (SELECT x.raised_at, x.id FROM alarms_alarm x WHERE x.id = %(before)s))"
            " ORDER BY a.raised_at DESC, a.id DESC LIMIT %(most)s",
            arguments,
        )
        names = AlarmRow.__slots__
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return [AlarmRow(**{**row, "values": json.loads(row["values"])}) for row in rows]


def alarm_counts(operator_id: int, site_id: int, *, past: bool) -> dict[str, int]:
    """Alarms by kind, for the filter chips."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT a.kind, count(*) {_FROM} GROUP BY a.kind",
            _arguments(operator_id, site_id, AlarmFilters(past=past)),
        )
        return dict(cursor.fetchall())


def alarms_of_circuits(site_id: int, circuit_ids: list[int], *, since: datetime | None, most: int = 6) -> list[Any]:
    """(kind, raised_at, cleared_at, seen_by) of these circuits, newest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT kind, raised_at, cleared_at, seen_by FROM alarms_alarm WHERE site_id = %s AND circuit_id = ANY(%s)"
            " AND (%s::timestamptz IS NULL OR raised_at >= %s) ORDER BY raised_at DESC LIMIT %s",
            [site_id, circuit_ids, since, since, most],
        )
        return list(cursor.fetchall())
