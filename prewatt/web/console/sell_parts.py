"""What the sell page says: the chosen circuit, the quote as an equation, the limits, a refusal in plain words."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from django.utils.translation import get_language
from django.utils.translation import gettext as _

from prewatt.core.refusals import Refused, message
from prewatt.core.units import Rounding, amount_for_energy
from prewatt.office.reports.board import BoardRow, Found, board_rows, find_circuits
from prewatt.office.reports.circuit_panel import CircuitPanel, circuit_panel
from prewatt.office.vending import limits, quotes
from prewatt.office.vending.by_token import TOKEN
from prewatt.web.console.panel import supply_sentence, why_dark
from prewatt.web.console.tiles import badges_of
from prewatt.web.console.views_base import Ask, stale_limit
from prewatt.web.ui import formats
from prewatt.web.ui.words import price_words, relay_words

CHIPS_MAJOR = (100, 200, 500, 1000)  # what people buy most, in the currency's major unit
MONTH = timedelta(days=30)
STEP_MAJOR = 10  # "lasts a month" is offered in whole tens: nobody pays 1,117.43


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The circuit that is being sold to, and what a cashier wants to know of it."""

    row: BoardRow
    more: CircuitPanel
    facts: quotes.Facts | None
    says: str
    dark: str  # why there is no power; empty when there is
    badges: Sequence[str]
    phone: str
    price: str
    meter: tuple[tuple[str, str], ...]  # what the meter says, label and value
    read: str  # clock time of the value
    lost: bool
    carrier: str = ""  # what is to be said of how the credit travels


def choose(ask: Ask, circuit_id: int | None) -> Chosen | None:
    """A circuit of this site that he may see; None for anything else."""
    if circuit_id is None:
        return None
    rows = board_rows(ask.operator.pk, ask.site.id, at=ask.at, stale=stale_limit(), ids=[circuit_id])
    if not rows:
        return None
    row = rows[0]
    start = ask.at.astimezone(ask.zone).replace(hour=0, minute=0, second=0, microsecond=0)
    more = circuit_panel(ask.site.id, row.circuit_id, since=start, at=ask.at, day=start.date())
    facts = quotes.facts_of(row.contract_number, row.circuit_id, ask.at) if row.contract_number else None
    price = facts.price if facts is not None else None
    return Chosen(
        row=row, more=more, facts=facts, says=supply_sentence(row, ask.at, ask.zone),
        dark=why_dark(row, ask.at, ask.zone) if row.dark else "", badges=badges_of(row), phone=masked(row.phone or ""),
        price=f"{facts.plan_name or ''} {price_words(price, ask.site.currency)}".strip() if facts and price else "",
        meter=meter_says(row) + _purchases(ask, row, more),
        read=formats.clock_seconds(row.read_at, ask.zone) if row.read_at else formats.DASH,
        lost=row.state.value == "offline", carrier=carrier_words(facts),
    )  # fmt: skip


def masked(phone: str) -> str:
    """A phone as it may stand on a screen that a queue can read: 139****2286."""
    return f"{phone[:3]}****{phone[-4:]}" if len(phone) >= 8 else phone


def with_unit(value: int | None, unit: str, exponent: int) -> str:
    text = formats.credit(value, unit, exponent)
    return f"{text} kWh" if unit == "Wh" and value is not None else text


def carrier_words(facts: quotes.Facts | None) -> str:
    """By token: that a customer takes digits away. Empty for credit that goes over the network."""
    return _("by token: the customer types in twenty digits") if facts is not None and facts.carrier == TOKEN else ""


def meter_says(row: BoardRow) -> tuple[tuple[str, str], ...]:
    """Balance, count, relay and power as last read."""
    return (
        (_("Balance"), with_unit(row.balance, row.credit_unit, row.exponent)),
        (_("Purchase count"), formats.DASH if row.purchase_count is None else str(row.purchase_count)),
        (_("Relay"), relay_words(row.relay, row.wish)),
        (_("Power"), f"{formats.power(row.power_w)} kW"),
    )


def _purchases(ask: Ask, row: BoardRow, more: CircuitPanel) -> tuple[tuple[str, str], ...]:
    bought = formats.DASH
    if more.last_sale_at is not None and more.last_sale_minor is not None:
        bought = f"{formats.when(more.last_sale_at, ask.at, ask.zone)}　{money(ask, more.last_sale_minor)}"
    day = f"{formats.energy(row.day_wh)} kWh" if row.day_wh else formats.DASH
    pending = _("none") if row.delivery is None else _("one, not confirmed yet")
    return (
        (_("Open delivery"), pending), (_("Last purchase"), bought), (_("Average per day, last two weeks"), day)
    )  # fmt: skip


