"""Relay wishes (期望状态) and maintenance tags (检修挂牌): states that the field is made to follow."""

from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction

from prewatt.core.meters.jobs import Intent, Job, Wish
from prewatt.core.meters.quantities import StatusBit
from prewatt.core.refusals import Refused
from prewatt.office.estate.models import Circuit
from prewatt.office.metering import errors as _errors  # noqa: F401  registers the texts
from prewatt.office.metering.jobs import drop_queued, enqueue
from prewatt.office.metering.models import MaintenanceTag, RelayWish
from prewatt.office.staff.audit import audit

BITS = {bit: 1 << position for position, bit in enumerate(StatusBit)}
_BLOCKS = {
    StatusBit.OVERLOAD_TRIP: "close_blocked_overload",
    StatusBit.MALICIOUS_LOAD_TRIP: "close_blocked_malicious_load",
    StatusBit.TAMPER: "close_blocked_tamper",
    StatusBit.HAND_OPENED: "close_blocked_hand_opened",
}


@dataclass(frozen=True, kw_only=True)
class Latest:
    """What the newest telemetry says of a relay. None: never read."""

    relay: int | None
    status: int


def latest(circuit: Circuit) -> Latest:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relay, status FROM metering_latest WHERE site_id = %s AND circuit_id = %s",
            [circuit.site_id, circuit.pk],
        )
        row = cursor.fetchone()
    return Latest(relay=row[0], status=row[1]) if row else Latest(relay=None, status=0)


def blocked_closing(circuit: Circuit, *, at: datetime) -> Refused | None:
    """What forbids closing this relay: a tag, or a cause of the opening other than credit and command."""
    tag = MaintenanceTag.objects.filter(circuit=circuit, removed_at=None, until__gt=at).first()
    if tag is not None:
        return Refused("close_blocked_maintenance_tag", name=tag.name, until=tag.until.isoformat())
    now = latest(circuit)
    if now.relay == 0:
        for bit, code in _BLOCKS.items():
            if now.status & BITS[bit]:
                return Refused(code)
    return None


def set_wish(
    circuit: Circuit, wish: Wish, *, reason: str, until: datetime | None, actor: str, request_key: str, at: datetime
) -> int:
    """Store the wish and put the relay job into the mailbox; the job's id. 下发 starts at once.

    Refuses: wish_needs_reason, wish_needs_until, wish_until_past, wish_until_not_allowed, never_cut,
    close_blocked_*. A queued relay command of an earlier wish is dropped: its reason has gone.
    """
    if not reason.strip():
        raise Refused("wish_needs_reason")
    if wish is Wish.KEEP_ON and until is None:
        raise Refused("wish_needs_until")
    if wish is not Wish.KEEP_ON and until is not None:
        raise Refused("wish_until_not_allowed")
    if until is not None and until <= at:
        raise Refused("wish_until_past")
    if wish is Wish.TRIP and circuit.never_cut:
        raise Refused("never_cut")
    with transaction.atomic():
        Circuit.objects.select_for_update(no_key=True).get(pk=circuit.pk)
        if wish is not Wish.TRIP and (refusal := blocked_closing(circuit, at=at)) is not None:
            raise refusal
        before = RelayWish.objects.filter(circuit=circuit).first()
        RelayWish.objects.update_or_create(
            circuit=circuit,
            defaults={
                "wish": wish.value, "reason": reason.strip(), "until": until, "actor": actor, "set_at": at,
                "agreed_at": None,
            },
        )  # fmt: skip
        audit(
            at=at, actor=actor, action="metering.wish", site_id=circuit.site_id, object_type="circuit",
            object_id=str(circuit.pk), reason=reason,
            before={"wish": before.wish if before else Wish.AUTOMATIC.value},
            after={"wish": wish.value, "until": until.isoformat() if until else None},
        )  # fmt: skip
        return command(circuit, wish, key=f"relay:{request_key}", actor=actor, at=at)


def load_wish(circuit: Circuit, wish: Wish, *, reason: str, until: datetime, actor: str, at: datetime) -> None:
    """A wish of the past that the meter follows already: nothing is sent. The last one stands.

    Refuses: wish_needs_reason, wish_until_past, never_cut.
    """
    if not reason.strip():
        raise Refused("wish_needs_reason")
    if until <= at:
        raise Refused("wish_until_past")
    if wish is Wish.TRIP and circuit.never_cut:
        raise Refused("never_cut")
    with transaction.atomic():
        RelayWish.objects.update_or_create(
            circuit=circuit,
            defaults={
                "wish": wish.value, "reason": reason.strip(), "until": until, "actor": actor, "set_at": at,
                "agreed_at": at,
            },
        )  # fmt: skip
        audit(
            at=at, actor=actor, action="metering.wish", site_id=circuit.site_id, object_type="circuit",
            object_id=str(circuit.pk), reason=reason, after={"wish": wish.value, "until": until.isoformat()},
        )  # fmt: skip


