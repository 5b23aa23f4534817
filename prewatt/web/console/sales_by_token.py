"""A sale by token in words: paid, booked, the digits; what a cashier says of them."""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from prewatt.office.reports.sales import SaleFull
from prewatt.office.vending import token_wire
from prewatt.office.vending.by_token import slips_of
from prewatt.office.vending.models import Delivery, DeliveryState, TokenEntry
from prewatt.web.console.sales_supply import paid, step
from prewatt.web.console.sell_parts import money
from prewatt.web.console.tokens_slip import slip_of_sale
from prewatt.web.console.views_base import Ask


def is_by_token(full: SaleFull) -> bool:
    return full.now.delivery.token_request_id is not None


def slip_shown(delivery: Delivery, *, qr: bool = True) -> list[dict[str, Any]]:
    """The context of `tokens/slip.html`; empty while there are no digits, and for credit over the network."""
    found = slips_of([delivery]).get(delivery.pk)
    return slip_of_sale(found.sets, found.credit, qr=qr) if found is not None else []


def heading(full: SaleFull) -> str:
    if full.sale.state == "reversed":
        return _("This sale was reversed")
    return {
        DeliveryState.CONFIRMED: _("The token is ready"), DeliveryState.REFUSED: _("There is no token for this sale"),
    }.get(full.now.state, _("The token follows"))  # fmt: skip


def steps(ask: Ask, full: SaleFull) -> list[dict[str, Any]]:
    """The digits are the delivery; nobody sees them entered."""
    sale, now, name = full.sale, full.now, pgettext("step", "Token")
    fact = _("In transit %(sum)s, token no. %(count)d of this circuit") % {
        "sum": money(ask, sale.amount_minor), "count": now.delivery.expected_count
    }  # fmt: skip
    made = [paid(ask, full), step(ask, "done", pgettext("step", "Booked"), fact, sale.at)]
    if now.state is DeliveryState.CONFIRMED:
        return [*made, step(ask, "done", name, _("The digits stand; they are the delivery"), now.delivery.settled_at)]
    if sale.state == "reversed":
        return [*made, step(ask, "todo", name, _("Taken back before there were digits"))]
    if now.state is DeliveryState.REFUSED:
        return [*made, step(ask, "refused", name, _("The key vault refused it (code %s)") % now.delivery.code)]
    return [*made, step(ask, "now", name, _("The key vault is asked again every few seconds"))]


def notice(full: SaleFull) -> tuple[str, str, str, str, str] | None:
    """(kind, what happened, what was not done, what to do, code) where a cashier must know more than the digits."""
    if full.sale.state == "reversed" or full.refunded_at is not None:
        return None
    if full.now.state is DeliveryState.REFUSED:
        return (
            "refused", _("The key vault will not make this token"), _("The customer has no digits."),
            _("The money is held in transit: reverse the sale or refund it."), full.now.delivery.code,
        )  # fmt: skip
    if full.now.state is not DeliveryState.CONFIRMED:
        return (
            "unknown", _("The token follows: the key vault does not answer now"),
            _("Please do not take payment again."),
            _("The sale stands and the money is booked. The digits appear here by themselves, always the same ones."),
            "",
        )  # fmt: skip
    return None


def says(full: SaleFull, many: int) -> str:
    """The sentence a cashier reads out. `many`: tokens on the slip."""
    if full.sale.state == "reversed":
        return _("“This purchase was cancelled and you have your money back.”")
    if full.refunded_at is not None:
        return _("“Your money for this purchase was paid back.”")
    if full.now.state is DeliveryState.REFUSED:
        return _("“We cannot make your token. Your money is safe with us: we pay it back.”")
    if full.now.state is not DeliveryState.CONFIRMED:
        return _("“We have your money; your token follows in a moment. Here is the receipt.”")
    request = full.now.delivery.token_request
    entry = token_wire.entry_of(request) if request is not None else None
    if entry is not None and entry.state == TokenEntry.State.ENTERED:
        return _("“The credit is in your meter already. Here is your slip.”")
    if many > 1:
        return _("“Type in all %d tokens, from the first to the last. The last one is the credit.”") % many
    return _("“Here is your token. Type the twenty digits into your meter; older tokens first.”")
