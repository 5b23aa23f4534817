"""Times of use of a meter (时段表): what it was read to count by, what somebody wanted, and how the two stand.

They are the whole meter's. Only its standby set is written, then the time at which the two sets swap; each set that was
wanted stays as a version (`WantedSchedule`). What a write came to is said by what was read, never by what was answered.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from django.db import transaction

from prewatt.core.meters.jobs import Intent, Job, Verdict
from prewatt.core.meters.schedule import Schedule, ScheduleRead, check_schedule
from prewatt.core.refusals import Refused
from prewatt.office.estate.models import Circuit, Meter
from prewatt.office.estate.profiles import all_profiles
from prewatt.office.metering import errors as _errors  # noqa: F401  registers the texts
from prewatt.office.metering.jobs import (
    READ_NOW_LIFE,
    enqueue,
    schedule_json,
    schedule_of,
    schedule_read_of,
)
from prewatt.office.metering.models import JobRow, JobState, WantedSchedule
from prewatt.office.metering.parameters import LastWrite, ParameterState, state_of
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.audit import audit
from prewatt.office.staff.roles import Act

LIFE: Final = timedelta(minutes=15)  # a write that waits longer surprises whoever changed his mind
AHEAD: Final = timedelta(minutes=30)  # a swap time lies at least so far ahead: also of the last moment of `LIFE`
MOST_AHEAD: Final = timedelta(days=2 * 366)
MOST_VERSIONS: Final = 20  # that a page shows
TOLD: Final = (Verdict.DONE.value, Verdict.REFUSED.value, Verdict.DISPUTED.value)


@dataclass(frozen=True, kw_only=True, slots=True)
class Times:
    """What is known of a meter's times of use. `read` None: never read; `wanted` None: nobody wanted any."""

    read: ScheduleRead | None
    read_at: datetime | None
    wanted: WantedSchedule | None
    state: ParameterState


def of_meter(meter: Meter, *, at: datetime) -> Times:
    """What was read last, what is wanted, and how the two stand."""
    circuit = circuit_of(meter)
    rows = JobRow.objects.filter(
        circuit_id=circuit.pk, intent__in=(Intent.READ_SCHEDULE.value, Intent.WRITE_SCHEDULE.value),
        state=JobState.DONE, verdict__in=TOLD, schedule__isnull=False,
    )  # fmt: skip
    newest = rows.order_by("-pk").first()
    wanted = WantedSchedule.objects.filter(meter=meter).select_related("job").order_by("-pk").first()
    read = None if newest is None or newest.schedule is None else schedule_read_of(newest.schedule)
    read_at = None if newest is None else newest.finished_at
    if wanted is None:
        state = ParameterState.UNREAD if read is None else ParameterState.READ_ONLY
        return Times(read=read, read_at=read_at, wanted=None, state=state)
    agrees = read is not None and read_at is not None and _agrees(wanted, read, read_at, ZoneInfo(meter.site.timezone))
    # as numbers: 1 is wanted, and what was read is that or is not
    state = state_of(wanted=1, read=None if read is None else int(agrees), read_at=read_at, write=write_of(wanted.job))
    return Times(read=read, read_at=read_at, wanted=wanted, state=state)


def _agrees(wanted: WantedSchedule, read: ScheduleRead, read_at: datetime, zone: ZoneInfo) -> bool:
    """Until the swap the standby set must be the wanted one and its time set; afterwards the set in force."""
    schedule = schedule_of(wanted.schedule)
    if read_at >= wanted.swap_at:
        return read.in_force == schedule
    return read.standby == schedule and not read.swaps_differ and read.swap_at == wall_of(wanted.swap_at, zone)


def write_of(job: JobRow) -> LastWrite:
    """What came of a write, for `parameters.state_of`."""
    ended = job.state in (JobState.DONE, JobState.DROPPED)
    return LastWrite(
        verdict=Verdict(job.verdict) if job.verdict else None, sent=job.ever_sent,
        ended_at=job.finished_at if ended else None, code=job.code,
    )  # fmt: skip


def wall_of(at: datetime, zone: ZoneInfo) -> int:
    """Local time counted as if it were UTC."""
    return int(at.astimezone(zone).replace(tzinfo=UTC).timestamp())


