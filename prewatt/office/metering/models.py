"""Readings, jobs, wishes and the health of wires.

The large tables (readings, latest, daily) are plain SQL (`sql/0001_readings.sql`), lead with
`site_id` and are never the target of a foreign key. Field-facing code is plain psycopg
(`mailbox.py`); ids of the estate are foreign keys only where the ORM writes.
"""

from django.db import models
from django.db.models import CheckConstraint, Q, UniqueConstraint

from prewatt.office.estate.models import Circuit, Gateway, Line, Meter, Site


class Heartbeat(models.Model):
    """A process that lives: `part` is "worker", "stream", "headend:<name>" or "web"."""

    part = models.CharField(max_length=80, primary_key=True)
    at = models.DateTimeField()  # database clock
    detail = models.JSONField(default=dict)


class GatewayLease(models.Model):
    """Which head-end owns a gateway. A row for each gateway; database clock only.

    `epoch` grows with each change of owner; every write of the field carries it, so a head-end that
    was paused and wakes up changes nothing.
    """

    gateway = models.OneToOneField(Gateway, primary_key=True, on_delete=models.PROTECT)
    owner = models.CharField(max_length=80, blank=True)
    epoch = models.BigIntegerField(default=0)
    valid_until = models.DateTimeField()


class LineState(models.Model):
    """Health of a link, apart from its meters."""

    line = models.OneToOneField(Line, primary_key=True, on_delete=models.PROTECT)
    up = models.BooleanField(default=False)
    error = models.CharField(max_length=32, blank=True)
    since = models.DateTimeField()  # of `up`
    at = models.DateTimeField()
    replies = models.BigIntegerField(default=0)
    timeouts = models.BigIntegerField(default=0)
    last_reply_at = models.DateTimeField(null=True)


class MeterState(models.Model):
    """Whether a meter answers, apart from its link."""

    meter = models.OneToOneField(Meter, primary_key=True, on_delete=models.PROTECT)
    silent = models.BooleanField(default=False)
    misses = models.IntegerField(default=0)
    since = models.DateTimeField()
    at = models.DateTimeField()


class JobState(models.TextChoices):
    QUEUED = "queued"
    CLAIMED = "claimed"
    DONE = "done"
    DROPPED = "dropped"  # its reason had gone, or its time was over, before it was sent


class JobRow(models.Model):
    """A command or read for one circuit, in the mailbox of the head-end.

    `then_task` names a background job that is deferred in the transaction that stores an outcome
    (also one that leaves the job queued): what stands above looks at the row then, nothing is
    called upward.
    """

    site_id = models.BigIntegerField()
    # unchecked, it is read from the estate with the row: a check locks the gateway's row for all who sell behind it
    gateway = models.ForeignKey(Gateway, on_delete=models.PROTECT, db_index=False, db_constraint=False)
    line_id = models.BigIntegerField()
    meter_id = models.BigIntegerField()
    circuit = models.ForeignKey(Circuit, on_delete=models.PROTECT, db_index=False)  # found by job_circuit
    key = models.CharField(max_length=120)  # made by the caller
    intent = models.CharField(max_length=16)  # core.meters.jobs.Intent
    payload = models.JSONField()  # the Job, see metering.jobs.encode
    priority = models.SmallIntegerField()  # 0 credit and relay, 1 read now, 2 settings
    state = models.CharField(max_length=8, choices=JobState.choices)
    due_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)  # dropped when not sent by then; null for credit
    claim = models.IntegerField(default=0)  # grows with each claim
    claimed_by = models.CharField(max_length=80, blank=True)
    claimed_epoch = models.BigIntegerField(default=0)
    claimed_at = models.DateTimeField(null=True)
    attempts = models.IntegerField(default=0)
    verdict = models.CharField(max_length=8, blank=True)  # of the last attempt
    code = models.CharField(max_length=48, blank=True)
    values = models.JSONField(default=dict)  # what the last attempt read
    frames = models.JSONField(null=True)  # what was said on the line, of a try (`metering.jobs.frames_of`)
    schedule = models.JSONField(null=True)  # the times of use that were read (`metering.jobs.schedule_read_of`)
    prices = models.JSONField(null=True)  # the price sets that were read (`metering.jobs.prices_read_of`)
    ever_sent = models.BooleanField(default=False)  # a frame that could change the meter may have left
    then_task = models.CharField(max_length=80, blank=True)
    then_args = models.JSONField(default=dict)
    actor = models.CharField(max_length=80)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "metering_job"
        constraints = [UniqueConstraint(name="job_key", fields=["key"])]  # `unique=True` would add an index for LIKE
        indexes = [
            models.Index(
                fields=["gateway", "priority", "due_at"], name="job_open", condition=Q(state__in=["queued", "claimed"])
            ),
            models.Index(fields=["circuit", "-id"], name="job_circuit"),
            models.Index(
                fields=["meter_id"], name="job_set_disputed",
                condition=Q(intent__in=["write_prices", "write_schedule"], verdict="disputed"),
            ),
        ]


