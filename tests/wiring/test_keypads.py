"""The plan of the demo's STS meters: it fits beside the other meters, and only a demo can sell with its keys."""

from datetime import UTC, datetime, timedelta

import pytest

from prewatt.core.meters import catalogue
from prewatt.core.sts import MeterPan
from prewatt.office.tokens.sealed import is_test_key
from prewatt.wiring.demo.held import held_places
from prewatt.wiring.demo.keypads import (
    BESIDE,
    BOUGHT_DAYS,
    PROFILE,
    PUBLIC_KEYS,
    keypad_places,
    purchases,
    vending_key,
)
from prewatt.wiring.demo.past import DAYS, price_change
from prewatt.wiring.demo.places import LINES, places
from prewatt.wiring.demo.write import ZONE

NOW = datetime(2026, 11, 23, 2, 10, tzinfo=UTC)


def test_they_have_numbers_rooms_and_units_of_their_own() -> None:
    mine, others = keypad_places(), [*places(), *held_places()]
    assert len(mine) >= 6 and keypad_places() == mine
    assert all(len(each.number) == 12 and each.number.isdigit() for each in mine)
    assert not {each.number for each in mine} & {each.number for each in others}
    assert not {each.room for each in mine} & {each.room for each in others}
    assert BESIDE in {line.key for line in LINES}
    assert not {each.unit for each in mine} & {each.unit for each in others if each.line == BESIDE}
    profile = catalogue()[PROFILE]
    assert profile.token is not None and profile.token.keypad and profile.circuits == 1 and not profile.wired
    for each in mine:
        assert MeterPan.parse(each.meter_pan).digits == each.meter_pan


@pytest.mark.parametrize("hour", range(0, 24, 3))
def test_all_was_bought_at_the_counter_before_today_and_after_opening(hour: int) -> None:
    now = NOW.replace(hour=hour)
    found = purchases(keypad_places(), now=now, zone=ZONE)
    assert len(found) == len(keypad_places()) * len(BOUGHT_DAYS)
    assert found == sorted(found, key=lambda each: (each.at, each.room))
    assert now - timedelta(days=DAYS) < found[0].at and found[-1].at < now - timedelta(days=1)
    assert all(9 <= each.at.astimezone(ZONE).hour <= 17 and each.at.utcoffset() == timedelta(0) for each in found)
    assert len({(each.room, each.at.astimezone(ZONE).date()) for each in found}) == len(found), "one a room and day"
    assert found[0].at < price_change(now, ZONE) < found[-1].at, "before and after the price changed"


def test_a_real_site_refuses_both_keys() -> None:
    assert all(is_test_key(bytes.fromhex(value)) for value in PUBLIC_KEYS.values())
    assert {vending_key(krn).krn for krn in PUBLIC_KEYS} == set(PUBLIC_KEYS) == {1, 2}
