"""Asking the security provider: in a thread of its own, and never for longer than a line can wait."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from prewatt.core.meters.security import Answer, Declined, Question, SecurityProvider, consult
from prewatt.field.headend.threads import PoolThread, Thread

ADVICE_S: Final = 5.0  # one bus stands still meanwhile; a module in the house answers within a tenth of a second

log = logging.getLogger("prewatt.headend")

Adviser = Callable[[Question], Awaitable[Answer]]
"""Asks the security provider without holding up the loop; comes back within a few seconds, whatever it does."""


async def no_adviser(question: Question) -> Answer:
    """There is no security provider."""
    return Declined(code="security_provider_missing")


class Advice:
    """An `Adviser` over one provider. `thread`: where its calls block; by default one of their own."""

    def __init__(self, provider: SecurityProvider, *, thread: Thread | None = None) -> None:
        self._provider = provider
        self._thread: Thread = thread or PoolThread("security")
        self._told = False
        if provider.simulated:
            log.info("security_provider_simulated provider=%s: no real meter takes its check codes", provider.name)

    async def __call__(self, question: Question) -> Answer:
        try:
            answer = await asyncio.wait_for(self._thread(lambda: consult(self._provider, question)), ADVICE_S)
        except (TimeoutError, OSError) as fault:  # the job is tried again
            if not self._told:
                self._told = True
                log.warning("security_provider_away provider=%s error=%s", self._provider.name, type(fault).__name__)
            return Declined(code="security_provider_away")
        self._told = False
        return answer
