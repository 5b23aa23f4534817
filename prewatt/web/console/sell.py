"""The sell page: find a circuit, type an amount, Enter. A view parses, calls one verb, renders."""

import secrets

from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import gettext_lazy as _lazy
from django.views.decorators.http import require_http_methods, require_safe

from prewatt.core.refusals import Refused
from prewatt.core.units import currency, parse_amount
from prewatt.office.payments.models import Tender
from prewatt.office.reports.sales import sale_asked
from prewatt.office.staff.actors import of_operator
from prewatt.office.vending import quotes, sales, shifts
from prewatt.office.vending.models import Till
from prewatt.web.console import menu
from prewatt.web.console.sell_parts import (
    Chosen,
    chips,
    choose,
    equation,
    exactly,
    finds,
    money,
    picks,
    range_words,
    told,
    warned,
)
from prewatt.web.console.today import today_of
from prewatt.web.console.views_base import Ask, console
from prewatt.web.ui.words import TENDERS

ROLES = ("cashier", "manager")
TEXT_MOST = 64  # of what is typed into the find box
AMOUNT_MOST = 32
menu.add(
    menu.MenuEntry(
        place=30, url="/console/sell", label=_lazy("Sell"), icon="bolt", key="s", roles=frozenset(ROLES),
        also=("/console/sales", "/console/shift", "/console/shifts", "/console/acts", "/console/receipts"),
    )
)  # fmt: skip


def number(text: str) -> int | None:
    """An id as it stands in an address or a form; None for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _new_key() -> str:
    return secrets.token_urlsafe(24)


def _page(ask: Ask, chosen: Chosen | None, more: dict[str, object], status: int = 200) -> HttpResponse:
    """The whole page. `request_key` is made when the form is drawn: a second press sells nothing twice."""
    shift = shifts.open_shift_of(ask.operator.pk, ask.site.id)
    tills = Till.objects.filter(site_id=ask.site.id, needs_shift=True).order_by("code") if shift is None else ()
    context: dict[str, object] = {
        "chosen": chosen, "shift": shift, "tills": list(tills), "tenders": TENDERS, "tender": Tender.CASH.value,
        "request_key": _new_key(), "text": "", "amount": "", "reference": "", "today": today_of(ask),
        "chips": chips(ask, chosen), "range": range_words(ask, chosen), **more,
    }  # fmt: skip
    return ask.page("ui/sell.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@console(roles=ROLES)
def sell(ask: Ask) -> HttpResponse:
    """GET draws the form; POST sells and goes to the sale. A refusal keeps what was typed and the request key."""
    if ask.request.method != "POST":
        asked = ask.request.GET
        chosen, amount = choose(ask, number(asked.get("circuit", ""))), asked.get("amount", "")[:AMOUNT_MOST]
        return _page(ask, chosen, {"amount": amount, **_quoted(ask, chosen, amount)})
    post = ask.request.POST
    text = post.get("find", "").strip()[:TEXT_MOST]
    found = finds(ask, text)
    chosen = choose(ask, number(post.get("circuit", "")) or exactly(found, text))
    kept = {
        "text": text, "amount": post.get("amount", "")[:AMOUNT_MOST], "tender": post.get("tender", Tender.CASH.value),
        "reference": post.get("reference", "")[:TEXT_MOST], "request_key": post.get("request_key", ""),
    }  # fmt: skip
    try:
        address = f"/console/sales/{_sell(ask, chosen, kept)}"
    except Refused as refused:
        return _refused(ask, refused, chosen, kept, {"picks": picks(ask, found) if chosen is None else []})
    return JsonResponse({"url": address}, status=201) if ask.partial else redirect(address)


def _refused(
    ask: Ask, refused: Refused, chosen: Chosen | None, kept: dict[str, str], more: dict[str, object]
) -> HttpResponse:
    """What was typed stays; the page's script swaps in the parts, a browser without one gets the page."""
    context: dict[str, object] = {**kept, **more, "told": told(ask, refused, chosen)}
    if ask.partial:
        return ask.page("ui/parts/sell_refused.html", {"chosen": chosen, **context}, status=422)
    return _page(ask, chosen, context, status=422)


