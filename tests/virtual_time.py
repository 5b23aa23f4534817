"""An event loop whose clock jumps: hours of a bus in a second, and the same every time.

When nothing is ready, time goes to the next timer at once. Sockets and threads have no part in it: what
waits for them would wait in real time, so a journey under this clock uses the memory transport only.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")

START = datetime(2026, 3, 2, 0, 50, tzinfo=UTC)  # a Monday, 08:50 in China


STEP_S = 1e-6  # time moves at least this far: a rest smaller than the float's resolution would never end


class _JumpingSelector(selectors.DefaultSelector):
    """Instead of sleeping for a timeout, moves the clock by it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise RuntimeError("nothing will ever happen: every task waits and no timer is set")
        if timeout > 0:
            self.now += max(timeout, STEP_S)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """`time()` starts at 1000 s, so that a zero is never a time by accident."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return 1000.0 + self._jumping.now

    def skip(self, seconds: float) -> None:
        """Time passes while nobody runs: what SIGSTOP does to a process."""
        self._jumping.now += seconds

    def wall(self) -> datetime:
        """The wall clock that belongs to `time()`."""
        return START + timedelta(seconds=self._jumping.now)


def run(main: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run` under a virtual clock."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


def running() -> VirtualLoop:
    """The loop of the running journey."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop
