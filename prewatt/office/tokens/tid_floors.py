"""Token identifiers after a restore: what may have been used in the hours the books do not know is never used again.

The identifiers of a meter never run more than `requests.TIDS_AHEAD` ahead of the clock. So whatever was issued before a
restore, known or lost, lies at or below the clock of that moment and a day; the floor is put there. The bound holds
with a floor too, which is why restoring the same old backup twice is as safe as once: a minute after the restore a
meter may get one token, after two minutes two, until the clock has caught up.
"""

from datetime import datetime, timedelta

from django.db import transaction

from prewatt.core.sts.tid import MINUTES_PER_DAY, RESERVED_MINUTE
from prewatt.office.staff.audit import audit
from prewatt.office.tokens.models import TidFloor
from prewatt.office.tokens.requests import TIDS_AHEAD

MINUTE = timedelta(minutes=1)


def after_restore(*, at: datetime, backed_up_at: datetime) -> datetime:
    """Set the floor (at the later of both times, UTC); the last minute whose identifier is out of use."""
    newest = max(at, backed_up_at).replace(second=0, microsecond=0)
    if newest.hour * 60 + newest.minute == RESERVED_MINUTE % MINUTES_PER_DAY:
        newest += MINUTE  # a token issued at 00:01 takes 00:02
    until = newest + TIDS_AHEAD * MINUTE
    with transaction.atomic():
        TidFloor.objects.create(until=until, set_at=at)
        audit(
            at=at, actor="system", action="tokens.tid_floor", site_id=None, object_type="tid_floor", object_id="all",
            after={"until": until.isoformat()},
        )  # fmt: skip
    return until
