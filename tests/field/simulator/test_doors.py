"""The simulator's own port: the pinned names, refusals with a code, and the page for visitors."""

import json
import re
import socket
import time
from collections.abc import Iterator
from datetime import datetime

import pytest

from prewatt.core.wire.modbus import WriteReply
from tests.field.simulator.plant import NUMBER, assert_books, free_port, line, meter, order_frame
from tests.field.simulator.running import Simulator, converse

ACREL_NUMBER = "202500000002"
TCP_NUMBER = "202500000003"


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """An SPM9511 with a warning trip, an Acrel, and a Modbus-TCP line."""
    settings = {"alarm_level_1_wh": 20_000, "alarm_level_2_wh": 9_000, "warning_trip": True}
    found = Simulator(
        tmp_path_factory.mktemp("doors"),
        meter(1, opening={"balance_wh": 9_002, "purchase_count": 4, "purchased_total_wh": 50_000}, settings=settings),
        meter(2, profile="acrel-ddsy1352", load={"kind": "constant", "peak_w": 1_000}),
        meter(3, line="t"),
        lines=[line("a", port=free_port()), line("t", port=free_port(), transport="modbus-tcp")],
    ).start()
    yield found
    found.stop()


def error_of(answer: tuple[int, str]) -> tuple[int, str]:
    status, text = answer
    error = json.loads(text)["error"]
    assert error["message"] and error["retry"] in (True, False)
    return status, error["code"]


def test_meters_are_described_with_the_pinned_names(simulator: Simulator) -> None:
    spm, acrel, tcp = simulator.meters()
    assert set(spm) == {"number", "profile", "host", "port", "unit", "line", "circuits"}
    assert (spm["number"], spm["profile"], spm["unit"], spm["line"]) == (NUMBER, "pilot-spm9511", 1, "a")
    assert (spm["host"], spm["port"], tcp["line"]) == ("127.0.0.1", simulator.ports["a"], "t")
    circuit = spm["circuits"][0]
    assert set(circuit) == {"index", "opening", "balance", "purchase_count", "relay", "consumed", "accepted"}
    assert (circuit["index"], circuit["opening"]) == (1, 9_002)
    assert circuit["relay"] in ("open", "closed") and isinstance(circuit["consumed"], int)
    held = acrel["circuits"][0]
    assert held["opening"] is None and held["balance"] is None and held["accepted"] == []


def test_a_visitor_sees_warning_trip_and_restore(simulator: Simulator) -> None:
    assert simulator.ask(f"/meters/{NUMBER}", {"load_w": 30_000})[0] == 200
    deadline = time.monotonic() + 10
    while simulator.circuit(NUMBER)["relay"] == "closed":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    circuit = simulator.circuit(NUMBER)
    assert circuit["balance"] == 9_000 and "warning trip" in simulator.ask(f"/display/{NUMBER}/1?lang=en")[1]
    assert simulator.ask(f"/meters/{NUMBER}", {"load_w": 0})[0] == 200
    assert simulator.ask(f"/meters/{NUMBER}", {"press_key": True})[0] == 200
    assert simulator.circuit(NUMBER)["relay"] == "closed"
    with simulator.connect() as link:
        assert isinstance(converse(link, order_frame(5, 40_000)), WriteReply)
    circuit = simulator.circuit(NUMBER)
    order, = circuit["accepted"]
    assert (order["count"], order["kind"], order["amount"]) == (5, "purchase", 40_000)
    assert datetime.fromisoformat(order["at"]).utcoffset() is not None and order["at"].endswith("Z")
    assert_books(circuit)


def test_only_what_is_named_changes(simulator: Simulator) -> None:
    simulator.ask(f"/meters/{NUMBER}", {"silent": True})
    simulator.ask(f"/meters/{NUMBER}", {"load_w": 0})
    with simulator.connect() as link:
        link.settimeout(0.3)
        assert converse(link, order_frame(9, 1_000)) is None, "still silent"
    simulator.ask(f"/meters/{NUMBER}", {"silent": False})


def test_faults_are_replaced_as_a_whole_and_reset(simulator: Simulator) -> None:
    assert simulator.ask("/lines/a/faults", {"seed": 1, "lose_reply": 1})[0] == 200
    with simulator.connect() as link:
        link.settimeout(0.3)
        assert converse(link, order_frame(9, 1_000)) is None
        assert simulator.ask("/lines/a/faults", {"seed": 2, "late_reply": 0, "late_ms": 5})[0] == 200
        assert converse(link, order_frame(9, 1_000)) is not None
    assert simulator.ask("/reset-faults", {})[0] == 200
    assert simulator.ask("/reset-faults", raw=b"")[0] == 200


def test_a_line_that_is_down_refuses_and_drops_connections_until_it_is_up(simulator: Simulator) -> None:
    with simulator.connect() as link:
        assert simulator.ask("/lines/a/faults", {"down": True})[0] == 200
        try:
            assert link.recv(1) == b""
        except ConnectionResetError:
            pass
    with pytest.raises(OSError):
        simulator.connect().close()
    assert simulator.ask("/reset-faults", {})[0] == 200
    deadline = time.monotonic() + 5
    while True:
        try:
            with simulator.connect() as link:
                assert converse(link, order_frame(9, 1_000)) is not None
            break
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


