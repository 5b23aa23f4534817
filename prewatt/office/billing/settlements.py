"""Settling a server-held supply point at its newest reading: before it is closed, given back or changed.

Closings and changes of custody or contract call `settle` first, under the lock of the supply point, and before they
book anything: the lock order is supply point, progress, running balance. SQL may call `billing_settle` likewise.
"""

from datetime import datetime

from django.db import transaction

from prewatt.core.refusals import Refused
from prewatt.office.billing import errors as _errors  # noqa: F401  registers the texts
from prewatt.office.billing.models import Progress
from prewatt.office.estate.models import SupplyPoint
from prewatt.office.ledger.call import call
from prewatt.office.metering import doubts
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.audit import audit
from prewatt.office.staff.roles import Act


def settle(supply_point: SupplyPoint, *, at: datetime) -> int:
    """Charge up to the newest good reading; the balance of its account then, minor units, below zero when owed.

    In the caller's transaction. Waits for a sweep that is charging it. Read the meter before, where what is on its
    display matters: nothing is charged that was not read.
    """
    row = call("SELECT billing_settle(%s, %s)", [supply_point.pk, at])
    assert row is not None and row[0] is not None, supply_point.pk
    return int(row[0])


def go_on_from_held(supply_point: SupplyPoint, *, held_at: datetime, reason: str, actor: Actor, at: datetime) -> None:
    """Charge on from the held reading of `held_at`, without the energy up to it: the meter was exchanged or reset.

    What was used unseen between the two readings is made up for by a sale or a make-up, which people agree on.
    Raises Refused: not_permitted, reading_not_held (it is charged by now, or another one is held).
    """
    actor.require(Act.SETTLE)
    assert reason, "a reason must be stated"
    with transaction.atomic():
        settle(supply_point, at=at)
        row = Progress.objects.select_for_update(no_key=True).get(pk=supply_point.pk)
        if row.held not in (Progress.Held.BACKWARD, Progress.Held.JUMP) or row.held_at != held_at:
            raise Refused("reading_not_held")
        Progress.objects.filter(pk=row.pk).update(
            charged_at=row.held_at, charged_wh=row.held_wh, held="", held_at=None, held_wh=None
        )
        doubts.end(row.site_id, row.circuit_id, before=held_at)
        audit(
            at=at, actor=actor.key, action="billing.go_on_from_held", site_id=row.site_id, object_type="supply_point",
            object_id=str(row.pk), reason=reason,
            before={"charged_at": str(row.charged_at), "charged_wh": row.charged_wh},
            after={"charged_at": str(row.held_at), "charged_wh": row.held_wh, "held": row.held},
        )  # fmt: skip
