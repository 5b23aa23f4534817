"""STA with both table sets, MISTY1, DEA: inverse both ways, and checked against a plain reading of the text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prewatt.core.sts.dea import des_decrypt, des_encrypt
from prewatt.core.sts.misty1 import Misty1
from prewatt.core.sts.sta import MASK64, Sta
from prewatt.core.sts.tables import PRODUCTION, SAMPLE, StaTables
from tests.core.sts import oracle

blocks = st.integers(0, MASK64)


@pytest.mark.parametrize("tables", [PRODUCTION, SAMPLE], ids=lambda tables: tables.name)
@given(key=st.integers(0, MASK64), block=blocks)
def test_sta_equals_a_plain_reading_of_the_standard_and_inverts(tables: StaTables, key: int, block: int) -> None:
    cipher = Sta(key.to_bytes(8, "big"), tables)
    made = cipher.encrypt(block)
    assert made == oracle.sta(key, block, tables)
    assert cipher.decrypt(made) == block


@given(st.binary(min_size=16, max_size=16), blocks)
def test_misty1_equals_a_plain_reading_of_the_rfc_and_inverts(key: bytes, block: int) -> None:
    cipher = Misty1(key)
    assert cipher.encrypt(block) == oracle.misty1(key, block)
    assert cipher.decrypt(cipher.encrypt(block)) == block
    assert cipher.encrypt(cipher.decrypt(block)) == block


@given(st.binary(min_size=8, max_size=8), st.binary(min_size=8, max_size=8))
def test_des_inverts_and_ignores_parity(key: bytes, block: bytes) -> None:
    made = des_encrypt(key, block)
    assert des_decrypt(key, made) == block
    assert des_encrypt(bytes(byte ^ 1 for byte in key), block) == made


def test_des_reproduces_a_known_block() -> None:
    # FIPS 46 / SP 800-17: the classic worked example
    made = des_encrypt(bytes.fromhex("133457799bbcdff1"), bytes.fromhex("0123456789abcdef"))
    assert made.hex() == "85e813540f0ab405"


def test_tables_that_are_not_permutations_do_not_pass() -> None:
    with pytest.raises(AssertionError):
        StaTables(
            name="broken",
            substitution_1=PRODUCTION.substitution_1,
            substitution_2=(0,) * 16,
            permutation=PRODUCTION.permutation,
        )
