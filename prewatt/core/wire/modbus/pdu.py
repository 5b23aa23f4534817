"""Modbus PDUs as values, and their bytes (Modbus application protocol V1.1b3, section 6)."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from prewatt.core.wire.errors import LocalProtocolError, RemoteProtocolError

MAX_PDU: Final = 253  # bytes: 256 of a serial frame less unit and CRC (V1.1b3 section 4.1)
MAX_READ_REGISTERS: Final = 125
MAX_WRITE_REGISTERS: Final = 123
MAX_READ_BITS: Final = 2000
MAX_WRITE_BITS: Final = 1968
EXCEPTION_BIT: Final = 0x80
COIL_ON: Final = 0xFF00
COIL_OFF: Final = 0x0000
EXCEPTION_OF: Final = {"function": 1, "address": 2}  # what a request is answered by its fault, else 3 (section 7)


class Function(IntEnum):
    """Function codes we speak."""

    READ_COILS = 0x01
    READ_DISCRETE_INPUTS = 0x02
    READ_HOLDING_REGISTERS = 0x03
    READ_INPUT_REGISTERS = 0x04
    WRITE_COIL = 0x05
    WRITE_REGISTER = 0x06
    WRITE_COILS = 0x0F
    WRITE_REGISTERS = 0x10


BIT_READS: Final = frozenset({Function.READ_COILS, Function.READ_DISCRETE_INPUTS})
REGISTER_READS: Final = frozenset({Function.READ_HOLDING_REGISTERS, Function.READ_INPUT_REGISTERS})
READS: Final = BIT_READS | REGISTER_READS
WRITE_SINGLES: Final = frozenset({Function.WRITE_COIL, Function.WRITE_REGISTER})
WRITE_MULTIPLES: Final = frozenset({Function.WRITE_COILS, Function.WRITE_REGISTERS})
FUNCTIONS: Final = {int(function): function for function in Function}


class ExceptionCode(IntEnum):
    """Exception codes with a name in the standard; others travel as plain integers."""

    ILLEGAL_FUNCTION = 1
    ILLEGAL_DATA_ADDRESS = 2
    ILLEGAL_DATA_VALUE = 3
    SERVER_DEVICE_FAILURE = 4
    ACKNOWLEDGE = 5
    SERVER_DEVICE_BUSY = 6
    MEMORY_PARITY_ERROR = 8
    GATEWAY_PATH_UNAVAILABLE = 10
    GATEWAY_TARGET_FAILED = 11


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadRequest:
    """Functions 01 to 04: `count` bits or registers from `address` (0-based, as on the wire)."""

    function: Function
    address: int
    count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadReply:
    """Answer to a read: `data` is what follows the byte count, untouched."""

    function: Function
    data: bytes

    @property
    def registers(self) -> tuple[int, ...]:
        """The registers of a 03 or 04 reply."""
        return struct.unpack(f">{len(self.data) // 2}H", self.data)

    def bits(self, count: int) -> tuple[bool, ...]:
        """The first `count` bits of a 01 or 02 reply, lowest bit of the first byte first."""
        return unpack_bits(self.data, count)


@dataclass(frozen=True, kw_only=True, slots=True)
class WriteSingle:
    """Functions 05 and 06, request and reply alike; a coil's value is FF00h or 0000h."""

    function: Function
    address: int
    value: int


@dataclass(frozen=True, kw_only=True, slots=True)
class WriteMultiple:
    """Functions 0F and 10: `data` holds `count` packed bits or registers."""

    function: Function
    address: int
    count: int
    data: bytes

    @property
    def registers(self) -> tuple[int, ...]:
        return struct.unpack(f">{len(self.data) // 2}H", self.data)

    def bits(self) -> tuple[bool, ...]:
        return unpack_bits(self.data, self.count)


