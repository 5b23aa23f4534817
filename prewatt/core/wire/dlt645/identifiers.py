"""Data identifiers and the layout of what they name (DL/T 645-2007 annex A, 2013 filing).

Only what a prepaid platform meets is here, and the two vendor blocks whose layout is public; a meter
profile can name any other identifier with any layout. An identifier with FF in it names a block: its
items repeat as often as the meter has rates, phases or settlements.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import chain, count
from typing import Final

from prewatt.core.wire.dlt645.happenings import EVENTS, fields
from prewatt.core.wire.dlt645.items import Item, Kind
from prewatt.core.wire.dlt645.parameters import (
    MAX_HOLIDAYS,
    MAX_SCREENS,
    PARAMETERS,
    SCREEN,
    day_slots,
    holiday,
    slots,
    zone_slots,
)
from prewatt.core.wire.dlt645.records import DEMAND_COUNTS, MAX_RECORDS, VOLTAGE_QUALITY, record
from prewatt.core.wire.dlt645.vendor import VENDOR_BLOCKS

ALL: Final = 0xFF
MAX_RATES: Final = 63
MAX_SETTLEMENTS: Final = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """Items in wire order. `whole`: one more reading of all the bytes together. `open_end`: fewer items may come."""

    items: tuple[Item, ...]
    whole: Item | None = None
    open_end: bool = False

    def fitting(self, size: int) -> tuple[Item, ...] | None:
        """The items that fill exactly `size` bytes, None where the standard's layout does not."""
        taken: list[Item] = []
        for item in self.items:
            if size == 0 and self.open_end and taken:
                break
            taken.append(item)
            size -= item.size
        return tuple(taken) if size == 0 else None

    def leading(self, size: int) -> tuple[Item, ...]:
        """The items that lie within the first `size` bytes, for an answer longer than the standard's."""
        taken: list[Item] = []
        for item in self.items:
            size -= item.size
            if size < 0:
                break
            taken.append(item)
        return tuple(taken)


@lru_cache(maxsize=1024)
def layout_of(di: int) -> Layout | None:
    """The layout behind an identifier, None for one we do not know."""
    if (vendor := VENDOR_BLOCKS.get(di)) is not None:
        return Layout(items=vendor)
    if (parameter := PARAMETERS.get(di)) is not None:
        items, whole = parameter
        return Layout(items=items, whole=whole)
    group = _GROUPS.get(di >> 24)
    return None if group is None else group(di >> 16 & 0xFF, di >> 8 & 0xFF, di & 0xFF)


def place_in(block: int, di: int) -> slice | None:
    """Where in the answer to a block the item of a single identifier stands; None where it is none of its items."""
    whole, part = layout_of(block), layout_of(di)
    if block >> 16 != di >> 16 or whole is None or part is None or len(part.items) != 1:
        return None
    at = 0
    for item in whole.items:
        if item == part.items[0]:
            return slice(at, at + item.size)
        at += item.size
    return None


# energy kinds: name, unit, sign bit; the phases follow at 15h, 29h and 3Dh in the same order from 1 on
_KINDS: Final = (
    ("combined_", "kWh", True),
    ("", "kWh", False),
    ("reverse_", "kWh", False),
    ("reactive_1_", "kvarh", True),
    ("reactive_2_", "kvarh", True),
    ("quadrant_1_", "kvarh", False),
    ("quadrant_2_", "kvarh", False),
    ("quadrant_3_", "kvarh", False),
    ("quadrant_4_", "kvarh", False),
    ("apparent_", "kVAh", False),
    ("reverse_apparent_", "kVAh", False),
)
_PHASES: Final = {0x15: "a_", 0x29: "b_", 0x3D: "c_"}
# of the meter from 80h on, of the phases from 94h, A8h and BCh
_PARTS: Final = (
    "associated_", "fundamental_", "reverse_fundamental_", "harmonic_", "reverse_harmonic_", "copper_loss_",
    "iron_loss_",
)  # fmt: skip
_PARTS_AT: Final = {0x80: "", 0x94: "a_", 0xA8: "b_", 0xBC: "c_"}


