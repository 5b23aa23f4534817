"""Units, scales and sources of a profile's registers: what every protocol's map has in common."""

from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Final

from prewatt.core.meters.quantities import Quantity
from prewatt.core.meters.tables import Table
from prewatt.core.refusals import Refused, Text, register

register(
    {
        "profile_unit": Text("{quantity} cannot be in {value}.", "{quantity} 的单位不能是 {value}。"),
        "profile_scale": Text("{quantity}: scale {value} is not allowed.", "{quantity}：比例 {value} 不允许。"),
        "profile_no_source": Text(
            "{quantity} has neither a source nor assumed = true.", "{quantity} 既没有来源，也未标明 assumed = true。"
        ),
    }
)

SMALLEST: Final = Decimal("1e-9")  # finer than any register; a scale of any length would take all memory

_ENERGY: Final = {"kWh": 1000, "Wh": 1}
_UNITS: Final[dict[str, dict[str, int]]] = {
    "energy": _ENERGY,
    "power": {"kW": 1000, "W": 1},
    "voltage": {"V": 1000, "mV": 1},
    "current": {"A": 1000, "mA": 1},
    "frequency": {"Hz": 1000, "mHz": 1},
    "reactive": {"var": 1, "kvar": 1000},
    "apparent": {"VA": 1, "kVA": 1000},
    "factor": {"1": 1000},
    "price": {"currency/kWh": 10**6},
    "plain": {"": 1},
}
_CREDIT: Final = frozenset(
    {
        Quantity.BALANCE,
        Quantity.LAST_ORDER_AMOUNT,
        Quantity.PURCHASED_TOTAL,
        Quantity.USE_PAST_ZERO,
        Quantity.OVERDRAWN,
        Quantity.ALARM_LEVEL_1,
        Quantity.ALARM_LEVEL_2,
        Quantity.OVERDRAFT_LIMIT,
        Quantity.HOARDING_LIMIT,
        Quantity.TOKEN_CREDIT,
    }
)
_PLAIN_GROUPS: Final = {
    Quantity.POWER_ACTIVE: "power",
    Quantity.POWER_A: "power",
    Quantity.POWER_B: "power",
    Quantity.POWER_C: "power",
    Quantity.POWER_REACTIVE: "reactive",
    Quantity.POWER_APPARENT: "apparent",
    Quantity.LOAD_LIMIT: "power",
    Quantity.MALICIOUS_STEP: "power",
    Quantity.POWER_FACTOR: "factor",
    Quantity.FREQUENCY: "frequency",
}


def units_of(quantity: Quantity, credit_unit: str) -> dict[str, int]:
    """Units a profile may name for a quantity, each with its multiple of the quantity's own unit."""
    if quantity in _CREDIT:
        return _ENERGY if credit_unit == "Wh" else {"minor": 1}
    if quantity in _PLAIN_GROUPS:
        return _UNITS[_PLAIN_GROUPS[quantity]]
    for prefix in ("energy", "voltage", "current", "price"):
        if quantity.value.startswith(prefix + "_"):
            return _UNITS[prefix]
    return _UNITS["plain"]


def provenance(table: Table, name: str) -> tuple[str, bool]:
    """Source and whether it is assumed. Raises Refused `profile_no_source`."""
    source, assumed = table.text("source", ""), table.flag("assumed")
    if not source and not assumed:
        raise Refused("profile_no_source", quantity=name)
    return source, assumed


def scale_of(table: Table, quantity: Quantity, credit_unit: str) -> tuple[Decimal, Fraction]:
    """Engineering value per count, and the same in the quantity's own unit."""
    text = table.text("scale", "1")
    try:
        scale = Decimal(text)
    except InvalidOperation:
        raise Refused("profile_scale", quantity=quantity.value, value=text[:40]) from None
    if not scale.is_finite() or not SMALLEST <= scale <= 10**6:
        raise Refused("profile_scale", quantity=quantity.value, value=text[:40])
    units = units_of(quantity, credit_unit)
    unit = table.text("unit", "")
    if unit not in units:
        raise Refused("profile_unit", quantity=quantity.value, value=unit)
    return scale, Fraction(scale) * units[unit]
