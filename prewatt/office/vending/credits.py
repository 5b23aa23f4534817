"""What the platform holds to be true of a meter's purse."""

from datetime import datetime
from typing import Final

from prewatt.core.refusals import Refused
from prewatt.office.ledger.call import call

MAX_COUNT: Final = 65535  # an order's count is sixteen bits wide


def begin(*, site_id: int, circuit_id: int, purchase_count: int, at: datetime) -> None:
    """Called when a contract is opened: the count that was read at the meter is the one we go on from.

    A meter opened again starts anew, also its carried amount. Raises Refused `delivery_open` while an
    order is on its way.
    """
    assert 0 <= purchase_count <= MAX_COUNT, purchase_count
    row = call("SELECT vending_credit_begin(%s, %s, %s, %s)", [site_id, circuit_id, purchase_count, at])
    assert row is not None
    if row[0] != "":
        raise Refused(row[0], retry=True)
