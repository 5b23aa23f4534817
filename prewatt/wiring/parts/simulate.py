"""The simulated site as a process: demo and tests only, on loopback, without any sight of our database."""

import asyncio
import logging
import signal
import time

from prewatt.field.simulator import PortTaken, Ready, SiteError, StoreDamaged, run
from prewatt.wiring.config import Config
from prewatt.wiring.home import SIMULATOR_NAME, SITE_NAME
from prewatt.wiring.refusals import StartRefused

logger = logging.getLogger(__name__)

HOST = "127.0.0.1"  # its controls ask nobody for a password


def serve(config: Config) -> int:
    """Play until a signal; the exit code. Raises `demo_switched_off`, `site_unusable`, `port_taken`."""
    if not config.demo:
        raise StartRefused("demo_switched_off")
    try:
        asyncio.run(_play(config))
    except FileNotFoundError as error:
        raise StartRefused("site_unusable", path=config.home / SITE_NAME, detail="run prewatt demo") from error
    except (SiteError, StoreDamaged) as error:
        raise StartRefused("site_unusable", path=config.home / SITE_NAME, detail=error) from error
    except PortTaken as error:
        raise StartRefused(
            "port_taken", address=f"{HOST}:{error.port}", part="simulate", setting="PREWATT_SIM_PORT"
        ) from error
    return 0


async def _play(config: Config) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, stop.set)
    await run(
        config.home / SITE_NAME,
        config.home / SIMULATOR_NAME,
        HOST,
        config.sim_port,
        now_ms=lambda: time.time_ns() // 1_000_000,
        stop=stop,
        ready=_say_ready,
    )


def _say_ready(ready: Ready) -> None:
    logger.info("the simulated site plays: page on port %d, %d lines", ready.http_port, len(ready.line_ports))
