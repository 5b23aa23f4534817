"""Modbus bytes somebody captured, read without knowing what was asked (for `prewatt wire`).

The decoders of a running line know the one request in flight and are strict. Here only the form of a
frame and its CRC decide, so a frame that the standard forbids (count 0) is shown as it was sent.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, TypeGuard

from prewatt.core.wire.checks import crc16_modbus
from prewatt.core.wire.errors import RemoteProtocolError
from prewatt.core.wire.modbus.pdu import EXCEPTION_BIT, MAX_PDU, READS, REGISTER_READS, Function, count_limit, data_size
from prewatt.core.wire.modbus.rtu import MAX_FRAME
from prewatt.core.wire.modbus.tcp import HEADER


class Direction(StrEnum):
    """Which end sent a frame."""

    REQUEST = "request"
    REPLY = "reply"


@dataclass(frozen=True, kw_only=True, slots=True)
class Captured:
    """One frame. `function` is the byte as sent; `direction` is None where both ends send the same bytes.

    `registers` and `bits` (packed, lowest first) are what a reply brings or a request writes; `data` is
    what follows the function of one we have no fields for.
    """

    unit: int
    function: int
    direction: Direction | None
    transaction: int | None = None
    exception: int | None = None
    address: int | None = None
    count: int | None = None
    value: int | None = None
    registers: tuple[int, ...] | None = None
    bits: bytes | None = None
    data: bytes | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Capture:
    """What was found, and how many bytes belong to none of it. `fault`: why bytes that looked like a frame are none."""

    frames: tuple[Captured, ...]
    discarded: int
    fault: str | None = None


_BOTH: Final = (Direction.REQUEST, Direction.REPLY)
_FILES: Final = frozenset({0x14, 0x15})  # both ends say how many bytes follow
_SAME_BOTH_WAYS: Final = frozenset({0x05, 0x06, 0x08, 0x16}) | _FILES
_MASK_WRITE: Final = 0x16
_READ_WRITE: Final = 0x17
_QUEUE: Final = 0x18
_DIAGNOSE: Final = 0x08
_IDENTITY: Final = 0x2B
_IDENTITY_KIND: Final = 0x0E  # the other kind of 2B carries another bus
_IDENTITY_HEAD: Final = 7
_EMPTY_REQUESTS: Final = frozenset({0x07, 0x0B, 0x0C, 0x11})  # status, counters, log, identity
_COUNTED_REPLIES: Final = frozenset({0x01, 0x02, 0x03, 0x04, 0x0C, 0x11, _READ_WRITE})
_WAIT: Final = 0  # the size cannot be told yet
_NEVER: Final = -1


def _request_size(pdu: bytes) -> int:
    """Bytes of the request PDU that begins here, _WAIT or _NEVER."""
    function = pdu[0]
    if function in READS or function in (0x05, 0x06, _DIAGNOSE):
        return 5
    if function in _EMPTY_REQUESTS:
        return 1
    if function == _MASK_WRITE:
        return 7
    if function in (Function.WRITE_COILS, Function.WRITE_REGISTERS):
        return 6 + pdu[5] if len(pdu) > 5 else _WAIT
    if function == _READ_WRITE:
        return 10 + pdu[9] if len(pdu) > 9 else _WAIT
    if function in _FILES:
        return 2 + pdu[1] if len(pdu) > 1 else _WAIT
    if function == _IDENTITY:
        return 4 if pdu[1:2] in (b"", b"\x0e") else _NEVER
    return 3 if function == _QUEUE else _NEVER


def _reply_size(pdu: bytes) -> int:
    """Bytes of the reply PDU that begins here, _WAIT or _NEVER."""
    function = pdu[0]
    if function > EXCEPTION_BIT:
        return 2
    if function in _COUNTED_REPLIES:
        return 2 + pdu[1] if len(pdu) > 1 else _WAIT
    if function in (0x05, 0x06, 0x0B, 0x0F, 0x10, _DIAGNOSE):
        return 5
    if function == _MASK_WRITE:
        return 7
    if function in _FILES:
        return 2 + pdu[1] if len(pdu) > 1 else _WAIT
    if function == _QUEUE:
        return 3 + int.from_bytes(pdu[1:3], "big") if len(pdu) > 2 else _WAIT
    if function == _IDENTITY:
        return _identity_size(pdu)
    return 2 if function == 0x07 else _NEVER


def _identity_size(pdu: bytes) -> int:
    """Bytes of a reply with texts about the device, each with its number and length in front."""
    if len(pdu) < _IDENTITY_HEAD:
        return _WAIT
    if pdu[1] != _IDENTITY_KIND:
        return _NEVER
    size = _IDENTITY_HEAD
    for _ in range(pdu[6]):
        if len(pdu) < size + 2:
            return _WAIT
        size += 2 + pdu[size + 1]
    return size


def _words(data: bytes) -> tuple[int, ...]:
    return tuple(int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2))


def _read_request(unit: int, pdu: bytes) -> Captured | None:
    """A whole request PDU; None where its parts contradict each other."""
    function = pdu[0]
    if len(pdu) != _request_size(pdu):
        return None
    plain = Captured(unit=unit, function=function, direction=Direction.REQUEST)
    if function in _EMPTY_REQUESTS:
        return plain
    address, second = int.from_bytes(pdu[1:3], "big"), int.from_bytes(pdu[3:5], "big")
    if function in READS:
        return replace(plain, address=address, count=second)
    if function in (0x05, 0x06):
        return replace(plain, address=address, count=1, value=second)
    if function in (Function.WRITE_COILS, Function.WRITE_REGISTERS):
        if pdu[5] != data_size(Function(function), second):
            return None
        if function == Function.WRITE_COILS:
            return replace(plain, address=address, count=second, bits=pdu[6:])
        return replace(plain, address=address, count=second, registers=_words(pdu[6:]))
    if function == _READ_WRITE:
        if pdu[9] != 2 * int.from_bytes(pdu[7:9], "big"):
            return None
        return replace(plain, address=address, count=second, registers=_words(pdu[10:]), data=pdu[5:9])
    return replace(plain, data=pdu[1:])


def _read_reply(unit: int, pdu: bytes) -> Captured | None:
    """A whole reply PDU; None where its parts contradict each other."""
    function = pdu[0]
    if len(pdu) != _reply_size(pdu):
        return None
    plain = Captured(unit=unit, function=function, direction=Direction.REPLY)
    if function > EXCEPTION_BIT:
        return replace(plain, exception=pdu[1])
    if function in _COUNTED_REPLIES:
        if function in REGISTER_READS or function == _READ_WRITE:
            return None if not pdu[1] or pdu[1] % 2 else replace(plain, registers=_words(pdu[2:]))
        if function in READS:
            return replace(plain, bits=pdu[2:]) if pdu[1] else None
        return replace(plain, data=pdu[2:])
    address, second = int.from_bytes(pdu[1:3], "big"), int.from_bytes(pdu[3:5], "big")
    if function in (0x05, 0x06):
        return replace(plain, address=address, value=second)
    if function in (Function.WRITE_COILS, Function.WRITE_REGISTERS):
        return replace(plain, address=address, count=second)
    return replace(plain, data=pdu[1:])


_READERS: Final = {Direction.REQUEST: _read_request, Direction.REPLY: _read_reply}
_SIZES: Final = {Direction.REQUEST: _request_size, Direction.REPLY: _reply_size}


def _chosen(fitting: list[Captured], before: Captured | None, behind: bytes) -> Captured:
    """The one reading of a PDU; raises RemoteProtocolError `direction_needed` when two stay possible.

    `behind`: what follows, from its unit on.
    """
    if len(fitting) == 1:
        return fitting[0]
    request, reply = fitting
    if request.function in _SAME_BOTH_WAYS:
        return replace(request, direction=None)
    assert request.count is not None
    function = _read_part(request.function)
    if not 1 <= request.count <= count_limit(function):
        return reply
    if _asks_like(before, request):
        return reply if _asked_for(before, reply) else request
    brought = data_size(function, request.count)
    if behind[:3] == bytes((request.unit, request.function, brought)) and len(behind) >= 3 + brought:
        return request  # its answer follows
    raise RemoteProtocolError("direction_needed", f"function {request.function}")


def _asks_like(before: Captured | None, one: Captured) -> TypeGuard[Captured]:
    """Is `before` a read of the same unit and function?"""
    if before is None or before.direction is not Direction.REQUEST or before.count is None:
        return False
    return (before.unit, before.function) == (one.unit, one.function)


def _asked_for(before: Captured | None, reply: Captured) -> bool:
    """Is `reply` as long as what the request right before it asked for?"""
    brought = 2 * len(reply.registers) if reply.registers is not None else len(reply.bits or b"")
    if not _asks_like(before, reply) or not brought:
        return False
    return brought == data_size(_read_part(reply.function), before.count or 0)


def _read_part(function: int) -> Function:
    """The read a function contains: 17h reads registers while it writes others."""
    return Function.READ_HOLDING_REGISTERS if function == _READ_WRITE else Function(function)


def scan_rtu(data: bytes, direction: Direction | None) -> Capture:
    """Frames with a good CRC anywhere in `data`; raises RemoteProtocolError `direction_needed`."""
    found: list[Captured] = []
    at = kept = 0
    fault: str | None = None
    fresh = True  # the start of the bytes, or right behind a frame
    while len(data) - at >= 4:
        hit = _rtu_at(data, at, direction, found[-1] if found else None, whole=fresh)
        if isinstance(hit, str) or hit is None:
            fault = hit or fault
            at += 1
            fresh = False
            continue
        frame, size = hit
        found.append(frame)
        kept += size
        at += size
        fresh = True
    return Capture(frames=tuple(found), discarded=len(data) - kept, fault=fault)


def _rtu_at(
    data: bytes, at: int, direction: Direction | None, before: Captured | None, *, whole: bool
) -> tuple[Captured, int] | str | None:
    """The frame at `at` with its size, or why what looks like one is none, or None."""
    unit, pdu = data[at], data[at + 1 : at + MAX_FRAME]
    by_size: dict[int, list[Captured]] = {}
    fault: str | None = None
    for each in _BOTH if direction is None else (direction,):
        size = _SIZES[each](pdu)
        end = at + size + 3
        if size == _NEVER or size > MAX_PDU:
            continue
        if size == _WAIT or end > len(data):
            fault = fault or "incomplete"
        elif crc16_modbus(data[at:end]) != 0:
            fault = "checksum" if end == len(data) else fault
        elif (read := _READERS[each](unit, data[at + 1 : end - 2])) is not None:
            by_size.setdefault(size, []).append(read)
    if by_size:
        # a run of zeros can give two sizes a fitting CRC: the one that was asked for, else the first
        asked = (size for size, readings in by_size.items() if _asked_for(before, readings[-1]))
        size = next(asked, next(iter(by_size)))
        fitting = by_size[size]
        return _chosen(fitting, before, data[at + size + 3 :]), size + 3
    rest = len(data) - at
    # where the high byte of a CRC is 0, the frame without it has a good CRC too, and is cut all the same
    cut = any(_SIZES[each](pdu) == rest - 2 for each in _BOTH)
    if whole and not cut and rest <= MAX_FRAME and pdu[0] and crc16_modbus(data[at:]) == 0:
        if _unknown(pdu[0]) or not _other_end(unit, data[at + 1 : -2], direction):
            return Captured(unit=unit, function=pdu[0], direction=direction, data=data[at + 2 : -2]), rest
    return fault if whole else None


def _other_end(unit: int, pdu: bytes, direction: Direction | None) -> bool:
    """Is this a frame of the end nobody asked for?"""
    return any(_READERS[each](unit, pdu) is not None for each in _BOTH if each is not direction)


def _unknown(function: int) -> bool:
    """A function we have no form for, which may still be somebody's."""
    return 0 < function < EXCEPTION_BIT and _request_size(bytes((function,))) == _NEVER


