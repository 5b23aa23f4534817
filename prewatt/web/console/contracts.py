"""The contract page: the plain sentence, balance and use over time, why there is power, sales, acts, supply points."""

from collections.abc import Sequence
from datetime import datetime

from django.http import Http404, HttpResponse
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from prewatt.core.units import format_price
from prewatt.office.estate.models import Contract, SupplyPoint
from prewatt.office.estate.profiles import all_profiles
from prewatt.office.estate.scope import visible_to
from prewatt.office.metering.states import CircuitState
from prewatt.office.reports.alarms import alarms_of_circuits
from prewatt.office.reports.board import USE_DAYS, BoardRow, board_rows, runs_out
from prewatt.office.reports.contracts import acts_of, sales_of
from prewatt.office.reports.meters import MeterFilters, changes_of_supply, latest_of, meters
from prewatt.office.reports.use import BalanceSum, balance_sum
from prewatt.office.staff.roles import Act, may
from prewatt.office.vending.models import Opening
from prewatt.web.console import contracts_held, contracts_statement
from prewatt.web.console.contracts_plot import SPANS, UsePlot, load_plot, price_unit, use_plot
from prewatt.web.console.contracts_words import (
    act_line,
    act_state,
    agreement,
    last_change,
    lasting,
    price_in_meter,
    split,
    why,
)
from prewatt.web.console.lists import number
from prewatt.web.console.panel import alarm_words, supply_sentence
from prewatt.web.console.tiles import badges_of
from prewatt.web.console.views_base import Ask, console, stale_limit
from prewatt.web.ui import formats
from prewatt.web.ui.words import TENDERS


def contract_or_404(ask: Ask, contract_number: str) -> Contract:
    """A contract of this operator's rooms; its site becomes the one that is looked at only if it is already."""
    found = (
        visible_to(ask.operator, Contract)
        .select_related("customer", "site__company")
        .filter(number=contract_number, site_id=ask.site.id)
        .first()
    )
    if found is None:
        raise Http404
    return found


def points_of(ask: Ask, contract: Contract) -> list[SupplyPoint]:
    """The contract's supply points that he may see, those in force first."""
    mine = visible_to(ask.operator, SupplyPoint).filter(contract=contract)
    mine = mine.select_related("circuit__meter", "circuit__room__building")
    return sorted(mine, key=lambda point: (point.state == "closed", point.circuit_id))


def _row_of(ask: Ask, point: SupplyPoint) -> BoardRow | None:
    rows = board_rows(ask.operator.pk, ask.site.id, at=ask.at, stale=stale_limit(), ids=[point.circuit_id])
    return next((row for row in rows if row.supply_point_id == point.pk), None)


@require_safe
@console()
def page(ask: Ask, contract_number: str) -> HttpResponse:
    """One contract; `?circuit=` chooses among several supply points, `?span=` what the plot shows."""
    contract = contract_or_404(ask, contract_number)
    points = points_of(ask, contract)
    wanted = number(ask.request.GET.get("circuit", ""))
    point = next((each for each in points if each.circuit_id == wanted), points[0] if points else None)
    if point is None:
        raise Http404
    row = _row_of(ask, point)
    since = contract.opened_at
    circuits = [each.circuit_id for each in points]
    sales, sales_count = sales_of(contract.pk)
    context: dict[str, object] = {
        "contract": contract,
        "point": point,
        "points": points,
        "row": row,
        "circuit": point.circuit,
        "room": point.circuit.room,
        "sales": sales,
        "sales_count": sales_count,
        "tenders": TENDERS,
        "opening": _at_work(contract),
        "can": _permitted(ask),
        "acts": [
            (each, formats.when(each.at, ask.at, ask.zone), act_line(each), act_state(each.state))
            for each in acts_of(circuits, contract.pk, since=since)
        ],
        "alarms": [
            (formats.when(raised, ask.at, ask.zone), alarm_words(kind), cleared is None, seen)
            for kind, raised, cleared, seen in alarms_of_circuits(ask.site.id, circuits, since=since)
        ],
        "opened": formats.day(contract.opened_at, ask.zone) if contract.opened_at else "",
    }
    month = ask.at.astimezone(ask.zone).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    context["statement"] = contracts_statement.shown(ask, contract, points, begins=month if row is not None else None)
    context["held"] = contracts_held.held_of(ask, points)
    if row is None:
        context["closed_at"] = formats.when(contract.closed_at, ask.at, ask.zone) if contract.closed_at else ""
        return ask.page("ui/contract.html", context)
    return ask.page("ui/contract.html", {**context, **_live(ask, row, point)})


