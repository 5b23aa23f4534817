"""Opening (开户) and closing (销户): the form, and the conversation with the meter followed live."""

from django.db import transaction
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from prewatt.core.refusals import Refused
from prewatt.core.units import format_price
from prewatt.office.changes.closings import close_held
from prewatt.office.changes.openings import give_up
from prewatt.office.estate import people
from prewatt.office.estate.models import Circuit, Company, Contract, Customer, Plan, PlanVersion, SupplyPoint
from prewatt.office.estate.profiles import all_profiles
from prewatt.office.estate.scope import visible_to
from prewatt.office.reports.board import board_rows
from prewatt.office.reports.contracts import customer_classes, find_customers
from prewatt.office.staff.actors import of_operator
from prewatt.office.staff.roles import Act, may
from prewatt.office.vending import closings, openings, shifts
from prewatt.office.vending.models import Opening, Receipt, Till
from prewatt.web.console.contracts import contract_or_404, points_of
from prewatt.web.console.contracts_plot import price_unit
from prewatt.web.console.lists import number
from prewatt.web.console.openings_by_token import (
    TOKEN,
    able_by_token,
    choice,
    close_it,
    register_fields,
    start_by_token,
    token_fields,
    wants_token,
)
from prewatt.web.console.openings_held import (
    able_of,
    amount,
    custody_field,
    money_fields,
    start_fields,
    start_held,
    wants_server,
)
from prewatt.web.console.openings_words import found_words, refusal_words, steps_of
from prewatt.web.console.settings_fields import Field, attempt, energy, form_page, kept, pick, roles_of, say, text
from prewatt.web.console.views_base import Ask, console, stale_limit
from prewatt.web.ui import formats


def _circuits(ask: Ask) -> list[Circuit]:
    """Circuits that can be opened: a tenant's, of a known model, supplied to nobody."""
    able = list(all_profiles())
    taken = SupplyPoint.objects.filter(valid_to=None).values("circuit_id")
    found = (
        visible_to(ask.operator, Circuit)
        .filter(site_id=ask.site.id, use="tenant", meter__profile__in=able, meter__removed_at=None)
        .exclude(pk__in=taken)
    )
    return list(
        found.select_related("meter", "room__building").order_by(
            "room__building__sort", "room__building__code", "room__code"
        )
    )


def priced_plans(company_id: int, ask: Ask) -> list[tuple[Plan, PlanVersion]]:
    """Plans with the price in force."""
    found = []
    for plan in visible_to(ask.operator, Plan).filter(company_id=company_id).order_by("code"):
        version = plan.versions.filter(valid_from__lte=ask.at).order_by("-valid_from").first()
        if version is not None:
            found.append((plan, version))
    return found


def tills_of(ask: Ask) -> list[Till]:
    """The windows of this site, the operator's own open one first."""
    shift = shifts.open_shift_of(ask.operator.pk, ask.site.id)
    own = shift.till_id if shift else None
    every = list(Till.objects.filter(site_id=ask.site.id).order_by("code"))
    tills = [till for till in every if till.needs_shift] or every
    return sorted(tills, key=lambda till: till.pk != own)


def _fields(ask: Ask, company: Company, circuits: list[Circuit]) -> dict[str, list[Field]]:
    """The parts of the form; of a circuit that was chosen beforehand only what its meter can."""
    unit, chosen = price_unit(company.currency), ask.request.GET.get("circuit", "")
    plans = [
        (str(plan.pk), plan.name, f"{format_price(version.price.normalize())} {unit}")
        for plan, version in priced_plans(company.pk, ask)
    ]
    priceless = "" if plans else _("No plan has a price that holds now: a manager enters it in the settings.")
    one = next((each for each in circuits if str(each.pk) == chosen), None)
    able, by_token = able_of(one), able_by_token(ask, one)
    if one is not None and one.meter.line_id is None:
        able = []  # nobody can ask it
    rooms = [
        (
            str(each.pk),
            f"{each.room.code} {each.room.name}".strip() if each.room else each.meter.number,
            each.meter.number,
        )
        for each in circuits
    ]
    return {
        "where": [
            Field(
                name="circuit",
                label=_("Circuit"),
                kind="select",
                required=True,
                options=rooms,
                value=chosen,
            ),
            custody_field(able, *([choice()] if by_token else [])),
        ],
        "newcomer": [
            Field(name="name", label=_("Name"), most=120),
            Field(name="phone", label=_("Phone"), most=32),
            Field(name="customer_class", label=_("Class"), most=32, listed=customer_classes(company.pk)),
        ],
        "plan": [Field(name="plan", label=_("Plan"), kind="select", required=True, options=plans, hint=priceless)],
        "terms": terms_fields() if "meter" in able else [],
        "found": [
            Field(
                name="act",
                label=_("When the meter still holds credit"),
                kind="radio",
                value="",
                options=[
                    ("", _("ask me"), _("the opening waits for a decision")),
                    ("take_over", _("take it over"), _("it becomes this customer's, booked as opening credit")),
                    ("clear", _("clear it"), _("it is deleted in the meter; nobody gets it back")),
                ],
            )
        ],
        "money": money_fields(ask) if "server" in able else [],
        "token": token_fields() if by_token else [],
        "start": start_fields(ask),
        "end": [
            Field(
                name="till",
                label=_("Till of the slip"),
                kind="select",
                options=[(str(each.pk), f"{each.code} {each.name}", "") for each in tills_of(ask)],
            ),
        ],
    }


