"""Frames of real devices, manuals and the standard's examples, through every decoder and back."""

import json
import struct
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from prewatt.core.wire.checks import crc16_modbus
from prewatt.core.wire.modbus import (
    Direction,
    ExceptionReply,
    Function,
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
    decode_rtu_reply,
    decode_rtu_request,
    encode_rtu_reply,
    encode_rtu_request,
    encode_tcp_reply,
    encode_tcp_request,
    scan_rtu,
)

VECTORS: Final = json.loads(
    (Path(__file__).parents[2] / "vectors" / "modbus" / "frames.json").read_text(encoding="utf-8")
)
EXCHANGES: Final[list[dict[str, Any]]] = VECTORS["exchanges"]
RTU = [each for each in EXCHANGES if each["transport"] == "rtu"]
TCP = [each for each in EXCHANGES if each["transport"] == "tcp"]


def frames(side: str, exchanges: list[dict[str, Any]]) -> list[Any]:
    return [pytest.param(each[side], id=each["id"]) for each in exchanges if side in each]


def agrees_with_request(request: Request, said: Mapping[str, Any]) -> None:
    assert (request.function, request.address) == (said["function"], said["address"])
    match request:
        case ReadRequest():
            assert request.count == said["count"]
        case WriteSingle():
            assert request.value == said["value"]
        case WriteMultiple():
            assert request.count == said["count"]
            if "registers" in said:
                assert list(request.registers) == said["registers"]


def agrees_with_reply(reply: Reply, said: Mapping[str, Any]) -> None:
    match reply:
        case ExceptionReply():
            assert (reply.function | 0x80, reply.code) == (said["function"], said["exception"])
        case ReadReply():
            assert reply.function == said["function"]
            if "bits" in said:
                assert reply.data.hex().upper() == said["bits"]
            else:
                assert list(reply.registers) == said["registers"]
        case WriteSingle():
            assert (reply.address, reply.value) == (said["address"], said["value"])
        case WriteReply():
            assert (reply.address, reply.count) == (said["address"], said["count"])


def test_no_vector_is_left_out() -> None:
    assert len(RTU) + len(TCP) == len(EXCHANGES) == 25
    assert all(each["source"] in VECTORS["sources"] for each in EXCHANGES)


@pytest.mark.parametrize("said", frames("request", RTU))
def test_an_rtu_request_is_read_and_written_as_listed(said: dict[str, Any]) -> None:
    data = bytes.fromhex(said["hex"])
    unit, request = decode_rtu_request(data)
    assert unit == said["unit"]
    agrees_with_request(request, said)
    assert encode_rtu_request(unit, request) == data
    for pieces in ([data], [bytes((byte,)) for byte in data], [data[:3], data[3:]]):
        decoder = RtuServerDecoder()
        assert [found for piece in pieces for found in decoder.receive(piece)] == [(unit, request)]
        assert decoder.discarded == 0


@pytest.mark.parametrize("said", frames("response", RTU))
def test_an_rtu_reply_is_read_and_written_as_listed(said: dict[str, Any]) -> None:
    data = bytes.fromhex(said["hex"])
    unit, reply = decode_rtu_reply(data)
    assert unit == said["unit"]
    agrees_with_reply(reply, said)
    assert encode_rtu_reply(unit, reply) == data


@pytest.mark.parametrize(
    "exchange", [pytest.param(each, id=each["id"]) for each in RTU if {"request", "response"} <= each.keys()]
)
def test_an_rtu_reply_is_found_behind_noise_whole_and_in_pieces(exchange: dict[str, Any]) -> None:
    unit, request = decode_rtu_request(bytes.fromhex(exchange["request"]["hex"]))
    data = bytes.fromhex(exchange["response"]["hex"])
    for noise in (b"", b"\x00\xff\x00", bytes((unit,)), bytes((unit, request.function)), data[:-1]):
        decoder = RtuClientDecoder(unit, request)
        got = [decoder.receive(bytes((byte,))) for byte in noise + data]
        assert got[:-1] == [None] * (len(got) - 1)
        assert got[-1] is not None
        agrees_with_reply(got[-1], exchange["response"])
        assert decoder.discarded == len(noise)


@pytest.mark.parametrize("said", frames("request", TCP))
def test_a_tcp_request_is_read_and_written_as_listed(said: dict[str, Any]) -> None:
    data = bytes.fromhex(said["hex"])
    decoder = TcpServerDecoder()
    assert decoder.receive(data[:9]) == []
    (found,) = decoder.receive(data[9:])
    assert found.request is not None
    assert (found.transaction, found.unit) == (said["transaction"], said["unit"])
    agrees_with_request(found.request, said)
    assert encode_tcp_request(found.transaction, found.unit, found.request) == data


