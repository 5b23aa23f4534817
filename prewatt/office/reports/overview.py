"""The overview of a site: what happened, who runs out, what is not confirmed, where the money is.

Counts of circuits come from the board's rows (`board.board_rows`), so that the two pages agree; the rest is one
statement here.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection

from prewatt.office.reports.happenings import Happening, StationLine, paired, with_stations

EVENTS_MOST = 200  # of one week-end; more is a fault of the wires, which the first of them already tell
DELIVERIES_MOST = 50

# The rooms an operator may see; each part below joins it, so that nothing outside his scope is even counted.
_MINE = """
WITH mine AS (
    SELECT c.id, coalesce(r.code, m.number) AS room, coalesce(r.name, '') AS room_name, m.line_id,
        g.station_id
    FROM estate_circuit c
    JOIN estate_site s ON s.id = c.site_id
    JOIN estate_meter m ON m.id = c.meter_id AND m.removed_at IS NULL
    LEFT JOIN estate_line n ON n.id = m.line_id LEFT JOIN estate_gateway g ON g.id = n.gateway_id
    LEFT JOIN estate_room r ON r.id = c.room_id
    WHERE c.site_id = %(site)s AND EXISTS (
        SELECT 1 FROM staff_scope sc WHERE sc.operator_id = %(operator)s
          AND (sc.company_id = s.company_id OR sc.site_id = s.id OR sc.building_id = r.building_id))
)
"""

# alarms of the whole site, told to those who see the whole of it
_OF_THE_SITE = """(a.circuit_id IS NULL AND a.line_id IS NULL AND a.station_id IS NULL AND EXISTS (
    SELECT FROM staff_scope sc JOIN estate_site s ON s.id = a.site_id
    WHERE sc.operator_id = %(operator)s AND (sc.company_id = s.company_id OR sc.site_id = s.id)))"""

OVERVIEW_SQL = (
    _MINE
    + """
