"""Alarms: open ones and past ones, who saw them, and what stands behind each."""

from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.views.decorators.http import require_POST, require_safe

from prewatt.core.refusals import Refused
from prewatt.office.alarms import seen as verbs
from prewatt.office.alarms.models import Alarm, AlarmKind
from prewatt.office.reports import alarms as report
from prewatt.office.reports.alarms import AlarmFilters, AlarmRow
from prewatt.office.staff.actors import of_operator
from prewatt.office.staff.roles import Act, may
from prewatt.web.console import menu, restored
from prewatt.web.console.lists import Cell, Choice, in_unit, number, remembered, with_, workbook
from prewatt.web.console.meters import buildings_of
from prewatt.web.console.panel import alarm_words
from prewatt.web.console.settings_fields import roles_of, say
from prewatt.web.console.views_base import Ask, console
from prewatt.web.ui import formats

PATH = "/console/alarms"
KINDS = tuple(kind.value for kind in AlarmKind)
# the glyph of the state an alarm is about; the rest has none
GLYPHS = {
    "low_credit_1": "alarm1",
    "low_credit_2": "alarm2",
    "arrears": "arrears",
    "meter_lost": "lost",
    "line_lost": "lost",
    "station_lost": "lost",
    "blackout": "lost",
}
menu.add(menu.MenuEntry(place=60, url=PATH, label=_lazy("Alarms"), icon="bell", key="a", count="alarms"))


def filters_of(query: QueryDict) -> AlarmFilters:
    kind, seen = query.get("kind", ""), query.get("seen", "")
    return AlarmFilters(
        past=query.get("state") == "past",
        kind=kind if kind in KINDS else "",
        seen=seen if seen in ("yes", "no") else "",
        building_id=number(query.get("building", "")),
        text=query.get("q", "").strip()[:64],
    )


@require_safe
@console()
def page(ask: Ask) -> HttpResponse:
    """The list, newest first."""
    query = remembered(ask, "alarms")
    filters = filters_of(query)
    before = number(query.get("after", ""))
    rows = report.alarms(ask.operator.pk, ask.site.id, filters, before_id=before, most=report.LIST_MOST + 1)
    shown = rows[: report.LIST_MOST]
    counts = report.alarm_counts(ask.operator.pk, ask.site.id, past=filters.past)
    kinds = [
        Choice(
            label=alarm_words(kind),
            url=with_(query, PATH, kind=kind),
            on=filters.kind == kind,
            count=counts[kind],
            state=GLYPHS.get(kind, ""),
        )
        for kind in KINDS
        if counts.get(kind)
    ]
    context = {
        "lines": [_line(each, ask) for each in shown],
        "filters": filters,
        "kinds": kinds,
        "total": sum(counts.values()),
        "all_url": with_(query, PATH, kind=""),
        "buildings": buildings_of(ask),
        "query": query,
        "open_url": with_(query, PATH, state="", kind=""),
        "past_url": with_(query, PATH, state="past", kind=""),
        "next": f"{with_(query, PATH)}&after={shown[-1].id}" if len(rows) > report.LIST_MOST else "",
        "paged": before is not None,
        "first_page": with_(query, PATH),
        "clear": f"{PATH}?clear",
        "export": f"{PATH}/export?{query.urlencode()}",
        "restored": len(restored.waiting(ask)),
        "can_see": may(ask.operator.role, Act.ALARMS),
    }
    return ask.page("ui/alarms.html", context)


def _line(row: AlarmRow, ask: Ask) -> dict[str, object]:
    """One alarm in words: what, where, what was read then and what is known now, how long."""
    end = row.cleared_at or ask.at
    return {
        "row": row,
        "kind": alarm_words(row.kind),
        "glyph": GLYPHS.get(row.kind, ""),
        "then": _then(row),
        "at": formats.when(row.raised_at, ask.at, ask.zone),
        "stood": formats.duration(int((end - row.raised_at).total_seconds())),
        "seen_at": formats.when(row.seen_at, ask.at, ask.zone) if row.seen_at else "",
        "now": _now(row),
        "can_see": may(ask.operator.role, Act.ALARMS),
    }


def _amount(value: int | None, unit: str) -> str:
    return formats.credit(value, unit) + (" kWh" if unit == "Wh" and value is not None else "")


def _then(row: AlarmRow) -> str:
    """What was read when it was raised."""
    told = []
    if isinstance(row.values.get("balance"), int) and row.kind not in ("line_lost", "meter_lost", "station_lost"):
        told.append(_("balance %s") % _amount(row.values["balance"], row.credit_unit))
    if isinstance(row.values.get("power_w"), int) and row.kind in ("overload", "malicious_load"):
        told.append(_("load %s kW") % formats.power(row.values["power_w"]))
    if row.circuits:
        told.append(_("%d circuits unread") % row.circuits)
    return " · ".join(told)


def _now(row: AlarmRow) -> str:
    if row.balance is None or row.cleared_at is not None:
        return ""
    return _amount(row.balance, row.credit_unit)


@require_safe
@console()
def export(ask: Ask) -> HttpResponse:
    """The filtered list as a workbook."""
    filters = filters_of(ask.request.GET)
    rows = report.alarms(ask.operator.pk, ask.site.id, filters, most=report.EXPORT_MOST + 1)
    titles = [
        _("Raised"),
        _("Over since"),
        _("Alarm"),
        _("Building"),
        _("Room"),
        _("Sign"),
        _("Contract no."),
        _("Customer"),
        _("Phone"),
        _("Balance then"),
        _("Balance now"),
        _("Credit unit"),
        _("Station"),
        _("Gateway"),
        _("Line"),
        _("Seen by"),
        _("Seen at"),
    ]
    cells = (_exported(row, ask.site.exponent) for row in rows)
    return workbook("alarms", titles, cells, ask.zone, most=report.EXPORT_MOST)


def _exported(row: AlarmRow, exponent: int) -> list[Cell]:
    then = row.values.get("balance")
    return [
        row.raised_at,
        row.cleared_at,
        alarm_words(row.kind),
        row.building,
        row.room,
        row.room_name,
        row.contract_number,
        row.customer,
        row.phone,
        in_unit(then if isinstance(then, int) else None, row.credit_unit, exponent),
        in_unit(row.balance, row.credit_unit, exponent),
        formats.credit_unit_word(row.credit_unit) or row.credit_unit,
        row.station,
        row.gateway,
        row.line,
        row.seen_by,
        row.seen_at,
    ]


@require_POST
@console(roles=roles_of(Act.ALARMS))
def seen(ask: Ask, alarm_id: int) -> HttpResponse:
    """Say that it was seen: it stays open until its cause has gone."""
    if report.one_alarm(ask.operator.pk, ask.site.id, alarm_id) is None:
        raise Http404
    try:
        verbs.mark_seen(Alarm.objects.get(pk=alarm_id), actor=of_operator(ask.operator), at=ask.at)
    except Refused as refused:
        return ask.refused(happened=say(refused), code=refused.code, status=409)
    if not ask.partial:
        return redirect(PATH)
    row = report.one_alarm(ask.operator.pk, ask.site.id, alarm_id)
    assert row is not None, "it was there a moment ago, and alarms are never deleted"
    return ask.page("ui/parts/alarm_row.html", {"each": _line(row, ask)})


urlpatterns = [
    path("alarms", page, name="alarms"),
    path("alarms/export", export, name="alarms-export"),
    path("alarms/<int:alarm_id>/seen", seen, name="alarm-seen"),
]
