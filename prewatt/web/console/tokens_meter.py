"""A meter's tokens: its STS attributes, what was asked for it, and what may be asked now."""

from dataclasses import fields as names_of_fields
from functools import partial
from typing import Final

from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from prewatt.core.refusals import Refused
from prewatt.core.sts import Dkga, Ea
from prewatt.office.estate.models import Circuit, Meter
from prewatt.office.staff.actors import of_operator
from prewatt.office.staff.roles import Act
from prewatt.office.tokens import course, listings
from prewatt.office.tokens import meters as attributes
from prewatt.office.tokens.listings import EXPORT_MOST, LIST_MOST, TokenFilters
from prewatt.office.tokens.models import StsMeter
from prewatt.web.console.lists import number, workbook
from prewatt.web.console.settings import told
from prewatt.web.console.settings_fields import Field, attempt, form_page, kept, roles_of, text, whole
from prewatt.web.console.tokens_parts import (
    may_,
    meter_or_404,
    meters,
    proposal_lines,
    token_cells,
    token_lines,
    token_titles,
)
from prewatt.web.console.tokens_send import sending
from prewatt.web.console.tokens_wire import wiring
from prewatt.web.console.tokens_words import CREDIT_KINDS, KEY_TYPES, code_words
from prewatt.web.console.views_base import Ask, console
from prewatt.web.ui import formats

DRN_DIGITS: Final = (11, 13)
BASE_DATES: Final = ("1993", "2014", "2035")


@require_safe
@console()
def page(ask: Ask, meter_id: int) -> HttpResponse:
    """What the meter holds, what it was given, and what may be asked for."""
    one = meter_or_404(ask, meter_id)
    sts = listings.meter(one.pk)
    base = f"/console/meters/{one.pk}/tokens"
    before = number(ask.request.GET.get("after", ""))
    rows = listings.tokens(
        ask.site.id, meters(ask), TokenFilters(meter_id=one.pk), before_id=before, most=LIST_MOST + 1
    ) if sts else []  # fmt: skip
    shown = rows[:LIST_MOST]
    held = course.outstanding(sts, at=ask.at) if sts else None
    context: dict[str, object] = {
        "meter": one, "sts": sts, "base": base, "lines": token_lines(ask, shown), "room": room_of(one),
        "held": held, "held_warns": held.warns() if held else False,
        "attributes": attribute_lines(sts, ask) if sts else [], "why_no_key": why_no_key(sts) if sts else "",
        "waiting": proposal_lines(ask, listings.proposals(ask.site.id, meters(ask), meter_id=one.pk)),
        "wirings": [each for each in map(partial(wiring, ask), listings.to_enter(one.pk)) if each],
        "sendings": [each for each in map(partial(sending, ask), listings.to_enter(one.pk)) if each],
        "next": f"{base}?after={shown[-1].pk}" if len(rows) > LIST_MOST else "", "paged": before is not None,
        "may_edit": may_(ask, Act.ESTATE), "may_make": may_(ask, Act.TOKENS), "may_ask": may_(ask, Act.TOKEN_ASK),
        "may_agree": may_(ask, Act.TOKEN_AGREE),
    }  # fmt: skip
    return ask.page("tokens/meter.html", context)


def room_of(meter: Meter) -> str:
    """Where the meter is, in a word."""
    circuit = Circuit.objects.select_related("room").filter(meter=meter).order_by("index").first()
    room = circuit.room if circuit is not None else None
    return f"{room.code} {room.name}".strip() if room is not None else ""


def why_no_key(sts: StsMeter) -> str:
    """Why no token can be made for this meter now, in words; empty where the vault has its key."""
    from prewatt.office.tokens import keys

    try:
        keys.key_of(sts)
    except Refused as refused:
        return code_words(refused.code) if not refused.params else refused.message(_language())
    return ""


def _language() -> str:
    return "zh-hans" if formats.chinese() else "en"


def attribute_lines(sts: StsMeter, ask: Ask) -> list[tuple[str, str]]:
    """The attributes as the record shows them; names of the standard stay as they are."""
    return [
        (_("Meter PAN"), sts.meter_pan), (_("Supply group (SGC)"), sts.sgc), (_("Key revision (KRN)"), str(sts.krn)),
        (_("Key type (KT)"), f"{sts.kt} · {KEY_TYPES.get(sts.kt, '')}"), (_("Key expiry (KEN)"), ken_words(sts.ken)),
        (_("Tariff index (TI)"), sts.ti), (_("Base date"), str(sts.base_date)),
        (_("Encryption (EA)"), ea_words(sts.ea)), (_("Key generation (DKGA)"), sts.dkga),
        (_("Token carrier (TCT)"), carrier_words(sts.tct)), (_("Takes credit in"), str(CREDIT_KINDS[sts.credit_kind])),
        (_("Key-change set"), _("three tokens") if sts.three_tokens else _("as the encryption demands")),
        (_("Record"), _("revision %(revision)d, %(when)s")
         % {"revision": sts.revision, "when": formats.when(sts.changed_at, ask.at, ask.zone)}),
    ]  # fmt: skip


def ken_words(ken: int) -> str:
    return _("255 · never expires") if ken == 255 else str(ken)


def ea_words(ea: str) -> str:
    return {Ea.STA.value: "07 · STA", Ea.MISTY1.value: "11 · MISTY1"}.get(ea, ea)


def carrier_words(tct: str) -> str:
    return {"01": _("01 · magnetic card"), "02": _("02 · keypad"), "07": _("07 · virtual")}.get(tct, tct)


