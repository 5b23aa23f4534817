"""Write the settings of a meter that stands: alarm levels, overdraft, hoarding and load limits; all, or one."""

import secrets
from collections.abc import Callable, Mapping

from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import path
from django.utils.text import capfirst
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from prewatt.core.meters.names import label
from prewatt.core.meters.quantities import Quantity
from prewatt.core.refusals import Refused, Text, register
from prewatt.core.units import currency, format_amount, parse_amount, parse_energy
from prewatt.office.metering import clocks, parameters, settings
from prewatt.office.staff.actors import of_operator
from prewatt.office.staff.roles import Act
from prewatt.web.console.circuits import circuit_or_404
from prewatt.web.console.meters import meter_or_404
from prewatt.web.console.meters_words import switch_words
from prewatt.web.console.settings import told
from prewatt.web.console.settings_fields import Field, attempt, form_page, kept, key_of, reason, roles_of, whole
from prewatt.web.console.views_base import Ask, console
from prewatt.web.ui import formats

HINTS = {Quantity.HOARDING_LIMIT, Quantity.LOAD_LIMIT, Quantity.MALICIOUS_STEP}  # where 0 means none
KILOWATTS = {Quantity.LOAD_LIMIT, Quantity.MALICIOUS_STEP}

register(
    {
        "setting_blank": Text(
            "{quantity}: a value is needed. Nothing was written.", "{quantity}：请填写数值。什么都没有下发。"
        ),
    }
)


def _shown(quantity: Quantity, value: int, unit: str) -> str:
    """A value as it is typed: kW and kWh with what decimals it has, money with its own; a switch is 0 or 1."""
    if quantity in settings.SWITCHES:
        return str(value)
    if quantity in KILOWATTS or unit == "Wh":
        return f"{value // 1000}.{value % 1000:03d}".rstrip("0").rstrip(".")
    return format_amount(value, currency(unit)).replace(",", "")


def _typed(form: QueryDict, quantity: Quantity, unit: str) -> int:
    """What was typed, in the unit of the quantity; kW have the three decimals of kWh. A blank is no zero: zero takes a
    limit away. Raises Refused setting_blank, and what says that it is no number."""
    typed = form.get(quantity.value, "").strip()
    if not typed:
        raise Refused("setting_blank", quantity=quantity.value)
    if quantity in settings.SWITCHES:
        return whole(form, quantity.value)
    if quantity in KILOWATTS or unit == "Wh":
        return parse_energy(typed)
    return parse_amount(typed, currency(unit))


def _write(form: QueryDict, unit: str, write: Callable[[], object]) -> None:
    """A refusal of one parameter names it as the form does, with what was typed."""
    try:
        write()
    except Refused as refused:
        about = refused.params.get("quantity")
        if about not in {each.value for each in Quantity}:
            raise
        quantity = Quantity(str(about))
        told = {"quantity": _label(quantity, unit, get_language() or "zh-hans"), "value": form.get(quantity.value, "")}
        raise Refused(refused.code, retry=refused.retry, **refused.params | told) from None


def _label(quantity: Quantity, unit: str, language: str) -> str:
    name = capfirst(label(quantity, language, money=unit != "Wh"))
    if quantity in settings.SWITCHES:
        return name
    in_money = _("yuan") if unit == "CNY" else unit
    return _("%(name)s (%(unit)s)") % {
        "name": name, "unit": "kW" if quantity in KILOWATTS else formats.credit_unit_word(unit) or in_money,
    }  # fmt: skip


def _options(quantity: Quantity, known: bool) -> list[tuple[str, str, str]]:
    """How a switch can stand; where nobody knows how it stands, nothing is chosen."""
    if quantity not in settings.SWITCHES:
        return []
    said = [(str(value), switch_words(quantity, value), "") for value in (0, 1)]
    return said if known else [("", formats.DASH, ""), *said]


def _fields(quantities: list[Quantity], agreed: Mapping[Quantity, int], unit: str) -> list[Field]:
    language = get_language() or "zh-hans"
    return [
        Field(
            name=each.value,
            label=_label(each, unit, language),
            kind="select" if each in settings.SWITCHES else "decimal",
            value=_shown(each, agreed[each], unit) if each in agreed else "",
            most=12,
            hint=_("0: none.") if each in HINTS else "",
            options=_options(each, each in agreed),
            required=each in settings.OWN,
        )
        for each in quantities
    ] + [Field(name="reason", label=_("Reason"), required=True, most=255)]


