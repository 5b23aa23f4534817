"""Circuits with their newest telemetry, as lists and the API show them. Reads only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection

from prewatt.office.estate.models import Circuit
from prewatt.office.estate.profiles import all_profiles
from prewatt.office.estate.scope import visible_to
from prewatt.office.metering import pay_modes
from prewatt.office.metering.states import CircuitState, circuit_state
from prewatt.office.staff.models import Operator

_RELAY: Final = {0: "open", 1: "closed"}


@dataclass(frozen=True, kw_only=True)
class CircuitView:
    """One circuit: what it is, what it said last, and when. Amounts in `credit_unit`.

    Server-held, `balance` is what the books hold (of the contract, where it is shared) and `purchase_count` our own,
    also before the opening reading; the state stays "not_opened" until then.
    """

    id: int
    site_id: int
    meter_number: str
    circuit_index: int
    room: str | None
    contract_number: str | None
    profile: str
    custody: str
    credit_unit: str
    balance: int | None
    purchase_count: int | None
    energy_wh: int | None
    power_w: int | None
    relay: str
    wish: str
    state: CircuitState
    read_at: datetime | None


_SELECT = f"""
SELECT c.id, c.site_id, m.number, c.index, r.code, k.number, m.profile, s.custody, s.credit_unit, co.currency,
    CASE s.custody WHEN 'server' THEN rb.balance_minor ELSE l.balance END,
    CASE s.custody WHEN 'server' THEN coalesce(cc.purchase_count, 0) ELSE l.purchase_count END,
    l.energy_wh, l.power_w, l.relay, w.wish, l.at, s.alarm_1, s.alarm_2, c.use, s.state,
    {pay_modes.postpaid("s", "l")}
FROM estate_circuit c
JOIN estate_meter m ON m.id = c.meter_id
JOIN estate_site si ON si.id = c.site_id
JOIN estate_company co ON co.id = si.company_id
LEFT JOIN estate_room r ON r.id = c.room_id
LEFT JOIN estate_supplypoint s ON s.circuit_id = c.id AND s.state <> 'closed'
    AND (s.custody = 'server' OR s.state <> 'opening')
    AND s.valid_from <= %(at)s AND (s.valid_to IS NULL OR s.valid_to > %(at)s)
LEFT JOIN ledger_runningbalance rb ON rb.account_id = s.credit_account_id
LEFT JOIN vending_circuitcredit cc ON cc.circuit_id = c.id
LEFT JOIN estate_contract k ON k.id = s.contract_id
LEFT JOIN metering_latest l ON l.site_id = c.site_id AND l.circuit_id = c.id
LEFT JOIN metering_relaywish w ON w.circuit_id = c.id
WHERE c.id = ANY(%(ids)s) ORDER BY c.id
"""


def page(
    operator: Operator, *, after_id: int, limit: int, at: datetime, stale: timedelta
) -> Sequence[CircuitView]:
    """At most `limit` circuits the operator may see, by id, after `after_id`; none of meters that were taken down."""
    standing = visible_to(operator, Circuit).filter(pk__gt=after_id, meter__removed_at=None)
    ids = standing.order_by("pk").values_list("pk", flat=True)[:limit]
    return _views(list(ids), at=at, stale=stale)


def one(operator: Operator, circuit_id: int, *, at: datetime, stale: timedelta) -> CircuitView | None:
    """One circuit, or None where the operator may not see it."""
    if not visible_to(operator, Circuit).filter(pk=circuit_id).exists():
        return None
    return _views([circuit_id], at=at, stale=stale)[0]


def _views(ids: list[int], *, at: datetime, stale: timedelta) -> list[CircuitView]:
    with connection.cursor() as cursor:
        cursor.execute(_SELECT, {"at": at, "ids": ids, "pay_modes": pay_modes.with_modes()})
        return [_view(row, at=at, stale=stale) for row in cursor.fetchall()]


def _view(row: tuple[Any, ...], *, at: datetime, stale: timedelta) -> CircuitView:
    (pk, site_id, number, index, room, contract, profile, custody, unit, currency, balance, count, energy, power, relay,
     wish, read_at, alarm_1, alarm_2, use, supply_state, postpaid) = row  # fmt: skip
    known = all_profiles().get(profile)
    meter_held = custody == "meter" if custody else bool(known and "meter" in known.custody)
    if custody is None:
        unit = "Wh" if meter_held and known is not None and known.wallet is None else currency
        balance, count = (balance, count) if meter_held else (None, None)
    return CircuitView(
        id=pk,
        site_id=site_id,
        meter_number=number,
        circuit_index=index,
        room=room,
        contract_number=contract,
        profile=profile,
        custody="meter" if meter_held else "server",
        credit_unit=unit,
        balance=balance,
        purchase_count=count,
        energy_wh=energy,
        power_w=power,
        relay=_RELAY.get(relay, "unknown"),
        wish=wish or "automatic",
        state=circuit_state(
            opened=supply_state in ("open", "closing"),
            common=use == Circuit.Use.COMMON,
            read_at=read_at,
            at=at,
            stale=stale,
            balance=None if postpaid else balance,
            alarm_1=alarm_1 or 0,
            alarm_2=alarm_2 or 0,
            # also of a meter that is never online: a program that sells over the wire must pass it over
        ),
        read_at=read_at,
    )
