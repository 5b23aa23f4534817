"""Sends what waits in the outbox: one sweep, by whichever worker lives."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from prewatt.office.alarms import outbox, token_notices
from prewatt.office.alarms.models import Notice, NoticeState
from prewatt.office.alarms.notifiers import Notifier
from prewatt.office.alarms.outbox import TextOf

TEXTS: Final[Mapping[str, TextOf]] = {token_notices.KIND: token_notices.text_of}


def text_of(notice: Notice) -> str | None:
    return TEXTS[notice.kind](notice)


def sweep(*, notifier: Notifier | None, at: datetime) -> int:
    """Try what is due, oldest first, not within a transaction; how many notices the provider took.

    Without a notifier nothing is tried and nothing is lost: what waits longer than it lives has expired.
    """
    taken = 0
    for step in outbox.due(at=at):
        if notifier is None:
            outbox.expire(step, at=at)
            continue
        after = outbox.send(step, notifier=notifier, text_of=text_of, at=at)
        taken += after is not None and after.state == NoticeState.ACCEPTED
    return taken
