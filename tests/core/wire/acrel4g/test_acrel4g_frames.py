"""Acrel 4G frames: found by CRC, never by the end mark; messages both ways; bounded under a flood."""

import io
import json
import random
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from prewatt.core.wire import acrel4g
from prewatt.core.wire.acrel4g import (
    Command,
    Decoder,
    Frame,
    LocalProtocolError,
    Registration,
    RemoteProtocolError,
    Section,
)
from prewatt.core.wire.checks import crc16_modbus
from prewatt.wiring import wire

VECTORS: Final = json.loads(
    (Path(__file__).parents[3] / "vectors" / "acrel4g" / "frames.json").read_text(encoding="utf-8")
)
CASES: Final[dict[str, dict[str, Any]]] = {each["id"]: each for each in VECTORS["acrel_4g"]}
DECLARED = {"length", "start", "end_mark", "checksum"}
SERIAL = "26112000000001"
FUZZED = 200_000  # bytes; the long run is the soak's
frames = st.builds(Frame, command=st.integers(0x80, 0xFF), payload=st.binary(max_size=300))
braces = st.lists(st.sampled_from([b"\x7b", b"\x7d", b"\x7d\x7d", b"\x7b\x7b", b"\x91", b"\x00"])).map(b"".join)


def cut(data: bytes, at: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(each % (len(data) + 1) for each in at)})
    return [data[a:b] for a, b in zip(edges, edges[1:], strict=False)]


def encoded(frame: Frame) -> bytes:
    try:
        return acrel4g.encode(frame)
    except LocalProtocolError as error:
        assume(error.code != "ambiguous")  # once in 65,536 end marks inside a payload
        raise


@pytest.mark.parametrize("case", [pytest.param(each, id=name) for name, each in CASES.items()])
def test_a_frame_is_read_and_written_as_listed(case: dict[str, Any]) -> None:
    data = bytes.fromhex(case["hex"])
    frame = acrel4g.decode(data)
    assert (f"{frame.command:02X}", frame.payload.hex().upper()) == (case["command"], case["payload"])
    assert acrel4g.encode(frame) == data
    for pieces in ([data], [bytes((byte,)) for byte in data]):
        decoder = Decoder()
        assert [found for piece in pieces for found in decoder.receive(piece)] == [frame]
        decoder.idle()
        assert decoder.discarded == 0


@pytest.mark.parametrize("case", [pytest.param(each, id=name) for name, each in CASES.items()])
def test_prewatt_wire_shows_it_with_the_values_expected(case: dict[str, Any]) -> None:
    out = io.StringIO()
    wire.main(io.StringIO(json.dumps({"id": 1, "protocol": "acrel-4g", "hex": case["hex"]}) + "\n"), out)
    answer = json.loads(out.getvalue())
    (shown,) = answer["frames"]
    assert (answer["ok"], answer["discarded"]) == (True, 0)
    assert (shown["command"], shown["payload"]) == (case["command"], case["payload"])
    for name, value in case.get("expect", {}).items():
        assert shown["block"][name] == value


@given(frames, st.lists(st.integers(0, 400), max_size=5))
def test_a_frame_survives_in_any_pieces(frame: Frame, at: list[int]) -> None:
    data = encoded(frame)
    assert acrel4g.decode(data) == frame
    decoder = Decoder()
    assert [found for piece in cut(data, at) for found in decoder.receive(piece)] == [frame]
    decoder.idle()
    assert decoder.discarded == 0


@given(st.integers(0x80, 0xFF), braces, st.lists(st.integers(0, 400), max_size=5))
def test_braces_inside_the_payload_do_not_end_it(command: int, payload: bytes, at: list[int]) -> None:
    frame = Frame(command=command, payload=payload[:900])
    decoder = Decoder()
    assert [found for piece in cut(encoded(frame), at) for found in decoder.receive(piece)] == [frame]


@given(st.lists(frames, min_size=1, max_size=3), st.binary(max_size=20), st.lists(st.integers(0, 999), max_size=4))
def test_frames_between_noise_are_all_found(sent: list[Frame], noise: bytes, at: list[int]) -> None:
    clean = noise.replace(b"\x7b", b"\x00")
    data = clean + clean.join(encoded(frame) for frame in sent) + clean
    decoder = Decoder()
    assert [found for piece in cut(data, at) for found in decoder.receive(piece)] == sent
    decoder.idle()
    assert decoder.discarded == len(clean) * (len(sent) + 1)


