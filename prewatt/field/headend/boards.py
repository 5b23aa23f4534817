"""Where those are looked after who come to us by themselves: what the head-end asks of such a place, and several as
one."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from prewatt.core.meters.mailbox import Call, Known
from prewatt.field.headend.transports import Transport


class Board(Protocol):
    """A place where gateways come to: a port they dial in to, or a broker they are heard at."""

    @property
    def transports(self) -> Mapping[str, Transport]: ...

    @property
    def held(self) -> list[int]:
        """The gateways that are here."""

    @property
    def broker_fault(self) -> str:
        """Why the MQTT broker that they are heard at is not reached; "" where it is, or there is none."""

    @property
    def waiting(self) -> bool:
        """Is there somebody to ask the office about?"""

    def to_ask(self) -> list[Call]: ...

    def answered(self, known: Sequence[Known]) -> bool: ...

    async def stay_open(self, wake: Callable[[], None], gained: Callable[[], None]) -> None: ...

    def close(self) -> None: ...


class Boards:
    """Several as one. Each hears the answers to its own questions and passes over the others'."""

    def __init__(self, *boards: Board) -> None:
        self._boards = boards

    @property
    def transports(self) -> Mapping[str, Transport]:
        return {code: each for board in self._boards for code, each in board.transports.items()}

    @property
    def held(self) -> list[int]:
        return [gateway_id for board in self._boards for gateway_id in board.held]

    @property
    def broker_fault(self) -> str:
        return next((board.broker_fault for board in self._boards if board.broker_fault), "")

    @property
    def waiting(self) -> bool:
        return any(board.waiting for board in self._boards)

    def to_ask(self) -> list[Call]:
        return [call for board in self._boards for call in board.to_ask()]

    def answered(self, known: Sequence[Known]) -> bool:
        gained = [board.answered(known) for board in self._boards]  # each is to hear, also after one that gained
        return any(gained)

    async def stay_open(self, wake: Callable[[], None], gained: Callable[[], None]) -> None:
        async with asyncio.TaskGroup() as group:
            for board in self._boards:
                group.create_task(board.stay_open(wake, gained))

    def close(self) -> None:
        for board in self._boards:
            board.close()
