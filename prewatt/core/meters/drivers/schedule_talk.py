"""Times of use on either wire: which parts of two sets there are, and what they say. How they are written is
`standby_talk`.
"""

from collections.abc import Generator
from dataclasses import replace
from typing import Any

from prewatt.core.meters.drivers.standby_talk import (
    Looking,
    Raw,
    Seen,
    Wire,
    bits_in_force,
    gathered,
    refused_of,
)
from prewatt.core.meters.jobs import Job, Outcome
from prewatt.core.meters.schedule import (
    SLOT_BYTES,
    TABLES_BIT,
    ZONES_BIT,
    Places,
    Schedule,
    ScheduleRead,
    ScheduleTable,
    check_schedule,
    one_swap,
    period_bytes,
    read_periods,
    read_swap,
    read_zones,
    zone_bytes,
)


class Times:
    """`standby_talk.Sets`. `wanted` None: only read; else as many day tables of the standby set are looked at."""

    def __init__(self, table: ScheduleTable, wanted: Schedule | None) -> None:
        self.table, self._wanted = table, wanted
        self._tables = 1 if wanted is None else len(wanted.tables)
        self.data, self.swaps = table.data, table.swaps

    def standby(self, seen: Seen) -> Places:
        zones, tables = seen.in_force
        return Places(zones=self.table.sets[1 - zones].zones, tables=self.table.sets[1 - tables].tables)

    def in_force(self, seen: Seen) -> Places:
        zones, tables = seen.in_force
        return Places(zones=self.table.sets[zones].zones, tables=self.table.sets[tables].tables)

    def look(self, wire: Wire) -> Looking:
        seen = Seen(in_force=(0, 0))
        if self.data:
            bits = yield from bits_in_force(wire, (ZONES_BIT, TABLES_BIT))
            if isinstance(bits, Outcome):
                return bits
            seen.in_force = bits
        wanted = [(self.in_force(seen), 1)]
        if self.table.writable:
            wanted.append((self.standby(seen), self._tables))
        for places, least in wanted:
            ended = yield from self._look_at(wire, places, least, seen.raw)
            if ended is not None:
                return ended
        ended = yield from gathered(wire, self.swaps, seen.raw)
        return seen if ended is None else ended

    def _look_at(self, wire: Wire, places: Places, least: int, raw: Raw) -> Generator[Any, Any, Outcome | None]:
        ended = yield from gathered(wire, (places.zones,), raw)
        if ended is not None:
            return ended
        named = max((each.table for each in read_zones(raw[places.zones], data=self.data) or ()), default=1)
        return (yield from gathered(wire, places.tables[: max(named, least)], raw))

    def told(self, outcome: Outcome, seen: Seen) -> Outcome:
        table = self.table
        swap_at, differ = one_swap(read_swap(seen.raw[each], data=table.data) for each in table.swaps)
        shown = ScheduleRead(
            in_force=_set_of(table, self.in_force(seen), seen.raw), swap_at=swap_at, swaps_differ=differ,
            standby=_set_of(table, self.standby(seen), seen.raw) if table.writable else None,
        )  # fmt: skip
        return replace(outcome, schedule=shown)

    def wanted(self, seen: Seen) -> Raw | str:
        assert self._wanted is not None, "a write has a set"
        places = self.standby(seen)
        tight = _tight(self.table, places, self._wanted, seen.raw)
        return tight if tight is not None else _bytes_of(self.table, places, self._wanted, seen.raw)


def _set_of(table: ScheduleTable, places: Places, raw: Raw) -> Schedule | None:
    zones = read_zones(raw.get(places.zones, b""), data=table.data)
    if zones is None:
        return None
    named = max(each.table for each in zones)
    tables = [read_periods(raw.get(at, b""), data=table.data) for at in places.tables[:named]]
    if named > len(tables) or None in tables:
        return None
    return Schedule(zones=zones, tables=tuple(each for each in tables if each is not None))


def schedule_refused(table: ScheduleTable | None, job: Job) -> str | None:
    """Why a conversation cannot be begun."""
    return refused_of(
        table, job.schedule, check_schedule, job, unknown="schedule_not_supported", single="schedule_no_standby"
    )


def _tight(table: ScheduleTable, places: Places, schedule: Schedule, raw: Raw) -> str | None:
    """A meter may have fewer slots than its model: what it showed is what there is."""
    if len(schedule.zones) > len(raw[places.zones]) // SLOT_BYTES:
        return "schedule_zones"
    for address, periods in zip(places.tables, schedule.tables, strict=False):
        if len(periods) > min(len(raw[address]) // SLOT_BYTES, table.most_periods):
            return "schedule_periods"
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
