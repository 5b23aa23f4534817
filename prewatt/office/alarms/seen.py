"""Saying that an alarm was seen (确认): it stays open until its cause has gone."""

from datetime import datetime

from django.db import transaction

from prewatt.core.refusals import Refused
from prewatt.office.alarms import errors as _errors  # noqa: F401  registers the texts
from prewatt.office.alarms.models import Alarm
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.audit import audit
from prewatt.office.staff.roles import Act


def mark_seen(alarm: Alarm, *, actor: Actor, at: datetime) -> None:
    """Note who saw it first. Refuses not_permitted, alarm_unknown (cleared meanwhile)."""
    actor.require(Act.ALARMS)
    with transaction.atomic():
        unseen = Alarm.objects.filter(pk=alarm.pk, cleared_at=None, seen_at=None)
        changed = unseen.update(seen_by=actor.name, seen_at=at)
        if changed:
            audit(
                at=at, actor=actor.key, action="alarms.seen", site_id=alarm.site_id, object_type="alarm",
                object_id=str(alarm.pk),
            )  # fmt: skip
        elif not Alarm.objects.filter(pk=alarm.pk, cleared_at=None).exists():
            raise Refused("alarm_unknown")
