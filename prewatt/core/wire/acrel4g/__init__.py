"""Acrel 4G meters that dial in, both ends, sans-IO: bytes in, values out."""

from prewatt.core.wire.acrel4g.frame import MAX_FRAME, MAX_PAYLOAD, Command, Decoder, Frame, decode, encode
from prewatt.core.wire.acrel4g.messages import (
    Registration,
    Section,
    clock_of,
    data_frame,
    data_sections,
    heartbeat,
    heartbeat_frame,
    inner_reply,
    registered,
    registration,
    registration_frame,
    time_answer,
    transparent,
)
from prewatt.core.wire.acrel4g.poll import MODELS, PollBlock, poll_block
from prewatt.core.wire.acrel4g.session import Answers, AsksTime, Event, Lives, Registers, Reports, Session
from prewatt.core.wire.errors import LocalProtocolError, ProtocolError, RemoteProtocolError

__all__ = [
    "MAX_FRAME",
    "MAX_PAYLOAD",
    "MODELS",
    "Answers",
    "AsksTime",
    "Command",
    "Decoder",
    "Event",
    "Frame",
    "Lives",
    "LocalProtocolError",
    "PollBlock",
    "ProtocolError",
    "Registers",
    "Registration",
    "RemoteProtocolError",
    "Reports",
    "Section",
    "Session",
    "clock_of",
    "data_frame",
    "data_sections",
    "decode",
    "encode",
    "heartbeat",
    "heartbeat_frame",
    "inner_reply",
    "poll_block",
    "registered",
    "registration",
    "registration_frame",
    "time_answer",
    "transparent",
]
