"""What lies between a line's gateway and its meters where that is not a wire: the mains (载波) or the air (无线).

A concentrator passes a request on from meter to meter until it arrives, and the reply the same way back: seconds
instead of milliseconds, one at a time, lost in bursts, late or twice where two ways lead to the same meter. It repeats
by itself what got lost, and whoever repeats on top of that fills the line for everybody; so does a request that all
meters answer or pass on. The figures are assumptions (no maker publishes them): those of a low-voltage network in
which each hop takes up to `hop_ms` each way.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Medium(StrEnum):
    """What a line goes over. Stored with the line."""

    WIRE = ""
    POWER_LINE = "plc"
    RADIO = "radio"


@dataclass(frozen=True, kw_only=True, slots=True)
class Air:
    """How slow it is at its worst, and how it is to be used. Times in ms."""

    hops: int  # a request may be passed on so often
    hop_ms: int  # what each of them takes, one way
    concentrator_ms: int  # and the concentrator itself, both ways together
    quiet_ms: int  # between an answer and the next request: what comes twice comes within this
    drain_ms: int  # a reply may be later than its time by so much
    broadcast_ms: int  # least time between two requests that every meter passes on

    @property
    def link_ms(self) -> int:
        """What the way adds to a reply: there and back over all hops."""
        return self.concentrator_ms + 2 * self.hops * self.hop_ms


AIRS: Final[Mapping[Medium, Air]] = MappingProxyType(
    {
        Medium.POWER_LINE: Air(
            hops=4, hop_ms=500, concentrator_ms=1_000, quiet_ms=1_000, drain_ms=15_000, broadcast_ms=900_000
        ),
        Medium.RADIO: Air(hops=6, hop_ms=150, concentrator_ms=700, quiet_ms=500, drain_ms=8_000, broadcast_ms=900_000),
    }
)


def medium_of(code: str) -> Medium:
    """The medium of a plan; one that this version does not know is taken for the slowest."""
    try:
        return Medium(code)
    except ValueError:
        return Medium.POWER_LINE
