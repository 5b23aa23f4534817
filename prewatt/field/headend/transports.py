"""How bytes reach a bus. A transport opens a link for a line; the registry is a dictionary.

A new transport (serial port, tunnel) is one function and one line in `TRANSPORTS`. Who calls us is not opened but
waited for: `switchboard` gives its transport to the head-end that has one.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, cast, runtime_checkable

from prewatt.core.meters.drivers import LINK_MS
from prewatt.core.meters.mailbox import LinePlan
from prewatt.core.meters.quantities import Quantity
from prewatt.field.headend.limits import CONNECT_TIMEOUT_S, UNACKED_MAX_MS


class Link(Protocol):
    """An open way to a bus."""

    def write(self, data: bytes) -> None: ...

    def close(self) -> None:
        """At once, without flushing; `lost` is not called after this."""


@runtime_checkable
class SpeedLink(Protocol):
    """A link whose bus has the speed that we say: a serial port of this machine."""

    def speed(self, baud: int) -> None:
        """From the next byte on; nothing happens where it is that already."""


class Listener(Protocol):
    """The line's ear. Called from the event loop."""

    def received(self, data: bytes) -> None: ...

    def lost(self, error: str) -> None:
        """The link is gone; `error` is a stable code of `LineHealth.error`."""


@runtime_checkable
class ReportListener(Protocol):
    """A line that takes what a meter reports unasked."""

    def reported(self, unit: int, values: Mapping[Quantity, int]) -> None:
        """Values of the meter at this Modbus unit, in the units of `Quantity`, before any ratio of ours."""


class LinkError(Exception):
    """A link could not be opened; `code` is a stable code of `LineHealth.error`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


Framing = Literal["rtu", "tcp", "mqtt"]
Opener = Callable[[LinePlan, Listener], Awaitable[Link]]


@dataclass(frozen=True, kw_only=True)
class Transport:
    """`opener` moves bytes; `framing` ("rtu" | "tcp" | "mqtt") says how the driver must wrap them; `link_ms` is what
    the way adds to a reply. `sole`: the link is the only way to its bus, so nobody else can speak there while we have
    it, and a reply may be awaited for longer than the lease is certain."""

    opener: Opener
    framing: Framing
    link_ms: int = LINK_MS
    sole: bool = False


class TcpLink(asyncio.Protocol):
    """A TCP client connection to a serial server or a Modbus-TCP gateway."""

    def __init__(self, listener: Listener) -> None:
        self._listener: Listener | None = listener
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        endpoint = transport.get_extra_info("socket")
        if endpoint is not None:
            # A gateway that loses its power says nothing: without this the socket looks alive for ever.
            endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            endpoint.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if hasattr(socket, "TCP_USER_TIMEOUT"):
                # A request the network holds back must die with the connection, not reach a meter minutes later.
                endpoint.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKED_MAX_MS)

    def data_received(self, data: bytes) -> None:
        if self._listener is not None:
            self._listener.received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        listener, self._listener = self._listener, None
        self._transport = None
        if listener is not None:
            listener.lost("closed")

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def close(self) -> None:
        self._listener = None
        if self._transport is not None:
            # abort, not close: a request still in the buffer must not leave after the lease is gone
            self._transport.abort()


async def open_tcp(plan: LinePlan, listener: Listener) -> Link:
    """Connect within `CONNECT_TIMEOUT_S`; raises `LinkError`."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            _, link = await loop.create_connection(lambda: TcpLink(listener), plan.host, plan.port)
    except TimeoutError:
        raise LinkError("connect_timeout") from None
    except ConnectionRefusedError:
        raise LinkError("connect_refused") from None
    except OSError:
        raise LinkError("connect_failed") from None
    return link


TRANSPORTS: Mapping[str, Transport] = {
    "rtu-over-tcp": Transport(opener=open_tcp, framing="rtu"),
    "modbus-tcp": Transport(opener=open_tcp, framing="tcp"),
}
