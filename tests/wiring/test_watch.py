"""A child that lives and does nothing is found after three looks; one that is merely late is left alone."""

import os
import signal
import sys
from pathlib import Path

import pytest

from prewatt.wiring.supervisor import Child, Supervisor
from prewatt.wiring.watch import FIRST_BEAT_S, HUNG_AFTER_S, LOOKS_IN_A_ROW, Look, Patience
from tests.wiring.stage import eventually

LONG_S = 1000.0


def judged(patience: Patience, ages: list[dict[str, float]], *, running_s: float = LONG_S) -> list[list[str]]:
    """What is to be killed after each of several looks, five seconds apart."""
    since = {"headend": running_s, "worker": running_s, "web": running_s, "simulate": running_s}
    return [
        patience.hung(Look(at=5.0 * number, ages=each), running_s=since, now=5.0 * number + 1)
        for number, each in enumerate(ages, 1)
    ]


WELL = {"headend": 1.0, "worker": 0.5, "web": 0.0}
SILENT = {**WELL, "worker": HUNG_AFTER_S + 1}


def test_only_a_long_silence_seen_three_times_in_a_row_ends_a_child() -> None:
    assert LOOKS_IN_A_ROW == 3
    assert judged(Patience(), [SILENT] * 4) == [[], [], ["worker"], []]
    assert judged(Patience(), [SILENT, SILENT, WELL, SILENT, SILENT]) == [[]] * 5
    assert judged(Patience(), [{**WELL, "web": LONG_S}] * 3) == [[], [], ["web"]]


def test_a_child_that_just_started_has_time_for_its_first_sign() -> None:
    old = {**WELL, "worker": LONG_S}  # what its predecessor left
    assert judged(Patience(), [old] * 3, running_s=HUNG_AFTER_S - 1) == [[]] * 3
    never = {"headend": 1.0, "web": 0.0}
    assert judged(Patience(), [never] * 3, running_s=FIRST_BEAT_S - 1) == [[]] * 3
    assert judged(Patience(), [never] * 3) == [[], [], ["worker"]]


def test_an_old_look_says_nothing() -> None:
    patience = Patience()
    for _ in range(5):
        assert patience.hung(Look(at=5.0, ages=SILENT), running_s={"worker": LONG_S}, now=6.0) == []
    assert patience.hung(Look(at=10.0, ages=SILENT), running_s={"worker": LONG_S}, now=10.0 + LONG_S) == []


@pytest.mark.processes
def test_a_child_that_hangs_is_killed_and_comes_back(home: Path) -> None:
    rest = Child(name="worker", command=(sys.executable, "-c", "import time; time.sleep(600)"))
    supervisor = Supervisor([rest], home=home, environment=dict(os.environ))
    try:
        supervisor.tick()
        first = supervisor.pids()["worker"]
        os.kill(first, signal.SIGSTOP)  # as deaf as a process can be

        supervisor.kill("worker")

        def back() -> bool:
            supervisor.tick()
            return supervisor.pids().get("worker", first) != first

        eventually(back, what="another one runs")
        assert supervisor.deaths() == {"worker": 1}
    finally:
        supervisor.stop(deadline_s=0)
