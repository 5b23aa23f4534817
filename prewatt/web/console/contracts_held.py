"""A reading that is not billed: what it says, why, and the act that goes on from it after an exchange or a reset."""

from collections.abc import Sequence

from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from prewatt.office.billing.models import Progress
from prewatt.office.billing.settlements import go_on_from_held
from prewatt.office.estate.models import SupplyPoint
from prewatt.office.estate.scope import visible_to
from prewatt.office.metering import doubts
from prewatt.office.staff.actors import of_operator
from prewatt.office.staff.roles import Act, may
from prewatt.web.console.settings_fields import Field, attempt, form_page, kept, reason, roles_of
from prewatt.web.console.views_base import Ask, console
from prewatt.web.ui import formats

Held = tuple[str, str, int | None]  # what is said, meter number, circuit whose reading may be gone on from


def held_of(ask: Ask, points: Sequence[SupplyPoint]) -> list[Held]:
    """The supply points whose newest reading is not billed, for the contract page."""
    numbers = {point.pk: (point.circuit.meter.number, point.circuit_id) for point in points if point.state != "closed"}
    rows = Progress.objects.filter(pk__in=list(numbers)).exclude(held="")
    allowed = may(ask.operator.role, Act.SETTLE)
    return [
        (_said(ask, row), numbers[row.pk][0], numbers[row.pk][1] if allowed and row.held != "unpriced" else None)
        for row in rows
    ]


def _said(ask: Ask, row: Progress) -> str:
    assert row.held_at is not None and row.held_wh is not None and row.charged_wh is not None, row.pk
    told = {
        "wh": formats.energy(row.held_wh),
        "at": formats.when(row.held_at, ask.at, ask.zone),
        "charged": formats.energy(row.charged_wh),
    }
    if row.held == Progress.Held.UNPRICED:
        return _("The reading of %(at)s (%(wh)s kWh) waits to be billed: no price covers all of the time.") % told
    if row.held == Progress.Held.BACKWARD:
        return _("The reading of %(at)s (%(wh)s kWh) is not billed: %(charged)s kWh were billed before.") % told
    if doubts.of_circuits(row.site_id, [row.circuit_id]):
        leapt = _("The reading of %(at)s (%(wh)s kWh) is not billed: the counter leapt, and nobody has said yet why.")
        return leapt % told
    return _("The reading of %(at)s (%(wh)s kWh) is not billed: nobody can use so much since %(charged)s kWh.") % told


@require_http_methods(["GET", "HEAD", "POST"])
@console(roles=roles_of(Act.SETTLE))
def go_on(ask: Ask, contract_number: str, circuit_id: int) -> HttpResponse:
    """Charge on from the held reading, once somebody said why."""
    points = SupplyPoint.objects.select_related("circuit__meter").filter(
        contract__number=contract_number, circuit_id=circuit_id, contract__site_id=ask.site.id
    )
    point = _visible(ask, points.exclude(state="closed").first())
    row = Progress.objects.filter(pk=point.pk).exclude(held="").first()
    back = f"/console/contracts/{contract_number}?circuit={circuit_id}"
    if row is None or row.held_at is None:
        return redirect(back)
    if doubts.of_circuits(row.site_id, [circuit_id]):  # there is more to be said than that it goes on
        return redirect(f"/console/circuits/{circuit_id}/doubt")
    fields = [Field(name="reason", label=_("Reason"), required=True, most=255)]
    refused = None
    if ask.request.method == "POST":
        held_at, form = row.held_at, ask.request.POST
        refused = attempt(
            lambda: go_on_from_held(
                point, held_at=held_at, reason=reason(form), actor=of_operator(ask.operator), at=ask.at
            )
        )
        if not refused:
            return redirect(back)
        fields = kept(fields, form)
    return form_page(
        ask,
        title=_("Bill on from this reading"),
        fields=fields,
        submit=_("Bill on from it"),
        back=back,
        crumb=_("Contract %s") % contract_number,
        refused=refused,
        risk=True,
        warn=_said(ask, row),
        says=_(
            "For a meter that was exchanged or reset. The energy up to this reading is not billed; what was used "
            "unseen is settled with the customer, by a sale or a make-up."
        ),
    )


def _visible(ask: Ask, point: SupplyPoint | None) -> SupplyPoint:
    if point is None or not visible_to(ask.operator, SupplyPoint).filter(pk=point.pk).exists():
        raise Http404
    return point


urlpatterns = [path("contracts/<str:contract_number>/held/<int:circuit_id>", go_on, name="contract-held")]
