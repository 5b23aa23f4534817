"""Meters, gateways and lines as pages show them: health of the link apart from health of the meter. Reads only."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import connection

from prewatt.office.reports.keyset import BALANCE, RUNNING, find_text, keyset

LIST_MOST: Final = 50
EXPORT_MOST: Final = 20_000
EVENTS_MOST: Final = 8
JOBS_MOST: Final = 10

_SCOPE: Final = """
EXISTS (SELECT 1 FROM staff_scope sc WHERE sc.operator_id = %(operator)s
      AND (sc.company_id = s.company_id OR sc.site_id = s.id OR sc.building_id = r.building_id))
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class MeterRow:
    """One circuit of a meter. Energies in Wh, power in W, `balance` in `credit_unit`."""

    circuit_id: int
    meter_id: int
    number: str
    index: int
    profile: str
    ct_ratio: int
    common: bool
    gateway: str
    line: str
    line_id: int
    unit: int
    line_up: bool
    silent: bool
    misses: int
    state_since: datetime | None
    building: str
    room: str
    room_name: str
    contract_number: str
    custody: str | None
    credit_unit: str
    read_at: datetime | None
    full_at: datetime | None
    energy_wh: int | None
    power_w: int | None
    balance: int | None
    purchase_count: int | None
    relay: int | None
    status: int
    wish: str
    station: str  # where its gateway stands; "": at none
    key: str | int


@dataclass(frozen=True, kw_only=True)
class MeterFilters:
    """What the list is narrowed to, and how it stands. `health`: "" | answering | silent | line_lost."""

    text: str = ""
    line_id: int | None = None
    building_id: int | None = None
    station_id: int | None = None
    profile: str = ""
    health: str = ""
    sort: str = "line"
    descending: bool = False


SORTS: Final = {
    "line": (
        "coalesce(coalesce(st.code || ' ', '~') || g.code || ' ' || n.code, '~') || ' ' || to_char(m.unit, 'FM000')"
        " || to_char(c.index, 'FM00')", "text"
    ),
    "number": ("m.number", "text"),
    "room": ("coalesce(b.code, '~') || coalesce(r.code, m.number)", "text"),
    "energy": ("coalesce(la.energy_wh, -1)", "bigint"),
    "age": ("coalesce(extract(epoch FROM la.at)::bigint, 0)", "bigint"),
}

_FROM: Final = (
    f"""
FROM estate_circuit c
JOIN estate_site s ON s.id = c.site_id
JOIN estate_meter m ON m.id = c.meter_id AND m.removed_at IS NULL
LEFT JOIN estate_line n ON n.id = m.line_id  -- one that is never online has none
LEFT JOIN estate_gateway g ON g.id = n.gateway_id
LEFT JOIN estate_station st ON st.id = g.station_id
LEFT JOIN estate_room r ON r.id = c.room_id
LEFT JOIN estate_building b ON b.id = r.building_id
LEFT JOIN metering_linestate ls ON ls.line_id = n.id
LEFT JOIN metering_meterstate ms ON ms.meter_id = m.id
LEFT JOIN metering_latest la ON la.site_id = c.site_id AND la.circuit_id = c.id
LEFT JOIN metering_relaywish w ON w.circuit_id = c.id
LEFT JOIN estate_supplypoint sp ON sp.circuit_id = c.id AND sp.state <> 'closed'
LEFT JOIN estate_contract k ON k.id = sp.contract_id
LEFT JOIN vending_circuitcredit cc ON cc.circuit_id = c.id
{RUNNING}
WHERE c.site_id = %(site)s AND """
    + _SCOPE
    + """
  AND (%(line)s::bigint IS NULL OR n.id = %(line)s)
  AND (%(building)s::bigint IS NULL OR b.id = %(building)s)
  AND (%(station)s::bigint IS NULL OR st.id = %(station)s)
  AND (%(meter)s::bigint IS NULL OR m.id = %(meter)s)
  AND (%(profile)s = '' OR m.profile = %(profile)s)
  AND (%(health)s = '' OR %(health)s = CASE WHEN n.id IS NULL THEN 'no_line'
       WHEN NOT coalesce(ls.up, false) THEN 'line_lost'
       WHEN coalesce(ms.silent, la.at IS NULL) THEN 'silent' ELSE 'answering' END)
  AND (%(text)s = '' OR r.code ILIKE %(inside)s OR replace(r.code, '-', '') ILIKE %(start)s OR r.name ILIKE %(inside)s
       OR r.initials ILIKE %(start)s OR m.number LIKE %(inside)s OR k.number LIKE %(inside)s)
"""
)
_COLUMNS: Final = f"""
c.id, m.id, m.number, c.index, m.profile, m.ct_ratio, c.use = 'common', coalesce(g.code, ''), coalesce(n.code, ''),
coalesce(n.id, 0), m.unit,
coalesce(ls.up, false), coalesce(ms.silent, la.at IS NULL), coalesce(ms.misses, 0), ms.since, coalesce(b.name, ''),
coalesce(r.code, ''), coalesce(r.name, ''), coalesce(k.number, ''), sp.custody, coalesce(sp.credit_unit, 'Wh'), la.at,
la.full_at, la.energy_wh, la.power_w, {BALANCE},
CASE sp.custody WHEN 'server' THEN coalesce(cc.purchase_count, 0) ELSE la.purchase_count END, la.relay,
coalesce(la.status, 0), coalesce(w.wish, 'automatic'), coalesce(st.code, '')
"""


