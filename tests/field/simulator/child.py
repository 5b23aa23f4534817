"""The simulator as a process of its own, for tests that kill it: python -m tests.field.simulator.child FILE DIR."""

import asyncio
import json
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path

from prewatt.field.simulator import Ready, run


def tell(ready: Ready) -> None:
    sys.stdout.write(json.dumps(asdict(ready)) + "\n")
    sys.stdout.flush()


async def main(site_file: Path, state_dir: Path) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await run(
        site_file, state_dir, "127.0.0.1", 0, now_ms=lambda: time.time_ns() // 1_000_000, stop=stop, ready=tell
    )


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