def _sell(ask: Ask, chosen: Chosen | None, kept: dict[str, str]) -> int:
    if chosen is None:
        raise Refused("contract_unknown")
    shift = shifts.open_shift_of(ask.operator.pk, ask.site.id)
    if shift is None:
        raise Refused("shift_not_open")
    return sales.sell_once(
        sales.SellCommand(
            key=kept["request_key"], contract_number=chosen.row.contract_number or "",
            circuit_id=chosen.row.circuit_id, till_id=shift.till_id,
            amount_minor=parse_amount(kept["amount"], currency(ask.site.currency)),
            actor=of_operator(ask.operator), at=ask.at, tender=kept["tender"], reference=kept["reference"],
        )
    ).sale_id  # fmt: skip


@require_safe
@console(roles=ROLES)
def find(ask: Ask) -> HttpResponse:
    """Typeahead: rooms, names, pinyin initials, phones, contract and meter numbers."""
    text = ask.request.GET.get("find", "").strip()[:TEXT_MOST]
    found = finds(ask, text)
    return ask.page(
        "ui/parts/sell_found.html", {"text": text, "picks": picks(ask, found), "exact": exactly(found, text)}
    )


@require_safe
@console(roles=ROLES)
def who(ask: Ask, circuit_id: int) -> HttpResponse:
    """The first move done: who it is, and what the meter says."""
    chosen = choose(ask, circuit_id)
    if chosen is None:
        return HttpResponse(status=404)
    return ask.page(
        "ui/parts/sell_chosen.html",
        {"chosen": chosen, "chips": chips(ask, chosen), "range": range_words(ask, chosen)},
    )


def _quoted(ask: Ask, chosen: Chosen | None, text: str) -> dict[str, object]:
    """What the amount buys, or why it cannot be sold, before anybody pays."""
    if chosen is None or not text:
        return {}
    try:
        amount = parse_amount(text, currency(ask.site.currency))
        made = quotes.quote(chosen.row.contract_number or "", chosen.row.circuit_id, amount, ask.at)
    except Refused as refused:
        return {"told": told(ask, refused, chosen)}
    return {
        "quote": equation(ask, made, chosen.row.day_wh), "sum": money(ask, amount), "sum_minor": amount,
        "warnings": warned(made),
    }  # fmt: skip


@require_safe
@console(roles=ROLES)
def quote(ask: Ask) -> HttpResponse:
    """The second move."""
    text = ask.request.GET.get("amount", "").strip()[:AMOUNT_MOST]
    wanted = ask.request.GET.get("find", "").strip()[:TEXT_MOST]
    circuit_id = number(ask.request.GET.get("circuit", "")) or exactly(finds(ask, wanted), wanted)
    chosen = choose(ask, circuit_id)
    return ask.page("ui/parts/sell_quote.html", {"chosen": chosen, "amount": text, **_quoted(ask, chosen, text)})


@require_safe
@console(roles=ROLES)
def asked(ask: Ask) -> HttpResponse:
    """After a lost answer: the sale that a form's request key made, or 404 when the books hold none."""
    sale_id = sale_asked(of_operator(ask.operator).key, ask.request.GET.get("key", "")[:TEXT_MOST])
    if sale_id is None:
        return JsonResponse({}, status=404)
    return JsonResponse({"url": f"/console/sales/{sale_id}"})


urlpatterns = [
    path("sell", sell, name="sell"),
    path("sell/find", find, name="sell-find"),
    path("sell/circuits/<int:circuit_id>", who, name="sell-who"),
    path("sell/quote", quote, name="sell-quote"),
    path("sell/asked", asked, name="sell-asked"),
]
