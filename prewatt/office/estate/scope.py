"""The one guarded door: rows an operator may see. What is outside his scope does not exist for him."""

from typing import TypeVar

from django.db.models import Model, Q, QuerySet

from prewatt.office.estate.models import (
    Building,
    Circuit,
    Company,
    Contract,
    Customer,
    Gateway,
    Line,
    Meter,
    Plan,
    Room,
    Site,
    Station,
    SupplyPoint,
)
from prewatt.office.staff.models import Operator, Scope

M = TypeVar("M", bound=Model)

# model -> paths from it to company, site and building; None: not reachable from there
_PATHS: dict[type[Model], tuple[str, str | None, str | None]] = {
    Company: ("pk", None, None),
    Site: ("company_id", "pk", None),
    Building: ("site__company_id", "site_id", "pk"),
    Room: ("building__site__company_id", "building__site_id", "building_id"),
    Station: ("site__company_id", "site_id", None),
    Gateway: ("site__company_id", "site_id", None),
    Line: ("gateway__site__company_id", "gateway__site_id", None),
    Meter: ("site__company_id", "site_id", "circuit__room__building_id"),
    Circuit: ("site__company_id", "site_id", "room__building_id"),
    SupplyPoint: ("circuit__site__company_id", "circuit__site_id", "circuit__room__building_id"),
    Contract: ("site__company_id", "site_id", "supplypoint__circuit__room__building_id"),
    Customer: ("company_id", "contract__site_id", "contract__supplypoint__circuit__room__building_id"),
    Plan: ("company_id", None, None),
}


def visible_to(operator: Operator, model: type[M]) -> QuerySet[M]:
    """The rows of `model` inside the operator's scopes; none for an operator who is inactive or has no scope.

    A company seen through one of its sites or buildings shows itself, and its plans, but not its other sites.
    """
    rows: QuerySet[M] = model._default_manager.all()
    if not operator.is_active:
        return rows.none()
    company, site, building = _PATHS[model]
    seen = Q(pk__in=[])
    for scope in operator.scopes.all():
        seen |= _condition(scope, model, company, site, building)
    return rows.filter(pk__in=model._default_manager.filter(seen).values("pk"))


def _condition(scope: Scope, model: type[Model], company: str, site: str | None, building: str | None) -> Q:
    if scope.company_id is not None:
        return Q(**{company: scope.company_id})
    if scope.site_id is not None:
        if model is Customer:  # one who has no contract yet is seen by all sites of the company
            newcomers = Q(contract=None, company_id__in=Site.objects.filter(pk=scope.site_id).values("company_id"))
            return Q(contract__site_id=scope.site_id) | newcomers
        if site is not None:
            return Q(**{site: scope.site_id})
        return Q(**{f"{company}__in": Site.objects.filter(pk=scope.site_id).values("company_id")})
    assert scope.building_id is not None, "a scope names exactly one thing"
    if building is not None:
        return Q(**{building: scope.building_id})
    above = Building.objects.filter(pk=scope.building_id)
    if model in (Site, Station, Gateway, Line):
        assert site is not None
        return Q(**{f"{site}__in": above.values("site_id")})
    return Q(**{f"{company}__in": above.values("site__company_id")})


def sites_of(operator: Operator) -> QuerySet[Site]:
    """The sites an operator works in, by company and code."""
    return visible_to(operator, Site).select_related("company").order_by("company_id", "code")


def wholly_held(operator: Operator, model: type[M]) -> QuerySet[M]:
    """Companies, sites or buildings that lie entirely inside his scopes: what he may give to others.

    Who sees a company through one of its sites does not hold it. Another model is a programming error.
    """
    assert model in (Company, Site, Building), model
    rows: QuerySet[M] = model._default_manager.all()
    if not operator.is_active:
        return rows.none()
    company, site, building = _PATHS[model]
    held = Q(pk__in=[])
    for scope in operator.scopes.all():
        if scope.company_id is not None:
            held |= Q(**{company: scope.company_id})
        elif scope.site_id is not None and site is not None:
            held |= Q(**{site: scope.site_id})
        elif scope.building_id is not None and building is not None:
            held |= Q(**{building: scope.building_id})
    return rows.filter(held)


def within(operator: Operator, other: Operator) -> bool:
    """Whether everything the other may see lies inside what this one holds; one without scopes is inside."""
    holds = {
        "company_id": wholly_held(operator, Company), "site_id": wholly_held(operator, Site),
        "building_id": wholly_held(operator, Building),
    }  # fmt: skip
    return all(
        rows.filter(pk=getattr(scope, name)).exists()
        for scope in other.scopes.all() for name, rows in holds.items() if getattr(scope, name) is not None
    )  # fmt: skip