def terms_fields() -> list[Field]:
    """What is agreed with the meter, with what is usual filled in."""
    return [
        Field(name="alarm_1", label=_("Alarm level 1, kWh or money"), kind="decimal", value="50",
              hint=_("Money where the purse of the meter holds money.")),
        Field(name="alarm_2", label=_("Alarm level 2, kWh or money"), kind="decimal", value="10"),
        Field(
            name="overdraft",
            label=_("Overdraft, kWh or money"),
            kind="decimal",
            value="0",
            hint=_("How far below zero the meter supplies on."),
        ),
        Field(
            name="hoarding_limit",
            label=_("Hoarding limit, kWh or money"),
            kind="decimal",
            value="",
            hint=_("The most the meter may hold; empty: none."),
        ),
        Field(
            name="load_limit",
            label=_("Load limit, kW"),
            kind="decimal",
            value="",
            hint=_("The meter cuts above it; empty: none."),
        ),
    ]


@require_http_methods(["GET", "HEAD", "POST"])
@console(roles=roles_of(Act.OPEN_CONTRACT))
def new(ask: Ask) -> HttpResponse:
    """The opening form; POST starts the conversation and goes to its page."""
    company = Company.objects.get(site__pk=ask.site.id)
    circuits = _circuits(ask)
    parts = _fields(ask, company, circuits)
    refused: dict[str, str] | None = None
    chosen_id = number(ask.request.POST.get("customer", "") or ask.request.GET.get("customer", ""))
    chosen = visible_to(ask.operator, Customer).filter(pk=chosen_id, company=company).first() if chosen_id else None
    if ask.request.method == "POST":
        made: list[Opening] = []
        refused = attempt(lambda: made.append(_start(ask, company, circuits, chosen)))
        if not refused:
            return redirect(f"/console/openings/{made[0].pk}")
        parts = {name: kept(fields, ask.request.POST) for name, fields in parts.items()}
    return form_page(
        ask,
        title=_("Open a contract"),
        fields=[],
        submit=_("Open and ask the meter"),
        back="/console/customers",
        crumb=_("Customers"),
        refused=refused,
        template="ui/opening_new.html",
        more={
            "parts": parts,
            "chosen": chosen,
            "circuits": circuits,
            "customer_text": ask.request.POST.get("customer_text", ""),
        },
    )


def _start(ask: Ask, company: Company, circuits: list[Circuit], chosen: Customer | None) -> Opening:
    """Enter the customer where he is new, and start; nothing half done when the opening is refused."""
    form, actor = ask.request.POST, of_operator(ask.operator)
    key = text(form, "request_key", 64)
    first = Opening.objects.filter(request_key=f"{actor.key}:{key}").first()
    if first is not None:
        return first
    circuit: Circuit = pick(circuits, number(form.get("circuit", "")))
    plan: Plan = pick([plan for plan, _version in priced_plans(company.pk, ask)], number(form.get("plan", "")))
    till: Till = pick(tills_of(ask), number(form.get("till", "")))

    def customer() -> Customer:
        return chosen or people.add_customer(
            company,
            name=text(form, "name"),
            phone=text(form, "phone", 32),
            customer_class=text(form, "customer_class", 32),
            actor=actor.key,
            at=ask.at,
        )

    with transaction.atomic():
        if wants_token(form, circuit):
            return start_by_token(ask, circuit, plan, till, key=key, customer=customer)
        if wants_server(form, circuit):
            return start_held(ask, circuit, plan, till, key=key, customer=customer)
        act = form.get("act", "")
        return openings.open_contract(
            openings.OpenCommand(
                key=key,
                circuit=circuit,
                customer=customer(),
                terms=meter_terms(ask, form, plan, circuit),
                till=till,
                actor=actor,
                at=ask.at,
                act=Opening.Act(act) if act in Opening.Act.values else Opening.Act.NONE,
            )
        )


