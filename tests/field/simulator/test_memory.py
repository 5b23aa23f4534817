"""What the meters remember over restarts, power cuts and kills."""

import random
import threading
import time
from pathlib import Path

import pytest

from prewatt.core.wire.modbus import ExceptionReply, WriteReply
from prewatt.field.simulator.site import faults_from
from prewatt.field.simulator.store import FILE_NAME, Store, StoreDamaged
from tests.field.simulator.plant import (
    HOUR_MS,
    NOON_MS,
    NUMBER,
    assert_books,
    circuit_of,
    meter,
    order_frame,
    replies,
    stop,
    world,
)
from tests.field.simulator.running import Simulator, converse

KILLS = 12
STEADY = meter(opening={"balance_wh": 1_000_000}, load={"kind": "constant", "peak_w": 3_600})


def test_a_restart_goes_on_where_it_stopped(tmp_path: Path) -> None:
    one = world(tmp_path, STEADY)
    bus = one.lines["a"]
    bus.connect(1)
    bus.answer(1, order_frame(1, 50_000), NOON_MS + 1_000)
    before = circuit_of(one, NOON_MS + 2_000)
    stop(one)
    other = world(tmp_path, STEADY, at_ms=NOON_MS + 7_000)
    after = circuit_of(other, NOON_MS + 7_000)
    assert after["accepted"] == before["accepted"] and len(after["accepted"]) == 1
    assert (before["consumed"], after["consumed"]) == (2, 7), "a short pause is time like any other"
    assert_books(after)


def test_a_long_pause_is_a_power_cut_of_the_whole_site(tmp_path: Path) -> None:
    one = world(tmp_path, STEADY)
    one.snapshot(NOON_MS + 60_000)
    stop(one)
    other = world(tmp_path, STEADY, at_ms=NOON_MS + HOUR_MS)
    circuit = circuit_of(other, NOON_MS + HOUR_MS)
    assert circuit["consumed"] == 62, "with the two seconds the dead process may have gone on"
    assert_books(circuit)


def test_a_register_never_runs_backward_over_a_kill(tmp_path: Path) -> None:
    one = world(tmp_path, STEADY)
    for at_ms in range(NOON_MS, NOON_MS + 33_000, 500):
        seen = circuit_of(one, at_ms)["consumed"]
    stop(one)
    assert circuit_of(world(tmp_path, STEADY, at_ms=NOON_MS + HOUR_MS), NOON_MS + HOUR_MS)["consumed"] >= seen


def test_the_changed_opening_of_a_known_meter_is_ignored_and_a_new_meter_starts(tmp_path: Path) -> None:
    stop(world(tmp_path, meter(1, opening={"balance_wh": 500})))
    other = world(tmp_path, meter(1, opening={"balance_wh": 9_000}), meter(2, opening={"balance_wh": 700}))
    assert circuit_of(other, NOON_MS)["opening"] == 500
    assert circuit_of(other, NOON_MS, "202500000002")["opening"] == 700


def test_loads_silence_and_faults_set_by_hand_hold_over_a_restart(tmp_path: Path) -> None:
    one = world(tmp_path, STEADY)
    one.command(NUMBER, NOON_MS, load_w=7_200, silent=True)
    one.set_faults("a", faults_from({"seed": 4, "lose_reply": 0.5}))
    stop(one)
    other = world(tmp_path, STEADY, at_ms=NOON_MS + 5_000)
    assert circuit_of(other, NOON_MS + 5_000)["consumed"] == 10
    assert other.meters[NUMBER].state.silent and other.lines["a"].faults.lose_reply == 0.5
    other.reset_faults()
    assert other.lines["a"].faults.lose_reply == 0
    other.command(NUMBER, NOON_MS + 5_000, load_w=None)
    assert other.meters[NUMBER].circuits[1].load_w(NOON_MS + 5_000)[0] == 3_600


