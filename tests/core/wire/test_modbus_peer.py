"""A second opinion: pymodbus builds and reads the same frames, byte for byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.framer import FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU
from pymodbus.pdu import bit_message as bits_of
from pymodbus.pdu import register_message as registers_of

from prewatt.core.wire.modbus import (
    ExceptionReply,
    Function,
    ReadReply,
    ReadRequest,
    Reply,
    Request,
    RtuClientDecoder,
    RtuServerDecoder,
    WriteMultiple,
    WriteReply,
    WriteSingle,
    encode_rtu_reply,
    encode_rtu_request,
    encode_tcp_request,
    pack_bits,
    write_registers,
)

UNIT, TRANSACTION = 11, 4_711
WORDS = [0x0012, 0xD687, 0xFFFF]
BITS = [True, False, True, True, False, False, False, True, True, False]

REQUESTS: list[tuple[ModbusPDU, Request]] = [
    (bits_of.ReadCoilsRequest(dev_id=UNIT, transaction_id=TRANSACTION, address=0x57, count=37),
     ReadRequest(function=Function.READ_COILS, address=0x57, count=37)),
    (bits_of.ReadDiscreteInputsRequest(dev_id=UNIT, transaction_id=TRANSACTION, address=0x57, count=2_000),
     ReadRequest(function=Function.READ_DISCRETE_INPUTS, address=0x57, count=2_000)),
    (registers_of.ReadHoldingRegistersRequest(dev_id=UNIT, transaction_id=TRANSACTION, address=0x57, count=125),
     ReadRequest(function=Function.READ_HOLDING_REGISTERS, address=0x57, count=125)),
    (registers_of.ReadInputRegistersRequest(dev_id=UNIT, transaction_id=TRANSACTION, address=0x57, count=1),
     ReadRequest(function=Function.READ_INPUT_REGISTERS, address=0x57, count=1)),
    (bits_of.WriteSingleCoilRequest(dev_id=UNIT, transaction_id=TRANSACTION, address=0x57, bits=[True]),
     WriteSingle(function=Function.WRITE_COIL, address=0x57, value=0xFF00)),
    (registers_of.WriteSingleRegisterRequest(dev_id=UNIT, transaction_id=TRANSACTION, address=0x57, registers=[7]),
     WriteSingle(function=Function.WRITE_REGISTER, address=0x57, value=7)),
    (bits_of.WriteMultipleCoilsRequest(dev_id=UNIT, transaction_id=TRANSACTION, address=0x57, bits=BITS),
     WriteMultiple(function=Function.WRITE_COILS, address=0x57, count=10, data=pack_bits(BITS))),
    (registers_of.WriteMultipleRegistersRequest(dev_id=UNIT, transaction_id=TRANSACTION, address=0x57, registers=WORDS),
     write_registers(0x57, WORDS)),
]  # fmt: skip

REPLIES: list[tuple[ModbusPDU, Request, Reply]] = [
    (bits_of.ReadCoilsResponse(dev_id=UNIT, bits=BITS), ReadRequest(function=Function.READ_COILS, address=0, count=10),
     ReadReply(function=Function.READ_COILS, data=pack_bits(BITS))),
    (registers_of.ReadHoldingRegistersResponse(dev_id=UNIT, registers=WORDS),
     ReadRequest(function=Function.READ_HOLDING_REGISTERS, address=0, count=3),
     ReadReply(function=Function.READ_HOLDING_REGISTERS, data=b"\x00\x12\xd6\x87\xff\xff")),
    (bits_of.WriteSingleCoilResponse(dev_id=UNIT, address=3, bits=[False]),
     WriteSingle(function=Function.WRITE_COIL, address=3, value=0),
     WriteSingle(function=Function.WRITE_COIL, address=3, value=0)),
    (registers_of.WriteSingleRegisterResponse(dev_id=UNIT, address=3, registers=[9]),
     WriteSingle(function=Function.WRITE_REGISTER, address=3, value=9),
     WriteSingle(function=Function.WRITE_REGISTER, address=3, value=9)),
    (bits_of.WriteMultipleCoilsResponse(dev_id=UNIT, address=3, count=10),
     WriteMultiple(function=Function.WRITE_COILS, address=3, count=10, data=pack_bits(BITS)),
     WriteReply(function=Function.WRITE_COILS, address=3, count=10)),
    (registers_of.WriteMultipleRegistersResponse(dev_id=UNIT, address=3, count=3), write_registers(3, WORDS),
     WriteReply(function=Function.WRITE_REGISTERS, address=3, count=3)),
    (ExceptionResponse(0x10, 2, device_id=UNIT), write_registers(3, WORDS), ExceptionReply(function=0x10, code=2)),
]  # fmt: skip


@pytest.mark.parametrize(("theirs", "ours"), REQUESTS, ids=lambda each: type(each).__name__)
def test_requests_are_the_same_bytes(theirs: ModbusPDU, ours: Request) -> None:
    rtu = FramerRTU(DecodePDU(True)).buildFrame(theirs)
    assert encode_rtu_request(UNIT, ours) == rtu
    assert RtuServerDecoder().receive(rtu) == [(UNIT, ours)]
    assert encode_tcp_request(TRANSACTION, UNIT, ours) == FramerSocket(DecodePDU(True)).buildFrame(theirs)


@pytest.mark.parametrize(("theirs", "asked", "ours"), REPLIES, ids=lambda each: type(each).__name__)
def test_replies_are_the_same_bytes(theirs: ModbusPDU, asked: Request, ours: Reply) -> None:
    rtu = FramerRTU(DecodePDU(False)).buildFrame(theirs)
    assert encode_rtu_reply(UNIT, ours) == rtu
    assert RtuClientDecoder(UNIT, asked).receive(rtu) == ours


@given(st.integers(0, 247), st.integers(0, 0xFF00), st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=123))
def test_any_register_write_is_the_same_bytes(unit: int, address: int, words: list[int]) -> None:
    theirs = registers_of.WriteMultipleRegistersRequest(dev_id=unit, address=address, registers=words)
    assert encode_rtu_request(unit, write_registers(address, words)) == FramerRTU(DecodePDU(True)).buildFrame(theirs)
