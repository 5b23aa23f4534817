"""How patient a bus is: on a wire, and behind a concentrator whose other side is the mains or the air.

What is different there: replies take seconds, so a reply may be awaited for longer than a lease is certain. That is
sound because whoever opens such a line next keeps quiet until whatever his predecessor sent has arrived or is lost; an
order keyed by its count is the same order then. A poll is tried once: the concentrator repeats by itself, and the next
one comes soon enough. What every meter passes on is sent seldom.
"""

from dataclasses import dataclass, replace
from typing import Final

from prewatt.core.meters.media import AIRS, Medium
from prewatt.core.wire.checks import crc16_modbus
from prewatt.core.wire.dlt645 import BROADCAST, Decoder, is_wildcard
from prewatt.field.headend.limits import (
    DRAIN_MAX_S,
    DUPLICATE_WITHIN_S,
    GAP_MAX_S,
    MAX_COMMAND_WAIT_S,
    SLOW_COMMAND_WAITS,
)
from prewatt.field.headend.transports import Transport

BROADCAST_UNIT: Final = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Patience:
    """The times of one bus, in seconds."""

    quiet_s: float = 0.0  # at least so long between frames
    opening_s: float = 0.0  # and after the link was opened
    drain_s: float = DRAIN_MAX_S  # a reply later than its time by more than this does not come
    gap_s: float = GAP_MAX_S  # the quiet time may grow to this where replies come twice
    twice_s: float = DUPLICATE_WITHIN_S  # bytes this soon after a good reply are its duplicate
    broadcast_s: float = 0.0  # between two frames that all meters hear
    command_wait_s: float = MAX_COMMAND_WAIT_S  # an unsent command waits for so long
    polls_once: bool = False  # a poll that missed a reply waits for its next turn


WIRED: Final = Patience()


def patience_of(medium: Medium) -> Patience:
    air = AIRS.get(medium)
    if air is None:
        return WIRED
    return Patience(
        quiet_s=air.quiet_ms / 1000,
        opening_s=(air.link_ms + air.drain_ms) / 1000,
        drain_s=air.drain_ms / 1000,
        gap_s=air.link_ms / 1000,
        twice_s=air.link_ms / 1000,
        broadcast_s=air.broadcast_ms / 1000,
        command_wait_s=SLOW_COMMAND_WAITS * (air.link_ms + air.drain_ms) / 1000,
        polls_once=True,
    )


def over(transport: Transport, medium: Medium) -> Transport:
    """The transport as the lines behind such a concentrator have it."""
    air = AIRS.get(medium)
    return transport if air is None else replace(transport, link_ms=transport.link_ms + air.link_ms, sole=True)


def heard_by_all(data: bytes) -> bool:
    """Is this a frame that more than one meter answers or passes on?"""
    if crc16_modbus(data) == 0:
        return data[0] == BROADCAST_UNIT
    return any(each.address == BROADCAST or is_wildcard(each.address) for each in Decoder().receive(data))
