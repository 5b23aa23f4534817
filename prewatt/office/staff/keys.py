"""API keys: 256 random bits, shown once; only their hash is kept."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import transaction

from prewatt.core.refusals import Refused
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.audit import audit
from prewatt.office.staff.models import ApiKey, Operator
from prewatt.office.staff.roles import Act

PREFIX: Final = "pw_"  # lets a secret scanner know it
MAX_KEY_CHARACTERS: Final = 128  # ours have 46; more is not worth hashing


@dataclass(frozen=True, kw_only=True)
class MadeKey:
    """A new key. `secret` is what the third party sends; it cannot be shown again."""

    row: ApiKey
    secret: str


def key_hash(secret: str) -> str:
    """sha256, hex. No salt: the key is random, there is nothing to guess."""
    return hashlib.sha256(secret.encode()).hexdigest()


def make(*, name: str, operator: Operator, till_id: int | None, actor: Actor | None, at: datetime) -> MadeKey:
    """A key that acts as `operator` and sells on its own till. `actor` None: the system, at first run.

    Raises Refused `not_permitted`, `key_name_malformed`, `operator_inactive`.
    """
    if actor is not None:
        actor.require(Act.OPERATORS)
    if not 1 <= len(name.strip()) <= 64:
        raise Refused("key_name_malformed")
    if not operator.is_active:
        raise Refused("operator_inactive")
    secret = PREFIX + secrets.token_urlsafe(32)
    with transaction.atomic():
        row = ApiKey.objects.create(
            name=name.strip(), key_hash=key_hash(secret), operator=operator, till_id=till_id, created_at=at
        )
        _audit(row, "staff.key_make", actor, at, after={"name": row.name, "operator": operator.pk, "till": till_id})
    return MadeKey(row=row, secret=secret)


def verify(secret: str, *, at: datetime) -> ApiKey:
    """The key with its operator. Raises Refused `key_invalid` for what is unknown, ended or not a key."""
    if not 1 <= len(secret) <= MAX_KEY_CHARACTERS or not secret.isascii():
        raise Refused("key_invalid")
    row = ApiKey.objects.select_related("operator").filter(key_hash=key_hash(secret)).first()
    if row is None or (row.ended_at is not None and row.ended_at <= at) or not row.operator.is_active:
        raise Refused("key_invalid")
    return row


def end(row: ApiKey, *, actor: Actor, at: datetime) -> None:
    """The key opens nothing from now on; ending it twice changes nothing."""
    actor.require(Act.OPERATORS)
    with transaction.atomic():
        if ApiKey.objects.filter(pk=row.pk, ended_at=None).update(ended_at=at):
            _audit(row, "staff.key_end", actor, at, before={"ended_at": None}, after={"ended_at": at.isoformat()})


def _audit(
    row: ApiKey,
    action: str,
    actor: Actor | None,
    at: datetime,
    *,
    before: dict[str, object] | None = None,
    after: dict[str, object] | None = None,
) -> None:
    audit(
        at=at,
        actor=actor.key if actor else "system",
        action=action,
        object_type="api_key",
        object_id=str(row.pk),
        before=before,
        after=after,
    )
