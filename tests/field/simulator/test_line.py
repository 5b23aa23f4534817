"""The bus: one conversation at a time, in bus time, with faults that are named and repeatable."""

from pathlib import Path
from typing import Any

import pytest

from prewatt.core.meters.model import Group
from prewatt.core.meters.quantities import Quantity
from prewatt.core.meters.registers import layouts
from prewatt.core.wire.checks import crc16_modbus
from prewatt.core.wire.errors import RemoteProtocolError
from prewatt.core.wire.modbus import (
    ExceptionReply,
    Function,
    ReadReply,
    ReadRequest,
    TcpClientDecoder,
    WriteReply,
    decode_rtu_reply,
    encode_rtu_request,
    encode_tcp_request,
)
from prewatt.field.simulator.line import NotKept, SimulatedLine
from prewatt.field.simulator.site import faults_from
from tests.field.simulator.plant import (
    NOON_MS,
    NUMBER,
    SPM,
    assert_books,
    circuit_of,
    line,
    meter,
    order_frame,
    replies,
    world,
)

STATUS = layouts(SPM, Group.STATUS, 1)[0]
READ = ReadRequest(function=Function.READ_HOLDING_REGISTERS, address=STATUS.address, count=STATUS.block.count)


def read_frame(unit: int = 1) -> bytes:
    return encode_rtu_request(unit, READ)


@pytest.fixture
def bus(tmp_path: Path) -> SimulatedLine:
    found = world(tmp_path, meter(1), meter(2, opening={"balance_wh": 5_000})).lines["a"]
    found.connect(1)
    return found


def faulty(found: SimulatedLine, **faults: Any) -> None:
    found.set_faults(faults_from({"seed": 7, **faults}))


def test_each_meter_answers_for_itself(bus: SimulatedLine) -> None:
    for unit, balance_wh in ((1, 0), (2, 5_000)):
        (_, data), = bus.answer(1, read_frame(unit), NOON_MS)
        answered, reply = decode_rtu_reply(data)
        assert answered == unit and isinstance(reply, ReadReply)
        assert STATUS.decode(reply.data)[Quantity.BALANCE] == balance_wh


def test_nobody_answers_for_a_unit_that_is_not_there(bus: SimulatedLine) -> None:
    assert bus.answer(1, read_frame(9), NOON_MS) == []
    assert len(bus.answer(1, read_frame(1), NOON_MS)) == 1


