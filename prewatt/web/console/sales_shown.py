"""One sale in words: its steps, what is known, what comes next, what to say to the customer."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from prewatt.office.reports.board import BoardRow, board_rows
from prewatt.office.reports.sales import SaleFull
from prewatt.office.vending.models import DeliveryState, Sale
from prewatt.office.vending.read import DeliveryNow
from prewatt.web.console import sales_by_token
from prewatt.web.console.sales_supply import held_says, held_steps, paid
from prewatt.web.console.sales_supply import last as _last
from prewatt.web.console.sales_supply import step as _step
from prewatt.web.console.sell_parts import Shown, bought_words, masked, meter_says, money, with_unit, worth_words
from prewatt.web.console.tiles import badges_of
from prewatt.web.console.views_base import Ask, stale_limit
from prewatt.web.ui import formats
from prewatt.web.ui.words import price_words

FOLLOW = timedelta(minutes=10)  # the page of a server-held sale asks for its supply that long
CHECK_AGAIN_S = 900  # while a meter stays silent the order is asked for at most this far apart
OPEN = (DeliveryState.WAITING, DeliveryState.SENT, DeliveryState.UNKNOWN, DeliveryState.DISPUTED)


@dataclass(frozen=True, kw_only=True)
class Notice:
    """A notice block: what happened; what was not done; what to do; the code."""

    kind: str
    happened: str
    not_done: str
    do: str
    code: str = ""


@dataclass(frozen=True, kw_only=True)
class SaleShown:
    """Everything the sale page says. `state` is the delivery's; `open`: the page asks again each second."""

    sale: Sale
    full: SaleFull
    row: BoardRow | None
    state: str
    open: bool
    heading: str
    equation: Shown
    steps: Sequence[dict[str, Any]]
    ending: str  # beside the heading of the steps
    notice: Notice | None
    after: Sequence[tuple[str, str]]  # time or condition, what happens
    says: str
    meter: Sequence[tuple[str, str]]
    read: str
    lost: bool
    badges: Sequence[str] = field(default_factory=tuple)
    phone: str = ""
    by_token: bool = False
    in_books: bool = False
    slip: Sequence[dict[str, Any]] = field(default_factory=tuple)  # of `tokens/slip.html`


def show(ask: Ask, full: SaleFull) -> SaleShown:
    sale, now = full.sale, full.now
    rows = board_rows(ask.operator.pk, ask.site.id, at=ask.at, stale=stale_limit(), ids=[sale.circuit_id])
    row = rows[0] if rows else None
    state, held = now.state, now.delivery.credit_account_id is not None
    if sales_by_token.is_by_token(full):
        return _shown_by_token(ask, full, row)
    waits_for_load = state is DeliveryState.CONFIRMED and now.delivery.load_deadline is not None
    if held and now.delivery.settled_at is not None:  # a shop that is shut draws nothing for days
        waits_for_load = waits_for_load and ask.at - now.delivery.settled_at < FOLLOW
    return SaleShown(
        sale=sale, full=full, row=row, state=state.value, open=state in OPEN or waits_for_load,
        heading=_held_heading(sale) if held else _heading(sale, state), equation=_equation(ask, sale, now),
        steps=held_steps(ask, full, row) if held else _steps(ask, full, row),
        ending=_ending(ask, sale, now), notice=_notice(ask, full, row), after=_after(ask, full),
        says=held_says(ask, full, row) if held else _says(ask, full, row),
        meter=meter_says(row) if row else (), lost=row is not None and row.state.value == "offline",
        read=formats.clock_seconds(row.read_at, ask.zone) if row and row.read_at else formats.DASH,
        badges=badges_of(row) if row else (), phone=masked(full.phone), in_books=held,
    )  # fmt: skip


