"""Records that only the other end can read, and only once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prewatt.field.forwarder import MOST_PLAIN, SealBroken, Sealed, Suite
from prewatt.field.forwarder.sealing import GREETING_BYTES

KEY, OTHER_KEY = bytes(range(32)), bytes(range(1, 33))
SUITES = list(Suite)


def ends(suite: Suite = Suite.AES_256_GCM, *, key: bytes = KEY) -> tuple[Sealed, Sealed]:
    """Dialler and listener before a byte went."""
    return (
        Sealed(KEY, suite=suite, dialled=True, random=b"d" * 32),
        Sealed(key, suite=suite, dialled=False, random=b"l" * 32),
    )


def told(one: Sealed) -> bytes:
    said, one.to_send = one.to_send, b""
    return said


def greeted(suite: Suite = Suite.AES_256_GCM) -> tuple[Sealed, Sealed]:
    dialler, listener = ends(suite)
    listener.receive(told(dialler))
    dialler.receive(told(listener))
    listener.receive(told(dialler))
    assert dialler.ready and listener.ready
    return dialler, listener


@pytest.mark.parametrize("suite", SUITES)
@given(
    parts=st.lists(st.binary(max_size=3 * MOST_PLAIN // 2), max_size=6),
    cuts=st.lists(st.integers(1, 97), max_size=40),
)
def test_what_goes_in_comes_out_however_it_is_cut(suite: Suite, parts: list[bytes], cuts: list[int]) -> None:
    for one, other in (greeted(suite), greeted(suite)[::-1]):
        wire, came, places = b"".join(map(one.seal, parts)), b"", iter(cuts)
        while wire:
            size = next(places, len(wire))
            came += other.receive(wire[:size])
            wire = wire[size:]
        assert came == b"".join(parts)


@pytest.mark.parametrize("suite", SUITES)
def test_nothing_of_the_payload_is_on_the_wire_and_the_same_never_looks_the_same(suite: Suite) -> None:
    one, _ = greeted(suite)
    first, second = one.seal(b"\x01\x03\x00\x00" * 8), one.seal(b"\x01\x03\x00\x00" * 8)
    assert first != second and b"\x01\x03\x00\x00" not in first + second


@pytest.mark.parametrize("suite", SUITES)
def test_every_changed_bit_is_found(suite: Suite) -> None:
    one, _ = greeted(suite)
    wire = one.seal(b"close the relay")
    for place in range(2, len(wire)):
        _, other = greeted(suite)
        broken = bytearray(wire)
        broken[place] ^= 1 << place % 8
        with pytest.raises(SealBroken, match="record"):
            other.receive(bytes(broken))


@pytest.mark.parametrize("suite", SUITES)
def test_a_record_counts_once_in_its_place_and_its_direction(suite: Suite) -> None:
    one, other = greeted(suite)
    first, second = one.seal(b"first"), one.seal(b"second")
    assert other.receive(first) == b"first"
    with pytest.raises(SealBroken):
        other.receive(first)
    with pytest.raises(SealBroken):
        greeted(suite)[1].receive(second)
    with pytest.raises(SealBroken):
        one.receive(first)


@pytest.mark.parametrize("suite", SUITES)
def test_another_key_is_found_out_before_any_payload(suite: Suite) -> None:
    dialler, listener = ends(suite, key=OTHER_KEY)
    listener.receive(told(dialler))
    with pytest.raises(SealBroken, match="record"):
        dialler.receive(told(listener))
    assert not dialler.ready
    with pytest.raises(ValueError, match="not ready"):
        dialler.seal(b"payload")


def test_a_recorded_connection_cannot_be_played_again() -> None:
    dialler, listener = ends()
    hello = told(dialler)
    listener.receive(hello)
    dialler.receive(told(listener))
    spoken = told(dialler) + dialler.seal(b"close the relay")
    again = Sealed(KEY, suite=Suite.AES_256_GCM, dialled=False, random=b"m" * 32)
    again.receive(hello)
    with pytest.raises(SealBroken, match="record"):
        again.receive(spoken)


def test_strangers_and_mistakes_are_named() -> None:
    with pytest.raises(SealBroken, match="greeting"):
        ends()[1].receive(b"\x01\x03")  # plain Modbus: known by its first byte
    with pytest.raises(SealBroken, match="suite"):
        ends()[1].receive(told(ends(Suite.TRIPLE_DES_CBC)[0]))
    dialler, _ = ends()
    with pytest.raises(SealBroken, match="reflected"):
        dialler.receive(told(dialler))
    one, _ = greeted()
    with pytest.raises(SealBroken, match="length"):
        one.receive(b"\xff\xff")


@given(noise=st.binary(max_size=200))
def test_noise_has_only_declared_ends(noise: bytes) -> None:
    _, listener = ends()
    try:
        assert listener.receive(noise) == b""
        assert not listener.ready and len(noise) < GREETING_BYTES
    except SealBroken as broken:
        assert broken.reason in ("greeting", "suite", "length", "record")
