"""The demo's purses in money: what was paid is what they hold and what they drained, and one of them dials in."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from prewatt.core.meters import catalogue
from prewatt.field.simulator.site import load_site
from prewatt.wiring.demo.held import held_places
from prewatt.wiring.demo.money import MODEM, NK, money_past, money_places
from prewatt.wiring.demo.past import price_change, prices
from prewatt.wiring.demo.places import LINES, MODEM_LINE, places
from prewatt.wiring.demo.site_file import write_site
from prewatt.wiring.home import SITE_NAME, demo_dial_in

ZONE = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 11, 20, 2, 7, 33, tzinfo=UTC)


def test_they_take_nobody_s_place() -> None:
    money, others = money_places(), [*places(), *held_places()]
    assert [place.profile for place in money] == [NK, MODEM]
    assert all(catalogue()[place.profile].wallet is not None for place in money)
    assert not {place.number for place in money} & {place.number for place in others}
    assert not {place.room for place in money} & {place.room for place in others}
    assert not {(place.line, place.unit) for place in money} & {(place.line, place.unit) for place in others}


@pytest.mark.parametrize("now", [NOW, NOW + timedelta(hours=7), NOW + timedelta(days=40)])
def test_the_balance_is_what_was_paid_less_energy_at_the_price_of_the_day(now: datetime) -> None:
    change = price_change(now, ZONE)
    for place in money_places():
        past = money_past(place, now=now, zone=ZONE)
        paid = past.balance_wh[0] + sum(each.amount_minor for each in past.purchases)
        exact = sum(
            (after - before) * int(prices("shop")[at >= change] * 100)
            for at, before, after in zip(past.hours, past.energy_wh, past.energy_wh[1:], strict=False)
        )
        assert past.balance_wh[-1] == paid - exact // 1000
        assert min(past.balance_wh) > place.alarm_1, "it stands as normal, and never stood dark"
        assert past.counts[-1] == past.counts[0] + len(past.purchases) and len(past.purchases) > 1


def test_the_site_file_prices_their_purses_and_lets_one_of_them_call(tmp_path: Path) -> None:
    money = money_places()
    pasts = {place.number: money_past(place, now=NOW, zone=ZONE) for place in money}
    ports = {line.key: 15_000 + number for number, line in enumerate(LINES)}
    write_site(tmp_path / SITE_NAME, money, pasts, ports, [])
    site = load_site(tmp_path / SITE_NAME)
    assert demo_dial_in(tmp_path) == ports[MODEM_LINE]
    assert [line.id for line in site.lines if line.dialing is not None] == [MODEM_LINE]
    for meter in site.meters:
        assert meter.circuits[0].settings.price_peak == meter.circuits[0].settings.price_valley == 920_000
        assert meter.circuits[0].opening.balance_wh == pasts[meter.number].balance_wh[-1]


@pytest.mark.parametrize("text", [None, "", "[]", json.dumps({"lines": []})])
def test_a_home_without_such_a_site_is_called_by_nobody(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / SITE_NAME).write_text(text, encoding="utf-8")
    assert demo_dial_in(tmp_path) == 0
