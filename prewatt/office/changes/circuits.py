"""Changing who is supplied by a circuit, and who holds its credit: an act with a date, a reading and a settlement.

Each takes effect at the newest good reading, which must be of the last minutes: it is the last of the old supply point
and the first of the new one, so nothing is charged twice and nothing is lost between them. A change of plan is an
assignment with a date (`estate.plans.assign`); charging splits there.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from prewatt.core.meters.jobs import Intent, Job
from prewatt.core.refusals import Refused
from prewatt.office.billing.openings import open_server_held
from prewatt.office.changes.held import FRESH, Settled, closing_slip, end, must_be_settled, nothing_payable
from prewatt.office.changes.openings import HeldTerms, begin
from prewatt.office.changes.steps import follow
from prewatt.office.estate.models import Carrier, Circuit, Contract, Customer, Plan, PlanAssignment, SupplyPoint
from prewatt.office.estate.profiles import all_profiles
from prewatt.office.ledger import books
from prewatt.office.ledger.call import call
from prewatt.office.metering import wishes
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.audit import audit
from prewatt.office.staff.roles import Act
from prewatt.office.vending import openings
from prewatt.office.vending.acts import check_reason
from prewatt.office.vending.limits import check_key
from prewatt.office.vending.models import OPEN_DELIVERY_STATES, Delivery, Opening, Till
from prewatt.office.vending.opening_rows import ask, move
from prewatt.office.vending.openings import new_contract


@dataclass(frozen=True, kw_only=True)
class Change:
    """What every change says: whose circuit, why, who, when; the slips come from `till`."""

    key: str
    supply: SupplyPoint
    reason: str
    till: Till
    actor: Actor
    at: datetime

    @property
    def request_key(self) -> str:
        return f"{self.actor.key}:{check_key(self.key)}"


def change_contract(
    change: Change, *, customer: Customer | None, contract: Contract | None, carry: bool, shared: bool = True
) -> Opening:
    """Supply the circuit under another contract (过户): one that stands, or a new one for `customer`; its opening.

    `carry`: what is on the old balance, credit or debt, goes over with the circuit; else it must be zero, unless other
    circuits share it and keep it. Terms and plan stay.
    Raises Refused: not_permitted, reason_needed, key_required, change_not_server_held, contract_not_open,
    change_same_contract, customer_unknown, money_unsettled, reading_not_fresh, reading_not_billed, balance_not_settled,
    and those of `billing.open_server_held`.
    """
    change.actor.require(Act.CLOSE_CONTRACT)
    kept, request_key = check_reason(change.reason), change.request_key
    with transaction.atomic():
        supply, first = _locked(change, request_key)
        if first is not None:
            return first
        if supply.custody != "server":
            raise Refused("change_not_server_held")
        if contract is not None and contract.pk == supply.contract_id:
            raise Refused("change_same_contract")
        if contract is None and customer is None:
            raise Refused("customer_unknown")
        nothing_payable(supply)
        found = must_be_settled(supply, at=change.at)
        moves = found.balance_minor if found.alone else 0
        if moves and not carry:
            raise Refused("balance_not_settled", balance=moves)
        _closed(change, supply, found)
        old, plan = supply.contract, _plan_of(supply, change.at)
        target = contract or new_contract(supply.circuit.site, customer or old.customer)
        made = open_server_held(
            target, supply.circuit, plan, shared=shared, overdraft=supply.overdraft, alarm_1=supply.alarm_1,
            alarm_2=supply.alarm_2, valid_from=found.read_at, actor=change.actor, at=change.at,
        )  # fmt: skip
        if moves:
            _carry(change, made, found, moves)
        row = _begun(change, made, request_key)
        _told(change, kept, old, made, {"carried_minor": moves, "read_at": found.read_at.isoformat()}, "contract")
    follow(row.pk, at=change.at)  # the same reading opens it
    row.refresh_from_db()
    return row


def to_server(change: Change, *, terms: HeldTerms) -> Opening:
    """The books hold the credit from now on; the meter's purse must be empty (return its credit first).

    Raises Refused: not_permitted, reason_needed, key_required, change_same_custody, contract_not_open,
    delivery_unsettled, money_unsettled, reading_not_fresh, balance_unknown, credit_unsettled, debt_unsettled, and those
    of `billing.open_server_held`.
    """
    change.actor.require(Act.CLOSE_CONTRACT)
    kept, request_key = check_reason(change.reason), change.request_key
    with transaction.atomic():
        supply, first = _locked(change, request_key)
        if first is not None:
            return first
        if supply.custody == "server":
            raise Refused("change_same_custody")
        if supply.carrier != Carrier.NETWORK:
            raise Refused("carrier_token")
        _purse_is_empty(change, supply)
        SupplyPoint.objects.filter(pk=supply.pk).update(state="closed", valid_to=change.at)
        made = open_server_held(
            supply.contract, supply.circuit, terms.plan, shared=terms.shared, overdraft=terms.overdraft,
            alarm_1=terms.alarm_1, alarm_2=terms.alarm_2, valid_from=change.at, actor=change.actor, at=change.at,
        )  # fmt: skip
        row = _begun(change, made, request_key)
        ask(row, Job(intent=Intent.READ_REGISTERS, circuit_index=supply.circuit.index), at=change.at)
        _told(change, kept, supply.contract, made, {"custody": "server"}, "custody")
    return row


def to_meter(change: Change, *, terms: openings.Terms) -> Opening:
    """The meter holds the credit from now on: it is opened as a new one is. The balance must be zero (return it first,
    sell it again), unless other circuits share it and keep it.

    Raises Refused: not_permitted, reason_needed, key_required, change_same_custody, contract_not_open, money_unsettled,
    custody_not_supported, reading_not_fresh, reading_not_billed, balance_not_settled, and those of `open_contract`.
    """
    change.actor.require(Act.CLOSE_CONTRACT)
    kept = check_reason(change.reason)
    with transaction.atomic():
        supply, first = _locked(change, change.request_key)
        if first is not None:
            return first
        if supply.custody != "server":
            raise Refused("change_same_custody")
        profile = all_profiles().get(supply.circuit.meter.profile)
        if profile is None or not profile.takes_orders:
            raise Refused("custody_not_supported")
        nothing_payable(supply)
        found = must_be_settled(supply, at=change.at)
        if found.alone and found.balance_minor:
            raise Refused("balance_not_settled", balance=found.balance_minor)
        SupplyPoint.objects.filter(pk=supply.pk).update(state="closed", valid_to=found.read_at)
        wishes.release(supply.circuit, at=change.at)
        row = openings.open_contract(
            openings.OpenCommand(
                key=change.key, circuit=supply.circuit, customer=supply.contract.customer, terms=terms,
                till=change.till, actor=change.actor, at=change.at, contract=supply.contract,
            )
        )  # fmt: skip
        _told(change, kept, supply.contract, row.supply_point, {"custody": "meter"}, "custody")
    return row


def _locked(change: Change, request_key: str) -> tuple[SupplyPoint, Opening | None]:
    """The circuit's lock, then the supply point under its own; what the same key did before."""
    Circuit.objects.select_for_update(no_key=True).get(pk=change.supply.circuit_id)
    first = Opening.objects.filter(request_key=request_key).first()
    SupplyPoint.objects.select_for_update(no_key=True).get(pk=change.supply.pk)
    supply = SupplyPoint.objects.select_related("circuit__site__company", "circuit__meter", "contract__customer").get(
        pk=change.supply.pk
    )
    if first is None and (supply.state != "open" or supply.contract.state != "open"):
        raise Refused("contract_not_open")
    return supply, first


