"""The value codes: rounding in the customer's favour, and the carried amount told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prewatt.core.refusals import Refused
from prewatt.core.sts import (
    AMOUNT16_MAX,
    AMOUNT20_MAX_E5,
    StsCode,
    decode_amount16,
    decode_amount20,
    encode_amount16,
    encode_amount20,
    parse_currency,
    show_currency,
)
from tests.core.sts.cases import amounts_16, amounts_20


@pytest.mark.parametrize(
    ("asked", "field", "carried"),
    [
        (0, 0x0000, 0),
        (1, 0x0001, 1),
        (16383, 0x3FFF, 16383),
        (16384, 0x4000, 16384),
        (16385, 0x4001, 16394),
        (180214, 0x7FFF, 180214),
        (180215, 0x8000, 180224),  # between two exponents: the next one, with an empty mantissa
        (180223, 0x8000, 180224),
        (1818524, 0xBFFF, 1818524),
        (1818525, 0xC000, 1818624),
        (18201624, 0xFFFF, 18201624),
    ],
)
def test_the_sixteen_bit_code_at_its_edges(asked: int, field: int, carried: int) -> None:
    assert encode_amount16(asked) == field
    assert decode_amount16(field) == carried


@given(amounts_16)
def test_units_are_rounded_up_by_less_than_a_step(asked: int) -> None:
    carried = decode_amount16(encode_amount16(asked))
    assert (
        asked
        <= carried
        < asked + (1 if asked < 16384 else 10 if asked <= 180214 else 100 if asked <= 1818524 else 1000)
    )


@given(st.integers(0, 0xFFFF))
def test_every_sixteen_bit_field_is_the_code_of_what_it_carries(field: int) -> None:
    assert encode_amount16(decode_amount16(field)) == field


@pytest.mark.parametrize(
    ("asked", "code"), [(-1, StsCode.AMOUNT_NEGATIVE), (AMOUNT16_MAX + 1, StsCode.AMOUNT_TOO_LARGE)]
)
def test_units_outside_the_code_are_refused(asked: int, code: StsCode) -> None:
    with pytest.raises(Refused) as refusal:
        encode_amount16(asked)
    assert refusal.value.code == code


@given(amounts_20)
def test_money_is_rounded_up_and_a_negative_amount_never_grows(asked: int) -> None:
    carried = decode_amount20(encode_amount20(asked))
    assert asked <= carried
    assert abs(asked - carried) * 16384 <= abs(asked) * 10 + 16384, "less than one step of the mantissa"


@given(st.integers(0, (1 << 19) - 1), st.booleans())
def test_every_twenty_bit_field_is_the_code_of_what_it_carries(magnitude: int, negative: bool) -> None:
    field = magnitude | (1 << 19 if negative and magnitude else 0)
    assert encode_amount20(decode_amount20(field)) == field


def test_money_beyond_the_code_is_refused_on_both_sides() -> None:
    assert encode_amount20(AMOUNT20_MAX_E5) == 0x7FFFF
    assert encode_amount20(-AMOUNT20_MAX_E5) == 0xFFFFF
    for asked in (AMOUNT20_MAX_E5 + 1, -AMOUNT20_MAX_E5 - 1):
        with pytest.raises(Refused) as refusal:
            encode_amount20(asked)
        assert refusal.value.code == StsCode.AMOUNT_TOO_LARGE


@pytest.mark.parametrize(
    ("text", "amount_e5"),
    [
        ("0", 0),
        ("100", 10_000_000),
        ("12.34", 1_234_000),
        ("0.00001", 1),
        ("0.000001", 1),  # finer than the code: up
        ("0.0000100", 1),
        ("-0.000019", -1),  # and towards zero when negative
        ("-0.000001", 0),
        ("-12.34", -1_234_000),
        ("007", 700_000),
    ],
)
def test_decimal_strings_are_read_exactly(text: str, amount_e5: int) -> None:
    assert parse_currency(text) == amount_e5


@pytest.mark.parametrize("text", ["", "-", ".", "1.", ".5", "+1", "1e3", "1,5", " 1", "１", "NaN", "0x1", "9" * 41])
def test_what_is_not_a_plain_decimal_is_refused(text: str) -> None:
    with pytest.raises(Refused) as refusal:
        parse_currency(text)
    assert refusal.value.code == StsCode.FIELD_MALFORMED


@given(st.integers(-(10**40), 10**40))
def test_money_is_shown_as_it_is_read(amount_e5: int) -> None:
    assert parse_currency(show_currency(amount_e5)) == amount_e5
