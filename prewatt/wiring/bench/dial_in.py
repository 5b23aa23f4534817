"""Ten thousand that dial in at once: is anybody lost, and what does each cost the head-end?

The head-end is the real one with its port for callers, its leases and its database; those who call are one other
process. One gateway, one line and one meter stand behind each connection.
"""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import psycopg

from prewatt.wiring.bench.figures import BenchFailed, Figure, Size
from prewatt.wiring.bench.ground import Ground, build
from prewatt.wiring.bench.poll import PATIENCE_S, cpu_s, headend, rss_kib

NAMES: Final = ("dial_in_links", "dial_in_per_cpu_s", "dial_in_kib")
GOAL_LINKS: Final = 10_000
GOAL_PER_CPU_S: Final = 500  # two milliseconds for each: known, leased, planned, read once
GOAL_KIB: Final = 64  # ten thousand fit into 640 MiB

_READ: Final = "SELECT count(DISTINCT circuit_id) FROM metering_reading WHERE source = 0"
_CALL: Final = """
INSERT INTO estate_gateway (id, site_id, code, name, host, identity, revision)
    SELECT 1000000 + id, 1, 'D' || id, '', '', 'BENCH-' || lpad(id::text, 6, '0'), 1 FROM estate_line;
UPDATE estate_line SET gateway_id = 1000000 + id, transport = 'dial-in', port = 0;
DELETE FROM estate_gateway WHERE identity = '';
"""


def measure(ground: Ground, size: Size, wanted: Sequence[str]) -> Iterator[Figure]:
    """The figures of `wanted`: dial_in_links, dial_in_per_cpu_s, dial_in_kib."""
    dsn, port = ground.database("bench_dial_in"), _free_port()
    build(dsn, circuits=size.callers, per_line=1)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(_CALL)
        connection.execute("VACUUM (ANALYZE)")
    more = {"PREWATT_DIAL_IN_PORT": str(port), "PREWATT_DIAL_IN_BIND": "127.0.0.1"}
    # who calls outlives the head-end: else ten thousand lines are told to be down
    with _callers(port, size) as callers, headend(ground, size, dsn, more) as pid:
        _listens(port, pid)
        cpu, memory, began = cpu_s(pid), rss_kib(pid), time.monotonic()
        _tell(callers)
        served, took_s = _served(dsn, size, began)
        used_s, grown_kib = cpu_s(pid) - cpu, rss_kib(pid) - memory
        _tell(callers)
        assert callers.stdout is not None
        told = json.loads(callers.stdout.readline() or "{}")
    sys.stderr.write(f"dial_in: {served} read within {took_s:.1f} s, {used_s:.2f} s of processor time, {told}\n")
    if not served or told.get("called") is None:
        raise BenchFailed("nobody who dialled in was read; see above")
    lost = told["refused"] + told["hung_up"]
    storm = f"{size.callers} dialling in at {size.callers_per_s} a second"
    figures = {
        "dial_in_links": Figure(
            bench="dial_in_links", metric=f"links served and not lost, {storm}", unit="links",
            runs=[max(0, served - lost)], goal=GOAL_LINKS, at_least=True,
        ),
        "dial_in_per_cpu_s": Figure(
            bench="dial_in_per_cpu_s", metric=f"links known, leased and read once per second of processor, {storm}",
            unit="links/cpu_s", runs=[served / used_s], goal=GOAL_PER_CPU_S, at_least=True,
        ),
        "dial_in_kib": Figure(
            bench="dial_in_kib", metric=f"memory of the head-end per link, {storm}", unit="KiB",
            runs=[grown_kib / served], goal=GOAL_KIB, at_least=False, digits=1,
        ),
    }  # fmt: skip
    for name in wanted:
        yield figures[name]


def _served(dsn: str, size: Size, began: float) -> tuple[int, float]:
    """How many circuits were read at least once, when all were or time is over; and how long that took."""
    found = 0
    with psycopg.connect(dsn, autocommit=True) as connection:
        while time.monotonic() - began < PATIENCE_S:
            row = connection.execute(_READ).fetchone()
            assert row is not None
            found = int(row[0])
            if found >= size.callers:
                break
            time.sleep(0.5)
    return found, time.monotonic() - began


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _listens(port: int, pid: int) -> None:
    """Until the head-end listens; one that ended says so."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        cpu_s(pid)
        try:
            socket.create_connection(("127.0.0.1", port), 1.0).close()
            return
        except OSError:
            time.sleep(0.1)
    raise BenchFailed("the head-end does not listen; see above")


def _tell(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


@contextmanager
def _callers(port: int, size: Size) -> Iterator["subprocess.Popen[str]"]:
    numbers = map(str, (port, size.callers, size.callers_per_s))
    command = [sys.executable, "-m", "prewatt.wiring.bench.callers", *numbers]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()
