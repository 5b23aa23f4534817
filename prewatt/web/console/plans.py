"""Plans and their prices: versions that never change, prices only from the future on, assignment to a contract."""

from datetime import datetime, timedelta

from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from prewatt.core.refusals import Refused
from prewatt.core.units import format_price, parse_price
from prewatt.office.estate import plans
from prewatt.office.estate.models import Company, Plan, PlanAssignment, PlanVersion
from prewatt.office.estate.money_purses import purses_of
from prewatt.office.estate.scope import visible_to
from prewatt.office.staff.roles import Act, may
from prewatt.office.vending.purse_prices import holds_money
from prewatt.web.console.contracts import contract_or_404, points_of
from prewatt.web.console.contracts_plot import price_unit
from prewatt.web.console.lists import number
from prewatt.web.console.settings import PATH, settings_page, told
from prewatt.web.console.settings_fields import Field, attempt, form_page, kept, local, moment, pick, roles_of, text
from prewatt.web.console.views_base import Ask, console
from prewatt.web.ui import formats


def _midnight(ask: Ask, days: int) -> datetime:
    here = ask.at.astimezone(ask.zone)
    return (here + timedelta(days=days)).replace(hour=0, minute=0, second=0, microsecond=0)


def _company(ask: Ask) -> Company:
    return Company.objects.get(site__pk=ask.site.id)


def _plan_or_404(ask: Ask, plan_id: int) -> Plan:
    found = visible_to(ask.operator, Plan).filter(pk=plan_id, company=_company(ask)).first()
    if found is None:
        raise Http404
    return found


def _held(plan: Plan, at: datetime) -> int:
    """Supply points in force that this plan holds for now."""
    newest = (
        PlanAssignment.objects.filter(valid_from__lte=at, supply_point__valid_to=None)
        .order_by("supply_point_id", "-valid_from")
        .distinct("supply_point_id")
    )
    return sum(each.plan_id == plan.pk for each in newest)


@require_safe
@console(roles=roles_of(Act.PLANS))
def page(ask: Ask) -> HttpResponse:
    """Every plan with its versions: what held, what holds, what is to come."""
    company = _company(ask)
    shown = []
    for plan in visible_to(ask.operator, Plan).filter(company=company).order_by("code"):
        versions = list(plan.versions.order_by("-valid_from"))
        shown.append((plan, [_version(each, versions, ask) for each in versions], _held(plan, ask.at)))
    may_write = may(ask.operator.role, Act.METER_SETTINGS)
    return settings_page(
        ask, "ui/settings_plans.html", {"plans": shown, "unit": price_unit(company.currency), "purses": may_write}
    )


def _version(one: PlanVersion, versions: list[PlanVersion], ask: Ask) -> dict[str, object]:
    later = [each.valid_from for each in versions if each.valid_from > one.valid_from]
    state = "future" if one.valid_from > ask.at else "past" if any(each <= ask.at for each in later) else "now"
    return {
        "price": format_price(one.price.normalize()),
        "state": state,
        "from": one.valid_from.astimezone(ask.zone).strftime("%Y-%m-%d %H:%M"),
        "to": min(later).astimezone(ask.zone).strftime("%Y-%m-%d %H:%M") if later else "",
    }


def _price_fields(ask: Ask, *, days: int, hint: str) -> list[Field]:
    return [
        Field(
            name="price", label=_("Price, %s") % price_unit(ask.site.currency), kind="decimal", required=True, most=16
        ),
        Field(
            name="valid_from",
            label=_("Holds from"),
            kind="datetime-local",
            required=True,
            value=local(_midnight(ask, days), ask.zone),
            hint=hint,
        ),
    ]


def _from(ask: Ask) -> datetime:
    valid_from = moment(ask.request.POST, "valid_from", ask.zone)
    if valid_from is None:
        raise Refused("choice_needed")
    return valid_from


@require_http_methods(["GET", "HEAD", "POST"])
@console(roles=roles_of(Act.PLANS))
def new(ask: Ask) -> HttpResponse:
    """A plan with its first price."""
    company, form, refused = _company(ask), ask.request.POST, None
    fields = [
        Field(name="code", label=_("Code"), required=True, most=32),
        Field(name="name", label=_("Name"), required=True, most=64),
        *_price_fields(ask, days=0, hint=_("Its first price may begin in the past: nothing was sold by it yet.")),
    ]
    if ask.request.method == "POST":

        refused = attempt(
            lambda: plans.add_plan(
                company,
                code=text(form, "code", 32),
                name=text(form, "name", 64),
                price=parse_price(form.get("price", "")),
                valid_from=_from(ask),
                actor=ask.actor,
                at=ask.at,
            )
        )
        if not refused:
            return redirect(f"{PATH}/plans")
        fields = kept(fields, form)
    return form_page(
        ask,
        title=_("Enter a plan"),
        fields=fields,
        submit=_("Save"),
        back=f"{PATH}/plans",
        crumb=_("Plans and prices"),
        refused=refused,
    )


