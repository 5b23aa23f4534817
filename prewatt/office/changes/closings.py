"""Closing a server-held supply point: read the meter, charge what it says, refuse while credit or debt is left."""

from datetime import datetime

from django.db import transaction

from prewatt.core.meters.jobs import Intent, Job
from prewatt.core.refusals import Refused
from prewatt.office.changes.held import LIVE, closing_slip, end, nothing_payable, settled
from prewatt.office.changes.openings import begin, refuse
from prewatt.office.estate.models import Contract, SupplyPoint
from prewatt.office.metering import wishes
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.audit import audit
from prewatt.office.staff.roles import Act
from prewatt.office.vending.limits import check_key
from prewatt.office.vending.models import Opening, Till
from prewatt.office.vending.opening_rows import ask, move


def close_held(supply: SupplyPoint, *, key: str, till: Till, actor: Actor, at: datetime) -> Opening:
    """Ask the meter for its last reading; `steps.follow` ends it. The same key gives the first one again.

    Of several circuits on one balance each may go but the last, whose balance must be zero.
    Raises Refused: not_permitted, key_required, contract_not_open, money_unsettled.
    """
    actor.require(Act.CLOSE_CONTRACT)
    request_key = f"{actor.key}:{check_key(key)}"
    with transaction.atomic():
        row = SupplyPoint.objects.select_for_update(no_key=True).get(pk=supply.pk)
        first = Opening.objects.filter(request_key=request_key).first()
        if first is not None:
            return first
        if row.state != "open" or row.custody != "server":
            raise Refused("contract_not_open")
        nothing_payable(row)
        SupplyPoint.objects.filter(pk=row.pk).update(state="closing")
        if not SupplyPoint.objects.filter(contract_id=row.contract_id, state__in=LIVE).exclude(pk=row.pk).exists():
            Contract.objects.filter(pk=row.contract_id).update(state="closing")
        closing = begin(row, request_key=request_key, till=till, actor=actor, at=at, kind=Opening.Kind.CLOSE)
        ask(closing, Job(intent=Intent.READ_REGISTERS, circuit_index=row.circuit.index), at=at)
        audit(
            at=at, actor=actor.key, action="vending.close", site_id=closing.site_id, object_type="contract",
            object_id=row.contract.number, after={"circuit": row.circuit_id, "supply_point": row.pk},
        )  # fmt: skip
    return closing


def finish(row: Opening, supply: SupplyPoint, *, at: datetime) -> bool:
    """End a closing by the first good reading after it was asked for; False: there is none yet.

    The caller holds both rows. A refusal leaves the contract open.
    """
    try:
        found = settled(supply, since=row.at, at=at)
        if found is None:
            return False
        nothing_payable(supply)
    except Refused as refused:
        Opening.objects.filter(pk=row.pk).update(read_values={"why": str(refused.params.get("why", ""))})
        refuse(row, supply, refused.code, at=at)
        return True
    values = {"balance": found.balance_minor, "energy_import_total": found.energy_wh}
    Opening.objects.filter(pk=row.pk).update(read_values=values)
    row.read_values = values
    if found.alone and found.balance_minor != 0:
        refuse(row, supply, "credit_unsettled" if found.balance_minor > 0 else "debt_unsettled", at=at)
        return True
    end(supply, valid_to=at, at=at)
    wishes.release(supply.circuit, at=at)
    move(row, Opening.State.DONE, done_at=at)
    closing_slip(row, found, at=at)
    return True
