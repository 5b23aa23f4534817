"""Sales: the page of one sale, which follows its delivery, and the list."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final

from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.functional import Promise
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _lazy
from django.views.decorators.http import require_POST, require_safe

from prewatt.core.refusals import Refused
from prewatt.office.reports.sales import LIST_MOST, Filters, SaleRow, sale_full, sales, total
from prewatt.office.staff.actors import of_operator
from prewatt.office.staff.roles import Act, may
from prewatt.office.vending import by_token, deliveries
from prewatt.web.console import menu
from prewatt.web.console.sales_acts import acts_for, told_act
from prewatt.web.console.sales_by_token import is_by_token
from prewatt.web.console.sales_export import state_word, workbook
from prewatt.web.console.sales_shown import SaleShown, show
from prewatt.web.console.sell_parts import money, with_unit
from prewatt.web.console.settings_fields import roles_of
from prewatt.web.console.today import today_of
from prewatt.web.console.tokens_send import sending
from prewatt.web.console.tokens_wire import wiring
from prewatt.web.console.views_base import Ask, console
from prewatt.web.ui import formats
from prewatt.web.ui.states import DELIVERIES
from prewatt.web.ui.words import TENDERS

EXPORT_MOST: Final = 50_000  # rows of a workbook; more is a report, not a list
TEXT_MOST: Final = 64
XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
# who does not sell reaches the sales by a line of the menu; who sells, by the sell page
menu.add(menu.MenuEntry(place=31, url="/console/sales", label=_lazy("Sales"), icon="receipt", key="s",
                        roles=frozenset(("finance", "administrator"))))  # fmt: skip


def _shown(ask: Ask, sale_id: int) -> SaleShown:
    full = sale_full(ask.operator, sale_id)
    if full is None:
        raise Http404
    return show(ask, full)


def _context(ask: Ask, sale_id: int) -> dict[str, object]:
    shown = _shown(ask, sale_id)
    return {
        "shown": shown, "full": shown.full, "acts": acts_for(ask, shown.full), "today": today_of(ask),
        "wiring": wiring(ask, shown.full.now.delivery.token_request) if shown.by_token else None,
        "sending": sending(ask, shown.full.now.delivery.token_request) if shown.by_token else None,
        "history": [told_act(ask, act) for act in shown.full.acts], "can_sell": may(ask.operator.role, Act.SELL),
        "can_check": shown.state in ("waiting", "unknown") and may(ask.operator.role, Act.READ_NOW),
        "can_read": shown.state in ("waiting", "unknown", "disputed") and not shown.by_token
        and may(ask.operator.role, Act.READ_NOW),
    }  # fmt: skip


@require_safe
@console()
def sale(ask: Ask, sale_id: int) -> HttpResponse:
    """One sale. It never asks again for what was paid."""
    return ask.page("ui/sale.html", _context(ask, sale_id))


@require_POST
@console(roles=roles_of(Act.READ_NOW))
def check(ask: Ask, sale_id: int) -> HttpResponse:
    """Ask the meter now what came of the order, by token the key vault, not at the next try."""
    full = sale_full(ask.operator, sale_id)
    if full is None:
        raise Http404
    if is_by_token(full):
        by_token.hand_out(full.now.delivery.pk, at=ask.at)
        return redirect(f"/console/sales/{sale_id}")
    try:
        deliveries.check_now(full.now.delivery, actor=of_operator(ask.operator), at=ask.at)
    except Refused as refused:
        if refused.code != "delivery_not_waiting":  # settled meanwhile: the page says so
            raise
    return redirect(f"/console/sales/{sale_id}")


@require_safe
@console()
def live(ask: Ask, sale_id: int) -> HttpResponse:
    """The parts of the page that move."""
    return ask.page("ui/parts/sale_live.html", _context(ask, sale_id))


@dataclass(frozen=True, kw_only=True)
class Line:
    """A sale as the list shows it."""

    row: SaleRow
    time: str
    amount: str
    credit: str
    tender: str | Promise
    state: str


def _line(ask: Ask, row: SaleRow) -> Line:
    return Line(
        row=row, time=formats.when(row.at, ask.at, ask.zone),
        amount=formats.scaled(row.amount_minor, ask.site.exponent),
        credit=with_unit(row.credit, row.credit_unit, ask.site.exponent), tender=TENDERS.get(row.tender, row.tender),
        state=state_word(row),
    )  # fmt: skip


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _filters(ask: Ask) -> tuple[Filters, dict[str, str]]:
    """What the address narrows the list to, and the same as the form shows it. Nothing asked: today."""
    get = ask.request.GET
    today = ask.at.astimezone(ask.zone).date()
    asked = {name: get.get(name, "").strip()[:TEXT_MOST] for name in ("from", "to", "tender", "delivery", "text")}
    first = _day(asked["from"]) or (today if not any(asked.values()) else None)
    last = _day(asked["to"])
    tender = asked["tender"] if asked["tender"] in TENDERS else ""
    delivery = asked["delivery"] if asked["delivery"] in DELIVERIES else ""
    shown = {
        "from": first.isoformat() if first else "", "to": last.isoformat() if last else "", "tender": tender,
        "delivery": delivery, "text": asked["text"],
    }  # fmt: skip
    return Filters(
        since=datetime.combine(first, time.min, ask.zone) if first else None,
        until=datetime.combine(last + timedelta(days=1), time.min, ask.zone) if last and last < date.max else None,
        tender=tender, delivery=delivery, text=asked["text"],
    ), shown  # fmt: skip


@require_safe
@console()
def listed(ask: Ask) -> HttpResponse:
    """The list, newest first, by keyset pages, with the sum of all that the filters leave."""
    filters, shown = _filters(ask)
    before = ask.request.GET.get("before", "")
    before_id = int(before) if before.isdecimal() and len(before) < 19 else None
    rows = sales(ask.operator.pk, ask.site.id, filters, before_id=before_id)
    number, minor = total(ask.operator.pk, ask.site.id, filters)
    context = {
        "lines": [_line(ask, row) for row in rows], "number": number, "sum": money(ask, minor), "asked": shown,
        "tenders": TENDERS, "deliveries": DELIVERIES, "query": urlencode({k: v for k, v in shown.items() if v}),
        "next_id": rows[-1].id if len(rows) == LIST_MOST else None, "can_sell": may(ask.operator.role, Act.SELL),
        "paged": before_id is not None,
    }  # fmt: skip
    return ask.page("ui/sales.html", context)


@require_safe
@console()
def exported(ask: Ask) -> HttpResponse:
    """The list under the same filters, as a workbook."""
    filters, shown = _filters(ask)
    rows = sales(ask.operator.pk, ask.site.id, filters, most=EXPORT_MOST + 1)
    _number, minor = total(ask.operator.pk, ask.site.id, filters)
    answer = HttpResponse(
        workbook(
            rows, zone=ask.zone, currency=ask.site.currency, exponent=ask.site.exponent, total_minor=minor,
            most=EXPORT_MOST,
        ),
        content_type=XLSX,
    )  # fmt: skip
    name = "-".join(["sales", *(shown[part] for part in ("from", "to") if shown[part])])
    answer["Content-Disposition"] = f'attachment; filename="{name}.xlsx"'
    return answer


urlpatterns = [
    path("sales", listed, name="sales"),
    path("sales.xlsx", exported, name="sales-export"),
    path("sales/<int:sale_id>", sale, name="sale"),
    path("sales/<int:sale_id>/live", live, name="sale-live"),
    path("sales/<int:sale_id>/check", check, name="sale-check"),
]