def _at_work(contract: Contract) -> Opening | None:
    """The opening or closing that has not come to its end."""
    return Opening.objects.filter(contract=contract).exclude(state__in=["done", "refused"]).first()


def _permitted(ask: Ask) -> dict[str, bool]:
    role = ask.operator.role
    return {
        "sell": may(role, Act.SELL),
        "read": may(role, Act.READ_NOW),
        "relay": may(role, Act.RELAY),
        "close": may(role, Act.CLOSE_CONTRACT),
        "give_back": may(role, Act.RETURN_CREDIT),
        "plans": may(role, Act.PLANS),
        "edit": may(role, Act.OPEN_CONTRACT),
    }


def _live(ask: Ask, row: BoardRow, point: SupplyPoint) -> dict[str, object]:
    """What is said while the contract stands: sentence, figures, plot, why, the balance as a sum."""
    span_name = ask.request.GET.get("span", "42")
    span = SPANS.get(span_name, 42)
    plot = use_plot(row, ask.site.id, span=span, at=ask.at, zone=ask.zone)
    month = ask.at.astimezone(ask.zone).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    held = balance_sum(ask.site.id, row.circuit_id, since=month, at=ask.at) if row.credit_unit == "Wh" else None
    first, rest = split(supply_sentence(row, ask.at, ask.zone))
    rest = rest or lasting(row)
    changes = changes_of_supply(row.circuit_id)
    state, because = why(row, ask.at, ask.zone)
    lines = meters(ask.operator.pk, ask.site.id, MeterFilters(), meter_id=point.circuit.meter_id)
    return {
        "says_first": first,
        "says_rest": rest,
        "badges": badges_of(row),
        "plot": plot,
        "figures": _figures(ask, row, plot),
        "span": span_name if span_name in (*SPANS, "load") else "42",
        "load": load_plot(row, ask.site.id, at=ask.at, zone=ask.zone) if span_name == "load" else None,
        "spans": [("7", _("7 days")), ("42", _("6 weeks")), ("365", _("1 year")), ("load", _("Load curve"))],
        "from_day": plot.first,
        "why": state,
        "because": because,
        "changes": last_change(changes, ask.at, ask.zone),
        "unit": formats.credit_unit_word(row.credit_unit),
        "levels": [*_limits(row, point), *price_in_meter(point, ask.at)],
        "sum": held,
        "sum_says": agreement(held, ask.at, ask.zone) if held else "",
        "sum_lines": _sum_lines(ask, held) if held else [],
        "month": month.month,
        "meter_lines": [line for line in lines if line.circuit_id == row.circuit_id],
        "profile": all_profiles().get(row.profile),
        "latest": latest_of(ask.site.id, row.circuit_id),
        "lost": row.state is CircuitState.OFFLINE,
    }


def _limits(row: BoardRow, point: SupplyPoint) -> list[tuple[str, str]]:
    """What was agreed at opening, as lines."""

    def amount(value: int) -> str:
        text = formats.credit(value, row.credit_unit, row.exponent)
        return f"{text} kWh" if row.credit_unit == "Wh" else text

    return [
        (
            _("Alarm levels") if row.credit_unit == "Wh" else _("Alarm amounts"),
            _("1: %(one)s / 2: %(two)s") % {"one": amount(point.alarm_1), "two": amount(point.alarm_2)},
        ),
        (_("Overdraft"), amount(point.overdraft)),
        (_("Hoarding limit"), amount(point.hoarding_limit) if point.hoarding_limit else _("none")),
        (_("Load limit"), f"{formats.power(point.load_limit_w)} kW" if point.load_limit_w else _("none")),
    ]