def exactly(found: Sequence[Found], text: str) -> int | None:
    """The circuit that a typed text can only mean: one hit, or the one whose room or number it names.

    Where several circuits fit, the one that has a contract is meant: nothing can be sold to the others.
    """
    plain = text.upper().replace("-", "")
    named = [
        each for each in found
        if plain in (each.room.upper().replace("-", ""), each.contract_number, each.meter_number, each.phone)
    ]  # fmt: skip
    fitting = named or list(found)
    sold_to = [each for each in fitting if each.contract_number]
    only = sold_to or fitting
    return only[0].circuit_id if len(only) == 1 else None


def finds(ask: Ask, text: str) -> list[Found]:
    return find_circuits(ask.operator.pk, ask.site.id, text) if text else []


@dataclass(frozen=True, kw_only=True)
class Pick:
    """A line of the typeahead."""

    found: Found
    row: BoardRow
    phone: str
    balance: str


def picks(ask: Ask, found: Sequence[Found]) -> list[Pick]:
    """Lines of the typeahead with state and balance."""
    ids = [each.circuit_id for each in found]
    if not ids:
        return []
    rows = board_rows(ask.operator.pk, ask.site.id, at=ask.at, stale=stale_limit(), ids=ids)
    known = {row.circuit_id: row for row in rows}
    return [
        Pick(
            found=each, row=known[each.circuit_id], phone=masked(each.phone),
            balance=with_unit(known[each.circuit_id].balance, known[each.circuit_id].credit_unit, ask.site.exponent),
        )
        for each in found if each.circuit_id in known
    ]  # fmt: skip


def money(ask: Ask, minor: int) -> str:
    return formats.money(minor, ask.site.currency, ask.site.exponent)


