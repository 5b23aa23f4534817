"""Readings that were taken elsewhere before: loaded in bulk, marked as history, judged by nobody twice.

For the demo's past and for a site that brings its old system's readings along. Days before today only get
partitions here; roll-ups are made from what was loaded.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final, NamedTuple

from django.db import connection, transaction

from prewatt.office.metering.models import SupplyEvent

SOURCE_HISTORY: Final = 4
_COLUMNS: Final = (
    "site_id, circuit_id, at, full_read, source, quality, energy_wh, power_w, balance, purchase_count, relay, status"
)
_TYPES: Final = ["int8", "int8", "timestamptz", "bool", "int2", "int2", "int8", "int4", "int8", "int4", "int2", "int4"]


class PastReading(NamedTuple):
    """One register read of the past; Wh, W, credit unit. None where the meter has no purse."""

    site_id: int
    circuit_id: int
    at: datetime
    energy_wh: int
    power_w: int
    balance: int | None
    purchase_count: int | None
    relay: int
    status: int


def load_readings(rows: Iterable[PastReading], *, first: datetime, last: datetime) -> int:
    """Store readings between two moments, then the daily use and the latest row of each circuit; how many.

    One transaction; the newest row of a circuit becomes its latest state unless a newer one stands.
    """
    count = 0
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT metering_make_partitions(%s, %s, 1)", [last.date(), (last - first).days + 1])
        raw: Any = cursor.connection.cursor()
        with raw.copy(f"COPY metering_reading ({_COLUMNS}) FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(_TYPES)
            for row in rows:
                copy.write_row(
                    (row.site_id, row.circuit_id, row.at, True, SOURCE_HISTORY, 0, row.energy_wh, row.power_w,
                     row.balance, row.purchase_count, row.relay, row.status)
                )  # fmt: skip
                count += 1
        cursor.execute(_DAILY, [first, last])
        cursor.execute(_LATEST, [first, last])
    return count


def load_events(events: Iterable[SupplyEvent]) -> None:
    """Store changes of supply and losses of links that were seen before."""
    SupplyEvent.objects.bulk_create(events, batch_size=1_000)


_DAILY: Final = """
INSERT INTO metering_daily (site_id, circuit_id, day, used_wh, last_energy_wh, last_balance)
SELECT site_id, circuit_id, day, sum(used), max(energy_wh), (array_agg(balance ORDER BY at DESC))[1]
FROM (
    -- the use of an interval belongs to the local day in which it began
    SELECT r.site_id, r.circuit_id, r.at, r.energy_wh, r.balance,
        (coalesce(lag(r.at) OVER w, r.at) AT TIME ZONE s.timezone)::date AS day,
        greatest(0, r.energy_wh - coalesce(lag(r.energy_wh) OVER w, r.energy_wh)) AS used
    FROM metering_reading r JOIN estate_site s ON s.id = r.site_id
    WHERE r.at BETWEEN %s AND %s AND r.quality = 0
    WINDOW w AS (PARTITION BY r.site_id, r.circuit_id ORDER BY r.at)
) q GROUP BY site_id, circuit_id, day
ON CONFLICT (site_id, circuit_id, day) DO UPDATE SET used_wh = metering_daily.used_wh + excluded.used_wh,
    last_energy_wh = greatest(metering_daily.last_energy_wh, excluded.last_energy_wh),
    last_balance = excluded.last_balance
"""

_LATEST: Final = """
INSERT INTO metering_latest AS t (site_id, circuit_id, at, full_at, energy_wh, power_w, balance, purchase_count, relay,
    status, relay_at, energy_at)
SELECT DISTINCT ON (site_id, circuit_id) site_id, circuit_id, at, at, energy_wh, power_w, balance, purchase_count,
    relay, status, at, at
FROM metering_reading WHERE at BETWEEN %s AND %s ORDER BY site_id, circuit_id, at DESC
ON CONFLICT (site_id, circuit_id) DO UPDATE SET at = excluded.at, full_at = excluded.full_at,
    energy_wh = excluded.energy_wh, power_w = excluded.power_w, balance = excluded.balance,
    purchase_count = excluded.purchase_count, relay = excluded.relay, status = excluded.status,
    relay_at = excluded.relay_at, energy_at = excluded.energy_at, mark = NULL, still_ws = 0, sure_at = NULL,
    sure_wh = NULL
WHERE excluded.at > t.at
"""
