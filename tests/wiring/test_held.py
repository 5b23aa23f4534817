"""The demo's server-held circuits: sixty days that the books will charge to the fen, one near its alarm, one cut."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from prewatt.wiring.demo.held import CUT, NEAR_ALARM, SHARED, held_pasts, held_places
from prewatt.wiring.demo.past import price_change, prices
from prewatt.wiring.demo.places import LINES, MODEM_LINE, places
from prewatt.wiring.demo.site_file import free_ports

ZONE = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 11, 20, 2, 7, 33, tzinfo=UTC)


@pytest.mark.parametrize("now", [NOW, NOW + timedelta(hours=7), NOW + timedelta(hours=17), NOW + timedelta(days=40)])
def test_at_whatever_hour_it_is_loaded_one_is_near_its_alarm_one_cut_and_the_rest_well(now: datetime) -> None:
    told, pasts = held_pasts(held_places(), now=now, zone=ZONE)
    for place in told:
        past = pasts[place.number]
        balance = past.balance_wh[-1]
        if place.room == CUT:
            assert balance <= -place.overdraft and place.dark_h >= 3 and past.power_w[-1] == 0
            assert len(set(past.energy_wh[-place.dark_h :])) == 1, "what is cut uses nothing"
        else:
            assert balance > place.alarm_1 >= place.alarm_2 and place.dark_h == 0
            assert (balance - place.alarm_1 < 100) == (place.room == NEAR_ALARM)


def test_balances_are_what_was_paid_less_what_was_used_at_the_price_of_the_day() -> None:
    told, pasts = held_pasts(held_places(), now=NOW, zone=ZONE)
    by_room = {place.room: place for place in told}
    change = price_change(NOW, ZONE)
    for place in told:
        if place.room in SHARED:
            continue
        family = [place, *(by_room[room] for room, first in SHARED.items() if first == place.room)]
        paid = sum(bought.amount_minor for bought in pasts[place.number].purchases)
        exact = 0
        for one in family:
            past = pasts[one.number]
            for at, begins, ends in zip(past.hours, past.energy_wh, past.energy_wh[1:], strict=False):
                exact += (ends - begins) * int(prices("shop")[at >= change] * 100)
            assert past.energy_wh[0] % (10 * one.ct_ratio) == past.energy_wh[-1] % (10 * one.ct_ratio) == 0
        assert pasts[place.number].balance_wh[-1] == paid - exact // 1000, place.room


def test_it_stands_beside_the_meter_held_ones_without_taking_a_place_of_theirs() -> None:
    held, others = held_places(), places()
    assert len(held) == 24 and {place.profile for place in held} == {
        "acrel-ddsy1352", "acrel-dtsy1352", "acrel-dtsy1352-nk", "acrel-dtsy1352-shunt"
    }  # fmt: skip
    assert not {place.number for place in held} & {place.number for place in others}
    assert {place.line for place in held} == {"C1-1"}
    assert {line.key for line in LINES} == {"C1-1", MODEM_LINE} | {one.line for one in others}
    assert len({place.unit for place in held}) == 24


def test_purchases_are_made_at_the_counters_hours_and_a_shared_account_has_one_buyer() -> None:
    told, pasts = held_pasts(held_places(), now=NOW, zone=ZONE)
    for place in told:
        bought = pasts[place.number].purchases
        assert (len(bought) == 0) == (place.room in SHARED)
        assert all(9 <= each.at.astimezone(ZONE).hour < 18 and each.at < NOW for each in bought)


def test_no_simulated_line_takes_a_port_that_the_site_itself_will_listen_on(tmp_path: Path) -> None:
    count = len(LINES)
    first = free_ports(tmp_path, count)
    assert len(set(first)) == count
    assert not set(free_ports(tmp_path, count, taken={first[3]})) & set(first)
