"""Times of use of Modbus meters: blocks of registers, of which two may have the same length."""

from collections.abc import Generator
from typing import Any

from prewatt.core.meters.drivers.exchange import Ask
from prewatt.core.meters.drivers.modbus_talk import Talk, rejection
from prewatt.core.meters.jobs import Outcome, Verdict
from prewatt.core.meters.schedule import ScheduleTable, block_words
from prewatt.core.wire.modbus import Function, ReadReply, ReadRequest


class RegisterWire:
    """`schedule_talk.Wire` over a conversation."""

    doubtful = True

    def __init__(self, talk: Talk, table: ScheduleTable) -> None:
        self._talk, self._table = talk, table

    def end(self, verdict: Verdict, code: str | None = None) -> Outcome:
        return self._talk.end(verdict, code)

    def fetch(self, address: int) -> Generator[Any, Any, bytes | Outcome]:
        words = block_words(self._table, address)
        function = Function(self._talk.profile.read_function)
        reply = yield Ask(ReadRequest(function=function, address=address, count=words))
        return reply.data[: words * 2] if isinstance(reply, ReadReply) else self._talk.unread(reply)

    def put(self, address: int, data: bytes) -> Generator[Any, Any, tuple[bool, str | None]]:
        reply = yield from self._talk.write(address, data)
        return reply is not None or self._talk.taken, rejection(reply)
