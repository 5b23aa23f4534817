"""What a meter that is taken down said last: read in the last minutes, or stated by whoever stood before it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from prewatt.core.refusals import Refused
from prewatt.office.billing.models import Progress
from prewatt.office.billing.settlements import settle
from prewatt.office.changes import swap_errors as _errors  # noqa: F401  registers the texts
from prewatt.office.changes.held import FRESH, good_reading
from prewatt.office.estate.models import Custody, SupplyPoint
from prewatt.office.ledger.call import call
from prewatt.office.vending.models import OPEN_DELIVERY_STATES, CircuitCredit, Delivery


@dataclass(frozen=True, kw_only=True)
class Stated:
    """A reading that a person took. `energy_wh` with the CT ratio; `credit` of a purse, in its unit."""

    at: datetime
    energy_wh: int
    credit: int | None = None


@dataclass(frozen=True, kw_only=True)
class LastWord:
    """The last of the old meter. `credit` 0 where the books hold it; `value_minor` is what stands for it there."""

    at: datetime
    energy_wh: int
    credit: int
    value_minor: int


def nothing_on_its_way(supply: SupplyPoint) -> None:
    """Raises Refused `delivery_unsettled` (also a disputed one), `money_unsettled`."""
    deliveries = Delivery.objects.filter(circuit=supply.circuit)
    if deliveries.filter(state__in=OPEN_DELIVERY_STATES).exists():
        raise Refused("delivery_unsettled")
    undone = deliveries.filter(state="refused", sale__state="sold", created_at__gte=supply.valid_from)
    if undone.exclude(act__kind="refund", act__state="done").exists():
        raise Refused("money_unsettled")


def end_of(supply: SupplyPoint, stated: Stated | None, *, at: datetime) -> LastWord:
    """Settle a supply point by the last reading of its meter and end it there; its contract goes on.

    The caller holds the circuit and the supply point. Everything is refused before this begins, or is rolled back.
    Raises Refused: reading_not_fresh, reading_not_billed, swap_..., see `swap_errors`.
    """
    if stated is not None and stated.at > at:
        raise Refused("swap_in_future")
    if stated is not None:
        _after(stated, supply.valid_from, 0)
    if supply.custody == Custody.SERVER:
        return _held(supply, stated, at=at)
    return _purse(supply, stated, at=at)


def _held(supply: SupplyPoint, stated: Stated | None, *, at: datetime) -> LastWord:
    """Where the books hold the credit: all up to the last reading is charged, nothing after it ever is."""
    if stated is None:
        found = good_reading(supply, since=at - FRESH, at=at)
        if found is None:
            raise Refused("reading_not_fresh", retry=True, minutes=FRESH // timedelta(minutes=1))
        last_at, last_wh = found
    else:
        last_at, last_wh = stated.at, stated.energy_wh
    SupplyPoint.objects.filter(pk=supply.pk).update(valid_to=last_at)
    settle(supply, at=at)
    progress = Progress.objects.get(pk=supply.pk)
    if stated is not None and progress.charged_at is not None and progress.charged_wh is not None:
        _after(stated, progress.charged_at, progress.charged_wh)
        _kept(supply, stated, credit=None)
        settle(supply, at=at)
        progress.refresh_from_db()
    if progress.charged_at != last_at:
        raise Refused("reading_not_billed", why=progress.held or "unread")
    SupplyPoint.objects.filter(pk=supply.pk).update(state="closed")
    return LastWord(at=last_at, energy_wh=last_wh, credit=0, value_minor=0)


def _purse(supply: SupplyPoint, stated: Stated | None, *, at: datetime) -> LastWord:
    """Where the meter holds it: what is left goes out of the purse with its money."""
    known = CircuitCredit.objects.select_for_update(no_key=True).filter(circuit=supply.circuit).first()
    since = at - FRESH if stated is None else supply.valid_from
    count = None if known is None else known.purchase_count
    row = call(_PURSE, [supply.circuit.site_id, supply.circuit_id, at, since, count])
    if stated is None:
        if row is None or row[1] is None:
            raise Refused("reading_not_fresh", retry=True, minutes=FRESH // timedelta(minutes=1))
        last = Stated(at=row[0], energy_wh=int(row[1]), credit=int(row[2]))
    else:
        last = _truly(supply, stated, row)
    assert last.credit is not None
    if last.credit < 0:
        raise Refused("swap_debt", credit=last.credit)
    found = call("SELECT outcome, minor FROM billing_purse_out(%s, %s, %s)", [supply.pk, last.credit, at])
    assert found is not None
    if found[0]:
        raise Refused(f"swap_{found[0]}", retry=True)
    SupplyPoint.objects.filter(pk=supply.pk).update(state="closed", valid_to=at)
    return LastWord(at=last.at, energy_wh=last.energy_wh, credit=last.credit, value_minor=int(found[1]))


# The newest good balance, and beside it the newest good counter: a status poll brings no counter. With another purchase
# count than the old meter's it is the new one that answers at its address already.
_PURSE: Final = """
SELECT m.at, (SELECT e.energy_wh FROM metering_reading e WHERE e.site_id = m.site_id AND e.circuit_id = m.circuit_id
    AND e.at <= m.at AND e.quality = 0 AND e.energy_wh IS NOT NULL ORDER BY e.at DESC LIMIT 1), m.balance
FROM metering_reading m
WHERE m.site_id = %s AND m.circuit_id = %s AND m.at <= %s AND m.at > %s AND m.quality = 0 AND m.balance IS NOT NULL
    AND (m.purchase_count IS NULL OR m.purchase_count = %s)
ORDER BY m.at DESC LIMIT 1
"""


def _truly(supply: SupplyPoint, stated: Stated, row: tuple[datetime, int | None, int] | None) -> Stated:
    """What was stated, where it fits what was read and sold before; kept as a reading."""
    if stated.credit is None:
        raise Refused("swap_reading_missing", index=supply.circuit.index)
    if row is None:
        raise Refused("swap_purse_unread", retry=True)
    read_at, energy_wh, balance = row
    _after(stated, read_at, energy_wh or 0)
    brought = Delivery.objects.filter(
        circuit=supply.circuit, state="confirmed", kind="purchase", settled_at__gt=read_at, settled_at__lte=stated.at
    )
    most = balance + sum(each.amount for each in brought)
    if stated.credit > most:
        raise Refused("swap_credit_above_read", credit=most)
    _kept(supply, stated, credit=stated.credit)
    return stated


def _after(stated: Stated, read_at: datetime, energy_wh: int) -> None:
    if stated.at <= read_at:
        raise Refused("swap_before_reading", read_at=f"{read_at:%Y-%m-%d %H:%M} UTC")
    if stated.energy_wh < energy_wh:
        raise Refused("swap_reading_below", wh=energy_wh)


def _kept(supply: SupplyPoint, stated: Stated, *, credit: int | None) -> None:
    state_reading(supply.circuit.site_id, supply.circuit_id, stated.at, stated.energy_wh, credit)


def state_reading(site_id: int, circuit_id: int, at: datetime, energy_wh: int, credit: int | None) -> None:
    """Keep what a person read as a good reading. Raises Refused swap_before_reading: there is one of that moment."""
    row = call("SELECT metering_state(%s, %s, %s, %s, %s, NULL)", [site_id, circuit_id, at, energy_wh, credit])
    assert row is not None
    if not row[0]:
        raise Refused("swap_before_reading", read_at=f"{at:%Y-%m-%d %H:%M} UTC")