def _kind(code: int) -> tuple[str, str, bool] | None:
    if code < len(_KINDS):
        return _KINDS[code]
    for first, phase in _PARTS_AT.items():
        if first <= code < first + len(_PARTS):
            return phase + _PARTS[code - first], "kWh", False
    for first, phase in _PHASES.items():
        if first <= code < first + len(_KINDS) - 1:
            name, unit, signed = _KINDS[code - first + 1]
            return phase + name, unit, signed
    return None


def _rates_and_settlements(rate: int, settlement: int) -> Iterator[tuple[str, int]] | None:
    """Name and settlement of each item of a block of totals and rates."""
    if rate == ALL and settlement <= MAX_SETTLEMENTS:
        return ((_rate_name(each), settlement) for each in range(MAX_RATES + 1))
    if rate <= MAX_RATES and settlement <= MAX_SETTLEMENTS:
        return iter(((_rate_name(rate), settlement),))
    if rate <= MAX_RATES and settlement == ALL:
        return ((_rate_name(rate), each) for each in range(MAX_SETTLEMENTS + 1))
    return None


def _rate_name(rate: int) -> str:
    return f"rate{rate}" if rate else "total"


def _energy(kind: int, rate: int, settlement: int) -> Layout | None:
    if kind in (0x0B, 0x0C) and rate == 0 and settlement <= MAX_SETTLEMENTS:
        name = "cycle_use" if kind == 0x0B else "month_use"
        return _one(Item(name=name, size=4, decimals=2, unit="kWh", settlement=settlement))
    if kind == 0x90:
        return _remaining(rate, settlement)
    named, places = _kind(kind), _rates_and_settlements(rate, settlement)
    if named is None or places is None:
        return None
    prefix, unit, signed = named
    return Layout(
        items=tuple(
            Item(name=prefix + name, size=4, decimals=2, signed=signed, unit=unit, settlement=back)
            for name, back in places
        ),
        open_end=ALL in (rate, settlement),
    )


def _remaining(what: int, which: int) -> Layout | None:
    unit = {1: "kWh", 2: "currency"}.get(what)
    if unit is None or which not in (0, 1, ALL):
        return None
    names = ("remaining_energy", "overdraft_energy") if what == 1 else ("balance", "overdraft")
    pair = tuple(Item(name=name, size=4, decimals=2, unit=unit) for name in names)
    return Layout(items=pair if which == ALL else (pair[which],))


def _demand(kind: int, rate: int, settlement: int) -> Layout | None:
    named, places = _kind(kind), _rates_and_settlements(rate, settlement)
    if named is None or places is None:
        return None
    prefix, unit, signed = named
    pairs = (
        (
            Item(
                name=f"{prefix}demand_{name}",
                size=3,
                decimals=4,
                signed=signed,
                unit=unit.removesuffix("h"),
                settlement=back,
            ),
            Item(name=f"{prefix}demand_{name}_at", size=5, kind=Kind.MOMENT, form="mmhhDDMMYY", settlement=back),
        )
        for name, back in places
    )
    return Layout(items=tuple(chain.from_iterable(pairs)), open_end=ALL in (rate, settlement))


