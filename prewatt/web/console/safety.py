"""One's own safety: the second factor with its QR code and recovery codes, and the places where one is logged in."""

from typing import Final

import segno
from django.contrib.auth import logout
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from prewatt.core import totp
from prewatt.office.staff import second_factor, sessions
from prewatt.office.staff.actors import of_operator
from prewatt.office.staff.models import Operator, OperatorSession
from prewatt.web.console.lists import number
from prewatt.web.console.settings import PATH, settings_page, told
from prewatt.web.console.settings_fields import Field, attempt
from prewatt.web.console.views_base import Ask, console
from prewatt.web.ui import formats

# First match wins: each browser names the ones it descends from
BROWSERS: Final = (("Edg/", "Edge"), ("OPR/", "Opera"), ("MicroMessenger/", "WeChat"), ("Firefox/", "Firefox"),
                   ("Chrome/", "Chrome"), ("Safari/", "Safari"))  # fmt: skip
SYSTEMS: Final = (("Windows", "Windows"), ("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"),
                  ("Mac OS", "macOS"), ("Linux", "Linux"))  # fmt: skip


def qr_code(text: str) -> SafeString:
    """A QR code as SVG in the page: nothing is loaded, and the secret is in no address."""
    # the library writes numbers and path letters alone: `text` is in the picture, not in the mark-up
    return mark_safe(segno.make(text, error="m").svg_inline(scale=5, border=4, light="#fff"))


def browser_words(agent: str) -> str:
    """A browser as people know it: "Chrome, Windows"."""
    name = next((word for mark, word in BROWSERS if mark in agent), "")
    system = next((word for mark, word in SYSTEMS if mark in agent), "")
    return ", ".join(word for word in (name, system) if word) or agent[:40] or formats.DASH


def session_rows(ask: Ask, operator: Operator) -> list[dict[str, object]]:
    """Where an operator is logged in, for a table."""

    def row(each: OperatorSession) -> dict[str, object]:
        return {
            "id": each.pk, "address": each.address or formats.DASH, "browser": browser_words(each.browser),
            "began": formats.when(each.began_at, ask.at, ask.zone), "seen_at": each.seen_at,
            "here": each.session_key == ask.request.session.session_key,
        }  # fmt: skip

    return [row(each) for each in sessions.live_of(operator.pk, at=ask.at)]


def code_field() -> Field:
    return Field(
        name="code", label=_("Code"), required=True, most=second_factor.TYPED_MOST,
        hint=_("The six digits that your telephone shows now."),
    )  # fmt: skip


def asked_by_company(ask: Ask) -> bool:
    """Whether any company he works for asks his role for a second factor."""
    return second_factor.required(ask.operator.role, by_company=any(site.second_factor for site in ask.sites))


@require_http_methods(["GET", "HEAD", "POST"])
@console(first=True)
def factor(ask: Ask) -> HttpResponse:
    """Enrol, renew the recovery codes, take off. Codes are shown on the answer itself and nowhere else."""
    codes: list[str] = []
    refused = None
    if ask.request.method == "POST":
        refused = attempt(lambda: codes.extend(_carry_out(ask)))
        if not refused and not codes:
            return redirect(f"{PATH}/second-factor")
        ask.operator.refresh_from_db()
    one = ask.operator
    secret = b"" if second_factor.is_on(one) else bytes(one.totp_secret)
    context: dict[str, object] = {
        "on": second_factor.is_on(one),
        "since": formats.when(one.totp_on_at, ask.at, ask.zone) if one.totp_on_at else "",
        "needed": asked_by_company(ask),
        "left": second_factor.codes_left(one),
        "codes": codes,
        "refused": refused,
        "fields": [code_field()],
        "picture": qr_code(totp.address(secret, issuer=f"Prewatt {ask.site.name}", name=one.username))
        if secret
        else "",
        "secret": " ".join(totp.base32(secret)[at : at + 4] for at in range(0, 32, 4)) if secret else "",
    }
    return settings_page(ask, "ui/settings_second_factor.html", context, status=422 if refused else 200)


def _carry_out(ask: Ask) -> list[str]:
    """The recovery codes that are to be shown, if any."""
    form, actor = ask.request.POST, of_operator(ask.operator)
    code = form.get("code", "")
    match form.get("what", ""):
        case "begin":
            second_factor.enrol(ask.operator, at=ask.at)
        case "confirm":
            return second_factor.confirm(ask.operator, code, actor=actor, at=ask.at)
        case "codes":
            return second_factor.new_recovery_codes(ask.operator, code, actor=actor, at=ask.at)
        case "off":
            second_factor.take_off(ask.operator, actor=actor, at=ask.at, code=code, by_company=asked_by_company(ask))
            told(ask, _("The second factor is off: your password alone opens the console."))
    return []


@require_http_methods(["GET", "HEAD", "POST"])
@console(first=True)
def mine(ask: Ask) -> HttpResponse:
    """Where one is logged in; end one of them, or all others."""
    refused = None
    if ask.request.method == "POST":
        here = ask.request.session.session_key or ""
        if ask.request.POST.get("what") == "others":
            many = sessions.end_all(ask.operator.pk, why=sessions.Why.ENDED, at=ask.at, but=here)
            told(ask, _("Logged out in %d other places.") % many)
            return redirect(f"{PATH}/sessions")
        wanted = number(ask.request.POST.get("session", "")) or 0
        refused = attempt(
            lambda: sessions.end(wanted, operator=ask.operator, actor=of_operator(ask.operator), at=ask.at)
        )
        if not refused:
            if not ask.request.session.exists(here):
                logout(ask.request)
                return redirect("/console/login")
            return redirect(f"{PATH}/sessions")
    context: dict[str, object] = {
        "rows": session_rows(ask, ask.operator), "refused": refused,
        "idle_hours": sessions.IDLE_MOST.seconds // 3600, "age_hours": sessions.AGE_MOST.seconds // 3600,
    }  # fmt: skip
    return settings_page(ask, "ui/settings_sessions.html", context, status=422 if refused else 200)


urlpatterns = [
    path("settings/second-factor", factor, name="settings-second-factor"),
    path("settings/sessions", mine, name="settings-sessions"),
]
