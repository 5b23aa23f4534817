"""What every view of the console shares: who asks, for which site, at which moment; and how a refusal looks.

A view is written `def page(ask: Ask, ...) -> HttpResponse` and decorated with `@console(...)`. `Ask` carries the
operator, the site he looks at and the moment of the request, read once.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, Concatenate, ParamSpec
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.views.decorators.cache import never_cache

from prewatt.office.metering.states import stale_after
from prewatt.office.reports.board import VisibleSite, visible_sites
from prewatt.office.staff import second_factor
from prewatt.office.staff.models import Operator
from prewatt.web.console import presence

P = ParamSpec("P")
Shell = tuple[VisibleSite | None, tuple[VisibleSite, ...]]
SITE_KEY = "site_id"  # in the session: the site chosen in the top bar


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One request of an operator who is logged in."""

    request: HttpRequest
    operator: Operator
    site: VisibleSite
    sites: tuple[VisibleSite, ...]
    at: datetime

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.site.timezone)

    @property
    def actor(self) -> str:
        """The name under which acts are written into books and trail."""
        return f"operator:{self.operator.pk}"

    @property
    def partial(self) -> bool:
        """True when htmx asks for a part of a page."""
        return self.request.headers.get("HX-Request") == "true"

    def page(self, template: str, context: dict[str, Any] | None = None, status: int = 200) -> HttpResponse:
        return render(self.request, template, {"ask": self, **(context or {})}, status=status)

    def refused(self, *, happened: str, not_done: str = "", do: str = "", code: str, status: int = 422) -> HttpResponse:
        """The notice block of a refusal as a fragment: what happened, what was not done, what to do, the code."""
        told = {"kind": "refused", "happened": happened, "not_done": not_done, "do": do, "code": code}
        return render(self.request, "ui/parts/notice.html", told, status=status)


def stale_limit() -> timedelta:
    """After which silence a circuit counts as lost: from the poll period this instance runs with."""
    return stale_after(int(getattr(settings, "PREWATT_POLL_S", 60)))


def shell_of(request: HttpRequest) -> Shell:
    """The chosen site and all visible ones, read once per request and kept on it."""
    known: Shell | None = getattr(request, "_prewatt_shell", None)
    if known is None:
        operator = request.user
        sites = tuple(visible_sites(operator.pk)) if isinstance(operator, Operator) else ()
        wanted = request.session.get(SITE_KEY)
        site = next((each for each in sites if each.id == wanted), sites[0] if sites else None)
        known = (site, sites)
        request._prewatt_shell = known  # type: ignore[attr-defined]
    return known


def to_login(request: HttpRequest) -> HttpResponse:
    """Send to the log-in page and back; a part of a page asks the browser to go there as a whole."""
    if request.headers.get("HX-Request") == "true":
        return _whole_browser_to("/console/login", status=401)
    return redirect(f"/console/login?{urlencode({'next': request.get_full_path()})}")


def _whole_browser_to(address: str, status: int) -> HttpResponse:
    answer = HttpResponse(status=status)
    answer["HX-Redirect"] = address
    return answer


def _first_to(request: HttpRequest, operator: Operator, sites: tuple[VisibleSite, ...]) -> HttpResponse | None:
    """Where somebody must go before any other page: to a password of his own, to a second factor."""
    address = ""
    if operator.must_change_password:
        address = "/console/settings/password"
    elif not second_factor.is_on(operator) and second_factor.required(
        operator.role, by_company=any(site.second_factor for site in sites)
    ):
        address = "/console/settings/second-factor"
    if not address:
        return None
    return _whole_browser_to(address, 403) if request.headers.get("HX-Request") == "true" else redirect(address)


def console(
    roles: Iterable[str] = (), *, first: bool = False
) -> Callable[[Callable[Concatenate[Ask, P], HttpResponse]], Callable[Concatenate[HttpRequest, P], HttpResponseBase]]:
    """Let in operators with one of `roles` (none named: everybody) who may see at least one site.

    `first`: a page that is open also to who must still choose a password or enrol a second factor.
    """
    allowed = frozenset(roles)

    def dress(
        view: Callable[Concatenate[Ask, P], HttpResponse],
    ) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
        @never_cache
        @wraps(view)
        def answer(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            operator = request.user
            at = timezone.now()
            if not isinstance(operator, Operator) or not presence.still_here(request, operator, at):
                return to_login(request)
            if allowed and operator.role not in allowed:
                raise PermissionDenied("role_not_allowed")
            site, sites = shell_of(request)
            if site is None:
                raise PermissionDenied("no_site")
            elsewhere = None if first else _first_to(request, operator, sites)
            if elsewhere is not None:
                return elsewhere
            return view(Ask(request=request, operator=operator, site=site, sites=sites, at=at), *args, **kwargs)

        return answer

    return dress


def site_or_404(ask: Ask, site_id: int) -> VisibleSite:
    for each in ask.sites:
        if each.id == site_id:
            return each
    raise Http404


def safe_next(request: HttpRequest, default: str = "/console/") -> str:
    """Where to go back to: only an address of ours."""
    wanted = request.POST.get("next") or request.GET.get("next") or default
    ours = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if ours else default
