"""A meter day by day: use, freezes, gaps and the readings that are not good (日冻结、补召、数据质量)."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.functional import Promise
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.views.decorators.http import require_POST, require_safe

from prewatt.core.refusals import Refused
from prewatt.office.estate.models import Circuit
from prewatt.office.estate.profiles import all_profiles
from prewatt.office.metering import freezes
from prewatt.office.metering.models import Gap
from prewatt.office.reports import days
from prewatt.office.staff.roles import Act, may
from prewatt.web.console.circuits import circuit_or_404
from prewatt.web.console.marks_words import BILLED, MARKS, doubt_of
from prewatt.web.console.settings import told
from prewatt.web.console.settings_fields import roles_of
from prewatt.web.console.views_base import Ask, console
from prewatt.web.ui import formats

STATES: Final[dict[str, tuple[Promise, str]]] = {
    Gap.State.OPEN: (_lazy("being fetched"), "d-sent"),
    Gap.State.FILLED: (_lazy("filled by freezes"), "d-confirmed strong"),
    Gap.State.PARTLY: (_lazy("partly filled"), "d-sent"),
    Gap.State.EMPTY: (_lazy("no freezes: by linear time"), "muted"),
}


@dataclass(frozen=True, kw_only=True)
class Line:
    """One row of a table, worded."""

    when: str
    first: str
    second: str = ""
    third: str = ""
    css: str = ""


@require_safe
@console()
def page(ask: Ask, circuit_id: int) -> HttpResponse:
    """The last month of a circuit."""
    circuit, row = circuit_or_404(ask, circuit_id)
    profile = all_profiles().get(circuit.meter.profile)
    held = days.of_circuit(ask.site.id, circuit.pk, at=ask.at, zone=ask.zone)
    doubt, can_settle = doubt_of(ask, circuit.pk)
    keeps = profile is not None and profile.freezes is not None
    context = {
        "meter": circuit.meter,
        "circuit": circuit,
        "row": row,
        "days": [_day(each) for each in held.days],
        "months": [
            Line(when=_month(each.at - timedelta(seconds=1), ask), first=formats.energy(each.energy_wh),
                 second=formats.when(each.read_at, ask.at, ask.zone))
            for each in held.months
        ],
        "gaps": [_gap(each, ask) for each in held.gaps],
        "marked": [_marked(each, ask) for each in held.marked],
        "doubt": doubt,
        "can_settle": can_settle,
        "keeps": keeps,
        "assumed": profile is not None and profile.freezes is not None and profile.freezes.assumed,
        "can_read": keeps and circuit.meter.line_id is not None and may(ask.operator.role, Act.READ_NOW),
    }  # fmt: skip
    return ask.page("ui/meter_days.html", context)


def _month(moment: datetime, ask: Ask) -> str:
    return f"{moment.astimezone(ask.zone):%Y-%m}"


def _day(each: days.Day) -> Line:
    differs = each.used_wh is not None and each.frozen_wh is not None and each.used_wh != each.frozen_wh
    return Line(
        when=each.day.isoformat(),
        first=formats.DASH if each.used_wh is None else formats.energy(each.used_wh),
        second=formats.DASH if each.frozen_wh is None else formats.energy(each.frozen_wh),
        third=formats.DASH if each.counter is None else formats.energy(each.counter),
        css="muted" if differs else "",
    )


def _gap(each: Gap, ask: Ask) -> Line:
    word, css = STATES[each.state]
    return Line(
        when=formats.when(each.from_at, ask.at, ask.zone), first=formats.when(each.to_at, ask.at, ask.zone),
        second=str(word), third=str(each.freezes) if each.freezes else "", css=css,
    )  # fmt: skip


def _marked(each: days.Marked, ask: Ask) -> Line:
    freeze = each.source == freezes.SOURCE_FREEZE
    return Line(
        when=formats.when(each.at, ask.at, ask.zone), first=formats.energy(each.wh), second=str(MARKS[each.mark]),
        third=_("freeze") if freeze else _("reading"), css="" if each.mark in BILLED else "d-disputed",
    )  # fmt: skip


@require_POST
@console(roles=roles_of(Act.READ_NOW))
def read(ask: Ask, circuit_id: int) -> HttpResponse:
    """Ask the meter for what it froze lately."""
    found, _row = circuit_or_404(ask, circuit_id)
    circuit = Circuit.objects.select_related("meter", "site").get(pk=found.pk)
    try:
        freezes.ask(circuit, request_key=secrets.token_urlsafe(12), at=ask.at, actor=ask.actor)
        told(ask, _("Asked. What it froze follows as soon as the meter has answered."))
    except Refused as refused:
        told(ask, refused.message(get_language() or "zh-hans"))
    return redirect(f"/console/circuits/{circuit.pk}/days")


urlpatterns = [
    path("circuits/<int:circuit_id>/days", page, name="meter-days"),
    path("circuits/<int:circuit_id>/days/read", read, name="meter-days-read"),
]
