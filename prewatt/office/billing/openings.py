"""Opening a supply point whose credit the books hold (后台计费)."""

from datetime import datetime

from django.db import transaction
from django.db.models import Q

from prewatt.core.meters import Custody
from prewatt.core.refusals import Refused
from prewatt.office.billing import errors as _errors  # noqa: F401  registers the texts
from prewatt.office.billing.models import Progress
from prewatt.office.estate.models import Circuit, Contract, Plan, PlanAssignment, SupplyPoint
from prewatt.office.estate.plans import version_in_force
from prewatt.office.estate.profiles import all_profiles
from prewatt.office.ledger import books
from prewatt.office.metering.displays import end_wh
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.audit import audit
from prewatt.office.staff.roles import Act


def open_server_held(
    contract: Contract,
    circuit: Circuit,
    plan: Plan,
    *,
    shared: bool = True,
    overdraft: int,
    alarm_1: int,
    alarm_2: int,
    valid_from: datetime,
    actor: Actor | str,
    at: datetime,
) -> SupplyPoint:
    """Supply a circuit under a contract with credit in the books, from a moment on.

    It stands in state "opening" until the first good reading at or after `valid_from`, which is the opening reading:
    `charges.sweep` then opens it and its contract; nothing before is billed. `shared`: on the account of the contract's
    server-held circuits, else on one of its own. Thresholds in minor units, `alarm_*` may be below zero. `actor` is a
    string where the house itself acts (import). Not replayable by itself: the caller's key guards it.

    Raises Refused: not_permitted, circuit_not_for_tenants, circuit_other_site, server_custody_unsupported,
    thresholds_order, plan_other_company, contract_ended, circuit_has_contract, plan_without_price.
    """
    if isinstance(actor, Actor):
        actor.require(Act.OPEN_CONTRACT)
    _check(contract, circuit, plan, overdraft=overdraft, alarm_1=alarm_1, alarm_2=alarm_2)
    site = contract.site
    with transaction.atomic():
        Circuit.objects.select_for_update(no_key=True).get(pk=circuit.pk)
        state = Contract.objects.select_for_update(no_key=True).get(pk=contract.pk).state
        if state not in ("opening", "open"):
            raise Refused("contract_ended")
        overlapping = SupplyPoint.objects.filter(Q(valid_to=None) | Q(valid_to__gt=valid_from), circuit=circuit)
        standing = overlapping.select_related("contract").first()
        if standing is not None:
            raise Refused("circuit_has_contract", number=standing.contract.number)
        supply = SupplyPoint.objects.create(
            contract=contract, circuit=circuit, custody="server", credit_unit=site.company.currency, state="opening",
            valid_from=valid_from, overdraft=overdraft, alarm_1=alarm_1, alarm_2=alarm_2,
        )  # fmt: skip
        PlanAssignment.objects.create(supply_point=supply, plan=plan, valid_from=valid_from)
        version_in_force(supply, at=valid_from)
        key = f"credit:contract:{contract.pk}" if shared else f"credit:supply:{supply.pk}"
        account = books.credit_account(company_id=site.company_id, site_id=site.pk, key=key)
        supply.credit_account_id = account
        supply.save(update_fields=["credit_account_id"])
        Progress.objects.create(
            supply_point_id=supply.pk, site_id=site.pk, circuit_id=circuit.pk, account_id=account,
            valid_from=valid_from, rollover_wh=end_wh(all_profiles()[circuit.meter.profile], circuit.meter.ct_ratio),
        )  # fmt: skip
        audit(
            at=at, actor=actor if isinstance(actor, str) else actor.key, action="billing.open", site_id=site.pk,
            object_type="contract", object_id=contract.number,
            after={"circuit": circuit.pk, "supply_point": supply.pk, "plan": plan.code, "shared": shared,
                   "overdraft": overdraft, "alarm_1": alarm_1, "alarm_2": alarm_2,
                   "valid_from": valid_from.isoformat()},
        )  # fmt: skip
    return supply


def _check(contract: Contract, circuit: Circuit, plan: Plan, *, overdraft: int, alarm_1: int, alarm_2: int) -> None:
    if circuit.use == Circuit.Use.COMMON:
        raise Refused("circuit_not_for_tenants")
    if circuit.site_id != contract.site_id:
        raise Refused("circuit_other_site")
    profile = all_profiles().get(circuit.meter.profile)
    if profile is None or Custody.SERVER not in profile.custody:
        raise Refused("server_custody_unsupported", profile=circuit.meter.profile)
    if alarm_1 < alarm_2 or overdraft < 0:
        raise Refused("thresholds_order")
    if plan.company_id != contract.site.company_id:
        raise Refused("plan_other_company")
