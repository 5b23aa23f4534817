"""Kinds of links from the head-end to a bus that we open ourselves, and what each needs to be told."""

from typing import Final

SERIAL: Final = "serial"  # a port of the head-end's own machine: the gateway's host is its path
MODBUS_TCP: Final = frozenset({"modbus-tcp", "modbus-tls"})  # the gateway speaks Modbus itself and passes nothing else
OWN_SPEED: Final = frozenset({SERIAL})  # the speed of the bus is ours to set