@require_http_methods(["GET", "HEAD", "POST"])
@console(roles=roles_of(Act.METER_SETTINGS))
def page(ask: Ask, circuit_id: int) -> HttpResponse:
    """What is agreed now, to be changed; the meter is written to at once and read back."""
    circuit, row = circuit_or_404(ask, circuit_id)
    back = f"/console/meters/{circuit.meter_id}?circuit={circuit.pk}#parameters"
    only = ask.request.GET.get("only", "")
    quantities = [each for each in settings.writable(circuit) if only in ("", each.value)]
    try:
        supply = settings.supply_of(circuit)
    except Refused as closed:
        refused = {"said": closed.message(get_language() or "zh-hans"), "code": closed.code}
        return ask.page("ui/error.html", {"told": {"kind": "refused", "happened": refused["said"], "not_done": "",
                                                   "do": "", "code": refused["code"]}}, status=409)  # fmt: skip
    if not quantities:
        raise Http404
    agreed = settings.standing(supply)
    if ask.request.method == "POST":  # what was read since the form was shown is not in it
        quantities = [each for each in quantities if each not in settings.OWN or each.value in ask.request.POST]
    elif not only:  # what was never read is written by itself
        quantities = [each for each in quantities if each in agreed]
    fields, refused = _fields(quantities, agreed, supply.credit_unit), {}
    if ask.request.method == "POST":
        form = ask.request.POST

        def act() -> None:
            settings.write(
                circuit,
                {each: _typed(form, each, supply.credit_unit) for each in quantities},
                reason=reason(form),
                actor=of_operator(ask.operator),
                request_key=key_of(ask),
                at=ask.at,
            )

        refused = attempt(lambda: _write(form, supply.credit_unit, act))
        if not refused:
            told(ask, _("Asked. It holds once the meter has shown it; see its commands."))
            return redirect(back)
        fields = kept(fields, form)
    return form_page(
        ask,
        title=_("Settings of meter %s") % circuit.meter.number,
        fields=fields,
        submit=_("Write and read back"),
        back=back,
        crumb=_("Meter %s") % circuit.meter.number,
        refused=refused or None,
        says=_("%(room)s: only what differs is written, once, and read back. The balance is not touched.")
        % {"room": f"{row.room} {row.room_name}".strip()},
    )


@require_POST
@console(roles=roles_of(Act.READ_NOW))
def read(ask: Ask, circuit_id: int) -> HttpResponse:
    """Ask the meter for its parameters: what resolves an unknown."""
    circuit, _row = circuit_or_404(ask, circuit_id)
    parameters.read_settings(circuit, request_key=secrets.token_urlsafe(12), at=ask.at, actor=ask.actor)
    told(ask, _("Asked. The values and their time follow as soon as the meter has answered."))
    return redirect(f"/console/meters/{circuit.meter_id}?circuit={circuit.pk}#parameters")


@require_http_methods(["GET", "HEAD", "POST"])
@console(roles=roles_of(Act.METER_SETTINGS))
def clock(ask: Ask, meter_id: int) -> HttpResponse:
    """Tell a meter the time (对时)."""
    meter = meter_or_404(ask, meter_id)
    back, refused = f"/console/meters/{meter.pk}", {}
    fields = [Field(name="reason", label=_("Reason"), required=True, most=255)]
    if ask.request.method == "POST":
        form = ask.request.POST
        key = key_of(ask)
        actor = of_operator(ask.operator)
        refused = attempt(
            lambda: clocks.set_clock(meter, reason=reason(form), actor=actor, request_key=key, at=ask.at)
        )
        if not refused:
            told(ask, _("Asked. The clock is read back; see its commands."))
            return redirect(back)
        fields = kept(fields, form)
    return form_page(
        ask,
        title=_("Set the clock of meter %s") % meter.number,
        fields=fields,
        submit=_("Set and read back"),
        back=back,
        crumb=_("Meter %s") % meter.number,
        refused=refused or None,
        says=_(
            "It is told the time of our server. A DL/T 645 meter hears it by a broadcast, which the other meters of "
            "the line take too: once a day, by at most five minutes, and not around midnight. One that is further off "
            "is written to by itself, with the password of its model."
        ),
    )


urlpatterns = [
    path("meters/<int:meter_id>/clock", clock, name="meter-clock"),
    path("circuits/<int:circuit_id>/settings", page, name="circuit-settings"),
    path("circuits/<int:circuit_id>/settings/read", read, name="circuit-settings-read"),
]
