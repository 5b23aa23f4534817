"""The steps of an exchanged meter: open the new one, then let the credit follow. Each looks at the rows again."""

import logging
from datetime import datetime
from typing import Final

from django.db import DatabaseError, OperationalError, transaction

from prewatt.core.meters.jobs import Intent, Job
from prewatt.core.refusals import Refused
from prewatt.office.billing.models import Progress
from prewatt.office.billing.openings import open_server_held
from prewatt.office.changes.final import state_reading
from prewatt.office.changes.models import SwapPart
from prewatt.office.changes.openings import begin
from prewatt.office.estate.models import Circuit, Custody, Plan, PlanAssignment, SupplyPoint
from prewatt.office.estate.profiles import all_profiles
from prewatt.office.ledger.call import call
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.audit import audit
from prewatt.office.staff.roles import Act
from prewatt.office.vending import openings
from prewatt.office.vending.models import Opening
from prewatt.office.vending.opening_rows import ask

logger = logging.getLogger(__name__)
State = SwapPart.State
SWEEP_BATCH: Final = 100  # exchanges are rare; a round each five seconds


def begin_new(part: SwapPart, *, actor: Actor, at: datetime) -> None:
    """Open the new circuit under the old terms; the part is stored with its opening. In the caller's transaction."""
    part.tries += 1
    old = SupplyPoint.objects.select_related("circuit__site", "contract__customer").get(pk=part.old_supply_id)
    key = f"swap:{part.swap_id}:{part.index}:{part.tries}"
    opened = _held(part, old, key, actor, at) if old.custody == Custody.SERVER else _purse(part, old, key, actor, at)
    part.opening, part.new_supply, part.state = opened, opened.supply_point, State.OPENING
    planned = PlanAssignment.objects.filter(supply_point=old, valid_from__gt=opened.supply_point.valid_from)
    PlanAssignment.objects.bulk_create(
        [PlanAssignment(supply_point=part.new_supply, plan=each.plan, valid_from=each.valid_from) for each in planned]
    )
    if part._state.adding:
        SwapPart.objects.bulk_create([part])
    else:
        part.save(update_fields=["opening", "new_supply", "state", "tries"])


def _held(part: SwapPart, old: SupplyPoint, key: str, actor: Actor, at: datetime) -> Opening:
    """The balance is not touched: the new supply point is charged to the same account, with the same fraction of a
    minor unit, from its first reading on."""
    first = part.new_supply_id is None
    if not first:  # tried before and given up: nothing was supplied under it, and the new one begins where it did
        SupplyPoint.objects.filter(pk=part.new_supply_id, opening_at=None).update(valid_to=part.final_at)
    made = open_server_held(
        old.contract, part.new_circuit, _plan_of(old, at), shared=True, overdraft=old.overdraft, alarm_1=old.alarm_1,
        alarm_2=old.alarm_2, valid_from=part.final_at, actor=actor, at=at,
    )  # fmt: skip
    assert old.credit_account_id is not None, old.pk
    SupplyPoint.objects.filter(pk=made.pk).update(
        credit_account_id=old.credit_account_id, load_limit_w=old.load_limit_w
    )
    former = Progress.objects.filter(pk=part.new_supply_id or old.pk)  # tried before, it went over already
    fraction = former.get().carried_minor
    Progress.objects.filter(pk=made.pk).update(account_id=old.credit_account_id, carried_minor=fraction)
    former.update(carried_minor=0, held="", held_at=None, held_wh=None)
    made.refresh_from_db()
    row = begin(made, request_key=key, till=part.swap.till, actor=actor, at=at)
    if part.first_wh is not None and first:
        state_reading(made.circuit.site_id, made.circuit_id, part.final_at, part.first_wh, None)
    ask(row, Job(intent=Intent.READ_REGISTERS, circuit_index=part.index), at=at)
    return row


def _purse(part: SwapPart, old: SupplyPoint, key: str, actor: Actor, at: datetime) -> Opening:
    """An opening as any other: the new meter is read, cleared where that was stated, set, and read back."""
    terms = openings.Terms(
        plan=_plan_of(old, at), alarm_1=old.alarm_1, alarm_2=old.alarm_2, overdraft=old.overdraft,
        hoarding_limit=old.hoarding_limit, load_limit_w=old.load_limit_w,
    )  # fmt: skip
    circuit = Circuit.objects.select_related("meter", "site").get(pk=part.new_circuit_id)
    return openings.open_contract(
        openings.OpenCommand(
            key=key, circuit=circuit, customer=old.contract.customer, terms=terms, till=part.swap.till, actor=actor,
            at=at, act=Opening.Act(part.act), contract=old.contract,
        )
    )  # fmt: skip


