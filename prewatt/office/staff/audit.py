"""The trail (审计): one row for each thing done. SQL functions of other apps call `audit_add` themselves."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Deed:
    """One of many things done at once; fields as those of `audit`."""

    action: str
    site_id: int | None
    object_type: str
    object_id: str
    after: Mapping[str, Any]


def audit_all(deeds: Sequence[Deed], *, actor: str, at: datetime) -> None:
    """Append a row for each, in their order, by one statement: for what is taken over in bulk."""
    rows = [
        {"action": each.action, "site": each.site_id, "type": each.object_type, "id": each.object_id,
         "after": dict(each.after)}
        for each in deeds
    ]  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(audit_add(%s, %s, r.action, r.site, r.type, r.id, '', NULL, r.after))"
            " FROM jsonb_to_recordset(%s::jsonb) AS r (action text, site bigint, type text, id text, after jsonb)",
            [at, actor, json.dumps(rows, ensure_ascii=False)],
        )


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
