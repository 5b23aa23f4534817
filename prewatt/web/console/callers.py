"""Strangers who dialled in: on the lines page, taken over as a gateway or a meter, or refused."""

from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from prewatt.core.refusals import Refused
from prewatt.office.estate import wires
from prewatt.office.estate.models import Gateway, Room, Site
from prewatt.office.estate.profiles import offered
from prewatt.office.estate.scope import visible_to
from prewatt.office.metering import callers
from prewatt.office.metering.models import Caller
from prewatt.office.staff.roles import Act
from prewatt.web.console.lists import number
from prewatt.web.console.settings_fields import Field, attempt, form_page, kept, pick, roles_of, text, whole
from prewatt.web.console.views_base import Ask, console
from prewatt.web.ui import formats
from prewatt.web.ui.model_words import model_option

LINES = "/console/lines"
PATH = f"{LINES}/callers"
ACREL_4G = "acrel-4g"
ACREL_MQTT = "acrel-mqtt"
DLT645 = "dlt645"
USUAL = {  # what a meter that dials in most likely is; "": its call does not say
    ACREL_4G: "acrel-dtsy1352-4g", ACREL_MQTT: "acrel-dtsy1352-4g", DLT645: "",
}  # fmt: skip


def shown(ask: Ask) -> dict[str, list[dict[str, object]]]:
    """Both lists as the lines page shows them."""
    return {
        "callers": [_row(each, ask) for each in callers.waiting()],
        "callers_refused": [_row(each, ask) for each in callers.refused()],
        "callers_not_proved": [_row(each, ask) for each in callers.not_proved(ask.site.id, at=ask.at)],
    }


def _row(each: Caller, ask: Ask) -> dict[str, object]:
    return {
        "caller": each,
        "kind": kind_word(each.kind),
        "first_at": formats.when(each.first_at, ask.at, ask.zone),
        "refused_at": formats.when(each.refused_at, ask.at, ask.zone) if each.refused_at else "",
    }


def kind_word(kind: str) -> str:
    return {
        ACREL_4G: _("Acrel 4G meter"), wires.ACREL_GATEWAY: _("Acrel gateway"), "serial-server": _("Serial server"),
        ACREL_MQTT: _("Acrel meter over MQTT"), DLT645: _("DL/T 645 meter with a modem"),
    }.get(kind, kind)  # fmt: skip


def _caller_or_404(identity: str) -> Caller:
    try:
        return callers.one(identity)
    except Refused:
        raise Http404 from None


def _fields(ask: Ask, caller: Caller) -> tuple[list[Field], list[Room]]:
    rooms = list(visible_to(ask.operator, Room).filter(building__site_id=ask.site.id).select_related("building"))
    rooms.sort(key=lambda each: (each.building.sort, each.floor, each.code))
    meter = caller.kind in USUAL
    fields = [
        Field(name="code", label=_("Code"), required=True, most=16, hint=_("Short, as on the board: G1.")),
        Field(name="name", label=_("Name"), most=64, hint=_("Where it stands.")),
        _baud("2400" if caller.kind == DLT645 else "9600"),
    ]
    if caller.kind == wires.ACREL_GATEWAY:
        fields += [*key_fields(None), port_field("1")]
    elif not meter:
        fields.append(heartbeat_field(""))
    fields += [
        Field(
            name="number", label=_("Meter number"), most=20, value=caller.identity if _is_number(caller) else "",
            hint=_("As printed on it. Empty: enter its meters later."),
        ),
        Field(
            name="profile", label=_("Model"), kind="select", value=USUAL.get(caller.kind, ""),
            options=[
                ("", "—", ""),
                *((each.code, model_option(each), "") for each in offered(ask.site.id).values()),
            ],
        ),
        Field(name="unit", label=_("Address on the bus"), kind="number", value="1", most=3),
        Field(name="ratio", label=_("CT ratio"), kind="number", value="1", most=5),
        Field(
            name="room", label=_("Room"), kind="select",
            options=[("", "—", ""), *((str(each.pk), each.code, each.name) for each in rooms)],
        ),
    ]  # fmt: skip
    return fields, rooms


def _is_number(caller: Caller) -> bool:
    return caller.kind in (ACREL_4G, DLT645) and caller.identity.isdecimal() and 6 <= len(caller.identity) <= 20


