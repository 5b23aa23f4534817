"""Closing days (日结): after that nothing is booked into them; corrections go into a later day."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.db import transaction

from prewatt.core.refusals import Refused
from prewatt.office.ledger import errors as _errors  # noqa: F401  registers the texts
from prewatt.office.ledger.call import call
from prewatt.office.ledger.models import ClosedDay
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.audit import audit
from prewatt.office.staff.roles import Act


def close(*, site_id: int, timezone: str, day: date, actor: Actor, at: datetime) -> None:
    """Close a day of a site that is over. Waits for entries that are being booked; none slips in.

    Raises Refused `not_permitted`, `day_not_over`, `day_closed_already`.
    """
    actor.require(Act.CLOSE_DAY)
    if day >= at.astimezone(ZoneInfo(timezone)).date():
        raise Refused("day_not_over", day=day.isoformat())
    with transaction.atomic():
        call("SELECT pg_advisory_xact_lock(hashtextextended('ledger_day', %s))", [site_id])
        _, made = ClosedDay.objects.get_or_create(
            site_id=site_id, day=day, defaults={"closed_at": at, "actor": actor.key}
        )
        if not made:
            raise Refused("day_closed_already", day=day.isoformat())
        audit(
            at=at, actor=actor.key, action="ledger.close_day", site_id=site_id, object_type="day",
            object_id=day.isoformat(),
        )  # fmt: skip
