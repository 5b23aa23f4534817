"""Every layout there and back, and what a wrong digit does."""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prewatt.core.refusals import Refused
from prewatt.core.sts import (
    BaseDate,
    CreditKind,
    CurrencyCredit,
    DecoderKey,
    Dkga,
    Ea,
    Extended,
    KeySupplyGroup,
    KeyType,
    Management,
    ManagementKind,
    MeterTest,
    StsCode,
    Token,
    UnitsCredit,
    VendingKey,
    decode,
    decode_amount16,
    decode_amount20,
    encode,
    encode_amount16,
    encode_amount20,
    parse_utc,
    tid_of,
)
from prewatt.core.sts.codec import digits_of
from prewatt.core.sts.layout import TOKEN_HIGH, from_digits, insert_class, remove_class
from prewatt.core.sts.tokens import TokenClass
from tests.core.sts.cases import (
    MISTY_KEY,
    STA_KEY,
    amounts_16,
    class_1_four,
    class_1_two,
    currency_credits,
    decoder_key,
    extended,
    key_high,
    key_low,
    key_middle,
    key_sgc,
    plain_management,
    rnds,
    tids,
    unit_kinds,
)

keys = st.sampled_from((STA_KEY, MISTY_KEY))


@given(unit_kinds, tids, rnds, amounts_16, keys)
def test_units_come_back_as_what_the_token_carries(
    kind: CreditKind, tid: int, rnd: int, asked: int, key: DecoderKey
) -> None:
    made = encode(UnitsCredit(kind=kind, tid=tid, rnd=rnd, amount_tenths=asked), key)
    carried = decode_amount16(encode_amount16(asked))
    assert made.carried == carried
    assert decode(made.digits, key).token == UnitsCredit(kind=kind, tid=tid, rnd=rnd, amount_tenths=carried)


@given(currency_credits, keys)
def test_money_comes_back_as_what_the_token_carries(token: CurrencyCredit, key: DecoderKey) -> None:
    made = encode(token, key)
    carried = decode_amount20(encode_amount20(token.amount_e5))
    assert made.carried == carried
    assert decode(made.digits, key).token == CurrencyCredit(kind=token.kind, tid=token.tid, amount_e5=carried)


@given(st.one_of(class_1_two, class_1_four))
def test_test_tokens_need_no_key_and_come_back(token: MeterTest) -> None:
    made = encode(token)
    assert decode(made.digits).token == token
    assert decode(made.digits, STA_KEY).token == token, "a key does not disturb"
    assert (made.tid, made.carried) == (None, None)


@given(st.one_of(plain_management, extended, key_high, key_low), keys)
def test_management_and_key_tokens_come_back(token: Token, key: DecoderKey) -> None:
    assert decode(encode(token, key).digits, key).token == token


@given(st.sampled_from((ManagementKind.POWER_LIMIT, ManagementKind.PHASE_UNBALANCE)), tids, rnds, amounts_16, keys)
def test_power_limits_use_the_amount_code_without_the_factor_ten(
    kind: ManagementKind, tid: int, rnd: int, asked: int, key: DecoderKey
) -> None:
    made = encode(Management(kind=kind, tid=tid, rnd=rnd, value=asked), key)
    carried = decode_amount16(encode_amount16(asked))
    assert made.carried == carried
    assert decode(made.digits, key).token == Management(kind=kind, tid=tid, rnd=rnd, value=carried)


@given(key_middle)
def test_the_middle_parts_belong_to_ea11(token: Token) -> None:
    assert decode(encode(token, MISTY_KEY).digits, MISTY_KEY).token == token


@given(key_sgc)
def test_the_third_token_of_a_set_of_three_belongs_to_ea07(token: KeySupplyGroup) -> None:
    assert decode(encode(token, STA_KEY).digits, STA_KEY).token == token


@given(st.integers(0, TOKEN_HIGH))
def test_the_class_goes_in_and_out_without_loss(token66: int) -> None:
    token_class, block = remove_class(token66)
    assert insert_class(block, token_class) == token66


def test_the_printed_sample_token_has_its_class_where_the_standard_puts_it() -> None:
    assert insert_class(0xC45ED1619406DF95, 0) == 0x2C45ED1618406DF95
    assert f"{0x2C45ED1618406DF95:020d}" == "51043465443420856213"


