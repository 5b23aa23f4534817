"""Modbus RTU frames: unit, PDU, CRC with the low byte first (Modbus over serial line V1.02, section 2.5).

Over TCP (a serial server) there is no silence that parts frames, so both decoders find frames by
what can stand there and by the CRC, and drop what cannot.
"""

from collections.abc import Collection
from typing import Final

from prewatt.core.wire.checks import crc16_modbus
from prewatt.core.wire.errors import LocalProtocolError, RemoteProtocolError
from prewatt.core.wire.modbus.pdu import (
    EXCEPTION_BIT,
    EXCEPTION_OF,
    FUNCTIONS,
    MAX_PDU,
    WRITE_MULTIPLES,
    ExceptionReply,
    Function,
    ReadReply,
    ReadRequest,
    Reply,
    Request,
    answers,
    count_limit,
    data_size,
    decode_reply,
    decode_request,
    encode_reply,
    encode_request,
    reply_size,
)

MIN_FRAME: Final = 4  # unit, function, CRC
MAX_FRAME: Final = MAX_PDU + 3  # 256
MAX_UNIT: Final = 255  # the standard says 247; meters and gateways with 248 to 255 exist
MAX_BUFFER: Final = 4 * MAX_FRAME  # noise beyond this is dropped, oldest first


def frame(unit: int, pdu: bytes) -> bytes:
    """Unit, PDU and CRC."""
    if not 0 <= unit <= MAX_UNIT or not 1 <= len(pdu) <= MAX_PDU:
        raise LocalProtocolError("unit", f"unit {unit}, {len(pdu)} bytes")
    body = bytes((unit,)) + pdu
    return body + crc16_modbus(body).to_bytes(2, "little")


def encode_rtu_request(unit: int, request: Request) -> bytes:
    return frame(unit, encode_request(request))


def encode_rtu_reply(unit: int, reply: Reply) -> bytes:
    return frame(unit, encode_reply(reply))


def _open(data: bytes) -> tuple[int, bytes]:
    if not 4 <= len(data) <= MAX_FRAME:
        raise RemoteProtocolError("length", data[:16].hex())
    if crc16_modbus(data) != 0:  # the CRC over a frame with its CRC is zero
        raise RemoteProtocolError("crc", data[:16].hex())
    return data[0], data[1:-2]


def decode_rtu_request(data: bytes) -> tuple[int, Request]:
    """Exactly one frame -> unit and request; raises RemoteProtocolError."""
    unit, pdu = _open(data)
    return unit, decode_request(pdu)


def decode_rtu_reply(data: bytes) -> tuple[int, Reply]:
    """Exactly one frame -> unit and reply; raises RemoteProtocolError."""
    unit, pdu = _open(data)
    return unit, decode_reply(pdu)


class RtuClientDecoder:
    """Finds the one reply to the one request in flight.

    Everything else is skipped and counted in `discarded`: noise, heartbeat texts of serial servers,
    an echo of the request, frames of other units, stale replies of another length. A stale reply of
    the same unit, function and length cannot be told apart: only quiet time protects.
    """

    def __init__(self, unit: int, request: Request) -> None:
        self._unit = unit
        self._request = request
        self._size = reply_size(request) + 3
        function = int(request.function)
        self._good = (
            bytes((unit, function, self._size - 5))
            if isinstance(request, ReadRequest)
            else (bytes((unit, function)) + encode_request(request)[1:5])
        )
        self._bad = bytes((unit, function | EXCEPTION_BIT))
        self._buffer = bytearray()
        self.discarded = 0

    def receive(self, data: bytes) -> Reply | None:
        """More bytes from the line; the reply once it is complete."""
        size = self._size
        if not self._buffer and len(data) == size and data.startswith(self._good) and crc16_modbus(data) == 0:
            return self._reply(bytes(data))
        self._buffer += data
        found = self._search()
        if found is None and len(self._buffer) > MAX_BUFFER:
            self._drop(len(self._buffer) - MAX_BUFFER)
        return found

    def _reply(self, whole: bytes) -> Reply:
        if isinstance(self._request, ReadRequest) and not whole[1] & EXCEPTION_BIT:
            return ReadReply(function=self._request.function, data=whole[3:-2])
        reply = decode_reply(whole[1:-2])
        assert answers(self._request, reply), reply
        return reply

    def _search(self) -> Reply | None:
        """The earliest complete frame that answers; bytes no frame can start in are dropped."""
        buffer, start, keep = self._buffer, 0, -1
        while (start := buffer.find(self._unit, start)) >= 0:
            window = len(buffer) - start
            for head, size in ((self._good, self._size), (self._bad, 5)):
                if buffer[start : start + len(head)] != head[:window]:
                    continue
                if window < size:
                    keep = start if keep < 0 else keep
                elif crc16_modbus(buffer[start : start + size]) == 0:
                    whole = bytes(buffer[start : start + size])
                    self.discarded += start
                    del buffer[: start + size]
                    return self._reply(whole)
            start += 1
        self._drop(len(buffer) if keep < 0 else keep)
        return None

    def _drop(self, count: int) -> None:
        del self._buffer[:count]
        self.discarded += count


