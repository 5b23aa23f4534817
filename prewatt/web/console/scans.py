"""*Scan this line* (扫描): who answers on a bus, in which protocol, what it may be; one step from there to a meter."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from prewatt.core.meters.identify import Why
from prewatt.core.meters.model import Protocol
from prewatt.core.meters.scanning import FIRST_UNIT, LAST_UNIT
from prewatt.core.refusals import message, texts
from prewatt.office.estate import links
from prewatt.office.estate.models import Line, Meter
from prewatt.office.estate.profiles import all_profiles
from prewatt.office.estate.scope import visible_to
from prewatt.office.metering import scans
from prewatt.office.metering.models import LineScan
from prewatt.office.metering.scans import Answered, Shown
from prewatt.office.staff.roles import Act
from prewatt.web.console.settings_fields import Field, attempt, kept, roles_of, whole
from prewatt.web.console.tries import Said, said
from prewatt.web.console.views_base import Ask, console
from prewatt.web.ui import formats
from prewatt.web.ui.model_words import model_option

LINES = "/console/lines"
SPEEDS = (1200, 2400, 4800, 9600, 19200)
SHOWN = 8  # earlier scans on the page
WELL, PARTLY = 850, 650  # permille


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One model of a proposal, and where it is entered."""

    name: str
    add: str


