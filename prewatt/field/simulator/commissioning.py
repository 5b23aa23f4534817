"""What a meter on its bus is known by, and how it is given another address or speed: writes of commissioning.

A Modbus meter takes an address where its profile's table `[bus]` says so; a DL/T 645 meter one of twelve digits by
function 15 and a speed by function 17. Whoever needs its programming key (编程键) pressed for that takes nothing
otherwise; the key counts for ten minutes.
"""

from typing import Final, Protocol

from prewatt.core.meters.bus_address import AddressForm, BusAddress
from prewatt.core.wire.dlt645 import BAUD_BITS, BROADCAST
from prewatt.core.wire.modbus import ExceptionCode

KEY_MS: Final = 600_000
SPEED_CODE: Final = b"\x00\x01"  # beside an address in the high byte: what stands there stays
ADDRESS_DI: Final = 0x04000401
NUMBER_DI: Final = 0x04000402
SPEED_FIXED: Final = 0x08  # error word: the speed cannot be changed
_RATES: Final = {bit: rate for rate, bit in BAUD_BITS.items()}


class Place(Protocol):
    """The part of a meter's memory that this writes."""

    unit: int  # 0: as the site file says
    address: str  # ""
    baud: int  # 0
    programmable_until_ms: int


def held(bus: BusAddress, unit: int) -> bytes:
    """What the register of the address says."""
    return bus.encoded(unit, SPEED_CODE)


def write_unit(place: Place, bus: BusAddress, now: int, data: bytes, at_ms: int) -> ExceptionCode | None:
    """Take another Modbus address; why not otherwise. `now`: the one it has."""
    if bus.key_needed and at_ms >= place.programmable_until_ms:
        return ExceptionCode.SERVER_DEVICE_FAILURE
    unit = bus.unit_of(data)
    if unit is None or (bus.form is AddressForm.HIGH_BYTE and data[1:] != held(bus, now)[1:]):
        return ExceptionCode.ILLEGAL_DATA_VALUE
    place.unit = unit
    return None


def write_address(place: Place, data: bytes, at_ms: int) -> bool:
    """Function 15. False: without its key, or for what no meter can be called, it says nothing, as others may hear
    the same frame."""
    address = data[::-1].hex()
    if at_ms >= place.programmable_until_ms or len(data) != 6 or not address.isdecimal() or address == BROADCAST:
        return False
    place.address = address
    return True


def write_speed(place: Place, data: bytes) -> bool:
    """Function 17: from the next frame on."""
    rate = _RATES.get(data[0]) if len(data) == 1 else None
    if rate is None:
        return False
    place.baud = rate
    return True
