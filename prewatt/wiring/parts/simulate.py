"""Simulated sites: that of the demo, any other by its file, or a recorded one. On loopback unless the file says
otherwise, and without any sight of our database."""

import argparse
import asyncio
import logging
import signal
import sys
import time
from pathlib import Path
from typing import TextIO

from prewatt.field.simulator import PortTaken, Ready, SiteError, StoreDamaged, replay, run
from prewatt.wiring.config import Config
from prewatt.wiring.home import SIMULATOR_NAME, SITE_NAME
from prewatt.wiring.recording import recording
from prewatt.wiring.refusals import StartRefused

logger = logging.getLogger(__name__)

HOST = "127.0.0.1"  # its controls ask nobody for a password
MEMORY_SUFFIX = ".memory"  # beside the site file: what its meters remember


def serve(config: Config, given: argparse.Namespace) -> int:
    """Play until a signal; the exit code. Raises `usage`, `demo_switched_off`, `site_unusable`, `record_unusable`,
    `port_taken`."""
    if given.replay is not None and (given.site is not None or given.record is not None):
        raise StartRefused("usage", detail="--replay FILE stands alone")
    named: Path | None = given.replay or given.site
    if named is None and not config.demo:
        raise StartRefused("demo_switched_off")
    path = named or config.home / SITE_NAME
    try:
        with recording(given.record) as record:
            asyncio.run(_play(config, given, path, record))
    except FileNotFoundError as error:
        raise StartRefused("site_unusable", path=path, detail="run prewatt demo") from error
    except (SiteError, StoreDamaged, OSError) as error:
        raise StartRefused("site_unusable", path=path, detail=error) from error
    except PortTaken as error:
        raise StartRefused(
            "port_taken", address=str(error).partition(": ")[0], part="simulate", setting="PREWATT_SIM_PORT"
        ) from error
    return 0


async def _play(config: Config, given: argparse.Namespace, path: Path, record: TextIO | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, stop.set)
    if given.replay is not None:
        return await replay(path, now_ms=_now_ms, stop=stop, ready=_tell)
    demo = given.site is None
    memory = config.home / SIMULATOR_NAME if demo else given.memory or path.with_name(path.name + MEMORY_SUFFIX)
    port = config.sim_port if given.page_port is None else given.page_port
    await run(path, memory, HOST, port, now_ms=_now_ms, stop=stop, ready=_say_ready if demo else _tell, record=record)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _say_ready(ready: Ready) -> None:
    logger.info("the simulated site plays: page on port %d, %d lines", ready.http_port, len(ready.line_ports))


def _tell(ready: Ready) -> None:
    """Where everything is, on stdout: ports that the file left open are known now."""
    if ready.http_port:
        sys.stdout.write(f"page http://{HOST}:{ready.http_port}/\n")
    for line_id, places in ready.places.items():
        for place in places:
            sys.stdout.write(f"line {line_id} {place}\n")
    sys.stdout.write("ready\n")
    sys.stdout.flush()
