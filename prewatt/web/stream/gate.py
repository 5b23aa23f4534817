"""Who may listen: the session cookie, the operator behind it, and the one origin whose pages may read the answer."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.utils.crypto import constant_time_compare
from psycopg import AsyncConnection

from prewatt.office.staff.models import Operator

COOKIES_MOST = 8192  # bytes of the Cookie header that are looked at

SESSIONS_SQL = (
    "SELECT session_key, session_data FROM django_session WHERE session_key = ANY(%s) AND expire_date > now()"
)
OPERATORS_SQL = "SELECT id, password FROM staff_operator WHERE id = ANY(%s) AND is_active AND NOT must_change_password"
SCOPE_SQL = """
SELECT 1 FROM estate_site s JOIN staff_scope sc ON sc.operator_id = %s
 AND (sc.company_id = s.company_id OR sc.site_id = s.id
      OR sc.building_id IN (SELECT b.id FROM estate_building b WHERE b.site_id = s.id))
WHERE s.id = %s LIMIT 1
"""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What matters of an HTTP request."""

    method: str
    path: str
    host: str
    origin: str
    session: str


def request_of(method: str, path: str, headers: Iterable[tuple[bytes, bytes]]) -> Request:
    found: Mapping[bytes, str] = {name.lower(): value.decode("latin-1") for name, value in headers}
    cookies: SimpleCookie = SimpleCookie()
    try:
        cookies.load(found.get(b"cookie", "")[:COOKIES_MOST])
    except CookieError:
        cookies.clear()
    held = cookies.get(settings.SESSION_COOKIE_NAME)
    return Request(
        method=method,
        path=path,
        host=found.get(b"host", ""),
        origin=found.get(b"origin", ""),
        session=held.value if held else "",
    )


def origin_allowed(request: Request, own_port: int) -> bool:
    """Only pages of our console may read the stream: the host the browser used, at the console's port.

    `PREWATT_ORIGINS` names further ones (comma separated) for an installation behind a reverse proxy. A request
    without Origin is no page of another site and may pass; without the session cookie it learns nothing anyway.
    """
    if not request.origin or request.origin in os.environ.get("PREWATT_ORIGINS", "").split(","):
        return True
    console_port = int(os.environ.get("PREWATT_PORT", "") or own_port - 1)
    try:
        origin, host = urlsplit(request.origin), urlsplit(f"//{request.host}")
        port = origin.port or {"http": 80, "https": 443}.get(origin.scheme)
    except ValueError:
        return False
    return origin.hostname is not None and origin.hostname == host.hostname and port == console_port


async def operators_of(connection: AsyncConnection, sessions: Iterable[str]) -> dict[str, int]:
    """Session key -> operator id, for the sessions that are alive; two reads whatever their number.

    A session is alive until it expires, is logged out, its operator is ended, or his password is changed.
    """
    keys = sorted({key for key in sessions if key})
    if not keys:
        return {}
    store = SessionStore()
    rows = await (await connection.execute(SESSIONS_SQL, [keys])).fetchall()
    claims = {key: store.decode(data) for key, data in rows}
    wanted = {key: int(claim[SESSION_KEY]) for key, claim in claims.items() if BACKEND_SESSION_KEY in claim}
    cursor = await connection.execute(OPERATORS_SQL, [sorted(set(wanted.values()))])
    hashes = {
        number: Operator(password=password).get_session_auth_hash() for number, password in await cursor.fetchall()
    }
    return {
        key: number
        for key, number in wanted.items()
        if number in hashes and constant_time_compare(claims[key].get(HASH_SESSION_KEY, ""), hashes[number])
    }


async def may_see(connection: AsyncConnection, operator: int, site: int) -> bool:
    """Whether the operator was given anything on the site."""
    return await (await connection.execute(SCOPE_SQL, [operator, site])).fetchone() is not None