def scan_tcp(data: bytes, direction: Direction | None) -> Capture:
    """Frames in a Modbus TCP stream; raises RemoteProtocolError `direction_needed`.

    There is no check sum: bytes are skipped until a header can stand there. A header whose frame is cut ends the
    search, unless the bytes behind it are whole frames up to the end.
    """
    found: list[Captured] = []
    at = kept = 0
    fault: str | None = None
    dead: set[int] = set()  # offsets from which no whole frames lead to the end
    while at < len(data):
        end = _tcp_end(data, at)
        if end < 0:
            at += 1
            continue
        if end > len(data):
            fault = "incomplete"
            following = next((start for start in range(at + 1, len(data)) if _leads_home(data, start, dead)), None)
            if following is None:
                break
            at = following
            continue
        unit, pdu = data[at + 6], data[at + HEADER : end]
        fitting = list(_tcp_readings(unit, pdu, direction))
        if fitting:
            chosen = _chosen(fitting, found[-1] if found else None, data[end + HEADER - 1 :])
            found.append(replace(chosen, transaction=int.from_bytes(data[at : at + 2], "big")))
            kept += end - at
        elif at == kept == 0 and end == len(data) and not _other_end(unit, pdu, direction):
            # the one frame of a capture, and its parts contradict each other: shown as it came
            strange = Captured(unit=unit, function=pdu[0], direction=direction, data=pdu[1:])
            found.append(replace(strange, transaction=int.from_bytes(data[:2], "big")))
            kept = end
        # what neither end can have sent was no header
        at = end if kept == end or fitting or _other_end(unit, pdu, direction) else at + 1
    return Capture(frames=tuple(found), discarded=len(data) - kept, fault=fault)


