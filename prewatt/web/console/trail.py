"""The audit trail: who did what to which thing when, before and after; filtered, exported, never edited."""

from datetime import datetime, timedelta

from django.http import HttpResponse, QueryDict
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from prewatt.core.refusals import Refused
from prewatt.office.estate.models import Company
from prewatt.office.estate.scope import wholly_held
from prewatt.office.reports import trail as report
from prewatt.office.reports.trail import TrailFilters, TrailRow
from prewatt.office.staff.roles import Act, may
from prewatt.web.console.lists import Cell, number, with_, workbook
from prewatt.web.console.settings import PATH as SETTINGS
from prewatt.web.console.settings import settings_page
from prewatt.web.console.settings_fields import moment, roles_of
from prewatt.web.console.trail_words import action_words, changes, object_words
from prewatt.web.console.views_base import Ask, console

PATH = f"{SETTINGS}/trail"
AREAS = ("vending", "changes", "billing", "estate", "metering", "tokens", "alarms", "staff", "ledger")


def area_words(area: str) -> str:
    return {
        "vending": _("Sales and contracts"),
        "changes": _("Changes of contract and custody"),
        "billing": _("Charging"),
        "estate": _("Places, meters, prices"),
        "metering": _("Relays and tags"),
        "tokens": _("Tokens and keys"),
        "alarms": _("Alarms"),
        "staff": _("Operators and keys"),
        "ledger": _("Books"),
    }.get(area, area)


def filters_of(query: QueryDict, ask: Ask) -> TrailFilters:
    """What an address asks for; a date that is none is left out."""

    def day(name: str) -> datetime | None:
        try:
            return moment(query, name, ask.zone)
        except Refused:
            return None

    since, until = day("since"), day("until")
    area = query.get("area", "")
    return TrailFilters(
        since=since,
        until=until + timedelta(days=1) if until else None,
        actor=query.get("actor", "")[:80],
        area=area if area in AREAS else "",
        object_type=query.get("type", "")[:32],
        object_id=query.get("id", "")[:64],
    )


def _rows(ask: Ask, filters: TrailFilters, *, before_id: int | None, most: int) -> list[TrailRow]:
    companies = list(wholly_held(ask.operator, Company).values_list("pk", flat=True))
    return report.trail(
        [ask.site.id], companies, filters, staff=may(ask.operator.role, Act.OPERATORS), before_id=before_id, most=most
    )


@require_safe
@console(roles=roles_of(Act.TRAIL))
def page(ask: Ask) -> HttpResponse:
    query = ask.request.GET.copy()
    filters = filters_of(query, ask)
    before = number(query.get("after", ""))
    rows = _rows(ask, filters, before_id=before, most=report.LIST_MOST + 1)
    shown = rows[: report.LIST_MOST]
    areas = [(area, area_words(area)) for area in AREAS if area != "staff" or may(ask.operator.role, Act.OPERATORS)]
    context: dict[str, object] = {
        "rows": [
            (
                each, action_words(each.action), object_words(each.object_type),
                changes(each.before, each.after, ask, each.credit_unit),
            )  # fmt: skip
            for each in shown
        ],
        "filters": filters,
        "query": query,
        "areas": areas,
        "actors": report.actors([ask.site.id]),
        "since": query.get("since", "")[:10],
        "until": query.get("until", "")[:10],
        "paged": before is not None,
        "next": f"{with_(query, PATH)}&after={shown[-1].id}" if len(rows) > report.LIST_MOST else "",
        "first_page": with_(query, PATH),
        "export": f"{PATH}/export?{query.urlencode()}",
    }
    return settings_page(ask, "ui/settings_trail.html", context)


@require_safe
@console(roles=roles_of(Act.TRAIL))
def export(ask: Ask) -> HttpResponse:
    """The filtered trail as a workbook."""
    rows = _rows(ask, filters_of(ask.request.GET, ask), before_id=None, most=report.EXPORT_MOST + 1)
    titles = [_("Time"), _("Who"), _("What"), _("Action"), _("Thing"), _("Id"), _("Name"), _("Reason"), _("Changes")]
    lines = (_exported(each, ask) for each in rows)
    return workbook("trail", titles, lines, ask.zone, most=report.EXPORT_MOST)


def _exported(row: TrailRow, ask: Ask) -> list[Cell]:
    changed = changes(row.before, row.after, ask, row.credit_unit)
    told = "; ".join(f"{each.name}: {f'{each.before} → ' if each.before else ''}{each.after}" for each in changed)
    return [
        row.at,
        _("the system") if row.actor == "system" else row.actor_name,
        action_words(row.action),
        row.action,
        object_words(row.object_type),
        row.object_id,
        row.object_name,
        row.reason,
        told,
    ]


urlpatterns = [
    path("settings/trail", page, name="settings-trail"),
    path("settings/trail/export", export, name="trail-export"),
]