@pytest.mark.parametrize("said", frames("response", TCP))
def test_a_tcp_reply_is_read_and_written_as_listed(said: dict[str, Any]) -> None:
    request = ReadRequest(function=Function(said["function"]), address=0, count=len(said["registers"]))
    data = bytes.fromhex(said["hex"])
    reply = TcpClientDecoder(said["transaction"], said["unit"], request).receive(data)
    assert reply is not None
    agrees_with_reply(reply, said)
    assert encode_tcp_reply(said["transaction"], said["unit"], reply) == data


def test_a_tcp_reply_meant_for_another_master_is_skipped() -> None:
    (stray,) = [each for each in TCP if each["id"] == "t-4"]
    data = bytes.fromhex(stray["response"]["hex"])
    request = ReadRequest(function=Function.READ_HOLDING_REGISTERS, address=0, count=5)
    decoder = TcpClientDecoder(111, 1, request)
    assert decoder.receive(data) is None
    assert decoder.discarded == len(data)


@pytest.mark.parametrize("case", [pytest.param(each, id=each["id"]) for each in VECTORS["stream_cases"]])
def test_damaged_streams_give_the_one_right_reply_or_none(case: dict[str, Any]) -> None:
    asked = ReadRequest(function=Function.READ_HOLDING_REGISTERS, address=0, count=17)
    data = bytes.fromhex(case["hex"])
    good = {"frame_after_skip", "skip_echo_then_frame"}
    for pieces in ([data], [bytes((byte,)) for byte in data]):
        decoder = RtuClientDecoder(11, asked)
        got = [reply for piece in pieces if (reply := decoder.receive(piece)) is not None]
        assert len(got) == (1 if case["expect"] in good else 0)
        if got:
            assert isinstance(got[0], ReadReply)
            assert got[0].registers[0:2] == (0x0012, 0xD687)
            assert decoder.discarded == len(data) - 39
    if case["expect"] in {"reject", "no_frame"}:
        with pytest.raises(RemoteProtocolError):
            decode_rtu_reply(data)


@pytest.mark.parametrize("exchange", [pytest.param(each, id=each["id"]) for each in EXCHANGES if "fields" in each])
def test_the_values_the_sources_name_are_in_the_registers(exchange: dict[str, Any]) -> None:
    words = exchange.get("response", {}).get("registers") or exchange["request"]["registers"]
    for field in exchange["fields"]:
        at = field["register_offset"]
        two = struct.pack(">2H", *(words[at : at + 2] + [0])[:2])
        kind = field["type"]
        if kind == "f32s":
            value = Decimal(struct.unpack(">f", two[2:] + two[:2])[0])
        elif kind == "f32":
            value = Decimal(struct.unpack(">f", two)[0])
        else:
            form = {"u16": ">H", "i16": ">h", "u32": ">I", "i32": ">i"}[kind]
            value = Decimal(struct.unpack_from(form, two)[0])
        wanted = Decimal(field["value"])
        assert abs(value * Decimal(field["scale"]) - wanted) <= abs(wanted) / 100_000


def test_a_reply_that_ends_in_zeros_is_the_one_that_was_asked_for() -> None:
    # its first eight bytes are a request with a good CRC, and a good CRC stays good over zeros
    asked, told = "0B03000100041563", "0B03080000004700000000 0000"
    capture = scan_rtu(bytes.fromhex(asked + told), None)
    assert [frame.registers for frame in capture.frames] == [None, (0, 71, 0, 0)]
    assert capture.discarded == 0


def test_a_request_that_could_be_a_reply_is_told_by_its_answer() -> None:
    asked, told = "0101030A0105", "0101210102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F2021"
    sent = b"".join(
        data + crc16_modbus(data).to_bytes(2, "little") for data in (bytes.fromhex(asked), bytes.fromhex(told))
    )
    capture = scan_rtu(sent, None)
    assert [(frame.address, frame.count, len(frame.bits or b"")) for frame in capture.frames] == [
        (0x030A, 0x0105, 0), (None, None, 0x21),
    ]  # fmt: skip
    with pytest.raises(RemoteProtocolError):
        scan_rtu(sent[:8], None)


@pytest.mark.parametrize("whole", ["018C018500", "0B030200F36000"])
@pytest.mark.parametrize("direction", [None, *Direction])
def test_a_frame_that_is_cut_is_none_though_its_check_sum_still_fits(whole: str, direction: Direction | None) -> None:
    # the high byte of its CRC is 0: without it the rest has a good CRC too
    sent = bytes.fromhex(whole)
    assert len(scan_rtu(sent, Direction.REPLY).frames) == 1
    assert scan_rtu(sent[:-1], direction).frames == ()
