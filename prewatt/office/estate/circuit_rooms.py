"""Which room a circuit supplies, said again: after a scan, for the loops of a multi-user box, where it was wrong."""

from datetime import datetime

from django.db import transaction

from prewatt.core.refusals import Refused
from prewatt.office.estate import errors as _errors  # noqa: F401  registers the texts
from prewatt.office.estate.models import Circuit, Room, SupplyPoint
from prewatt.office.staff.audit import audit

_LIVE = ("opening", "open", "closing")


def lead_to(circuit: Circuit, room: Room | None, *, common: bool, reason: str, actor: str, at: datetime) -> None:
    """A circuit supplies this room from now on, or the common area. Its contract, readings and relay stay as they are.

    Refuses room_other_site; circuit_supplies_tenant: nothing is sold in a common area, and here something is.
    """
    if room is not None and room.building.site_id != circuit.site_id:
        raise Refused("room_other_site")
    with transaction.atomic():
        held = Circuit.objects.select_for_update(no_key=True, of=("self",)).select_related("room").get(pk=circuit.pk)
        if common and SupplyPoint.objects.filter(circuit=held, state__in=_LIVE).exists():
            raise Refused("circuit_supplies_tenant")
        before = {"room": held.room.code if held.room else None, "use": held.use}
        held.room, held.use = room, Circuit.Use.COMMON if common else Circuit.Use.TENANT
        held.save(update_fields=["room", "use"])
        audit(
            at=at, actor=actor, action="estate.circuit_lead", site_id=held.site_id, object_type="circuit",
            object_id=str(held.pk), reason=reason, before=before,
            after={"room": room.code if room else None, "use": held.use},
        )  # fmt: skip
