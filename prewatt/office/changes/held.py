"""What opening, closing and changing server-held supply share: the newest good reading, the account, the slips."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from prewatt.core.refusals import Refused
from prewatt.office.billing.models import Progress
from prewatt.office.billing.settlements import settle
from prewatt.office.changes import errors as _errors  # noqa: F401  registers the texts
from prewatt.office.estate.models import Contract, SupplyPoint
from prewatt.office.estate.plans import version_in_force
from prewatt.office.ledger import books
from prewatt.office.ledger.call import call
from prewatt.office.vending.models import CircuitCredit, Delivery, Opening, Receipt
from prewatt.office.vending.slips import issue_slip

FRESH: Final = timedelta(minutes=15)  # a change settles by a reading at most this old: a few polls of a busy line
LIVE: Final = ("opening", "open", "closing")


@dataclass(frozen=True, kw_only=True)
class Settled:
    """The account of a supply point, charged up to its newest good reading; `alone`: nobody else shares it."""

    account_id: int
    balance_minor: int
    alone: bool
    read_at: datetime
    energy_wh: int


def good_reading(supply: SupplyPoint, *, since: datetime, at: datetime) -> tuple[datetime, int] | None:
    """(when, Wh) of the newest good reading of the total energy since then."""
    row = call(
        "SELECT at, energy_wh FROM metering_reading WHERE site_id = %s AND circuit_id = %s AND at >= %s AND at <= %s"
        " AND quality = 0 AND energy_wh IS NOT NULL ORDER BY at DESC LIMIT 1",
        [supply.circuit.site_id, supply.circuit_id, since, at],
    )
    return None if row is None else (row[0], int(row[1]))


def settled(supply: SupplyPoint, *, since: datetime, at: datetime) -> Settled | None:
    """Charge up to the newest good reading since then and lock its account; None: there is no such reading yet.

    The caller holds the supply point. Nobody sells to the account until the transaction ends.
    Raises Refused `reading_not_billed`.
    """
    found = good_reading(supply, since=since, at=at)
    if found is None:
        return None
    assert supply.credit_account_id is not None, supply.pk
    settle(supply, at=at)
    progress = Progress.objects.get(pk=supply.pk)
    if progress.charged_at is None or progress.charged_at < found[0]:
        raise Refused("reading_not_billed", why=progress.held or "unread")
    call("SELECT 1 FROM ledger_lock_running(ARRAY[%s]::bigint[])", [supply.credit_account_id])
    others = SupplyPoint.objects.filter(credit_account_id=supply.credit_account_id, state__in=LIVE).exclude(
        pk=supply.pk
    )
    return Settled(
        account_id=supply.credit_account_id, balance_minor=books.running(supply.credit_account_id),
        alone=not others.exists(), read_at=found[0], energy_wh=found[1],
    )  # fmt: skip


def must_be_settled(supply: SupplyPoint, *, at: datetime) -> Settled:
    """`settled` by a reading of the last minutes. Raises Refused `reading_not_fresh`, `reading_not_billed`."""
    found = settled(supply, since=at - FRESH, at=at)
    if found is None:
        raise Refused("reading_not_fresh", retry=True, minutes=FRESH // timedelta(minutes=1))
    return found


def nothing_payable(supply: SupplyPoint) -> None:
    """Raises Refused `money_unsettled` while a return of this circuit waits to be paid out."""
    returned = Delivery.objects.filter(circuit=supply.circuit, kind="return", state="confirmed")
    paid = returned.filter(act__kind="refund", act__state="done").values("pk")
    reversed_ = returned.filter(act__kind="return", act__sale__state="reversed").values("pk")
    if returned.exclude(pk__in=paid).exclude(pk__in=reversed_).exists():
        raise Refused("money_unsettled")


def end(supply: SupplyPoint, *, valid_to: datetime, at: datetime) -> None:
    """The circuit is supplied no longer under this contract, which closes with its last supply point."""
    SupplyPoint.objects.filter(pk=supply.pk).update(state="closed", valid_to=max(valid_to, supply.valid_from))
    if SupplyPoint.objects.filter(contract_id=supply.contract_id, state__in=LIVE).exists():
        Contract.objects.filter(pk=supply.contract_id, state="closing").update(state="open")
    else:
        Contract.objects.filter(pk=supply.contract_id).update(state="closed", closed_at=at)


def opening_slip(row: Opening, *, at: datetime) -> None:
    """The slip of an opening whose first reading is there."""
    supply = row.supply_point
    assert supply.credit_account_id is not None and supply.opening_at is not None, supply.pk
    issue_slip(
        row, kind=Receipt.Kind.OPENING, at=at,
        data={
            "custody": "server", "balance": books.running(supply.credit_account_id), "purchase_count": _count(supply),
            "taken_over_minor": 0, "alarm_1": supply.alarm_1, "alarm_2": supply.alarm_2, "overdraft": supply.overdraft,
            "hoarding_limit": supply.hoarding_limit, "load_limit_w": supply.load_limit_w,
            "energy_wh": supply.opening_wh, "price": str(version_in_force(supply, at=supply.opening_at).price),
        },
    )  # fmt: skip


def closing_slip(row: Opening, found: Settled, *, at: datetime) -> None:
    """The slip of a closing: a shared balance that stays with the others is not the one that is closed."""
    issue_slip(
        row, kind=Receipt.Kind.CLOSING, at=at,
        data={
            "custody": "server", "balance": found.balance_minor if found.alone else None,
            "purchase_count": _count(row.supply_point), "energy_wh": found.energy_wh,
            "read_at": found.read_at.isoformat(),
        },
    )  # fmt: skip


def _count(supply: SupplyPoint) -> int:
    row = CircuitCredit.objects.filter(circuit=supply.circuit).first()
    return row.purchase_count if row is not None else 0
