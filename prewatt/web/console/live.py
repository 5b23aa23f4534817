"""Live board: every circuit as a tile, with filters and a side panel."""

from datetime import timedelta

from django.http import Http404, HttpResponse
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from prewatt.office.metering.states import CircuitState
from prewatt.office.reports.board import BoardRow, RunsOut, board_rows, runs_out
from prewatt.office.reports.circuit_panel import circuit_panel
from prewatt.web.console.board import badge_counts, floors, spark, state_counts
from prewatt.web.console.panel import happened, supply_sentence
from prewatt.web.console.tiles import badges_of, tile
from prewatt.web.console.views_base import Ask, console, stale_limit
from prewatt.web.ui import formats


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 19 else None


def _panel_context(ask: Ask, row: BoardRow) -> dict[str, object]:
    """Everything the side panel says of one circuit."""
    start = ask.at.astimezone(ask.zone).replace(hour=0, minute=0, second=0, microsecond=0)
    more = circuit_panel(ask.site.id, row.circuit_id, since=start - timedelta(days=1), at=ask.at, day=start.date())
    forecast = runs_out(row) if row.state is not CircuitState.OFFLINE else None  # nothing is foretold of the unknown
    age_s = int((ask.at - row.read_at).total_seconds()) if row.read_at else None
    return {
        "row": row, "tile": tile(row, ask.at), "badges": badges_of(row), "more": more,
        "says": supply_sentence(row, ask.at, ask.zone), "unit": formats.credit_unit_word(row.credit_unit),
        "balance": formats.credit(row.balance, row.credit_unit, row.exponent),
        "lost": row.state is CircuitState.OFFLINE, "opened": row.opened,
        "left": _days(forecast.about_s) if forecast else "",
        "interval": _interval(forecast) if forecast else "",
        "spark": spark(more.load), "today_at": _("Today 0:00"),
        "read_at": formats.clock_seconds(row.read_at, ask.zone) if row.read_at else formats.DASH,
        "age": formats.ago(age_s) if age_s is not None else "",
        "bought": formats.money(more.last_sale_minor, row.currency, row.exponent) if more.last_sale_minor else "",
        "bought_at": formats.when(more.last_sale_at, ask.at, ask.zone) if more.last_sale_at else "",
        "happened": [(formats.when(each.at, ask.at, ask.zone), happened(each)) for each in more.events],
    }  # fmt: skip


def _interval(forecast: RunsOut) -> str:
    return f"{_days(forecast.early_s)}–{_days(forecast.late_s) if forecast.late_s else '…'}"


def _days(seconds: int) -> str:
    return formats.scaled(seconds * 10 // 86400, 1)


@require_safe
@console()
def live(ask: Ask) -> HttpResponse:
    """The page; `?circuit=` opens the side panel, `fragment` is what the page polls while the stream is silent."""
    rows = board_rows(ask.operator.pk, ask.site.id, at=ask.at, stale=stale_limit())
    wanted = _number(ask.request.GET.get("circuit", ""))
    chosen = next((row for row in rows if row.circuit_id == wanted), None)
    if wanted is not None and chosen is None:
        raise Http404
    buildings = list(dict.fromkeys((row.building_id, row.building) for row in rows if row.building_id))
    context: dict[str, object] = {
        "rows": rows, "total": len(rows), "states": state_counts(rows), "badge_chips": badge_counts(rows),
        "buildings": buildings, "floors": floors(rows, ask.at), "now_s": int(ask.at.timestamp()),
    }  # fmt: skip
    if chosen is not None:
        context.update(_panel_context(ask, chosen), chosen=chosen.circuit_id)
    return ask.page("ui/live.html", context)


@require_safe
@console()
def fragment(ask: Ask) -> HttpResponse:
    """The floors alone: what a page without a stream asks for every few seconds."""
    rows = board_rows(ask.operator.pk, ask.site.id, at=ask.at, stale=stale_limit())
    return HttpResponse(floors(rows, ask.at))


@require_safe
@console()
def panel(ask: Ask, circuit_id: int) -> HttpResponse:
    rows = board_rows(ask.operator.pk, ask.site.id, at=ask.at, stale=stale_limit(), ids=[circuit_id])
    if not rows:
        raise Http404
    return ask.page("ui/parts/panel.html", _panel_context(ask, rows[0]))


urlpatterns = [
    path("live", live, name="live"),
    path("live/fragment", fragment, name="live-fragment"),
    path("live/circuits/<int:circuit_id>", panel, name="live-panel"),
]
