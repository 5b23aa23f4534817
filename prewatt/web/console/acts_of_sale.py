"""Corrections of one sale: reverse, rewrite, refund, return, settle; each says what will change and asks why."""

from collections.abc import Callable

from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from prewatt.core.refusals import Refused
from prewatt.core.units import parse_energy
from prewatt.office.reports.sales import SaleFull, sale_full
from prewatt.office.staff.actors import of_operator
from prewatt.office.vending import orders, returns, reversals
from prewatt.office.vending.credits import MAX_COUNT
from prewatt.web.console.acts import new_key, say, till_for
from prewatt.web.console.sales_acts import possible
from prewatt.web.console.sell_parts import money, with_unit
from prewatt.web.console.views_base import Ask, console
from prewatt.web.ui.words import TENDERS

Do = Callable[[Ask, SaleFull, dict[str, str]], object]


def _reverse(ask: Ask, full: SaleFull, typed: dict[str, str]) -> object:
    return reversals.reverse(
        full.sale, reason=typed["reason"], actor=of_operator(ask.operator), key=typed["request_key"], at=ask.at
    )


def _rewrite(ask: Ask, full: SaleFull, typed: dict[str, str]) -> object:
    return orders.rewrite(
        full.now.delivery, reason=typed["reason"], actor=of_operator(ask.operator), key=typed["request_key"], at=ask.at
    )


def _give_back(ask: Ask, full: SaleFull, typed: dict[str, str]) -> object:
    return returns.give_back_sale(
        full.sale, reason=typed["reason"], actor=of_operator(ask.operator), key=typed["request_key"], at=ask.at
    )


def _refund(ask: Ask, full: SaleFull, typed: dict[str, str]) -> object:
    return returns.refund(
        full.returned or full.now.delivery, till_id=till_for(ask), reason=typed["reason"], key=typed["request_key"],
        actor=of_operator(ask.operator), at=ask.at, tender=typed["tender"], reference=typed["reference"],
    )  # fmt: skip


def _settle(ask: Ask, full: SaleFull, typed: dict[str, str]) -> object:
    count = typed["count"]
    if typed["delivered"] not in ("yes", "no"):  # never decided by leaving it out
        raise Refused("evidence_malformed")
    if not count.isascii() or not count.isdigit() or len(count) > len(str(MAX_COUNT)):
        raise Refused("evidence_malformed")
    evidence = {"balance": parse_energy(typed["balance"])} if typed["balance"].strip() else {}
    return orders.settle_by_hand(
        full.now.delivery, delivered=typed["delivered"] == "yes", purchase_count=int(count), evidence=evidence,
        reason=typed["reason"], actor=of_operator(ask.operator), key=typed["request_key"], at=ask.at,
    )  # fmt: skip


_VERBS: dict[str, Do] = {
    "reverse": _reverse, "rewrite": _rewrite, "return": _give_back, "refund": _refund, "settle": _settle
}  # fmt: skip


def _words(ask: Ask, full: SaleFull, name: str) -> dict[str, object]:
    """Title, button and what will change, for one act on this sale."""
    sum_ = money(ask, full.sale.amount_minor)
    credit = with_unit(full.sale.credit, full.sale.credit_unit, ask.site.exponent)
    if full.now.delivery.credit_account_id is not None and name in ("reverse", "return"):
        return _held_words(name, sum_)
    if full.now.delivery.token_request_id is not None and name in ("rewrite", "return", "reverse"):
        return _token_words(name, sum_, credit)
    told: dict[str, tuple[str, str, list[str], bool]] = {
        "reverse": (_("Reverse this sale"), _("Reverse and pay back %s") % sum_, [
            _("The order is taken back; the meter gets nothing"), _("%s leaves the drawer") % sum_,
            _("The sale stays in the list, marked as reversed")], True),
        "rewrite": (_("Write it again"), _("Send the same order again"), [
            _("The same order with the same count goes to the meter again; it can count only once"),
            _("No money moves")], False),
        "return": (_("Return the whole credit"), _("Take %s out of the meter") % credit, [
            _("The meter's balance falls by %s") % credit,
            _("%s becomes payable once the meter has confirmed; then you refund it") % sum_], True),
        "refund": (_("Refund"), _("Pay out %s") % sum_, [
            _("%s leaves the drawer, or goes out by the tender you choose") % sum_,
            _("The meter is not touched")], True),
        "settle": (_("Settle a disputed delivery"), _("Decide"), [
            _("In the meter: the money becomes income received in advance, the count goes on from what you read"),
            _("Not in the meter: the money stays in transit, and can be refunded"),
            _("Nothing is sent to the meter")], True),
    }  # fmt: skip
    title, button, changes, risk = told[name]
    return {"title": title, "button": button, "changes": changes, "risk": risk}


