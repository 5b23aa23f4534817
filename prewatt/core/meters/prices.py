"""Prices in a meter (电价套): what it drains a purse in money by, the standby set it keeps beside the one in force, and
when the two swap.

DL/T 645 fixes where they lie: rate prices of the two sets under 040501nn and 040502nn, ladders under 040600nn, 040601nn
and 040602nn, 040603nn, the swap times under 04000108 and 04000109. Which set is in force stands in status word 3, in
bits that vary by maker, so a profile names them. A Modbus map says where its blocks begin; it copies its standby block
over the one in force when the swap time comes. A model that says nothing of two sets has the one its registers hold.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Final

from prewatt.core.meters.quantities import Quantity
from prewatt.core.meters.scales import provenance, scale_of
from prewatt.core.meters.schedule import SWAP_WORDS
from prewatt.core.meters.tables import Table
from prewatt.core.meters.wallet import PRICES, price_steps
from prewatt.core.refusals import Refused, Text, register
from prewatt.core.wire.dlt645 import RemoteProtocolError, bcd

RATES: Final = len(PRICES)  # sharp, peak, flat, valley
MOST_STEPS: Final = 6  # thresholds of a ladder
PRICE_BYTES: Final = 4
PRICE_WORDS: Final = 2
DATA_STEP: Final = 100  # DL/T 645 counts 0.0001 of the currency, we count millionths
THRESHOLD_STEP: Final = 10  # Wh: XXXXXX.XX kWh
NEVER_REACHED: Final = 99_999_999  # of a ladder that adds nothing
STATUS_BITS: Final = 16
ALL_RATES: Final = 0xFF  # nn of the whole block

register(
    {
        "profile_prices": Text(
            "[prices] lies over something else, the same prices can also be written as settings, or the meter has"
            " several circuits.",
            "[prices] 与其他寄存器重叠、同一电价还可作为参数写入，或该表有多个回路。",
        ),
        "prices_not_supported": Text("This model shows no prices.", "该表型不提供电价。"),
        "prices_no_standby": Text(
            "This model has one set of prices, no standby set; what is written holds at once.",
            "该表型只有一套电价，没有备用套，写入后立即生效。",
        ),
        "prices_ladder": Text(
            "The steps of the ladder must rise, and there may be {most} of them.", "阶梯须依次递增，最多 {most} 级。"
        ),
        "prices_rates": Text("A price is needed for each of the {most} rates.", "{most} 个费率均须有电价。"),
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Ladder:
    """What is added to the price of the rate, by the energy used since the settlement day. `thresholds` in Wh, rising;
    `prices` in millionths per kWh, one more than thresholds. Without thresholds it adds the same to everything."""

    thresholds: tuple[int, ...]
    prices: tuple[int, ...]

    def price_after(self, used_wh: int) -> int:
        """What is added once so much has been used."""
        passed = sum(1 for each in self.thresholds if used_wh >= each)
        return self.prices[passed]


ADDS_NOTHING: Final = Ladder(thresholds=(), prices=(0,))


@dataclass(frozen=True, kw_only=True, slots=True)
class PriceSet:
    """A whole set. `rates`: millionths of the currency per kWh, sharp, peak, flat, valley. `ladder` None: the model has
    none."""

    rates: tuple[int, ...]
    ladder: Ladder | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PriceRead:
    """What a meter showed. A set is None where it holds none that makes sense; `swap_at`: wall time counted as if it
    were UTC, None where none is set; `swaps_differ`: its rates and its ladder would swap at different times."""

    in_force: PriceSet | None
    standby: PriceSet | None
    swap_at: int | None
    swaps_differ: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class PricePlaces:
    """Where one set lies. Over DL/T 645 the identifiers with nn = 00; over Modbus the first register of the rates."""

    rates: int
    thresholds: int = 0
    ladder: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class PriceTable:
    """The table `[prices]`, or what the registers of the prices say. `sets`: over DL/T 645 the first and the second,
    over Modbus the one in force and the standby; empty: one set, in the registers. `swaps`: the addresses of the swap
    times of rates and of ladders; `bits`: of status word 3, which set of each is in force. `step`: one count of a price
    in millionths. `steps`: thresholds of the ladder, 0 none."""

    data: bool
    sets: tuple[PricePlaces, ...]
    swaps: tuple[int, ...]
    bits: tuple[int, ...]
    step: int
    steps: int
    source: str
    assumed: bool

    @property
    def writable(self) -> bool:
        """Has it a standby set?"""
        return len(self.sets) > 1

    def words(self, address: int) -> int:
        """Registers behind an address of a Modbus table."""
        return SWAP_WORDS if address in self.swaps else RATES * PRICE_WORDS


def flat_set(price: Decimal, table: PriceTable) -> PriceSet:
    """One price for every rate, and a ladder that adds nothing where the model has one: what a plan with one price is
    to a meter."""
    return PriceSet(rates=(price_steps(price),) * RATES, ladder=ADDS_NOTHING if table.steps else None)


def one_price(prices: PriceSet | None) -> int | None:
    """The price of a set that has the same for whatever rate and use; None where it has several."""
    if prices is None or len(set(prices.rates)) != 1:
        return None
    return prices.rates[0] if prices.ladder in (None, ADDS_NOTHING) else None


def check_prices(prices: PriceSet, table: PriceTable) -> None:
    """Whether a meter of this kind can be asked to keep it. Raises Refused `prices_rates`, `prices_ladder`,
    `value_too_fine`, `value_out_of_range`."""
    if len(prices.rates) != RATES:
        raise Refused("prices_rates", most=RATES)
    for quantity, steps in zip(PRICES, prices.rates, strict=True):
        _check_price(quantity.value, steps, table)
    ladder = prices.ladder
    if (ladder is None) != (table.steps == 0):
        raise Refused("prices_ladder", most=table.steps)
    if ladder is None:
        return
    rises = all(before < after for before, after in pairwise((0, *ladder.thresholds)))
    if not rises or len(ladder.thresholds) > table.steps or len(ladder.prices) != len(ladder.thresholds) + 1:
        raise Refused("prices_ladder", most=table.steps)
    for threshold in ladder.thresholds:
        if threshold % THRESHOLD_STEP or threshold // THRESHOLD_STEP >= NEVER_REACHED:
            raise Refused("value_out_of_range", quantity="ladder", value=threshold)
    for price in ladder.prices:
        _check_price("ladder", price, table)


def _check_price(name: str, steps: int, table: PriceTable) -> None:
    if steps % table.step:
        raise Refused("value_too_fine", quantity=name, value=steps)
    counts = steps // table.step
    if not 0 <= counts < (10 ** (2 * PRICE_BYTES) if table.data else 2 ** (16 * PRICE_WORDS)):
        raise Refused("value_out_of_range", quantity=name, value=steps)


# --- what lies in a meter --------------------------------------------------------------------


def rate_bytes(rates: Sequence[int], table: PriceTable) -> list[bytes]:
    """Each rate's price as it lies in the meter. Callers have asked `check_prices`."""
    return [_price_bytes(each, table) for each in rates]