REFUSED = [
    ("/lines/a/faults", {"lose_all": 1}, (400, "sim_bad_request")),
    ("/lines/a/faults", {"lose_reply": 2}, (400, "sim_bad_request")),
    ("/lines/a/faults", {"down": 1}, (400, "sim_bad_request")),
    ("/lines/a/faults", [], (400, "sim_bad_request")),
    ("/lines/zz/faults", {}, (404, "sim_unknown_line")),
    (f"/meters/{NUMBER}", {"load_w": -1}, (400, "sim_bad_request")),
    (f"/meters/{NUMBER}", {"load_w": "5"}, (400, "sim_bad_request")),
    (f"/meters/{NUMBER}", {"load": 5}, (400, "sim_bad_request")),
    (f"/meters/{NUMBER}", {"press_key": "yes"}, (400, "sim_bad_request")),
    (f"/meters/{NUMBER}", {"index": 2, "load_w": 0}, (404, "sim_unknown_circuit")),
    ("/meters/999999999999", {"load_w": 0}, (404, "sim_unknown_meter")),
    ("/meters", {}, (405, "sim_wrong_method")),
    ("/reset-faults", None, (405, "sim_wrong_method")),
    ("/nothing", None, (404, "sim_not_found")),
    ("/visit/999999999999", None, (404, "sim_unknown_meter")),
    ("/display/999999999999/1", None, (404, "sim_unknown_meter")),
    (f"/display/{NUMBER}/2", None, (404, "sim_unknown_circuit")),
    (f"/display/{NUMBER}/x", None, (400, "sim_bad_request")),
]


@pytest.mark.parametrize(("path", "body", "refusal"), REFUSED)
def test_what_is_wrong_is_refused_with_a_code(
    simulator: Simulator, path: str, body: object, refusal: tuple[int, str]
) -> None:
    assert error_of(simulator.ask(path, body)) == refusal


def test_a_refusal_speaks_the_readers_language(simulator: Simulator) -> None:
    chinese = simulator.ask("/lines/zz/faults", {}, headers={"Accept-Language": "zh-CN"})[1]
    english = simulator.ask("/lines/zz/faults", {}, headers={"Accept-Language": "en"})[1]
    assert json.loads(chinese)["error"]["message"] == "没有总线 zz。"
    assert json.loads(english)["error"]["message"] == "There is no line zz."


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Host": "evil.example"}])
def test_another_sites_page_can_do_nothing(simulator: Simulator, headers: dict[str, str]) -> None:
    assert error_of(simulator.ask("/reset-faults", {}, headers=headers)) == (403, "sim_foreign")


def test_what_cannot_happen_to_a_meter_is_refused_with_an_answer(simulator: Simulator) -> None:
    assert error_of(simulator.ask(f"/meters/{NUMBER}/events", {"event": "malicious_load"})) == (409, "sim_event_needs")
    assert error_of(simulator.ask(f"/meters/{NUMBER}/card", {"eject": True})) == (409, "sim_no_card_slot")


@pytest.mark.parametrize(("raw", "status"), [
    (b"GARBAGE\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nbad header\r\n\r\n", 400),
    (b"POST /meters HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999\r\n\r\n", 413),
    (b"POST /meters HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n", 400),
    (b"POST /meters HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", 413),
])  # fmt: skip
def test_a_malformed_request_is_turned_away(simulator: Simulator, raw: bytes, status: int) -> None:
    port = int(simulator.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as link:
        link.sendall(raw)
        assert link.recv(100).startswith(b"HTTP/1.1 %d " % status)


@pytest.mark.parametrize(("lang", "word"), [("zh", "模拟现场"), ("en", "Simulated site")])
def test_the_page_lists_the_meters_in_both_languages_and_runs_no_script(
    simulator: Simulator, lang: str, word: str
) -> None:
    status, text = simulator.ask(f"/?lang={lang}")
    assert status == 200 and word in text and NUMBER in text and ACREL_NUMBER in text
    for page in (text, simulator.ask(f"/visit/{NUMBER}?lang={lang}")[1]):
        assert not re.search(r"<script|<style| style=| on[a-z]+=", page)
    assert TCP_NUMBER not in simulator.ask(f"/?lang={lang}&q={NUMBER}")[1]
    assert simulator.ask("/style.css")[0] == 200


def test_what_a_visitor_types_is_only_shown_as_text(simulator: Simulator) -> None:
    assert "<b>" not in simulator.ask("/?q=%3Cb%3E%22x")[1]


def test_the_forms_of_the_page_do_what_they_say(simulator: Simulator) -> None:
    status, text = simulator.ask(f"/visit/{TCP_NUMBER}?lang=en", raw=b"index=1&load_w=1234")
    assert status == 200 and "1,234 W" in text
    assert "断开" in simulator.ask(f"/display/{TCP_NUMBER}/1?lang=zh")[1], "nothing was bought yet"
    assert simulator.ask(f"/visit/{TCP_NUMBER}?lang=en", raw=b"index=1&load_w=")[0] == 200
    assert "set by hand" not in simulator.ask(f"/visit/{TCP_NUMBER}?lang=en")[1]
    assert error_of(simulator.ask(f"/visit/{TCP_NUMBER}", raw=b"load_w=-5")) == (400, "sim_bad_request")