def _arguments(operator_id: int, site_id: int, filters: MeterFilters, meter_id: int | None = None) -> dict[str, Any]:
    return {
        **find_text(filters.text),
        "operator": operator_id,
        "site": site_id,
        "line": filters.line_id,
        "building": filters.building_id,
        "station": filters.station_id,
        "profile": filters.profile,
        "health": filters.health,
        "meter": meter_id,
    }


def meters(
    operator_id: int,
    site_id: int,
    filters: MeterFilters,
    *,
    after: tuple[str | int, int] | None = None,
    most: int = LIST_MOST,
    meter_id: int | None = None,
) -> list[MeterRow]:
    """At most `most` circuits behind the key `after` = (row.key, row.circuit_id)."""
    return keyset(
        MeterRow, _COLUMNS, _FROM, _arguments(operator_id, site_id, filters, meter_id), sort=SORTS[filters.sort],
        tie="c.id", descending=filters.descending, after=after, most=most,
    )  # fmt: skip


def meters_total(operator_id: int, site_id: int, filters: MeterFilters) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) {_FROM}", _arguments(operator_id, site_id, filters))
        row = cursor.fetchone()
    assert row is not None
    return int(row[0])


def to_read(operator_id: int, site_id: int, filters: MeterFilters, ids: list[int] | None = None) -> dict[int, int]:
    """{circuit id: index} of what a "read now" of these filters, or of these ids, may ask; by line and address."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT c.id, c.index {_FROM} AND n.id IS NOT NULL"
            " AND (%(ids)s::bigint[] IS NULL OR c.id = ANY(%(ids)s::bigint[]))"
            " ORDER BY n.id, m.unit, c.index LIMIT %(most)s",
            {**_arguments(operator_id, site_id, filters), "ids": ids, "most": EXPORT_MOST},
        )
        return dict(cursor.fetchall())


@dataclass(frozen=True, kw_only=True, slots=True)
class LineHealth:
    """A line: its link, and behind it the meters, each counted apart."""

    gateway_id: int
    gateway: str
    gateway_name: str
    host: str  # or what it dials in as
    one_line: bool  # its connection is its one bus
    line_id: int
    line: str
    transport: str
    port: int
    baud: int
    medium: str  # "": a wire
    up: bool
    known: bool  # a head-end has tried it
    error: str
    since: datetime | None
    at: datetime | None
    replies: int
    timeouts: int
    last_reply_at: datetime | None
    meters: int
    silent: int
    owner: str
    leased: bool
    station_id: int  # where its gateway stands; 0: at none
    station: str
    station_name: str
    station_place: str


def lines(operator_id: int, site_id: int) -> list[LineHealth]:
    """The lines behind which the operator sees a circuit, and those that have no meter yet; by gateway and line."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
