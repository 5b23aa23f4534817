"""The times of use that a simulated meter keeps: two sets, which of them is in force, and the swap when its time comes.

What is kept is a plain dictionary, replaced as a whole and never changed; an empty one is a meter as it left the works,
with the hours of `RATE_OF_HOUR` in both sets. Wall times are seconds counted as if they were UTC.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from prewatt.core.meters.schedule import (
    PARKED,
    SLOT_BYTES,
    SWAP_BYTES,
    TABLES_BIT,
    ZONES_BIT,
    Period,
    Places,
    Schedule,
    ScheduleTable,
    Zone,
    block_words,
    period_bytes,
    read_periods,
    read_swap,
    read_zones,
    swap_bytes,
    zone_bytes,
)
from prewatt.field.simulator.town import RATE_OF_HOUR

Held = Mapping[str, Any]

WORKS = Schedule(
    zones=(Zone(month=1, day=1, table=1),),
    tables=(
        tuple(
            Period(minute=hour * 60, rate=rate + 1)
            for hour, rate in enumerate(RATE_OF_HOUR)
            if hour == 0 or RATE_OF_HOUR[hour - 1] != rate
        ),
    ),
)  # fmt: skip


class Timetable:
    """What a profile's table makes of what is kept. `held` is `{"parts": {address: hex}, "in_force": [zones, tables],
    "swaps": {address: wall}, "waits": [address]}`; each key may be absent."""

    def __init__(self, table: ScheduleTable) -> None:
        self._table = table
        self._decoded: tuple[Held, Schedule | None] = ({}, None)

    def fetch(self, held: Held, address: int) -> bytes | None:
        """The bytes behind an address; None where nothing of it lies."""
        table = self._table
        if address in table.swaps:
            wall = held.get("swaps", {}).get(str(address))
            if wall is not None:
                return swap_bytes(wall, data=table.data)
            return bytes(SWAP_BYTES if table.data else block_words(table, address) * 2)
        kept = held.get("parts", {}).get(str(address))
        if kept is not None:
            return bytes.fromhex(kept)
        for each in table.sets:
            if address == each.zones:
                return self._whole(address, zone_bytes(WORKS.zones, table.most_zones, data=table.data))
            if address in each.tables:
                return self._whole(address, period_bytes(WORKS.tables[0], table.most_periods, data=table.data))
        return None

    def _whole(self, address: int, data: bytes) -> bytes:
        return data if self._table.data else data.ljust(block_words(self._table, address) * 2, b"\0")

    def put(self, held: Held, address: int, data: bytes, wall: int) -> Held | None:
        """What is kept after a write; None: it is refused. Only the standby set and the swap times are written."""
        table = self._table
        now = self.fetch(held, address)
        if now is None or len(now) != len(data):
            return None
        if address in table.swaps:
            swap = read_swap(data, data=table.data)
            if swap is None and data != swap_bytes(PARKED, data=table.data):
                return None
            waits = [each for each in held.get("waits", []) if each != address]
            waits += [address] * (swap is not None and swap > wall)
            return {**held, "swaps": {**held.get("swaps", {}), str(address): swap or PARKED}, "waits": waits}
        if not table.writable or address in _addresses(self._set(held, 0)):
            return None
        slots = data[: table.slots(address) * SLOT_BYTES]
        read = read_zones if any(address == each.zones for each in table.sets) else read_periods
        if read(slots, data=table.data) is None:
            return None
        return {**held, "parts": {**held.get("parts", {}), str(address): data.hex()}}

    def _set(self, held: Held, other: int) -> Places:
        """The set in force; `other` 1: the one that is not."""
        zones, tables = (each ^ other for each in held.get("in_force", (0, 0)))
        return Places(zones=self._table.sets[zones].zones, tables=self._table.sets[tables].tables)

    def status_bits(self, held: Held) -> int:
        """The bits of status word 3 that say which sets are in force."""
        zones, tables = held.get("in_force", (0, 0))
        return int(zones) << ZONES_BIT | int(tables) << TABLES_BIT

    def settled(self, held: Held, wall: int) -> Held:
        """What is kept once the swaps that are due have taken place."""
        for address in [each for each in held.get("waits", []) if held["swaps"][str(each)] <= wall]:
            held = {**held, "waits": [each for each in held["waits"] if each != address]}
            if self._table.data:
                zones, tables = held.get("in_force", (0, 0))
                of_zones = address == self._table.swaps[0]
                held = {**held, "in_force": [zones ^ of_zones, tables ^ (not of_zones)]}
                continue
            pairs = zip(_addresses(self._set(held, 0)), _addresses(self._set(held, 1)), strict=True)
            copied = {str(to): (self.fetch(held, source) or b"").hex() for to, source in pairs}
            swaps = {key: each for key, each in held["swaps"].items() if key != str(address)}
            held = {**held, "parts": {**held.get("parts", {}), **copied}, "swaps": swaps}
        return held

    def rate(self, held: Held, wall: int) -> int | None:
        """The rate in force, from 0 (sharp); None: as it left the works."""
        held = self.settled(held, wall)
        if not held.get("parts"):
            return None
        if self._decoded[0] is not held:
            self._decoded = held, self._schedule(held)
        schedule = self._decoded[1]
        return None if schedule is None else schedule.rate_at(datetime.fromtimestamp(wall, UTC)) - 1

    def _schedule(self, held: Held) -> Schedule | None:
        table, places = self._table, self._set(held, 0)
        zones = read_zones((self.fetch(held, places.zones) or b"")[: table.most_zones * SLOT_BYTES], data=table.data)
        if zones is None or max(each.table for each in zones) > len(places.tables):
            return None
        size = table.most_periods * SLOT_BYTES
        tables = [read_periods((self.fetch(held, at) or b"")[:size], data=table.data) for at in places.tables]
        return None if None in tables else Schedule(zones=zones, tables=tuple(each for each in tables if each))


def _addresses(places: Places) -> tuple[int, ...]:
    return places.zones, *places.tables
