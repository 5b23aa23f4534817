"""Tokens of a site: what waits for a second person, what was asked for, and the ways to campaigns, reader and vault."""

from datetime import datetime, timedelta

from django.http import HttpResponse, QueryDict
from django.urls import path
from django.utils.translation import gettext_lazy as _lazy
from django.views.decorators.http import require_safe

from prewatt.core.refusals import Refused
from prewatt.office.staff.roles import Act
from prewatt.office.tokens import listings
from prewatt.office.tokens.listings import EXPORT_MOST, LIST_MOST, TokenFilters
from prewatt.office.tokens.models import StsMeter
from prewatt.web.console import menu
from prewatt.web.console.lists import number, remembered, with_, workbook
from prewatt.web.console.settings_fields import moment
from prewatt.web.console.tokens_parts import (
    PATH,
    may_,
    meters,
    proposal_lines,
    token_cells,
    token_lines,
    token_titles,
)
from prewatt.web.console.tokens_slip import KINDS
from prewatt.web.console.tokens_words import ENTERED, STATES
from prewatt.web.console.views_base import Ask, console

menu.add(menu.MenuEntry(place=55, url=PATH, label=_lazy("Tokens"), icon="key", key="k"))


def filters_of(query: QueryDict, ask: Ask) -> TokenFilters:
    """What an address asks for; what is none is left out."""
    kind, state = query.get("kind", ""), query.get("state", "")
    since, until = day(query, "since", ask), day(query, "until", ask)
    return TokenFilters(
        kind=kind if kind in KINDS else "", state=state if state in STATES or state == "entered" else "",
        since=since, until=until + timedelta(days=1) if until else None,
    )  # fmt: skip


def day(query: QueryDict, name: str, ask: Ask) -> datetime | None:
    try:
        return moment(query, name, ask.zone)
    except Refused:
        return None


@require_safe
@console()
def page(ask: Ask) -> HttpResponse:
    """Everything asked for at this site, newest first."""
    query = remembered(ask, "tokens")
    filters = filters_of(query, ask)
    before = number(query.get("after", ""))
    rows = listings.tokens(ask.site.id, meters(ask), filters, before_id=before, most=LIST_MOST + 1)
    shown = rows[:LIST_MOST]
    context = {
        "lines": token_lines(ask, shown), "waiting": proposal_lines(ask, listings.proposals(ask.site.id, meters(ask))),
        "kinds": KINDS, "states": {**STATES, "entered": ENTERED}, "filters": filters,
        "since": query.get("since", "")[:10], "until": query.get("until", "")[:10],
        "next": f"{with_(query, PATH)}&after={shown[-1].pk}" if len(rows) > LIST_MOST else "",
        "paged": before is not None, "first_page": with_(query, PATH), "export": f"{PATH}/export?{query.urlencode()}",
        "any": bool(rows) or StsMeter.objects.filter(meter__in=meters(ask).values("pk")).exists(),
        "may_agree": may_(ask, Act.TOKEN_AGREE), "may_campaign": may_(ask, Act.TOKENS),
        "may_vault": may_(ask, Act.VAULT) or may_(ask, Act.TOKENS),
    }  # fmt: skip
    return ask.page("tokens/list.html", context)


@require_safe
@console()
def export(ask: Ask) -> HttpResponse:
    """The filtered list as a workbook; digits are in no sheet of this kind."""
    rows = listings.tokens(ask.site.id, meters(ask), filters_of(ask.request.GET, ask), most=EXPORT_MOST + 1)
    return workbook("tokens", token_titles(), token_cells(ask, rows), ask.zone, most=EXPORT_MOST)


urlpatterns = [
    path("tokens", page, name="tokens"),
    path("tokens/export", export, name="tokens-export"),
]
