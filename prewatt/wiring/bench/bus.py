"""How soon a command is carried out on a bus that is busy, and how much of its time a bus talks.

The head-end is the real one; the meters are the responder of the poll bench, whose every transaction takes BUS_DELAY_S.
"""

import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Final

import psycopg

from prewatt.core.meters import catalogue
from prewatt.wiring.bench.figures import BenchFailed, Figure, Size
from prewatt.wiring.bench.ground import Ground, build
from prewatt.wiring.bench.poll import headend, responder
from prewatt.wiring.bench.responder import BUS_DELAY_S

NAMES: Final = ("command_p99", "bus_occupancy")
GOAL_MS: Final = 2 * BUS_DELAY_S * 1_000 + 300  # the transaction in progress, its own, and 300 ms
GOAL_OCCUPANCY: Final = 0.9
BUSY_BUSES: Final = 20
BUSY_METERS: Final = 30
PROFILE: Final = "pilot-spm9511"  # of every meter of `estate.sql`; it wants to be left in quiet between frames
COMMANDS_PER_S: Final = 50
_ASK: Final = """
SELECT metering_enqueue('bench:' || %s::text || ':' || c.id, c.id, 'read_status',
    '{"intent": "read_status", "circuit_index": 1}'::jsonb, 1::smallint, clock_timestamp(), NULL, '', '{}'::jsonb,
    'bench')
FROM estate_circuit c WHERE c.id = %s
"""
_TOLD: Final = """
SELECT extract(epoch FROM finished_at - created_at)::float8 * 1000 FROM metering_job
WHERE key LIKE %s AND state = 'done' AND verdict = 'done'
"""
_POLLS: Final = "SELECT count(*) FROM metering_reading WHERE at >= %s AND at < %s AND source = 0"


def measure(ground: Ground, size: Size, wanted: Sequence[str]) -> Iterator[Figure]:
    """The figures of `wanted`, names of NAMES."""
    if "command_p99" in wanted:
        yield Figure(
            bench="command_p99", unit="ms", runs=list(_commands(ground, size)), goal=GOAL_MS, at_least=False,
            metric="from a command's commit to its stored outcome, 99 of 100,"
            f" {size.buses * size.meters_per_bus} meters polled at {size.poll_s} s",
        )  # fmt: skip
    if "bus_occupancy" in wanted:
        yield Figure(
            bench="bus_occupancy", unit="ratio", runs=list(_occupied(ground, size)), goal=GOAL_OCCUPANCY,
            at_least=True, digits=3,
            metric=f"transactions per second / what the line allows, {BUSY_BUSES} buses polled without a rest",
        )  # fmt: skip


def _commands(ground: Ground, size: Size) -> Iterator[float]:
    """The 99th percentile in ms of each window: reads asked for in the midst of full polling."""
    dsn = ground.database("bench_command")
    circuits = size.buses * size.meters_per_bus
    with responder() as port:
        build(dsn, circuits=circuits, per_line=size.meters_per_bus, port=port)
        with headend(ground, size, dsn), psycopg.connect(dsn, autocommit=True) as connection:
            time.sleep(size.settle_s)
            for window in range(size.windows):
                yield _asked(connection, window, circuits=circuits, seconds=size.window_s)


def _asked(
    connection: "psycopg.Connection[tuple[float, ...]]", window: int, *, circuits: int, seconds: int
) -> float:
    began = time.monotonic()
    count = min(COMMANDS_PER_S * seconds, circuits)
    for number in range(count):
        time.sleep(max(0.0, began + number / COMMANDS_PER_S - time.monotonic()))
        # a prime step: every command goes to another meter, on another bus than the last
        connection.execute(_ASK, [str(window), 1 + (window * count + number) * 7919 % circuits])
    time.sleep(2)
    told = sorted(row[0] for row in connection.execute(_TOLD, [f"bench:{window}:%"]))
    if len(told) < 0.99 * count:
        raise BenchFailed(f"{len(told)} of {count} commands were carried out")
    p99 = told[min(len(told) - 1, len(told) * 99 // 100)]
    sys.stderr.write(
        f"commands: {len(told)}, median {statistics.median(told):.0f} ms, 99 of 100 {p99:.0f} ms,"
        f" last {told[-1]:.0f} ms\n"
    )
    return p99


def _occupied(ground: Ground, size: Size) -> Iterator[float]:
    """What the buses did of what they could, in each window; every meter is overdue all the time."""
    dsn = ground.database("bench_occupancy")
    limit = BUSY_BUSES / (BUS_DELAY_S + catalogue()[PROFILE].quiet_ms / 1_000)
    with responder() as port:
        build(dsn, circuits=BUSY_BUSES * BUSY_METERS, per_line=BUSY_METERS, port=port)
        with (
            headend(ground, size, dsn, {"PREWATT_POLL_S": "1"}),
            psycopg.connect(dsn, autocommit=True) as connection,
        ):
            time.sleep(size.settle_s / 4)
            for _ in range(size.windows):
                moments = []
                for rest in (size.window_s, 1):  # what was read in the window is stored a second later
                    moments.append(connection.execute("SELECT clock_timestamp()").fetchone())
                    time.sleep(rest)
                assert moments[0] is not None and moments[1] is not None
                row = connection.execute(_POLLS, [moments[0][0], moments[1][0]]).fetchone()
                assert row is not None
                yield float(row[0]) / (moments[1][0] - moments[0][0]).total_seconds() / limit
