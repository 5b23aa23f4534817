"""Marked readings of a site (数据质量), and what a person says of a counter that fell or leapt."""

from datetime import UTC, datetime, timedelta
from typing import Final

from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from prewatt.core.meters.judging import Mark
from prewatt.core.refusals import Refused
from prewatt.office.billing import doubts
from prewatt.office.metering import doubts as standing
from prewatt.office.metering.doubts import Doubt
from prewatt.office.metering.freezes import SOURCE_FREEZE
from prewatt.office.reports import marks as report
from prewatt.office.reports.marks import MarkedRow, MarkFilters
from prewatt.office.staff.actors import of_operator
from prewatt.office.staff.roles import Act, may
from prewatt.web.console.circuits import circuit_or_404
from prewatt.web.console.lists import Cell, Choice, cursor, number, place, remembered, with_, workbook
from prewatt.web.console.marks_words import BILLED, MARKS, said_of
from prewatt.web.console.meters import buildings_of
from prewatt.web.console.settings_fields import Field, attempt, form_page, kept, reason, roles_of
from prewatt.web.console.views_base import Ask, console
from prewatt.web.ui import formats

PATH: Final = "/console/meters/marks"
_US: Final = timedelta(microseconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def filters_of(query: QueryDict) -> MarkFilters:
    mark, days = query.get("mark", ""), number(query.get("days", ""))
    return MarkFilters(
        mark=Mark(mark) if mark in MARKS else None,
        days=days if days in report.PERIODS else 7,
        building_id=number(query.get("building", "")),
        doubted=query.get("doubted") == "1",
        text=query.get("q", "").strip()[:64],
    )


def _after(text: str) -> tuple[datetime, int] | None:
    found = place(text)
    if found is None or not isinstance(found[0], int):
        return None
    try:
        return _EPOCH + found[0] * _US, found[1]
    except OverflowError:
        return None


@require_safe
@console()
def page(ask: Ask) -> HttpResponse:
    """The list, newest first."""
    query = remembered(ask, "marks")
    filters = filters_of(query)
    after = _after(query.get("after", ""))
    rows = report.marked(
        ask.operator.pk, ask.site.id, filters, at=ask.at, after=after, most=report.LIST_MOST + 1
    )
    shown = rows[: report.LIST_MOST]
    counts = report.mark_counts(ask.operator.pk, ask.site.id, filters, at=ask.at)
    last = cursor((shown[-1].at - _EPOCH) // _US, shown[-1].circuit_id) if len(rows) > report.LIST_MOST else ""
    context = {
        "lines": [_line(each, ask) for each in shown],
        "filters": filters,
        "kinds": [
            Choice(label=word, url=with_(query, PATH, mark=mark.value), on=filters.mark is mark, count=counts[mark])
            for mark, word in MARKS.items()
            if mark in counts
        ],
        "total": sum(counts.values()),
        "all_url": with_(query, PATH, mark=""),
        "periods": [
            (str(days), _("1 day") if days == 1 else _("%d days") % days, days == filters.days)
            for days in report.PERIODS
        ],
        "buildings": buildings_of(ask),
        "next": f"{with_(query, PATH)}&after={last}" if last else "",
        "paged": after is not None,
        "first_page": with_(query, PATH),
        "clear": f"{PATH}?clear",
        "export": f"{PATH}/export?{query.urlencode()}",
    }
    return ask.page("ui/marks.html", context)


def _line(row: MarkedRow, ask: Ask) -> dict[str, object]:
    return {
        "row": row,
        "at": formats.when(row.at, ask.at, ask.zone),
        "mark": MARKS[row.mark],
        "css": "" if row.mark in BILLED else "d-disputed",
        "wh": formats.energy(row.wh),
        "before": formats.DASH if row.before_wh is None else formats.energy(row.before_wh),
        "kind": _kind(row),
        "settle": row.doubted and may(ask.operator.role, Act.SETTLE),
    }


def _kind(row: MarkedRow) -> str:
    return _("freeze") if row.source == SOURCE_FREEZE else _("reading")


@require_safe
@console()
def export(ask: Ask) -> HttpResponse:
    """The filtered list as a workbook."""
    rows = report.marked(
        ask.operator.pk, ask.site.id, filters_of(ask.request.GET), at=ask.at, most=report.EXPORT_MOST + 1
    )
    titles = [
        _("Time"), _("Mark"), _("Building"), _("Room"), _("Sign"), _("Meter no."), _("Contract no."), _("Customer"),
        _("Before, kWh"), _("Read, kWh"), _("Kind"), _("Counts for bills"), _("To be decided"),
    ]  # fmt: skip
    return workbook("marks", titles, (_exported(row) for row in rows), ask.zone, most=report.EXPORT_MOST)


def _exported(row: MarkedRow) -> list[Cell]:
    return [
        row.at, str(MARKS[row.mark]), row.building, row.room, row.room_name, row.meter, row.contract_number,
        row.customer, formats.energy(row.before_wh) if row.before_wh is not None else None, formats.energy(row.wh),
        _kind(row), _("yes") if row.good else _("no"), _("yes") if row.doubted else "",
    ]  # fmt: skip


# --- what a person says ----------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@console(roles=roles_of(Act.SETTLE))
def settle(ask: Ask, circuit_id: int) -> HttpResponse:
    """Say what happened to a counter that fell or leapt."""
    circuit, row = circuit_or_404(ask, circuit_id)
    back = f"/console/circuits/{circuit.pk}/days"
    found = standing.of_circuits(circuit.site_id, [circuit.pk])
    if not found and ask.request.method != "POST":
        return redirect(back)
    fields = _fields(found[0] if found else None)
    refused = None
    if ask.request.method == "POST":
        form = ask.request.POST
        refused = attempt(lambda: _settle(ask, circuit_id, form))
        if not refused:
            return redirect(back)
        fields = kept(fields, form)
    return form_page(
        ask, title=_("What happened to this counter"), fields=fields, submit=_("Bill on"), back=back,
        crumb=f"{row.room} {row.room_name}".strip() or circuit.meter.number, refused=refused, risk=True,
        warn=said_of(ask, found[0]) if found else "",
        says=_("Nothing behind this reading is billed before somebody has said what happened."),
    )  # fmt: skip


def _fields(doubt: Doubt | None) -> list[Field]:
    """What can be said of the doubt that is shown: its moment goes along, for another one may have come meanwhile."""
    moment = doubt.sure_at.isoformat() if doubt is not None else ""
    go_on = (
        f"go_on {moment}", _("The meter was exchanged or reset"),
        _("Billed on from its newest reading. What was used unseen is settled with the customer."),
    )  # fmt: skip
    accept = (f"accept {moment}", _("It was truly used"), _("What it went up by is billed at the price of the time."))
    return [
        Field(
            name="what", label=_("What happened"), kind="radio", required=True,
            options=[go_on] if doubt is not None and doubt.fell else [accept, go_on],
        ),
        Field(name="reason", label=_("Reason"), required=True, most=255),
    ]  # fmt: skip


def _settle(ask: Ask, circuit_id: int, form: QueryDict) -> None:
    circuit, _row = circuit_or_404(ask, circuit_id)
    what, _blank, moment = form.get("what", "").partition(" ")
    verb = {"accept": doubts.accept, "go_on": doubts.go_on_from}.get(what)
    if verb is None:
        raise Refused("choice_needed")
    try:
        sure_at = datetime.fromisoformat(moment)
    except ValueError:
        raise Refused("doubt_over") from None
    verb(circuit, sure_at=sure_at, reason=reason(form), actor=of_operator(ask.operator), at=ask.at)


urlpatterns = [
    path("meters/marks", page, name="marks"),
    path("meters/marks/export", export, name="marks-export"),
    path("circuits/<int:circuit_id>/doubt", settle, name="circuit-doubt"),
]