def chips(ask: Ask, chosen: Chosen | None) -> list[tuple[str, str]]:
    """Amounts to press, (label, value): the usual ones, the last one, and what lasts a month."""
    shown = [(f"{major:,}", str(major)) for major in CHIPS_MAJOR]
    if chosen is None or chosen.facts is None or chosen.facts.price is None:
        return shown
    if chosen.more.last_sale_minor:
        last = formats.scaled(chosen.more.last_sale_minor, ask.site.exponent)
        whole = last.removesuffix("." + "0" * ask.site.exponent)
        shown.append((_("Last time %s") % whole, whole.replace(",", "")))
    if chosen.row.day_wh and (chosen.row.credit_unit == "Wh" or chosen.facts.custody == "meter"):
        month = chosen.row.day_wh * MONTH.days * chosen.facts.price / 1000
        held = Decimal(chosen.row.balance or 0)
        held = held * chosen.facts.price / 1000 if chosen.row.credit_unit == "Wh" else held / 10**ask.site.exponent
        lacking = month - held
        tens = -int(-lacking // STEP_MAJOR) * STEP_MAJOR
        if tens > 0:
            shown.append((_("Lasts 30 days ≈ %s") % f"{tens:,}", str(tens)))
    return shown


def range_words(ask: Ask, chosen: Chosen | None) -> str:
    """The least and the most that can be sold now, and why not more."""
    smallest, largest = limits.limits_of(ask.site.id)
    room = quotes.most_now(chosen.facts) if chosen is not None and chosen.facts is not None else None
    if room is None or room >= largest:
        return _("From %(least)s to %(most)s") % {"least": money(ask, smallest), "most": money(ask, largest)}
    told = {"least": money(ask, smallest), "most": money(ask, max(0, room)),
            "limit": with_unit(chosen.facts.hoarding_limit, chosen.facts.credit_unit, ask.site.exponent)
            if chosen and chosen.facts else ""}  # fmt: skip
    return _("From %(least)s to %(most)s (hoarding limit %(limit)s)") % told


@dataclass(frozen=True, kw_only=True)
class Shown:
    """The quote as an equation: paid − repaid = added. Each term: number, unit, note."""

    paid: str
    paid_note: str
    repaid: str
    repaid_note: str
    added: str
    added_note: str
    unit: str
    price: str
    plan: str


def equation(ask: Ask, made: quotes.Quote, day_wh: int | None) -> Shown:
    """A quote in words, before paying."""
    facts, unit = made.facts, made.facts.credit_unit
    repaid = made.repaid_past_zero + made.repaid_overdraft
    lasts = ""
    if made.balance_after is not None:
        lasts = _("balance then %s") % formats.credit(made.balance_after, unit, facts.exponent)
        if day_wh and made.balance_after > 0 and unit == "Wh":
            lasts = _("%(balance)s, about %(days)d days") % {"balance": lasts, "days": made.balance_after // day_wh}
    return Shown(
        paid=money(ask, made.amount_minor), unit=formats.credit_unit_word(unit), plan=facts.plan_name or "",
        paid_note=bought_words(
            made.credit, unit, made.price, facts.currency, facts.exponent, in_meter=facts.custody == "meter"
        ),
        repaid=formats.credit(repaid, unit, facts.exponent), repaid_note=worth_words(repaid, unit, made.price, ask),
        added=formats.credit(made.added, unit, facts.exponent), added_note=lasts,
        price=price_words(made.price, facts.currency),
    )  # fmt: skip


def warned(made: quotes.Quote) -> list[dict[str, str]]:
    """What a customer should hear before he pays, in words."""
    language = get_language() or "zh-hans"
    return [
        {"code": each.code.value, "text": message(each.code.value, language, each.params)} for each in made.warnings
    ]


def bought_words(credit: int, unit: str, price: Decimal, currency: str, exponent: int, *, in_meter: bool) -> str:
    """What was bought at the price; of a purse in money about how much it is, since the meter drains it by its own."""
    if unit != "Wh" and not in_meter:
        return ""
    if unit != "Wh":
        about = formats.energy(int(credit * 1000 / (price * 10**exponent)))
        return _("about %(energy)s kWh at %(price)s") % {"energy": about, "price": price_words(price, currency)}
    return f"{with_unit(credit, unit, exponent)} × {price_words(price, currency)}"


def worth_words(repaid: int, unit: str, price: Decimal, ask: Ask) -> str:
    if not repaid:
        return _("nothing owed")
    if unit != "Wh":
        return ""
    minor = amount_for_energy(repaid, price=price, exponent=ask.site.exponent, rounding=Rounding.NEAREST)
    return _("worth %s") % money(ask, minor)


@dataclass(frozen=True, kw_only=True)
class Told:
    """A refusal on the sell page. `instead`: an amount that would do, as typed; `says`: for the customer."""

    happened: str
    facts: str
    not_done: str
    do: str
    code: str
    instead: str = ""
    instead_shown: str = ""
    says: str = ""


def told(ask: Ask, refused: Refused, chosen: Chosen | None) -> Told:
    """Plain words for what the page refuses most often; every other refusal brings its own sentence."""
    nothing = _("Nothing was paid or sent.")
    code, params = refused.code, refused.params
    if code == "hoarding_limit" and chosen is not None and chosen.facts is not None:
        return _over_limit(ask, chosen.facts, params)
    if code in ("amount_too_small", "amount_above_limit"):
        smallest, largest = (money(ask, minor) for minor in limits.limits_of(ask.site.id))
        return Told(
            happened=_("This amount cannot be sold"), not_done=nothing, code=code,
            facts=_("The smallest sale here is %s.") % smallest if code == "amount_too_small"
            else _("The largest sale here is %s.") % largest, do=_("Type another amount."),
        )  # fmt: skip
    if code == "delivery_open":
        return Told(
            happened=_("The last purchase of this meter is still on its way"), facts="", code=code, not_done=nothing,
            do=_("The money of the last sale is safe. Do not take payment again; wait until the meter has answered."),
        )  # fmt: skip
    if code == "shift_not_open":
        return Told(
            happened=_("No shift is open"), facts="", not_done=nothing, code=code,
            do=_("Open your shift above with the cash in the drawer, then press again."),
        )  # fmt: skip
    return Told(
        happened=_("This sale cannot be made"), not_done="", do="", code=code,
        facts=refused.message(get_language() or "zh-hans"),
    )  # fmt: skip


def _over_limit(ask: Ask, facts: quotes.Facts, params: dict[str, object]) -> Told:
    unit, exponent = facts.credit_unit, facts.exponent
    most = _number(params.get("most_minor"))
    whole = most - most % 10**exponent
    smallest, _largest = limits.limits_of(ask.site.id)
    balance, credit, limit = (_number(params.get(name)) for name in ("balance", "credit", "limit"))
    numbers = {
        "credit": with_unit(credit, unit, exponent), "balance": with_unit(balance, unit, exponent),
        "sum": with_unit(balance + credit, unit, exponent), "limit": with_unit(limit, unit, exponent),
    }  # fmt: skip
    possible = whole >= smallest
    return Told(
        happened=_("Over the hoarding limit; this sale cannot be made"), code="hoarding_limit",
        facts=_("This buys %(credit)s; with the %(balance)s it holds that makes %(sum)s. The meter may hold %(limit)s.")
        % numbers, not_done=_("Nothing was paid or sent."),
        do=(_("At most %s now; or ask a manager to change the limit.") % money(ask, most)) if possible
        else _("Nothing can be sold until some is used, or a manager changes the limit."),
        instead=formats.scaled(whole, exponent).replace(",", "") if possible else "",
        instead_shown=money(ask, whole) if possible else "",
        says=_("“This meter may hold %(limit)s at most; today you can buy for %(most)s.”")
        % {"limit": numbers["limit"], "most": money(ask, max(0, whole))},
    )  # fmt: skip


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
