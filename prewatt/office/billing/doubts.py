"""What a person says of a counter that fell or leapt: it was truly used, or the meter was exchanged or reset.

Until then nothing behind it becomes a charge or income (`billing_doubted`). Lock order: supply point, progress or
purse, latest reading, running balance.
"""

from datetime import datetime
from typing import Final

from django.db import transaction

from prewatt.core.meters.judging import most_wh
from prewatt.core.refusals import Refused
from prewatt.office.billing import errors as _errors  # noqa: F401  registers the texts
from prewatt.office.billing.models import Progress
from prewatt.office.billing.settlements import settle
from prewatt.office.estate.models import Circuit, Custody, SupplyPoint
from prewatt.office.ledger.call import call
from prewatt.office.metering import doubts
from prewatt.office.metering.doubts import Doubt
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.audit import audit
from prewatt.office.staff.roles import Act

LIVE: Final = ("opening", "open", "closing")


def accept(circuit: Circuit, *, sure_at: datetime, reason: str, actor: Actor, at: datetime) -> None:
    """It was truly used: what the counter leapt by is billed as any use. `sure_at`: of the doubt that was seen.

    Raises Refused: not_permitted, doubt_over, doubt_fell, doubt_impossible.
    """
    actor.require(Act.SETTLE)
    assert reason, "a reason must be stated"
    with transaction.atomic():
        supply, doubt = _locked(circuit, sure_at)
        if doubt.fell:
            raise Refused("doubt_fell")
        if doubt.wh - doubt.sure_wh > most_wh(doubt.at - doubt.sure_at):
            raise Refused("doubt_impossible", wh=doubt.wh - doubt.sure_wh)
        doubts.believe(doubt)
        if supply is not None and supply.custody == Custody.SERVER:
            settle(supply, at=at)
        _trail("billing.reading_accepted", doubt, reason, actor, at)


def go_on_from(circuit: Circuit, *, sure_at: datetime, reason: str, actor: Actor, at: datetime) -> None:
    """The meter was exchanged or reset: billed on from its newest reading, without what lies between.

    What was used unseen is made up for by a sale or a make-up, which people agree on.
    Raises Refused: not_permitted, doubt_over.
    """
    actor.require(Act.SETTLE)
    assert reason, "a reason must be stated"
    with transaction.atomic():
        supply, doubt = _locked(circuit, sure_at)
        if supply is not None and supply.custody == Custody.SERVER:
            settle(supply, at=at)
            Progress.objects.filter(pk=supply.pk, charged_at__lt=doubt.at).update(
                charged_at=doubt.at, charged_wh=doubt.wh, held="", held_at=None, held_wh=None
            )
        elif supply is not None:
            # what was used before it is still to be released, by the readings after it: those before it are of the
            # counter as it was
            call(
                "UPDATE billing_purse SET seen_wh = seen_wh + %s, looked_to = greatest(looked_to, %s)"
                " WHERE supply_point_id = %s AND seen_at <= %s RETURNING true",
                [doubt.wh - doubt.sure_wh, doubt.at, supply.pk, doubt.sure_at],
            )
        doubts.end(circuit.site_id, circuit.pk, before=doubt.at)
        _trail("billing.go_on_from_held", doubt, reason, actor, at)


def _locked(circuit: Circuit, sure_at: datetime) -> tuple[SupplyPoint | None, Doubt]:
    """The circuit's supply point and its doubt, both held. Raises Refused `doubt_over`."""
    points = SupplyPoint.objects.select_for_update(no_key=True).filter(circuit=circuit, state__in=LIVE)
    supply = points.order_by("pk").first()
    if supply is not None:
        call("SELECT 1 FROM billing_progress WHERE supply_point_id = %s FOR NO KEY UPDATE", [supply.pk])
        call("SELECT 1 FROM billing_purse WHERE supply_point_id = %s FOR NO KEY UPDATE", [supply.pk])
    found = doubts.of_circuits(circuit.site_id, [circuit.pk], locked=True)
    if not found or found[0].sure_at != sure_at:
        raise Refused("doubt_over")
    return supply, found[0]


def _trail(action: str, doubt: Doubt, reason: str, actor: Actor, at: datetime) -> None:
    audit(
        at=at, actor=actor.key, action=action, site_id=doubt.site_id, object_type="circuit",
        object_id=str(doubt.circuit_id), reason=reason,
        before={"read_at": str(doubt.sure_at), "energy_wh": doubt.sure_wh},
        after={"read_at": str(doubt.at), "energy_wh": doubt.wh},
    )  # fmt: skip
