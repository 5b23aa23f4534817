"""What a sale to a meter-held supply point buys: paid, repaid, added; and the most that can be sold.

Pure: values in, a quote or an ordered refusal out. Worked numbers: docs/algorithms/quote.md.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

from prewatt.core.refusals import Refused, Text, register
from prewatt.core.units import (
    MAX_AMOUNT_MINOR,
    Currency,
    Rounding,
    amount_for_energy,
    energy_for_amount,
    format_amount,
    format_energy,
)


class QuoteRefusal(StrEnum):
    """Why nothing is sold, in the order in which it is looked at: the first that holds is the answer."""

    SALE_CUSTODY = "sale_custody"
    BALANCE_UNKNOWN = "balance_unknown"
    AMOUNT_NOT_POSITIVE = "amount_not_positive"
    AMOUNT_BELOW_LEAST = "amount_below_least"
    AMOUNT_ABOVE_MOST = "amount_above_most"
    AMOUNT_BUYS_NOTHING = "amount_buys_nothing"
    HOARDING_LIMIT = "hoarding_limit"


_TEXTS: Final = {
    QuoteRefusal.SALE_CUSTODY: Text(
        "This supply point's credit is not held by its meter.", "该供电点不是表内计费，不能向电表售电。"
    ),
    QuoteRefusal.BALANCE_UNKNOWN: Text(
        "The meter has not been read yet; its balance is unknown.", "电表尚未读到余额，请先抄表。"
    ),
    QuoteRefusal.AMOUNT_NOT_POSITIVE: Text("The amount must be above zero.", "金额必须大于零。"),
    QuoteRefusal.AMOUNT_BELOW_LEAST: Text("The smallest sale is {least}.", "最小售电金额为 {least}。"),
    QuoteRefusal.AMOUNT_ABOVE_MOST: Text("The largest sale is {most}.", "单笔最大售电金额为 {most}。"),
    QuoteRefusal.AMOUNT_BUYS_NOTHING: Text(
        "The amount buys no energy: {taken} is owed first.", "金额不足：须先扣 {taken}，购不到电量。"
    ),
    QuoteRefusal.HOARDING_LIMIT: Text(
        "{energy} kWh would bring the meter to {after} kWh; it may hold {limit} kWh. At most {most} can be sold now.",
        "购 {energy} kWh 后余额将达 {after} kWh，超过囤积限额 {limit} kWh；现在最多可售 {most}。",
    ),
}
assert list(_TEXTS) == list(QuoteRefusal), "every refusal has its texts, in the order of the list"
register({code.value: text for code, text in _TEXTS.items()})

RETRY: Final = frozenset({QuoteRefusal.BALANCE_UNKNOWN})


@dataclass(frozen=True, kw_only=True, slots=True)
class Purse:
    """What the meter said last, and what is on its way to it. All in Wh.

    `use_past_zero_wh` is what was used below the permitted overdraft (relay failed, or kept on);
    `open_wh` the sum of deliveries not yet settled; `hoarding_limit_wh` 0 means no limit.
    """

    balance_wh: int | None
    overdraft_limit_wh: int = 0
    use_past_zero_wh: int = 0
    hoarding_limit_wh: int = 0
    open_wh: int = 0
    resolution_wh: int = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class SaleLimits:
    """Smallest and largest sale in minor units."""

    least_minor: int = 1
    most_minor: int = MAX_AMOUNT_MINOR


@dataclass(frozen=True, kw_only=True, slots=True)
class Debt:
    """A negative balance told apart: use past zero is repaid first, it lies deepest. Both in Wh, >= 0."""

    past_zero_wh: int
    overdraft_wh: int


@dataclass(frozen=True, kw_only=True, slots=True)
class SaleQuote:
    """paid = arrears + what buys energy; energy = repaid_past_zero + repaid_overdraft + added.

    The meter gets `energy_wh` in one order; repaid and added say what becomes of it.
    `carried_amount_minor` is kept for the next sale. The two amounts with a `worth_` are for showing.
    """

    paid_minor: int
    arrears_minor: int
    price: Decimal
    energy_wh: int
    repaid_past_zero_wh: int
    repaid_overdraft_wh: int
    added_wh: int
    worth_repaid_minor: int
    carried_amount_minor: Decimal
    balance_after_wh: int
    headroom_wh: int | None
    most_minor: int


def debt_of(purse: Purse) -> Debt:
    """A negative balance split into use past zero and permitted overdraft.

    What lies below the overdraft limit is use past zero even where the meter keeps no register for it;
    what the meter reports beyond its own debt has been repaid meanwhile.
    """
    debt_wh = max(0, -(purse.balance_wh or 0))
    past_zero_wh = min(debt_wh, max(purse.use_past_zero_wh, debt_wh - purse.overdraft_limit_wh, 0))
    return Debt(past_zero_wh=past_zero_wh, overdraft_wh=debt_wh - past_zero_wh)


def headroom_wh(purse: Purse) -> int | None:
    """Energy the meter may still take, a multiple of its resolution; None without a limit.

    Open deliveries count as if they had arrived: they may arrive at any moment.
    """
    if purse.hoarding_limit_wh <= 0:
        return None
    free_wh = purse.hoarding_limit_wh - (purse.balance_wh or 0) - purse.open_wh
    return max(0, free_wh - free_wh % purse.resolution_wh)


def most_amount(
    purse: Purse,
    *,
    price: Decimal,
    currency: Currency,
    limits: SaleLimits,
    arrears_minor: int = 0,
    carried_amount_minor: Decimal = Decimal(0),
) -> int:
    """The largest amount a sale may have now, in minor units, rounded down so that its energy still fits."""
    free_wh = headroom_wh(purse)
    if free_wh is None:
        return limits.most_minor
    worth = amount_for_energy(free_wh, price=price, exponent=currency.exponent, rounding=Rounding.DOWN)
    if free_wh <= 0:
        return 0
    # the carried amount is taken off before energy is counted; its whole part leaves that much more room
    return min(limits.most_minor, worth + arrears_minor + int(carried_amount_minor))


def _refuse(code: QuoteRefusal, **params: object) -> Refused:
    return Refused(code.value, retry=code in RETRY, **params)


def _check_amount(amount_minor: int, limits: SaleLimits, currency: Currency) -> None:
    if amount_minor <= 0:
        raise _refuse(QuoteRefusal.AMOUNT_NOT_POSITIVE)
    if amount_minor < limits.least_minor:
        raise _refuse(QuoteRefusal.AMOUNT_BELOW_LEAST, least=format_amount(limits.least_minor, currency, symbol=True))
    if amount_minor > limits.most_minor:
        raise _refuse(QuoteRefusal.AMOUNT_ABOVE_MOST, most=format_amount(limits.most_minor, currency, symbol=True))


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
    """Quote a sale; raises Refused with the first QuoteRefusal that holds (see there for the order).

    `arrears_minor` is taken first; `carried_amount_minor` is what earlier roundings gave too much.
    """
    assert arrears_minor >= 0 and purse.resolution_wh > 0, (arrears_minor, purse)
    if not meter_held:
        raise _refuse(QuoteRefusal.SALE_CUSTODY)
    if purse.balance_wh is None:
        raise _refuse(QuoteRefusal.BALANCE_UNKNOWN)
    _check_amount(amount_minor, limits, currency)
    taken = min(arrears_minor, amount_minor)
    bought = energy_for_amount(
        amount_minor - taken,
        price=price,
        exponent=currency.exponent,
        resolution_wh=purse.resolution_wh,
        carried_amount_minor=carried_amount_minor,
    )
    if bought.energy_wh == 0:
        raise _refuse(QuoteRefusal.AMOUNT_BUYS_NOTHING, taken=format_amount(taken, currency, symbol=True))
    free_wh = headroom_wh(purse)
    most = most_amount(
        purse,
        price=price,
        currency=currency,
        limits=limits,
        arrears_minor=arrears_minor,
        carried_amount_minor=carried_amount_minor,
    )
    after_wh = purse.balance_wh + purse.open_wh + bought.energy_wh
    if free_wh is not None and bought.energy_wh > free_wh:
        raise _refuse(
            QuoteRefusal.HOARDING_LIMIT,
            energy=format_energy(bought.energy_wh),
            after=format_energy(after_wh),
            limit=format_energy(purse.hoarding_limit_wh),
            most=format_amount(most, currency, symbol=True),
            most_minor=most,
        )
    debt = debt_of(purse)
    past_zero_wh = min(bought.energy_wh, debt.past_zero_wh)
    overdraft_wh = min(bought.energy_wh - past_zero_wh, debt.overdraft_wh)
    return SaleQuote(
        paid_minor=amount_minor,
        arrears_minor=taken,
        price=price,
        energy_wh=bought.energy_wh,
        repaid_past_zero_wh=past_zero_wh,
        repaid_overdraft_wh=overdraft_wh,
        added_wh=bought.energy_wh - past_zero_wh - overdraft_wh,
        worth_repaid_minor=amount_for_energy(
            past_zero_wh + overdraft_wh, price=price, exponent=currency.exponent, rounding=Rounding.NEAREST
        ),
        carried_amount_minor=bought.carried_amount_minor,
        balance_after_wh=after_wh,
        headroom_wh=free_wh,
        most_minor=most,
    )
