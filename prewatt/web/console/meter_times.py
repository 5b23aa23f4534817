"""The times of use of a meter: in force, in readiness, wanted by whom; read, and a new standby set written."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from prewatt.core.meters.schedule import DAY_MINUTES, Schedule, ScheduleTable
from prewatt.office.estate.models import Meter
from prewatt.office.metering import times
from prewatt.office.metering.times import TIMES
from prewatt.office.staff.actors import of_operator
from prewatt.office.staff.roles import Act
from prewatt.web.console.meter_standby import RATES, asked, context_of, swap_field, versions_of, written
from prewatt.web.console.meter_times_form import clock, filled, grid_of, schedule_of_form
from prewatt.web.console.meters import meter_or_404
from prewatt.web.console.settings_fields import Field, form_page, kept, reason, roles_of
from prewatt.web.console.views_base import Ask, console


@dataclass(frozen=True, kw_only=True)
class DayTable:
    """One day table: since which days it holds, and its periods as (from, until, rate)."""

    number: int
    since: str
    periods: Sequence[tuple[str, str, str]]


def tables_of(schedule: Schedule | None) -> list[DayTable]:
    """A set in words, day table by day table."""
    if schedule is None:
        return []
    found = []
    for number, periods in enumerate(schedule.tables, 1):
        ends = [each.minute for each in periods[1:]] + [DAY_MINUTES]
        since = [f"{each.month:02d}-{each.day:02d}" for each in schedule.zones if each.table == number]
        rows = [
            (clock(each.minute), clock(end), str(RATES[each.rate])) for each, end in zip(periods, ends, strict=True)
        ]
        found.append(DayTable(number=number, since=", ".join(since), periods=rows))
    return found


def _table_or_404(meter: Meter) -> ScheduleTable:
    table = TIMES.table_of(meter)
    if table is None:
        raise Http404
    return table


@require_safe
@console()
def page(ask: Ask, meter_id: int) -> HttpResponse:
    """What the meter counts by."""
    meter = meter_or_404(ask, meter_id)
    table, now = _table_or_404(meter), TIMES.of_meter(meter)
    versions = versions_of(ask, TIMES.versions(meter), lambda version: tables_of(TIMES.held(version)))
    context = context_of(ask, meter, table, now, versions)
    sets = {"in_force": now.read.in_force, "standby": now.read.standby} if now.read else {}
    return ask.page("ui/meter_times.html", context | {name: tables_of(each) for name, each in sets.items()})


@require_POST
@console(roles=roles_of(Act.READ_NOW))
def read(ask: Ask, meter_id: int) -> HttpResponse:
    """Ask the meter: what resolves an unknown."""
    meter = meter_or_404(ask, meter_id)
    return asked(
        ask, lambda key: times.read(meter, request_key=key, at=ask.at, actor=ask.actor),
        f"/console/meters/{meter.pk}/times",
    )  # fmt: skip


@require_http_methods(["GET", "HEAD", "POST"])
@console(roles=roles_of(Act.METER_SETTINGS))
def write(ask: Ask, meter_id: int) -> HttpResponse:
    """A new standby set and when it is to come into force."""
    meter = meter_or_404(ask, meter_id)
    table, back, refused = _table_or_404(meter), f"/console/meters/{meter.pk}/times", {}
    if not table.writable:
        raise Http404
    now = TIMES.of_meter(meter)
    typed = filled(TIMES.held(now.wanted) if now.wanted else now.read.in_force if now.read else None)
    fields = [swap_field(), Field(name="reason", label=_("Reason"), required=True, most=255)]
    if ask.request.method == "POST":
        form, actor = ask.request.POST, of_operator(ask.operator)

        def act(swap_at: datetime, key: str) -> None:
            times.write(
                meter, schedule_of_form(form, table), swap_at=swap_at, reason=reason(form), actor=actor,
                request_key=key, at=ask.at,
            )  # fmt: skip

        refused = written(ask, act)
        if not refused:
            return redirect(back)
        fields, typed = kept(fields, form), form.dict()
    return form_page(
        ask, title=_("Times of use of meter %s") % meter.number, fields=fields, submit=_("Write and read back"),
        back=back, crumb=_("Times of use"), refused=refused or None, template="ui/meter_times_form.html",
        more=grid_of(typed, table),
        says=_("Only the standby set is written, then read back and compared, and then the time at which the meter"
               " swaps its sets. What it counts by now is not touched."),
    )  # fmt: skip


urlpatterns = [
    path("meters/<int:meter_id>/times", page, name="meter-times"),
    path("meters/<int:meter_id>/times/read", read, name="meter-times-read"),
    path("meters/<int:meter_id>/times/write", write, name="meter-times-write"),
]
