"""Measuring the product: `prewatt bench [NAME...]`, one JSON object per line on stdout, everything else on stderr."""

import os
from collections.abc import Iterator, Sequence
from typing import TextIO

from prewatt.wiring.bench.figures import FULL, NAMES, QUICK, Figure, Size
from prewatt.wiring.config import Config
from prewatt.wiring.files import allow_files
from prewatt.wiring.refusals import StartRefused

QUICK_ENV = "PREWATT_BENCH_QUICK"  # "1": seconds instead of minutes; tries the bench, measures nothing


def run(config: Config, *, names: Sequence[str], out: TextIO, quick: bool | None = None) -> int:
    """Measure `names` (none: all), always in the order of NAMES; the exit code. A missed goal is no failure.

    `quick` None: as PREWATT_BENCH_QUICK says. Raises `usage` for a name that does not exist, `postgres_missing` when a
    sale is asked for and there is no pgbench.
    """
    strange = sorted(set(names) - set(NAMES))
    if strange:
        raise StartRefused("usage", detail=f"no bench named {', '.join(strange)}; there are {', '.join(NAMES)}")
    wanted = [name for name in NAMES if name in names or not names]
    trial = os.environ.get(QUICK_ENV) == "1" if quick is None else quick
    size = QUICK if trial else FULL
    for figure in _figures(config, size, wanted):
        out.write(figure.line(quick=size.quick) + "\n")
        out.flush()
    return 0


def _figures(config: Config, size: Size, wanted: Sequence[str]) -> Iterator[Figure]:
    from prewatt.wiring.bench import board, bus, dial_in, ground, poll, sale, sts

    sales = [name for name in wanted if name.startswith("sale_")]
    program = ground.pgbench(config) if sales else None
    if all(name in sts.GOALS and name not in sts.CAMPAIGN for name in wanted):
        yield from sts.measure(size, wanted)  # without any database
        return
    allow_files()
    with ground.throw_away(config) as stands:
        if program is not None:
            yield from sale.measure(stands, size, program, sales)
        polls = [name for name in wanted if name in poll.NAMES]
        if polls or bus.COMMANDS in wanted:
            with poll.served(stands, size, "bench_poll", size.buses) as running:
                if polls:
                    yield from poll.measure(running, size, polls)
                if bus.COMMANDS in wanted:
                    yield bus.commands(running, size)
        if stretched := [name for name in wanted if name in poll.STRETCH]:
            with poll.served(stands, size, "bench_stretch", size.stretch_buses) as running:
                yield from poll.measure(running, size, stretched)
        if busy := [name for name in wanted if name in bus.NAMES]:
            yield from bus.measure(stands, size, busy)
        if callers := [name for name in wanted if name in dial_in.NAMES]:
            yield from dial_in.measure(stands, size, callers)
        if "board_2000" in wanted:
            yield from board.measure(stands, size)
        if any(name.startswith("sts_") for name in wanted):
            yield from sts.measure(size, wanted)
        if any(name in sts.CAMPAIGN for name in wanted):
            yield from sts.campaign(stands, size, wanted)
