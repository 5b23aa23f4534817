"""A token sent to its meter over the line: the button, how far it is, and what the meter said."""

from typing import Any, Final

from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import pgettext_lazy
from django.views.decorators.http import require_POST

from prewatt.core.meters.jobs import Verdict
from prewatt.core.refusals import Refused
from prewatt.office.metering.models import JobRow, JobState
from prewatt.office.staff.actors import of_operator
from prewatt.office.tokens.models import TokenRequest
from prewatt.office.vending import token_wire
from prewatt.office.vending.models import TokenEntry
from prewatt.web.console.settings import told
from prewatt.web.console.settings_fields import say
from prewatt.web.console.tokens_parts import PATH, token_or_404
from prewatt.web.console.tokens_words import code_words, kind_words
from prewatt.web.console.views_base import Ask, console
from prewatt.web.ui import formats

State = TokenEntry.State
OPEN: Final = (State.QUEUED, State.SENDING)
WORDS: Final[dict[str, str | Promise]] = {
    State.QUEUED.value: pgettext_lazy("token on the line", "waits for the token before it"),
    State.SENDING.value: pgettext_lazy("token on the line", "on its way to the meter"),
    State.ENTERED.value: pgettext_lazy("token on the line", "the meter took it"),
    State.REFUSED.value: pgettext_lazy("token on the line", "the meter refused it"),
    State.UNCLEAR.value: pgettext_lazy("token on the line", "not known whether the meter took it"),
    State.STOPPED.value: pgettext_lazy("token on the line", "not sent"),
}
CSS: Final = {
    State.QUEUED.value: "d-waiting", State.SENDING.value: "d-sent", State.ENTERED.value: "d-confirmed",
    State.REFUSED.value: "d-refused", State.UNCLEAR.value: "d-unknown", State.STOPPED.value: "muted",
}  # fmt: skip


def wiring(ask: Ask, row: TokenRequest | None) -> dict[str, Any] | None:
    """The context of `tokens/wire.html`; None where the line has nothing to do with this token."""
    if row is None or row.state != TokenRequest.State.MADE:
        return None
    entry, actor = token_wire.entry_of(row), of_operator(ask.operator)
    able = token_wire.way(row.sts_meter.meter_id) is not None
    may = token_wire.may_send(actor, row)
    if entry is None and not (able and may and row.entered_at is None):
        return None
    job = token_wire.job_of(entry) if entry is not None else None
    moving = entry is not None and entry.state in OPEN
    return {
        "row": row, "title": f"{kind_words(row)} · {formats.when(row.asked_at, ask.at, ask.zone)}",
        "state": entry.state if entry else "", "words": _words(entry, job) if entry else "",
        "css": CSS[entry.state] if entry else "", "why": _why(entry, job) if entry else "",
        "when": formats.when(entry.changed_at, ask.at, ask.zone) if entry else "", "open": moving,
        "can_send": able and may and not moving and row.entered_at is None,
        "can_stop": may and moving and (job is None or not job.ever_sent),
        "many": row.kind == TokenRequest.Kind.KEY_CHANGE, "again": entry is not None,
    }  # fmt: skip


def _words(entry: TokenEntry, job: JobRow | None) -> str:
    if entry.state == State.SENDING and job is not None and job.state == JobState.QUEUED and job.verdict:
        if job.verdict == Verdict.UNKNOWN:
            return _("the result is not known yet; the meter is asked")
        return _("waits for the meter, which does not answer")
    return str(WORDS[entry.state])


def _why(entry: TokenEntry, job: JobRow | None) -> str:
    code = entry.code or (job.code if job is not None and entry.state in OPEN else "")
    return code_words(code) if code else ""


@require_POST
@console()
def wire(ask: Ask, request_id: int) -> HttpResponse:
    """Send it to its meter, or stop what was not sent yet. Pressed twice it goes once."""
    from prewatt.web.console.tokens_shown import token_page

    row, post, actor = token_or_404(ask, request_id), ask.request.POST, of_operator(ask.operator)
    try:
        match post.get("what", ""):
            case "send":
                token_wire.send(row, actor=actor, at=ask.at)
                told(ask, _("Sent to the meter. The digits stay good: whichever comes first counts, once."))
            case "stop":
                token_wire.stop(row, actor=actor, at=ask.at)
                told(ask, _("Stopped: the line will not enter this token."))
            case _:
                raise Refused("choice_needed")
    except Refused as refused:
        return token_page(ask, row, status=422, refused=refused, said=say(refused))
    kind, _colon, number = row.reference.partition(":")
    if post.get("from") == "sale" and kind == "sale":
        return redirect(f"/console/sales/{number}")
    if post.get("from") == "meter":
        return redirect(f"/console/meters/{row.sts_meter.meter_id}/tokens")
    return redirect(f"{PATH}/{row.pk}")


urlpatterns = [path("tokens/<int:request_id>/wire", wire, name="tokens-wire")]
