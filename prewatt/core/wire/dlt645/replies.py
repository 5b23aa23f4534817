"""Frames a meter sends: good answers, answers in parts, refusals."""

from typing import Final

from prewatt.core.wire.dlt645.frame import FOLLOWING, MAX_DATA, REFUSED, REPLY, Frame, Function
from prewatt.core.wire.dlt645.requests import MAX_SEQUENCE, di_bytes
from prewatt.core.wire.errors import LocalProtocolError

PART: Final = 192  # bytes of value in one part; with identifier and sequence below the 200 of the standard


def reply(request: Frame, own: str, data: bytes = b"") -> Frame:
    """The good answer of the meter `own`; for reads and cost control `data` begins with the identifier."""
    if request.reply:
        raise LocalProtocolError("control", "a reply is not answered")
    if len(data) > MAX_DATA:
        raise LocalProtocolError("length", f"{len(data)} bytes, at most {MAX_DATA}")
    return Frame(address=own, control=request.function | REPLY, data=data)


def answer_read(request: Frame, own: str, value: bytes) -> Frame:
    """The answer to function 11 or 12 with the whole `value`: the part that was asked for, and whether more follows.

    Raises LocalProtocolError `control`, `sequence` (past the end), `length` (too long for 256 parts).
    """
    if request.function not in (Function.READ, Function.READ_FOLLOWING) or request.di is None:
        raise LocalProtocolError("control", "not a read")
    number = request.data[4] if request.function == Function.READ_FOLLOWING and len(request.data) > 4 else 0
    if len(value) > PART * (MAX_SEQUENCE + 1):
        raise LocalProtocolError("length", f"{len(value)} bytes")
    part = value[number * PART : (number + 1) * PART]
    if number and not part:
        raise LocalProtocolError("sequence", str(number))
    more = FOLLOWING if (number + 1) * PART < len(value) else 0
    tail = bytes((number,)) if request.function == Function.READ_FOLLOWING else b""
    return Frame(address=own, control=request.function | REPLY | more, data=di_bytes(request.di) + part + tail)


def refuse(request: Frame, own: str, word: int, *, size: int = 1) -> Frame:
    """The refusal with an error word of 1 byte, or of 2 for State Grid cost control."""
    if request.reply or size not in (1, 2) or not 0 <= word < 1 << 8 * size:
        raise LocalProtocolError("error_word", f"{word} in {size} bytes")
    return Frame(address=own, control=request.function | REPLY | REFUSED, data=word.to_bytes(size, "little"))
