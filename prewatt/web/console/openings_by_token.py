"""Opening, reading and closing where credit travels as tokens: what a person saw on the meter, typed in."""

from collections.abc import Callable

from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from prewatt.core.refusals import Refused
from prewatt.office.changes import by_token
from prewatt.office.changes.by_token import Registers, TokenOpening, TokenTerms
from prewatt.office.estate.models import Circuit, Customer, Plan, SupplyPoint
from prewatt.office.staff.actors import of_operator
from prewatt.office.staff.roles import Act
from prewatt.office.tokens.models import StsMeter
from prewatt.office.vending.models import Opening, Till
from prewatt.web.console.contracts import contract_or_404, points_of
from prewatt.web.console.lists import number
from prewatt.web.console.settings_fields import Field, attempt, energy, form_page, kept, roles_of
from prewatt.web.console.views_base import Ask, console

TOKEN = "token"


def able_by_token(ask: Ask, chosen: Circuit | None) -> bool:
    """Whether tokens may be offered: of a circuit that was chosen its meter takes some, of none chosen any at this
    site."""
    meters = StsMeter.objects.filter(site_id=ask.site.id)
    return (meters if chosen is None else meters.filter(meter_id=chosen.meter_id)).exists()


def choice() -> tuple[str, str, str]:
    """Beside the custodies of the opening form."""
    return (TOKEN, _("in the meter, by token"), _("the customer types in twenty digits; nobody asks the meter"))


def token_fields() -> list[Field]:
    """What a person read, and the one limit that is judged without the meter."""
    return [
        *register_fields(required=False),
        Field(
            name="token_limit", label=_("Hoarding limit by token, kWh"), kind="decimal",
            hint=_("Judged by the last reading and what was given out since; empty: none."),
        ),
    ]  # fmt: skip


def register_fields(*, required: bool) -> list[Field]:
    """Both registers as the meter shows them."""
    both = "" if required else _("Both registers, or neither; credit that is there is taken over.")
    return [
        Field(name="energy_register", label=_("Energy register, kWh"), kind="decimal", required=required, hint=both),
        Field(
            name="credit_register", label=_("Credit left on the meter, kWh"), kind="decimal", required=required,
            hint=_("In tenths of a kWh, as the meter shows it."),
        ),
    ]  # fmt: skip


def wants_token(form: QueryDict, circuit: Circuit) -> bool:
    """What was chosen; a meter that is never online takes nothing else."""
    wanted = form.get("custody", "")
    return wanted == TOKEN or wanted == "" and circuit.meter.line_id is None


def registers_typed(form: QueryDict) -> Registers | None:
    """Both, or None where neither was typed. Raises Refused registers_malformed, energy_malformed, ..."""
    typed = [form.get(name, "").strip() for name in ("energy_register", "credit_register")]
    if not any(typed):
        return None
    if not all(typed):
        raise Refused("registers_malformed")
    return Registers(energy_wh=energy(form, "energy_register"), credit_wh=energy(form, "credit_register"))


def _read(form: QueryDict) -> Registers:
    found = registers_typed(form)
    if found is None:
        raise Refused("registers_malformed")
    return found


def start_by_token(
    ask: Ask, circuit: Circuit, plan: Plan, till: Till, *, key: str, customer: Callable[[], Customer]
) -> Opening:
    """Open it in the caller's transaction."""
    form = ask.request.POST
    terms = TokenTerms(plan=plan, hoarding_limit=energy(form, "token_limit"))
    registers = registers_typed(form)
    return by_token.open_by_token(
        TokenOpening(
            key=key, circuit=circuit, customer=customer(), contract=None, terms=terms, registers=registers, till=till,
            actor=of_operator(ask.operator), at=ask.at,
        )
    )  # fmt: skip


def close_it(point: SupplyPoint, ask: Ask, *, key: str, till: Till) -> Opening:
    """Close it by the registers in the form."""
    return by_token.close_by_token(
        point, _read(ask.request.POST), key=key, till=till, actor=of_operator(ask.operator), at=ask.at
    )


@require_http_methods(["GET", "HEAD", "POST"])
@console(roles=roles_of(Act.READ_NOW))
def registers(ask: Ask, contract_number: str) -> HttpResponse:
    """Enter what a person read on a meter that nobody asks."""
    contract = contract_or_404(ask, contract_number)
    points = [each for each in points_of(ask, contract) if each.carrier == TOKEN and each.state == "open"]
    wanted = number(ask.request.GET.get("circuit", "") or ask.request.POST.get("circuit", ""))
    point = next((each for each in points if each.circuit_id == wanted), points[0] if points else None)
    back = f"/console/contracts/{contract.number}"
    if point is None:
        return redirect(back)
    back = f"{back}?circuit={point.circuit_id}"
    fields, refused = register_fields(required=True), None
    if ask.request.method == "POST":
        form = ask.request.POST
        refused = attempt(
            lambda: by_token.read_by_hand(point, _read(form), actor=of_operator(ask.operator), at=ask.at)
        )
        if not refused:
            return redirect(back)
        fields = kept(fields, form)
    return form_page(
        ask, title=_("Enter the registers of meter %s") % point.circuit.meter.number, fields=fields,
        submit=_("Save the reading"), back=back, crumb=_("Contract %s") % contract.number, refused=refused,
        says=_(
            "What was used since the last reading becomes income, and the hoarding limit is judged by it. Nothing is "
            "sent to the meter."
        ),
    )  # fmt: skip


urlpatterns = [path("contracts/<str:contract_number>/registers", registers, name="contract-registers")]