@dataclass(frozen=True, kw_only=True, slots=True)
class WriteReply:
    """Answer to functions 0F and 10."""

    function: Function
    address: int
    count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ExceptionReply:
    """The other end says no. `function` without the exception bit; it may be one we do not speak."""

    function: int
    code: int


Request = ReadRequest | WriteSingle | WriteMultiple
Reply = ReadReply | WriteSingle | WriteReply | ExceptionReply

_HEAD: Final = struct.Struct(">BHH")
_MULTIPLE: Final = struct.Struct(">BHHB")


def pack_bits(bits: Sequence[bool]) -> bytes:
    """Lowest bit of the first byte first, the last byte filled with zeros."""
    packed = bytearray(-(-len(bits) // 8))
    for index, bit in enumerate(bits):
        if bit:
            packed[index >> 3] |= 1 << (index & 7)
    return bytes(packed)


def unpack_bits(data: bytes, count: int) -> tuple[bool, ...]:
    assert 0 <= count <= len(data) * 8, count
    return tuple(bool(data[index >> 3] >> (index & 7) & 1) for index in range(count))


def write_registers(address: int, words: Sequence[int]) -> WriteMultiple:
    """A function 10h request for register values; raises LocalProtocolError."""
    if not all(0 <= word <= 0xFFFF for word in words):
        raise LocalProtocolError("value", "a register holds 0 to FFFFh")
    return WriteMultiple(
        function=Function.WRITE_REGISTERS,
        address=address,
        count=len(words),
        data=struct.pack(f">{len(words)}H", *words),
    )


def reply_size(request: Request) -> int:
    """Bytes of the good reply's PDU."""
    if isinstance(request, ReadRequest):
        return 2 + data_size(request.function, request.count)
    return 5


def data_size(function: Function, count: int) -> int:
    """Bytes that hold `count` bits or registers."""
    return count * 2 if function in REGISTER_READS or function is Function.WRITE_REGISTERS else (count + 7) >> 3


def count_limit(function: Function) -> int:
    """Most bits or registers one request may name."""
    if function in BIT_READS:
        return MAX_READ_BITS
    if function in REGISTER_READS:
        return MAX_READ_REGISTERS
    return MAX_WRITE_BITS if function is Function.WRITE_COILS else MAX_WRITE_REGISTERS


def _fault(function: Function, address: int, count: int, data: bytes | None) -> str | None:
    """Why a read or a multiple write is not allowed."""
    if not 1 <= count <= count_limit(function):
        return "count"
    if not 0 <= address <= 0x10000 - count:
        return "address"
    if data is not None and len(data) != data_size(function, count):
        return "byte_count"
    return None


def _fault_single(pdu: WriteSingle) -> str | None:
    if not 0 <= pdu.address <= 0xFFFF:
        return "address"
    if pdu.function is Function.WRITE_COIL and pdu.value not in (COIL_ON, COIL_OFF):
        return "value"
    return None if 0 <= pdu.value <= 0xFFFF else "value"


def fault_of(request: Request) -> str | None:
    """The stable code of what the protocol forbids in a request, or None."""
    match request:
        case ReadRequest():
            return (
                "function"
                if request.function not in READS
                else _fault(request.function, request.address, request.count, None)
            )
        case WriteSingle():
            return "function" if request.function not in WRITE_SINGLES else _fault_single(request)
        case WriteMultiple():
            return (
                "function"
                if request.function not in WRITE_MULTIPLES
                else _fault(request.function, request.address, request.count, request.data)
            )


def encode_request(request: Request) -> bytes:
    """PDU bytes; raises LocalProtocolError for what must not be sent."""
    fault = fault_of(request)
    if fault is not None:
        raise LocalProtocolError(fault, f"not allowed: {request}")
    match request:
        case ReadRequest():
            return _HEAD.pack(request.function, request.address, request.count)
        case WriteSingle():
            return _HEAD.pack(request.function, request.address, request.value)
        case WriteMultiple():
            head = _MULTIPLE.pack(request.function, request.address, request.count, len(request.data))
            return head + request.data


def encode_reply(reply: Reply) -> bytes:
    """PDU bytes; raises LocalProtocolError for what must not be sent."""
    match reply:
        case ReadReply():
            size = len(reply.data)
            odd = reply.function in REGISTER_READS and size % 2
            if reply.function not in READS or not 1 <= size <= MAX_PDU - 2 or odd:
                raise LocalProtocolError("byte_count", f"not allowed: {reply}")
            return bytes((reply.function, size)) + reply.data
        case WriteSingle():
            return encode_request(reply)
        case WriteReply():
            if reply.function not in WRITE_MULTIPLES or _fault(reply.function, reply.address, reply.count, None):
                raise LocalProtocolError("count", f"not allowed: {reply}")
            return _HEAD.pack(reply.function, reply.address, reply.count)
        case ExceptionReply():
            if not (1 <= reply.function < EXCEPTION_BIT and 0 <= reply.code <= 0xFF):
                raise LocalProtocolError("exception", f"not allowed: {reply}")
            return bytes((reply.function | EXCEPTION_BIT, reply.code))


def _remote(code: str, data: bytes) -> RemoteProtocolError:
    return RemoteProtocolError(code, data[:16].hex())


def decode_request(data: bytes) -> Request:
    """PDU bytes of a request; raises RemoteProtocolError (`function`, `length`, `count`, `address`, ...)."""
    if not data:
        raise _remote("length", data)
    function = FUNCTIONS.get(data[0])
    if function is None:
        raise _remote("function", data)
    request: Request
    if function in WRITE_MULTIPLES:
        if len(data) < 6 or len(data) != 6 + data[5]:
            raise _remote("length", data)
        _, address, count, _ = _MULTIPLE.unpack_from(data)
        request = WriteMultiple(function=function, address=address, count=count, data=data[6:])
    else:
        if len(data) != 5:
            raise _remote("length", data)
        _, address, value = _HEAD.unpack(data)
        if function in READS:
            request = ReadRequest(function=function, address=address, count=value)
        else:
            request = WriteSingle(function=function, address=address, value=value)
    fault = fault_of(request)
    if fault is not None:
        raise _remote(fault, data)
    return request


def decode_reply(data: bytes) -> Reply:
    """PDU bytes of a reply, judged without its request; raises RemoteProtocolError."""
    if len(data) < 2 or len(data) > MAX_PDU:
        raise _remote("length", data)
    if data[0] & EXCEPTION_BIT:
        if len(data) != 2 or data[0] == EXCEPTION_BIT:
            raise _remote("length", data)
        return ExceptionReply(function=data[0] & ~EXCEPTION_BIT, code=data[1])
    function = FUNCTIONS.get(data[0])
    if function is None:
        raise _remote("function", data)
    if function in READS:
        odd = function in REGISTER_READS and data[1] % 2
        if len(data) != 2 + data[1] or not data[1] or odd:
            raise _remote("byte_count", data)
        return ReadReply(function=function, data=data[2:])
    if len(data) != 5:
        raise _remote("length", data)
    _, address, value = _HEAD.unpack(data)
    if function in WRITE_MULTIPLES:
        if _fault(function, address, value, None):
            raise _remote("count", data)
        return WriteReply(function=function, address=address, count=value)
    single = WriteSingle(function=function, address=address, value=value)
    if _fault_single(single):
        raise _remote("value", data)
    return single


def answers(request: Request, reply: Reply) -> bool:
    """Can `reply` be the answer to `request`? Same function, and size, address, count or value as asked."""
    if isinstance(reply, ExceptionReply):
        return reply.function == request.function
    if reply.function != request.function:
        return False
    match request:
        case ReadRequest():
            return isinstance(reply, ReadReply) and len(reply.data) == data_size(request.function, request.count)
        case WriteSingle():
            return reply == request
        case WriteMultiple():
            return isinstance(reply, WriteReply) and reply.address == request.address and reply.count == request.count
