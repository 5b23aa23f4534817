"""The server's end of a call from an Acrel 4G meter: bytes in; what the meter wants, says and reports out.

Where a meter puts its answer to a tunnelled request differs: the whole Modbus frame in a 90, the same behind its
serial, or a section of a 91. All three are taken. A 91 that carries the poll block is a report, asked for or not.
An answer to a write may carry the serial alone: that says that something was taken, and nothing of what came of it.
"""

from dataclasses import dataclass
from typing import Final

from prewatt.core.wire.acrel4g.frame import Command, Decoder, Frame
from prewatt.core.wire.acrel4g.messages import (
    SERIAL,
    Registration,
    data_sections,
    heartbeat,
    registration,
    serial_in,
)
from prewatt.core.wire.acrel4g.poll import PollBlock, poll_block
from prewatt.core.wire.call import Call
from prewatt.core.wire.checks import crc16_modbus
from prewatt.core.wire.errors import RemoteProtocolError

RTU_LEAST: Final = 5  # unit, function, one byte, CRC


@dataclass(frozen=True, slots=True)
class Registers:
    """84: who calls. The answer is `registered()`."""

    registration: Registration


@dataclass(frozen=True, slots=True)
class Lives:
    """94, or any message that says nothing else; `serial` is "" where it carries none."""

    serial: str


@dataclass(frozen=True, slots=True)
class AsksTime:
    """93. The answer is `time_answer` in the meter's local time."""


@dataclass(frozen=True, slots=True)
class Answers:
    """A whole Modbus RTU frame from behind the link, CRC included and right."""

    rtu: bytes


@dataclass(frozen=True, slots=True)
class Takes:
    """90 with the serial alone: a request was taken. Which one it does not say, nor whether it was obeyed."""

    serial: str


@dataclass(frozen=True, slots=True)
class Reports:
    """91 with a poll block, of the Modbus unit that sent it."""

    unit: int
    block: PollBlock


Event = Registers | Lives | AsksTime | Answers | Takes | Reports


class Session(Call[Frame, Event]):
    """One call."""

    def __init__(self) -> None:
        super().__init__(Decoder(), _events)


def _events(frame: Frame) -> list[Event]:
    match frame.command:
        case Command.REGISTER:
            return [Registers(registration(frame))]
        case Command.HEARTBEAT:
            return [Lives(heartbeat(frame))]
        case Command.TIME:
            return [AsksTime()]
        case Command.DATA:
            return [_said(section.reply) for section in data_sections(frame)[1]]
        case Command.TRANSPARENT:
            return [_carried(frame)]
        case _:
            return [Lives("")]


def _said(reply: bytes) -> Event:
    try:
        return Reports(reply[0], poll_block(reply))
    except RemoteProtocolError:
        return Answers(reply + crc16_modbus(reply).to_bytes(2, "little"))


def _carried(frame: Frame) -> Event:
    rtu = _rtu_in(frame.payload)
    if rtu is not None:
        return Answers(rtu)
    try:
        return Takes(serial_in(frame.payload))
    except RemoteProtocolError:
        return Lives("")


def _rtu_in(payload: bytes) -> bytes | None:
    """The Modbus frame in a 90, behind a serial or not."""
    for rtu in (payload, payload[SERIAL:]):
        if len(rtu) >= RTU_LEAST and crc16_modbus(rtu) == 0:
            return rtu
    return None