def _tcp_end(data: bytes, at: int) -> int:
    """Where the frame ends whose header may stand here, past the end when it is cut; _NEVER for no header."""
    head = data[at : at + HEADER]
    length = int.from_bytes(head[4:6], "big")
    if len(head) < 4 or any(head[2:4]) or (len(head) >= 6 and not 2 <= length <= MAX_PDU + 1):
        return _NEVER
    return at + HEADER - 1 + length if len(head) == HEADER else len(data) + 1


def _leads_home(data: bytes, start: int, dead: set[int]) -> bool:
    """Are the bytes from here on whole frames and nothing else? What is found not to be goes to `dead`."""
    passed: list[int] = []
    while start not in dead and start < len(data):
        passed.append(start)
        end = _tcp_end(data, start)
        if (
            end < 0
            or end > len(data)
            or next(_tcp_readings(data[start + 6], data[start + HEADER : end], None), None) is None
        ):
            break
        start = end
    if start == len(data):
        return True
    dead.update(passed)
    return False


def _tcp_readings(unit: int, pdu: bytes, direction: Direction | None) -> Iterator[Captured]:
    for each in _BOTH if direction is None else (direction,):
        if (read := _READERS[each](unit, pdu)) is not None:
            yield read
    if _unknown(pdu[0]):
        yield Captured(unit=unit, function=pdu[0], direction=direction, data=pdu[1:])
