"""Frames of Acrel 4G meters that dial in: `7B 7B command payload CRC 7D 7D`.

The CRC (Modbus polynomial, low byte first) covers command and payload. There is no length, and 7D 7D is an
ordinary value (a balance of 321.25), so the frame ends at the first end mark where the CRC fits, not at
the first end mark. Sources: jerryxiaosa/ems4j, ricnsmart/acrel-modbus.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from prewatt.core.wire.checks import crc16_modbus
from prewatt.core.wire.errors import LocalProtocolError, RemoteProtocolError

START: Final = b"\x7b\x7b"
STOP: Final = b"\x7d\x7d"
OVERHEAD: Final = 7  # start 2, command, CRC 2, end 2
MAX_PAYLOAD: Final = 1024  # bytes; the longest known (8 rates, with serial) has 190
MAX_FRAME: Final = OVERHEAD + MAX_PAYLOAD
MAX_OPEN: Final = 16  # starts without an end that are followed at once
NO_COMMAND: Final = frozenset({0x00, 0x7B, 0x7D})  # a brace after the start mark belongs to the mark


class Command(IntEnum):
    """Commands we use; others (31, 82, 88, 89, 97 have been seen) travel too."""

    REGISTER = 0x84
    TRANSPARENT = 0x90
    DATA = 0x91
    TIME = 0x93
    HEARTBEAT = 0x94


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """One frame, of either direction."""

    command: int
    payload: bytes = b""


def encode(frame: Frame) -> bytes:
    """Wire bytes; raises LocalProtocolError `command`, `length`, or `ambiguous` (a receiver would end it early)."""
    if not 0 <= frame.command <= 0xFF or frame.command in NO_COMMAND:
        raise LocalProtocolError("command", f"{frame.command}")
    if len(frame.payload) > MAX_PAYLOAD:
        raise LocalProtocolError("length", f"{len(frame.payload)} bytes, at most {MAX_PAYLOAD}")
    body = bytes((frame.command,)) + frame.payload
    data = START + body + crc16_modbus(body).to_bytes(2, "little") + STOP
    if _end(data, 0) != len(data):
        raise LocalProtocolError("ambiguous", "a part of the frame is a frame by itself")
    return data


def decode(data: bytes) -> Frame:
    """Exactly one frame; raises RemoteProtocolError `length`, `start`, `end_mark`, `checksum`."""
    if not OVERHEAD <= len(data) <= MAX_FRAME:
        raise RemoteProtocolError("length", data[:16].hex())
    if not data.startswith(START) or data[2] in NO_COMMAND:
        raise RemoteProtocolError("start", data[:16].hex())
    if not data.endswith(STOP):
        raise RemoteProtocolError("end_mark", data[:16].hex())
    if crc16_modbus(data[2:-2]) != 0:
        raise RemoteProtocolError("checksum", data[:16].hex())
    return Frame(command=data[2], payload=bytes(data[3:-4]))


def _end(data: bytes | bytearray, start: int) -> int:
    """Behind the first end mark where the CRC fits, 0 for none; `start` is where the start mark stands."""
    at, checked, crc = start + OVERHEAD - 2, start + 2, 0xFFFF
    while (at := data.find(STOP, at, start + MAX_FRAME)) >= 0:
        crc, checked = crc16_modbus(data[checked:at], crc), at
        if crc == 0:
            return at + 2
        at += 1
    return 0


def scan(data: bytes) -> tuple[list[Frame], int, str | None]:
    """Frames in bytes that are all there, the bytes of none, and `fault` as the decoder's.

    Unlike in a stream, nothing is yet to come: a frame round another one is found, because it begins earlier.
    """
    found, at, kept, opened = list[Frame](), 0, 0, -1
    while (start := data.find(START, at)) >= 0:
        at = start + 1
        if start + 2 == len(data) or data[start + 2] in NO_COMMAND:
            continue
        opened = start if opened < 0 else opened
        if end := _end(data, start):
            found.append(Frame(command=data[start + 2], payload=data[start + 3 : end - 4]))
            at, kept = end, kept + end - start
    marks = opened >= 0 and data.find(STOP, opened + OVERHEAD - 2) >= 0
    return found, len(data) - kept, None if opened < 0 else "checksum" if marks else "incomplete"


@dataclass(slots=True)
class _Open:
    """A start mark without its end: the CRC of what was seen behind it."""

    start: int
    checked: int  # offset up to which `crc` reaches
    crc: int = 0xFFFF


class Decoder:
    """Finds frames in a stream; what is none (texts of serial servers, noise) is counted in `discarded`.

    The earliest frame that is whole is taken. Of starts that have no end yet the latest MAX_OPEN are
    followed, each for MAX_FRAME bytes and with a running CRC, so a flood of marks costs little. `fault` is
    why the last start led to nothing (`checksum`, `incomplete`).
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._open: list[_Open] = []
        self._seen = 0  # marks before this offset have been tried
        self.discarded = 0
        self.fault: str | None = None

    def receive(self, data: bytes) -> list[Frame]:
        """Frames completed by these bytes, in order."""
        self._buffer += data
        buffer, found, taken, at = self._buffer, list[Frame](), 0, self._seen
        while (at := self._next_mark(at)) >= 0:
            if buffer[at] == START[0]:
                if at + 2 == len(buffer):
                    break  # whether it is a start, the next byte says
                if buffer[at + 2] not in NO_COMMAND:
                    self._open = [*self._open[1 - MAX_OPEN :], _Open(start=at, checked=at + 2)]
            elif (start := self._ended(at)) >= 0:
                found.append(Frame(command=buffer[start + 2], payload=bytes(buffer[start + 3 : at - 2])))
                self.discarded += start - taken
                taken = at + 2
                self._open = []
                at += 1
            at += 1
        self._keep(taken, at)
        return found

    def idle(self) -> list[Frame]:
        """The line was silent: what is not complete never will be. The list is empty, for the form's sake."""
        if self._open:
            marks = self._buffer.find(STOP, self._open[0].start + OVERHEAD - 2) >= 0
            self.fault = "checksum" if marks else "incomplete"
        self.discarded += len(self._buffer)
        self._buffer.clear()
        self._open, self._seen = [], 0
        return []

    def _next_mark(self, at: int) -> int:
        """Where the next start or, when one is awaited, end mark stands; -1 for none."""
        start = self._buffer.find(START, at)
        stop = self._buffer.find(STOP, at, None if start < 0 else start + 1) if self._open else -1
        return start if stop < 0 else stop

    def _ended(self, at: int) -> int:
        """The start of the frame that ends with the mark at `at`, -1 for none."""
        for each in self._open:
            each.crc = crc16_modbus(self._buffer[each.checked : at], each.crc)
            each.checked = max(each.checked, at)
            if each.crc == 0 and OVERHEAD - 2 <= at - each.start <= MAX_FRAME - 2:
                return each.start
        return -1

    def _keep(self, taken: int, at: int) -> None:
        """Drop what no frame can need any more."""
        buffer = self._buffer
        seen = at if at >= 0 else max(taken, len(buffer) - 1)  # a mark may lie across the border
        self._open = [each for each in self._open if len(buffer) - each.start < MAX_FRAME]
        keep = self._open[0].start if self._open else seen
        self.discarded += keep - taken
        del buffer[:keep]
        for each in self._open:
            each.start -= keep
            each.checked -= keep
        self._seen = seen - keep
