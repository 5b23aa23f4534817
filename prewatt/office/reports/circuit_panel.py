"""What the side panel says of one circuit beyond its tile: load since yesterday, use today, last purchase, events.

The caller has found the circuit through the board's scope; this statement adds nothing about another circuit.
"""

from dataclasses import dataclass
from datetime import date, datetime

from django.db import connection

POINTS_MOST = 96  # half-hours of two days
EVENTS_MOST = 5

PANEL_SQL = """
SELECT
  (SELECT coalesce(json_agg(json_build_array(p.second, p.watt) ORDER BY p.second), '[]'::json) FROM (
     SELECT (extract(epoch FROM at)::bigint / 1800) * 1800 AS second, avg(power_w)::bigint AS watt
     FROM metering_reading
     WHERE site_id = %(site)s AND circuit_id = %(circuit)s AND at >= %(since)s AND at <= %(at)s AND power_w IS NOT NULL
     GROUP BY 1 ORDER BY 1 DESC LIMIT %(points)s) p),
  (SELECT used_wh FROM metering_daily WHERE site_id = %(site)s AND circuit_id = %(circuit)s AND day = %(day)s),
  (SELECT json_build_object('at', at, 'minor', amount_minor) FROM vending_sale
   WHERE circuit_id = %(circuit)s AND state = 'sold' AND at <= %(at)s ORDER BY at DESC LIMIT 1),
  (SELECT coalesce(json_agg(e ORDER BY e.at DESC), '[]'::json) FROM (
     (SELECT at, kind, cause, NULL::bigint AS credit, '' AS unit, NULL::bigint AS took_s FROM metering_supplyevent
      WHERE circuit_id = %(circuit)s AND at <= %(at)s ORDER BY at DESC LIMIT %(events)s)
     UNION ALL
     (SELECT raised_at, 'alarm', kind, NULL, '', NULL FROM alarms_alarm
      WHERE site_id = %(site)s AND circuit_id = %(circuit)s AND raised_at <= %(at)s
      ORDER BY raised_at DESC LIMIT %(events)s)
     UNION ALL
     (SELECT s.at, 'sale', d.state, s.credit, s.credit_unit,
             CASE WHEN d.state = 'confirmed' THEN extract(epoch FROM d.settled_at - s.at)::bigint END
      FROM vending_sale s JOIN vending_delivery d ON d.sale_id = s.id
      WHERE s.circuit_id = %(circuit)s AND s.at <= %(at)s ORDER BY s.at DESC LIMIT %(events)s)
     ORDER BY at DESC LIMIT %(events)s) e)
"""


@dataclass(frozen=True, kw_only=True)
class PanelEvent:
    """`kind`: a SupplyEvent kind, "alarm" (`cause` its kind) or "sale" (`cause` the delivery's state)."""

    at: datetime
    kind: str
    cause: str
    credit: int | None
    unit: str
    took_s: int | None


@dataclass(frozen=True, kw_only=True)
class CircuitPanel:
    """`load`: (second, watt) per half-hour."""

    load: tuple[tuple[int, int], ...]
    used_today_wh: int | None
    last_sale_at: datetime | None
    last_sale_minor: int | None
    events: tuple[PanelEvent, ...]


def circuit_panel(site_id: int, circuit_id: int, *, since: datetime, at: datetime, day: date) -> CircuitPanel:
    """`since` is where the load curve begins; `day` the local day of `at`."""
    with connection.cursor() as cursor:
        cursor.execute(
            PANEL_SQL,
            {
                "site": site_id, "circuit": circuit_id, "since": since, "at": at, "day": day,
                "points": POINTS_MOST, "events": EVENTS_MOST,
            },
        )  # fmt: skip
        load, used, sale, events = cursor.fetchone()
    return CircuitPanel(
        load=tuple((second, watt) for second, watt in load),
        used_today_wh=used,
        last_sale_at=datetime.fromisoformat(sale["at"]) if sale else None,
        last_sale_minor=sale["minor"] if sale else None,
        events=tuple(PanelEvent(**{**event, "at": datetime.fromisoformat(event["at"])}) for event in events),
    )
