"""A meter that is given another bus or address, or is taken down, together with what waits for it in the mailbox."""

from datetime import datetime

from django.db import transaction

from prewatt.core.meters.jobs import Intent
from prewatt.core.refusals import Refused
from prewatt.office.estate import wires
from prewatt.office.estate.models import Line, Meter
from prewatt.office.metering import errors as _errors  # noqa: F401  registers the texts
from prewatt.office.metering.models import JobRow, JobState

_WITNESSED = (Intent.CREDIT, Intent.ENTER_TOKEN, Intent.READDRESS, Intent.CHANGE_BAUD)
_CHANGING = (*_WITNESSED, Intent.RELAY, Intent.WRITE_SETTINGS)


def move_meter(meter: Meter, line: Line, *, unit: int, actor: str, at: datetime) -> None:
    """Move a meter; reads that wait are asked for at the new place.

    Refuses meter_busy while a job that could change the meter waits or is at work, or a read is at work: what was
    sent to the old address can only be resolved there. Also as `estate.wires.move_meter`.
    """
    with transaction.atomic():
        held = list(JobRow.objects.select_for_update().filter(meter_id=meter.pk, state__in=("queued", "claimed")))
        if any(each.state == JobState.CLAIMED or each.intent in _CHANGING for each in held):
            raise Refused("meter_busy", retry=True)
        wires.move_meter(meter, line, unit=unit, actor=actor, at=at)
        JobRow.objects.filter(pk__in=[each.pk for each in held]).update(gateway=line.gateway, line_id=line.pk)


def change_profile(meter: Meter, name: str, *, reason: str, actor: str, at: datetime) -> None:
    """Let a meter be read and told by another model; what waits in the mailbox is carried out by the new one.

    Refuses meter_busy while something is at work, or credit or a token waits: what may have left by the old model can
    only be looked for by the old one. And what `wires.set_profile` does. Callers use `changes.profiles.move_to`.
    """
    with transaction.atomic():
        held = list(JobRow.objects.select_for_update().filter(meter_id=meter.pk, state__in=("queued", "claimed")))
        if any(each.state == JobState.CLAIMED or each.intent in _WITNESSED for each in held):
            raise Refused("meter_busy", retry=True)
        wires.set_profile(meter, name, reason=reason, actor=actor, at=at)


def retire_meter(meter: Meter, *, at: datetime) -> None:
    """Nothing is asked of a meter that is taken down: reads that wait are dropped.

    Refuses meter_busy while a job that could change it waits or is at work: only the meter can say what came of it.
    """
    with transaction.atomic():
        held = list(JobRow.objects.select_for_update().filter(meter_id=meter.pk, state__in=("queued", "claimed")))
        if any(each.intent in _CHANGING for each in held):
            raise Refused("meter_busy", retry=True)
        JobRow.objects.filter(pk__in=[each.pk for each in held]).update(
            state=JobState.DROPPED, code="meter_taken_down", finished_at=at
        )
