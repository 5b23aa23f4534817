"""Kinds of links from the head-end to a bus that we open ourselves, and what each needs to be told."""

import re
from typing import Final

from prewatt.core.refusals import Refused
from prewatt.office.estate import errors as _errors  # noqa: F401  registers the texts

SERIAL: Final = ("serial-8n1", "serial-8e1", "serial-8o1")  # a port of the head-end's own machine, by its parity
OPENED: Final = ("rtu-over-tcp", "modbus-tcp", "rtu-over-udp", "rtu-over-tls", "modbus-tls", *SERIAL)
MODBUS_TCP: Final = frozenset({"modbus-tcp", "modbus-tls"})  # the gateway speaks Modbus itself and passes nothing else
OWN_SPEED: Final = frozenset(SERIAL)  # the speed of the bus is ours to set
UDP: Final = frozenset({"rtu-over-udp"})  # its ports are others than those of TCP
BAUDS: Final = (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
_PORT = re.compile(r"/dev/(tty[A-Za-z0-9._-]{1,60}|serial/by-(id|path)/[A-Za-z0-9._:+-]{1,200})")


def is_port_name(host: str) -> bool:
    """A serial port as the system names it: /dev/ttyUSB0, /dev/serial/by-id/..."""
    return _PORT.fullmatch(host) is not None


def one_port(transport: str, port: int, other: str, other_port: int) -> bool:
    """Would two buses of one gateway be at the same port, and talk into each other's replies?"""
    return port == other_port and (transport in UDP) == (other in UDP)


def check_host(host: str, transport: str) -> None:
    """A serial line needs a gateway whose host is a port of the machine, and no other line can have one. Refuses
    serial_port_malformed, host_is_a_port."""
    if transport in SERIAL and not is_port_name(host):
        raise Refused("serial_port_malformed", text=host[:60])
    if transport not in SERIAL and host.startswith("/"):
        raise Refused("host_is_a_port")
