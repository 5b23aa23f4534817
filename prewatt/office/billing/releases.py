"""Meter-held credit becomes income as its energy is used: a local day at a time, when the day is over.

The money that a purse stands for is carried at the average price that was paid for its credit, see
docs/algorithms/billing.md. (Server-held credit becomes income with each charge.)
"""

from datetime import datetime
from typing import Final

from prewatt.office.estate.profiles import all_profiles
from prewatt.office.ledger.call import call
from prewatt.office.metering.displays import displays_json, displays_of

MOST_DAYS: Final = 800  # of all purses in one sweep, for a site that brings two years along


def sweep(*, at: datetime) -> int:
    """Release the days that are over; how many days of purses were looked at.

    Two sweeps at once release once: a purse that is at work is skipped. Never more than its deferred amount.
    """
    call("SELECT billing_begin_purses(%s)", [at])
    displays = displays_json(displays_of(all_profiles()))
    done = 0
    for _ in range(MOST_DAYS):
        row = call("SELECT billing_release_day(%s, %s)", [at, displays])
        assert row is not None
        if row[0] == 0:
            break
        done += int(row[0])
    return done
