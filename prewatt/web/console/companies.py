"""Companies and sites: whose books they are, in which currency, by which clock; what a company asks at log-in."""

from typing import Final
from zoneinfo import available_timezones

from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from prewatt.core.units import CURRENCIES
from prewatt.office.estate import places
from prewatt.office.estate.models import Company, Site
from prewatt.office.estate.scope import wholly_held
from prewatt.office.staff import operators as staff
from prewatt.office.staff import second_factor
from prewatt.office.staff.actors import of_operator
from prewatt.office.staff.models import Operator
from prewatt.office.staff.roles import Act
from prewatt.web.console.operators import operators_of
from prewatt.web.console.settings import PATH, settings_page, told
from prewatt.web.console.settings_fields import Field, attempt, form_page, kept, roles_of, text
from prewatt.web.console.views_base import Ask, console
from prewatt.web.ui import formats

ZONES: Final = tuple(sorted(each for each in available_timezones() if "/" in each and not each.startswith("Etc/")))
HERE: Final = f"{PATH}/companies"


def _company_or_404(ask: Ask, company_id: int) -> Company:
    found = wholly_held(ask.operator, Company).filter(pk=company_id).first()
    if found is None:
        raise Http404
    return found


def _site_or_404(ask: Ask, site_id: int) -> Site:
    found = wholly_held(ask.operator, Site).select_related("company").filter(pk=site_id).first()
    if found is None:
        raise Http404
    return found


@require_safe
@console(roles=roles_of(Act.OPERATORS))
def page(ask: Ask) -> HttpResponse:
    """The companies he holds and the sites he holds, by company."""
    whole = {each.pk for each in wholly_held(ask.operator, Company)}
    sites = wholly_held(ask.operator, Site).select_related("company").order_by("company_id", "code")
    groups: dict[Company, list[Site]] = {each: [] for each in wholly_held(ask.operator, Company).order_by("pk")}
    for site in sites:
        groups.setdefault(site.company, []).append(site)
    people = operators_of(ask)
    rows = [
        {"company": company, "sites": held, "whole": company.pk in whole, "rule": second_factor.rule_of(company.pk)}
        for company, held in groups.items()
    ]
    context: dict[str, object] = {
        "rows": rows,
        "enrolled": sum(second_factor.is_on(each) for each in people if _counts(each)),
        "people": sum(_counts(each) for each in people),
    }
    return settings_page(ask, "ui/settings_companies.html", context)


def _counts(operator: Operator) -> bool:
    return operator.is_active and second_factor.required(operator.role, by_company=True)


def _currency_field(value: str) -> Field:
    return Field(
        name="currency",
        label=_("Currency"),
        kind="select",
        required=True,
        value=value,
        options=[
            (each.code, each.code, each.name_zh if formats.chinese() else each.major_en) for each in CURRENCIES.values()
        ],
        hint=_("Fixed with the first price and the first entry of the books."),
    )


@require_http_methods(["GET", "HEAD", "POST"])
@console(roles=roles_of(Act.OPERATORS))
def company(ask: Ask, company_id: int | None = None) -> HttpResponse:
    """Enter a company, or change one. Who enters it holds it."""
    one = _company_or_404(ask, company_id) if company_id is not None else None
    fields = [
        Field(name="name", label=_("Name"), value=one.name if one else "", required=True, most=places.NAME_MOST,
              hint=_("As on receipts.")),
        _currency_field(one.currency if one else ask.site.currency),
    ]  # fmt: skip
    form, refused = ask.request.POST, None
    if ask.request.method == "POST":

        def act() -> None:
            name, currency = text(form, "name", places.NAME_MOST + 1), text(form, "currency", 3)
            if one is not None:
                places.edit_company(one, name=name, currency=currency, actor=ask.actor, at=ask.at)
                return
            with transaction.atomic():
                made = places.add_company(name=name, currency=currency, actor=ask.actor, at=ask.at)
                staff.give_scope(ask.operator, company_id=made.pk, actor=of_operator(ask.operator), at=ask.at)

        refused = attempt(act)
        if not refused:
            told(ask, _("Saved. Now enter a site of it.") if one is None else _("Saved. It holds from now on."))
            return redirect(HERE)
        fields = kept(fields, form)
    return form_page(
        ask,
        title=one.name if one else _("Enter a company"),
        fields=fields,
        submit=_("Save"),
        back=HERE,
        crumb=_("Companies and sites"),
        refused=refused,
        says=_("A company is a legal entity with books and a currency of its own.") if one is None else "",
    )