def _sum_lines(ask: Ask, held: BalanceSum) -> Sequence[tuple[str, str, bool]]:
    """The balance as a sum since the first of the month."""
    paid = formats.money(held.bought_minor, ask.site.currency, ask.site.exponent)
    return [
        (_("Balance at its beginning"), formats.energy(held.opening), False),
        (_("+ bought, %(n)d (%(sum)s)") % {"n": held.bought_count, "sum": paid}, formats.energy(held.bought), False),
        (_("− taken out"), formats.energy(held.taken), False),
        (_("− used"), formats.energy(held.used), False),
        (_("= balance now"), formats.energy(held.reckoned), True),
    ]


def _age(read_at: datetime | None, ask: Ask) -> str:
    if read_at is None:
        return _("never read")
    age = formats.ago(int((ask.at - read_at).total_seconds()))
    return _("%(time)s (%(age)s)") % {"time": formats.clock_seconds(read_at, ask.zone), "age": age}


def _figures(ask: Ask, row: BoardRow, plot: UsePlot) -> list[tuple[str, str, str, str]]:
    """The five figures of the page."""
    ahead = runs_out(row)
    price = plot.prices[-1] if plot.prices else None
    worth = ""
    if price is not None and row.balance is not None and row.credit_unit == "Wh":
        minor = int(row.balance * price.price * 10**row.exponent / 1000)
        worth = f"≈ {formats.money(minor, row.currency, row.exponent)} · "
    left = note = ""
    if ahead is not None:
        left = formats.scaled(ahead.about_s * 10 // 86400, 1)
        late = formats.scaled(ahead.late_s * 10 // 86400, 1) if ahead.late_s else "…"
        note = _("80 %% sure: %(early)s–%(late)s days") % {
            "early": formats.scaled(ahead.early_s * 10 // 86400, 1),
            "late": late,
        }
    age = formats.ago(int((ask.at - row.read_at).total_seconds())) if row.read_at else _("never read")
    limit = _("limit %s kW · ") % formats.power(row.load_limit_w) if row.load_limit_w else ""
    lost = row.state is CircuitState.OFFLINE
    return [
        (
            _("Balance then") if lost else _("Balance"),
            formats.credit(row.balance, row.credit_unit, row.exponent),
            formats.credit_unit_word(row.credit_unit),
            worth + _age(row.read_at, ask),
        ),
        (_("Lasts"), left or formats.DASH, _("days") if left else "", note or _("no forecast: too little use")),
        (
            _("Mean per day (%d days)") % USE_DAYS,
            formats.energy(row.day_wh) if row.day_wh is not None else formats.DASH,
            "kWh",
            _weekend(plot),
        ),
        (_("Power then") if lost else _("Power now"), formats.power(row.power_w), "kW", limit + age),
        (
            _("Price"),
            format_price(price.price.normalize()) if price else formats.DASH,
            price_unit(row.currency) if price else "",
            _("%(plan)s · from %(day)s")
            % {"plan": price.plan, "day": price.since.astimezone(ask.zone).strftime("%m-%d")}
            if price
            else "",
        ),
    ]


def _weekend(plot: UsePlot) -> str:
    """How the weekend differs, in tenths, where there is enough to say it."""
    whole = [each for each in plot.days[:-1] if each.used_wh > 0]
    ends = [each.used_wh for each in whole if each.day.weekday() >= 5]
    work = [each.used_wh for each in whole if each.day.weekday() < 5]
    if len(ends) < 2 or len(work) < 5:
        return ""
    percent = (sum(ends) * len(work) * 100) // (sum(work) * len(ends)) - 100
    if abs(percent) < 10:
        return _("weekends like working days")
    if percent > 0:
        return _("weekends %d %% more") % percent
    return _("weekends %d %% less") % -percent


urlpatterns = [path("contracts/<str:contract_number>", page, name="contract")]
