"""A server-held sale in words: paid, booked, wished, switched, load observed; and what every sale's steps share."""

from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from prewatt.office.reports.board import BoardRow
from prewatt.office.reports.sales import SaleFull
from prewatt.office.reports.supply_after import SupplyAfter, supply_after
from prewatt.office.vending.models import DeliveryState
from prewatt.office.vending.read import DeliveryNow, Step
from prewatt.web.console.sell_parts import money, with_unit
from prewatt.web.console.views_base import Ask
from prewatt.web.ui import formats
from prewatt.web.ui.words import TENDERS


def last(now: DeliveryNow, *states: str) -> Step | None:
    return next((step for step in reversed(now.steps) if step.state in states), None)


def step(ask: Ask, stage: str, name: str, fact: str, at: datetime | None = None, time: str = "") -> dict[str, Any]:
    shown = formats.clock_seconds(at, ask.zone) if at is not None else time
    return {"stage": stage, "name": name, "fact": fact, "time": shown, "at": at}


def paid(ask: Ask, full: SaleFull) -> dict[str, Any]:
    """The first step of every sale."""
    sale = full.sale
    fact = _("%(tender)s %(sum)s, receipt %(number)s") % {
        "tender": TENDERS.get(sale.tender, sale.tender), "sum": money(ask, sale.amount_minor),
        "number": full.receipt_number
    }  # fmt: skip
    return step(ask, "done", pgettext("step", "Paid"), fact, sale.at)


def held_steps(ask: Ask, full: SaleFull, row: BoardRow | None) -> list[dict[str, Any]]:
    """The books have it at once; what follows is the supply."""
    sale, now = full.sale, full.now
    balance = {
        "before": formats.credit(sale.balance_before, sale.credit_unit, ask.site.exponent),
        "after": with_unit(now.delivery.confirmed_values.get("balance"), sale.credit_unit, ask.site.exponent),
        "count": now.delivery.expected_count,
    }  # fmt: skip
    booked = _("Purchase %(count)d, balance %(before)s → %(after)s") % balance
    steps = [paid(ask, full), step(ask, "done", pgettext("step", "Booked"), booked, sale.at)]
    after = supply_after(now.delivery, at=ask.at)
    if sale.state == "reversed" or after is None or now.state is not DeliveryState.CONFIRMED:
        reversed_at = now.delivery.settled_at if sale.state == "reversed" else None
        said = _("Reversed: the balance is as before")
        return [*steps, step(ask, "todo", pgettext("step", "Supply"), said, reversed_at)]
    return [*steps, _wished(ask, after), _switched(ask, full, after), _load(ask, full, after)]


def _wished(ask: Ask, after: SupplyAfter) -> dict[str, Any]:
    name = pgettext("step", "Wished")
    if after.wish == "trip":
        return step(ask, "refused", name, _("An operator tripped it; payment does not undo that"))
    if after.wish == "keep_on":
        return step(ask, "done", name, _("Kept on by an operator"))
    if after.decided == "closed":
        return step(ask, "done", name, _("Supply on"), after.decided_at)
    if after.decided == "open" and not (after.enough and _before(after)):
        return step(ask, "now", name, _("Supply off: the balance is still below what is permitted"), after.decided_at)
    return step(ask, "now", name, _("Being decided"))


def _before(after: SupplyAfter) -> bool:
    """Was it decided before this was paid?"""
    return after.decided_at is None or after.decided_at <= after.booked_at


def _stays_open(after: SupplyAfter) -> bool:
    """The relay is open and nobody wishes it closed."""
    return after.relay == 0 and (after.wish == "trip" or (after.wish == "automatic" and after.decided == "open"))


def _switched(ask: Ask, full: SaleFull, after: SupplyAfter) -> dict[str, Any]:
    name = pgettext("step", "Switched")
    if after.switched_at is not None and after.was_cut is not False:
        return step(ask, "done", name, _("The relay was read as closed"), after.switched_at)
    if after.relay == 1:
        return step(ask, "done", name, _("The relay was closed already"), after.read_at)
    if after.tag is not None:
        return step(ask, "refused", name, _("Maintenance tag of %s: it is not closed") % after.tag)
    if not full.line_up:
        lost = _("Gateway %s is lost; it closes within one poll of its return") % full.gateway
        return step(ask, "unknown", name, lost)
    if after.awaits_key:
        return step(ask, "now", name, _("Closing is permitted: the key at the meter closes it"), after.read_at)
    if _stays_open(after):
        return step(ask, "todo", name, _("The relay is open"), after.read_at)
    if after.relay == 0:
        return step(ask, "now", name, _("The relay is still open; the command is sent until it is read as closed"))
    return step(ask, "unknown", name, _("The meter was never read"))


def _load(ask: Ask, full: SaleFull, after: SupplyAfter) -> dict[str, Any]:
    name = pgettext("step", "Load")
    if after.load_at is not None:
        seen = last(full.now, "load_observed")
        watt = seen.detail.get("power_w") if seen is not None else after.power_w
        return step(ask, "done", name, _("Power is drawn: %s kW") % formats.power(watt), after.load_at)
    if full.now.delivery.load_deadline is None:
        return step(ask, "unknown", name, _("No load by the deadline; the shop's own switch may be off"))
    return step(ask, "todo" if after.relay == 0 else "now", name, _("Watching the power"))


def held_says(ask: Ask, full: SaleFull, row: BoardRow | None) -> str:
    """The sentence a cashier reads out."""
    sale = full.sale
    if sale.state == "reversed":
        return _("“This purchase was cancelled and you have your money back.”")
    if full.refunded_at is not None:
        return _("“Your money for this purchase was paid back.”")
    balance = with_unit(full.now.delivery.confirmed_values.get("balance"), sale.credit_unit, ask.site.exponent)
    after = supply_after(full.now.delivery, at=ask.at) if row is not None and row.relay == 0 else None
    if after is not None and after.wish == "trip":
        return _("“Your balance is %s. The office switched this supply off; please ask there.”") % balance
    if after is not None and not after.enough and after.wish == "automatic":
        return _("“Your balance is %s. That is not enough yet for the power to come back.”") % balance
    if after is not None and after.tag is not None:
        return _("“Your balance is %s. Somebody works on your supply; the power comes back after that.”") % balance
    if after is not None and (after.awaits_key or after.by_key):
        return _("“Your balance is %s. Press the key at your meter for about three seconds to switch on.”") % balance
    if row is not None and row.relay == 0:
        return _("“Your balance is %s. The power comes back by itself, usually within a minute or two.”") % balance
    return _("“Your balance is %s.”") % balance
