"""UDP to a serial server: a datagram carries a frame, and the box answers the port that asked.

Datagrams come late, twice and out of turn. A request that had no answer, or one that was answered twice, leaves its
local port for good: what still comes to that port is heard by nobody, so it is never the answer to the next request.
"""

import asyncio
import socket
from collections.abc import Callable

from prewatt.core.meters.mailbox import LinePlan
from prewatt.field.headend.limits import CONNECT_TIMEOUT_S, MAX_DATAGRAM
from prewatt.field.headend.transports import Link, LinkError, Listener

MakeSocket = Callable[[], socket.socket]


class _UdpLink:
    def __init__(self, listener: Listener, make: MakeSocket) -> None:
        self._loop = asyncio.get_running_loop()
        self._listener: Listener | None = listener
        self._make = make
        self._spent = False  # something may still come to this port that answers an earlier request
        self._awaited = False
        self._socket = make()
        self._loop.add_reader(self._socket.fileno(), self._readable)

    def write(self, data: bytes) -> None:
        if self._listener is None:
            return
        if self._spent or self._awaited:
            self._leave()
            try:
                self._socket = self._make()
            except OSError:
                self._lose("connect_failed")
                return
            self._loop.add_reader(self._socket.fileno(), self._readable)
        self._spent, self._awaited = False, True
        try:
            self._socket.send(data)
        except OSError:
            self._lose("connect_failed")

    def _readable(self) -> None:
        try:
            data = self._socket.recv(MAX_DATAGRAM)
        except (BlockingIOError, InterruptedError):
            return
        except ConnectionRefusedError:
            self._lose("connect_refused")
            return
        except OSError:
            self._lose("closed")
            return
        if not self._awaited:
            self._spent = True
        self._awaited = False
        if self._listener is not None and data:
            self._listener.received(data)

    def _leave(self) -> None:
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()

    def _lose(self, error: str) -> None:
        listener = self._listener
        self.close()
        if listener is not None:
            self._loop.call_soon(listener.lost, error)

    def close(self) -> None:
        if self._listener is not None:
            self._listener = None
            if self._socket.fileno() >= 0:
                self._leave()


async def open_udp(plan: LinePlan, listener: Listener) -> Link:
    """Nothing is sent yet: whether somebody is there, the first request shows. Raises `LinkError`."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            found = await loop.getaddrinfo(plan.host, plan.port, type=socket.SOCK_DGRAM)
    except TimeoutError:
        raise LinkError("connect_timeout") from None
    except OSError:
        raise LinkError("connect_failed") from None
    family, kind, protocol, _, address = found[0]

    def make() -> socket.socket:
        made = socket.socket(family, kind, protocol)
        try:
            made.setblocking(False)
            made.connect(address)  # datagrams of anybody else are not heard
        except OSError:
            made.close()
            raise
        return made

    try:
        return _UdpLink(listener, make)
    except OSError:
        raise LinkError("connect_failed") from None
