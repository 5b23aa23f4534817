"""Prices in a meter: what is refused before a byte leaves, how sets lie, and what a write ends as under faults."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prewatt.core.meters import catalogue
from prewatt.core.meters.catalogue import shipped_text
from prewatt.core.meters.jobs import Intent, Job, Outcome, Verdict
from prewatt.core.meters.model import Profile
from prewatt.core.meters.prices import (
    ADDS_NOTHING,
    RATES,
    Ladder,
    PriceSet,
    PriceTable,
    check_prices,
    flat_set,
    ladder_bytes,
    one_price,
    rate_bytes,
    read_ladder,
    read_rates,
)
from prewatt.core.meters.profile import load
from prewatt.core.meters.quantities import Quantity
from prewatt.core.meters.schedule import PARKED, read_swap, swap_bytes
from prewatt.core.refusals import Refused
from prewatt.core.wire.dlt645 import Frame, refuse, reply
from prewatt.core.wire.modbus import ReadReply, ReadRequest, Reply, Request, WriteMultiple, WriteReply
from tests.core.meters.bench import FakeMeter, Fault, Line
from tests.core.meters.bench645 import DataLine, DataMeter

ORDER = catalogue()["generic-dlt645-order"]
NOW = int(datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp())
SWAP = int(datetime(2027, 1, 1, tzinfo=UTC).timestamp())
EARLIER = int(datetime(2026, 12, 1, tzinfo=UTC).timestamp())  # a swap that was planned before
LADDER = Ladder(thresholds=(230_000, 400_000), prices=(0, 50_000, 300_000))
OLD = PriceSet(rates=(880_000,) * RATES, ladder=ADDS_NOTHING)
HELD = PriceSet(rates=(900_000,) * RATES, ladder=ADDS_NOTHING)  # in readiness behind the earlier swap
NEW = PriceSet(rates=(1_234_500, 920_000, 650_000, 310_000), ladder=LADDER)
WRITE = Job(intent=Intent.WRITE_PRICES, prices=NEW, swap_at=SWAP, clock=NOW - 28_800, zone_s=28_800)
READ = Job(intent=Intent.READ_PRICES)
TWO_SETS = """
[prices]
scale = "0.0001"
unit = "currency/kWh"
assumed = true

[prices.in_force]
rates = 0x0600

[prices.standby]
rates = 0x0610
swap = 0x0620
"""


def table_of(profile: Profile) -> PriceTable:
    assert profile.prices is not None
    return profile.prices


def own_modbus() -> Profile:
    """A site's own version of a purse that has a standby set."""
    text = shipped_text("acrel-dtsy1352-nk-purse")
    kept = [line for line in text.splitlines() if '"price_sharp", "price_peak"' not in line]
    text = "\n".join(kept).replace('"load_limit",', '"load_limit"]', 1)
    return load(text + TWO_SETS)


MODBUS = own_modbus()
MODBUS_NEW = replace(NEW, ladder=None)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (replace(NEW, rates=NEW.rates[:3]), "prices_rates"),
        (replace(NEW, rates=(920_050, *NEW.rates[1:])), "value_too_fine"),
        (replace(NEW, rates=(10**10, *NEW.rates[1:])), "value_out_of_range"),
        (replace(NEW, rates=(-100, *NEW.rates[1:])), "value_out_of_range"),
        (replace(NEW, ladder=None), "prices_ladder"),
        (replace(NEW, ladder=Ladder(thresholds=(1_000, 1_000), prices=(0, 0, 0))), "prices_ladder"),
        (replace(NEW, ladder=Ladder(thresholds=(0,), prices=(0, 0))), "prices_ladder"),
        (replace(NEW, ladder=Ladder(thresholds=(1_000,), prices=(0,))), "prices_ladder"),
        (replace(NEW, ladder=Ladder(thresholds=(10, 20, 30, 40), prices=(0,) * 5)), "prices_ladder"),
        (replace(NEW, ladder=Ladder(thresholds=(15,), prices=(0, 0))), "value_out_of_range"),
        (replace(NEW, ladder=Ladder(thresholds=(20,), prices=(0, 30))), "value_too_fine"),
    ],
)
def test_what_the_meter_cannot_keep_is_refused(wrong: PriceSet, code: str) -> None:
    check_prices(NEW, table_of(ORDER))
    with pytest.raises(Refused) as refused:
        check_prices(wrong, table_of(ORDER))
    assert refused.value.code == code
    assert refused.value.message("en") != refused.value.message("zh-hans")


