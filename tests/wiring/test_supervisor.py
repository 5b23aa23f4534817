"""Supervision by the monotonic clock alone: back-off grows, is forgotten after a steady run, and waits for
the database."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from prewatt.wiring.leftovers import (
    MARK,
    ChildRecord,
    carries_mark,
    find_leftovers,
    kill_leftovers,
    read_records,
    write_records,
)
from prewatt.wiring.processes import read_stat
from prewatt.wiring.supervisor import BACK_OFF_FIRST_S, BACK_OFF_MOST_S, STEADY_AFTER_S, Child, Supervisor
from tests.wiring.stage import eventually

pytestmark = pytest.mark.processes

REST = (sys.executable, "-c", "import time; time.sleep(600)")
FAIL = (sys.executable, "-c", "raise SystemExit(7)")


class HandClock:
    """Monotonic seconds moved by hand."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def stopped(home: Path) -> Iterator[list[Supervisor]]:
    supervisors: list[Supervisor] = []
    yield supervisors
    for supervisor in supervisors:
        supervisor.stop(deadline_s=0)
    kill_leftovers(home)


def made(home: Path, clock: HandClock, stopped: list[Supervisor], *children: Child, **more: object) -> Supervisor:
    environment = dict(os.environ)
    supervisor = Supervisor(children, home=home, environment=environment, clock=clock, **more)  # type: ignore[arg-type]
    stopped.append(supervisor)
    return supervisor


def die(supervisor: Supervisor, name: str) -> None:
    """Wait until a child has ended by itself, without letting the supervisor look."""
    pid = supervisor.pids()[name]
    eventually(lambda: (stat := read_stat(pid)) is None or not stat.alive)


def test_a_child_that_fails_waits_twice_as_long_each_time_up_to_a_limit(
    home: Path, clock: HandClock, stopped: list[Supervisor]
) -> None:
    told: list[str] = []
    supervisor = made(home, clock, stopped, Child(name="bad", command=FAIL), on_death=told.append)
    wait_s = BACK_OFF_FIRST_S
    supervisor.tick()
    for death in range(1, 8):
        die(supervisor, "bad")
        supervisor.tick()
        assert (supervisor.pids(), len(told), supervisor.deaths()) == ({}, death, {"bad": death})
        clock.now_s += wait_s - 0.01
        supervisor.tick()
        assert supervisor.pids() == {}, "not before its time"
        clock.now_s += 0.02
        supervisor.tick()
        assert set(supervisor.pids()) == {"bad"}
        wait_s = min(wait_s * 2, BACK_OFF_MOST_S)


def test_a_steady_run_forgets_earlier_deaths(home: Path, clock: HandClock, stopped: list[Supervisor]) -> None:
    supervisor = made(home, clock, stopped, Child(name="good", command=REST))
    supervisor.tick()
    for _ in range(3):
        os.kill(supervisor.pids()["good"], signal.SIGKILL)
        die(supervisor, "good")
        supervisor.tick()
        clock.now_s += BACK_OFF_MOST_S
        supervisor.tick()
    assert supervisor.deaths() == {"good": 3}
    clock.now_s += STEADY_AFTER_S + 1
    supervisor.tick()
    assert supervisor.deaths() == {"good": 0}


def test_nothing_is_restarted_while_the_database_is_away(
    home: Path, clock: HandClock, stopped: list[Supervisor]
) -> None:
    away = False
    supervisor = made(home, clock, stopped, Child(name="bad", command=FAIL), may_start=lambda: not away)
    supervisor.tick()
    die(supervisor, "bad")
    away = True
    clock.now_s += 100
    supervisor.tick()
    clock.now_s += 100
    supervisor.tick()
    assert supervisor.pids() == {}
    away = False
    supervisor.tick()
    assert set(supervisor.pids()) == {"bad"}


def test_a_command_that_does_not_exist_is_tried_again_later(
    home: Path, clock: HandClock, stopped: list[Supervisor]
) -> None:
    supervisor = made(home, clock, stopped, Child(name="gone", command=("/nonexistent/program",)))
    supervisor.tick()
    clock.now_s += 1
    supervisor.tick()
    assert supervisor.pids() == {}


def test_children_are_written_down_and_carry_the_mark(home: Path, clock: HandClock, stopped: list[Supervisor]) -> None:
    supervisor = made(home, clock, stopped, Child(name="good", command=REST))
    supervisor.tick()
    pid = supervisor.pids()["good"]
    stat = read_stat(pid)
    assert stat is not None and stat.group == pid
    assert read_records(home) == [ChildRecord(name="good", pid=pid, started=stat.started)]
    eventually(lambda: carries_mark(pid, home))  # the environment changes with the exec
    assert not carries_mark(pid, home.parent)
    supervisor.stop(deadline_s=5)
    assert read_records(home) == []


def test_a_process_that_only_has_the_recorded_number_is_left_alone(home: Path) -> None:
    own = read_stat(os.getpid())
    parent = read_stat(os.getppid())
    assert own is not None and parent is not None
    write_records(home, [ChildRecord(name="web", pid=parent.pid, started=parent.started + 1)])
    assert find_leftovers(home) == []
    assert kill_leftovers(home) == 0


@pytest.mark.parametrize("text", ["", "{", "[]", '{"boot_id": "x", "children": [{}]}', '{"children": 3}'])
def test_a_damaged_list_of_children_is_left_aside(home: Path, text: str) -> None:
    (home / "children.json").write_text(text, encoding="utf-8")
    assert read_records(home) == []


def test_the_mark_is_that_of_one_home() -> None:
    assert MARK.startswith("PREWATT_")
