"""The memory transport: a bus without a socket, for virtual clocks and for benches."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from prewatt.core.meters.mailbox import LinePlan
from prewatt.field.headend.transports import Link, LinkError, Listener, Opener

Answer = Callable[[bytes], list[tuple[float, bytes]]]
"""A bus: the bytes of one request in; (delay in seconds, bytes) of each reply out."""


@dataclass
class MemoryBus:
    """One bus as a function, with a switch for the gateway in front of it."""

    answer: Answer
    reachable: bool = True

    def __post_init__(self) -> None:
        self._links: set[_MemoryLink] = set()

    async def open(self, listener: Listener) -> Link:
        await asyncio.sleep(0)
        if not self.reachable:
            raise LinkError("connect_refused")
        link = _MemoryLink(self, listener)
        self._links.add(link)
        return link

    def cut(self) -> None:
        """The gateway goes away; connections are refused until `mend`."""
        self.reachable = False
        for link in list(self._links):
            link.drop()

    def mend(self) -> None:
        self.reachable = True

    @property
    def clients(self) -> int:
        return len(self._links)


class _MemoryLink:
    def __init__(self, bus: MemoryBus, listener: Listener) -> None:
        self._bus = bus
        self._listener: Listener | None = listener
        self._loop = asyncio.get_running_loop()

    def write(self, data: bytes) -> None:
        if self._listener is None:
            return
        for delay_s, reply in self._bus.answer(data):
            self._loop.call_later(delay_s, self._deliver, reply)

    def _deliver(self, reply: bytes) -> None:
        if self._listener is not None:
            self._listener.received(reply)

    def close(self) -> None:
        self._listener = None
        self._bus._links.discard(self)

    def drop(self) -> None:
        listener = self._listener
        self.close()
        if listener is not None:
            self._loop.call_soon(listener.lost, "closed")


def opener(buses: dict[int, MemoryBus]) -> Opener:
    """An opener that finds the bus by line id."""

    async def open_memory(plan: LinePlan, listener: Listener) -> Link:
        return await buses[plan.line_id].open(listener)

    return open_memory
