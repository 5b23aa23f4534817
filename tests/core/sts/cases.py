"""Shared by the STS tests: the vectors, keys, and hypothesis strategies for every layout."""

import json
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from prewatt.core.sts import (
    AMOUNT16_MAX,
    AMOUNT20_MAX_E5,
    BaseDate,
    CreditKind,
    CurrencyCredit,
    DecoderKey,
    Dkga,
    Ea,
    Extended,
    KeyHigh,
    KeyLow,
    KeyMiddle,
    KeySupplyGroup,
    KeyType,
    Management,
    ManagementKind,
    MeterPan,
    MeterTest,
    VendingKey,
    luhn_digit,
)

VECTORS = Path(__file__).parents[2] / "vectors" / "sts"
PAN_11 = "600727000000000009"
PAN_13 = "000001000000000082"
STA_KEY = DecoderKey(ea=Ea.STA, value=bytes.fromhex("0abc12def3456789"), kt=KeyType.DUTK, base_date=BaseDate.Y2014)
MISTY_KEY = DecoderKey(ea=Ea.MISTY1, value=bytes(range(16)), kt=KeyType.DUTK, base_date=BaseDate.Y2014)


def vectors(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((VECTORS / name).read_text(encoding="utf-8"))["vectors"]
    return found


def vending_key(
    dkga: Dkga = Dkga.HMAC, *, base: BaseDate = BaseDate.Y2014, kt: KeyType = KeyType.DUTK, krn: int = 1, ken: int = 255
) -> VendingKey:
    value = bytes(range(1, dkga.key_bytes + 1))
    return VendingKey(dkga=dkga, value=value, sgc="123456", krn=krn, kt=kt, base_date=base, ken=ken)


def decoder_key(ea: Ea = Ea.STA, *, kt: KeyType = KeyType.DUTK, krn: int = 1, ken: int = 255) -> DecoderKey:
    return vending_key(kt=kt, krn=krn, ken=ken).decoder_key(meter_pan=PAN_11, ti="07", ea=ea)


@st.composite
def pans(draw: st.DrawFn) -> str:
    """Meter PANs of both lengths of DRN, check digits right."""
    length = draw(st.sampled_from((10, 12)))
    body = draw(st.text("0123456789", min_size=length, max_size=length))
    return MeterPan.of_drn(body + str(luhn_digit(body))).digits


tids = st.integers(0, 0xFFFFFF)
rnds = st.integers(0, 15)
words = st.integers(0, 0xFFFF)
key_parts = st.integers(0, 0xFFFFFFFF)
unit_kinds = st.sampled_from([kind for kind in CreditKind if not kind.is_currency])
currency_kinds = st.sampled_from([kind for kind in CreditKind if kind.is_currency])
amounts_16 = st.one_of(st.integers(0, AMOUNT16_MAX), st.integers(0, 20_000))
amounts_20 = st.one_of(st.integers(-AMOUNT20_MAX_E5, AMOUNT20_MAX_E5), st.integers(-(10**8), 10**8))

currency_credits = st.builds(CurrencyCredit, kind=currency_kinds, tid=tids, amount_e5=amounts_20)
class_1_two = st.builds(
    MeterTest,
    subclass=st.sampled_from((0, 2, 11, 15)),
    maker_code=st.integers(0, 99),
    control=st.integers(0, (1 << 36) - 1),
)
class_1_four = st.builds(
    MeterTest,
    subclass=st.sampled_from((1, 6, 10)),
    maker_code=st.integers(0, 9999),
    control=st.integers(0, (1 << 28) - 1),
)
plain_management = st.one_of(
    st.builds(
        Management,
        kind=st.just(ManagementKind.CLEAR_CREDIT),
        tid=tids,
        rnd=rnds,
        value=st.one_of(st.integers(0, 7), st.just(0xFFFF)),
    ),
    st.builds(
        Management,
        kind=st.sampled_from((ManagementKind.TARIFF_RATE, ManagementKind.WATER_FACTOR)),
        tid=tids,
        rnd=rnds,
        value=words,
    ),
    st.builds(Management, kind=st.just(ManagementKind.CLEAR_TAMPER), tid=tids, rnd=rnds),
)
extended = st.one_of(
    st.builds(Extended, tid=tids, rnd=rnds, index=st.integers(0, 62), control_value=st.integers(0, 1023)),
    st.builds(
        Extended,
        tid=tids,
        rnd=rnds,
        index=st.just(63),
        flag_index=st.integers(0, 511),
        flag_value=st.integers(0, 1),
    ),
)
key_high = st.builds(
    KeyHigh,
    ken_high=st.integers(0, 15),
    krn=st.integers(1, 9),
    rollover=st.integers(0, 1),
    three_tokens=st.booleans(),
    kt=st.sampled_from(KeyType),
    key_part=key_parts,
)
key_low = st.builds(
    KeyLow, ken_low=st.integers(0, 15), ti=st.integers(0, 99).map(lambda ti: f"{ti:02d}"), key_part=key_parts
)
key_middle = st.builds(KeyMiddle, subclass=st.sampled_from((8, 9)), sgc_part=st.integers(0, 0xFFF), key_part=key_parts)
key_sgc = st.builds(KeySupplyGroup, sgc=st.integers(0, 999_999).map(lambda sgc: f"{sgc:06d}"))
