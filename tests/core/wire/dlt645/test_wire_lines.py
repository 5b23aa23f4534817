"""`prewatt wire` as a line protocol: every line is answered, with frames or with a reason."""

import io
import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prewatt.core.wire import acrel4g, dlt645, modbus
from prewatt.core.wire.checks import crc16_modbus
from prewatt.wiring import cli, wire

MODBUS: Final = json.loads(
    (Path(__file__).parents[3] / "vectors" / "modbus" / "frames.json").read_text(encoding="utf-8")
)
SIDES: Final = {"request": "request", "response": "reply"}
EXCHANGES: Final = [
    pytest.param(each, side, id=f"{each['id']}-{side}")
    for each in MODBUS["exchanges"]
    for side in SIDES
    if side in each
]


def ask(*lines: object) -> list[dict[str, Any]]:
    out = io.StringIO()
    text = "".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines)
    assert wire.main(io.StringIO(text), out) == 0
    return [json.loads(line) for line in out.getvalue().splitlines()]


def rtu(text: str, direction: str | None = None) -> dict[str, Any]:
    (answer,) = ask({"id": 1, "protocol": "modbus-rtu", "hex": text, "direction": direction})
    return answer


def sealed(text: str) -> str:
    data = bytes.fromhex(text)
    return (data + crc16_modbus(data).to_bytes(2, "little")).hex()


@pytest.mark.parametrize(("exchange", "side"), EXCHANGES)
@pytest.mark.parametrize("told", [True, False])
def test_a_modbus_frame_shows_what_its_source_says(exchange: dict[str, Any], side: str, told: bool) -> None:
    said = exchange[side]
    (answer,) = ask(
        {
            "id": exchange["id"],
            "protocol": f"modbus-{exchange['transport']}",
            "hex": said["hex"],
            "direction": SIDES[side] if told else None,
        }
    )
    assert (answer["id"], answer["ok"], answer["discarded"]) == (exchange["id"], True, 0)
    (shown,) = answer["frames"]
    assert {name: shown[name] for name in said if name != "hex"} == {
        name: value for name, value in said.items() if name != "hex"
    }
    assert shown["exception"] == said.get("exception")


@pytest.mark.parametrize(
    ("case", "frames", "discarded", "code"),
    [
        ("n-crc", 0, 39, "wire_checksum_wrong"),
        ("n-zeros", 0, 5, "wire_no_frame"),
        ("n-hb", 1, 11, None),
        ("n-unit", 1, 0, None),
        ("n-short", 1, 0, None),
        ("n-echo", 1, 8, None),
    ],
)
def test_damaged_modbus_streams(case: str, frames: int, discarded: int, code: str | None) -> None:
    (stream,) = [each for each in MODBUS["stream_cases"] if each["id"] == case]
    answer = rtu(stream["hex"], "reply")
    assert (len(answer["frames"]), answer["discarded"]) == (frames, discarded)
    assert answer.get("error", {}).get("code") == code


def test_an_echo_and_its_answer_are_both_shown_when_no_direction_is_asked_for() -> None:
    (stream,) = [each for each in MODBUS["stream_cases"] if each["id"] == "n-echo"]
    assert [frame["direction"] for frame in rtu(stream["hex"])["frames"]] == ["request", "reply"]


def test_bytes_that_can_be_either_need_the_direction() -> None:
    coils = sealed("0101030A0105")
    assert rtu(coils)["error"]["code"] == "wire_direction_needed"
    (asked,) = rtu(coils, "request")["frames"]
    (told,) = rtu(coils, "reply")["frames"]
    assert (asked["address"], asked["count"], asked["bits"]) == (0x030A, 0x0105, None)
    assert told["bits"] == "0A0105"


def test_a_read_that_writes_can_be_either_too() -> None:
    either = sealed("0117 0A00 0002 0064 0001 02 1234".replace(" ", ""))
    assert rtu(either)["error"]["code"] == "wire_direction_needed"
    (asked,) = rtu(either, "request")["frames"]
    (told,) = rtu(either, "reply")["frames"]
    assert (asked["address"], asked["count"], asked["registers"]) == (0x0A00, 2, [0x1234])
    assert told["registers"] == [0, 0x0200, 0x6400, 0x0102, 0x1234]
    before = sealed("0117 0010 0005 0064 0001 02 1234".replace(" ", ""))
    assert [frame["direction"] for frame in rtu(before + either)["frames"]] == ["request", "reply"]