def _shown_by_token(ask: Ask, full: SaleFull, row: BoardRow | None) -> SaleShown:
    sale, now = full.sale, full.now
    slip, told = sales_by_token.slip_shown(now.delivery), sales_by_token.notice(full)
    if told is not None:
        kind, happened, not_done, do, code = told
        said: Notice | None = Notice(kind=kind, happened=happened, not_done=not_done, do=do, code=code)
    else:
        said = _notice(ask, full, row)  # reversed, refunded
    return SaleShown(
        sale=sale, full=full, row=row, state=now.state.value, open=now.state in OPEN,
        heading=sales_by_token.heading(full), equation=_equation(ask, sale, now), steps=sales_by_token.steps(ask, full),
        ending="", notice=said, after=(), says=sales_by_token.says(full, len(slip)),
        meter=meter_says(row) if row else (), lost=row is not None and row.state.value == "offline",
        read=formats.clock_seconds(row.read_at, ask.zone) if row and row.read_at else formats.DASH,
        badges=badges_of(row) if row else (), phone=masked(full.phone), by_token=True, slip=slip,
    )  # fmt: skip


def _held_heading(sale: Sale) -> str:
    return _("This sale was reversed") if sale.state == "reversed" else _("The credit is in the books")


def _heading(sale: Sale, state: DeliveryState) -> str:
    if sale.state == "reversed":
        return _("This sale was reversed")
    return {
        DeliveryState.WAITING: _("This sale is on its way"), DeliveryState.SENT: _("This sale is on its way"),
        DeliveryState.CONFIRMED: _("The credit is in the meter"),
        DeliveryState.REFUSED: _("The meter refused this credit"),
        DeliveryState.UNKNOWN: _("This sale's result is not known yet"),
        DeliveryState.DISPUTED: _("A manager must decide"),
    }[state]  # fmt: skip


def _equation(ask: Ask, sale: Sale, now: DeliveryNow) -> Shown:
    unit, exponent = sale.credit_unit, ask.site.exponent
    repaid = sale.repaid_overdraft + sale.repaid_past_zero
    balance = now.delivery.confirmed_values.get("balance")
    told = _("balance %s") if now.delivery.credit_account_id is not None else _("balance in the meter %s")
    note = told % with_unit(balance, unit, exponent) if balance is not None else ""
    return Shown(
        paid=money(ask, sale.amount_minor),
        paid_note=bought_words(
            sale.credit, unit, sale.price, sale.currency, exponent, in_meter=now.delivery.credit_account_id is None
        ),
        repaid=formats.credit(repaid, unit, exponent), repaid_note=worth_words(repaid, unit, sale.price, ask),
        added=formats.credit(sale.credit - repaid, unit, exponent), added_note=note,
        unit=formats.credit_unit_word(unit), price=price_words(sale.price, sale.currency), plan="",
    )  # fmt: skip


def _ending(ask: Ask, sale: Sale, now: DeliveryNow) -> str:
    if now.delivery.credit_account_id is not None:
        return ""
    if now.state is DeliveryState.CONFIRMED and now.delivery.settled_at is not None:
        tenths = int((now.delivery.settled_at - sale.at).total_seconds() * 10)
        return _("%s s · meter confirmed") % formats.scaled(max(0, tenths), 1)
    if now.next_try_at is not None and now.state in OPEN:
        return _("next check %s") % formats.clock(now.next_try_at, ask.zone)
    return ""


# ---------------------------------------------------------------- steps


def _steps(ask: Ask, full: SaleFull, row: BoardRow | None) -> list[dict[str, Any]]:
    sale, now = full.sale, full.now
    booked = _("In transit %(sum)s, order count %(count)d") % {
        "sum": money(ask, sale.amount_minor), "count": now.delivery.expected_count
    }  # fmt: skip
    return [
        paid(ask, full), _step(ask, "done", pgettext("step", "Booked"), booked, sale.at),
        _sent(ask, full), _confirmed(ask, full, row), _load(ask, full, row),
    ]  # fmt: skip


def _sent(ask: Ask, full: SaleFull) -> dict[str, Any]:
    now, name = full.now, pgettext("step", "Sent")
    if full.sale.state == "reversed":
        return _step(ask, "todo", name, _("Taken back before it left"))
    sent = _last(now, "sent")
    if sent is not None or now.state is not DeliveryState.WAITING:
        through = _("Through %(gateway)s / line %(line)s") % {"gateway": full.gateway, "line": full.line}
        once = (
            _("the same order %d times, it counts once") % now.delivery.orders if now.delivery.orders > 1 else _("once")
        )
        return _step(ask, "done", name, f"{through}{_(', ')}{once}", sent.at if sent else None)
    if not full.line_up:
        return _step(ask, "unknown", name, _("Not yet: gateway %s is lost") % full.gateway, None, _("not known yet"))
    return _step(ask, "now", name, _("Waiting for its turn on line %s") % full.line)


