"""A very small HTTP/1.1 server for the simulator's own page and API: loopback, one request a connection."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

HEAD_LIMIT_BYTES: Final = 16 * 1024
BODY_LIMIT_BYTES: Final = 64 * 1024
FIELD_LIMIT: Final = 64
CONNECTION_LIMIT: Final = 64
REQUEST_TIMEOUT_S: Final = 10.0

_REASONS: Final = {
    200: "OK", 303: "See Other", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
    408: "Request Timeout", 409: "Conflict", 413: "Content Too Large", 500: "Internal Server Error",
    503: "Service Unavailable",
}  # fmt: skip
_POLICY: Final = (
    "default-src 'none'; style-src 'self'; form-action 'self'; frame-src 'self'; frame-ancestors 'self';"
    " base-uri 'none'"
)

_log = logging.getLogger(__name__)


class BadRequest(Exception):
    """What came is no request this server takes."""

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


@dataclass(frozen=True, kw_only=True)
class HttpRequest:
    """A request that arrived whole. Header names are in lower case."""

    method: str
    path: tuple[str, ...]  # the segments, decoded; "/" is ()
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def form(self) -> dict[str, str]:
        """A posted HTML form; raises BadRequest."""
        try:
            pairs = parse_qsl(self.body.decode("ascii"), max_num_fields=FIELD_LIMIT, keep_blank_values=True)
        except (UnicodeDecodeError, ValueError):
            raise BadRequest(400) from None
        return dict(pairs)


@dataclass(frozen=True, kw_only=True)
class HttpReply:
    """What goes back."""

    status: int = 200
    kind: str = "text/plain; charset=utf-8"
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def json_reply(value: object, status: int = 200) -> HttpReply:
    """A JSON answer."""
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return HttpReply(status=status, kind="application/json; charset=utf-8", body=body)


Handler = Callable[[HttpRequest], Awaitable[HttpReply]]


async def _read(reader: asyncio.StreamReader) -> HttpRequest:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.LimitOverrunError:
        raise BadRequest(413) from None
    first, *lines = head.split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise BadRequest(400)
    headers = {}
    for line in lines[:-2]:
        name, colon, value = line.partition(":")
        if not colon or name != name.strip():
            raise BadRequest(400)
        headers[name.lower()] = value.strip()
    length = headers.get("content-length", "0")
    if "transfer-encoding" in headers or not length.isascii() or not length.isdigit():
        raise BadRequest(400)
    if int(length) > BODY_LIMIT_BYTES:
        raise BadRequest(413)
    body = await reader.readexactly(int(length))
    try:
        target = urlsplit(words[1])
        query = dict(parse_qsl(target.query, max_num_fields=FIELD_LIMIT))
    except ValueError:
        raise BadRequest(400) from None
    path = tuple(unquote(part) for part in target.path.split("/") if part)
    return HttpRequest(method=words[0], path=path, query=query, headers=headers, body=body)


def _written(reply: HttpReply, *, with_body: bool) -> bytes:
    headers = {
        "Content-Type": reply.kind,
        "Content-Length": str(len(reply.body)),
        "Content-Security-Policy": _POLICY,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cache-Control": "no-store",
        "Connection": "close",
        **reply.headers,
    }
    lines = [f"HTTP/1.1 {reply.status} {_REASONS[reply.status]}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (reply.body if with_body else b"")


class HttpServer:
    """Serves `handler` on one port."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def open(self, host: str, port: int) -> int:
        """Listen; gives the port. Raises OSError."""
        self._server = await asyncio.start_server(self._serve, host, port, limit=HEAD_LIMIT_BYTES, reuse_address=True)
        return int(self._server.sockets[0].getsockname()[1])

    def close(self) -> None:
        """Stop at once."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._open):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._open) >= CONNECTION_LIMIT:
            writer.transport.abort()
            return
        self._open.add(writer)
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                writer.write(await self._answer(reader))
                await writer.drain()
            writer.close()
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            writer.transport.abort()
        finally:
            self._open.discard(writer)

    async def _answer(self, reader: asyncio.StreamReader) -> bytes:
        try:
            request = await _read(reader)
            reply = await self._handler(request)
        except BadRequest as error:
            return _written(HttpReply(status=error.status, body=_REASONS[error.status].encode()), with_body=True)
        return _written(reply, with_body=request.method != "HEAD")
