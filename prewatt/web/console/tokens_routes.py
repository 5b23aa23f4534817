"""The lists of a campaign for those who walk: by building and floor, printed or as a sheet, ticked off afterwards.

A list shows no digits until somebody asks for them; that is an act, and the trail keeps it.
"""

from collections.abc import Iterator
from typing import Any, Final

from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from prewatt.core.refusals import Refused
from prewatt.office.staff.actors import of_operator
from prewatt.office.staff.roles import Act
from prewatt.office.tokens import by_hand, routes
from prewatt.office.tokens.models import Campaign, CampaignMeter, TokenRequest
from prewatt.office.tokens.routes import RouteLine
from prewatt.web.console.lists import Cell, number, workbook
from prewatt.web.console.meters import buildings_of
from prewatt.web.console.settings import told
from prewatt.web.console.settings_fields import roles_of, say
from prewatt.web.console.tokens_campaigns import HERE, campaign_or_404
from prewatt.web.console.tokens_slip import spaced
from prewatt.web.console.tokens_words import METER_STATES, code_words
from prewatt.web.console.views_base import Ask, console

LINES: Final = 100  # of one page on the screen; a printed one has as many as a list may have
EXPORT_MOST: Final = 20_000
OUT: Final = ("issued", "delivered")  # what somebody walks with


class Chosen:
    """What the list is narrowed to, by address or form."""

    def __init__(self, ask: Ask) -> None:
        given = ask.request.POST if ask.request.method == "POST" else ask.request.GET
        self.buildings = buildings_of(ask)
        wanted = number(given.get("building", ""))
        self.building_id = wanted if any(each.pk == wanted for each in self.buildings) else None
        state = given.get("state", "")
        self.state = state if state in METER_STATES else ""
        self.after = number(given.get("after", ""))

    @property
    def states(self) -> tuple[str, ...]:
        return (self.state,) if self.state else OUT

    def query(self, **more: str) -> str:
        parts = {"building": str(self.building_id or ""), "state": self.state, **more}
        return urlencode({name: value for name, value in parts.items() if value})


def _lines(row: Campaign, chosen: Chosen, most: int) -> list[RouteLine]:
    """A page: from behind the line named in the address, which is looked up again rather than trusted."""
    after = routes.FIRST
    if chosen.after is not None:
        found = routes.route(row, states=tuple(METER_STATES), building_id=chosen.building_id, only=chosen.after)
        after = found[0].place if found else routes.FIRST
    return routes.route(row, states=chosen.states, building_id=chosen.building_id, after=after, most=most)


def _shown(line: RouteLine, *, digits: bool) -> dict[str, Any]:
    return {
        "line": line, "id": line.place[-1], "state": METER_STATES.get(line.state, line.state),
        "digits": [spaced(each) for each in line.digits] if digits else [], "many": len(line.digits),
        "why": code_words(line.code) if line.code else "",
    }  # fmt: skip


def _page(ask: Ask, row: Campaign, chosen: Chosen, *, digits: bool, status: int = 200, **more: object) -> HttpResponse:
    most = routes.PAGE_MOST if digits else LINES + 1
    found = _lines(row, chosen, most)
    shown = found if digits else found[:LINES]
    further = len(found) == routes.PAGE_MOST if digits else len(found) > LINES
    base = f"{HERE}/{row.pk}/list"
    context: dict[str, object] = {
        "row": row, "lines": [_shown(each, digits=digits) for each in shown], "digits": digits, "base": base,
        "buildings": chosen.buildings, "building_id": chosen.building_id, "state": chosen.state,
        "states": METER_STATES, "after": chosen.after or "", "at": ask.at,
        "next": f"{base}?{chosen.query(after=str(shown[-1].place[-1]))}" if further else "",
        "first_page": f"{base}?{chosen.query()}" if chosen.after else "", **more,
    }  # fmt: skip
    return ask.page("tokens/route.html", context, status=status)


@require_safe
@console(roles=roles_of(Act.TOKENS))
def page(ask: Ask, campaign_id: int) -> HttpResponse:
    """Who is to be visited, without digits."""
    return _page(ask, campaign_or_404(ask, campaign_id), Chosen(ask), digits=False)


