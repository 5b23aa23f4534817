"""Times of use (时区、时段): which rate a meter counts when, the standby set it keeps beside the one in force, and when
the two swap.

DL/T 645 fixes where they lie: zones of the two sets under 04010000 and 04020000, their day tables under 0401000n and
0402000n, the swap times under 04000106 and 04000107, and which set is in force in bits 5 and 0 of status word 3. A
Modbus map says where its blocks begin; it copies its standby blocks over those in force when the swap time comes.
Slots a table has no use for repeat its last.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Final

from prewatt.core.meters.scales import provenance
from prewatt.core.meters.tables import Table
from prewatt.core.refusals import Refused, Text, register

RATES: Final = 4  # 1 sharp, 2 peak, 3 flat, 4 valley
MOST_ZONES: Final = 14
MOST_TABLES: Final = 8
MOST_PERIODS: Final = 14
DAY_MINUTES: Final = 1_440
SLOT_BYTES: Final = 3
SWAP_BYTES: Final = 5  # DL/T 645: mmhhDDMMYY
SWAP_WORDS: Final = 2  # Modbus: seconds since 1970 of the wall time
# no swap: as far ahead as two digits of a year go. Zero and FF say "none" in some meters and "at once" in others
PARKED: Final = int(datetime(2099, 12, 31, 23, 59, tzinfo=UTC).timestamp())
LEAP_YEAR: Final = 2000  # a zone may begin on 29 February
STATUS_WORD: Final = 0x04000503
ZONES_BIT: Final = 5  # of status word 3: 1 where the second set of zones is in force
TABLES_BIT: Final = 0

register(
    {
        "profile_schedule": Text(
            "[schedule] does not fit into a block, or lies over something else.",
            "[schedule] 超出数据块长度，或与其他寄存器重叠。",
        ),
        "schedule_not_supported": Text("This model shows no times of use.", "该表型不提供时段表。"),
        "schedule_no_standby": Text(
            "No standby set is known of this model; the set in force is never written.",
            "该表型没有已知的备用套，执行中的时段不允许改写。",
        ),
        "schedule_zones": Text(
            "There must be 1 to {most} zones, each beginning on a later day than the one before.",
            "时区数应为 1 到 {most}，且起始日期依次递增。",
        ),
        "schedule_tables": Text(
            "There must be 1 to {most} day tables, and each zone must name one of them.",
            "日时段表数应为 1 到 {most}，每个时区须指向其中之一。",
        ),
        "schedule_periods": Text(
            "Day table {table}: 1 to {most} periods are needed, the first from 00:00, each later than the one before.",
            "日时段表 {table}：时段数应为 1 到 {most}，首个从 00:00 开始，且依次递增。",
        ),
        "schedule_rate": Text(
            "Day table {table}: {rate} is no rate; the rates are 1 to {most}.",
            "日时段表 {table}：费率 {rate} 无效，费率为 1 到 {most}。",
        ),
        "schedule_swap_past": Text(
            "The swap time must lie at least {minutes} minutes ahead.", "切换时间至少应在 {minutes} 分钟之后。"
        ),
        "schedule_swap_far": Text("The swap time lies more than two years ahead.", "切换时间超过两年。"),
        "schedule_unreadable": Text("“{line}” cannot be read. Nothing was asked.", "无法识别“{line}”，未下发任何内容。"),
        "schedule_swap_near": Text(
            "The meter is about to swap its sets, or just has; write again ten minutes later.",
            "电表即将切换或刚刚切换，请十分钟后再写入。",
        ),
    }
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Zone:
    """A part of the year: from this day on day table `table` (from 1) holds, until the next zone begins."""

    month: int
    day: int
    table: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Period:
    """A part of the day: from this minute on `rate` is counted, until the next period begins."""

    minute: int
    rate: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """A whole set: the zones of the year, and the day tables they name."""

    zones: tuple[Zone, ...]
    tables: tuple[tuple[Period, ...], ...]

    def rate_at(self, wall: datetime) -> int:
        """The rate at a wall time. Before the first zone of the year the last of the year before holds, and likewise
        in a day."""
        day, minute = (wall.month, wall.day), wall.hour * 60 + wall.minute
        zone = next((each for each in reversed(self.zones) if (each.month, each.day) <= day), self.zones[-1])
        periods = self.tables[zone.table - 1]
        return next((each for each in reversed(periods) if each.minute <= minute), periods[-1]).rate


@dataclass(frozen=True, kw_only=True, slots=True)
class ScheduleRead:
    """What a meter showed. A set is None where it holds none that makes sense; `swap_at`: wall time counted as if it
    were UTC, None where none is set; `swaps_differ`: its zones and its day tables would swap at different times."""

    in_force: Schedule | None
    standby: Schedule | None
    swap_at: int | None
    swaps_differ: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Places:
    """Where one set lies: addresses of its zones and of its day tables, and of its own swap times."""

    zones: int
    tables: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ScheduleTable:
    """The table `[schedule]`. `sets`: over DL/T 645 the first and the second, over Modbus the one in force and, where
    one is known, the standby. `swaps`: addresses of the swap times of zones and of day tables, which may be one."""

    most_zones: int
    most_tables: int
    most_periods: int
    data: bool  # DL/T 645: digits and identifiers; else bytes in registers
    sets: tuple[Places, ...]
    swaps: tuple[int, ...]
    source: str
    assumed: bool

    @property
    def writable(self) -> bool:
        return len(self.sets) > 1

    def slots(self, address: int) -> int:
        """The most slots behind an address of a set."""
        return self.most_zones if any(each.zones == address for each in self.sets) else self.most_periods


def check_schedule(schedule: Schedule, table: ScheduleTable) -> None:
    """Whether a meter of this kind can be asked to keep it. Raises Refused `schedule_zones`, `schedule_tables`,
    `schedule_periods`, `schedule_rate`."""
    days = [_day(each) for each in schedule.zones]
    if not 1 <= len(days) <= table.most_zones or None in days or not _rising([each for each in days if each]):
        raise Refused("schedule_zones", most=table.most_zones)
    tables = len(schedule.tables)
    if not 1 <= tables <= table.most_tables or any(not 1 <= each.table <= tables for each in schedule.zones):
        raise Refused("schedule_tables", most=table.most_tables)
    for number, periods in enumerate(schedule.tables, 1):
        minutes = [each.minute for each in periods]
        sound = 1 <= len(periods) <= table.most_periods and minutes[0] == 0 and minutes[-1] < DAY_MINUTES
        if not sound or not _rising(minutes):
            raise Refused("schedule_periods", table=number, most=table.most_periods)
        wrong = next((each.rate for each in periods if not 1 <= each.rate <= RATES), None)
        if wrong is not None:
            raise Refused("schedule_rate", table=number, rate=wrong, most=RATES)


def _rising(values: Sequence[int]) -> bool:
    return all(before < after for before, after in pairwise(values))


def _day(zone: Zone) -> int | None:
    try:
        return date(LEAP_YEAR, zone.month, zone.day).toordinal()
    except ValueError:
        return None


# --- what lies in a meter --------------------------------------------------------------------


def zone_bytes(zones: Sequence[Zone], slots: int, *, data: bool) -> bytes:
    """`slots` slots: DL/T 645 NN DD MM in digits; Modbus month, day, table in bytes."""
    rows = [(each.table, each.day, each.month) if data else (each.month, each.day, each.table) for each in zones]
    return _slots(rows, slots, data)


def period_bytes(periods: Sequence[Period], slots: int, *, data: bool) -> bytes:
    """`slots` slots of rate, minute, hour on either wire."""
    return _slots([(each.rate, each.minute % 60, each.minute // 60) for each in periods], slots, data)


def _slots(rows: list[tuple[int, int, int]], slots: int, data: bool) -> bytes:
    assert rows and len(rows) <= slots, (len(rows), slots)
    filled = [*rows, *[rows[-1]] * (slots - len(rows))]
    return bytes((value // 10 << 4 | value % 10) if data else value for row in filled for value in row)


def _rows(held: bytes, data: bool) -> list[tuple[int, int, int]] | None:
    """The slots in bytes, without the repeats of the last; None where a digit is none."""
    values = []
    for byte in held:
        if data and (byte >> 4 > 9 or byte & 15 > 9):
            return None
        values.append((byte >> 4) * 10 + (byte & 15) if data else byte)
    rows = [(values[at], values[at + 1], values[at + 2]) for at in range(0, len(values) - 2, SLOT_BYTES)]
    while len(rows) > 1 and rows[-1] == rows[-2]:
        rows.pop()
    return rows


def read_zones(held: bytes, *, data: bool) -> tuple[Zone, ...] | None:
    """The zones in bytes; None where they make no year."""
    rows = _rows(held, data)
    if not rows:
        return None
    zones = tuple(
        Zone(month=row[2], day=row[1], table=row[0]) if data else Zone(month=row[0], day=row[1], table=row[2])
        for row in rows
    )
    days = [_day(each) for each in zones]
    sound = None not in days and _rising([each for each in days if each])
    return zones if sound and all(1 <= each.table <= MOST_TABLES for each in zones) else None


def read_periods(held: bytes, *, data: bool) -> tuple[Period, ...] | None:
    """The periods in bytes; None where they make no day."""
    rows = _rows(held, data)
    if not rows or any(row[1] > 59 or row[2] > 23 or not 1 <= row[0] <= RATES for row in rows):
        return None
    periods = tuple(Period(minute=row[2] * 60 + row[1], rate=row[0]) for row in rows)
    return periods if _rising([each.minute for each in periods]) else None


def swap_bytes(wall: int, *, data: bool) -> bytes:
    """A swap time, wall time counted as if it were UTC; to the minute over DL/T 645."""
    if data:
        return bytes.fromhex(f"{datetime.fromtimestamp(wall, UTC):%M%H%d%m%y}")
    return wall.to_bytes(SWAP_WORDS * 2, "big")


def read_swap(held: bytes, *, data: bool) -> int | None:
    """The swap time in bytes; None where none is set, `PARKED` included."""
    if not data:
        wall = int.from_bytes(held[: SWAP_WORDS * 2], "big")
        return wall if 0 < wall < PARKED else None
    digits = held[:SWAP_BYTES].hex()
    try:  # its years are 2000 to 2099, whatever %y would take them for
        moment = datetime.strptime(f"{digits[:8]}20{digits[8:]}+0000", "%M%H%d%m%Y%z")
    except ValueError:
        return None
    wall = int(moment.timestamp())
    return wall if wall < PARKED else None


def one_swap(swaps: Iterable[int | None]) -> tuple[int | None, bool]:
    """What several swap times say together: the one they agree on, and whether they differ."""
    found = set(swaps)
    return (found.pop(), False) if len(found) == 1 else (None, len(found) > 1)


# --- the profile's table ---------------------------------------------------------------------


def _data_sets(most_tables: int) -> tuple[Places, ...]:
    first = (0x04010000, 0x04020000)
    return tuple(Places(zones=at, tables=tuple(at + number for number in range(1, most_tables + 1))) for at in first)


def _words(slots: int) -> int:
    return (slots * SLOT_BYTES + 1) // 2


def _places(table: Table, most_tables: int) -> Places:
    tables = table.names("tables")
    places = tuple(each - table.base for each in tables if type(each) is int)
    if len(tables) != most_tables or len(places) != most_tables or not all(0 <= each <= 0xFFFF for each in places):
        raise table.refuse("tables", tables)
    return Places(zones=table.address("zones"), tables=places)


def schedule_of(
    root: Table, *, modbus: bool, max_block: int, taken: Iterable[tuple[int, int, str]]
) -> ScheduleTable | None:
    """The table; None where the model shows none. `taken`: the spans of a Modbus map's registers.

    Raises Refused `profile_schedule`, `profile_missing`, `profile_value`, `profile_no_source`.
    """
    if not root.has("schedule"):
        return None
    table = root.table("schedule")
    source, assumed = provenance(table, "schedule")
    most_zones, most_tables = table.integer("most_zones", 1, MOST_ZONES), table.integer("most_tables", 1, MOST_TABLES)
    most_periods = table.integer("most_periods", 1, MOST_PERIODS)
    sets = _data_sets(most_tables)
    swaps: tuple[int, ...] = (0x04000106, 0x04000107)
    if modbus:
        in_force = table.table("in_force")
        sets, swaps = (_places(in_force, most_tables),), ()
        in_force.done()
        if table.has("standby"):
            standby = table.table("standby")
            sets, swaps = (*sets, _places(standby, most_tables)), (standby.address("swap"),)
            standby.done()
    table.done()
    made = ScheduleTable(
        most_zones=most_zones, most_tables=most_tables, most_periods=most_periods, data=not modbus, sets=sets,
        swaps=swaps, source=source, assumed=assumed,
    )  # fmt: skip
    if modbus and (_words(max(most_zones, most_periods)) > max_block or _overlaps(made, taken)):
        raise Refused("profile_schedule")
    return made


def block_words(table: ScheduleTable, address: int) -> int:
    """Registers behind an address of a Modbus table."""
    return SWAP_WORDS if address in table.swaps else _words(table.slots(address))


def _overlaps(made: ScheduleTable, taken: Iterable[tuple[int, int, str]]) -> bool:
    spans = [(first, behind) for first, behind, _name in taken]
    addresses = [at for each in made.sets for at in (each.zones, *each.tables)]
    spans += [(at, at + block_words(made, at)) for at in (*addresses, *made.swaps)]
    spans.sort()
    return any(behind > following for (_, behind), (following, _) in pairwise(spans)) or spans[-1][1] > 0x10000
