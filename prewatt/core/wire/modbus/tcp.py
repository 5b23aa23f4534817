"""Modbus TCP frames: MBAP header and PDU (Modbus messaging on TCP/IP V1.0b, section 3.1)."""

import struct
from dataclasses import dataclass
from typing import Final

from prewatt.core.wire.errors import LocalProtocolError, RemoteProtocolError
from prewatt.core.wire.modbus.pdu import (
    EXCEPTION_OF,
    MAX_PDU,
    Reply,
    Request,
    answers,
    decode_reply,
    decode_request,
    encode_reply,
    encode_request,
)

_MBAP: Final = struct.Struct(">HHHB")
HEADER: Final = _MBAP.size  # 7
MAX_FRAME: Final = HEADER + MAX_PDU  # 260
MAX_BUFFER: Final = 16 * MAX_FRAME  # requests a client may pipeline before the link counts as abused


def _frame(transaction: int, unit: int, pdu: bytes) -> bytes:
    if not (0 <= transaction <= 0xFFFF and 0 <= unit <= 0xFF):
        raise LocalProtocolError("unit", f"transaction {transaction}, unit {unit}")
    return _MBAP.pack(transaction, 0, len(pdu) + 1, unit) + pdu


def encode_tcp_request(transaction: int, unit: int, request: Request) -> bytes:
    return _frame(transaction, unit, encode_request(request))


def encode_tcp_reply(transaction: int, unit: int, reply: Reply) -> bytes:
    return _frame(transaction, unit, encode_reply(reply))


@dataclass(frozen=True, kw_only=True, slots=True)
class TcpRequest:
    """A request with the transaction number its reply must repeat.

    `request` is None when the frame is sound and the PDU is not one we serve: `function` and
    `exception` then say what to answer.
    """

    transaction: int
    unit: int
    request: Request | None
    function: int = 0
    exception: int = 0


def _split(buffer: bytearray) -> tuple[int, int, bytes] | None:
    """The next whole frame, taken off the buffer; raises RemoteProtocolError where no frame can stand.

    There is no check sum and no mark to find the next frame by, so a bad header ends the link.
    """
    if len(buffer) < HEADER:
        return None
    transaction, protocol, length, unit = _MBAP.unpack_from(buffer)
    if protocol != 0:
        raise RemoteProtocolError("protocol", bytes(buffer[:16]).hex())
    if not 2 <= length <= MAX_PDU + 1:
        raise RemoteProtocolError("length", bytes(buffer[:16]).hex())
    end = 6 + length
    if len(buffer) < end:
        return None
    pdu = bytes(buffer[HEADER:end])
    del buffer[:end]
    return transaction, unit, pdu


class TcpClientDecoder:
    """Finds the one reply to the one request in flight; frames of other transactions, units or sizes are
    counted in `discarded` (bytes) and skipped. Raises RemoteProtocolError when the stream is not Modbus TCP.
    """

    def __init__(self, transaction: int, unit: int, request: Request) -> None:
        self._transaction = transaction
        self._unit = unit
        self._request = request
        self._buffer = bytearray()
        self.discarded = 0

    def receive(self, data: bytes) -> Reply | None:
        """More bytes from the link; the reply once it is complete."""
        self._buffer += data
        while (split := _split(self._buffer)) is not None:
            transaction, unit, pdu = split
            if transaction == self._transaction and unit == self._unit:
                reply = _sound(pdu)
                if reply is not None and answers(self._request, reply):
                    return reply
            self.discarded += HEADER + len(pdu)
        return None


def _sound(pdu: bytes) -> Reply | None:
    try:
        return decode_reply(pdu)
    except RemoteProtocolError:
        return None


class TcpServerDecoder:
    """Requests in a stream. Raises RemoteProtocolError when the stream is not Modbus TCP or floods us."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def receive(self, data: bytes) -> list[TcpRequest]:
        """Requests completed by these bytes, in order."""
        if len(self._buffer) + len(data) > MAX_BUFFER:
            raise RemoteProtocolError("flood", f"{len(self._buffer) + len(data)} bytes")
        self._buffer += data
        found: list[TcpRequest] = []
        while (split := _split(self._buffer)) is not None:
            found.append(_request(*split))
        return found


def _request(transaction: int, unit: int, pdu: bytes) -> TcpRequest:
    try:
        return TcpRequest(transaction=transaction, unit=unit, request=decode_request(pdu), function=pdu[0])
    except RemoteProtocolError as error:
        exception = EXCEPTION_OF.get(error.code, 3)
        return TcpRequest(
            transaction=transaction, unit=unit, request=None, function=pdu[0] & 0x7F or 1, exception=exception
        )
