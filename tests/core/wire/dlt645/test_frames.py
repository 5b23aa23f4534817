"""Both ends understand each other; whatever comes, only the declared refusals go out and the next frame is found."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prewatt.core.wire import dlt645
from prewatt.core.wire.dlt645 import Decoder, Frame, LocalProtocolError, RemoteProtocolError
from prewatt.core.wire.dlt645.frame import MAX_OLD, OLD_FUNCTIONS

METER = "260305510012"
GOOD = Frame(address=METER, control=0x91, data=bytes.fromhex("0000010078563412"))
CONTROLS = [control for control in range(256) if control & 0x1F not in OLD_FUNCTIONS and control != 0x03]
DECLARED = {"start", "length", "end_mark", "checksum", "dlt645_1997"}
FUZZED = 200_000  # bytes; the long run is the soak's

frames = st.builds(
    Frame,
    address=st.binary(min_size=6, max_size=6).map(lambda raw: raw.hex().upper()),
    control=st.sampled_from(CONTROLS),
    data=st.binary(max_size=255),
)


def cut(data: bytes, at: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(each % (len(data) + 1) for each in at)})
    return [data[a:b] for a, b in zip(edges, edges[1:], strict=False)]


@given(frames, st.integers(0, 64), st.lists(st.integers(0, 400), max_size=5))
def test_a_frame_survives_in_any_pieces(frame: Frame, wake_up: int, at: list[int]) -> None:
    data = dlt645.encode(frame, wake_up=wake_up)
    assert dlt645.decode(data) == frame
    decoder = Decoder()
    assert [found for piece in cut(data, at) for found in decoder.receive(piece)] == [frame]
    assert decoder.idle() == []
    assert decoder.discarded == 0


@given(st.lists(frames, min_size=1, max_size=4), st.binary(max_size=12), st.lists(st.integers(0, 900), max_size=5))
def test_frames_behind_noise_are_all_found_and_only_noise_is_discarded(
    sent: list[Frame], noise: bytes, at: list[int]
) -> None:
    clean = noise.replace(b"\x68", b"\x00").replace(b"\xfe", b"\x00")
    data = clean + b"".join(dlt645.encode(frame) for frame in sent) + clean
    decoder = Decoder()
    assert [found for piece in cut(data, at) for found in decoder.receive(piece)] == sent
    decoder.idle()
    assert decoder.discarded == 2 * len(clean)


@given(st.binary(max_size=300))
def test_the_frame_after_any_noise_is_found_at_once(noise: bytes) -> None:
    decoder = Decoder()
    decoder.receive(noise)
    assert decoder.receive(dlt645.encode(GOOD))[-1:] == [GOOD]


@given(st.binary(max_size=300))
def test_whatever_comes_only_declared_refusals_go_out(data: bytes) -> None:
    try:
        dlt645.decode(data)
    except RemoteProtocolError as error:
        assert error.code in DECLARED


def test_a_false_start_that_promises_much_does_not_hold_up_the_next_frame() -> None:
    decoder = Decoder()
    assert decoder.receive(bytes.fromhex("6801002011262068") + b"\x91\xf0") == []
    assert decoder.receive(dlt645.encode(GOOD)) == [GOOD]
    assert decoder.discarded == 10


def test_a_flood_of_random_bytes_and_marks_is_survived_with_a_bounded_buffer() -> None:
    chance = random.Random(645)
    decoder = Decoder()
    for _ in range(FUZZED // 1000):
        alphabet = chance.choice((bytes(range(256)), b"\x68\xfe\x16\x33\x91"))
        decoder.receive(bytes(chance.choices(alphabet, k=1000)))
        assert len(decoder._buffer) <= dlt645.MAX_FRAME + dlt645.MAX_WAKE_UP
    decoder.idle()
    assert decoder.receive(dlt645.encode(GOOD)) == [GOOD]


@pytest.mark.parametrize("index", range(20))
def test_any_single_flipped_byte_makes_it_no_frame_or_another_length(index: int) -> None:
    data = bytearray(dlt645.encode(GOOD, wake_up=0))
    data[index] ^= 0x01
    with pytest.raises(RemoteProtocolError) as refused:
        dlt645.decode(bytes(data))
    assert refused.value.code in DECLARED


OLD = [
    ("01", "1090"),
    ("81", "10900000000000"),
    ("C1", "02"),
    ("04", "10C0"),
    ("0C", "04"),
]


@pytest.mark.parametrize(("control", "data"), OLD)
def test_a_frame_of_1997_is_refused_by_name(control: str, data: str) -> None:
    old = Frame(address=METER, control=int(control, 16), data=bytes.fromhex(data))
    wired = dlt645.encode(old)
    with pytest.raises(RemoteProtocolError) as refused:
        dlt645.decode(wired)
    assert refused.value.code == "dlt645_1997"
    decoder = Decoder()
    assert decoder.receive(wired + dlt645.encode(GOOD)) == [GOOD]
    assert decoder.old == [old]
    assert decoder.discarded == len(wired)


def test_only_the_latest_old_frames_are_kept() -> None:
    decoder = Decoder()
    for number in range(MAX_OLD + 5):
        decoder.receive(dlt645.encode(Frame(address=f"{number:012d}", control=0x01, data=b"\x10\x90")))
    assert [each.address for each in decoder.old] == [f"{number:012d}" for number in range(5, MAX_OLD + 5)]


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (Frame(address="12", control=0x11), "address"),
        (Frame(address="2603055100zz", control=0x11), "address"),
        (Frame(address=METER, control=256), "control"),
        (Frame(address=METER, control=0x11, data=bytes(256)), "length"),
    ],
)
def test_what_must_not_be_sent_is_our_own_fault(frame: Frame, code: str) -> None:
    with pytest.raises(LocalProtocolError) as refused:
        dlt645.encode(frame)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("pattern", "own", "meant"),
    [
        (METER, METER, True),
        ("260305510013", METER, False),
        ("AAAAAAAAAAAA", METER, True),
        ("AAAAAAAA0012", METER, True),
        ("AAAAAAAA0013", METER, False),
        ("999999999999", METER, True),
        ("999999999912", METER, False),
    ],
)
def test_addresses_mean_who_they_say(pattern: str, own: str, meant: bool) -> None:
    assert dlt645.meant(pattern, own) is meant
