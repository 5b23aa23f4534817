"""`prewatt bench` says one valid line per figure. Never how fast: these are trials, on a machine that is busy."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from prewatt.core.sts.compiled import kernels
from prewatt.wiring import config as configuration
from prewatt.wiring.bench.figures import FULL, NAMES, QUICK, Figure
from prewatt.wiring.parts import bench
from prewatt.wiring.refusals import Exit, StartRefused

FIELDS = {"bench", "metric", "value", "unit", "goal", "met", "yardstick", "runs", "min", "max", "cores"}
UNITS = dict(zip(NAMES, (
    "ratio", "ratio",
    "us", "meters", "cores", "cores", "s", "MiB", "ms", "cores", "cores", "s", "MiB", "ratio", "ratio",
    "links", "links/cpu_s", "KiB",
    "ms", "tokens/cpu_s", "ms", "meters/cpu_s", "meters/cpu_s", "meters/s", "MiB",
), strict=True))  # fmt: skip
GOALS = {"sale_tills": 0.4, "sale_one_till": 0.25, "poll_cpu_us": 1000, "meters_per_core": 60_000, "board_2000": 300,
         "poll_cores": 0.5, "poll_cores_stored": 0.5, "poll_age_s": 60, "poll_mib": 512, "command_p99": 400,
         "stretch_cores": 0.5, "stretch_cores_stored": 0.5, "stretch_age_s": 60, "stretch_mib": 1024,
         "bus_occupancy": 0.9, "dead_meters": 0.7,
         "dial_in_links": 10_000, "dial_in_per_cpu_s": 500, "dial_in_kib": 64,
         "sts_encode": 50_000, "sts_vend_p99": 1, "sts_key_change": 100_000, "sts_key_change_compiled": 300_000,
         "sts_campaign": 5000, "sts_campaign_mib": 512}  # fmt: skip
# what is compiled is measured where it can be
HERE = [name for name in NAMES if name != "sts_key_change_compiled" or kernels() is not None]


def _bench(home: Path, *names: str, quick: str = "1") -> "subprocess.CompletedProcess[str]":
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PREWATT_", "DJANGO_"))
    } | {"PREWATT_HOME": str(home), "PREWATT_BENCH_QUICK": quick, "PREWATT_LANG": "en"}
    return subprocess.run(
        [sys.executable, "-m", "prewatt.wiring.cli", "bench", *names],
        env=environment, capture_output=True, text=True, timeout=500, check=False,
    )  # fmt: skip


def _lines(said: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in said.splitlines()]


@pytest.mark.processes
def test_every_bench_says_one_line_in_the_agreed_order_and_a_missed_goal_is_no_failure(home: Path) -> None:
    ended = _bench(home)
    assert ended.returncode == 0, ended.stderr
    lines = _lines(ended.stdout)
    assert [line["bench"] for line in lines] == HERE
    for line in lines:
        name = str(line["bench"])
        assert set(line) == FIELDS | {"quick"}, line
        assert line["unit"] == UNITS[name] and line["goal"] == GOALS[name]
        value, least, most = line["value"], line["min"], line["max"]
        assert isinstance(value, float) and isinstance(least, float) and isinstance(most, float)
        assert 0 < least <= value <= most
        assert isinstance(line["met"], bool) and isinstance(line["runs"], int) and line["runs"] >= 1
        assert line["cores"] == len(os.sched_getaffinity(0)) and line["quick"] is True
        assert (line["yardstick"] is not None) == name.startswith("sale_")


@pytest.mark.processes
def test_one_name_measures_one_thing_and_leaves_nothing_in_the_home(home: Path) -> None:
    ended = _bench(home, "board_2000")
    assert ended.returncode == 0, ended.stderr
    assert [line["bench"] for line in _lines(ended.stdout)] == ["board_2000"]
    assert list(home.iterdir()) == []


def test_a_name_that_does_not_exist_is_wrong_usage_and_nothing_is_measured(home: Path) -> None:
    ended = _bench(home, "board_2000", "board_9000")
    assert ended.returncode == Exit.USAGE and ended.stdout == ""
    last = ended.stderr.splitlines()[-1]
    assert last.startswith("error usage: ") and "board_9000" in last and "board_2000" in last


def test_without_pgbench_a_sale_bench_is_refused_before_anything_starts(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = home / "bin"
    programs.mkdir()
    for name in ("initdb", "postgres"):
        (programs / name).write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 18.0'\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(home))  # no pgbench there either
    config = configuration.read({"PREWATT_HOME": str(home), "PREWATT_PG_BIN": str(programs)})
    out = io.StringIO()
    with pytest.raises(StartRefused) as refused:
        bench.run(config, names=["sale_tills"], out=out, quick=True)
    assert refused.value.code == "postgres_missing" and refused.value.exit == Exit.DATABASE
    assert "pgbench" in refused.value.message("en") and out.getvalue() == ""


@pytest.mark.parametrize(
    ("runs", "at_least", "met"),
    [([0.5, 0.3, 0.4], True, True), ([0.5, 0.3, 0.39], True, False), ([0.4], False, True), ([0.41], False, False)],
)
def test_a_goal_is_held_against_the_median_the_right_way_round(runs: list[float], at_least: bool, met: bool) -> None:
    figure = Figure(bench="x", metric="m", unit="ratio", runs=runs, goal=0.4, at_least=at_least, digits=2)
    line = json.loads(figure.line(quick=False))
    assert line["met"] is met and line["runs"] == len(runs)
    assert line["min"] == min(runs) and line["max"] == max(runs) and set(line) == FIELDS


def test_the_full_size_is_the_one_that_was_agreed() -> None:
    assert (FULL.rounds, FULL.sale_s, FULL.pgbench_scale) == (5, 20, 50)
    assert (FULL.buses, FULL.buses * FULL.meters_per_bus, FULL.poll_s, FULL.register_s) == (1000, 30_000, 58, 1800)
    assert FULL.stretch_buses * FULL.meters_per_bus == 60_000
    assert FULL.board_circuits == QUICK.board_circuits == 2000
    assert QUICK.quick and not FULL.quick
