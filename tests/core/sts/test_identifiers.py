"""DRN, IIN, PAN, Luhn digits and the small numbers of a key."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prewatt.core.refusals import Refused
from prewatt.core.sts import MeterPan, StsCode, check_drn, luhn_digit
from prewatt.core.sts.ids import check_ken, check_krn, check_kt, check_sgc, check_ti
from tests.core.sts.cases import PAN_11, PAN_13, pans


@pytest.mark.parametrize(
    ("digits", "iin", "drn", "maker"),
    [
        (PAN_11, "600727", "00000000000", "00"),
        (PAN_13, "0000", "0100000000008", "0100"),
        ("600727111111111153", "600727", "11111111115", "11"),
    ],
)
def test_a_pan_is_taken_apart_where_the_standard_does(digits: str, iin: str, drn: str, maker: str) -> None:
    pan = MeterPan.parse(digits)
    assert (pan.iin, pan.drn, pan.maker_code, pan.digits) == (iin, drn, maker, digits)


@given(pans())
def test_every_pan_survives_parsing_and_every_wrong_digit_is_refused(digits: str) -> None:
    assert MeterPan.parse(digits).digits == digits
    for at in range(18):
        wrong = digits[:at] + str((int(digits[at]) + 1) % 10) + digits[at + 1 :]
        with pytest.raises(Refused) as refusal:
            MeterPan.parse(wrong)
        assert refusal.value.code == StsCode.PAN_CHECK_DIGIT


@pytest.mark.parametrize(
    ("digits", "code"),
    [
        ("", StsCode.PAN_MALFORMED),
        ("60072700000000000", StsCode.PAN_MALFORMED),
        ("6007270000000000091", StsCode.PAN_MALFORMED),
        ("60072700000000000x", StsCode.PAN_MALFORMED),
        ("６００７２７０００００００００００９", StsCode.PAN_MALFORMED),
        ("600727000000000008", StsCode.PAN_CHECK_DIGIT),
        ("123456000000000009", StsCode.PAN_IIN_UNKNOWN),
        ("600727000000000017", StsCode.DRN_CHECK_DIGIT),  # the outer digit holds, the DRN's does not
    ],
)
def test_a_wrong_pan_is_refused_by_the_first_check_it_fails(digits: str, code: StsCode) -> None:
    with pytest.raises(Refused) as refusal:
        MeterPan.parse(digits)
    assert refusal.value.code == code


@pytest.mark.parametrize(
    ("drn", "code"),
    [
        ("000000000000", StsCode.DRN_MALFORMED),
        ("0000000000", StsCode.DRN_MALFORMED),
        ("0000000000a", StsCode.DRN_MALFORMED),
        ("00000000001", StsCode.DRN_CHECK_DIGIT),
        ("0100000000007", StsCode.DRN_CHECK_DIGIT),
    ],
)
def test_a_wrong_drn_is_refused(drn: str, code: StsCode) -> None:
    with pytest.raises(Refused) as refusal:
        check_drn(drn)
    assert refusal.value.code == code


@given(st.text("0123456789", min_size=1, max_size=30))
def test_the_luhn_digit_makes_the_weighted_sum_a_multiple_of_ten(digits: str) -> None:
    whole = digits + str(luhn_digit(digits))
    doubled = [int(digit) * (2 if place % 2 else 1) for place, digit in enumerate(reversed(whole))]
    assert sum(each // 10 + each % 10 for each in doubled) % 10 == 0


@pytest.mark.parametrize(
    ("check", "number"), [(check_krn, 0), (check_krn, 10), (check_kt, 4), (check_ken, 256), (check_ken, -1)]
)
def test_the_numbers_of_a_key_have_their_ranges(check: Callable[[int], int], number: int) -> None:
    with pytest.raises(Refused) as refusal:
        check(number)
    assert refusal.value.code == StsCode.FIELD_OUT_OF_RANGE


@pytest.mark.parametrize(
    ("check", "digits"), [(check_sgc, "12345"), (check_sgc, "12345x"), (check_ti, "1"), (check_ti, "٠١")]
)
def test_the_digits_of_a_key_have_their_lengths(check: Callable[[str], str], digits: str) -> None:
    with pytest.raises(Refused) as refusal:
        check(digits)
    assert refusal.value.code == StsCode.FIELD_MALFORMED
