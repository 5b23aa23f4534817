"""Tokens that stand, entered over the line: the very digits of the slip, one at a time and in their order.

The digits in hand stay the delivery; the line saves the typing. Whoever brings a token first, the meter takes it once
and tells the other one "used", which here is as good as entered. So nothing of a sale waits for any of this, and
whatever is lost between two steps the sweep finds.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import DatabaseError, connection, transaction

from prewatt.core.meters.jobs import Intent, Job, Verdict
from prewatt.core.meters.token_face import TokenFace
from prewatt.core.refusals import Refused, Text, register
from prewatt.office.estate.models import Circuit, Meter
from prewatt.office.estate.profiles import all_profiles
from prewatt.office.metering.jobs import enqueue
from prewatt.office.metering.models import JobRow, JobState, MeterState
from prewatt.office.metering.states import stale_after
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.audit import audit
from prewatt.office.staff.roles import Act
from prewatt.office.tokens import by_hand, campaign_issue, course, issuing
from prewatt.office.tokens.models import CampaignMeter, TokenRequest
from prewatt.office.vending.models import Delivery, TokenEntry

State = TokenEntry.State
Kind = TokenRequest.Kind
TASK: Final = "vending.token_entered"
LIFE: Final = timedelta(days=1)  # a meter that is away for longer: the digits are typed in, or sent again
SWEEP_MOST: Final = 200
BEFORE_MOST: Final = 50  # tokens that go before a key change: what a meter remembers
_OPEN: Final = (State.QUEUED, State.SENDING)
_CREDIT: Final = (Kind.CREDIT, Kind.FREE_CREDIT)
_HOPELESS: Final = ("meter_token_crc", "meter_token_old")  # the meter will never take it: nothing waits for it
logger = logging.getLogger(__name__)

register(
    {
        "token_wire_none": Text(
            en="This meter takes no tokens over a line. Nothing was sent. Have the digits typed in.",
            zh="这块电表不能通过通讯线路接收令牌。什么都没有发送。请在电表上输入数字。",
        ),
        "token_is_entered": Text(
            en="The meter has taken this token already. Nothing was sent.", zh="电表已接受此令牌。什么都没有发送。"
        ),
        "token_send_running": Text(
            en="The token may have reached the meter already; it cannot be stopped now.",
            zh="令牌可能已到达电表，现在不能停止。",
        ),
        "token_send_stopped": Text(en="Stopped by a person before it was sent.", zh="发送前已由操作员停止。"),
        "token_not_sent": Text(
            en="The meter was not reached for a day. Have the digits typed in, or send them again.",
            zh="电表一天内都未能连通。请在电表上输入数字，或重新发送。",
        ),
        "token_credit_first": Text(
            en="Credit made under the old key was not taken; after the key change it would be lost. The key change was"
            " not sent.",
            zh="旧密钥下的充值令牌尚未被接受，换密后将作废。换密令牌没有发送。",
        ),
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Way:
    """Where a meter takes tokens over its line."""

    meter: Meter
    face: TokenFace


def way(meter_id: int) -> Way | None:
    """None: the meter is on no line, is taken down, or its model takes no tokens over one."""
    meter = Meter.objects.filter(pk=meter_id, line__isnull=False, removed_at=None).first()
    profile = all_profiles().get(meter.profile) if meter is not None else None
    if meter is None or profile is None or profile.token is None or profile.token.wire is None:
        return None
    return Way(meter=meter, face=profile.token)


def online(meter_id: int, *, at: datetime) -> bool:
    """Has the meter answered lately?"""
    if MeterState.objects.filter(meter_id=meter_id, silent=True).exists():
        return False
    since = at - stale_after(int(getattr(settings, "PREWATT_POLL_S", 60)))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM metering_latest l JOIN estate_circuit c ON c.id = l.circuit_id"
            " AND c.site_id = l.site_id WHERE c.meter_id = %s AND l.at >= %s)",
            [meter_id, since],
        )
        row = cursor.fetchone()
    return bool(row and row[0])


def may_send(actor: Actor, request: TokenRequest) -> bool:
    """Who may say that a meter took a token may also let it be entered."""
    return by_hand.may_say_entered(actor, request)


def send(request: TokenRequest, *, actor: Actor, at: datetime) -> TokenEntry:
    """Let the line enter a token, and what has to go before it: the sets that lead to its key; before a set the credit
    of the key that it ends. Pressed twice it is sent once; one that was refused or stopped is sent anew.

    A set counts as handed over from now on: credit that is sold meanwhile belongs behind it.
    Raises Refused `not_permitted`, `token_not_made`, `token_is_entered`, `token_wire_none`, and for a set
    `sts_meter_changed`.
    """
    if not may_send(actor, request):
        raise Refused("not_permitted", role=actor.role.value, act=Act.TOKENS.value)
    with transaction.atomic():
        if request.kind == Kind.KEY_CHANGE and request.state == TokenRequest.State.MADE:
            _hand_over(request, actor=actor, at=at)
        return _send(request, actor=actor.key, at=at)


def _hand_over(request: TokenRequest, *, actor: Actor, at: datetime) -> None:
    row = CampaignMeter.objects.filter(request=request, state=CampaignMeter.State.ISSUED).first()
    if row is not None:
        campaign_issue.deliver(row, actor=actor, at=at)
    else:
        course.handed_over(request.pk, actor=actor.key, at=at)


def _send(request: TokenRequest, *, actor: str, at: datetime) -> TokenEntry:
    found = way(request.sts_meter.meter_id)
    if found is None:
        raise Refused("token_wire_none")
    _lock(request.sts_meter_id)
    request.refresh_from_db()
    if request.state != TokenRequest.State.MADE:
        raise Refused("token_not_made")
    if request.entered_at is not None:
        raise Refused("token_is_entered")
    for each in _before(request):
        _queue(each, found, anew=False, actor=actor, at=at)
    entry = _queue(request, found, anew=True, actor=actor, at=at)
    audit(
        at=at, actor=actor, action="tokens.send", site_id=request.site_id, object_type="token",
        object_id=str(request.pk), after={"round": entry.round},
    )  # fmt: skip
    _next(request.sts_meter_id, at=at)
    entry.refresh_from_db()
    return entry


def _lock(sts_id: int) -> None:
    """All that is sent to one meter goes one after the other. Taken before any row: whoever marks a token as entered
    locks requests and meters in an order of his own."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('tokens.wire'), %s::int)", [sts_id % 2**31])