SELECT
  (SELECT json_build_object('count', count(*), 'minor', coalesce(sum(amount_minor), 0))
   FROM vending_sale v JOIN mine ON mine.id = v.circuit_id
   WHERE v.site_id = %(site)s AND v.at >= %(today)s AND v.at <= %(at)s AND v.state = 'sold'),
  (SELECT coalesce(sum(amount_minor), 0)
   FROM vending_sale v JOIN mine ON mine.id = v.circuit_id
   WHERE v.site_id = %(site)s AND v.at >= %(today)s - interval '7 days' AND v.at <= %(at)s - interval '7 days'
     AND v.state = 'sold'),
  (SELECT coalesce(sum(used_wh), 0)::bigint FROM metering_daily u JOIN mine ON mine.id = u.circuit_id
   WHERE u.site_id = %(site)s AND u.day = %(day)s),
  (SELECT coalesce(json_object_agg(kind, n), '{}'::json) FROM (
     SELECT a.kind, count(*) AS n FROM alarms_alarm a
     WHERE a.site_id = %(site)s AND a.cleared_at IS NULL
       AND (a.circuit_id IN (SELECT id FROM mine) OR a.line_id IN (SELECT line_id FROM mine)
            OR a.station_id IN (SELECT station_id FROM mine) OR """
    + _OF_THE_SITE
    + """) GROUP BY a.kind) k),
  (SELECT coalesce(json_agg(d ORDER BY d.created_at), '[]'::json) FROM (
     SELECT v.sale_id, mine.id AS circuit_id, mine.room, mine.room_name, v.value_minor, v.state, v.code,
            v.expected_count, v.read_count, v.next_try_at, v.created_at, coalesce(ls.up, false) AS line_up,
            g.code AS gateway
     FROM vending_delivery v JOIN mine ON mine.id = v.circuit_id
     JOIN estate_line n ON n.id = mine.line_id JOIN estate_gateway g ON g.id = n.gateway_id
     LEFT JOIN metering_linestate ls ON ls.line_id = n.id
     WHERE v.site_id = %(site)s AND v.origin IN ('sale', 'make_up')
       AND v.state IN ('waiting', 'sent', 'unknown', 'disputed')
     ORDER BY v.created_at LIMIT %(deliveries)s) d),
  (SELECT coalesce(json_agg(h ORDER BY h.station = '', h.station, h.code), '[]'::json) FROM (
     SELECT g.code, g.name, coalesce(st.code, '') AS station, coalesce(st.name, '') AS station_name,
            bool_and(coalesce(ls.up, false)) AS up,
            min(ls.since) FILTER (WHERE NOT ls.up) AS down_since,
            max(ls.last_reply_at) AS last_reply_at, coalesce(sum(ls.replies), 0)::bigint AS replies,
            coalesce(sum(ls.timeouts), 0)::bigint AS timeouts,
            (SELECT count(*) FROM estate_meter m JOIN estate_line l ON l.id = m.line_id
             WHERE l.gateway_id = g.id AND m.removed_at IS NULL) AS meters,
            (SELECT count(*) FROM estate_meter m JOIN estate_line l ON l.id = m.line_id
             LEFT JOIN metering_meterstate ms ON ms.meter_id = m.id
             LEFT JOIN metering_linestate x ON x.line_id = l.id
             -- the head-end writes a meter's state when its silence begins or ends: no row, never silent
             WHERE l.gateway_id = g.id AND m.removed_at IS NULL AND NOT coalesce(ms.silent, false)
               AND coalesce(x.up, false) AND EXISTS (
                   SELECT FROM estate_circuit c JOIN metering_latest la ON la.circuit_id = c.id
                   AND la.site_id = c.site_id WHERE c.meter_id = m.id)) AS answering
     FROM estate_gateway g JOIN estate_line n ON n.gateway_id = g.id
     LEFT JOIN metering_linestate ls ON ls.line_id = n.id LEFT JOIN estate_station st ON st.id = g.station_id
     WHERE n.id IN (SELECT line_id FROM mine) GROUP BY g.id, g.code, g.name, st.code, st.name) h),
  (SELECT coalesce(json_agg(e ORDER BY e.at), '[]'::json) FROM (
     SELECT ev.id, ev.kind, ev.cause, ev.at, ev.balance, ev.power_w, ev.circuit_id, mine.room, mine.room_name,
            g.code AS gateway, g.name AS gateway_name, ev.line_id,
            (SELECT count(*) FROM mine x WHERE x.line_id = ev.line_id) AS circuits,
            coalesce(sp.credit_unit, 'Wh') AS credit_unit
     FROM metering_supplyevent ev
     LEFT JOIN mine ON mine.id = ev.circuit_id
     LEFT JOIN estate_line n ON n.id = ev.line_id LEFT JOIN estate_gateway g ON g.id = n.gateway_id
     LEFT JOIN estate_supplypoint sp ON sp.circuit_id = ev.circuit_id AND sp.valid_to IS NULL AND sp.state <> 'closed'
     WHERE ev.site_id = %(site)s AND ev.at >= %(since)s AND ev.at <= %(at)s
       -- a circuit that nobody took is not supplied: its relay is no news
       AND (mine.id IS NOT NULL AND sp.id IS NOT NULL OR ev.line_id IN (SELECT line_id FROM mine))
     ORDER BY ev.at DESC LIMIT %(events)s) e),
  (SELECT coalesce(json_agg(z), '[]'::json) FROM (
     SELECT st.id AS station_id, st.code AS station, st.name AS station_name, n.id AS line_id, ls.up, ls.since,
            (SELECT count(*) FROM mine x WHERE x.line_id = n.id) AS circuits
     FROM estate_station st JOIN estate_gateway g ON g.station_id = st.id JOIN estate_line n ON n.gateway_id = g.id
     JOIN metering_linestate ls ON ls.line_id = n.id
     WHERE n.id IN (SELECT line_id FROM mine)) z)
"""
)

SHIFT_SQL = """
SELECT t.name, sh.opened_at, sh.float_minor,
       coalesce(sum(v.amount_minor) FILTER (WHERE v.tender = 'cash'), 0)::bigint,
       coalesce(sum(v.amount_minor) FILTER (WHERE v.tender <> 'cash'), 0)::bigint,
       coalesce((SELECT sum(a.amount_minor) FROM vending_act a
                 WHERE a.shift_id = sh.id AND a.kind = 'refund' AND a.state = 'done'), 0)::bigint
