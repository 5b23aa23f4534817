"""Deferred income of meter-held circuits becomes income as their energy is used, a day at a time."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from django.db import connection

from prewatt.office.billing import releases
from prewatt.office.estate.models import SupplyPoint
from prewatt.office.ledger.books import books
from prewatt.office.ledger.models import AccountKind
from prewatt.office.vending.audits import audit_books
from prewatt.office.vending.models import Delivery
from tests.office.billing.scene import query
from tests.office.vending.scene import AT, Scene, build, meter_says

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
NOON = AT + timedelta(hours=2)  # 12:00 in Shanghai
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture
def scene() -> Iterator[Scene]:
    """Opened at NOON with an empty purse; the counter stands at 1,000 kWh."""
    made = build(1)
    SupplyPoint.objects.update(valid_from=NOON)
    read(made, NOON, 1_000_000, balance=0)
    yield made
    assert audit_books() == []
    [[deferred]] = query("SELECT coalesce(sum(deferred_minor), 0)::bigint FROM billing_purse", [])
    assert books(made.company.pk).of(AccountKind.DEFERRED_INCOME) == deferred


def read(scene: Scene, at: datetime, wh: int, *, balance: int = 0, quality: int = 0) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO metering_reading (site_id, circuit_id, at, full_read, source, quality, energy_wh, balance)"
            " VALUES (%s, %s, %s, true, 0, %s, %s, %s)",
            [scene.site.pk, scene.circuits[0].pk, at, quality, wh, balance],
        )


def bought(scene: Scene, amount_minor: int, at: datetime, key: str = "k1") -> None:
    """Sold and confirmed by the meter at that time."""
    sale = scene.sell(key=key, amount_minor=amount_minor, at=at).sale
    delivery = Delivery.objects.get(sale=sale)
    meter_says(delivery.pk, "done", values=f'{{"purchase_count": {delivery.expected_count}, "balance": 0}}')
    query("UPDATE metering_job SET finished_at = %s WHERE id = %s RETURNING 1", [at, delivery.job_id])
    query("SELECT vending_settle(%s, %s)", [delivery.pk, at])


def income(scene: Scene) -> int:
    return books(scene.company.pk).of(AccountKind.INCOME)


def rows() -> list[tuple[int, str, int]]:
    """Wh, price, minor units, by day."""
    found = query("SELECT energy_wh, price, amount_minor FROM billing_release ORDER BY from_at", [])
    return [(wh, str(price.normalize()), minor) for wh, price, minor in found]


def test_the_share_of_the_credit_that_was_used_is_income_when_the_day_is_over(scene: Scene) -> None:
    bought(scene, 4600, NOON + HOUR)  # 50 kWh at 0.92
    read(scene, NOON + 11 * HOUR, 1_020_000)

    assert releases.sweep(at=NOON + 11.5 * HOUR) == 0
    assert releases.sweep(at=NOON + 12 * HOUR) == 1
    assert (income(scene), rows()) == (20 * 92, [(20_000, "0.92", 1840)])


def test_a_purse_begins_with_a_balance_that_no_order_on_its_way_is_part_of(scene: Scene) -> None:
    """The meter shows the 50 kWh before the books have them: begun then, they would be there twice."""
    query("DELETE FROM metering_reading RETURNING 1", [])
    bought(scene, 4600, NOON + HOUR)
    query("UPDATE vending_delivery SET settled_at = %s RETURNING 1", [NOON + HOUR + timedelta(minutes=2)])
    read(scene, NOON + HOUR + timedelta(minutes=1), 1_000_000, balance=50_000)
    read(scene, NOON + 2 * HOUR, 1_005_000, balance=45_000)
    read(scene, NOON + 11 * HOUR, 1_025_000, balance=25_000)
    releases.sweep(at=NOON + 12 * HOUR)
    assert income(scene) == 4600 * 20 // 45, "25 of the 45 kWh that were left at the first look are left"


def test_a_day_is_released_once(scene: Scene) -> None:
    bought(scene, 4600, NOON + HOUR)
    read(scene, NOON + 2 * HOUR, 1_020_000)
    assert [releases.sweep(at=NOON + DAY), releases.sweep(at=NOON + DAY), releases.sweep(at=NOON + 2 * DAY)] == [
        1,
        0,
        0,
    ]
    assert income(scene) == 1840


def test_many_days_are_released_each_for_itself_and_end_at_nothing(scene: Scene) -> None:
    bought(scene, 4601, NOON + HOUR)  # 50.02 kWh, the rounding carried
    for n in range(1, 7):
        read(scene, NOON + n * DAY, 1_000_000 + n * 10_000)
    releases.sweep(at=NOON + 9 * DAY)

    assert [wh for wh, _, _ in rows()] == [10_000] * 6
    assert sum(minor for _, _, minor in rows()) == income(scene) == 4601


def test_credit_bought_at_two_prices_is_carried_at_the_average(scene: Scene) -> None:
    bought(scene, 4600, NOON + HOUR)  # 50 kWh at 0.92
    query(
        "INSERT INTO estate_planversion (plan_id, price, valid_from, created_at) VALUES (%s, 1.84, %s, %s) RETURNING 1",
        [scene.plan.pk, NOON + 2 * HOUR, NOON],
    )
    bought(scene, 4600, NOON + 3 * HOUR, key="k2")  # 25 kWh at 1.84
    read(scene, NOON + 4 * HOUR, 1_030_000)
    releases.sweep(at=NOON + DAY)
    assert rows() == [(30_000, "1.226667", 9200 * 30 // 75)]


def test_use_past_zero_is_paid_by_the_next_purchase_and_is_income_then(scene: Scene) -> None:
    bought(scene, 920, NOON + HOUR)  # 10 kWh
    read(scene, NOON + 2 * HOUR, 1_015_000)
    releases.sweep(at=NOON + DAY)
    assert income(scene) == 920

    bought(scene, 920, NOON + DAY, key="k2")
    read(scene, NOON + DAY + HOUR, 1_015_000)
    releases.sweep(at=NOON + 2 * DAY)
    assert income(scene) == 920 + 460  # half of it was used before it was paid


def test_a_marked_reading_releases_nothing(scene: Scene) -> None:
    bought(scene, 4600, NOON + HOUR)
    read(scene, NOON + 2 * HOUR, 1_900_000, quality=2)
    read(scene, NOON + 3 * HOUR, 10, quality=1)
    read(scene, NOON + 4 * HOUR, 1_001_000)
    read(scene, NOON + 5 * HOUR, 0)  # the same lie twice, believed by the intake
    releases.sweep(at=NOON + DAY)
    assert rows() == [(1000, "0.92", 92)]


def test_a_delivery_that_is_confirmed_late_counts_from_the_next_day_on(scene: Scene) -> None:
    bought(scene, 920, NOON + HOUR)
    read(scene, NOON + 2 * HOUR, 1_005_000)
    releases.sweep(at=NOON + DAY)
    bought(scene, 920, NOON + 1.5 * HOUR, key="k2")
    read(scene, NOON + DAY + HOUR, 1_010_000)
    releases.sweep(at=NOON + 2 * DAY)
    assert income(scene) == 460 + (460 + 920) * 5000 // 15_000


def test_credit_found_in_the_meter_dilutes_what_was_paid(scene: Scene) -> None:
    query("UPDATE metering_reading SET balance = 50000 RETURNING 1", [])
    bought(scene, 4600, NOON + HOUR)
    read(scene, NOON + 2 * HOUR, 1_050_000)
    releases.sweep(at=NOON + DAY)
    assert rows() == [(50_000, "0.46", 2300)]


def test_the_worked_numbers_of_the_document(scene: Scene) -> None:
    """docs/algorithms/billing.md: two prices, use past zero, a purchase that pays for it."""
    bought(scene, 4600, NOON + HOUR)
    query(
        "INSERT INTO estate_planversion (plan_id, price, valid_from, created_at) VALUES (%s, 1.84, %s, %s) RETURNING 1",
        [scene.plan.pk, NOON + 2 * HOUR, NOON],
    )
    bought(scene, 4600, NOON + 3 * HOUR, key="k2")
    read(scene, NOON + 4 * HOUR, 1_030_000)
    read(scene, NOON + DAY, 1_080_000)
    bought(scene, 1840, NOON + 2 * DAY, key="k3")
    read(scene, NOON + 2 * DAY + HOUR, 1_080_000)
    releases.sweep(at=NOON + 4 * DAY)
    assert [(wh, minor) for wh, _, minor in rows()] == [(30_000, 3680), (50_000, 5520), (0, 920)]


@pytest.mark.parametrize("read_on_the_last_day", [True, False])
def test_what_is_left_when_a_purse_was_emptied_and_closed_is_income(scene: Scene, read_on_the_last_day: bool) -> None:
    bought(scene, 4601, NOON + HOUR)
    read(scene, NOON + 2 * HOUR, 1_010_000)
    releases.sweep(at=NOON + DAY)
    assert income(scene) < 4601
    if read_on_the_last_day:
        read(scene, NOON + 3 * DAY, 1_050_010)
    SupplyPoint.objects.update(state="closed", valid_to=NOON + 3 * DAY)

    assert releases.sweep(at=NOON + 3 * DAY + HOUR) == 0
    releases.sweep(at=NOON + 5 * DAY)
    assert income(scene) == 4601
    assert releases.sweep(at=NOON + 9 * DAY) == 0


def test_money_that_stands_for_next_to_nothing_keeps_no_other_purse_waiting(scene: Scene) -> None:
    """A price of millions for a kWh is no price: shown as the greatest there is, and what is booked is exact."""
    query("DELETE FROM metering_reading RETURNING 1", [])
    for n in range(3):
        bought(scene, 5_000_000, NOON + n * MINUTE, key=f"k{n}")
    read(scene, NOON + HOUR, 1_000_000, balance=1)  # the first that was seen of it
    read(scene, NOON + 2 * HOUR, 1_000_001)
    releases.sweep(at=NOON + DAY)
    assert rows() == [(1, "99999999", 15_000_000)]


def test_a_purse_that_was_closed_before_it_ever_began_leaves_nothing_deferred(scene: Scene) -> None:
    """Opened, sold to, used up and closed within the hour: no sweep saw it open."""
    bought(scene, 4600, NOON + MINUTE)
    read(scene, NOON + 2 * MINUTE, 1_000_500, balance=49_500)
    SupplyPoint.objects.update(state="closed", valid_to=NOON + 30 * MINUTE)
    releases.sweep(at=NOON + DAY)
    assert income(scene) == 4600
    assert releases.sweep(at=NOON + 9 * DAY) == 0