def _held_words(name: str, sum_: str) -> dict[str, object]:
    """The same where the books hold the credit."""
    if name == "reverse":
        changes = [_("The balance falls by %s") % sum_, _("%s leaves the drawer") % sum_,
                   _("What was used of it meanwhile stands as arrears; more than a tenth of it refuses this"),
                   _("The sale stays in the list, marked as reversed")]  # fmt: skip
        return {"title": _("Reverse this sale"), "button": _("Reverse and pay back %s") % sum_, "changes": changes,
                "risk": True}  # fmt: skip
    changes = [_("The balance falls by %s at once") % sum_, _("%s becomes payable; then you refund it") % sum_]
    return {"title": _("Return the whole credit"), "button": _("Take %s off the balance") % sum_, "changes": changes,
            "risk": True}  # fmt: skip


def _token_words(name: str, sum_: str, credit: str) -> dict[str, object]:
    """The same where the credit travels as a token."""
    told: dict[str, tuple[str, str, list[str], bool]] = {
        "rewrite": (_("Show the digits again"), _("Show and print again"), [
            _("The same digits as before: the meter takes them once"),
            _("The trail says who showed them, and why")], False),
        "return": (_("Return the whole credit"), _("Pay %s out later") % sum_, [
            _("Only what a clear-credit token took out of the meter: two persons, what the register showed, and the "
              "token known as entered"),
            _("%(credit)s leave the books; %(sum)s becomes payable, then you refund it")
            % {"credit": credit, "sum": sum_}], True),
        "reverse": (_("Reverse this sale"), _("Reverse and pay back %s") % sum_, [
            _("The token is taken back before there are digits"), _("%s leaves the drawer") % sum_,
            _("The sale stays in the list, marked as reversed")], True),
    }  # fmt: skip
    title, button, changes, risk = told[name]
    return {"title": title, "button": button, "changes": changes, "risk": risk}


@require_http_methods(["GET", "HEAD", "POST"])
@console()
def act(ask: Ask, sale_id: int, name: str) -> HttpResponse:
    """GET shows what will change; POST does it, once, and goes back to the sale."""
    full = sale_full(ask.operator, sale_id)
    if full is None:
        raise Http404
    post = ask.request.POST
    typed = {
        field: post.get(field, default)[:300]
        for field, default in {
            "reason": "", "request_key": new_key(), "tender": full.sale.tender, "reference": "", "count": "",
            "balance": "", "delivered": "",
        }.items()
    }  # fmt: skip
    context: dict[str, object] = {
        **typed, **_words(ask, full, name), "full": full, "name": name, "back": f"/console/sales/{sale_id}",
        "tenders": TENDERS if name == "refund" else None, "settles": name == "settle",
        "open": name in possible(full), "expected": full.now.delivery.expected_count,
        "read": full.now.delivery.read_count,
    }  # fmt: skip
    if ask.request.method != "POST":
        return ask.page("ui/acts_form.html", context)
    try:
        _VERBS[name](ask, full, typed)
    except Refused as refused:
        return ask.page("ui/acts_form.html", {**context, "refused": refused, "said": say(refused)}, status=422)
    return redirect(f"/console/sales/{sale_id}")


urlpatterns = [path(f"sales/<int:sale_id>/{name}", act, {"name": name}, name=f"sale-{name}") for name in _VERBS]