@require_http_methods(["GET", "HEAD", "POST"])
@console(roles=roles_of(Act.PLANS))
def version(ask: Ask, plan_id: int) -> HttpResponse:
    """A new price of a plan, from a moment in the future on; says for how many it will hold."""
    plan = _plan_or_404(ask, plan_id)
    now = plan.versions.filter(valid_from__lte=ask.at).order_by("-valid_from").first()
    form, refused = ask.request.POST, None
    fields = _price_fields(ask, days=1, hint=_("Only the future: what was sold stays sold at its price."))
    if ask.request.method == "POST":
        refused = attempt(
            lambda: plans.add_version(
                plan, price=parse_price(form.get("price", "")), valid_from=_from(ask), actor=ask.actor, at=ask.at
            )
        )
        if not refused:
            told(ask, _("The price of %s was entered.") % plan.name)
            return redirect(f"{PATH}/plans")
        fields = kept(fields, form)
    many = _held(plan, ask.at)
    says = _(
        "%(n)d supply points pay by this plan. Now: %(price)s %(unit)s. Credit that is in their meters already "
        "stays as it is; what is sold from then on has the new price."
    ) % {
        "n": many,
        "price": format_price(now.price.normalize()) if now else formats.DASH,
        "unit": price_unit(ask.site.currency),
    }
    if in_money := purses_of(plan):
        says += _(
            " %(n)d of them hold money in the meter: the price is written into these and read back, and their money "
            "drains by it from then on."
        ) % {"n": in_money}
    return form_page(
        ask,
        title=_("New price: %s") % plan.name,
        fields=fields,
        submit=_("Enter the price for %d") % many,
        back=f"{PATH}/plans",
        crumb=_("Plans and prices"),
        refused=refused,
        says=says,
    )


@require_http_methods(["GET", "HEAD", "POST"])
@console(roles=roles_of(Act.PLANS))
def assign(ask: Ask, contract_number: str) -> HttpResponse:
    """Another plan for the supply points of one contract, from a moment on."""
    contract = contract_or_404(ask, contract_number)
    points = [each for each in points_of(ask, contract) if each.state != "closed"]
    choices = list(visible_to(ask.operator, Plan).filter(company=_company(ask)).order_by("code"))
    fields = [
        Field(
            name="plan",
            label=_("Plan"),
            kind="select",
            required=True,
            options=[(str(each.pk), each.name, "") for each in choices],
        ),
        Field(
            name="valid_from",
            label=_("Holds from"),
            kind="datetime-local",
            required=True,
            value=local(_midnight(ask, 1), ask.zone),
        ),
    ]
    refused, back = None, f"/console/contracts/{contract.number}"
    if ask.request.method == "POST":

        def act() -> None:
            plan: Plan = pick(choices, number(ask.request.POST.get("plan", "")))
            plans.assign_all(points, plan, valid_from=_from(ask), actor=ask.actor, at=ask.at)

        refused = (
            attempt(act)
            if points
            else {"said": _("Nothing is supplied under this contract."), "code": "contract_not_open"}
        )
        if not refused:
            told(ask, _("The plan was changed."))
            return redirect(back)
        fields = kept(fields, ask.request.POST)
    return form_page(
        ask,
        title=_("Change plan: %s") % contract.number,
        fields=fields,
        submit=_("Change the plan of %d") % len(points),
        back=back,
        crumb=_("Contract %s") % contract.number,
        refused=refused,
        says=_(
            "Credit in the meter stays as it is; what is sold, or charged by the office, from then on has the new "
            "plan's price."
        )
        + (_(" Money in a meter drains by it once it is written there.") if any(map(holds_money, points)) else ""),
    )


urlpatterns = [
    path("settings/plans", page, name="settings-plans"),
    path("settings/plans/new", new, name="plan-new"),
    path("settings/plans/<int:plan_id>/price", version, name="plan-version"),
    path("contracts/<str:contract_number>/plan", assign, name="contract-plan"),
]
