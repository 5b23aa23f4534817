"""What the frames of an Acrel 4G meter carry: registration, heartbeat, time, data, transparent Modbus.

Sources: jerryxiaosa/ems4j, ricnsmart/acrel-modbus; the sections of a data message trust the Modbus byte
count, never the marks, because `))` and `]]` are ordinary bytes too.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from prewatt.core.wire.acrel4g.frame import Command, Frame
from prewatt.core.wire.checks import crc16_modbus
from prewatt.core.wire.errors import LocalProtocolError, RemoteProtocolError

SERIAL: Final = 20  # bytes, ASCII, filled with zeros
ICCID: Final = 30
REGISTRATION: Final = SERIAL + ICCID + 1 + 6 + 1
MAX_SECTIONS: Final = 16
MAX_ADDRESS: Final = 32  # bytes of the text before "(("
FIRST_YEAR: Final = 2000
LAST_YEAR: Final = 2099
_OPEN: Final = b"[["
_CLOSE: Final = b"]]"
_INNER_OPEN: Final = b"(("
_INNER_CLOSE: Final = b"))"
_EXCEPTION: Final = 0x80
_COUNTED: Final = frozenset({0x01, 0x02, 0x03, 0x04})  # replies with a byte count
_FIXED: Final = frozenset({0x05, 0x06, 0x0F, 0x10})  # replies with an address and a value or count


@dataclass(frozen=True, kw_only=True, slots=True)
class Registration:
    """84 from the meter. `signal` as it reports it, `versions` three words of BCD, `interval` in minutes."""

    serial: str
    iccid: str
    signal: int
    versions: tuple[int, int, int]
    interval: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """One Modbus reply inside a data message: the meter's address text and unit + PDU, without CRC."""

    address: str
    reply: bytes


def _text(data: bytes) -> str:
    text = data.rstrip(b"\x00 ")
    if not text or any(not 32 < byte < 127 for byte in text):
        raise RemoteProtocolError("text", data[:32].hex())
    return text.decode("ascii")


def _filled(text: str, size: int) -> bytes:
    data = text.encode("ascii", errors="replace")
    if not 1 <= len(data) <= size or any(not 32 < byte < 127 for byte in data) or "?" in text:
        raise LocalProtocolError("text", f"1 to {size} ASCII characters: {text!r}")
    return data.ljust(size, b"\x00")


def _payload(frame: Frame, command: Command) -> bytes:
    if frame.command != command:
        raise RemoteProtocolError("command", f"{frame.command:02X}")
    return frame.payload


def registration(frame: Frame) -> Registration:
    """Raises RemoteProtocolError `command`, `length`, `text`."""
    data = _payload(frame, Command.REGISTER)
    if len(data) != REGISTRATION:
        raise RemoteProtocolError("length", str(len(data)))
    tail = data[SERIAL + ICCID :]
    words = tuple(int.from_bytes(tail[at : at + 2], "big") for at in (1, 3, 5))
    iccid = data[SERIAL : SERIAL + ICCID]
    return Registration(
        serial=_text(data[:SERIAL]),
        iccid="" if not iccid.strip(b"\x00") else _text(iccid),
        signal=tail[0],
        versions=(words[0], words[1], words[2]),
        interval=tail[7],
    )


def registration_frame(given: Registration) -> Frame:
    """What a meter sends first; raises LocalProtocolError `text`, `value`."""
    if not all(0 <= word <= 0xFFFF for word in given.versions):
        raise LocalProtocolError("value", str(given))
    if not (0 <= given.signal <= 0xFF and 0 <= given.interval <= 0xFF):
        raise LocalProtocolError("value", str(given))
    iccid = _filled(given.iccid, ICCID) if given.iccid else bytes(ICCID)
    versions = b"".join(word.to_bytes(2, "big") for word in given.versions)
    data = _filled(given.serial, SERIAL) + iccid + bytes((given.signal,)) + versions + bytes((given.interval,))
    return Frame(command=Command.REGISTER, payload=data)


def registered() -> Frame:
    """The server's answer to a registration: a frame without payload."""
    return Frame(command=Command.REGISTER)


def heartbeat(frame: Frame) -> str:
    """The serial in a heartbeat; raises RemoteProtocolError `command`, `length`, `text`."""
    return serial_in(_payload(frame, Command.HEARTBEAT))


def serial_in(payload: bytes) -> str:
    """The serial that is all a message says; raises RemoteProtocolError `length`, `text`."""
    if not 1 <= len(payload) <= SERIAL:
        raise RemoteProtocolError("length", str(len(payload)))
    return _text(payload)


def heartbeat_frame(serial: str) -> Frame:
    return Frame(command=Command.HEARTBEAT, payload=_filled(serial, SERIAL))


def time_answer(clock: datetime) -> Frame:
    """The server's answer to 93: year, month, day, weekday (Sunday 0), hour, minute, second in binary.

    `clock` is the meter's local time; raises LocalProtocolError `clock`.
    """
    if clock.tzinfo is not None or not FIRST_YEAR <= clock.year <= LAST_YEAR:
        raise LocalProtocolError("clock", str(clock))
    parts = (clock.year - FIRST_YEAR, clock.month, clock.day, clock.isoweekday() % 7)
    return Frame(command=Command.TIME, payload=bytes((*parts, clock.hour, clock.minute, clock.second)))


