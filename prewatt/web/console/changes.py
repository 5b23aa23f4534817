"""Changing who is supplied by a circuit, and who holds its credit: what will happen, why, and by which reading."""

from collections.abc import Callable

from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from prewatt.core.refusals import Refused
from prewatt.office.changes.circuits import Change, change_contract, to_meter, to_server
from prewatt.office.changes.held import FRESH
from prewatt.office.estate import people
from prewatt.office.estate.models import Company, Customer, Plan, SupplyPoint
from prewatt.office.estate.profiles import all_profiles
from prewatt.office.reports.board import BoardRow, board_rows
from prewatt.office.staff.actors import of_operator
from prewatt.office.staff.roles import Act
from prewatt.office.vending.models import Opening
from prewatt.web.console.contracts import contract_or_404
from prewatt.web.console.lists import number
from prewatt.web.console.openings import meter_terms, tills_of
from prewatt.web.console.openings import point_of as _point
from prewatt.web.console.openings import priced_plans as _plans
from prewatt.web.console.openings import terms_fields as _terms
from prewatt.web.console.openings_held import contract_named, held_terms, money_fields, start_fields
from prewatt.web.console.settings_fields import Field, attempt, form_page, kept, pick, reason, roles_of, text
from prewatt.web.console.views_base import Ask, console, stale_limit
from prewatt.web.ui import formats


def _row(ask: Ask, point: SupplyPoint) -> BoardRow | None:
    rows = board_rows(ask.operator.pk, ask.site.id, at=ask.at, stale=stale_limit(), ids=[point.circuit_id])
    return rows[0] if rows else None


