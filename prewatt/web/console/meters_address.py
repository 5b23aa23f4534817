"""Another address or speed for a meter, at commissioning: a warning, the wish, and what came of it."""

import secrets

from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from prewatt.core.meters.jobs import Intent, Verdict
from prewatt.core.meters.model import Protocol
from prewatt.core.refusals import Refused, message, texts
from prewatt.office.estate.models import Meter
from prewatt.office.estate.profiles import all_profiles
from prewatt.office.metering import addresses
from prewatt.office.metering.models import JobRow
from prewatt.office.staff.actors import of_operator
from prewatt.office.staff.roles import Act
from prewatt.web.console.meters import meter_or_404
from prewatt.web.console.settings_fields import Field, attempt, kept, reason, roles_of, whole
from prewatt.web.console.views_base import Ask, console
from prewatt.web.ui import formats


def _fields(meter: Meter) -> list[Field]:
    profile = all_profiles().get(meter.profile)
    by_number = profile is not None and profile.protocol is Protocol.DLT645
    fields = []
    if addresses.can_readdress(meter) and not by_number:
        fields.append(
            Field(name="unit", label=_("New address"), kind="number", most=3, hint=_("Modbus address, 1 to 247."))
        )
    speeds = addresses.speeds(meter)
    if speeds:
        first = _("the address of its number") if by_number else _("the address above")
        options = [("", first, ""), *((str(baud), _("the speed %d baud") % baud, "") for baud in speeds)]
        fields.append(Field(name="baud", label=_("Write"), kind="select", options=options))
    return [*fields, Field(name="reason", label=_("Reason"), required=True, most=255)]


@require_http_methods(["GET", "HEAD", "POST"])
@console(roles=roles_of(Act.ESTATE))
def page(ask: Ask, meter_id: int) -> HttpResponse:
    """What a change does, the last one's end, and the form; POST asks for it."""
    meter = meter_or_404(ask, meter_id)
    row = addresses.last(meter)
    if ask.partial:
        return ask.page("ui/parts/address_result.html", {"meter": meter, **_result(row, ask)})
    fields, refused = _fields(meter), None
    if ask.request.method == "POST":
        refused = attempt(lambda: _change(ask, meter))
        if not refused:
            return redirect(f"/console/meters/{meter.pk}/address")
        fields = kept(fields, ask.request.POST)
    profile = all_profiles().get(meter.profile)
    context = {
        "meter": meter, "fields": fields, "refused": refused, "can": addresses.can_readdress(meter),
        "by_number": profile is not None and profile.protocol is Protocol.DLT645,
        "key_needed": profile is not None and (profile.bus is None or profile.bus.key_needed),
        "request_key": ask.request.POST.get("request_key") or secrets.token_urlsafe(24), **_result(row, ask),
    }  # fmt: skip
    return ask.page("ui/address.html", context, status=422 if refused else 200)


def _change(ask: Ask, meter: Meter) -> None:
    form = ask.request.POST
    key = form.get("request_key", "")[:48]
    if not key:
        raise Refused("choice_needed")
    actor, why, baud = of_operator(ask.operator), reason(form), whole(form, "baud", 0)
    if baud:
        addresses.change_baud(meter, baud=baud, reason=why, actor=actor, request_key=key, at=ask.at)
    else:
        addresses.readdress(meter, unit=whole(form, "unit", 0), reason=why, actor=actor, request_key=key, at=ask.at)


def _result(row: JobRow | None, ask: Ask) -> dict[str, object]:
    """How the last change stands, in words."""
    if row is None:
        return {"job": None, "running": False}
    language = get_language() or "zh-hans"
    running = row.state in ("queued", "claimed")
    if row.intent == Intent.CHANGE_BAUD.value:
        wanted = _("the speed %d baud") % row.payload["baud"]
    else:
        unit = row.payload.get("unit", 0)
        wanted = _("address %d") % unit if unit else _("the address of its number")
    said = {
        Verdict.DONE.value: _("Done: the meter answered there."),
        Verdict.REFUSED.value: _("Not done."),
        Verdict.SILENT.value: _("Nothing was written."),
        Verdict.UNKNOWN.value: _(
            "Not known: it was written, and the meter was not heard of at either place. Ask for the same once more: it "
            "is looked for before anything is written."
        ),
        Verdict.DISPUTED.value: _("Another meter answers here than the record says. Nothing was written."),
    }
    return {
        "job": row, "running": running, "wanted": wanted,
        "verdict": "" if running else row.verdict if row.state == "done" else "dropped",
        "said": said.get(row.verdict, "") if row.state == "done" else _("Nobody could ask the meter in time."),
        "code_words": message(row.code, language) if row.code in texts else "",
        "at": formats.when(row.finished_at or row.created_at, ask.at, ask.zone),
    }  # fmt: skip


urlpatterns = [path("meters/<int:meter_id>/address", page, name="meter-address")]