def test_a_request_before_it_tells_a_reply_of_bits_apart() -> None:
    frames = rtu(sealed("010100000014") + sealed("0101030A0005"))["frames"]
    assert [(frame["direction"], frame["bits"]) for frame in frames] == [("request", None), ("reply", "0A0005")]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("0A83 02", {"function": 131, "exception": 2, "direction": "reply"}),
        ("0A05 00AC FF00", {"function": 5, "address": 0xAC, "value": 0xFF00, "direction": None}),
        ("0A0F 0013 000A 02 CD01", {"function": 15, "address": 0x13, "count": 10, "bits": "CD01"}),
        ("0A16 0004 00F2 0025", {"function": 22, "data": "000400F20025"}),
        ("0A17 04 00FE 0ACD", {"function": 23, "registers": [254, 2765]}),
        ("0A11 03 010203", {"function": 17, "data": "010203"}),
        ("0A2B 0E0100", {"function": 43, "data": "0E0100", "direction": "request"}),
        ("0A2B 0E0101000001 00 03 414243", {"function": 43, "data": "0E01010000010003414243", "direction": "reply"}),
        ("0A2B 0D55", {"function": 43, "data": "0D55"}),
        ("0A14 07 06 0004 0001 0002", {"function": 20, "data": "0706000400010002", "direction": None}),
        ("0A18 04DE", {"function": 24, "data": "04DE", "direction": "request"}),
        ("0A18 0006 0002 01B8 1284", {"function": 24, "data": "0006000201B81284", "direction": "reply"}),
        ("0AAA 01", {"function": 170, "exception": 1}),
        ("0BAA 10 0046 0004 01", {"function": 170, "exception": None, "data": "100046000401"}),  # a maker's own
        ("0A03 03 010203", {"function": 3, "address": 0x0301, "count": 0x0203, "registers": None}),
        ("0A03 05 0102030405", {"function": 3, "data": "050102030405", "registers": None}),  # an odd number of bytes
        ("0A03 0000 0000", {"function": 3, "address": 0, "count": 0}),
    ],
)
def test_other_functions_are_shown_too(text: str, shown: dict[str, Any]) -> None:
    (frame,) = rtu(sealed(text))["frames"]
    assert {name: frame[name] for name in shown} == shown


def test_modbus_tcp_skips_what_no_header_is_and_stops_at_a_cut_frame() -> None:
    good = "001300000006000401360002"
    (answer,) = ask({"id": 1, "protocol": "modbus-tcp", "hex": "48454152" + good + good + good[:-2]})
    assert [frame["transaction"] for frame in answer["frames"]] == [19, 19]
    assert answer["discarded"] == 4 + 11
    (cut,) = ask({"id": 1, "protocol": "modbus-tcp", "hex": good[:-2]})
    assert (cut["ok"], cut["frames"], cut["error"]["code"]) == (False, [], "wire_frame_incomplete")


def tcp(text: str, direction: str | None = None) -> dict[str, Any]:
    (answer,) = ask({"id": 1, "protocol": "modbus-tcp", "hex": text, "direction": direction})
    return answer


def test_modbus_tcp_finds_the_frames_behind_a_false_or_a_cut_header() -> None:
    asked, told = "001300000006000401360002", "001300000007000404000F423F"
    for before in ("0000000000500102", asked[:-4], "000000000003010300"):
        answer = tcp(before + asked + told)
        assert [frame["direction"] for frame in answer["frames"]] == ["request", "reply"], before
        assert answer["discarded"] == len(before) // 2
    assert tcp("00130000000600" + asked[:-2])["error"]["code"] == "wire_frame_incomplete"


