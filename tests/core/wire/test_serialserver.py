"""What a serial server says of itself, and the bus between its texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prewatt.core.wire.errors import LocalProtocolError
from prewatt.core.wire.serialserver import MAX_TEXT, Texts, bytes_of, shown

REPLY = bytes.fromhex("0A0302FF06DC77")  # unit 10: 0Ah would be a line end in a text


@pytest.mark.parametrize(
    ("said", "written"),
    [
        (b"USR-410s-0042", "USR-410s-0042"),
        (b"GATE 7\r\n", "GATE 7"),
        (b"A1\x00\x00", "A1"),
        (bytes.fromhex("0102FF"), "hex:0102ff"),
        (b"hex:00", "hex:6865783a3030"),
        (b"\r\n", "hex:0d0a"),
        ("网关".encode(), "hex:e7bd91e585b3"),
    ],
)
def test_a_registration_is_shown_as_people_write_it(said: bytes, written: str) -> None:
    assert shown(said) == written


@given(st.binary(min_size=1, max_size=MAX_TEXT))
def test_what_is_shown_stands_for_what_was_said_and_is_shown_the_same_again(said: bytes) -> None:
    again = bytes_of(shown(said))
    assert said.startswith(again) or said.strip(b"\r\n\x00 ") == again
    assert shown(again) == shown(said)


@pytest.mark.parametrize("text", ["", "hex:", "hex:0", "hex:zz", "网关", "x" * 41, "hex:" + "00" * 41])
def test_what_no_box_can_say_is_refused(text: str) -> None:
    with pytest.raises(LocalProtocolError):
        bytes_of(text)


@pytest.mark.parametrize(
    ("came", "left"),
    [
        ([b"BEAT"], b""),
        ([b"BEAT" + REPLY], REPLY),
        ([b"BEAT\r\n" + REPLY], REPLY),
        ([b"REG1" + REPLY, b"REG1" + REPLY], REPLY * 2),
        ([b"REG1BEATBEAT" + REPLY], REPLY),
        ([b"BE", b"AT", REPLY], REPLY),
        ([b"BE", b"\x0a" + REPLY], b"BE\x0a" + REPLY),
        ([REPLY[:3], b"BEAT"[:2] + REPLY[3:]], REPLY[:3] + b"BE" + REPLY[3:]),
        ([REPLY + b"BEAT"], REPLY + b"BEAT"),
    ],
)
def test_texts_are_taken_out_where_a_packet_begins_and_nowhere_else(came: list[bytes], left: bytes) -> None:
    texts = Texts("REG1", "BEAT")
    assert b"".join(texts.receive(each) for each in came) == left


@given(st.lists(st.binary(max_size=20), max_size=8))
def test_without_texts_every_byte_is_the_bus_s(came: list[bytes]) -> None:
    texts = Texts("", "")
    assert b"".join(texts.receive(each) for each in came) == b"".join(came)
    assert texts.taken == 0
