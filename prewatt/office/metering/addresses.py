"""Another address or speed for a meter that stands (改地址, 改波特率): asked for here, written and read back by the
head-end; the record follows only what was read back."""

from datetime import datetime, timedelta
from typing import Final

from django.db import transaction

from prewatt.core.meters import Profile
from prewatt.core.meters.jobs import Intent, Job, Verdict
from prewatt.core.meters.model import Protocol
from prewatt.core.refusals import Refused
from prewatt.core.wire.dlt645 import BAUD_BITS
from prewatt.office.estate import links, wires
from prewatt.office.estate.models import Circuit, Line, Meter
from prewatt.office.estate.profiles import all_profiles
from prewatt.office.metering import errors as _errors  # noqa: F401  registers the texts
from prewatt.office.metering.jobs import enqueue
from prewatt.office.metering.models import JobRow, JobState
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.audit import audit
from prewatt.office.staff.roles import Act

TASK: Final = "metering.address_done"
INTENTS: Final = (Intent.READDRESS, Intent.CHANGE_BAUD)
LIFE: Final = timedelta(minutes=5)  # whoever commissions stands beside the meter
_OPEN: Final = (JobState.QUEUED, JobState.CLAIMED)


def can_readdress(meter: Meter) -> bool:
    """Does the model take an address over the wire?"""
    profile = all_profiles().get(meter.profile)
    return profile is not None and (profile.protocol is Protocol.DLT645 or profile.bus is not None)


def speeds(meter: Meter) -> tuple[int, ...]:
    """The speeds it can be given from here: only where the line's own speed is ours to follow with."""
    profile, line = all_profiles().get(meter.profile), meter.line
    if profile is None or profile.protocol is not Protocol.DLT645 or line is None:
        return ()
    if line.transport not in links.OWN_SPEED:
        return ()
    plate = profile.rating
    known = [baud for baud in BAUD_BITS if plate is None or plate.has_baud(baud)]
    return tuple(baud for baud in known if baud != line.baud and baud in links.BAUDS)


def last(meter: Meter) -> JobRow | None:
    """The newest change of address or speed that was asked for."""
    return JobRow.objects.filter(meter_id=meter.pk, intent__in=[each.value for each in INTENTS]).order_by("-pk").first()


def readdress(meter: Meter, *, unit: int, reason: str, actor: Actor, request_key: str, at: datetime) -> int:
    """Give a meter another address: Modbus `unit`; over DL/T 645 the address of its number, `unit` is left aside. After
    a try whose end is not known the same asks where the meter is. The id of the job; the same key asks once.

    Raises Refused: not_permitted, address_not_changeable, unit_out_of_range, unit_not_of_model, unit_taken,
    meter_not_alone, meter_busy (retry), meter_without_line.
    """
    actor.require(Act.ESTATE)
    profile = _profile(meter)
    if profile.protocol is Protocol.DLT645:
        _check_alone(meter)
        job = Job(intent=Intent.READDRESS)
    else:
        if profile.bus is None or unit == meter.unit:
            raise Refused("address_not_changeable")
        wires.check_unit(profile, unit)
        if Meter.objects.filter(line=meter.line, unit=unit, removed_at=None).exists():
            raise Refused("unit_taken", unit=unit)
        before = last(meter)
        unsure = before is not None and before.verdict == Verdict.UNKNOWN.value and before.payload.get("unit") == unit
        job = Job(intent=Intent.READDRESS, unit=unit, again=unsure)
    return _ask(meter, job, reason=reason, actor=actor.key, request_key=request_key, at=at)


def change_baud(meter: Meter, *, baud: int, reason: str, actor: Actor, request_key: str, at: datetime) -> int:
    """Give a meter another speed and let its line follow. Raises Refused: not_permitted, baud_not_changeable,
    meter_not_alone, meter_busy (retry), meter_without_line."""
    actor.require(Act.ESTATE)
    if baud not in speeds(meter):
        raise Refused("baud_not_changeable")
    _check_alone(meter)
    job = Job(intent=Intent.CHANGE_BAUD, baud=baud)
    return _ask(meter, job, reason=reason, actor=actor.key, request_key=request_key, at=at)


def _profile(meter: Meter) -> Profile:
    profile = all_profiles().get(meter.profile)
    if profile is None or meter.removed_at is not None:
        raise Refused("address_not_changeable")
    if meter.line_id is None:
        raise Refused("meter_without_line")
    return profile


def _check_alone(meter: Meter) -> None:
    """What is written to whoever is there, or takes the whole line along, needs a line with one meter."""
    if Meter.objects.filter(line=meter.line, removed_at=None).exclude(pk=meter.pk).exists():
        raise Refused("meter_not_alone")


def _ask(meter: Meter, job: Job, *, reason: str, actor: str, request_key: str, at: datetime) -> int:
    with transaction.atomic():
        Meter.objects.select_for_update(no_key=True).get(pk=meter.pk)
        key = f"address:{request_key}:{meter.pk}"
        known = JobRow.objects.filter(key=key).first()
        if known is not None:
            return int(known.pk)
        first = Circuit.objects.filter(meter=meter).order_by("index").first()
        waiting = JobRow.objects.filter(meter_id=meter.pk, state__in=_OPEN).exclude(intent__startswith="read_")
        if first is None or waiting.exists():
            raise Refused("meter_busy", retry=True)
        job_id = enqueue(
            key=key, circuit_id=first.pk, job=job, at=at, actor=actor, expires_at=at + LIFE, then_task=TASK,
            then_args={"meter_id": meter.pk},
        )  # fmt: skip
        after = {"unit": job.unit or meter.number} if job.intent is Intent.READDRESS else {"baud": job.baud}
        audit(
            at=at, actor=actor, action=f"metering.{job.intent.value}", site_id=meter.site_id, object_type="meter",
            object_id=str(meter.pk), reason=reason, after=after,
        )  # fmt: skip
    return job_id


def settle(meter_id: int, *, at: datetime) -> None:
    """A change has an outcome: the record follows what was read back, and nothing else."""
    meter = Meter.objects.select_related("line__gateway").filter(pk=meter_id, removed_at=None).first()
    row = None if meter is None else last(meter)
    if meter is None or row is None or meter.line is None or row.line_id != meter.line_id:
        return
    if row.state != JobState.DONE or row.verdict != Verdict.DONE.value:
        return
    line: Line = meter.line
    if row.intent == Intent.READDRESS.value and row.payload.get("unit", 0) not in (0, meter.unit):
        wires.move_meter(meter, line, unit=row.payload["unit"], actor=row.actor, at=at)
    if row.intent == Intent.CHANGE_BAUD.value and row.payload["baud"] != line.baud:
        wires.edit_line(
            line, transport=line.transport, port=line.port, baud=row.payload["baud"], actor=row.actor, at=at
        )
