"""Relay wishes (期望状态) and maintenance tags (检修挂牌): states that the field is made to follow.

The operator's wish stands first. Where it is automatic, what the server-held credit says (`decide`) is told to
the relay; on a meter-held circuit the meter decides.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

from django.db import connection, transaction

from prewatt.core.meters import Custody
from prewatt.core.meters.jobs import Intent, Job, Wish
from prewatt.core.meters.model import Switch
from prewatt.core.meters.quantities import StatusBit
from prewatt.core.refusals import Refused
from prewatt.core.tariffs.supply import Opening, opening_of
from prewatt.office.estate.models import Circuit, Meter
from prewatt.office.estate.profiles import all_profiles
from prewatt.office.estate.wires import MQTT
from prewatt.office.metering import errors as _errors  # noqa: F401  registers the texts
from prewatt.office.metering.jobs import drop_queued, enqueue
from prewatt.office.metering.models import JobRow, MaintenanceTag, RelayWish
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


def effective(row: RelayWish) -> Wish:
    """What the relay is told: the operator's word, or where he leaves it automatic what the server's credit says.

    Closed by the server is forced closed: left to itself a meter would open for its own empty purse.
    """
    return _told(row.circuit, Wish(row.wish), row)


def _told(circuit: Circuit, wish: Wish, row: RelayWish | None) -> Wish:
    """The same once the operator's word is `wish`."""
    if wish is not Wish.AUTOMATIC:
        return wish
    if row is not None and row.decided is not None:
        return Wish.KEEP_ON if row.decided == RelayWish.Decided.CLOSED else Wish.TRIP
    return Wish.KEEP_ON if circuit.meter.profile in never_left() else wish


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
        before = RelayWish.objects.filter(circuit=circuit).first()
        told = _told(circuit, wish, before)
        if told is not Wish.TRIP and (refusal := blocked_closing(circuit, at=at)) is not None:
            raise refusal
        old = {"wish": before.wish if before else Wish.AUTOMATIC.value}
        _keep(circuit, wish, reason=reason, until=until, actor=actor, at=at, agreed_at=None, before=old)
        return command(circuit, told, key=f"relay:{request_key}", actor=actor, at=at)


def decide(circuit: Circuit, closed: bool, *, cause: str, at: datetime) -> int | None:
    """Store what the server-held credit says of a supply, and tell the relay where the operator leaves it automatic.

    The id of the relay job; None where nothing is sent now: the operator's word stands before it, closing is blocked
    (a tag, an overload) and `sweep` closes once it may, or the meter is seen to stand so already. A command that waits
    for the opposite is dropped.
    Refuses never_cut.
    """
    if not closed and circuit.never_cut:
        raise Refused("never_cut")
    decided = RelayWish.Decided.CLOSED if closed else RelayWish.Decided.OPEN
    with transaction.atomic():
        Circuit.objects.select_for_update(no_key=True).get(pk=circuit.pk)
        row, made = RelayWish.objects.get_or_create(
            circuit=circuit,
            defaults={"wish": Wish.AUTOMATIC.value, "reason": "", "until": None, "actor": "system", "set_at": at},
        )
        before = row.decided
        row.decided, row.decided_cause, row.decided_at = decided, cause, at
        if row.wish == Wish.AUTOMATIC:
            row.agreed_at = None
        row.save(update_fields=["decided", "decided_cause", "decided_at", "agreed_at"])
        audit(
            at=at, actor="system", action="metering.decided", site_id=circuit.site_id, object_type="circuit",
            object_id=str(circuit.pk), before={"decided": before}, after={"decided": decided.value, "cause": cause},
        )  # fmt: skip
        if row.wish != Wish.AUTOMATIC:
            return None
        if closed and _must_stay_open(row, at=at):
            drop_queued(circuit_ids=[circuit.pk], intent=Intent.RELAY, code="superseded")
            return None
        if not _at_work(circuit) and agrees(row, latest(circuit)):
            RelayWish.objects.filter(pk=row.pk).update(agreed_at=at)  # it stands so by force: `sweep` sees if it moves
            return None
        key = f"relay:decided:{decided.value}:{circuit.pk}:{at.isoformat()}"
        return command(circuit, effective(row), key=key, actor="system", at=at)


def _must_stay_open(row: RelayWish, *, at: datetime) -> bool:
    """May this relay not be closed by us? Besides what blocks anybody: the server closes nothing again of which no
    bit says that it was ours to open."""
    if blocked_closing(row.circuit, at=at) is not None:
        return True
    now, profile = latest(row.circuit), all_profiles().get(row.circuit.meter.profile)
    if row.decided is None or row.wish != Wish.AUTOMATIC or now.relay != 0 or profile is None:
        return False
    bits = frozenset(bit for bit, mask in BITS.items() if now.status & mask)
    tells = StatusBit.COMMAND_TRIP in profile.status_bits and not _position_only(row.circuit.meter)
    return opening_of(bits, for_credit=False, tells=tells) is Opening.UNKNOWN


