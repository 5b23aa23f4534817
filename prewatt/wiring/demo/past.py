"""Sixty days of a circuit before first sight: what it used each hour, and what was bought for it.

Pure and repeatable: loads come from the simulator's own curves, so that the past and the running site are
one story. The balance is made to end where the plan wants it: purchases are drawn first, the opening
balance follows from them.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from itertools import accumulate, groupby
from random import Random
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from prewatt.core.units import energy_for_amount
from prewatt.field.simulator import Load, LoadKind, day_w
from prewatt.wiring.demo.places import KWH, Aim, Place

DAYS: Final = 60
PRICE_CHANGE_DAYS: Final = 25  # before first sight
RESOLUTION_WH: Final = 10
HOURLY_DAYS: Final = 10  # so far back each hour is read; before that one in COARSE_H, on the clock of the site
COARSE_H: Final = 4
OPENING_COUNT: Final = 3  # purchases that lie before the history
RETURNS: Final = ("A-502", "B-302", "2-305")
_AMOUNTS: Final = {
    LoadKind.SHOP: (10_000, 20_000, 30_000, 50_000),
    LoadKind.RESTAURANT: (100_000, 200_000, 300_000),
    LoadKind.SUPERMARKET: (1_000_000, 1_500_000),
    LoadKind.DORM: (2_000, 3_000, 5_000, 10_000),
}
_ENERGY_AT_START_H: Final = 9_000  # hours of average load that a meter has counted before


class Slot(NamedTuple):
    """One interval of the past: the local day and hour in which it begins, and its length."""

    day: date
    hour: int
    seconds: int


@dataclass(frozen=True, kw_only=True)
class Marks:
    """The intervals that all circuits share, oldest first; `hours` has one more: their ends too, the last is now."""

    hours: tuple[datetime, ...]
    slots: tuple[Slot, ...]
    read: tuple[int, ...]  # positions in `hours` of the marks that are kept as readings


@dataclass(frozen=True, kw_only=True)
class Purchase:
    """One sale of the past. `credit_wh` and `carried_after` are what the quote gives for the amount."""

    at: datetime
    amount_minor: int
    price: Decimal
    credit_wh: int


@dataclass(frozen=True, kw_only=True)
class Return:
    """Credit taken out of a meter again (退电)."""

    at: datetime
    credit_wh: int


@dataclass(frozen=True, kw_only=True)
class Past:
    """What a circuit's meter shows hour by hour; lists are parallel, oldest first, the last one is now."""

    hours: tuple[datetime, ...]
    energy_wh: tuple[int, ...]
    power_w: tuple[int, ...]
    balance_wh: tuple[int, ...]  # all 0 where nothing is prepaid
    counts: tuple[int, ...]
    purchases: tuple[Purchase, ...]
    returns: tuple[Return, ...]

    @property
    def purchased_wh(self) -> int:
        """Sum of all orders, returns taken off."""
        return sum(each.credit_wh for each in self.purchases) - sum(each.credit_wh for each in self.returns)


def price_change(now: datetime, zone: ZoneInfo) -> datetime:
    """The local midnight from which the second price holds."""
    day = (now - timedelta(days=PRICE_CHANGE_DAYS)).astimezone(zone)
    return day.replace(hour=0, minute=0, second=0, microsecond=0)


def prices(plan: str) -> tuple[Decimal, Decimal]:
    """Price before and after the change, yuan per kWh."""
    return (Decimal("0.88"), Decimal("0.92")) if plan == "shop" else (Decimal("0.54"), Decimal("0.56"))


def past_of(place: Place, *, now: datetime, zone: ZoneInfo) -> Past:
    """The sixty days before `now` (aware, UTC) of one circuit."""
    marks = marks_of(now, zone)
    used, power = use_of(place, marks, now)
    prepaid = place.aim not in (Aim.COMMON, Aim.NOT_OPENED)
    purchases: tuple[Purchase, ...] = _purchases(place, marks, used, now, zone) if prepaid else ()
    returns = _returns(place, purchases, zone)
    step = RESOLUTION_WH * place.ct_ratio
    base = place.annual_kwh * KWH * _ENERGY_AT_START_H // 8_760 // step * step
    shown = counted(used, place)
    changes, orders = [-each for each in shown], [0] * len(shown)
    bought = [*((each.at, each.credit_wh) for each in purchases), *((each.at, -each.credit_wh) for each in returns)]
    for at, credit_wh in bought:
        interval = bisect_left(marks.hours, at) - 1  # its end is the first mark that shows the order
        assert 0 <= interval < len(shown), (place.number, at)
        changes[interval] += credit_wh
        orders[interval] += 1
    opening = _final(place) - sum(changes)
    nothing = (0,) * len(marks.hours)
    return Past(
        hours=marks.hours, energy_wh=tuple(accumulate(shown, initial=base)), power_w=tuple(power),
        balance_wh=tuple(accumulate(changes, initial=opening)) if prepaid else nothing,
        counts=tuple(accumulate(orders, initial=OPENING_COUNT)) if prepaid else nothing,
        purchases=purchases, returns=returns,
    )  # fmt: skip


