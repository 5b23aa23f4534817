"""A month of 500 server-held circuits, played in plain Python: what their counters did, what was read of it, and what
that costs. Nothing here asks the platform; `test_month.py` compares.

Counters are counted in 0.01 kWh as the meter has them; a reading is that times 10 Wh times the CT ratio. A reading is
marked as the intake marks it, against the reading before it, whatever that was.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from random import Random
from typing import Final, NamedTuple

DAYS: Final = 30
CIRCUITS: Final = 500
STEP: Final = timedelta(minutes=30)
PER_DAY: Final = 48
ROLLS_AT: Final = 100_000_000  # counts: 8 digits on the display
RATIOS: Final = (1, 1, 1, 40, 60)
WH_PER_COUNT: Final = 10
PRICES: Final = (Fraction(92, 100), Fraction(1_057_301, 1_000_000))


class Read(NamedTuple):
    """One reading. `total` is the true counter behind it as if it never rolled over, -1 where the meter lied."""

    at: datetime
    wh: int
    quality: int
    total: int


@dataclass
class Played:
    """One circuit. `on_time` by day; `late` by day: they come when that day was swept already."""

    ratio: int
    first: int  # the counter at the start
    on_time: list[list[Read]] = field(default_factory=list)
    late: list[list[Read]] = field(default_factory=list)

    def good(self) -> list[Read]:
        """What the books may go by: marked good, and true."""
        return [read for day in self.on_time for read in day if read.quality == 0 and read.total >= 0]

    def wh(self, total: int) -> int:
        return total * WH_PER_COUNT * self.ratio


def play(number: int, begins: datetime) -> Played:
    """The month of one circuit, by its number as the seed."""
    chance = Random(number)
    ratio = RATIOS[number % len(RATIOS)]
    # every tenth circuit rolls over in the course of the month
    first = ROLLS_AT - chance.randrange(200, 3000) if number % 10 == 0 else chance.randrange(ROLLS_AT // 2)
    made = Played(ratio, first)
    total, offset = first, timedelta(seconds=chance.randrange(1, 1500))
    judge = _Judge()
    silent_until = begins
    habit = chance.choice((0, 2, 5, 20, 60))  # counts in half an hour; some stand empty
    for day in range(DAYS):
        reads: list[Read] = []
        late: list[Read] = []
        for n in range(PER_DAY):
            at = begins + timedelta(days=day) + n * STEP + offset
            total += chance.randrange(habit + 1)
            last = day == DAYS - 1 and n >= PER_DAY - 3
            if not last and at < silent_until:
                continue
            fault = 1.0 if last or (day, n) < (0, 3) else chance.random()
            if fault < 0.0015:
                silent_until = at + chance.randrange(1, 120) * STEP
            elif fault < 0.0045:  # it lies, once or twice in the same way
                lie = _lie(chance, total)
                for again in range(1 + (fault < 0.0025)):
                    reads.append(judge(Read(at + again * timedelta(minutes=1), made.wh(lie % ROLLS_AT), 0, -1)))
            elif fault < 0.0065 and reads:  # a gateway's buffer: true, old, and too late
                late.append(Read(at - timedelta(minutes=11), made.wh(total % ROLLS_AT), 3, total))
            else:
                reads.append(judge(Read(at, made.wh(total % ROLLS_AT), 0, total)))
                if fault < 0.0085:  # the same reading again a little later, marked as repeated
                    reads.append(Read(at + timedelta(seconds=7), made.wh(total % ROLLS_AT), 3, total))
        made.on_time.append(reads)
        made.late.append(late)
    return made


def _lie(chance: Random, total: int) -> int:
    return chance.choice((0, max(0, total - chance.randrange(100, 5000)), total + 40_000_000))


class _Judge:
    """The intake's rule: against the reading before, 2 MW at most. A fresh meter is believed."""

    def __init__(self) -> None:
        self._before: Read | None = None

    def __call__(self, read: Read) -> Read:
        before, quality = self._before, 0
        if before is not None and read.wh < before.wh:
            quality = 1
        elif before is not None:
            seconds = (read.at - before.at) // timedelta(seconds=1)
            quality = 2 if (read.wh - before.wh - 1000) * 3600 > 2_000_000 * seconds else 0
        self._before = read
        return read._replace(quality=quality)


@dataclass(frozen=True)
class Due:
    """What a circuit's month comes to: Wh at the old price and at the new one, whole minor units."""

    old_wh: int
    new_wh: int
    minor: int


def due(played: Played, *, change: datetime) -> Due:
    """From the first good reading to the last; at the change by linear time between the good readings around it."""
    good = played.good()
    times = [read.at for read in good]
    before, after = good[bisect_right(times, change) - 1], good[bisect_left(times, change)]
    at_change = played.wh(before.total)
    if after is not before:
        share = Fraction(_us(change - before.at), _us(after.at - before.at))
        at_change += int(share * played.wh(after.total - before.total))
    old, new = at_change - played.wh(good[0].total), played.wh(good[-1].total) - at_change
    exact = (old * PRICES[0] + new * PRICES[1]) / 10  # 1000 Wh to the kWh, 100 fen to the yuan
    return Due(old, new, int(exact))


def _us(span: timedelta) -> int:
    return span // timedelta(microseconds=1)


def of_day(all_played: list[Played], day: int) -> Iterator[tuple[int, Read]]:
    for number, played in enumerate(all_played):
        for read in played.on_time[day]:
            yield number, read


def late_of_day(all_played: list[Played], day: int) -> Iterator[tuple[int, Read]]:
    for number, played in enumerate(all_played):
        for read in played.late[day]:
            yield number, read
