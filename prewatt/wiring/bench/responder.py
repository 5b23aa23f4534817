"""Many meters that answer at once and keep no books: the other end of the poll bench.

`python -m prewatt.wiring.bench.responder [UNITS]`: listens on a free port of the loopback, says it, and answers every
connection as a bus of representative SPM9511 (RTU over TCP) until its stdin ends. Each reply comes BUS_DELAY_S after
its request, as over a real bus: the head-end is woken for each one. Meters above UNITS are dead.
"""

import asyncio
import sys
import time
from collections.abc import Callable
from typing import Final, cast

from prewatt.core.wire.modbus import ReadReply, ReadRequest, RtuServerDecoder, encode_rtu_reply
from prewatt.field.headend.process import event_loop

BUS_DELAY_S: Final = 0.05  # 8 + 39 characters at 9600 baud
STATUS: Final = 0x0100
MAX_UNIT: Final = 255
_POWER_W: Final = 850


def registers(request: ReadRequest) -> bytes:
    """A meter in service: relay closed, credit that shrinks, power that moves; elsewhere energy that grows."""
    words = [0] * 64
    tick = int(time.time())
    if request.address == STATUS:
        words[1], words[5], words[6], words[15] = 1, 30_000 - tick % 20_000, 5, _POWER_W + tick % 50
    else:
        words[0:2] = divmod(100_000 + tick % 1_000_000, 65536)
        words[10], words[13], words[15] = 2300, 3700, 5000
    return b"".join(word.to_bytes(2, "big") for word in words[: request.count])


class _Bus(asyncio.Protocol):
    def __init__(self, later: Callable[..., object], units: int) -> None:
        self._later = later
        self._units = units
        self._decoder = RtuServerDecoder()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own class is no subclass

    def data_received(self, data: bytes) -> None:
        for unit, request in self._decoder.receive(data):
            if unit <= self._units and isinstance(request, ReadRequest):
                reply = encode_rtu_reply(unit, ReadReply(function=request.function, data=registers(request)))
                self._later(BUS_DELAY_S, self._transport.write, reply)


async def _serve(units: int = MAX_UNIT) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Bus(loop.call_later, units), "127.0.0.1", 0, backlog=1024)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=event_loop) as runner:
        runner.run(_serve(*map(int, sys.argv[1:2])))
