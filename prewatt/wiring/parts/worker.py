"""The worker: runs deferred jobs and the periodic sweeps that find rows whose job was lost."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from procrastinate.exceptions import ConnectorException
from procrastinate.manager import JobManager

from prewatt.wiring.config import Config
from prewatt.wiring.parts.ground import running_database, set_up_django
from prewatt.wiring.parts.pulse import Pulse

logger = logging.getLogger(__name__)

CONCURRENCY = 4
POLL_S = 2.0  # for jobs whose notification was lost
SHUT_DOWN_S = 4.0  # a running job is short; one that is cut runs again, and looks at its row first
STALLED_AFTER_S = 10.0
KEEP_ENDED_H = 30 * 24  # a job that failed for good is in the log, too; its row is for whoever looks this month
TIDY_EVERY_S = 24 * 3600.0


def serve(config: Config) -> int:
    """Work until a signal; the exit code."""
    dsn = running_database(config)
    set_up_django(config, dsn, part="worker")
    asyncio.run(_work(dsn))
    return 0


async def _work(dsn: str) -> None:
    from procrastinate.contrib.django import app

    worker_app = app.with_connector(app.connector.get_worker_connector())  # type: ignore[attr-defined]
    async with Pulse(dsn, part="worker").beating(), worker_app.open_async(), _tidying(worker_app.job_manager):
        await worker_app.run_worker_async(
            concurrency=CONCURRENCY,
            fetch_job_polling_interval=POLL_S,
            shutdown_graceful_timeout=SHUT_DOWN_S,
            stalled_worker_timeout=STALLED_AFTER_S,
            delete_jobs="successful",
            install_signal_handlers=True,
        )


@contextlib.asynccontextmanager
async def _tidying(jobs: JobManager) -> AsyncIterator[None]:
    """Delete the rows of jobs that ended long ago, once a day while the block lasts."""

    async def tidy() -> None:
        while True:
            try:
                await jobs.delete_old_jobs(
                    KEEP_ENDED_H, include_failed=True, include_cancelled=True, include_aborted=True
                )
            except ConnectorException as error:  # the database is away: tomorrow is soon enough
                logger.warning("old jobs could not be deleted: %s", type(error).__name__)
            await asyncio.sleep(TIDY_EVERY_S)

    task = asyncio.get_running_loop().create_task(tidy())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
