"""Where blocking calls of the mailbox run."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

T = TypeVar("T")


class Thread(Protocol):
    """Runs a blocking call elsewhere. A virtual clock runs it in place instead."""

    async def __call__(self, function: Callable[[], T]) -> T: ...


class PoolThread:
    """One real thread."""

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    async def __call__(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, function)

    def end(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
