"""The poll block of an Acrel 4G meter: 48 registers (72 in the 8-rate form) inside a data message.

Its start register is not public; the layout is (jerryxiaosa/ems4j; the clock of the 8-rate form has no
weekday there). The order of the four powers and power
factors in it is not, so they are not given names here.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from prewatt.core.wire.acrel4g.messages import clock_of
from prewatt.core.wire.errors import RemoteProtocolError

SIZE: Final = 0x60
LONG_SIZE: Final = 0x90
MODELS: Final = {5: "DTSY1352", 7: "DDSY1352", 10: "ADF300"}
_READ: Final = 0x03


@dataclass(frozen=True, kw_only=True, slots=True)
class PollBlock:
    """Voltages in 0.1 V, currents in 0.01 A (before CT), energies in 0.01 kWh, balance in 0.01 currency."""

    model: int
    voltages: tuple[int, int, int]
    currents: tuple[int, int, int]
    pt: int
    ct: int
    energy_total: int
    energy_spike: int
    energy_peak: int
    energy_flat: int
    energy_valley: int
    energy_deep_valley: int | None
    balance: int
    purchase_count: int
    fault: bool
    relays_closed: tuple[bool, bool, bool]
    force_on: bool
    over_limit: bool
    arrears: bool
    alarm_1: bool
    alarm_2: bool
    clock: datetime | None


def poll_block(reply: bytes) -> PollBlock:
    """The block in a Modbus reply (unit and PDU); raises RemoteProtocolError `block` when it is none."""
    if len(reply) < 3 or reply[1] != _READ or reply[2] not in (SIZE, LONG_SIZE) or len(reply) != 3 + reply[2]:
        raise RemoteProtocolError("block", reply[:16].hex())
    data = reply[3:]

    def word(at: int) -> int:
        return int.from_bytes(data[at : at + 2], "big")

    def double(at: int) -> int:
        return int.from_bytes(data[at : at + 4], "big")

    state, forced = data[72], data[73]
    try:
        clock: datetime | None = clock_of(data[80:87] if len(data) == SIZE else data[80:86])
    except RemoteProtocolError:
        clock = None  # a meter whose clock stopped still has a balance
    return PollBlock(
        model=word(0),
        voltages=(word(2), word(4), word(6)),
        currents=(word(8), word(10), word(12)),
        pt=word(38),
        ct=word(40),
        energy_total=double(42),
        energy_spike=double(46),
        energy_peak=double(50),
        energy_flat=double(54),
        energy_valley=double(58),
        energy_deep_valley=double(96) if len(data) == LONG_SIZE else None,
        balance=double(62),
        purchase_count=word(66),
        fault=bool(state & 1),
        relays_closed=(bool(state & 0x20), bool(state & 0x40), bool(state & 0x80)),
        force_on=bool(forced & 0x08),
        over_limit=bool(forced & 0x10),
        arrears=bool(forced & 0x20),
        alarm_1=bool(forced & 0x40),
        alarm_2=bool(forced & 0x80),
        clock=clock,
    )
