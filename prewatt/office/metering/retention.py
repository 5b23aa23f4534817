"""Finished jobs that nobody looks at any more: reads and relay commands. Orders are kept as long as their sales."""

from datetime import datetime, timedelta
from typing import Final

from django.db import connection

KEEP_READS: Final = timedelta(days=7)  # what was read is in the readings; the job says only that somebody asked
KEEP_RELAY: Final = timedelta(days=90)  # a wish that a relay does not follow leaves four commands a minute
BATCH: Final = 5000  # rows of one transaction: a second of work, and no long locks

_SWEEP: Final = """
DELETE FROM metering_job WHERE id IN (
    SELECT j.id FROM metering_job j
    WHERE j.state IN ('done', 'dropped')
      AND (j.then_task = '' AND j.intent LIKE 'read%%' AND j.finished_at < %s
           OR j.intent = 'relay' AND j.finished_at < %s)
    ORDER BY j.id LIMIT %s)
"""


def sweep(*, at: datetime) -> int:
    """Delete one batch of what is old; how many rows. Reads that an opening waited for belong to it, and stay."""
    with connection.cursor() as cursor:
        cursor.execute(_SWEEP, [at - KEEP_READS, at - KEEP_RELAY, BATCH])
        return int(cursor.rowcount)