# live values: name, bytes, decimals, sign bit, unit, does a total stand before the phases
_LIVE: Final = {
    0x01: ("u", 2, 1, False, "V", False),
    0x02: ("i", 3, 3, True, "A", False),
    0x03: ("p_", 3, 4, True, "kW", True),
    0x04: ("q_", 3, 4, True, "kvar", True),
    0x05: ("s_", 3, 4, False, "kVA", True),
    0x06: ("pf_", 2, 3, True, "", True),
    0x07: ("angle_", 2, 1, False, "deg", False),
    0x08: ("u_distortion_", 2, 2, False, "%", False),
    0x09: ("i_distortion_", 2, 2, False, "%", False),
}
_HARMONICS: Final = {0x0A: "u_harmonic_", 0x0B: "i_harmonic_"}
MAX_HARMONIC: Final = 21
_SINGLE: Final = {
    0x01: Item(name="i_neutral", size=3, decimals=3, signed=True, unit="A"),
    0x02: Item(name="frequency", size=2, decimals=2, unit="Hz"),
    0x03: Item(name="p_minute_mean", size=3, decimals=4, signed=True, unit="kW"),
    0x04: Item(name="demand_now", size=3, decimals=4, signed=True, unit="kW"),
    0x05: Item(name="reactive_demand_now", size=3, decimals=4, signed=True, unit="kvar"),
    0x06: Item(name="apparent_demand_now", size=3, decimals=4, signed=True, unit="kVA"),
    0x07: Item(name="temperature", size=2, decimals=1, signed=True, unit="Cel"),
    0x08: Item(name="clock_battery", size=2, decimals=2, unit="V"),
    0x09: Item(name="reading_battery", size=2, decimals=2, unit="V"),
    0x0A: Item(name="battery_work_time", size=4, unit="min"),
    0x0B: Item(name="ladder_price_now", size=4, decimals=4, unit="currency/kWh"),
    0x22: Item(name="authentication_time_left", size=2, unit="min"),  # one source only
    0x20: Item(name="price_now", size=4, decimals=4, unit="currency/kWh"),
    0x21: Item(name="rate_price_now", size=4, decimals=4, unit="currency/kWh"),
}


def _live(kind: int, which: int, order: int) -> Layout | None:
    if kind == 0x80:
        single = _SINGLE.get(order) if which == 0 else None
        return None if single is None else _one(single)
    if kind in _HARMONICS and which in (1, 2, 3):
        orders = range(1, MAX_HARMONIC + 1) if order == ALL else (order,)
        if order != ALL and not 1 <= order <= MAX_HARMONIC:
            return None
        prefix = f"{_HARMONICS[kind]}{'abc'[which - 1]}"
        return Layout(
            items=tuple(Item(name=f"{prefix}{each}", size=2, decimals=2, unit="%") for each in orders),
            open_end=order == ALL,
        )
    if kind not in _LIVE or order not in (0, ALL):
        return None
    prefix, size, decimals, signed, unit, total = _LIVE[kind]
    names = ["a", "b", "c"] if not total else ["total", "a", "b", "c"]
    first = 0 if total else 1
    if which != ALL:
        if not first <= which <= 3:
            return None
        names = [names[which - first]]
    return Layout(
        items=tuple(Item(name=prefix + name, size=size, decimals=decimals, signed=signed, unit=unit) for name in names),
        open_end=which == ALL,
    )


def _one(item: Item) -> Layout:
    return Layout(items=(item,))


_COUNT: Final = Item(name="count", size=3, kind=Kind.DIGITS)
_MINUTES: Final = Item(name="minutes", size=3, kind=Kind.DIGITS, unit="min")
_PER_PHASE: Final = frozenset({0x01, 0x02, 0x03, 0x04, 0x0B, 0x0C, 0x0D, 0x0E, 0x0F})
_PER_METER: Final = frozenset({0x05, 0x06, 0x07, 0x08, 0x09, 0x0A})
_COUNTED: Final = frozenset({0x11, 0x35, 0x36, 0x37})


def _events(kind: int, what: int, which: int) -> Layout | None:
    if what == 0 and which == 0 and kind in _PER_PHASE:
        names = [(f"{phase}_count", f"{phase}_minutes") for phase in "abc"]
        return Layout(
            items=tuple(
                Item(name=name, size=3, kind=Kind.DIGITS, unit=unit)
                for pair in names
                for name, unit in zip(pair, ("", "min"), strict=True)
            )
        )
    if what == 0 and which == 0 and kind in _PER_METER:
        return Layout(items=(_COUNT, _MINUTES))
    if (kind == 0x30 and which == 0) or (kind in _COUNTED and what == 0 and which == 0):
        return _one(_COUNT)
    if kind == 0x10 and what <= 3 and which <= MAX_SETTLEMENTS:
        return Layout(items=tuple(replace(item, settlement=which) for item in VOLTAGE_QUALITY))
    if (kind, what, which) == (0x12, 0, 0):
        return Layout(items=DEMAND_COUNTS)
    if kind in (0x32, 0x33) and 1 <= which <= MAX_RECORDS:
        return _purchase(what, "kWh" if kind == 0x32 else "currency")
    kept = record(kind, what, which)
    return None if kept is None else Layout(items=kept, open_end=True)


