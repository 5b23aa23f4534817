"""Freezes (冻结): what a meter kept of its counters when a day or a month ended on its own clock.

DL/T 645 fixes where they lie: days under 0506..NN, the last first; months as the settlements 0001FFNN, which the
meter dates by its settlement day. A Modbus map says where its rings begin: the youngest entry first, each the seconds
since 1970 as the meter shows them and then its counters, all u32 with the high word first.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from types import MappingProxyType
from typing import Final

from prewatt.core.meters.quantities import Quantity
from prewatt.core.meters.scales import provenance, scale_of
from prewatt.core.meters.tables import Table
from prewatt.core.refusals import Refused, Text, register

COUNTERS: Final = (
    Quantity.ENERGY_IMPORT_TOTAL,
    Quantity.ENERGY_IMPORT_SHARP,
    Quantity.ENERGY_IMPORT_PEAK,
    Quantity.ENERGY_IMPORT_FLAT,
    Quantity.ENERGY_IMPORT_VALLEY,
)
WORDS_EACH: Final = 2  # registers of an entry's time, and of each counter
ITEM_BYTES: Final = 4  # of a counter, on either wire
NO_VALUE: Final = 0xFFFFFFFF  # an entry that was never frozen
DATA_SCALE: Final = Fraction(10)  # DL/T 645 counts 0.01 kWh
DAY_S: Final = 86_400
MOST_KEPT: Final = 366
MOST_OF_JOB: Final = 12  # freezes of one conversation: a command behind it waits for no more

register(
    {
        "profile_freezes": Text(
            "[freezes] keeps days, months or both, begins with the total energy and overlaps no register.",
            "[freezes] 应保存日冻结和/或月冻结，首项为总电能，且不得与寄存器重叠。",
        ),
        "freezes_not_supported": Text("This model keeps no such freezes.", "该表型不保存此类冻结数据。"),
        "freeze_times_unclear": Text(
            "The meter settles more than once a month, or does not say when: its months cannot be dated.",
            "电表每月结算多次或未说明结算日，月冻结无法确定日期。",
        ),
    }
)


class FreezeKind(StrEnum):
    DAY = "day"
    MONTH = "month"


@dataclass(frozen=True, kw_only=True, slots=True)
class FreezeSpan:
    """What a job asks for: freezes of a kind from `since` to `until`, both included, in seconds as `Freeze.shown`.
    `local`: these are the site's wall time; whoever stores what came goes by it."""

    kind: FreezeKind
    since: int
    until: int
    local: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Freeze:
    """One freeze. `shown`: seconds since 1970 as the meter shows them: UTC, or the site's wall time counted as if it
    were UTC where its profile says `local`. `values` in the units of `Quantity`."""

    kind: FreezeKind
    shown: int
    values: Mapping[Quantity, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Freezes:
    """The table `[freezes]`. `kept`: how many of each kind; `address`: of the youngest entry (Modbus)."""

    kept: Mapping[FreezeKind, int]
    address: Mapping[FreezeKind, int]
    holds: tuple[Quantity, ...]
    factor: Fraction
    stride: int
    local: bool
    source: str
    assumed: bool

    @property
    def words(self) -> int:
        """Registers of one entry."""
        return WORDS_EACH * (1 + len(self.holds))

    def place(self, kind: FreezeKind, number: int, circuit_index: int) -> int:
        """Where the entry `number` (1 is the youngest) of a circuit begins."""
        return self.address[kind] + (circuit_index - 1) * self.stride + (number - 1) * self.words


def freezes_of(
    root: Table, *, modbus: bool, credit_unit: str, circuits: int, max_block: int,
    taken: Iterable[tuple[int, int, str]],
) -> Freezes | None:  # fmt: skip
    """The table; None where the model keeps none. `taken`: the spans of a Modbus map's registers.

    Raises Refused `profile_freezes`, `profile_missing`, `profile_value`, `profile_unit`, `profile_no_source`.
    """
    if not root.has("freezes"):
        return None
    table = root.table("freezes")
    source, assumed = provenance(table, "freezes")
    factor, stride = DATA_SCALE, 0
    holds: tuple[Quantity, ...] = COUNTERS
    if modbus:
        holds = tuple(table.named("holds", each, Quantity) for each in table.names("holds"))
        _scale, factor = scale_of(table, Quantity.ENERGY_IMPORT_TOTAL, credit_unit)
        stride = table.integer("stride", 0, 0xFFFF, 0)
    kept: dict[FreezeKind, int] = {}
    address: dict[FreezeKind, int] = {}
    for kind in FreezeKind:
        if table.has(kind.value):
            part = table.table(kind.value)
            kept[kind] = part.integer("kept", 1, MOST_KEPT)
            if modbus:
                address[kind] = part.address("address")
            part.done()
    made = Freezes(
        kept=MappingProxyType(kept), address=MappingProxyType(address), holds=holds, factor=factor, stride=stride,
        local=table.flag("local") if modbus else True, source=source, assumed=assumed,
    )  # fmt: skip
    table.done()
    sound = bool(kept) and holds[:1] == COUNTERS[:1] and len(set(holds)) == len(holds) and set(holds) <= set(COUNTERS)
    if not sound or (modbus and (made.words > max_block or _overlaps(made, circuits, taken))):
        raise Refused("profile_freezes")
    return made


def _overlaps(made: Freezes, circuits: int, taken: Iterable[tuple[int, int, str]]) -> bool:
    spans = [(first, behind) for first, behind, _name in taken]
    for kind, kept in made.kept.items():
        for index in range(1, circuits + 1):
            first = made.place(kind, 1, index)
            spans.append((first, first + kept * made.words))
    spans.sort()
    crossed = any(behind > following for (_, behind), (following, _) in zip(spans, spans[1:], strict=False))
    return crossed or spans[-1][1] > 0x10000


def skipped(youngest: int, span: FreezeSpan) -> int:
    """How many young entries a meter that froze every day has before the span. One that missed days has fewer: look
    whether the last of these is younger than the span, else begin with the first."""
    return max(0, (youngest - span.until) // DAY_S) if span.kind is FreezeKind.DAY else 0


def falling(times: Sequence[int]) -> bool:
    """Do the times of a ring fall, the youngest first? They do not where it turned between two reads."""
    return all(before > after for before, after in zip(times, times[1:], strict=False))


def chosen(found: Iterable[Freeze], span: FreezeSpan) -> tuple[Freeze, ...]:
    """What was asked for, the oldest first; of too many the youngest."""
    wanted = [each for each in found if span.since <= each.shown <= span.until]
    return tuple(sorted(wanted, key=lambda each: each.shown)[-MOST_OF_JOB:])


# --- Modbus entries --------------------------------------------------------------------------


def read_entries(table: Freezes, kind: FreezeKind, data: bytes) -> list[Freeze | None]:
    """The entries in an answer; None for one that was never frozen."""
    size = table.words * 2
    return [_entry(table, kind, data[at : at + size]) for at in range(0, len(data) - size + 1, size)]


def _entry(table: Freezes, kind: FreezeKind, data: bytes) -> Freeze | None:
    shown, *counted = (int.from_bytes(data[at : at + ITEM_BYTES], "big") for at in range(0, len(data), ITEM_BYTES))
    if shown in (0, NO_VALUE) or counted[0] == NO_VALUE:
        return None
    return Freeze(kind=kind, shown=shown, values=_values(table, counted))


def _values(table: Freezes, counted: Iterable[int]) -> Mapping[Quantity, int]:
    return {
        quantity: raw * table.factor.numerator // table.factor.denominator
        for quantity, raw in zip(table.holds, counted, strict=False)
        if raw != NO_VALUE
    }


def write_entry(table: Freezes, freeze: Freeze | None) -> bytes:
    """The meter's side: an entry, finer parts cut; FF where nothing was frozen."""
    if freeze is None:
        return b"\xff" * table.words * 2
    raws = [freeze.shown]
    for quantity in table.holds:
        value = freeze.values.get(quantity)
        raws.append(NO_VALUE if value is None else value * table.factor.denominator // table.factor.numerator)
    return b"".join((raw & NO_VALUE).to_bytes(ITEM_BYTES, "big") for raw in raws)