@lru_cache(maxsize=1)
def marks_of(now: datetime, zone: ZoneInfo) -> Marks:
    """The hour marks of the sixty days before `now`, and which of them are readings.

    The coarse marks include each local midnight, so that a day's use is the same from few readings as from all.
    """
    start = (now - timedelta(days=DAYS)).replace(minute=0, second=0, microsecond=0)
    hourly_from = now - timedelta(days=HOURLY_DAYS)
    hours, slots, read = [start], list[Slot](), [0]
    while hours[-1] < now:
        at = hours[-1]
        local = at.astimezone(zone)
        following = min(at + timedelta(hours=1), now)
        slots.append(Slot(day=local.date(), hour=local.hour, seconds=int((following - at).total_seconds())))
        if following >= hourly_from or following.astimezone(zone).hour % COARSE_H == 0:
            read.append(len(hours))
        hours.append(following)
    return Marks(hours=tuple(hours), slots=tuple(slots), read=tuple(read))


def _final(place: Place) -> int:
    """The balance at first sight."""
    if place.aim in (Aim.COMMON, Aim.NOT_OPENED):
        return 0
    if place.balance_wh is not None:
        return place.balance_wh
    a_day = max(1, place.annual_kwh * KWH // 365)
    chance = Random(place.seed)
    if place.aim is Aim.ALARM_1:
        return (place.alarm_1 + place.alarm_2) // 20 * 10
    days = chance.randint(4, 27) if place.load is not LoadKind.DORM else chance.randint(6, 40)
    floor = place.alarm_1 + place.alarm_1 // 3
    return max(floor, days * a_day + chance.randrange(a_day)) // RESOLUTION_WH * RESOLUTION_WH


def use_of(place: Place, marks: Marks, now: datetime) -> tuple[list[int], list[int]]:
    """Wh in each interval, and W at each mark (one more)."""
    count = len(marks.slots)
    if place.aim is Aim.NOT_OPENED:
        return [0] * count, [0] * (count + 1)
    load = Load(kind=place.load, annual_kwh=place.annual_kwh, peak_w=place.peak_w, seed=place.seed)
    used, power = list[int](), list[int]()
    for day, slots in groupby(marks.slots, key=_day_of):
        watts = day_w(load, day)
        for _, hour, seconds in slots:
            used.append(sum(watts[hour * 4 : hour * 4 + 4]) * seconds // (4 * 3600))
            power.append(watts[hour * 4])
    if place.dark_h:
        lit = bisect_left(marks.hours, now - timedelta(hours=place.dark_h), hi=count)
        used[lit:] = power[lit:] = [0] * (count - lit)
    power.append(power[-1])
    return used, power


def counted(used: Sequence[int], place: Place) -> list[int]:
    """The use of each interval as the meter's display counts it: finer, its first answer would seem to run backward."""
    step = RESOLUTION_WH * place.ct_ratio
    shown = [total // step * step for total in accumulate(used, initial=0)]
    return [after - before for before, after in zip(shown, shown[1:], strict=False)]


def _day_of(slot: Slot) -> date:
    return slot.day


def _purchases(
    place: Place, marks: Marks, used: Sequence[int], now: datetime, zone: ZoneInfo
) -> tuple[Purchase, ...]:
    """Sales at counter hours that keep the circuit supplied, drawn backwards from how it stands now.

    Going back the balance grows by what was used; once a portion fits on top of what a tenant keeps as a
    reserve, he has just bought it.
    """
    chance = Random(place.seed * 31 + 7)
    before, after = prices(place.plan)
    change = price_change(now, zone)
    changed = bisect_left(marks.hours, change)
    latest = now - timedelta(minutes=2_400 if place.aim is not Aim.NORMAL else 70)
    reserve_wh = place.alarm_1 // 2 + place.alarm_2
    portion = chance.choice(_AMOUNTS[place.load])
    wh_before, wh_after = _about_wh(portion, before, after)
    balance = _final(place)
    found: list[tuple[datetime, int]] = []
    for position in range(len(used) - 1, -1, -1):
        balance += used[position]
        portion_wh = wh_before if position < changed else wh_after
        if balance - portion_wh < reserve_wh or not 9 <= marks.slots[position].hour <= 17:
            continue
        at = marks.hours[position]
        if at <= latest:
            found.append((at + timedelta(seconds=chance.randint(60, 3_500)), portion))
            balance -= portion_wh
            reserve_wh = chance.randint(place.alarm_2, place.alarm_1 + place.alarm_2)
            portion = chance.choice(_AMOUNTS[place.load])
            wh_before, wh_after = _about_wh(portion, before, after)
    made = []
    carried = Decimal(0)
    for at, amount in reversed(found):
        price = before if at < change else after
        bought = energy_for_amount(
            amount, price=price, exponent=2, resolution_wh=RESOLUTION_WH, carried_amount_minor=carried
        )
        carried = bought.carried_amount_minor
        made.append(Purchase(at=at, amount_minor=amount, price=price, credit_wh=bought.energy_wh))
    return tuple(made)


def _about_wh(amount_minor: int, *prices: Decimal) -> tuple[int, ...]:
    """What an amount buys at each of the prices, before rounding to the meter's resolution."""
    return tuple(int(amount_minor * KWH / (100 * price)) for price in prices)


def _returns(place: Place, purchases: Sequence[Purchase], zone: ZoneInfo) -> tuple[Return, ...]:
    """Some of a purchase given back the next morning, where the plan of the demo wants it."""
    if place.room not in RETURNS or len(purchases) < 3:
        return ()
    bought = purchases[len(purchases) // 2]
    morning = (bought.at.astimezone(zone) + timedelta(days=1)).replace(hour=9, minute=41, second=7, microsecond=0)
    return (Return(at=morning, credit_wh=bought.credit_wh // 5 // RESOLUTION_WH * RESOLUTION_WH),)
