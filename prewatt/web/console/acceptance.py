"""Acceptance on site (现场验收): write the record of a line or a site, list the records, print one again."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from prewatt.office.estate.models import Line, Site
from prewatt.office.estate.profiles import all_profiles
from prewatt.office.estate.scope import visible_to
from prewatt.office.metering import acceptance
from prewatt.office.metering.acceptance import Accepted
from prewatt.office.metering.models import Acceptance
from prewatt.office.staff.models import Operator
from prewatt.office.staff.roles import Act, may
from prewatt.web.console.lists import number
from prewatt.web.console.settings_fields import Field, attempt, kept, pick, text
from prewatt.web.console.views_base import Ask, console
from prewatt.web.ui import formats
from prewatt.web.ui.model_words import model_name
from prewatt.web.ui.words import WISHES

PATH = "/console/acceptance"
LISTED = 100


@dataclass(frozen=True, kw_only=True)
class Printed:
    """One row of the record as it is printed."""

    number: str
    circuit: str  # "" where the meter has one
    place: str
    model: str
    assumed: str
    where: str
    first: str
    first_at: str
    clock: str
    relay: str
    quality: str
    poor: bool


def _lines(ask: Ask) -> list[Line]:
    found = visible_to(ask.operator, Line).filter(gateway__site_id=ask.site.id).select_related("gateway")
    return list(found.order_by("gateway__code", "code"))


def _fields(ask: Ask, lines: list[Line]) -> list[Field]:
    wanted = ask.request.GET.get("line", "")
    return [
        Field(
            name="line", label=_("Line"), kind="select", value=wanted,
            options=[
                ("", _("all lines of the site"), ""),
                *((str(each.pk), f"{each.gateway.code} / {each.code}", each.gateway.name) for each in lines),
            ],
        ),
        Field(name="accepted_by", label=_("Accepted by"), value=ask.operator.name, most=80, required=True),
        Field(name="remark", label=_("Remark"), kind="area", most=500),
    ]  # fmt: skip


@require_http_methods(["GET", "HEAD", "POST"])
@console()
def page(ask: Ask) -> HttpResponse:
    """The records of this site; POST writes one and shows it."""
    can = may(ask.operator.role, Act.ESTATE)
    lines = _lines(ask)
    fields, refused = _fields(ask, lines), None
    if ask.request.method == "POST":
        if not can:
            raise Http404
        made: list[Acceptance] = []
        refused = attempt(lambda: made.append(_accept(ask, lines)))
        if not refused:
            return redirect(f"{PATH}/{made[0].pk}")
        fields = kept(fields, ask.request.POST)
    mine = {each.pk for each in lines}
    # the record of a whole site is for those who see all its lines
    whole = len(mine) == Line.objects.filter(gateway__site_id=ask.site.id).count()
    found = Acceptance.objects.filter(site_id=ask.site.id).select_related("line__gateway").defer("data")
    newest = found.order_by("-pk")[:LISTED]
    records = [each for each in newest if each.line_id in mine or (each.line_id is None and whole)]
    context = {
        "records": [(each, formats.when(each.at, ask.at, ask.zone), _of(each)) for each in records],
        "fields": fields, "refused": refused, "can": can,
    }  # fmt: skip
    return ask.page("ui/acceptances.html", context, status=422 if refused else 200)


def _accept(ask: Ask, lines: list[Line]) -> Acceptance:
    form = ask.request.POST
    wanted = number(form.get("line", ""))
    line: Line | None = pick(lines, wanted) if form.get("line") else None
    return acceptance.accept(
        visible_to(ask.operator, Site).get(pk=ask.site.id), line, accepted_by=text(form, "accepted_by", 80),
        remark=text(form, "remark", 500), poll_s=int(getattr(settings, "PREWATT_POLL_S", 60)), actor=ask.actor,
        at=ask.at,
    )  # fmt: skip


def _of(record: Acceptance) -> str:
    return f"{record.line.gateway.code} / {record.line.code}" if record.line is not None else _("all lines of the site")


@require_safe
@console()
def one(ask: Ask, acceptance_id: int) -> HttpResponse:
    """One record as it is printed and signed."""
    found = Acceptance.objects.filter(pk=acceptance_id, site_id=ask.site.id)
    record = found.select_related("line__gateway", "site__company").first()
    lines = {each.pk for each in _lines(ask)}
    if record is None or (record.line_id is not None and record.line_id not in lines):
        raise Http404
    if record.line_id is None and len(lines) < Line.objects.filter(gateway__site_id=ask.site.id).count():
        raise Http404
    rows = acceptance.accepted_of(record.data)
    names = _names(rows)
    context = {
        "record": record, "of": _of(record), "rows": [_printed(each, ask, names) for each in rows],
        "meters": len({each.number for each in rows}), "at": _moment(record.at, ask),
        "window": int(acceptance.WINDOW.total_seconds() // 60),
    }  # fmt: skip
    return ask.page("ui/acceptance.html", context)


def _names(rows: list[Accepted]) -> dict[str, str]:
    """Who tried a relay, by name."""
    wanted = {each.relay_by for each in rows if each.relay_by}
    keys = [int(each.rpartition(":")[2]) for each in wanted if each.rpartition(":")[2].isdecimal()]
    return {f"operator:{each.pk}": each.name for each in Operator.objects.filter(pk__in=keys)}


def _moment(moment: datetime, ask: Ask) -> str:
    return moment.astimezone(ask.zone).strftime("%Y-%m-%d %H:%M")


def _said(iso: str, ask: Ask) -> str:
    return _moment(datetime.fromisoformat(iso), ask) if iso else ""


def _printed(row: Accepted, ask: Ask, names: dict[str, str]) -> Printed:
    wish = str(WISHES.get(row.relay_wish, row.relay_wish))
    relay = f"{wish} {_said(row.relay_at, ask)} {names.get(row.relay_by, '')}".strip()
    known = all_profiles().get(row.profile)
    named = model_name(known) if known is not None and f"{known.maker} {known.name}" == row.model else row.model
    kept = row.first_wh is not None  # readings of years ago may be gone, or were never ours
    wh = row.first_wh if kept else row.last_wh
    since = _said(row.first_at, ask) if kept or wh is None else _("newest, %s") % _said(row.last_at, ask)
    return Printed(
        number=row.number, circuit=str(row.index) if row.circuits > 1 else "",
        place=f"{row.building} {row.room}".strip() or formats.DASH, model=named,
        assumed=_("%(some)d of %(all)d registers assumed") % {"some": row.assumed, "all": row.registers}
        if row.assumed else "",
        where=f"{row.gateway} / {row.line} / {row.unit}" + (f" · CT {row.ct_ratio}" if row.ct_ratio > 1 else ""),
        first=f"{formats.energy(wh)} kWh" if wh is not None else _("none yet"),
        first_at=since,
        clock=_("%+d s") % row.clock_ahead_s if row.clock_ahead_s is not None else formats.DASH,
        relay=relay if row.relay_at else _("not tried"),
        quality=_("%(good)d of %(all)d") % {"good": row.replies, "all": row.asked},
        poor=row.replies * 10 < row.asked * 9,
    )  # fmt: skip


urlpatterns = [
    path("acceptance", page, name="acceptance"),
    path("acceptance/<int:acceptance_id>", one, name="acceptance-one"),
]
