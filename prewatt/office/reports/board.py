"""The live board: every circuit of a site that an operator may see, with what is known of it now.

One statement gives all rows, and the same statement with `ids` gives the changed ones to the live stream, so that the
page and the stream can never disagree about a tile.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from math import isqrt
from typing import Any

import psycopg
from django.db import connection

from prewatt.core.meters.quantities import StatusBit
from prewatt.office.metering import pay_modes
from prewatt.office.metering.states import CircuitState, circuit_state
from prewatt.office.reports.keyset import find_text

USE_DAYS = 14  # complete days behind the forecast: two weeks hold each weekday twice
CIRCUITS_MOST = 5000  # one board; a larger site is watched by building
_BITS = {bit: 1 << place for place, bit in enumerate(StatusBit)}
_DAY_S = 86400
_READ_TIME = psycopg.adapters.get_loader(psycopg.postgres.types["timestamptz"].oid, psycopg.pq.Format.TEXT)

# `scope` is the guarded door (staff_scope) written as SQL, so that reading a board costs one round trip. Daily use is
# looked up circuit by circuit: the fortnight read costs the same however many years lie before it.
BOARD_SQL = f"""
SELECT c.id, c.index, c.use, c.never_cut, m.number, m.profile, m.unit,
       b.id, coalesce(b.code, ''), coalesce(b.name, ''), coalesce(b.sort, 32767), coalesce(r.floor, 0),
       coalesce(r.code, m.number), coalesce(r.name, ''),
       coalesce(g.code, ''), coalesce(n.code, ''), coalesce(ls.up, false), ls.since,
       sp.id, sp.custody, coalesce(sp.credit_unit, 'Wh'), sp.state, coalesce(sp.alarm_1, 0), coalesce(sp.alarm_2, 0),
       coalesce(sp.load_limit_w, 0), k.number, cu.name, cu.phone,
       la.at, CASE sp.custody WHEN 'server' THEN rb.balance_minor ELSE la.balance END, la.power_w, la.relay,
       coalesce(la.status, 0), la.relay_at,
       CASE sp.custody WHEN 'server' THEN coalesce(cc.purchase_count, 0) ELSE la.purchase_count END,
       coalesce(w.wish, 'automatic'), w.until, w.reason, t.name, t.until, d.state,
       used.day_wh, used.spread_wh, pv.price, co.currency, co.exponent,
       coalesce(st.code, ''), coalesce(st.name, ''), {pay_modes.postpaid("sp", "la")}
FROM estate_circuit c
JOIN estate_site s ON s.id = c.site_id
JOIN estate_company co ON co.id = s.company_id
JOIN estate_meter m ON m.id = c.meter_id AND m.removed_at IS NULL
LEFT JOIN estate_line n ON n.id = m.line_id
LEFT JOIN estate_gateway g ON g.id = n.gateway_id
LEFT JOIN estate_station st ON st.id = g.station_id
LEFT JOIN estate_room r ON r.id = c.room_id
LEFT JOIN estate_building b ON b.id = r.building_id
LEFT JOIN metering_linestate ls ON ls.line_id = n.id
LEFT JOIN estate_supplypoint sp ON sp.circuit_id = c.id AND sp.state <> 'closed'
     AND sp.valid_from <= %(at)s AND (sp.valid_to IS NULL OR sp.valid_to > %(at)s)
