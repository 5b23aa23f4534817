"""The sealed stream: what was written comes back whole, or not at all."""

import io

import pytest

from prewatt.wiring import backup_seal
from prewatt.wiring.backup_seal import CHUNK_BYTES, MAGIC, Opener, Sealer
from prewatt.wiring.refusals import StartRefused

SEALED = CHUNK_BYTES + 16
SIZES = [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES]


@pytest.fixture(autouse=True)
def quick_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup_seal, "_N", 2**14)


def sealed(data: bytes, key: str = "one") -> bytes:
    out = io.BytesIO()
    sealer = Sealer(out, passphrase=key, made_at="2026-11-21T02:00:00+00:00", prewatt="0", key="passphrase")
    for at in range(0, len(data), 10_007):
        sealer.write(data[at : at + 10_007])
    sealer.finish()
    return out.getvalue()


def opened(data: bytes, key: str = "one") -> bytes:
    return b"".join(Opener(io.BytesIO(data), passphrase=key, path="f").rest())


def code(data: bytes, key: str = "one") -> str:
    with pytest.raises(StartRefused) as refused:
        opened(data, key)
    return refused.value.code


def body_at(data: bytes) -> int:
    return data.index(b"\n", len(MAGIC)) + 1


@pytest.mark.parametrize("size", SIZES)
def test_every_size_comes_back(size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    assert opened(sealed(data[:size])) == data[:size]


def test_the_front_can_be_read_before_the_rest() -> None:
    data = bytes(200_000)
    opener = Opener(io.BytesIO(sealed(b"front" + data)), passphrase="one", path="f")
    assert opener.read(5) == b"front" and b"".join(opener.rest()) == data


def test_nothing_of_the_plain_text_is_in_the_file() -> None:
    assert b"meter purse" not in sealed(b"meter purse" * 1000)


def test_two_backups_of_the_same_never_look_alike() -> None:
    one, other = sealed(b"x" * 1000), sealed(b"x" * 1000)
    assert one[body_at(one) :] != other[body_at(other) :]


def test_another_passphrase_is_told_apart_from_damage() -> None:
    assert code(sealed(b"x"), "other") == "backup_wrong_key"


@pytest.mark.parametrize("size", [1, CHUNK_BYTES + 1, 3 * CHUNK_BYTES])
@pytest.mark.parametrize("cut", [1, 16, 17, SEALED - 1, SEALED])
def test_a_file_that_was_cut_anywhere_is_refused(size: int, cut: int) -> None:
    whole = sealed(bytes(size))
    assert code(whole[: max(len(whole) - cut, body_at(whole))]) == "backup_damaged"


def test_a_file_cut_within_its_header_is_refused() -> None:
    whole = sealed(b"x")
    assert code(whole[: body_at(whole) - 10]) == "backup_damaged"
    assert code(whole[:5]) == "backup_not_ours"


@pytest.mark.parametrize("at", [0, 1, CHUNK_BYTES, SEALED, SEALED + 5, -1])
def test_one_changed_bit_is_refused(at: int) -> None:
    whole = bytearray(sealed(bytes(2 * CHUNK_BYTES)))
    whole[at if at < 0 else body_at(bytes(whole)) + at] ^= 1
    assert code(bytes(whole)) == "backup_damaged"


def test_chunks_that_changed_places_and_bytes_that_were_added_are_refused() -> None:
    whole = sealed(bytes(3 * CHUNK_BYTES))
    begin = body_at(whole)
    first, second = whole[begin : begin + SEALED], whole[begin + SEALED : begin + 2 * SEALED]
    rest = whole[begin + 2 * SEALED :]
    assert code(whole[:begin] + second + first + rest) == "backup_damaged"
    assert code(whole[:begin] + first + rest) == "backup_damaged"
    assert code(whole + b"x") == "backup_damaged"


def test_a_header_that_asks_for_less_care_or_for_the_whole_memory_is_refused() -> None:
    whole = sealed(b"x")
    assert code(whole.replace(b'"n": 16384', b'"n": 8192')) == "backup_other_version"
    assert code(whole.replace(b'"n": 16384', b'"n": 1073741824')) == "backup_other_version"
    assert code(whole.replace(b'"prewatt": "0"', b'"prewatt": "9"')) == "backup_wrong_key", "the header is sealed too"


def test_what_is_no_backup_and_what_is_a_later_one_are_told_apart() -> None:
    assert code(b"PK\x03\x04" + bytes(100)) == "backup_not_ours"
    assert code(sealed(b"x").replace(MAGIC, b"PREWATT-BACKUP 2\n")) == "backup_other_version"


def test_a_stream_that_was_never_finished_is_refused() -> None:
    out = io.BytesIO()
    sealer = Sealer(out, passphrase="one", made_at="", prewatt="0", key="passphrase")
    sealer.write(bytes(2 * CHUNK_BYTES))
    assert code(out.getvalue()) == "backup_damaged"
