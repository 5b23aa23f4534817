"""In and out: log-in, log-out, the language, the site, and a breath of life for pages without a stream."""

from django.contrib.auth import authenticate, login, logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from prewatt.office.staff.models import Operator
from prewatt.web.console.views_base import SITE_KEY, Ask, console, safe_next, site_or_404
from prewatt.web.ui.language import CHOICES, remember

FIELD_MOST = 128  # longer names and passwords are not looked at: hashing a megabyte is an attack


@never_cache
@require_http_methods(["GET", "POST"])
def log_in(request: HttpRequest) -> HttpResponse:
    """The log-in page. A wrong name and a wrong password get the same answer."""
    if isinstance(request.user, Operator):
        return redirect(safe_next(request))
    wrong = ""
    username = request.POST.get("username", "").strip()[:FIELD_MOST]
    if request.method == "POST":
        password = request.POST.get("password", "")
        known = authenticate(request, username=username, password=password) if len(password) <= FIELD_MOST else None
        if isinstance(known, Operator):
            login(request, known)
            return remember(redirect(safe_next(request)), request.COOKIES.get("django_language") or known.language)
        wrong = _("The user name or the password is not right. Nothing was changed; please try again.")
    told = {"username": username, "wrong": wrong, "next": safe_next(request)}
    return render(request, "ui/login.html", told, status=422 if wrong else 200)


@require_POST
def log_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return redirect("/console/login")


@require_POST
def choose_language(request: HttpRequest) -> HttpResponse:
    """Switch the language and stay on the page. Works before the log-in too."""
    wanted = request.POST.get("language", "")
    if wanted not in CHOICES:
        return HttpResponse(_("Unknown language."), status=400)
    return remember(redirect(safe_next(request)), wanted)


@require_POST
@console()
def choose_site(ask: Ask) -> HttpResponse:
    text = ask.request.POST.get("site", "")
    site = site_or_404(ask, int(text) if text.isdecimal() and len(text) < 19 else 0)
    ask.request.session[SITE_KEY] = site.id
    return redirect(safe_next(ask.request))


@require_safe
@console()
def ping(ask: Ask) -> HttpResponse:
    """204 while the console answers and the session lives: what a page asks when the stream is silent."""
    return HttpResponse(status=204)


urlpatterns = [
    path("login", log_in, name="login"),
    path("logout", log_out, name="logout"),
    path("language", choose_language, name="language"),
    path("site", choose_site, name="site"),
    path("ping", ping, name="ping"),
]
