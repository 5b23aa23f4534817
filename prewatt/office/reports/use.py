"""Use and balance of one circuit over time: days, purchases, prices, the load curve, and where the balance came from.

The caller has found the circuit through the door; these statements add nothing about another one.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from django.db import connection

DAYS_MOST: Final = 400  # a year and what stands before it
LOAD_POINTS_MOST: Final = 3_000  # a month of quarter-hours


@dataclass(frozen=True, kw_only=True, slots=True)
class DayOfUse:
    """One local day. `last_balance` is that of the day's last reading, in the circuit's credit unit."""

    day: date
    used_wh: int
    last_balance: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """Credit that the meter confirmed: `credit` is signed; `amount_minor` is what was paid, 0 for what was not."""

    at: datetime
    kind: str  # purchase, return, clear
    credit: int
    amount_minor: int
    balance_after: int | None
    balance_before: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class PriceSpan:
    """A price per kWh in force from a moment on."""

    since: datetime
    price: Decimal
    plan: str


def days_of(site_id: int, circuit_id: int, *, first: date, last: date) -> list[DayOfUse]:
    """The days that have readings, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT day, used_wh, last_balance FROM metering_daily WHERE site_id = %s AND circuit_id = %s"
            " AND day BETWEEN %s AND %s ORDER BY day LIMIT %s",
            [site_id, circuit_id, first, last, DAYS_MOST],
        )
        return [DayOfUse(day=day, used_wh=used, last_balance=balance) for day, used, balance in cursor.fetchall()]


def balances_of(
    site_id: int, circuit_id: int, *, since: datetime, until: datetime, bucket_s: int
) -> list[tuple[datetime, int]]:
    """The last balance of each bucket: a finer line than one point per day, for short spans."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT max(at), (array_agg(balance ORDER BY at DESC))[1] FROM metering_reading"
            " WHERE site_id = %s AND circuit_id = %s AND at >= %s AND at <= %s AND balance IS NOT NULL"
            " GROUP BY extract(epoch FROM at)::bigint / %s ORDER BY 1 LIMIT %s",
            [site_id, circuit_id, since, until, bucket_s, LOAD_POINTS_MOST],
        )
        return [(at, balance) for at, balance in cursor.fetchall()]


def load_of(
    site_id: int, circuit_id: int, *, since: datetime, until: datetime, bucket_s: int
) -> list[tuple[int, int, int]]:
    """(second, mean W, highest W) per bucket that has readings."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (extract(epoch FROM at)::bigint / %s) * %s, avg(power_w)::bigint, max(power_w) FROM "
            "metering_reading"
            " WHERE site_id = %s AND circuit_id = %s AND at >= %s AND at <= %s AND power_w IS NOT NULL"
            " GROUP BY 1 ORDER BY 1 LIMIT %s",
            [bucket_s, bucket_s, site_id, circuit_id, since, until, LOAD_POINTS_MOST],
        )
        return [(second, mean, most) for second, mean, most in cursor.fetchall()]


def changes_of(circuit_id: int, *, since: datetime, until: datetime) -> list[Change]:
    """What confirmed deliveries put in or took out, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT d.settled_at, d.kind, CASE d.kind WHEN 'purchase' THEN d.amount ELSE -d.amount END,"
            " coalesce(s.amount_minor, 0), (d.confirmed_values->>'balance')::bigint, s.balance_before"
            " FROM vending_delivery d LEFT JOIN vending_sale s ON s.id = d.sale_id"
            " WHERE d.circuit_id = %s AND d.state = 'confirmed' AND d.settled_at >= %s AND d.settled_at <= %s"
            " ORDER BY d.settled_at LIMIT %s",
            [circuit_id, since, until, DAYS_MOST],
        )
        return [
            Change(at=at, kind=kind, credit=credit, amount_minor=minor, balance_after=after, balance_before=before)
            for at, kind, credit, minor, after, before in cursor.fetchall()
        ]


def prices_of(supply_point_id: int, *, until: datetime) -> list[PriceSpan]:
    """Which price held from when on, by assignment and version; oldest first, up to `until`."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
WITH held AS (
  SELECT a.plan_id, a.valid_from, lead(a.valid_from) OVER (ORDER BY a.valid_from) AS ends
  FROM estate_planassignment a WHERE a.supply_point_id = %(point)s AND a.valid_from <= %(until)s
)
SELECT greatest(v.valid_from, h.valid_from), v.price, p.name
FROM held h JOIN estate_plan p ON p.id = h.plan_id
JOIN estate_planversion v ON v.plan_id = h.plan_id AND v.valid_from <= %(until)s
     AND (h.ends IS NULL OR v.valid_from < h.ends)
WHERE v.valid_from >= h.valid_from
   OR v.valid_from = (SELECT max(x.valid_from) FROM estate_planversion x
                      WHERE x.plan_id = h.plan_id AND x.valid_from <= h.valid_from)