class RelayWish(models.Model):
    """What the operator wants of a circuit's relay, and beside it what server-held credit says. No row: automatic.

    `decided` is of server-held circuits only and counts where the operator's word is automatic
    (`wishes.effective`); his word stays his own when credit opens the supply.
    """

    class Decided(models.TextChoices):
        CLOSED = "closed"
        OPEN = "open"

    circuit = models.OneToOneField(Circuit, primary_key=True, on_delete=models.PROTECT)
    wish = models.CharField(max_length=9)  # core.meters.jobs.Wish
    reason = models.CharField(max_length=255)
    until = models.DateTimeField(null=True)  # keep_on only
    actor = models.CharField(max_length=80)
    set_at = models.DateTimeField()
    agreed_at = models.DateTimeField(null=True)  # telemetry agreed with the effective wish
    decided = models.CharField(max_length=6, null=True, choices=Decided.choices)
    decided_cause = models.CharField(max_length=24, blank=True)  # core.tariffs.supply.Cause
    decided_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            CheckConstraint(
                name="wish_keep_on_until",
                condition=Q(wish="keep_on", until__isnull=False) | (~Q(wish="keep_on") & Q(until__isnull=True)),
            ),
            CheckConstraint(
                name="wish_decided_whole",
                condition=Q(decided__isnull=True, decided_at__isnull=True)
                | Q(decided__isnull=False, decided_at__isnull=False),
            ),
        ]


class MaintenanceTag(models.Model):
    """People at work: do not close (检修挂牌)."""

    circuit = models.ForeignKey(Circuit, on_delete=models.PROTECT)
    name = models.CharField(max_length=64)  # who works there
    reason = models.CharField(max_length=255)
    set_at = models.DateTimeField()
    until = models.DateTimeField()
    removed_at = models.DateTimeField(null=True)
    actor = models.CharField(max_length=80)

    class Meta:
        constraints = [
            UniqueConstraint(name="one_tag_per_circuit", fields=["circuit"], condition=Q(removed_at__isnull=True))
        ]


class SupplyEvent(models.Model):
    """A change of supply seen in telemetry: relay opened or closed, and why; a link lost or back."""

    class Kind(models.TextChoices):
        OPENED = "opened"
        CLOSED = "closed"
        LINE_LOST = "line_lost"
        LINE_BACK = "line_back"
        METER_LOST = "meter_lost"
        METER_BACK = "meter_back"

    site_id = models.BigIntegerField()
    circuit_id = models.BigIntegerField(null=True)
    line_id = models.BigIntegerField(null=True)
    kind = models.CharField(max_length=12, choices=Kind.choices)
    cause = models.CharField(max_length=24, blank=True)  # StatusBit, when known
    at = models.DateTimeField()
    balance = models.BigIntegerField(null=True)
    power_w = models.IntegerField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["site_id", "at"], name="supply_event_site"),
            models.Index(fields=["circuit_id", "-at"], name="supply_event_circuit"),
        ]


class WantedSetting(models.Model):
    """One version of what somebody wanted a writable parameter of a meter to be (参数版本). Never changed but by how its
    write ended; the newest of a quantity is what is wanted now.
    """

    circuit = models.ForeignKey(Circuit, on_delete=models.PROTECT, db_index=False)
    quantity = models.CharField(max_length=32)  # core.meters.quantities.Quantity
    value = models.BigIntegerField()  # in the quantity's unit
    before = models.BigIntegerField(null=True)  # what was agreed until then; null: nothing was, nor was it read
    reason = models.CharField(max_length=255)
    actor = models.CharField(max_length=80)
    set_at = models.DateTimeField()
    job = models.ForeignKey(JobRow, on_delete=models.PROTECT, db_index=False)  # commands are kept, reads are not

    class Meta:
        indexes = [models.Index(fields=["circuit", "quantity", "-id"], name="wanted_setting_newest")]


class WantedSet(models.Model):
    """One version of a whole set that somebody wanted of a meter, and when its two sets are to swap. Never changed; the
    newest is what is wanted now. The set itself stands in the column of its kind.
    """

    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, db_index=False)
    swap_at = models.DateTimeField()
    reason = models.CharField(max_length=255)
    actor = models.CharField(max_length=80)
    set_at = models.DateTimeField()
    job = models.ForeignKey(JobRow, on_delete=models.PROTECT, db_index=False)  # commands are kept, reads are not

    class Meta:
        abstract = True


class WantedSchedule(WantedSet):
    """Times of use that were wanted (时段版本)."""

    schedule = models.JSONField()  # metering.jobs.schedule_json

    class Meta:
        indexes = [models.Index(fields=["meter", "-id"], name="wanted_schedule_newest")]


class WantedPrices(WantedSet):
    """Prices that were to be held in readiness (电价版本)."""

    prices = models.JSONField()  # metering.jobs.prices_json

    class Meta:
        indexes = [models.Index(fields=["meter", "-id"], name="wanted_prices_newest")]