def meter_terms(ask: Ask, form: QueryDict, plan: Plan, circuit: Circuit) -> openings.Terms:
    """What is agreed with the meter, as typed: kWh, or money where its purse holds money."""
    profile = all_profiles().get(circuit.meter.profile)
    in_money = profile is not None and profile.wallet is not None

    def typed(name: str) -> int:
        return amount(ask, form, name) if in_money else energy(form, name)

    return openings.Terms(
        plan=plan,
        alarm_1=typed("alarm_1"),
        alarm_2=typed("alarm_2"),
        overdraft=typed("overdraft"),
        hoarding_limit=typed("hoarding_limit"),
        load_limit_w=energy(form, "load_limit"),
    )


@require_safe
@console(roles=roles_of(Act.OPEN_CONTRACT))
def customers(ask: Ask) -> HttpResponse:
    """Typeahead of the opening form: customers by name, initials, phone."""
    typed = ask.request.GET.get("customer_text", "").strip()[:64]
    found = find_customers(ask.operator.pk, ask.site.id, typed) if typed else []
    return ask.page("ui/parts/opening_customers.html", {"text": typed, "found": found})


def opening_or_404(ask: Ask, opening_id: int) -> Opening:
    mine = visible_to(ask.operator, SupplyPoint)
    found = (
        Opening.objects.select_related(
            "contract__customer",
            "contract__site__company",
            "supply_point__circuit__meter",
            "supply_point__circuit__room",
            "job",
        )
        .filter(pk=opening_id, site_id=ask.site.id, supply_point__in=mine.values("pk"))
        .first()
    )
    if found is None:
        raise Http404
    return found


@require_safe
@console()
def opening(ask: Ask, opening_id: int) -> HttpResponse:
    """How far an opening or closing is; the fragment asks again until it has ended or waits for a person."""
    return _shown(ask, opening_or_404(ask, opening_id))


def _shown(ask: Ask, one: Opening, *, refused: dict[str, str] | None = None) -> HttpResponse:
    supply, circuit = one.supply_point, one.supply_point.circuit
    kind = Receipt.Kind.OPENING if one.kind == Opening.Kind.OPEN else Receipt.Kind.CLOSING
    slip = Receipt.objects.filter(contract=one.contract, kind=kind, at__gte=one.at).order_by("-pk").first()
    ended = one.state in (Opening.State.DONE, Opening.State.REFUSED)
    happened, do = refusal_words(one, ask) if one.state == Opening.State.REFUSED else ("", "")
    context = {
        "opening": one,
        "supply": supply,
        "circuit": circuit,
        "room": circuit.room,
        "steps": steps_of(one, ask),
        "running": not ended and one.state != Opening.State.NEEDS_ACT,
        "slip": slip if one.state == "done" else None,
        "found": found_words(one) if one.state == Opening.State.NEEDS_ACT else "",
        "happened": happened,
        "do": do,
        "can": may(ask.operator.role, Act.OPEN_CONTRACT) and one.kind == Opening.Kind.OPEN
        or may(ask.operator.role, Act.CLOSE_CONTRACT) and supply.custody == "server",
        "refused": refused,
        "can_cancel": one.state in (Opening.State.READING, Opening.State.NEEDS_ACT),
        "at": formats.when(one.at, ask.at, ask.zone),
        "profile": all_profiles().get(circuit.meter.profile),
    }
    template = "ui/parts/opening.html" if ask.partial else "ui/opening.html"
    return ask.page(template, context, status=422 if refused else 200)


@require_POST
@console(roles=roles_of(Act.OPEN_CONTRACT, Act.CLOSE_CONTRACT))
def decide(ask: Ask, opening_id: int) -> HttpResponse:
    """What becomes of credit found in the meter: take over, clear; or give the opening up."""
    one = opening_or_404(ask, opening_id)
    wanted, actor = ask.request.POST.get("act", ""), of_operator(ask.operator)
    try:
        if wanted == "cancel" and one.supply_point.custody == "server":
            give_up(one, actor=actor, at=ask.at)
        elif wanted == "cancel":
            openings.cancel(one, actor=actor, at=ask.at)
        elif wanted in (Opening.Act.TAKE_OVER.value, Opening.Act.CLEAR.value):
            openings.choose(one, Opening.Act(wanted), actor=actor, at=ask.at)
        else:
            raise Refused("choice_needed")
    except Refused as refusal:
        return _shown(ask, opening_or_404(ask, opening_id), refused={"said": say(refusal), "code": refusal.code})
    return redirect(f"/console/openings/{one.pk}")