def _stands(ask: Ask, point: SupplyPoint) -> str:
    """The reading and the balance it would be settled by."""
    row = _row(ask, point)
    if row is None or row.read_at is None:
        return _("The meter was never read: read it first.")
    balance = formats.credit(row.balance, row.credit_unit, row.exponent) + (" kWh" if row.credit_unit == "Wh" else "")
    told = {"balance": balance, "at": formats.when(row.read_at, ask.at, ask.zone), "minutes": FRESH.seconds // 60}
    return _("Balance %(balance)s, last read %(at)s. A good reading of the last %(minutes)d minutes is needed.") % told


def _ends(ask: Ask) -> list[Field]:
    tills = [(str(each.pk), f"{each.code} {each.name}", "") for each in tills_of(ask)]
    return [
        Field(name="till", label=_("Till of the slip"), kind="select", options=tills),
        Field(name="reason", label=_("Reason"), required=True, most=255),
    ]


def _change(ask: Ask, point: SupplyPoint) -> Change:
    form = ask.request.POST
    return Change(
        key=text(form, "request_key", 64),
        supply=point,
        reason=reason(form),
        till=pick(tills_of(ask), number(form.get("till", ""))),
        actor=of_operator(ask.operator),
        at=ask.at,
    )


def _answered(
    ask: Ask, point: SupplyPoint, act: Callable[[], Opening], fields: list[Field], *, title: str, submit: str, says: str
) -> HttpResponse:
    """The form, or the opening that the change began."""
    refused = None
    if ask.request.method == "POST":
        made: list[Opening] = []
        refused = attempt(lambda: made.append(act()))
        if not refused:
            return redirect(f"/console/openings/{made[0].pk}")
        fields = kept(fields, ask.request.POST)
    return form_page(
        ask,
        title=title,
        fields=fields,
        submit=submit,
        back=f"/console/contracts/{point.contract.number}?circuit={point.circuit_id}",
        crumb=_("Contract %s") % point.contract.number,
        refused=refused,
        risk=True,
        warn=_stands(ask, point),
        says=says,
    )


@require_http_methods(["GET", "HEAD", "POST"])
@console(roles=roles_of(Act.CLOSE_CONTRACT))
def contract(ask: Ask, contract_number: str) -> HttpResponse:
    """The circuit goes to another contract at its newest reading (过户)."""
    point = _point(ask, contract_or_404(ask, contract_number))
    fields = [
        Field(name="contract", label=_("To the contract"), most=20, hint=_("Its number; empty: a new one for whom?")),
        Field(name="name", label=_("Name of the new customer"), most=120),
        Field(name="phone", label=_("Phone"), most=32),
        Field(name="customer_class", label=_("Class"), most=32),
        Field(
            name="carry",
            label=_("The balance"),
            kind="radio",
            required=True,
            options=[
                ("yes", _("goes over with the circuit"), _("credit or debt, as it is settled")),
                ("no", _("must be zero"), _("or stays with the other circuits that share it; else nothing is changed")),
            ],
        ),
        *_ends(ask),
    ]

    def act() -> Opening:
        form = ask.request.POST
        if form.get("carry") not in ("yes", "no"):  # never decided by leaving it out
            raise Refused("choice_needed")
        change = _change(ask, point)
        with transaction.atomic():
            standing = contract_named(ask, text(form, "contract", 20))
            first = Opening.objects.filter(request_key=change.request_key).first()
            if first is not None:
                return first
            newcomer = _newcomer(ask) if standing is None else None
            return change_contract(change, customer=newcomer, contract=standing, carry=form.get("carry") == "yes")

    return _answered(
        ask,
        point,
        act,
        fields,
        title=_("Change of contract: %s") % point.circuit.meter.number,
        submit=_("Settle and hand over"),
        says=_(
            "At the newest good reading the use so far is charged to the old contract; from there on the new one pays. "
            "Plan and thresholds stay as they are."
        ),
    )


def _newcomer(ask: Ask) -> Customer:
    form = ask.request.POST
    return people.add_customer(
        Company.objects.get(site__pk=ask.site.id),
        name=text(form, "name"),
        phone=text(form, "phone", 32),
        customer_class=text(form, "customer_class", 32),
        actor=ask.actor,
        at=ask.at,
    )


@require_http_methods(["GET", "HEAD", "POST"])
@console(roles=roles_of(Act.CLOSE_CONTRACT))
def custody(ask: Ask, contract_number: str) -> HttpResponse:
    """The credit of a circuit goes from the meter to the books, or back (计费方式)."""
    point = _point(ask, contract_or_404(ask, contract_number))
    company = Company.objects.get(site__pk=ask.site.id)
    plans = [plan for plan, _version in _plans(company.pk, ask)]
    plan = Field(
        name="plan", label=_("Plan"), kind="select", required=True,
        options=[(str(each.pk), each.name, "") for each in plans],
    )  # fmt: skip
    to_books = point.custody == "meter"
    profile = all_profiles().get(point.circuit.meter.profile)
    terms = [*money_fields(ask), start_fields(ask)[1]] if to_books else _terms()

    def act() -> Opening:
        form = ask.request.POST
        chosen: Plan = pick(plans, number(form.get("plan", "")))
        if to_books:
            return to_server(_change(ask, point), terms=held_terms(ask, form, chosen))
        return to_meter(_change(ask, point), terms=meter_terms(ask, form, chosen, point.circuit))

    says = (
        _("The office holds the credit from now on: the books count down and the server switches. The meter's purse "
          "must be empty; return its credit first, and sell it again afterwards.")
        if to_books
        else _("The meter holds the credit from now on: it is opened as a new one is. The balance must be zero; return "
               "it first, and sell it again afterwards.")
    )  # fmt: skip
    if not to_books and profile is not None and "meter" not in profile.custody:
        says = _("This model has no purse of its own: the office goes on holding the credit.")
    return _answered(
        ask,
        point,
        act,
        [plan, *terms, *_ends(ask)],
        title=(_("Credit to the office: %s") if to_books else _("Credit to the meter: %s"))
        % point.circuit.meter.number,
        submit=_("Change who holds the credit"),
        says=says,
    )


urlpatterns = [
    path("contracts/<str:contract_number>/hand-over", contract, name="contract-hand-over"),
    path("contracts/<str:contract_number>/custody", custody, name="contract-custody"),
]
