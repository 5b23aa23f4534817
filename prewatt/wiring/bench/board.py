"""How long the server takes to render the live board."""

import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from prewatt.wiring.bench.figures import BenchFailed, Figure, Size
from prewatt.wiring.bench.ground import Ground, build, use

GOAL_MS: Final = 300
_WARM_UP: Final = 3
_OPERATOR = _SITE = 1


def measure(ground: Ground, size: Size) -> Iterator[Figure]:
    """From the question to the finished markup, database included; warm."""
    dsn = ground.database("bench_board")
    build(dsn, circuits=size.board_circuits, days=size.board_days)
    use(dsn)
    from django.utils import translation

    from prewatt.office.staff.models import Operator
    from prewatt.web.console.board import render_board

    operator = Operator.objects.get(pk=_OPERATOR)
    runs = []
    with translation.override("zh-hans"):
        for number in range(_WARM_UP + size.board_runs):
            at = datetime.now(UTC)
            began = time.perf_counter()
            page = render_board(operator, _SITE, at)
            if number >= _WARM_UP:
                runs.append((time.perf_counter() - began) * 1000)
            tiles = page.count('class="pw-tile')
            if tiles != size.board_circuits:
                raise BenchFailed(f"the board shows {tiles} circuits of {size.board_circuits}")
    sys.stderr.write(f"board_2000: {len(page) // 1024} KiB of markup\n")
    yield Figure(
        bench="board_2000", metric=f"server time of the live board, {size.board_circuits} circuits", unit="ms",
        runs=runs, goal=GOAL_MS, at_least=False, digits=1,
    )  # fmt: skip
