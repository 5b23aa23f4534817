"""Partitions are made ahead of time, also for a day of which a wrong clock left readings already."""

from datetime import date

import psycopg
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


@pytest.mark.django_db(transaction=True)
def test_a_backup_that_reads_the_tables_is_not_waited_for() -> None:
    """Whoever queues for the table holds up every reading behind him; the days are made a week ahead, and once more."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('metering_reading_20330301') IS NULL")
        assert cursor.fetchone() == (True,)
    settings = connection.settings_dict
    with psycopg.connect(
        dbname=settings["NAME"], user=settings["USER"], host=settings["HOST"], port=settings["PORT"]
    ) as reader:
        reader.execute("LOCK TABLE metering_reading IN ACCESS SHARE MODE")
        partitions.make(around=date(2033, 3, 1))
        with connection.cursor() as cursor:
            cursor.execute("SELECT to_regclass('metering_reading_20330301') IS NULL")
            assert cursor.fetchone() == (True,)
    partitions.make(around=date(2033, 3, 1))
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('metering_reading_20330301') IS NULL")
        assert cursor.fetchone() == (False,)
