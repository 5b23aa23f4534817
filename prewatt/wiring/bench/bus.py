"""How soon a command is carried out on a bus that is busy, how much of its time a bus talks, and what its dead meters
cost the others.

The head-end is the real one; the meters are the responder of the poll bench, whose every transaction takes BUS_DELAY_S.
"""

import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

import psycopg

from prewatt.core.meters import catalogue
from prewatt.wiring.bench.figures import BenchFailed, Figure, Size
from prewatt.wiring.bench.ground import Ground, build
from prewatt.wiring.bench.poll import Running, headend, responder, works
from prewatt.wiring.bench.responder import BUS_DELAY_S

COMMANDS: Final = "command_p99"
NAMES: Final = ("bus_occupancy", "dead_meters")
GOAL_MS: Final = 2 * BUS_DELAY_S * 1_000 + 300  # the transaction in progress, its own, and 300 ms
GOAL_OCCUPANCY: Final = 0.9
GOAL_OTHERS: Final = 0.7  # slowed by less than 30 %
BUSY_BUSES: Final = 20
BUSY_METERS: Final = 30
FULL_BUS: Final = 32
DEAD: Final = 4  # of a full bus
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
_OF_THE_OTHERS: Final = """
SELECT count(*) FILTER (WHERE (m.line_id & 1) = 0), count(*) FILTER (WHERE (m.line_id & 1) = 1)
FROM metering_reading r JOIN estate_meter m ON m.id = r.circuit_id
WHERE r.at >= %s AND r.at < %s AND r.source = 0 AND m.unit <= %s
"""


def commands(running: Running, size: Size) -> Figure:
    """The 99th percentile in ms of each window: reads asked for in the midst of full polling."""
    with psycopg.connect(running.dsn, autocommit=True) as connection:
        runs = [
            _asked(connection, window, circuits=running.circuits, seconds=size.window_s)
            for window in range(size.windows)
        ]
    return Figure(
        bench=COMMANDS, unit="ms", runs=runs, goal=GOAL_MS, at_least=False,
        metric=f"from a command's commit to its stored outcome, 99 of 100, {running.said}",
    )  # fmt: skip


def measure(ground: Ground, size: Size, wanted: Sequence[str]) -> Iterator[Figure]:
    """The figures of `wanted`, names of NAMES."""
    if "bus_occupancy" in wanted:
        yield Figure(
            bench="bus_occupancy", unit="ratio", runs=list(_occupied(ground, size)), goal=GOAL_OCCUPANCY,
            at_least=True, digits=3,
            metric=f"transactions per second / what the line allows, {BUSY_BUSES} buses polled without a rest",
        )  # fmt: skip
    if "dead_meters" in wanted:
        yield Figure(
            bench="dead_meters", unit="ratio", runs=list(_beside_the_dead(ground, size)), goal=GOAL_OTHERS,
            at_least=True, digits=3,
            metric=f"polls per second of the others where {DEAD} of {FULL_BUS} meters are dead / where all answer,"
            " buses polled without a rest",
        )  # fmt: skip


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
        for (polls,), took_s in _without_a_rest(ground, size, dsn, _POLLS, [], after=BUSY_BUSES * BUSY_METERS):
            yield polls / took_s / limit


def _beside_the_dead(ground: Ground, size: Size) -> Iterator[float]:
    """Every second bus has DEAD meters that never answer. How often the others on it are polled, in each window, of how
    often the same meters are on the buses without."""
    dsn, living = ground.database("bench_dead"), FULL_BUS - DEAD
    with responder() as port, responder(living) as dead_port:
        build(dsn, circuits=BUSY_BUSES * FULL_BUS, per_line=FULL_BUS, port=port)
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("UPDATE estate_line SET port = %s WHERE (id & 1) = 0", [dead_port])
        # the dead are found out first: it is of a bus where they are known that the figure speaks
        known = (4 if size.quick else 8) * BUSY_BUSES * FULL_BUS
        for (beside, without), _ in _without_a_rest(ground, size, dsn, _OF_THE_OTHERS, [living], after=known):
            sys.stderr.write(f"dead_meters: {beside} polls beside dead meters, {without} where all answer\n")
            yield beside / max(1, without)


def _without_a_rest(
    ground: Ground, size: Size, dsn: str, query: str, more: Sequence[int], *, after: int
) -> Iterator[tuple[Sequence[Any], float]]:
    """What a query says of each window in which every meter is overdue all the time, and how long the window was, once
    `after` polls are stored."""
    with (
        # that dead meters are silent need not be said
        headend(ground, size, dsn, {"PREWATT_POLL_S": "1", "PREWATT_LOG_LEVEL": "ERROR"}) as pid,
        psycopg.connect(dsn, autocommit=True) as connection,
    ):
        works(dsn, pid, polls=after)
        time.sleep(size.settle_s / 4)
        for _ in range(size.windows):
            moments = []
            for rest in (size.window_s, 1):  # what was read in the window is stored a second later
                moments.append(connection.execute("SELECT clock_timestamp()").fetchone())
                time.sleep(rest)
            assert moments[0] is not None and moments[1] is not None
            row = connection.execute(query, [moments[0][0], moments[1][0], *more]).fetchone()
            assert row is not None
            yield row, (moments[1][0] - moments[0][0]).total_seconds()