def _confirmed(ask: Ask, full: SaleFull, row: BoardRow | None) -> dict[str, Any]:
    sale, now = full.sale, full.now
    name, before, expected = pgettext("step", "Meter"), now.delivery.expected_count - 1, now.delivery.expected_count
    counts = {"before": before, "count": expected}
    if now.state is DeliveryState.CONFIRMED:
        fact = _("Count %(before)d → %(count)d") % counts
        balance = now.delivery.confirmed_values.get("balance")
        if balance is not None:
            then = formats.credit(sale.balance_before, sale.credit_unit, ask.site.exponent)
            fact += _(", balance %(before)s → %(after)s") % {
                "before": then, "after": with_unit(balance, sale.credit_unit, ask.site.exponent)
            }  # fmt: skip
        return _step(ask, "done", name, fact, now.delivery.settled_at)
    if sale.state == "reversed":
        return _step(ask, "todo", name, _("Nothing was added to the meter"))
    if now.state is DeliveryState.REFUSED:
        return _step(ask, "refused", name, _("The meter refused (code %s)") % (now.delivery.code or formats.DASH),
                     now.delivery.settled_at)  # fmt: skip
    if now.state is DeliveryState.DISPUTED:
        read = {"read": now.delivery.read_count if now.delivery.read_count is not None else "?", "count": expected}
        return _step(ask, "refused", name, _("The count reads %(read)s, expected %(count)s") % read)
    if now.state is DeliveryState.UNKNOWN:
        fact = _("Unknown. Count was %(before)d before sending; %(count)d is expected") % counts
        return _step(ask, "unknown", name, fact, None, _("not known yet"))
    if now.state is DeliveryState.SENT:
        return _step(ask, "now", name, _("Writing and reading back; %(count)d is expected") % counts)
    return _step(ask, "todo", name, _("After it was sent"))


def _load(ask: Ask, full: SaleFull, row: BoardRow | None) -> dict[str, Any]:
    now, name = full.now, pgettext("step", "Load")
    if now.state is not DeliveryState.CONFIRMED:
        return _step(ask, "todo", name, _("After confirmation"))
    seen = _last(now, "load_observed", "load_not_seen")
    if seen is not None and seen.state == "load_observed":
        return _step(ask, "done", name, _("Power is drawn: %s kW") % formats.power(seen.detail.get("power_w")), seen.at)
    if seen is not None:
        return _step(ask, "unknown", name, _("No load by the deadline; the shop's own switch may be off"), seen.at)
    if now.delivery.load_deadline is None:
        return _step(ask, "todo", name, _("Not watched"))
    by = formats.clock_seconds(now.delivery.load_deadline, ask.zone)
    if row and row.read_at and now.delivery.settled_at and row.read_at >= now.delivery.settled_at:
        fact = _("Watching the power: now %(kw)s kW; known by %(by)s") % {"kw": formats.power(row.power_w), "by": by}
    else:
        fact = _("Watching the power; known by %s") % by
    return _step(ask, "now", name, fact)


# ---------------------------------------------------------------- notice, what comes next, what to say


