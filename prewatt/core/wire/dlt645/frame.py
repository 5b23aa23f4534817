"""DL/T 645-2007 frames: bytes in, frames out (DL/T 645-2007 section 5; 2013 filing).

`[FE ...] 68 A0..A5 68 C L DATA CS 16`: the address goes out lowest pair first, every byte of DATA with
33h added, CS is the sum from the first 68 on. The length byte decides where a frame ends; 68 and 16 may
stand anywhere inside.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from prewatt.core.wire.errors import LocalProtocolError, RemoteProtocolError

WAKE_UP: Final = 0xFE
MARK: Final = 0x68
END: Final = 0x16
OFFSET: Final = 0x33
OVERHEAD: Final = 12  # two marks, address, control, length, sum, end
MAX_DATA: Final = 255  # bytes the length byte can say; the standard stops at 200 (reads) and 50 (writes), meters do not
MAX_FRAME: Final = OVERHEAD + MAX_DATA
SENT_WAKE_UP: Final = 4
MAX_WAKE_UP: Final = 64  # more FE than this before a frame are noise
MAX_OLD: Final = 16  # frames of the 1997 edition kept for a look
REPLY: Final = 0x80
REFUSED: Final = 0x40
FOLLOWING: Final = 0x20
FUNCTION: Final = 0x1F

_ADD: Final = bytes((value + OFFSET) & 0xFF for value in range(256))
_TAKE_OFF: Final = bytes((value - OFFSET) & 0xFF for value in range(256))


class Function(IntEnum):
    """The lower five bits of the control byte (7.1 to 7.11 and the filing of 2013)."""

    COST_CONTROL = 0x03
    BROADCAST_TIME = 0x08
    READ = 0x11
    READ_FOLLOWING = 0x12
    READ_ADDRESS = 0x13
    WRITE = 0x14
    WRITE_ADDRESS = 0x15
    FREEZE = 0x16
    CHANGE_BAUD = 0x17
    CHANGE_PASSWORD = 0x18
    CLEAR_DEMAND = 0x19
    CLEAR_METER = 0x1A
    CLEAR_EVENTS = 0x1B
    CONTROL = 0x1C
    MULTI_OUTPUT = 0x1D


# DL/T 645-1997: read, read following, write, write address, change baud, change password, clear demand.
# Its 03 (read again) and 08 (broadcast time) are codes of 2007 too.
OLD_FUNCTIONS: Final = frozenset({0x01, 0x02, 0x04, 0x0A, 0x0C, 0x0F, 0x10})
_REPLIES_WITH_DI: Final = frozenset({Function.COST_CONTROL, Function.READ, Function.READ_FOLLOWING})
_REQUESTS_WITH_DI: Final = _REPLIES_WITH_DI | {Function.WRITE, Function.CHANGE_PASSWORD}
_CLEAR_EVENTS_SIZE: Final = 12  # password 4, operator 4, identifier 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """One frame. `address`: 12 digits as printed (A for wildcard pairs); `data` without the 33h, in wire order."""

    address: str
    control: int
    data: bytes = b""

    @property
    def function(self) -> int:
        """The lower five bits of the control byte, see `Function`; others travel too."""
        return self.control & FUNCTION

    @property
    def reply(self) -> bool:
        """From the meter."""
        return bool(self.control & REPLY)

    @property
    def refused(self) -> bool:
        """The meter says no."""
        return bool(self.control & REFUSED)

    @property
    def following(self) -> bool:
        """More frames of the same answer can be asked for with function 12."""
        return bool(self.control & FOLLOWING)

    @property
    def di(self) -> int | None:
        """The data identifier, None where this kind of frame carries none."""
        function, data = self.control & FUNCTION, self.data
        if self.control & REFUSED or len(data) < 4:
            return None
        if function in (_REPLIES_WITH_DI if self.control & REPLY else _REQUESTS_WITH_DI):
            return int.from_bytes(data[:4], "little")
        if function == Function.CLEAR_EVENTS and not self.reply and len(data) == _CLEAR_EVENTS_SIZE:
            return int.from_bytes(data[8:], "little")
        return None


def show_di(di: int) -> str:
    """An identifier as it is written: 8 hex digits, highest byte first."""
    return f"{di:08X}"


def encode(frame: Frame, *, wake_up: int = SENT_WAKE_UP) -> bytes:
    """Wire bytes with `wake_up` FE in front; raises LocalProtocolError (`address`, `control`, `length`, `wake_up`)."""
    if len(frame.address) != 12 or not _is_hex(frame.address):
        raise LocalProtocolError("address", f"not 12 digits: {frame.address!r}")
    if not 0 <= frame.control <= 0xFF:
        raise LocalProtocolError("control", f"not a byte: {frame.control}")
    if len(frame.data) > MAX_DATA:
        raise LocalProtocolError("length", f"{len(frame.data)} bytes, at most {MAX_DATA}")
    if not 0 <= wake_up <= MAX_WAKE_UP:
        raise LocalProtocolError("wake_up", f"{wake_up} wake-up bytes, at most {MAX_WAKE_UP}")
    body = bytes((MARK, *bytes.fromhex(frame.address)[::-1], MARK, frame.control, len(frame.data)))
    body += frame.data.translate(_ADD)
    return bytes((WAKE_UP,)) * wake_up + body + bytes((sum(body) & 0xFF, END))


def _is_hex(text: str) -> bool:
    return all(digit in "0123456789ABCDEF" for digit in text)


def decode(data: bytes) -> Frame:
    """Exactly one frame, wake-up bytes allowed in front.

    Raises RemoteProtocolError: `start`, `length` (cut or too long), `end_mark`, `checksum`, `dlt645_1997`.
    """
    body = data.lstrip(bytes((WAKE_UP,)))
    if len(body) < OVERHEAD or len(body) != OVERHEAD + body[9]:
        raise RemoteProtocolError("length", data[:16].hex())
    if body[0] != MARK or body[7] != MARK:
        raise RemoteProtocolError("start", data[:16].hex())
    fault = _fault(body, 0, len(body))
    if fault is not None:
        raise RemoteProtocolError(fault, data[:16].hex())
    frame = _open(body, 0, len(body))
    if is_old(frame):
        raise RemoteProtocolError("dlt645_1997", data[:16].hex())
    return frame


def is_old(frame: Frame) -> bool:
    """Is this a frame of DL/T 645-1997? The framing is the same; the control codes and 2-byte identifiers are not."""
    if frame.function in OLD_FUNCTIONS:
        return True
    # "read again" of 1997 is a 03 without data; the 03 of 2007 names an identifier and an operator
    return frame.control == Function.COST_CONTROL and not frame.data


def _fault(buffer: bytes | bytearray, start: int, size: int) -> str | None:
    """Why the whole frame that may stand here is none."""
    if buffer[start + size - 1] != END:
        return "end_mark"
    return None if sum(buffer[start : start + size - 2]) & 0xFF == buffer[start + size - 2] else "checksum"


def _open(buffer: bytes | bytearray, start: int, size: int) -> Frame:
    return Frame(
        address=bytes(buffer[start + 1 : start + 7])[::-1].hex().upper(),
        control=buffer[start + 8],
        data=bytes(buffer[start + 10 : start + size - 2]).translate(_TAKE_OFF),
    )


_WAIT: Final = 0  # more bytes are needed
_NEVER: Final = -1  # no frame starts here


class Decoder:
    """Finds frames, of either direction, in a stream of bytes.

    What is no frame is skipped and counted in `discarded`; wake-up bytes right before a frame belong to it.
    The earliest frame that is whole is taken, whatever an unfinished start before it may promise: a false
    start never holds up what follows. Frames of DL/T 645-1997 are set aside in `old` (the latest few).
    `fault` is why the last thing that looked like a frame was none (`checksum`, `end_mark`, `incomplete`).
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.discarded = 0
        self.old: list[Frame] = []
        self.fault: str | None = None

    def receive(self, data: bytes) -> list[Frame]:
        """Frames completed by these bytes, in order."""
        self._buffer += data
        return self._scan(final=False)

    def idle(self) -> list[Frame]:
        """The line was silent: what is not complete never will be. The list is empty, for the form's sake."""
        return self._scan(final=True)

    def _scan(self, *, final: bool) -> list[Frame]:
        buffer, found, taken = self._buffer, list[Frame](), 0
        while True:
            start, size, waiting = self._next(taken)
            if not size:
                break
            woken = _wake_up(buffer, taken, start)
            frame = _open(buffer, start, size)
            if is_old(frame):
                self.old = [*self.old[1 - MAX_OLD :], frame]
                woken = start + size  # refused: all of it is discarded
            else:
                found.append(frame)
            self.discarded += woken - taken
            taken = start + size
        if final:
            if waiting >= 0:
                self.fault = "incomplete"
            keep = len(buffer)
        else:
            end = waiting if waiting >= 0 else len(buffer)
            keep = max(_wake_up(buffer, taken, end), end - MAX_WAKE_UP)
        self.discarded += keep - taken
        del buffer[:keep]
        return found

    def _next(self, start: int) -> tuple[int, int, int]:
        """Start and size of the next whole frame (size 0: none), and where an unfinished one may stand (-1: none)."""
        buffer, waiting = self._buffer, -1
        while (start := buffer.find(MARK, start)) >= 0:
            size = self._probe(start)
            if size > 0:
                return start, size, waiting
            if size == _WAIT and waiting < 0:
                waiting = start
            start += 1
        return -1, 0, waiting

    def _probe(self, start: int) -> int:
        buffer = self._buffer
        available = len(buffer) - start
        if available > 7 and buffer[start + 7] != MARK:
            return _NEVER
        if available < 10:
            return _WAIT
        size = OVERHEAD + buffer[start + 9]
        if available < size:
            return _WAIT
        fault = _fault(buffer, start, size)
        if fault is None:
            return size
        self.fault = fault
        return _NEVER


def _wake_up(buffer: bytearray, low: int, start: int) -> int:
    """Where the run of wake-up bytes that ends at `start` begins, not before `low`."""
    while start > low and buffer[start - 1] == WAKE_UP:
        start -= 1
    return start
