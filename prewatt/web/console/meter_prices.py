"""The prices a purse in money drains by: of one meter, in force, in readiness and by its plan; and of all of a site."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from prewatt.core.meters.prices import ADDS_NOTHING, Ladder, PriceRead, PriceSet, PriceTable
from prewatt.core.meters.quantities import Quantity
from prewatt.core.meters.wallet import price_of
from prewatt.core.refusals import Refused
from prewatt.core.units import format_price
from prewatt.office.estate.models import Meter, SupplyPoint
from prewatt.office.estate.profiles import all_profiles
from prewatt.office.metering.models import JobState, WantedPrices
from prewatt.office.metering.prices import PRICE_SETS
from prewatt.office.metering.standby import earliest
from prewatt.office.staff.actors import of_operator
from prewatt.office.staff.roles import Act
from prewatt.office.vending import price_sets
from prewatt.office.vending.price_sets import Proposal, Standing
from prewatt.web.console.contracts_plot import price_unit
from prewatt.web.console.meter_standby import RATES, asked, context_of, swap_field, versions_of, written
from prewatt.web.console.meters import meter_or_404
from prewatt.web.console.settings import told
from prewatt.web.console.settings_fields import (
    Field,
    attempt,
    form_page,
    kept,
    key_of,
    local,
    moment,
    reason,
    roles_of,
    say,
)
from prewatt.web.console.views_base import Ask, console

PATH: Final = "/console/prices"
AT_WORK: Final = (JobState.QUEUED, JobState.CLAIMED)


@dataclass(frozen=True, kw_only=True)
class PriceLine:
    """One rate, or the ladder, in each set. `differs`: what lies in readiness is not what the plan proposes."""

    name: str
    in_force: str
    standby: str
    proposed: str
    differs: bool


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


def _table_or_404(meter: Meter) -> PriceTable:
    table = PRICE_SETS.table_of(meter)
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
    table, now, supply = _table_or_404(meter), PRICE_SETS.of_meter(meter), price_sets.supply_of(meter)
    proposal, profile = _proposal(supply, ask.at) if table.writable else None, all_profiles().get(meter.profile)

    def parts(version: WantedPrices) -> Sequence[tuple[str, str]]:
        return list(zip(_names(table), _rows(PRICE_SETS.held(version), table), strict=True))

    context = context_of(ask, meter, table, now, versions_of(ask, PRICE_SETS.versions(meter), parts))
    context |= {
        "contract": supply.contract if supply else None, "unit": price_unit(ask.site.currency),
        "lines": _lines(now.read, table, proposal),
        "proposed_at": f"{proposal.swap_at.astimezone(ask.zone):%Y-%m-%d %H:%M}" if proposal else "",
        "only_read": profile is not None and not table.writable and Quantity.PRICE_FLAT not in profile.settings,
        "can_write": context["can_write"] and supply is not None,
    }  # fmt: skip
    return ask.page("ui/meter_prices.html", context)


@require_POST
@console(roles=roles_of(Act.READ_NOW))
def read(ask: Ask, meter_id: int) -> HttpResponse:
    """Ask the meter: what resolves an unknown."""
    meter, actor = meter_or_404(ask, meter_id), of_operator(ask.operator)
    return asked(
        ask, lambda key: price_sets.read(meter, request_key=key, actor=actor, at=ask.at),
        f"/console/meters/{meter.pk}/prices",
    )  # fmt: skip


def _reason() -> Field:
    return Field(name="reason", label=_("Reason"), required=True, most=255)


@require_http_methods(["GET", "HEAD", "POST"])
@console(roles=roles_of(Act.METER_SETTINGS))
def write(ask: Ask, meter_id: int) -> HttpResponse:
    """Have the plan's price held in readiness, and when it is to come into force."""
    meter = meter_or_404(ask, meter_id)
    supply, back, refused = price_sets.supply_of(meter), f"/console/meters/{meter.pk}/prices", {}
    if supply is None or not price_sets.has_standby(meter):
        raise Http404
    proposal, hint = _proposal(supply, ask.at), ""
    if proposal is not None:
        at = f"{proposal.swap_at.astimezone(ask.zone):%Y-%m-%d %H:%M}"
        hint = _("The plan's price at %(at)s is %(price)s %(unit)s.") % {
            "at": at, "price": format_price(proposal.price.normalize()), "unit": price_unit(ask.site.currency),
        }  # fmt: skip
    swap = local(proposal.swap_at if proposal else earliest(ask.at), ask.zone)
    fields = [swap_field(value=swap, hint=hint), _reason()]
    if ask.request.method == "POST":
        form, actor = ask.request.POST, of_operator(ask.operator)

        def act(swap_at: datetime, key: str) -> None:
            price_sets.write(supply, swap_at=swap_at, reason=reason(form), actor=actor, request_key=key, at=ask.at)

        refused = written(ask, act)
        if not refused:
            return redirect(back)
        fields = kept(fields, form)
    return form_page(
        ask, title=_("Prices of meter %s") % meter.number, fields=fields, submit=_("Write and read back"),
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
        rates = PRICE_SETS.held(one.told).rates
        ready = f"{_price(rates[0])} · {one.told.swap_at.astimezone(ask.zone):%m-%d %H:%M}"
    busy = one.told is not None and one.told.job.state in AT_WORK
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
        supplies = [each.supply for each in found if str(each.supply.pk) in chosen and each.standby]
        asked: list[price_sets.Asked] = []

        def act() -> None:
            if not supplies:
                raise Refused("field_needed", field=_("Meter"))
            asked.extend(
                price_sets.write_many(
                    supplies, swap_at=moment(form, "swap_at", ask.zone), reason=reason(form),
                    actor=of_operator(ask.operator), request_key=key_of(ask), at=ask.at,
                )  # fmt: skip
            )

        refused = attempt(act)
        if not refused:
            _tell(ask, asked)
            return redirect(PATH)
    hint = _("Empty: with the plan's next price, else as soon as can be.")
    fields = kept([swap_field(hint=hint, required=False), _reason()], form)
    context = {
        "lines": [_purse(each, ask) for each in found], "unit": price_unit(ask.site.currency), "refused": refused,
        "request_key": form.get("request_key") or secrets.token_urlsafe(24), "chosen": chosen, "fields": fields,
        "busy": sum(each.told is not None and each.told.job.state in AT_WORK for each in found),
        "any": any(each.standby for each in found), "most": price_sets.MOST_AT_ONCE,
        "full": len(found) == price_sets.MOST_AT_ONCE,
    }  # fmt: skip
    return ask.page("ui/prices.html", context, status=422 if refused else 200)


def _tell(ask: Ask, asked: Sequence[price_sets.Asked]) -> None:
    done = sum(each.job_id is not None for each in asked)
    said = ngettext("%d meter is being told its price.", "%d meters are being told their price.", done) % done
    refused: dict[str, list[str]] = {}
    for each in asked:
        if each.refusal is not None:
            refused.setdefault(say(each.refusal), []).append(each.supply.circuit.meter.number)
    for why, numbers in refused.items():  # a reason once, with all that it holds for
        said += f" {', '.join(numbers)}: {why}"
    told(ask, said)


urlpatterns = [
    path("prices", overview, name="prices"),
    path("meters/<int:meter_id>/prices", page, name="meter-prices"),
    path("meters/<int:meter_id>/prices/read", read, name="meter-prices-read"),
    path("meters/<int:meter_id>/prices/write", write, name="meter-prices-write"),
]