def _closed(change: Change, supply: SupplyPoint, found: Settled) -> None:
    """The old supply point ends at the reading, with a slip of its own."""
    row = begin(
        supply, request_key=f"{change.request_key}:close", till=change.till, actor=change.actor, at=change.at,
        kind=Opening.Kind.CLOSE,
    )  # fmt: skip
    end(supply, valid_to=found.read_at, at=change.at)
    move(row, Opening.State.DONE, done_at=change.at)
    closing_slip(row, found, at=change.at)


def _carry(change: Change, made: SupplyPoint, found: Settled, moves: int) -> None:
    """The balance goes from the old account to the new one, credit or debt."""
    assert made.credit_account_id is not None, made.pk
    site = made.circuit.site
    sides = (found.account_id, made.credit_account_id) if moves > 0 else (made.credit_account_id, found.account_id)
    books.book_running(
        books.NewEntry(
            company_id=site.company_id, site_id=site.pk, timezone=site.timezone, key=f"credit_moved:{made.pk}",
            kind="credit_moved", actor=change.actor.key, reason=change.reason, at=change.at,
            transfers=[
                books.Transfer(debit_account_id=sides[0], credit_account_id=sides[1], amount_minor=abs(moves))
            ],
        )
    )  # fmt: skip


def _begun(change: Change, made: SupplyPoint, request_key: str) -> Opening:
    return begin(made, request_key=request_key, till=change.till, actor=change.actor, at=change.at)


def _plan_of(supply: SupplyPoint, at: datetime) -> Plan:
    newest = PlanAssignment.objects.filter(supply_point=supply, valid_from__lte=at).order_by("-valid_from").first()
    if newest is None:
        raise Refused("plan_without_price")
    return newest.plan


def _purse_is_empty(change: Change, supply: SupplyPoint) -> None:
    """What the meter said in the last minutes, and nothing on its way to it."""
    deliveries = Delivery.objects.filter(circuit=supply.circuit)
    if deliveries.filter(state__in=OPEN_DELIVERY_STATES).exists():
        raise Refused("delivery_unsettled")
    if deliveries.filter(state="refused", sale__state="sold").exclude(act__kind="refund", act__state="done").exists():
        raise Refused("money_unsettled")
    nothing_payable(supply)
    # the newest frame may have told no balance: `metering_latest` then keeps an older one beside its time
    row = call(
        "SELECT m.balance FROM metering_latest l LEFT JOIN LATERAL (SELECT r.balance FROM metering_reading r"
        " WHERE r.site_id = l.site_id AND r.circuit_id = l.circuit_id AND r.at > %s AND r.at <= %s"
        " AND r.balance IS NOT NULL ORDER BY r.at DESC LIMIT 1) m ON true"
        " WHERE l.site_id = %s AND l.circuit_id = %s AND l.at > %s",
        [change.at - FRESH, change.at, supply.circuit.site_id, supply.circuit_id, change.at - FRESH],
    )
    if row is None:
        raise Refused("reading_not_fresh", retry=True, minutes=FRESH.seconds // 60)
    if row[0] is None:
        raise Refused("balance_unknown", retry=True)
    if row[0] != 0:
        raise Refused("credit_unsettled" if row[0] > 0 else "debt_unsettled", balance=row[0])


def _told(
    change: Change, reason: str, old: Contract, made: SupplyPoint, more: dict[str, object], what: str
) -> None:
    audit(
        at=change.at, actor=change.actor.key, action=f"changes.{what}", site_id=made.circuit.site_id,
        object_type="circuit", object_id=str(made.circuit_id), reason=reason,
        before={"contract": old.number, "supply_point": change.supply.pk, "custody": change.supply.custody},
        after={"contract": made.contract.number, "supply_point": made.pk, "custody": made.custody, **more},
    )  # fmt: skip