def _before(request: TokenRequest) -> list[TokenRequest]:
    """What has to be entered before this token and is not known to be, oldest first."""
    mine = TokenRequest.objects.filter(
        sts_meter_id=request.sts_meter_id, state=TokenRequest.State.MADE, entered_at=None
    ).exclude(pk=request.pk)
    if request.kind == Kind.KEY_CHANGE:
        credit = mine.filter(kind__in=_CREDIT, key_id=request.key_id, asked_at__gt=request.asked_at - course.HELD_FOR)
        return list(credit.order_by("-pk")[:BEFORE_MOST])[::-1]
    if request.key_id is None:
        return []
    sets = mine.filter(kind=Kind.KEY_CHANGE, new_key_id=request.key_id, made_at__lte=request.asked_at)
    newest = list(sets.exclude(key_id=request.key_id).order_by("-pk")[: campaign_issue.SETS_HELD_MOST])
    return [each for one in newest[::-1] for each in (*_before(one), one)]


def _queue(request: TokenRequest, found: Way, *, anew: bool, actor: str, at: datetime) -> TokenEntry:
    """One more in the line of its meter. `anew`: also one that the meter will hardly take."""
    entry = TokenEntry.objects.select_for_update(of=("self",)).filter(pk=request.pk).first()
    if entry is None:
        return TokenEntry.objects.create(
            request=request, sts_meter_id=request.sts_meter_id, circuit=_circuit(request, found.meter), actor=actor,
            asked_at=at, changed_at=at,
        )  # fmt: skip
    if entry.state in (*_OPEN, State.ENTERED) or (not anew and entry.code in _HOPELESS):
        return entry
    entry.ever_sent = entry.ever_sent or _left(entry)
    entry.state, entry.round, entry.part, entry.job_id, entry.code = State.QUEUED, entry.round + 1, 0, None, ""
    entry.actor, entry.changed_at = actor, at
    entry.save(update_fields=["ever_sent", "state", "round", "part", "job_id", "code", "actor", "changed_at"])
    return entry