ORDER BY 1 LIMIT 100""",
            {"point": supply_point_id, "until": until},
        )
        return [PriceSpan(since=since, price=price, plan=plan) for since, price, plan in cursor.fetchall()]


@dataclass(frozen=True, kw_only=True)
class BalanceSum:
    """Opening balance + bought - taken out - used = reckoned; `now` is what the meter says. Credit unit, Wh used."""

    opening: int
    opening_at: datetime
    bought: int
    bought_count: int
    bought_minor: int
    taken: int
    used: int
    now: int
    now_at: datetime

    @property
    def reckoned(self) -> int:
        return self.opening + self.bought - self.taken - self.used

    @property
    def differs(self) -> int:
        return self.now - self.reckoned


def balance_sum(site_id: int, circuit_id: int, *, since: datetime, at: datetime) -> BalanceSum | None:
    """The balance of a purse in Wh as a sum since the last reading before `since`, all from readings; None: too few.

    Up to what the page shows as balance now. Which credits are in it says the meter's purchase count, not the clock:
    one that the meter has just confirmed is in the balance that came with the confirmation. Energy is read less often
    than the balance: what was used since its last reading is what is missing in the purse.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
WITH first AS (
  (SELECT at, balance, energy_wh, purchase_count FROM metering_reading
   WHERE site_id = %(site)s AND circuit_id = %(circuit)s
   AND at <= %(since)s AND at >= %(since)s - interval '2 days' AND balance IS NOT NULL AND energy_wh IS NOT NULL
   ORDER BY at DESC LIMIT 1)
  UNION ALL
  (SELECT at, balance, energy_wh, purchase_count FROM metering_reading
   WHERE site_id = %(site)s AND circuit_id = %(circuit)s
   AND at >= %(since)s AND at <= %(at)s AND balance IS NOT NULL AND energy_wh IS NOT NULL ORDER BY at LIMIT 1)
  ORDER BY 1 LIMIT 1
), counted AS (
  SELECT at, balance, energy_wh, purchase_count FROM metering_reading
  WHERE site_id = %(site)s AND circuit_id = %(circuit)s
  AND at <= %(at)s AND at >= %(at)s - interval '7 days' AND balance IS NOT NULL AND energy_wh IS NOT NULL
  ORDER BY at DESC LIMIT 1
), last AS (
  SELECT greatest(l.at, m.at) AS at, CASE WHEN l.at > m.at THEN l.balance ELSE m.balance END AS balance,
    CASE WHEN l.at > m.at THEN l.purchase_count ELSE m.purchase_count END AS purchase_count
  FROM counted m LEFT JOIN metering_latest l
    ON l.site_id = %(site)s AND l.circuit_id = %(circuit)s AND l.balance IS NOT NULL
)
SELECT f.balance, f.at, l.balance, l.at, m.energy_wh - f.energy_wh + greatest(0, m.balance - l.balance
    + coalesce(sum(CASE d.kind WHEN 'purchase' THEN d.amount WHEN 'return' THEN -d.amount END) FILTER (WHERE
        CASE WHEN m.purchase_count IS NULL THEN d.settled_at > m.at ELSE d.expected_count > m.purchase_count END), 0)
    )::bigint,
  coalesce(sum(d.amount) FILTER (WHERE d.kind = 'purchase'), 0)::bigint, count(d.id) FILTER (WHERE d.kind = 'purchase'),
  coalesce(sum(s.amount_minor), 0)::bigint,
  coalesce(sum(CASE WHEN d.kind = 'return' THEN d.amount WHEN d.kind = 'clear'
               THEN coalesce((d.read_values->>'balance')::bigint, 0) ELSE 0 END), 0)::bigint
FROM first f CROSS JOIN counted m CROSS JOIN last l
LEFT JOIN vending_delivery d ON d.circuit_id = %(circuit)s AND d.state = 'confirmed'
     AND CASE WHEN f.purchase_count IS NULL THEN d.settled_at > f.at ELSE d.expected_count > f.purchase_count END
     AND CASE WHEN l.purchase_count IS NULL THEN d.settled_at <= l.at ELSE d.expected_count <= l.purchase_count END
LEFT JOIN vending_sale s ON s.id = d.sale_id
GROUP BY f.balance, f.at, l.balance, l.at, m.at, m.energy_wh, f.energy_wh, m.balance, m.purchase_count""",
            {"site": site_id, "circuit": circuit_id, "since": since, "at": at},
        )
        row = cursor.fetchone()
    if row is None:
        return None
    opening, opening_at, now, now_at, used, bought, count, minor, taken = row
    return BalanceSum(
        opening=opening,
        opening_at=opening_at,
        bought=bought,
        bought_count=count,
        bought_minor=minor,
        taken=taken,
        used=used,
        now=now,
        now_at=now_at,
    )
