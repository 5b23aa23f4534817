"""Times of use of DL/T 645 meters: each identifier is read whole and written whole."""

from collections.abc import Generator
from typing import Any

from prewatt.core.meters.drivers.dlt645_talk import Talk, refusal_code
from prewatt.core.meters.drivers.exchange import Asking
from prewatt.core.meters.jobs import Outcome, Verdict
from prewatt.core.wire.dlt645 import write


class DataWire:
    """`schedule_talk.Wire` over a conversation. A reply names its identifier, so one look is enough."""

    doubtful = False

    def __init__(self, talk: Talk) -> None:
        self._talk = talk

    def end(self, verdict: Verdict, code: str | None = None) -> Outcome:
        return self._talk.end(verdict, code)

    def fetch(self, address: int) -> Generator[Any, Any, bytes | Outcome]:
        return self._talk.item(address)

    def put(self, address: int, data: bytes) -> Generator[Any, Any, tuple[bool, str | None]]:
        self._talk.sent = True
        reply = yield Asking(write(self._talk.address, address, data, self._talk.access), write=True)
        return reply is not None, refusal_code(reply) if reply is not None and reply.refused else None
