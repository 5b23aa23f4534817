"""What hangs on the circuits: loads through day and year, after published standard load profiles.

The BDEW profiles H25 and G25 (`data/README.md`) give the shape of a day; here they are re-timed to the
hours of a mall (10:00 to 22:00) and of a dormitory, blended between winter and summer, and mixed with what
those profiles do not know: two restaurant peaks, refrigeration that never stops, summer cooling. A circuit
has its own noise under its seed. Everything is integer arithmetic in W and thousandths: the same circuit
and minute give the same watts on every machine.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from functools import cache
from hashlib import blake2b
from importlib.resources import files
from typing import Final

from prewatt.field.simulator.fields import Load, LoadKind

QUARTERS: Final = 96
MINUTE_MS: Final = 60_000
QUARTER_MS: Final = 15 * MINUTE_MS
HOURS_PER_YEAR: Final = 8_760
CURVE_LIMIT: Final = 200_000  # quarters in one call: five years
QUARTER_NOISE: Final = 300  # thousandths either way
MINUTE_NOISE: Final = 80

# What the simulated meters count when: a rate per local hour, as their makers set them before delivery.
# sharp 0, peak 1, flat 2, valley 3
RATE_OF_HOUR: Final = (3, 3, 3, 3, 3, 3, 3, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 1, 1, 0, 0, 2, 2, 3)

# Summer share of the year in thousandths at mid-month, January first: (1 - cos) / 2 with its top in July.
_SUMMER: Final = (0, 67, 250, 500, 750, 933, 1_000, 933, 750, 500, 250, 67)

# Local hour -> hour of the published profile, as corners of a broken line.
_MALL_HOURS: Final = ((0, 0), (7, 3), (9, 6), (10, 8), (12, 11), (18, 15), (21, 17), (22, 18), (23, 21), (24, 24))
_DORM_HOURS: Final = ((0, 22), (1, 23), (2, 24), (7, 31), (12, 35), (17, 40), (19, 42), (22, 43), (23, 45), (24, 46))


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a kind of load is made of its parts, each in thousandths of the yearly mean."""

    profile: str  # file of the standard load profile
    hours: Sequence[tuple[int, int]]
    published: int = 0  # the re-timed profile
    flat: int = 0  # what never stops: refrigeration, routers, lamps
    meals: int = 0  # cooking for lunch and dinner
    cooling: int = 0  # by how much high summer passes midwinter, on what is not flat
    weekend: int = 1_000  # Saturday and Sunday against a working day


RECIPES: Final = {
    LoadKind.SHOP: Recipe(profile="g25", hours=_MALL_HOURS, published=940, flat=60, cooling=350, weekend=1_150),
    LoadKind.RESTAURANT: Recipe(
        profile="g25", hours=_MALL_HOURS, published=280, flat=300, meals=420, cooling=250, weekend=1_250
    ),
    LoadKind.SUPERMARKET: Recipe(
        profile="g25", hours=_MALL_HOURS, published=450, flat=550, cooling=200, weekend=1_100
    ),
    LoadKind.COMMON: Recipe(profile="g25", hours=_MALL_HOURS, published=600, flat=400, cooling=450),
    LoadKind.DORM: Recipe(profile="h25", hours=_DORM_HOURS, published=920, flat=80, cooling=600, weekend=1_100),
}


