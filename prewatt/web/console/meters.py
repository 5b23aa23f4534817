"""Meters: the list, and one meter with its registers, their source, its relay, and what was asked of it."""

from datetime import timedelta

from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.views.decorators.http import require_http_methods, require_safe

from prewatt.office.estate import wires
from prewatt.office.estate.models import Building, Circuit, Line, Meter, Room, Site
from prewatt.office.estate.profiles import all_profiles, offered
from prewatt.office.estate.scope import visible_to
from prewatt.office.metering import moves
from prewatt.office.reports import meters as report
from prewatt.office.reports.board import board_rows
from prewatt.office.reports.meters import MeterFilters, MeterRow
from prewatt.office.staff.roles import Act, may
from prewatt.office.tokens.models import StsMeter
from prewatt.web.console import menu, stations
from prewatt.web.console.lists import (
    Cell,
    cursor,
    heads,
    held_cells,
    in_unit,
    kwh,
    number,
    place,
    remembered,
    with_,
    workbook,
)
from prewatt.web.console.marks_words import doubt_of
from prewatt.web.console.meters_parameters import clock_line, parameter_card
from prewatt.web.console.meters_replaced import exchanged, gone
from prewatt.web.console.meters_words import health_sentence, job_lines, register_lines, relay_events
from prewatt.web.console.settings import told
from prewatt.web.console.settings_fields import Field, attempt, form_page, kept, pick, roles_of, text, whole
from prewatt.web.console.tiles import badges_of
from prewatt.web.console.views_base import Ask, console, stale_limit
from prewatt.web.ui import formats
from prewatt.web.ui.model_words import model_option
from prewatt.web.ui.words import RELAY

PATH = "/console/meters"
WEEK = timedelta(days=7)
menu.add(
    menu.MenuEntry(
        place=50, url=PATH, label=_lazy("Meters"), icon="gauge", key="m",
        also=(
            "/console/acceptance", "/console/circuits", "/console/lines", "/console/reads", "/console/scans",
            "/console/swaps", "/console/tries",
        ),
    )
)  # fmt: skip


def filters_of(query: QueryDict, site_buildings: list[Building]) -> MeterFilters:
    get = query.get
    sort = get("sort", "line")
    building = number(get("building", ""))
    return MeterFilters(
        text=get("q", "").strip()[:64],
        line_id=number(get("line", "")),
        building_id=building if any(each.pk == building for each in site_buildings) else None,
        station_id=number(get("station", "")),
        profile=get("profile", "")[:48],
        health=get("health", "") if get("health", "") in HEALTHS else "",
        sort=sort if sort in report.SORTS else "line",
        descending=get("desc", "") == "1",
    )


HEALTHS = ("answering", "silent", "line_lost")
COLUMNS = (
    (_lazy("Meter no."), "", "number"),
    (_lazy("Model"), "", ""),
    (_lazy("Room"), "", "room"),
    (_lazy("Gateway / line / address"), "", "line"),
    (_lazy("Health"), "", ""),
    (_lazy("Energy kWh"), "num", "energy"),
    (_lazy("Power kW"), "num", ""),
    (_lazy("Balance (kWh or money)"), "num", ""),
    (_lazy("Relay"), "", ""),
    (_lazy("Last answer"), "", "age"),
)


def buildings_of(ask: Ask) -> list[Building]:
    return list(visible_to(ask.operator, Building).filter(site_id=ask.site.id).order_by("sort", "code"))


