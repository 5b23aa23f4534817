"""Times of use on either wire: read the standby set, write it, read it back, compare, and only then the swap time.

What the meter answered to a write decides nothing: a meter was seen that refused one and had changed half of it.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from prewatt.core.meters.drivers.exchange import Pause
from prewatt.core.meters.drivers.looks import LOOK_AGAIN_MS
from prewatt.core.meters.jobs import Job, Outcome, Verdict
from prewatt.core.meters.schedule import (
    SLOT_BYTES,
    STATUS_WORD,
    TABLES_BIT,
    ZONES_BIT,
    Places,
    Schedule,
    ScheduleRead,
    ScheduleTable,
    check_schedule,
    period_bytes,
    read_periods,
    read_swap,
    read_zones,
    swap_bytes,
    zone_bytes,
)
from prewatt.core.refusals import Refused

SWAP_MARGIN_S: Final = 600  # a meter this near to a swap is not written to, nor is one asked to swap this soon

Talking = Generator[Any, Any, Outcome]
Raw = dict[int, bytes]


class Wire(Protocol):
    """What the two protocols do each in their way. `doubtful`: a late reply may pass for another's, so that only two
    looks that agree say anything."""

    doubtful: bool

    def end(self, verdict: Verdict, code: str | None = None) -> Outcome: ...

    def fetch(self, address: int) -> Generator[Any, Any, bytes | Outcome]: ...

    def put(self, address: int, data: bytes) -> Generator[Any, Any, tuple[bool, str | None]]:
        """One write, once: whether it was answered, and the code of a refusal."""


@dataclass(kw_only=True, slots=True)
class _Seen:
    """What one look brought: bytes by address; which of the two sets is in force."""

    raw: Raw = field(default_factory=dict)
    in_force: tuple[int, int] = (0, 0)  # of zones, of day tables


def _standby(table: ScheduleTable, seen: _Seen) -> Places:
    zones, tables = seen.in_force
    return Places(zones=table.sets[1 - zones].zones, tables=table.sets[1 - tables].tables)


def _in_force(table: ScheduleTable, seen: _Seen) -> Places:
    zones, tables = seen.in_force
    return Places(zones=table.sets[zones].zones, tables=table.sets[tables].tables)


def _look(wire: Wire, table: ScheduleTable, tables: int) -> Generator[Any, Any, _Seen | Outcome]:
    """Read both sets and the swap times; of the standby set at least `tables` day tables."""
    seen = _Seen()
    if table.data:
        word = yield from wire.fetch(STATUS_WORD)
        if isinstance(word, Outcome):
            return word
        bits = int.from_bytes(word[:2], "little")
        seen.in_force = bits >> ZONES_BIT & 1, bits >> TABLES_BIT & 1
    wanted = [(_in_force(table, seen), 1)]
    if table.writable:
        wanted.append((_standby(table, seen), tables))
    for places, least in wanted:
        data = yield from wire.fetch(places.zones)
        if isinstance(data, Outcome):
            return data
        seen.raw[places.zones] = data
        named = max((each.table for each in read_zones(data, data=table.data) or ()), default=1)
        for address in places.tables[: max(named, least)]:
            data = yield from wire.fetch(address)
            if isinstance(data, Outcome):
                return data
            seen.raw[address] = data
    for address in table.swaps:
        data = yield from wire.fetch(address)
        if isinstance(data, Outcome):
            return data
        seen.raw[address] = data
    return seen


def _sure_look(wire: Wire, table: ScheduleTable, tables: int) -> Generator[Any, Any, _Seen | Outcome]:
    seen = yield from _look(wire, table, tables)
    if not wire.doubtful or isinstance(seen, Outcome):
        return seen
    for quiet_ms in LOOK_AGAIN_MS:
        yield Pause(quiet_ms)
        again = yield from _look(wire, table, tables)
        if isinstance(again, Outcome) or again == seen:
            return again
        seen = again
    return wire.end(Verdict.SILENT, "reads_differ")


def _set_of(table: ScheduleTable, places: Places, raw: Raw) -> Schedule | None:
    zones = read_zones(raw.get(places.zones, b""), data=table.data)
    if zones is None:
        return None
    named = max(each.table for each in zones)
    tables = [read_periods(raw.get(at, b""), data=table.data) for at in places.tables[:named]]
    if named > len(tables) or None in tables:
        return None
    return Schedule(zones=zones, tables=tuple(each for each in tables if each is not None))


def _shown(table: ScheduleTable, seen: _Seen) -> ScheduleRead:
    standby = _set_of(table, _standby(table, seen), seen.raw) if table.writable else None
    swaps = {read_swap(seen.raw[each], data=table.data) for each in table.swaps}
    return ScheduleRead(
        in_force=_set_of(table, _in_force(table, seen), seen.raw), standby=standby,
        swap_at=swaps.pop() if len(swaps) == 1 else None,
    )  # fmt: skip


def read_schedule(wire: Wire, table: ScheduleTable | None) -> Talking:
    """What the meter counts by, what it holds in readiness, and when the two swap."""
    if table is None:
        return wire.end(Verdict.REFUSED, "schedule_not_supported")
    seen = yield from _sure_look(wire, table, 1)
    if isinstance(seen, Outcome):
        return seen
    return replace(wire.end(Verdict.DONE), schedule=_shown(table, seen))


def _refused(table: ScheduleTable | None, job: Job) -> str | None:
    if table is None or job.schedule is None:
        return "schedule_not_supported"
    if not table.writable:
        return "schedule_no_standby"
    try:
        check_schedule(job.schedule, table)
    except Refused as refused:
        return refused.code
    assert job.clock is not None, "the line says what time it is"
    return "schedule_swap_past" if job.swap_at < job.clock + job.zone_s + SWAP_MARGIN_S else None


def write_schedule(wire: Wire, table: ScheduleTable | None, job: Job) -> Talking:
    """The standby set, then the swap time, each written once and read back."""
    refused = _refused(table, job)
    if refused is not None or table is None or job.schedule is None or job.clock is None:
        return wire.end(Verdict.REFUSED, refused or "schedule_not_supported")
    tables = len(job.schedule.tables)
    seen = yield from _sure_look(wire, table, tables)
    if isinstance(seen, Outcome):
        return seen
    wall = job.clock + job.zone_s
    for address in table.swaps:
        pending = read_swap(seen.raw[address], data=table.data)
        if pending is not None and abs(pending - wall) < SWAP_MARGIN_S:
            return replace(wire.end(Verdict.REFUSED, "schedule_swap_near"), schedule=_shown(table, seen))
    places = _standby(table, seen)
    fits = _fitting(table, places, job.schedule, seen.raw)
    if fits is not None:
        return replace(wire.end(Verdict.REFUSED, fits.code), schedule=_shown(table, seen))
    for wanted in (_bytes_of(table, places, job.schedule, seen.raw), _swaps_of(table, job.swap_at)):
        after = yield from _written(wire, table, wanted, seen, tables)
        if isinstance(after, Outcome):
            return after
        seen = after
    return replace(wire.end(Verdict.DONE), schedule=_shown(table, seen))


def _fitting(table: ScheduleTable, places: Places, schedule: Schedule, raw: Raw) -> Refused | None:
    """A meter may have fewer slots than its model: what it showed is what there is."""
    if len(schedule.zones) > len(raw[places.zones]) // SLOT_BYTES:
        return Refused("schedule_zones", most=len(raw[places.zones]) // SLOT_BYTES)
    for number, (address, periods) in enumerate(zip(places.tables, schedule.tables, strict=False), 1):
        slots = len(raw[address]) // SLOT_BYTES
        if len(periods) > min(slots, table.most_periods):
            return Refused("schedule_periods", table=number, most=slots)
    return None


def _bytes_of(table: ScheduleTable, places: Places, schedule: Schedule, raw: Raw) -> Raw:
    """Day tables before the zones that name them."""
    wanted = {}
    for address, periods in zip(places.tables, schedule.tables, strict=False):
        slots = len(raw[address]) // SLOT_BYTES
        wanted[address] = period_bytes(periods, min(slots, table.most_periods), data=table.data)
    slots = min(len(raw[places.zones]) // SLOT_BYTES, table.most_zones)
    wanted[places.zones] = zone_bytes(schedule.zones, slots, data=table.data)
    return {address: data + raw[address][len(data) :] for address, data in wanted.items()}


def _swaps_of(table: ScheduleTable, swap_at: int) -> Raw:
    return {address: swap_bytes(swap_at, data=table.data) for address in table.swaps}


def _written(
    wire: Wire, table: ScheduleTable, wanted: Mapping[int, bytes], seen: _Seen, tables: int
) -> Generator[Any, Any, _Seen | Outcome]:
    """Write what differs, each once; what is read afterwards decides. The look, or why the conversation ends."""
    old = {address: seen.raw[address] for address in wanted}
    answered, no, wrote = True, None, False
    for address, data in wanted.items():
        if old[address] == data:
            continue
        wrote = True
        answered, no = yield from wire.put(address, data)
        if not answered or no is not None:
            break  # the rest would be a guess
    if not wrote:
        return seen
    after = yield from _sure_look(wire, table, tables)
    if isinstance(after, Outcome):
        return wire.end(Verdict.UNKNOWN, no or "write_unanswered")
    now = {address: after.raw.get(address) for address in wanted}
    if now == wanted and after.in_force == seen.in_force:
        return after
    verdict, code = Verdict.DISPUTED, "settings_partly_written"
    if now == old and after.in_force == seen.in_force:
        verdict, code = Verdict.UNKNOWN, "write_not_applied" if answered else "write_unanswered"
        if no is not None:
            verdict, code = Verdict.REFUSED, no
    return replace(wire.end(verdict, code), schedule=_shown(table, after))
