"""Sales per second by 8 client processes, as a ratio of pgbench on the same server.

Rounds are interleaved (pgbench, own tills, one till, pgbench, ...) and each round gives one ratio, so that a neighbour
who is loud for a minute weighs on both sides of it.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import psycopg

from prewatt.wiring.bench.figures import BenchFailed, Figure, Size
from prewatt.wiring.bench.ground import Ground, build

CLIENTS: Final = 8
GOALS: Final = {"sale_tills": 0.4, "sale_one_till": 0.25}
_DATABASE: Final = "bench_sale"
_YARDSTICK: Final = "bench_pgbench"
# What was sold is taken as delivered, below every verb: the next round sells to the same circuits.
_DELIVERED: Final = """
UPDATE vending_circuitcredit c SET purchase_count = d.expected_count
    FROM vending_delivery d WHERE d.circuit_id = c.circuit_id AND d.state = 'waiting';
UPDATE vending_delivery SET state = 'confirmed', settled_at = created_at WHERE state = 'waiting';
UPDATE metering_job SET state = 'done', finished_at = created_at WHERE state = 'queued';
"""
_TOUCHED: Final = "vending_circuitcredit, vending_delivery, metering_job, vending_sale, vending_receipt, vending_till"


def measure(ground: Ground, size: Size, program: Path, wanted: Sequence[str]) -> Iterator[Figure]:
    """The figures of `wanted`, names of GOALS."""
    dsn = ground.database(_DATABASE)
    build(dsn, circuits=size.sale_circuits)
    _initialise(ground, size, program)
    ratios: dict[str, list[float]] = {name: [] for name in wanted}
    yardsticks = []
    for number in range(size.rounds):
        yardstick = _pgbench(ground, size, program)
        yardsticks.append(yardstick)
        for name in wanted:
            rate = _sell(ground, size, dsn, one_till=name == "sale_one_till", run=f"{name}-{number}")
            ratios[name].append(rate / yardstick)
            sys.stderr.write(f"{name}: {rate:.0f} sales/s, pgbench {yardstick:.0f} tps\n")
    for name in wanted:
        yield Figure(
            bench=name, metric="sales per second / pgbench tpcb-like", unit="ratio", runs=ratios[name],
            goal=GOALS[name], at_least=True, yardstick=sorted(yardsticks)[len(yardsticks) // 2], digits=3,
        )  # fmt: skip


def _checkpoint(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CHECKPOINT")


def _initialise(ground: Ground, size: Size, program: Path) -> None:
    with psycopg.connect(ground.postgres.dsn_of("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {_YARDSTICK}")
    _run([program, "-i", "-q", "-s", str(size.pgbench_scale), *ground.address, _YARDSTICK])


def _run(command: Sequence[str | Path]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchFailed(done.stderr.strip()[-400:])
    return done.stdout


def _pgbench(ground: Ground, size: Size, program: Path) -> float:
    _checkpoint(ground.postgres.dsn_of(_YARDSTICK))
    said = _run(
        [program, "-c", str(CLIENTS), "-j", "2", "-M", "prepared", "-T", str(size.sale_s), *ground.address, _YARDSTICK]
    )
    found = re.search(r"tps = ([0-9.]+)", said)
    if found is None:
        raise BenchFailed(f"pgbench gave no rate: {said.strip()[-200:]}")
    return float(found.group(1))


def _sell(ground: Ground, size: Size, dsn: str, *, one_till: bool, run: str) -> float:
    """Sales per second of all clients; each has circuits of its own, and a till of its own unless `one_till`."""
    share = size.sale_circuits // CLIENTS
    clients = [
        subprocess.Popen(
            [sys.executable, "-m", "prewatt.wiring.bench.seller", str(number * share + 1), str(share),
             str(1 if one_till else number + 1), str(size.sale_s), f"{run}-{number}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ground.environment(dsn),
        )
        for number in range(CLIENTS)
    ]  # fmt: skip
    try:
        for client in clients:
            if _line(client) != "ready":
                raise BenchFailed("a client did not start; see above")
        _checkpoint(dsn)
        for client in clients:
            assert client.stdin is not None
            client.stdin.write("go\n")
            client.stdin.flush()
        told = [json.loads(_line(client) or "{}") for client in clients]
    finally:
        for client in clients:
            client.kill()
            client.communicate()
    if not all(told):
        raise BenchFailed("a client ended early; see above")
    _check_and_deliver(dsn, run, sum(each["booked"] for each in told))
    return float(sum(each["sales"] for each in told) / max(each["seconds"] for each in told))


def _line(client: "subprocess.Popen[str]") -> str:
    assert client.stdout is not None
    return client.stdout.readline().strip()


def _check_and_deliver(dsn: str, run: str, sales: int) -> None:
    """What the clients say must stand in the books, to the last sale."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute(
            "SELECT count(*) FROM vending_sale s JOIN ledger_transfer t ON t.site_id = s.site_id"
            " AND t.entry_id = s.entry_id AND t.amount_minor = s.amount_minor"
            " JOIN vending_delivery d ON d.sale_id = s.id JOIN vending_receipt r ON r.sale_id = s.id"
            " WHERE s.request_key LIKE %s",
            [f"operator:1:{run}-%"],
        ).fetchone()
        if row is None or row[0] != sales:
            raise BenchFailed(f"{sales} sales were counted, {row and row[0]} are in the books")
        connection.execute(_DELIVERED.encode())
        for table in _TOUCHED.split(", "):
            connection.execute(f"VACUUM ANALYZE {table}".encode())
