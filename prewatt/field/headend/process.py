"""A head-end as a whole process: the event loop and nothing else. Signals and settings belong to `wiring`."""

import asyncio
import importlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TextIO

from prewatt.core.meters import Profile
from prewatt.core.meters.mailbox import Mailbox
from prewatt.field.headend.advice import Adviser, no_adviser
from prewatt.field.headend.boards import Board
from prewatt.field.headend.headend import HeadEnd
from prewatt.field.headend.recorded import recorded
from prewatt.field.headend.transports import TRANSPORTS, Transport
from prewatt.field.recorder import Recorder


def event_loop() -> asyncio.AbstractEventLoop:
    """uvloop's where it is installed (half the CPU per poll), asyncio's own elsewhere."""
    try:
        uvloop = importlib.import_module("uvloop")
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


def main(
    mailbox: Mailbox,
    *,
    name: str,
    catalogue: Mapping[str, Profile],
    clock: Callable[[], datetime],
    lease_s: float = 10.0,
    started: Callable[[asyncio.AbstractEventLoop, asyncio.Event], None] | None = None,
    switchboard: Board | None = None,
    transports: Mapping[str, Transport] = TRANSPORTS,
    adviser: Adviser = no_adviser,
    record: TextIO | None = None,
) -> None:
    """Run a head-end until its stop event is set. What is said on the lines is written to `record`.

    `started(loop, stop)` is called once, inside the loop, before the first call of the mailbox: the place
    for `wiring` to install `loop.add_signal_handler(SIGTERM, stop.set)`.
    """

    async def run() -> None:
        stop = asyncio.Event()
        if started is not None:
            started(asyncio.get_running_loop(), stop)
        recorder = None if record is None else Recorder(record)

        def around(code: str, transport: Transport) -> Transport:
            return transport if recorder is None else recorded(transport, code, recorder, clock)

        headend = HeadEnd(
            mailbox, name=name, catalogue=catalogue, clock=clock, lease_s=lease_s, switchboard=switchboard,
            adviser=adviser, transports=transports, around=around,
        )  # fmt: skip
        await headend.run(stop)

    with asyncio.Runner(loop_factory=event_loop) as runner:
        runner.run(run())