def test_frames_of_the_other_end_are_passed_over_whole() -> None:
    asked, told = "001300000006000401360002", "001300000007000404000F423F"
    for direction, kept in (("request", asked), ("reply", told)):
        answer = tcp(asked + told, direction)
        assert (len(answer["frames"]), answer["discarded"]) == (1, len(asked + told) // 2 - len(kept) // 2)


def test_a_modbus_tcp_frame_whose_parts_contradict_is_shown_as_it_came() -> None:
    (frame,) = tcp("00010000000601030301020300"[:24])["frames"]
    assert (frame["count"], frame["registers"]) == (0x0203, None)
    (odd,) = tcp("000100000008010305" + "0102030405")["frames"]
    assert (odd["function"], odd["data"], odd["registers"]) == (3, "050102030405", None)


def test_a_reply_without_identifier_names_the_request_it_answers_in_the_same_capture() -> None:
    (lone,) = ask({"id": 1, "protocol": "dlt645", "hex": "6812000000102068D101351916"})
    assert lone["frames"][0]["answers"] is None
    request = "6812000000102068110433333436F716"
    (both,) = ask({"id": 1, "protocol": "dlt645", "hex": request + "6812000000102068D101351916"})
    assert [frame["answers"] for frame in both["frames"]] == [None, 0]


def test_a_frame_of_1997_is_refused_by_name() -> None:
    old = dlt645.encode(dlt645.Frame(address="000000000161", control=0x01, data=b"\x10\x90"))
    (answer,) = ask({"id": 9, "protocol": "dlt645", "hex": old.hex(), "language": "zh-hans"})
    assert (answer["ok"], answer["error"]["code"], answer["discarded"]) == (False, "dlt645_1997", len(old))
    assert "1997" in answer["error"]["message"]


@pytest.mark.parametrize(
    "written",
    [
        "68 77 38 06 28 15 44 68 91 08 33 33 34 33 33 33 33 33 38 16",
        "6877380628154468910833333433333333333816",
        "68:77:38:06:28:15:44:68:91:08:33:33:34:33:33:33:33:33:38:16",
        "0x68,0x77,0x38,0x06,0x28,0x15,0x44,0x68,0x91,0x08,0x33,0x33,0x34,0x33,0x33,0x33,0x33,0x33,0x38,0x16",
        "68773806-28154468\n91083333 34333333 33333816",
        r"b'\x68\x77\x38\x06\x28\x15\x44\x68\x91\x08\x33\x33\x34\x33\x33\x33\x33\x33\x38\x16'"[1:],
        "{0x68, 0x77, 0x38, 0x06, 0x28, 0x15, 0x44, 0x68, [0x91, 0x08], "
        "0x33, 0x33, 0x34, 0x33, 0x33, 0x33, 0x33, 0x33, 0x38, 0x16}",
        "68.77.38.06.28.15.44.68.91.08.33.33.34.33.33.33.33.33.38.16",
        "0x68 0x77 0x38 0x6 0x28 0x15 0x44 0x68 0x91 0x8 0x33 0x33 0x34 0x33 0x33 0x33 0x33 0x33 0x38 0x16",
        "0x6877380628154468910833333433333333333816",
        r'b"\x68\x77\x38\x06\x28\x15\x44\x68\x91\x08\x33\x33\x34\x33\x33\x33\x33\x33\x38\x16"',
        "(byte)0x68, (byte)0x77, (byte)0x38, (byte)0x06, 28 15 44 68, 0x9108, 0x33333433, 0x3333333338, 16",
        "&H68 &H77 &H38 &H06 &H28 &H15 &H44 &H68 &H91 &H08 &H33 &H33 &H34 &H33 &H33 &H33 &H33 &H33 &H38 &H16",
        "68h77h38h06h28h15h44h68h91h08h33h33h34h33h33h33h33h33h38h16h",
        "%68%77%38%06%28%15%44%68%91%08%33%33%34%33%33%33%33%33%38%16",
        "RX: 68 77 38 06 28 15 44 68 91 08 33 33 34 33 33 33 33 33 38 16",
        "\u6536\u5230\uff1a68\uff0c77\u300138 06\u3000281544 68\u20089108 333334333333333338 16\u200b",
        "\ufeff68/77_38+06=28 15#44 68*91~08 33333433\x0033333333 38 16",
        "68H 77H 38H 06H 28H 15H 44H 68H 91H 08H 33H 33H 34H 33H 33H 33H 33H 33H 38H 16H",
    ],
)
def test_hex_is_taken_as_people_paste_it(written: str) -> None:
    (answer,) = ask({"id": 1, "protocol": "dlt645", "hex": written.lower()})
    assert answer["frames"][0]["address"] == "441528063877"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("{", "wire_line_malformed"),
        ("[]", "wire_line_malformed"),
        ("NaN", "wire_line_malformed"),
        ('{"id":1e999}', "wire_line_malformed"),
        ("[" * 5000, "wire_line_malformed"),
        ('{"id":1}', "wire_protocol_unknown"),
        ('{"id":1,"protocol":["dlt645"],"hex":""}', "wire_protocol_unknown"),
        ('{"id":1,"protocol":"dlt698","hex":""}', "wire_protocol_unknown"),
        ('{"id":1,"protocol":"dlt645"}', "wire_field_malformed"),
        ('{"id":1,"protocol":"dlt645","hex":17}', "wire_field_malformed"),
        ('{"id":1,"protocol":"dlt645","hex":"6"}', "wire_hex_malformed"),
        ('{"id":1,"protocol":"dlt645","hex":"zz"}', "wire_hex_malformed"),
        ('{"id":1,"protocol":"dlt645","hex":"6h 8h"}', "wire_hex_malformed"),
        ('{"id":1,"protocol":"dlt645","hex":"٣٣"}', "wire_hex_malformed"),
        ('{"id":1,"protocol":"dlt645","hex":"６８"}', "wire_hex_malformed"),
        ('{"id":1,"protocol":"dlt645","hex":"0x"}', "wire_hex_malformed"),
        ('{"id":1,"protocol":"dlt645","hex":"68 7"}', "wire_hex_malformed"),
        ('{"id":1,"protocol":"modbus-rtu","hex":"00","direction":"up"}', "wire_field_malformed"),
        ('{"id":1,"protocol":"modbus-rtu","hex":"00","direction":{}}', "wire_field_malformed"),
        ('{"id":1,"protocol":"dlt645","hex":""}', "wire_no_frame"),
        (json.dumps({"id": 1, "protocol": "dlt645", "hex": "00" * 40_000}), "wire_line_too_long"),
    ],
)
def test_a_bad_line_is_answered_and_the_next_is_read(line: str, code: str) -> None:
    bad, good = ask(line, {"id": 2, "protocol": "acrel-4g", "hex": "7B7B84BF237D7D"})
    assert (bad["ok"], bad["error"]["code"], bad["frames"]) == (False, code, [])
    assert isinstance(bad["discarded"], int)
    assert good == {
        "id": 2,
        "ok": True,
        "frames": [{"command": "84", "payload": "", "modbus": [], "block": None}],
        "discarded": 0,
    }


