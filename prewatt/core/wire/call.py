"""What the server's end of every call has in common: frames are found, and what one means is said as events."""

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from prewatt.core.wire.errors import RemoteProtocolError

F = TypeVar("F")  # a frame of some protocol
E = TypeVar("E")  # what it says


class Finder(Protocol[F]):
    """The decoder of a protocol."""

    discarded: int

    def receive(self, data: bytes) -> list[F]: ...


class Call(Generic[F, E]):
    """One call. `discarded` counts bytes that were no frame, `odd` frames that made no sense or came too soon."""

    def __init__(self, finder: Finder[F], events: Callable[[F], list[E]]) -> None:
        self._finder = finder
        self._events = events
        self.odd = 0

    @property
    def discarded(self) -> int:
        return self._finder.discarded

    def receive(self, data: bytes) -> list[E]:
        """What these bytes completed, in order; never raises."""
        found: list[E] = []
        for frame in self._finder.receive(data):
            try:
                found += self._events(frame)
            except RemoteProtocolError:
                self.odd += 1
        return found
