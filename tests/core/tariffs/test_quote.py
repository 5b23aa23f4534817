"""Quotes: the numbers of docs/algorithms/quote.md, the order of refusals, and what holds for all of them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prewatt.core.refusals import Refused
from prewatt.core.tariffs.plan import PlanVersion, version_at
from prewatt.core.tariffs.quote import (
    RETRY_HELPS,
    Debt,
    Purse,
    QuoteRefusal,
    SaleLimits,
    SaleQuote,
    debt_of,
    headroom,
    quote,
)
from prewatt.core.units import CNY, CURRENCIES

PRICE = Decimal("0.92")
LIMITS = SaleLimits(least_minor=2_000, most_minor=500_000)
BAKERY = Purse(balance=-12_350, use_past_zero=12_350, hoarding_limit=1_500_000)
KITCHEN = Purse(balance=86_400, hoarding_limit=1_500_000)


def sell(amount_minor: int, purse: Purse = BAKERY, *, arrears_minor: int = 0) -> SaleQuote:
    return quote(amount_minor, price=PRICE, currency=CNY, purse=purse, limits=LIMITS, arrears_minor=arrears_minor)


def parts(got: SaleQuote) -> tuple[int, int, int]:
    return got.split.repaid_past_zero, got.split.repaid_overdraft, got.split.added


def test_five_hundred_yuan_to_a_shop_that_used_past_zero() -> None:
    got = sell(50_000)
    assert got.refusal is None
    assert (got.paid_minor, got.credit) == (50_000, 543_480)
    assert parts(got) == (12_350, 0, 531_130)
    assert got.worth_repaid_minor == 1_136
    assert got.balance_after == 531_130
    assert got.most_minor == 139_136
    assert got.carried_amount_minor == Decimal("0.16")


def test_two_thousand_yuan_pass_the_hoarding_limit_and_the_numbers_say_by_how_much() -> None:
    got = sell(200_000, KITCHEN)
    assert got.refusal is QuoteRefusal.HOARDING_LIMIT
    assert (got.credit, got.balance_after, got.headroom, got.most_minor) == (2_173_920, 2_260_320, 1_413_600, 130_051)
    fits = sell(130_051, KITCHEN)
    assert (fits.refusal, fits.balance_after) == (None, 1_500_000)


@pytest.mark.parametrize(
    ("balance", "overdraft", "past_zero", "debt"),
    [
        (5_000, 20_000, 0, (0, 0)),
        (-12_350, 0, 12_350, (12_350, 0)),  # no overdraft permitted: all of it is use past zero
        (-12_350, 20_000, 0, (0, 12_350)),  # permitted
        (-25_000, 20_000, 5_000, (5_000, 20_000)),
        (-25_000, 20_000, None, (5_000, 20_000)),  # the meter keeps no register for it
        (-3_000, 20_000, 5_000, (3_000, 0)),  # the register tells of more than is owed now
        (5_000, 0, 5_000, (0, 0)),
        (None, 0, None, (0, 0)),
    ],
)
def test_use_past_zero_is_told_apart_from_permitted_overdraft(
    balance: int | None, overdraft: int, past_zero: int | None, debt: tuple[int, int]
) -> None:
    purse = Purse(balance=balance, overdraft_limit=overdraft, use_past_zero=past_zero)
    assert debt_of(purse) == Debt(past_zero=debt[0], overdraft=debt[1])


def test_a_small_sale_repays_use_past_zero_first_and_may_add_nothing() -> None:
    got = sell(2_000, Purse(balance=-35_000, overdraft_limit=20_000, use_past_zero=15_000))  # 21.74 kWh
    assert parts(got) == (15_000, 6_740, 0)
    assert got.balance_after == -13_260


def test_arrears_are_taken_first() -> None:
    got = sell(50_000, arrears_minor=4_000)
    assert (got.refusal, got.arrears_minor, got.credit, parts(got)) == (None, 4_000, 500_000, (12_350, 0, 487_650))
    assert sell(3_000, arrears_minor=4_000).refusal is QuoteRefusal.AMOUNT_TOO_SMALL


def test_open_deliveries_count_as_if_they_had_arrived() -> None:
    purse = replace(KITCHEN, open_credit=1_000_000)
    assert headroom(purse) == 413_600
    assert sell(2_000, purse).most_minor == 38_051
    assert sell(38_051, purse).refusal is None
    assert sell(38_052, purse).refusal is QuoteRefusal.HOARDING_LIMIT


def test_a_full_meter_can_be_sold_nothing() -> None:
    full = replace(KITCHEN, balance=1_500_000)
    got = sell(2_000, full)
    assert (got.refusal, got.most_minor, got.headroom) == (QuoteRefusal.HOARDING_LIMIT, 0, 0)


def test_without_a_hoarding_limit_the_largest_sale_is_the_most_and_no_reading_is_needed() -> None:
    got = sell(500_000, Purse(balance=None))
    assert (got.refusal, got.headroom, got.most_minor, got.balance_after) == (None, None, 500_000, None)


# Each row breaks one rule more than the row below: the first refusal in the list wins.
@pytest.mark.parametrize(
    ("meter_held", "balance", "amount_minor", "arrears_minor", "code"),
    [
        (False, None, 0, 0, QuoteRefusal.CUSTODY_NOT_SUPPORTED),
        (True, None, 0, 0, QuoteRefusal.AMOUNT_MALFORMED),
        (True, None, -5, 0, QuoteRefusal.AMOUNT_MALFORMED),
        (True, None, 10**14 + 1, 0, QuoteRefusal.AMOUNT_MALFORMED),
        (True, None, 1_999, 0, QuoteRefusal.AMOUNT_TOO_SMALL),
        (True, None, 500_001, 0, QuoteRefusal.AMOUNT_ABOVE_LIMIT),
        (True, None, 2_000, 2_000, QuoteRefusal.AMOUNT_TOO_SMALL),
        (True, None, 2_000, 0, QuoteRefusal.BALANCE_UNKNOWN),
        (True, 1_500_000, 2_000, 0, QuoteRefusal.HOARDING_LIMIT),
        (True, 0, 2_000, 0, None),
    ],
)
def test_the_first_refusal_of_the_list_is_the_answer(
    meter_held: bool, balance: int | None, amount_minor: int, arrears_minor: int, code: QuoteRefusal | None
) -> None:
    got = quote(
        amount_minor,
        price=PRICE,
        currency=CNY,
        purse=replace(KITCHEN, balance=balance),
        limits=LIMITS,
        meter_held=meter_held,
        arrears_minor=arrears_minor,
    )
    assert got.refusal is code


def test_only_a_reading_can_help_a_refused_sale() -> None:
    assert {each for each in QuoteRefusal if each in RETRY_HELPS} == {QuoteRefusal.BALANCE_UNKNOWN}


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
    amount: int, price: Decimal, balance: int, overdraft: int, arrears: int, carried: Decimal, code: str
) -> None:
    purse = Purse(balance=balance, overdraft_limit=overdraft, hoarding_limit=5_000_000)
    most = 0
    for paid in (amount, None):
        got = quote(
            paid or most,
            price=price,
            currency=CURRENCIES[code],
            purse=purse,
            limits=SaleLimits(),
            arrears_minor=arrears,
            carried_amount_minor=carried,
        )
        most = got.most_minor
        assert got.credit == sum(parts(got))
        assert got.balance_after == balance + got.credit
        assert got.split.added == max(0, got.balance_after) - max(0, balance)
        assert got.refusal is not QuoteRefusal.HOARDING_LIMIT or (paid is not None and paid > most)
        assert got.refusal is not None or got.balance_after <= 5_000_000
        if most == 0:
            break


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
