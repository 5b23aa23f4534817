"""Loading the demo site into an empty database."""

from datetime import UTC, datetime
from typing import TextIO

from prewatt.core.refusals import CHINESE
from prewatt.wiring.config import Config
from prewatt.wiring.embedded.place import make_home
from prewatt.wiring.parts.ground import set_up_django, some_database
from prewatt.wiring.refusals import language


def run(config: Config, *, out: TextIO) -> int:
    """Load it unless a company exists already; the exit code."""
    make_home(config.home)
    with some_database(config) as dsn:
        set_up_django(config, dsn, part="demo")
        from prewatt.wiring.demo import load

        loaded = load(
            config.home, at=datetime.now(UTC), taken={config.port, config.stream_port, config.sim_port},
            dial_in=config.dial_in_port,
        )
    if not loaded:
        zh = language() == CHINESE
        out.write("已有公司数据，未装载演示站点\n" if zh else "there is a company already; nothing was loaded\n")
    return 0
