"""The demo's server-held circuits: an office building on Acrel meters, whose credit the books hold (后台计费).

The plan and the sixty days of it, pure and repeatable; `write_held` puts it into the books. Money in fen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import accumulate
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

from prewatt.field.simulator import LoadKind
from prewatt.wiring.demo import names
from prewatt.wiring.demo.past import (
    RESOLUTION_WH,
    Marks,
    Past,
    Purchase,
    counted,
    marks_of,
    price_change,
    prices,
    use_of,
)
from prewatt.wiring.demo.places import DDSY, DTSY, KWH, MALL, Aim, Place

BUILDING, LINE = "C", "C1-1"
FLOORS, DOORS = (3, 2, 1), range(1, 9)
SHARED: Final = {"C-102": "C-101"}  # a second circuit of the same tenant, on the same balance
CUT: Final = "C-208"
NEAR_ALARM: Final = "C-205"
OVERDRAWN: Final = {"C-301": 20_000}  # may be used on credit
_THREE_PHASE: Final = {"C-101": 1, "C-201": 1, "C-301": 20, "C-308": 1}  # room -> CT ratio
_PROFILES: Final = {"C-201": "acrel-dtsy1352-nk", "C-308": "acrel-dtsy1352-shunt"}  # a relay inside; a breaker beside
_NEAR_MINOR: Final = 60  # so little above its first alarm level
_QUIET_DAYS: Final = range(12, 40, 4)  # so long ago the one who is cut bought last: the first that is long enough
_CUT_SINCE_H: Final = 3  # at least


def held_places() -> list[Place]:
    """Twenty-four circuits in the order of their meter numbers."""
    made: list[Place] = []
    for floor in FLOORS:
        for door in DOORS:
            made.append(_place(f"{BUILDING}-{floor}{door:02d}", floor, len(made) + 1))
    return made


def _place(room: str, floor: int, unit: int) -> Place:
    chance = Random(f"held:{room}")
    ratio = _THREE_PHASE.get(room, 0)
    annual = chance.randint(45, 120) * 100 * (4 if ratio > 1 else 1)
    a_day_minor = annual * 92 // 365
    return Place(
        desk=MALL, building=BUILDING, floor=floor, room=room, sign=names.OFFICE_SIGNS[unit - 1],
        area_dm2=chance.randint(40, 160) * 100, number=f"2603115{unit:05d}",
        profile=_PROFILES.get(room, DTSY if ratio else DDSY), line=LINE,
        unit=unit, ct_ratio=max(1, ratio), load=LoadKind.SHOP, annual_kwh=annual, peak_w=40_000 if ratio > 1 else 7_500,
        seed=12_000 + unit, aim=Aim.ARREARS if room == CUT else Aim.NORMAL, balance_wh=None,
        tenant=names.person(600 + unit), phone=names.phone(2_000 + unit), customer_class="办公", plan="shop",
        alarm_1=3 * a_day_minor, alarm_2=a_day_minor, overdraft=OVERDRAWN.get(room, 0), hoarding=0, load_limit_w=0,
        held=True,
    )  # fmt: skip


def held_pasts(wanted: Sequence[Place], *, now: datetime, zone: ZoneInfo) -> tuple[list[Place], dict[str, Past]]:
    """The sixty days of each, by meter number, and the places with what the past says of them (since when dark, the
    alarm level that is near). `Past.balance_wh` is here the account's balance in minor units."""
    told: list[Place] = []
    pasts: dict[str, Past] = {}
    by_room = {place.room: place for place in wanted}
    for place in wanted:
        if place.room in SHARED:
            continue
        family = [place, *(by_room[room] for room, first in SHARED.items() if first == place.room)]
        for one, past in zip(family, _family(family, now=now, zone=zone), strict=True):
            dark = sum(1 for watts in past.power_w[1:] if not watts) if one.room == CUT else 0
            near = past.balance_wh[-1] - _NEAR_MINOR if one.room == NEAR_ALARM else one.alarm_1
            told.append(replace(one, dark_h=dark, alarm_1=near, alarm_2=min(one.alarm_2, near)))
            pasts[one.number] = past
    return sorted(told, key=lambda place: place.number), pasts


def _family(family: Sequence[Place], *, now: datetime, zone: ZoneInfo) -> list[Past]:
    """Circuits that share an account; the first one's window buys for all."""
    marks = marks_of(now, zone)
    loads = [use_of(place, marks, now) for place in family]
    used = [counted(watt_hours, place) for (watt_hours, _), place in zip(loads, family, strict=True)]
    quiet = _QUIET_DAYS if family[0].room == CUT else (0,)
    for days in quiet:
        purchases, balance, cut = _account(family[0], marks, used, now, zone, quiet_days=days)
        if days == 0 or cut <= len(balance) - 1 - _CUT_SINCE_H:
            break
    nothing = (0,) * len(marks.hours)
    found = []
    for place, energy, (_, power) in zip(family, used, loads, strict=True):
        base = place.annual_kwh * KWH // (RESOLUTION_WH * place.ct_ratio) * (RESOLUTION_WH * place.ct_ratio)
        lit = [*energy[:cut], *[0] * (len(energy) - cut)]
        found.append(
            Past(
                hours=marks.hours, energy_wh=tuple(accumulate(lit, initial=base)),
                power_w=(*power[:cut], *[0] * (len(power) - cut)) if cut < len(energy) else tuple(power),
                balance_wh=tuple(balance), counts=nothing, purchases=purchases if place is family[0] else (),
                returns=(),
            )
        )  # fmt: skip
    return found


def _account(
    place: Place, marks: Marks, used: Sequence[Sequence[int]], now: datetime, zone: ZoneInfo, *, quiet_days: int
) -> tuple[tuple[Purchase, ...], list[int], int]:
    """Purchases, the balance at each mark, and the interval from which the supply is cut (behind the last: it is
    not). Bought by day when the reserve is reached; used as `billing.charges` bills it, in whole fen."""
    chance = Random(place.seed)
    before, after = prices(place.plan)
    change = price_change(now, zone)
    latest = now - timedelta(minutes=70) - timedelta(days=quiet_days)
    a_day_minor = place.alarm_2
    portion = max(10_000, chance.randint(4, 7 if quiet_days else 25) * a_day_minor // 10_000 * 10_000)
    made: list[Purchase] = []
    paid, thousandths = 0, 0
    balance = [0]
    for position, slot in enumerate(marks.slots):
        at = marks.hours[position]
        if balance[-1] <= 0 and quiet_days and at > latest:
            return tuple(made), [*balance, *[balance[-1]] * (len(marks.hours) - len(balance))], position
        price = before if at < change else after
        reserve = place.alarm_1 + 2 * a_day_minor if not quiet_days else place.alarm_2
        if balance[-1] < reserve and 9 <= slot.hour <= 17 and at <= latest:
            amount = portion * max(1, (reserve - balance[-1]) // portion + 1)
            bought = at + timedelta(seconds=chance.randint(60, 3_500))
            made.append(Purchase(at=bought, amount_minor=amount, price=price, credit_wh=amount))
            paid += amount
        thousandths += int(price * 100) * sum(each[position] for each in used)
        balance.append(paid - thousandths // 1_000)
    return tuple(made), balance, len(marks.slots)


def shared_with(wanted: Sequence[Place]) -> Mapping[str, str]:
    """Meter number -> the meter number whose contract it is under, of second circuits."""
    by_room = {place.room: place.number for place in wanted}
    return {by_room[room]: by_room[first] for room, first in SHARED.items() if room in by_room}
