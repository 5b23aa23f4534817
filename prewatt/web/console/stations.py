"""Stations: where gateways stand together. Entered, changed, taken away; shown as the heads of the lines page."""

from collections.abc import Sequence
from typing import Any, Final

from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from prewatt.core.refusals import Refused
from prewatt.office.estate import stations as verbs
from prewatt.office.estate.models import Gateway, Site, Station
from prewatt.office.estate.scope import visible_to
from prewatt.office.reports.meters import LineHealth
from prewatt.office.staff.audit import trail_of
from prewatt.office.staff.roles import Act
from prewatt.web.console.settings_fields import Field, attempt, form_page, kept, roles_of, say, text, whole
from prewatt.web.console.trail_words import trail_lines
from prewatt.web.console.views_base import Ask, console
from prewatt.web.ui import formats

PATH = "/console/lines"
TRAIL_MOST: Final = 20


def head(first: LineHealth, found: Sequence[LineHealth], ask: Ask) -> dict[str, Any] | None:
    """The row above the gateways of a station; of those at none only where there are stations."""
    if not first.station_id:
        return {"code": ""} if any(each.station_id for each in found) else None
    here = [each for each in found if each.station_id == first.station_id and each.line_id]
    up = len({each.gateway_id for each in here if each.up})
    gateways = len({each.gateway_id for each in found if each.station_id == first.station_id})
    tried = [each for each in here if each.known]
    lost = bool(tried) and not any(each.up for each in tried)
    says = _("%(up)d of %(all)d gateways in contact") % {"up": up, "all": gateways}
    if lost:
        since = max((each.since for each in tried if each.since), default=None)
        for_ = formats.duration(int((ask.at - since).total_seconds())) if since else ""
        says = _("out of contact: all its gateways. %s") % for_
    return {
        "pk": first.station_id, "code": first.station, "name": first.station_name, "place": first.station_place,
        "lost": lost, "says": says.strip(),
    }  # fmt: skip


def dead(found: Sequence[LineHealth], ask: Ask) -> list[dict[str, Any]]:
    """The stations out of contact, each once with its meters counted: above a list that shows them one by one."""
    told = []
    for pk in sorted({each.station_id for each in found if each.station_id}):
        here = [each for each in found if each.station_id == pk]
        says = head(here[0], found, ask)
        if says is not None and says["lost"]:
            told.append({**says, "meters": sum(each.meters for each in here)})
    return told


def of_site(ask: Ask) -> list[Station]:
    return list(visible_to(ask.operator, Station).filter(site_id=ask.site.id).order_by("code"))


def empty(ask: Ask) -> list[Station]:
    """Where no gateway stands: the table of lines does not show them."""
    rows = visible_to(ask.operator, Station).filter(site_id=ask.site.id)
    return list(rows.filter(gateway__isnull=True).order_by("code"))


def field(ask: Ask, gateway: Gateway | None) -> list[Field]:
    """Where a gateway stands; not asked where the site has no station."""
    options = [(str(each.pk), f"{each.code} {each.name}", each.place) for each in of_site(ask)]
    if not options:
        return []
    held = str(gateway.station_id or "") if gateway is not None else ""
    return [
        Field(name="station", label=_("Station"), kind="select", value=held,
              options=[("", _("At no station"), ""), *options],
              hint=_("Gateways that are fed and connected together. When all of them fall silent it is one alarm.")),
    ]  # fmt: skip


def assigned(ask: Ask, gateway: Gateway, form: QueryDict) -> None:
    """What the form of a gateway says of its station; a form without the field changes nothing."""
    if "station" not in form:
        return
    station = _station_or_404(ask, whole(form, "station")) if form["station"] else None
    verbs.assign(gateway, station, actor=ask.actor, at=ask.at)


def _station_or_404(ask: Ask, station_id: int) -> Station:
    found = visible_to(ask.operator, Station).filter(pk=station_id, site_id=ask.site.id).first()
    if found is None:
        raise Http404
    return found


def _fields(station: Station | None) -> list[Field]:
    fields = [
        Field(name="name", label=_("Name"), value=station.name if station else "", required=True, most=64),
        Field(name="place", label=_("Place"), value=station.place if station else "", most=120,
              hint=_("Building, floor, room; who has the key.")),
        Field(name="equipment", label=_("What stands there"), value=station.equipment if station else "", most=255,
              hint=_("Cabinet, network switch, battery, whose line leads out.")),
    ]  # fmt: skip
    if station is None:
        code = Field(name="code", label=_("Code"), required=True, most=16, hint=_("Short, as on the board: S1."))
        fields.insert(0, code)
    return fields


@require_http_methods(["GET", "HEAD", "POST"])
@console(roles=roles_of(Act.ESTATE))
def form(ask: Ask, station_id: int | None = None) -> HttpResponse:
    """Enter a station, or change one."""
    station = _station_or_404(ask, station_id) if station_id is not None else None
    fields, given, refused = _fields(station), ask.request.POST, None
    if ask.request.method == "POST":

        def act() -> None:
            told = {
                "name": text(given, "name", 64), "place": text(given, "place", 120),
                "equipment": text(given, "equipment", 255),
            }  # fmt: skip
            if station is None:
                site = visible_to(ask.operator, Site).get(pk=ask.site.id)
                verbs.add_station(site, code=text(given, "code", 16), **told, actor=ask.actor, at=ask.at)
            else:
                verbs.edit_station(station, **told, actor=ask.actor, at=ask.at)

        refused = attempt(act)
        if not refused:
            return redirect(PATH)
        fields = kept(fields, given)
    return _page(ask, station, fields, refused)


def _page(ask: Ask, station: Station | None, fields: list[Field], refused: dict[str, str] | None) -> HttpResponse:
    says = _("Say of each gateway, under “change”, that it stands here.")
    if station is not None:
        codes = Gateway.objects.filter(station=station).order_by("code").values_list("code", flat=True)
        says = _("Gateways here: %s") % (", ".join(codes) or formats.DASH)
    return form_page(
        ask, title=_("Station %s") % station.code if station else _("Enter a station"), fields=fields,
        submit=_("Save"), back=PATH, crumb=_("Gateways and lines"), refused=refused, says=says,
        template="ui/station.html", more={
            "remove": f"{PATH}/stations/{station.pk}/remove",
            "trail": trail_lines(list(trail_of("station", str(station.pk))[:TRAIL_MOST]), ask),
        } if station else {},
    )  # fmt: skip


@require_POST
@console(roles=roles_of(Act.ESTATE))
def remove(ask: Ask, station_id: int) -> HttpResponse:
    """Take an empty station away."""
    station = _station_or_404(ask, station_id)
    try:
        verbs.remove_station(station, actor=ask.actor, at=ask.at)
    except Refused as error:
        return _page(ask, station, _fields(station), {"said": say(error), "code": error.code})
    return redirect(PATH)


urlpatterns = [
    path("lines/stations/new", form, name="station-new"),
    path("lines/stations/<int:station_id>", form, name="station-edit"),
    path("lines/stations/<int:station_id>/remove", remove, name="station-remove"),
]
