"""The oldest browsers the console can be used with: older ones are told so in words, not with a broken page.

The limit is the style sheet's `color-mix()` (Tabler 1.6; Chromium 111, Firefox 113, Safari 16.2). A browser that does
not say what it is passes; so do programs. docs/recipes/counter-pc.md states the limits for those who buy computers.
"""

import re
from collections.abc import Callable
from typing import Final

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template import loader

OLDEST: Final = {"Chromium": (111, 0), "Firefox": (113, 0), "Safari": (16, 4)}
_EXPLORER: Final = re.compile(r"MSIE |Trident/")
_CHROMIUM: Final = re.compile(r"Chrom(?:e|ium)/(\d+)")
_FIREFOX: Final = re.compile(r"Firefox/(\d+)")
_SAFARI: Final = re.compile(r"Version/(\d+)(?:\.(\d+))?.*Safari/")
_MOST: Final = 512  # characters of a User-Agent that are looked at
_PAGES: Final = "/console/"
Handler = Callable[[HttpRequest], HttpResponseBase]


def too_old(agent: str) -> bool:
    """Whether the pages are known not to work in the browser that calls itself so."""
    said = agent[:_MOST]
    if _EXPLORER.search(said):
        return True
    for name, pattern in (("Chromium", _CHROMIUM), ("Firefox", _FIREFOX), ("Safari", _SAFARI)):
        found = pattern.search(said)
        if found is not None:
            version = (int(found[1]), int(found[2] or 0)) if name == "Safari" else (int(found[1]), 0)
            return version < OLDEST[name]
    return False


def too_old_is_told(get_response: Handler) -> Handler:
    """Middleware: pages of the console for a browser that is too old become one plain page, whatever was asked for."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        if request.path.startswith(_PAGES) and too_old(request.headers.get("User-Agent", "")):
            oldest = {name: version[0] for name, version in OLDEST.items()}
            # more than 512 bytes: Internet Explorer shows a page of its own instead of a short refusal
            return HttpResponse(loader.render_to_string("ui/old_browser.html", {"oldest": oldest}, request), status=403)
        return get_response(request)

    return answer
