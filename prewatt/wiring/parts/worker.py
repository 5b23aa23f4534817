"""The worker: runs deferred jobs and the periodic sweeps that find rows whose job was lost."""

import asyncio

from prewatt.wiring.config import Config
from prewatt.wiring.parts.ground import running_database, set_up_django
from prewatt.wiring.parts.pulse import Pulse

CONCURRENCY = 4
POLL_S = 2.0  # for jobs whose notification was lost
SHUT_DOWN_S = 4.0  # a running job is short; one that is cut runs again, and looks at its row first
STALLED_AFTER_S = 10.0


def serve(config: Config) -> int:
    """Work until a signal; the exit code."""
    dsn = running_database(config)
    set_up_django(config, dsn, part="worker")
    asyncio.run(_work(dsn))
    return 0


async def _work(dsn: str) -> None:
    from procrastinate.contrib.django import app

    worker_app = app.with_connector(app.connector.get_worker_connector())  # type: ignore[attr-defined]
    async with Pulse(dsn, part="worker").beating(), worker_app.open_async():
        await worker_app.run_worker_async(
            concurrency=CONCURRENCY,
            fetch_job_polling_interval=POLL_S,
            shutdown_graceful_timeout=SHUT_DOWN_S,
            stalled_worker_timeout=STALLED_AFTER_S,
            delete_jobs="successful",
            install_signal_handlers=True,
        )
