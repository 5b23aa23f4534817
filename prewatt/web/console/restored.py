"""After a restore from a backup: meters that counted on since, books and meter side by side, settled by a person."""

from django.http import Http404, HttpResponse
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from prewatt.core.refusals import Refused
from prewatt.office.estate.models import Circuit
from prewatt.office.estate.scope import visible_to
from prewatt.office.staff.actors import of_operator
from prewatt.office.staff.roles import Act, may
from prewatt.office.vending import recounts
from prewatt.web.console.settings_fields import say, text, whole
from prewatt.web.console.views_base import Ask, console
from prewatt.web.ui import formats

PATH = "/console/restored"


def waiting(ask: Ask) -> list[recounts.Recount]:
    """What the operator may see of it at this site."""
    rows = recounts.listed([ask.site.id])
    ids = [each.circuit_id for each in rows]
    seen = set(visible_to(ask.operator, Circuit).filter(pk__in=ids).values_list("pk", flat=True)) if ids else set()
    return [each for each in rows if each.circuit_id in seen]


def why(code: str) -> str:
    return {
        "count_higher": _("The meter has had more purchases than the books"),
        "count_lower": _("The meter has had fewer purchases: it was changed or reset"),
        "balance_higher": _("The balance rose without a purchase"),
        "balance_lower": _("The balance fell by more than was used"),
    }.get(code, _("Not read yet since the restore"))


@require_http_methods(["GET", "HEAD", "POST"])
@console()
def page(ask: Ask) -> HttpResponse:
    """GET lists; POST takes the count of one meter over."""
    refused: dict[str, str] = {}
    rows = waiting(ask)
    if ask.request.method == "POST":
        form = ask.request.POST
        try:
            circuit = whole(form, "circuit")
            if circuit not in {each.circuit_id for each in rows}:
                raise Http404
            recounts.settle(
                circuit, purchase_count=whole(form, "count"), reason=text(form, "reason", 300),
                actor=of_operator(ask.operator), at=ask.at,
            )  # fmt: skip
        except Refused as error:
            refused = {"said": say(error), "code": error.code}
        rows = waiting(ask)
    circuits = Circuit.objects.select_related("meter", "room__building").in_bulk([each.circuit_id for each in rows])
    lines = [
        {
            "row": each, "circuit": circuits[each.circuit_id], "why": why(each.code),
            "read": formats.when(each.read_at, ask.at, ask.zone) if each.read_at else "",
            "delivery": each.code.startswith("count_"),
        }
        for each in rows
    ]  # fmt: skip
    context = {"lines": lines, "refused": refused, "can_settle": may(ask.operator.role, Act.SETTLE)}
    return ask.page("ui/restored.html", context, status=422 if refused else 200)


urlpatterns = [path("restored", page)]