@require_safe
@console()
def page(ask: Ask) -> HttpResponse:
    """The list of meters and circuits."""
    query = remembered(ask, "meters")
    buildings = buildings_of(ask)
    filters = filters_of(query, buildings)
    after = place(query.get("after", ""))
    rows = report.meters(ask.operator.pk, ask.site.id, filters, after=after, most=report.LIST_MOST + 1)
    shown = rows[: report.LIST_MOST]
    more = len(rows) > report.LIST_MOST
    lines = report.lines(ask.operator.pk, ask.site.id)
    chips = [("", _("All")), ("answering", _("Answering")), ("silent", _("Silent")), ("line_lost", _("Line lost"))]
    context = {
        "rows": shown,
        "filters": filters,
        "buildings": buildings,
        "total": report.meters_total(ask.operator.pk, ask.site.id, filters),
        "heads": heads(query, PATH, COLUMNS, filters.sort, filters.descending),
        "chips": [(name, label, with_(query, PATH, health=name), filters.health == name) for name, label in chips],
        "lines": [each for each in lines if each.line_id],
        "stations": sorted({(each.station, each.station_id, each.station_name) for each in lines if each.station_id}),
        "dead": [
            {**each, "url": with_(query, PATH, station=str(each["pk"]))}
            for each in stations.dead(lines, ask)
            if filters.station_id in (None, each["pk"])
        ],
        "profiles": all_profiles(),
        "query": query,
        "next": f"{with_(query, PATH)}&after={cursor(shown[-1].key, shown[-1].circuit_id)}" if more else "",
        "paged": after is not None,
        "first_page": with_(query, PATH),
        "export": f"{PATH}/export?{query.urlencode()}",
        "can_read": may(ask.operator.role, Act.READ_NOW),
        "can_add": may(ask.operator.role, Act.ESTATE),
        "any": any(each.meters for each in lines),
        "clear": f"{PATH}?clear",
    }
    return ask.page("ui/meters.html", context)


@require_safe
@console()
def export(ask: Ask) -> HttpResponse:
    """The filtered list as a workbook."""
    filters = filters_of(ask.request.GET, buildings_of(ask))
    rows = report.meters(ask.operator.pk, ask.site.id, filters, most=report.EXPORT_MOST + 1)
    titles = [
        _("Meter no."),
        _("Circuit"),
        _("Model"),
        _("CT ratio"),
        _("Building"),
        _("Room"),
        _("Sign"),
        _("Station"),
        _("Gateway"),
        _("Line"),
        _("Address"),
        _("Contract no."),
        _("Energy kWh"),
        _("Power kW"),
        _("Who holds the credit"),
        _("Credit unit"),
        _("Balance"),
        _("Purchase count"),
        _("Relay"),
        _("Last answer"),
    ]
    cells = (_exported(row, ask.site.exponent) for row in rows)
    return workbook("meters", titles, cells, ask.zone, most=report.EXPORT_MOST)


def _exported(row: MeterRow, exponent: int) -> list[Cell]:
    relay = str(RELAY[row.relay] if row.relay in RELAY else RELAY[None])
    return [
        row.number,
        row.index,
        row.profile,
        row.ct_ratio,
        row.building,
        row.room,
        row.room_name,
        row.station,
        row.gateway,
        row.line,
        row.unit,
        row.contract_number,
        kwh(row.energy_wh),
        kwh(row.power_w),
        *held_cells(row.custody, row.credit_unit),
        in_unit(row.balance, row.credit_unit, exponent),
        row.purchase_count,
        relay,
        row.read_at,
    ]


def meter_or_404(ask: Ask, meter_id: int) -> Meter:
    found = visible_to(ask.operator, Meter).select_related("line__gateway").filter(pk=meter_id).first()
    if found is None or found.site_id != ask.site.id:
        raise Http404
    return found


