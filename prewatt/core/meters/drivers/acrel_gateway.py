"""What an Acrel gateway reports of its meters by itself, as readings.

The names of the values are set in the gateway. Known here are those of the one public server (jerryxiaosa/ems4j: WPP,
PowerHigher, PowerHigh, PowerFlat, PowerLow) and those that the same maker's JSON uses (EPI, Ua, Ia, P); whatever else a
gateway sends is passed over. As of every unasked report the purse is not believed and the relay not taken from it.
"""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Final

from prewatt.core.meters.quantities import Quantity
from prewatt.core.wire.acrel_gateway import MeterReport

DIGITS: Final = 15  # of a value before its point; more is no reading of a meter
_KWH: Final = Decimal(1000)
MILLI: Final = Decimal(1000)

# name -> quantity, and what one of its unit is in ours
NAMES: Final[Mapping[str, tuple[Quantity, Decimal]]] = {
    "WPP": (Quantity.ENERGY_IMPORT_TOTAL, _KWH),
    "EPI": (Quantity.ENERGY_IMPORT_TOTAL, _KWH),
    "POWERHIGHER": (Quantity.ENERGY_IMPORT_SHARP, _KWH),
    "EPIJ": (Quantity.ENERGY_IMPORT_SHARP, _KWH),
    "POWERHIGH": (Quantity.ENERGY_IMPORT_PEAK, _KWH),
    "EPIF": (Quantity.ENERGY_IMPORT_PEAK, _KWH),
    "POWERFLAT": (Quantity.ENERGY_IMPORT_FLAT, _KWH),
    "EPIP": (Quantity.ENERGY_IMPORT_FLAT, _KWH),
    "POWERLOW": (Quantity.ENERGY_IMPORT_VALLEY, _KWH),
    "EPIG": (Quantity.ENERGY_IMPORT_VALLEY, _KWH),
    "UA": (Quantity.VOLTAGE_A, MILLI),
    "UB": (Quantity.VOLTAGE_B, MILLI),
    "UC": (Quantity.VOLTAGE_C, MILLI),
    "IA": (Quantity.CURRENT_A, MILLI),
    "IB": (Quantity.CURRENT_B, MILLI),
    "IC": (Quantity.CURRENT_C, MILLI),
    "P": (Quantity.POWER_ACTIVE, _KWH),
}
RATES: Final = (
    Quantity.ENERGY_IMPORT_SHARP,
    Quantity.ENERGY_IMPORT_PEAK,
    Quantity.ENERGY_IMPORT_FLAT,
    Quantity.ENERGY_IMPORT_VALLEY,
)


def told_by_gateway(meter: MeterReport) -> dict[Quantity, int]:
    """Values in the units of `Quantity`. One that is no number, or below zero where none can be, is left out; energies
    by rate are taken all four or not at all."""
    values: dict[Quantity, int] = {}
    for name, text in meter.values:
        known = NAMES.get(name.upper())
        if known is None:
            continue
        value = _whole(text, known[1])
        if value is not None and (value >= 0 or known[0] is Quantity.POWER_ACTIVE):
            values[known[0]] = value
    if not all(rate in values for rate in RATES):
        values = {quantity: value for quantity, value in values.items() if quantity not in RATES}
    return values


def place_of(meter: str) -> tuple[int, int] | None:
    """Port and address of a meter's id in a report ("01012": port 1, address 12); None where it is no such."""
    if len(meter) != 5 or not (meter.isascii() and meter.isdecimal()):
        return None
    return int(meter[:2]), int(meter[2:])


def _whole(text: str, unit: Decimal) -> int | None:
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    if not value.is_finite() or value.adjusted() >= DIGITS:
        return None
    return int(value * unit)
