"""Sending a token to who is supplied by its meter: one notice for each token and recipient, and what became of it."""

from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import pgettext_lazy

from prewatt.office.alarms import token_notices
from prewatt.office.alarms.models import NoticeState, NoticeStep
from prewatt.office.staff.actors import of_operator
from prewatt.office.tokens.models import TokenRequest
from prewatt.web.console.tokens_words import kind_words
from prewatt.web.console.views_base import Ask
from prewatt.web.ui import formats

STATES: Final[dict[str, str | Promise]] = {
    NoticeState.QUEUED.value: pgettext_lazy("notice", "waits to be sent"),
    NoticeState.SUBMITTING.value: pgettext_lazy("notice", "is being sent"),
    NoticeState.ACCEPTED.value: pgettext_lazy("notice", "handed to the provider"),
    NoticeState.DELIVERED.value: pgettext_lazy("notice", "delivered"),
    NoticeState.REFUSED.value: pgettext_lazy("notice", "refused by the provider"),
    NoticeState.EXPIRED.value: pgettext_lazy("notice", "not sent in time"),
    NoticeState.UNKNOWN.value: pgettext_lazy("notice", "not known whether it was sent"),
}
OPEN: Final = frozenset({NoticeState.QUEUED.value, NoticeState.SUBMITTING.value})


def sending(ask: Ask, row: TokenRequest | None) -> dict[str, Any] | None:
    """The context of `tokens/send.html`; None where there is nothing to send or it is not his to send."""
    if row is None or row.state != TokenRequest.State.MADE:
        return None
    if not token_notices.may_send(of_operator(ask.operator), row):
        return None
    notifier = token_notices.notifier()
    lines = [
        {
            "who": each, "state": _state(ask, each.step), "sent": each.step is not None,
            "open": each.step is not None and each.step.state in OPEN,
        }
        for each in token_notices.recipients(row)
    ] if notifier is not None else []  # fmt: skip
    title = f"{kind_words(row)} · {formats.when(row.asked_at, ask.at, ask.zone)}"
    return {"title": title, "row": row, "notifier": notifier, "lines": lines}


def _state(ask: Ask, step: NoticeStep | None) -> str:
    if step is None:
        return ""
    words = STATES[step.state]
    if step.state == NoticeState.ACCEPTED and step.notifier == "log":
        words = _("noted in the log alone")
    return f"{words} · {formats.when(step.at, ask.at, ask.zone)}"
