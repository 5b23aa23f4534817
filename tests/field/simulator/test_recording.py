"""Any site by its file; what is said on its lines recorded, and replayed."""

import asyncio
import io
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from prewatt.core.meters.mailbox import LinePlan
from prewatt.core.wire.modbus import ReadReply, decode_rtu_reply
from prewatt.field.headend.recorded import recorded
from prewatt.field.headend.transports import Link, Listener, SpeedLink, Transport
from prewatt.field.recorder import FORMAT, Recorder
from prewatt.field.simulator import Ready, SiteError, load_site, replay
from prewatt.field.simulator.recording import recording_from
from prewatt.field.simulator.replay import ReplayedLine
from tests.field.simulator.plant import NOON_MS, line, meter, order_frame, world
from tests.journeys.running import ROOT

READ = bytes.fromhex("010300000001840A")
LINE = {"line": "1", "transport": "rtu-over-tcp", "baud": 9600}


def record(*entries: dict[str, Any]) -> list[str]:
    return [json.dumps(each) for each in ({"format": FORMAT}, *entries)]


def frame(at: int, data: bytes, to: str = "office", of: str = "1") -> dict[str, Any]:
    return {"line": of, "at": at, "to": to, "hex": data.hex()}


def played(*entries: dict[str, Any], transport: str = "rtu-over-tcp") -> ReplayedLine:
    (found,) = recording_from(iter(record({**LINE, "transport": transport}, *entries)))
    replayed = ReplayedLine(found)
    replayed.connect(1)
    return replayed


def says(replayed: ReplayedLine, data: bytes, at_ms: int) -> list[tuple[int, bytes]]:
    """What came of it, each with its delay."""
    replayed.receive(1, data, at_ms)
    found = []
    while (due_ms := replayed.next_due_ms()) is not None:
        found += [(due_ms - at_ms, output.data) for output in replayed.advance(due_ms)]
    return found


def test_the_site_file_of_the_recipe_is_played(tmp_path: Path) -> None:
    site = load_site(ROOT / "docs" / "recipes" / "files" / "corner-shop.toml")
    assert [each.id for each in site.lines] == ["wire", "mains"]
    assert site.lines[1].faults.profile == "plc" and site.lines[1].faults.hops
    assert [len(each.circuits) for each in site.meters] == [1, 1, 1]


@pytest.mark.parametrize(
    ("text", "code"),
    [("a = ", "not_toml"), ('format = "other"', "unknown_format"), ("x = 1", "missing")],
)
def test_a_file_that_is_no_site_is_refused_in_words(tmp_path: Path, text: str, code: str) -> None:
    path = tmp_path / "site.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SiteError) as refused:
        load_site(path)
    assert refused.value.code == code and refused.value.text


def test_what_a_line_said_is_said_again_as_late_and_in_the_same_order(tmp_path: Path) -> None:
    stream = io.StringIO()
    faults = {"seed": 4, "late_reply": 0.5, "late_ms": 900, "lose_reply": 0.2}
    a_world = world(tmp_path, meter(), lines=[line(faults=faults)])
    simulated = a_world.lines["a"]
    simulated.record(Recorder(stream))
    simulated.connect(1)
    asked = [order_frame(1, 50_000), READ, READ, order_frame(2, 1_000), READ]
    truth = []
    for number, request in enumerate(asked):
        at_ms = NOON_MS + number * 10_000
        truth.append(simulated.answer(1, request, at_ms))
    assert any(truth) and not all(truth), "some are lost"
    (found,) = recording_from(io.StringIO(stream.getvalue()))
    replayed = ReplayedLine(found)
    replayed.connect(1)
    again = [says(replayed, request, 10**12 + number * 10_000) for number, request in enumerate(asked)]
    assert again == truth


def test_asked_more_often_it_says_the_last_again_and_of_the_unknown_it_is_silent() -> None:
    replayed = played(
        frame(1_000, READ, "meter"), frame(1_050, b"\x01\x03\x02\x00\x01"),
        frame(2_000, READ, "meter"), frame(2_040, b"\x01\x03\x02\x00\x02"),
    )  # fmt: skip
    heard = [says(replayed, READ, at_ms) for at_ms in (10_000, 20_000, 30_000)]
    assert heard == [[(50, b"\x01\x03\x02\x00\x01")], [(40, b"\x01\x03\x02\x00\x02")], [(40, b"\x01\x03\x02\x00\x02")]]
    assert says(replayed, b"\x02\x03\x00\x00\x00\x01\x84\x39", 40_000) == []
    assert says(replayed, READ[:3], 50_000) == [] and says(replayed, READ[3:], 50_010) != [], "in two pieces"
    assert replayed.requests == 4