_WAIT: Final = 0  # more bytes are needed
_NEVER: Final = -1  # no request can start like this


def _request_size(buffer: bytes | bytearray, start: int) -> int:
    """Size of the request frame that may start at `start`, or _WAIT, or _NEVER."""
    available = len(buffer) - start
    if available < 2:
        return _WAIT
    function = FUNCTIONS.get(buffer[start + 1])
    if function is None:
        return _NEVER
    if function not in WRITE_MULTIPLES:
        if available < 6:
            return _WAIT
        return 8 if _plausible_short(function, buffer, start) else _NEVER
    if available < 7:
        return _WAIT
    count = buffer[start + 4] << 8 | buffer[start + 5]
    if not 1 <= count <= count_limit(function) or buffer[start + 6] != data_size(function, count):
        return _NEVER
    return 9 + buffer[start + 6]


def _plausible_short(function: Function, buffer: bytes | bytearray, start: int) -> bool:
    value = buffer[start + 4] << 8 | buffer[start + 5]
    if function is Function.WRITE_COIL:
        return value in (0xFF00, 0)
    if function is Function.WRITE_REGISTER:
        return True
    return True if value else False


class RtuServerDecoder:
    """Finds requests in a stream of bytes; what is no request is skipped and counted in `discarded`.

    `units` are the units that live on this bus (None: any). A request whose CRC holds but which the
    protocol does not allow (count 0 or too large) is skipped like noise.
    """

    def __init__(self, units: Collection[int] | None = None) -> None:
        self._units = None if units is None else frozenset(units)
        self._buffer = bytearray()
        self.discarded = 0

    def receive(self, data: bytes) -> list[tuple[int, Request]]:
        """Requests completed by these bytes, in order."""
        if self._buffer and _whole(data):
            # a new burst that is a request by itself: what stood before it was cut off, and who sent it
            # has given up waiting
            self._drop(len(self._buffer))
        self._buffer += data
        found = self._scan(final=False)
        if len(self._buffer) > MAX_BUFFER:
            self._drop(len(self._buffer) - MAX_BUFFER)
        return found

    def idle(self) -> list[tuple[int, Request]]:
        """The line was silent: what is not complete never will be. Returns requests hidden behind it."""
        found = self._scan(final=True)
        self._drop(len(self._buffer))
        return found

    def _scan(self, *, final: bool) -> list[tuple[int, Request]]:
        buffer, found, start = self._buffer, list[tuple[int, Request]](), 0
        taken = 0
        while start < len(buffer):
            size = _request_size(buffer, start)
            if self._units is not None and buffer[start] not in self._units:
                size = _NEVER
            complete = 0 < size <= len(buffer) - start
            if complete and crc16_modbus(buffer[start : start + size]) == 0:
                request = _allowed(bytes(buffer[start + 1 : start + size - 2]))
                if request is not None:
                    found.append((buffer[start], request))
                    taken += size
                    start += size
                    continue
            elif not final and (size == _WAIT or size > len(buffer) - start):
                break
            start += 1
        self.discarded += start - taken
        del buffer[:start]
        return found

    def _drop(self, count: int) -> None:
        del self._buffer[:count]
        self.discarded += count


def _whole(data: bytes) -> bool:
    size = _request_size(data, 0)
    return 0 < size <= len(data) and crc16_modbus(data[:size]) == 0


def _allowed(pdu: bytes) -> Request | None:
    try:
        return decode_request(pdu)
    except RemoteProtocolError:
        return None


def rtu_refusal(burst: bytes) -> tuple[int, ExceptionReply] | None:
    """Unit and answer for a burst that is one sound frame and no request we serve (V1.1b3 section 7): unknown
    function 01, address range 02, otherwise 03. None for anything else; how long an unknown request is, only the
    silence around it says, so of one in a stream nothing is known."""
    if not MIN_FRAME <= len(burst) <= MAX_FRAME or crc16_modbus(burst) != 0 or not 0 < burst[1] < EXCEPTION_BIT:
        return None
    try:
        decode_request(burst[1:-2])
    except RemoteProtocolError as error:
        return burst[0], ExceptionReply(function=burst[1], code=EXCEPTION_OF.get(error.code, 3))
    return None
