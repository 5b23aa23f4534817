"""Ten million random bytes through each codec, with good frames between them: all are found again, and nothing but the
declared refusals comes out.

Where a protocol has no check sum and no mark, a false start ends with the silence of the link, or ends the link. What
is read of a whole message (XML, JSON, values) gets random bytes, and its own with some of them changed.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import Final

import pytest

from prewatt.core.wire import acrel4g, acrel_gateway, acrel_mqtt, dlt645, modbus, serialserver
from prewatt.core.wire.errors import RemoteProtocolError
from prewatt.field.forwarder.sealing import RANDOM_BYTES, SealBroken, Sealed, Suite
from prewatt.field.gateway_seal import MakersSeal

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


def feed_tcp_client(_: object, data: bytes) -> bool:
    with suppress(modbus.RemoteProtocolError):  # then the link is closed and we dial again
        modbus.TcpClientDecoder(7, 11, ASKED).receive(data)
    return modbus.TcpClientDecoder(7, 11, ASKED).receive(modbus.encode_tcp_reply(7, 11, TOLD)) == TOLD


def changed(whole: bytes, data: bytes) -> Iterator[bytes]:
    """Slices of noise, and a good message with some bytes of each in its midst."""
    for start in range(0, len(data) - SLICE, SLICE):
        piece = data[start : start + SLICE]
        at = int.from_bytes(piece[:2], "big") % len(whole)
        yield piece
        yield whole[:at] + piece[2 : 3 + piece[2] % 8] + whole[at + piece[3] % 8 :]


def feed_mqtt(_: object, data: bytes) -> bool:
    for each in changed(UPDATE, data):
        with suppress(RemoteProtocolError):
            acrel_mqtt.message(each)
    return acrel_mqtt.message(UPDATE).serial == "26112000000001"


def feed_gateway_bodies(_: object, data: bytes) -> bool:
    for seal, kind, whole in BODIES:
        for each in changed(whole, data[: len(data) // len(BODIES)]):
            frame = acrel_gateway.Frame(type=kind, body=each)
            for read in (acrel_gateway.login_step, acrel_gateway.heartbeat):
                with suppress(RemoteProtocolError):
                    read(frame)
            for opened in (acrel_gateway.report, acrel_gateway.tunnelled):
                with suppress(RemoteProtocolError):
                    opened(frame, seal)
        assert acrel_gateway.report(acrel_gateway.Frame(type=kind, body=whole), seal) == REPORT
    return True


def feed_texts(texts: serialserver.Texts, data: bytes) -> bool:
    """What is no text is the bus's, every byte of it."""
    texts.receive(data)
    return texts.receive(modbus.encode_rtu_reply(11, TOLD)).endswith(modbus.encode_rtu_reply(11, TOLD))


def feed_values(_: object, data: bytes) -> bool:
    """Identifiers with any bytes, and whole frames."""
    for start in range(0, len(data) - SLICE, SLICE):
        piece = data[start : start + SLICE]
        di = KNOWN_DIS[int.from_bytes(piece[:2], "big") % len(KNOWN_DIS)]
        told = [*dlt645.block(di, piece[2 : 3 + piece[2] % 30])]
        told += dlt645.values_of(dlt645.Frame(address=METER.address, control=piece[3], data=piece[4:]))
        if any((each.value is None) == (each.fault is None) for each in told):
            return False
    return True


def feed_sealed(_: object, data: bytes) -> bool:
    """Whoever has not the key gives us no byte of payload."""
    for suite in Suite:
        ours = Sealed(bytes(32), suite=suite, dialled=False, random=bytes(RANDOM_BYTES))
        with suppress(SealBroken):
            if ours.receive(Sealed(b"k" * 32, suite=suite, dialled=True, random=data[:RANDOM_BYTES]).greeting + data):
                return False
    return True


SLICE: Final = 64
UPDATE: Final = (
    b'{"method":"update","sn":"26112000000001","msgid":"1","timestamp":1795000000,"payload":{"reported":'
    b'{"Ua":230.1,"Ia":5.23,"P":1.2,"PF":0.98,"EPI":12345.67,"Balance":12.5,"SwitchSta":1}}}'
)
REPORT: Final = acrel_gateway.Report(
    gateway="GW-001", at=datetime(2026, 11, 21, 12, 0),
    meters=(acrel_gateway.MeterReport(meter="12", values=(("Ua", "230.1"), ("WPP", "1234.56"))),),
)  # fmt: skip
SEALS: Final = (acrel_gateway.Unsealed(), MakersSeal("e59b4d3317900d7d"))
BODIES: Final = [
    (seal, frame.type, frame.body)
    for seal in SEALS
    for frame in (acrel_gateway.report_frame(REPORT, seal, zipped=zipped) for zipped in (False, True))
]
KNOWN_DIS: Final = [
    0x00000000, 0x0001FF00, 0x00900100, 0x03330201, 0x03300D01, 0x0201FF00, 0x0202FF00, 0x02030000, 0x02060000,
    0x02800002, 0x04000101, 0x0400010C, 0x04000503, 0x040005FF, 0x04010000, 0x04010001, 0x040501FF, 0x05060001,
    0x05060101, 0x1D000101, 0x028011FF, 0x070104FF,
]  # fmt: skip


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
        pytest.param(lambda: (None, feed_tcp_client), b"\x00\x07\x06\x0b\x03", id="tcp_client"),
        pytest.param(lambda: (None, feed_mqtt), b'{}[]",:\\0e.-', id="acrel_mqtt"),
        pytest.param(lambda: (None, feed_gateway_bodies), b"<>/&;='\"! \x00\x78", id="acrel_gateway_bodies"),
        pytest.param(lambda: (serialserver.Texts("box-7", "beat"), feed_texts), b"box-7beat\r\n", id="texts"),
        pytest.param(lambda: (None, feed_values), b"\x00\xff\x99\x10\x80", id="dlt645_values"),
        pytest.param(lambda: (None, feed_sealed), b"PWSL\x01\x00\x10", id="sealed_line"),
    ],
)
def test_ten_million_bytes_lose_no_frame_that_follows(
    feed: Callable[[], tuple[object, Callable[[object, bytes], bool]]], marks: bytes
) -> None:
    decoder, one = feed()
    assert all(one(decoder, chunk) for chunk in noise(marks, seed=645))
