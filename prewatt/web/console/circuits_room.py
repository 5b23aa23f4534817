"""Which room a circuit supplies: chosen when its meter is entered, put right here."""

from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from prewatt.office.estate.circuit_rooms import lead_to
from prewatt.office.estate.models import Circuit, Room
from prewatt.office.estate.scope import visible_to
from prewatt.office.staff.roles import Act
from prewatt.web.console.circuits import circuit_or_404
from prewatt.web.console.lists import number
from prewatt.web.console.settings_fields import Field, attempt, form_page, kept, pick, reason, roles_of
from prewatt.web.console.views_base import Ask, console


@require_http_methods(["GET", "HEAD", "POST"])
@console(roles=roles_of(Act.ESTATE))
def page(ask: Ask, circuit_id: int) -> HttpResponse:
    """Another room, or the common area."""
    circuit, _row = circuit_or_404(ask, circuit_id)
    mine = visible_to(ask.operator, Room).filter(building__site_id=circuit.site_id).select_related("building")
    rooms = list(mine.order_by("building__sort", "building__code", "floor", "code"))
    options = [(str(each.pk), each.code, f"{each.building.name} {each.name}".strip()) for each in rooms]
    fields = [
        Field(
            name="room", label=_("Room"), kind="select", options=[("", "—", ""), *options],
            value=str(circuit.room_id or ""), hint=_("Rooms are entered under Settings, Buildings and rooms."),
        ),
        Field(
            name="common", label=_("Common area: read only, nothing is sold here"), kind="checkbox",
            value="1" if circuit.use == Circuit.Use.COMMON else "",
        ),
        Field(name="reason", label=_("Reason"), required=True, most=255),
    ]  # fmt: skip
    back, refused = f"/console/meters/{circuit.meter_id}?circuit={circuit.pk}", None
    if ask.request.method == "POST":
        refused = attempt(lambda: _lead(ask, circuit, rooms))
        if not refused:
            return redirect(back)
        fields = kept(fields, ask.request.POST)
    return form_page(
        ask, title=_("Room of meter %(number)s, circuit %(index)d")
        % {"number": circuit.meter.number, "index": circuit.index},
        fields=fields, submit=_("Save"), back=back, crumb=_("Meter %s") % circuit.meter.number, refused=refused,
        says=_("Contract, readings and relay stay as they are; pages and receipts say the new room from now on."),
    )  # fmt: skip


def _lead(ask: Ask, circuit: Circuit, rooms: list[Room]) -> None:
    form = ask.request.POST
    room_id = number(form.get("room", ""))
    lead_to(
        circuit, pick(rooms, room_id) if room_id else None, common=form.get("common") == "1", reason=reason(form),
        actor=ask.actor, at=ask.at,
    )  # fmt: skip


urlpatterns = [path("circuits/<int:circuit_id>/room", page, name="circuit-room")]
