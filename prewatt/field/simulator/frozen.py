"""What simulated meters show of their freezes: Modbus rings, and the identifiers of DL/T 645."""

from datetime import UTC, date, datetime, tzinfo
from typing import Final

from prewatt.core.meters import Profile
from prewatt.core.meters.freezes import COUNTERS, Freeze, FreezeKind, Freezes, write_entry
from prewatt.core.wire.dlt645 import bcd
from prewatt.field.simulator.circuit import CircuitState, FrozenRow

SETTLEMENT_DAYS: Final = {0x04000B01: bytes.fromhex("0001"), 0x04000B02: bytes(2), 0x04000B03: bytes(2)}  # hhDD
ITEM_BYTES: Final = 4
DATA_STEP_WH: Final = 10


def freezes(state: CircuitState, kind: FreezeKind, *, zone: tzinfo, local: bool, ratio: int) -> list[Freeze]:
    """What a circuit keeps, the youngest first, as its registers show it."""
    rows = state.day_freezes if kind is FreezeKind.DAY else state.month_freezes
    return [_freeze(kind, row, zone, local, ratio) for row in reversed(rows)]


def _freeze(kind: FreezeKind, row: FrozenRow, zone: tzinfo, local: bool, ratio: int) -> Freeze:
    began = datetime.combine(date.fromisoformat(row[0]), datetime.min.time())
    shown = int(began.replace(tzinfo=UTC if local else zone).timestamp())
    counted = [row[1], *row[3:]]
    if len(counted) == len(COUNTERS) - 1:  # flat is what the other rates leave
        total, sharp, peak, valley = counted
        counted = [total, sharp, peak, total - sharp - peak - valley, valley]
    return Freeze(kind=kind, shown=shown, values={q: wh // ratio for q, wh in zip(COUNTERS, counted, strict=False)})


def ring_words(
    table: Freezes, states: dict[int, CircuitState], address: int, count: int, *, zone: tzinfo, ratio: int
) -> bytes | None:
    """The answer to a read of whole entries of one ring; None where no ring is, or an entry would be cut."""
    for kind, kept in table.kept.items():
        for index, state in states.items():
            at = address - table.place(kind, 1, index)
            if at < 0 or at % table.words or count % table.words or at + count > kept * table.words:
                continue
            held = freezes(state, kind, zone=zone, local=table.local, ratio=ratio)[:kept]
            entries = [*held, *[None] * (kept - len(held))]
            first = at // table.words
            return b"".join(write_entry(table, each) for each in entries[first : first + count // table.words])
    return None


def frozen_item(profile: Profile, state: CircuitState, di: int, *, zone: tzinfo, ratio: int) -> bytes | None:
    """The value of a freeze or settlement identifier; None where the meter has none."""
    table = profile.freezes
    if table is None:
        return None
    if di in SETTLEMENT_DAYS:
        return SETTLEMENT_DAYS[di]
    number, what = di & 0xFF, di & 0xFFFFFF00
    kind = {0x05060000: FreezeKind.DAY, 0x05060100: FreezeKind.DAY, 0x0001FF00: FreezeKind.MONTH}.get(what)
    if kind is None or not 1 <= number <= table.kept.get(kind, 0):
        return None
    held = freezes(state, kind, zone=zone, local=True, ratio=ratio)
    if number > len(held):
        return None
    freeze = held[number - 1]
    if what == 0x05060000:
        return bytes.fromhex(f"{datetime.fromtimestamp(freeze.shown, UTC):%M%H%d%m%y}")
    return b"".join(_counter(freeze.values.get(each)) for each in COUNTERS)


def _counter(value: int | None) -> bytes:
    return bcd.write(None if value is None else value // DATA_STEP_WH % 10**8, ITEM_BYTES)