@pytest.mark.parametrize(
    ("transport", "listens_as"),
    [("serial-8e1", "rtu-over-tcp"), ("rtu-over-udp", "rtu-over-tcp"), ("rtu-over-tls", "rtu-over-tcp"),
     ("modbus-tls", "modbus-tcp"), ("dial-in", "rtu-over-tcp")],
)  # fmt: skip
def test_a_line_of_any_kind_is_replayed_by_one_that_listens(transport: str, listens_as: str) -> None:
    assert played(transport=transport).site.transport.value == listens_as


def test_a_transaction_number_is_that_of_whoever_asks_now() -> None:
    body = bytes.fromhex("000000060103000000010000")
    replayed = played(
        frame(1_000, b"\x00\x07" + body, "meter"), frame(1_010, b"\x00\x07" + b"right"),
        frame(1_020, b"\x00\x05" + b"of another"), transport="modbus-tcp",
    )  # fmt: skip
    assert says(replayed, b"\xab\xcd" + body, 5_000) == [(10, b"\xab\xcdright")]


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ([], "missing"),
        (["{}"], "missing"),
        ([json.dumps({"format": "x"})], "unknown_format"),
        (record(), "missing"),
        (record(LINE, LINE), "duplicate"),
        (record(frame(1, READ)), "unknown_line"),
        (record(LINE, frame(2, READ), frame(1, READ)), "bad_time"),
        (record(LINE, {**frame(2, READ), "to": "moon"}), "not_a_choice"),
        (record(LINE, {**frame(2, READ), "hex": "ABC"}), "not_a_text"),
        (record(LINE, {**frame(2, READ), "more": 1}), "unknown_key"),
        ([*record(LINE), "no json"], "not_json"),
    ],
)
def test_what_is_no_recording_is_refused_with_its_line(lines: list[str], code: str) -> None:
    with pytest.raises(SiteError) as refused:
        recording_from(iter(lines))
    assert refused.value.code == code and refused.value.where.startswith("record")


def test_a_recording_answers_on_a_socket(tmp_path: Path) -> None:
    answer = bytes.fromhex("0103020001") + bytes.fromhex("7984")
    path = tmp_path / "site.record"
    path.write_text("\n".join(record(LINE, frame(1, READ, "meter"), frame(31, answer))), encoding="utf-8")

    async def story() -> bytes:
        stop, told = asyncio.Event(), asyncio.get_running_loop().create_future()

        def ready(found: Ready) -> None:
            told.set_result(found.line_ports["1"])

        task = asyncio.create_task(
            replay(path, now_ms=lambda: time.time_ns() // 1_000_000, stop=stop, ready=ready, ports={"1": 0})
        )
        reader, writer = await asyncio.open_connection("127.0.0.1", await told)
        writer.write(READ)
        heard = await asyncio.wait_for(reader.readexactly(len(answer)), 60)
        writer.close()
        stop.set()
        await task
        return heard

    unit, reply = decode_rtu_reply(asyncio.run(story()))
    assert unit == 1 and isinstance(reply, ReadReply)


class Peer:
    """A bus of which each request is answered at once; its link and its listener."""

    def __init__(self) -> None:
        self.speeds: list[int] = []
        self.listener: Any = None

    async def open(self, plan: LinePlan, listener: Listener) -> Link:
        self.listener = listener
        return self

    def write(self, data: bytes) -> None:
        self.listener.received(b"\x01\x03\x02\x00\x01")

    def close(self) -> None:
        self.listener = None

    def speed(self, baud: int) -> None:
        self.speeds.append(baud)


class Ear:
    def __init__(self) -> None:
        self.heard: list[bytes] = []

    def received(self, data: bytes) -> None:
        self.heard.append(data)

    def lost(self, error: str) -> None:
        self.heard.append(error.encode())


class Full(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(28, "no space left")


def test_a_disk_that_is_full_ends_the_recording_and_nothing_else() -> None:
    recorder = Recorder(Full())
    recorder.line("1", transport="rtu-over-tcp", host="h", port=1, baud=9600)
    recorder.said("1", 1, READ, by_office=True)


def test_what_a_head_end_says_and_hears_is_recorded_and_replayed() -> None:
    stream, peer, ear = io.StringIO(), Peer(), Ear()
    transport = Transport(opener=peer.open, framing="rtu")
    clock = datetime(2026, 3, 2, 4, tzinfo=UTC)
    plan = LinePlan(line_id=1, site_id=1, transport="x", host="h", port=1, baud=2400, meters=())

    async def story() -> None:
        link = await recorded(transport, "x", Recorder(stream), lambda: clock).opener(plan, ear)
        assert isinstance(link, SpeedLink)
        link.speed(2400)
        link.write(READ)
        peer.listener.lost("closed")
        link.close()

    asyncio.run(story())
    assert (ear.heard, peer.speeds, peer.listener) == ([b"\x01\x03\x02\x00\x01", b"closed"], [2400], None)
    (found,) = recording_from(io.StringIO(stream.getvalue()))
    assert found.site.baud == 2400
    replayed = ReplayedLine(found)
    replayed.connect(1)
    assert says(replayed, READ, 5_000) == [(0, b"\x01\x03\x02\x00\x01")]
