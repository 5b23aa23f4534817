"""A serial server on a UDP port: a datagram carries a frame, and the answer goes to the port that asked."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from prewatt.core.wire.errors import RemoteProtocolError
from prewatt.field.simulator.line import Output, SimulatedLine
from prewatt.field.simulator.pace import Pace

ASKER_LIMIT: Final = 64  # who asked last; an answer to somebody before goes nowhere

Address = tuple[str, int]


class _Ear(asyncio.DatagramProtocol):
    def __init__(self, received: Callable[[bytes, Address], None]) -> None:
        self._received = received

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._received(data, (addr[0], addr[1]))


class DatagramBus:
    """The face is that of `bus.Bus`."""

    def __init__(self, line: SimulatedLine, *, now_ms: Callable[[], int], before_output: Callable[[int], None]) -> None:
        self.line = line
        self.port = line.site.port
        self.note = ""
        self._now_ms = now_ms
        self._transport: asyncio.DatagramTransport | None = None
        self._askers: OrderedDict[Address, int] = OrderedDict()
        self._last = 0
        self._pace = Pace(line, now_ms=now_ms, before_output=before_output, send=self._send)

    async def open(self) -> None:
        """Listen; a line that is down hears and says nothing. Raises OSError."""
        made, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Ear(self._received), local_addr=(self.line.site.host, self.port)
        )
        self._transport = made
        self.port = int(made.get_extra_info("sockname")[1])

    def close(self) -> None:
        """No socket of this line is left."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None
        self._forget()

    def apply_faults(self) -> None:
        """Of a gateway without power nothing comes, not even that nobody is there."""
        if self.line.faults.down:
            self._forget()

    def _forget(self) -> None:
        self._askers.clear()
        self.line.cut()
        self._pace.arm()

    def _received(self, data: bytes, asker: Address) -> None:
        if self.line.faults.down:
            return
        number = self._askers.get(asker)
        if number is None:
            self._last += 1
            number = self._askers[asker] = self._last
            self.line.connect(number)
            if len(self._askers) > ASKER_LIMIT:
                self.line.disconnect(self._askers.popitem(last=False)[1])
        self._askers.move_to_end(asker)
        try:
            self.line.receive(number, data, self._now_ms())
        except RemoteProtocolError:
            return
        self._pace.arm()

    def _send(self, output: Output) -> None:
        for asker, number in self._askers.items():
            if number == output.connection and self._transport is not None:
                self._transport.sendto(output.data, asker)