@pytest.mark.parametrize(
    "digits",
    [
        "",
        "1234",
        "123456789012345678901",
        "1234567890123456789x",
        "73786976294838206464",
        "99999999999999999999",
        "１２３４５６７８９０１２３４５６７８９０",
        "-1234567890123456789",
        " 1234567890123456789",
    ],
)
def test_what_is_not_twenty_digits_of_66_bits_is_no_token(digits: str) -> None:
    with pytest.raises(Refused) as refusal:
        from_digits(digits)
    assert refusal.value.code == StsCode.TOKEN_MALFORMED


def test_leading_zeros_count() -> None:
    assert from_digits("00000000000000000001") == 1


def _refusals(digits: list[str], key: DecoderKey) -> int:
    refused = 0
    for each in digits:
        try:
            decode(each, key)
        except Refused:
            refused += 1
    return refused


def test_single_digit_errors_are_refused_at_the_rate_of_a_sixteen_bit_crc() -> None:
    # 180 errors in each of 200 tokens: 36,000 trials, of which 36,000 / 65,536 = 0.55 pass by chance.
    # Twelve or more would happen once in 10^12 runs; a CRC one bit short would let 1.1 pass, a class
    # left uncovered thousands.
    chance = random.Random(62055)
    wrong = []
    for _ in range(200):
        token = UnitsCredit(
            kind=CreditKind.ELECTRICITY, tid=chance.randrange(1 << 24), rnd=chance.randrange(16), amount_tenths=500
        )
        digits = encode(token, STA_KEY).digits
        for at in range(20):
            wrong += [digits[:at] + other + digits[at + 1 :] for other in "0123456789" if other != digits[at]]
    passed = len(wrong) - _refusals(wrong, STA_KEY)
    assert len(wrong) == 36_000
    assert passed < 12


def test_random_digits_pass_about_once_in_65536() -> None:
    chance = random.Random(41)
    trials = [f"{chance.randrange(TOKEN_HIGH + 1):020d}" for _ in range(20_000)]
    assert 20_000 - _refusals(trials, STA_KEY) < 8


def test_a_token_of_another_class_does_not_pass_for_this_one() -> None:
    made = encode(UnitsCredit(kind=CreditKind.ELECTRICITY, tid=5, rnd=5, amount_tenths=10), STA_KEY)
    token_class, block = remove_class(int(made.digits))
    assert token_class == 0
    with pytest.raises(Refused) as refusal:
        decode(f"{insert_class(block, 2):020d}", STA_KEY)
    assert refusal.value.code == StsCode.TOKEN_CRC


def test_class_three_is_reserved() -> None:
    with pytest.raises(Refused) as refusal:
        decode(f"{insert_class(0, 3):020d}", STA_KEY)
    assert refusal.value.code == StsCode.CLASS_RESERVED


@pytest.mark.parametrize(
    ("token_class", "bits48", "key", "code"),
    [
        (TokenClass.CREDIT, 8 << 44, STA_KEY, StsCode.SUBCLASS_UNKNOWN),
        (TokenClass.CREDIT, 15 << 44, STA_KEY, StsCode.SUBCLASS_UNKNOWN),
        (TokenClass.TEST, 3 << 44, None, StsCode.SUBCLASS_UNKNOWN),
        (TokenClass.TEST, 5 << 44, None, StsCode.SUBCLASS_UNKNOWN),
        (TokenClass.MANAGEMENT, 11 << 44, STA_KEY, StsCode.SUBCLASS_UNKNOWN),
        (TokenClass.MANAGEMENT, 9 << 44, STA_KEY, StsCode.SUBCLASS_UNKNOWN),  # four-token sets are EA11's
        (TokenClass.TEST, 100, None, StsCode.TOKEN_FIELD),  # a maker code of two digits ends at 99
        (TokenClass.MANAGEMENT, 1 << 44 | 8, STA_KEY, StsCode.TOKEN_FIELD),  # register 8
        (TokenClass.MANAGEMENT, 5 << 44 | 1, STA_KEY, StsCode.TOKEN_FIELD),  # clear tamper with a pad
        (TokenClass.MANAGEMENT, 3 << 44, STA_KEY, StsCode.TOKEN_FIELD),  # key revision 0
        (TokenClass.MANAGEMENT, 4 << 44 | 100 << 32, STA_KEY, StsCode.TOKEN_FIELD),  # tariff index 100
        (TokenClass.MANAGEMENT, 8 << 44 | 1_000_000 << 20, STA_KEY, StsCode.TOKEN_FIELD),  # SGC of 7 digits
        (TokenClass.MANAGEMENT, 8 << 44 | 1, STA_KEY, StsCode.TOKEN_FIELD),  # its twenty zero bits
    ],
)
def test_bits_the_standard_does_not_allow_are_refused_behind_a_right_crc(
    token_class: TokenClass, bits48: int, key: DecoderKey | None, code: StsCode
) -> None:
    with pytest.raises(Refused) as refusal:
        decode(digits_of(token_class, bits48, key), key)
    assert refusal.value.code == code


