"""Our static files, served by ourselves: read once, compressed once, cached for a year by the browser.

A page names each file with the first digits of its hash (`?v=`), so a new release is a new address and an old copy is
never shown. Without the hash the browser asks again each time and usually hears 304.
"""

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from django.contrib.staticfiles import finders
from django.core.exceptions import SuspiciousFileOperation
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

FILES_MOST = 256  # kept in memory; the whole of our static files is some two megabytes
SMALL = 1024  # shorter files are not worth compressing
TEXTS = ("text/", "application/javascript", "image/svg+xml", "application/json", "application/manifest+json")


@dataclass(frozen=True, kw_only=True)
class Asset:
    body: bytes
    packed: bytes | None
    kind: str
    digest: str


@lru_cache(maxsize=FILES_MOST)
def asset(name: str) -> Asset | None:
    """The file as `finders` know it (never outside a static folder), or None."""
    found = finders.find(name)
    if not isinstance(found, str) or not Path(found).is_file():
        return None
    body = Path(found).read_bytes()
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    if name.endswith(".js"):
        kind = "text/javascript"
    if name.endswith(".woff2"):
        kind = "font/woff2"
    packed = gzip.compress(body, 9, mtime=0) if kind.startswith(TEXTS) and len(body) > SMALL else None
    return Asset(body=body, packed=packed, kind=kind, digest=hashlib.sha256(body).hexdigest()[:12])


def address(name: str) -> str:
    """`ui/prewatt.css` -> `/static/ui/prewatt.css?v=3f2a...`; a name that does not exist is a programming error."""
    known = asset(name)
    assert known is not None, f"no static file {name}"
    return f"/static/{name}?v={known.digest}"


@require_safe
def serve(request: HttpRequest, name: str) -> HttpResponse:
    try:
        known = asset(name)
    except (SuspiciousFileOperation, ValueError, OSError) as error:  # a path that climbs out, a null byte
        raise Http404 from error
    if known is None:
        raise Http404
    tag = f'"{known.digest}"'
    if request.headers.get("If-None-Match") == tag:
        answer = HttpResponse(status=304)
    elif known.packed is not None and "gzip" in request.headers.get("Accept-Encoding", ""):
        answer = HttpResponse(known.packed, content_type=known.kind)
        answer["Content-Encoding"] = "gzip"
    else:
        answer = HttpResponse(known.body, content_type=known.kind)
    answer["ETag"] = tag
    answer["Vary"] = "Accept-Encoding"
    fresh = request.GET.get("v") == known.digest
    answer["Cache-Control"] = "public, max-age=31536000, immutable" if fresh else "no-cache"
    answer["X-Content-Type-Options"] = "nosniff"
    return answer
