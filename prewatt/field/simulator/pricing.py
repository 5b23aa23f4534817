"""The prices that a simulated meter keeps: two sets, which of them is in force, and the swap when its time comes.

What is in force is the circuits' own (`CircuitState.price_...` and its ladder), by which they drain; only the standby
set and the swap times are kept here, in a plain dictionary that is replaced as a whole and never changed. An empty one
is a meter as it left the works: both sets alike, no ladder. Wall times are seconds counted as if they were UTC.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from prewatt.core.meters.prices import (
    ADDS_NOTHING,
    ALL_RATES,
    PRICE_BYTES,
    RATES,
    Ladder,
    PricePlaces,
    PriceSet,
    PriceTable,
    ladder_bytes,
    rate_bytes,
    read_ladder,
    read_rates,
)
from prewatt.core.meters.schedule import PARKED, SWAP_BYTES, SWAP_WORDS, read_swap, swap_bytes
from prewatt.core.meters.wallet import PRICES
from prewatt.field.simulator.circuit import CircuitState

Held = Mapping[str, Any]
RATES_PART, LADDER_PART = 0, 1  # of `in_force`, `swaps` and the bits of the table


class Pricing:
    """What a profile's table makes of what is kept. `held` is `{"standby": {address: hex}, "in_force": [rates, ladder],
    "swaps": {part: wall}, "waits": [part]}`; each key may be absent."""

    def __init__(self, table: PriceTable) -> None:
        self._table = table

    def fetch(self, held: Held, state: CircuitState, address: int) -> bytes | None:
        """The bytes behind an address; None where nothing of it lies."""
        table = self._table
        if address in table.swaps:
            wall = held.get("swaps", {}).get(str(table.swaps.index(address)))
            if wall is not None:
                return swap_bytes(wall, data=table.data)
            return bytes(SWAP_BYTES if table.data else SWAP_WORDS * 2)
        parts = self._parts(held, state)
        if address in parts:
            return parts[address]
        if table.data and address & ALL_RATES == ALL_RATES:
            block = [parts[each] for each in sorted(parts) if each | ALL_RATES == address]
            return b"".join(block) or None
        return None

    def status_bits(self, held: Held) -> int:
        """The bits of status word 3 that say which sets are in force."""
        return sum(int(which) << bit for which, bit in zip(self._in_force(held), self._table.bits, strict=False))

    def put(self, held: Held, state: CircuitState, address: int, data: bytes, wall: int) -> Held | None:
        """What is kept after a write; None: it is refused. Only the standby set and the swap times are written."""
        table = self._table
        now = self.fetch(held, state, address)
        if now is None or len(now) != len(data):
            return None
        if address in table.swaps:
            part, swap = table.swaps.index(address), read_swap(data, data=table.data)
            if swap is None and data != swap_bytes(PARKED, data=table.data):
                return None
            waits = [each for each in held.get("waits", []) if each != part]
            waits += [part] * (swap is not None and swap > wall)
            return {**held, "swaps": {**held.get("swaps", {}), str(part): swap or PARKED}, "waits": waits}
        standby = self._standby_parts(held, state)
        chunks = [data[at : at + PRICE_BYTES] for at in range(0, len(data), PRICE_BYTES)]
        digits = not table.data or all(byte >> 4 <= 9 and byte & 15 <= 9 for each in chunks for byte in each)
        if address not in standby or not digits:
            return None
        # all of it is kept from the first write on: what is in force may become something else meanwhile
        return {**held, "standby": {str(each): part.hex() for each, part in {**standby, address: data}.items()}}

    def due(self, held: Held) -> tuple[int, int] | None:
        """The next swap: (its wall time, which part)."""
        return min(((held["swaps"][str(part)], part) for part in held.get("waits", [])), default=None)

    def swapped(self, held: Held, states: Iterable[CircuitState], part: int) -> Held:
        """What is kept once this part has swapped; the circuits drain by it from now on."""
        table, first, *others = self._table, *states
        standby = self._standby_parts(held, first)
        wanted = self._set_in(self._places(held, standby=True), standby)
        before = self._parts(held, first)
        for state in (first, *others):
            if wanted is not None and part == RATES_PART:
                for quantity, price in zip(PRICES, wanted.rates, strict=True):
                    setattr(state, quantity.value, price)
            if wanted is not None and part == LADDER_PART and wanted.ladder is not None:
                state.ladder_wh, state.ladder_prices = list(wanted.ladder.thresholds), list(wanted.ladder.prices)
        held = {**held, "waits": [each for each in held["waits"] if each != part]}
        if not table.data:  # it copies, and both sets are alike from then on
            swaps = {key: each for key, each in held["swaps"].items() if key != str(part)}
            return {**held, "swaps": swaps}
        in_force = [which ^ (place == part) for place, which in enumerate(self._in_force(held))]
        held = {**held, "in_force": in_force}
        # the part that was in force lies in readiness now
        kept = {str(each): before[each].hex() for each in self._addresses(held, standby=True)}
        return {**held, "standby": kept}

    def _in_force(self, held: Held) -> list[int]:
        return list(held.get("in_force", [0, 0]))

    def _places(self, held: Held, *, standby: bool) -> PricePlaces:
        rates, ladder = (self._table.sets[which ^ standby] for which in self._in_force(held))
        return PricePlaces(rates=rates.rates, thresholds=ladder.thresholds, ladder=ladder.ladder)

    def _addresses(self, held: Held, *, standby: bool) -> list[int]:
        table, places = self._table, self._places(held, standby=standby)
        if not table.data:
            return [places.rates]
        found = [places.rates + each for each in range(1, RATES + 1)]
        found += [places.thresholds + each for each in range(1, table.steps + 1)]
        return found + [places.ladder + each for each in range(1, table.steps + 2) if table.steps]

    def _parts(self, held: Held, state: CircuitState) -> dict[int, bytes]:
        """Everything of both sets, by address."""
        return self._laid(self._places(held, standby=False), self._of(state)) | self._standby_parts(held, state)

    def _standby_parts(self, held: Held, state: CircuitState) -> dict[int, bytes]:
        kept = held.get("standby")
        if kept:
            return {int(address): bytes.fromhex(data) for address, data in kept.items()}
        return self._laid(self._places(held, standby=True), self._of(state))

    @staticmethod
    def _of(state: CircuitState) -> PriceSet:
        """What a circuit drains by."""
        ladder = Ladder(thresholds=tuple(state.ladder_wh), prices=tuple(state.ladder_prices or ADDS_NOTHING.prices))
        return PriceSet(rates=tuple(getattr(state, each.value) for each in PRICES), ladder=ladder)

    def _laid(self, places: PricePlaces, prices: PriceSet) -> dict[int, bytes]:
        table = self._table
        rates = rate_bytes(prices.rates, table)
        if not table.data:
            return {places.rates: b"".join(rates)}
        laid = {places.rates + number: data for number, data in enumerate(rates, 1)}
        if table.steps and prices.ladder is not None:
            thresholds, costs = ladder_bytes(prices.ladder, table.steps)
            laid |= {places.thresholds + number: data for number, data in enumerate(thresholds, 1)}
            laid |= {places.ladder + number: data for number, data in enumerate(costs, 1)}
        return laid

    def _set_in(self, places: PricePlaces, parts: Mapping[int, bytes]) -> PriceSet | None:
        table = self._table
        if not table.data:
            block = parts[places.rates]
            rates = read_rates([block[at : at + PRICE_BYTES] for at in range(0, len(block), PRICE_BYTES)], table)
            return None if rates is None else PriceSet(rates=rates)
        rates = read_rates([parts[places.rates + number] for number in range(1, RATES + 1)], table)
        ladder = None
        if table.steps:
            ladder = read_ladder(
                [parts[places.thresholds + number] for number in range(1, table.steps + 1)],
                [parts[places.ladder + number] for number in range(1, table.steps + 2)],
            )
        return None if rates is None else PriceSet(rates=rates, ladder=ladder)
