"""Readings with what is thought of them: those of a circuit, and the marked ones of a site. Reads only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.db import connection

from prewatt.core.meters.judging import BY_CODE, CODES, Mark
from prewatt.office.reports.keyset import find_text

LIST_MOST: Final = 50
EXPORT_MOST: Final = 20_000
PERIODS: Final = (1, 7, 31)  # days
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class MarkedRow:
    """A marked reading of a site. `doubted`: the counter fell or leapt here, and nobody has said yet what happened."""

    at: datetime
    circuit_id: int
    wh: int
    mark: Mark
    source: int
    good: bool
    before_wh: int | None
    meter: str
    room: str
    room_name: str
    building: str
    contract_number: str
    customer: str
    doubted: bool


@dataclass(frozen=True, kw_only=True)
class MarkFilters:
    """`days`: back from now; `doubted`: only those that wait for a person."""

    mark: Mark | None = None
    days: int = 7
    building_id: int | None = None
    doubted: bool = False
    text: str = ""


_FROM: Final = """
FROM metering_reading x
JOIN estate_circuit c ON c.id = x.circuit_id
JOIN estate_site s ON s.id = c.site_id
JOIN estate_meter m ON m.id = c.meter_id
LEFT JOIN estate_room r ON r.id = c.room_id
LEFT JOIN estate_building b ON b.id = r.building_id
LEFT JOIN estate_supplypoint sp ON sp.circuit_id = c.id AND sp.state <> 'closed'
LEFT JOIN estate_contract k ON k.id = sp.contract_id
LEFT JOIN estate_customer cu ON cu.id = k.customer_id
LEFT JOIN metering_latest la ON la.site_id = x.site_id AND la.circuit_id = x.circuit_id
WHERE x.site_id = %(site)s AND x.mark IS NOT NULL AND x.at > %(since)s AND x.energy_wh IS NOT NULL
  AND EXISTS (SELECT 1 FROM staff_scope sc WHERE sc.operator_id = %(operator)s
      AND (sc.company_id = s.company_id OR sc.site_id = s.id OR sc.building_id = r.building_id))
  AND (%(building)s::bigint IS NULL OR b.id = %(building)s)
  AND (NOT %(doubted)s OR x.mark IN (1, 2) AND x.at > la.sure_at)
  AND (%(text)s = '' OR r.code ILIKE %(inside)s OR replace(r.code, '-', '') ILIKE %(start)s OR r.name ILIKE %(inside)s
       OR r.initials ILIKE %(start)s OR cu.name ILIKE %(inside)s OR m.number LIKE %(inside)s
       OR k.number LIKE %(inside)s)
"""
_LIST: Final = f"""
SELECT x.at, x.circuit_id, x.energy_wh, x.mark, x.source, x.quality = 0,
    (SELECT e.energy_wh FROM metering_reading e WHERE e.site_id = x.site_id AND e.circuit_id = x.circuit_id
     AND e.at < x.at AND e.energy_wh IS NOT NULL AND e.quality NOT IN (3, 4) ORDER BY e.at DESC LIMIT 1),
    m.number, coalesce(r.code, ''), coalesce(r.name, ''), coalesce(b.name, ''), coalesce(k.number, ''),
    coalesce(cu.name, ''), x.mark IN (1, 2) AND coalesce(x.at > la.sure_at, false)
{_FROM}
  AND (%(mark)s::smallint IS NULL OR x.mark = %(mark)s)
  AND (%(after_at)s::timestamptz IS NULL OR (x.at, x.circuit_id) < (%(after_at)s, %(after_id)s))
ORDER BY x.at DESC, x.circuit_id DESC LIMIT %(most)s
"""


def _arguments(operator_id: int, site_id: int, filters: MarkFilters, at: datetime) -> dict[str, Any]:
    return {
        **find_text(filters.text), "operator": operator_id, "site": site_id, "since": at - timedelta(days=filters.days),
        "building": filters.building_id, "doubted": filters.doubted,
        "mark": None if filters.mark is None else CODES[filters.mark],
    }  # fmt: skip


def marked(
    operator_id: int, site_id: int, filters: MarkFilters, *, at: datetime, after: tuple[datetime, int] | None = None,
    most: int = LIST_MOST,
) -> list[MarkedRow]:  # fmt: skip
    """The newest first, at most `most`, behind the reading `after` = (at, circuit)."""
    given = {"after_at": after[0] if after else None, "after_id": after[1] if after else None, "most": most}
    with connection.cursor() as cursor:
        cursor.execute(_LIST, {**_arguments(operator_id, site_id, filters, at), **given})
        names = MarkedRow.__slots__
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return [MarkedRow(**{**row, "mark": BY_CODE[row["mark"]]}) for row in rows]


def mark_counts(operator_id: int, site_id: int, filters: MarkFilters, *, at: datetime) -> dict[Mark, int]:
    """Marked readings by mark, for the filter chips."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT x.mark, count(*) {_FROM} GROUP BY x.mark ORDER BY x.mark",
            _arguments(operator_id, site_id, filters, at),
        )
        return {BY_CODE[code]: count for code, count in cursor.fetchall()}


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadingView:
    """One reading of a circuit as the API shows it. `source`: as `metering_reading`; `good`: it may be billed."""

    at: datetime
    energy_wh: int | None
    power_w: int | None
    balance: int | None
    purchase_count: int | None
    relay: int | None
    source: int
    good: bool
    mark: Mark

    @property
    def key(self) -> int:
        """Microseconds since 1970: its place in a list."""
        return (self.at - _EPOCH) // timedelta(microseconds=1)


def readings(site_id: int, circuit_id: int, *, before: int, most: int) -> Sequence[ReadingView]:
    """At most `most` readings of a circuit, the newest first, older than the key `before` (0: from the newest on). The
    caller has found the circuit through the door."""
    until = _EPOCH + timedelta(microseconds=before) if before else None
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT at, energy_wh, power_w, balance, purchase_count, relay, source, quality = 0, coalesce(mark, 0)"
            " FROM metering_reading WHERE site_id = %s AND circuit_id = %s AND (%s::timestamptz IS NULL OR at < %s)"
            " ORDER BY at DESC LIMIT %s",
            [site_id, circuit_id, until, until, most],
        )
        names = ReadingView.__slots__
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return [ReadingView(**{**row, "mark": BY_CODE[row["mark"]]}) for row in rows]
