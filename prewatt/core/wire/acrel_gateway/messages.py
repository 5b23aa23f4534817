"""What Acrel gateway frames carry: login, heartbeat, reports in XML, and the tunnel to a meter.

Login: the gateway asks, the server sends a sequence, the gateway answers md5(secret + sequence), the
server says pass or fail. Reports and the tunnel are sealed (AES-128-CBC, key = IV = secret, as the makers
have it: no protection against anybody who can guess the secret); the cipher is handed in. Source:
jerryxiaosa/ems4j.
"""

import hashlib
import hmac
import zlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from prewatt.core.wire.acrel_gateway.frame import Frame, Type
from prewatt.core.wire.errors import LocalProtocolError, RemoteProtocolError

MAX_XML: Final = 4 * 1024 * 1024  # bytes after unpacking
MAX_METERS: Final = 1000  # of one report
MAX_FUNCTIONS: Final = 256  # of one meter
MAX_PORT: Final = 99
MAX_ADDRESS: Final = 999
MAX_NAME: Final = 64  # characters of a gateway, a building, a sequence
MAX_TUNNEL: Final = 336  # bytes of the frame inside: Modbus RTU has 256, DL/T 645 with its wake-up bytes 331
STAMP: Final = "%Y%m%d%H%M%S"
OPERATIONS: Final = ("request", "sequence", "md5", "result")


class Seal(Protocol):
    """The cipher of one gateway's secret; `open` raises RemoteProtocolError for what it did not make."""

    def close(self, plain: bytes) -> bytes: ...

    def open(self, sealed: bytes) -> bytes: ...


class Unsealed:
    """For gateways whose encryption is switched off."""

    def close(self, plain: bytes) -> bytes:
        return plain

    def open(self, sealed: bytes) -> bytes:
        return sealed


