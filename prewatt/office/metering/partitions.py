"""Daily partitions of the readings, made ahead of time."""

from datetime import date

from django.db import connection

DAYS_AHEAD = 7
DAYS_BACK = 1


def make(*, around: date, days_back: int = DAYS_BACK) -> None:
    """Make the partitions of the days around a date; those that stand are left alone."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT metering_make_partitions(%s, %s, %s)", [around, days_back, DAYS_AHEAD])