def test_a_clock_set_back_does_not_stop_the_meters(tmp_path: Path) -> None:
    one = world(tmp_path, STEADY)
    one.snapshot(NOON_MS + HOUR_MS)
    stop(one)
    other = world(tmp_path, STEADY, at_ms=NOON_MS)
    assert circuit_of(other, NOON_MS + HOUR_MS)["consumed"] == 7_200


def test_on_a_full_disk_orders_are_refused_whole_and_reads_go_on(tmp_path: Path) -> None:
    one = world(tmp_path, STEADY)
    bus = one.lines["a"]
    bus.connect(1)
    (pages,) = one._store._db.execute("PRAGMA page_count").fetchone()
    one._store._db.execute(f"PRAGMA max_page_count = {pages}")  # SQLITE_FULL from here, as on a full disk
    count = at_ms = 0
    while True:
        at_ms += 1_000
        (reply,) = replies(bus.answer(1, order_frame(count + 1, 1_000), NOON_MS + at_ms))
        if not isinstance(reply, WriteReply):
            break
        count += 1
        assert count < 10_000
    assert isinstance(reply, ExceptionReply) and reply.code == 4
    for _ in range(5):
        at_ms += 3_000
        circuit = circuit_of(one, NOON_MS + at_ms)
    assert circuit["purchase_count"] == len(circuit["accepted"]) == count
    assert_books(circuit)
    one._store._db.execute("PRAGMA max_page_count = 1073741823")
    (reply,) = replies(bus.answer(1, order_frame(count + 1, 1_000), NOON_MS + at_ms + 1_000))
    assert isinstance(reply, WriteReply)
    stop(one)
    after = circuit_of(world(tmp_path, STEADY, at_ms=NOON_MS + at_ms + 2_000), NOON_MS + at_ms + 2_000)
    assert after["purchase_count"] == count + 1
    assert_books(after)


def test_two_simulators_on_one_memory_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prewatt.field.simulator.store.BUSY_S", 0.1)
    first = world(tmp_path)
    with pytest.raises(StoreDamaged):
        Store(tmp_path)
    stop(first)


def test_a_file_that_is_no_memory_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreDamaged):
        Store(tmp_path)


def test_kill_9_at_any_point_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """A master sells one kilowatt-hour after the other; the simulator is killed at random points meanwhile."""
    chance = random.Random(20260302)
    simulator = Simulator(tmp_path, meter(load={"kind": "constant", "peak_w": 2_000})).start()
    confirmed = 0
    try:
        for _ in range(KILLS):
            timer = threading.Timer(0.05 + chance.random() * 0.5, simulator.kill)
            timer.start()
            confirmed = _sell_until_it_dies(simulator, confirmed)
            timer.join()
            simulator.start()
            count = simulator.circuit(NUMBER)["purchase_count"]
            assert count in (confirmed, confirmed + 1), "what was confirmed is there; at most one more was applied"
            confirmed = count
        circuit = simulator.circuit(NUMBER)
        assert circuit["purchase_count"] == len(circuit["accepted"]) > KILLS
        assert_books(circuit)
    finally:
        simulator.stop()


def _sell_until_it_dies(simulator: Simulator, confirmed: int) -> int:
    deadline = time.monotonic() + 20
    try:
        with simulator.connect() as link:
            while time.monotonic() < deadline:
                reply = converse(link, order_frame(confirmed + 1, 1_000))
                if reply is None:
                    return confirmed
                assert isinstance(reply, WriteReply), reply
                confirmed += 1
    except OSError:
        return confirmed
    raise AssertionError("the simulator was not killed")


def test_a_stop_is_clean_and_the_next_start_knows_everything(tmp_path: Path) -> None:
    simulator = Simulator(tmp_path, meter(opening={"balance_wh": 5_000})).start()
    with simulator.connect() as link:
        assert isinstance(converse(link, order_frame(1, 2_000)), WriteReply)
    assert simulator.stop() == 0
    simulator.start()
    try:
        circuit = simulator.circuit(NUMBER)
        assert (circuit["opening"], circuit["balance"], circuit["purchase_count"]) == (5_000, 7_000, 1)
    finally:
        simulator.stop()
