"""What was sold by token in the demo's past, as rows that `vending.history` loads with their tokens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo

from prewatt.office.estate.models import Circuit
from prewatt.office.staff.actors import Actor
from prewatt.office.tokens.rack import Rack
from prewatt.office.vending.history import PastSale
from prewatt.wiring.demo.keypads import TokenPurchase


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """The purchases, the vault that makes their tokens, and who is supplied: by room."""

    rack: Rack
    circuits: Mapping[str, Circuit]
    contracts: Mapping[str, str]
    purchases: Sequence[TokenPurchase]

    def by_day(self, zone: tzinfo) -> dict[date, list[TokenPurchase]]:
        """Of each local day, in the order of time."""
        found: dict[date, list[TokenPurchase]] = {}
        for each in self.purchases:
            found.setdefault(each.at.astimezone(zone).date(), []).append(each)
        return found


def past_sale(tokens: Tokens, each: TokenPurchase, *, till_id: int, shift_id: int, actor: Actor) -> PastSale:
    """Paid in cash at the dormitory's window; nobody knew what the meter held."""
    at: datetime = each.at
    return PastSale(
        key=f"demo:{each.room}:{at:%Y%m%d}", contract_number=tokens.contracts[each.room],
        circuit_id=tokens.circuits[each.room].pk, till_id=till_id, shift_id=shift_id, actor=actor, at=at,
        amount_minor=each.amount_minor, balance=None, confirmed_at=at,
    )  # fmt: skip
