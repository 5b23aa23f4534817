"""Many meters that dial in: the other end of the bench `dial_in`.

`python -m prewatt.wiring.bench.callers PORT COUNT PER_S`: waits for a line on stdin, then calls COUNT times at PER_S
a second, each as a serial server that says `BENCH-<number>` and answers as a representative SPM9511. Whoever is hung
up on stays away and counts. After another line it says {"called", "refused", "hung_up"} as JSON and ends.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from typing import cast

from prewatt.core.wire.modbus import ReadReply, ReadRequest, RtuServerDecoder, encode_rtu_reply
from prewatt.field.headend.process import event_loop
from prewatt.wiring.bench.responder import BUS_DELAY_S, registers
from prewatt.wiring.files import allow_files

NAME = "BENCH-{:06d}"


class _Caller(asyncio.Protocol):
    def __init__(self, number: int, told: Counter[str], loop: asyncio.AbstractEventLoop) -> None:
        self._number = number
        self._told = told
        self._loop = loop
        self._decoder = RtuServerDecoder()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(NAME.format(self._number).encode())

    def data_received(self, data: bytes) -> None:
        for unit, request in self._decoder.receive(data):
            if isinstance(request, ReadRequest):
                reply = encode_rtu_reply(unit, ReadReply(function=request.function, data=registers(request)))
                self._loop.call_later(BUS_DELAY_S, self._transport.write, reply)

    def connection_lost(self, exc: Exception | None) -> None:
        self._told["hung_up"] += 1


async def _call(port: int, number: int, told: Counter[str]) -> None:
    loop = asyncio.get_running_loop()
    try:
        await loop.create_connection(lambda: _Caller(number, told, loop), "127.0.0.1", port)
        told["called"] += 1
    except OSError:
        told["refused"] += 1


async def _storm(port: int, count: int, per_s: int) -> None:
    loop = asyncio.get_running_loop()
    told: Counter[str] = Counter(called=0, refused=0, hung_up=0)
    await loop.run_in_executor(None, sys.stdin.readline)
    began = time.monotonic()
    calls = []
    for number in range(1, count + 1):
        await asyncio.sleep(max(0.0, began + number / per_s - time.monotonic()))
        calls.append(loop.create_task(_call(port, number, told)))
    await asyncio.gather(*calls)
    await loop.run_in_executor(None, sys.stdin.readline)
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    allow_files()
    with asyncio.Runner(loop_factory=event_loop) as runner:
        runner.run(_storm(*map(int, sys.argv[1:4])))