def circuit_of(meter: Meter) -> Circuit:
    """The circuit over whose mailbox the meter itself is asked. Raises Refused `schedule_not_supported`."""
    circuit = Circuit.objects.filter(meter=meter).order_by("index").first()
    if circuit is None:
        raise Refused("schedule_not_supported")
    return circuit


def versions(meter: Meter) -> Sequence[WantedSchedule]:
    """What was wanted of this meter, newest first, with the job that carried it."""
    return list(WantedSchedule.objects.filter(meter=meter).select_related("job").order_by("-pk")[:MOST_VERSIONS])


def read(meter: Meter, *, request_key: str, at: datetime, actor: str) -> int:
    """Ask the meter what it counts by: what resolves an unknown; the id of the job.

    Raises Refused `schedule_not_supported`, `meter_without_line`.
    """
    profile = all_profiles().get(meter.profile)
    if profile is None or profile.schedule is None:
        raise Refused("schedule_not_supported")
    circuit = circuit_of(meter)
    return enqueue(
        key=f"read:{request_key}:{circuit.pk}:{Intent.READ_SCHEDULE.value}", circuit_id=circuit.pk, at=at, actor=actor,
        job=Job(intent=Intent.READ_SCHEDULE, circuit_index=circuit.index), expires_at=at + READ_NOW_LIFE,
    )  # fmt: skip


def write(
    meter: Meter, schedule: Schedule, *, swap_at: datetime, reason: str, actor: Actor, request_key: str, at: datetime
) -> int:
    """Ask the head-end to write the standby set and then the swap time, a whole minute; the id of the job. The same
    key asks once.

    Raises Refused `not_permitted`, `schedule_not_supported`, `schedule_no_standby`, `schedule_zones`,
    `schedule_tables`, `schedule_periods`, `schedule_rate`, `schedule_swap_past`, `schedule_swap_far`,
    `settings_running` (retry), `meter_without_line`.
    """
    actor.require(Act.METER_SETTINGS)
    profile, zone = all_profiles().get(meter.profile), ZoneInfo(meter.site.timezone)
    table = None if profile is None else profile.schedule
    if table is None or meter.removed_at is not None:
        raise Refused("schedule_not_supported")
    if not table.writable:
        raise Refused("schedule_no_standby")
    check_schedule(schedule, table)
    swap_at = swap_at.replace(second=0, microsecond=0)
    with transaction.atomic():
        Meter.objects.select_for_update(no_key=True).get(pk=meter.pk)
        circuit = circuit_of(meter)
        key = f"times:{request_key}:{meter.pk}"
        known = JobRow.objects.filter(key=key).first()
        if known is not None:
            return int(known.pk)
        if swap_at < at + AHEAD:
            raise Refused("schedule_swap_past", minutes=int(AHEAD.total_seconds()) // 60)
        if swap_at > at + MOST_AHEAD:
            raise Refused("schedule_swap_far")
        waiting = JobRow.objects.filter(circuit=circuit, state__in=(JobState.QUEUED, JobState.CLAIMED))
        if waiting.filter(intent=Intent.WRITE_SCHEDULE.value).exists():
            raise Refused("settings_running", retry=True)
        offset = at.astimezone(zone).utcoffset()
        assert offset is not None, zone
        job = Job(
            intent=Intent.WRITE_SCHEDULE, circuit_index=circuit.index, schedule=schedule,
            swap_at=wall_of(swap_at, zone), zone_s=int(offset.total_seconds()),
        )  # fmt: skip
        job_id = enqueue(key=key, circuit_id=circuit.pk, job=job, at=at, actor=actor.key, expires_at=at + LIFE)
        held = schedule_json(schedule)
        WantedSchedule.objects.create(
            meter=meter, schedule=held, swap_at=swap_at, reason=reason, actor=actor.key, set_at=at, job_id=job_id
        )
        audit(
            at=at, actor=actor.key, action="metering.times", site_id=meter.site_id, object_type="meter",
            object_id=str(meter.pk), reason=reason, after={"schedule": held, "swap_at": swap_at.isoformat()},
        )  # fmt: skip
    return job_id
