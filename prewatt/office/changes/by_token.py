"""Supply points whose credit travels as tokens: opened, read and closed by what a person saw on the meter.

Nobody asks the meter: it may never be online. Both registers are read by hand, or neither. What is read is a reading
like any other: deferred income becomes income by it, and a hoarding limit is judged by it.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from prewatt.core.refusals import Refused
from prewatt.core.sts import CreditKind
from prewatt.core.tariffs.quote import TENTH_WH
from prewatt.office.changes import errors as _errors  # noqa: F401  registers the texts
from prewatt.office.changes.held import end, nothing_payable
from prewatt.office.estate.models import Carrier, Circuit, Contract, Customer, Plan, PlanAssignment, SupplyPoint
from prewatt.office.estate.plans import version_in_force
from prewatt.office.ledger.call import call
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.audit import audit
from prewatt.office.staff.roles import Act
from prewatt.office.tokens import requests
from prewatt.office.vending import opening_errors as _more_errors  # noqa: F401  registers the texts
from prewatt.office.vending import token_wire
from prewatt.office.vending.closings import nothing_on_its_way
from prewatt.office.vending.limits import check_key
from prewatt.office.vending.models import CircuitCredit, Opening, Receipt, Till
from prewatt.office.vending.openings import book_take_over, new_contract
from prewatt.office.vending.slips import issue_slip

State = Opening.State
MOST_WH = 10**12  # no meter's display shows a million MWh


@dataclass(frozen=True, kw_only=True)
class Registers:
    """What a person read on the meter, Wh: energy so far, and credit left (tenths of a kWh)."""

    energy_wh: int
    credit_wh: int


@dataclass(frozen=True, kw_only=True)
class TokenTerms:
    """What is agreed, Wh. Nothing of it is written to the meter; a limit of 0 is none."""

    plan: Plan
    hoarding_limit: int = 0


@dataclass(frozen=True, kw_only=True)
class TokenOpening:
    """One opening as asked for. `contract`: one that stands, else a new one for `customer`. Credit that the registers
    show is taken over; to get rid of it, clear it with its token first."""

    key: str
    circuit: Circuit
    customer: Customer | None
    contract: Contract | None
    terms: TokenTerms
    registers: Registers | None
    till: Till
    actor: Actor
    at: datetime


def open_by_token(command: TokenOpening) -> Opening:
    """Open at once, by a stated act; the same key gives the first one again. The meter may have no line.

    Raises Refused: not_permitted, key_required, circuit_common, token_one_circuit, sts_meter_unknown,
    token_credit_kind, levels_order, plan_other_company, plan_without_price, circuit_supplied, customer_unknown,
    registers_malformed.
    """
    actor, circuit, at = command.actor, command.circuit, command.at
    actor.require(Act.OPEN_CONTRACT)
    request_key = f"{actor.key}:{check_key(command.key)}"
    with transaction.atomic():
        Circuit.objects.select_for_update(no_key=True).get(pk=circuit.pk)
        first = Opening.objects.filter(request_key=request_key).first()
        if first is not None:
            return first
        _may_open(command)
        contract = command.contract
        if contract is None:
            assert command.customer is not None, "judged"
            contract = new_contract(circuit.site, command.customer)
        supply = SupplyPoint.objects.create(
            contract=contract, circuit=circuit, custody="meter", carrier=Carrier.TOKEN, credit_unit="Wh", state="open",
            valid_from=at, hoarding_limit=command.terms.hoarding_limit,
        )  # fmt: skip
        PlanAssignment.objects.create(supply_point=supply, plan=command.terms.plan, valid_from=at)
        price = version_in_force(supply, at=at).price
        Contract.objects.filter(pk=contract.pk, state="opening").update(state="open", opened_at=at)
        # a count of our own, which goes on: of tokens handed out
        count, _ = CircuitCredit.objects.update_or_create(
            circuit=circuit, defaults={"carried_minor": 0, "updated_at": at},
            create_defaults={"site_id": circuit.site_id, "purchase_count": 0, "carried_minor": 0, "updated_at": at},
        )  # fmt: skip
        row = _row(supply, Opening.Kind.OPEN, command.registers, key=request_key, till=command.till, actor=actor, at=at)
        worth = 0
        if command.registers is not None:
            _state(supply, command.registers, at=at)
            if command.registers.credit_wh > 0:
                worth = book_take_over(row, command.registers.credit_wh, at=at)
        audit(
            at=at, actor=actor.key, action="vending.open", site_id=circuit.site_id, object_type="contract",
            object_id=contract.number,
            after={"circuit": circuit.pk, "customer": contract.customer_id, "carrier": "token", **row.read_values},
        )  # fmt: skip
        issue_slip(
            row, kind=Receipt.Kind.OPENING, at=at,
            data={
                "carrier": "token", "balance": row.read_values.get("balance"), "purchase_count": count.purchase_count,
                "taken_over_minor": worth, "alarm_1": 0, "alarm_2": 0, "overdraft": 0, "load_limit_w": 0,
                "hoarding_limit": supply.hoarding_limit, "price": str(price),
                "energy_wh": row.read_values.get("energy_import_total"),
            },
        )  # fmt: skip
    return row


def _by_circuit(circuit: Circuit) -> bool:
    """Twenty digits name a meter and no circuit of it. Where they can only be written to the circuit's own place, and
    nobody can type them, they cannot go astray."""
    found = token_wire.way(circuit.meter_id)
    return found is not None and found.face.wire is not None and not found.face.wire.shared and not found.face.keypad


def _may_open(command: TokenOpening) -> None:
    circuit, terms = command.circuit, command.terms
    if circuit.use == Circuit.Use.COMMON:
        raise Refused("circuit_common")
    sts = requests.of_meter(circuit.meter_id)
    if Circuit.objects.filter(meter_id=circuit.meter_id).count() > 1 and not _by_circuit(circuit):
        raise Refused("token_one_circuit")
    if sts.credit_kind != CreditKind.ELECTRICITY:
        raise Refused("token_credit_kind")
    if not 0 <= terms.hoarding_limit <= MOST_WH:
        raise Refused("levels_order")
    if terms.plan.company_id != circuit.site.company_id:
        raise Refused("plan_other_company")
    if command.contract is None and command.customer is None:
        raise Refused("customer_unknown")
    if command.registers is not None:
        _check(command.registers)
    standing = SupplyPoint.objects.select_related("contract").filter(circuit=circuit, valid_to=None).first()
    if standing is not None:
        raise Refused("circuit_supplied", number=standing.contract.number)


def read_by_hand(supply: SupplyPoint, registers: Registers, *, actor: Actor, at: datetime) -> None:
    """Enter what a person read on the meter just now.

    Raises Refused: not_permitted, contract_not_open, registers_malformed, registers_backward, registers_again.
    """
    actor.require(Act.READ_NOW)
    _check(registers)
    with transaction.atomic():
        row = SupplyPoint.objects.select_for_update(no_key=True).select_related("circuit").get(pk=supply.pk)
        if row.carrier != Carrier.TOKEN or row.state != "open":
            raise Refused("contract_not_open")
        _state(row, registers, at=at)
        audit(
            at=at, actor=actor.key, action="vending.read_by_hand", site_id=row.circuit.site_id, object_type="circuit",
            object_id=str(row.circuit_id), after={"energy_wh": registers.energy_wh, "credit_wh": registers.credit_wh},
        )  # fmt: skip


def close_by_token(
    supply: SupplyPoint, registers: Registers, *, key: str, till: Till, actor: Actor, at: datetime
) -> Opening:
    """Close by what a person read on the meter: no credit left. The same key gives the first one again.

    Raises Refused: not_permitted, key_required, contract_not_open, delivery_unsettled, money_unsettled,
    credit_unsettled (clear it with its token and return it first), registers_malformed, registers_backward.
    """
    actor.require(Act.CLOSE_CONTRACT)
    request_key = f"{actor.key}:{check_key(key)}"
    _check(registers)
    with transaction.atomic():
        row = SupplyPoint.objects.select_for_update(no_key=True).select_related("circuit").get(pk=supply.pk)
        first = Opening.objects.filter(request_key=request_key).first()
        if first is not None:
            return first
        CircuitCredit.objects.select_for_update(no_key=True).filter(circuit=row.circuit).first()
        if row.carrier != Carrier.TOKEN or row.state != "open":
            raise Refused("contract_not_open")
        nothing_on_its_way(row)
        nothing_payable(row)
        if registers.credit_wh > 0:
            raise Refused("credit_unsettled", balance=registers.credit_wh)
        _state(row, registers, at=at)
        call("SELECT billing_begin_purses(%s)", [at])  # of one that was never read: all of it is income with this day
        end(row, valid_to=at, at=at)
        made = _row(row, Opening.Kind.CLOSE, registers, key=request_key, till=till, actor=actor, at=at)
        audit(
            at=at, actor=actor.key, action="vending.close", site_id=row.circuit.site_id, object_type="contract",
            object_id=row.contract.number,
            after={"circuit": row.circuit_id, "supply_point": row.pk, **made.read_values},
        )  # fmt: skip
        count = CircuitCredit.objects.values_list("purchase_count", flat=True).get(circuit=row.circuit)
        issue_slip(
            made, kind=Receipt.Kind.CLOSING, at=at,
            data={"carrier": "token", "balance": 0, "purchase_count": count, "energy_wh": registers.energy_wh},
        )  # fmt: skip
    return made


def _row(
    supply: SupplyPoint, kind: Opening.Kind, registers: Registers | None, *, key: str, till: Till, actor: Actor,
    at: datetime,
) -> Opening:  # fmt: skip
    """The conversation that nobody had: it begins and ends with what was stated."""
    values = {} if registers is None else {
        "balance": registers.credit_wh, "energy_import_total": registers.energy_wh,
    }  # fmt: skip
    taken_over = kind == Opening.Kind.OPEN and registers is not None and registers.credit_wh > 0
    made: Opening = Opening.objects.create(
        site_id=supply.circuit.site_id, kind=kind, state=State.DONE, contract=supply.contract, supply_point=supply,
        act=Opening.Act.TAKE_OVER if taken_over else Opening.Act.NONE, request_key=key, actor=actor.key,
        actor_name=actor.name, till=till, at=at, done_at=at, read_values=values,
    )  # fmt: skip
    return made


def _check(registers: Registers) -> None:
    energy, credit = registers.energy_wh, registers.credit_wh
    if not (0 <= energy <= MOST_WH and 0 <= credit <= MOST_WH) or credit % TENTH_WH:
        raise Refused("registers_malformed")


def _state(supply: SupplyPoint, registers: Registers, *, at: datetime) -> None:
    """A reading by a person's word; below the last one of this supply he misread, or the meter was exchanged."""
    site_id = supply.circuit.site_id
    row = call(
        "SELECT max(energy_wh) FROM metering_reading WHERE site_id = %s AND circuit_id = %s AND at >= %s AND at <= %s"
        " AND quality = 0",
        [site_id, supply.circuit_id, supply.valid_from, at],
    )
    if row is not None and row[0] is not None and registers.energy_wh < row[0]:
        raise Refused("registers_backward", last_wh=row[0])
    said = call(
        "SELECT metering_state(%s, %s, %s, %s, %s, NULL)",
        [site_id, supply.circuit_id, at, registers.energy_wh, registers.credit_wh],
    )
    assert said is not None
    if not said[0]:
        raise Refused("registers_again", retry=True)
