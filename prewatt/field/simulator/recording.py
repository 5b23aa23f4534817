"""A recording of what was said on the lines of a site (`field.recorder` writes it), read and checked for a replay."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from prewatt.field.recorder import FORMAT, FRAME_LIMIT, RECORD_LIMIT_BYTES
from prewatt.field.simulator.fields import Fields, SiteError
from prewatt.field.simulator.site import SERIAL, LineSite, Transport

AT_LIMIT_MS: Final = 10**14
DELAY_LIMIT_MS: Final = 600_000
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HEX = re.compile(r"([0-9A-Fa-f]{2})+")


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """A request and what came before the next one, each with its delay in ms."""

    request: bytes
    answers: tuple[tuple[int, bytes], ...]


@dataclass(frozen=True, kw_only=True)
class RecordedLine:
    """One line of a recording."""

    site: LineSite
    exchanges: tuple[Exchange, ...]


def load_recording(path: Path) -> tuple[RecordedLine, ...]:
    """Read and check a recording. Raises `SiteError` also when the file is missing or too large."""
    try:
        if path.stat().st_size > RECORD_LIMIT_BYTES + FRAME_LIMIT * 4:
            raise SiteError("too_large", str(path), f"is larger than {RECORD_LIMIT_BYTES} bytes")
        with path.open(encoding="utf-8") as stream:
            return recording_from(stream)
    except OSError as error:
        raise SiteError("unreadable", str(path), str(error)) from error
    except UnicodeDecodeError as error:
        raise SiteError("not_json", str(path), "is no text") from error


def recording_from(stream: Iterator[str] | TextIO) -> tuple[RecordedLine, ...]:
    """The lines of a recording, in their order. Raises `SiteError` with the number of the line that is wrong."""
    lines: dict[str, LineSite] = {}
    found: dict[str, list[tuple[bytes, list[tuple[int, bytes]]]]] = {}
    asked_ms: dict[str, int] = {}
    last_ms: dict[str, int] = {}
    for number, text in enumerate(stream, 1):
        fields = _fields(text, f"record:{number}")
        if number == 1:
            if (form := fields.text("format")) != FORMAT:
                raise SiteError("unknown_format", f"{fields.where}.format", f"{form} is not {FORMAT}")
        elif "hex" not in fields.left:
            line = _line(fields)
            if line.id in lines:
                raise SiteError("duplicate", f"{fields.where}.line", f"{line.id} is there twice")
            lines[line.id], found[line.id] = line, []
        else:
            line_id, at_ms, to_meter, data = _frame(fields)
            if line_id not in lines:
                raise SiteError("unknown_line", f"{fields.where}.line", f"no line {line_id}")
            if at_ms < last_ms.get(line_id, 0):
                raise SiteError("bad_time", f"{fields.where}.at", "runs backward")
            last_ms[line_id] = at_ms
            if to_meter:
                asked_ms[line_id] = at_ms
                found[line_id].append((data, []))
            elif found[line_id]:
                delay_ms = min(at_ms - asked_ms[line_id], DELAY_LIMIT_MS)
                found[line_id][-1][1].append((delay_ms, data))
        fields.done()
    if not lines:
        raise SiteError("missing", "record", "has no line")
    return tuple(
        RecordedLine(
            site=line, exchanges=tuple(Exchange(request=asked, answers=tuple(came)) for asked, came in found[line.id])
        )
        for line in lines.values()
    )


def _fields(text: str, where: str) -> Fields:
    try:
        return Fields.of(json.loads(text), where)
    except (ValueError, RecursionError):
        raise SiteError("not_json", where, "is not JSON") from None


def _line(fields: Fields) -> LineSite:
    transport = fields.choice("transport", Transport)
    numbered = transport in (Transport.MODBUS_TCP, Transport.MODBUS_TLS)
    port = fields.integer("port", 0, 65_535, 0)
    return LineSite(
        id=(line_id := fields.matching("line", _ID)), name=line_id, gateway="record",
        transport=Transport.MODBUS_TCP if numbered else Transport.RTU_OVER_TCP,
        host=fields.text("host", "127.0.0.1"), baud=fields.integer("baud", 300, 4_000_000, 9600),
        port=0 if transport is Transport.DIAL_IN or transport in SERIAL else port,
    )  # fmt: skip


def _frame(fields: Fields) -> tuple[str, int, bool, bytes]:
    line_id, at_ms = fields.matching("line", _ID), fields.integer("at", 0, AT_LIMIT_MS)
    to, pairs = fields.text("to"), fields.text("hex", limit=2 * FRAME_LIMIT)
    if to not in ("meter", "office"):
        raise SiteError("not_a_choice", f"{fields.where}.to", "must be meter or office")
    if not _HEX.fullmatch(pairs):
        raise SiteError("not_a_text", f"{fields.where}.hex", "must be pairs of hex digits")
    return line_id, at_ms, to == "meter", bytes.fromhex(pairs)
