"""Who calls: the key in X-API-Key, and what it may see."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from ninja.security import APIKeyHeader

import prewatt.office.staff.keys as keys
from prewatt.office.staff.actors import Actor, of_key
from prewatt.office.staff.models import ApiKey, Operator


@dataclass(frozen=True, kw_only=True)
class Caller:
    """A verified key and the moment of the request, read once."""

    key: ApiKey
    actor: Actor
    at: datetime

    @property
    def operator(self) -> Operator:
        return self.key.operator


class KeyDoor(APIKeyHeader):
    """Refuses `key_invalid` (401)."""

    param_name = "X-API-Key"

    def authenticate(self, request: HttpRequest, key: str | None) -> Any:
        at = timezone.now()
        known = keys.verify(key or "", at=at)
        return Caller(key=known, actor=of_key(known), at=at)


def caller(request: HttpRequest) -> Caller:
    found = request.auth  # type: ignore[attr-defined]
    assert isinstance(found, Caller)
    return found