class Gap(models.Model):
    """A time in which nothing was read of a circuit, from its last reading to the next, and a day of its site ended.

    Written by `metering_absorb`. `freezes.sweep` asks the meter for what it froze meanwhile; nothing after the gap is
    charged before that has ended, or `waits_until`.
    """

    class State(models.TextChoices):
        OPEN = "open"
        FILLED = "filled"  # with a freeze for each of its midnights
        PARTLY = "partly"
        EMPTY = "empty"  # the model keeps none, or none came that can be true

    site_id = models.BigIntegerField()
    circuit_id = models.BigIntegerField()
    from_at = models.DateTimeField()
    to_at = models.DateTimeField()
    before_wh = models.BigIntegerField()  # the newest energy of before
    state = models.CharField(max_length=6, choices=State.choices)
    next_day = models.DateField(null=True)  # local; what lies before it was asked for
    job_id = models.BigIntegerField(null=True)
    tries = models.SmallIntegerField(default=0)
    due_at = models.DateTimeField()
    waits_until = models.DateTimeField()
    freezes = models.SmallIntegerField(default=0)  # that became readings
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [UniqueConstraint(name="gap_once", fields=["circuit_id", "from_at"])]
        indexes = [models.Index(fields=["due_at"], name="gap_open", condition=Q(ended_at__isnull=True))]


class Caller(models.Model):
    """Somebody who dialled in and is no gateway of ours: he waits until a person takes him over or refuses him.

    Written by `metering_called`; one row for each name he gave, whoever gave it. With `detail` NOT_PROVED it is that
    of a gateway that stands, and he said a wrong key.
    """

    identity = models.CharField(max_length=96, primary_key=True)  # as `core.wire.serialserver.shown` writes it
    kind = models.CharField(max_length=16)  # as `core.meters.mailbox.Call` names them
    peer = models.CharField(max_length=64)  # address of the last call
    detail = models.CharField(max_length=255, blank=True)
    headend = models.CharField(max_length=80)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    calls = models.IntegerField(default=1)
    refused_at = models.DateTimeField(null=True)
    refused_by = models.CharField(max_length=80, blank=True, db_default="", default="")


class MeterClock(models.Model):
    """What a meter's clock was ahead of ours when it was read last (behind: below zero), and when it was set last."""

    meter = models.OneToOneField(Meter, primary_key=True, on_delete=models.PROTECT)
    ahead_s = models.BigIntegerField()
    read_at = models.DateTimeField()
    asked_at = models.DateTimeField(null=True)  # when it was last told the time, by hand or by itself
    actor = models.CharField(max_length=80, blank=True)


class AlsoRead(models.Model):
    """What the last full reads of a circuit said beside its readings: {quantity: value in the unit of `Quantity`}."""

    circuit = models.OneToOneField(Circuit, primary_key=True, on_delete=models.PROTECT)
    at = models.DateTimeField()
    said = models.JSONField()


class LineScan(models.Model):
    """A scan of a line that somebody asked for (扫描): what answered, and what it may be. The newest are kept."""

    class State(models.TextChoices):
        WAITING = "waiting"  # no head-end has begun it
        RUNNING = "running"
        DONE = "done"
        STOPPED = "stopped"
        FAILED = "failed"

    site_id = models.BigIntegerField()
    gateway = models.ForeignKey(Gateway, on_delete=models.PROTECT)
    line = models.ForeignKey(Line, on_delete=models.PROTECT)
    plan = models.JSONField()  # `metering.scan_post.plan_of`
    state = models.CharField(max_length=8)
    code = models.CharField(max_length=32, blank=True)  # why it failed
    asked = models.IntegerField(default=0)
    total = models.IntegerField(default=0)  # as it looks now: who answers is asked more
    found = models.JSONField(default=list)  # `metering.scans.found_of`
    stop_asked = models.BooleanField(default=False)
    epoch = models.BigIntegerField(default=0)  # of the lease it runs under
    actor = models.CharField(max_length=80)
    created_at = models.DateTimeField()
    begun_at = models.DateTimeField(null=True)
    said_at = models.DateTimeField(null=True)  # the head-end's last word, database clock
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            UniqueConstraint(name="one_scan_per_line", fields=["line"], condition=Q(state__in=["waiting", "running"]))
        ]


class Acceptance(models.Model):
    """What was found of the meters of a line or a site on the day they were accepted (现场验收). Append-only: the
    database refuses every change."""

    site = models.ForeignKey(Site, on_delete=models.PROTECT, db_index=False)
    line = models.ForeignKey(Line, null=True, on_delete=models.PROTECT)  # null: the whole site
    accepted_by = models.CharField(max_length=80)  # as the person signs
    remark = models.CharField(max_length=500, blank=True)
    data = models.JSONField()  # `metering.acceptance.Accepted` of each circuit
    actor = models.CharField(max_length=80)
    at = models.DateTimeField()

    class Meta:
        db_table = "metering_acceptance"
        indexes = [models.Index(fields=["site", "-id"], name="acceptance_newest")]
