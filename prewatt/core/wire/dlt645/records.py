"""Layouts of event records in group 03 (DL/T 645-2007 table A.4): what happened, when, and what the meter then read."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from typing import Final

from prewatt.core.wire.dlt645.items import Item, Kind
from prewatt.core.wire.dlt645.parameters import (
    MAX_HOLIDAYS,
    MAX_TABLES,
    SETTLEMENT_DAYS,
    day_slots,
    holiday,
    settlement_day,
    zone_slots,
)

MAX_RECORDS: Final = 10
_ENERGIES: Final = (
    ("total", "kWh"),
    ("reverse_total", "kWh"),
    ("quadrant_1_total", "kvarh"),
    ("quadrant_2_total", "kvarh"),
    ("quadrant_3_total", "kvarh"),
    ("quadrant_4_total", "kvarh"),
)
_FOUR_ENERGIES: Final = (
    ("total", "kWh"),
    ("reverse_total", "kWh"),
    ("reactive_1_total", "kvarh"),
    ("reactive_2_total", "kvarh"),
)
_GAINS: Final = (("gain", "kWh"), ("reverse_gain", "kWh"), ("reactive_1_gain", "kvarh"), ("reactive_2_gain", "kvarh"))
PHASES: Final = ("a_", "b_", "c_")
_PROGRAMMED: Final = 10  # identifiers a programming record keeps


def moment(name: str) -> Item:
    return Item(name=name, size=6, kind=Kind.MOMENT, form="ssmmhhDDMMYY")


def energies(*, before: str = "", after: str = "") -> tuple[Item, ...]:
    """The six totals a record keeps; `before` and `after` go round each name."""
    return tuple(Item(name=f"{before}{name}{after}", size=4, decimals=2, unit=unit) for name, unit in _ENERGIES)


OPERATOR: Final = Item(name="operator", size=4, kind=Kind.HEX)
_SPAN: Final = (moment("started_at"), moment("ended_at"))
COVER_RECORD: Final = (*_SPAN, *energies(after="_before"), *energies(after="_after"))


def _gains(phase: str = "") -> tuple[Item, ...]:
    return tuple(Item(name=phase + name, size=4, decimals=2, unit=unit) for name, unit in _GAINS)


def four_energies(phase: str, after: str) -> tuple[Item, ...]:
    """Active both ways and the two reactive combinations; the latter carry a sign as the registers do."""
    return tuple(
        Item(name=f"{phase}{name}{after}", size=4, decimals=2, unit=unit, signed=unit == "kvarh")
        for name, unit in _FOUR_ENERGIES
    )


def phase_state(phase: str) -> tuple[Item, ...]:
    """How one phase stood when the event began."""
    letter = phase[0]
    return (
        Item(name=f"u{letter}", size=2, decimals=1, unit="V"),
        Item(name=f"i{letter}", size=3, decimals=3, signed=True, unit="A"),
        Item(name=f"p_{letter}", size=3, decimals=4, signed=True, unit="kW"),
        Item(name=f"q_{letter}", size=3, decimals=4, signed=True, unit="kvar"),
        Item(name=f"pf_{letter}", size=2, decimals=3, signed=True),
    )


def charges() -> tuple[Item, ...]:
    return tuple(Item(name=f"charge_{name}", size=4, decimals=2, unit="Ah") for name in ("total", "a", "b", "c"))


def unbalance() -> Item:
    return Item(name="unbalance_most", size=2, decimals=2, unit="%")


_PHASE_GAINS: Final = (*_SPAN, *(item for phase in ("", *PHASES) for item in _gains(phase)))
_CURRENT_RECORD: Final = (
    *_SPAN,
    *_gains(),
    *(item for phase in PHASES for item in (*_gains(phase), *phase_state(phase))),
)
_PHASE_RECORD: Final = (*_CURRENT_RECORD, *charges())
_UNBALANCE_RECORD: Final = (*_SPAN, unbalance(), *_PHASE_GAINS[len(_SPAN) :])
_ALL_PHASES_LOST: Final = (
    moment("started_at"),
    Item(name="current", size=3, decimals=3, unit="A"),
    moment("ended_at"),
)
_DEMAND_EXCEEDED: Final = (
    *_SPAN,
    Item(name="demand", size=3, decimals=4, unit="kW"),
    Item(name="demand_at", size=5, kind=Kind.MOMENT, form="mmhhDDMMYY"),
)
_DEMANDS: Final = ("forward", "reverse", "quadrant_1", "quadrant_2", "quadrant_3", "quadrant_4")
DEMAND_COUNTS: Final = tuple(Item(name=f"{name}_count", size=3, kind=Kind.DIGITS) for name in _DEMANDS)
VOLTAGE_QUALITY: Final = (
    Item(name="watched_minutes", size=3, unit="min"),
    Item(name="within_share", size=3, decimals=2, unit="%"),
    Item(name="outside_share", size=3, decimals=2, unit="%"),
    Item(name="above_minutes", size=3, unit="min"),
    Item(name="below_minutes", size=3, unit="min"),
    Item(name="highest", size=2, decimals=1, unit="V"),
    Item(name="highest_at", size=4, kind=Kind.MOMENT, form="mmhhDDMM"),
    Item(name="lowest", size=2, decimals=1, unit="V"),
    Item(name="lowest_at", size=4, kind=Kind.MOMENT, form="mmhhDDMM"),
)
_PROGRAMMING_RECORD: Final = (
    moment("at"),
    OPERATOR,
    *(Item(name=f"identifier{number}", size=4, kind=Kind.HEX) for number in range(1, _PROGRAMMED + 1)),
)
_METER_CLEARED: Final = (
    moment("at"),
    OPERATOR,
    *(item for phase in ("", *PHASES) for item in energies(before=phase)),
)
_EVENTS_CLEARED: Final = (moment("at"), OPERATOR, Item(name="identifier", size=4, kind=Kind.HEX))
_CLOCK_SET: Final = (OPERATOR, moment("before"), moment("after"))


def _written(*items: Item) -> tuple[Item, ...]:
    """Somebody wrote a parameter: when, who, and what stood there before."""
    return (moment("at"), OPERATOR, *items)


def _demands_cleared() -> tuple[Item, ...]:
    pairs = (
        (
            Item(name=f"{phase}{name}_demand", size=3, decimals=4, unit="kvar" if name.startswith("q") else "kW"),
            Item(name=f"{phase}{name}_demand_at", size=5, kind=Kind.MOMENT, form="mmhhDDMMYY"),
        )
        for phase, name in product(("", *PHASES), _DEMANDS)
    )
    return _written(*(item for pair in pairs for item in pair))


def _day_tables() -> Iterator[Item]:
    for table_set, table in product((1, 2), range(1, MAX_TABLES + 1)):
        yield from (replace(item, name=f"set{table_set}_table{table}_{item.name}") for item in day_slots())


def _zone_tables() -> Iterator[Item]:
    for table_set in (1, 2):
        yield from (replace(item, name=f"set{table_set}_{item.name}") for item in zone_slots())


def _hex(name: str) -> Item:
    return Item(name=name, size=1, kind=Kind.HEX)


# loss of voltage, too low, too high, phase lost; loss of current, too high, broken: one record for each phase
_VOLTAGE_EVENTS: Final = frozenset({0x01, 0x02, 0x03, 0x04})
_CURRENT_EVENTS: Final = frozenset({0x0B, 0x0C, 0x0D})
_POWER_EVENTS: Final = frozenset({0x0E, 0x0F})  # reversed, overload
_SEQUENCES: Final = frozenset({0x07, 0x08})
_UNBALANCES: Final = frozenset({0x09, 0x0A})
_ONLY_SPAN: Final = frozenset({0x35, 0x36, 0x37})  # magnet, relay, supply; what follows differs, `rest` shows it
_OPERATIONS: Final[dict[int, tuple[Item, ...]]] = {
    0x00: _PROGRAMMING_RECORD,
    0x01: _METER_CLEARED,
    0x02: _demands_cleared(),
    0x03: _EVENTS_CLEARED,
    0x04: _CLOCK_SET,
    0x05: _written(*_day_tables()),
    0x06: _written(*_zone_tables()),
    0x07: _written(Item(name="weekend_day_table", size=1)),
    0x08: _written(*(holiday(number) for number in range(1, MAX_HOLIDAYS + 1))),
    0x09: _written(_hex("active_combination")),
    0x0A: _written(_hex("reactive_combination_1")),
    0x0B: _written(_hex("reactive_combination_2")),
    0x0C: _written(*(settlement_day(number) for number in SETTLEMENT_DAYS)),
    0x0D: COVER_RECORD,  # of the meter
    0x0E: COVER_RECORD,  # of its terminals
}


_Records = Callable[[int], tuple[Item, ...] | None]


def _for(kinds: frozenset[int], whats: range, items: tuple[Item, ...]) -> dict[int, _Records]:
    return {kind: (lambda what: items if what in whats else None) for kind in kinds}


_BY_KIND: Final[dict[int, _Records]] = {
    0x05: lambda what: _ALL_PHASES_LOST if what == 0 else None,
    0x06: lambda what: _SPAN if what == 0 else None,  # auxiliary supply lost
    0x11: lambda what: _SPAN if what == 0 else None,  # power lost
    0x12: lambda what: _DEMAND_EXCEEDED if 1 <= what <= len(_DEMANDS) else None,
    0x30: _OPERATIONS.get,
    **_for(_VOLTAGE_EVENTS, range(1, 4), _PHASE_RECORD),
    **_for(_CURRENT_EVENTS, range(1, 4), _CURRENT_RECORD),
    **_for(_POWER_EVENTS, range(4), _PHASE_GAINS),
    **_for(_SEQUENCES, range(1), _PHASE_GAINS),
    **_for(_UNBALANCES, range(1), _UNBALANCE_RECORD),
    **_for(_ONLY_SPAN, range(1), _SPAN),
}


def record(kind: int, what: int, which: int) -> tuple[Item, ...] | None:
    """The layout of the `which`-th last record (1 to 10), None where it is not known."""
    known = _BY_KIND.get(kind)
    return known(what) if known is not None and 1 <= which <= MAX_RECORDS else None
