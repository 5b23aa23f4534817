"""Closing (销户): read the meter, refuse while credit or debt is unsettled, print the slip."""

from datetime import datetime

from django.db import transaction

from prewatt.core.meters.jobs import Intent, Job
from prewatt.core.meters.quantities import Quantity
from prewatt.core.refusals import Refused
from prewatt.office.estate.models import Carrier, Contract, SupplyPoint
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.audit import audit
from prewatt.office.staff.roles import Act
from prewatt.office.vending import opening_errors as _errors  # noqa: F401  registers the texts
from prewatt.office.vending.limits import check_key
from prewatt.office.vending.models import OPEN_DELIVERY_STATES, CircuitCredit, Delivery, Opening, Receipt, Till
from prewatt.office.vending.opening_rows import ask, end_refused, move
from prewatt.office.vending.slips import issue_slip


def close_contract(supply: SupplyPoint, *, key: str, till: Till, actor: Actor, at: datetime) -> Opening:
    """Ask the meter what is left; `was_read_to_close` ends it. The same key gives the first one again.

    Raises Refused: not_permitted, key_required, contract_not_open, delivery_unsettled, money_unsettled, carrier_token.
    """
    actor.require(Act.CLOSE_CONTRACT)
    request_key = f"{actor.key}:{check_key(key)}"
    with transaction.atomic():
        SupplyPoint.objects.select_for_update().get(pk=supply.pk)
        first = Opening.objects.filter(request_key=request_key).first()
        if first is not None:
            return first
        CircuitCredit.objects.select_for_update().filter(circuit=supply.circuit).first()
        if supply.carrier != Carrier.NETWORK:
            raise Refused("carrier_token")
        if supply.custody != "meter" or supply.state != "open" or supply.contract.state != "open":
            raise Refused("contract_not_open")
        nothing_on_its_way(supply)
        SupplyPoint.objects.filter(pk=supply.pk).update(state="closing")
        Contract.objects.filter(pk=supply.contract_id).update(state="closing")
        row = Opening.objects.create(
            site_id=supply.circuit.site_id, kind=Opening.Kind.CLOSE, state=Opening.State.READING,
            contract=supply.contract, supply_point=supply, request_key=request_key, actor=actor.key,
            actor_name=actor.name, till=till, at=at,
        )  # fmt: skip
        ask(row, Job(intent=Intent.READ_PURSE, circuit_index=supply.circuit.index), at=at)
        audit(
            at=at, actor=actor.key, action="vending.close", site_id=row.site_id, object_type="contract",
            object_id=supply.contract.number,
        )  # fmt: skip
    return row


def nothing_on_its_way(supply: SupplyPoint) -> None:
    deliveries = Delivery.objects.filter(circuit=supply.circuit)
    if deliveries.filter(state__in=OPEN_DELIVERY_STATES).exists():
        raise Refused("delivery_unsettled")
    if deliveries.filter(state="refused", sale__state="sold").exclude(act__kind="refund", act__state="done").exists():
        raise Refused("money_unsettled")


def was_read_to_close(row: Opening, values: dict[str, int], *, at: datetime) -> None:
    """End a closing by what the meter said: closed at zero, else refused with the balance; called by `advance`.

    Also refused where a make-up or a return began since it was asked: what was read says nothing of that.
    """
    balance = values.get(Quantity.BALANCE.value)
    Opening.objects.filter(pk=row.pk).update(read_values=values)
    row.read_values = values
    CircuitCredit.objects.select_for_update().filter(circuit=row.supply_point.circuit).first()
    try:
        nothing_on_its_way(row.supply_point)
    except Refused as refused:
        end_refused(row, refused.code, at=at)
        return
    if balance is None:
        end_refused(row, "balance_unknown", at=at)
        return
    if balance != 0:
        end_refused(row, "credit_unsettled" if balance > 0 else "debt_unsettled", at=at)
        return
    SupplyPoint.objects.filter(pk=row.supply_point_id).update(state="closed", valid_to=at)
    others = SupplyPoint.objects.filter(contract=row.contract, valid_to=None).exists()
    Contract.objects.filter(pk=row.contract_id).update(
        state="open" if others else "closed", closed_at=None if others else at
    )
    move(row, Opening.State.DONE, done_at=at)
    issue_slip(
        row, kind=Receipt.Kind.CLOSING, at=at,
        data={
            "balance": balance,
            "purchase_count": values.get(Quantity.PURCHASE_COUNT.value),
            "energy_wh": values.get(Quantity.ENERGY_IMPORT_TOTAL.value),
        },
    )  # fmt: skip
