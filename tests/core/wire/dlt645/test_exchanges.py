"""Requests as they must look on the wire, and which frame answers the one in flight."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from prewatt.core.wire import dlt645
from prewatt.core.wire.dlt645 import (
    Access,
    ClientDecoder,
    Command,
    Decoder,
    Frame,
    LocalProtocolError,
    LongRead,
    RemoteProtocolError,
)

METER = "202611200001"
OTHER = "202611200002"
CLOCK = datetime(2026, 12, 31, 23, 59, 59)
ACCESS = Access(level="02", password="123456", operator="89ABCDEF")


@pytest.mark.parametrize(
    ("request_", "control", "data"),
    [
        (dlt645.read(METER, 0x00010000), 0x11, "00000100"),
        (dlt645.read(METER, 0x06000001, selector=b"\x05"), 0x11, "0100000605"),
        (dlt645.read_following(METER, 0x0600FF01, 1), 0x12, "01FF000601"),
        (dlt645.read_address(), 0x13, ""),
        (dlt645.write(METER, 0x04001001, b"\x00\x20\x00\x00", ACCESS), 0x14, "0110000402563412EFCDAB8900200000"),
        (dlt645.write_address("000000000161"), 0x15, "610100000000"),
        (dlt645.broadcast_time(datetime(2017, 6, 5, 10, 22, 51)), 0x08, "512210050617"),
        (dlt645.freeze(), 0x16, "99999999"),
        (dlt645.freeze(METER, hour=0, minute=30), 0x16, "30009999"),
        (dlt645.freeze(METER, day=1, hour=0, minute=0), 0x16, "00000199"),
        (dlt645.change_baud(METER, 9600), 0x17, "20"),
        (dlt645.change_password(METER, 0x04000C03, ACCESS, Access(level="04")), 0x18, "030C00040256341204000000"),
        (dlt645.clear_demand(METER, ACCESS), 0x19, "02563412EFCDAB89"),
        (dlt645.clear_events(METER, ACCESS), 0x1B, "02563412EFCDAB89FFFFFFFF"),
        (dlt645.control(METER, Command.KEEP_POWER_ON, CLOCK, Access()), 0x1C, "02000000000000003A00595923311226"),
        (dlt645.cost_control(METER, 0x078102FF, "11223344", b""), 0x03, "FF02810744332211"),
    ],
)
def test_a_request_looks_as_the_standard_says(request_: Frame, control: int, data: str) -> None:
    assert (request_.control, request_.data.hex().upper()) == (control, data)
    assert dlt645.decode(dlt645.encode(request_)) == request_


WRONG: list[tuple[Callable[[], Frame], str]] = [
    (lambda: dlt645.read("123", 0), "address"),
    (lambda: dlt645.read("2026AA200001", 0), "address"),
    (lambda: dlt645.read(METER, 1 << 32), "di"),
    (lambda: dlt645.read(METER, 0, selector=b"12"), "length"),
    (lambda: dlt645.read_following(METER, 0, 0), "sequence"),
    (lambda: dlt645.write_address("AAAAAAAAAAAA"), "address"),
    (lambda: dlt645.write_address("999999999999"), "address"),
    (lambda: dlt645.broadcast_time(datetime(1999, 1, 1)), "clock"),
    (lambda: dlt645.broadcast_time(datetime(2026, 1, 1, tzinfo=UTC)), "clock"),
    (lambda: dlt645.freeze(hour=None, day=1), "freeze"),
    (lambda: dlt645.freeze(month=1, day=31, hour=0, minute=0), "freeze"),
    (lambda: dlt645.change_baud(METER, 300), "baud"),
    (lambda: dlt645.write(METER, 0, b"", Access(password="12345")), "access"),
    (lambda: dlt645.write(METER, 0, bytes(250), Access()), "length"),
    (lambda: dlt645.clear_events(METER, ACCESS, 0x03300D00), "di"),
]


@pytest.mark.parametrize(("make", "code"), WRONG)
def test_what_must_not_be_sent_is_refused_before_it_leaves(make: Callable[[], Frame], code: str) -> None:
    with pytest.raises(LocalProtocolError) as refused:
        make()
    assert refused.value.code == code


def test_the_other_end_reads_what_was_meant() -> None:
    values = {each.name: each.value for each in dlt645.values_of(dlt645.control(METER, Command.TRIP, CLOCK, ACCESS))}
    assert (values["action"], values["valid_until"]) == ("trip", "2026-12-31 23:59:59")
    assert [each.value for each in dlt645.values_of(dlt645.broadcast_time(CLOCK))] == ["2026-12-31 23:59:59"]
    assert [each.value for each in dlt645.values_of(dlt645.change_baud(METER, 2400))] == ["08", "2400"]
    assert [each.value for each in dlt645.values_of(dlt645.write_address(METER))] == [METER]


def test_a_read_takes_its_own_answer_and_keeps_the_rest_for_a_look() -> None:
    request = dlt645.read(METER, 0x00010000)
    heartbeat = Frame(address=OTHER, control=0x91, data=b"\x80\x80\x80\x80")
    late = dlt645.answer_read(dlt645.read(METER, 0x00020000), METER, bytes(4))
    good = dlt645.answer_read(request, METER, bytes.fromhex("78563412"))
    client = ClientDecoder(request)
    noise = b"HEARTBEAT\r\n"
    line = noise + b"".join(dlt645.encode(each) for each in (request, heartbeat, late))
    assert client.receive(line) is None
    assert client.receive(dlt645.encode(good)) == good
    assert list(client.others) == [heartbeat, late]
    assert client.discarded == len(noise) + len(dlt645.encode(request, wake_up=0))


@pytest.mark.parametrize("size", [1, 2])
def test_a_reply_without_identifier_is_matched_by_what_is_in_flight(size: int) -> None:
    writing = dlt645.write(METER, 0x04001001, bytes(4), ACCESS)
    reading = dlt645.read(METER, 0x00010000)
    done = dlt645.reply(writing, METER)
    refused = dlt645.refuse(writing, METER, 4, size=size)
    assert dlt645.answers(writing, done) and dlt645.answers(writing, refused)
    assert not dlt645.answers(reading, done) and not dlt645.answers(reading, refused)
    assert not dlt645.answers(writing, dlt645.reply(writing, OTHER))
    assert not dlt645.answers(dlt645.control(METER, Command.TRIP, CLOCK, ACCESS), done)


def test_a_wildcard_is_answered_by_whoever_is_there_and_a_new_address_by_itself() -> None:
    asked = dlt645.read_address()
    told = dlt645.reply(asked, METER, bytes.fromhex(METER)[::-1])
    assert dlt645.answers(asked, told)
    assert [each.value for each in dlt645.values_of(told)] == [METER]
    moving = dlt645.write_address(OTHER)
    assert dlt645.answers(moving, dlt645.reply(moving, OTHER))


def test_nobody_answers_a_broadcast() -> None:
    for request in (dlt645.broadcast_time(CLOCK), dlt645.freeze()):
        assert not dlt645.expects_reply(request)
        assert not dlt645.answers(request, dlt645.reply(request, METER))
        with pytest.raises(LocalProtocolError, match="no_reply"):
            ClientDecoder(request)


@pytest.mark.parametrize("size", [0, 1, 191, 192, 193, 384, 1000])
def test_a_long_answer_is_put_together_from_its_parts(size: int) -> None:
    value = bytes(number % 251 for number in range(size))
    reading, parts = LongRead(METER, 0x0600FF01), 0
    got: bytes | None = None
    while got is None:
        meter = Decoder()
        (heard,) = meter.receive(dlt645.encode(reading.request))
        (answer,) = Decoder().receive(dlt645.encode(dlt645.answer_read(heard, METER, value)))
        got = reading.take(answer)
        parts += 1
    assert got == value
    assert parts == max(1, -(-size // 192))


def test_a_part_out_of_turn_is_not_taken() -> None:
    reading = LongRead(METER, 0x0600FF01)
    first = dlt645.answer_read(reading.request, METER, bytes(500))
    assert first.following and reading.take(first) is None
    second = dlt645.answer_read(dlt645.read_following(METER, 0x0600FF01, 2), METER, bytes(500))
    with pytest.raises(RemoteProtocolError, match="not_the_answer"):
        reading.take(second)
    with pytest.raises(RemoteProtocolError, match="refused"):
        reading.take(dlt645.refuse(reading.request, METER, 2))
    with pytest.raises(LocalProtocolError, match="sequence"):
        dlt645.answer_read(dlt645.read_following(METER, 0x0600FF01, 9), METER, bytes(500))


def test_an_answer_without_end_is_given_up() -> None:
    reading = LongRead(METER, 0x0600FF01)
    with pytest.raises(RemoteProtocolError, match="too_long"):
        for _ in range(300):
            tail = reading.request.data[4:]
            reading.take(
                Frame(
                    address=METER,
                    control=reading.request.control | 0xA0,
                    data=reading.request.data[:4] + bytes(200) + tail,
                )
            )
