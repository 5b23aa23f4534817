"""Money and energy: worked numbers of docs/algorithms/units.md, and what must hold for all numbers."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prewatt.core.refusals import Refused
from prewatt.core.units import (
    CNY,
    CURRENCIES,
    MAX_AMOUNT_MINOR,
    Rounding,
    amount_for_energy,
    check_price,
    currency,
    divide,
    energy_for_amount,
    format_amount,
    format_energy,
    format_power,
    format_price,
    parse_amount,
    parse_energy,
    parse_price,
)

UGX, KWD = CURRENCIES["UGX"], CURRENCIES["KWD"]
PRICES = st.decimals(min_value="0.000001", max_value="9999", places=6)


@pytest.mark.parametrize(
    ("code", "amount_minor", "plain", "with_symbol"),
    [
        ("CNY", 0, "0.00", "¥0.00"),
        ("CNY", 5, "0.05", "¥0.05"),
        ("CNY", -5, "-0.05", "-¥0.05"),
        ("CNY", 123_456_789, "1,234,567.89", "¥1,234,567.89"),
        ("UGX", 50_000, "50,000", "USh50,000"),
        ("KWD", -1_234_567, "-1,234.567", "-KD1,234.567"),
    ],
)
def test_amounts_show_thousands_and_fixed_decimals(code: str, amount_minor: int, plain: str, with_symbol: str) -> None:
    assert format_amount(amount_minor, currency(code)) == plain
    assert format_amount(amount_minor, currency(code), symbol=True) == with_symbol


@pytest.mark.parametrize(
    ("energy_wh", "decimals", "text"),
    [
        (543_480, 2, "543.48"), (-12_350, 2, "-12.35"), (1_234_567_890, 2, "1,234,567.89"), (5, 2, "0.01"),
        (4, 2, "0.00"), (-4, 2, "0.00"), (-5, 2, "-0.01"), (1_500, 0, "2"), (1_499, 0, "1"), (1_234, 3, "1.234"),
    ],
)  # fmt: skip
def test_energies_show_kwh(energy_wh: int, decimals: int, text: str) -> None:
    assert format_energy(energy_wh, decimals=decimals) == text


def test_powers_and_prices_show_their_digits() -> None:
    assert format_power(-1_840) == "-1.840"
    assert format_price(Decimal("0.92")) == "0.9200"
    assert format_price(Decimal("0.685812")) == "0.685812"


@pytest.mark.parametrize(
    ("text", "code", "amount_minor"),
    [
        ("50", "CNY", 5_000), ("50.5", "CNY", 5_050), (" 1,234.50 ", "CNY", 123_450), ("５０．２５", "CNY", 5_025),
        ("-3.20", "CNY", -320), ("+3", "CNY", 300), ("0.10000", "CNY", 10), ("50000", "UGX", 50_000),
        ("50000.00", "UGX", 50_000), ("1.234", "KWD", 1_234), ("1000000000000", "CNY", MAX_AMOUNT_MINOR),
    ],
)  # fmt: skip
def test_amounts_are_parsed_without_loss(text: str, code: str, amount_minor: int) -> None:
    assert parse_amount(text, currency(code)) == amount_minor


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "amount_malformed"), ("abc", "amount_malformed"), ("1e3", "amount_malformed"), (".5", "amount_malformed"),
        ("5.", "amount_malformed"), ("1,23", "amount_malformed"), ("1,2345", "amount_malformed"),
        ("1 000", "amount_malformed"), ("--1", "amount_malformed"), ("0x10", "amount_malformed"),
        ("NaN", "amount_malformed"), ("Infinity", "amount_malformed"), ("١٢", "amount_malformed"),
        ("1" * 41, "amount_malformed"), ("¥50", "amount_malformed"), ("1\n2", "amount_malformed"),
        ("1.005", "amount_too_precise"), ("1000000000000.01", "amount_too_large"), ("9" * 40, "amount_too_large"),
    ],
)  # fmt: skip
def test_what_is_no_amount_is_refused(text: str, code: str) -> None:
    with pytest.raises(Refused) as caught:
        parse_amount(text, CNY)
    assert caught.value.code == code
    assert not caught.value.retry


def test_energies_and_prices_are_parsed_and_refused_alike() -> None:
    assert parse_energy("1,234.567") == 1_234_567
    assert parse_price("0.92") == Decimal("0.92")
    for parse, text, code in (
        (parse_energy, "1.2345", "energy_too_precise"),
        (parse_energy, "one", "energy_malformed"),
        (parse_energy, "9" * 20, "energy_too_large"),
        (parse_price, "one", "price_unreadable"),
        (parse_price, "0", "price_out_of_range"),
        (parse_price, "-1", "price_out_of_range"),
        (parse_price, "100001", "price_out_of_range"),
        (parse_price, "0.1234567", "price_too_precise"),
    ):
        with pytest.raises(Refused) as caught:
            parse(text)
        assert caught.value.code == code


def test_an_unknown_currency_is_refused() -> None:
    with pytest.raises(Refused) as caught:
        currency("XXX")
    assert caught.value.code == "currency_not_known"


@pytest.mark.parametrize("price", ["NaN", "Infinity", "-0.5", "0"])
def test_a_price_that_is_none_is_refused(price: str) -> None:
    with pytest.raises(Refused):
        check_price(Decimal(price))


@pytest.mark.parametrize(
    ("rounding", "values"),
    [(Rounding.DOWN, (-2, -1, 0, 1)), (Rounding.UP, (-1, 0, 1, 2)), (Rounding.NEAREST, (-1, 0, 1, 2))],
)
def test_halves(rounding: Rounding, values: tuple[int, ...]) -> None:
    assert tuple(divide(numerator, 2, rounding) for numerator in (-3, -1, 1, 3)) == values


# docs/algorithms/units.md, "Worked numbers"
WORKED = [
    # amount, price, exponent, resolution, carried in -> energy, cost, carried out
    (50_000, "0.92", 2, 10, "0", 543_480, "50000.16", "0.16"),
    (50_000, "0.92", 2, 10, "0.16", 543_480, "50000.16", "0.32"),
    (50_000, "0.92", 2, 10, "0.88", 543_470, "49999.24", "0.12"),
    (1, "0.92", 2, 10, "0", 20, "1.84", "0.84"),
    (0, "0.92", 2, 10, "0", 0, "0", "0"),
    (5_000, "0.5", 2, 10, "0", 100_000, "5000", "0"),
    (50_000, "805.1", 0, 100, "0", 62_200, "50077.22", "77.22"),
    (1, "0.92", 2, 10, "1.5", 0, "0", "0.5"),
]


@pytest.mark.parametrize(("amount", "price", "exponent", "step", "carried", "energy", "cost", "left"), WORKED)
def test_worked_numbers(
    amount: int, price: str, exponent: int, step: int, carried: str, energy: int, cost: str, left: str
) -> None:
    got = energy_for_amount(
        amount, price=Decimal(price), exponent=exponent, resolution_wh=step, carried_amount_minor=Decimal(carried)
    )
    assert (got.energy_wh, got.cost_minor, got.carried_amount_minor) == (energy, Decimal(cost), Decimal(left))


@given(st.integers(0, 10**9), PRICES, st.sampled_from((0, 2, 3)), st.sampled_from((1, 10, 100, 1000)))
def test_the_customer_gets_at_least_what_he_paid_for_and_less_than_a_step_more(
    amount_minor: int, price: Decimal, exponent: int, step: int
) -> None:
    got = energy_for_amount(amount_minor, price=price, exponent=exponent, resolution_wh=step)
    exact = Fraction(amount_minor * 1000) / (Fraction(price) * 10**exponent)
    assert got.energy_wh % step == 0
    assert exact <= got.energy_wh < exact + step
    assert Fraction(got.carried_amount_minor) == Fraction(price) * got.energy_wh * 10**exponent / 1000 - amount_minor


@given(st.lists(st.integers(1, 100_000), min_size=1, max_size=30), PRICES)
def test_carrying_keeps_the_sum_of_many_sales_within_one_step(amounts: list[int], price: Decimal) -> None:
    carried, energy_wh = Decimal(0), 0
    for amount in amounts:
        got = energy_for_amount(amount, price=price, exponent=2, resolution_wh=10, carried_amount_minor=carried)
        carried, energy_wh = got.carried_amount_minor, energy_wh + got.energy_wh
        assert carried >= 0
    exact = Fraction(sum(amounts) * 10) / Fraction(price)
    assert exact <= energy_wh < exact + 10


def test_the_worth_of_an_energy_is_rounded_as_the_caller_says() -> None:
    for rounding, amount_minor in ((Rounding.DOWN, 130_051), (Rounding.UP, 130_052), (Rounding.NEAREST, 130_051)):
        assert amount_for_energy(1_413_600, price=Decimal("0.92"), exponent=2, rounding=rounding) == amount_minor


@given(st.integers(0, 10**8).map(lambda steps: steps * 10), PRICES)
def test_the_most_money_for_a_room_never_overflows_the_room(room_wh: int, price: Decimal) -> None:
    amount = amount_for_energy(room_wh, price=price, exponent=2, rounding=Rounding.DOWN)
    assert energy_for_amount(amount, price=price, exponent=2, resolution_wh=10).energy_wh <= room_wh
