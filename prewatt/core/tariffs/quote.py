"""What a sale to a meter-held supply point buys: paid, repaid, added; and the most that can be sold.

Pure: values in, numbers out. A quote that is refused still has its numbers, since the page shows why. The
texts of the refusals belong to the app that sells. Worked numbers: docs/algorithms/quote.md.

`credit` is the meter's unit throughout: Wh for a purse in energy, minor units for a purse in money.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

from prewatt.core.units import (
    MAX_AMOUNT_MINOR,
    Currency,
    Rounding,
    amount_for_energy,
    energy_for_amount,
)


class QuoteRefusal(StrEnum):
    """Why nothing is sold, in the order in which it is looked at: the first that holds is the answer.

    The value is the stable code of the refusal.
    """

    CUSTODY_NOT_SUPPORTED = "custody_not_supported"
    AMOUNT_MALFORMED = "amount_malformed_minor"  # not above zero, or beyond all limits
    AMOUNT_TOO_SMALL = "amount_too_small"  # below the least, or all of it is taken by what is owed first
    AMOUNT_ABOVE_LIMIT = "amount_above_limit"
    BALANCE_UNKNOWN = "balance_unknown"  # there is a hoarding limit and the meter was never read
    HOARDING_LIMIT = "hoarding_limit"


RETRY_HELPS: Final = frozenset({QuoteRefusal.BALANCE_UNKNOWN})


@dataclass(frozen=True, kw_only=True, slots=True)
class Purse:
    """What the meter said last, and what is on its way to it. All in credit.

    `use_past_zero` is what was used below the permitted overdraft (relay failed, or kept on), None where the
    meter does not say; `open_credit` the sum of deliveries not yet settled; `hoarding_limit` 0 means no limit.
    """

    balance: int | None
    overdraft_limit: int = 0
    use_past_zero: int | None = None
    hoarding_limit: int = 0
    open_credit: int = 0
    resolution: int = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class SaleLimits:
    """Smallest and largest sale in minor units."""

    least_minor: int = 1
    most_minor: int = MAX_AMOUNT_MINOR


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
    """paid = arrears + what buys credit; the meter gets `credit` in one order, `split` says what becomes of it.

    `carried_amount_minor` is kept for the next sale; `worth_repaid_minor` is for showing. `refusal` None: sell.
    """

    refusal: QuoteRefusal | None
    paid_minor: int
    arrears_minor: int
    price: Decimal
    credit: int
    split: Split
    worth_repaid_minor: int
    carried_amount_minor: Decimal
    balance_after: int | None  # with all open deliveries
    headroom: int | None  # None: no limit
    most_minor: int


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

    Open deliveries count as if they had arrived: they may arrive at any moment.
    """
    if purse.hoarding_limit <= 0:
        return None
    free = purse.hoarding_limit - (purse.balance or 0) - purse.open_credit
    return max(0, free - free % purse.resolution)


def most_amount(
    purse: Purse,
    *,
    price: Decimal,
    currency: Currency,
    limits: SaleLimits,
    arrears_minor: int = 0,
    carried_amount_minor: Decimal = Decimal(0),
) -> int:
    """The largest amount a sale of energy may have now, in minor units, rounded down so that it still fits."""
    free = headroom(purse)
    if free is None:
        return limits.most_minor
    if free == 0:
        return 0
    worth = amount_for_energy(free, price=price, exponent=currency.exponent, rounding=Rounding.DOWN)
    # the carried amount is taken off before energy is counted; its whole part leaves that much more room
    return min(limits.most_minor, worth + arrears_minor + int(carried_amount_minor))


def _amount_refusal(amount_minor: int, limits: SaleLimits) -> QuoteRefusal | None:
    if not 0 < amount_minor <= MAX_AMOUNT_MINOR:
        return QuoteRefusal.AMOUNT_MALFORMED
    if amount_minor < limits.least_minor:
        return QuoteRefusal.AMOUNT_TOO_SMALL
    return QuoteRefusal.AMOUNT_ABOVE_LIMIT if amount_minor > limits.most_minor else None


def _refusal(
    amount_minor: int, credit: int, purse: Purse, limits: SaleLimits, *, meter_held: bool
) -> QuoteRefusal | None:
    if not meter_held:
        return QuoteRefusal.CUSTODY_NOT_SUPPORTED
    refusal = _amount_refusal(amount_minor, limits)
    if refusal is not None:
        return refusal
    if credit == 0:
        return QuoteRefusal.AMOUNT_TOO_SMALL
    free = headroom(purse)
    if free is None:
        return None
    if purse.balance is None:
        return QuoteRefusal.BALANCE_UNKNOWN
    return QuoteRefusal.HOARDING_LIMIT if credit > free else None


def quote(
    amount_minor: int,
    *,
    price: Decimal,
    currency: Currency,
    purse: Purse,
    limits: SaleLimits,
    meter_held: bool = True,
    arrears_minor: int = 0,
    carried_amount_minor: Decimal = Decimal(0),
) -> SaleQuote:
    """Quote a sale of energy at a flat price; look at `refusal` first.

    `arrears_minor` is taken first; `carried_amount_minor` is what earlier roundings gave too much.
    Raises Refused as `units.check_price`.
    """
    assert arrears_minor >= 0 and purse.resolution > 0, (arrears_minor, purse)
    buying = min(max(amount_minor, 0), MAX_AMOUNT_MINOR)
    taken = min(arrears_minor, buying)
    bought = energy_for_amount(
        buying - taken,
        price=price,
        exponent=currency.exponent,
        resolution_wh=purse.resolution,
        carried_amount_minor=carried_amount_minor,
    )
    parts = split(bought.energy_wh, purse)
    return SaleQuote(
        refusal=_refusal(amount_minor, bought.energy_wh, purse, limits, meter_held=meter_held),
        paid_minor=amount_minor,
        arrears_minor=taken,
        price=price,
        credit=bought.energy_wh,
        split=parts,
        worth_repaid_minor=amount_for_energy(
            parts.repaid_past_zero + parts.repaid_overdraft,
            price=price,
            exponent=currency.exponent,
            rounding=Rounding.NEAREST,
        ),
        carried_amount_minor=bought.carried_amount_minor,
        balance_after=None if purse.balance is None else purse.balance + purse.open_credit + bought.energy_wh,
        headroom=headroom(purse),
        most_minor=most_amount(
            purse,
            price=price,
            currency=currency,
            limits=limits,
            arrears_minor=arrears_minor,
            carried_amount_minor=carried_amount_minor,
        ),
    )