LEFT JOIN estate_contract k ON k.id = sp.contract_id
LEFT JOIN estate_customer cu ON cu.id = k.customer_id
LEFT JOIN metering_latest la ON la.site_id = c.site_id AND la.circuit_id = c.id
LEFT JOIN ledger_runningbalance rb ON rb.account_id = sp.credit_account_id
LEFT JOIN vending_circuitcredit cc ON cc.circuit_id = c.id
LEFT JOIN metering_relaywish w ON w.circuit_id = c.id
LEFT JOIN metering_maintenancetag t ON t.circuit_id = c.id AND t.removed_at IS NULL
LEFT JOIN vending_delivery d ON d.circuit_id = c.id AND d.state IN ('waiting', 'sent', 'unknown', 'disputed')
LEFT JOIN LATERAL (
    SELECT avg(md.used_wh)::bigint AS day_wh, coalesce(stddev_samp(md.used_wh), 0)::bigint AS spread_wh
    FROM metering_daily md
    WHERE md.site_id = c.site_id AND md.circuit_id = c.id
      AND md.day >= (%(at)s AT TIME ZONE s.timezone)::date - %(use_days)s
      AND md.day < (%(at)s AT TIME ZONE s.timezone)::date
) used ON true
LEFT JOIN LATERAL (
    SELECT v.price FROM estate_planassignment a JOIN estate_planversion v ON v.plan_id = a.plan_id
    WHERE a.supply_point_id = sp.id AND sp.credit_unit <> 'Wh' AND a.valid_from <= %(at)s AND v.valid_from <= %(at)s
    ORDER BY a.valid_from DESC, v.valid_from DESC LIMIT 1
) pv ON true
WHERE c.site_id = %(site)s
  AND (%(ids)s::bigint[] IS NULL OR c.id = ANY(%(ids)s::bigint[]))
  AND EXISTS (
    SELECT 1 FROM staff_scope sc WHERE sc.operator_id = %(operator)s
      AND (sc.company_id = s.company_id OR sc.site_id = s.id OR sc.building_id = r.building_id)
  )
ORDER BY 11, 9, 12 DESC, 13, 2
LIMIT %(most)s
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class BoardRow:
    """One circuit as the board knows it. `balance` is in `credit_unit` ("Wh" or the currency's minor unit)."""

    circuit_id: int
    index: int
    common: bool
    never_cut: bool
    meter_number: str
    profile: str
    unit: int
    building_id: int | None
    building_code: str
    building: str
    floor: int
    room: str
    room_name: str
    gateway: str
    line: str
    line_up: bool
    line_since: datetime | None
    supply_point_id: int | None
    custody: str | None
    credit_unit: str
    load_limit_w: int
    contract_number: str | None
    customer: str | None
    phone: str | None
    read_at: datetime | None
    balance: int | None
    alarm_1: int
    alarm_2: int
    power_w: int | None
    relay: int | None  # 0 open, 1 closed, None never read
    relay_at: datetime | None
    status: int
    purchase_count: int | None
    wish: str
    wish_until: datetime | None
    wish_reason: str | None
    tag: str | None  # who works there
    tag_until: datetime | None
    delivery: str | None  # state of the open one
    day_wh: int | None  # average use of the last USE_DAYS complete days
    spread_wh: int  # its standard deviation from day to day
    price: Decimal | None  # per kWh; only for a purse in money
    currency: str
    exponent: int
    state: CircuitState
    station: str  # where its gateway stands; "": at none
    station_name: str
    postpaid: bool = False  # asked of those at their levels alone: what is below zero is no arrears

    def has(self, bit: StatusBit) -> bool:
        return bool(self.status & _BITS[bit])

    @property
    def opened(self) -> bool:
        return self.state is not CircuitState.NOT_OPENED and not self.common

    @property
    def spent(self) -> bool:
        """Nothing is left that was paid for in advance."""
        return self.balance is not None and self.balance <= 0 and not self.postpaid

    @property
    def dark(self) -> bool:
        """Supply is off, as last read. A circuit nobody took is not dark, it is not opened."""
        return self.relay == 0 and self.opened

    @property
    def tripped(self) -> bool:
        """Off for credit or by our command; a warning trip and a maintenance tag have badges of their own."""
        return self.dark and not self.has(StatusBit.WARNING_TRIP) and self.tag is None


@dataclass(frozen=True, kw_only=True)
class RunsOut:
    """When the credit ends at the pace of the last days, with an 80 % interval; seconds from now."""

    about_s: int
    early_s: int
    late_s: int | None  # None: beyond any horizon worth naming


def credit_wh(row: BoardRow) -> int | None:
    """The balance as energy: a purse in money divided by the price in force."""
    if row.balance is None or row.postpaid:
        return None
    if row.credit_unit == "Wh":
        return row.balance
    if not row.price:
        return None
    return int(Decimal(row.balance * 1000) / (row.price * 10**row.exponent))


