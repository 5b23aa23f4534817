"""How a line of the site file calls us instead of being called.

    "transport": "dial-in", "host": "127.0.0.1", "port": 9300,     # where it calls
    "dialing": {
      "caller": "serial-server",      # or "acrel-4g": a meter with its own modem
      "identity": "GATE-7",           # registration text, or the serial of the Acrel meter
      "heartbeat": "ALIVE",           # optional, serial-server: a text; an Acrel meter has its own message
      "heartbeat_s": 60, "report_s": 300,   # optional; report_s: acrel-4g, 0 = never
      "every_packet": false           # optional, serial-server: the registration stands in front of each reply
    }
"""

from dataclasses import dataclass
from enum import StrEnum

from prewatt.core.wire.errors import LocalProtocolError
from prewatt.core.wire.serialserver import bytes_of
from prewatt.field.simulator.fields import Fields, SiteError

DAY_S = 86_400
SERIAL_LIMIT = 20


class CallerKind(StrEnum):
    """Who calls."""

    SERIAL_SERVER = "serial-server"
    ACREL_4G = "acrel-4g"


@dataclass(frozen=True, kw_only=True)
class Dialing:
    """How a line calls. Texts as `core.wire.serialserver` writes them; `report_s` 0: never."""

    caller: CallerKind
    identity: str
    heartbeat: str = ""
    heartbeat_s: int = 60
    report_s: int = 300
    every_packet: bool = False


def dialing_from(fields: Fields) -> Dialing:
    """Read it. Raises `SiteError`."""
    dialing = Dialing(
        caller=fields.choice("caller", CallerKind, CallerKind.SERIAL_SERVER),
        identity=fields.text("identity"),
        heartbeat="" if "heartbeat" not in fields.left else fields.text("heartbeat"),
        heartbeat_s=fields.integer("heartbeat_s", 1, DAY_S, 60),
        report_s=fields.integer("report_s", 0, DAY_S, 300),
        every_packet=fields.flag("every_packet"),
    )
    fields.done()
    try:
        for text in filter(None, (dialing.identity, dialing.heartbeat)):
            bytes_of(text)
    except LocalProtocolError as error:
        raise SiteError("bad_text", fields.where, str(error)) from error
    if dialing.caller is CallerKind.ACREL_4G and not (dialing.identity.isascii() and dialing.identity.isalnum()):
        raise SiteError("bad_text", fields.where, "a serial has letters and digits")
    if dialing.caller is CallerKind.ACREL_4G and len(dialing.identity) > SERIAL_LIMIT:
        raise SiteError("bad_text", fields.where, f"a serial has at most {SERIAL_LIMIT} characters")
    return dialing
