"""Sales: the page of one sale, which follows its delivery, and the list."""

from django.http import Http404, HttpResponse
from django.urls import path
from django.views.decorators.http import require_safe

from prewatt.office.reports.sales import sale_full
from prewatt.office.staff.roles import Act, may
from prewatt.web.console.sales_acts import acts_for, told_act
from prewatt.web.console.sales_shown import SaleShown, show
from prewatt.web.console.today import today_of
from prewatt.web.console.views_base import Ask, console


def _shown(ask: Ask, sale_id: int) -> SaleShown:
    full = sale_full(ask.operator, sale_id)
    if full is None:
        raise Http404
    return show(ask, full)


def _context(ask: Ask, sale_id: int) -> dict[str, object]:
    shown = _shown(ask, sale_id)
    return {
        "shown": shown, "full": shown.full, "acts": acts_for(ask, shown.full), "today": today_of(ask),
        "history": [told_act(ask, act) for act in shown.full.acts], "can_sell": may(ask.operator.role, Act.SELL),
    }  # fmt: skip


@require_safe
@console()
def sale(ask: Ask, sale_id: int) -> HttpResponse:
    """One sale. It never asks again for what was paid."""
    return ask.page("ui/sale.html", _context(ask, sale_id))


@require_safe
@console()
def live(ask: Ask, sale_id: int) -> HttpResponse:
    """The parts of the page that move."""
    return ask.page("ui/parts/sale_live.html", _context(ask, sale_id))


urlpatterns = [
    path("sales/<int:sale_id>", sale, name="sale"),
    path("sales/<int:sale_id>/live", live, name="sale-live"),
]
