"""Single parameters of group 04 (DL/T 645-2007 table A.3, 2013 filing): items, and one reading of them together."""

from collections.abc import Iterator
from itertools import count, product
from typing import Final

from prewatt.core.wire.dlt645.items import Item, Kind
from prewatt.core.wire.dlt645.words import REPORT, STATUS

Parameter = tuple[tuple[Item, ...], Item | None]

MAX_ZONES: Final = 14
MAX_DAY_SLOTS: Final = 14
MAX_SCREENS: Final = 254
MAX_HOLIDAYS: Final = 254
MAX_TABLES: Final = 8  # day tables of a set
LADDER_STEPS: Final = 6
LADDER_DAYS: Final = 4
SETTLEMENT_DAYS: Final = (1, 2, 3)
# what a screen of the display shows: an identifier, and which part of it where the meter tells parts apart
SCREEN: Final = (Item(name="shown", size=4, kind=Kind.HEX), Item(name="shown_part", size=1, kind=Kind.DIGITS))
_COEFFICIENTS: Final = ("conductance", "susceptance", "resistance", "reactance")


def slots(
    prefix: str, amount: int, numbers: Iterator[int], *, size: int, decimals: int = 0, unit: str = ""
) -> tuple[Item, ...]:
    """`amount` items with the names prefix + number."""
    return tuple(
        Item(name=f"{prefix}{number}", size=size, decimals=decimals, unit=unit)
        for number, _ in zip(numbers, range(amount), strict=False)
    )


def _digit_slots(prefix: str, amount: int, unit: str) -> tuple[Item, ...]:
    numbered = zip(count(1), range(amount), strict=False)
    return tuple(Item(name=f"{prefix}{number}", size=3, kind=Kind.DIGITS, unit=unit) for number, _ in numbered)


def zone_slots() -> tuple[Item, ...]:
    """Year zones: the day each begins on and the number of its day table."""
    return _digit_slots("zone", MAX_ZONES, "MMDDNN")


def day_slots() -> tuple[Item, ...]:
    """Periods of a day: when each begins and its rate (1 sharp, 2 peak, 3 flat, 4 valley)."""
    return _digit_slots("period", MAX_DAY_SLOTS, "hhmmNN")


def ladder(table: int) -> tuple[Item, ...]:
    """All of a ladder in one block: steps, prices, and the days on which its year begins anew."""
    days = (
        Item(name=f"ladder_set{table}_settlement{number}", size=3, kind=Kind.DIGITS, unit="MMDDhh")
        for number in range(1, LADDER_DAYS + 1)
    )
    return (
        *slots(f"ladder_set{table}_step", LADDER_STEPS, count(1), size=4, decimals=2, unit="kWh"),
        *slots(f"ladder_set{table}_price", LADDER_STEPS + 1, count(1), size=4, decimals=4, unit="currency/kWh"),
        *days,
    )


def holiday(number: int) -> Item:
    return Item(name=f"holiday{number}", size=4, kind=Kind.DIGITS, unit="YYMMDDNN")


def settlement_day(number: int) -> Item:
    return Item(name=f"settlement_day{number}", size=2, kind=Kind.MOMENT, form="hhDD")


def _one(item: Item) -> Parameter:
    return (item,), None


def _number(name: str, size: int, decimals: int = 0, unit: str = "") -> Parameter:
    return _one(Item(name=name, size=size, decimals=decimals, unit=unit))


def _of(kind: Kind, name: str, size: int, form: str = "") -> Parameter:
    return _one(Item(name=name, size=size, kind=kind, form=form))


def _parts(names: str) -> tuple[Item, ...]:
    return tuple(Item(name=name, size=1, kind=Kind.DIGITS) for name in names.split())


def _status(number: int) -> Item:
    return Item(name=f"status_word_{number}", size=2, kind=Kind.BITS, bits=STATUS[number - 1])


def _moment(name: str, size: int, form: str) -> Item:
    return Item(name=name, size=size, kind=Kind.MOMENT, form=form)


