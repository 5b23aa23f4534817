"""Drivers: a job for a meter of some profile becomes a conversation."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

from prewatt.core.meters.codes import BLOCKS_CLOSING
from prewatt.core.meters.drivers.acrel4g import receipt, reported
from prewatt.core.meters.drivers.acrel_gateway import place_of, told_by_gateway
from prewatt.core.meters.drivers.acrel_mqtt import is_read, over_mqtt, told_over_mqtt
from prewatt.core.meters.drivers.conversation import (
    Await,
    Bus,
    Consult,
    Conversation,
    Driver,
    Finished,
    MeterAddress,
    Send,
)
from prewatt.core.meters.drivers.dlt645 import address_of, clock_broadcast, dlt645
from prewatt.core.meters.drivers.modbus import modbus
from prewatt.core.meters.jobs import Job
from prewatt.core.meters.model import Profile, Protocol

__all__ = [
    "BLOCKS_CLOSING",
    "DRIVERS",
    "LINK_MS",
    "Await",
    "Consult",
    "Conversation",
    "Finished",
    "MeterAddress",
    "Send",
    "address_of",
    "clock_broadcast",
    "converse",
    "is_read",
    "place_of",
    "receipt",
    "reported",
    "told_by_gateway",
    "told_over_mqtt",
]

DRIVERS: Final[Mapping[Protocol, Driver]] = MappingProxyType({Protocol.MODBUS: modbus, Protocol.DLT645: dlt645})
LINK_MS: Final = 300  # a serial server on a site network


def converse(
    profile: Profile,
    meter: MeterAddress,
    job: Job,
    *,
    transport: Literal["rtu", "tcp", "mqtt"],
    baud: int | None = None,
    link_ms: int = LINK_MS,
    transaction: int = 1,
) -> Conversation:
    """Begin a conversation. `baud` is that of the bus (default: the profile's); over Modbus TCP the line
    should give each conversation a `transaction` well apart from the last one's, so that a late reply of
    an earlier conversation is told apart. A link over MQTT has a driver of its own, whatever the profile speaks.
    """
    bus = Bus(transport=transport, baud=baud or profile.baud_default, link_ms=link_ms, transaction=transaction & 0xFFFF)
    if transport == "mqtt":
        return over_mqtt(profile, meter, job, bus)
    return DRIVERS[profile.protocol](profile, meter, job, bus)
