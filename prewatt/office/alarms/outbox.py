"""The outbox (通知发件箱): notices are put here in the transaction of what they are about, and sent by whoever lives.

The course of a notice is append-only steps; `NEXT` says which may follow which. A step has one writer, since its place
is unique: of two senders one submits, the other finds that he came second.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import IntegrityError, connection, transaction
from django.db.models import OuterRef, Subquery

from prewatt.core.refusals import Refused
from prewatt.office.alarms import errors as _errors  # noqa: F401  registers the texts
from prewatt.office.alarms.models import Notice, NoticeState, NoticeStep
from prewatt.office.alarms.notifiers import Message, Notifier, Verdict

LIVES: Final = timedelta(hours=24)  # what nobody could send in a day is no news any more
LOOKS_BACK: Final = timedelta(days=31)  # what waited longer than that was given up long ago
STALE: Final = timedelta(seconds=60)  # longer than any notifier may take: who submitted is dead
AGAIN_AFTER: Final = timedelta(seconds=60)  # after a "later"
TRIES_MOST: Final = 20  # submissions of one notice, by itself and by hand
SWEEP_MOST: Final = 100  # notices of one sweep: the next one follows in seconds
SYSTEM: Final = "system"

NEXT: Final[Mapping[str, frozenset[str]]] = {
    "": frozenset({"queued"}),
    "queued": frozenset({"submitting", "expired"}),
    "submitting": frozenset({"queued", "accepted", "refused", "unknown"}),
    "accepted": frozenset({"delivered", "refused", "queued"}),
    "delivered": frozenset({"queued"}),
    "refused": frozenset({"queued"}),
    "expired": frozenset({"queued"}),
    "unknown": frozenset({"queued", "accepted", "delivered", "refused"}),
}
BY_HAND: Final = frozenset({"accepted", "delivered", "refused", "expired", "unknown"})  # what a person may send again

TextOf = Callable[[Notice], str | None]  # None: there is nothing to say any more


@dataclass(frozen=True, kw_only=True)
class Put:
    """A notice in the outbox. `fresh` is False when the same key had put it there before."""

    notice_id: int
    fresh: bool


def put(
    *, key: str, site_id: int, kind: str, about: str, customer_id: int, recipient: str, language: str, actor: str,
    at: datetime,
) -> Put:  # fmt: skip
    """[T] In the caller's transaction. The same key gives the notice that stands, and changes nothing."""
    assert connection.in_atomic_block, "a notice belongs to a transaction of the caller"
    stands = Notice.objects.filter(key=key).first()
    if stands is None:
        try:
            with transaction.atomic():
                made = Notice.objects.create(
                    key=key, site_id=site_id, kind=kind, about=about, customer_id=customer_id, recipient=recipient,
                    language=language, actor=actor, made_at=at,
                )  # fmt: skip
                NoticeStep.objects.create(notice=made, place=1, state=NoticeState.QUEUED, actor=actor, at=at)
            return Put(notice_id=made.pk, fresh=True)
        except IntegrityError:  # another session put it there at the same moment
            stands = Notice.objects.get(key=key)
    return Put(notice_id=stands.pk, fresh=False)


def last(notice_id: int) -> NoticeStep:
    """What a notice is now."""
    return NoticeStep.objects.select_related("notice").filter(notice_id=notice_id).latest("place")


def again(notice_id: int, *, actor: str, at: datetime) -> None:
    """[T] A person wants it sent once more: the same notice, the same content. One that waits or is being sent stays
    as it is. Raises Refused `notice_too_often`."""
    step = last(notice_id)
    if step.state not in BY_HAND:
        return
    if tries(notice_id) >= TRIES_MOST:
        raise Refused("notice_too_often", most=TRIES_MOST)
    _step(step, NoticeState.QUEUED, actor=actor, at=at)


def tries(notice_id: int) -> int:
    return NoticeStep.objects.filter(notice_id=notice_id, state=NoticeState.SUBMITTING).count()


def _step(
    after: NoticeStep, state: NoticeState, *, at: datetime, actor: str = SYSTEM, notifier: str = "", code: str = "",
    reference: str = "",
) -> NoticeStep | None:  # fmt: skip
    """The next step of a notice; None when somebody else took it first."""
    assert state.value in NEXT[after.state], (after.state, state)
    try:
        with transaction.atomic():
            return NoticeStep.objects.create(
                notice=after.notice, place=after.place + 1, state=state, notifier=notifier, code=code[:64],
                reference=reference[:96], actor=actor, at=at,
            )  # fmt: skip
    except IntegrityError:
        return None


def due(*, at: datetime, most: int = SWEEP_MOST) -> list[NoticeStep]:
    """The last steps of notices that wait, or whose sender died; oldest first."""
    newest = NoticeStep.objects.filter(notice=OuterRef("notice")).order_by("-place").values("pk")[:1]
    rows = NoticeStep.objects.filter(
        state__in=[NoticeState.QUEUED, NoticeState.SUBMITTING], at__gte=at - LOOKS_BACK, pk=Subquery(newest)
    ).select_related("notice").order_by("pk")  # fmt: skip
    return [each for each in rows[:most] if _is_due(each, at)]


def _is_due(step: NoticeStep, at: datetime) -> bool:
    if step.state == NoticeState.SUBMITTING:
        return at - step.at >= STALE
    return not step.code or at - step.at >= AGAIN_AFTER


def expire(step: NoticeStep, *, at: datetime) -> None:
    """What waited longer than it lives is old news; anything else stays."""
    if step.state == NoticeState.QUEUED and at - step.at >= LIVES:
        _step(step, NoticeState.EXPIRED, at=at)


def send(step: NoticeStep, *, notifier: Notifier, text_of: TextOf, at: datetime) -> NoticeStep | None:
    """One try of one notice, not within a transaction; its last step then, None where somebody else has it.

    *Submitting* is committed before the notifier is called: who dies in between leaves *unknown*, never a second
    message by itself.
    """
    if step.state == NoticeState.SUBMITTING:
        return _step(step, NoticeState.UNKNOWN, at=at, notifier=step.notifier)
    text = text_of(step.notice)
    if text is None or at - step.at >= LIVES:
        return _step(step, NoticeState.EXPIRED, at=at)
    with transaction.atomic(durable=True):
        mine = _step(step, NoticeState.SUBMITTING, at=at, notifier=notifier.code)
    if mine is None:
        return None
    notice = mine.notice
    message = Message(key=notice.key, recipient=notice.recipient, language=notice.language, text=text)
    try:
        answer = notifier.send(message)
    except OSError as error:
        return _step(mine, NoticeState.UNKNOWN, at=at, notifier=notifier.code, code=type(error).__name__)
    match answer.verdict:
        case Verdict.ACCEPTED:
            state = NoticeState.ACCEPTED
        case Verdict.LATER if tries(notice.pk) < TRIES_MOST:
            state = NoticeState.QUEUED
        case _:
            state = NoticeState.REFUSED
    code = answer.code or ("later" if answer.verdict is Verdict.LATER else "")
    return _step(mine, state, at=at, notifier=notifier.code, code=code, reference=answer.reference)
