"""The ASGI face of the live stream: one address, `GET /live?site=&lang=&board=&since=`, text/event-stream.

200 events: beat {"at"}, tiles {"at","tiles":[…]}, sale {"sale"}, ended {"at"}
400 no site · 401 no living session, or a site that is not the operator's · 403 foreign origin · 404 · 405 · 503
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

import psycopg

from prewatt.web.stream.gate import Request, origin_allowed, request_of
from prewatt.web.stream.hub import Hub, Listener
from prewatt.web.ui.language import CHOICES

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
QUERY_MOST = 512

_hubs: dict[int, Hub] = {}  # one per event loop: tests run several loops in one process


def hub_here() -> Hub:
    """The hub of the running event loop, started."""
    loop = asyncio.get_running_loop()
    hub = _hubs.setdefault(id(loop), Hub())
    hub.start()
    return hub


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
    elif scope["type"] == "http":
        await _http(scope, receive, send)


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            hub_here()
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            hub = _hubs.pop(id(asyncio.get_running_loop()), None)
            if hub is not None:
                await hub.stop()
            await send({"type": "lifespan.shutdown.complete"})
            return


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


async def _http(scope: Scope, receive: Receive, send: Send) -> None:
    request = request_of(scope["method"], scope["path"], scope["headers"])
    if not origin_allowed(request, (scope.get("server") or ("", 1))[1] or 1):
        await _answer(send, 403, "origin_not_allowed", None)
        return
    if request.path != "/live":
        await _answer(send, 404, "not_found", request)
        return
    if request.method != "GET":  # an EventSource needs no preflight
        await _answer(send, 405, "method_not_allowed", request)
        return
    query = parse_qs(scope.get("query_string", b"")[:QUERY_MOST].decode("ascii", "replace"))
    asked = {name: values[0] for name, values in query.items()}
    site = _number(asked.get("site", ""))
    if site is None:
        await _answer(send, 400, "site_required", request)
        return
    hub = hub_here()
    try:
        listener = await hub.admit(
            session=request.session,
            site=site,
            language=asked["lang"] if asked.get("lang") in CHOICES else CHOICES[0],
            board=asked.get("board") == "1",
            since_s=_number(asked.get("since", "")) or 0,
        )
    except (psycopg.Error, OSError):
        await _answer(send, 503, "database_unreachable", request)
        return
    if listener is None:
        await _answer(send, 401, "not_logged_in", request)
        return
    await _stream(hub, listener, request, receive, send)


def _headers(request: Request | None, kind: bytes) -> list[tuple[bytes, bytes]]:
    headers = [(b"content-type", kind), (b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]
    if request is not None and request.origin:
        headers += [
            (b"access-control-allow-origin", request.origin.encode("latin-1")),
            (b"access-control-allow-credentials", b"true"),
        ]
    return [*headers, (b"vary", b"Origin")]


async def _answer(send: Send, status: int, code: str, request: Request | None) -> None:
    await send({"type": "http.response.start", "status": status, "headers": _headers(request, b"text/plain")})
    await send({"type": "http.response.body", "body": code.encode()})


async def _stream(hub: Hub, listener: Listener, request: Request, receive: Receive, send: Send) -> None:
    headers = [*_headers(request, b"text/event-stream; charset=utf-8"), (b"x-accel-buffering", b"no")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    gone = asyncio.create_task(_until_gone(receive))
    try:
        while not gone.done():
            waiting = asyncio.create_task(listener.queue.get())
            await asyncio.wait((waiting, gone), return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                waiting.cancel()
                return
            message = waiting.result()
            if message is None:
                await send({"type": "http.response.body", "body": b""})
                return
            await send({"type": "http.response.body", "body": message, "more_body": True})
    except OSError:
        return  # the browser went away while we wrote
    finally:
        gone.cancel()
        if listener in hub.listeners:
            hub.drop(listener)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
