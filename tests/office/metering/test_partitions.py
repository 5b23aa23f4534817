"""Partitions are made ahead of time, also for a day of which a wrong clock left readings already."""

from datetime import date

import pytest
from django.db import connection

from prewatt.office.metering import partitions

pytestmark = pytest.mark.django_db


def names_of(day: str) -> list[str]:
    """Where the readings of a day lie."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tableoid::regclass::text FROM metering_reading WHERE at::date = %s::date ORDER BY at", [day]
        )
        return [row[0] for row in cursor.fetchall()]


def test_a_reading_of_the_wrong_year_does_not_keep_its_day_from_being_made() -> None:
    with connection.cursor() as cursor:
        for hour in (1, 2):
            cursor.execute(
                "INSERT INTO metering_reading (site_id, circuit_id, at, full_read, source, quality)"
                " VALUES (1, 1, make_timestamptz(2031, 5, 6, %s, 0, 0, 'UTC'), false, 0, 0)",
                [hour],
            )
    assert names_of("2031-05-06") == ["metering_reading_rest"] * 2
    partitions.make(around=date(2031, 5, 6))
    assert names_of("2031-05-06") == ["metering_reading_20310506"] * 2
    partitions.make(around=date(2031, 5, 7))
