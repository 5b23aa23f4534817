"""Gateways and lines: the health of each link apart from that of its meters; read a line; enter and change them."""

from collections.abc import Sequence
from itertools import groupby

from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from prewatt.core.meters.media import Medium
from prewatt.office.estate import links, wires
from prewatt.office.estate.models import Gateway, Line, Site
from prewatt.office.estate.scope import visible_to
from prewatt.office.metering.callers import brokers_away
from prewatt.office.reports.meters import LineHealth, lines
from prewatt.office.staff.roles import Act, may
from prewatt.web.console import callers, stations
from prewatt.web.console.meters import buildings_of
from prewatt.web.console.settings_fields import Field, attempt, form_page, kept, roles_of, text, whole
from prewatt.web.console.views_base import Ask, console
from prewatt.web.ui import formats

PATH = "/console/lines"


def _shown(each: LineHealth, ask: Ask) -> dict[str, object]:
    """One line of the table: link and meters, each in words."""
    asked = each.replies + each.timeouts
    permille = each.replies * 1000 // asked if asked else None
    since = formats.duration(int((ask.at - each.since).total_seconds())) if each.since else ""
    return {
        "line": each,
        "since": since,
        "success": f"{permille // 10}.{permille % 10}%" if permille is not None else formats.DASH,
        "since_at": formats.when(each.since, ask.at, ask.zone) if each.since else "",
        "error": _error(each.error),
        "medium": {"plc": _("power line"), "radio": _("radio")}.get(each.medium, each.medium),
        "answering": each.meters - each.silent if each.up else 0,
    }


def _error(code: str) -> str:
    return {
        "": "",
        "connect_timeout": _("no answer to the connection"),
        "connect_refused": _("connection refused"),
        "connect_failed": _("host unreachable"),
        "closed": _("connection closed"),
        "tls_not_trusted": _("its certificate is not of an authority we trust"),
        "tls_other_name": _("its certificate is of another host"),
        "tls_out_of_date": _("its certificate is out of date"),
        "tls_failed": _("it could not agree on TLS"),
        "port_missing": _("there is no such serial port"),
        "port_not_permitted": _("the serial port is not permitted to the head-end"),
        "port_busy": _("the serial port is used by another program"),
        "port_no_terminal": _("it is no serial port"),
        "port_failed": _("the serial port cannot be set"),
        "port_blocked": _("the serial port takes nothing"),
        "port_gone": _("the serial adapter was pulled"),
        "silent": _("connected, but nothing answers"),
        "not_called": _("it has not called"),
        "broker_away": _("the MQTT broker was lost"),
        "broker_refused": _("the MQTT broker refuses our user or password"),
        "mqtt_meter": _("over MQTT a line is one meter without a CT ratio"),
        "replaced": _("it called again"),
        "idle": _("it said nothing for too long"),
    }.get(code, code)


@require_safe
@console()
def page(ask: Ask) -> HttpResponse:
    found = lines(ask.operator.pk, ask.site.id)
    gateways, last = [], None
    for _key, group in groupby(found, key=lambda each: each.gateway_id):
        behind = list(group)
        head = stations.head(behind[0], found, ask) if behind[0].station_id != last else None
        last = behind[0].station_id
        gateways.append((behind[0], [_shown(each, ask) for each in behind if each.line_id], head))
    context = {
        "gateways": gateways,
        "buildings": buildings_of(ask),
        "says": _says(found),
        "can_read": may(ask.operator.role, Act.READ_NOW),
        "can_edit": may(ask.operator.role, Act.ESTATE),
        "empty_stations": stations.empty(ask),
        "brokers": [(name, _error(code)) for name, code in brokers_away(at=ask.at)],
        **(callers.shown(ask) if may(ask.operator.role, Act.ESTATE) else {}),
    }
    return ask.page("ui/lines.html", context)


def _says(found: Sequence[LineHealth]) -> tuple[str, str]:
    """(bold, rest): which links are lost; then how many meters behind good links are silent."""
    if not any(each.line_id for each in found):
        return _("No line yet."), _("Add the line of a gateway, its bus: the system connects at once.")
    down = [each for each in found if each.line_id and not each.up]
    silent = sum(each.silent for each in found if each.up)
    first = _("Every line is connected.")
    if down:
        names = ("、" if formats.chinese() else ", ").join(f"{each.gateway} / {each.line}" for each in down)
        first = _("%(n)d of %(all)d lines are lost: %(names)s.") % {
            "n": len(down),
            "all": sum(1 for each in found if each.line_id),
            "names": names,
        }
    if silent:
        return first, _(
            "Behind connected lines, %d meters do not answer: a fault of the meter or its wire, not of the link."
        ) % silent
    if not any(each.meters for each in found):
        return first, _("No meter is entered: scan a line to see who is there.")
    return first, _("Behind connected lines, every meter answers.")