FROM vending_shift sh JOIN vending_till t ON t.id = sh.till_id
LEFT JOIN vending_sale v ON v.shift_id = sh.id AND v.state = 'sold'
WHERE sh.operator_id = %s AND t.site_id = %s AND sh.closed_at IS NULL
GROUP BY t.name, sh.id, sh.opened_at, sh.float_minor ORDER BY sh.opened_at DESC LIMIT 1
"""


@dataclass(frozen=True, kw_only=True)
class OpenDelivery:
    sale_id: int | None
    circuit_id: int
    room: str
    room_name: str
    value_minor: int
    state: str
    code: str
    expected_count: int
    read_count: int | None
    next_try_at: datetime | None
    created_at: datetime
    line_up: bool
    gateway: str


@dataclass(frozen=True, kw_only=True)
class GatewayHealth:
    """`replies` and `timeouts` since the head-end took the lines; `down_since` of the first line that is down."""

    code: str
    name: str
    station: str  # where it stands; "": at none
    station_name: str
    up: bool
    down_since: datetime | None
    last_reply_at: datetime | None
    replies: int
    timeouts: int
    meters: int
    answering: int

    @property
    def success_permille(self) -> int | None:
        asked = self.replies + self.timeouts
        return self.replies * 1000 // asked if asked else None


@dataclass(frozen=True, kw_only=True)
class Overview:
    sold_count: int
    sold_minor: int
    sold_last_week_minor: int
    used_today_wh: int
    alarms: dict[str, int]
    deliveries: tuple[OpenDelivery, ...]
    gateways: tuple[GatewayHealth, ...]
    happenings: tuple[Happening, ...]
    since: datetime

    @property
    def in_transit_minor(self) -> int:
        return sum(each.value_minor for each in self.deliveries)


@dataclass(frozen=True, kw_only=True)
class OpenShift:
    """What the operator's drawer should hold: the float, plus cash taken, less cash paid back."""

    till: str
    opened_at: datetime
    cash_minor: int
    other_minor: int
    drawer_minor: int


def window_start(at: datetime) -> datetime:
    """Since when "what happened" counts, in local time: Friday 18:00 until Monday ends, else yesterday 18:00."""
    back = 3 if at.weekday() == 0 else 2 if at.weekday() == 6 else 1
    return (at - timedelta(days=back)).replace(hour=18, minute=0, second=0, microsecond=0)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _must(text: str) -> datetime:
    return datetime.fromisoformat(text)


def overview(operator_id: int, site_id: int, *, at: datetime) -> Overview:
    """Everything of the overview but the circuits. `at` in the site's own zone: it decides what "today" is."""
    today = at.replace(hour=0, minute=0, second=0, microsecond=0)
    since = window_start(at)
    with connection.cursor() as cursor:
        cursor.execute(
            OVERVIEW_SQL,
            {
                "operator": operator_id, "site": site_id, "at": at, "today": today, "day": today.date(),
                "since": since, "events": EVENTS_MOST, "deliveries": DELIVERIES_MOST,
            },
        )  # fmt: skip
        sold, last_week, used, alarms, deliveries, gateways, events, stations = cursor.fetchone()
    return Overview(
        sold_count=sold["count"],
        sold_minor=sold["minor"],
        sold_last_week_minor=int(last_week),
        used_today_wh=used,
        alarms=alarms,
        deliveries=tuple(
            OpenDelivery(**{**d, "next_try_at": _moment(d["next_try_at"]), "created_at": _must(d["created_at"])})
            for d in deliveries
        ),
        gateways=tuple(
            GatewayHealth(**{**g, "down_since": _moment(g["down_since"]), "last_reply_at": _moment(g["last_reply_at"])})
            for g in gateways
        ),
        happenings=with_stations(
            paired(events), [StationLine(**{**each, "since": _must(each["since"])}) for each in stations]
        ),
        since=since,
    )


def open_alarms(operator_id: int, site_id: int) -> int:
    """How many alarms are open on the site: the number beside the menu's word."""
    with connection.cursor() as cursor:
        cursor.execute(
            _MINE
            + """SELECT count(*) FROM alarms_alarm a WHERE a.site_id = %(site)s AND a.cleared_at IS NULL
                 AND (a.circuit_id IN (SELECT id FROM mine) OR a.line_id IN (SELECT line_id FROM mine)
                      OR a.station_id IN (SELECT station_id FROM mine) OR """
            + _OF_THE_SITE
            + ")",
            {"operator": operator_id, "site": site_id},
        )
        return int(cursor.fetchone()[0])


def open_shift(operator_id: int, site_id: int) -> OpenShift | None:
    """The operator's open shift on this site, if he has one."""
    with connection.cursor() as cursor:
        cursor.execute(SHIFT_SQL, [operator_id, site_id])
        found = cursor.fetchone()
    if found is None:
        return None
    till, opened_at, float_minor, cash, other, refunds = found
    return OpenShift(
        till=till, opened_at=opened_at, cash_minor=cash, other_minor=other, drawer_minor=float_minor + cash - refunds
    )
