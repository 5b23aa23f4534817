"""A meter taken down and another one put up in its place: rows of the estate alone, no credit and no supply point."""

from datetime import datetime

from django.db import transaction

from prewatt.core.refusals import Refused
from prewatt.office.estate.models import Circuit, Line, Meter
from prewatt.office.estate.wires import add_meter, check_meter, touch
from prewatt.office.staff.audit import audit


def replace_meter(
    old: Meter, *, number: str, profile: str, line: Line, unit: int, ct_ratio: int, actor: str, at: datetime
) -> dict[int, Circuit]:
    """The circuits of the new meter by index, each leading where the old one of that index led. The old meter stays as
    a row with everything that was read of it; it is polled no more and its address is free.

    Refuses what `wires.add_meter` does, and line_other_site, meter_has_fewer_circuits.
    """
    known = check_meter(number=number, profile=profile, unit=unit, ct_ratio=ct_ratio)
    if line.gateway.site_id != old.site_id:
        raise Refused("line_other_site")
    with transaction.atomic():
        standing = list(Circuit.objects.filter(meter=old).order_by("index"))
        if len(standing) > known.circuits:
            raise Refused("meter_has_fewer_circuits", circuits=known.circuits, needed=len(standing))
        Meter.objects.filter(pk=old.pk).update(removed_at=at)
        if old.line is not None:
            touch(old.line.gateway)
        made = add_meter(
            line, number=number, profile=profile, unit=unit, ct_ratio=ct_ratio, room=None, common=False, actor=actor,
            at=at,
        )  # fmt: skip
        circuits = {each.index: each for each in Circuit.objects.filter(meter=made)}
        for each in standing:
            new = circuits[each.index]
            new.room, new.use, new.never_cut = each.room, each.use, each.never_cut
            new.save(update_fields=["room", "use", "never_cut"])
        audit(
            at=at, actor=actor, action="estate.meter_replace", site_id=old.site_id, object_type="meter",
            object_id=str(old.pk), before={"number": old.number}, after={"number": number, "meter": made.pk},
        )  # fmt: skip
    return circuits