def seconds_left(row: BoardRow) -> int | None:
    """How long the balance lasts at the average pace; None when unknown, 0 when spent."""
    wh = credit_wh(row)
    if wh is None or not row.day_wh:
        return None
    return max(0, wh) * _DAY_S // row.day_wh


def runs_out(row: BoardRow) -> RunsOut | None:
    """The forecast of `seconds_left` with its interval.

    Use over d days is taken as normal with mean m*d and deviation s*sqrt(d); 1.28 deviations hold 80 %. Integers
    throughout: the square root is taken of d in seconds, and 10 % is the least spread we dare to claim.
    """
    about = seconds_left(row)
    wh = credit_wh(row)
    if about is None or wh is None or wh <= 0 or not row.day_wh:
        return None
    spread = max(row.spread_wh, row.day_wh // 10)
    margin = 128 * spread * isqrt(_DAY_S * 10000) // (100 * max(100, isqrt(about * 10000)))  # 1.28 s / sqrt(d)
    early = wh * _DAY_S // (row.day_wh + margin)
    late = wh * _DAY_S // (row.day_wh - margin) if row.day_wh > margin else None
    return RunsOut(about_s=about, early_s=early, late_s=late)


def parameters(
    operator_id: int, site_id: int, at: datetime, ids: Sequence[int] | None = None
) -> dict[str, int | datetime | list[int] | list[str] | None]:
    """What BOARD_SQL needs; shared with the stream, which runs it on its own connection."""
    return {
        "operator": operator_id, "site": site_id, "at": at, "use_days": USE_DAYS,
        "ids": None if ids is None else list(ids), "most": CIRCUITS_MOST, "pay_modes": pay_modes.with_modes(),
    }  # fmt: skip


def to_row(values: Sequence[Any], at: datetime, stale: timedelta) -> BoardRow:
    """One row of BOARD_SQL as a value, with its state by the one rule."""
    (
        circuit_id, index, use, never_cut, number, profile, unit, building_id, building_code, building, _sort, floor,
        room, room_name, gateway, line, line_up, line_since, supply_point_id, custody, credit_unit, sp_state, alarm_1,
        alarm_2, load_limit_w, contract_number, customer, phone, read_at, balance, power_w, relay, status, relay_at,
        purchase_count, wish, wish_until, wish_reason, tag, tag_until, delivery, day_wh, spread_wh, price, currency,
        exponent, station, station_name, postpaid,
    ) = values  # fmt: skip
    common = use == "common"
    state = circuit_state(
        opened=sp_state in ("open", "closing"), common=common, read_at=read_at, at=at, stale=stale,
        balance=None if postpaid else balance, alarm_1=alarm_1, alarm_2=alarm_2, polled=gateway != "",
    )  # fmt: skip
    return BoardRow(
        circuit_id=circuit_id, index=index, common=common, never_cut=never_cut, meter_number=number, profile=profile,
        unit=unit, building_id=building_id, building_code=building_code, building=building, floor=floor, room=room,
        room_name=room_name, gateway=gateway, line=line, line_up=line_up, line_since=line_since,
        supply_point_id=supply_point_id, custody=custody, credit_unit=credit_unit, load_limit_w=load_limit_w,
        contract_number=contract_number, customer=customer, phone=phone, read_at=read_at, balance=balance,
        alarm_1=alarm_1, alarm_2=alarm_2, power_w=power_w, relay=relay, relay_at=relay_at, status=status,
        purchase_count=purchase_count, wish=wish, wish_until=wish_until, wish_reason=wish_reason, tag=tag,
        tag_until=tag_until, delivery=delivery, day_wh=day_wh, spread_wh=spread_wh or 0, price=price,
        currency=currency, exponent=exponent, state=state, station=station, station_name=station_name,
        postpaid=postpaid,
    )  # fmt: skip


def board_rows(
    operator_id: int, site_id: int, *, at: datetime, stale: timedelta, ids: Sequence[int] | None = None
) -> list[BoardRow]:
    """The circuits of a site that the operator may see, by building, floor (top first) and room.

    A foreign site is empty.
    """
    with connection.cursor() as cursor:
        # Django reads times with a loader written in Python: three in each row cost as much as the query
        cursor.cursor.adapters.register_loader("timestamptz", _READ_TIME)
        cursor.execute(BOARD_SQL, parameters(operator_id, site_id, at, ids))
        return [to_row(values, at, stale) for values in cursor.fetchall()]


@dataclass(frozen=True, kw_only=True)
class VisibleSite:
    """A site of which the operator may see something."""

    id: int
    name: str
    timezone: str
    currency: str
    exponent: int
    company_id: int
    second_factor: bool  # asked for by the company's rule (`staff.second_factor`)


SITES_SQL = """
SELECT s.id, s.name, s.timezone, co.currency, co.exponent, co.id, coalesce(rule.second_factor, false)
FROM estate_site s JOIN estate_company co ON co.id = s.company_id
LEFT JOIN staff_companyrule rule ON rule.company_id = co.id
WHERE EXISTS (
    SELECT 1 FROM staff_scope sc WHERE sc.operator_id = %s
      AND (sc.company_id = s.company_id OR sc.site_id = s.id
           OR sc.building_id IN (SELECT b.id FROM estate_building b WHERE b.site_id = s.id)))
ORDER BY s.id LIMIT 200
"""


def visible_sites(operator_id: int) -> list[VisibleSite]:
    """The sites for the switch in the top bar, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(SITES_SQL, [operator_id])
        return [
            VisibleSite(
                id=number,
                name=name,
                timezone=zone,
                currency=currency,
                exponent=exponent,
                company_id=company,
                second_factor=second_factor,
            )  # fmt: skip
            for number, name, zone, currency, exponent, company, second_factor in cursor.fetchall()
        ]


FIND_MOST = 8
FIND_SQL = """
SELECT c.id, coalesce(r.code, m.number), coalesce(r.name, ''), coalesce(cu.name, ''), coalesce(k.number, ''), m.number,
       coalesce(cu.phone, '')
FROM estate_circuit c
JOIN estate_site s ON s.id = c.site_id
JOIN estate_meter m ON m.id = c.meter_id AND m.removed_at IS NULL
LEFT JOIN estate_room r ON r.id = c.room_id
LEFT JOIN estate_supplypoint sp ON sp.circuit_id = c.id AND sp.state <> 'closed'
LEFT JOIN estate_contract k ON k.id = sp.contract_id
LEFT JOIN estate_customer cu ON cu.id = k.customer_id
WHERE c.site_id = %(site)s AND EXISTS (
    SELECT 1 FROM staff_scope sc WHERE sc.operator_id = %(operator)s
      AND (sc.company_id = s.company_id OR sc.site_id = s.id OR sc.building_id = r.building_id))
  AND (r.code ILIKE %(inside)s OR replace(r.code, '-', '') ILIKE %(start)s OR r.name ILIKE %(inside)s
       OR r.initials ILIKE %(start)s OR cu.name ILIKE %(inside)s OR cu.initials ILIKE %(start)s
       OR cu.phone LIKE %(inside)s OR m.number LIKE %(inside)s OR k.number LIKE %(inside)s)
ORDER BY (lower(r.code) = lower(%(text)s)) DESC NULLS LAST, (r.code ILIKE %(start)s) DESC NULLS LAST, r.code, c.id
LIMIT %(most)s
"""


@dataclass(frozen=True, kw_only=True)
class Found:
    """One answer of the find box."""

    circuit_id: int
    room: str
    room_name: str
    customer: str
    contract_number: str
    meter_number: str
    phone: str


def find_circuits(operator_id: int, site_id: int, text: str) -> list[Found]:
    """Circuits by room code, name, pinyin initials, phone, meter or contract number; the exact room first."""
    with connection.cursor() as cursor:
        cursor.execute(
            FIND_SQL,
            {**find_text(text), "operator": operator_id, "site": site_id, "most": FIND_MOST},
        )
        names = ("circuit_id", "room", "room_name", "customer", "contract_number", "meter_number", "phone")
        return [Found(**dict(zip(names, values, strict=True))) for values in cursor.fetchall()]
