"""What stood in a meter's place before it."""

from dataclasses import dataclass

from django.http import Http404, HttpResponse
from django.shortcuts import redirect

from prewatt.office.changes.models import Swap
from prewatt.office.estate.models import Meter
from prewatt.web.console.views_base import Ask
from prewatt.web.ui import formats


@dataclass(frozen=True, kw_only=True)
class Exchanged:
    """A meter that stands here, and when it came in the place of which."""

    id: int
    number: str
    at: str


def gone(meter: Meter) -> HttpResponse:
    """Where a meter that was taken down is told of: the slip of its exchange. Raises Http404 where it has none."""
    made = Swap.objects.filter(old_meter=meter).first()
    if made is None:
        raise Http404
    return redirect(f"/console/swaps/{made.pk}")


def exchanged(ask: Ask, meter: Meter) -> Exchanged | None:
    """What stood here before, for the page of a meter."""
    made = Swap.objects.select_related("old_meter").filter(new_meter=meter).first()
    if made is None:
        return None
    return Exchanged(id=made.pk, number=made.old_meter.number, at=formats.when(made.at, ask.at, ask.zone))
