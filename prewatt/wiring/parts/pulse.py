"""The sign of life of a process: a row that is written every second over a connection of its own."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

import psycopg

from prewatt.office.metering import heartbeats

logger = logging.getLogger(__name__)

BEAT_S = 1.0
_CONNECT_TIMEOUT_S = 2
_STATEMENT_TIMEOUT_MS = 2000


class Pulse:
    """Beats for one part. A database that is away is no reason to end: said once, tried again each second."""

    def __init__(self, dsn: str, *, part: str) -> None:
        self._dsn = dsn
        self._part = part
        self._connection: psycopg.Connection[tuple[object, ...]] | None = None
        self._failing = False

    def beat(self) -> None:
        """One beat; connects when need be. Blocks for a few seconds at most."""
        try:
            if self._connection is None:
                self._connection = psycopg.connect(
                    self._dsn,
                    autocommit=True,
                    connect_timeout=_CONNECT_TIMEOUT_S,
                    application_name=f"prewatt-{self._part}",
                    options=f"-c statement_timeout={_STATEMENT_TIMEOUT_MS}",
                )
            heartbeats.beat(self._connection, part=self._part)
        except psycopg.Error as error:
            self.close()
            if not self._failing:  # one line when it begins, one when it ends
                logger.warning("no sign of life can be given: %s", type(error).__name__)
            self._failing = True
        else:
            if self._failing:
                logger.warning("signs of life are given again")
            self._failing = False

    def leave(self) -> None:
        """A clean end: nobody shall wait for the next beat."""
        if self._connection is not None:
            with contextlib.suppress(psycopg.Error):
                heartbeats.forget(self._connection, part=self._part)
        self.close()

    def close(self) -> None:
        """Give the connection up."""
        if self._connection is not None:
            with contextlib.suppress(psycopg.Error):
                self._connection.close()
            self._connection = None

    async def _beat_on(self) -> None:
        while True:
            await asyncio.to_thread(self.beat)
            await asyncio.sleep(BEAT_S)

    @contextlib.asynccontextmanager
    async def beating(self) -> AsyncIterator[None]:
        """Beat from this event loop while the block lasts: a loop that hangs stops its pulse, as it should."""
        task = asyncio.get_running_loop().create_task(self._beat_on())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await asyncio.to_thread(self.leave)
