"""Customers: the list of contracts with its filters and export; one customer; entering and editing them."""

from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.views.decorators.http import require_http_methods, require_safe

from prewatt.office.estate import people
from prewatt.office.estate.models import Company, Customer
from prewatt.office.estate.scope import visible_to
from prewatt.office.reports import contracts as report
from prewatt.office.reports.contracts import ContractFilters, ContractRow
from prewatt.office.staff.audit import trail_of
from prewatt.office.staff.roles import Act, may
from prewatt.web.console import menu
from prewatt.web.console.lists import (
    Cell,
    Choice,
    cursor,
    heads,
    held_cells,
    in_unit,
    number,
    place,
    remembered,
    with_,
    workbook,
)
from prewatt.web.console.meters import buildings_of
from prewatt.web.console.settings_fields import Field, attempt, form_page, kept, roles_of, text
from prewatt.web.console.trail_words import trail_lines
from prewatt.web.console.views_base import Ask, console
from prewatt.web.ui import formats

PATH = "/console/customers"
STATES = ("live", "open", "opening", "closing", "closed")
menu.add(menu.MenuEntry(place=40, url=PATH, label=_lazy("Customers"), icon="users", key="c"))
COLUMNS = (
    (_lazy("Room"), "", "room"),
    (_lazy("Customer"), "", "customer"),
    (_lazy("Phone"), "", ""),
    (_lazy("Contract no."), "", "number"),
    (_lazy("Class"), "", ""),
    (_lazy("State"), "", ""),
    (_lazy("Balance (kWh or money)"), "num", "balance"),
    (_lazy("Read"), "", ""),
    (_lazy("Plan"), "", ""),
    (_lazy("Opened on"), "", "opened"),
)


def state_words(state: str) -> str:
    """The state of a contract."""
    return {
        "opening": _("opening"),
        "open": _("open"),
        "closing": _("closing"),
        "closed": _("closed"),
    }.get(state, state)


def filters_of(query: QueryDict) -> ContractFilters:
    """What an address asks for; anything unknown is left out."""
    state, sort = query.get("state", "live"), query.get("sort", "room")
    return ContractFilters(
        text=query.get("q", "").strip()[: report.TEXT_MOST],
        state=state if state in STATES else "",
        customer_class=query.get("class", "")[:32],
        building_id=number(query.get("building", "")),
        sort=sort if sort in report.SORTS else "room",
        descending=query.get("desc", "") == "1",
    )


@require_safe
@console()
def page(ask: Ask) -> HttpResponse:
    """The list: a line for each supply point."""
    query = remembered(ask, "customers")
    filters = filters_of(query)
    after = place(query.get("after", ""))
    rows = report.contracts(ask.operator.pk, ask.site.id, filters, at=ask.at, after=after, most=report.LIST_MOST + 1)
    shown = rows[: report.LIST_MOST]
    company = Company.objects.get(site__pk=ask.site.id)
    words = (
        ("live", _("All but closed")),
        ("opening", _("Opening")),
        ("closing", _("Closing")),
        ("closed", _("Closed")),
        ("all", _("All")),
    )
    chips = [
        Choice(label=label, url=with_(query, PATH, state=name), on=(filters.state or "all") == name)
        for name, label in words
    ]
    newcomers = (
        report.customers_without_contract(ask.operator.pk, ask.site.id, filters.text, most=8) if not after else []
    )
    more = len(rows) > report.LIST_MOST
    context = {
        "rows": [(each, _balance(each)) for each in shown],
        "filters": filters,
        "chips": chips,
        "newcomers": newcomers,
        "total": report.contracts_total(ask.operator.pk, ask.site.id, filters, at=ask.at),
        "query": query,
        "heads": heads(query, PATH, COLUMNS, filters.sort, filters.descending),
        "buildings": buildings_of(ask),
        "classes": report.customer_classes(company.pk),
        "clear": f"{PATH}?clear",
        "paged": after is not None,
        "next": f"{with_(query, PATH)}&after={cursor(shown[-1].key, shown[-1].supply_point_id)}" if more else "",
        "first_page": with_(query, PATH),
        "export": f"{PATH}/export?{query.urlencode()}",
        "can_open": may(ask.operator.role, Act.OPEN_CONTRACT),
        "bare": not any(query.get(k) for k in ("q", "building", "class", "state")),
    }
    return ask.page("ui/customers.html", context)


def _balance(row: ContractRow) -> tuple[str, str]:
    """(amount, css of the level it has reached): as last read, the list claims no more."""
    if row.balance is None:
        return formats.DASH, ""
    css = ""
    if row.balance <= 0:
        css = "s-arrears"
    elif row.balance <= row.alarm_2:
        css = "s-alarm2"
    elif row.balance <= row.alarm_1:
        css = "s-alarm1"
    return formats.credit(row.balance, row.credit_unit), css


