"""Layouts of event records in group 03 (DL/T 645-2007 table A.4): what happened, when, and what the meter then read."""

from collections.abc import Callable
from typing import Final

from prewatt.core.wire.dlt645.items import Item, Kind

MAX_RECORDS: Final = 10
_ENERGIES: Final = (
    ("total", "kWh"),
    ("reverse_total", "kWh"),
    ("quadrant_1_total", "kvarh"),
    ("quadrant_2_total", "kvarh"),
    ("quadrant_3_total", "kvarh"),
    ("quadrant_4_total", "kvarh"),
)
_GAINS: Final = (("gain", "kWh"), ("reverse_gain", "kWh"), ("reactive_1_gain", "kvarh"), ("reactive_2_gain", "kvarh"))
_PHASES: Final = ("a_", "b_", "c_")
_PROGRAMMED: Final = 10  # identifiers a programming record keeps


def moment(name: str) -> Item:
    return Item(name=name, size=6, kind=Kind.MOMENT, form="ssmmhhDDMMYY")


def energies(*, before: str = "", after: str = "") -> tuple[Item, ...]:
    """The six totals a record keeps; `before` and `after` go round each name."""
    return tuple(Item(name=f"{before}{name}{after}", size=4, decimals=2, unit=unit) for name, unit in _ENERGIES)


_OPERATOR: Final = Item(name="operator", size=4, kind=Kind.HEX)
_SPAN: Final = (moment("started_at"), moment("ended_at"))
RELAY_RECORD: Final = (moment("at"), _OPERATOR, *energies())
COVER_RECORD: Final = (*_SPAN, *energies(after="_before"), *energies(after="_after"))


def _gains(phase: str = "") -> tuple[Item, ...]:
    return tuple(Item(name=phase + name, size=4, decimals=2, unit=unit) for name, unit in _GAINS)


def _phase_then(phase: str) -> tuple[Item, ...]:
    """What one phase used during the event, and how it stood when the event began."""
    letter = phase[0]
    return (
        *_gains(phase),
        Item(name=f"u{letter}", size=2, decimals=1, unit="V"),
        Item(name=f"i{letter}", size=3, decimals=3, signed=True, unit="A"),
        Item(name=f"p_{letter}", size=3, decimals=4, signed=True, unit="kW"),
        Item(name=f"q_{letter}", size=3, decimals=4, signed=True, unit="kvar"),
        Item(name=f"pf_{letter}", size=2, decimals=3, signed=True),
    )


_PHASE_RECORD: Final = (
    *_SPAN,
    *_gains(),
    *(item for phase in _PHASES for item in _phase_then(phase)),
    *(Item(name=f"charge_{name}", size=4, decimals=2, unit="Ah") for name in ("total", "a", "b", "c")),
)
_UNBALANCE_RECORD: Final = (
    *_SPAN,
    Item(name="unbalance_most", size=2, decimals=2, unit="%"),
    *(item for phase in ("", *_PHASES) for item in _gains(phase)),
)
_PROGRAMMING_RECORD: Final = (
    moment("at"),
    _OPERATOR,
    *(Item(name=f"identifier{number}", size=4, kind=Kind.HEX) for number in range(1, _PROGRAMMED + 1)),
)
_METER_CLEARED: Final = (
    moment("at"),
    _OPERATOR,
    *(item for phase in ("", *_PHASES) for item in energies(before=phase)),
)
_EVENTS_CLEARED: Final = (moment("at"), _OPERATOR, Item(name="identifier", size=4, kind=Kind.HEX))
_CLOCK_SET: Final = (_OPERATOR, moment("before"), moment("after"))

# loss of voltage, too low, too high, phase lost: one record for each phase
_PHASE_EVENTS: Final = frozenset({0x01, 0x02, 0x03, 0x04})
_UNBALANCES: Final = frozenset({0x09, 0x0A})
_OPERATIONS: Final[dict[int, tuple[Item, ...]]] = {
    0x00: _PROGRAMMING_RECORD,
    0x01: _METER_CLEARED,
    0x03: _EVENTS_CLEARED,
    0x04: _CLOCK_SET,
    0x0D: COVER_RECORD,  # of the meter
    0x0E: COVER_RECORD,  # of its terminals
}
_BY_KIND: Final[dict[int, Callable[[int], tuple[Item, ...] | None]]] = {
    0x11: lambda what: _SPAN if what == 0 else None,  # power lost
    0x30: _OPERATIONS.get,
    **{kind: (lambda what: _PHASE_RECORD if what in (1, 2, 3) else None) for kind in _PHASE_EVENTS},
    **{kind: (lambda what: _UNBALANCE_RECORD if what == 0 else None) for kind in _UNBALANCES},
}


def record(kind: int, what: int, which: int) -> tuple[Item, ...] | None:
    """The layout of the `which`-th last record (1 to 10), None where it is not known."""
    known = _BY_KIND.get(kind)
    return known(what) if known is not None and 1 <= which <= MAX_RECORDS else None
