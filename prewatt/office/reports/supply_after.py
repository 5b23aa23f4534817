"""What became of the supply after a server-held sale: wished, switched, load observed. Reads only."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connection

from prewatt.core.meters.quantities import StatusBit
from prewatt.core.tariffs.supply import cut
from prewatt.office.metering import wishes
from prewatt.office.vending.models import Delivery

_SQL: Final = """
SELECT (SELECT e.kind = 'opened' FROM metering_supplyevent e
        WHERE e.circuit_id = d.circuit_id AND e.kind IN ('opened', 'closed') AND e.at <= d.settled_at
        ORDER BY e.at DESC LIMIT 1),
    coalesce(w.wish, 'automatic'), w.decided, coalesce(w.decided_cause, ''), w.decided_at,
    (SELECT e.at FROM metering_supplyevent e
     WHERE e.circuit_id = d.circuit_id AND e.kind = 'closed' AND e.at > d.settled_at ORDER BY e.at LIMIT 1),
    la.relay, la.at, la.power_w, coalesce(la.status, 0), t.name,
    (SELECT s.at FROM vending_deliverystep s WHERE s.delivery_id = d.id AND s.state = 'load_observed' LIMIT 1),
    (SELECT q.overdraft FROM estate_supplypoint q WHERE q.circuit_id = d.circuit_id AND q.custody = 'server'
     ORDER BY q.valid_from DESC LIMIT 1),
    st.closes_by_key, m.profile
FROM vending_delivery d
JOIN estate_site st ON st.id = d.site_id
JOIN estate_circuit c ON c.id = d.circuit_id JOIN estate_meter m ON m.id = c.meter_id
LEFT JOIN metering_relaywish w ON w.circuit_id = d.circuit_id
LEFT JOIN metering_latest la ON la.site_id = d.site_id AND la.circuit_id = d.circuit_id
LEFT JOIN metering_maintenancetag t ON t.circuit_id = d.circuit_id AND t.removed_at IS NULL AND t.until > %s
WHERE d.id = %s
"""


@dataclass(frozen=True, kw_only=True)
class SupplyAfter:
    """`was_cut`: the relay was open when it was paid, None where nothing was ever seen. Relay 1 closed, 0 open."""

    was_cut: bool | None
    wish: str  # the operator's word
    decided: str | None  # what the credit says since: "closed" | "open"
    cause: str
    decided_at: datetime | None
    switched_at: datetime | None  # seen closed after the payment
    booked_at: datetime
    relay: int | None
    read_at: datetime | None
    power_w: int | None
    awaits_key: bool  # closing is permitted; who is there presses the meter's key
    tag: str | None  # who works there
    load_at: datetime | None
    enough: bool  # what it left permits a supply
    by_key: bool  # here nothing is closed from afar: the key is needed, permitted or not yet


def supply_after(delivery: Delivery, *, at: datetime) -> SupplyAfter | None:
    """None where a meter holds the credit: its own purse closes the relay."""
    if delivery.credit_account_id is None or delivery.settled_at is None:
        return None
    with connection.cursor() as cursor:
        cursor.execute(_SQL, [at, delivery.pk])
        row = cursor.fetchone()
    was_cut, wish, decided, cause, decided_at, switched_at, relay, read_at, power_w, status, tag, load_at = row[:12]
    overdraft, by_key, code = row[12:]
    balance = delivery.confirmed_values.get("balance")
    if was_cut is None and relay is not None and switched_at is None and read_at and read_at < delivery.settled_at:
        was_cut = relay == 0
    return SupplyAfter(
        was_cut=was_cut, wish=wish, decided=decided, cause=cause, decided_at=decided_at, switched_at=switched_at,
        booked_at=delivery.settled_at, relay=relay, read_at=read_at, power_w=power_w, tag=tag, load_at=load_at,
        enough=isinstance(balance, int) and not cut(balance, overdraft_minor=overdraft or 0),
        by_key=by_key and code in wishes.closed_by_key(),
        awaits_key=by_key and relay == 0 and bool(status & wishes.BITS[StatusBit.AWAIT_KEY]),
    )  # fmt: skip
