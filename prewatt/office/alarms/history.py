"""Alarms of the past, loaded in bulk with their times."""

from collections.abc import Iterable

from prewatt.office.alarms.models import Alarm


def load_alarms(alarms: Iterable[Alarm]) -> None:
    """Store alarms as they were raised and cleared elsewhere before."""
    Alarm.objects.bulk_create(alarms, batch_size=1_000)