def point_of(ask: Ask, contract: Contract) -> SupplyPoint:
    points = points_of(ask, contract)
    wanted = number(ask.request.GET.get("circuit", "") or ask.request.POST.get("circuit", ""))
    point = next((each for each in points if each.circuit_id == wanted), points[0] if points else None)
    if point is None:
        raise Http404
    return point


@require_http_methods(["GET", "HEAD", "POST"])
@console(roles=roles_of(Act.CLOSE_CONTRACT))
def close(ask: Ask, contract_number: str) -> HttpResponse:
    """Close a supply point: the meter is read, and anything that is not settled refuses it."""
    contract = contract_or_404(ask, contract_number)
    point = point_of(ask, contract)
    back = f"/console/contracts/{contract.number}?circuit={point.circuit_id}"
    fields = [
        Field(
            name="till",
            label=_("Till of the slip"),
            kind="select",
            options=[(str(each.pk), f"{each.code} {each.name}", "") for each in tills_of(ask)],
        )
    ]
    by_token = point.carrier == TOKEN
    if by_token:
        fields = [*register_fields(required=True), *fields]
    refused = None
    if ask.request.method == "POST":
        made: list[Opening] = []
        form = ask.request.POST
        refused = attempt(lambda: made.append(_close(ask, point)))
        if not refused:
            return redirect(f"/console/openings/{made[0].pk}")
        fields = kept(fields, form)
    return form_page(
        ask,
        title=_("Close contract %s") % contract.number,
        fields=fields,
        submit=_("Close by these registers") if by_token else _("Read the meter and close"),
        back=back,
        crumb=_("Contract %s") % contract.number,
        refused=refused,
        risk=True,
        warn=_before_closing(ask, point),
        says=_(
            "Read both registers on the meter itself. With credit left in it nothing is closed: clear it with its "
            "token and return it first. Tokens that were not typed in are lost to the customer."
        )
        if by_token
        else _(
            "The meter is read first. With credit or debt left in it, or anything still on its way, nothing is "
            "closed. Afterwards nobody is supplied here and nothing can be sold."
        ),
    )


def _close(ask: Ask, point: SupplyPoint) -> Opening:
    form = ask.request.POST
    key, till = text(form, "request_key", 64), pick(tills_of(ask), number(form.get("till", "")))
    if point.carrier == TOKEN:
        return close_it(point, ask, key=key, till=till)
    close_at = close_held if point.custody == "server" else closings.close_contract
    return close_at(point, key=key, till=till, actor=of_operator(ask.operator), at=ask.at)


def _before_closing(ask: Ask, point: SupplyPoint) -> str:
    """What will refuse the closing, as far as the last reading says."""
    rows = board_rows(ask.operator.pk, ask.site.id, at=ask.at, stale=stale_limit(), ids=[point.circuit_id])
    balance = rows[0].balance if rows else None
    if balance is None or balance == 0:
        return ""
    if point.custody == "server":
        shared = SupplyPoint.objects.filter(credit_account_id=point.credit_account_id).exclude(state="closed")
        if shared.exclude(pk=point.pk).exists():
            return _("The balance of %s stays with the other circuits of the contract.") % formats.credit(
                balance, point.credit_unit, ask.site.exponent
            )
    shown = formats.credit(abs(balance), point.credit_unit) + (" kWh" if point.credit_unit == "Wh" else "")
    if balance > 0 and point.custody == "server":
        return _("%s of credit is left. Return it first; closing will be refused until then.") % shown
    if balance > 0:
        return _("The meter still holds %s. Return that credit first; closing will be refused until it is out.") % shown
    if point.custody == "server":
        return _("%s is owed. Take it as a sale first; closing will be refused until then.") % shown
    return _("The meter shows %s of debt. Sell the missing credit first; closing will be refused until then.") % shown


urlpatterns = [
    path("openings/new", new, name="opening-new"),
    path("openings/customers", customers, name="opening-customers"),
    path("openings/<int:opening_id>", opening, name="opening"),
    path("openings/<int:opening_id>/act", decide, name="opening-act"),
    path("contracts/<str:contract_number>/close", close, name="contract-close"),
]