SELECT g.id, g.code, g.name, g.host || g.identity,
  g.identity <> '' AND g.secret = '' OR coalesce(starts_with(n.transport, 'serial-'), false),
  coalesce(n.id, 0), coalesce(n.code, ''), coalesce(n.transport, ''),
  coalesce(n.port, 0), coalesce(n.baud, 0), coalesce(n.medium, ''), coalesce(ls.up, false),
  ls.line_id IS NOT NULL, coalesce(ls.error, ''),
  ls.since, ls.at, coalesce(ls.replies, 0), coalesce(ls.timeouts, 0), ls.last_reply_at,
  (SELECT count(*) FROM estate_meter m WHERE m.line_id = n.id AND m.removed_at IS NULL),
  (SELECT count(*) FROM estate_meter m JOIN metering_meterstate ms ON ms.meter_id = m.id
   WHERE m.line_id = n.id AND m.removed_at IS NULL AND ms.silent),
  coalesce(l.owner, ''), coalesce(l.valid_until > clock_timestamp(), false),
  coalesce(st.id, 0), coalesce(st.code, ''), coalesce(st.name, ''), coalesce(st.place, '')
FROM estate_gateway g JOIN estate_site s ON s.id = g.site_id
LEFT JOIN estate_station st ON st.id = g.station_id
LEFT JOIN estate_line n ON n.gateway_id = g.id
LEFT JOIN metering_linestate ls ON ls.line_id = n.id
LEFT JOIN metering_gatewaylease l ON l.gateway_id = g.id
WHERE g.site_id = %(site)s AND EXISTS (
  SELECT 1 FROM staff_scope sc WHERE sc.operator_id = %(operator)s AND (sc.company_id = s.company_id
    OR sc.site_id = s.id
    OR sc.building_id IN (SELECT r.building_id FROM estate_room r JOIN estate_circuit c ON c.room_id = r.id
                          JOIN estate_meter m ON m.id = c.meter_id WHERE m.line_id = n.id AND m.removed_at IS NULL)))
ORDER BY coalesce(st.code, '~'), g.code, n.code LIMIT 1000""",
            {"site": site_id, "operator": operator_id},
        )
        names = LineHealth.__slots__
        return [LineHealth(**dict(zip(names, row, strict=True))) for row in cursor.fetchall()]


@dataclass(frozen=True, kw_only=True, slots=True)
class JobLine:
    """One command or read as the meter page lists it."""

    id: int
    intent: str
    state: str
    verdict: str
    code: str
    actor: str
    created_at: datetime
    finished_at: datetime | None
    attempts: int
    wish: str
    due_at: datetime
    ever_sent: bool


def jobs_of(circuit_ids: list[int], *, since: datetime, most: int = JOBS_MOST) -> list[JobLine]:
    """What was asked of these circuits' meter since then, newest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, intent, state, verdict, code, actor, created_at, finished_at, attempts,"
            " coalesce(payload->>'wish', ''), due_at, ever_sent FROM metering_job"
            " WHERE circuit_id = ANY(%s) AND created_at >= %s ORDER BY id DESC LIMIT %s",
            [circuit_ids, since, most],
        )
        names = JobLine.__slots__
        return [JobLine(**dict(zip(names, row, strict=True))) for row in cursor.fetchall()]


@dataclass(frozen=True, kw_only=True, slots=True)
class SupplyChange:
    """A relay seen opening or closing, or contact lost and found, with what was read then."""

    at: datetime
    kind: str
    cause: str
    balance: int | None
    power_w: int | None


def changes_of_supply(circuit_id: int, *, most: int = EVENTS_MOST) -> list[SupplyChange]:
    """Newest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT at, kind, cause, balance, power_w FROM metering_supplyevent WHERE circuit_id = %s"
            " AND kind IN ('opened', 'closed') ORDER BY at DESC LIMIT %s",
            [circuit_id, most],
        )
        names = SupplyChange.__slots__
        return [SupplyChange(**dict(zip(names, row, strict=True))) for row in cursor.fetchall()]


def times_lost(site_id: int, circuit_id: int, line_id: int, *, since: datetime) -> list[tuple[str, datetime]]:
    """(line_lost | meter_lost, when) since then, newest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT kind, at FROM metering_supplyevent WHERE site_id = %s AND at >= %s"
            " AND ((circuit_id = %s AND kind = 'meter_lost') OR (line_id = %s AND kind = 'line_lost'))"
            " ORDER BY at DESC LIMIT 50",
            [site_id, since, circuit_id, line_id],
        )
        return [(kind, at) for kind, at in cursor.fetchall()]


