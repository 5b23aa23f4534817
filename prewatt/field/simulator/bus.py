"""The serial server of one line on a real socket: many connections, one bus, `SimulatedLine` behind it."""

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import Final, cast

from prewatt.core.wire.errors import RemoteProtocolError
from prewatt.field.simulator.line import Output, SimulatedLine
from prewatt.field.simulator.pace import Pace
from prewatt.field.simulator.replay import ReplayedLine

CONNECTION_LIMIT: Final = 16  # what small serial servers allow, twice over; more are turned away
BACKLOG: Final = 16
LISTEN_AGAIN_S: Final = 1.0

_log = logging.getLogger(__name__)


class _Connection(asyncio.Protocol):
    """One client of a serial server."""

    def __init__(self, bus: "Bus") -> None:
        self._bus = bus
        self.number = 0
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._bus.opened(self)

    def data_received(self, data: bytes) -> None:
        self._bus.received(self, data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._bus.closed(self)


class Bus:
    """Listens where the line says; `apply_faults` after the line's faults were changed."""

    def __init__(
        self, line: SimulatedLine | ReplayedLine, *, now_ms: Callable[[], int],
        before_output: Callable[[int], None] = lambda _: None, context: ssl.SSLContext | None = None,
    ) -> None:  # fmt: skip
        self.line = line
        self.port = line.site.port
        self.note = ""
        self._context = context
        self._now_ms = now_ms
        self._server: asyncio.Server | None = None
        self._connections: dict[int, _Connection] = {}
        self._last = 0
        self._pace = Pace(line, now_ms=now_ms, before_output=before_output, send=self._send)
        self._opening: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Listen, also when the line is to be down (then the port is found, and closed again). Raises OSError."""
        await self._listen()
        if self.line.faults.down:
            self._close_all()

    def close(self) -> None:
        """No socket of this line is left."""
        if self._opening is not None:
            self._opening.cancel()
        self._close_all()

    def apply_faults(self) -> None:
        """Go down or come up, as the line's faults say."""
        if self.line.faults.down:
            if self._opening is not None:
                self._opening.cancel()
                self._opening = None
            self._close_all()
        elif self._server is None and self._opening is None:
            self._opening = asyncio.get_running_loop().create_task(self._listen_again())

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(self), self.line.site.host, self.port, backlog=BACKLOG, reuse_address=True,
            ssl=self._context,
        )  # fmt: skip
        self.port = self._server.sockets[0].getsockname()[1]

    async def _listen_again(self) -> None:
        told = False
        while self._server is None:
            try:
                await self._listen()
            except OSError as error:
                if not told:
                    _log.warning("line %s cannot listen on port %s: %s", self.line.site.id, self.port, error)
                told = True
                await asyncio.sleep(LISTEN_AGAIN_S)
        self._opening = None

    def _close_all(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in list(self._connections.values()):
            if connection.transport is not None:
                connection.transport.abort()
        self._connections.clear()
        self.line.cut()
        self._pace.arm()

    # called by the connections

    def opened(self, connection: _Connection) -> None:
        """A client connected; one too many is sent away."""
        assert connection.transport is not None
        if self._server is None or len(self._connections) >= CONNECTION_LIMIT:
            connection.transport.abort()
            return
        self._last += 1
        connection.number = self._last
        self._connections[connection.number] = connection
        self.line.connect(connection.number)

    def received(self, connection: _Connection, data: bytes) -> None:
        """Bytes from a client."""
        if connection.number not in self._connections:
            return
        try:
            self.line.receive(connection.number, data, self._now_ms())
        except RemoteProtocolError as error:
            _log.info("line %s: a client does not speak Modbus TCP: %s", self.line.site.id, error)
            assert connection.transport is not None
            connection.transport.abort()
        self._pace.arm()

    def closed(self, connection: _Connection) -> None:
        """A client is gone."""
        if self._connections.pop(connection.number, None) is not None:
            self.line.disconnect(connection.number)

    def _send(self, output: Output) -> None:
        connection = self._connections.get(output.connection)
        if connection is not None and connection.transport is not None:
            connection.transport.write(output.data)
