"""Contracts of other books whose credit travels as tokens: open at once, without registers; nobody asks the meter."""

from datetime import datetime

from django.db import transaction

from prewatt.core.refusals import Refused
from prewatt.office.estate.models import Carrier, Circuit, Contract, Plan, PlanAssignment, SupplyPoint
from prewatt.office.estate.plans import version_in_force
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.audit import audit
from prewatt.office.staff.roles import Act
from prewatt.office.vending import opening_errors as _errors  # noqa: F401  registers the texts
from prewatt.office.vending.models import CircuitCredit


def open_taken_over(
    contract: Contract, circuit: Circuit, plan: Plan, *, valid_from: datetime, actor: Actor | str, at: datetime
) -> SupplyPoint:
    """Supply a circuit by token under a contract that stands. Nothing was asked or stated, so there is no slip; what
    its meter holds is not known and not booked, and who reads it later enters it by hand. `actor` is a string where
    the house itself acts.

    The caller has judged the meter: STS attributes, credit in units, one circuit. Raises Refused: not_permitted,
    circuit_common, plan_other_company, plan_without_price, circuit_supplied.
    """
    if isinstance(actor, Actor):
        actor.require(Act.OPEN_CONTRACT)
    site = circuit.site
    if circuit.use == Circuit.Use.COMMON:
        raise Refused("circuit_common")
    if plan.company_id != site.company_id:
        raise Refused("plan_other_company")
    with transaction.atomic():
        Circuit.objects.select_for_update(no_key=True).get(pk=circuit.pk)
        standing = SupplyPoint.objects.select_related("contract").filter(circuit=circuit, valid_to=None).first()
        if standing is not None:
            raise Refused("circuit_supplied", number=standing.contract.number)
        supply = SupplyPoint.objects.create(
            contract=contract, circuit=circuit, custody="meter", carrier=Carrier.TOKEN, credit_unit="Wh", state="open",
            valid_from=valid_from,
        )  # fmt: skip
        PlanAssignment.objects.create(supply_point=supply, plan=plan, valid_from=valid_from)
        version_in_force(supply, at=max(valid_from, at))
        Contract.objects.filter(pk=contract.pk, state="opening").update(state="open", opened_at=valid_from)
        CircuitCredit.objects.update_or_create(
            circuit=circuit, defaults={"carried_minor": 0, "updated_at": at},
            create_defaults={"site_id": site.pk, "purchase_count": 0, "carried_minor": 0, "updated_at": at},
        )  # fmt: skip
        key = actor if isinstance(actor, str) else actor.key
        audit(
            at=at, actor=key, action="vending.open", site_id=site.pk, object_type="contract",
            object_id=contract.number,
            after={"circuit": circuit.pk, "customer": contract.customer_id, "carrier": "token"},
        )  # fmt: skip
    return supply