@require_safe
@console()
def meter(ask: Ask, meter_id: int) -> HttpResponse:
    """One meter; `?circuit=` chooses a circuit of a meter with several."""
    one = meter_or_404(ask, meter_id)
    rows = report.meters(ask.operator.pk, ask.site.id, MeterFilters(), meter_id=one.pk, most=64)
    wanted = number(ask.request.GET.get("circuit", ""))
    row = next((each for each in rows if each.circuit_id == wanted), rows[0] if rows else None)
    if row is None:
        return gone(one)
    board = board_rows(ask.operator.pk, ask.site.id, at=ask.at, stale=stale_limit(), ids=[row.circuit_id])[0]
    latest = report.latest_of(ask.site.id, row.circuit_id)
    settings, settings_at = report.settings_of(row.circuit_id)
    lost = report.times_lost(ask.site.id, row.circuit_id, row.line_id, since=ask.at - WEEK)
    profile = all_profiles().get(one.profile)
    jobs = report.jobs_of([each.circuit_id for each in rows], since=ask.at - WEEK)
    first, rest = health_sentence(row, board, lost, ask.at, ask.zone)
    doubt, can_settle = doubt_of(ask, row.circuit_id)
    context = {
        "meter": one,
        "row": row,
        "rows": rows,
        "board": board,
        "badges": badges_of(board),
        "profile": profile,
        "says_first": first,
        "says_rest": rest,
        "latest": latest,
        "line": one.line,
        "registers": register_lines(profile, row, board, latest, settings, settings_at, ask.at, ask.zone)
        if profile
        else [],
        "read_clock": formats.clock_seconds(latest["at"], ask.zone) if latest else formats.DASH,
        "full_clock": formats.clock_seconds(latest["full_at"], ask.zone) if latest and latest["full_at"] else "",
        "events": relay_events(report.changes_of_supply(row.circuit_id), board, ask.at, ask.zone),
        "jobs": job_lines(jobs, ask.at, ask.zone),
        "parameters": parameter_card(
            Circuit.objects.select_related("meter").get(pk=row.circuit_id), row, profile, ask.at, ask.zone
        ),
        "clock": clock_line(one, profile, ask.at, ask.zone),
        "replaced": exchanged(ask, one),
        "doubt": doubt,
        "can_settle": can_settle,
        "can": _permitted(ask),
        "takes_tokens": StsMeter.objects.filter(meter=one).exists(),
    }
    return ask.page("ui/meter.html", context)


def _permitted(ask: Ask) -> dict[str, bool]:
    role = ask.operator.role
    return {
        "read": may(role, Act.READ_NOW),
        "relay": may(role, Act.RELAY),
        "tag": may(role, Act.TAG),
        "estate": may(role, Act.ESTATE),
        "settings": may(role, Act.METER_SETTINGS),
        "swap": may(role, Act.CLOSE_CONTRACT),
    }


def _fields(ask: Ask) -> tuple[list[Field], list[Line], list[Room]]:
    """The form of a new meter, with what may be chosen in it."""
    lines = list(
        visible_to(ask.operator, Line)
        .filter(gateway__site_id=ask.site.id)
        .select_related("gateway")
        .order_by("gateway__code", "code")
    )
    rooms = list(
        visible_to(ask.operator, Room)
        .filter(building__site_id=ask.site.id)
        .select_related("building")
        .order_by("building__sort", "building__code", "floor", "code")
    )
    profiles = [
        (each.code, model_option(each), _("assumed profile") if each.assumed else "")
        for each in offered(ask.site.id).values()
    ]
    fields = [
        Field(
            name="number",
            label=_("Meter no."),
            kind="number",
            most=20,
            required=True,
            hint=_("As printed on it, 6 to 20 digits. The first read checks it against the meter."),
        ),
        Field(
            name="profile",
            label=_("Model"),
            kind="select",
            options=profiles,
            required=True,
            hint=_(
                "An assumed profile comes from no public document: compare one reading with the display before selling."
            ),
        ),
        Field(
            name="line",
            label=_("Line"),
            kind="select",
            options=[
                *((str(each.pk), f"{each.gateway.code} / {each.code}", each.gateway.name) for each in lines),
                ("", _("none"), _("never online: a person reads it, and credit comes as tokens")),
            ],
        ),
        Field(
            name="unit", label=_("Address"), kind="number", most=3,
            hint=_("Modbus address, 1 to 247. A DL/T 645 meter is asked by its number: any that is free."),
        ),  # fmt: skip
        Field(
            name="ratio",
            label=_("CT ratio"),
            kind="number",
            most=5,
            value="1",
            hint=_("1 when connected directly; 40 for 200/5. Energy and power are multiplied by it."),
        ),
        Field(
            name="room",
            label=_("Room"),
            kind="select",
            options=[
                ("", "—", ""),
                *((str(each.pk), each.code, f"{each.building.name} {each.name}".strip()) for each in rooms),
            ],
        ),
        Field(name="common", label=_("Common area: read only, nothing is sold here"), kind="checkbox"),
    ]
    return fields, lines, rooms


