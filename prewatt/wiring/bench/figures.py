"""What a bench says: one line of JSON per figure, and the sizes it was measured at."""

import json
import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

NAMES: Final = (
    "sale_tills", "sale_one_till",
    "poll_cpu_us", "meters_per_core", "poll_cores", "poll_cores_stored", "poll_age_s", "poll_mib", "command_p99",
    "stretch_cores", "stretch_cores_stored", "stretch_age_s", "stretch_mib", "bus_occupancy", "dead_meters",
    "dial_in_links", "dial_in_per_cpu_s", "dial_in_kib", "board_2000",
    "sts_encode", "sts_vend_p99", "sts_key_change", "sts_key_change_compiled", "sts_campaign", "sts_campaign_mib",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Size:
    """How large and how long. Times in seconds."""

    quick: bool  # a trial of the bench itself: its values say nothing about the product
    rounds: int  # interleaved rounds of yardstick and sale
    sale_s: int  # each
    pgbench_scale: int
    sale_circuits: int
    buses: int
    stretch_buses: int
    meters_per_bus: int
    poll_s: int  # a reading grows this old before the next one, and waits for its bus and the database besides
    register_s: int
    settle_s: int  # before the first window: the start spreads its first reads over this
    windows: int
    window_s: int
    callers: int  # meters that dial in, each with a gateway of its own
    callers_per_s: int
    board_circuits: int
    board_days: int  # of daily use behind each circuit
    board_runs: int
    sts_runs: int
    sts_tokens: int
    sts_vends: int
    sts_meters: int
    campaign_meters: int


FULL: Final = Size(
    quick=False, rounds=5, sale_s=20, pgbench_scale=50, sale_circuits=80_000,
    buses=1000, stretch_buses=2000, meters_per_bus=30, poll_s=58, register_s=1800, settle_s=100, windows=5, window_s=20,
    callers=10_000, callers_per_s=1000,
    board_circuits=2000, board_days=400, board_runs=15,
    sts_runs=5, sts_tokens=20_000, sts_vends=5000, sts_meters=100_000, campaign_meters=1_000_000,
)  # fmt: skip
QUICK: Final = Size(
    quick=True, rounds=1, sale_s=1, pgbench_scale=1, sale_circuits=2400,
    buses=20, stretch_buses=40, meters_per_bus=10, poll_s=2, register_s=60, settle_s=4, windows=2, window_s=2,
    callers=200, callers_per_s=200,
    board_circuits=2000, board_days=20, board_runs=3,
    sts_runs=1, sts_tokens=200, sts_vends=200, sts_meters=2000, campaign_meters=1000,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A measured value: the median of its runs."""

    bench: str
    metric: str
    unit: str
    runs: Sequence[float]
    goal: float
    at_least: bool  # False: the goal is a ceiling
    yardstick: float | None = None  # what the value was divided by, in its own unit; the median of its runs
    digits: int = 0

    @property
    def value(self) -> float:
        return statistics.median(self.runs)

    @property
    def met(self) -> bool:
        return self.value >= self.goal if self.at_least else self.value <= self.goal

    def line(self, *, quick: bool) -> str:
        """One JSON object; a trial run says so in a field of its own."""
        said: dict[str, object] = {
            "bench": self.bench, "metric": self.metric, "value": self._shown(self.value), "unit": self.unit,
            "goal": self.goal, "met": self.met,
            "yardstick": None if self.yardstick is None else self._shown(self.yardstick, 1),
            "runs": len(self.runs), "min": self._shown(min(self.runs)), "max": self._shown(max(self.runs)),
            "cores": cores(),
        }  # fmt: skip
        if quick:
            said["quick"] = True
        return json.dumps(said)

    def _shown(self, number: float, digits: int | None = None) -> float:
        places = self.digits if digits is None else digits
        return float(f"{number:.{places}f}")


def cores() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0))


class BenchFailed(RuntimeError):
    """A bench that could not be carried out; never a slow one."""