ladders = st.builds(
    lambda steps, first: Ladder(
        thresholds=tuple(sorted({edge for edge, _ in steps})),
        prices=(first, *(first + (place + 1) * 100 for place in range(len({edge for edge, _ in steps})))),
    ),
    st.lists(st.tuples(st.integers(1, 99_999_998).map(lambda each: each * 10), st.just(0)), max_size=3),
    st.integers(0, 9_000).map(lambda each: each * 100),
)


@given(st.lists(st.integers(0, 99_999_999), min_size=4, max_size=4), ladders)
def test_sets_read_back_as_they_were_written(counts: list[int], ladder: Ladder) -> None:
    table, rates = table_of(ORDER), tuple(each * 100 for each in counts)
    check_prices(PriceSet(rates=rates, ladder=ladder), table)
    assert read_rates(rate_bytes(rates, table), table) == rates
    assert read_ladder(*ladder_bytes(ladder, 3)) == ladder
    modbus = table_of(MODBUS)
    assert read_rates(rate_bytes(rates, modbus), modbus) == rates


def test_prices_lie_lowest_pair_first_and_nonsense_is_no_price() -> None:
    table = table_of(ORDER)
    assert rate_bytes((1_234_500,), table)[0].hex() == "45230100"
    assert [each.hex() for each in ladder_bytes(ADDS_NOTHING, 2)[0]] == ["99999999"] * 2
    assert read_ladder([b"\x99" * 4] * 3, [bytes(4)] * 4) == ADDS_NOTHING == read_ladder([bytes(4)] * 3, [bytes(4)] * 4)
    assert read_rates([b"\xff" * 4] * 4, table) is None and read_rates([bytes(4)] * 3, table) is None
    assert read_ladder([b"\x02\0\0\0", b"\x01\0\0\0"], [bytes(4)] * 3) is None
    assert read_rates([b"\x0a\0\0\0"] * 4, table) is None


def test_a_ladder_adds_by_what_was_used_and_a_flat_plan_is_one_price_for_all() -> None:
    assert [LADDER.price_after(wh) for wh in (0, 229_999, 230_000, 400_000)] == [0, 0, 50_000, 300_000]
    flat = flat_set(Decimal("0.92"), table_of(ORDER))
    assert (flat.rates, flat.ladder, one_price(flat)) == ((920_000,) * 4, ADDS_NOTHING, 920_000)
    assert one_price(NEW) is None and one_price(replace(flat, ladder=LADDER)) is None and one_price(None) is None
    assert flat_set(Decimal("0.92"), table_of(MODBUS)).ladder is None


def test_a_model_has_two_sets_or_one_and_never_two_ways_to_the_same_price() -> None:
    assert table_of(ORDER).writable and table_of(MODBUS).writable and not ORDER.settings & {Quantity.PRICE_FLAT}
    purse = catalogue()["acrel-dtsy1352-nk-purse"]
    assert not table_of(purse).writable and table_of(purse).assumed
    assert catalogue()["pilot-spm9513"].prices is None
    for text, code in (
        (shipped_text(purse.code) + TWO_SETS, "profile_prices"),
        (shipped_text("pilot-spm9513") + TWO_SETS.replace("0x0600", "0x0100"), "profile_prices"),
        (shipped_text(ORDER.code).replace("ladder_bit = 11", "ladder_bit = 10"), "profile_value"),
        (shipped_text(ORDER.code).replace("rates_bit = 10", ""), "profile_missing"),
        (shipped_text(ORDER.code).split("[prices]")[0] + "[settings]" + shipped_text(ORDER.code).split("[settings]")[1],
         "profile_wallet"),
    ):  # fmt: skip
        with pytest.raises(Refused) as refused:
            load(text)
        assert refused.value.code == code


# --- DL/T 645 --------------------------------------------------------------------------------


