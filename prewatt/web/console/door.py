"""In and out: log-in, log-out, the language, the site, and a breath of life for pages without a stream."""

from datetime import datetime

from django.contrib.auth import authenticate
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from prewatt.core.refusals import Refused
from prewatt.office.staff import guard, second_factor
from prewatt.office.staff.models import Operator
from prewatt.web.console import presence
from prewatt.web.console.views_base import SITE_KEY, Ask, console, safe_next, site_or_404
from prewatt.web.ui.language import CHOICES, remember

FIELD_MOST = 128  # longer names and passwords are not looked at: hashing a megabyte is an attack
PENDING = "code_waits"  # in the session: whose password was right and whose code is waited for
CODE_WAIT_S = 300  # then the password is asked for again


@never_cache
@require_http_methods(["GET", "POST"])
def log_in(request: HttpRequest) -> HttpResponse:
    """The log-in page. A wrong name and a wrong password get the same answer after the same time."""
    if isinstance(request.user, Operator):
        return redirect(safe_next(request))
    refused, at = None, timezone.now()
    username = request.POST.get("username", "").strip()[:FIELD_MOST]
    if request.method == "POST":
        try:
            known = _known(request, username, at)
        except Refused as caught:
            refused = caught
        else:
            if second_factor.is_on(known):
                _wait_for_code(request, known, at)
                return redirect("/console/login/code")
            return _enter(request, known, safe_next(request), at)
    told = {"username": username, "refused": refused, "said": said(refused), "next": safe_next(request)}
    return render(request, "ui/login.html", told, status=status_of(refused))


def _known(request: HttpRequest, username: str, at: datetime) -> Operator:
    """The operator behind name and password. Raises Refused `login_blocked`, `login_refused`."""
    tried = guard.begin(username, presence.address_of(request), at=at)
    password = request.POST.get("password", "")
    known = authenticate(request, username=username, password=password) if len(password) <= FIELD_MOST else None
    if not isinstance(known, Operator):
        raise Refused("login_refused")
    guard.succeeded(tried)
    return known


def _enter(request: HttpRequest, known: Operator, wanted: str, at: datetime) -> HttpResponse:
    presence.enter(request, known, at)
    return remember(redirect(wanted), request.COOKIES.get("django_language") or known.language)


def _wait_for_code(request: HttpRequest, known: Operator, at: datetime) -> None:
    """The password was right: who it is waits in a session that opens nothing else."""
    request.session.flush()
    request.session[PENDING] = [known.pk, int(at.timestamp()), known.get_session_auth_hash(), safe_next(request)]


def _pending(request: HttpRequest, at: datetime) -> tuple[Operator, str] | None:
    """Whose code is waited for and where he goes then; None when too late, or when his password changed."""
    match request.session.get(PENDING):
        case [int() as operator_id, int() as since_s, str() as hashed, str() as wanted]:
            known: Operator | None = Operator.objects.filter(pk=operator_id, is_active=True).first()
            fresh = 0 <= int(at.timestamp()) - since_s <= CODE_WAIT_S
            if fresh and known is not None and constant_time_compare(hashed, known.get_session_auth_hash()):
                return known, wanted
    return None


@never_cache
@require_http_methods(["GET", "POST"])
def log_in_code(request: HttpRequest) -> HttpResponse:
    """The second step, for who has a second factor: the code of now, or a recovery code."""
    at = timezone.now()
    waiting = _pending(request, at)
    if waiting is None:
        request.session.pop(PENDING, None)
        return redirect("/console/login")
    known, wanted = waiting
    refused = None
    if request.method == "POST":
        try:
            tried = guard.begin_code(known.pk, at=at)
            second_factor.check(known, request.POST.get("code", ""), at=at)
            guard.succeeded(tried)
        except Refused as caught:
            refused = caught
        else:
            del request.session[PENDING]
            return _enter(request, known, wanted, at)
    told = {"refused": refused, "said": said(refused), "name": known.name}
    return render(request, "ui/login_code.html", told, status=status_of(refused))


def said(refused: Refused | None) -> str:
    return refused.message(get_language() or "zh-hans") if refused else ""


def status_of(refused: Refused | None) -> int:
    if refused is None:
        return 200
    return 429 if refused.code == "login_blocked" else 422


@require_POST
def log_out(request: HttpRequest) -> HttpResponse:
    presence.leave(request, timezone.now())
    return redirect("/console/login")


@require_POST
def choose_language(request: HttpRequest) -> HttpResponse:
    """Switch the language and stay on the page. Works before the log-in too."""
    wanted = request.POST.get("language", "")
    if wanted not in CHOICES:
        return HttpResponse(_("Unknown language."), status=400)
    return remember(redirect(safe_next(request)), wanted)


@require_POST
@console(first=True)
def choose_site(ask: Ask) -> HttpResponse:
    text = ask.request.POST.get("site", "")
    site = site_or_404(ask, int(text) if text.isdecimal() and len(text) < 19 else 0)
    ask.request.session[SITE_KEY] = site.id
    return redirect(safe_next(ask.request))


@require_safe
@console(first=True)
def ping(ask: Ask) -> HttpResponse:
    """204 while the console answers and the session lives: what a page asks when the stream is silent."""
    return HttpResponse(status=204)


urlpatterns = [
    path("login", log_in, name="login"),
    path("login/code", log_in_code, name="login-code"),
    path("logout", log_out, name="logout"),
    path("language", choose_language, name="language"),
    path("site", choose_site, name="site"),
    path("ping", ping, name="ping"),
]