@cache
def _published(name: str) -> dict[str, tuple[int, ...]]:
    """The columns of a profile file, in Wh per quarter for a million kWh a year."""
    text = files(__package__).joinpath("data", f"bdew_2025_{name}.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    assert len(rows) == QUARTERS, len(rows)
    columns = [column for column in rows[0] if column != "quarter"]
    return {column: tuple(int(row[column].replace(".", "")) for row in rows) for column in columns}


def _retimed(values: Sequence[int], hours: Sequence[tuple[int, int]]) -> list[int]:
    """Read a published day at other hours: 96 values along the broken line `hours`."""
    result = []
    for quarter in range(QUARTERS):
        for (left, left_at), (right, right_at) in zip(hours, hours[1:], strict=False):
            if left * 4 <= quarter < right * 4:
                spot = left_at * 4 + (quarter - left * 4) * (right_at - left_at) // (right - left)
                result.append(values[spot % QUARTERS])
                break
    return result


def _meals() -> list[int]:
    """Lunch 10:30 to 13:30 and the larger dinner 16:30 to 21:00, rising and falling in straight lines."""
    day = [0] * QUARTERS
    for start, top, end, height in ((42, 48, 54, 3_000), (66, 74, 84, 4_000)):
        for quarter in range(start, end):
            slope = (quarter - start, top - start) if quarter < top else (end - quarter, end - top)
            day[quarter] = height * slope[0] // slope[1]
    return day


def _to_mean(values: Sequence[int]) -> list[int]:
    """The same shape with a mean of 1,000."""
    total = sum(values)
    return [value * 1_000 * len(values) // total for value in values]


@cache
def _shape(kind: LoadKind, summer: bool, weekend: bool) -> tuple[int, ...]:
    """A day in thousandths of the yearly mean power, before noise."""
    recipe = RECIPES[kind]
    season = "jul" if summer else "jan"
    columns = _published(recipe.profile)
    # A mall trades on Sundays: the weekend keeps a working day's shape. A dormitory sleeps in.
    mall = recipe.hours is _MALL_HOURS
    column = columns[f"{season}_{'wt' if mall or not weekend else 'ft'}"]
    published, meals = _to_mean(_retimed(column, recipe.hours)), _to_mean(_meals())
    extra = 1_000 + (recipe.cooling if summer else -recipe.cooling) // 2
    weight = recipe.weekend if weekend else 1_000
    mean_weight = (5 * 1_000 + 2 * recipe.weekend) // 7
    return tuple(
        recipe.flat + (published[q] * recipe.published + meals[q] * recipe.meals) // 1_000 * extra * weight
        // (1_000 * mean_weight)
        for q in range(QUARTERS)
    )  # fmt: skip


def _summer(day: date) -> int:
    """How much of summer a day is, in thousandths: a straight line between the middles of two months."""
    after = day.day >= 15
    first = day.month - 1 if after else day.month - 2
    weight = day.day - 15 if after else day.day + 15
    return (_SUMMER[first % 12] * (30 - min(weight, 30)) + _SUMMER[(first + 1) % 12] * min(weight, 30)) // 30


def _noise(seed: int, number: int, count: int, purpose: bytes) -> bytes:
    """`count` bytes that look like chance and are always the same for a seed and number."""
    found = b""
    while len(found) < count:
        data = b"%d %d %d" % (seed, number, len(found))
        found += blake2b(data, person=purpose).digest()
    return found[:count]


def _varied(watts: int, byte: int, width: int) -> int:
    """Change by up to `width` thousandths either way."""
    return watts * (1_000 + (byte - 128) * width // 128) // 1_000


def day_w(load: Load, day: date) -> tuple[int, ...]:
    """Mean power of each quarter of a local day, in W, with the circuit's noise and never above its peak."""
    if load.kind is LoadKind.NONE:
        return (0,) * QUARTERS
    if load.kind is LoadKind.CONSTANT:
        return (load.peak_w,) * QUARTERS
    weekend, summer = day.weekday() >= 5, _summer(day)
    cold, warm = _shape(load.kind, False, weekend), _shape(load.kind, True, weekend)
    noise = _noise(load.seed, day.toordinal(), QUARTERS, b"quarter")
    cap_w = load.peak_w or 2**62
    watts = []
    for quarter in range(QUARTERS):
        part = (cold[quarter] * (1_000 - summer) + warm[quarter] * summer) // 1_000
        mean_w = load.annual_kwh * part // HOURS_PER_YEAR
        watts.append(min(_varied(mean_w, noise[quarter], QUARTER_NOISE), cap_w))
    return tuple(watts)


def power_w(load: Load, local: datetime) -> int:
    """Power of a circuit at a local time, in W: constant within a minute."""
    day, hour = local.date(), local.hour
    noise = _noise(load.seed, day.toordinal() * 24 + hour, 60, b"minute")
    return _minute_w(load, day_w(load, day)[hour * 4 + local.minute // 15], noise[local.minute])


def _minute_w(load: Load, quarter_w: int, byte: int) -> int:
    if load.kind in (LoadKind.NONE, LoadKind.CONSTANT):
        return quarter_w
    return min(_varied(quarter_w, byte, MINUTE_NOISE), load.peak_w or 2**62)


def load_curve(load: Load, zone: tzinfo, start: datetime, quarters: int) -> Iterator[tuple[datetime, int]]:
    """Quarter by quarter from `start` (aware, on a quarter): its beginning in UTC and mean power in W.

    What a circuit of the demo site used in the past; the minutes of the live simulator vary around it.
    """
    assert start.tzinfo is not None and 0 <= quarters <= CURVE_LIMIT
    day = date.min
    watts: tuple[int, ...] = ()
    at = start
    for _ in range(quarters):
        local = at.astimezone(zone)
        if local.date() != day:
            day = local.date()
            watts = day_w(load, day)
        yield at, watts[local.hour * 4 + local.minute // 15]
        at += timedelta(minutes=15)


class RateClock:
    """The rate in force at a time, by the hours of `RATE_OF_HOUR`; shared by all meters of a zone."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._minute, self._rate = -1, 0

    def __call__(self, at_ms: int) -> int:
        minute = at_ms // MINUTE_MS
        if minute != self._minute:
            self._minute = minute
            self._rate = RATE_OF_HOUR[datetime.fromtimestamp(minute * 60, self._zone).hour]
        return self._rate


class LiveLoad:
    """`power_w` for a running circuit: remembers the day and hour it is in, so that a minute costs little."""

    def __init__(self, load: Load, zone: tzinfo) -> None:
        self._load, self._zone = load, zone
        self._day, self._hour = date.min, -1
        self._quarters: tuple[int, ...] = ()
        self._noise = b""
        self._until_ms, self._watts = -1, 0

    def __call__(self, at_ms: int) -> tuple[int, int]:
        """Power in W at a time in ms since 1970 UTC, and the ms at which it may next change."""
        if self._until_ms - MINUTE_MS <= at_ms < self._until_ms:
            return self._watts, self._until_ms
        local = datetime.fromtimestamp(at_ms // 1_000, self._zone)
        day, hour = local.date(), local.hour
        if day != self._day:
            self._day, self._hour, self._quarters = day, -1, day_w(self._load, day)
        if hour != self._hour:
            self._hour, self._noise = hour, _noise(self._load.seed, day.toordinal() * 24 + hour, 60, b"minute")
        self._watts = _minute_w(self._load, self._quarters[hour * 4 + local.minute // 15], self._noise[local.minute])
        self._until_ms = (at_ms // MINUTE_MS + 1) * MINUTE_MS
        return self._watts, self._until_ms
