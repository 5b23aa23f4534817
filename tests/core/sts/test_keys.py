"""Decoder keys and key-change sets."""

from datetime import UTC, datetime

import pytest

from prewatt.core.refusals import Refused
from prewatt.core.sts import (
    BaseDate,
    DecoderKey,
    Dkga,
    Ea,
    KeyChange,
    KeyHigh,
    KeyLow,
    KeyMiddle,
    KeySupplyGroup,
    KeyType,
    MeterPan,
    StsCode,
    VendingKey,
    decode,
)
from prewatt.core.sts.ids import KEY_CHANGES
from prewatt.core.sts.keys import control_block, dkga04_message, pan_block
from tests.core.sts.cases import PAN_11, PAN_13, decoder_key, vending_key


def test_dkga02_builds_the_blocks_of_the_worked_example() -> None:
    key = VendingKey(
        dkga=Dkga.DES,
        value=bytes.fromhex("abababababababab"),
        sgc="123456",
        krn=1,
        kt=KeyType.DUTK,
        base_date=BaseDate.Y1993,
    )
    assert pan_block(MeterPan.parse(PAN_11), KeyType.DUTK).hex() == "0072700000000000"
    assert control_block(key, "01").hex() == "2123456011ffffff"
    assert key.decoder_key(meter_pan=PAN_11, ti="01", ea=Ea.STA).value.hex() == "e653341f9d5bf36f"


def test_dkga04_signs_the_49_bytes_of_the_worked_example() -> None:
    key = VendingKey(
        dkga=Dkga.HMAC,
        value=bytes.fromhex("abababababababab949494949494949401234567"),
        sgc="123457",
        krn=1,
        kt=KeyType.DUTK,
        base_date=BaseDate.Y1993,
    )
    message = dkga04_message(key, PAN_11, "01", Ea.MISTY1)
    assert message.hex() == (
        "04023034023933023131023031000406313233343537013201311236303037323730303030303030303030303900000080"
    )
    derived = key.decoder_key(meter_pan=PAN_11, ti="01", ea=Ea.MISTY1)
    assert derived.value.hex() == "f94b6ed353c3bfdb113e2d3a7ea3c41d"


def test_a_common_key_under_dkga02_does_not_know_the_meter() -> None:
    assert pan_block(MeterPan.parse(PAN_11), KeyType.DCTK).hex() == "0072700000000000"
    assert pan_block(MeterPan.parse(PAN_13), KeyType.DCTK).hex() == "0000000000000000"
    common = vending_key(Dkga.DES, kt=KeyType.DCTK)
    other = MeterPan.of_drn("12345678903").digits
    values = {common.decoder_key(meter_pan=pan, ti="01", ea=Ea.STA).value for pan in (PAN_11, other)}
    assert len(values) == 1


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda: vending_key(Dkga.HMAC, kt=KeyType.DCTK), StsCode.COMMON_KEY_UNDEFINED),
        (
            lambda: vending_key(Dkga.DES).decoder_key(meter_pan=PAN_11, ti="01", ea=Ea.MISTY1),
            StsCode.DKGA_EA_MISMATCH,
        ),
        (
            lambda: vending_key().decoder_key(meter_pan="600727000000000008", ti="xx", ea=Ea.STA),
            StsCode.PAN_CHECK_DIGIT,  # before anything else
        ),
        (lambda: vending_key().decoder_key(meter_pan=PAN_11, ti="1", ea=Ea.STA), StsCode.FIELD_MALFORMED),
        (lambda: vending_key(krn=10), StsCode.FIELD_OUT_OF_RANGE),
        (lambda: vending_key(ken=256), StsCode.FIELD_OUT_OF_RANGE),
        (
            lambda: VendingKey(
                dkga=Dkga.HMAC, value=bytes(21), sgc="123456", krn=1, kt=KeyType.DUTK, base_date=BaseDate.Y1993
            ),
            StsCode.KEY_LENGTH,  # a published table prints a 21st byte; it is not part of the key
        ),
        (lambda: DecoderKey(ea=Ea.MISTY1, value=bytes(8)), StsCode.KEY_LENGTH),
    ],
)
def test_keys_that_the_standard_does_not_know_are_refused(make: object, code: StsCode) -> None:
    assert callable(make)
    with pytest.raises(Refused) as refusal:
        make()
    assert refusal.value.code == code


def test_key_values_never_show() -> None:
    for key in (vending_key(), decoder_key()):
        assert key.value.hex() not in repr(key)
        assert repr(key.value) not in repr(key)