_VOLTS: Final = (2, 1, "V")
_AMPERES: Final = (3, 4, "A")
_KILOWATTS: Final = (3, 4, "kW")
_SHARE: Final = (2, 2, "%")
_SECONDS: Final = (1, 0, "s")
# from what on the meter sees an event, and how long it must last (0409..): event, then limit by limit
_THRESHOLDS: Final[dict[str, tuple[tuple[str, tuple[int, int, str]], ...]]] = {
    "voltage_loss": (
        ("below", _VOLTS), ("recovered_above", _VOLTS), ("current_above", _AMPERES), ("delay", _SECONDS),
    ),
    "under_voltage": (("below", _VOLTS), ("delay", _SECONDS)),
    "over_voltage": (("above", _VOLTS), ("delay", _SECONDS)),
    "phase_break": (("below", _VOLTS), ("current_below", _AMPERES), ("delay", _SECONDS)),
    "voltage_unbalance": (("above", _SHARE), ("delay", _SECONDS)),
    "current_unbalance": (("above", _SHARE), ("delay", _SECONDS)),
    "current_loss": (
        ("voltage_above", _VOLTS), ("below", _AMPERES), ("recovered_above", _AMPERES), ("delay", _SECONDS),
    ),
    "over_current": (("above", (2, 1, "A")), ("delay", _SECONDS)),
    "current_break": (("voltage_above", _VOLTS), ("below", _AMPERES), ("delay", _SECONDS)),
    "reverse_flow": (("above", _KILOWATTS), ("delay", _SECONDS)),
    "overload": (("above", _KILOWATTS), ("delay", _SECONDS)),
    "voltage_quality": (("upper", _VOLTS), ("lower", _VOLTS)),
    "demand": (("active_above", _KILOWATTS), ("reactive_above", (3, 4, "kvar")), ("delay", _SECONDS)),
    "power_factor": (("below", (2, 3, "")), ("delay", _SECONDS)),
    "severe_current_unbalance": (("above", _SHARE), ("delay", _SECONDS)),
}  # fmt: skip