@given(st.binary(max_size=200))
def test_the_frame_after_any_noise_is_found_at_once(noise: bytes) -> None:
    decoder = Decoder()
    decoder.receive(noise)
    assert decoder.receive(acrel4g.encode(acrel4g.registered()))[-1:] == [acrel4g.registered()]


@given(st.binary(max_size=100))
def test_whatever_comes_only_declared_refusals_go_out(data: bytes) -> None:
    try:
        acrel4g.decode(data)
    except RemoteProtocolError as error:
        assert error.code in DECLARED


def test_a_flood_of_marks_is_survived_with_a_bounded_buffer() -> None:
    chance = random.Random(7)
    decoder = Decoder()
    for _ in range(FUZZED // 1000):
        alphabet = chance.choice((bytes(range(256)), b"\x7b\x7d\x91"))
        decoder.receive(bytes(chance.choices(alphabet, k=1000)))
        assert len(decoder._buffer) <= acrel4g.MAX_FRAME + 2
    assert decoder.receive(acrel4g.encode(acrel4g.registered()))[-1:] == [acrel4g.registered()]


def test_texts_of_serial_servers_in_the_stream_are_skipped_and_counted() -> None:
    decoder = Decoder()
    beat = acrel4g.heartbeat_frame(SERIAL)
    text = b"www.usr.cn\r\n"
    assert decoder.receive(text + acrel4g.encode(beat) + text) == [beat]
    decoder.idle()
    assert decoder.discarded == 2 * len(text)


@pytest.mark.parametrize(("tail", "fault"), [(b"\x91[[123", "incomplete"), (b"\x91\x00\x00\x00}}", "checksum")])
def test_what_looked_like_a_frame_and_was_none_says_why(tail: bytes, fault: str) -> None:
    decoder = Decoder()
    assert decoder.receive(b"{{" + tail) == [] == decoder.idle()
    assert (decoder.fault, decoder.discarded) == (fault, len(tail) + 2)


def test_registration_heartbeat_and_time_survive_both_ways() -> None:
    given_ = Registration(serial=SERIAL, iccid="89860000000000000001", signal=21, versions=(1, 2, 0x0103), interval=5)
    frame = acrel4g.decode(acrel4g.encode(acrel4g.registration_frame(given_)))
    assert len(frame.payload) == 58
    assert acrel4g.registration(frame) == given_
    assert acrel4g.heartbeat(acrel4g.heartbeat_frame(SERIAL)) == SERIAL
    sunday = datetime(2026, 11, 22, 16, 30, 5)
    answer = acrel4g.time_answer(sunday)
    assert (answer.command, answer.payload.hex()) == (Command.TIME, "1a0b1600101e05")
    assert acrel4g.clock_of(answer.payload) == sunday
    assert acrel4g.encode(acrel4g.registered()).hex().upper() == "7B7B84BF237D7D"


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (Frame(command=0x94, payload=bytes(58)), "command"),
        (Frame(command=0x84, payload=bytes(57)), "length"),
        (Frame(command=0x84, payload=bytes(58)), "text"),
    ],
)
def test_a_registration_that_is_none_is_refused(frame: Frame, code: str) -> None:
    with pytest.raises(RemoteProtocolError) as refused:
        acrel4g.registration(frame)
    assert refused.value.code == code


REPLIES = [
    b"\x01\x03\x04)))]",  # the data looks like the marks
    b"\x01\x03\x04))]]",
    b"\x01\x83\x02",
    b"\x01\x10\x00\x57\x00\x02",
    b"\x01\x03\x60" + bytes(0x60),
]


@pytest.mark.parametrize("reply", REPLIES)
@pytest.mark.parametrize("crc", [True, False])
@pytest.mark.parametrize("serial", ["", SERIAL])
def test_data_sections_trust_the_byte_count_in_all_four_forms(reply: bytes, crc: bool, serial: str) -> None:
    sections = (Section(address="202611200001", reply=reply), Section(address="2", reply=b"\x02\x03\x02\x00\x01"))
    frame = acrel4g.data_frame(sections, serial, crc=crc)
    assert acrel4g.data_sections(frame) == (serial, sections)
    assert acrel4g.inner_reply(frame) == tuple(each.reply for each in sections)


