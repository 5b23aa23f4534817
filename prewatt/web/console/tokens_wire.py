"""A token sent to its meter over the line: the button, how far it is, and what the meter said."""

from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import pgettext_lazy

from prewatt.core.meters.jobs import Verdict
from prewatt.office.metering.models import JobRow, JobState
from prewatt.office.staff.actors import of_operator
from prewatt.office.tokens.models import TokenRequest
from prewatt.office.vending import token_wire
from prewatt.office.vending.models import TokenEntry
from prewatt.web.console.tokens_words import code_words, kind_words
from prewatt.web.console.views_base import Ask
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
