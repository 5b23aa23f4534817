"""Quotes: the numbers of docs/algorithms/quote.md, the order of refusals, and what holds for all of them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prewatt.core.refusals import Refused, texts
from prewatt.core.tariffs.plan import PlanVersion, version_at
from prewatt.core.tariffs.quote import (
    Debt,
    Purse,
    QuoteRefusal,
    SaleLimits,
    SaleQuote,
    debt_of,
    headroom_wh,
    most_amount,
    quote,
)
from prewatt.core.units import CNY, CURRENCIES

PRICE = Decimal("0.92")
LIMITS = SaleLimits(least_minor=2_000, most_minor=500_000)
BAKERY = Purse(balance_wh=-12_350, use_past_zero_wh=12_350, hoarding_limit_wh=1_500_000)
KITCHEN = Purse(balance_wh=86_400, hoarding_limit_wh=1_500_000)


def sell(amount_minor: int, purse: Purse = BAKERY, *, arrears_minor: int = 0, limits: SaleLimits = LIMITS) -> SaleQuote:
    return quote(amount_minor, price=PRICE, currency=CNY, purse=purse, limits=limits, arrears_minor=arrears_minor)


def test_five_hundred_yuan_to_a_shop_that_used_past_zero() -> None:
    got = sell(50_000)
    assert (got.paid_minor, got.energy_wh) == (50_000, 543_480)
    assert (got.repaid_past_zero_wh, got.repaid_overdraft_wh, got.added_wh) == (12_350, 0, 531_130)
    assert got.worth_repaid_minor == 1_136
    assert got.balance_after_wh == 531_130
    assert got.most_minor == 139_136
    assert got.carried_amount_minor == Decimal("0.16")


def test_two_thousand_yuan_pass_the_hoarding_limit() -> None:
    with pytest.raises(Refused) as caught:
        sell(200_000, KITCHEN)
    assert caught.value.code == "hoarding_limit"
    assert caught.value.params["most_minor"] == 130_051
    assert caught.value.message("zh-hans") == (
        "购 2,173.92 kWh 后余额将达 2,260.32 kWh，超过囤积限额 1,500.00 kWh；现在最多可售 ¥1,300.51。"
    )
    assert sell(130_051, KITCHEN).balance_after_wh == 1_500_000


@pytest.mark.parametrize(
    ("balance_wh", "overdraft_wh", "past_zero_wh", "debt"),
    [
        (5_000, 20_000, 0, (0, 0)),
        (-12_350, 0, 12_350, (12_350, 0)),  # no overdraft permitted: all of it is use past zero
        (-12_350, 20_000, 0, (0, 12_350)),  # permitted
        (-25_000, 20_000, 5_000, (5_000, 20_000)),
        (-25_000, 20_000, 0, (5_000, 20_000)),  # the meter keeps no register for it
        (-3_000, 20_000, 5_000, (3_000, 0)),  # the register tells of more than is owed now
        (5_000, 0, 5_000, (0, 0)),
    ],
)
def test_use_past_zero_is_told_apart_from_permitted_overdraft(
    balance_wh: int, overdraft_wh: int, past_zero_wh: int, debt: tuple[int, int]
) -> None:
    purse = Purse(balance_wh=balance_wh, overdraft_limit_wh=overdraft_wh, use_past_zero_wh=past_zero_wh)
    assert debt_of(purse) == Debt(past_zero_wh=debt[0], overdraft_wh=debt[1])


def test_a_small_sale_repays_use_past_zero_first_and_may_add_nothing() -> None:
    purse = Purse(balance_wh=-35_000, overdraft_limit_wh=20_000, use_past_zero_wh=15_000)
    got = sell(2_000, purse)  # 21.74 kWh
    assert (got.repaid_past_zero_wh, got.repaid_overdraft_wh, got.added_wh) == (15_000, 6_740, 0)
    assert got.balance_after_wh == -13_260


def test_arrears_are_taken_first() -> None:
    got = sell(50_000, arrears_minor=4_000)
    assert (got.arrears_minor, got.energy_wh) == (4_000, 500_000)
    with pytest.raises(Refused) as caught:
        sell(3_000, arrears_minor=4_000)
    assert caught.value.code == "amount_buys_nothing"


def test_open_deliveries_count_as_if_they_had_arrived() -> None:
    purse = replace(KITCHEN, open_wh=1_000_000)
    assert headroom_wh(purse) == 413_600
    assert sell(2_000, purse).most_minor == 38_051
    with pytest.raises(Refused):
        sell(38_052 + 1, purse)


def test_a_full_meter_can_be_sold_nothing() -> None:
    full = replace(KITCHEN, balance_wh=1_500_000)
    assert most_amount(full, price=PRICE, currency=CNY, limits=LIMITS) == 0
    with pytest.raises(Refused) as caught:
        sell(2_000, full)
    assert caught.value.code == "hoarding_limit"


def test_without_a_hoarding_limit_the_largest_sale_is_the_most() -> None:
    got = sell(500_000, Purse(balance_wh=0))
    assert (got.headroom_wh, got.most_minor) == (None, 500_000)


# Each row breaks one rule more than the row below: the first refusal in the list wins.
@pytest.mark.parametrize(
    ("meter_held", "balance_wh", "amount_minor", "arrears_minor", "code"),
    [
        (False, None, 0, 0, QuoteRefusal.SALE_CUSTODY),
        (True, None, 0, 0, QuoteRefusal.BALANCE_UNKNOWN),
        (True, 1_500_000, 0, 0, QuoteRefusal.AMOUNT_NOT_POSITIVE),
        (True, 1_500_000, -5, 0, QuoteRefusal.AMOUNT_NOT_POSITIVE),
        (True, 1_500_000, 1_999, 0, QuoteRefusal.AMOUNT_BELOW_LEAST),
        (True, 1_500_000, 500_001, 0, QuoteRefusal.AMOUNT_ABOVE_MOST),
        (True, 1_500_000, 2_000, 2_000, QuoteRefusal.AMOUNT_BUYS_NOTHING),
        (True, 1_500_000, 2_000, 0, QuoteRefusal.HOARDING_LIMIT),
    ],
)
def test_the_first_refusal_of_the_list_is_the_answer(
    meter_held: bool, balance_wh: int | None, amount_minor: int, arrears_minor: int, code: QuoteRefusal
) -> None:
    with pytest.raises(Refused) as caught:
        quote(
            amount_minor,
            price=PRICE,
            currency=CNY,
            purse=replace(KITCHEN, balance_wh=balance_wh),
            limits=LIMITS,
            meter_held=meter_held,
            arrears_minor=arrears_minor,
        )
    assert caught.value.code == code
    assert caught.value.retry == (code is QuoteRefusal.BALANCE_UNKNOWN)
    assert code.value in texts


@given(
    st.integers(1, 10**7),
    st.decimals(min_value="0.01", max_value="50", places=4),
    st.integers(-(10**6), 10**6).map(lambda steps: steps * 10),
    st.integers(0, 10**5).map(lambda steps: steps * 10),
    st.integers(0, 10**5),
    st.decimals(min_value=0, max_value="0.99", places=2),
    st.sampled_from(["CNY", "UGX", "KWD"]),
)
def test_every_quote_adds_up_and_fits(
    amount: int, price: Decimal, balance_wh: int, overdraft_wh: int, arrears: int, carried: Decimal, code: str
) -> None:
    purse = Purse(balance_wh=balance_wh, overdraft_limit_wh=overdraft_wh, hoarding_limit_wh=5_000_000)
    currency = CURRENCIES[code]
    limits = SaleLimits()
    most = most_amount(
        purse, price=price, currency=currency, limits=limits, arrears_minor=arrears, carried_amount_minor=carried
    )
    for paid in (amount, most):
        try:
            got = quote(
                paid, price=price, currency=currency, purse=purse, limits=limits, arrears_minor=arrears,
                carried_amount_minor=carried,
            )  # fmt: skip
        except Refused as refused:
            assert refused.code in {"hoarding_limit", "amount_buys_nothing", "amount_not_positive"}
            assert refused.code != "hoarding_limit" or paid > most
            continue
        assert got.energy_wh == got.repaid_past_zero_wh + got.repaid_overdraft_wh + got.added_wh
        assert got.balance_after_wh == balance_wh + got.energy_wh <= 5_000_000
        assert got.added_wh == max(0, got.balance_after_wh) - max(0, balance_wh)
        assert got.most_minor == most


MIDNIGHT = datetime(2026, 10, 31, 16, 0, tzinfo=UTC)  # 1 November in Sanming
VERSIONS = (
    PlanVersion(number=2, price=Decimal("0.92"), valid_from=MIDNIGHT),
    PlanVersion(number=1, price=Decimal("0.88"), valid_from=MIDNIGHT - timedelta(days=300)),
)


@pytest.mark.parametrize(
    ("at", "number"),
    [(MIDNIGHT - timedelta(microseconds=1), 1), (MIDNIGHT, 2), (MIDNIGHT + timedelta(days=1), 2)],
)
def test_the_instant_of_beginning_belongs_to_the_new_version(at: datetime, number: int) -> None:
    assert version_at(VERSIONS, at).number == number


@pytest.mark.parametrize(
    ("versions", "code"),
    [
        ((), "plan_not_valid"),
        ((VERSIONS[0],), "plan_not_valid"),
        ((VERSIONS[1], replace(VERSIONS[1], number=9)), "plan_versions_clash"),
    ],
)
def test_a_plan_without_one_price_is_refused(versions: tuple[PlanVersion, ...], code: str) -> None:
    with pytest.raises(Refused) as caught:
        version_at(versions, MIDNIGHT - timedelta(days=1))
    assert caught.value.code == code


@pytest.mark.parametrize("price", ["0", "-1", "0.1234567", "NaN"])
def test_a_version_with_no_price_is_refused(price: str) -> None:
    with pytest.raises(Refused):
        PlanVersion(price=Decimal(price), valid_from=MIDNIGHT)
