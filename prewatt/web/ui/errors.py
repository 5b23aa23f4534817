"""The pages for what went wrong before a view could say so itself: 400, 403, 404, 500, in the reader's language.

`wiring.urls` names these four as handlers. They read nothing from the database, so that the page for a database that
does not answer can be shown.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template import loader
from django.utils.translation import gettext as _


@dataclass(frozen=True, kw_only=True)
class Told:
    """A notice block: what happened, what was not done, what to do, the code."""

    happened: str
    not_done: str
    do: str
    code: str
    kind: str = "refused"
    again: bool = False
    retries: bool = False  # the page asks for itself every few seconds and comes back


def _page(request: HttpRequest, told: Told, status: int) -> HttpResponse:
    template = "ui/parts/notice.html" if request.headers.get("HX-Request") == "true" else "ui/error.html"
    context = {"told": told, **vars(told)}
    return HttpResponse(loader.render_to_string(template, context, request), status=status)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    told = Told(
        happened=_("We did not understand this request"),
        not_done=_("Nothing was changed."),
        do=_("Go back and try again; if it happens again, tell us the code."),
        code="bad_request",
    )
    return _page(request, told, 400)


def no_nul(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware: a NUL is in nothing that a person types, and no text of the database can hold one."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        if not request.path.startswith("/api/"):  # which names the field
            sent = [*request.GET.values(), *request.POST.values()]
            if any("\0" in str(text) for text in sent):
                return bad_request(request)
        return get_response(request)

    return answer


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    reason = str(exception or "")
    if reason == "no_site":
        told = Told(
            happened=_("No site has been given to you yet"),
            not_done=_("There is nothing you may see."),
            do=_("Ask your administrator for a company, a site or a building."),
            code="no_site",
        )
    else:
        told = Told(
            happened=_("This page is not open to your role"),
            not_done=_("Nothing was changed."),
            do=_("Ask a manager to do it, or your administrator for the role."),
            code="role_not_allowed",
        )
    return _page(request, told, 403)


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    """`CSRF_FAILURE_VIEW`: the form is older than the session, or came from elsewhere."""
    told = Told(
        happened=_("This form is out of date"),
        not_done=_("Nothing was changed."),
        do=_("Load the page again, look at what it shows, and send the form once more."),
        code="form_expired",
    )
    return _page(request, told, 403)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    told = Told(
        happened=_("There is no such page, or it is not yours to see"),
        not_done=_("Nothing was changed."),
        do=_("Check the address, or find the room with the box at the top of each page."),
        code="not_found",
    )
    return _page(request, told, 404)


def _database_away(request: HttpRequest) -> Told:
    """Nobody can be sold to while the books cannot be written; a page that only reads has certainly done nothing."""
    reading = request.method in ("GET", "HEAD")
    return Told(
        happened=_("The database does not answer"),
        not_done=_("Nothing was sold, tripped or closed by this page.")
        if reading
        else _("We do not know whether your last step was done."),
        do=_("Supply is not affected: meters go on by themselves. Do not take money now; tell the engineer the code."),
        code="database_unreachable",
        kind="refused" if reading else "unknown",
        again=reading,
        retries=reading,
    )


def server_error(request: HttpRequest) -> HttpResponse:
    if isinstance(sys.exc_info()[1], OperationalError | InterfaceError):
        return _page(request, _database_away(request), 503)
    told = Told(
        happened=_("Something went wrong on our side"),
        not_done=_("We do not know whether your last step was done. Meters go on supplying."),
        do=_("Look at the list of sales before you do it again, and tell the engineer the code."),
        code="unexpected",
        kind="unknown",
        again=True,
    )
    return _page(request, told, 500)
