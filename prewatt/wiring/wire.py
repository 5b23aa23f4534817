"""`prewatt wire`: captured bytes as JSON lines, one capture a line in, what it says a line out.

For commissioning: paste what was captured, read what it says. The process never dies on a bad line.
Documented for integrators in docs/algorithms/wire-json-lines.md.
"""

import io
import json
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import IO, Any, Final

from prewatt.core.refusals import ENGLISH, Refused, Text, register
from prewatt.core.wire import acrel4g, dlt645, modbus
from prewatt.core.wire.checks import crc16_modbus

MAX_LINE: Final = 65_536  # characters
MARK: Final = "\ufeff"  # stands in front of a file of UTF-8, and inside when files are joined
# what stands around the pairs where bytes are printed: 0x68, \x68, &H68, 68h, {(byte)0x11}, b"\x68", 68.11, 收到：68，11
SEPARATORS: Final = re.compile(
    r"0[xX](?=[0-9A-Fa-f]{2})|\\[xX](?=[0-9A-Fa-f]{2})|&[hH]?(?=[0-9A-Fa-f]{2})|(?<=[0-9A-Fa-f]{2})[hH]|\bb(?=[\"'])"
    r"|\b(?i:[rt]x|recv|received|send|sent|request|response|reply|byte)\b|[^\w\\&]+|_+|[\u4E00-\u9FFF]+"
)
ONE_DIGIT: Final = re.compile(r"\b0[xX]([0-9A-Fa-f])\b")  # 0x3: logs that leave out the zero

Result = dict[str, Any]
log = logging.getLogger(__name__)


class WireCode(StrEnum):
    """Refusal codes of `prewatt wire`."""

    LINE_MALFORMED = "wire_line_malformed"
    LINE_TOO_LONG = "wire_line_too_long"
    FIELD_MALFORMED = "wire_field_malformed"
    PROTOCOL_UNKNOWN = "wire_protocol_unknown"
    HEX_MALFORMED = "wire_hex_malformed"
    DIRECTION_NEEDED = "wire_direction_needed"
    NO_FRAME = "wire_no_frame"
    INCOMPLETE = "wire_frame_incomplete"
    CHECKSUM = "wire_checksum_wrong"
    END_MARK = "wire_end_mark_missing"
    DLT645_1997 = "dlt645_1997"
    INTERNAL = "wire_internal_error"


TEXTS: Final[dict[WireCode, Text]] = {
    WireCode.LINE_MALFORMED: Text("The line is not one JSON object.", "该行不是一个 JSON 对象。"),
    WireCode.LINE_TOO_LONG: Text("The line is longer than {limit} characters.", "该行超过 {limit} 个字符。"),
    WireCode.FIELD_MALFORMED: Text(
        "The field “{field}” must be {expected}.", "字段“{field}”格式不正确（应为 {expected}）。"
    ),
    WireCode.PROTOCOL_UNKNOWN: Text(
        "There is no protocol “{protocol}”; there are {known}.", "没有名为“{protocol}”的协议（可用：{known}）。"
    ),
    WireCode.HEX_MALFORMED: Text("The bytes are not pairs of hex digits.", "报文不是成对的十六进制数字。"),
    WireCode.DIRECTION_NEEDED: Text(
        "These bytes can be a request or a reply: say which in “direction”.",
        "这些字节既可能是请求也可能是应答，请用“direction”指明。",
    ),
    WireCode.NO_FRAME: Text("There is no frame in these bytes.", "这些字节中没有报文。"),
    WireCode.INCOMPLETE: Text("A frame begins here and is cut off.", "报文不完整（被截断）。"),
    WireCode.CHECKSUM: Text("A frame stands here and its check sum is wrong.", "报文校验和错误。"),
    WireCode.END_MARK: Text("A frame begins here and its end mark is missing.", "报文缺少结束符。"),
    WireCode.DLT645_1997: Text(
        "This is a frame of DL/T 645-1997; only the 2007 edition is spoken.",
        "这是 DL/T 645-1997 报文；本系统仅支持 2007 版。",
    ),
    WireCode.INTERNAL: Text(
        "The bytes could not be read because of a fault in the program.", "程序内部错误，无法解析。"
    ),
}
register({code.value: text for code, text in TEXTS.items()})

