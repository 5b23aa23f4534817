"""The prices a purse in money drains by: of one meter, in force, in readiness and by its plan; and of all of a site."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from prewatt.core.meters.prices import ADDS_NOTHING, Ladder, PriceRead, PriceSet, PriceTable
from prewatt.core.meters.quantities import Quantity
from prewatt.core.meters.wallet import price_of
from prewatt.core.refusals import Refused, message, texts
from prewatt.core.units import format_price
from prewatt.office.estate.models import Meter, SupplyPoint
from prewatt.office.estate.profiles import all_profiles
from prewatt.office.metering import prices
from prewatt.office.metering.jobs import prices_of
from prewatt.office.metering.models import JobState, WantedPrices
from prewatt.office.staff.actors import of_operator
from prewatt.office.staff.roles import Act, may
from prewatt.office.vending import price_sets
from prewatt.office.vending.price_sets import Proposal, Standing
from prewatt.web.console.contracts_plot import price_unit
from prewatt.web.console.meter_times import RATES, result_of
from prewatt.web.console.meters import meter_or_404
from prewatt.web.console.meters_parameters import STATES
from prewatt.web.console.meters_words import names_of
from prewatt.web.console.settings import told
from prewatt.web.console.settings_fields import (
    Field,
    attempt,
    form_page,
    local,
    moment,
    reason,
    roles_of,
    say,
    text,
)
from prewatt.web.console.views_base import Ask, console
from prewatt.web.ui import formats

PATH: Final = "/console/prices"


@dataclass(frozen=True, kw_only=True)
class PriceLine:
    """One rate, or the ladder, in each set. `differs`: what lies in readiness is not what the plan proposes."""

    name: str
    in_force: str
    standby: str
    proposed: str
    differs: bool


@dataclass(frozen=True, kw_only=True)
class PriceVersion:
    """One set that was wanted, and what came of it."""

    at: str
    swap: str
    who: str
    reason: str
    result: str
    why: str
    lines: Sequence[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class PurseLine:
    """One meter of the site."""

    supply: SupplyPoint
    shown: str
    planned: str
    ready: str
    state: str
    css: str
    said: str
    choosable: bool


def _price(steps: int) -> str:
    return format_price(price_of(steps).normalize())


def ladder_words(ladder: Ladder | None) -> str:
    """What a ladder adds, step by step."""
    if ladder is None:
        return "—"
    if ladder == ADDS_NOTHING:
        return _("adds nothing")
    edges = (0, *ladder.thresholds)
    steps = [(edge, price) for edge, price in zip(edges, ladder.prices, strict=True) if edge or price]
    return "; ".join(_("from %(kwh)s kWh +%(price)s") % {"kwh": edge // 1_000, "price": _price(price)}
                     for edge, price in steps)  # fmt: skip


def _rows(prices_: PriceSet | None, table: PriceTable) -> list[str]:
    """The rates and, where the model has one, the ladder; dashes where it is not known."""
    if prices_ is None:
        return ["—"] * (len(RATES) + bool(table.steps))
    return [_price(each) for each in prices_.rates] + [ladder_words(prices_.ladder)] * bool(table.steps)


def _names(table: PriceTable) -> list[str]:
    return [str(each) for each in RATES.values()] + [_("ladder")] * bool(table.steps)


def _lines(read: PriceRead | None, table: PriceTable, proposal: Proposal | None) -> list[PriceLine]:
    sets = (read.in_force if read else None, read.standby if read else None, proposal.prices if proposal else None)
    columns = [_rows(each, table) for each in sets]
    return [
        PriceLine(name=name, in_force=now, standby=ready, proposed=plan, differs=proposal is not None and ready != plan)
        for name, now, ready, plan in zip(_names(table), *columns, strict=True)
    ]


def _version(each: WantedPrices, names: dict[str, str], table: PriceTable, ask: Ask) -> PriceVersion:
    language = get_language() or "zh-hans"
    return PriceVersion(
        at=formats.when(each.set_at, ask.at, ask.zone), swap=f"{each.swap_at.astimezone(ask.zone):%Y-%m-%d %H:%M}",
        who=names.get(each.actor) or _("by itself"), reason=each.reason, result=result_of(each.job),
        why=message(each.job.code, language) if each.job.code in texts and each.job.verdict != "done" else "",
        lines=list(zip(_names(table), _rows(prices_of(each.prices), table), strict=True)),
    )  # fmt: skip


def _table_or_404(meter: Meter) -> PriceTable:
    table = prices.table_of(meter)
    if table is None:
        raise Http404
    return table


def _proposal(supply: SupplyPoint | None, at: datetime) -> Proposal | None:
    """What the plan would have the meter hold next; None where no plan says anything."""
    try:
        return None if supply is None else price_sets.proposed(supply, swap_at=price_sets.suggested(supply, at=at))
    except Refused:
        return None


@require_safe
@console()
def page(ask: Ask, meter_id: int) -> HttpResponse:
    """What the meter drains by, what it holds in readiness, and what its plan says."""
    meter = meter_or_404(ask, meter_id)
    table, now, supply = _table_or_404(meter), prices.of_meter(meter), price_sets.supply_of(meter)
    wanted = prices.versions(meter)
    names = names_of([each.actor for each in wanted])
    proposal = _proposal(supply, ask.at) if table.writable else None
    word, css = STATES[now.state]
    shown, profile = now.read, all_profiles().get(meter.profile)
    settable = table.writable and supply is not None and meter.line_id is not None
    context = {
        "meter": meter, "table": table, "known": shown is not None, "state": str(word), "css": css,
        "said": now.state.value, "contract": supply.contract if supply else None, "unit": price_unit(ask.site.currency),
        "read_at": formats.when(now.read_at, ask.at, ask.zone) if now.read_at else "",
        "swap": f"{datetime.fromtimestamp(shown.swap_at, UTC):%Y-%m-%d %H:%M}" if shown and shown.swap_at else "",
        "differ": shown is not None and shown.swaps_differ, "lines": _lines(shown, table, proposal),
        "proposed_at": f"{proposal.swap_at.astimezone(ask.zone):%Y-%m-%d %H:%M}" if proposal else "",
        "versions": [_version(each, names, table, ask) for each in wanted],
        "only_read": profile is not None and not table.writable and Quantity.PRICE_FLAT not in profile.settings,
        "can_read": meter.line_id is not None and may(ask.operator.role, Act.READ_NOW),
        "can_write": settable and may(ask.operator.role, Act.METER_SETTINGS),
    }  # fmt: skip
    return ask.page("ui/meter_prices.html", context)


@require_POST
@console(roles=roles_of(Act.READ_NOW))
def read(ask: Ask, meter_id: int) -> HttpResponse:
    """Ask the meter: what resolves an unknown."""
    meter = meter_or_404(ask, meter_id)
    try:
        price_sets.read(meter, request_key=secrets.token_urlsafe(12), actor=of_operator(ask.operator), at=ask.at)
        told(ask, _("Asked. The values and their time follow as soon as the meter has answered."))
    except Refused as refused:
        told(ask, say(refused))
    return redirect(f"/console/meters/{meter.pk}/prices")


def _fields(swap: str, hint: str) -> list[Field]:
    return [
        Field(name="swap_at", label=_("Swap at"), kind="datetime-local", value=swap, hint=hint, required=bool(swap)),
        Field(name="reason", label=_("Reason"), required=True, most=255),
    ]


@require_http_methods(["GET", "HEAD", "POST"])
@console(roles=roles_of(Act.METER_SETTINGS))
def write(ask: Ask, meter_id: int) -> HttpResponse:
    """Have the plan's price held in readiness, and when it is to come into force."""
    meter = meter_or_404(ask, meter_id)
    supply, back, refused = price_sets.supply_of(meter), f"/console/meters/{meter.pk}/prices", {}
    if supply is None or not price_sets.has_standby(meter):
        raise Http404
    form = ask.request.POST
    proposal = _proposal(supply, ask.at)
    swap = local(proposal.swap_at if proposal else price_sets.earliest(ask.at), ask.zone)
    if ask.request.method == "POST":
        key = f"{ask.operator.pk}:{text(form, 'request_key', 64) or secrets.token_urlsafe(12)}"

        def act() -> None:
            swap_at = moment(form, "swap_at", ask.zone)
            if swap_at is None:
                raise Refused("choice_needed")
            price_sets.write(
                supply, swap_at=swap_at, reason=reason(form), actor=of_operator(ask.operator), request_key=key,
                at=ask.at,
            )  # fmt: skip

        refused = attempt(act)
        if not refused:
            told(ask, _("Asked. It holds once the meter has shown it; see its commands."))
            return redirect(back)
        swap = form.get("swap_at", "")
    hint = ""
    if proposal is not None:
        at = f"{proposal.swap_at.astimezone(ask.zone):%Y-%m-%d %H:%M}"
        hint = _("The plan's price at %(at)s is %(price)s %(unit)s.") % {
            "at": at, "price": format_price(proposal.price.normalize()), "unit": price_unit(ask.site.currency),
        }  # fmt: skip
    return form_page(
        ask, title=_("Prices of meter %s") % meter.number, fields=_fields(swap, hint), submit=_("Write and read back"),
        back=back, crumb=_("Prices in the meter"), refused=refused or None,
        says=_("The plan's price at the moment of the swap is written into the standby set, for every rate, then read"
               " back and compared, and then the time at which the meter swaps its sets. What it drains by now is not"
               " touched."),
    )  # fmt: skip