@given(st.sampled_from(sorted(wire.PROTOCOLS)), st.binary(max_size=300), st.sampled_from([None, "request", "reply"]))
def test_garbage_never_breaks_a_line(protocol: str, data: bytes, direction: str | None) -> None:
    answer = wire.answer({"id": 0, "protocol": protocol, "hex": data.hex(), "direction": direction})
    assert answer["ok"] == bool(answer["frames"])
    assert 0 <= answer["discarded"] <= len(data)
    assert answer["ok"] or answer["error"]["message"]


@given(st.text(max_size=200))
def test_no_text_at_all_breaks_a_line(text: str) -> None:
    for answer in ask(*text.split("\n")):
        assert answer["ok"] is False


def test_the_longest_line_of_marks_is_answered() -> None:
    for protocol, byte in (("dlt645", "68"), ("acrel-4g", "7B"), ("modbus-rtu", "03"), ("modbus-tcp", "00")):
        (answer,) = ask({"id": 1, "protocol": protocol, "hex": byte * 32_000})
        assert answer["frames"] == []
        assert answer["discarded"] == 32_000


def test_the_command_answers_lines_as_a_process() -> None:
    line = json.dumps({"id": "a", "protocol": "acrel-4g", "hex": "7B7B84BF237D7D"})
    done = subprocess.run(
        [sys.executable, "-m", "prewatt.wiring.cli", "wire"],
        input=f"{line}\n\xff\n".encode("latin-1"),
        capture_output=True,
        timeout=60,
        check=True,
    )
    first, second = (json.loads(each) for each in done.stdout.splitlines())
    assert (first["id"], first["ok"]) == ("a", True)
    assert second["error"]["code"] == "wire_line_malformed"
    assert b"Traceback" not in done.stderr


def test_the_scan_finds_all_frames_of_a_conversation() -> None:
    asked = modbus.encode_rtu_request(
        11, modbus.ReadRequest(function=modbus.Function.READ_HOLDING_REGISTERS, address=0, count=2)
    )
    told = modbus.encode_rtu_reply(
        11, modbus.ReadReply(function=modbus.Function.READ_HOLDING_REGISTERS, data=b"\x00\x01\x00\x02")
    )
    capture = modbus.scan_rtu(asked + told + asked + told, None)
    assert [frame.registers for frame in capture.frames] == [None, (1, 2), None, (1, 2)]
    assert capture.discarded == 0


def shown_4g(frame: acrel4g.Frame) -> dict[str, Any]:
    (answer,) = ask({"id": 1, "protocol": "acrel-4g", "hex": acrel4g.encode(frame).hex()})
    (shown,) = answer["frames"]
    return {name: value for name, value in shown.items() if name not in ("payload", "block")}


def test_an_acrel_frame_says_who_calls_and_what_it_carries() -> None:
    calling = acrel4g.Registration(
        serial="26112000000001", iccid="89860412345678901234", signal=21, versions=(0x0102, 3, 4), interval=5
    )
    assert shown_4g(acrel4g.registration_frame(calling)) == {
        "command": "84", "serial": "26112000000001", "iccid": "89860412345678901234", "signal": 21,
        "versions": ["0102", "0003", "0004"], "interval": 5, "modbus": [],
    }  # fmt: skip
    assert shown_4g(acrel4g.heartbeat_frame("26112000000001"))["serial"] == "26112000000001"
    assert shown_4g(acrel4g.time_answer(datetime(2026, 11, 21, 10, 30)))["clock"] == "2026-11-21 10:30:00"
    assert shown_4g(acrel4g.Frame(command=acrel4g.Command.TIME)) == {"command": "93", "modbus": []}
    odd = acrel4g.Frame(command=acrel4g.Command.REGISTER, payload=b"\xff" * 58)
    assert shown_4g(odd) == {"command": "84", "modbus": []}


