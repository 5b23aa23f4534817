"""Ten million random bytes through each stream decoder, with good frames between them: all are found again.

Where a protocol has no check sum and no mark, a false start ends with the silence of the link, or ends the link.
"""

import random
from collections.abc import Callable, Iterator
from typing import Final

import pytest

from prewatt.core.wire import acrel4g, acrel_gateway, dlt645, modbus

FUZZED: Final = 10_000_000
CHUNK: Final = 4096
MAX_PIPELINE: Final = 2048  # bytes a client may send at once before the link counts as flooded

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


ASKED = modbus.ReadRequest(function=modbus.Function.READ_HOLDING_REGISTERS, address=0x004E, count=3)
TOLD = modbus.ReadReply(function=modbus.Function.READ_HOLDING_REGISTERS, data=bytes.fromhex("000700000F0A"))


def feed_rtu_server(decoder: modbus.RtuServerDecoder, data: bytes) -> bool:
    decoder.receive(data)
    decoder.idle()
    return decoder.receive(modbus.encode_rtu_request(11, ASKED)) == [(11, ASKED)]


def feed_rtu_client(_: object, data: bytes) -> bool:
    """One decoder for each request, as on a line."""
    decoder = modbus.RtuClientDecoder(11, ASKED)
    return decoder.receive(data) is not None or decoder.receive(modbus.encode_rtu_reply(11, TOLD)) == TOLD


def feed_tcp_server(_: object, data: bytes) -> bool:
    decoder = modbus.TcpServerDecoder()
    try:
        decoder.receive(data[:MAX_PIPELINE])
    except modbus.RemoteProtocolError:
        decoder = modbus.TcpServerDecoder()  # the link was closed, the client dials again
    else:
        return True
    return [each.request for each in decoder.receive(modbus.encode_tcp_request(7, 11, ASKED))] == [ASKED]


def feed_capture(_: object, data: bytes) -> bool:
    """What `prewatt wire` does with pasted bytes: the frame at the end is shown whatever stands before it."""
    capture = modbus.scan_rtu(data + modbus.encode_rtu_reply(11, TOLD), modbus.Direction.REPLY)
    assert capture.discarded <= len(data)
    return (capture.frames[-1].unit, capture.frames[-1].registers) == (11, TOLD.registers)


@pytest.mark.soak
@pytest.mark.time_limit(600)
@pytest.mark.parametrize(
    ("feed", "marks"),
    [
        pytest.param(lambda: (dlt645.Decoder(), feed_dlt645), b"\x68\xfe\x16\x33\x91\x04", id="dlt645"),
        pytest.param(lambda: (acrel4g.Decoder(), feed_acrel4g), b"\x7b\x7d\x91\x84\x00", id="acrel4g"),
        pytest.param(lambda: (acrel_gateway.Decoder(), feed_gateway), b"\x1f\x01\x03\x00\xf1", id="acrel_gateway"),
        pytest.param(lambda: (modbus.RtuServerDecoder(), feed_rtu_server), b"\x0b\x03\x10\x00\x06", id="rtu_server"),
        pytest.param(lambda: (None, feed_rtu_client), b"\x0b\x03\x06\x83\x02", id="rtu_client"),
        pytest.param(lambda: (None, feed_tcp_server), b"\x00\x06\x0b\x03\x01", id="tcp_server"),
        pytest.param(lambda: (None, feed_capture), b"\x0b\x03\x06\x83\x02", id="rtu_capture"),
    ],
)
def test_ten_million_bytes_lose_no_frame_that_follows(
    feed: Callable[[], tuple[object, Callable[[object, bytes], bool]]], marks: bytes
) -> None:
    decoder, one = feed()
    assert all(one(decoder, chunk) for chunk in noise(marks, seed=645))
