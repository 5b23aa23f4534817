"""What the head-end takes to keep many meters fresh: processor time per poll, storing included, memory, and how old the
oldest reading gets.

The head-end is the real one, a process of its own with all its threads: leases, claims, conversations, COPY. The meters
are one other process that answers at once; its time is not counted. PostgreSQL's is in the figures named `stored`.
"""

import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import psycopg

from prewatt.wiring.bench.figures import BenchFailed, Figure, Size
from prewatt.wiring.bench.ground import Ground, build
from prewatt.wiring.processes import all_processes, read_stat

NAMES: Final = ("poll_cpu_us", "meters_per_core", "poll_cores", "poll_cores_stored", "poll_age_s", "poll_mib")
STRETCH: Final = ("stretch_cores", "stretch_cores_stored", "stretch_age_s", "stretch_mib")
MINUTE_S: Final = 60
GOAL_METERS: Final = 60_000  # 30,000 each minute within half a core
GOAL_US: Final = 1_000  # the same said per poll: half a core over 500 polls a second
GOAL_CORES: Final = 0.5
GOAL_AGE_S: Final = MINUTE_S
GOAL_MIB: Final = 512  # 30,000 meters in half a gigabyte; the stretch in a whole one
_TICKS_S: Final = os.sysconf("SC_CLK_TCK")
PATIENCE_S: Final = 240.0
_LOOK_S: Final = 0.5
_STOP_S: Final = 20.0
_UNUSUAL: Final = 0.1  # a window that stored so much fewer polls than it should have is said
_LOOKS: Final = 4  # in each window at how old the readings are
_STORED: Final = """
SELECT count(*) FILTER (WHERE NOT full_read), count(*) FILTER (WHERE full_read) FROM metering_reading
WHERE at >= %s AND at < %s AND source = 0 AND quality = 0
"""
_AGES: Final = "SELECT extract(epoch FROM clock_timestamp() - at)::float8 FROM metering_latest ORDER BY at"


@dataclass(frozen=True, kw_only=True)
class Running:
    """A head-end in the midst of its work."""

    dsn: str
    pid: int
    server_pid: int  # PostgreSQL's first process
    circuits: int
    said: str  # what it serves, for the metric of a figure


@dataclass(frozen=True, kw_only=True)
class _Window:
    """One stretch of steady work."""

    status: int
    registers: int
    cpu_s: float
    server_cpu_s: float
    took_s: float
    oldest_s: float  # the oldest of the newest readings of all circuits, at its worst look


@contextmanager
def served(ground: Ground, size: Size, name: str, buses: int) -> Iterator[Running]:
    """A head-end that has polled so many buses for a while."""
    dsn, circuits = ground.database(name), buses * size.meters_per_bus
    with responder() as port:
        build(dsn, circuits=circuits, per_line=size.meters_per_bus, port=port)
        with headend(ground, size, dsn) as pid:
            works(dsn, pid, polls=circuits)
            time.sleep(size.settle_s)
            said = f"{circuits} meters on {buses} buses polled at {size.poll_s} s"
            server_pid = ground.postgres.pid
            assert server_pid is not None
            yield Running(dsn=dsn, pid=pid, server_pid=server_pid, circuits=circuits, said=said)


def measure(running: Running, size: Size, wanted: Sequence[str]) -> Iterator[Figure]:
    """The figures of `wanted`, names of NAMES or of STRETCH."""
    windows = [_window(running, size.window_s) for _ in range(size.windows)]
    memory_mib = rss_kib(running.pid) / 1024
    expected = running.circuits * size.window_s / size.poll_s
    for each in windows:
        if not each.status:
            raise BenchFailed("the head-end stored no polls")
        if abs(each.status - expected) > _UNUSUAL * expected:
            sys.stderr.write(f"poll: {expected:.0f} status reads were expected in this window\n")
    for name in wanted:
        yield _figure(name, running.said, windows, memory_mib)


