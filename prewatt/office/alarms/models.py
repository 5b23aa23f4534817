"""Raised and cleared alarms, and messages to persons. Alarms inform people; they never act."""

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
    REVERSE_POWER = "reverse_power"  # energy comes back from a circuit: panels nobody told of, or a wrong wire
    VOLTAGE_LIMITS = "voltage_limits"  # as the meter itself judges
    POWER_WHILE_OPEN = "power_while_open"  # the relay says open, and power flows: bridged, stuck or wired wrongly
    METER_LOST = "meter_lost"
    LINE_LOST = "line_lost"
    DISPUTED = "disputed"  # a delivery needs a person, or a meter that counted on since a restore
    WISH_UNMET = "wish_unmet"  # telemetry does not follow a wish
    BLACKOUT = "blackout"  # nearly all of a building is silent at once
    STATION_LOST = "station_lost"  # all gateways of a station out of contact: one alarm, not one for each
    BACKUP_FAILED = "backup_failed"  # the scheduled backup; told at every site of the installation
    LATE_RESTORE = "late_restore"  # server-held: paid, and the supply has not come back
    READING_HELD = "reading_held"  # server-held: what the meter says cannot be billed
    READING_FROZEN = "reading_frozen"  # the counter stands still although power says load
    READING_DOUBTED = "reading_doubted"  # not server-held: the counter fell or leapt, and nobody said why
    SET_DISPUTED = "set_disputed"  # prices or times of use: what was read back is neither the old nor the new set
    CLOCK_OFF = "clock_off"  # of a meter, or (without a circuit) of a host that dates its readings in the future


class Alarm(models.Model):
    """One alarm of one circuit, line or station, from raised to cleared."""

    site_id = models.BigIntegerField()
    kind = models.CharField(max_length=16, choices=AlarmKind.choices)
    circuit_id = models.BigIntegerField(null=True)
    line_id = models.BigIntegerField(null=True)
    station_id = models.BigIntegerField(null=True)
    raised_at = models.DateTimeField()
    cleared_at = models.DateTimeField(null=True)
    seen_by = models.CharField(max_length=80, blank=True)
    seen_at = models.DateTimeField(null=True)
    values = models.JSONField(default=dict)  # what was read when it was raised

    class Meta:
        constraints = [
            UniqueConstraint(
                name="one_open_alarm", fields=["site_id", "kind", "circuit_id", "line_id", "station_id"],
                condition=Q(cleared_at__isnull=True), nulls_distinct=False,
            )
        ]
        indexes = [models.Index(fields=["site_id", "-raised_at"], name="alarm_site")]


class Notice(models.Model):
    """A message to one person (通知): what it is about and to whom, never its text. Append-only, as its steps.

    The text is put together when it is sent, from what stands then; a token's digits are in no row of this table.
    """

    key = models.CharField(max_length=96)  # made by the caller: the same key is the same notice
    site_id = models.BigIntegerField()
    kind = models.CharField(max_length=16)  # "token"
    about = models.CharField(max_length=64)  # "token:17"
    customer_id = models.BigIntegerField()
    recipient = models.CharField(max_length=32)  # his number as it was then
    language = models.CharField(max_length=8)  # "zh-hans" | "en"
    actor = models.CharField(max_length=80)
    made_at = models.DateTimeField()

    class Meta:
        constraints = [UniqueConstraint(name="notice_once", fields=["key"])]
        indexes = [models.Index(fields=["about"], name="notice_about")]


class NoticeState(models.TextChoices):
    QUEUED = "queued"
    SUBMITTING = "submitting"  # committed before the notifier is called
    ACCEPTED = "accepted"  # the provider has it
    DELIVERED = "delivered"  # the provider says that it arrived
    REFUSED = "refused"  # for good, or too often
    EXPIRED = "expired"  # nobody could send it in time
    UNKNOWN = "unknown"  # we died or the wire broke while it was handed over


class NoticeStep(models.Model):
    """One step of a notice's course. Who writes step n has it: two senders cannot both submit."""

    notice = models.ForeignKey(Notice, on_delete=models.PROTECT, related_name="steps")
    place = models.SmallIntegerField()  # from 1, without gaps
    state = models.CharField(max_length=10, choices=NoticeState.choices)
    notifier = models.CharField(max_length=16, blank=True)
    code = models.CharField(max_length=64, blank=True)
    reference = models.CharField(max_length=96, blank=True)  # the provider's
    actor = models.CharField(max_length=80)
    at = models.DateTimeField()

    class Meta:
        constraints = [
            UniqueConstraint(name="notice_step_once", fields=["notice", "place"]),
            models.CheckConstraint(name="notice_step_from_one", condition=Q(place__gte=1)),
        ]
        indexes = [models.Index(fields=["at"], name="notice_step_at")]
