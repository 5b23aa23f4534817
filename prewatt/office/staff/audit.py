"""The audit trail: one row for each thing done, written in the transaction that does it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from prewatt.office.staff.models import AuditRow


def audit(
    *,
    at: datetime,
    actor: str,
    action: str,
    site_id: int | None,
    object_type: str,
    object_id: str,
    reason: str = "",
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Append a row. `actor` is "operator:7", "key:3" or "system"; `action` is "<app>.<verb>"."""
    AuditRow.objects.create(
        at=at, actor=actor, action=action, site_id=site_id, object_type=object_type, object_id=object_id,
        reason=reason[:255], before=dict(before) if before is not None else None,
        after=dict(after) if after is not None else None,
    )  # fmt: skip