def _figure(name: str, said: str, windows: Sequence[_Window], memory_mib: float) -> Figure:
    cores = [each.cpu_s / each.took_s for each in windows]
    ages = [each.oldest_s for each in windows]
    match name:
        case "poll_cpu_us":
            runs = [each.cpu_s * 1e6 / (each.status + each.registers) for each in windows]
            return Figure(
                bench=name, metric=f"head-end processor time per stored poll, {said}", unit="us", runs=runs,
                goal=GOAL_US, at_least=False, digits=1,
            )  # fmt: skip
        case "meters_per_core":
            runs = [each.status * MINUTE_S / each.cpu_s for each in windows]
            return Figure(
                bench=name, metric=f"meters one core of the head-end polls each minute, {said}", unit="meters",
                runs=runs, goal=GOAL_METERS, at_least=True,
            )  # fmt: skip
        case "poll_cores" | "stretch_cores":
            return Figure(
                bench=name, metric=f"cores the head-end takes, {said}", unit="cores", runs=cores, goal=GOAL_CORES,
                at_least=False, digits=3,
            )  # fmt: skip
        case "poll_cores_stored" | "stretch_cores_stored":
            whole = [(each.cpu_s + each.server_cpu_s) / each.took_s for each in windows]
            return Figure(
                bench=name, metric=f"cores the head-end and the database it stores in take, {said}", unit="cores",
                runs=whole, goal=GOAL_CORES, at_least=False, digits=3,
            )  # fmt: skip
        case "poll_age_s" | "stretch_age_s":
            return Figure(
                bench=name, metric=f"age of the oldest stored reading of a meter, {said}", unit="s", runs=ages,
                goal=GOAL_AGE_S, at_least=False, digits=1,
            )  # fmt: skip
        case _:
            return Figure(
                bench=name, metric=f"memory of the head-end process, {said}", unit="MiB", runs=[memory_mib],
                goal=2 * GOAL_MIB if name in STRETCH else GOAL_MIB, at_least=False, digits=1,
            )  # fmt: skip


def _window(running: Running, seconds: int) -> _Window:
    with psycopg.connect(running.dsn, autocommit=True) as connection:
        ours = connection.info.backend_pid
        began, clock, oldest = _now(connection), time.monotonic(), 0.0
        cpu, server = cpu_s(running.pid), server_cpu_s(running.server_pid, but=ours)
        for look in range(1, _LOOKS + 1):
            time.sleep(max(0.0, clock + look * seconds / _LOOKS - time.monotonic()))
            ages = [row[0] for row in connection.execute(_AGES)]
            oldest = max(oldest, ages[0])
        ended, used, took = _now(connection), cpu_s(running.pid) - cpu, time.monotonic() - clock
        stored = server_cpu_s(running.server_pid, but=ours) - server
        time.sleep(1)  # what was read in the window is stored by now
        row = connection.execute(_STORED, [began, ended]).fetchone()
    assert row is not None
    sys.stderr.write(
        f"poll: {row[0]} status and {row[1]} register reads, {used:.2f} s of processor time in {took:.1f} s,"
        f" the database {stored:.2f} s;"
        f" readings {ages[-1]:.1f} to {oldest:.1f} s old, median {statistics.median(ages):.1f} s\n"
    )
    return _Window(
        status=int(row[0]), registers=int(row[1]), cpu_s=used, server_cpu_s=stored, took_s=took, oldest_s=oldest,
    )  # fmt: skip


def works(dsn: str, pid: int, *, polls: int) -> None:
    """Until so many polls are stored: on a machine with other work a process takes its time to start."""
    deadline = time.monotonic() + PATIENCE_S
    with psycopg.connect(dsn, autocommit=True) as connection:
        while time.monotonic() < deadline:
            cpu_s(pid)  # one that ended says so
            row = connection.execute("SELECT count(*) FROM metering_reading WHERE source = 0").fetchone()
            assert row is not None
            if row[0] >= polls:
                return
            time.sleep(_LOOK_S)
    raise BenchFailed("the head-end stored too few polls; see above")


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


def server_cpu_s(pid: int, *, but: int) -> float:
    """Of PostgreSQL with all its processes, living and ended; without that of the connection that looks."""
    first = read_stat(pid)
    if first is None or not first.alive:
        raise BenchFailed("the database ended early; see above")
    living = sum(each.cpu for each in all_processes() if each.parent == pid and each.pid != but)
    return (first.cpu + first.reaped_cpu + living) / _TICKS_S


def rss_kib(pid: int) -> int:
    """What the process holds in memory."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.split("VmRSS:")[1].split()[0])


@contextmanager
def responder(units: int | None = None) -> Iterator[int]:
    """Meters that answer at once (`bench.responder`), or those of the first `units` alone; the port of all buses."""
    with subprocess.Popen(
        [sys.executable, "-m", "prewatt.wiring.bench.responder", *([] if units is None else [str(units)])],
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
