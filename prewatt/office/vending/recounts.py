"""After a restore from a backup: meters that hold their credit have counted on, and are read before an order goes out.

What differs from the books is listed for a person and never overwritten (docs/algorithms/backup.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connection

from prewatt.core.refusals import Refused
from prewatt.office.ledger.call import call
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.roles import Act
from prewatt.office.vending import errors as _errors  # noqa: F401  registers the texts
from prewatt.office.vending.acts import check_reason

LOOK_BATCH: Final = 2000  # circuits of one round; a round each ten seconds
TOLERANCE_WH: Final = 5000  # balance and energy are read by different polls: half an hour at 10 kW
LISTED_MOST: Final = 1000

@dataclass(frozen=True, kw_only=True, slots=True)
class Recount:
    """A purse that was read after a restore and does not agree, or was not read yet (`read_*` None). `code`:
    count_higher, count_lower, balance_higher, balance_lower. Balances in the credit unit of the circuit."""

    circuit_id: int
    site_id: int
    since: datetime
    state: str
    code: str
    books_count: int
    books_balance: int | None
    read_at: datetime | None
    read_count: int | None
    read_balance: int | None


def begin(*, at: datetime) -> int:
    """The books are those of a backup: hold the orders of all meter-held circuits until each was read; how many."""
    row = call("SELECT vending_recount_begin(%s)", [at])
    assert row is not None
    return int(row[0])


def look(*, at: datetime) -> int:
    """Decide the circuits that were read since: go on, or disputed; how many. Safe to run at any time, twice."""
    row = call("SELECT vending_recount_look(%s, %s, %s)", [at, LOOK_BATCH, TOLERANCE_WH])
    assert row is not None
    return int(row[0])


def listed(site_ids: Sequence[int] | None = None) -> list[Recount]:
    """What is disputed, and what was not read yet, disputed first; at most LISTED_MOST. None: all sites."""
    sites = None if site_ids is None else list(site_ids)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT circuit_id, site_id, since, state, code, books_count, books_balance, read_at, read_count,"
            " read_balance FROM vending_recount WHERE state IN ('waiting', 'disputed')"
            " AND (%s::bigint[] IS NULL OR site_id = ANY (%s::bigint[])) ORDER BY state, circuit_id LIMIT %s",
            [sites, sites, LISTED_MOST],
        )
        rows = cursor.fetchall()
    names = ("circuit_id", "site_id", "since", "state", "code", "books_count", "books_balance", "read_at", "read_count",
             "read_balance")  # fmt: skip
    return [Recount(**dict(zip(names, row, strict=True))) for row in rows]


def settle(circuit_id: int, *, purchase_count: int, reason: str, actor: Actor, at: datetime) -> None:
    """A person has looked at the meter: its count, as read last, is ours from now on, and it can be sold to again. The
    books stay as they are; what was sold and is lost is entered by hand.

    Raises Refused `not_permitted`, `reason_needed`, `reason_too_long`, `recount_not_disputed`, `delivery_open` (settle
    it first), `count_moved` (the meter was read again and shows another count).
    """
    actor.require(Act.SETTLE)
    row = call(
        "SELECT vending_recount_settle(%s, %s, %s, %s, %s)",
        [circuit_id, purchase_count, check_reason(reason), actor.key, at],
    )
    assert row is not None
    if row[0]:
        raise Refused(row[0])
