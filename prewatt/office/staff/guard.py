"""Guessing made slow: how often a log-in may fail, by name and by address, before the next try has to wait.

Three counters, each with a delay that doubles with every further failure up to a quarter of an hour:

- *pair*, a name from an address: somebody who forgot his password, or guesses one.
- *address*: one machine that tries many names.
- *name*: many machines that try one name.

The last two judge only those who come from an address where that name has not succeeded lately. So a stranger who goes
on guessing can keep other strangers out, but never an operator from his own counter, and no wait is longer than
`DELAY_MOST`: the only administrator cannot be locked out for ever. The counters look at what was typed, not at
who exists, so they answer alike for names that nobody has.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address
from typing import Final

from django.db import connection, transaction

from prewatt.core.refusals import Refused
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.audit import audit
from prewatt.office.staff.models import LoginGuard, Operator, OperatorSession
from prewatt.office.staff.roles import Act

FREE: Final = {"pair": 5, "address": 20, "name": 50, "code": 5}  # failures without any wait
DELAY_LEAST: Final = timedelta(seconds=15)  # the first wait; it doubles
DELAY_MOST: Final = timedelta(minutes=15)
FORGOTTEN: Final = timedelta(hours=24)  # a counter that rested so long begins anew
NAME_MOST: Final = 128  # characters of a typed name that are looked at
IPV6_PREFIX: Final = 64  # one subscriber holds this many addresses

_COUNT = """
INSERT INTO staff_loginguard AS g (kind, subject, failures, last_at, blocked_until) VALUES (%s, %s, 1, %s, NULL)
ON CONFLICT (kind, subject) DO UPDATE SET
  failures = CASE WHEN g.last_at < %s THEN 1 ELSE g.failures + 1 END, last_at = excluded.last_at
RETURNING failures
"""


@dataclass(frozen=True, kw_only=True)
class Try:
    """One try that was let through and counted beforehand: `succeeded` takes it back."""

    subjects: tuple[tuple[str, str], ...]


def address_of(text: str) -> str:
    """An address as it is counted: IPv6 by its subscriber's prefix; "" for what is none."""
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(IPv6Address(int(found) >> IPV6_PREFIX << IPV6_PREFIX))
    return str(found)


def begin(name: str, address: str, *, at: datetime) -> Try:
    """Let one try through, or say how long to wait. It is counted as failed at once, so that tries sent in
    parallel count too; `succeeded` takes it back.

    Raises Refused `login_blocked` with `seconds`.
    """
    name, where = name[:NAME_MOST].lower(), address_of(address)
    subjects = [("pair", f"{name} {where}")]
    if not _known_there(name, address):
        subjects += [("address", where), ("name", name)]
    return _begin(subjects, at)


def begin_code(operator_id: int, *, at: datetime) -> Try:
    """The same for the second step of a log-in, whoever holds the password: a code has a million values only."""
    return _begin([("code", str(operator_id))], at)


def succeeded(tried: Try) -> None:
    """The try was right: the pair begins anew, the others forget this one try."""
    with transaction.atomic():
        for kind, subject in tried.subjects:
            rows = LoginGuard.objects.filter(kind=kind, subject=subject)
            if kind in ("pair", "code"):
                rows.delete()
            else:
                with connection.cursor() as cursor:
                    cursor.execute(
                        "UPDATE staff_loginguard SET failures = greatest(failures - 1, 0), blocked_until = NULL"
                        " WHERE kind = %s AND subject = %s",
                        [kind, subject],
                    )


def delay(kind: str, failures: int) -> timedelta:
    """How long to wait after this many failures."""
    over = failures - FREE[kind]
    if over < 0:
        return timedelta(0)
    return min(DELAY_MOST, DELAY_LEAST * (1 << min(over, 16)))


def _begin(subjects: list[tuple[str, str]], at: datetime) -> Try:
    with transaction.atomic():
        kinds, texts = [kind for kind, _ in subjects], [text for _, text in subjects]
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT max(blocked_until) FROM staff_loginguard"
                " WHERE (kind, subject) IN (SELECT * FROM unnest(%s::text[], %s::text[])) AND blocked_until > %s",
                [kinds, texts, at],
            )
            [until] = cursor.fetchone()
            if until is not None:
                # not counted: a wait that anybody could prolong would have no end
                raise Refused("login_blocked", retry=True, seconds=-(-(until - at) // timedelta(seconds=1)))
            for kind, subject in sorted(subjects):
                cursor.execute(_COUNT, [kind, subject, at, at - FORGOTTEN])
                [failures] = cursor.fetchone()
                wait = delay(kind, failures)
                cursor.execute(
                    "UPDATE staff_loginguard SET blocked_until = %s WHERE kind = %s AND subject = %s",
                    [at + wait if wait else None, kind, subject],
                )
                if failures == 1:
                    cursor.execute("DELETE FROM staff_loginguard WHERE last_at < %s", [at - FORGOTTEN])
    return Try(subjects=tuple(subjects))


def _known_there(name: str, address: str) -> bool:
    """Whether this name has logged in from this address within the days that sessions are kept."""
    return OperatorSession.objects.filter(operator__username=name, address=address[:45]).exists()


def forgive(username: str, *, actor: Actor | None, at: datetime) -> int:
    """Forget every count against a name, as an administrator may, or the house itself (None); how many there were.

    Raises Refused `not_permitted`.
    """
    if actor is not None:
        actor.require(Act.OPERATORS)
    name = username.lower()
    with transaction.atomic():
        pairs, _ = LoginGuard.objects.filter(kind="pair", subject__startswith=f"{name} ").delete()
        names, _ = LoginGuard.objects.filter(kind="name", subject=name).delete()
        owner = Operator.objects.filter(username=username).first()
        if owner is not None:
            codes, _ = LoginGuard.objects.filter(kind="code", subject=str(owner.pk)).delete()
            names += codes
            audit(
                at=at,
                actor=actor.key if actor else "system",
                action="staff.login_forgive",
                object_type="operator",
                object_id=str(owner.pk),
            )
    return pairs + names