def _price_bytes(steps: int, table: PriceTable) -> bytes:
    counts = steps // table.step
    return bcd.write(counts, PRICE_BYTES) if table.data else counts.to_bytes(PRICE_BYTES, "big")


def ladder_bytes(ladder: Ladder, slots: int) -> tuple[list[bytes], list[bytes]]:
    """Thresholds and prices of DL/T 645, in `slots` and one more; slots of no use repeat the last."""
    assert len(ladder.thresholds) <= slots and len(ladder.prices) == len(ladder.thresholds) + 1, ladder
    counts = [each // THRESHOLD_STEP for each in ladder.thresholds] or [NEVER_REACHED]
    counts += counts[-1:] * (slots - len(counts))
    prices = [each // DATA_STEP for each in ladder.prices]
    prices += prices[-1:] * (slots + 1 - len(prices))
    return [bcd.write(each, PRICE_BYTES) for each in counts], [bcd.write(each, PRICE_BYTES) for each in prices]


def read_rates(parts: Sequence[bytes], table: PriceTable) -> tuple[int, ...] | None:
    """The prices in what lies in the meter; None where a digit is none, or there are too few."""
    counts = [_count(each, data=table.data) for each in parts]
    if len(counts) != RATES or None in counts:
        return None
    return tuple(each * table.step for each in counts if each is not None)


def read_ladder(thresholds: Sequence[bytes], prices: Sequence[bytes]) -> Ladder | None:
    """The ladder in what lies in the meter, without its repeats and steps that change nothing; None where it falls, or
    a digit is none."""
    steps, held = ([_count(each, data=True) for each in part] for part in (thresholds, prices))
    if None in steps or None in held or len(held) != len(steps) + 1:
        return None
    edges = [each * THRESHOLD_STEP for each in steps if each is not None]
    costs = [each * DATA_STEP for each in held if each is not None]
    if any(before > after for before, after in pairwise(edges)):
        return None
    found: list[int] = []
    kept = [costs[0]]
    for edge, cost in zip(edges, costs[1:], strict=True):
        if edge == 0 or (found and found[-1] == edge):
            kept[-1] = cost  # nothing is ever used between the two
        elif cost != kept[-1]:
            found.append(edge)
            kept.append(cost)
    return Ladder(thresholds=tuple(found), prices=tuple(kept))


def _count(held: bytes, *, data: bool) -> int | None:
    if len(held) != PRICE_BYTES:
        return None
    if not data:
        return int.from_bytes(held, "big")
    try:
        return bcd.read(held)
    except RemoteProtocolError:
        return None


# --- the profile's table ---------------------------------------------------------------------

_DATA_SETS: Final = (
    PricePlaces(rates=0x04050100, thresholds=0x04060000, ladder=0x04060100),
    PricePlaces(rates=0x04050200, thresholds=0x04060200, ladder=0x04060300),
)
_DATA_SWAPS: Final = (0x04000108, 0x04000109)


def prices_of(
    root: Table, *, modbus: bool, max_block: int, taken: Iterable[tuple[int, int, str]], settings: frozenset[Quantity],
    one: PriceTable | None, circuits: int,
) -> PriceTable | None:
    """The table; `one` where the model says nothing of two sets. `taken`: the spans of a Modbus map's registers;
    `settings`: what can be written as a parameter.

    Raises Refused `profile_prices`, `profile_missing`, `profile_value`, `profile_no_source`, `profile_scale`.
    """
    if not root.has("prices"):
        return one
    table = root.table("prices")
    source, assumed = provenance(table, "prices")
    if settings & frozenset(PRICES) or circuits > 1:  # two ways to one price, and one price for two contracts
        raise Refused("profile_prices")
    made = (_modbus_prices if modbus else _data_prices)(table, source, assumed)
    table.done()
    spans = [(first, behind) for first, behind, _name in taken]
    spans += [(at, at + made.words(at)) for at in (*(each.rates for each in made.sets), *made.swaps)] if modbus else []
    spans.sort()
    over = any(behind > following for (_, behind), (following, _) in pairwise(spans))
    if modbus and (over or spans[-1][1] > 0x10000 or max_block < RATES * PRICE_WORDS):
        raise Refused("profile_prices")
    return made


def _data_prices(table: Table, source: str, assumed: bool) -> PriceTable:
    bits = [table.integer("rates_bit", 0, STATUS_BITS - 1)]
    steps = table.integer("steps", 1, MOST_STEPS) if table.has("steps") else 0
    if steps:
        bits.append(table.integer("ladder_bit", 0, STATUS_BITS - 1))
    if len(set(bits)) != len(bits):
        raise table.refuse("ladder_bit", bits[-1])
    return PriceTable(
        data=True, sets=_DATA_SETS, swaps=_DATA_SWAPS[: len(bits)], bits=tuple(bits), step=DATA_STEP, steps=steps,
        source=source, assumed=assumed,
    )  # fmt: skip


def _modbus_prices(table: Table, source: str, assumed: bool) -> PriceTable:
    _, factor = scale_of(table, Quantity.PRICE_FLAT, "minor")
    if factor.denominator != 1:
        raise table.refuse("scale", factor)
    in_force, standby = table.table("in_force"), table.table("standby")
    sets = tuple(PricePlaces(rates=each.address("rates")) for each in (in_force, standby))
    swap = standby.address("swap")
    in_force.done()
    standby.done()
    return PriceTable(
        data=False, sets=sets, swaps=(swap,), bits=(), step=factor.numerator, steps=0, source=source, assumed=assumed
    )


def one_set(*, data: bool, step: int, source: str, assumed: bool) -> PriceTable:
    """What a model has whose registers hold its prices: one set, and what is written holds at once."""
    return PriceTable(data=data, sets=(), swaps=(), bits=(), step=step, steps=0, source=source, assumed=assumed)


def registers_read(values: Mapping[Quantity, int]) -> PriceSet | None:
    """The one set, as the registers showed it; a rate the model does not tell apart costs what the flat one does."""
    flat = values.get(Quantity.PRICE_FLAT)
    return None if flat is None else PriceSet(rates=tuple(values.get(each, flat) for each in PRICES))
