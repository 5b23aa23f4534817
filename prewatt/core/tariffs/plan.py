"""Tariff plans: immutable versions with a validity. One flat price per kWh for now."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from prewatt.core.refusals import Refused, Text, register
from prewatt.core.units import check_price

register(
    {
        "plan_not_valid": Text("The plan has no price at {at}.", "电价方案在 {at} 没有有效价格。"),
        "plan_versions_clash": Text("Two versions of the plan begin at {at}.", "电价方案有两个版本在 {at} 同时生效。"),
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanVersion:
    """A price from an instant on, until the next version begins.

    `price` is per kWh in the currency's major unit; raises Refused as `units.check_price`.
    """

    price: Decimal
    valid_from: datetime  # aware
    number: int = 1

    def __post_init__(self) -> None:
        assert self.valid_from.tzinfo is not None, "a validity without a zone is no instant"
        check_price(self.price)


def version_at(versions: Iterable[PlanVersion], at: datetime) -> PlanVersion:
    """The version valid at an instant: the latest that has begun; the instant of beginning belongs to the new one.

    Raises Refused `plan_not_valid` before the first, `plan_versions_clash` when two begin together.
    """
    assert at.tzinfo is not None, "a time without a zone is no instant"
    begun = sorted((each for each in versions if each.valid_from <= at), key=lambda each: each.valid_from)
    if not begun:
        raise Refused("plan_not_valid", at=at.isoformat(timespec="seconds"))
    if len(begun) > 1 and begun[-1].valid_from == begun[-2].valid_from:
        raise Refused("plan_versions_clash", at=begun[-1].valid_from.isoformat(timespec="seconds"))
    return begun[-1]