def test_two_tokens_change_an_ea07_key() -> None:
    old, new = decoder_key(krn=1), decoder_key(krn=2, ken=0xA5)
    parts = KeyChange(old=old, new=new, rollover=True).parts()
    value = int.from_bytes(new.value, "big")
    assert parts == (
        KeyHigh(ken_high=0xA, krn=2, rollover=1, three_tokens=False, kt=KeyType.DUTK, key_part=value >> 32),
        KeyLow(ken_low=5, ti="07", key_part=value & 0xFFFFFFFF),
    )


def test_three_tokens_teach_the_meter_its_supply_group() -> None:
    change = KeyChange(old=decoder_key(), new=decoder_key(krn=2), rollover=False, three_tokens=True)
    first, _, third = change.parts()
    assert isinstance(first, KeyHigh) and first.three_tokens
    assert third == KeySupplyGroup(sgc="123456")
    assert decode(change.tokens()[2].digits, decoder_key()).bits48 == 8 << 44 | 123456 << 20


def test_four_tokens_change_an_ea11_key_with_the_middle_parts_in_their_places() -> None:
    old, new = decoder_key(Ea.MISTY1), decoder_key(Ea.MISTY1, krn=2)
    parts = KeyChange(old=old, new=new, rollover=False).parts()
    value = new.value.hex()
    assert [f"{part.key_part:08x}" for part in parts if not isinstance(part, KeySupplyGroup)] == [
        value[:8],
        value[24:],
        value[8:16],
        value[16:24],
    ]
    assert parts[2:] == (
        KeyMiddle(subclass=8, sgc_part=123456 & 0xFFF, key_part=int(value[8:16], 16)),
        KeyMiddle(subclass=9, sgc_part=123456 >> 12, key_part=int(value[16:24], 16)),
    )


def test_a_reprint_gives_the_same_digits() -> None:
    change = KeyChange(old=decoder_key(Ea.MISTY1), new=decoder_key(Ea.MISTY1, krn=2), rollover=False)
    assert change.tokens() == change.tokens()


def test_every_pair_of_key_types_is_allowed_or_refused_by_the_table() -> None:
    for old_kt in KeyType:
        for new_kt in KeyType:
            old = DecoderKey(ea=Ea.STA, value=bytes(8), kt=old_kt)
            new = DecoderKey(ea=Ea.STA, value=bytes(8), kt=new_kt, krn=1, ti="01")
            if new_kt in KEY_CHANGES[old_kt]:
                assert len(KeyChange(old=old, new=new, rollover=False).tokens()) == 2
                continue
            with pytest.raises(Refused) as refusal:
                KeyChange(old=old, new=new, rollover=False)
            assert refusal.value.code == StsCode.KEY_CHANGE_KEY_TYPE
    assert not any(KeyType.DITK in KEY_CHANGES[kt] for kt in (KeyType.DDTK, KeyType.DUTK, KeyType.DCTK))


def test_changes_that_make_no_sense_are_refused() -> None:
    other_meter = vending_key().decoder_key(meter_pan=PAN_13, ti="07", ea=Ea.STA)
    bare = DecoderKey(ea=Ea.STA, value=bytes(8))
    for new, three, code in (
        (other_meter, False, StsCode.KEY_CHANGE_OTHER_METER),
        (decoder_key(Ea.MISTY1), False, StsCode.KEY_CHANGE_EA),
        (bare, False, StsCode.FIELD_MISSING),
        (DecoderKey(ea=Ea.STA, value=bytes(8), krn=1, kt=KeyType.DUTK, ti="01"), True, StsCode.FIELD_MISSING),
    ):
        with pytest.raises(Refused) as refusal:
            KeyChange(old=decoder_key(), new=new, rollover=False, three_tokens=three)
        assert refusal.value.code == code
    with pytest.raises(Refused) as refusal:
        KeyChange(old=decoder_key(Ea.MISTY1), new=decoder_key(Ea.MISTY1), rollover=False, three_tokens=True)
    assert refusal.value.code == StsCode.KEY_CHANGE_THREE_TOKENS


def test_a_change_is_refused_only_when_both_keys_have_expired() -> None:
    late = datetime(2040, 1, 1, tzinfo=UTC)  # block 208 of base 2014
    for old_ken, new_ken, allowed in ((100, 255, True), (255, 100, True), (255, 255, True), (100, 100, False)):
        change = KeyChange(old=decoder_key(ken=old_ken), new=decoder_key(krn=2, ken=new_ken), rollover=False)
        if allowed:
            change.check_time(late)
            continue
        with pytest.raises(Refused) as refusal:
            change.check_time(late)
        assert refusal.value.code == "key_expired"
