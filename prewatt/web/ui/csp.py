"""The content security policy: what a page of ours may load, sent with every answer.

No inline script or style is allowed and there is none, so that a text stored by a tenant can never
run in a cashier's browser. The one foreign origin is our own live stream, which listens on the port
after the console's (same host, therefore the same session cookie).
"""

import os
from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

GetResponse = Callable[[HttpRequest], HttpResponseBase]


def host_without_port(host: str) -> str:
    """`[::1]:8000` -> `[::1]`, `a.example:8000` -> `a.example`."""
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host


def stream_origin(request: HttpRequest) -> str:
    """Where the live stream of this console answers.

    `PREWATT_STREAM_URL` says it outright (a reverse proxy); otherwise it is the host the browser used with
    `PREWATT_STREAM_PORT`, or with the console's port + 1.
    """
    told = os.environ.get("PREWATT_STREAM_URL", "")
    if told:
        return told.rstrip("/")
    host = request.get_host()
    name = host_without_port(host)
    own_port = host[len(name) + 1 :] or request.get_port()
    port = os.environ.get("PREWATT_STREAM_PORT", "") or str(int(own_port) + 1)
    return f"{request.scheme}://{name}:{port}"


def policy(stream: str) -> str:
    """The header's value. `data:` images are Tabler's own chevrons and check marks."""
    return "; ".join(
        (
            "default-src 'self'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data:",
            "font-src 'self'",
            f"connect-src 'self' {stream}",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


class ContentSecurityPolicyMiddleware:
    """Adds the policy to every response; a view that already set one (the API's documentation) keeps its own."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if not response.has_header("Content-Security-Policy"):
            response["Content-Security-Policy"] = policy(stream_origin(request))
        return response
