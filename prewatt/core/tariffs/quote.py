"""What a sale buys, whoever holds the credit: paid, repaid, added; why nothing is sold; the most that can be.

Pure: values in, numbers out. A quote that is refused still has its numbers, since the page shows why. The
texts of the refusals belong to the app that sells. Worked numbers: docs/algorithms/quote.md.

`credit` is the purse's unit throughout: Wh for a meter's purse in energy, minor units for one in money or the books.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

from prewatt.core.units import MAX_AMOUNT_MINOR, Rounding, amount_for_energy, energy_for_amount, exact_cost


class QuoteRefusal(StrEnum):
    """Why nothing is sold, in the order in which it is looked at: the first that holds is the answer.

    The value is the stable code of the refusal. The sale looks again under the lock, in the same order.
    """

    AMOUNT_MALFORMED = "amount_malformed_minor"  # not above zero, or beyond all limits
    CONTRACT_NOT_OPEN = "contract_not_open"
    PLAN_MISSING = "plan_missing"  # no price is in force
    DELIVERY_OPEN = "delivery_open"
    AMOUNT_TOO_SMALL = "amount_too_small"  # below the least, or all of it is taken by what was carried
    AMOUNT_ABOVE_LIMIT = "amount_above_limit"
    BALANCE_UNKNOWN = "balance_unknown"  # there is a hoarding limit and the meter was never read
    HOARDING_LIMIT = "hoarding_limit"


TENTH_WH: Final = 100  # what tokens count in, a tenth of a kWh
RETRY_HELPS: Final = frozenset({QuoteRefusal.DELIVERY_OPEN, QuoteRefusal.BALANCE_UNKNOWN})


@dataclass(frozen=True, kw_only=True, slots=True)
class Purse:
    """What the meter said last, and what is on its way to it; server-held, what the books say. All in credit.

    `use_past_zero` is what was used below the permitted overdraft (relay failed, or kept on), None where the
    meter does not say; `open_credit` what an unsettled delivery may still add; `hoarding_limit` 0 means no limit.
    """

    balance: int | None
    overdraft_limit: int = 0
    use_past_zero: int | None = None
    hoarding_limit: int = 0
    open_credit: int = 0
    resolution: int = 10
    holds_money: bool = False  # credit is minor units, not Wh
    by_token: bool = False  # credit comes as one STS token, which carries tenths of a kWh and not each number of them


@dataclass(frozen=True, kw_only=True, slots=True)
class SaleLimits:
    """Smallest and largest sale in minor units."""

    least_minor: int = 1
    most_minor: int = MAX_AMOUNT_MINOR


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """All that is known of a sale before an amount is named. `price` per kWh, None where none is in force.

    `exponent` is the currency's; `carried_amount_minor` what earlier roundings gave too much.
    """

    purse: Purse
    price: Decimal | None
    exponent: int
    limits: SaleLimits
    carried_amount_minor: Decimal = Decimal(0)
    contract_open: bool = True
    delivery_open: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Debt:
    """A negative balance told apart: use past zero is repaid first, it lies deepest. Both >= 0."""

    past_zero: int
    overdraft: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Split:
    """What becomes of a credit: the three add up to it."""

    repaid_past_zero: int
    repaid_overdraft: int
    added: int


@dataclass(frozen=True, kw_only=True, slots=True)
class SaleQuote:
    """The meter gets `credit` in one order, `split` says what becomes of it. `refusal` None: sell.

    `carried_amount_minor` is kept for the next sale.
    """

    refusal: QuoteRefusal | None
    paid_minor: int
    credit: int
    split: Split
    carried_amount_minor: Decimal
    balance_after: int | None  # with what is on its way


def debt_of(purse: Purse) -> Debt:
    """A negative balance split into use past zero and permitted overdraft.

    What lies below the overdraft limit is use past zero even where the meter keeps no register for it;
    what the meter reports beyond its own debt has been repaid meanwhile.
    """
    debt = max(0, -(purse.balance or 0))
    past_zero = min(debt, max(purse.use_past_zero or 0, debt - purse.overdraft_limit))
    return Debt(past_zero=past_zero, overdraft=debt - past_zero)


def split(credit: int, purse: Purse) -> Split:
    """Which part of a credit repays use past zero, which the permitted overdraft, which is added."""
    assert credit >= 0, credit
    debt = debt_of(purse)
    past_zero = min(credit, debt.past_zero)
    overdraft = min(credit - past_zero, debt.overdraft)
    return Split(repaid_past_zero=past_zero, repaid_overdraft=overdraft, added=credit - past_zero - overdraft)


def headroom(purse: Purse) -> int | None:
    """Credit the meter may still take, a multiple of its resolution; None without a limit.

    An open delivery counts as if it had arrived: it may arrive at any moment.
    """
    if purse.hoarding_limit <= 0:
        return None
    free = max(0, purse.hoarding_limit - (purse.balance or 0) - purse.open_credit)
    if purse.by_token:
        from prewatt.core.sts.amounts import amount16_within  # brings the ciphers along: only where tokens are sold

        return amount16_within(free // TENTH_WH) * TENTH_WH
    return free - free % purse.resolution


def most_amount(terms: Terms) -> int:
    """The largest amount a sale may have now, in minor units, rounded down so that it still fits."""
    free = headroom(terms.purse)
    if free is None:
        return terms.limits.most_minor
    if free == 0:
        return 0
    if terms.purse.holds_money:
        return min(terms.limits.most_minor, free)
    if terms.price is None:
        return 0
    worth = amount_for_energy(free, price=terms.price, exponent=terms.exponent, rounding=Rounding.DOWN)
    # the carried amount is taken off before energy is counted; its whole part leaves that much more room
    return min(terms.limits.most_minor, worth + int(terms.carried_amount_minor))


def quote(amount_minor: int, terms: Terms) -> SaleQuote:
    """Quote a sale at a flat price; look at `refusal` first. Raises Refused as `units.check_price`, and by token
    `token_amount_too_large`."""
    assert terms.purse.resolution > 0, terms
    credit, carried = _bought(min(max(amount_minor, 0), MAX_AMOUNT_MINOR), terms)
    purse = terms.purse
    return SaleQuote(
        refusal=_refusal(amount_minor, credit, terms),
        paid_minor=amount_minor,
        credit=credit,
        split=split(credit, purse),
        carried_amount_minor=carried,
        balance_after=None if purse.balance is None else purse.balance + purse.open_credit + credit,
    )


def _bought(amount_minor: int, terms: Terms) -> tuple[int, Decimal]:
    """Credit for an amount, and what is carried afterwards."""
    if terms.purse.holds_money:
        return amount_minor, terms.carried_amount_minor  # a purse in money takes the money itself
    if terms.price is None:
        return 0, terms.carried_amount_minor
    bought = energy_for_amount(
        amount_minor,
        price=terms.price,
        exponent=terms.exponent,
        resolution_wh=TENTH_WH if terms.purse.by_token else terms.purse.resolution,
        carried_amount_minor=terms.carried_amount_minor,
    )
    if not terms.purse.by_token:
        return bought.energy_wh, bought.carried_amount_minor
    from prewatt.core.sts.amounts import amount16_from

    # the next sale takes off what the token gives too much, as it does for a meter's resolution
    energy_wh = amount16_from(bought.energy_wh // TENTH_WH) * TENTH_WH
    extra = exact_cost(energy_wh - bought.energy_wh, price=terms.price, exponent=terms.exponent)
    return energy_wh, bought.carried_amount_minor + extra


def _refusal(amount_minor: int, credit: int, terms: Terms) -> QuoteRefusal | None:
    if not 0 < amount_minor <= MAX_AMOUNT_MINOR:
        return QuoteRefusal.AMOUNT_MALFORMED
    if not terms.contract_open:
        return QuoteRefusal.CONTRACT_NOT_OPEN
    if terms.price is None:
        return QuoteRefusal.PLAN_MISSING
    if terms.delivery_open:
        return QuoteRefusal.DELIVERY_OPEN
    if amount_minor < terms.limits.least_minor or credit == 0:
        return QuoteRefusal.AMOUNT_TOO_SMALL
    if amount_minor > terms.limits.most_minor:
        return QuoteRefusal.AMOUNT_ABOVE_LIMIT
    return _over(credit, terms.purse)


def _over(credit: int, purse: Purse) -> QuoteRefusal | None:
    free = headroom(purse)
    if free is None:
        return None
    if purse.balance is None:
        return QuoteRefusal.BALANCE_UNKNOWN
    return QuoteRefusal.HOARDING_LIMIT if credit > free else None
