"""Who sits where, and for how long: the address of a browser, and the life of a session from log-in to its end."""

import os
from datetime import UTC, datetime
from typing import Final

from django.contrib.auth import login, logout
from django.http import HttpRequest

from prewatt.office.staff import sessions
from prewatt.office.staff.models import Operator

BEGAN: Final = "began_s"  # in the session: seconds since 1970
SEEN: Final = "seen_s"
OWN_ADDRESSES: Final = "127.0.0.1,::1"
HOPS_MOST: Final = 10  # entries of X-Forwarded-For that are looked at
# Pages ask this by themselves while nobody is there
BY_THEMSELVES: Final = ("/console/ping",)


def address_of(request: HttpRequest) -> str:
    """Where the browser is. Behind a reverse proxy whose address `PREWATT_PROXIES` names (comma separated; this
    machine where `PREWATT_PUBLIC_URL` speaks TLS, since we do not): the last entry of X-Forwarded-For that is no
    such proxy. From anywhere else that header is not believed."""
    usual = OWN_ADDRESSES if os.environ.get("PREWATT_PUBLIC_URL", "").startswith("https:") else ""
    proxies = {each.strip() for each in os.environ.get("PREWATT_PROXIES", usual).split(",") if each.strip()}
    address = str(request.META.get("REMOTE_ADDR", ""))
    if address in proxies:
        hops = [each.strip() for each in request.headers.get("X-Forwarded-For", "").split(",")][-HOPS_MOST:]
        address = next((each for each in reversed(hops) if each and each not in proxies), address)
    return address[:45]


def enter(request: HttpRequest, operator: Operator, at: datetime) -> None:
    """Log in: a session of his own, listed with its place."""
    login(request, operator)
    _begin(request, operator, at)


def leave(request: HttpRequest, at: datetime, why: sessions.Why = sessions.Why.LOGGED_OUT) -> None:
    """Log out, here alone."""
    key = request.session.session_key
    if key:
        sessions.end_key(key, why=why, at=at)
    logout(request)


def still_here(request: HttpRequest, operator: Operator, at: datetime) -> bool:
    """Whether the session goes on; False ends it: nobody was there for too long, or it is a shift old.

    What a page asks by itself (a part of it, by GET, or the ping) keeps nobody logged in.
    """
    began, seen = _moment(request, BEGAN), _moment(request, SEEN)
    if began is None or seen is None:
        _begin(request, operator, at)
        return True
    if at - began > sessions.AGE_MOST:
        leave(request, at, sessions.Why.AGE)
        return False
    if sessions.idle_since(seen, at):
        leave(request, at, sessions.Why.IDLE)
        return False
    by_itself = request.method == "GET" and request.headers.get("HX-Request") == "true"
    if at - seen >= sessions.SEEN_EVERY and not by_itself and request.path not in BY_THEMSELVES:
        request.session[SEEN] = int(at.timestamp())
        sessions.seen(request.session.session_key or "", at=at)
    return True


def renamed(request: HttpRequest, old_key: str) -> None:
    """Django gave the session a new key: the list follows."""
    sessions.moved(old_key, request.session.session_key or old_key)


def _begin(request: HttpRequest, operator: Operator, at: datetime) -> None:
    if not request.session.session_key:
        request.session.cycle_key()
    request.session[BEGAN] = request.session[SEEN] = int(at.timestamp())
    key = request.session.session_key
    assert key
    browser = "".join(each for each in request.headers.get("User-Agent", "") if each.isprintable())
    sessions.begin(operator, session_key=key, address=address_of(request), browser=browser, at=at)


def _moment(request: HttpRequest, name: str) -> datetime | None:
    value = request.session.get(name)
    return datetime.fromtimestamp(value, UTC) if isinstance(value, int) else None
