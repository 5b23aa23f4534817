"""Frames of Acrel gateways over TCP: `1F 1F type length(4, high first) body` (jerryxiaosa/ems4j; one source).

There is no check sum: a header that cannot stand is skipped byte by byte, one that can is believed.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from prewatt.core.wire.errors import LocalProtocolError, RemoteProtocolError

HEAD: Final = b"\x1f\x1f"
HEADER: Final = 7
MAX_BODY: Final = 1024 * 1024  # bytes; reports of hundreds of meters stay far below
MAX_LOGIN: Final = 4096  # bytes a gateway may send before we know it


class Type(IntEnum):
    """What a frame is for."""

    LOGIN = 0x01
    HEARTBEAT = 0x02
    DATA = 0x03
    ZIPPED_DATA = 0x04
    COMMAND = 0xF1
    ANSWER = 0xF2


_TYPES: Final = {int(each): each for each in Type}


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """One frame, of either direction."""

    type: Type
    body: bytes = b""


def encode(frame: Frame) -> bytes:
    """Wire bytes; raises LocalProtocolError `length`."""
    if len(frame.body) > MAX_BODY:
        raise LocalProtocolError("length", f"{len(frame.body)} bytes, at most {MAX_BODY}")
    return HEAD + bytes((frame.type,)) + len(frame.body).to_bytes(4, "big") + frame.body


def decode(data: bytes) -> Frame:
    """Exactly one frame; raises RemoteProtocolError `start`, `type`, `length`."""
    if not data.startswith(HEAD):
        raise RemoteProtocolError("start", data[:16].hex())
    kind = _TYPES.get(data[2]) if len(data) > 2 else None
    if kind is None:
        raise RemoteProtocolError("type", data[:16].hex())
    size = int.from_bytes(data[3:HEADER], "big")
    if len(data) < HEADER or size > MAX_BODY or len(data) != HEADER + size:
        raise RemoteProtocolError("length", data[:16].hex())
    return Frame(type=kind, body=bytes(data[HEADER:]))


class Decoder:
    """Frames in a stream; bytes that no frame can start with are skipped and counted in `discarded`.

    `limit` bounds a body: MAX_LOGIN until the gateway has proved who it is, then set it to MAX_BODY.
    """

    def __init__(self, limit: int = MAX_LOGIN) -> None:
        self._buffer = bytearray()
        self.limit = limit
        self.discarded = 0

    def receive(self, data: bytes) -> list[Frame]:
        """Frames completed by these bytes, in order."""
        self._buffer += data
        buffer, found, at, taken = self._buffer, list[Frame](), 0, 0
        while at < len(buffer):
            size = self._size(at)
            if size == 0:
                break
            if size < 0:
                at = self._next(at + 1)
                continue
            found.append(Frame(type=_TYPES[buffer[at + 2]], body=bytes(buffer[at + HEADER : at + size])))
            at += size
            taken += size
        self.discarded += at - taken
        del buffer[:at]
        return found

    def idle(self) -> None:
        """The link was silent in the middle of a frame: what is not complete never will be."""
        self.discarded += len(self._buffer)
        self._buffer.clear()

    def _next(self, at: int) -> int:
        """Where a frame may start next."""
        found = self._buffer.find(HEAD[:1], at)
        return len(self._buffer) if found < 0 else found

    def _size(self, at: int) -> int:
        """Size of the frame that starts at `at`, 0 while it is not complete, -1 where none can start."""
        head = self._buffer[at : at + HEADER]
        if not HEAD.startswith(head[:2]) or (len(head) > 2 and head[2] not in _TYPES):
            return -1
        if len(head) < HEADER:
            return 0
        size = HEADER + int.from_bytes(head[3:], "big")
        if size > HEADER + self.limit:
            return -1
        return size if len(self._buffer) - at >= size else 0