def test_the_modbus_frames_inside_an_acrel_frame_are_shown() -> None:
    asked = bytes.fromhex(sealed("010300000011"))
    (read,) = shown_4g(acrel4g.transparent(asked))["modbus"]
    assert (read["direction"], read["address"], read["count"]) == ("request", 0, 17)
    told = acrel4g.data_frame((acrel4g.Section(address="1", reply=bytes.fromhex("0103040001 0002")),), "26112000000001")
    shown = shown_4g(told)
    assert shown["serial"] == "26112000000001" and [each["registers"] for each in shown["modbus"]] == [[1, 2]]
    either = acrel4g.transparent(bytes.fromhex(sealed("0101030A0105")))
    assert shown_4g(either)["modbus"] == []


def test_an_answer_in_parts_shows_its_values_with_the_last_part() -> None:
    meter, value = "260305510012", bytes.fromhex("00" * 4 + "01000000" * 49)
    asked = dlt645.read(meter, 0x0001FF00)
    talk, sequence = [], 0
    while True:
        told = dlt645.answer_read(asked, meter, value)
        talk += [asked, told]
        if not told.following:
            break
        sequence += 1
        asked = dlt645.read_following(meter, 0x0001FF00, sequence)
    text = b"".join(dlt645.encode(frame) for frame in talk).hex()
    (answer,) = ask({"id": 1, "protocol": "dlt645", "hex": text})
    assert [frame["following"] for frame in answer["frames"]] == [False, True, False, False]
    values = answer["frames"][-1]["values"]
    assert values[:2] == [
        {"name": "sequence", "value": "1", "unit": ""}, {"name": "total", "value": "0.00", "unit": "kWh"},
    ]  # fmt: skip
    assert len(values) == 51 and values[-1]["name"] == "rate49"
    odd = dlt645.Frame(address="3A2107000481", control=0xB1, data=bytes(8))
    (alone,) = ask({"id": 2, "protocol": "dlt645", "hex": dlt645.encode(odd).hex()})
    assert alone["frames"][0]["following"] is True


def aloud(protocol: str, text: str, direction: str | None = None, language: str = "en") -> tuple[bool, list[str]]:
    out = io.StringIO()
    said = wire.read_aloud(protocol, text, out, direction=direction, language=language)
    return said, [line.strip() for line in out.getvalue().splitlines()]


@pytest.mark.parametrize("example", [line.split() for line in cli.WIRE_EXAMPLES.splitlines() if "prewatt wire" in line])
def test_the_examples_of_the_help_say_something(example: list[str]) -> None:
    given = cli.parser().parse_args([word.strip('"') for word in example[1:]])
    said, lines = aloud(given.protocol, " ".join(given.hex), given.direction)
    assert said
    assert (lines[0], lines[-1]) == ("1", "discarded: 0")


def test_a_pasted_capture_is_read_aloud() -> None:
    said, lines = aloud("dlt645", "68 12 00 00 00 10 20 68 91 08 33 35 C3 33 89 CB 34 33 C4 16")
    assert said
    assert {"address: 201000000012", "di: 00900200", "balance: 198.56 currency"} <= set(lines)
    assert not [line for line in lines if line.endswith(("None", "False", "[]"))]
    said, lines = aloud("modbus-rtu", "0B 03 02 00 00 20 45")
    assert said
    assert "registers: 0" in lines


@pytest.mark.parametrize(("language", "word"), [("en", "check sum"), ("zh-hans", "校验")])
def test_what_is_no_frame_is_told_in_the_language_of_the_place(language: str, word: str) -> None:
    said, lines = aloud("dlt645", "68 12 00 00 00 10 20 68 91 08 33 35 C3 33 89 CB 34 33 C5 16", language=language)
    assert not said
    assert lines[0].startswith("wire_checksum_wrong: ")
    assert word in lines[0]
    assert lines[-1] == "discarded: 20"


def test_a_capture_read_aloud_has_a_limit() -> None:
    said, lines = aloud("dlt645", "0" * (wire.MAX_LINE + 2))
    assert not said
    assert lines[0].startswith("wire_line_too_long: ")