@dataclass(frozen=True, kw_only=True, slots=True)
class LoginStep:
    """One of the four messages of a login; `detail` is the sequence, the md5, or pass / fail."""

    operation: str
    gateway: str
    building: str = ""
    detail: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class MeterReport:
    """A meter of a report: `values` by the function names set in the gateway, as text; "" where it has an error."""

    meter: str
    values: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What a gateway read; `at` is its local time, None when it sends none that can be read."""

    gateway: str
    at: datetime | None
    meters: tuple[MeterReport, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Tunnelled:
    """A frame as it is on the bus, Modbus RTU or DL/T 645, to or from the meter at a port (0 to 99) and an address
    (0 to 999)."""

    port: int
    address: int
    rtu: bytes


def proof(secret: str, sequence: str) -> str:
    """What a gateway answers to a sequence, in lower-case hex."""
    return hashlib.md5((secret + sequence).encode(), usedforsecurity=False).hexdigest()


def proves(secret: str, sequence: str, given: str) -> bool:
    """Does the gateway know the secret? Never with an empty secret or sequence."""
    known = bool(secret and sequence)
    return hmac.compare_digest(proof(secret, sequence).encode(), given.lower().encode()) and known


def _xml(kind: str, gateway: str, building: str, body: str) -> bytes:
    return (
        '<?xml version="1.0" encoding="utf-8"?><root><common>'
        f"<building_id>{escape(building)}</building_id><gateway_id>{escape(gateway)}</gateway_id>"
        f"<type>{kind}</type></common>{body}</root>"
    ).encode()


def _root(data: bytes) -> ElementTree.Element:
    """The root of a document without entities of its own; raises RemoteProtocolError `xml`."""
    if len(data) > MAX_XML:
        raise RemoteProtocolError("xml", f"{len(data)} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RemoteProtocolError("xml", "not UTF-8") from error
    if "<!DOCTYPE" in text:  # entities are declared there only: nothing can expand
        raise RemoteProtocolError("xml", "a document type")
    try:
        return ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        raise RemoteProtocolError("xml", str(error)[:80]) from error


def _named(root: ElementTree.Element, path: str) -> str:
    found = (root.findtext(path) or "").strip()
    if len(found) > MAX_NAME or not found.isprintable():
        raise RemoteProtocolError("xml", f"{path} is too long")
    return found


def _gateway(root: ElementTree.Element) -> str:
    gateway = _named(root, "common/gateway_id")
    if not gateway:
        raise RemoteProtocolError("xml", "no gateway_id")
    return gateway


_DETAIL: Final = {"request": "", "sequence": "sequence", "md5": "md5", "result": "result"}


def login_frame(step: LoginStep) -> Frame:
    """Raises LocalProtocolError `operation`."""
    if step.operation not in OPERATIONS:
        raise LocalProtocolError("operation", step.operation)
    tag = _DETAIL[step.operation]
    detail = f"<{tag}>{escape(step.detail)}</{tag}>" if tag else ""
    body = f'<id_validate operation="{step.operation}" version="2">{detail}</id_validate>'
    return Frame(type=Type.LOGIN, body=_xml("id_validate", step.gateway, step.building, body))


def login_step(frame: Frame) -> LoginStep:
    """Raises RemoteProtocolError `type`, `xml`, `operation`."""
    root = _root(_body(frame, Type.LOGIN))
    validate = root.find("id_validate")
    operation = "" if validate is None else validate.get("operation", "").lower()
    if validate is None or operation not in OPERATIONS:
        raise RemoteProtocolError("operation", operation[:MAX_NAME])
    tag = _DETAIL[operation]
    return LoginStep(
        operation=operation,
        gateway=_gateway(root),
        building=_named(root, "common/building_id"),
        detail=_named(validate, tag) if tag else "",
    )


def heartbeat_frame(gateway: str, clock: datetime | None = None) -> Frame:
    """A gateway's heartbeat, or with `clock` (local time) the server's answer."""
    if clock is None:
        body = '<heart_beat operation="notify"></heart_beat>'
    else:
        body = f'<heart_beat operation="time"><time>{clock.strftime(STAMP)}</time></heart_beat>'
    return Frame(type=Type.HEARTBEAT, body=_xml("heart_beat", gateway, "", body))


def heartbeat(frame: Frame) -> str:
    """The gateway in a heartbeat; raises RemoteProtocolError `type`, `xml`."""
    return _gateway(_root(_body(frame, Type.HEARTBEAT)))


def report_frame(report: Report, seal: Seal, *, zipped: bool = False) -> Frame:
    """A report as a gateway sends it."""
    meters = "".join(
        f'<meter id="{escape(each.meter, _QUOTED)}">'
        + "".join(
            f'<function id="{escape(name, _QUOTED)}" error="{"" if value else "1"}">{escape(value)}</function>'
            for name, value in each.values
        )
        + "</meter>"
        for each in report.meters
    )
    time = "" if report.at is None else report.at.strftime(STAMP)
    plain = _xml("report", report.gateway, "", f'<data operation="report"><time>{time}</time>{meters}</data>')
    if zipped:
        return Frame(type=Type.ZIPPED_DATA, body=seal.close(zlib.compress(plain)))
    return Frame(type=Type.DATA, body=seal.close(plain))


_QUOTED: Final = {'"': "&quot;"}


def report(frame: Frame, seal: Seal) -> Report:
    """Raises RemoteProtocolError `type`, `zip`, `xml`, `too_many`, and what the seal raises."""
    if frame.type not in (Type.DATA, Type.ZIPPED_DATA):
        raise RemoteProtocolError("type", f"{frame.type:02X}")
    plain = seal.open(frame.body)
    root = _root(_unzip(plain) if frame.type is Type.ZIPPED_DATA else plain)
    meters = root.findall("data/meter")
    if len(meters) > MAX_METERS:
        raise RemoteProtocolError("too_many", f"{len(meters)} meters")
    return Report(
        gateway=_gateway(root), at=_stamp(_named(root, "data/time")), meters=tuple(_meter(each) for each in meters)
    )


def _meter(element: ElementTree.Element) -> MeterReport:
    functions = element.findall("function")
    if len(functions) > MAX_FUNCTIONS:
        raise RemoteProtocolError("too_many", f"{len(functions)} values")
    values = tuple(
        (each.get("id", "").strip(), "" if each.get("error", "").strip() else (each.text or "").strip())
        for each in functions
    )
    return MeterReport(meter=element.get("id", "").strip(), values=values)


def _stamp(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, STAMP) if len(text) == 14 and text.isascii() else None
    except ValueError:
        return None


def _unzip(data: bytes) -> bytes:
    """At most MAX_XML bytes, whatever the archive promises."""
    inflater = zlib.decompressobj()
    try:
        plain = inflater.decompress(data, MAX_XML)
    except zlib.error as error:
        raise RemoteProtocolError("zip", str(error)) from error
    if not inflater.eof:
        raise RemoteProtocolError("zip", "cut or too long")
    return plain


def tunnel_frame(given: Tunnelled, seal: Seal, *, answer: bool = False) -> Frame:
    """A command to a meter (F1), or its answer (F2); raises LocalProtocolError `address`, `length`."""
    if not (0 <= given.port <= MAX_PORT and 0 <= given.address <= MAX_ADDRESS):
        raise LocalProtocolError("address", f"port {given.port}, address {given.address}")
    if not 1 <= len(given.rtu) <= MAX_TUNNEL:
        raise LocalProtocolError("length", f"{len(given.rtu)} bytes")
    text = f"{given.port:02d}{given.address:03d}|{given.rtu.hex()}"
    return Frame(type=Type.ANSWER if answer else Type.COMMAND, body=seal.close(text.encode("ascii")))


def tunnelled(frame: Frame, seal: Seal) -> Tunnelled:
    """Raises RemoteProtocolError `type`, `tunnel`, and what the seal raises."""
    if frame.type not in (Type.COMMAND, Type.ANSWER):
        raise RemoteProtocolError("type", f"{frame.type:02X}")
    head, _, tail = seal.open(frame.body).partition(b"|")
    digits = head.strip().decode("ascii", errors="replace")
    pairs = tail.strip().decode("ascii", errors="replace")
    plain = len(digits) == 5 and digits.isascii() and digits.isdecimal() and len(pairs) % 2 == 0
    if not plain or not 2 <= len(pairs) <= 2 * MAX_TUNNEL or any(c not in "0123456789abcdefABCDEF" for c in pairs):
        raise RemoteProtocolError("tunnel", digits[:16])
    return Tunnelled(port=int(digits[:2]), address=int(digits[2:]), rtu=bytes.fromhex(pairs))


def _body(frame: Frame, kind: Type) -> bytes:
    if frame.type is not kind:
        raise RemoteProtocolError("type", f"{frame.type:02X}")
    return frame.body