def _circuit(request: TokenRequest, meter: Meter) -> Circuit:
    """Whose credit it is; what belongs to the whole meter goes in at its first circuit."""
    sold = Delivery.objects.select_related("circuit").filter(token_request=request).first()
    if sold is not None and sold.circuit.meter_id == meter.pk:
        return sold.circuit
    return Circuit.objects.filter(meter=meter).order_by("index")[0]


def _left(entry: TokenEntry) -> bool:
    """May a write of its last job have reached the meter, without the meter having said no to it?"""
    return (
        entry.job_id is not None
        and entry.state != State.REFUSED
        and JobRow.objects.filter(pk=entry.job_id, ever_sent=True).exists()
    )


def _waits(entry: TokenEntry, queued: list[TokenEntry]) -> bool:
    """Credit before the set that ends its key, and behind the set that leads to it."""
    mine = entry.request
    for other in (each.request for each in queued if each.pk != entry.pk):
        if other.key_id is None or mine.key_id is None:
            continue
        if mine.kind == Kind.KEY_CHANGE and other.kind != Kind.KEY_CHANGE and other.key_id == mine.key_id:
            return True
        if other.kind == Kind.KEY_CHANGE and other.new_key_id == mine.key_id and other.key_id != mine.key_id:
            return True
    return False


def _next(sts_id: int, *, at: datetime) -> None:
    """Put the next token of a meter into the mailbox, when none is there. Under `_lock`."""
    if TokenEntry.objects.filter(sts_meter_id=sts_id, state=State.SENDING).exists():
        return
    queued = list(
        TokenEntry.objects.filter(sts_meter_id=sts_id, state=State.QUEUED)
        .select_related("request", "circuit", "sts_meter")
        .order_by("request_id")
    )
    if not queued:
        return
    entry = next((each for each in queued if not _waits(each, queued)), queued[0])
    if way(entry.sts_meter.meter_id) is None:
        for each in queued:
            _end(each, State.STOPPED, "token_wire_none", at=at)
        return
    _into_mailbox(entry, at=at)


def _into_mailbox(entry: TokenEntry, *, at: datetime) -> None:
    digits = issuing.digits_of(entry.request_id)
    assert digits is not None and entry.part < len(digits), entry.request_id
    entry.job_id = enqueue(
        key=f"token:{entry.request_id}:{entry.round}:{entry.part}", circuit_id=entry.circuit_id, at=at,
        actor=entry.actor, expires_at=at + LIFE, then_task=TASK, then_args={"request_id": entry.request_id},
        job=Job(
            intent=Intent.ENTER_TOKEN, circuit_index=entry.circuit.index, token=digits[entry.part],
            again=entry.ever_sent,
        ),
    )  # fmt: skip
    entry.state, entry.changed_at = State.SENDING, at
    entry.save(update_fields=["job_id", "part", "state", "changed_at"])


def _end(entry: TokenEntry, state: TokenEntry.State, code: str, *, at: datetime) -> None:
    entry.state, entry.code, entry.changed_at = state, code, at
    entry.save(update_fields=["state", "code", "changed_at"])


def settle(request_id: int, *, at: datetime) -> None:
    """Take what came of a token's job, and let the next one follow. Any number of times, also at once."""
    sts_id = TokenEntry.objects.filter(pk=request_id).values_list("sts_meter_id", flat=True).first()
    if sts_id is None:
        return
    with transaction.atomic():
        _lock(sts_id)
        entry = (
            TokenEntry.objects.select_for_update(of=("self",))
            .select_related("request", "circuit")
            .filter(pk=request_id, state=State.SENDING)
            .first()
        )
        job = job_of(entry) if entry is not None else None
        if entry is not None and job is not None and job.state in (JobState.DONE, JobState.DROPPED):
            _settled(entry, job, at=at)
        _next(sts_id, at=at)


def _settled(entry: TokenEntry, job: JobRow, *, at: datetime) -> None:
    if job.state == JobState.DONE and job.verdict == Verdict.DONE:
        digits = issuing.digits_of(entry.request_id) or ()
        if entry.part + 1 < len(digits):
            entry.part += 1
            _into_mailbox(entry, at=at)
            return
        _end(entry, State.ENTERED, job.code, at=at)
        course.entered(entry.request_id, how="wire", actor=entry.actor, at=at)
        return
    if job.state == JobState.DONE and job.verdict == Verdict.REFUSED:
        state, code = State.REFUSED, job.code
    elif job.ever_sent or (job.state == JobState.DONE and job.verdict == Verdict.DISPUTED):
        state, code = State.UNCLEAR, job.code
    else:
        state, code = State.STOPPED, "token_not_sent"
    _end(entry, state, code, at=at)
    if code not in _HOPELESS and entry.request.kind in _CREDIT:
        _hold_sets(entry, at=at)


