"""Prices on either wire: which parts of two sets there are, and what they say. How they are written is `standby_talk`.

A rate or a step of a ladder is one identifier of DL/T 645 each and written by itself; the rates of a Modbus map are one
block.
"""

from collections.abc import Generator, Sequence
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
from prewatt.core.meters.prices import (
    ALL_RATES,
    PRICE_BYTES,
    RATES,
    Ladder,
    PricePlaces,
    PriceRead,
    PriceSet,
    PriceTable,
    check_prices,
    ladder_bytes,
    rate_bytes,
    read_ladder,
    read_rates,
)
from prewatt.core.meters.schedule import one_swap, read_swap


class Prices:
    """`standby_talk.Sets`. `wanted` None: they are only read."""

    def __init__(self, table: PriceTable, wanted: PriceSet | None) -> None:
        self.table, self._wanted = table, wanted
        self.data, self.swaps = table.data, table.swaps

    def set_of(self, seen: Seen, *, standby: bool) -> PricePlaces:
        rates = self.table.sets[seen.in_force[0] ^ standby]
        if not self.table.steps:
            return rates
        ladder = self.table.sets[seen.in_force[1] ^ standby]
        return replace(rates, thresholds=ladder.thresholds, ladder=ladder.ladder)

    def look(self, wire: Wire) -> Looking:
        seen = Seen(in_force=(0,))
        if self.data:
            bits = yield from bits_in_force(wire, self.table.bits)
            if isinstance(bits, Outcome):
                return bits
            seen.in_force = bits
        for standby in (False, True):
            ended = yield from self._look_at(wire, self.set_of(seen, standby=standby), seen.raw)
            if ended is not None:
                return ended
        ended = yield from gathered(wire, self.swaps, seen.raw)
        return seen if ended is None else ended

    def _look_at(self, wire: Wire, places: PricePlaces, raw: Raw) -> Generator[Any, Any, Outcome | None]:
        if not self.data:
            return (yield from gathered(wire, (places.rates,), raw))
        blocks = [(places.rates, RATES)]
        if self.table.steps:
            blocks += [(places.thresholds, self.table.steps), (places.ladder, self.table.steps + 1)]
        for base, count in blocks:
            block = yield from wire.fetch(base | ALL_RATES)
            if isinstance(block, Outcome):
                return block
            for place, address in enumerate(_each(base, count)):
                raw[address] = block[place * PRICE_BYTES : (place + 1) * PRICE_BYTES]
        return None

    def prices(self, seen: Seen, *, standby: bool) -> PriceSet | None:
        """What a set says; None where it makes no sense."""
        table, places, raw = self.table, self.set_of(seen, standby=standby), seen.raw
        if not table.data:
            block = raw[places.rates]
            starts = range(0, RATES * PRICE_BYTES, PRICE_BYTES)
            rates = read_rates([block[at : at + PRICE_BYTES] for at in starts], table)
            return None if rates is None else PriceSet(rates=rates)
        rates = read_rates([raw[each] for each in _each(places.rates, RATES)], table)
        ladder: Ladder | None = None
        if table.steps:
            ladder = read_ladder(
                [raw[each] for each in _each(places.thresholds, table.steps)],
                [raw[each] for each in _each(places.ladder, table.steps + 1)],
            )
            if ladder is None:
                return None
        return None if rates is None else PriceSet(rates=rates, ladder=ladder)

    def wanted(self, seen: Seen) -> Raw | str:
        assert self._wanted is not None, "a write has a set"
        wanted = self._bytes_of(self._wanted, seen)
        fits = all(len(seen.raw[each]) == len(data) for each, data in wanted.items())
        return wanted if fits else "prices_not_supported"  # it has fewer than its model

    def _bytes_of(self, prices: PriceSet, seen: Seen) -> Raw:
        """What is to lie in the standby set."""
        table, places = self.table, self.set_of(seen, standby=True)
        rates = rate_bytes(prices.rates, table)
        if not table.data:
            return {places.rates: b"".join(rates)}
        wanted = dict(zip(_each(places.rates, RATES), rates, strict=True))
        if prices.ladder is not None:
            thresholds, costs = ladder_bytes(prices.ladder, table.steps)
            wanted |= dict(zip(_each(places.thresholds, table.steps), thresholds, strict=True))
            wanted |= dict(zip(_each(places.ladder, table.steps + 1), costs, strict=True))
        return wanted

    def told(self, outcome: Outcome, seen: Seen) -> Outcome:
        swap_at, differ = one_swap(read_swap(seen.raw[each], data=self.data) for each in self.swaps)
        shown = PriceRead(
            in_force=self.prices(seen, standby=False), standby=self.prices(seen, standby=True), swap_at=swap_at,
            swaps_differ=differ,
        )  # fmt: skip
        return replace(outcome, prices=shown)


def _each(base: int, count: int) -> Sequence[int]:
    """The identifiers nn = 1 to `count`."""
    return range(base + 1, base + count + 1)


def prices_refused(table: PriceTable | None, job: Job) -> str | None:
    """Why a conversation cannot be begun."""
    return refused_of(table, job.prices, check_prices, job, unknown="prices_not_supported", single="prices_no_standby")
