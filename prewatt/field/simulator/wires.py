"""What a line of the site file says of a serial port, of TLS, or of the broker where its meter speaks.

    "transport": "serial-8e1", "baud": 2400,
    "serial": {"pty": "/dev/ttySIM0"}          # one end of a cable, made here under this name; the head-end opens it
    "serial": {"device": "/dev/ttyUSB1"}       # or a port of this machine, wired to one of the head-end's
    "serial": {"pty": "...", "echo": true}     # an infrared head repeats what it sends

    "transport": "rtu-over-tls",               # or "modbus-tls"
    "tls": {"certificate_file": "box.pem",     # optional, PEM with its key; else one is made and kept by the meters
            "client_ca_file": "office.pem"}    # optional: asks for a certificate that this authority signed

    "transport": "mqtt", "host": "127.0.0.1", "port": 1883,            # the broker; the line has one meter
    "mqtt": {
      "product": "NzIxOTYzNTc4MDEwNDMxNDg4", "serial": "26112000000001",     # who it is there
      "user": "meter", "password": "secret",                           # optional
      "tls": true, "ca_file": "broker.pem",                            # optional; no file: the system's authorities
      "report_s": 300                                                  # optional; 0 = only when it is asked
    }

Files are found from the site file's own directory.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from prewatt.core.wire import acrel_mqtt
from prewatt.core.wire.acrel_mqtt import Route, Topic
from prewatt.core.wire.errors import LocalProtocolError, RemoteProtocolError
from prewatt.field.simulator.fields import Fields, SiteError

DAY_S: Final = 86_400
_PATH: Final = re.compile(r"/[^\0]{1,200}")


@dataclass(frozen=True, kw_only=True)
class SerialSite:
    """A port. `made`: a pseudo-terminal that is made under this name, and goes with the simulator."""

    path: str
    made: bool
    echo: bool = False


@dataclass(frozen=True, kw_only=True)
class TlsSite:
    """Whom a box shows itself as. "" none named; files relative to the site file's directory."""

    certificate_file: str = ""
    client_ca_file: str = ""


@dataclass(frozen=True, kw_only=True)
class MqttSite:
    """Who a meter is at its broker. `report_s` 0: it speaks when asked."""

    product: str
    serial: str
    user: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False
    ca_file: str = ""
    report_s: int = 300

    def path(self, route: Route) -> str:
        """The topic of this meter on a route."""
        return Topic(route=route, product=self.product, serial=self.serial).path()


def serial_from(fields: Fields) -> SerialSite:
    """Read it. Raises `SiteError`."""
    made = "pty" in fields.left
    if made == ("device" in fields.left):
        raise SiteError("bad_serial", fields.where, "names either a pty to make or a device")
    serial = SerialSite(
        path=fields.matching("pty" if made else "device", _PATH), made=made, echo=fields.flag("echo")
    )
    fields.done()
    return serial


def tls_from(fields: Fields) -> TlsSite:
    """Read it. Raises `SiteError`."""
    tls = TlsSite(certificate_file=_text(fields, "certificate_file"), client_ca_file=_text(fields, "client_ca_file"))
    fields.done()
    return tls


def mqtt_from(fields: Fields) -> MqttSite:
    """Read it. Raises `SiteError`."""
    mqtt = MqttSite(
        product=fields.text("product"), serial=fields.text("serial"), user=_text(fields, "user"),
        password=_text(fields, "password"), tls=fields.flag("tls"), ca_file=_text(fields, "ca_file"),
        report_s=fields.integer("report_s", 0, DAY_S, 300),
    )  # fmt: skip
    fields.done()
    try:
        acrel_mqtt.identity_of(acrel_mqtt.topic(mqtt.path(Route.SYSTEM_UP)))
    except (LocalProtocolError, RemoteProtocolError) as error:
        raise SiteError("bad_text", fields.where, f"no name at a broker: {error}") from error
    if mqtt.ca_file and not mqtt.tls:
        raise SiteError("bad_mqtt", f"{fields.where}.ca_file", "is of use with tls alone")
    return mqtt


def _text(fields: Fields, key: str) -> str:
    return fields.text(key) if key in fields.left else ""
