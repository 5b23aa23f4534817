"""What an Acrel 4G meter reports by itself, as readings. Its registers are asked by the Modbus driver, in the tunnel.

To a write its modem may answer with the serial alone. Such a receipt goes through the link as bytes of its own that no
Modbus frame is, and ends the waiting for an answer that will not come. It is never a confirmation: which write it
belongs to nobody knows, and what was done the meter's registers say.

The poll block's layout is public (jerryxiaosa/ems4j). Taken from it is what needs no start register: energies, voltages
and currents. Its purse is not ours to believe on a server-held circuit, and its relay bits stay with the status read,
which supply is decided by.
"""

from prewatt.core.meters.quantities import Quantity
from prewatt.core.wire.acrel4g import SERIAL, PollBlock

_WH = 10  # of 0.01 kWh
_MV = 100  # of 0.1 V
_MA = 10  # of 0.01 A


def receipt(serial: str) -> bytes:
    """How a link hands on that the meter of this serial took a request."""
    return serial.encode("ascii", errors="replace").ljust(SERIAL, b"\x00")


def reported(block: PollBlock) -> dict[Quantity, int]:
    """Values in the units of `Quantity`, of the meter's own side (before CT). A phase without voltage is left out."""
    values = {
        Quantity.ENERGY_IMPORT_TOTAL: block.energy_total * _WH,
        Quantity.ENERGY_IMPORT_SHARP: block.energy_spike * _WH,
        Quantity.ENERGY_IMPORT_PEAK: block.energy_peak * _WH,
        Quantity.ENERGY_IMPORT_FLAT: block.energy_flat * _WH,
        Quantity.ENERGY_IMPORT_VALLEY: block.energy_valley * _WH,
    }
    names = (
        (Quantity.VOLTAGE_A, Quantity.CURRENT_A),
        (Quantity.VOLTAGE_B, Quantity.CURRENT_B),
        (Quantity.VOLTAGE_C, Quantity.CURRENT_C),
    )
    for (voltage, current), volts, amperes in zip(names, block.voltages, block.currents, strict=True):
        if volts:
            values[voltage], values[current] = volts * _MV, amperes * _MA
    return values