def _purse(one: Standing, ask: Ask) -> PurseLine:
    """Where one purse stands, in words."""
    ready = ""
    done = one.told is not None and one.told.job.verdict == "done"
    if one.told is not None and done and one.told.swap_at > ask.at:
        rates = prices_of(one.told.prices).rates
        ready = f"{_price(rates[0])} · {one.told.swap_at.astimezone(ask.zone):%m-%d %H:%M}"
    busy = one.told is not None and one.told.job.state in (JobState.QUEUED, JobState.CLAIMED)
    if one.disputed:
        said, state, css = "disputed", _("read otherwise: a person decides"), "d-disputed"
    elif busy:
        said, state, css = "writing", _("at work"), "d-sent"
    elif ready:
        said, state, css = "ready", _("in readiness"), "d-confirmed"
    elif one.shown == one.planned:
        said, state, css = "agrees", _("agrees"), "d-confirmed strong"
    else:
        said, state, css = "differs", _("not in the meter yet"), "d-waiting"
    return PurseLine(
        supply=one.supply, shown="—" if one.shown is None else format_price(one.shown.normalize()),
        planned="—" if one.planned is None else format_price(one.planned.normalize()), ready=ready, state=state,
        css=css, said=said, choosable=one.standby and one.supply.circuit.meter.line_id is not None,
    )  # fmt: skip