def _plan_of(supply: SupplyPoint, at: datetime) -> Plan:
    newest = PlanAssignment.objects.filter(supply_point=supply, valid_from__lte=at).order_by("-valid_from").first()
    if newest is None:
        raise Refused("plan_without_price")
    return newest.plan


def advance(part_id: int, *, at: datetime) -> State:
    """Take the step that opening and delivery allow; the state then. Runs twice, late or never without harm."""
    with transaction.atomic():
        part = _locked(part_id)
        if part.state == State.OPENING:
            if part.opening.state == Opening.State.REFUSED:
                _move(part, State.NOT_OPENED, at=at)
            elif part.opening.state == Opening.State.DONE:
                _carry(part, at=at)
        elif part.state == State.CARRYING and part.delivery is not None:
            if part.delivery.state == "confirmed":
                _move(part, State.DONE, at=at)
            elif part.delivery.state == "refused":
                _move(part, State.NOT_CARRIED, at=at)
    return State(part.state)


def _carry(part: SwapPart, *, at: datetime) -> None:
    """Give the new meter what the old one held, up to the new one's step; without any, all is done."""
    if part.credit == 0:
        _move(part, State.DONE, at=at)
        return
    step = all_profiles()[part.new_circuit.meter.profile].resolution
    row = call(
        "SELECT vending_carry_in(%s, %s, %s, %s, %s, %s, %s, %s)",
        [
            f"swap:{part.pk}:{part.tries}", part.new_circuit_id, -(-part.credit // step) * step, part.value_minor,
            part.carried_minor, part.swap.actor, part.swap.reason, at,
        ],
    )  # fmt: skip
    assert row is not None
    if row[0] is not None:  # else not now
        SwapPart.objects.filter(pk=part.pk).update(state=State.CARRYING, delivery_id=row[0])
        part.state = State.CARRYING


def again(part: SwapPart, *, actor: Actor, at: datetime) -> State:
    """Open the new meter again, or send the credit again, after it said no. Raises Refused not_permitted,
    swap_part_ended, and those of an opening."""
    actor.require(Act.CLOSE_CONTRACT)
    with transaction.atomic():
        Circuit.objects.select_for_update(no_key=True).get(pk=part.new_circuit_id)
        row = _locked(part.pk)
        if row.state == State.NOT_OPENED:
            begin_new(row, actor=actor, at=at)
        elif row.state == State.NOT_CARRIED:
            SwapPart.objects.filter(pk=row.pk).update(state=State.OPENING, tries=row.tries + 1, delivery=None)
        else:
            raise Refused("swap_part_ended")
        audit(
            at=at, actor=actor.key, action="changes.swap_again", site_id=row.swap.site_id, object_type="meter",
            object_id=str(row.swap.new_meter_id), after={"swap": row.swap_id, "circuit": row.index},
        )  # fmt: skip
    return advance(row.pk, at=at)


def sweep(*, at: datetime) -> int:
    """Take every step that is due; how many parts were looked at."""
    waiting = list(
        SwapPart.objects.filter(state__in=[State.OPENING, State.CARRYING]).order_by("pk").values_list("pk", flat=True)[
            :SWEEP_BATCH
        ]
    )
    for pk in waiting:
        try:
            advance(pk, at=at)
        except OperationalError:  # not this one's fault: the database is away
            raise
        except (DatabaseError, Refused) as fault:
            if isinstance(fault, Refused) and fault.retry:  # or full
                raise
            logger.exception("part %s of an exchanged meter could not be followed", pk)
    return len(waiting)


def _locked(part_id: int) -> SwapPart:
    SwapPart.objects.select_for_update().get(pk=part_id)
    return SwapPart.objects.select_related("swap__till", "opening", "delivery", "new_circuit__meter").get(pk=part_id)


def _move(part: SwapPart, state: State, *, at: datetime) -> None:
    part.state = state
    SwapPart.objects.filter(pk=part.pk).update(state=state, done_at=at if state == State.DONE else None)
