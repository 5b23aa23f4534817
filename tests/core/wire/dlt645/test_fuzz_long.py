"""Ten million random bytes through each stream decoder, with good frames between them: all are found again."""

import random
from collections.abc import Callable, Iterator
from typing import Final

import pytest

from prewatt.core.wire import acrel4g, acrel_gateway, dlt645

FUZZED: Final = 10_000_000
CHUNK: Final = 4096

METER = dlt645.Frame(address="260305510012", control=0x91, data=bytes.fromhex("0000010078563412"))
BEAT = acrel4g.heartbeat_frame("26112000000001")
GATEWAY = acrel_gateway.heartbeat_frame("GW-001")


def noise(marks: bytes, seed: int) -> Iterator[bytes]:
    """Chunks of random bytes, every other one of the marks a decoder looks for."""
    chance = random.Random(seed)
    for number in range(FUZZED // CHUNK + 1):
        yield bytes(chance.choices(marks, k=CHUNK)) if number % 2 else chance.randbytes(CHUNK)


def feed_dlt645(decoder: dlt645.Decoder, data: bytes) -> bool:
    decoder.receive(data)
    return decoder.receive(dlt645.encode(METER))[-1:] == [METER]


def feed_acrel4g(decoder: acrel4g.Decoder, data: bytes) -> bool:
    decoder.receive(data)
    return decoder.receive(acrel4g.encode(BEAT))[-1:] == [BEAT]


def feed_gateway(decoder: acrel_gateway.Decoder, data: bytes) -> bool:
    """Without a check sum a false header is believed until the link is silent."""
    decoder.receive(data)
    decoder.idle()
    return decoder.receive(acrel_gateway.encode(GATEWAY)) == [GATEWAY]


@pytest.mark.soak
@pytest.mark.time_limit(600)
@pytest.mark.parametrize(
    ("feed", "marks"),
    [
        pytest.param(lambda: (dlt645.Decoder(), feed_dlt645), b"\x68\xfe\x16\x33\x91\x04", id="dlt645"),
        pytest.param(lambda: (acrel4g.Decoder(), feed_acrel4g), b"\x7b\x7d\x91\x84\x00", id="acrel4g"),
        pytest.param(lambda: (acrel_gateway.Decoder(), feed_gateway), b"\x1f\x01\x03\x00\xf1", id="acrel_gateway"),
    ],
)
def test_ten_million_bytes_lose_no_frame_that_follows(
    feed: Callable[[], tuple[object, Callable[[object, bytes], bool]]], marks: bytes
) -> None:
    decoder, one = feed()
    assert all(one(decoder, chunk) for chunk in noise(marks, seed=645))