@require_http_methods(["GET", "HEAD", "POST"])
@console(roles=roles_of(Act.OPERATORS))
def site(ask: Ask, company_id: int | None = None, site_id: int | None = None) -> HttpResponse:
    """Enter a site of a company, or change one."""
    one = _site_or_404(ask, site_id) if site_id is not None else None
    owner = one.company if one else _company_or_404(ask, company_id or 0)
    zone = one.timezone if one else ask.site.timezone
    fields = [
        Field(name="code", label=_("Code"), value=one.code if one else "", required=True, most=places.CODE_MOST,
              hint=_("Short: two sites of a company never share one.")),
        Field(name="name", label=_("Name"), value=one.name if one else "", required=True, most=places.NAME_MOST),
        Field(name="timezone", label=_("Time zone"), value=zone, required=True, most=48, listed=ZONES,
              hint=_("By its clock days begin and end; fixed with the first contract.")),
    ]  # fmt: skip
    if one is not None:
        fields.append(
            Field(
                name="closes_by_key", label=_("A supply that comes back"), kind="select",
                value="1" if one.closes_by_key else "0",
                options=[
                    ("0", _("is closed by Prewatt"), ""),
                    ("1", _("is permitted; who is there presses the meter's key"), ""),
                ],
                hint=_("Meters over DL/T 645 can wait for the key; the others are closed."),
            )
        )  # fmt: skip
    form, refused = ask.request.POST, None
    if ask.request.method == "POST":

        def act() -> None:
            code, name = text(form, "code", places.CODE_MOST + 1), text(form, "name", places.NAME_MOST + 1)
            clock = text(form, "timezone", 64)
            if one is None:
                places.add_site(owner, code=code, name=name, timezone=clock, actor=ask.actor, at=ask.at)
            else:
                places.edit_site(
                    one, code=code, name=name, timezone=clock, closes_by_key=form.get("closes_by_key") == "1",
                    actor=ask.actor, at=ask.at,
                )  # fmt: skip

        refused = attempt(act)
        if not refused:
            told(ask, _("Saved. It holds from now on."))
            return redirect(HERE)
        fields = kept(fields, form)
    return form_page(
        ask,
        title=one.name if one else _("Enter a site of %s") % owner.name,
        fields=fields,
        submit=_("Save"),
        back=HERE,
        crumb=_("Companies and sites"),
        refused=refused,
    )


@require_POST
@console(roles=roles_of(Act.OPERATORS))
def rule(ask: Ask, company_id: int) -> HttpResponse:
    """Ask the money roles of a company for a second factor, or no longer."""
    one = _company_or_404(ask, company_id)
    wanted = ask.request.POST.get("second_factor") == "1"
    second_factor.set_rule(one.pk, wanted, actor=of_operator(ask.operator), at=ask.at)
    told(
        ask,
        _("From the next page on, cashiers, managers, finance and administrators of %s need a second factor.")
        % one.name
        if wanted
        else _("A second factor is no longer asked for by %s; who has one keeps it.") % one.name,
    )
    return redirect(HERE)


urlpatterns = [
    path("settings/companies", page, name="settings-companies"),
    path("settings/companies/new", company, name="company-new"),
    path("settings/companies/<int:company_id>", company, name="company-edit"),
    path("settings/companies/<int:company_id>/second-factor", rule, name="company-second-factor"),
    path("settings/companies/<int:company_id>/sites/new", site, name="site-new"),
    path("settings/sites/<int:site_id>", site, name="site-edit"),
]