@require_http_methods(["GET", "HEAD", "POST"])
@console(roles=roles_of(Act.METER_SETTINGS))
def overview(ask: Ask) -> HttpResponse:
    """Every purse in money of the site, and the plan's price for those that are chosen."""
    found = price_sets.standings(ask.site.id, at=ask.at)
    form, refused, chosen = ask.request.POST, {}, set(ask.request.POST.getlist("supply"))
    if ask.request.method == "POST":
        key = f"{ask.operator.pk}:{text(form, 'request_key', 64) or secrets.token_urlsafe(12)}"
        supplies = [each.supply for each in found if str(each.supply.pk) in chosen and each.standby]
        asked: list[price_sets.Asked] = []

        def act() -> None:
            if not supplies:
                raise Refused("choice_needed")
            asked.extend(
                price_sets.write_many(
                    supplies, swap_at=moment(form, "swap_at", ask.zone), reason=reason(form),
                    actor=of_operator(ask.operator), request_key=key, at=ask.at,
                )  # fmt: skip
            )

        refused = attempt(act)
        if not refused:
            _tell(ask, asked)
            return redirect(PATH)
    fields = _fields("", _("Empty: with the plan's next price, else as soon as can be."))
    context = {
        "lines": [_purse(each, ask) for each in found], "unit": price_unit(ask.site.currency), "refused": refused,
        "request_key": form.get("request_key") or secrets.token_urlsafe(24), "chosen": chosen, "fields": fields,
        "any": any(each.standby for each in found), "most": price_sets.MOST_AT_ONCE,
        "full": len(found) == price_sets.MOST_AT_ONCE,
    }  # fmt: skip
    return ask.page("ui/prices.html", context, status=422 if refused else 200)


def _tell(ask: Ask, asked: Sequence[price_sets.Asked]) -> None:
    done = sum(each.job_id is not None for each in asked)
    said = ngettext("%d meter is being told its price.", "%d meters are being told their price.", done) % done
    for each in asked:
        if each.refusal is not None:
            said += f" {each.supply.circuit.meter.number}: {say(each.refusal)}"
    told(ask, said)


urlpatterns = [
    path("prices", overview, name="prices"),
    path("meters/<int:meter_id>/prices", page, name="meter-prices"),
    path("meters/<int:meter_id>/prices/read", read, name="meter-prices-read"),
    path("meters/<int:meter_id>/prices/write", write, name="meter-prices-write"),
]
