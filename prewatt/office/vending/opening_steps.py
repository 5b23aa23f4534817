"""The steps of openings and closings: each looks at the row again and does what the finished job allows."""

import logging
from datetime import datetime

from django.db import DatabaseError, OperationalError, transaction

from prewatt.core.refusals import Refused
from prewatt.office.vending.closings import was_read_to_close
from prewatt.office.vending.models import Opening
from prewatt.office.vending.opening_rows import ask_again, end_refused, locked
from prewatt.office.vending.openings import done, was_read, write_settings

logger = logging.getLogger(__name__)
State = Opening.State
SWEEP_BATCH = 100  # openings are rare; a round each ten seconds


def advance(opening_id: int, *, at: datetime) -> State:
    """Take the step that the finished job allows; the state then. Runs twice without harm."""
    with transaction.atomic():
        row = locked(opening_id)
        job = row.job
        if row.supply_point.custody == "server":  # the books hold it: `changes.steps` follows its readings
            return State(row.state)
        if row.state not in (State.READING, State.CLEARING, State.WRITING) or job is None or job.state != "done":
            return State(row.state)
        if job.verdict == "silent":
            ask_again(row, at=at)
        elif job.verdict in ("refused", "disputed", "unknown"):
            end_refused(row, job.code or job.verdict, at=at)
        elif row.kind == Opening.Kind.CLOSE:
            was_read_to_close(row, job.values, at=at)
        elif row.state == State.READING:
            was_read(row, job.values, at=at)
        elif row.state == State.CLEARING:
            write_settings(row, at=at)
        else:
            done(row, at=at)
    return State(row.state)


def sweep(*, at: datetime) -> int:
    """Advance what a lost job left behind; how many rows were looked at."""
    waiting = Opening.objects.filter(
        state__in=[State.READING, State.CLEARING, State.WRITING], job__state="done", supply_point__custody="meter"
    ).order_by("pk").values_list("pk", flat=True)[:SWEEP_BATCH]
    for pk in waiting:
        try:
            advance(pk, at=at)
        except OperationalError:  # not this one's fault: the database is away
            raise
        except (DatabaseError, Refused) as fault:
            if isinstance(fault, Refused) and fault.retry:  # or full
                raise
            # one that fails must not keep the others waiting
            logger.exception("opening %s could not be advanced", pk)
    return len(waiting)