def _baud(usual: str) -> Field:
    speeds = (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
    return Field(
        name="baud", label=_("Speed of the bus"), kind="select", value=usual,
        options=[(str(baud), str(baud), "") for baud in speeds],
    )  # fmt: skip


def heartbeat_field(value: str) -> Field:
    """Of a serial server that dials in."""
    return Field(
        name="heartbeat", label=_("Heartbeat text"), value=value, most=96,
        hint=_("As set in the box, characters or hex: and the digits; it is taken out of what the meters say."),
    )  # fmt: skip


def key_fields(gateway: Gateway | None) -> list[Field]:
    """Of an Acrel gateway that stands, or that is to be entered. A key is never shown again."""
    return [
        Field(
            name="secret", label=_("Key of an Acrel gateway"), most=16,
            hint=_("As set in the gateway, 16 characters. Empty: it stays as it is.") if gateway
            else _("As set in the gateway, 16 characters. It must prove that it knows it."),
        ),
        Field(
            name="sealed", label=_("What an Acrel gateway sends"), kind="select",
            value="1" if gateway is None or gateway.sealed else "0",
            options=[("1", _("ciphered with its key (AES-128)"), ""), ("0", _("not ciphered"), "")],
        ),
    ]  # fmt: skip


def port_field(value: str) -> Field:
    """The serial port of an Acrel gateway that a line is."""
    return Field(
        name="port", label=_("Serial port"), kind="number", value=value, required=True, most=2,
        hint=_("Its number in the gateway, 1 to 99."),
    )  # fmt: skip


def sealed(form: QueryDict) -> bool:
    return form.get("sealed", "1") != "0"


@require_http_methods(["GET", "HEAD", "POST"])
@console(roles=roles_of(Act.ESTATE))
def take(ask: Ask) -> HttpResponse:
    """Enter a stranger as a gateway of this site, with his meter where he is one."""
    identity = ask.request.GET.get("identity", "")
    caller = _caller_or_404(identity)
    fields, rooms = _fields(ask, caller)
    form, refused = ask.request.POST, None
    if ask.request.method == "POST":
        refused = attempt(lambda: _take(ask, identity, rooms))
        if not refused:
            return redirect(LINES)
        fields = kept(fields, form)
    return form_page(
        ask,
        title=_("Take over %s") % caller.identity,
        fields=fields,
        submit=_("Take over"),
        back=LINES,
        crumb=_("Gateways and lines"),
        refused=refused,
        says=_(
            "%(kind)s, calls from %(peer)s. It becomes a gateway of %(site)s, with one line; its connection is served "
            "within seconds. Compare what it says of itself with what is printed on it."
        )
        % {"kind": kind_word(caller.kind), "peer": caller.peer, "site": ask.site.name},
    )


def _take(ask: Ask, identity: str, rooms: list[Room]) -> None:
    form = ask.request.POST
    if form.get("number", "").strip() and not form.get("profile"):
        raise Refused("choice_needed")
    room_id = number(form.get("room", ""))
    room: Room | None = pick(rooms, room_id) if room_id else None
    callers.take_over(
        identity,
        visible_to(ask.operator, Site).get(pk=ask.site.id),
        code=text(form, "code", 16),
        name=text(form, "name", 64),
        baud=whole(form, "baud", 9600),
        heartbeat=text(form, "heartbeat", 96),
        number=text(form, "number", 20),
        profile=text(form, "profile", 48),
        unit=whole(form, "unit", 1),
        ct_ratio=whole(form, "ratio", 1),
        room=room,
        secret=form.get("secret", "").strip(),
        sealed=sealed(form),
        port=whole(form, "port", 1),
        actor=ask.actor,
        at=ask.at,
    )


@require_POST
@console(roles=roles_of(Act.ESTATE))
def decide(ask: Ask) -> HttpResponse:
    """Refuse a stranger, or let a refused one wait again. Whoever was decided about meanwhile is no longer listed."""
    form = ask.request.POST
    act = callers.let_wait if form.get("wait") == "1" else callers.refuse
    attempt(lambda: act(form.get("identity", ""), site_id=ask.site.id, actor=ask.actor, at=ask.at))
    return redirect(LINES)


urlpatterns = [path("lines/callers/take", take, name="caller-take"), path("lines/callers", decide, name="callers")]
