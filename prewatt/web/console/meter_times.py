"""The times of use of a meter: in force, in readiness, wanted by whom; read, and a new standby set written."""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import path
from django.utils.functional import Promise
from django.utils.translation import get_language, pgettext_lazy
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from prewatt.core.meters.jobs import Verdict
from prewatt.core.meters.names import label
from prewatt.core.meters.schedule import DAY_MINUTES, Period, Schedule, ScheduleTable, Zone
from prewatt.core.refusals import Refused, message, texts
from prewatt.office.estate.models import Meter
from prewatt.office.estate.profiles import all_profiles
from prewatt.office.metering import times
from prewatt.office.metering.jobs import schedule_of
from prewatt.office.metering.models import JobRow, JobState, WantedSchedule
from prewatt.office.metering.parameters import ParameterState
from prewatt.office.staff.actors import of_operator
from prewatt.office.staff.roles import Act, may
from prewatt.web.console.meters import meter_or_404
from prewatt.web.console.meters_parameters import STATES
from prewatt.web.console.meters_words import names_of
from prewatt.web.console.settings import told
from prewatt.web.console.settings_fields import Field, attempt, form_page, kept, moment, reason, roles_of, text
from prewatt.web.console.views_base import Ask, console
from prewatt.web.ui import formats

RATES: Final[dict[int, Promise]] = {
    1: pgettext_lazy("rate", "sharp"),
    2: pgettext_lazy("rate", "peak"),
    3: pgettext_lazy("rate", "flat"),
    4: pgettext_lazy("rate", "valley"),
}
TYPED_MOST: Final = 400  # characters of one table as it is typed
_ZONE: Final = re.compile(r"(\d{1,2})-(\d{1,2})\s+(\d{1,2})", re.ASCII)
_PERIOD: Final = re.compile(r"(\d{1,2}):(\d{2})\s+(\d)", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class DayTable:
    """One day table: since which days it holds, and its periods as (from, until, rate)."""

    number: int
    since: str
    periods: Sequence[tuple[str, str, str]]


@dataclass(frozen=True, kw_only=True)
class Version:
    """One set that was wanted, and what came of it."""

    at: str
    swap: str
    who: str
    reason: str
    result: str
    why: str
    tables: Sequence[DayTable]


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def tables_of(schedule: Schedule | None) -> list[DayTable]:
    """A set in words, day table by day table."""
    if schedule is None:
        return []
    found = []
    for number, periods in enumerate(schedule.tables, 1):
        ends = [each.minute for each in periods[1:]] + [DAY_MINUTES]
        since = [f"{each.month:02d}-{each.day:02d}" for each in schedule.zones if each.table == number]
        rows = [
            (_clock(each.minute), _clock(end), str(RATES[each.rate])) for each, end in zip(periods, ends, strict=True)
        ]
        found.append(DayTable(number=number, since=", ".join(since), periods=rows))
    return found


def _table_or_404(meter: Meter) -> ScheduleTable:
    profile = all_profiles().get(meter.profile)
    if profile is None or profile.schedule is None:
        raise Http404
    return profile.schedule


def result_of(job: JobRow) -> str:
    """What came of a write, in words."""
    if job.state not in (JobState.DONE, JobState.DROPPED):
        return _("at work")
    if job.state == JobState.DROPPED and not job.ever_sent:
        return _("dropped, never sent")
    verdict = Verdict(job.verdict) if job.verdict else Verdict.UNKNOWN
    if verdict is Verdict.SILENT and job.ever_sent:
        verdict = Verdict.UNKNOWN
    return label(verdict, get_language() or "zh-hans")


def _version(each: WantedSchedule, names: dict[str, str], ask: Ask) -> Version:
    job, language = each.job, get_language() or "zh-hans"
    return Version(
        at=formats.when(each.set_at, ask.at, ask.zone), swap=f"{each.swap_at.astimezone(ask.zone):%Y-%m-%d %H:%M}",
        who=names.get(each.actor, ""), reason=each.reason, result=result_of(job),
        why=message(job.code, language) if job.code in texts and job.verdict != Verdict.DONE else "",
        tables=tables_of(schedule_of(each.schedule)),
    )  # fmt: skip


@require_safe
@console()
def page(ask: Ask, meter_id: int) -> HttpResponse:
    """What the meter counts by."""
    meter = meter_or_404(ask, meter_id)
    table, now = _table_or_404(meter), times.of_meter(meter, at=ask.at)
    wanted = times.versions(meter)
    names = names_of([each.actor for each in wanted])
    word, css = STATES[now.state]
    shown = now.read
    context = {
        "meter": meter, "table": table, "known": shown is not None, "state": str(word), "css": css,
        "said": now.state.value, "doubt": now.state is ParameterState.UNKNOWN,
        "read_at": formats.when(now.read_at, ask.at, ask.zone) if now.read_at else "",
        "swap": f"{datetime.fromtimestamp(shown.swap_at, UTC):%Y-%m-%d %H:%M}" if shown and shown.swap_at else "",
        "differ": shown is not None and shown.swaps_differ,
        "in_force": tables_of(shown.in_force) if shown else [],
        "standby": tables_of(shown.standby) if shown else [],
        "versions": [_version(each, names, ask) for each in wanted],
        "can_read": meter.line_id is not None and may(ask.operator.role, Act.READ_NOW),
        "can_write": table.writable and meter.line_id is not None and may(ask.operator.role, Act.METER_SETTINGS),
    }  # fmt: skip
    return ask.page("ui/meter_times.html", context)


@require_POST
@console(roles=roles_of(Act.READ_NOW))
def read(ask: Ask, meter_id: int) -> HttpResponse:
    """Ask the meter: what resolves an unknown."""
    meter = meter_or_404(ask, meter_id)
    try:
        times.read(meter, request_key=secrets.token_urlsafe(12), at=ask.at, actor=ask.actor)
        told(ask, _("Asked. The values and their time follow as soon as the meter has answered."))
    except Refused as refused:
        told(ask, refused.message(get_language() or "zh-hans"))
    return redirect(f"/console/meters/{meter.pk}/times")


def _lines(form: QueryDict, name: str, form_of: re.Pattern[str]) -> list[tuple[int, int, int]]:
    """The lines of a field as three numbers each. Raises Refused schedule_unreadable."""
    found = []
    for each in form.get(name, "")[:TYPED_MOST].splitlines():
        line = each.strip()
        if not line:
            continue
        match = form_of.fullmatch(line)
        if match is None:
            raise Refused("schedule_unreadable", line=line[:40])
        found.append((int(match[1]), int(match[2]), int(match[3])))
    return found


def typed(form: QueryDict, table: ScheduleTable) -> Schedule:
    """What was typed. Raises Refused schedule_unreadable; whether it makes a year and days the office says."""
    zones = tuple(Zone(month=month, day=day, table=number) for month, day, number in _lines(form, "zones", _ZONE))
    tables = []
    for number in range(1, table.most_tables + 1):
        rows = _lines(form, f"table_{number}", _PERIOD)
        wrong = next((row for row in rows if row[0] > 23 or row[1] > 59), None)
        if wrong is not None:
            raise Refused("schedule_unreadable", line=f"{wrong[0]:02d}:{wrong[1]:02d}")
        tables.append(tuple(Period(minute=hour * 60 + minute, rate=rate) for hour, minute, rate in rows))
    while tables and not tables[-1]:
        tables.pop()
    return Schedule(zones=zones, tables=tuple(tables))


def _fields(table: ScheduleTable, start: Schedule | None) -> list[Field]:
    zones = [] if start is None else [f"{each.month:02d}-{each.day:02d} {each.table}" for each in start.zones]
    held = () if start is None else start.tables
    days = [
        Field(
            name=f"table_{number}", label=_("Day table %d") % number, kind="area", most=TYPED_MOST, rows=8,
            value="\n".join(f"{_clock(each.minute)} {each.rate}" for each in held[number - 1]) if number <= len(held)
            else "",
            hint=_("One line for each period: since when, and 1 sharp, 2 peak, 3 flat or 4 valley; as 08:00 2."),
        )
        for number in range(1, table.most_tables + 1)
    ]  # fmt: skip
    return [
        Field(name="zones", label=_("Zones of the year"), kind="area", value="\n".join(zones), required=True, rows=3,
              most=TYPED_MOST, hint=_("One line for each: since which month and day, and its day table; as 07-01 2.")),
        *days,
        Field(name="swap_at", label=_("Swap at"), kind="datetime-local", required=True),
        Field(name="reason", label=_("Reason"), required=True, most=255),
    ]  # fmt: skip


@require_http_methods(["GET", "HEAD", "POST"])
@console(roles=roles_of(Act.METER_SETTINGS))
def write(ask: Ask, meter_id: int) -> HttpResponse:
    """A new standby set and when it is to come into force."""
    meter = meter_or_404(ask, meter_id)
    table, back, refused = _table_or_404(meter), f"/console/meters/{meter.pk}/times", {}
    if not table.writable:
        raise Http404
    now = times.of_meter(meter, at=ask.at)
    start = schedule_of(now.wanted.schedule) if now.wanted else now.read.in_force if now.read else None
    fields = _fields(table, start)
    if ask.request.method == "POST":
        form = ask.request.POST

        key = f"{ask.operator.pk}:{text(form, 'request_key', 64) or secrets.token_urlsafe(12)}"

        def act() -> None:
            swap_at = moment(form, "swap_at", ask.zone)
            if swap_at is None:
                raise Refused("choice_needed")
            times.write(
                meter, typed(form, table), swap_at=swap_at, reason=reason(form), actor=of_operator(ask.operator),
                request_key=key, at=ask.at,
            )  # fmt: skip

        refused = attempt(act)
        if not refused:
            told(ask, _("Asked. It holds once the meter has shown it; see its commands."))
            return redirect(back)
        fields = kept(fields, form)
    return form_page(
        ask, title=_("Times of use of meter %s") % meter.number, fields=fields, submit=_("Write and read back"),
        back=back, crumb=_("Times of use"), refused=refused or None,
        says=_("Only the standby set is written, then read back and compared, and then the time at which the meter"
               " swaps its sets. What it counts by now is not touched."),
    )  # fmt: skip


urlpatterns = [
    path("meters/<int:meter_id>/times", page, name="meter-times"),
    path("meters/<int:meter_id>/times/read", read, name="meter-times-read"),
    path("meters/<int:meter_id>/times/write", write, name="meter-times-write"),
]
