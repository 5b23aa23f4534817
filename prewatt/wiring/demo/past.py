"""Sixty days of a circuit before first sight: what it used each hour, and what was bought for it.

Pure and repeatable: loads come from the simulator's own curves, so that the past and the running site are
one story. The balance is made to end where the plan wants it: purchases are drawn first, the opening
balance follows from them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

from prewatt.core.units import energy_for_amount
from prewatt.field.simulator import Load, LoadKind, day_w
from prewatt.wiring.demo.places import KWH, Aim, Place

DAYS: Final = 60
PRICE_CHANGE_DAYS: Final = 25  # before first sight
RESOLUTION_WH: Final = 10
OPENING_COUNT: Final = 3  # purchases that lie before the history
RETURNS: Final = ("A-502", "B-302", "2-305")
_AMOUNTS: Final = {
    LoadKind.SHOP: (10_000, 20_000, 30_000, 50_000),
    LoadKind.RESTAURANT: (100_000, 200_000, 300_000),
    LoadKind.SUPERMARKET: (1_000_000, 1_500_000),
    LoadKind.DORM: (2_000, 3_000, 5_000, 10_000),
}
_ENERGY_AT_START_H: Final = 9_000  # hours of average load that a meter has counted before


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


def prices(plan: str) -> tuple[Decimal, Decimal]:
    """Price before and after the change, yuan per kWh."""
    return (Decimal("0.88"), Decimal("0.92")) if plan == "shop" else (Decimal("0.54"), Decimal("0.56"))


def past_of(place: Place, *, now: datetime, zone: ZoneInfo) -> Past:
    """The sixty days before `now` (aware, UTC) of one circuit."""
    start = (now - timedelta(days=DAYS)).replace(minute=0, second=0, microsecond=0)
    hours, used, power = _use(place, start, now, zone)
    prepaid = place.aim not in (Aim.COMMON, Aim.NOT_OPENED)
    purchases: tuple[Purchase, ...] = _purchases(place, hours, used, now, zone) if prepaid else ()
    returns = _returns(place, purchases, zone)
    orders = sorted(
        [*((each.at, each.credit_wh) for each in purchases), *((each.at, -each.credit_wh) for each in returns)]
    )
    base = place.annual_kwh * KWH * _ENERGY_AT_START_H // 8_760
    energy = [base]
    for each in used:
        energy.append(energy[-1] + each)
    final = _final(place)
    total = sum(credit for _, credit in orders)
    balance, counts = [final + sum(used) - total], [OPENING_COUNT]
    for at, each in zip(hours[1:], used, strict=True):
        came = [credit for moment, credit in orders if moment <= at]
        del orders[: len(came)]
        balance.append(balance[-1] - each + sum(came))
        counts.append(counts[-1] + len(came))
    return Past(
        hours=tuple(hours), energy_wh=tuple(energy), power_w=tuple(power),
        balance_wh=tuple(balance) if prepaid else (0,) * len(hours),
        counts=tuple(counts) if prepaid else (0,) * len(hours),
        purchases=purchases, returns=returns,
    )  # fmt: skip


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


def _use(
    place: Place, start: datetime, now: datetime, zone: ZoneInfo
) -> tuple[list[datetime], list[int], list[int]]:
    """Hour marks, Wh in each hour between them, and W at each mark. The last interval ends at `now`."""
    dark_from = now - timedelta(hours=place.dark_h) if place.dark_h else now
    load = Load(kind=place.load, annual_kwh=place.annual_kwh, peak_w=place.peak_w, seed=place.seed)
    empty = place.aim is Aim.NOT_OPENED
    hours, used, power = [start], list[int](), list[int]()
    day: date | None = None
    watts: tuple[int, ...] = ()
    at = start
    while at < now:
        local = at.astimezone(zone)
        if local.date() != day:
            day = local.date()
            watts = day_w(load, day)
        quarters = watts[local.hour * 4 : local.hour * 4 + 4]
        following = min(at + timedelta(hours=1), now)
        on = not empty and at < dark_from
        seconds = int((following - at).total_seconds())
        used.append(sum(quarters) * seconds // (4 * 3600) if on else 0)
        power.append(quarters[0] if on else 0)
        hours.append(following)
        at = following
    power.append(0 if empty or place.dark_h else power[-1])
    return hours, used, power


def _purchases(
    place: Place, hours: Sequence[datetime], used: Sequence[int], now: datetime, zone: ZoneInfo
) -> tuple[Purchase, ...]:
    """Sales at counter hours that keep the circuit supplied, drawn backwards from how it stands now.

    Going back the balance grows by what was used; once a portion fits on top of what a tenant keeps as a
    reserve, he has just bought it.
    """
    chance = Random(place.seed * 31 + 7)
    before, after = prices(place.plan)
    change = now - timedelta(days=PRICE_CHANGE_DAYS)
    latest = now - timedelta(minutes=2_400 if place.aim is not Aim.NORMAL else 70)
    reserve_wh = place.alarm_1 // 2 + place.alarm_2
    portion = chance.choice(_AMOUNTS[place.load])
    balance = _final(place)
    found: list[tuple[datetime, int]] = []
    for at, each in zip(reversed(hours[:-1]), reversed(used), strict=True):
        balance += each
        price = before if at < change else after
        about_wh = int(portion * KWH / (100 * price))
        if at <= latest and 9 <= at.astimezone(zone).hour <= 17 and balance - about_wh >= reserve_wh:
            found.append((at + timedelta(seconds=chance.randint(60, 3_500)), portion))
            balance -= about_wh
            reserve_wh = chance.randint(place.alarm_2, place.alarm_1 + place.alarm_2)
            portion = chance.choice(_AMOUNTS[place.load])
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


def _returns(place: Place, purchases: Sequence[Purchase], zone: ZoneInfo) -> tuple[Return, ...]:
    """Some of a purchase given back the next morning, where the plan of the demo wants it."""
    if place.room not in RETURNS or len(purchases) < 3:
        return ()
    bought = purchases[len(purchases) // 2]
    morning = (bought.at.astimezone(zone) + timedelta(days=1)).replace(hour=9, minute=41, second=7, microsecond=0)
    return (Return(at=morning, credit_wh=bought.credit_wh // 5 // RESOLUTION_WH * RESOLUTION_WH),)
