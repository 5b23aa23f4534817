"""The sum on the contract page goes up to the balance that the page shows, also right after a sale."""

from datetime import timedelta

import pytest
from django.db import connection

from prewatt.office.reports.use import BalanceSum, balance_sum
from prewatt.office.vending.models import Delivery
from tests.office.billing.scene import query
from tests.office.vending.scene import AT, Scene, build, meter_says

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


def read(scene: Scene, at: int, balance: int, *, count: int, wh: int | None) -> None:
    """Minutes after AT; without Wh it is a status poll."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO metering_reading (site_id, circuit_id, at, full_read, source, quality, energy_wh, balance,"
            " purchase_count) VALUES (%s, %s, %s, %s, 0, 0, %s, %s, %s)",
            [scene.site.pk, scene.circuits[0].pk, AT + at * MINUTE, wh is not None, wh, balance, count],
        )
        cursor.execute(
            "INSERT INTO metering_latest (site_id, circuit_id, at, energy_wh, balance, purchase_count)"
            " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (site_id, circuit_id) DO UPDATE SET at = excluded.at,"
            " energy_wh = coalesce(excluded.energy_wh, metering_latest.energy_wh), balance = excluded.balance,"
            " purchase_count = excluded.purchase_count",
            [scene.site.pk, scene.circuits[0].pk, AT + at * MINUTE, wh, balance, count],
        )


def summed(scene: Scene) -> BalanceSum:
    made = balance_sum(scene.site.pk, scene.circuits[0].pk, since=AT, at=AT + 60 * MINUTE)
    assert made is not None
    return made


def test_a_sale_that_was_just_confirmed_is_in_the_sum_as_it_is_in_the_balance() -> None:
    scene = build(1)
    read(scene, 0, 100_000, count=3, wh=1_000_000)
    read(scene, 5, 99_000, count=3, wh=1_001_000)
    delivery = Delivery.objects.get(sale=scene.sell(amount_minor=4600, at=AT + 6 * MINUTE).sale)
    meter_says(delivery.pk, "done", values='{"purchase_count": 4, "balance": 148800}')
    query("SELECT vending_settle(%s, %s)", [delivery.pk, AT])
    read(scene, 6, 148_800, count=4, wh=None)  # came with the confirmation, whose clock is another one

    made = summed(scene)
    assert (made.opening, made.bought, made.used, made.now) == (100_000, 50_000, 1_200, 148_800)
    assert made.differs == 0


def test_credit_that_came_another_way_still_shows() -> None:
    scene = build(1)
    read(scene, 0, 100_000, count=3, wh=1_000_000)
    read(scene, 5, 129_000, count=4, wh=1_001_000)
    assert summed(scene).differs == 30_000


def test_what_was_used_since_energy_was_read_last_is_what_the_purse_lost() -> None:
    scene = build(1)
    read(scene, 0, 100_000, count=3, wh=1_000_000)
    read(scene, 5, 99_000, count=3, wh=1_001_000)
    read(scene, 6, 98_900, count=3, wh=None)
    made = summed(scene)
    assert (made.used, made.differs, made.now) == (1_100, 0, 98_900)
