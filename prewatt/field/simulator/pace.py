"""Wakes when something on a line is due, and hands on what leaves it."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from prewatt.field.simulator.line import Output


class Due(Protocol):
    """A line, as far as time goes."""

    def next_due_ms(self) -> int | None: ...

    def advance(self, now_ms: int) -> list[Output]: ...


class Pace:
    """`before_output` makes durable what the output shows; call `arm` after every act on the line."""

    def __init__(
        self, line: Due, *, now_ms: Callable[[], int], before_output: Callable[[int], None],
        send: Callable[[Output], None],
    ) -> None:  # fmt: skip
        self._line, self._now_ms, self._before_output, self._send = line, now_ms, before_output, send
        self._timer: asyncio.TimerHandle | None = None

    def arm(self) -> None:
        """Look again when the next thing is due; never where nothing is."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due_ms = self._line.next_due_ms()
        if due_ms is not None:
            delay_s = max(0, due_ms - self._now_ms()) / 1_000
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._advance)

    def _advance(self) -> None:
        self._timer = None
        now_ms = self._now_ms()
        self._before_output(now_ms)
        for output in self._line.advance(now_ms):
            self._send(output)
        self.arm()