def _gateway_or_404(ask: Ask, gateway_id: int) -> Gateway:
    found = visible_to(ask.operator, Gateway).filter(pk=gateway_id, site_id=ask.site.id).first()
    if found is None:
        raise Http404
    return found


def _line_or_404(ask: Ask, line_id: int) -> Line:
    mine = visible_to(ask.operator, Line).select_related("gateway")
    found = mine.filter(pk=line_id, gateway__site_id=ask.site.id).first()
    if found is None:
        raise Http404
    return found


def _gateway_fields(gateway: Gateway | None) -> list[Field]:
    host = Field(
        name="host",
        label=_("Host"),
        value=gateway.host if gateway else "",
        required=gateway is not None,
        most=255,
        hint=_("IP address or name of the serial server or manager; or a serial port of the machine: /dev/ttyUSB0."),
    )
    identity = Field(
        name="identity",
        label=_("Dials in as"),
        value=gateway.identity if gateway else "",
        required=gateway is not None,
        most=96,
        hint=_(
            "The registration text of a serial server, the serial of a meter with a modem, the id of an Acrel "
            "gateway, or mqtt/product/serial of an Acrel meter at the broker."
        ),
    )
    fields = [
        Field(name="name", label=_("Name"), value=gateway.name if gateway else "", most=64, hint=_("Where it stands."))
    ]
    if gateway is None or not gateway.identity:
        fields += [*_part(gateway, _("Either we call it")), host]
    if gateway is None or gateway.identity:
        fields += [*_part(gateway, _("Or it dials in")), identity]
    if gateway is None or (gateway.identity and not gateway.secret):
        fields.append(callers.heartbeat_field(gateway.heartbeat if gateway else ""))
    if gateway is None or gateway.secret:
        fields += callers.key_fields(gateway)
    if gateway is None:
        fields.insert(
            0, Field(name="code", label=_("Code"), required=True, most=16, hint=_("Short, as on the board: G1."))
        )
    return fields


def _part(gateway: Gateway | None, words: str) -> list[Field]:
    """What parts the two ways to reach a gateway, while neither is chosen."""
    return [Field(name="", label=words, kind="heading")] if gateway is None else []


def medium_word(medium: str) -> str:
    return {
        "": _("a wire"),
        Medium.POWER_LINE: _("the mains (power-line concentrator)"),
        Medium.RADIO: _("the air (radio concentrator)"),
    }.get(medium, medium)


def transport_word(transport: str) -> str:
    return {
        "rtu-over-tcp": _("Transparent over TCP: Modbus RTU or DL/T 645 (serial server)"),
        "modbus-tcp": "Modbus TCP",
        "rtu-over-udp": _("Transparent over UDP (serial server)"),
        "rtu-over-tls": _("Transparent over TLS (serial server)"),
        "modbus-tls": _("Modbus TCP over TLS"),
        "serial-8n1": _("Serial port of the head-end's machine, 8N1"),
        "serial-8e1": _("Serial port of the head-end's machine, 8E1 (also infrared)"),
        "serial-8o1": _("Serial port of the head-end's machine, 8O1"),
        wires.MQTT: _("Acrel meter over MQTT"),
    }.get(transport, transport)


def _line_fields(gateway: Gateway, line: Line | None) -> list[Field]:
    way = [
        Field(
            name="transport",
            label=_("Transport"),
            kind="select",
            value=line.transport if line else wires.TRANSPORTS[0],
            options=[(each, transport_word(each), "") for each in links.OPENED],
        ),
        Field(
            name="port", label=_("Port"), kind="number", value=str(line.port) if line else "", most=5,
            hint=_("Of TCP or UDP; a serial port of this machine has none."),
        ),
    ]
    fields = [
        *([] if gateway.identity else way),
        *([callers.port_field(str(line.port) if line else "")] if gateway.secret else []),
        Field(
            name="baud",
            label=_("Speed of the bus"),
            kind="select",
            value=str(line.baud) if line else "9600",
            options=[(str(baud), str(baud), "") for baud in links.BAUDS],
        ),
    ]
    fields.append(
        Field(
            name="medium",
            label=_("Between gateway and meters"),
            kind="select",
            value=line.medium if line else "",
            options=[(each.value, medium_word(each), "") for each in Medium],
            hint=_("Behind a concentrator replies take seconds: they are awaited longer and asked for once."),
        )
    )
    if line is None:
        fields.insert(
            0,
            Field(name="code", label=_("Code"), required=True, most=16, hint=_("Number of the bus at the gateway: 1.")),
        )
    return fields


