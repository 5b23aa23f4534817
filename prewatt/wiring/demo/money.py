"""The demo's purses that hold money: two Acrel meters that are paid in yuan and count it down themselves.

One stands on the serial line of the office building, one has a modem and dials in. Pure and repeatable; amounts in fen,
also where a field is called `_wh`: it counts what the purse counts.
"""

from datetime import datetime, timedelta
from itertools import accumulate
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

from prewatt.field.simulator import LoadKind
from prewatt.wiring.demo import names
from prewatt.wiring.demo.past import (
    OPENING_COUNT,
    RESOLUTION_WH,
    Past,
    Purchase,
    marks_of,
    price_change,
    prices,
    use_of,
)
from prewatt.wiring.demo.places import KWH, MALL, MODEM_LINE, Aim, Place

NK: Final = "acrel-dtsy1352-nk-purse"
MODEM: Final = "acrel-dtsy1352-4g-purse"
_FIRST_UNIT: Final = 25  # behind the office building's own
_ROOMS: Final = (  # room, sign, profile, line, unit, kWh a year
    ("C-401", "动力方舟健身", NK, "C1-1", _FIRST_UNIT, 16_000),
    ("C-402", "云栖书房", MODEM, MODEM_LINE, 1, 9_000),
)
_AMOUNTS: Final = (20_000, 30_000, 50_000)
_OPENED_WITH: Final = 26_000  # fen
_LATEST: Final = timedelta(minutes=70)


def money_places() -> list[Place]:
    """The two, in the order of their meter numbers."""
    return [
        Place(
            desk=MALL, building="C", floor=4, room=room, sign=sign, area_dm2=24_000 - 6_000 * position,
            number=f"2603116{position + 1:05d}", profile=profile, line=line, unit=unit, ct_ratio=1, load=LoadKind.SHOP,
            annual_kwh=annual, peak_w=12_000, seed=14_001 + position, aim=Aim.NORMAL, balance_wh=None,
            tenant=names.person(700 + position), phone=names.phone(2_100 + position), customer_class="商铺", plan="shop",
            alarm_1=5_000, alarm_2=2_000, overdraft=0, hoarding=0, load_limit_w=0, money=True,
        )
        for position, (room, sign, profile, line, unit, annual) in enumerate(_ROOMS)
    ]  # fmt: skip


def money_past(place: Place, *, now: datetime, zone: ZoneInfo) -> Past:
    """Sixty days: paid at the counter's hours before the money runs out, drained at the price of the day."""
    marks = marks_of(now, zone)
    used, power = use_of(place, marks, now)
    before, after = prices(place.plan)
    change, chance = price_change(now, zone), Random(place.seed)
    reserve = place.alarm_1 + 2 * (place.annual_kwh * int(after * 100) // 365)
    base = place.annual_kwh * KWH // RESOLUTION_WH * RESOLUTION_WH
    shown = [total // RESOLUTION_WH * RESOLUTION_WH for total in accumulate(used, initial=base)]
    made: list[Purchase] = []
    held, thousandths, balances, counts = _OPENED_WITH, 0, [_OPENED_WITH], [OPENING_COUNT]
    for position, slot in enumerate(marks.slots):
        at = marks.hours[position]
        price = before if at < change else after
        if balances[-1] < reserve and 9 <= slot.hour <= 17 and at <= now - _LATEST:
            amount = chance.choice(_AMOUNTS)
            bought = at + timedelta(seconds=chance.randint(60, 3_500))
            made.append(Purchase(at=bought, amount_minor=amount, price=price, credit_wh=amount))
            held += amount
        thousandths += int(price * 100) * (shown[position + 1] - shown[position])
        balances.append(held - thousandths // 1_000)
        counts.append(OPENING_COUNT + len(made))
    return Past(
        hours=marks.hours, energy_wh=tuple(shown), power_w=tuple(power), balance_wh=tuple(balances),
        counts=tuple(counts), purchases=tuple(made), returns=(),
    )  # fmt: skip