def _at_work(circuit: Circuit) -> bool:
    """Is a relay command on its way, which what was seen last says nothing of?"""
    return JobRow.objects.filter(circuit=circuit, intent=Intent.RELAY, state__in=("queued", "claimed")).exists()


def release(circuit: Circuit, *, at: datetime) -> None:
    """The credit is no longer the server's: what it decided is forgotten, the relay stays as it stands.

    Where the operator said nothing, no wish is left: an automatic one would close what was cut when it ended.
    """
    with transaction.atomic():
        Circuit.objects.select_for_update(no_key=True).get(pk=circuit.pk)
        changed = RelayWish.objects.filter(circuit=circuit, decided__isnull=False).update(
            decided=None, decided_cause="", decided_at=None
        )
        if changed:
            RelayWish.objects.filter(circuit=circuit, wish=Wish.AUTOMATIC.value).delete()
            drop_queued(circuit_ids=[circuit.pk], intent=Intent.RELAY, code="superseded")
            audit(
                at=at, actor="system", action="metering.decided", site_id=circuit.site_id, object_type="circuit",
                object_id=str(circuit.pk), after={"decided": None},
            )  # fmt: skip


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
        _keep(circuit, wish, reason=reason, until=until, actor=actor, at=at, agreed_at=at, before=None)


