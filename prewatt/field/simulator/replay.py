"""A recorded line that answers as it did: the n-th time a request comes, what came the n-th time, as late as then.

Asked more often than it was recorded it says the last again; asked what was never recorded it is silent, as a bus
without that meter is, and the log says once what was asked. No socket and no clock: the face is that of
`line.SimulatedLine`.
"""

import heapq
import logging
from collections.abc import Sequence
from typing import Final

from prewatt.field.simulator.faults import NO_FAULTS
from prewatt.field.simulator.line import SILENCE_MS, Output
from prewatt.field.simulator.recording import Exchange, RecordedLine

TRANSACTION_BYTES: Final = 2  # in front of a frame of Modbus TCP, other each time
UNKNOWN_TOLD: Final = 100

_log = logging.getLogger(__name__)


class ReplayedLine:
    """One line of a recording."""

    def __init__(self, line: RecordedLine) -> None:
        self.site, self.faults = line.site, NO_FAULTS
        self._skip = TRANSACTION_BYTES if line.site.numbered else 0
        self._answers: dict[bytes, list[Sequence[tuple[int, bytes]]]] = {}
        for exchange in line.exchanges:
            self._learn(exchange)
        self._lengths = sorted({len(each) for each in self._answers}, reverse=True)
        self._times: dict[bytes, int] = {}
        self._heard: dict[int, tuple[int, bytearray]] = {}
        self._due: list[tuple[int, int, int, bytes]] = []
        self._sequence = 0
        self._unknown: set[bytes] = set()
        self.requests = 0  # that were answered as recorded

    def _learn(self, exchange: Exchange) -> None:
        """The transaction number of an answer is that of whoever asks now; one of another request is not taken."""
        number = exchange.request[: self._skip]
        answers = [(delay, data[self._skip :]) for delay, data in exchange.answers if data[: self._skip] == number]
        self._answers.setdefault(exchange.request[self._skip :], []).append(answers)

    def connect(self, connection: int) -> None:
        """A client has connected."""
        self._heard[connection] = (0, bytearray())

    def disconnect(self, connection: int) -> None:
        """A client is gone, and hears nothing more."""
        self._heard.pop(connection, None)
        self._due = [each for each in self._due if each[2] != connection]
        heapq.heapify(self._due)

    def cut(self) -> None:
        """Everybody is gone."""
        self._heard.clear()
        self._due.clear()

    def receive(self, connection: int, data: bytes, now_ms: int) -> None:
        """Bytes from a client."""
        heard_ms, buffer = self._heard[connection]
        if now_ms - heard_ms > SILENCE_MS:
            buffer.clear()
        buffer += data
        self._heard[connection] = (now_ms, buffer)
        while buffer:
            request = self._known(buffer)
            if request is None:
                if not self._may_become(buffer):
                    self._say_unknown(bytes(buffer))
                    buffer.clear()
                return
            number = bytes(buffer[: self._skip])
            del buffer[: self._skip + len(request)]
            self._answer(connection, request, number, now_ms)

    def _known(self, buffer: bytearray) -> bytes | None:
        """The longest recorded request that stands at the beginning."""
        body = bytes(buffer[self._skip :])
        return next((body[:size] for size in self._lengths if body[:size] in self._answers and len(body) >= size), None)

    def _may_become(self, buffer: bytearray) -> bool:
        body = bytes(buffer[self._skip :])
        return any(each.startswith(body) for each in self._answers)

    def _answer(self, connection: int, request: bytes, number: bytes, now_ms: int) -> None:
        self.requests += 1
        kept = self._answers[request]
        time = self._times.get(request, 0)
        self._times[request] = time + 1
        for delay_ms, data in kept[min(time, len(kept) - 1)]:
            self._sequence += 1
            heapq.heappush(self._due, (now_ms + delay_ms, self._sequence, connection, number + data))

    def _say_unknown(self, request: bytes) -> None:
        shown = request[self._skip :]
        if shown not in self._unknown and len(self._unknown) < UNKNOWN_TOLD:
            self._unknown.add(shown)
            _log.info("line %s: never recorded: %s", self.site.id, shown.hex().upper())

    def next_due_ms(self) -> int | None:
        """When `advance` has something to do."""
        return self._due[0][0] if self._due else None

    def advance(self, now_ms: int) -> list[Output]:
        """Everything that was due up to now."""
        outputs = []
        while self._due and self._due[0][0] <= now_ms:
            _, _, connection, data = heapq.heappop(self._due)
            outputs.append(Output(connection=connection, data=data))
        return outputs