@dataclass(frozen=True, kw_only=True)
class Idea:
    """A proposal in words."""

    choices: list[Choice]
    fit: str
    score: int  # of 100
    why: str
    assumed: bool


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Somebody who answered, as a row of the table."""

    address: str
    protocol: str
    baud: int
    garbled: bool
    several: bool  # nothing but the wildcard is known of them
    number: str
    ideas: list[Idea]
    frames: list[Said]
    entered: Meter | None
    add: str


def _line_or_404(ask: Ask, line_id: int) -> Line:
    mine = visible_to(ask.operator, Line).select_related("gateway")
    found = mine.filter(pk=line_id, gateway__site_id=ask.site.id).first()
    if found is None:
        raise Http404
    return found


def _fields(line: Line) -> list[Field]:
    fields = [
        Field(name="modbus", label="Modbus", kind="checkbox", value="1"),
        Field(name="first", label=_("Modbus addresses from"), kind="number", value=str(FIRST_UNIT), most=3),
        Field(
            name="last", label=_("to"), kind="number", value=str(LAST_UNIT), most=3,
            hint=_("A silent address takes one to two seconds: all 247 take some minutes. Most meters have 1 to 32."),
        ),
    ]  # fmt: skip
    if line.transport not in links.MODBUS_TCP:
        fields.append(
            Field(
                name="dlt645", label="DL/T 645", kind="checkbox", value="1",
                hint=_("asked by the wildcard address AA…; several are parted by the last digits of their addresses"),
            )
        )  # fmt: skip
    if line.transport in links.OWN_SPEED:
        fields += [
            Field(name=f"baud_{baud}", label=_("also at %d baud") % baud, kind="checkbox")
            for baud in SPEEDS
            if baud != line.baud
        ]
    return fields


@require_http_methods(["GET", "HEAD", "POST"])
@console(roles=roles_of(Act.ESTATE))
def page(ask: Ask, line_id: int) -> HttpResponse:
    """What a scan does and what the last one found; POST begins one."""
    line = _line_or_404(ask, line_id)
    fields, refused = _fields(line), None
    if ask.request.method == "POST":
        refused = attempt(lambda: _begin(ask, line))
        if not refused:
            return redirect(f"{LINES}/{line.pk}/scan")
        fields = kept(fields, ask.request.POST)
    earlier = list(LineScan.objects.filter(line=line).order_by("-pk")[:SHOWN])
    context = {
        "line": line, "fields": fields, "refused": refused, "own_speed": line.transport in links.OWN_SPEED,
        "meters": Meter.objects.filter(line=line, removed_at=None).count(),
        "earlier": [_named(each, ask) for each in earlier[1:]],
        **(_result(ask, earlier[0]) if earlier else {}),
    }  # fmt: skip
    return ask.page("ui/scan.html", context, status=422 if refused else 200)


def _begin(ask: Ask, line: Line) -> None:
    form = ask.request.POST
    protocols = [each for each in (Protocol.MODBUS, Protocol.DLT645) if form.get(each.value) == "1"]
    scans.begin(
        line, protocols=protocols, first=whole(form, "first", FIRST_UNIT), last=whole(form, "last", LAST_UNIT),
        bauds=[baud for baud in SPEEDS if form.get(f"baud_{baud}") == "1"], actor=ask.actor, at=ask.at,
    )  # fmt: skip


def _scan_or_404(ask: Ask, scan_id: int) -> LineScan:
    scan = LineScan.objects.select_related("line__gateway").filter(pk=scan_id, site_id=ask.site.id).first()
    if scan is None or not visible_to(ask.operator, Line).filter(pk=scan.line_id).exists():
        raise Http404
    return scan


@require_safe
@console(roles=roles_of(Act.ESTATE))
def result(ask: Ask, scan_id: int) -> HttpResponse:
    """How far one scan is and what it found; the part of the page asks again while it runs."""
    scan = _scan_or_404(ask, scan_id)
    if ask.partial:
        return ask.page("ui/parts/scan_result.html", {"line": scan.line, **_result(ask, scan)})
    context = {"line": scan.line, "alone": True, **_result(ask, scan)}
    return ask.page("ui/scan.html", context)


@require_POST
@console(roles=roles_of(Act.ESTATE))
def stop(ask: Ask, scan_id: int) -> HttpResponse:
    """No further question; one that has ended meanwhile has ended."""
    scan = _scan_or_404(ask, scan_id)
    attempt(lambda: scans.stop(scan, actor=ask.actor, at=ask.at))
    return redirect(f"{LINES}/{scan.line_id}/scan")


def _named(scan: LineScan, ask: Ask) -> dict[str, object]:
    return {"scan": scan, "at": formats.when(scan.created_at, ask.at, ask.zone), "state": _state(scan)}


def _state(scan: LineScan) -> str:
    return {
        "waiting": _("waiting for the head-end"),
        "running": _("stopping") if scan.stop_asked else _("running"),
        "done": _("finished"),
        "stopped": _("stopped"),
        "failed": _("broken off"),
    }[scan.state]


def _result(ask: Ask, scan: LineScan) -> dict[str, object]:
    """What the template of a result reads."""
    found = scans.found_of(scan.found)
    running = scan.state in scans.OPEN
    return {
        "scan": scan, "running": running, "state": _state(scan),
        "at": formats.when(scan.finished_at or scan.created_at, ask.at, ask.zone),
        "percent": scan.asked * 100 // scan.total if scan.total else 0,
        "code_words": message(scan.code, get_language() or "zh-hans") if scan.code in texts else "",
        "seen": _seen(ask, scan, found),
    }  # fmt: skip


def _seen(ask: Ask, scan: LineScan, found: Sequence[Answered]) -> list[Seen]:
    line = scan.line
    here = list(Meter.objects.filter(line=line, removed_at=None))
    by_unit = {each.unit: each for each in here}
    by_number = {each.number[-12:].zfill(12): each for each in visible_to(ask.operator, Meter).filter(removed_at=None)}
    # a data meter is asked by its number: it gets an address from above that no Modbus meter has or answers at
    taken = by_unit.keys() | {int(each.address) for each in found if each.protocol is Protocol.MODBUS}
    free = next((unit for unit in range(LAST_UNIT, FIRST_UNIT, -1) if unit not in taken), LAST_UNIT)
    rows = []
    for each in found:
        modbus = each.protocol is Protocol.MODBUS
        several = not each.address.isdecimal()
        number = each.proposals[0].number if modbus and each.proposals else "" if modbus or several else each.address
        entered = by_unit.get(int(each.address)) if modbus else by_number.get(each.address)
        unit = each.address if modbus else str(free)
        told = {"line": str(line.pk), "unit": unit, "number": number, "scan": str(scan.pk)}
        ideas = [_idea(one, told) for one in each.proposals]
        rows.append(
            Seen(
                address=each.address, protocol="Modbus" if modbus else "DL/T 645", baud=each.baud,
                garbled=each.garbled, several=several, number=number, ideas=ideas,
                frames=said(each.frames, line.transport),
                entered=entered, add=ideas[0].choices[0].add if ideas else _add(told),
            )
        )  # fmt: skip
    return rows


def _add(told: dict[str, str]) -> str:
    return f"/console/meters/new?{urlencode(told)}"


def _idea(one: Shown, told: dict[str, str]) -> Idea:
    known = all_profiles()
    names = [(code, model_option(known[code]) if code in known else code) for code in one.codes]
    told = {**told, "number": one.number or told["number"]}
    comma = "、" if formats.chinese() else ", "
    fit = _("fits well") if one.permille >= WELL else _("fits in part") if one.permille >= PARTLY else _("hardly fits")
    return Idea(
        choices=[Choice(name=name, add=_add({**told, "profile": code})) for code, name in names],
        fit=fit, score=one.permille // 10, why=comma.join(_WHY[why]() for why in one.why), assumed=one.assumed,
    )  # fmt: skip


_WHY = {
    Why.MODEL_SAID: lambda: _("it says this model's code"),
    Why.MODEL_DIFFERS: lambda: _("it says another model's code"),
    Why.VOLTAGE: lambda: _("a voltage where one should be"),
    Why.FREQUENCY: lambda: _("a frequency where one should be"),
    Why.ENERGY: lambda: _("a plausible energy"),
    Why.NUMBER: lambda: _("a number that could be printed on it"),
    Why.NOT_ANSWERED: lambda: _("not everything the model has was answered"),
    Why.IMPLAUSIBLE: lambda: _("a value that no meter shows"),
}


urlpatterns = [
    path("lines/<int:line_id>/scan", page, name="line-scan"),
    path("scans/<int:scan_id>", result, name="scan"),
    path("scans/<int:scan_id>/stop", stop, name="scan-stop"),
]
