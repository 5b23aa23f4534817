"""The trail (审计): one row for each thing done. SQL functions of other apps call `audit_add` themselves."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from prewatt.office.staff.models import AuditRow

MAX_REASON = 255  # the column; a reason is a sentence


def audit(
    *,
    at: datetime,
    actor: str,
    action: str,
    object_type: str,
    object_id: str,
    site_id: int | None = None,
    reason: str = "",
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> int:
    """Append a row in the caller's transaction; its id. `actor` as in `actors.Actor.key`, or "system"."""
    assert actor and action and object_type, (actor, action, object_type)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT audit_add(%s, %s, %s, %s, %s, %s, %s, %s::jsonb, %s::jsonb)",
            [at, actor, action, site_id, object_type, object_id, reason[:MAX_REASON], _json(before), _json(after)],
        )
        row = cursor.fetchone()
    assert row is not None
    return int(row[0])


def _json(values: Mapping[str, Any] | None) -> str | None:
    return None if values is None else json.dumps(dict(values), ensure_ascii=False)


def trail_of(object_type: str, object_id: str) -> QuerySet[AuditRow]:
    """What was done to one thing, newest first."""
    return AuditRow.objects.filter(object_type=object_type, object_id=object_id).order_by("-id")


def trail(site_ids: list[int]) -> QuerySet[AuditRow]:
    """What was done at these sites, newest first; what belongs to no site (operators) is not in it."""
    return AuditRow.objects.filter(site_id__in=site_ids).order_by("-id")


def trail_of_staff() -> QuerySet[AuditRow]:
    """What was done to operators, scopes and keys: for administrators, newest first."""
    return AuditRow.objects.filter(object_type__in=("operator", "api_key")).order_by("-id")
