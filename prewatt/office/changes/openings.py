"""Opening a server-held supply point by hand: a contract, its terms, and the meter asked for its opening reading."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from prewatt.core.meters.jobs import Intent, Job
from prewatt.core.refusals import Refused
from prewatt.office.billing.openings import open_server_held
from prewatt.office.changes import errors as _errors  # noqa: F401  registers the texts
from prewatt.office.changes.held import LIVE
from prewatt.office.estate.models import Circuit, Contract, Customer, Plan, SupplyPoint
from prewatt.office.ledger import books
from prewatt.office.ledger.call import call
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.audit import audit
from prewatt.office.staff.roles import Act
from prewatt.office.vending.limits import check_key
from prewatt.office.vending.models import Opening, Till
from prewatt.office.vending.opening_rows import ask, locked, move
from prewatt.office.vending.openings import new_contract

State = Opening.State


@dataclass(frozen=True, kw_only=True)
class HeldTerms:
    """What is agreed. Thresholds in minor units, alarms may lie below zero. `shared`: one balance with the contract's
    other server-held circuits."""

    plan: Plan
    alarm_1: int
    alarm_2: int
    overdraft: int = 0
    shared: bool = True


@dataclass(frozen=True, kw_only=True)
class HeldOpening:
    """One opening as asked for. `contract`: one that stands, else a new one for `customer`."""

    key: str
    circuit: Circuit
    customer: Customer | None
    contract: Contract | None
    terms: HeldTerms
    valid_from: datetime
    till: Till
    actor: Actor
    at: datetime


def open_held(command: HeldOpening) -> Opening:
    """Start an opening; the same key gives the first one again. It is done with the first good reading.

    Raises Refused: not_permitted, key_required, choice of `billing.open_server_held`, contract_unknown.
    """
    actor, at = command.actor, command.at
    actor.require(Act.OPEN_CONTRACT)
    request_key = f"{actor.key}:{check_key(command.key)}"
    with transaction.atomic():
        Circuit.objects.select_for_update(no_key=True).get(pk=command.circuit.pk)
        first = Opening.objects.filter(request_key=request_key).first()
        if first is not None:
            return first
        contract = command.contract
        if contract is None:
            if command.customer is None:
                raise Refused("customer_unknown")
            contract = new_contract(command.circuit.site, command.customer)
        supply = open_supply(command, contract)
        row = begin(supply, request_key=request_key, till=command.till, actor=actor, at=at)
        ask(row, Job(intent=Intent.READ_REGISTERS, circuit_index=command.circuit.index), at=max(at, command.valid_from))
        audit(
            at=at, actor=actor.key, action="vending.open", site_id=row.site_id, object_type="contract",
            object_id=contract.number, after={"circuit": command.circuit.pk, "customer": contract.customer_id},
        )  # fmt: skip
    return row


def open_supply(command: HeldOpening, contract: Contract) -> SupplyPoint:
    terms = command.terms
    return open_server_held(
        contract, command.circuit, terms.plan, shared=terms.shared, overdraft=terms.overdraft, alarm_1=terms.alarm_1,
        alarm_2=terms.alarm_2, valid_from=command.valid_from, actor=command.actor, at=command.at,
    )  # fmt: skip


def begin(
    supply: SupplyPoint, *, request_key: str, till: Till, actor: Actor, at: datetime,
    kind: Opening.Kind = Opening.Kind.OPEN,
) -> Opening:  # fmt: skip
    """The row of a conversation about a supply point, waiting for its reading."""
    made: Opening = Opening.objects.create(
        site_id=supply.circuit.site_id, kind=kind, state=State.READING, contract=supply.contract, supply_point=supply,
        request_key=request_key, actor=actor.key, actor_name=actor.name, till=till, at=at,
    )  # fmt: skip
    return made


def give_up(opening: Opening, *, actor: Actor, at: datetime) -> Opening:
    """Give up an opening that has no reading yet, or a closing that is not settled.

    Raises Refused: not_permitted, opening_unknown (it has ended), balance_not_settled (money was taken already).
    """
    actor.require(Act.OPEN_CONTRACT if opening.kind == Opening.Kind.OPEN else Act.CLOSE_CONTRACT)
    with transaction.atomic():
        row = locked(opening.pk)
        supply = SupplyPoint.objects.select_for_update(no_key=True).get(pk=row.supply_point_id)
        if row.state != State.READING or supply.custody != "server":
            raise Refused("opening_unknown")
        if row.kind == Opening.Kind.OPEN:
            if supply.state != "opening":
                raise Refused("opening_unknown")
            others = SupplyPoint.objects.filter(credit_account_id=supply.credit_account_id, state__in=LIVE)
            assert supply.credit_account_id is not None, supply.pk
            # a sale that is being booked is seen, and none begins before this has ended
            call("SELECT 1 FROM ledger_lock_running(ARRAY[%s]::bigint[])", [supply.credit_account_id])
            balance = books.running(supply.credit_account_id)
            if balance != 0 and not others.exclude(pk=supply.pk).exists():
                raise Refused("balance_not_settled", balance=balance)
        refuse(row, supply, "cancelled", at=at)
        audit(
            at=at, actor=actor.key, action="changes.give_up", site_id=row.site_id, object_type="contract",
            object_id=row.contract.number, after={"kind": row.kind, "supply_point": supply.pk},
        )  # fmt: skip
    return row


def refuse(row: Opening, supply: SupplyPoint, code: str, *, at: datetime) -> None:
    """End a conversation: an opening leaves nothing supplied, a closing leaves all as it was."""
    move(row, State.REFUSED, code=code, done_at=at)
    if row.kind == Opening.Kind.OPEN:
        SupplyPoint.objects.filter(pk=supply.pk).update(state="closed", valid_to=max(at, supply.valid_from))
        if not SupplyPoint.objects.filter(contract_id=supply.contract_id, state__in=LIVE).exists():
            Contract.objects.filter(pk=supply.contract_id, state="opening").update(state="closed", closed_at=at)
    else:
        SupplyPoint.objects.filter(pk=supply.pk, state="closing").update(state="open")
        Contract.objects.filter(pk=supply.contract_id, state="closing").update(state="open")
