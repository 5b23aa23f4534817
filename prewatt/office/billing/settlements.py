"""Settling a server-held supply point at its newest reading: before it is closed, given back or changed.

Closings and changes of custody or contract call `settle` first, under the lock of the supply point, and before they
book anything: the lock order is supply point, progress, running balance. SQL may call `billing_settle` likewise.
"""

from datetime import datetime

from prewatt.office.estate.models import SupplyPoint
from prewatt.office.ledger.call import call


def settle(supply_point: SupplyPoint, *, at: datetime) -> int:
    """Charge up to the newest good reading; the balance of its account then, minor units, below zero when owed.

    In the caller's transaction. Waits for a sweep that is charging it. Read the meter before, where what is on its
    display matters: nothing is charged that was not read.
    """
    row = call("SELECT billing_settle(%s, %s)", [supply_point.pk, at])
    assert row is not None and row[0] is not None, supply_point.pk
    return int(row[0])