def clock_of(data: bytes) -> datetime:
    """A clock of seven bytes, or six without the weekday; raises RemoteProtocolError `clock`."""
    if len(data) not in (6, 7):
        raise RemoteProtocolError("clock", data[:16].hex())
    year, month, day = data[:3]
    hour, minute, second = data[-3:]
    if year > LAST_YEAR - FIRST_YEAR:
        raise RemoteProtocolError("clock", data.hex())
    try:
        return datetime(FIRST_YEAR + year, month, day, hour, minute, second)
    except ValueError as error:
        raise RemoteProtocolError("clock", data.hex()) from error


def transparent(rtu: bytes) -> Frame:
    """90: a whole Modbus RTU frame on its way to or from the meter behind the link."""
    return Frame(command=Command.TRANSPARENT, payload=rtu)


def data_frame(sections: tuple[Section, ...], serial: str = "", *, crc: bool = True) -> Frame:
    """91 as a meter sends it, with or without the serial in front and the inner CRC."""
    out = _filled(serial, SERIAL) if serial else b""
    for each in sections:
        if not 1 <= len(each.address) <= MAX_ADDRESS or "(" in each.address:
            raise LocalProtocolError("text", f"an address has 1 to {MAX_ADDRESS} characters and no bracket")
        inner = each.reply + (crc16_modbus(each.reply).to_bytes(2, "little") if crc else b"")
        out += _OPEN + _filled(each.address, len(each.address)) + _INNER_OPEN + inner + _INNER_CLOSE + _CLOSE
    return Frame(command=Command.DATA, payload=out)


def data_sections(frame: Frame) -> tuple[str, tuple[Section, ...]]:
    """The serial ("" when the meter leaves it out) and the sections of a data message that hold a Modbus reply.

    A section may hold something else (a list of currents has been seen): it is passed over to its end marks.
    Raises RemoteProtocolError `command`, `text`, `section` (the marks do not hold, or no section says anything),
    `too_many`.
    """
    data, at, serial = _payload(frame, Command.DATA), 0, ""
    if not data.startswith(_OPEN):
        serial, at = _text(data[:SERIAL]), SERIAL
    sections: list[Section] = []
    for _ in range(MAX_SECTIONS):
        if at == len(data):
            break
        section, at = _section(data, at)
        if section is not None:
            sections.append(section)
    else:
        if at < len(data):
            raise RemoteProtocolError("too_many", f"more than {MAX_SECTIONS} sections")
    if not sections:
        raise RemoteProtocolError("section", data[:16].hex())
    return serial, tuple(sections)


def _section(data: bytes, at: int) -> tuple[Section | None, int]:
    """The section that begins here, None for one that holds no Modbus reply, and where it ends."""
    inner = data.find(_INNER_OPEN, at, at + 2 + MAX_ADDRESS + 2)
    if not data.startswith(_OPEN, at) or inner < 0:
        raise RemoteProtocolError("section", data[at : at + 16].hex())
    begin = inner + 2
    size = _reply_size(data[begin : begin + 3])
    end = begin + size
    checked = data[begin : end + 2]
    sealed = len(checked) == end + 2 - begin and crc16_modbus(checked) == 0
    for behind in (end + 2, end) if sealed else (end,):
        if size and data.startswith(_INNER_CLOSE + _CLOSE, behind):
            return Section(address=_text(data[at + 2 : inner]), reply=data[begin:end]), behind + 4
    return None, _section_end(data, begin)


def _section_end(data: bytes, begin: int) -> int:
    """Behind the end marks that the next section or the end of the message follows."""
    at = begin
    while (at := data.find(_INNER_CLOSE + _CLOSE, at)) >= 0:
        at += len(_INNER_CLOSE + _CLOSE)
        if at == len(data) or data.startswith(_OPEN, at):
            return at
    raise RemoteProtocolError("section", data[begin : begin + 16].hex())


def _reply_size(head: bytes) -> int:
    """Bytes of unit and PDU of the Modbus reply that begins with `head`, 0 for none."""
    if len(head) == 3:
        if head[1] & _EXCEPTION:
            return 3
        if head[1] in _COUNTED:
            return 3 + head[2]
        if head[1] in _FIXED:
            return 6
    return 0


def inner_reply(frame: Frame) -> tuple[bytes, ...]:
    """Modbus replies (unit and PDU, CRC checked and taken off) inside a data or transparent frame; () for none.

    Never raises: what is not understood gives nothing.
    """
    if frame.command == Command.DATA:
        try:
            return tuple(section.reply for section in data_sections(frame)[1])
        except RemoteProtocolError:
            return ()
    if frame.command == Command.TRANSPARENT and len(frame.payload) >= 5 and crc16_modbus(frame.payload) == 0:
        return (frame.payload[:-2],)
    return ()
