"""Processor time of the head-end process per poll, storing included, and the meters one core serves.

The head-end is the real one, a process of its own with all its threads: leases, claims, conversations, COPY. The meters
are one other process that answers at once; neither its time nor PostgreSQL's is counted.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Final

import psycopg

from prewatt.wiring.bench.figures import BenchFailed, Figure, Size
from prewatt.wiring.bench.ground import Ground, build
from prewatt.wiring.processes import read_stat

GOAL_METERS: Final = 60_000  # 30,000 at 60 s within half a core
GOAL_US: Final = 1_000  # the same said per poll: half a core over 500 polls a second
_TICKS_S: Final = os.sysconf("SC_CLK_TCK")
_STOP_S: Final = 20.0
_UNUSUAL: Final = 0.1  # a window that stored so much fewer polls than it should have is said


def measure(ground: Ground, size: Size, wanted: Sequence[str]) -> Iterator[Figure]:
    """The figures of `wanted`: poll_cpu_us, meters_per_core."""
    dsn = ground.database("bench_poll")
    with responder() as port:
        build(dsn, circuits=size.buses * size.meters_per_bus, per_line=size.meters_per_bus, port=port)
        with headend(ground, size, dsn) as pid:
            time.sleep(size.settle_s)
            windows = [_window(dsn, pid, size.window_s) for _ in range(size.windows)]
    expected = size.buses * size.meters_per_bus * size.window_s / size.poll_s
    per_poll, meters = [], []
    for status, registers, cpu_s in windows:
        sys.stderr.write(f"poll: {status} status and {registers} register reads, {cpu_s:.2f} s of processor time\n")
        if not status:
            raise BenchFailed("the head-end stored no polls")
        if abs(status - expected) > _UNUSUAL * expected:
            sys.stderr.write(f"poll: {expected:.0f} status reads were expected in this window\n")
        per_poll.append(cpu_s * 1e6 / (status + registers))
        meters.append(status * size.poll_s / cpu_s)
    served = f"{size.buses * size.meters_per_bus} meters on {size.buses} buses at {size.poll_s} s"
    figures = {
        "poll_cpu_us": Figure(
            bench="poll_cpu_us", metric=f"head-end processor time per stored poll, {served}", unit="us",
            runs=per_poll, goal=GOAL_US, at_least=False, digits=1,
        ),
        "meters_per_core": Figure(
            bench="meters_per_core", metric=f"meters one core of the head-end polls, {served}", unit="meters",
            runs=meters, goal=GOAL_METERS, at_least=True,
        ),
    }  # fmt: skip
    for name in wanted:
        yield figures[name]


def _window(dsn: str, pid: int, seconds: int) -> tuple[int, int, float]:
    """(status reads, register reads, processor seconds) of one stretch of steady work."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        began, cpu = _now(connection), cpu_s(pid)
        time.sleep(seconds)
        ended, used = _now(connection), cpu_s(pid) - cpu
        time.sleep(1)  # what was read in the window is stored by now
        row = connection.execute(
            "SELECT count(*) FILTER (WHERE NOT full_read), count(*) FILTER (WHERE full_read) FROM metering_reading"
            " WHERE at >= %s AND at < %s AND source = 0 AND quality = 0",
            [began, ended],
        ).fetchone()
    assert row is not None
    return int(row[0]), int(row[1]), used


def _now(connection: "psycopg.Connection[tuple[datetime]]") -> datetime:
    row = connection.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    return row[0]


def cpu_s(pid: int) -> float:
    """Of all threads of the process, living and ended."""
    stat = read_stat(pid)
    if stat is None or not stat.alive:
        raise BenchFailed("the head-end ended early; see above")
    return stat.cpu / _TICKS_S


@contextmanager
def responder() -> Iterator[int]:
    """Meters that answer at once (`bench.responder`); the port of all buses."""
    with subprocess.Popen(
        [sys.executable, "-m", "prewatt.wiring.bench.responder"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            said = process.stdout.readline().strip()
            if not said:
                raise BenchFailed("the responder did not start; see above")
            yield int(said)
        finally:
            process.kill()


@contextmanager
def headend(ground: Ground, size: Size, dsn: str, more: Mapping[str, str] | None = None) -> Iterator[int]:
    """The head-end process as `prewatt up` starts it, with `more` settings; its number."""
    environment = {
        **ground.environment(dsn), "PREWATT_POLL_S": str(size.poll_s), "PREWATT_REGISTER_S": str(size.register_s),
        "PREWATT_LOG_LEVEL": "WARNING", **(more or {}),
    }  # fmt: skip
    command = [sys.executable, "-m", "prewatt.wiring.cli", "headend", "--name", "bench"]
    with subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        try:
            yield process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
