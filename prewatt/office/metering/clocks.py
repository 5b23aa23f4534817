"""The clocks of meters (对时): how far each is off, and telling it the time, by hand or by itself.

A clock that is off charges the wrong rate and freezes at the wrong midnight; one that is set at the wrong moment does
so too. So no clock is set by itself around the minutes at which prices may switch, and none at all around midnight.
"""

from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Q

from prewatt.core.meters import Profile
from prewatt.core.meters.drivers.looks import CLOCK_JUMP_S
from prewatt.core.meters.jobs import Intent, Job
from prewatt.core.meters.model import ClockWay
from prewatt.core.refusals import Refused
from prewatt.office.estate.models import Circuit, Meter
from prewatt.office.estate.profiles import all_profiles
from prewatt.office.metering import errors as _errors  # noqa: F401  registers the texts
from prewatt.office.metering.jobs import enqueue
from prewatt.office.metering.models import JobRow, JobState, MeterClock
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.audit import audit
from prewatt.office.staff.roles import Act

OFF_S: Final = 60  # a clock further off than this is marked, and set by itself
GUARD: Final = timedelta(minutes=5)  # around midnight, and by itself around each half hour: there prices may switch
SWITCH_MINUTES: Final = 30  # periods of the plans and meters we know begin on full and half hours
ONCE: Final = timedelta(hours=24)  # a DL/T 645 meter takes one broadcast a day; none drifts a minute in it
LIFE: Final = timedelta(minutes=4)  # a command that waits longer could be sent inside the guard
FRESH: Final = timedelta(hours=2)  # of the reading of a clock that is set by itself
MOST: Final = 200  # clocks of one sweep


def is_off(clock: MeterClock) -> bool:
    """Is this clock marked?"""
    return abs(clock.ahead_s) > OFF_S


def near_midnight(at: datetime, zone: ZoneInfo) -> bool:
    """Would a clock that is set now skip or repeat a midnight?"""
    return _within(at, zone, 24 * 60)


def near_switch(at: datetime, zone: ZoneInfo) -> bool:
    """Would a clock that is set now skip or repeat a moment at which a price may switch?"""
    return _within(at, zone, SWITCH_MINUTES)


def _within(at: datetime, zone: ZoneInfo, minutes: int) -> bool:
    """Is a local multiple of so many minutes near, now or as long as the command may wait?"""
    local, every = at.astimezone(zone), timedelta(minutes=minutes)
    since = timedelta(hours=local.hour, minutes=local.minute, seconds=local.second) % every
    return since <= GUARD or every - since <= GUARD + LIFE


def set_clock(meter: Meter, *, reason: str, actor: Actor, request_key: str, at: datetime) -> int:
    """Tell a meter the time; the id of the job. The same key asks once.

    Raises Refused: not_permitted, clock_not_settable, clock_near_midnight (retry), clock_running (retry).
    """
    actor.require(Act.METER_SETTINGS)
    return _ask(meter, reason=reason, actor=actor.key, key=f"clock:{request_key}:{meter.pk}", at=at)


def _ask(meter: Meter, *, reason: str, actor: str, key: str, at: datetime) -> int:
    profile, zone = all_profiles().get(meter.profile), ZoneInfo(meter.site.timezone)
    if profile is None or profile.clock is None or meter.line_id is None or meter.removed_at is not None:
        raise Refused("clock_not_settable")
    with transaction.atomic():
        Meter.objects.select_for_update(no_key=True).get(pk=meter.pk)
        known = JobRow.objects.filter(key=key).first()
        if known is not None:
            return int(known.pk)
        if near_midnight(at, zone):
            raise Refused("clock_near_midnight", retry=True)
        if JobRow.objects.filter(
            meter_id=meter.pk, intent=Intent.SET_CLOCK.value, state__in=(JobState.QUEUED, JobState.CLAIMED)
        ).exists():
            raise Refused("clock_running", retry=True)
        first = Circuit.objects.filter(meter=meter).order_by("index").first()
        if first is None:
            raise Refused("clock_not_settable")
        offset = at.astimezone(zone).utcoffset()
        assert offset is not None, zone
        job_id = enqueue(
            key=key, circuit_id=first.pk, at=at, actor=actor, expires_at=at + LIFE,
            job=Job(intent=Intent.SET_CLOCK, circuit_index=first.index, zone_s=int(offset.total_seconds())),
        )  # fmt: skip
        MeterClock.objects.filter(meter=meter).update(asked_at=at, actor=actor)
        audit(
            at=at, actor=actor, action="metering.clock", site_id=meter.site_id, object_type="meter",
            object_id=str(meter.pk), reason=reason, after={"job": job_id},
        )  # fmt: skip
    return job_id


def _by_hand(profile: Profile | None, clock: MeterClock) -> bool:
    broadcast = profile is not None and profile.clock is not None and profile.clock.way is ClockWay.BROADCAST
    return broadcast and abs(clock.ahead_s) > CLOCK_JUMP_S


def sweep(*, at: datetime) -> int:
    """Tell the time to meters whose clock was lately read off, once a day each; how many were asked. What no broadcast
    can set right is written to with a password: that is left to a person."""
    profiles = all_profiles()
    due = (
        MeterClock.objects.filter(Q(ahead_s__gt=OFF_S) | Q(ahead_s__lt=-OFF_S), read_at__gt=at - FRESH)
        .filter(Q(asked_at=None) | Q(asked_at__lte=at - ONCE), meter__removed_at=None, meter__line__isnull=False)
        .select_related("meter__site")
        .order_by("pk")[:MOST]
    )
    asked = 0
    for clock in due:
        if near_switch(at, ZoneInfo(clock.meter.site.timezone)) or _by_hand(profiles.get(clock.meter.profile), clock):
            continue
        try:
            _ask(clock.meter, reason="", actor="system", key=f"clock:auto:{at:%Y%m%dT%H%M%S}:{clock.pk}", at=at)
        except Refused:  # cannot be set, or is being set by hand
            continue
        asked += 1
    return asked