class PricesMeter(DataMeter):
    """Keeps both sets by single identifiers. `spoil` sees each write and says what is answered instead."""

    spoil: Callable[[Frame, int], Frame | None] | None = None

    def fill(self, standby: PriceSet = OLD, swap: int | None = None) -> "PricesMeter":
        for which, held in enumerate((OLD, standby)):
            self.extra |= laid(which, held)
        data = bytes(5) if swap is None else swap_bytes(swap, data=True)
        self.extra |= {0x04000108: data, 0x04000109: data}
        return self

    def _value(self, di: int) -> bytes | None:
        if di & 0xFF == 0xFF and di >> 16 in (0x0405, 0x0406):
            return b"".join(self.extra[each] for each in sorted(self.extra) if each | 0xFF == di)
        return super()._value(di)

    def _write(self, request: Frame) -> Frame:
        spoiled = None if self.spoil is None else self.spoil(request, self.writes)
        if spoiled is not None:
            return spoiled
        self.extra[request.di or 0] = request.data[12:]
        return reply(request, self.number)

    def holds(self, which: int, prices: PriceSet) -> bool:
        return all(self.extra[each] == data for each, data in laid(which, prices).items())

    @property
    def swaps(self) -> set[int | None]:
        return {read_swap(self.extra[each], data=True) for each in (0x04000108, 0x04000109)}


def laid(which: int, prices: PriceSet) -> Mapping[int, bytes]:
    table = table_of(ORDER)
    assert prices.ladder is not None
    places = table.sets[which]
    thresholds, costs = ladder_bytes(prices.ladder, table.steps)
    parts = ((places.rates, rate_bytes(prices.rates, table)), (places.thresholds, thresholds), (places.ladder, costs))
    return {base + number: data for base, held in parts for number, data in enumerate(held, 1)}


def test_both_sets_are_read_by_the_bits_that_the_profile_names() -> None:
    meter = PricesMeter(ORDER).fill(standby=NEW)
    outcome = DataLine(meter).run(READ)
    assert outcome.verdict is Verdict.DONE and outcome.prices is not None and not outcome.sent
    assert (outcome.prices.in_force, outcome.prices.standby, outcome.prices.swap_at) == (OLD, NEW, None)
    meter.word |= 1 << 10 | 1 << 11
    outcome = DataLine(meter).run(READ)
    assert outcome.prices is not None and outcome.prices.in_force == NEW
    meter.word ^= 1 << 11  # the ladder of the first set, the rates of the second
    outcome = DataLine(meter).run(READ)
    assert outcome.prices is not None and outcome.prices.in_force == replace(NEW, ladder=ADDS_NOTHING)


def test_the_standby_set_is_written_then_the_swap_times_and_the_set_in_force_is_left_alone() -> None:
    meter = PricesMeter(ORDER).fill()
    outcome = DataLine(meter).run(WRITE)
    assert outcome.verdict is Verdict.DONE and outcome.prices is not None, outcome
    assert (outcome.prices.in_force, outcome.prices.standby, outcome.prices.swap_at) == (OLD, NEW, SWAP)
    assert meter.holds(0, OLD) and meter.holds(1, NEW)
    writes = meter.writes
    assert DataLine(meter).run(WRITE).verdict is Verdict.DONE and meter.writes == writes  # again changes nothing


def test_a_swap_that_stands_from_before_is_moved_away_before_anything_else() -> None:
    meter = PricesMeter(ORDER).fill(standby=HELD, swap=EARLIER)
    said: list[int] = []
    meter.spoil = lambda request, number: said.append(request.di or 0)
    assert DataLine(meter).run(WRITE).verdict is Verdict.DONE
    assert said[:2] == [0x04000108, 0x04000109] == said[-2:] and meter.swaps == {SWAP}
    meter.spoil = None
    past = PricesMeter(ORDER).fill(standby=HELD, swap=NOW - 86_400)  # one that is over is moved as well
    past.spoil = lambda request, number: refuse(request, past.number, 1) if number == 3 else None
    assert DataLine(past).run(WRITE).verdict is Verdict.REFUSED
    assert {past.extra[each] for each in (0x04000108, 0x04000109)} == {swap_bytes(PARKED, data=True)}
    later = DataLine(past).run(replace(WRITE, prices=HELD, swap_at=SWAP))
    assert later.verdict is Verdict.DONE and past.swaps == {SWAP}  # only the time: the set was right


@pytest.mark.parametrize("pending", [None, EARLIER, NOW - 86_400])
@pytest.mark.parametrize("keeps", [False, True])
def test_whichever_write_is_refused_no_half_written_set_ever_comes_into_force(pending: int | None, keeps: bool) -> None:
    """Every write in turn is refused, obeyed or not."""
    for spoilt in range(1, 20):
        meter = PricesMeter(ORDER).fill(standby=HELD, swap=pending)

        def spoil(request: Frame, number: int, meter: PricesMeter = meter, spoilt: int = spoilt) -> Frame | None:
            if number != spoilt:
                return None
            if keeps:
                meter.extra[request.di or 0] = request.data[12:]
            return refuse(request, meter.number, 0x01)

        meter.spoil = spoil
        outcome = DataLine(meter).run(WRITE)
        judge(outcome, whole=meter.holds(1, NEW), swaps=meter.swaps, behind=meter.holds(1, HELD))
        assert meter.holds(0, OLD)
        meter.spoil = None
        assert DataLine(meter).run(WRITE).verdict is Verdict.DONE, "whatever was left, writing again puts it right"
        if meter.writes < spoilt:
            return
    raise AssertionError("it never ends")


