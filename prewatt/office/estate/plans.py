"""Tariff plans: versions that never change, and which one holds for a supply point."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from django.db import IntegrityError, transaction

from prewatt.core.refusals import Refused
from prewatt.core.units import check_price
from prewatt.office.estate import errors as _errors  # noqa: F401  registers the texts
from prewatt.office.estate.models import Company, Plan, PlanAssignment, PlanVersion, SupplyPoint
from prewatt.office.estate.money_purses import check_meter_takes, check_meters_take
from prewatt.office.staff.audit import audit


def add_plan(
    company: Company, *, code: str, name: str, price: Decimal, valid_from: datetime, actor: str, at: datetime
) -> Plan:
    """A plan with its first version. Refuses code_taken, name_needed, price_out_of_range, price_too_precise."""
    check_price(price)
    if not name.strip() or not code.strip():
        raise Refused("name_needed")
    try:
        with transaction.atomic():
            plan = Plan.objects.create(company=company, code=code.strip(), name=name.strip())
            PlanVersion.objects.create(plan=plan, price=price, valid_from=valid_from, created_at=at)
            audit(
                at=at, actor=actor, action="estate.plan_add", site_id=None, object_type="plan", object_id=str(plan.pk),
                after={"code": code, "price": str(price), "valid_from": valid_from.isoformat()},
            )  # fmt: skip
    except IntegrityError:
        raise Refused("code_taken", taken=code) from None
    return plan


def add_version(plan: Plan, *, price: Decimal, valid_from: datetime, actor: str, at: datetime) -> PlanVersion:
    """A new price from a moment on. Refuses plan_version_past, code_taken (same moment twice), price_out_of_range,
    and what a purse in money cannot drain by: value_too_fine, value_out_of_range."""
    check_price(price)
    if valid_from < at:
        raise Refused("plan_version_past")
    check_meters_take(plan, price)
    try:
        with transaction.atomic():
            version = PlanVersion.objects.create(plan=plan, price=price, valid_from=valid_from, created_at=at)
            audit(
                at=at, actor=actor, action="estate.plan_version", site_id=None, object_type="plan",
                object_id=str(plan.pk), after={"price": str(price), "valid_from": valid_from.isoformat()},
            )  # fmt: skip
    except IntegrityError:
        raise Refused("code_taken", taken=valid_from.isoformat()) from None
    return version


def assign(supply_point: SupplyPoint, plan: Plan, *, valid_from: datetime, actor: str, at: datetime) -> PlanAssignment:
    """Let a plan hold for a supply point from a moment on. Refuses plan_version_past, plan_other_company,
    plan_without_price (no price of it can be given later for time that is over), and what a purse in money cannot drain
    by: value_too_fine, value_out_of_range."""
    if valid_from < at:
        raise Refused("plan_version_past")
    if plan.company_id != supply_point.contract.site.company_id:
        raise Refused("plan_other_company")
    if not PlanVersion.objects.filter(plan=plan, valid_from__lte=valid_from).exists():
        raise Refused("plan_without_price")
    check_meter_takes(supply_point, plan, at=at)
    with transaction.atomic():
        assignment, _ = PlanAssignment.objects.update_or_create(
            supply_point=supply_point, valid_from=valid_from, defaults={"plan": plan}
        )
        audit(
            at=at, actor=actor, action="estate.plan_assign", site_id=supply_point.contract.site_id,
            object_type="supply_point", object_id=str(supply_point.pk),
            after={"plan": plan.code, "valid_from": valid_from.isoformat()},
        )  # fmt: skip
    return assignment


def assign_all(
    supply_points: Sequence[SupplyPoint], plan: Plan, *, valid_from: datetime, actor: str, at: datetime
) -> None:
    """`assign` for each of a contract's supply points, or for none. Raises Refused as it does."""
    with transaction.atomic():
        for each in supply_points:
            assign(each, plan, valid_from=valid_from, actor=actor, at=at)


def version_in_force(supply_point: SupplyPoint, *, at: datetime) -> PlanVersion:
    """The price that holds for a supply point at a moment. Refuses plan_without_price."""
    assignment = (
        PlanAssignment.objects.filter(supply_point=supply_point, valid_from__lte=at).order_by("-valid_from").first()
    )
    version = (
        PlanVersion.objects.filter(plan_id=assignment.plan_id, valid_from__lte=at).order_by("-valid_from").first()
        if assignment is not None
        else None
    )
    if version is None:
        raise Refused("plan_without_price")
    return version
