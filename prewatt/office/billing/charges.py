"""Charging server-held supply points for what good readings say was used.

A charge is the energy between two good readings at the plan version valid then, split where the price changes and at
local midnight; docs/algorithms/billing.md has the rules and worked numbers. The work is done by the database, one
statement for a batch: `sql/0002_sweep.sql`.
"""

import logging
from datetime import datetime
from typing import Final

from django.db import DatabaseError, OperationalError

from prewatt.office.billing.models import Progress
from prewatt.office.ledger.call import call

logger = logging.getLogger(__name__)
BATCH: Final = 500  # supply points of one transaction, whose accounts no sale can use meanwhile
MOST_BATCHES: Final = 200  # of one sweep; what is left is charged by the next


def sweep(*, at: datetime) -> int:
    """Charge all that was read since the last charge; how many charges were made.

    Two sweeps at once charge once: supply points that are being charged are skipped. Opens the supply points (and
    contracts) that wait for their opening reading. A killed sweep leaves whole batches only.
    """
    charged, after = 0, 0
    for _ in range(MOST_BATCHES):
        try:
            row = call("SELECT last_id, charged FROM billing_sweep(%s, %s, %s)", [after, BATCH, at])
        except OperationalError:  # not these ones' fault: the database is away
            raise
        except DatabaseError:
            logger.exception("a batch of charges behind supply point %s failed", after)
            tried = _one_by_one(after, at=at)
            if tried == after:
                break
            after = tried
            continue
        assert row is not None
        if row[0] is None:
            break
        after, charged = int(row[0]), charged + int(row[1])
    return charged


def _one_by_one(after: int, *, at: datetime) -> int:
    """One that cannot be charged must not keep the others of its batch waiting; the last that was tried."""
    for supply_point_id in Progress.objects.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)[:BATCH]:
        after = supply_point_id
        try:
            call("SELECT billing_settle(%s, %s)", [supply_point_id, at])
        except OperationalError:
            raise
        except DatabaseError:
            logger.exception("supply point %s could not be charged", supply_point_id)
    return after
