"""Which language a page speaks: the reader's choice, else Chinese. The browser's wish counts for the API alone,
since a counter's computer is often installed in a language its cashier does not read."""

from collections.abc import Callable
from typing import TypeVar

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.utils import translation

CHOICES = ("zh-hans", "en")
YEAR_S = 365 * 86400
R = TypeVar("R", bound=HttpResponseBase)


def remember(response: R, language: str) -> R:
    """Keep the choice in the browser for a year."""
    chosen = language if language in CHOICES else CHOICES[0]
    response.set_cookie(settings.LANGUAGE_COOKIE_NAME, chosen, max_age=YEAR_S, samesite="Lax", httponly=True)
    return response


class LanguageMiddleware:
    """Activates the language for the whole request, error pages included."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        chosen = request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME, "")
        if request.path.startswith("/api/"):
            chosen = translation.get_language_from_request(request)
        translation.activate(chosen if chosen in CHOICES else CHOICES[0])
        request.LANGUAGE_CODE = translation.get_language()
        response = self.get_response(request)
        response.headers.setdefault("Content-Language", translation.get_language() or CHOICES[0])
        return response
