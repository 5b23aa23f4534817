"""Exchange a meter (换表): the form, what exactly would change, and the slip that both sides sign."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from django.db import transaction
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import path
from django.utils.functional import Promise
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from prewatt.core.meters.names import label
from prewatt.core.meters.quantities import Quantity
from prewatt.core.refusals import message
from prewatt.office.changes import swap_steps, swap_wants
from prewatt.office.changes.final import Stated
from prewatt.office.changes.held import FRESH
from prewatt.office.changes.models import Swap, SwapPart
from prewatt.office.changes.swap_wants import Handed
from prewatt.office.changes.swaps import Read, SwapCommand, swap
from prewatt.office.estate.models import Line, Meter, SupplyPoint
from prewatt.office.estate.profiles import all_profiles, offered
from prewatt.office.estate.scope import visible_to
from prewatt.office.metering.models import MaintenanceTag, RelayWish
from prewatt.office.staff.actors import of_operator
from prewatt.office.staff.roles import Act, may
from prewatt.office.vending.models import Opening
from prewatt.web.console.lists import number
from prewatt.web.console.meters import meter_or_404
from prewatt.web.console.meters_replaced import gone
from prewatt.web.console.openings import tills_of
from prewatt.web.console.openings_held import amount
from prewatt.web.console.sell_parts import with_unit
from prewatt.web.console.settings import told
from prewatt.web.console.settings_fields import (
    Field,
    attempt,
    energy,
    form_page,
    kept,
    local,
    moment,
    pick,
    reason,
    roles_of,
    text,
    whole,
)
from prewatt.web.console.views_base import Ask, console
from prewatt.web.ui import formats
from prewatt.web.ui.model_words import model_option

STATES: Final[Mapping[str, tuple[Promise, str]]] = {
    "opening": (_lazy("the new meter is being asked and set"), "d-waiting"),
    "carrying": (_lazy("the credit is on its way into the new meter"), "d-sent"),
    "done": (_lazy("done"), "d-confirmed strong"),
    "not_opened": (_lazy("the new meter did not agree"), "d-refused"),
    "not_carried": (_lazy("the new meter refused the credit"), "d-refused"),
}


def _wanted(what: Sequence[Handed]) -> dict[str, list[str]]:
    """What was wanted of the old meter, in words: `over`, and `left` with why not."""
    language = get_language() or "zh-hans"
    names = {swap_wants.TIMES_OF_USE: _("Times of use"), swap_wants.PRICES: _("When its prices swap")}
    over, left = list[str](), list[str]()
    for each in what:
        name = names.get(each.what) or label(Quantity(each.what), language)
        name += f" ({_('Circuit')} {each.index})" if each.index > 1 else ""
        if each.code:
            left.append(f"{name}: {message(each.code, language)}")
        elif name not in over:
            over.append(name)
    return {"over": over, "left": left}


def _supplies(meter: Meter) -> list[SupplyPoint]:
    live = SupplyPoint.objects.filter(circuit__meter=meter).exclude(state="closed")
    return list(live.select_related("circuit__room", "contract").order_by("circuit__index"))


def _lines(ask: Ask) -> list[Line]:
    found = visible_to(ask.operator, Line).filter(gateway__site_id=ask.site.id).select_related("gateway")
    return list(found.order_by("gateway__code", "code"))


def _fields(ask: Ask, meter: Meter, supplies: list[SupplyPoint], lines: list[Line]) -> list[Field]:
    profiles = [(each.code, model_option(each), "") for each in offered(ask.site.id).values()]
    wires = [(str(each.pk), f"{each.gateway.code} / {each.code}", each.gateway.name) for each in lines]
    minutes = FRESH.seconds // 60
    fields = [
        Field(name="number", label=_("Number of the new meter"), kind="number", most=20, required=True),
        Field(name="profile", label=_("Model"), kind="select", options=profiles, value=meter.profile),
        Field(name="line", label=_("Line"), kind="select", options=wires, value=str(meter.line_id)),
        Field(name="unit", label=_("Address"), kind="number", most=3, required=True, value=str(meter.unit)),
        Field(name="ratio", label=_("CT ratio"), kind="number", most=5, value=str(meter.ct_ratio)),
    ]
    if supplies:
        read = _("read by us in the last %d minutes: it is taken down now") % minutes
        stated = _("read by a person: it is down already, or does not answer")
        fields += [
            Field(name="source", label=_("The old meter's last reading"), kind="radio", value="read", required=True,
                  options=[("read", read, ""), ("stated", stated, "")]),
            Field(name="at", label=_("When it was read"), kind="datetime-local", value=local(ask.at, ask.zone),
                  hint=_("Only where a person read it.")),
            Field(name="evidence", label=_("Who read it, and where it can be seen"), most=255,
                  hint=_("Only where a person read it: a name, a photograph, a protocol.")),
        ]  # fmt: skip
    for each in supplies:
        fields += _fields_of(each)
    if any(each.custody == "meter" for each in supplies):
        acts = [("clear", _("clear it"), ""), ("take_over", _("take it over as credit of the contract"), "")]
        fields.append(
            Field(name="found", label=_("Credit that is in the new meter already"), kind="radio", options=acts,
                  value="clear", required=True)
        )  # fmt: skip
    tills = [(str(each.pk), f"{each.code} {each.name}", "") for each in tills_of(ask)]
    return [
        *fields,
        Field(name="till", label=_("Till of the slip"), kind="select", options=tills),
        Field(name="reason", label=_("Reason"), required=True, most=255),
    ]


def _fields_of(supply: SupplyPoint) -> list[Field]:
    """What is read at one circuit."""
    index, room = supply.circuit.index, supply.circuit.room.code if supply.circuit.room else ""
    where = f"{room} ({_('Circuit')} {index})" if room else f"{_('Circuit')} {index}"
    only = _("Only where a person read it.")
    fields = [
        Field(name=f"final_{index}", label=_("%s: old meter, energy so far, kWh") % where, kind="decimal", most=14,
              hint=only)
    ]  # fmt: skip
    if supply.custody == "meter":
        fields.append(
            Field(name=f"credit_{index}", label=_credit_label(supply) % where, kind="decimal", most=14, hint=only)
        )  # fmt: skip
    else:
        hint = _("Empty: the first reading that we get from it.")
        fields.append(
            Field(name=f"first_{index}", label=_("%s: new meter, energy as it was put up, kWh") % where, kind="decimal",
                  most=14, hint=hint)
        )  # fmt: skip
    return fields


def _credit_label(supply: SupplyPoint) -> str:
    return _("%s: old meter, credit left, kWh") if supply.credit_unit == "Wh" else _("%s: old meter, money left")


def _credit_typed(ask: Ask, form: QueryDict, supply: SupplyPoint) -> int:
    """What the old meter still showed, in its unit."""
    name = f"credit_{supply.circuit.index}"
    return energy(form, name) if supply.credit_unit == "Wh" else amount(ask, form, name)


def _command(ask: Ask, meter: Meter, supplies: list[SupplyPoint], lines: list[Line]) -> SwapCommand:
    form = ask.request.POST
    stated = form.get("source") == "stated"
    at = (moment(form, "at", ask.zone) if stated else None) or ask.at
    read = {}
    for each in supplies:
        index = each.circuit.index
        first = form.get(f"first_{index}", "").strip()
        word = Stated(
            at=at, energy_wh=energy(form, f"final_{index}"),
            credit=_credit_typed(ask, form, each) if each.custody == "meter" else None,
        ) if stated else None  # fmt: skip
        read[index] = Read(stated=word, first_wh=energy(form, f"first_{index}") if first else None)
    return SwapCommand(
        key=text(form, "request_key", 64), meter=meter, number=text(form, "number", 20),
        profile=text(form, "profile", 48), line=pick(lines, number(form.get("line", ""))), unit=whole(form, "unit"),
        ct_ratio=whole(form, "ratio", 1), read=read, evidence=text(form, "evidence", 255) if stated else "",
        found=Opening.Act.TAKE_OVER if form.get("found") == "take_over" else Opening.Act.CLEAR, reason=reason(form),
        till=pick(tills_of(ask), number(form.get("till", ""))), actor=of_operator(ask.operator), at=ask.at,
    )  # fmt: skip


@require_http_methods(["GET", "HEAD", "POST"])
@console(roles=roles_of(Act.CLOSE_CONTRACT))
def page(ask: Ask, meter_id: int) -> HttpResponse:
    """The form; then what would change, to the last figure; then the exchange."""
    meter = meter_or_404(ask, meter_id)
    if meter.removed_at is not None:
        return gone(meter)
    supplies, lines, form = _supplies(meter), _lines(ask), ask.request.POST
    fields, refused = _fields(ask, meter, supplies, lines), {}
    if ask.request.method == "POST":
        fields = kept(fields, form)
        if "edit" not in form:
            made: list[Swap] = []
            sure = form.get("sure") == "1"
            shown: list[dict[str, Any]] = []
            said: list[str] = []
            wanted: dict[str, list[str]] = {}

            def act() -> None:
                command = _command(ask, meter, supplies, lines)
                with transaction.atomic():
                    made.append(swap(command))
                    if not sure:  # tried out: every refusal and every figure is the real one, and nothing stays
                        shown.extend(_part(ask, each) for each in parts_of(made[0]))
                        said.extend(_said(ask, made[0]))
                        wanted.update(_wanted(swap_wants.outlook(made[0])))
                        transaction.set_rollback(True)

            refused = attempt(act)
            if not refused and sure:
                return redirect(f"/console/swaps/{made[0].pk}")
            if not refused:
                context = {"meter": meter, "parts": shown, "said": said, "form": form.items(), "back": _back(meter)}
                return ask.page("ui/swap_sure.html", {**context, **wanted, "number": form.get("number", "")})
    return form_page(
        ask,
        title=_("Exchange meter %s") % meter.number,
        fields=fields,
        submit=_("See what will change"),
        back=_back(meter),
        crumb=_("Meter %s") % meter.number,
        refused=refused or None,
        says=_(
            "The old meter ends at its last reading, the new one begins with its own. What the tenant has left goes "
            "on: in the office it stays where it is, out of the old meter it goes into the new one."
        ),
    )


def _said(ask: Ask, made: Swap) -> list[str]:
    """What people said of the circuits and stays said of the new ones."""
    new = {"circuit__meter_id": made.new_meter_id}
    told = []
    for tag in MaintenanceTag.objects.filter(**new, removed_at=None).select_related("circuit"):
        words = {"index": tag.circuit.index, "name": tag.name, "until": formats.when(tag.until, ask.at, ask.zone)}
        told.append(_("Circuit %(index)d: the maintenance tag of %(name)s, until %(until)s") % words)
    for wish in RelayWish.objects.filter(**new).select_related("circuit"):
        words = {"index": wish.circuit.index, "reason": wish.reason}
        if wish.until is None:
            told.append(_("Circuit %(index)d: cut by hand (%(reason)s)") % words)
        else:
            words["until"] = formats.when(wish.until, ask.at, ask.zone)
            told.append(_("Circuit %(index)d: kept on until %(until)s (%(reason)s)") % words)
    return told


def _back(meter: Meter) -> str:
    return f"/console/meters/{meter.pk}"


def parts_of(made: Swap) -> list[SwapPart]:
    found = made.parts.select_related(
        "old_supply__contract__customer", "old_supply__circuit", "new_circuit__room", "new_supply", "opening",
        "delivery",
    )
    return list(found.order_by("index"))


def _printed(moment_: datetime, ask: Ask) -> str:
    """A moment as it stays true on paper."""
    return moment_.astimezone(ask.zone).strftime("%Y-%m-%d %H:%M")


def _part(ask: Ask, part: SwapPart) -> dict[str, Any]:
    """One circuit of an exchange as it is printed."""
    contract, supply = part.old_supply.contract, part.new_supply
    word, css = STATES[part.state]
    worth = formats.money(part.value_minor, ask.site.currency, ask.site.exponent)
    read = part.opening.read_values
    stood = [each for each in (part.first_wh, supply.opening_wh, read.get("energy_import_total")) if each is not None]
    return {
        "id": part.pk, "index": part.index, "room": part.new_circuit.room.code if part.new_circuit.room else "",
        "contract": contract.number, "customer": contract.customer.name, "held": part.old_supply.custody,
        "final": formats.energy(part.final_wh), "final_at": _printed(part.final_at, ask),
        "stated": part.stated, "first": formats.energy(stood[0]) if stood else "", "count": read.get("purchase_count"),
        "credit": with_unit(part.credit, part.old_supply.credit_unit, ask.site.exponent)
        if part.old_supply.custody == "meter" else formats.DASH,
        "worth": worth if part.old_supply.custody == "meter" else "",
        "state": word, "css": css, "said": part.state, "opening": part.opening_id,
        "again": part.state in ("not_opened", "not_carried"),
    }  # fmt: skip


def _swap_or_404(ask: Ask, swap_id: int) -> Swap:
    made = Swap.objects.select_related("old_meter", "new_meter", "till").filter(pk=swap_id).first()
    if made is None or not visible_to(ask.operator, Meter).filter(pk=made.new_meter_id).exists():
        raise Http404
    if made.site_id != ask.site.id:
        raise Http404
    return made


@require_safe
@console()
def slip(ask: Ask, swap_id: int) -> HttpResponse:
    """The slip (换表单), with how far the new meter is."""
    made = _swap_or_404(ask, swap_id)
    parts = [_part(ask, each) for each in parts_of(made)]
    profiles = all_profiles()
    models = {each: profiles[each].name if each in profiles else each
              for each in (made.old_meter.profile, made.new_meter.profile)}  # fmt: skip
    context = {
        "swap": made, "parts": parts, "at": _printed(made.at, ask),
        "old_model": models[made.old_meter.profile], "new_model": models[made.new_meter.profile],
        "running": any(each["said"] in ("opening", "carrying") for each in parts),
        "may": may(ask.operator.role, Act.CLOSE_CONTRACT), **_wanted(swap_wants.handed(made)),
        "handing": made.handed_at is None,
    }  # fmt: skip
    return ask.page("ui/swap.html", context)


@require_POST
@console(roles=roles_of(Act.CLOSE_CONTRACT))
def again(ask: Ask, swap_id: int, part_id: int) -> HttpResponse:
    """Open the new meter again, or send the credit again."""
    made = _swap_or_404(ask, swap_id)
    part = made.parts.filter(pk=part_id).first()
    if part is None:
        raise Http404
    refused = attempt(lambda: swap_steps.again(part, actor=of_operator(ask.operator), at=ask.at))
    told(ask, refused["said"] if refused else _("Asked again."))
    return redirect(f"/console/swaps/{made.pk}")


urlpatterns = [
    path("meters/<int:meter_id>/swap", page, name="meter-swap"),
    path("swaps/<int:swap_id>", slip, name="swap"),
    path("swaps/<int:swap_id>/parts/<int:part_id>/again", again, name="swap-again"),
]
