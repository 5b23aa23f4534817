"""How long a head-end may talk: only while its leases are certainly its own."""

import time
from collections.abc import Callable

from prewatt.field.headend.limits import TICK_S


def steady_clock() -> float:
    """Seconds that go on while the process is stopped and, where the system can, while the host sleeps."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


class Fence:
    """May we still talk? Only while the last renewal is younger than the lease, less a margin.

    The margin is for clocks that run apart and for the frame that is on its way. The time of a renewal is
    that of its call, not of its answer.
    """

    MARGIN = 0.2

    def __init__(self, lease_s: float, steady: Callable[[], float], now: Callable[[], float]) -> None:
        assert lease_s > 2 * TICK_S, "a lease must outlive two heartbeats"
        self._span_s = lease_s * (1 - self.MARGIN)
        self._steady = steady
        self._now = now
        self._renewed_at: float | None = None

    def renewed(self, called_at: float) -> None:
        self._renewed_at = called_at

    def wears(self) -> bool:
        """Is half the time over that the lease is ours?"""
        return self._renewed_at is not None and self._steady() - self._renewed_at > self._span_s / 2

    def holds(self, until: float) -> bool:
        """Is the lease ours until this loop time?

        The loop's clock may stand still within one turn (a process that was stopped wakes in the middle of
        it), so only the span up to the deadline is taken from it, the rest from the steady clock.
        """
        if self._renewed_at is None:
            return False
        return self._steady() + max(0.0, until - self._now()) < self._renewed_at + self._span_s
