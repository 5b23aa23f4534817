"""A purse that holds money: what a profile says of it, and what energy costs there. Integers throughout.

The meter drains such a purse by a price of its own, one for each rate; the office writes that price as a setting and
reads it back. What a watt-hour costs is finer than what the purse counts in, so the rest is carried, never dropped.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from prewatt.core.meters.quantities import Quantity
from prewatt.core.meters.tables import Table
from prewatt.core.refusals import Refused, Text, register

PRICES: Final = (Quantity.PRICE_SHARP, Quantity.PRICE_PEAK, Quantity.PRICE_FLAT, Quantity.PRICE_VALLEY)
PRICE_STEPS: Final = 10**6  # millionths of the currency: what `Quantity.PRICE_...` counts in
WH_PER_KWH: Final = 1000

register(
    {
        "profile_wallet": Text(
            "A purse that holds money needs [wallet] with its decimals, and [prices] or a price_flat that can be"
            " written; a purse in kWh has no [wallet].",
            "存放金额的钱包需要 [wallet]（小数位），以及 [prices] 或可写入的 price_flat；按电量计的钱包没有 [wallet]。",
        ),
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Wallet:
    """A purse in money. `exponent`: the decimals of the currency it counts in, 2 for 0.01 yuan."""

    exponent: int


def wallet_of(root: Table, credit_unit: str, *, priced: bool) -> Wallet | None:
    """The table `[wallet]`; None for a purse in energy. `priced`: the meter can be told its price.

    Raises Refused `profile_wallet`, `profile_missing`, `profile_value`.
    """
    money = credit_unit != "Wh"
    if root.has("wallet") != money or (money and not priced):
        raise Refused("profile_wallet")
    if not money:
        return None
    table = root.table("wallet")
    made = Wallet(exponent=table.integer("exponent", 0, 3))
    table.done()
    return made


def price_steps(price: Decimal) -> int:
    """A price per kWh as `Quantity.PRICE_...` counts it. Prices have at most six decimals (`units.check_price`)."""
    scaled = price * PRICE_STEPS
    assert scaled == scaled.to_integral_value(), price
    return int(scaled)


def price_of(steps: int) -> Decimal:
    """What a meter says of its price, per kWh."""
    return Decimal(steps) / PRICE_STEPS


def prices_for(price: Decimal, settings: frozenset[Quantity]) -> Mapping[Quantity, int]:
    """What is written so that a meter drains by one price, whatever its clock says the rate is."""
    return {each: price_steps(price) for each in PRICES if each in settings}


def parts_per_minor(exponent: int) -> int:
    """How many parts of a purse's smallest coin one is cut into, so that energy x price is a whole number of them."""
    return WH_PER_KWH * PRICE_STEPS // int(10**exponent)


def drained(energy_wh: int, steps: int, rest: int, exponent: int) -> tuple[int, int]:
    """What a purse loses for energy at a price: whole coins, and the parts that are carried on. `rest` as carried."""
    return divmod(energy_wh * steps + rest, parts_per_minor(exponent))


def affordable_wh(minor: int, steps: int, rest: int, exponent: int) -> int | None:
    """The least energy after which `minor` coins (> 0) are gone; None where it costs nothing."""
    return None if steps == 0 else -((rest - minor * parts_per_minor(exponent)) // steps)
