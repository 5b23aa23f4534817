"""Meter-held contracts of other books: the same conversation as an opening at the counter, begun by a take-over."""

from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction

from prewatt.core.meters import Profile
from prewatt.core.meters.jobs import Intent, Job
from prewatt.core.refusals import Refused
from prewatt.core.units import energy_for_amount
from prewatt.office.estate.models import Circuit, Contract, Plan, PlanAssignment, SupplyPoint
from prewatt.office.estate.money_purses import check_plan_fits, credit_unit
from prewatt.office.estate.plans import version_in_force
from prewatt.office.estate.profiles import all_profiles
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.audit import audit
from prewatt.office.staff.roles import Act
from prewatt.office.vending.models import Opening, Till
from prewatt.office.vending.opening_rows import ask


def in_credit(amount_minor: int, *, price: Decimal, exponent: int, profile: Profile) -> int:
    """A threshold agreed in money as the energy a meter counts in: at the price of that day, up to its resolution. A
    purse in money takes it as it is."""
    if profile.wallet is not None:
        return amount_minor
    return energy_for_amount(
        amount_minor, price=price, exponent=exponent, resolution_wh=profile.resolution
    ).energy_wh  # fmt: skip


def begin(
    contract: Contract,
    circuit: Circuit,
    plan: Plan,
    *,
    overdraft_minor: int,
    alarm_1_minor: int,
    alarm_2_minor: int,
    valid_from: datetime,
    actor: Actor | str,
    at: datetime,
) -> Opening:
    """Supply a circuit under a contract that stands, its credit in the meter; the meter is asked from `valid_from` on.

    All stays "opening" until the meter has agreed. Credit it holds already waits for a person's word (take over or
    clear). Thresholds in minor units, not below zero. `actor` is a string where the house itself acts.
    Raises Refused: not_permitted, circuit_common, custody_not_supported, levels_order, plan_other_company,
    plan_without_price, circuit_supplied, till_unknown; of a purse in money as `openings.open_contract`.
    """
    if isinstance(actor, Actor):
        actor.require(Act.OPEN_CONTRACT)
    site = circuit.site
    profile = all_profiles().get(circuit.meter.profile)
    till = Till.objects.filter(site_id=site.pk).order_by("needs_shift", "pk").first()  # it numbers the slip
    if circuit.use == Circuit.Use.COMMON:
        raise Refused("circuit_common")
    if profile is None or not profile.takes_orders:
        raise Refused("custody_not_supported")
    if not alarm_1_minor >= alarm_2_minor >= 0 or overdraft_minor < 0:
        raise Refused("levels_order")
    if plan.company_id != site.company_id:
        raise Refused("plan_other_company")
    if till is None:
        raise Refused("till_unknown")
    unit = credit_unit(profile, site.company)
    check_plan_fits(profile, plan, at=valid_from)
    with transaction.atomic():
        Circuit.objects.select_for_update(no_key=True).get(pk=circuit.pk)
        standing = SupplyPoint.objects.select_related("contract").filter(circuit=circuit, valid_to=None).first()
        if standing is not None:
            raise Refused("circuit_supplied", number=standing.contract.number)
        supply = SupplyPoint.objects.create(
            contract=contract, circuit=circuit, custody="meter", credit_unit=unit, state="opening",
            valid_from=valid_from,
        )  # fmt: skip
        PlanAssignment.objects.create(supply_point=supply, plan=plan, valid_from=valid_from)
        price = version_in_force(supply, at=valid_from).price
        supply.overdraft, supply.alarm_1, supply.alarm_2 = (
            in_credit(each, price=price, exponent=site.company.exponent, profile=profile)
            for each in (overdraft_minor, alarm_1_minor, alarm_2_minor)
        )
        supply.save(update_fields=["overdraft", "alarm_1", "alarm_2"])
        name, key = ("system", actor) if isinstance(actor, str) else (actor.name, actor.key)
        opening = Opening.objects.create(
            site_id=site.pk, kind=Opening.Kind.OPEN, state=Opening.State.READING, contract=contract,
            supply_point=supply, request_key=f"taken_over:{supply.pk}", actor=key, actor_name=name, till=till, at=at,
        )  # fmt: skip
        wait = max(timedelta(0), valid_from - at)
        ask(opening, Job(intent=Intent.READ_PURSE, circuit_index=circuit.index), at=at, wait=wait)
        audit(
            at=at, actor=key, action="vending.open", site_id=site.pk, object_type="contract",
            object_id=contract.number, after={"circuit": circuit.pk, "customer": contract.customer_id},
        )  # fmt: skip
    return opening
