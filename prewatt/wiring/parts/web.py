"""Pages and API: Django as WSGI under granian (under ASGI it was measured two to five times slower)."""

import os

from prewatt.wiring import production
from prewatt.wiring.config import Config
from prewatt.wiring.parts.ground import running_database, set_environment
from prewatt.wiring.processes import forked_die_with_server

WORKERS_MOST = 2  # the database is the limit sooner; each worker costs some 90 MiB
THREADS = 8  # per worker; each holds one database connection
BACKLOG = 1024


def serve(config: Config) -> int:
    """Serve until a signal; the exit code."""
    production.check_settings(config)
    set_environment(config, running_database(config))
    from granian.constants import Interfaces
    from granian.log import LogLevels
    from granian.server import Server

    # Loaded once before the workers are forked: they share it, and the start costs half the processor time.
    from prewatt.wiring import wsgi

    assert wsgi.application is not None
    forked_die_with_server()
    server = Server(
        "prewatt.wiring.wsgi:application",
        address=config.bind,
        port=config.port,
        interface=Interfaces.WSGI,
        workers=min(WORKERS_MOST, os.cpu_count() or 1),
        blocking_threads=THREADS,
        backlog=BACKLOG,
        websockets=False,
        log_level=LogLevels.warning,
        workers_kill_timeout=2,
    )
    server.serve()
    return 0
