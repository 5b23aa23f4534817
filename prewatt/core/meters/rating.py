"""What stands on a model's plate: the table `[rating]` of a profile. What nobody says is left out."""

from dataclasses import dataclass
from enum import StrEnum
from math import isqrt
from typing import Final

from prewatt.core.meters.bus_address import FIRST_UNIT, LAST_UNIT
from prewatt.core.meters.scales import provenance
from prewatt.core.meters.tables import Table

MAX_CHOICES: Final = 8  # order codes of one model
MAX_VOLTAGE_MV: Final = 1_000_000
MAX_CURRENT_MA: Final = 10_000_000
MAX_PULSES: Final = 1_000_000  # imp/kWh
MAX_ACCURACY: Final = 20  # characters


class Across(StrEnum):
    """Between what a reference voltage is measured."""

    PHASE = "phase"  # and neutral
    LINE = "line"  # between two phases


@dataclass(frozen=True, kw_only=True, slots=True)
class Rating:
    """Of what there are several (order codes), the first is what a simulated meter is. () and None: not known.
    `currents_ma`: basic or nominal, and greatest current (0: not said); `pulses`: imp/kWh; `units`: first and last
    address; `bauds`: the speeds the model has."""

    voltages_mv: tuple[int, ...]
    across: Across
    currents_ma: tuple[tuple[int, int], ...]
    accuracy: str
    pulses: tuple[int, ...]
    units: tuple[int, int] | None
    bauds: tuple[int, ...]
    source: str
    assumed: bool

    @property
    def phase_mv(self) -> int | None:
        """The first reference voltage between phase and neutral."""
        if not self.voltages_mv:
            return None
        first = self.voltages_mv[0]
        return isqrt(first * first // 3) if self.across is Across.LINE else first

    def has_baud(self, baud: int) -> bool:
        """Could the model be at this speed?"""
        return not self.bauds or baud in self.bauds

    def has_unit(self, unit: int) -> bool:
        """Could it be at this address?"""
        return self.units is None or self.units[0] <= unit <= self.units[1]


def rating_of(root: Table, *, baud_default: int, bauds: tuple[int, ...]) -> Rating | None:
    """The table; None where there is none. `bauds`: all speeds there are. Raises Refused `profile_missing`,
    `profile_value`, `profile_no_source`."""
    if not root.has("rating"):
        return None
    table = root.table("rating")
    source, assumed = provenance(table, "rating")
    made = Rating(
        voltages_mv=_numbers(table, "voltages", 1, MAX_VOLTAGE_MV), across=table.word("across", Across, Across.PHASE),
        currents_ma=_currents(table), accuracy=table.text("accuracy", ""),
        pulses=_numbers(table, "pulses", 1, MAX_PULSES),
        units=_units(table), bauds=_numbers(table, "bauds", min(bauds), max(bauds)), source=source, assumed=assumed,
    )  # fmt: skip
    if len(made.accuracy) > MAX_ACCURACY:
        raise table.refuse("accuracy", made.accuracy)
    if not set(made.bauds) <= set(bauds) or not made.has_baud(baud_default):
        raise table.refuse("bauds", list(made.bauds))
    table.done()
    return made


def _numbers(table: Table, key: str, least: int, most: int) -> tuple[int, ...]:
    return _whole(table, key, table.names(key, []), least, most)


def _whole(table: Table, key: str, found: list[object], least: int, most: int) -> tuple[int, ...]:
    kept = tuple(each for each in found if type(each) is int and least <= each <= most)
    if len(kept) != len(found) or len(set(kept)) != len(kept) or len(kept) > MAX_CHOICES:
        raise table.refuse(key, found)
    return kept


def _currents(table: Table) -> tuple[tuple[int, int], ...]:
    made: list[tuple[int, int]] = []
    for each in (found := table.names("currents", [])):
        pair = _whole(table, "currents", each, 1, MAX_CURRENT_MA) if isinstance(each, list) else ()
        if len(pair) not in (1, 2) or pair != tuple(sorted(pair)):
            raise table.refuse("currents", each)
        made.append((pair[0], pair[1] if len(pair) > 1 else 0))
    if len(made) > MAX_CHOICES:
        raise table.refuse("currents", found)
    return tuple(made)


def _units(table: Table) -> tuple[int, int] | None:
    if not table.has("units"):
        return None
    found = _numbers(table, "units", FIRST_UNIT, LAST_UNIT)
    if len(found) != 2 or found[0] > found[1]:
        raise table.refuse("units", list(found))
    return found[0], found[1]
