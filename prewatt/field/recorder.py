"""What is said on the lines of a site, with times, as JSON lines: written while it is played or read, and replayed
later.

    {"format": "prewatt-record-1"}
    {"line": "1", "transport": "rtu-over-tcp", "host": "127.0.0.1", "port": 15021, "baud": 9600}
    {"line": "1", "at": 1772424000000, "to": "meter", "hex": "010300000001840A"}
    {"line": "1", "at": 1772424000062, "to": "office", "hex": "0103020001..."}

`at` is in ms since 1970 UTC and never runs backward on a line. Bytes are those of the bus: of Modbus TCP with its
header, of whoever dials in without the texts and frames around them. A line that dialled in is played by one that
listens.
"""

import json
import logging
from typing import Final, TextIO

FORMAT: Final = "prewatt-record-1"
RECORD_LIMIT_BYTES: Final = 1024 * 1024 * 1024  # writing ends there: some ten days of a busy line
FRAME_LIMIT: Final = 2048  # bytes of one frame

_log = logging.getLogger(__name__)


class Recorder:
    """Writes to `stream`. A write that fails ends the recording and nothing else: the log says so."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._written = 0
        self._lines: set[str] = set()
        self._last_ms: dict[str, int] = {}
        self._put({"format": FORMAT})

    def line(self, line_id: str, *, transport: str, host: str, port: int, baud: int) -> None:
        """Before the first frame of a line; said again it changes nothing."""
        if line_id not in self._lines and self._written <= RECORD_LIMIT_BYTES:
            self._lines.add(line_id)
            self._put({"line": line_id, "transport": transport, "host": host, "port": port, "baud": baud})

    def said(self, line_id: str, at_ms: int, data: bytes, *, by_office: bool) -> None:
        """Bytes on the bus of a line; beyond RECORD_LIMIT_BYTES nothing is written any more, and the log says so."""
        if self._written > RECORD_LIMIT_BYTES:
            return
        self._last_ms[line_id] = at_ms = max(at_ms, self._last_ms.get(line_id, 0))  # a wall clock may be set back
        for start in range(0, len(data), FRAME_LIMIT):
            piece = data[start : start + FRAME_LIMIT]
            to = "meter" if by_office else "office"
            self._put({"line": line_id, "at": at_ms, "to": to, "hex": piece.hex().upper()})
        if self._written > RECORD_LIMIT_BYTES:
            _log.warning("the recording is full: nothing more is written")

    def _put(self, value: dict[str, object]) -> None:
        text = json.dumps(value, separators=(",", ":")) + "\n"
        self._written += len(text)
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError as error:
            _log.warning("the recording cannot be written any more: %s", error.strerror or error)
            self._written = RECORD_LIMIT_BYTES + 1
