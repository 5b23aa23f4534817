"""What is in doubt of a circuit: its counter fell or leapt, and nobody has said yet what happened.

The intake finds it (`core.meters.judging`) and ends it where the counter comes back. What it means for money, and the
acts of a person, are `billing.doubts`.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connection


@dataclass(frozen=True, kw_only=True, slots=True)
class Doubt:
    """Where the counter stood last for sure, and what it says now. Wh on the primary side."""

    site_id: int
    circuit_id: int
    sure_at: datetime
    sure_wh: int
    at: datetime
    wh: int

    @property
    def fell(self) -> bool:
        return self.wh < self.sure_wh


_DOUBT: Final = """
SELECT site_id, circuit_id, sure_at, sure_wh, coalesce(energy_at, at), energy_wh FROM metering_latest
WHERE site_id = %s AND circuit_id = ANY (%s) AND sure_at IS NOT NULL AND energy_wh IS NOT NULL ORDER BY circuit_id
"""


def of_circuits(site_id: int, circuit_ids: list[int], *, locked: bool = False) -> list[Doubt]:
    """Those of the circuits that are in doubt. `locked`: nothing is read of them until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(_DOUBT + (" FOR NO KEY UPDATE" if locked else ""), [site_id, circuit_ids])
        return [
            Doubt(site_id=site, circuit_id=circuit, sure_at=sure_at, sure_wh=sure_wh, at=at, wh=wh)
            for site, circuit, sure_at, sure_wh, at, wh in cursor.fetchall()
        ]


def end(site_id: int, circuit_id: int, *, before: datetime) -> None:
    """A person has said what happened before that moment; the marks stay with their readings."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE metering_latest SET sure_at = NULL, sure_wh = NULL"
            " WHERE site_id = %s AND circuit_id = %s AND sure_at < %s",
            [site_id, circuit_id, before],
        )


def believe(doubt: Doubt) -> None:
    """The counter leapt, and it was truly used: the readings that leapt are good, and their days have the use. What
    does not lie between where it stood and where it stands was an error, also where it was told again."""
    arguments: list[int | datetime] = [doubt.site_id, doubt.circuit_id, doubt.sure_at]
    with connection.cursor() as cursor:
        cursor.execute(_USED, [doubt.sure_wh, *arguments, doubt.wh])
        cursor.execute(
            "UPDATE metering_reading SET quality = 0"
            " WHERE site_id = %s AND circuit_id = %s AND at > %s AND quality = 2 AND energy_wh BETWEEN %s AND %s",
            [*arguments, doubt.sure_wh, doubt.wh],
        )
        cursor.execute(_ERRORS, [doubt.sure_wh, doubt.sure_wh, *arguments, doubt.sure_wh, doubt.wh])
    end(doubt.site_id, doubt.circuit_id, before=doubt.at)


_ERRORS: Final = """
UPDATE metering_reading SET quality = CASE WHEN energy_wh < %s THEN 1 ELSE 2 END,
    mark = CASE WHEN energy_wh < %s THEN 1 ELSE 2 END
WHERE site_id = %s AND circuit_id = %s AND at > %s AND quality = 0 AND energy_wh NOT BETWEEN %s AND %s
"""

_USED: Final = """
INSERT INTO metering_daily AS d (site_id, circuit_id, day, used_wh, last_energy_wh)
SELECT j.site_id, j.circuit_id, (j.at AT TIME ZONE s.timezone)::date,
    sum(j.energy_wh - greatest(b.energy_wh, %s))::bigint, max(j.energy_wh)
FROM metering_reading j JOIN estate_site s ON s.id = j.site_id
CROSS JOIN LATERAL (
    SELECT m.energy_wh FROM metering_reading m
    WHERE m.site_id = j.site_id AND m.circuit_id = j.circuit_id AND m.at < j.at AND m.quality IN (0, 1, 2)
      AND m.energy_wh IS NOT NULL ORDER BY m.at DESC LIMIT 1) b
WHERE j.site_id = %s AND j.circuit_id = %s AND j.at > %s AND j.quality = 2 AND j.energy_wh > b.energy_wh
    AND j.energy_wh <= %s
GROUP BY 1, 2, 3
ON CONFLICT (site_id, circuit_id, day) DO UPDATE SET used_wh = d.used_wh + greatest(0, excluded.used_wh)
"""