@require_http_methods(["GET", "HEAD", "POST"])
@console(roles=roles_of(Act.ESTATE))
def gateway_form(ask: Ask, gateway_id: int | None = None) -> HttpResponse:
    """Enter a gateway, or change its name and host."""
    gateway = _gateway_or_404(ask, gateway_id) if gateway_id is not None else None
    fields, form, refused = _gateway_fields(gateway), ask.request.POST, None
    fields[2:2] = stations.field(ask, gateway)  # behind code and name, before the ways to reach it
    if ask.request.method == "POST":
        after = PATH

        @transaction.atomic
        def act() -> None:
            nonlocal after
            told = {
                "name": text(form, "name", 64), "host": text(form, "host", 255), "identity": text(form, "identity", 96),
                "heartbeat": text(form, "heartbeat", 96), "secret": form.get("secret", "").strip(),
                "sealed": callers.sealed(form), "actor": ask.actor, "at": ask.at,
            }  # fmt: skip
            if gateway is None:
                site = visible_to(ask.operator, Site).get(pk=ask.site.id)
                made = wires.add_gateway(site, code=text(form, "code", 16), **told)  # type: ignore[arg-type]
                after = f"{PATH}/gateways/{made.pk}/new"  # without a line nothing is connected
            else:
                wires.edit_gateway(gateway, **told)  # type: ignore[arg-type]
                made = gateway
            stations.assigned(ask, made, form)

        refused = attempt(act)
        if not refused:
            return redirect(after)
        fields = kept(fields, form)
    title = _("Gateway %s") % gateway.code if gateway else _("Enter a gateway")
    says = (
        _("The head-end connects again within seconds; its meters are unread until then. Supply is not affected.")
        if gateway
        else ""
    )
    return form_page(
        ask,
        title=title,
        fields=fields,
        submit=_("Save"),
        back=PATH,
        crumb=_("Gateways and lines"),
        refused=refused,
        says=says,
    )


@require_http_methods(["GET", "HEAD", "POST"])
@console(roles=roles_of(Act.ESTATE))
def line_form(ask: Ask, gateway_id: int | None = None, line_id: int | None = None) -> HttpResponse:
    """Enter a line of a gateway, or change one."""
    line = _line_or_404(ask, line_id) if line_id is not None else None
    gateway = line.gateway if line else _gateway_or_404(ask, gateway_id or 0)
    fields, form, refused = _line_fields(gateway, line), ask.request.POST, None
    if ask.request.method == "POST":

        def act() -> None:
            baud = whole(form, "baud", 9600)
            transport = wires.transport_of(gateway) or text(form, "transport", 16)
            port = 0 if transport in (wires.DIAL_IN, wires.MQTT, *links.SERIAL) else whole(form, "port")
            if line is None:
                wires.add_line(
                    gateway,
                    code=text(form, "code", 16),
                    transport=transport,
                    port=port,
                    baud=baud,
                    medium=text(form, "medium", 40),
                    actor=ask.actor,
                    at=ask.at,
                )
            else:
                medium = text(form, "medium", 40) if "medium" in form else None
                wires.edit_line(
                    line, transport=transport, port=port, baud=baud, medium=medium, actor=ask.actor, at=ask.at
                )

        refused = attempt(act)
        if not refused:
            return redirect(PATH)
        fields = kept(fields, form)
    title = f"{gateway.code} / {line.code}" if line else _("Enter a line of %s") % gateway.code
    return form_page(
        ask, title=title, fields=fields, submit=_("Save"), back=PATH, crumb=_("Gateways and lines"), refused=refused
    )


urlpatterns = [
    path("lines", page, name="lines"),
    *callers.urlpatterns,
    *stations.urlpatterns,
    path("lines/gateways/new", gateway_form, name="gateway-new"),
    path("lines/gateways/<int:gateway_id>", gateway_form, name="gateway-edit"),
    path("lines/gateways/<int:gateway_id>/new", line_form, name="line-new"),
    path("lines/<int:line_id>", line_form, name="line-edit"),
]