@require_safe
@console()
def export(ask: Ask, meter_id: int) -> HttpResponse:
    one = meter_or_404(ask, meter_id)
    rows = listings.tokens(ask.site.id, meters(ask), TokenFilters(meter_id=one.pk), most=EXPORT_MOST + 1)
    return workbook(f"tokens-{one.number}"[:31], token_titles(), token_cells(ask, rows), ask.zone, most=EXPORT_MOST)


# ---------------------------------------------------------------- the attributes, entered and corrected


def _fields(sts: StsMeter | None) -> list[Field]:
    held = attributes.attributes_of(sts) if sts else None

    def now(name: str, new: str) -> str:
        return new if held is None else str(getattr(held, name))

    fields = [
        Field(
            name="meter_pan", label=_("Meter PAN, or DRN"), kind="number", most=24, required=True,
            value=now("meter_pan", ""),
            hint=_("18 digits, or the 11 or 13 digits of the meter's own number (DRN). Check digits are checked."),
        ),
        Field(name="sgc", label=_("Supply group (SGC)"), kind="number", most=6, required=True, value=now("sgc", "")),
        Field(name="krn", label=_("Key revision (KRN)"), kind="number", most=1, required=True, value=now("krn", "1")),
        Field(name="kt", label=_("Key type (KT)"), kind="select", value=now("kt", "2"),
              options=[(str(kt), f"{kt} · {word}", "") for kt, word in KEY_TYPES.items()]),
        Field(name="ken", label=_("Key expiry (KEN)"), kind="number", most=3, value=now("ken", "255"),
              hint=_("0 to 255; 255 never expires.")),
        Field(name="ti", label=_("Tariff index (TI)"), kind="number", most=2, required=True, value=now("ti", "01")),
        Field(name="base_date", label=_("Base date"), kind="select", value=now("base_date", "2014"),
              options=[(year, year, "") for year in BASE_DATES]),
        Field(name="ea", label=_("Encryption (EA)"), kind="select", value=now("ea", Ea.STA.value),
              options=[(each.value, ea_words(each.value), "") for each in Ea]),
        Field(name="dkga", label=_("Key generation (DKGA)"), kind="select", value=now("dkga", Dkga.HMAC.value),
              options=[(each.value, each.value, "") for each in Dkga]),
        Field(name="tct", label=_("Token carrier (TCT)"), kind="select", value=now("tct", "02"),
              options=[(tct, carrier_words(tct), "") for tct in attributes.TCT_CODES]),
        Field(name="credit_kind", label=_("Takes credit in"), kind="select", value=now("credit_kind", "0"),
              options=[(str(kind), str(word), "") for kind, word in CREDIT_KINDS.items()]),
        Field(name="three_tokens", label=_("Learns its supply group from a third key-change token (EA 07)"),
              kind="checkbox", value="1" if held and held.three_tokens else ""),
    ]  # fmt: skip
    if sts is not None:
        hint = _("What showed that the meter holds something else: a test token, its label.")
        fields.append(Field(name="reason", label=_("Reason"), required=True, most=255, hint=hint))
    return fields


def _given(form: QueryDict) -> attributes.Attributes:
    pan = text(form, "meter_pan", 24).replace(" ", "")
    return attributes.Attributes(
        meter_pan=attributes.pan_of(pan) if len(pan) in DRN_DIGITS else pan, ea=text(form, "ea", 2),
        dkga=text(form, "dkga", 2), sgc=text(form, "sgc", 6), ti=text(form, "ti", 2), krn=whole(form, "krn"),
        kt=whole(form, "kt"), ken=whole(form, "ken", 255), base_date=whole(form, "base_date"),
        tct=text(form, "tct", 2), credit_kind=whole(form, "credit_kind", 0),
        three_tokens=form.get("three_tokens") == "1",
    )  # fmt: skip


assert {each.name for each in names_of_fields(attributes.Attributes)} == {
    "meter_pan", "ea", "dkga", "sgc", "ti", "krn", "kt", "base_date", "ken", "tct", "three_tokens", "credit_kind",
}, "the form asks for every attribute"  # fmt: skip


@require_http_methods(["GET", "HEAD", "POST"])
@console(roles=roles_of(Act.ESTATE))
def edit(ask: Ask, meter_id: int) -> HttpResponse:
    """Enter what is on the meter's label, or correct the record where the meter holds something else."""
    one = meter_or_404(ask, meter_id)
    sts = listings.meter(one.pk)
    fields, refused, back = _fields(sts), {}, f"/console/meters/{one.pk}/tokens"
    if ask.request.method == "POST":
        form, actor = ask.request.POST, of_operator(ask.operator)

        def save() -> None:
            if sts is None:
                attributes.register(one, _given(form), actor=actor, at=ask.at)
            else:
                attributes.repair(sts, _given(form), reason=text(form, "reason", 255), actor=actor, at=ask.at)

        refused = attempt(save)
        if not refused:
            told(ask, _("Saved. Nothing was sent to the meter: this is our record of what it holds."))
            return redirect(back)
        fields = kept(fields, form)
    return form_page(
        ask, title=_("STS attributes of meter %s") % one.number, fields=fields, submit=_("Save"), back=back,
        crumb=_("Tokens of meter %s") % one.number, refused=refused or None,
        says=_("As printed on the meter or on its card. Tokens are made for exactly this; a wrong record makes tokens "
               "that the meter refuses."),
        warn=_("Changing the record changes nothing in the meter. To bring a meter to another key, make a key change.")
        if sts else "",
    )  # fmt: skip


urlpatterns = [
    path("meters/<int:meter_id>/tokens", page, name="tokens-meter"),
    path("meters/<int:meter_id>/tokens/export", export, name="tokens-meter-export"),
    path("meters/<int:meter_id>/tokens/attributes", edit, name="tokens-attributes"),
]
