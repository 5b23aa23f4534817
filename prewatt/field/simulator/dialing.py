"""How a line of the site file calls us instead of being called.

    "transport": "dial-in", "host": "127.0.0.1", "port": 9300,     # where it calls
    "dialing": {
      "caller": "serial-server",      # or "acrel-4g", "dlt645": a meter with its own modem; or "acrel-gateway"
      "identity": "GATE-7",           # registration text, serial of the Acrel meter, address of the DL/T 645 meter
                                      # (12 digits), the gateway's id
      "heartbeat": "ALIVE",           # optional, serial-server: a text; the others have messages of their own
      "heartbeat_s": 60, "report_s": 300,   # optional; report_s: the Acrel ones, 0 = never
      "every_packet": false,          # optional, serial-server: the registration stands in front of each reply
      "secret": "0123456789abcdef",   # acrel-gateway: 16 characters; the rest optional
      "bus": 1,                       # acrel-gateway: the number of its serial port that this line is; several lines
                                      # with one identity are ports of one gateway
      "sealed": true, "zipped": false,# acrel-gateway: reports and tunnel ciphered; reports packed
      "tls": true, "ca_file": "ca.pem",   # optional; no file: the system's authorities are believed
      "certificate_file": "own.pem"   # optional, PEM with its key: shown where one is asked for
    }
"""

from dataclasses import dataclass, field
from enum import StrEnum

from prewatt.core.wire.acrel_gateway.messages import MAX_PORT
from prewatt.core.wire.dlt645.address import DIGITS as ADDRESS_DIGITS
from prewatt.core.wire.errors import LocalProtocolError
from prewatt.core.wire.serialserver import bytes_of
from prewatt.field.gateway_seal import SECRET_BYTES
from prewatt.field.simulator.fields import Fields, SiteError

DAY_S = 86_400
SERIAL_LIMIT = 20


class CallerKind(StrEnum):
    """Who calls."""

    SERIAL_SERVER = "serial-server"
    ACREL_4G = "acrel-4g"
    ACREL_GATEWAY = "acrel-gateway"
    DLT645 = "dlt645"


@dataclass(frozen=True, kw_only=True)
class Dialing:
    """How a line calls. Texts as `core.wire.serialserver` writes them; `report_s` 0: never."""

    caller: CallerKind
    identity: str
    heartbeat: str = ""
    heartbeat_s: int = 60
    report_s: int = 300
    every_packet: bool = False
    secret: str = field(default="", repr=False)
    bus: int = 1
    sealed: bool = True
    zipped: bool = False
    tls: bool = False
    ca_file: str = ""
    certificate_file: str = ""


def dialing_from(fields: Fields) -> Dialing:
    """Read it. Raises `SiteError`."""
    dialing = Dialing(
        caller=fields.choice("caller", CallerKind, CallerKind.SERIAL_SERVER),
        identity=fields.text("identity"),
        heartbeat="" if "heartbeat" not in fields.left else fields.text("heartbeat"),
        heartbeat_s=fields.integer("heartbeat_s", 1, DAY_S, 60),
        report_s=fields.integer("report_s", 0, DAY_S, 300),
        every_packet=fields.flag("every_packet"),
        secret="" if "secret" not in fields.left else fields.text("secret"),
        bus=fields.integer("bus", 0, MAX_PORT, 1),
        sealed=fields.flag("sealed", True),
        zipped=fields.flag("zipped"),
        tls=fields.flag("tls"),
        ca_file="" if "ca_file" not in fields.left else fields.text("ca_file"),
        certificate_file="" if "certificate_file" not in fields.left else fields.text("certificate_file"),
    )
    fields.done()
    _check(dialing, fields.where)
    return dialing


def _check(dialing: Dialing, where: str) -> None:
    try:
        for text in filter(None, (dialing.identity, dialing.heartbeat)):
            bytes_of(text)
    except LocalProtocolError as error:
        raise SiteError("bad_text", where, str(error)) from error
    if dialing.caller is CallerKind.ACREL_4G and not (dialing.identity.isascii() and dialing.identity.isalnum()):
        raise SiteError("bad_text", where, "a serial has letters and digits")
    if dialing.caller is CallerKind.ACREL_4G and len(dialing.identity) > SERIAL_LIMIT:
        raise SiteError("bad_text", where, f"a serial has at most {SERIAL_LIMIT} characters")
    digits = dialing.identity.isascii() and dialing.identity.isdecimal() and len(dialing.identity) == ADDRESS_DIGITS
    if dialing.caller is CallerKind.DLT645 and not digits:
        raise SiteError("bad_text", where, f"an address has {ADDRESS_DIGITS} digits")
    gateway = dialing.caller is CallerKind.ACREL_GATEWAY
    if gateway and not (dialing.secret.isascii() and len(dialing.secret) == SECRET_BYTES):
        raise SiteError("bad_secret", f"{where}.secret", f"a gateway has a secret of {SECRET_BYTES} characters")
    if not gateway and dialing.secret:
        raise SiteError("bad_secret", f"{where}.secret", "belongs to a caller acrel-gateway")
    if not dialing.tls and (dialing.ca_file or dialing.certificate_file):
        raise SiteError("bad_tls", where, "files are of use with tls alone")
