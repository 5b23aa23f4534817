"""Quotes: the numbers of docs/algorithms/quote.md, the order of refusals, and what holds for all of them."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prewatt.core.refusals import Refused
from prewatt.core.tariffs.quote import (
    RETRY_HELPS,
    Debt,
    Purse,
    QuoteRefusal,
    SaleLimits,
    SaleQuote,
    Terms,
    debt_of,
    headroom,
    most_amount,
    quote,
)
from prewatt.core.units import CURRENCIES

PRICE = Decimal("0.92")
LIMITS = SaleLimits(least_minor=2_000, most_minor=500_000)
BAKERY = Purse(balance=-12_350, use_past_zero=12_350, hoarding_limit=1_500_000)
KITCHEN = Purse(balance=86_400, hoarding_limit=1_500_000)


def terms(purse: Purse = BAKERY) -> Terms:
    return Terms(purse=purse, price=PRICE, exponent=2, limits=LIMITS)


def sell(amount_minor: int, purse: Purse = BAKERY) -> SaleQuote:
    return quote(amount_minor, terms(purse))


def most(purse: Purse = BAKERY) -> int:
    return most_amount(terms(purse))


def parts(got: SaleQuote) -> tuple[int, int, int]:
    return got.split.repaid_past_zero, got.split.repaid_overdraft, got.split.added


def test_five_hundred_yuan_to_a_shop_that_used_past_zero() -> None:
    got = sell(50_000)
    assert got.refusal is None
    assert (got.paid_minor, got.credit) == (50_000, 543_480)
    assert parts(got) == (12_350, 0, 531_130)
    assert got.balance_after == 531_130
    assert most() == 139_136
    assert got.carried_amount_minor == Decimal("0.16")


def test_two_thousand_yuan_pass_the_hoarding_limit_and_the_numbers_say_by_how_much() -> None:
    got = sell(200_000, KITCHEN)
    assert got.refusal is QuoteRefusal.HOARDING_LIMIT
    assert (got.credit, got.balance_after, headroom(KITCHEN), most(KITCHEN)) == (
        2_173_920, 2_260_320, 1_413_600, 130_051,
    )  # fmt: skip
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


def test_an_open_delivery_counts_as_if_it_had_arrived() -> None:
    purse = replace(KITCHEN, open_credit=1_000_000)
    assert headroom(purse) == 413_600
    assert most(purse) == 38_051
    assert sell(38_051, purse).refusal is None
    assert sell(38_052, purse).refusal is QuoteRefusal.HOARDING_LIMIT


def test_a_full_meter_can_be_sold_nothing() -> None:
    full = replace(KITCHEN, balance=1_500_000)
    assert (sell(2_000, full).refusal, most(full), headroom(full)) == (QuoteRefusal.HOARDING_LIMIT, 0, 0)


def test_without_a_hoarding_limit_the_largest_sale_is_the_most_and_no_reading_is_needed() -> None:
    unread = Purse(balance=None)
    got = sell(500_000, unread)
    assert (got.refusal, headroom(unread), most(unread), got.balance_after) == (None, None, 500_000, None)


def test_a_purse_in_money_takes_the_money_itself_and_carries_nothing() -> None:
    purse = Purse(balance=-500, hoarding_limit=10_000, resolution=1, holds_money=True)
    got = sell(2_000, purse)
    assert (got.refusal, got.credit, parts(got), got.balance_after) == (None, 2_000, (500, 0, 1_500), 1_500)
    assert (got.carried_amount_minor, most(purse)) == (Decimal(0), 10_500)
    assert sell(10_501, purse).refusal is QuoteRefusal.HOARDING_LIMIT


# Each row mends one more rule than the row above: the first refusal in the list wins.
@pytest.mark.parametrize(
    ("mended", "code"),
    [
        ({}, QuoteRefusal.AMOUNT_MALFORMED),
        ({"amount_minor": -5}, QuoteRefusal.AMOUNT_MALFORMED),
        ({"amount_minor": 10**14 + 1}, QuoteRefusal.AMOUNT_MALFORMED),
        ({"amount_minor": 1_999}, QuoteRefusal.CONTRACT_NOT_OPEN),
        ({"contract_open": True}, QuoteRefusal.PLAN_MISSING),
        ({"price": PRICE}, QuoteRefusal.DELIVERY_OPEN),
        ({"delivery_open": False}, QuoteRefusal.AMOUNT_TOO_SMALL),
        ({"amount_minor": 500_001}, QuoteRefusal.AMOUNT_ABOVE_LIMIT),
        ({"amount_minor": 2_000, "carried_amount_minor": Decimal(2_000)}, QuoteRefusal.AMOUNT_TOO_SMALL),
        ({"carried_amount_minor": Decimal(0)}, QuoteRefusal.BALANCE_UNKNOWN),
        ({"purse": replace(KITCHEN, balance=1_500_000)}, QuoteRefusal.HOARDING_LIMIT),
        ({"purse": KITCHEN}, None),
    ],
)
def test_the_first_refusal_of_the_list_is_the_answer(
    request: pytest.FixtureRequest, mended: dict[str, object], code: QuoteRefusal | None
) -> None:
    rows = request.node.get_closest_marker("parametrize").args[1]
    standing = Terms(
        purse=replace(KITCHEN, balance=None), price=None, exponent=2, limits=LIMITS, contract_open=False,
        delivery_open=True,
    )  # fmt: skip
    given: dict[str, object] = {"amount_minor": 0}
    for row, _ in rows:
        given |= row
        if row is mended:
            break
    amount = given.pop("amount_minor")
    assert isinstance(amount, int)
    assert quote(amount, replace(standing, **given)).refusal is code  # type: ignore[arg-type]


def test_only_the_meter_can_help_a_refused_sale() -> None:
    assert RETRY_HELPS == {QuoteRefusal.BALANCE_UNKNOWN, QuoteRefusal.DELIVERY_OPEN}


@given(
    st.integers(1, 10**7),
    st.decimals(min_value="0.01", max_value="50", places=4),
    st.integers(-(10**6), 10**6).map(lambda steps: steps * 10),
    st.integers(0, 10**5).map(lambda steps: steps * 10),
    st.decimals(min_value=0, max_value="0.99", places=2),
    st.sampled_from(["CNY", "UGX", "KWD"]),
    st.booleans(),
)
def test_every_quote_adds_up_and_fits(
    amount: int, price: Decimal, balance: int, overdraft: int, carried: Decimal, code: str, money: bool
) -> None:
    purse = Purse(balance=balance, overdraft_limit=overdraft, hoarding_limit=5_000_000, holds_money=money)
    given_terms = Terms(
        purse=purse, price=price, exponent=CURRENCIES[code].exponent, limits=SaleLimits(), carried_amount_minor=carried
    )
    largest = most_amount(given_terms)
    for paid in (amount, largest):
        if paid == 0:
            continue
        got = quote(paid, given_terms)
        assert got.credit == sum(parts(got))
        assert got.balance_after == balance + got.credit
        assert got.split.added == max(0, got.balance_after) - max(0, balance)
        assert got.refusal is not QuoteRefusal.HOARDING_LIMIT or paid > largest
        assert got.refusal is not None or got.balance_after <= 5_000_000


TOKEN = Purse(balance=None, by_token=True)


@pytest.mark.parametrize(
    ("amount_minor", "credit", "carried"),
    [
        (5_000, 54_400, "4.8"),  # 54.3478 kWh: the next tenth
        (150_724, 1_638_400, "8.8"),  # 16,384 tenths: the first that no longer has each tenth of its own
        (150_800, 1_639_400, "24.8"),  # 16,392 tenths asked: 16,394 is the next that a token carries
    ],
)
def test_a_token_carries_tenths_and_what_it_gives_too_much_is_carried_on(
    amount_minor: int, credit: int, carried: str
) -> None:
    got = sell(amount_minor, TOKEN)
    assert (got.refusal, got.credit, got.carried_amount_minor) == (None, credit, Decimal(carried))


@given(balance=st.integers(0, 3_000_000), limit=st.integers(1, 4_000_000))
def test_the_most_that_fits_is_a_token_that_fits(balance: int, limit: int) -> None:
    purse = Purse(balance=balance, hoarding_limit=limit, by_token=True)
    free, amount = headroom(purse), most(purse)
    assert free is not None and 0 <= free <= max(0, limit - balance)
    if amount >= LIMITS.least_minor:
        assert sell(amount, purse).refusal is None and sell(amount, purse).credit <= free


def test_more_than_the_largest_token_is_refused_plainly() -> None:
    with pytest.raises(Refused, match="token_amount_too_large"):
        quote(200_000_000, replace(terms(TOKEN), limits=SaleLimits(most_minor=10**12)))
