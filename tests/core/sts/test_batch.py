"""The array path makes exactly what the scalar path makes, row by row, refusals included."""

import tracemalloc
from collections.abc import Iterator
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prewatt.core.refusals import Refused
from prewatt.core.sts import AMOUNT16_MAX, BaseDate, CreditKind, Dkga, Ea, KeyType, StsCode
from prewatt.core.sts import batch as batches
from prewatt.core.sts.batch import (
    CHUNK,
    COMPILED_LEAST,
    BatchRefusal,
    CreditBatch,
    CreditRow,
    KeyChangeCampaign,
    KeyChangeRow,
)
from prewatt.core.sts.compiled import kernels
from tests.core.sts.cases import PAN_11, pans, vending_key

PATHS = [False, True]  # the development lock holds numba, so that both are compared wherever tests run
KINDS = [(Dkga.DES, Ea.STA, False), (Dkga.DES, Ea.STA, True), (Dkga.HMAC, Ea.STA, False), (Dkga.HMAC, Ea.STA, True)]
KINDS += [(Dkga.HMAC, Ea.MISTY1, False)]

tis = st.one_of(
    st.integers(0, 99).map(lambda ti: f"{ti:02d}"),
    st.sampled_from(["", "1", "123", "x1", "１２", "٠٠"]),
)
row_pans = st.one_of(
    pans(), st.sampled_from(["", "6007", "600727000000000008", "123456000000000000", "x" * 18, "９" * 18])
)


def _scalar_set(campaign: KeyChangeCampaign, row: KeyChangeRow) -> list[str] | str:
    try:
        return [each.digits for each in campaign.one(row)]
    except Refused as refusal:
        return refusal.code


@pytest.mark.parametrize("compiled", PATHS)
@pytest.mark.parametrize(("dkga", "ea", "three"), KINDS)
@settings(max_examples=40)
@given(
    rows=st.lists(st.builds(KeyChangeRow, row_pans, tis, tis), min_size=1, max_size=30),
    base=st.sampled_from(BaseDate),
    ken=st.integers(0, 255),
    rollover=st.booleans(),
    kt=st.sampled_from((KeyType.DDTK, KeyType.DUTK, KeyType.DCTK)),
)
def test_key_change_streams_equal_the_scalar_path(
    compiled: bool,
    dkga: Dkga,
    ea: Ea,
    three: bool,
    rows: list[KeyChangeRow],
    base: BaseDate,
    ken: int,
    rollover: bool,
    kt: KeyType,
) -> None:
    if kt is KeyType.DCTK and dkga is Dkga.HMAC:
        kt = KeyType.DUTK  # a common key under DKGA04 is not public
    campaign = KeyChangeCampaign(
        old=vending_key(dkga, kt=kt),
        new=vending_key(dkga, base=base, kt=kt, krn=2, ken=ken),
        ea=ea,
        rollover=rollover,
        three_tokens=three,
        use_compiled=compiled,
    )
    [chunk] = campaign.stream(rows)
    codes = {refusal.index: refusal.code for refusal in chunk.refused}
    made = [codes[at] if at in codes else digits for at, digits in enumerate(chunk.sets())]
    assert made == [_scalar_set(campaign, row) for row in rows]


@pytest.mark.parametrize("compiled", PATHS)
@pytest.mark.parametrize(("dkga", "ea"), [(Dkga.DES, Ea.STA), (Dkga.HMAC, Ea.STA), (Dkga.HMAC, Ea.MISTY1)])
@settings(max_examples=40)
@given(
    rows=st.lists(
        st.builds(
            CreditRow,
            row_pans,
            tis,
            st.integers(-1, 1 << 24),
            st.integers(-1, 16),
            st.one_of(st.integers(-1, AMOUNT16_MAX + 1), st.integers(0, 20_000), st.just(10**30)),
        ),
        min_size=1,
        max_size=30,
    ),
    kind=st.sampled_from([kind for kind in CreditKind if not kind.is_currency]),
    ken=st.integers(0, 255),
)
def test_credit_streams_equal_the_scalar_path(
    compiled: bool, dkga: Dkga, ea: Ea, rows: list[CreditRow], kind: CreditKind, ken: int
) -> None:
    batch = CreditBatch(key=vending_key(dkga, ken=ken), ea=ea, kind=kind, use_compiled=compiled)
    [chunk] = batch.stream(rows)
    codes = {refusal.index: refusal.code for refusal in chunk.refused}
    for at, row in enumerate(rows):
        try:
            one = batch.one(row)
        except Refused as refusal:
            assert codes[at] == refusal.code
            assert (chunk.tokens[at], chunk.carried_tenths[at]) == (b"", 0)
            continue
        assert at not in codes
        assert (chunk.tokens[at].decode(), chunk.carried_tenths[at]) == (one.digits, one.carried)


def test_few_rows_do_not_load_the_compiler() -> None:
    assert kernels() is not None, "make setup-dev"
    assert batches._kernels(None, COMPILED_LEAST - 1) is None and batches._kernels(None, COMPILED_LEAST) is not None
    assert batches._kernels(True, 1) is not None and batches._kernels(False, CHUNK) is None


def test_rows_are_counted_through_the_whole_stream() -> None:
    campaign = KeyChangeCampaign(old=vending_key(), new=vending_key(krn=2), ea=Ea.STA, rollover=False)
    rows = [KeyChangeRow(PAN_11, "01", "01")] * (CHUNK + 3)
    rows[CHUNK + 1] = KeyChangeRow("600727000000000008", "01", "01")
    first, second = campaign.stream(rows)
    assert (first.first_index, len(first.tokens)) == (0, CHUNK)
    assert (second.first_index, len(second.tokens)) == (CHUNK, 3)
    assert second.refused == (BatchRefusal(index=CHUNK + 1, code=StsCode.PAN_CHECK_DIGIT),)
    assert second.sets()[1] == []


def test_a_stream_keeps_one_chunk_in_memory_however_long_it_is() -> None:
    campaign = KeyChangeCampaign(
        old=vending_key(), new=vending_key(krn=2), ea=Ea.STA, rollover=False, use_compiled=False
    )

    def endless() -> Iterator[KeyChangeRow]:
        while True:
            yield KeyChangeRow(PAN_11, "01", "01")

    def peak(chunks: int) -> int:
        tracemalloc.start()
        for _ in islice(campaign.stream(endless()), chunks):
            pass
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(1)  # tables are built once
    assert peak(8) < 1.5 * peak(2)


def test_a_campaign_nobody_could_be_served_by_is_refused_at_once() -> None:
    for old, new, ea, three, code in (
        (vending_key(Dkga.DES), vending_key(Dkga.DES), Ea.MISTY1, False, StsCode.DKGA_EA_MISMATCH),
        (vending_key(), vending_key(kt=KeyType.DITK), Ea.STA, False, StsCode.KEY_CHANGE_KEY_TYPE),
        (vending_key(), vending_key(krn=2), Ea.MISTY1, True, StsCode.KEY_CHANGE_THREE_TOKENS),
    ):
        with pytest.raises(Refused) as refusal:
            KeyChangeCampaign(old=old, new=new, ea=ea, rollover=False, three_tokens=three)
        assert refusal.value.code == code


def test_an_empty_stream_gives_nothing() -> None:
    campaign = KeyChangeCampaign(old=vending_key(), new=vending_key(krn=2), ea=Ea.STA, rollover=False)
    assert list(campaign.stream([])) == []