@require_safe
@console()
def export(ask: Ask) -> HttpResponse:
    """The filtered list as a workbook, in the order in which it stands."""
    filters = filters_of(ask.request.GET)
    rows = report.contracts(ask.operator.pk, ask.site.id, filters, at=ask.at, most=report.EXPORT_MOST + 1)
    titles = [
        _("Contract no."),
        _("State"),
        _("Customer"),
        _("Phone"),
        _("Class"),
        _("Building"),
        _("Room"),
        _("Sign"),
        _("Meter no."),
        _("Who holds the credit"),
        _("Credit unit"),
        _("Balance"),
        _("Read"),
        _("Alarm 1"),
        _("Alarm 2"),
        _("Plan"),
        _("Opened on"),
        _("Closed on"),
    ]
    cells = (_exported(row, ask.site.exponent) for row in rows)
    return workbook("customers", titles, cells, ask.zone, most=report.EXPORT_MOST)


def _exported(row: ContractRow, exponent: int) -> list[Cell]:
    return [
        row.number,
        state_words(row.state),
        row.customer,
        row.phone,
        row.customer_class,
        row.building,
        row.room,
        row.room_name,
        row.meter_number,
        *held_cells(row.custody, row.credit_unit, row.carrier),
        in_unit(row.balance, row.credit_unit, exponent),
        row.read_at,
        in_unit(row.alarm_1, row.credit_unit, exponent),
        in_unit(row.alarm_2, row.credit_unit, exponent),
        row.plan,
        row.opened_at,
        row.closed_at,
    ]


def customer_or_404(ask: Ask, customer_id: int) -> Customer:
    found = visible_to(ask.operator, Customer).filter(pk=customer_id, company__site__pk=ask.site.id).first()
    if found is None:
        raise Http404
    return found


def fields_of(ask: Ask, customer: Customer | None, company_id: int) -> list[Field]:
    """The form of a customer."""
    return [
        Field(name="name", label=_("Name"), value=customer.name if customer else "", required=True, most=120),
        Field(name="phone", label=_("Phone"), value=customer.phone if customer else "", most=32),
        Field(
            name="customer_class",
            label=_("Class"),
            value=customer.customer_class if customer else "",
            most=32,
            listed=report.customer_classes(company_id),
            hint=_("Shops, restaurants, students: what reports sum by."),
        ),
    ]


@require_http_methods(["GET", "HEAD", "POST"])
@console()
def customer(ask: Ask, customer_id: int) -> HttpResponse:
    """One customer: his contracts, and a form for those who may change him."""
    one = customer_or_404(ask, customer_id)
    can = may(ask.operator.role, Act.OPEN_CONTRACT)
    fields, refused = fields_of(ask, one, one.company_id), None
    if ask.request.method == "POST":
        if not can:
            raise Http404
        form = ask.request.POST
        refused = attempt(
            lambda: people.edit_customer(
                one,
                name=text(form, "name"),
                phone=text(form, "phone", 32),
                customer_class=text(form, "customer_class", 32),
                actor=ask.actor,
                at=ask.at,
            )
        )
        if not refused:
            return redirect(f"{PATH}/{one.pk}")
        fields = kept(fields, form)
    rows = report.contracts(
        ask.operator.pk, ask.site.id, ContractFilters(customer_id=one.pk, sort="opened", descending=True), at=ask.at
    )
    context = {
        "customer": one,
        "rows": [(each, _balance(each), state_words(each.state)) for each in rows],
        "fields": fields,
        "refused": refused,
        "can": can,
        "trail": trail_lines(list(trail_of("customer", str(one.pk))[:8]), ask),
    }
    return ask.page("ui/customer.html", context, status=422 if refused else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@console(roles=roles_of(Act.OPEN_CONTRACT))
def new(ask: Ask) -> HttpResponse:
    """Enter a customer; opening comes next."""
    company = Company.objects.get(site__pk=ask.site.id)
    fields, refused = fields_of(ask, None, company.pk), None
    if ask.request.method == "POST":
        form = ask.request.POST
        made: list[Customer] = []
        refused = attempt(
            lambda: made.append(
                people.add_customer(
                    company,
                    name=text(form, "name"),
                    phone=text(form, "phone", 32),
                    customer_class=text(form, "customer_class", 32),
                    actor=ask.actor,
                    at=ask.at,
                )
            )
        )
        if not refused:
            return redirect(f"{PATH}/{made[0].pk}")
        fields = kept(fields, form)
    return form_page(
        ask,
        title=_("Enter a customer"),
        fields=fields,
        submit=_("Save"),
        back=PATH,
        crumb=_("Customers"),
        refused=refused,
    )


urlpatterns = [
    path("customers", page, name="customers"),
    path("customers/export", export, name="customers-export"),
    path("customers/new", new, name="customer-new"),
    path("customers/<int:customer_id>", customer, name="customer"),
]