def test_an_encrypted_token_without_a_key_is_refused_before_anything_else() -> None:
    made = encode(UnitsCredit(kind=CreditKind.GAS, tid=5, rnd=5, amount_tenths=10), STA_KEY)
    with pytest.raises(Refused) as refusal:
        decode(made.digits)
    assert refusal.value.code == StsCode.FIELD_MISSING


@pytest.mark.parametrize("ken", [0, 85, 254])
def test_the_issuer_refuses_an_expired_key_for_every_token_with_a_time(ken: int) -> None:
    key, last = decoder_key(ken=ken), (ken << 16) + 0xFFFF

    def tokens(tid: int) -> list[Token]:
        return [
            UnitsCredit(kind=CreditKind.ELECTRICITY, tid=tid, rnd=1, amount_tenths=1),
            CurrencyCredit(kind=CreditKind.ELECTRICITY_CURRENCY, tid=tid, amount_e5=1),
            Management(kind=ManagementKind.CLEAR_CREDIT, tid=tid, rnd=1),
            Extended(tid=tid, rnd=1, index=1),
        ]

    for token in tokens(last):
        assert decode(encode(token, key).digits, key).token == token
    for token in tokens(last + 1):
        with pytest.raises(Refused) as refusal:
            encode(token, key)
        assert refusal.value.code == "key_expired"


@pytest.mark.parametrize(
    "make",
    [
        lambda: UnitsCredit(kind=CreditKind.WATER, tid=1 << 24, rnd=0, amount_tenths=0),
        lambda: UnitsCredit(kind=CreditKind.WATER, tid=0, rnd=16, amount_tenths=0),
        lambda: UnitsCredit(kind=CreditKind.WATER, tid=0, rnd=0, amount_tenths=-1),
        lambda: UnitsCredit(kind=CreditKind.WATER, tid=0, rnd=0, amount_tenths=18_201_625),
        lambda: MeterTest(subclass=0, maker_code=100, control=0),
        lambda: MeterTest(subclass=1, maker_code=0, control=1 << 28),
        lambda: MeterTest(subclass=4, maker_code=0, control=0),
        lambda: Management(kind=ManagementKind.CLEAR_CREDIT, tid=0, rnd=0, value=8),
        lambda: Management(kind=ManagementKind.TARIFF_RATE, tid=0, rnd=0, value=65_536),
        lambda: Management(kind=ManagementKind.POWER_LIMIT, tid=0, rnd=0, value=-1),
        lambda: Extended(tid=0, rnd=0, index=64),
        lambda: Extended(tid=0, rnd=0, index=5, control_value=1024),
        lambda: Extended(tid=0, rnd=0, index=63, flag_index=512),
        lambda: KeySupplyGroup(sgc="1"),
    ],
)
def test_a_value_outside_its_field_makes_no_token(make: object) -> None:
    assert callable(make)
    with pytest.raises(Refused):
        make()


def test_the_worked_example_of_the_documents_holds() -> None:
    key = VendingKey(
        dkga=Dkga.DES,
        value=bytes.fromhex("0123456789abcdef"),
        sgc="654321",
        krn=1,
        kt=KeyType.DUTK,
        base_date=BaseDate.Y2014,
    ).decoder_key(meter_pan="600727341234567813", ti="07", ea=Ea.STA)
    assert key.value.hex() == "5b0de5df2ad62c7b"
    tid = tid_of(parse_utc("2026-03-01T08:30:00Z"), BaseDate.Y2014)
    made = encode(UnitsCredit(kind=CreditKind.ELECTRICITY, tid=tid, rnd=5, amount_tenths=20_005), key)
    assert (made.digits, made.tid, made.carried) == ("05950113324404646230", 6_396_990, 20_014)
    assert f"{made.bits48:012x}" == "05619c3e416b"
    page = (Path(__file__).parents[3] / "docs" / "algorithms" / "sts.md").read_text(encoding="utf-8")
    assert made.digits in page and key.value.hex() in page
