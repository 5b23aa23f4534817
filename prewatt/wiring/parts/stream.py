"""The live stream: a raw ASGI application under granian, one worker, many quiet connections."""

from prewatt.wiring.config import Config
from prewatt.wiring.parts.ground import running_database, set_environment
from prewatt.wiring.processes import forked_die_with_server

# Without these granian silently serves some thousand streams only: each open stream counts as a running request.
BACKLOG = 4096
BACKPRESSURE = 16_384


def serve(config: Config) -> int:
    """Serve until a signal; the exit code."""
    set_environment(config, running_database(config), part="stream")
    from granian.constants import Interfaces
    from granian.log import LogLevels
    from granian.server import Server

    forked_die_with_server()
    server = Server(
        "prewatt.wiring.asgi:application",
        address=config.bind,
        port=config.stream_port,
        interface=Interfaces.ASGI,
        workers=1,
        backlog=BACKLOG,
        backpressure=BACKPRESSURE,
        websockets=False,
        log_level=LogLevels.warning,
        workers_kill_timeout=2,
    )
    server.serve()
    return 0