@require_POST
@console(roles=roles_of(Act.TOKENS))
def digits(ask: Ask, campaign_id: int) -> HttpResponse:
    """The same with the sets, for paper. The same digits however often it is printed."""
    row, chosen = campaign_or_404(ask, campaign_id), Chosen(ask)
    lines = _lines(row, chosen, routes.PAGE_MOST)
    routes.taken(
        row, meters=len(lines), building_id=chosen.building_id, form="page", actor=of_operator(ask.operator), at=ask.at
    )
    return _page(ask, row, chosen, digits=True)


@require_POST
@console(roles=roles_of(Act.TOKENS))
def sheet(ask: Ask, campaign_id: int) -> HttpResponse:
    """The whole list as a workbook, with the sets."""
    row, chosen = campaign_or_404(ask, campaign_id), Chosen(ask)
    lines = list(_all(row, chosen))
    routes.taken(
        row, meters=min(len(lines), EXPORT_MOST), building_id=chosen.building_id, form="sheet",
        actor=of_operator(ask.operator), at=ask.at,
    )  # fmt: skip
    titles = [_("Building"), _("Floor"), _("Room"), _("Sign"), _("Meter no."), _("Meter PAN"), _("State"),
              *(_("Token %d") % place for place in range(1, 5)), _("Why not")]  # fmt: skip
    return workbook(f"campaign-{row.pk}", titles, (_cells(each) for each in lines), ask.zone, most=EXPORT_MOST)


def _all(row: Campaign, chosen: Chosen) -> Iterator[RouteLine]:
    after, many = routes.FIRST, 0
    while many <= EXPORT_MOST:
        some = routes.route(row, states=chosen.states, building_id=chosen.building_id, after=after)
        yield from some
        if len(some) < routes.PAGE_MOST:
            return
        many, after = many + len(some), some[-1].place


def _cells(line: RouteLine) -> list[Cell]:
    tokens = [spaced(each) for each in line.digits]
    return [line.building, line.floor, line.room, line.sign, line.number, line.meter_pan,
            str(METER_STATES.get(line.state, line.state)), *tokens, *([None] * (4 - len(tokens))),
            code_words(line.code) if line.code else None]  # fmt: skip


@require_POST
@console(roles=roles_of(Act.TOKENS))
def tick(ask: Ask, campaign_id: int) -> HttpResponse:
    """Tick off the chosen lines: handed over, or typed in. Each for itself: one that cannot be stops no other."""
    row, chosen, post = campaign_or_404(ask, campaign_id), Chosen(ask), ask.request.POST
    ids = [found for each in post.getlist("line")[:LINES] if (found := number(each)) is not None]
    members = CampaignMeter.objects.select_related("request").filter(campaign=row, pk__in=ids)
    done, refused = 0, list[Refused]()
    for member in members:
        try:
            _tick(ask, member, post.get("what", ""))
            done += 1
        except Refused as no:
            refused.append(no)
    if refused:
        said = say(_worded(refused[0]))
        return _page(ask, row, chosen, digits=False, status=422, refused=refused[0], said=said, done=done,
                     many=len(refused))  # fmt: skip
    told(ask, ngettext("%d meter ticked off.", "%d meters ticked off.", done) % done)
    return redirect(f"{HERE}/{row.pk}/list?{chosen.query(after=str(chosen.after or ''))}")


def _tick(ask: Ask, member: CampaignMeter, what: str) -> None:
    from prewatt.office.tokens import campaign_issue

    actor = of_operator(ask.operator)
    match what:
        case "deliver":
            campaign_issue.deliver(member, actor=actor, at=ask.at)
        case "entered":
            request: TokenRequest | None = member.request
            if request is None:
                raise Refused("token_not_made")
            by_hand.said_entered(request, how="keypad", actor=actor, at=ask.at)
        case _:
            raise Refused("choice_needed")


def _worded(refused: Refused) -> Refused:
    state = str(refused.params.get("state", ""))
    return Refused(refused.code, state=METER_STATES[state]) if state in METER_STATES else refused


urlpatterns = [
    path("tokens/campaigns/<int:campaign_id>/list", page, name="tokens-route"),
    path("tokens/campaigns/<int:campaign_id>/list/digits", digits, name="tokens-route-digits"),
    path("tokens/campaigns/<int:campaign_id>/list/sheet", sheet, name="tokens-route-sheet"),
    path("tokens/campaigns/<int:campaign_id>/list/tick", tick, name="tokens-route-tick"),
]