def _hold_sets(entry: TokenEntry, *, at: datetime) -> None:
    """Credit that the meter may still take would be lost behind a key change."""
    sets = TokenEntry.objects.filter(
        sts_meter_id=entry.sts_meter_id, state=State.QUEUED, request__kind=Kind.KEY_CHANGE,
        request__key_id=entry.request.key_id,
    )  # fmt: skip
    for each in sets:
        _end(each, State.STOPPED, "token_credit_first", at=at)


def stop(request: TokenRequest, *, actor: Actor, at: datetime) -> None:
    """Do not send it after all. Raises Refused `not_permitted`, and `token_send_running` once it may have left."""
    if not may_send(actor, request):
        raise Refused("not_permitted", role=actor.role.value, act=Act.TOKENS.value)
    with transaction.atomic():
        _lock(request.sts_meter_id)
        entry = TokenEntry.objects.select_for_update(of=("self",)).filter(pk=request.pk, state__in=_OPEN).first()
        if entry is None:
            return
        if entry.state == State.SENDING:
            with connection.cursor() as cursor:
                cursor.execute("SELECT metering_drop(%s, 'superseded')", [entry.job_id])
                row = cursor.fetchone()
            if not row or not row[0]:
                raise Refused("token_send_running", retry=True)
        _end(entry, State.STOPPED, "token_send_stopped", at=at)
        audit(
            at=at, actor=actor.key, action="tokens.send_stop", site_id=request.site_id, object_type="token",
            object_id=str(request.pk),
        )  # fmt: skip
        _next(request.sts_meter_id, at=at)


def after_sale(delivery_id: int, *, at: datetime) -> None:
    """The digits of a sale stand: let the line enter them, where the meter is there to take them. Never raises: the
    customer has his digits."""
    try:
        sold = (
            Delivery.objects.select_related("token_request__sts_meter", "circuit")
            .filter(pk=delivery_id, kind="purchase", circuit__meter__line__isnull=False)
            .filter(token_request__state=TokenRequest.State.MADE, token_request__entered_at=None)
            .first()
        )
        request = sold.token_request if sold is not None else None
        if sold is None or request is None or TokenEntry.objects.filter(pk=request.pk).exists():
            return
        found = way(sold.circuit.meter_id)
        # one without a keypad has no other way in: it waits for the line
        if found is None or (found.face.keypad and not online(found.meter.pk, at=at)):
            return
        with transaction.atomic():
            _send(request, actor=request.actor, at=at)
    except (DatabaseError, Refused):
        logger.warning("delivery %s: its token is not sent over the line", delivery_id, exc_info=True)


def entry_of(request: TokenRequest) -> TokenEntry | None:
    """How far the line is with a token; None: it was never sent so."""
    return TokenEntry.objects.select_related("circuit").filter(pk=request.pk).first()


def job_of(entry: TokenEntry) -> JobRow | None:
    """The job in the mailbox, or the last one: its verdict and code say how it goes."""
    return JobRow.objects.filter(pk=entry.job_id).first() if entry.job_id is not None else None


def sweep(*, at: datetime) -> int:
    """Find what a lost job left behind: ended ones nobody took, and queues that nobody moves on; how many were looked
    at."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT e.request_id FROM vending_tokenentry e JOIN metering_job j ON j.id = e.job_id"
            " WHERE e.state = 'sending' AND j.state IN ('done', 'dropped')"
            " UNION ALL SELECT min(e.request_id) FROM vending_tokenentry e WHERE e.state IN ('queued', 'sending')"
            " GROUP BY e.sts_meter_id HAVING bool_and(e.state = 'queued') LIMIT %s",
            [SWEEP_MOST],
        )
        behind = [request_id for (request_id,) in cursor.fetchall()]
    for request_id in behind:
        settle(request_id, at=at)
    return len(behind)
