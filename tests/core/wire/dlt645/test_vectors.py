"""Frames of real meters, firmwares and tools, through the codec and through `prewatt wire`."""

import io
import json
from pathlib import Path
from typing import Any, Final

import pytest

from prewatt.core.wire import dlt645
from prewatt.wiring import wire

VECTORS: Final = json.loads(
    (Path(__file__).parents[3] / "vectors" / "dlt645" / "frames.json").read_text(encoding="utf-8")
)
EXCHANGES: Final[list[dict[str, Any]]] = VECTORS["exchanges"]
FRAMES = [
    pytest.param(each, side, id=f"{each['id']}-{side}")
    for each in EXCHANGES
    for side in ("request", "response")
    if side in each
]
OUTSIDE_DI = {"x-68in"}  # its field is about the bytes, not about what the identifier means
STREAMS: Final = {each["id"]: each for each in VECTORS["stream_cases"]}


def through_wire(text: str) -> dict[str, Any]:
    out = io.StringIO()
    line = json.dumps({"id": "x", "protocol": "dlt645", "hex": text})
    assert wire.main(io.StringIO(line + "\n"), out) == 0
    answer: dict[str, Any] = json.loads(out.getvalue())
    return answer


def test_no_vector_is_left_out() -> None:
    assert len(EXCHANGES) == 39
    assert all(each["source"] in VECTORS["sources"] for each in EXCHANGES)


@pytest.mark.parametrize(("exchange", "side"), FRAMES)
def test_a_frame_is_read_and_written_as_listed(exchange: dict[str, Any], side: str) -> None:
    said = exchange[side]
    data = bytes.fromhex(said["hex"])
    frame = dlt645.decode(data)
    assert (frame.address, f"{frame.control:02X}") == (said["address"], said["control"])
    assert frame.data.hex().upper() == said["data"]
    assert (None if frame.di is None else dlt645.show_di(frame.di)) == said.get("di")
    assert frame.reply is (side == "response")
    assert dlt645.encode(frame, wake_up=said.get("preamble", 0)) == data
    for pieces in ([data], [bytes((byte,)) for byte in data], [data[:9], data[9:]]):
        decoder = dlt645.Decoder()
        assert [found for piece in pieces for found in decoder.receive(piece)] == [frame]
        assert decoder.discarded == 0


@pytest.mark.parametrize(("exchange", "side"), FRAMES)
def test_prewatt_wire_shows_it_with_the_values_the_source_names(exchange: dict[str, Any], side: str) -> None:
    answer = through_wire(exchange[side]["hex"])
    assert (answer["id"], answer["ok"], answer["discarded"]) == ("x", True, 0)
    (shown,) = answer["frames"]
    assert {name: shown[name] for name in ("address", "control", "data", "di")} == {
        "di": None,
        **{name: exchange[side][name] for name in ("address", "control", "data", "di") if name in exchange[side]},
    }
    if exchange.get("fields_are_of") != side or exchange["id"] in OUTSIDE_DI:
        return
    values = {each["name"]: each for each in shown["values"]}
    for field in exchange["fields"]:
        assert values[field["name"]]["value"] == field["value"]
        assert values[field["name"]]["unit"] == field.get("unit", values[field["name"]]["unit"])
    if "error" in exchange:
        assert shown["refused"]
        assert exchange["error"] in shown["errors"]


@pytest.mark.parametrize("exchange", [pytest.param(e, id=e["id"]) for e in EXCHANGES if "response" in e])
def test_a_reply_answers_its_request_and_no_other(exchange: dict[str, Any]) -> None:
    reply = dlt645.decode(bytes.fromhex(exchange["response"]["hex"]))
    for other in EXCHANGES:
        if "request" not in other:
            continue
        request = dlt645.decode(bytes.fromhex(other["request"]["hex"]))
        same = dlt645.meant(request.address, reply.address) and request.function == reply.function
        if same and (reply.di in (None, request.di)):
            continue  # without an identifier only being in flight tells them apart
        assert not dlt645.answers(request, reply), other["id"]
    if "request" in exchange:
        assert dlt645.answers(dlt645.decode(bytes.fromhex(exchange["request"]["hex"])), reply)


def test_the_relay_that_is_open_says_so() -> None:
    (shown,) = through_wire("68611001301215689106363833378333BE16")["frames"]
    assert shown["values"] == [
        {
            "name": "status_word_3",
            "value": "0050",
            "unit": "",
            "bits": ["relay_open", "relay_command_open"],
        }
    ]


@pytest.mark.parametrize(
    ("case", "ok", "discarded", "code"),
    [
        ("n-cs", False, 20, "wire_checksum_wrong"),
        ("n-cut", False, 17, "wire_frame_incomplete"),
        ("n-len", False, 20, "wire_frame_incomplete"),
        ("n-noise", True, 3, None),
        ("n-fe", True, 0, None),
        ("n-other", True, 0, None),
        ("n-bcd", True, 0, None),
    ],
)
def test_damaged_streams_give_the_good_frame_or_a_reason(case: str, ok: bool, discarded: int, code: str | None) -> None:
    answer = through_wire(STREAMS[case]["hex"])
    assert (answer["ok"], answer["discarded"], len(answer["frames"])) == (ok, discarded, int(ok))
    assert answer.get("error", {}).get("code") == code


def test_a_bad_nibble_spoils_the_value_and_not_the_frame() -> None:
    (shown,) = through_wire(STREAMS["n-bcd"]["hex"])["frames"]
    assert shown["values"] == [{"name": "total", "value": None, "unit": "kWh", "fault": "bad_value"}]


def test_every_stream_case_is_judged() -> None:
    assert set(STREAMS) == {"n-cs", "n-cut", "n-noise", "n-fe", "n-other", "n-bcd", "n-len"}


@pytest.mark.parametrize("case", [pytest.param(each, id=each["id"]) for each in VECTORS["q_gdw_1376_1"]])
def test_a_concentrator_frame_is_none_of_ours_but_the_meter_frame_inside_it_is(case: dict[str, Any]) -> None:
    answer = through_wire(case["hex"])
    inside = [frame["address"] for frame in answer["frames"]]
    assert inside == (["151230011061"] if case["id"] == "q-fwd-r" else [])