def command(circuit: Circuit, wish: Wish, *, key: str, actor: str, at: datetime) -> int:
    """One relay job for a wish; earlier ones that still wait are dropped."""
    drop_queued(circuit_ids=[circuit.pk], intent=Intent.RELAY, code="superseded")
    return enqueue(
        key=key,
        circuit_id=circuit.pk,
        job=Job(intent=Intent.RELAY, circuit_index=circuit.index, wish=wish),
        at=at,
        actor=actor,
        then_task="metering.relay_done",
        then_args={"circuit_id": circuit.pk},
    )


def agrees(wish: Wish, now: Latest) -> bool:
    """Whether telemetry follows the wish. In `automatic` the meter decides: only our own commands must be off."""
    if wish is Wish.KEEP_ON:
        return now.relay == 1 and bool(now.status & BITS[StatusBit.KEPT_ON])
    if wish is Wish.TRIP:
        return now.relay == 0
    return not now.status & (BITS[StatusBit.KEPT_ON] | BITS[StatusBit.COMMAND_TRIP])


def hang_tag(circuit: Circuit, *, name: str, reason: str, until: datetime, actor: str, at: datetime) -> MaintenanceTag:
    """Hang a maintenance tag. Refuses tag_exists, wish_until_past."""
    if until <= at:
        raise Refused("wish_until_past")
    with transaction.atomic():
        Circuit.objects.select_for_update(no_key=True).get(pk=circuit.pk)
        MaintenanceTag.objects.filter(circuit=circuit, removed_at=None, until__lte=at).update(removed_at=at)
        if MaintenanceTag.objects.filter(circuit=circuit, removed_at=None).exists():
            raise Refused("tag_exists")
        tag = MaintenanceTag.objects.create(
            circuit=circuit, name=name, reason=reason, set_at=at, until=until, actor=actor
        )
        audit(
            at=at, actor=actor, action="metering.tag_hang", site_id=circuit.site_id, object_type="circuit",
            object_id=str(circuit.pk), reason=reason, after={"name": name, "until": until.isoformat()},
        )  # fmt: skip
    return tag


def remove_tag(circuit: Circuit, *, actor: str, at: datetime) -> None:
    """Take the maintenance tag off. Refuses tag_unknown."""
    with transaction.atomic():
        changed = MaintenanceTag.objects.filter(circuit=circuit, removed_at=None).update(removed_at=at)
        if not changed:
            raise Refused("tag_unknown")
        audit(
            at=at, actor=actor, action="metering.tag_remove", site_id=circuit.site_id, object_type="circuit",
            object_id=str(circuit.pk),
        )  # fmt: skip


def sweep(*, at: datetime) -> int:
    """Make wishes come true: end expired keep-ons, command again where telemetry differs. How many jobs were made.

    Runs each 10 s in the worker. A relay job that is still open for a circuit is left to work.
    """
    made = 0
    for row in RelayWish.objects.filter(wish=Wish.KEEP_ON.value, until__lte=at).select_related("circuit"):
        with transaction.atomic():
            changed = RelayWish.objects.filter(pk=row.pk, wish=Wish.KEEP_ON.value, until=row.until).update(
                wish=Wish.AUTOMATIC.value, until=None, reason="keep_on ended", actor="system", set_at=at, agreed_at=None
            )
            if changed:
                audit(
                    at=at, actor="system", action="metering.wish", site_id=row.circuit.site_id,
                    object_type="circuit", object_id=str(row.circuit_id), reason="keep_on ended",
                    before={"wish": "keep_on"}, after={"wish": "automatic"},
                )  # fmt: skip
                command(row.circuit, Wish.AUTOMATIC, key=f"relay:end:{row.pk}:{at.isoformat()}", actor="system", at=at)
                made += 1
    for row in RelayWish.objects.raw(_DIFFERING):
        wish = Wish(row.wish)
        if wish is not Wish.TRIP and blocked_closing(row.circuit, at=at) is not None:
            continue
        command(row.circuit, wish, key=f"relay:again:{row.pk}:{at.isoformat()}", actor="system", at=at)
        made += 1
    return made


# Wishes whose telemetry is newer than the wish and differs, with no relay job at work in the last 15 s.
_DIFFERING = f"""
SELECT w.* FROM metering_relaywish w
JOIN estate_circuit c ON c.id = w.circuit_id
JOIN metering_latest l ON l.site_id = c.site_id AND l.circuit_id = c.id
WHERE l.at > w.set_at AND (
    (w.wish = 'keep_on' AND (l.relay = 0 OR l.status & {BITS[StatusBit.KEPT_ON]} = 0))
    OR (w.wish = 'trip' AND l.relay = 1)
    OR (w.wish = 'automatic'
        AND l.status & {BITS[StatusBit.KEPT_ON] | BITS[StatusBit.COMMAND_TRIP]} <> 0))
AND NOT EXISTS (
    SELECT FROM metering_job j WHERE j.circuit_id = w.circuit_id AND j.intent = 'relay'
    AND (j.state IN ('queued', 'claimed') OR j.finished_at > now() - interval '15 s'))
"""