def test_a_conversation_takes_the_time_of_the_bus(tmp_path: Path) -> None:
    slow = world(tmp_path, lines=[line(baud=2_400, turnaround_ms=40, gateway_ms=15)]).lines["a"]
    slow.connect(1)
    (delay_ms, data), = slow.answer(1, read_frame(), NOON_MS)
    assert delay_ms == 15 + -(-8 * 11_000 // 2_400) + 40 + -(-len(data) * 11_000 // 2_400) + 15


def test_two_clients_share_one_bus_and_each_gets_its_own_answer(bus: SimulatedLine) -> None:
    bus.connect(2)
    bus.receive(1, read_frame(1), NOON_MS)
    bus.receive(2, read_frame(2), NOON_MS)
    found = []
    while (due_ms := bus.next_due_ms()) is not None:
        found += [(due_ms, output.connection, output.data[0]) for output in bus.advance(due_ms)]
    assert [(connection, unit) for _, connection, unit in found] == [(1, 1), (2, 2)]
    assert found[1][0] > found[0][0]


def test_a_request_in_pieces_is_one_request_and_an_old_piece_is_forgotten(bus: SimulatedLine) -> None:
    frame = read_frame()
    assert bus.answer(1, frame[:3], NOON_MS) == []
    assert len(bus.answer(1, frame[3:], NOON_MS + 20)) == 1
    assert bus.answer(1, frame[:5], NOON_MS + 1_000) == []
    assert len(bus.answer(1, frame, NOON_MS + 5_000)) == 1


def test_a_lost_request_never_reaches_the_meter_and_a_lost_reply_did(bus: SimulatedLine) -> None:
    faulty(bus, lose_request=1)
    assert bus.answer(1, order_frame(1, 1_000), NOON_MS) == []
    assert bus.meters[1].circuits[1].state.purchase_count == 0
    faulty(bus, lose_reply=1)
    assert bus.answer(1, order_frame(1, 1_000), NOON_MS) == []
    assert bus.meters[1].circuits[1].state.purchase_count == 1


def test_a_late_reply_comes_after_the_answer_to_the_next_question(bus: SimulatedLine) -> None:
    faulty(bus, late_reply=1, late_ms=3_000)
    bus.receive(1, read_frame(1), NOON_MS)
    for _ in range(2):
        due_ms = bus.next_due_ms()
        assert due_ms is not None
        assert bus.advance(due_ms) == []
    faulty(bus)
    bus.receive(1, read_frame(2), NOON_MS + 500)
    units = []
    while (due_ms := bus.next_due_ms()) is not None:
        units += [(output.data[0], due_ms - NOON_MS) for output in bus.advance(due_ms)]
    assert [unit for unit, _ in units] == [2, 1] and units[1][1] > 3_000


def test_a_reply_to_a_client_that_left_goes_to_the_one_that_came(bus: SimulatedLine) -> None:
    bus.receive(1, read_frame(1), NOON_MS)
    bus.disconnect(1)
    bus.connect(2)
    outputs = []
    while (due_ms := bus.next_due_ms()) is not None:
        outputs += bus.advance(due_ms)
    assert [output.connection for output in outputs] == [2]


def test_a_duplicate_reply_comes_twice_and_the_meter_acts_once(bus: SimulatedLine) -> None:
    faulty(bus, duplicate_reply=1)
    found = bus.answer(1, order_frame(1, 1_000), NOON_MS)
    assert len(found) == 2 and found[0][1] == found[1][1] and found[0][0] < found[1][0]
    assert bus.meters[1].circuits[1].state.balance_wh == 1_000


@pytest.mark.parametrize("fault", ["corrupt", "collision"])
def test_a_spoiled_reply_is_never_a_good_frame(bus: SimulatedLine, fault: str) -> None:
    faulty(bus, **{fault: 1})
    spoiled = 0
    for step in range(200):
        for _, data in bus.answer(1, read_frame(), NOON_MS + step * 1_000):
            with pytest.raises(RemoteProtocolError):
                decode_rtu_reply(data)
            spoiled += 1
    assert spoiled > 50


def test_noise_stands_before_the_reply(bus: SimulatedLine) -> None:
    faulty(bus, noise=1)
    (_, data), = bus.answer(1, read_frame(), NOON_MS)
    size = 5 + READ.count * 2
    assert len(data) > size and isinstance(decode_rtu_reply(data[-size:])[1], ReadReply)


def test_the_same_seed_gives_the_same_run_and_another_seed_another(tmp_path: Path) -> None:
    runs = []
    for position, seed in enumerate((1, 1, 2)):
        found = world(tmp_path / str(position)).lines["a"]
        found.connect(1)
        found.set_faults(faults_from({"seed": seed, "lose_reply": 0.3, "duplicate_reply": 0.2, "corrupt": 0.1}))
        runs.append([found.answer(1, read_frame(), NOON_MS + step * 1_000) for step in range(100)])
    assert runs[0] == runs[1] != runs[2]


def test_a_seed_loses_about_as_many_as_it_says(bus: SimulatedLine) -> None:
    faulty(bus, lose_reply=0.2)
    answered = sum(bool(bus.answer(1, read_frame(), NOON_MS + step * 1_000)) for step in range(2_000))
    assert 1_530 < answered < 1_670


def test_a_thousand_orders_over_a_bad_line_are_all_in_the_meter_once(tmp_path: Path) -> None:
    """The master of this test re-sends the same order until it hears the echo: that is what the count is for."""
    a_world = world(tmp_path, meter(load={"kind": "constant", "peak_w": 900}))
    bus = a_world.lines["a"]
    bus.connect(1)
    faulty(bus, lose_request=0.1, lose_reply=0.2, late_reply=0.05, duplicate_reply=0.02, corrupt=0.05, noise=0.05)
    at_ms = NOON_MS
    for count in range(1, 1_001):
        for _ in range(60):
            at_ms += 4_000
            frames = [data for _, data in bus.answer(1, order_frame(count, 1_000), at_ms)]
            if any(_is_good_write(data) for data in frames):
                break
        else:
            raise AssertionError(f"order {count} was never echoed")
    circuit = circuit_of(a_world, at_ms)
    assert len(circuit["accepted"]) == 1_000 and circuit["purchase_count"] == 1_000
    assert_books(circuit)


def _is_good_write(data: bytes) -> bool:
    for start in range(len(data)):
        try:
            return isinstance(decode_rtu_reply(data[start:])[1], WriteReply)
        except RemoteProtocolError:
            continue
    return False


def test_what_cannot_be_kept_did_not_happen(bus: SimulatedLine, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise NotKept("disk full")

    monkeypatch.setattr(bus._keeper, "keep", full)
    reply, = replies(bus.answer(1, order_frame(1, 1_000), NOON_MS))
    assert isinstance(reply, ExceptionReply) and reply.code == 4
    assert bus.meters[1].circuits[1].state.purchase_count == 0
    monkeypatch.undo()
    reply, = replies(bus.answer(1, order_frame(1, 1_000), NOON_MS + 1_000))
    assert isinstance(reply, WriteReply) and bus.meters[1].circuits[1].state.balance_wh == 1_000


def test_a_silent_meter_says_nothing_and_does_nothing(tmp_path: Path) -> None:
    a_world = world(tmp_path)
    bus = a_world.lines["a"]
    bus.connect(1)
    a_world.command(NUMBER, NOON_MS, silent=True)
    assert bus.answer(1, order_frame(1, 1_000), NOON_MS) == []
    a_world.command(NUMBER, NOON_MS, silent=False)
    assert len(bus.answer(1, order_frame(1, 1_000), NOON_MS)) == 1


# Modbus-TCP


def test_modbus_tcp_answers_with_the_transaction_of_the_question(tmp_path: Path) -> None:
    bus = world(tmp_path, lines=[line(transport="modbus-tcp")]).lines["a"]
    bus.connect(1)
    (_, data), = bus.answer(1, encode_tcp_request(77, 1, READ), NOON_MS)
    assert isinstance(TcpClientDecoder(77, 1, READ).receive(data), ReadReply)


@pytest.mark.parametrize("fault", ["corrupt", "collision", "lose_reply", "lose_request"])
def test_a_modbus_tcp_gateway_keeps_what_came_spoiled_to_itself(tmp_path: Path, fault: str) -> None:
    bus = world(tmp_path, lines=[line(transport="modbus-tcp")]).lines["a"]
    bus.connect(1)
    bus.set_faults(faults_from({fault: 1}))
    assert bus.answer(1, encode_tcp_request(1, 1, READ), NOON_MS) == []


def test_a_modbus_tcp_gateway_may_say_that_the_meter_did_not_answer(tmp_path: Path) -> None:
    bus = world(tmp_path, lines=[line(transport="modbus-tcp", gateway_exceptions=True)]).lines["a"]
    bus.connect(1)
    (delay_ms, data), = bus.answer(1, encode_tcp_request(5, 9, READ), NOON_MS)
    reply = TcpClientDecoder(5, 9, READ).receive(data)
    assert isinstance(reply, ExceptionReply) and reply.code == 11 and delay_ms >= 1_000


def test_a_client_that_does_not_speak_modbus_tcp_is_sent_away(tmp_path: Path) -> None:
    bus = world(tmp_path, lines=[line(transport="modbus-tcp")]).lines["a"]
    bus.connect(1)
    with pytest.raises(RemoteProtocolError):
        bus.receive(1, b"GET / HTTP/1.1\r\n\r\n", NOON_MS)


@pytest.mark.parametrize(
    ("pdu", "refusal"),
    [
        ("07", "8701"),  # read exception status
        ("2B0E0100", "AB01"),
        ("0300000000", "8303"),  # no registers
        ("030000007E", "8303"),  # more than a frame can carry
        ("0300000031", "8303"),  # more than this model gives at once
        ("0400000001", "8401"),  # its map is in the other function
        ("0370000001", "8302"),
        ("1070000001020000", "9002"),
        ("1000000001030000", "9003"),  # its parts contradict each other, but its CRC is right
    ],
)
def test_a_meter_on_the_bus_refuses_what_it_cannot_serve(tmp_path: Path, pdu: str, refusal: str) -> None:
    bus = world(tmp_path, meter(9)).lines["a"]
    bus.connect(1)
    for unit, heard in ((9, [rtu(9, refusal)]), (10, [])):
        assert [data for _, data in bus.answer(1, rtu(unit, pdu), NOON_MS)] == heard


def rtu(unit: int, pdu: str) -> bytes:
    body = bytes((unit, *bytes.fromhex(pdu)))
    return body + crc16_modbus(body).to_bytes(2, "little")