@pytest.mark.parametrize(
    "payload", [b"", b"[[1((", b"[[1((\x01\x03\xff))]]", b"[[((\x01\x83\x01))]]", b"x" * 20, b"[[1((\x01\x83\x01))]]["]
)
def test_a_data_message_that_does_not_hold_is_refused(payload: bytes) -> None:
    frame = Frame(command=Command.DATA, payload=payload)
    with pytest.raises(RemoteProtocolError):
        acrel4g.data_sections(frame)
    assert acrel4g.inner_reply(frame) == ()


@given(st.binary(max_size=200))
def test_no_payload_makes_the_inner_look_fail(payload: bytes) -> None:
    for command in Command:
        for reply in acrel4g.inner_reply(Frame(command=command, payload=payload)):
            assert len(reply) >= 3


def test_a_transparent_frame_gives_its_modbus_frame_only_with_a_good_crc() -> None:
    asked = b"\x01\x03\x00\x00\x00\x11"
    sealed = asked + crc16_modbus(asked).to_bytes(2, "little")
    assert acrel4g.inner_reply(acrel4g.transparent(sealed)) == (asked,)
    assert acrel4g.inner_reply(acrel4g.transparent(asked + b"\x00\x00")) == ()


def test_the_poll_block_shows_relays_alarms_and_a_stopped_clock() -> None:
    data = bytearray(0x60)
    data[0:2] = (5).to_bytes(2, "big")
    data[62:66] = (0x7D7D).to_bytes(4, "big")
    data[72], data[73] = 0xE1, 0xF8
    block = acrel4g.poll_block(b"\x01\x03\x60" + bytes(data))
    assert (block.model, block.balance, block.clock) == (5, 32125, None)
    assert block.relays_closed == (True, True, True)
    assert (block.fault, block.force_on, block.over_limit, block.arrears, block.alarm_1, block.alarm_2) == (True,) * 6
    long = acrel4g.poll_block(b"\x01\x03\x90" + bytes(96) + (1234).to_bytes(4, "big") + bytes(44))
    assert (block.energy_deep_valley, long.energy_deep_valley) == (None, 1234)
    with pytest.raises(RemoteProtocolError, match="block"):
        acrel4g.poll_block(b"\x01\x03\x02\x00\x00")


@pytest.mark.parametrize(
    ("frame", "code"),
    [(Frame(command=0x7B), "command"), (Frame(command=0x91, payload=bytes(1025)), "length")],
)
def test_what_must_not_be_sent_is_our_own_fault(frame: Frame, code: str) -> None:
    with pytest.raises(LocalProtocolError) as refused:
        acrel4g.encode(frame)
    assert refused.value.code == code


def test_a_section_that_holds_no_modbus_reply_does_not_hide_the_others() -> None:
    told = Section(address="1-1", reply=b"\x01\x03\x02\x00\x05")
    sealed = acrel4g.data_frame((told,)).payload
    currents = b"[[1-3((" + bytes.fromhex("00000000000700000000000829295D00") + b"))]]"
    for payload in (sealed + currents, currents + sealed, sealed + currents + sealed):
        frame = Frame(command=Command.DATA, payload=payload)
        assert set(acrel4g.inner_reply(frame)) == {told.reply}
        assert acrel4g.data_sections(frame)[0] == ""
    with pytest.raises(RemoteProtocolError):
        acrel4g.data_sections(Frame(command=Command.DATA, payload=currents))
    with pytest.raises(RemoteProtocolError, match="too_many"):
        acrel4g.data_sections(Frame(command=Command.DATA, payload=sealed * 17))


def test_a_frame_round_another_is_found_when_all_bytes_are_there() -> None:
    inner = Frame(command=0x94, payload=b"26112000000001")
    outer = Frame(command=0x90, payload=b"}}" + acrel4g.encode(inner) + b"{{}}")
    body = bytes((outer.command,)) + outer.payload
    sent = b"{{" + body + crc16_modbus(body).to_bytes(2, "little") + b"}}"
    found, discarded, _ = acrel4g.scan(b"ping" + sent + acrel4g.encode(inner) + sent[:20])
    assert (found, discarded) == ([outer, inner], 4 + 20)
