"""Tokens of the past: made in the transaction that loads what was sold then, as the demo site does."""

from datetime import datetime

from prewatt.office.ledger.call import call
from prewatt.office.tokens.issuing import order_of
from prewatt.office.tokens.models import TokenRequest
from prewatt.office.tokens.rack import Rack


def make(request_id: int, *, rack: Rack, at: datetime) -> tuple[str, ...]:
    """The digits of a request of classes 0 or 2, stored as made at `at`; those that stand, where there are some.

    Only for rows that are loaded: a sale at the counter never waits for a vault within its transaction. Raises Refused
    as the vault's `issue`.
    """
    request = TokenRequest.objects.select_related("key", "new_key").get(pk=request_id)
    order = order_of(request)
    assert order is not None, "class 1 is not sold"
    row = call("SELECT tokens_made(%s, %s, %s)", [request_id, list(rack.vault(order.key.provider).issue(order)), at])
    assert row is not None
    return tuple(row[0])
