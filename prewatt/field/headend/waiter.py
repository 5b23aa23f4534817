"""One task that waits for a signal or a time: what a line does nearly always."""

import asyncio
from typing import Final

GRAIN_S: Final = 0.001  # uvloop counts whole milliseconds: a timer that fires a hair early would spin until the time


class Waiter:
    """Woken by `signal()` or when the loop's clock reaches `until`; one waiting task at a time.

    A future and one timer per wait, no task per wait: this is the hot path of 500 polls/s.
    """

    __slots__ = ("_future", "_loop", "_signalled")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._future: asyncio.Future[None] | None = None
        self._signalled = False

    def signal(self) -> None:
        """Wake the waiting task; with nobody waiting, the next wait returns at once."""
        self._signalled = True
        self._wake()

    def _wake(self) -> None:
        future = self._future
        if future is not None and not future.done():
            future.set_result(None)

    async def wait(self, until: float | None) -> bool:
        """True when signalled, False when `until` (loop time, None = for ever) has come."""
        if not self._signalled and (until is None or until > self._loop.time()):
            assert self._future is None, "one task waits here"
            self._future = self._loop.create_future()
            handle = None if until is None else self._loop.call_at(until + GRAIN_S, self._wake)
            try:
                await self._future
            finally:
                self._future = None
                if handle is not None:
                    handle.cancel()
        signalled, self._signalled = self._signalled, False
        return signalled
