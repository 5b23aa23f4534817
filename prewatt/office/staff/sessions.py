"""Where operators are logged in: begun, kept alive, listed, ended.

Django's own session row opens the pages; deleting it ends the session at once, for pages and live stream alike.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import QuerySet

from prewatt.core.refusals import Refused
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.audit import audit
from prewatt.office.staff.models import Operator, OperatorSession
from prewatt.office.staff.roles import Act

IDLE_MOST: Final = timedelta(hours=2)  # nobody at the keyboard for so long has gone home
AGE_MOST: Final = timedelta(hours=12)  # a shift; then the password is asked for again (settings.SESSION_COOKIE_AGE)
SEEN_EVERY: Final = timedelta(minutes=1)  # a row is written this often, not at each page
KEPT: Final = timedelta(days=30)  # ended sessions stay listed, and their addresses known (`staff.guard`)
LISTED_MOST: Final = 50
BROWSER_MOST: Final = 200  # characters of the User-Agent


class Why(StrEnum):
    """Why a session ended."""

    LOGGED_OUT = "logged_out"
    ENDED = "ended"  # by himself from another place, or by an administrator
    PASSWORD = "password"
    DEACTIVATED = "deactivated"
    IDLE = "idle"
    AGE = "age"


def begin(operator: Operator, *, session_key: str, address: str, browser: str, at: datetime) -> None:
    """A log-in that succeeded. What ended long ago is forgotten in passing."""
    assert session_key, operator.pk
    with transaction.atomic():
        OperatorSession.objects.filter(operator=operator, seen_at__lt=at - KEPT).delete()
        # two first requests of one session may come at once
        OperatorSession.objects.get_or_create(
            session_key=session_key,
            defaults={
                "operator": operator, "address": address[:45], "browser": browser[:BROWSER_MOST], "began_at": at,
                "seen_at": at,
            },
        )  # fmt: skip


def moved(old_key: str, new_key: str) -> None:
    """The same session under a new key, as after a change of the password."""
    OperatorSession.objects.filter(session_key=old_key, ended_at=None).update(session_key=new_key)


def seen(session_key: str, *, at: datetime) -> None:
    """Somebody is at the keyboard; called once a minute at most."""
    OperatorSession.objects.filter(session_key=session_key, ended_at=None).update(seen_at=at)


def idle_since(seen_at: datetime, at: datetime) -> bool:
    """Whether a session last used at `seen_at` is over."""
    return at - seen_at > IDLE_MOST


def live_of(operator_id: int, *, at: datetime) -> list[OperatorSession]:
    """His sessions that open pages now, latest first."""
    rows = OperatorSession.objects.filter(
        operator_id=operator_id, ended_at=None, seen_at__gt=at - IDLE_MOST, began_at__gt=at - AGE_MOST
    )
    return list(rows.order_by("-seen_at")[:LISTED_MOST])


def end(session_id: int, *, operator: Operator, actor: Actor, at: datetime) -> None:
    """End one session of `operator`: his own, or another's by an administrator.

    Raises Refused `not_permitted`, `session_unknown`.
    """
    if actor.operator_id != operator.pk:
        actor.require(Act.OPERATORS)
    with transaction.atomic():
        rows = OperatorSession.objects.filter(pk=session_id, operator=operator, ended_at=None)
        if not _end(rows, why=Why.ENDED, at=at):
            raise Refused("session_unknown")
        audit(at=at, actor=actor.key, action="staff.session_end", object_type="operator", object_id=str(operator.pk))


def end_key(session_key: str, *, why: Why, at: datetime) -> None:
    """End the session of this key; one that is over already stays as it ended."""
    with transaction.atomic():
        _end(OperatorSession.objects.filter(session_key=session_key, ended_at=None), why=why, at=at)


def end_all(operator_id: int, *, why: Why, at: datetime, but: str = "") -> int:
    """End all sessions of an operator except the one with the key `but`; how many there were."""
    with transaction.atomic():
        rows = OperatorSession.objects.filter(operator_id=operator_id, ended_at=None).exclude(session_key=but)
        return _end(rows, why=why, at=at)


def end_everybody(*, at: datetime) -> None:
    """The books are those of a backup: nobody is logged in any more."""
    with transaction.atomic():
        _end(OperatorSession.objects.filter(ended_at=None), why=Why.ENDED, at=at)
        Session.objects.all().delete()


def _end(rows: QuerySet[OperatorSession], *, why: Why, at: datetime) -> int:
    keys = list(rows.select_for_update().values_list("session_key", flat=True))
    if keys:
        Session.objects.filter(session_key__in=keys).delete()
        rows.model.objects.filter(session_key__in=keys).update(ended_at=at, ended_why=why.value)
    return len(keys)
