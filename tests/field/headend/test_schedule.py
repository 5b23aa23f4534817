"""The clocks of a line: evenly spread, neither starved, back-off for the silent."""

from collections import Counter
from itertools import pairwise

from prewatt.core.meters import catalogue
from prewatt.core.meters.mailbox import PollSettings
from prewatt.field.headend.schedule import MeterHealth, Poll, PollClock
from tests.field.headend.meters import plan_of

START = 1000.0


def clock_of(meters: int, settings: PollSettings | None = None) -> PollClock:
    clock = PollClock(settings or PollSettings())
    clock.load(plan_of(1, meters), catalogue(), START)
    return clock


def walk(
    clock: PollClock,
    until: float,
    *,
    took_s: float = 0.15,
    dead: frozenset[int] = frozenset(),
    line_silent: bool = False,
) -> list[tuple[float, Poll]]:
    """Poll as a line does, each poll taking `took_s`; what was polled when."""
    now, polled = START, []
    while now < until:
        poll = clock.take(now, line_silent=line_silent)
        if poll is None:
            due = clock.next_due()
            assert due is not None and due > now
            now = due
            continue
        polled.append((now, poll))
        now += took_s
        answered = poll.target.meter.unit not in dead
        if answered:
            poll.target.health.answered()
        else:
            poll.target.health.missed(now, 60.0)
        clock.done(poll, now, answered=answered)
    return polled


def units(polled: list[tuple[float, Poll]], *, full: bool = False) -> Counter[int]:
    return Counter(poll.target.meter.unit for _, poll in polled if poll.full is full)


def test_each_circuit_is_polled_once_a_minute_and_read_in_full_twice_an_hour() -> None:
    polled = walk(clock_of(32), START + 7200)
    assert all(119 <= count <= 122 for count in units(polled).values()), units(polled)
    assert all(4 <= count <= 6 for count in units(polled, full=True).values()), units(polled, full=True)


def test_no_status_is_ever_older_than_a_period_and_a_bus_transaction() -> None:
    last: dict[int, float] = {}
    for at, poll in walk(clock_of(32), START + 3600):
        if not poll.full:
            unit = poll.target.meter.unit
            assert at - last.get(unit, at) <= 60.0 + 1.0, unit
            last[unit] = at


def test_everything_is_read_soon_after_the_start() -> None:
    polled = walk(clock_of(32), START + 90)
    assert set(range(1, 33)) == set(units(polled)) == set(units(polled, full=True))
    first = {poll.target.meter.unit: at for at, poll in reversed(polled) if not poll.full}
    assert max(first.values()) <= START + 25


def test_polls_of_a_line_are_spread_over_the_period() -> None:
    polled = walk(clock_of(30), START + 600)
    seconds = Counter(int(at) % 60 // 6 for at, poll in polled if not poll.full and at > START + 120)
    assert min(seconds.values()) > 0 and max(seconds.values()) < 3 * min(seconds.values()), seconds


def test_a_silent_meter_is_probed_after_one_two_four_up_to_sixteen_cycles() -> None:
    polled = walk(clock_of(2), START + 7200, dead=frozenset({1}))
    probes = [at for at, poll in polled if poll.target.meter.unit == 1]
    cycles = [round((later - earlier) / 60) for earlier, later in zip(probes, probes[1:], strict=False)]
    assert cycles[1:7] == [2, 4, 8, 16, 16, 16], cycles
    assert units(polled)[2] >= 119


def test_no_register_read_is_spent_on_a_silent_meter() -> None:
    polled = walk(clock_of(2), START + 7200, dead=frozenset({1}))
    assert units(polled, full=True)[1] <= 1
    assert units(polled, full=True)[2] >= 4


def test_on_a_silent_line_every_meter_is_probed_each_cycle() -> None:
    polled = walk(clock_of(2), START + 1200, dead=frozenset({1, 2}), line_silent=True)
    assert all(count >= 19 for count in units(polled).values()), units(polled)


def test_a_bus_that_is_too_slow_starves_neither_clock() -> None:
    # 32 meters x 3 s is more than a minute: both clocks fall behind, both go on
    polled = walk(clock_of(32, PollSettings(status_s=60, register_s=120)), START + 3600, took_s=3.0)
    assert all(count >= 20 for count in units(polled).values()), units(polled)
    assert all(count >= 9 for count in units(polled, full=True).values()), units(polled, full=True)


def test_a_new_plan_keeps_the_times_of_what_stays_and_forgets_what_went() -> None:
    clock = clock_of(3)
    walk(clock, START + 90)
    health = clock.healths[1001]
    clock.load(plan_of(1, 2), catalogue(), START + 90)
    assert clock.healths[1001] is health
    assert set(units(walk(clock, START + 300))) == {1, 2}
    clock.load(plan_of(1, 4), catalogue(), START + 300)
    assert set(units(walk(clock, START + 600))) == {1, 2, 3, 4}


def test_meters_of_an_unknown_profile_are_left_out() -> None:
    clock = PollClock(PollSettings())
    clock.load(plan_of(1, 2, profile="nobody-makes-this"), catalogue(), START)
    assert clock.next_due() is None and clock.take(START + 100) is None


def test_back_off_never_exceeds_its_limit_however_long_the_silence() -> None:
    health = MeterHealth()
    for _ in range(1000):
        health.missed(0.0, 60.0)
    assert health.probe_at == 15.5 * 60


def test_a_silent_meter_with_an_open_command_is_tried_at_every_interval_whatever_its_back_off() -> None:
    clock = clock_of(3)
    next(iter(clock.healths.values())).wanted_until = START + 1800
    tried = [at for at, poll in walk(clock, START + 3600, dead=frozenset({1, 2})) if poll.target.meter.unit == 1]
    while_open = [at for at in tried if START + 120 < at < START + 1800]
    assert all(gap < 61 for gap in (after - before for before, after in pairwise(while_open)))
    assert len(while_open) >= 27 and len([at for at in tried if at >= START + 1800]) <= 5


def test_there_is_no_such_hurry_while_others_need_the_time() -> None:
    clock = clock_of(1)
    [health] = clock.healths.values()
    health.misses, health.probe_at, health.wanted_until = 9, START + 9000, START + 9000
    assert clock.take(START + 60, for_wanted=False) is None and clock.take(START + 200) is not None


def test_what_two_status_polls_in_a_row_were_refused_is_asked_for_anew_after_a_register_read() -> None:
    health, words, nothing = MeterHealth(), frozenset({0x040005FF}), frozenset[int]()
    said = [(words, False), (nothing, False), (words, False), (words, False), (words, False), (nothing, True)]
    known = []
    for lacks, full in said:
        health.polled(lacks, full=full)
        known.append(health.lacks == words)
    assert known == [False, False, False, True, True, False]
    health.polled(words, full=False)
    assert health.lacks == nothing, "one refusal may be a late one"


def test_a_silent_meter_is_tried_without_what_it_never_gave_each_other_time() -> None:
    health, words = MeterHealth(), frozenset({0x040005FF})
    tried = []
    for _ in range(4):
        tried.append(health.without())
        health.missed(START, 60.0)
    assert tried == [frozenset(), words, frozenset(), words]
    health.polled(frozenset(), full=False)
    health.missed(START, 60.0)
    assert health.without() == frozenset(), "it has them: what was lost was lost on the way"