def _notice(ask: Ask, full: SaleFull, row: BoardRow | None) -> Notice | None:
    sale, now = full.sale, full.now
    if sale.state == "reversed":
        held = now.delivery.credit_account_id is not None
        gone = _("Its credit left the balance.") if held else _("Nothing went into the meter.")
        return Notice(kind="info", happened=_("This sale was reversed"), not_done=gone,
                      do=_("The money was paid back from the drawer; the receipt of the reversal is below."),
        )  # fmt: skip
    if full.refunded_at is not None:
        return Notice(kind="info", happened=_("This sale was refunded"), not_done="",
                      do=_("The money was paid back on %s.") % formats.when(full.refunded_at, ask.at, ask.zone),
        )  # fmt: skip
    if now.state is DeliveryState.UNKNOWN:
        at = formats.clock(now.next_try_at, ask.zone) if now.next_try_at else _("the next round")
        return Notice(
            kind="unknown", happened=_("The meter did not answer: we do not know yet whether the credit arrived"),
            not_done=_("Please do not take payment again and do not refund yet."),
            do=_("The money is safe and booked. The credit cannot be counted twice; the meter's purchase count, "
                 "read at %s, settles it.") % at, code=now.delivery.code,
        )  # fmt: skip
    if now.state is DeliveryState.REFUSED:
        return Notice(
            kind="refused", happened=_("The meter refused this credit (code %s)") % (now.delivery.code or formats.DASH),
            not_done=_("Nothing was added to the meter."),
            do=_("The money is held in transit: rewrite it or refund it."),
            code=now.delivery.code,
        )  # fmt: skip
    if now.state is DeliveryState.DISPUTED:
        counts = {"read": now.delivery.read_count, "count": now.delivery.expected_count}
        return Notice(
            kind="warn", code=now.delivery.code, not_done=_("We changed nothing."),
            happened=_("The count reads %(read)s, expected %(count)s: credit may have come another way") % counts,
            do=_("A manager must look at the meter and decide. Do not take payment again."),
        )  # fmt: skip
    if now.state is DeliveryState.WAITING and not full.line_up:
        return Notice(kind="unknown", happened=_("Not sent yet: gateway %s is lost") % full.gateway,
                      not_done=_("Please do not take payment again."),
                      do=_("The money is safe. It goes out by itself on reconnection, once."))  # fmt: skip
    return None


def _after(ask: Ask, full: SaleFull) -> list[tuple[str, str]]:
    """What happens next while nobody knows; empty otherwise."""
    now = full.now
    if now.state is not DeliveryState.UNKNOWN:
        return []
    at = formats.clock(now.next_try_at, ask.zone) if now.next_try_at else _("soon")
    counts = {"count": now.delivery.expected_count, "before": now.delivery.expected_count - 1}
    return [
        (at, _("Read the count. %(count)d: it arrived. %(before)d: it did not, the same order goes again. "
               "Anything else: a person decides.") % counts),
        (_("then"), _("Still silent: we ask again and again, at most %d min apart, and look after the line.")
         % (CHECK_AGAIN_S // 60)),
        (_("always"), _("The result stands on this page and in the list of sales; nobody has to wait here.")),
    ]  # fmt: skip


def _says(ask: Ask, full: SaleFull, row: BoardRow | None) -> str:
    """The sentence a cashier reads out."""
    sale, now = full.sale, full.now
    if sale.state == "reversed":
        return _("“This purchase was cancelled and you have your money back. Nothing changed in the meter.”")
    if full.refunded_at is not None:
        return _("“Your money for this purchase was paid back.”")
    repaid = sale.repaid_overdraft + sale.repaid_past_zero
    added = with_unit(sale.credit - repaid, sale.credit_unit, ask.site.exponent)
    if sale.credit_unit == "Wh":  # said aloud: whole kWh
        added = pgettext("said aloud", "%s kWh") % formats.scaled(sale.credit - repaid, 3, 0)
    if now.state is DeliveryState.CONFIRMED:
        relay = now.delivery.confirmed_values.get("relay", row.relay if row else None)
        if relay == 0:
            return (
                _("“The credit is in the meter, %s, but the meter's switch is still open. We look into it.”")
                % added
            )
        return (
            _("“The credit is in the meter, %s. If the shop is still dark in a minute, push up its own switch.”")
            % added
        )
    if now.state is DeliveryState.REFUSED:
        return _("“The meter did not take the credit. Your money is safe with us: we try again or pay it back.”")
    if now.state in (DeliveryState.UNKNOWN, DeliveryState.DISPUTED):
        return _("“We have your money, here is the receipt. The meter's answer is missing; we ask again by ourselves.”")
    return _("“We have your money; the credit is on its way to the meter, usually some seconds.”")