def judge(outcome: Outcome, *, whole: bool, swaps: set[int | None], behind: bool) -> None:
    """What may be so after a write, and what may be said of it."""
    waiting = {each for each in swaps if each is not None and each > NOW}
    assert not waiting or whole or (behind and waiting <= {EARLIER}), "a half-written set would come into force"
    if SWAP in swaps:
        assert whole
    if outcome.verdict is Verdict.DONE:
        assert whole and swaps == {SWAP}
    if outcome.verdict is Verdict.REFUSED and outcome.sent:
        assert not whole or swaps != {SWAP}
    assert outcome.verdict is not Verdict.SILENT or not outcome.sent


@pytest.mark.parametrize("pending", [None, EARLIER])
@pytest.mark.parametrize("fault", [each for each in Fault if each is not Fault.GATEWAY_EXCEPTION])
def test_whatever_one_exchange_suffers_the_state_told_is_true(fault: Fault, pending: int | None) -> None:
    for place in range(80):
        meter = PricesMeter(ORDER).fill(standby=HELD, swap=pending)
        line = DataLine(meter, faults={place: fault})
        outcome = line.run(WRITE)
        judge(outcome, whole=meter.holds(1, NEW), swaps=meter.swaps, behind=meter.holds(1, HELD))
        assert meter.holds(0, OLD), (place, fault)
        told = outcome.prices
        if told is not None and outcome.verdict is not Verdict.DONE:
            assert told.in_force == OLD and (told.standby == NEW) is meter.holds(1, NEW), (place, fault)
        if place > line.sends:
            return
    raise AssertionError("it never ends")


def test_near_a_swap_nothing_is_written_and_a_meter_with_fewer_rates_is_left_alone() -> None:
    for off in (-300, 300):
        meter = PricesMeter(ORDER).fill(swap=NOW + off)
        outcome = DataLine(meter).run(WRITE)
        assert (outcome.verdict, outcome.code, meter.writes) == (Verdict.REFUSED, "schedule_swap_near", 0)
    meter = PricesMeter(ORDER).fill()
    for job, code in ((replace(WRITE, swap_at=NOW + 60), "schedule_swap_past"),
                      (replace(WRITE, swap_at=PARKED), "schedule_swap_far"),
                      (replace(WRITE, prices=None), "prices_not_supported"),
                      (replace(WRITE, prices=MODBUS_NEW), "prices_ladder")):  # fmt: skip
        assert DataLine(meter).run(job).code == code and meter.writes == 0
    del meter.extra[0x04050204]
    assert DataLine(meter).run(WRITE).code == "prices_not_supported" and meter.writes == 0


def test_two_swap_times_that_differ_are_said_and_put_right() -> None:
    meter = PricesMeter(ORDER).fill(standby=NEW, swap=EARLIER)
    meter.extra[0x04000109] = bytes(5)
    told = DataLine(meter).run(READ).prices
    assert told is not None and (told.swap_at, told.swaps_differ) == (None, True)
    told = DataLine(meter).run(WRITE).prices
    assert told is not None and (told.swap_at, told.swaps_differ) == (SWAP, False)


FAULTS: list[Fault] = [each for each in Fault if each not in (Fault.GATEWAY_EXCEPTION, Fault.NONE)]


