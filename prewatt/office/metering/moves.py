"""A meter that is given another bus or address, or is taken down, together with what waits for it in the mailbox, and
with what people said of its circuits."""

from datetime import datetime

from django.db import transaction

from prewatt.core.meters.jobs import Intent, Wish
from prewatt.core.meters.model import Switch
from prewatt.core.refusals import Refused
from prewatt.office.estate import wires
from prewatt.office.estate.models import Circuit, Line, Meter
from prewatt.office.estate.profiles import all_profiles
from prewatt.office.metering import errors as _errors  # noqa: F401  registers the texts
from prewatt.office.metering import wishes
from prewatt.office.metering.models import JobRow, JobState, MaintenanceTag, RelayWish
from prewatt.office.staff.audit import audit

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


def hand_over(old: Circuit, new: Circuit, *, actor: str, at: datetime) -> None:
    """What people said of a circuit goes over to the one that stands in its place: a maintenance tag, cut or kept on by
    hand, each with who said it, when, why and until when. What the credit decided is decided anew for the new one.

    Refuses handed_to_no_relay: cut by hand, and the new one's model switches nothing. Kept on, such a one is so anyway.
    """
    wish = RelayWish.objects.filter(circuit=old).exclude(wish=Wish.AUTOMATIC.value).first()
    ended = wish is not None and wish.until is not None and wish.until <= at
    profile = all_profiles()[new.meter.profile]
    switches = profile.relay is not None and profile.switch is not Switch.NONE
    if wish is not None and wish.wish == Wish.TRIP and not switches:
        raise Refused("handed_to_no_relay", index=old.index)
    with transaction.atomic():
        for tag in MaintenanceTag.objects.filter(circuit=old, removed_at=None, until__gt=at):
            MaintenanceTag.objects.create(
                circuit=new, name=tag.name, reason=tag.reason, set_at=tag.set_at, until=tag.until, actor=tag.actor
            )
            _said("metering.tag_hang", new, tag.reason, {"name": tag.name, "until": tag.until.isoformat()}, actor, at)
        MaintenanceTag.objects.filter(circuit=old, removed_at=None).update(removed_at=at)
        RelayWish.objects.filter(circuit=old).delete()  # of what is taken down nothing is wished
        if wish is None or ended or not switches:
            return
        RelayWish.objects.create(
            circuit=new, wish=wish.wish, reason=wish.reason, until=wish.until, actor=wish.actor, set_at=wish.set_at
        )
        until = wish.until.isoformat() if wish.until else None
        _said("metering.wish", new, wish.reason, {"wish": wish.wish, "until": until}, actor, at)
        wishes.command(new, Wish(wish.wish), key=f"relay:handed:{old.pk}:{new.pk}", actor=actor, at=at)


def _said(action: str, circuit: Circuit, reason: str, after: dict[str, object], actor: str, at: datetime) -> None:
    audit(
        at=at, actor=actor, action=action, site_id=circuit.site_id, object_type="circuit", object_id=str(circuit.pk),
        reason=reason, after=after,
    )  # fmt: skip