@require_http_methods(["GET", "HEAD", "POST"])
@console(roles=roles_of(Act.ESTATE))
def new(ask: Ask) -> HttpResponse:
    """Register a meter with its circuits; the head-end asks it within a minute."""
    fields, lines, rooms = _fields(ask)
    asked = ask.request.GET  # what a scan found there stands in the form already
    fields = [_with(each, asked[each.name][: each.most]) if each.name in asked else each for each in fields]
    refused = None
    if ask.request.method == "POST":
        made: list[Meter] = []
        refused = attempt(lambda: made.append(_add(ask, lines, rooms)))
        scan = number(asked.get("scan", ""))
        if not refused and scan:  # the next one that answered is waiting there
            told(ask, _("Meter %s is entered; it is asked within a minute.") % made[0].number)
            return redirect(f"/console/scans/{scan}")
        if not refused:
            return redirect(f"{PATH}/{made[0].pk}")
        fields = kept(fields, ask.request.POST)
    return form_page(
        ask,
        title=_("Register a meter"),
        fields=fields,
        submit=_("Register"),
        back=PATH,
        crumb=_("Meters"),
        refused=refused,
    )


def _add(ask: Ask, lines: list[Line], rooms: list[Room]) -> Meter:
    form = ask.request.POST
    room_id = number(form.get("room", ""))
    room: Room | None = pick(rooms, room_id) if room_id else None
    if form.get("line") == "":  # chosen: a browser always says which
        return wires.add_keypad_meter(
            visible_to(ask.operator, Site).get(pk=ask.site.id), number=text(form, "number", 20),
            profile=text(form, "profile", 48), room=room, actor=ask.actor, at=ask.at,
            common=form.get("common") == "1",
        )  # fmt: skip
    return wires.add_meter(
        pick(lines, number(form.get("line", ""))),
        number=text(form, "number", 20),
        profile=text(form, "profile", 48),
        unit=whole(form, "unit"),
        ct_ratio=whole(form, "ratio", 1),
        room=room,
        common=form.get("common") == "1",
        actor=ask.actor,
        at=ask.at,
    )


@require_http_methods(["GET", "HEAD", "POST"])
@console(roles=roles_of(Act.ESTATE))
def move(ask: Ask, meter_id: int) -> HttpResponse:
    """Another line or another address for a meter that stands."""
    one = meter_or_404(ask, meter_id)
    fields, lines, _rooms = _fields(ask)
    held = {"line": str(one.line_id), "unit": str(one.unit)}
    fields = [each if each.name not in held else _with(each, held[each.name]) for each in fields if each.name in held]
    refused = None
    if ask.request.method == "POST":
        refused = attempt(
            lambda: moves.move_meter(
                one,
                pick(lines, number(ask.request.POST.get("line", ""))),
                unit=whole(ask.request.POST, "unit"),
                actor=ask.actor,
                at=ask.at,
            )
        )
        if not refused:
            return redirect(f"{PATH}/{one.pk}")
        fields = kept(fields, ask.request.POST)
    return form_page(
        ask,
        title=_("Move meter %s") % one.number,
        fields=fields,
        submit=_("Move"),
        back=f"{PATH}/{one.pk}",
        crumb=_("Meter %s") % one.number,
        refused=refused,
        says=_(
            "Readings that wait are asked for at the new place. While credit is on its way to this meter it "
            "cannot be moved. Supply is not affected."
        ),
    )


def _with(field: Field, value: str) -> Field:
    return Field(
        name=field.name,
        label=field.label,
        kind=field.kind,
        value=value,
        hint=field.hint,
        options=field.options,
        required=field.required,
        most=field.most,
    )


urlpatterns = [
    path("meters", page, name="meters"),
    path("meters/export", export, name="meters-export"),
    path("meters/new", new, name="meter-new"),
    path("meters/<int:meter_id>", meter, name="meter"),
    path("meters/<int:meter_id>/move", move, name="meter-move"),
]