@dataclass
class Clocked:
    """A meter that swaps by its clock, and every set that was ever wanted of it."""

    meter: PricesMeter
    now: int = NOW
    wanted: list[PriceSet] = field(default_factory=lambda: [OLD])

    def until(self, now: int) -> None:
        """Let time pass; a part swaps when its moment comes."""
        for part, address in enumerate((0x04000108, 0x04000109)):
            swap = read_swap(self.meter.extra[address], data=True)
            if swap is not None and self.now < swap <= now:
                self.meter.word ^= 1 << (10, 11)[part]
        self.now = now

    def in_force(self) -> PriceSet | None:
        told = DataLine(self.meter).run(READ).prices
        assert told is not None
        return told.in_force


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_whatever_line_and_time_bring_no_half_written_set_comes_into_force(data: st.DataObject) -> None:
    """Hours of writes over a line that loses, delays and doubles, with swaps in between."""
    one = Clocked(PricesMeter(ORDER).fill())
    for number in range(data.draw(st.integers(2, 5))):
        price = 600_000 + 100 * number
        wanted = PriceSet(rates=(price, price + 100, price, price), ladder=Ladder(thresholds=(10,), prices=(0, price)))
        job = replace(
            WRITE, prices=wanted, clock=one.now - 28_800,
            swap_at=one.now // 60 * 60 + 60 * data.draw(st.integers(30, 200)),
        )  # fmt: skip
        faults: dict[int, Fault] = data.draw(
            st.dictionaries(st.integers(0, 50), st.sampled_from([*FAULTS, Fault.REQUEST_LOST]), max_size=5)
        )
        one.wanted.append(wanted)
        outcome = DataLine(one.meter, faults=faults).run(job)
        if outcome.verdict is Verdict.DONE:
            told = DataLine(one.meter).run(READ).prices
            assert told is not None and (told.standby, told.swap_at) == (wanted, job.swap_at)
        one.until(one.now + data.draw(st.integers(0, 10_000)))
        shown = one.in_force()
        assert shown is not None
        assert shown.rates in {each.rates for each in one.wanted}, "half of a set came into force"
        assert shown.ladder in {each.ladder for each in one.wanted}


# --- Modbus ----------------------------------------------------------------------------------


@dataclass
class BlockMeter(FakeMeter):
    """Keeps the two blocks and the swap time by their first register."""

    blocks: dict[int, bytes] = field(default_factory=dict)

    def handle(self, request: Request) -> Reply:
        if request.address not in self.blocks:
            return super().handle(request)
        if isinstance(request, ReadRequest):
            return ReadReply(function=request.function, data=self.blocks[request.address])
        assert isinstance(request, WriteMultiple)
        self.writes += 1
        self.blocks[request.address] = request.data
        return WriteReply(function=request.function, address=request.address, count=request.count)


def block_of(prices: PriceSet) -> bytes:
    return b"".join(rate_bytes(prices.rates, table_of(MODBUS)))


@pytest.mark.parametrize("pending", [None, EARLIER])
@pytest.mark.parametrize("fault", list(Fault))
def test_over_modbus_no_swap_brings_a_set_that_nobody_wanted(fault: Fault, pending: int | None) -> None:
    job = replace(WRITE, prices=MODBUS_NEW)
    for place in range(40):
        meter = BlockMeter(MODBUS)
        swap = bytes(4) if pending is None else swap_bytes(pending, data=False)
        meter.blocks = {0x600: block_of(OLD), 0x610: block_of(HELD), 0x620: swap}
        line = Line(meter, faults={place: fault})
        outcome = line.run(job)
        swaps = {read_swap(meter.blocks[0x620], data=False)}
        whole, behind = meter.blocks[0x610] == block_of(NEW), meter.blocks[0x610] == block_of(HELD)
        judge(outcome, whole=whole, swaps=swaps, behind=behind)
        assert meter.blocks[0x600] == block_of(OLD)
        if place > line.sends:
            return
    raise AssertionError("it never ends")


def test_a_purse_with_one_set_is_read_and_never_written_this_way() -> None:
    profile = catalogue()["acrel-dtsy1352-nk-purse"]
    meter = FakeMeter(profile)
    meter.values |= {Quantity.PRICE_SHARP: 880_000, Quantity.PRICE_PEAK: 880_000, Quantity.PRICE_FLAT: 880_000,
                     Quantity.PRICE_VALLEY: 310_000}  # fmt: skip
    outcome = Line(meter).run(READ)
    assert outcome.verdict is Verdict.DONE and outcome.prices is not None
    assert outcome.prices.in_force == PriceSet(rates=(880_000, 880_000, 880_000, 310_000))
    assert outcome.prices.standby is None and outcome.prices.swap_at is None
    line = Line(meter)
    outcome = line.run(replace(WRITE, prices=MODBUS_NEW))
    assert (outcome.verdict, outcome.code, line.sends) == (Verdict.REFUSED, "prices_no_standby", 0)
    assert Line(FakeMeter(catalogue()["pilot-spm9513"])).run(READ).code == "prices_not_supported"