def _purchase(what: int, unit: str) -> Layout | None:
    names = {3: "purchase_amount", 4: "balance_before", 5: "balance_after", 6: "purchased_total"}
    if what == 1:
        return _one(Item(name="purchase_at", size=5, kind=Kind.MOMENT, form="mmhhDDMMYY"))
    if what == 2:
        return _one(Item(name="purchase_count", size=2))
    return _one(Item(name=names[what], size=4, decimals=2, unit=unit)) if what in names else None


def _happening(event: int, phase: int, field: int, which: int) -> Layout | None:
    known = fields(event, phase, field, which)
    return None if known is None else Layout(items=known, open_end=len(known) > 1)


_FROZEN_AT: Final = Item(name="frozen_at", size=5, kind=Kind.MOMENT, form="mmhhDDMMYY")
MAX_FREEZES: Final = 62  # daily ones; the other kinds keep fewer


def _frozen(how: int, what: int, which: int) -> Layout | None:
    """Freezes: timed 0, instant 1, zone swap 2, day-table swap 3, hourly 4, price swap 5, daily 6, ladder swap 7."""
    if (how, what, which) == (0x08, 0x02, 0x01):  # one source only
        return _one(Item(name="frozen_balance", size=4, decimals=2, unit="currency"))
    if how > 0x07 or not 1 <= which <= (0xFE if how == 4 else MAX_FREEZES):
        return None
    if what == 0:
        return _one(_FROZEN_AT)
    if (how, what) == (0x04, ALL):  # the hourly block has totals alone
        totals = (Item(name=name, size=4, decimals=2, unit="kWh") for name in ("total", "reverse_total"))
        return Layout(items=(_FROZEN_AT, *totals))
    if 1 <= what <= 8:
        return _energy(what, ALL, 0)
    if what in (0x09, 0x0A):
        return _demand(what - 8, ALL, 0)
    if what == 0x10:
        names = [f"{kind}_{phase}" for kind in "pq" for phase in ("total", "a", "b", "c")]
        units = ["kW"] * 4 + ["kvar"] * 4
        return Layout(
            items=tuple(
                Item(name=name, size=3, decimals=4, signed=True, unit=unit)
                for name, unit in zip(names, units, strict=True)
            )
        )
    return None


def _parameter(group: int, what: int, which: int) -> Layout | None:
    """Tables in group 04 that are numbered; the single parameters stand in PARAMETERS."""
    if group in (0x01, 0x02) and what == 0:
        made = zone_slots() if which == 0 else day_slots() if 1 <= which <= 8 else None
        return None if made is None else Layout(items=made, open_end=True)
    if group == 0x03 and what == 0 and 1 <= which <= MAX_HOLIDAYS:
        return _one(holiday(which))
    if group == 0x04 and what in (1, 2) and 1 <= which <= MAX_SCREENS:
        return Layout(items=SCREEN, open_end=True)
    if group == 0x05 and what in (1, 2):
        return _numbered(f"price_set{what}_rate", which, "currency/kWh", 4)
    if group == 0x06 and what in (0, 1, 2, 3):
        table = 1 if what < 2 else 2
        if what % 2 == 0:
            return _numbered(f"ladder_set{table}_step", which, "kWh", 2)
        return _numbered(f"ladder_set{table}_price", which, "currency/kWh", 4)
    return None


def _numbered(prefix: str, which: int, unit: str, decimals: int) -> Layout | None:
    if which == 0 or MAX_RATES < which < ALL:
        return None
    numbers = count(1) if which == ALL else iter((which,))
    amount = MAX_RATES if which == ALL else 1
    return Layout(items=slots(prefix, amount, numbers, size=4, decimals=decimals, unit=unit), open_end=which == ALL)


_GROUPS: Final[dict[int, Callable[[int, int, int], Layout | None]]] = {
    0x00: _energy,
    0x01: _demand,
    0x02: _live,
    0x03: _events,
    0x04: _parameter,
    0x05: _frozen,
    **{event: partial(_happening, event) for event in EVENTS},
}