PARAMETERS: Final[dict[int, Parameter]] = {
    **{
        0x04090000 + (event << 8) + place: _number(f"{name}_{limit}", *form)
        for event, (name, limits) in enumerate(_THRESHOLDS.items(), start=1)
        for place, (limit, form) in enumerate(limits, start=1)
    },
    0x04000101: (_parts("weekday day month year"), _moment("date", 4, "WWDDMMYY")),
    0x04000102: (_parts("second minute hour"), _moment("time", 3, "ssmmhh")),
    0x04000103: _number("demand_period", 1, 0, "min"),
    0x04000104: _number("demand_slide", 1, 0, "min"),
    0x04000105: _number("pulse_width", 2, 0, "ms"),
    0x04000106: _of(Kind.MOMENT, "zone_swap_at", 5, "mmhhDDMMYY"),
    0x04000107: _of(Kind.MOMENT, "day_table_swap_at", 5, "mmhhDDMMYY"),
    0x04000108: _of(Kind.MOMENT, "price_swap_at", 5, "mmhhDDMMYY"),
    0x04000109: _of(Kind.MOMENT, "ladder_swap_at", 5, "mmhhDDMMYY"),
    0x0400010C: (
        _parts("second minute hour weekday day month year"),
        _moment("clock", 7, "ssmmhhWWDDMMYY"),
    ),
    0x04000201: _number("zone_count", 1),
    0x04000202: _number("day_table_count", 1),
    0x04000203: _number("period_count", 1),
    0x04000204: _number("rate_count", 1),
    0x04000205: _number("holiday_count", 2),
    0x04000206: _number("harmonic_count", 1),
    0x04000207: _number("ladder_count", 1),
    0x04000301: _number("auto_screens", 1),
    0x04000302: _number("screen_time", 1, 0, "s"),
    0x04000303: _number("energy_decimals", 1),
    0x04000304: _number("power_decimals", 1),
    0x04000305: _number("key_screens", 1),
    0x04000308: _number("start_screen_time", 1, 0, "s"),
    0x04000306: _number("ct_ratio", 3),
    0x04000307: _number("pt_ratio", 3),
    0x04000401: _of(Kind.DIGITS, "address", 6),
    0x04000402: _of(Kind.DIGITS, "meter_number", 6),
    0x04000403: _of(Kind.TEXT, "asset_code", 32),
    0x04000404: _of(Kind.TEXT, "rated_voltage", 6),
    0x04000405: _of(Kind.TEXT, "rated_current", 6),
    0x04000406: _of(Kind.TEXT, "maximum_current", 6),
    0x04000407: _of(Kind.TEXT, "active_class", 4),
    0x04000408: _of(Kind.TEXT, "reactive_class", 4),
    0x04000409: _number("active_constant", 3, 0, "imp/kWh"),
    0x0400040A: _number("reactive_constant", 3, 0, "imp/kvarh"),
    0x0400040B: _of(Kind.TEXT, "model", 10),
    0x0400040C: _of(Kind.TEXT, "made_on", 10),
    0x0400040D: _of(Kind.TEXT, "protocol_version", 16),
    0x0400040E: _of(Kind.DIGITS, "customer_number", 6),
    **{0x04000500 + number: _one(_status(number)) for number in range(1, 8)},
    0x040005FF: (tuple(_status(number) for number in range(1, 8)), None),
    0x04000508: _of(Kind.HEX, "key_status", 4),
    0x04000601: _of(Kind.HEX, "active_combination", 1),
    0x04000602: _of(Kind.HEX, "reactive_combination_1", 1),
    0x04000603: _of(Kind.HEX, "reactive_combination_2", 1),
    **{0x04000700 + number: _of(Kind.HEX, f"port_speed_{number}", 1) for number in range(1, 6)},
    0x04000801: _of(Kind.HEX, "weekend_days", 1),
    0x04000802: _number("weekend_day_table", 1),
    **{0x04000900 + number: _of(Kind.HEX, f"record_mode_{number}", 1) for number in range(1, 7)},
    0x04000A01: _of(Kind.MOMENT, "load_record_from", 4, "mmhhDDMM"),
    **{0x04000A01 + number: _number(f"load_record_interval_{number}", 2, 0, "min") for number in range(1, 7)},
    **{0x04000B00 + number: _one(settlement_day(number)) for number in SETTLEMENT_DAYS},
    **{
        0x04000D01 + place: _number(f"{phase}_{name}", 2, 3)
        for place, (phase, name) in enumerate(product("abc", _COEFFICIENTS))
    },
    0x04000E01: _number("forward_power_limit", 3, 4, "kW"),
    0x04000E02: _number("reverse_power_limit", 3, 4, "kW"),
    0x04000E03: _number("voltage_upper_limit", 2, 1, "V"),
    0x04000E04: _number("voltage_lower_limit", 2, 1, "V"),
    0x04000F01: _number("alarm_energy_1", 4, 2, "kWh"),
    0x04000F02: _number("alarm_energy_2", 4, 2, "kWh"),
    0x04000F03: _number("hoarding_energy_limit", 4, 2, "kWh"),
    0x04000F04: _number("overdraft_energy_limit", 4, 2, "kWh"),
    0x04001001: _number("alarm_amount_1", 4, 2, "currency"),
    0x04001002: _number("alarm_amount_2", 4, 2, "currency"),
    0x04001003: _number("overdraft_limit", 4, 2, "currency"),
    0x04001004: _number("hoarding_limit", 4, 2, "currency"),
    0x04001005: _number("close_permit_limit", 4, 2, "currency"),
    0x04001101: _of(Kind.HEX, "run_mode", 1),
    0x04001104: _of(Kind.HEX, "report_mode", 8),
    0x04001201: _of(Kind.MOMENT, "hourly_freeze_from", 5, "mmhhDDMMYY"),
    0x04001202: _number("hourly_freeze_interval", 1, 0, "min"),
    0x04001203: _of(Kind.MOMENT, "daily_freeze_at", 2, "mmhh"),
    0x04001204: _one(Item(name="timed_freeze_at", size=4, kind=Kind.DIGITS, unit="MMDDhhmm")),  # 99: every
    0x04001301: _of(Kind.HEX, "wireless_signal", 1),
    0x04001401: _number("trip_delay", 2, 0, "min"),
    0x04001402: _number("close_delay", 2, 0, "min"),
    0x04001501: _one(Item(name="report_status", size=12, kind=Kind.BITS, bits=REPORT)),
    **{0x040603FF + (table << 8): (ladder(table), None) for table in (1, 2)},
    0x04800001: _of(Kind.TEXT, "software_version", 32),
    0x04800002: _of(Kind.TEXT, "hardware_version", 32),
    0x04800003: _of(Kind.TEXT, "maker_number", 32),
}
