"""Both ends understand each other, and whatever bytes come, only the remote family of errors goes out."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prewatt.core.wire.checks import crc16_modbus
from prewatt.core.wire.modbus import (
    ExceptionReply,
    Function,
    LocalProtocolError,
    ReadReply,
    ReadRequest,
    RemoteProtocolError,
    Reply,
    Request,
    RtuClientDecoder,
    RtuServerDecoder,
    TcpClientDecoder,
    TcpServerDecoder,
    WriteMultiple,
    WriteReply,
    WriteSingle,
    answers,
    decode_reply,
    decode_request,
    encode_reply,
    encode_request,
    encode_rtu_reply,
    encode_rtu_request,
    encode_tcp_reply,
    encode_tcp_request,
    pack_bits,
    reply_size,
    unpack_bits,
    write_registers,
)
from prewatt.core.wire.modbus.pdu import count_limit, data_size
from prewatt.core.wire.modbus.rtu import MAX_BUFFER

READS = [Function(code) for code in (1, 2, 3, 4)]
WORD = st.integers(0, 0xFFFF)
UNIT = st.integers(0, 255)


@st.composite
def requests(draw: st.DrawFn) -> Request:
    function = draw(st.sampled_from(list(Function)))
    if function is Function.WRITE_COIL:
        return WriteSingle(function=function, address=draw(WORD), value=draw(st.sampled_from((0, 0xFF00))))
    if function is Function.WRITE_REGISTER:
        return WriteSingle(function=function, address=draw(WORD), value=draw(WORD))
    count = draw(st.integers(1, count_limit(function)))
    address = draw(st.integers(0, 0x10000 - count))
    if function in READS:
        return ReadRequest(function=function, address=address, count=count)
    size = data_size(function, count)
    return WriteMultiple(
        function=function, address=address, count=count, data=draw(st.binary(min_size=size, max_size=size))
    )


@st.composite
def exchanges(draw: st.DrawFn) -> tuple[Request, Reply]:
    request = draw(requests())
    reply: Reply
    if draw(st.integers(0, 4)) == 0:
        return request, ExceptionReply(function=int(request.function), code=draw(st.integers(0, 255)))
    match request:
        case ReadRequest():
            size = data_size(request.function, request.count)
            reply = ReadReply(function=request.function, data=draw(st.binary(min_size=size, max_size=size)))
        case WriteSingle():
            reply = request
        case WriteMultiple():
            reply = WriteReply(function=request.function, address=request.address, count=request.count)
    return request, reply


def cut(data: bytes, at: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(each % (len(data) + 1) for each in at)})
    return [data[a:b] for a, b in zip(edges, edges[1:], strict=False)]


@given(exchanges(), UNIT, st.lists(st.integers(0, 300), max_size=4))
def test_rtu_round_trip_in_any_pieces(exchange: tuple[Request, Reply], unit: int, at: list[int]) -> None:
    request, reply = exchange
    server = RtuServerDecoder({unit})
    heard = [each for piece in cut(encode_rtu_request(unit, request), at) for each in server.receive(piece)]
    assert heard == [(unit, request)]
    client = RtuClientDecoder(unit, request)
    got = [each for piece in cut(encode_rtu_reply(unit, reply), at) if (each := client.receive(piece)) is not None]
    assert got == [reply]
    assert answers(request, reply)
    assert server.discarded == client.discarded == 0


@given(exchanges(), UNIT, WORD, st.lists(st.integers(0, 300), max_size=4))
def test_tcp_round_trip_in_any_pieces(
    exchange: tuple[Request, Reply], unit: int, transaction: int, at: list[int]
) -> None:
    request, reply = exchange
    server = TcpServerDecoder()
    data = encode_tcp_request(transaction, unit, request)
    (heard,) = [each for piece in cut(data, at) for each in server.receive(piece)]
    assert (heard.transaction, heard.unit, heard.request) == (transaction, unit, request)
    client = TcpClientDecoder(transaction, unit, request)
    got = [
        each
        for piece in cut(encode_tcp_reply(transaction, unit, reply), at)
        if (each := client.receive(piece)) is not None
    ]
    assert got == [reply]


@given(requests())
def test_the_size_of_a_good_reply_is_known_before_it_comes(request: Request) -> None:
    match request:
        case ReadRequest():
            data = bytes(data_size(request.function, request.count))
            reply: Reply = ReadReply(function=request.function, data=data)
        case WriteSingle():
            reply = request
        case WriteMultiple():
            reply = WriteReply(function=request.function, address=request.address, count=request.count)
    assert len(encode_reply(reply)) == reply_size(request)


@given(st.lists(st.binary(max_size=300), max_size=6), exchanges(), UNIT)
def test_random_bytes_raise_only_the_remote_family(
    chunks: list[bytes], exchange: tuple[Request, Reply], unit: int
) -> None:
    request, _ = exchange
    for chunk in chunks:
        for decode in (decode_request, decode_reply):
            with contextlib.suppress(RemoteProtocolError):
                decode(chunk)
    rtu_client, rtu_server = RtuClientDecoder(unit, request), RtuServerDecoder()
    for chunk in chunks:
        rtu_client.receive(chunk)
        rtu_server.receive(chunk)
        assert len(rtu_client._buffer) <= MAX_BUFFER
        assert len(rtu_server._buffer) <= MAX_BUFFER
    for decoder in (TcpClientDecoder(1, unit, request), TcpServerDecoder()):
        with contextlib.suppress(RemoteProtocolError):
            for chunk in chunks:
                decoder.receive(chunk)


@given(st.binary(max_size=40), exchanges(), UNIT)
def test_a_reply_is_found_behind_any_noise(noise: bytes, exchange: tuple[Request, Reply], unit: int) -> None:
    request, reply = exchange
    client = RtuClientDecoder(unit, request)
    first = client.receive(noise)
    got = first if first is not None else client.receive(encode_rtu_reply(unit, reply))
    if first is None and got != reply:
        # noise that holds the beginning of a frame may swallow one reply, never two
        assert got is not None or client.receive(encode_rtu_reply(unit, reply)) is not None
    else:
        assert got is not None


@given(st.binary(max_size=60), st.lists(requests(), min_size=1, max_size=3), UNIT)
def test_a_server_finds_each_request_that_comes_as_a_burst_of_its_own(
    noise: bytes, asked: list[Request], unit: int
) -> None:
    server = RtuServerDecoder({unit})
    server.receive(noise)
    heard = [each for request in asked for each in server.receive(encode_rtu_request(unit, request))]
    assert heard[-len(asked) :] == [(unit, request) for request in asked]


def test_a_request_cut_off_in_the_middle_does_not_hide_the_next_one() -> None:
    order = encode_rtu_request(11, write_registers(0x400, [24, 1, 0, 54_348]))
    poll = ReadRequest(function=Function.READ_HOLDING_REGISTERS, address=0x100, count=17)
    server = RtuServerDecoder()
    assert server.receive(order[:-3]) == []
    assert server.receive(encode_rtu_request(11, poll)) == [(11, poll)]
    assert server.discarded == len(order) - 3


def test_silence_ends_a_request_and_frees_what_hides_behind_it() -> None:
    poll = ReadRequest(function=Function.READ_HOLDING_REGISTERS, address=0x100, count=17)
    server = RtuServerDecoder()
    # a head that announces 246 bytes swallows the poll behind it
    assert server.receive(bytes.fromhex("0B10000000 7BF6") + encode_rtu_request(11, poll)) == []
    assert server.idle() == [(11, poll)]
    assert server.discarded == 7


def test_a_request_nobody_waits_for_any_more_is_not_served_late() -> None:
    relay, poll = write_registers(0x102, [1, 1]), ReadRequest(function=Function.READ_COILS, address=0, count=1)
    server = RtuServerDecoder()
    hidden = bytes.fromhex("0B10000000 7BF6") + encode_rtu_request(11, relay)
    assert server.receive(hidden) == []
    assert server.receive(encode_rtu_request(11, poll)) == [(11, poll)]
    assert server.discarded == len(hidden)


def test_requests_of_other_units_and_forbidden_counts_are_noise() -> None:
    poll = ReadRequest(function=Function.READ_HOLDING_REGISTERS, address=0, count=1)
    server = RtuServerDecoder({11})
    assert server.receive(encode_rtu_request(12, poll)) == []
    body = bytes.fromhex("0B030000007E")  # 126 registers
    assert server.receive(body + crc16_modbus(body).to_bytes(2, "little")) == []
    server.idle()
    assert server.discarded == 16


@pytest.mark.parametrize(
    ("pdu", "exception"),
    [("2B0E0100", 1), ("03FFFF0002", 2), ("030000007E", 3), ("0500001234", 3), ("0300", 3), ("1000000001040000", 3)],
)
def test_a_tcp_server_says_which_exception_a_bad_request_deserves(pdu: str, exception: int) -> None:
    body = bytes.fromhex(pdu)
    data = (7).to_bytes(2, "big") + bytes(2) + (len(body) + 1).to_bytes(2, "big") + b"\x01" + body
    (asked,) = TcpServerDecoder().receive(data)
    assert (asked.transaction, asked.request, asked.exception) == (7, None, exception)
    assert asked.function == body[0]


@pytest.mark.parametrize("data", ["000100010006010300000001", "00010000000101", "0001000000FF01", "00010000FFFF01"])
def test_a_stream_that_is_not_modbus_tcp_ends_the_link(data: str) -> None:
    request = ReadRequest(function=Function.READ_HOLDING_REGISTERS, address=0, count=1)
    for decoder in (TcpServerDecoder(), TcpClientDecoder(1, 1, request)):
        with pytest.raises(RemoteProtocolError):
            decoder.receive(bytes.fromhex(data))


def test_a_flood_ends_the_link() -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        TcpServerDecoder().receive(bytes(5_000))
    assert caught.value.code == "flood"


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (ReadRequest(function=Function.READ_HOLDING_REGISTERS, address=0, count=126), "count"),
        (ReadRequest(function=Function.READ_COILS, address=0, count=0), "count"),
        (ReadRequest(function=Function.READ_COILS, address=0xFFFF, count=2), "address"),
        (ReadRequest(function=Function.WRITE_COIL, address=0, count=1), "function"),
        (WriteSingle(function=Function.WRITE_COIL, address=0, value=1), "value"),
        (WriteSingle(function=Function.WRITE_REGISTER, address=-1, value=1), "address"),
        (WriteMultiple(function=Function.WRITE_REGISTERS, address=0, count=2, data=bytes(3)), "byte_count"),
        (WriteMultiple(function=Function.WRITE_REGISTERS, address=0, count=124, data=bytes(248)), "count"),
    ],
)
def test_we_never_send_what_the_protocol_forbids(request_: Request, code: str) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        encode_request(request_)
    assert caught.value.code == code


def test_a_value_no_register_holds_is_our_fault() -> None:
    with pytest.raises(LocalProtocolError):
        write_registers(0, [65_536])
    with pytest.raises(LocalProtocolError):
        encode_rtu_request(256, write_registers(0, [1]))


def slow_crc(data: bytes) -> int:
    """Bit by bit, as the standard's text says it (V1.02, section 6.2.2)."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc


@given(st.binary(max_size=1_100))
def test_the_fast_crc_is_the_crc(data: bytes) -> None:
    assert crc16_modbus(data) == slow_crc(data) == crc16_modbus(bytearray(data)) == crc16_modbus(memoryview(data))


def test_the_check_value_of_the_crc_catalogue_holds() -> None:
    assert crc16_modbus(b"123456789") == 0x4B37


@given(st.lists(st.booleans(), max_size=100))
def test_bits_are_packed_lowest_first(bits: list[bool]) -> None:
    packed = pack_bits(bits)
    assert list(unpack_bits(packed, len(bits))) == bits
    assert int.from_bytes(packed, "little") == sum(1 << index for index, bit in enumerate(bits) if bit)
