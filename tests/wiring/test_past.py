"""The demo's past: few readings that tell the same as all, and a circuit that ends where the plan wants it."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from prewatt.wiring.demo.past import COARSE_H, DAYS, HOURLY_DAYS, OPENING_COUNT, marks_of, past_of
from prewatt.wiring.demo.places import Aim, Place, places

ZONE = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 11, 20, 2, 7, 33, tzinfo=UTC)
WANTED = {place.room: place for place in places()}


def test_readings_are_hourly_for_ten_days_and_coarse_before_with_each_midnight() -> None:
    marks = marks_of(NOW, ZONE)
    kept = [marks.hours[position] for position in marks.read]
    assert kept[0] == marks.hours[0] and kept[-1] == NOW == marks.hours[-1]
    recent = [at for at in kept if at >= NOW - timedelta(days=HOURLY_DAYS)]
    assert len(recent) == HOURLY_DAYS * 24 + 1
    assert all(at.astimezone(ZONE).hour % COARSE_H == 0 for at in kept[1 : -len(recent)])
    midnights = [at for at in marks.hours if (at.astimezone(ZONE).hour, at.minute) == (0, 0)]
    assert len(midnights) == DAYS and set(midnights) <= set(kept)


@pytest.mark.parametrize("room", ["A-103", "A-110", "D-01", "A-305", "1-101", "A-502"])
def test_each_circuit_balances_and_ends_where_it_shall(room: str) -> None:
    place: Place = WANTED[room]
    past = past_of(place, now=NOW, zone=ZONE)
    used = past.energy_wh[-1] - past.energy_wh[0]
    assert past.balance_wh[-1] - past.balance_wh[0] == past.purchased_wh - used
    assert past.counts[0] == OPENING_COUNT
    assert past.counts[-1] - past.counts[0] == len(past.purchases) + len(past.returns) > 0
    assert all(before <= after for before, after in zip(past.energy_wh, past.energy_wh[1:], strict=False))
    assert not any(shown % (10 * place.ct_ratio) for shown in past.energy_wh), "or the meter's next would be lower"
    if place.balance_wh is not None:
        assert past.balance_wh[-1] == place.balance_wh
    assert all(9 <= each.at.astimezone(ZONE).hour < 18 and each.at < NOW for each in past.purchases)


def test_a_dark_circuit_uses_nothing_and_an_unopened_one_never_did() -> None:
    dark = past_of(WANTED["A-305"], now=NOW, zone=ZONE)
    since = NOW - timedelta(hours=WANTED["A-305"].dark_h)
    assert len({energy for at, energy in zip(dark.hours, dark.energy_wh, strict=True) if at > since}) == 1
    assert dark.power_w[-1] == 0
    empty = next(place for place in WANTED.values() if place.aim is Aim.NOT_OPENED)
    never = past_of(empty, now=NOW, zone=ZONE)
    assert never.purchases == () and set(never.power_w) == {0} and set(never.balance_wh) == {0}