def latest_of(site_id: int, circuit_id: int) -> dict[str, Any]:
    """The latest row of a circuit by column, what full reads said beside it as `others` by quantity at `others_at`;
    empty when it was never read."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT at, full_at, energy_wh, power_w, balance, purchase_count, last_order_kind, last_order_amount,"
            " purchased_total, use_past_zero, relay, status, relay_at, rates_wh, voltage_mv, current_ma, mark,"
            " o.said AS others, o.said_at AS others_at FROM metering_latest"
            " LEFT JOIN (SELECT circuit_id, said::text AS said, at AS said_at FROM metering_alsoread) o"
            " USING (circuit_id)"
            " WHERE site_id = %s AND circuit_id = %s",
            [site_id, circuit_id],
        )
        row = cursor.fetchone()
        if row is None:
            return {}
        found = dict(zip([column.name for column in cursor.description], row, strict=True))
        return {**found, "others": json.loads(found["others"] or "{}")}


def settings_of(circuit_id: int) -> tuple[dict[str, int], datetime | None]:
    """What was last read of a meter's settings (opening, closing, settings written), and when; empty when never."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT values, finished_at FROM metering_job WHERE circuit_id = %s AND state = 'done' AND verdict = 'done'"
            " AND intent IN ('read_purse', 'write_settings', 'try') ORDER BY id DESC LIMIT 1",
            [circuit_id],
        )
        row = cursor.fetchone()
        if row is None:
            return {}, None
        return (json.loads(row[0]) if isinstance(row[0], str) else row[0]), row[1]


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadResult:
    """One circuit of a "read now": `left` of its jobs still run; the verdict is the worst of those that ended."""

    circuit_id: int
    meter_id: int
    room: str
    room_name: str
    meter_number: str
    gateway: str
    line: str
    unit: int
    left: int
    verdict: str
    code: str
    finished_at: datetime | None
    energy_wh: int | None
    balance: int | None
    power_w: int | None
    relay: int | None


def read_results(
    operator_id: int, site_id: int, *, first_id: int, last_id: int, most: int = EXPORT_MOST
) -> list[ReadResult]:
    """The results of the reads whose jobs have these ids, one row per circuit; what did not end well stands first."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
SELECT c.id, m.id, coalesce(r.code, m.number), coalesce(r.name, ''), m.number, g.code, n.code, m.unit,
  count(*) FILTER (WHERE j.state IN ('queued', 'claimed')),
  CASE WHEN bool_or(j.state = 'dropped') THEN 'dropped'
       WHEN bool_or(j.state = 'done' AND j.verdict = 'refused') THEN 'refused'
       WHEN bool_or(j.state = 'done' AND j.verdict <> 'done') THEN 'silent'
       WHEN bool_and(j.state = 'done') THEN 'done' ELSE '' END,
  coalesce(max(j.code) FILTER (WHERE j.verdict <> 'done' OR j.state = 'dropped'), ''), max(j.finished_at),
  max((j.values->>'energy_import_total')::bigint), max((j.values->>'balance')::bigint),
  max((j.values->>'power_active')::bigint), max((j.values->>'relay')::int)
FROM metering_job j
JOIN estate_circuit c ON c.id = j.circuit_id
JOIN estate_site s ON s.id = c.site_id
JOIN estate_meter m ON m.id = c.meter_id
JOIN estate_line n ON n.id = m.line_id
JOIN estate_gateway g ON g.id = n.gateway_id
LEFT JOIN estate_room r ON r.id = c.room_id
WHERE j.id BETWEEN %(first)s AND %(last)s AND j.key LIKE 'read:%%' AND j.site_id = %(site)s AND c.site_id = %(site)s
  AND j.actor = %(actor)s AND """
            + _SCOPE
            + """
GROUP BY c.id, m.id, r.code, r.name, m.number, g.code, n.code, m.unit
ORDER BY (bool_or(j.state = 'dropped' OR (j.state = 'done' AND j.verdict <> 'done'))) DESC, g.code, n.code, m.unit
LIMIT %(most)s""",
            {
                "operator": operator_id,
                "site": site_id,
                "first": first_id,
                "last": last_id,
                "most": most,
                "actor": f"operator:{operator_id}",
            },
        )
        names = ReadResult.__slots__
        return [ReadResult(**dict(zip(names, row, strict=True))) for row in cursor.fetchall()]