def _keep(
    circuit: Circuit, wish: Wish, *, reason: str, until: datetime | None, actor: str, at: datetime,
    agreed_at: datetime | None, before: dict[str, str] | None,
) -> None:  # fmt: skip
    """Store a wish and leave its trail. `agreed_at`: since when the meter follows it, where that is known."""
    RelayWish.objects.update_or_create(
        circuit=circuit,
        defaults={
            "wish": wish.value, "reason": reason.strip(), "until": until, "actor": actor, "set_at": at,
            "agreed_at": agreed_at,
        },
    )  # fmt: skip
    audit(
        at=at, actor=actor, action="metering.wish", site_id=circuit.site_id, object_type="circuit",
        object_id=str(circuit.pk), reason=reason, before=before,
        after={"wish": wish.value, "until": until.isoformat() if until else None},
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


def agrees(row: RelayWish, now: Latest) -> bool:
    """Whether telemetry follows the effective wish of a row (with its circuit and meter).

    In `automatic` the meter decides: only our own commands must be off. What the server decided must stand as a
    force in the meter, where it tells of one, not by chance: an empty purse of the meter's own opens too. A shunt
    trip cannot be closed by wire: there the withdrawn trip is all that can agree.
    """
    wish, profile = effective(row), row.circuit.meter.profile
    no_force = profile in unforced() or _position_only(row.circuit.meter)
    if wish is Wish.KEEP_ON:
        forced = no_force or bool(now.status & BITS[StatusBit.KEPT_ON])
        return forced and (profile in hand_reclosed() or now.relay == 1)
    if wish is Wish.TRIP:
        loose = row.decided is None or no_force
        return now.relay == 0 and (loose or bool(now.status & BITS[StatusBit.COMMAND_TRIP]))
    return not now.status & (BITS[StatusBit.KEPT_ON] | BITS[StatusBit.COMMAND_TRIP])


def hand_reclosed() -> list[str]:
    """Codes of the profiles whose supply only a hand can close again."""
    return [code for code, profile in all_profiles().items() if profile.switch is Switch.SHUNT_TRIP]


def closed_by_key() -> list[str]:
    """Codes of the profiles whose relay a permission leaves to the key, where the site wants that."""
    return [code for code, profile in all_profiles().items() if profile.closes_by_key]


def unforced() -> list[str]:
    """Codes of the profiles that say nothing of a force: the position of the relay is all there is."""
    return [code for code, profile in all_profiles().items() if StatusBit.KEPT_ON not in profile.status_bits]


def _position_only(meter: Meter) -> bool:
    """Over MQTT a meter tells how its relay stands and no status word, whatever its profile says of registers."""
    return meter.line is not None and meter.line.transport == MQTT


def never_left() -> list[str]:
    """Codes of the profiles whose relay is never left to the meter: its own purse is filled by nobody."""
    return [code for code, profile in all_profiles().items() if Custody.METER not in profile.custody]


def profile_lists() -> dict[str, list[str]]:
    """The parameters of EFFECTIVE and DIFFERS."""
    return {"hand": hand_reclosed(), "held": never_left(), "loose": unforced()}


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
        _drop_closings(circuit)
        audit(
            at=at, actor=actor, action="metering.tag_hang", site_id=circuit.site_id, object_type="circuit",
            object_id=str(circuit.pk), reason=reason, after={"name": name, "until": until.isoformat()},
        )  # fmt: skip
    return tag


def _drop_closings(circuit: Circuit) -> None:
    """Closings that wait go: they would take effect on people at work. What is claimed is looked at in SQL."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE metering_job SET state = 'dropped', code = 'close_blocked_maintenance_tag', finished_at = now()"
            " WHERE circuit_id = %s AND intent = 'relay' AND state = 'queued' AND payload->>'wish' <> 'trip'",
            [circuit.pk],
        )


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
    for row in RelayWish.objects.filter(wish=Wish.KEEP_ON.value, until__lte=at).select_related("circuit__meter"):
        made += _end_keep_on(row, at=at)
    for row in RelayWish.objects.raw(DIFFERING, profile_lists()):
        made += _again(row, at=at)
    return made


def _end_keep_on(row: RelayWish, *, at: datetime) -> int:
    """保电 is over: what the credit says takes effect at once."""
    with transaction.atomic():
        changed = RelayWish.objects.filter(pk=row.pk, wish=Wish.KEEP_ON.value, until=row.until).update(
            wish=Wish.AUTOMATIC.value, until=None, reason="keep_on ended", actor="system", set_at=at, agreed_at=None
        )
        if not changed:
            return 0
        audit(
            at=at, actor="system", action="metering.wish", site_id=row.circuit.site_id,
            object_type="circuit", object_id=str(row.circuit_id), reason="keep_on ended",
            before={"wish": "keep_on"}, after={"wish": "automatic"},
        )  # fmt: skip
        told = _told(row.circuit, Wish.AUTOMATIC, row)
        if told is Wish.KEEP_ON and _must_stay_open(row, at=at):
            return 0
        command(row.circuit, told, key=f"relay:end:{row.pk}:{at.isoformat()}", actor="system", at=at)
    return 1


def _again(found: RelayWish, *, at: datetime) -> int:
    """Command once more, by the wish as it stands under the lock: it may have changed since it was found."""
    with transaction.atomic():
        Circuit.objects.select_for_update(no_key=True).get(pk=found.circuit_id)
        row = RelayWish.objects.select_related("circuit__meter").get(pk=found.pk)
        wish = effective(row)
        if wish is not effective(found) or (wish is not Wish.TRIP and _must_stay_open(row, at=at)):
            return 0
        command(row.circuit, wish, key=f"relay:again:{row.pk}:{at.isoformat()}", actor="system", at=at)
    return 1


# The same in SQL, with `profile_lists`: of a wish `w`, its latest row `l` and its meter `m`.
EFFECTIVE: LiteralString = """CASE WHEN w.wish = 'automatic' AND w.decided = 'closed' THEN 'keep_on'
    WHEN w.wish = 'automatic' AND w.decided = 'open' THEN 'trip'
    WHEN w.wish = 'automatic' AND m.profile = ANY (%(held)s::text[]) THEN 'keep_on' ELSE w.wish END"""
EFFECTIVE_SINCE: LiteralString = """CASE WHEN w.wish = 'automatic'
    THEN greatest(w.set_at, coalesce(w.decided_at, w.set_at)) ELSE w.set_at END"""
_TELLS_FORCE: LiteralString = f"""(m.profile <> ALL (%(loose)s::text[])
    AND NOT EXISTS (SELECT FROM estate_line y WHERE y.id = m.line_id AND y.transport = '{MQTT}'))"""
DIFFERS: str = f"""CASE {EFFECTIVE}
    WHEN 'keep_on' THEN (l.status & {BITS[StatusBit.KEPT_ON]} = 0 AND {_TELLS_FORCE})
        OR (l.relay = 0 AND m.profile <> ALL (%(hand)s::text[]))
    WHEN 'trip' THEN l.relay = 1 OR (w.decided IS NOT NULL AND {_TELLS_FORCE}
        AND l.status & {BITS[StatusBit.COMMAND_TRIP]} = 0)
    ELSE l.status & {BITS[StatusBit.KEPT_ON] | BITS[StatusBit.COMMAND_TRIP]} <> 0 END"""

# told, and a hand must follow; elsewhere nobody expects that, and who is dark is spoken of
AWAITS_KEY: str = f"""(coalesce(l.status, 0) & {BITS[StatusBit.AWAIT_KEY]} <> 0
    AND EXISTS (SELECT FROM estate_site x WHERE x.id = c.site_id AND x.closes_by_key))"""

# Wishes whose telemetry is newer than the wish and differs, with no relay job at work in the last 15 s.
DIFFERING = f"""
SELECT w.* FROM metering_relaywish w
JOIN estate_circuit c ON c.id = w.circuit_id
JOIN estate_meter m ON m.id = c.meter_id AND m.removed_at IS NULL
JOIN metering_latest l ON l.site_id = c.site_id AND l.circuit_id = c.id
WHERE l.at > {EFFECTIVE_SINCE} AND {DIFFERS} AND NOT ({AWAITS_KEY} AND {EFFECTIVE} <> 'trip')
AND NOT EXISTS (
    SELECT FROM metering_job j WHERE j.circuit_id = w.circuit_id AND j.intent = 'relay'
    AND (j.state IN ('queued', 'claimed') OR j.finished_at > now() - interval '15 s'))
"""
