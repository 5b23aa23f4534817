"""Times of use: what is refused before a byte leaves, how sets lie in meters, and what a write ends as under faults."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest

from prewatt.core.meters import catalogue
from prewatt.core.meters.jobs import Intent, Job, Verdict
from prewatt.core.meters.schedule import (
    PARKED,
    Period,
    Schedule,
    ScheduleTable,
    Zone,
    block_words,
    check_schedule,
    period_bytes,
    read_periods,
    read_swap,
    read_zones,
    swap_bytes,
    zone_bytes,
)
from prewatt.core.refusals import Refused
from prewatt.core.wire.dlt645 import Frame, refuse, reply
from prewatt.core.wire.modbus import ReadReply, ReadRequest, Reply, Request, WriteMultiple, WriteReply
from tests.core.meters.bench import FakeMeter, Fault, Line
from tests.core.meters.bench645 import DataLine, DataMeter

DTZY = catalogue()["ningju-dtzy1218"]
SPM = catalogue()["pilot-spm9513"]
NOW = int(datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp())
SWAP = int(datetime(2027, 1, 1, tzinfo=UTC).timestamp())
EARLIER = int(datetime(2026, 12, 1, tzinfo=UTC).timestamp())  # a swap that was planned before
OLD = Schedule(zones=(Zone(month=1, day=1, table=1),), tables=((Period(minute=0, rate=3),),))
DAY = (Period(minute=0, rate=4), Period(minute=480, rate=2), Period(minute=1_140, rate=1), Period(minute=1_320, rate=3))
NEW = Schedule(
    zones=(Zone(month=1, day=1, table=1), Zone(month=7, day=1, table=2)),
    tables=(DAY, (Period(minute=0, rate=2), *DAY[1:])),
)
WRITE = Job(intent=Intent.WRITE_SCHEDULE, schedule=NEW, swap_at=SWAP, clock=NOW - 28_800, zone_s=28_800)
READ = Job(intent=Intent.READ_SCHEDULE)


def table_of(code: str) -> ScheduleTable:
    table = catalogue()[code].schedule
    assert table is not None
    return table


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (replace(NEW, zones=()), "schedule_zones"),
        (replace(NEW, zones=NEW.zones[::-1]), "schedule_zones"),
        (replace(NEW, zones=(Zone(month=2, day=30, table=1),)), "schedule_zones"),
        (replace(NEW, zones=tuple(Zone(month=each, day=1, table=1) for each in (1, 2, 3))), "schedule_zones"),
        (replace(NEW, zones=(Zone(month=1, day=1, table=3),)), "schedule_tables"),
        (replace(NEW, tables=()), "schedule_tables"),
        (replace(NEW, tables=(DAY[1:], DAY)), "schedule_periods"),
        (replace(NEW, tables=(DAY, DAY + DAY[-1:])), "schedule_periods"),
        (replace(NEW, tables=(DAY, ())), "schedule_periods"),
        (replace(NEW, tables=(DAY, tuple(Period(minute=each, rate=1) for each in range(9)))), "schedule_periods"),
        (replace(NEW, tables=(DAY, (*DAY[:-1], Period(minute=1_440, rate=1)))), "schedule_periods"),
        (replace(NEW, tables=(DAY, (Period(minute=0, rate=5),))), "schedule_rate"),
    ],
)
def test_what_leaves_a_gap_or_does_not_fit_is_refused(wrong: Schedule, code: str) -> None:
    check_schedule(NEW, table_of("pilot-spm9513"))
    with pytest.raises(Refused) as refused:
        check_schedule(wrong, table_of("pilot-spm9513"))
    assert refused.value.code == code
    assert refused.value.message("en") != refused.value.message("zh-hans")


@pytest.mark.parametrize("data", [True, False])
def test_sets_read_back_as_they_were_written(data: bool) -> None:
    assert read_zones(zone_bytes(NEW.zones, 14, data=data), data=data) == NEW.zones
    assert read_periods(period_bytes(DAY, 14, data=data), data=data) == DAY
    assert read_swap(swap_bytes(SWAP, data=data), data=data) == SWAP


def test_the_slots_of_dlt645_go_lowest_pair_first_and_nonsense_is_no_set() -> None:
    assert zone_bytes(NEW.zones, 3, data=True).hex() == "010101" + "020107" * 2
    assert period_bytes(DAY, 4, data=True).hex() == "040000" + "020008" + "010019" + "030022"
    assert period_bytes(DAY, 1 + len(DAY), data=False)[-6:] == bytes((3, 0, 22)) * 2
    assert swap_bytes(SWAP, data=True).hex() == "0000010127"
    assert read_zones(b"\xff" * 42, data=True) is None and read_zones(bytes(42), data=True) is None
    assert read_periods(bytes.fromhex("036000"), data=True) is None and read_swap(bytes(5), data=True) is None
    assert read_swap(bytes(4), data=False) is None


def test_the_rate_of_a_wall_time_goes_by_the_zone_and_its_table() -> None:
    assert [NEW.rate_at(datetime(2026, month, 3, hour)) for month in (2, 8) for hour in (0, 8, 19, 23)] == [
        4, 2, 1, 3, 2, 2, 1, 3,
    ]  # fmt: skip


# --- DL/T 645 --------------------------------------------------------------------------------


class TimesMeter(DataMeter):
    """Keeps both sets. `spoil` sees each write (identifier, bytes) and says what is kept and what is answered."""

    spoil: Callable[[Frame, int], Frame | None] | None = None

    def fill(self, standby: Schedule = OLD, in_force: Schedule = OLD) -> "TimesMeter":
        for first, schedule in ((0x04010000, in_force), (0x04020000, standby)):
            self.extra[first] = zone_bytes(schedule.zones, 14, data=True)
            for number in range(8):
                periods = schedule.tables[min(number, len(schedule.tables) - 1)]
                self.extra[first + 1 + number] = period_bytes(periods, 14, data=True)
        self.extra |= {0x04000106: bytes(5), 0x04000107: bytes(5)}
        return self

    def _write(self, request: Frame) -> Frame:
        spoiled = None if self.spoil is None else self.spoil(request, self.writes)
        if spoiled is not None:
            return spoiled
        self.extra[request.di or 0] = request.data[12:]
        return reply(request, self.number)


def refusing(at: int, *, keeps: bool) -> Callable[..., Frame | None]:
    """The write number `at` is refused; `keeps`: and yet obeyed."""

    def spoil(request: Frame, number: int) -> Frame | None:
        if number != at:
            return None
        if keeps:
            METER[0].extra[request.di or 0] = request.data[12:]
        return refuse(request, METER[0].number, 0x01)

    return spoil


METER: list[TimesMeter] = []


def a_meter() -> TimesMeter:
    METER[:] = [TimesMeter(DTZY).fill()]
    return METER[0]


def test_both_sets_and_the_swap_time_are_read() -> None:
    meter = a_meter().fill(standby=NEW)
    outcome = DataLine(meter).run(READ)
    assert outcome.verdict is Verdict.DONE and outcome.schedule is not None and not outcome.sent
    assert (outcome.schedule.in_force, outcome.schedule.standby, outcome.schedule.swap_at) == (OLD, NEW, None)
    meter.word |= 1 << 5 | 1 << 0  # the second set of both is in force
    outcome = DataLine(meter).run(READ)
    assert outcome.schedule is not None and outcome.schedule.in_force == NEW


def test_the_standby_set_is_written_then_the_swap_time_and_the_set_in_force_is_left_alone() -> None:
    meter = a_meter()
    before = {di: data for di, data in meter.extra.items() if di >> 16 == 0x0401}
    outcome = DataLine(meter).run(WRITE)
    assert outcome.verdict is Verdict.DONE and outcome.schedule is not None, outcome
    assert (outcome.schedule.in_force, outcome.schedule.standby, outcome.schedule.swap_at) == (OLD, NEW, SWAP)
    assert {di: data for di, data in meter.extra.items() if di >> 16 == 0x0401} == before
    assert meter.writes == 5  # two day tables, the zones, two swap times
    assert DataLine(meter).run(WRITE).verdict is Verdict.DONE and meter.writes == 5  # again changes nothing


@pytest.mark.parametrize(
    ("spoilt", "keeps", "verdict", "code"),
    [
        (1, False, Verdict.REFUSED, "dlt645_other_error"),
        (2, False, Verdict.DISPUTED, "settings_partly_written"),
        (1, True, Verdict.DISPUTED, "settings_partly_written"),
        (3, True, Verdict.DONE, None),  # all that was wanted stands: what was answered decides nothing
        (4, False, Verdict.REFUSED, "dlt645_other_error"),
        (5, False, Verdict.DISPUTED, "settings_partly_written"),
    ],
)
def test_a_refusal_says_nothing_and_what_is_read_decides(
    spoilt: int, keeps: bool, verdict: Verdict, code: str | None
) -> None:
    meter = a_meter()
    meter.spoil = refusing(spoilt, keeps=keeps)
    outcome = DataLine(meter).run(WRITE)
    assert (outcome.verdict, outcome.code) == (verdict, code) and outcome.sent and outcome.schedule is not None
    swaps = {meter.extra[0x04000106], meter.extra[0x04000107]}
    assert (swaps == {swap_bytes(SWAP, data=True)}) is (verdict is Verdict.DONE)
    if spoilt < 3:
        assert swaps == {bytes(5)}  # no swap to a set that is not whole


def test_a_meter_that_answers_and_keeps_nothing_is_unknown() -> None:
    meter = a_meter()
    meter.spoil = lambda request, number: reply(request, METER[0].number)
    outcome = DataLine(meter).run(WRITE)
    assert (outcome.verdict, outcome.code) == (Verdict.UNKNOWN, "write_not_applied")


def test_near_a_swap_nothing_is_written() -> None:
    meter = a_meter()
    meter.extra[0x04000107] = swap_bytes(NOW + 300, data=True)
    outcome = DataLine(meter).run(WRITE)
    assert (outcome.verdict, outcome.code, meter.writes) == (Verdict.REFUSED, "schedule_swap_near", 0)
    late = replace(WRITE, swap_at=NOW + 60)
    assert DataLine(meter).run(late).code == "schedule_swap_past" and meter.writes == 0


def test_a_swap_planned_before_is_moved_away_so_that_it_never_brings_a_set_left_half_written() -> None:
    meter = a_meter()
    meter.extra |= {each: swap_bytes(EARLIER, data=True) for each in (0x04000106, 0x04000107)}
    meter.spoil = refusing(4, keeps=False)  # two times moved, one day table written, then a no
    outcome = DataLine(meter).run(WRITE)
    assert outcome.verdict is Verdict.DISPUTED and outcome.schedule is not None and outcome.schedule.swap_at is None
    parked = swap_bytes(PARKED, data=True)
    assert {meter.extra[0x04000106], meter.extra[0x04000107]} == {parked} and parked.hex() == "5923311299"
    meter.spoil = None
    assert DataLine(meter).run(WRITE).verdict is Verdict.DONE
    moved = a_meter().fill(standby=NEW)
    moved.extra |= {each: swap_bytes(EARLIER, data=True) for each in (0x04000106, 0x04000107)}
    assert DataLine(moved).run(WRITE).verdict is Verdict.DONE and moved.writes == 2  # the set was right already


def test_a_meter_with_fewer_slots_than_its_model_is_not_written_to() -> None:
    meter = a_meter()
    meter.extra[0x04020002] = meter.extra[0x04020002][:9]
    outcome = DataLine(meter).run(WRITE)
    assert (outcome.verdict, outcome.code, meter.writes) == (Verdict.REFUSED, "schedule_periods", 0)


@pytest.mark.parametrize(
    ("profile", "code"), [("acrel-dtsy1352", "schedule_no_standby"), ("chint-ddsu666", "schedule_not_supported")]
)
def test_a_model_without_a_standby_set_is_never_written_to(profile: str, code: str) -> None:
    line = Line(FakeMeter(catalogue()[profile]))
    outcome = line.run(WRITE, number="")
    assert (outcome.verdict, outcome.code, line.sends) == (Verdict.REFUSED, code, 0)


# --- Modbus under faults ---------------------------------------------------------------------


@dataclass
class BlockMeter(FakeMeter):
    """Keeps the blocks of its table by their first register."""

    blocks: dict[int, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        table = self.profile.schedule
        assert table is not None
        for places in table.sets:
            zones = zone_bytes(OLD.zones, table.most_zones, data=False)
            self.blocks[places.zones] = zones.ljust(block_words(table, places.zones) * 2, b"\0")
            for address in places.tables:
                self.blocks[address] = period_bytes(OLD.tables[0], table.most_periods, data=False)
        self.blocks |= {address: bytes(4) for address in table.swaps}

    def handle(self, request: Request) -> Reply:
        if request.address not in self.blocks:
            return super().handle(request)
        if isinstance(request, ReadRequest):
            assert request.count * 2 == len(self.blocks[request.address])
            return ReadReply(function=request.function, data=self.blocks[request.address])
        assert isinstance(request, WriteMultiple)
        self.writes += 1
        self.blocks[request.address] = request.data
        return WriteReply(function=request.function, address=request.address, count=request.count)


@pytest.mark.parametrize("profile", ["pilot-spm9513", "acrel-dtsy1352-nk-purse"])
@pytest.mark.parametrize("fault", list(Fault))
@pytest.mark.parametrize("pending", [None, EARLIER])
def test_whatever_one_exchange_suffers_nothing_is_claimed_that_is_not_so(
    profile: str, fault: Fault, pending: int | None
) -> None:
    made = catalogue()[profile]
    table = made.schedule
    assert table is not None
    for place in range(40):
        meter = BlockMeter(made)
        if pending is not None:
            meter.blocks[table.swaps[0]] = swap_bytes(pending, data=False)
        old = dict(meter.blocks)
        kept = {address: meter.blocks[address] for address in (table.sets[0].zones, *table.sets[0].tables)}
        line = Line(meter, faults={place: fault})
        outcome = line.run(WRITE)
        standby = (meter.blocks[table.sets[1].zones], *(meter.blocks[each] for each in table.sets[1].tables))
        whole = read_zones(standby[0][: table.most_zones * 3], data=False) == NEW.zones and all(
            read_periods(held, data=False) == wanted for held, wanted in zip(standby[1:], NEW.tables, strict=True)
        )
        swap = read_swap(meter.blocks[table.swaps[0]], data=False)
        assert kept == {address: meter.blocks[address] for address in kept}  # what is in force was never touched
        behind = all(meter.blocks[each] == old[each] for each in (table.sets[1].zones, *table.sets[1].tables))
        assert swap is None or (whole and swap == SWAP) or (swap == pending and (whole or behind)), (place, fault)
        assert (outcome.verdict is not Verdict.DONE) or (whole and swap == SWAP), (place, fault)
        assert outcome.verdict is not Verdict.SILENT or not outcome.sent
        if outcome.verdict is not Verdict.DONE:  # the next one finds out, whatever was left half done
            again = Line(meter).run(WRITE)
            assert again.verdict is Verdict.DONE and Line(meter).run(READ).verdict is Verdict.DONE, (place, again)
        if place > line.sends:
            break
