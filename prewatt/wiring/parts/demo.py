"""Loading the demo site into an empty database, once."""

from datetime import UTC, datetime
from typing import TextIO

from prewatt.wiring import database
from prewatt.wiring.config import Config
from prewatt.wiring.parts.ground import set_up_django, some_database
from prewatt.wiring.refusals import StartRefused


def run(config: Config, *, out: TextIO) -> int:
    """Load it unless a company exists; the exit code. Raises `demo_switched_off`."""
    if not config.demo:
        raise StartRefused("demo_switched_off")
    with some_database(config) as dsn:
        database.check(dsn)
        set_up_django(config, dsn)
        from prewatt.wiring.demo import load

        loaded = load(config.home, at=datetime.now(UTC).replace(microsecond=0))
        out.write("demo loaded\n" if loaded else "a company exists: nothing was loaded\n")
    return 0
