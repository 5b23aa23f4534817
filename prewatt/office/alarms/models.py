"""Raised and cleared alarms. Alarms inform people; they never act."""

from django.db import models
from django.db.models import Q, UniqueConstraint


class AlarmKind(models.TextChoices):
    LOW_CREDIT_1 = "low_credit_1"
    LOW_CREDIT_2 = "low_credit_2"
    ARREARS = "arrears"
    OVERLOAD = "overload"
    MALICIOUS_LOAD = "malicious_load"
    WARNING_TRIP = "warning_trip"
    TAMPER = "tamper"
    METER_LOST = "meter_lost"
    LINE_LOST = "line_lost"
    DISPUTED = "disputed"  # a delivery needs a person, or a meter that counted on since a restore
    WISH_UNMET = "wish_unmet"  # telemetry does not follow a wish
    BLACKOUT = "blackout"  # nearly all of a building is silent at once
    BACKUP_FAILED = "backup_failed"  # the scheduled backup; told at every site of the installation
    LATE_RESTORE = "late_restore"  # server-held: paid, and the supply has not come back
    READING_HELD = "reading_held"  # server-held: what the meter says cannot be billed


class Alarm(models.Model):
    """One alarm of one circuit or line, from raised to cleared."""

    site_id = models.BigIntegerField()
    kind = models.CharField(max_length=16, choices=AlarmKind.choices)
    circuit_id = models.BigIntegerField(null=True)
    line_id = models.BigIntegerField(null=True)
    raised_at = models.DateTimeField()
    cleared_at = models.DateTimeField(null=True)
    seen_by = models.CharField(max_length=80, blank=True)
    seen_at = models.DateTimeField(null=True)
    values = models.JSONField(default=dict)  # what was read when it was raised

    class Meta:
        constraints = [
            UniqueConstraint(
                name="one_open_alarm", fields=["site_id", "kind", "circuit_id", "line_id"],
                condition=Q(cleared_at__isnull=True), nulls_distinct=False,
            )
        ]
        indexes = [models.Index(fields=["site_id", "-raised_at"], name="alarm_site")]