_FAULTS: Final = {
    "incomplete": WireCode.INCOMPLETE,
    "checksum": WireCode.CHECKSUM,
    "end_mark": WireCode.END_MARK,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What a protocol made of the bytes: frames ready to show, bytes of none, and why when there is no frame."""

    frames: list[Result]
    discarded: int
    why: WireCode | None


def main(stdin: IO[str], stdout: IO[str]) -> int:
    """Answer every line until the end of the input; the exit status is 0.

    A reader that goes away ends the work quietly: nobody is left to answer.
    """
    if isinstance(stdin, io.TextIOWrapper):
        # bytes that are not UTF-8 must spoil their own line only; some shells put a mark in front of the first
        stdin.reconfigure(encoding="utf-8-sig", errors="replace")
    try:
        while line := _read_line(stdin):
            if line.strip():
                stdout.write(_show(_answer_line(line)) + "\n")
                stdout.flush()
    except BrokenPipeError:
        if stdout is sys.stdout:  # else Python would fail once more when it flushes at the end
            os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())
    return 0


def read_aloud(
    protocol: str, text: str, stdout: IO[str], *, direction: str | None = None, language: str = ENGLISH
) -> bool:
    """One capture, its frames written as lines of `name: value` for a person; False, and why, when there is none."""
    if len(text) > MAX_LINE:
        result = _refusal(None, Refused(WireCode.LINE_TOO_LONG, limit=MAX_LINE), language=language)
    else:
        result = answer({"protocol": protocol, "hex": text, "direction": direction, "language": language})
    for number, frame in enumerate(result["frames"], start=1):
        stdout.write(f"{number}\n" + "".join(f"  {line}\n" for line in _aloud(frame)))
    if not result["ok"]:
        stdout.write(f"{result['error']['code']}: {result['error']['message']}\n")
    stdout.write(f"discarded: {result['discarded']}\n")
    return bool(result["ok"])


def _aloud(shown: Mapping[str, Any]) -> Iterator[str]:
    """What a frame says, without what it does not say. A value stands behind its own name."""
    for name, said in shown.items():
        match said:
            case None | False | "" | []:
                continue
            case [dict(), *_] if name == "values":
                for each in said:
                    told = each.get("fault") if each["value"] is None else each["value"]
                    back = f" (-{each['settlement']})" if "settlement" in each else ""
                    bits = f" [{', '.join(each['bits'])}]" if "bits" in each else ""
                    rest = f" + {each['rest']}" if "rest" in each else ""
                    yield f"{each['name']}{back}: {told} {each['unit']}".rstrip() + bits + rest
            case [dict(), *_]:
                for each in said:
                    yield f"{name}:"
                    yield from (f"  {line}" for line in _aloud(each))
            case dict():
                yield f"{name}:"
                yield from (f"  {line}" for line in _aloud(said))
            case list():
                yield f"{name}: {', '.join(str(each) for each in said)}"
            case _:
                yield f"{name}: {said}"


def _read_line(stdin: IO[str]) -> str:
    """The next line, "" at the end. Of a line that is too long only enough is kept to see that it is."""
    line = stdin.readline(MAX_LINE + 1)
    rest = line
    while rest and not rest.endswith("\n") and len(line) > MAX_LINE:
        rest = stdin.readline(MAX_LINE)
    return line


def _answer_line(line: str) -> Result:
    if len(line) > MAX_LINE:
        return _refusal(None, Refused(WireCode.LINE_TOO_LONG, limit=MAX_LINE))
    try:
        request = json.loads(line.lstrip(MARK), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return _refusal(None, Refused(WireCode.LINE_MALFORMED))
    try:
        return answer(request)
    except Exception as failure:  # noqa: BLE001 - a process loop: one capture must not take the others with it
        log.error("a capture could not be read: %s", type(failure).__name__)
        identity = request.get("id") if isinstance(request, dict) else None
        return _refusal(identity, Refused(WireCode.INTERNAL))


def _show(result: Result) -> str:
    """One line of ASCII. An `id` that JSON can read but not write (1e999, too deep) is not echoed."""
    try:
        return json.dumps(result, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    except (ValueError, RecursionError):
        return _show(_refusal(None, Refused(WireCode.LINE_MALFORMED)))


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _refusal(identity: object, refusal: Refused, discarded: int = 0, language: str = ENGLISH) -> Result:
    error = {"code": str(refusal.code), "message": refusal.message(language)}
    return {"id": identity, "ok": False, "error": error, "frames": [], "discarded": discarded}


def answer(request: object) -> Result:
    """The result of one request, with its `id`; refusals are results too."""
    if not isinstance(request, Mapping):
        return _refusal(None, Refused(WireCode.LINE_MALFORMED))
    identity, given = request.get("id"), request.get("language")
    language = given if isinstance(given, str) else ENGLISH
    data = b""
    try:
        read = _reader(request)
        data = _bytes(request)
        found = read(data, _direction(request))
    except Refused as refusal:
        return _refusal(identity, refusal, len(data), language)
    if found.why is not None:
        return _refusal(identity, Refused(found.why), found.discarded, language)
    return {"id": identity, "ok": True, "frames": found.frames, "discarded": found.discarded}


def _reader(request: Mapping[str, object]) -> Callable[[bytes, modbus.Direction | None], Found]:
    protocol = request.get("protocol")
    if not isinstance(protocol, str) or protocol not in PROTOCOLS:
        shown = protocol[:40] if isinstance(protocol, str) else ""
        raise Refused(WireCode.PROTOCOL_UNKNOWN, protocol=shown, known=", ".join(PROTOCOLS))
    return PROTOCOLS[protocol]


def _bytes(request: Mapping[str, object]) -> bytes:
    """The bytes of `hex`: upper or lower case, the pairs written as programs and logs write them."""
    given = request.get("hex")
    if not isinstance(given, str):
        raise Refused(WireCode.FIELD_MALFORMED, field="hex", expected="hex digits")
    pairs = SEPARATORS.sub("", ONE_DIGIT.sub(r"0\1 ", given))
    if len(pairs) % 2 or not re.fullmatch(r"[0-9A-Fa-f]*", pairs, re.ASCII):
        raise Refused(WireCode.HEX_MALFORMED)
    return bytes.fromhex(pairs)


def _direction(request: Mapping[str, object]) -> modbus.Direction | None:
    given = request.get("direction")
    if given is None:
        return None
    if not isinstance(given, str) or given not in tuple(modbus.Direction):
        raise Refused(WireCode.FIELD_MALFORMED, field="direction", expected="request / reply")
    return modbus.Direction(given)


def _found(frames: list[Result], discarded: int, fault: str | None) -> Found:
    why = None if frames else _FAULTS.get(fault or "", WireCode.NO_FRAME)
    return Found(frames=frames, discarded=discarded, why=why)


def _read_dlt645(data: bytes, direction: modbus.Direction | None) -> Found:
    """The frames say themselves which end sent them; `direction` is not needed."""
    decoder = dlt645.Decoder()
    frames = decoder.receive(data) + decoder.idle()
    shown: list[Result] = []
    in_flight: tuple[int, dlt645.Frame] | None = None
    parts: dict[str, dlt645.LongRead] = {}
    for index, frame in enumerate(frames):
        one = _show_dlt645(frame)
        if (whole := _joined(parts, frame)) is not None:
            one["values"] += [_show_value(value) for value in dlt645.read_values(frame.di, whole)]
        if not frame.reply:
            in_flight = index, frame
        one["answers"] = in_flight[0] if in_flight and dlt645.answers(in_flight[1], frame) else None
        shown.append(one)
    if not shown and decoder.old:
        return Found(frames=[], discarded=decoder.discarded, why=WireCode.DLT645_1997)
    return _found(shown, decoder.discarded, decoder.fault)


def _joined(parts: dict[str, dlt645.LongRead], frame: dlt645.Frame) -> bytes | None:
    """The whole value an answer in parts has brought with this frame, its last one; None for any other frame."""
    if not frame.reply:
        return None
    try:
        if frame.function == dlt645.Function.READ and frame.following and frame.di is not None:
            parts[frame.address] = dlt645.LongRead(frame.address, frame.di)
        whole = parts[frame.address].take(frame) if frame.address in parts else None
    except dlt645.ProtocolError:
        parts.pop(frame.address, None)
        return None
    if whole is not None:
        del parts[frame.address]
    return whole


def _show_dlt645(frame: dlt645.Frame) -> Result:
    return {
        "address": frame.address,
        "control": f"{frame.control:02X}",
        "reply": frame.reply,
        "refused": frame.refused,
        "following": frame.following,
        "di": None if frame.di is None else dlt645.show_di(frame.di),
        "data": frame.data.hex().upper(),
        "values": [_show_value(value) for value in dlt645.values_of(frame)],
        "errors": list(dlt645.errors_of(frame)),
    }


def _show_value(value: dlt645.Value) -> Result:
    """`fault`, `bits` and `settlement` only where there is something to say."""
    shown: Result = {"name": value.name, "value": value.value, "unit": value.unit}
    if value.fault is not None:
        shown["fault"] = str(value.fault)
    if value.bits:
        shown["bits"] = list(value.bits)
    if value.settlement:
        shown["settlement"] = value.settlement
    return shown


def _read_acrel4g(data: bytes, direction: modbus.Direction | None) -> Found:
    frames, discarded, fault = acrel4g.scan(data)
    return _found([_show_acrel4g(frame) for frame in frames], discarded, fault)


def _show_acrel4g(frame: acrel4g.Frame) -> Result:
    return {
        "command": f"{frame.command:02X}",
        "payload": frame.payload.hex().upper(),
        **_said_acrel4g(frame),
        "modbus": [_show_modbus(each) for each in _carried(frame)],
        "block": next((block for each in acrel4g.inner_reply(frame) if (block := _block(each))), None),
    }


def _said_acrel4g(frame: acrel4g.Frame) -> Result:
    """The meter's serial, what it registers with, the time it is told: each only where it stands in the frame."""
    try:
        match frame.command:
            case acrel4g.Command.REGISTER:
                told = acrel4g.registration(frame)
                versions = [f"{word:04X}" for word in told.versions]
                return {
                    "serial": told.serial, "iccid": told.iccid, "signal": told.signal, "versions": versions,
                    "interval": told.interval,
                }  # fmt: skip
            case acrel4g.Command.HEARTBEAT:
                return {"serial": acrel4g.heartbeat(frame)}
            case acrel4g.Command.TIME if frame.payload:
                return {"clock": acrel4g.clock_of(frame.payload).strftime("%Y-%m-%d %H:%M:%S")}
            case acrel4g.Command.DATA:
                serial = acrel4g.data_sections(frame)[0]
                return {"serial": serial} if serial else {}
    except acrel4g.RemoteProtocolError:
        pass  # the payload is shown; what it says is not known
    return {}


def _carried(frame: acrel4g.Frame) -> tuple[modbus.Captured, ...]:
    """The Modbus frames inside a data or a transparent frame."""
    try:
        if frame.command == acrel4g.Command.TRANSPARENT:
            return modbus.scan_rtu(frame.payload, None).frames
        replies = (each + crc16_modbus(each).to_bytes(2, "little") for each in acrel4g.inner_reply(frame))
        return tuple(one for each in replies for one in modbus.scan_rtu(each, modbus.Direction.REPLY).frames)
    except modbus.RemoteProtocolError:
        return ()  # it can be a request or a reply, and only the wire behind the gateway knows


def _block(reply: bytes) -> Result | None:
    """The poll block of a meter, with decimal strings; None for any other reply."""
    try:
        block = acrel4g.poll_block(reply)
    except acrel4g.RemoteProtocolError:
        return None
    two = {
        name: dlt645.bcd.show(getattr(block, name), 2)
        for name in ("energy_total", "energy_spike", "energy_peak", "energy_flat", "energy_valley", "balance")
    }
    deep = block.energy_deep_valley
    return {
        "model": block.model,
        "model_name": acrel4g.MODELS.get(block.model),
        "voltage": dlt645.bcd.show(block.voltages[0], 1),
        "voltages": [dlt645.bcd.show(each, 1) for each in block.voltages],
        "current": dlt645.bcd.show(block.currents[0], 2),
        "currents": [dlt645.bcd.show(each, 2) for each in block.currents],
        "pt": block.pt,
        "ct": block.ct,
        **two,
        "energy_deep_valley": None if deep is None else dlt645.bcd.show(deep, 2),
        "purchase_count": block.purchase_count,
        **{f"relay_l{phase}_closed": closed for phase, closed in enumerate(block.relays_closed, start=1)},
        **{name: getattr(block, name) for name in _FLAGS},
        "clock": None if block.clock is None else block.clock.strftime("%Y-%m-%d %H:%M:%S"),
    }


_FLAGS: Final = ("fault", "force_on", "over_limit", "arrears", "alarm_1", "alarm_2")


def _read_modbus(
    scan: Callable[[bytes, modbus.Direction | None], modbus.Capture], data: bytes, direction: modbus.Direction | None
) -> Found:
    try:
        capture = scan(data, direction)
    except modbus.RemoteProtocolError as error:
        assert error.code == "direction_needed", error
        raise Refused(WireCode.DIRECTION_NEEDED) from error
    return _found([_show_modbus(frame) for frame in capture.frames], capture.discarded, capture.fault)


def _show_modbus(frame: modbus.Captured) -> Result:
    shown: Result = {
        "unit": frame.unit,
        "function": frame.function,
        "direction": None if frame.direction is None else str(frame.direction),
        "exception": frame.exception,
        "address": frame.address,
        "count": frame.count,
        "value": frame.value,
        "registers": None if frame.registers is None else list(frame.registers),
        "bits": None if frame.bits is None else frame.bits.hex().upper(),
    }
    if frame.data is not None:
        shown["data"] = frame.data.hex().upper()
    if frame.transaction is not None:
        shown["transaction"] = frame.transaction
    return shown


PROTOCOLS: Final[dict[str, Callable[[bytes, modbus.Direction | None], Found]]] = {
    "modbus-rtu": lambda data, direction: _read_modbus(modbus.scan_rtu, data, direction),
    "modbus-tcp": lambda data, direction: _read_modbus(modbus.scan_tcp, data, direction),
    "dlt645": _read_dlt645,
    "acrel-4g": _read_acrel4g,
}
