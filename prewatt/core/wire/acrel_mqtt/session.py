"""The server's end of one Acrel meter over MQTT: a message in; what it says and the answer it is owed out.

A broker may deliver a message twice, late, or from its memory. Every answer can be given again without harm; a report
counts once, and only while it is of now.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from prewatt.core.wire.acrel_mqtt.messages import Message, Method, Route, Topic, acknowledge, message
from prewatt.core.wire.errors import RemoteProtocolError

IDENTITY: Final = "mqtt/"  # what the identity of a meter that is heard at the broker begins with
MAX_IDENTITY: Final = 96  # characters, as the estate has room for; a product key has 24 and a serial 14
REPORT_AGE_MAX_S: Final = 600  # a report is stored as of now: what was kept back for longer is not
REPORT_AHEAD_MAX_S: Final = 600  # and one from the future comes from a clock that is off
ANSWERS: Final = Route.SYSTEM_DOWN  # where logins and reports alike are answered; for reports no source says it
LISTENED: Final = (Route.SYSTEM_UP, Route.DATA_UP, Route.COMMAND_UP)


def identity_of(place: Topic) -> str:
    """What the estate knows this meter by; raises RemoteProtocolError `identity` where it is too long."""
    text = f"{IDENTITY}{place.product}/{place.serial}"
    if len(text) > MAX_IDENTITY or not text.isascii():
        raise RemoteProtocolError("identity", text[:MAX_IDENTITY])
    return text


def place_of_identity(identity: str) -> tuple[str, str] | None:
    """Product and serial of such an identity; None where it is none."""
    product, _, serial = identity.removeprefix(IDENTITY).partition("/")
    if not identity.startswith(IDENTITY) or not product or not serial or "/" in serial:
        return None
    plain = identity.isascii() and identity.isprintable() and not set(identity) & set("+#")
    if len(identity) > MAX_IDENTITY or not plain:
        return None
    return product, serial


@dataclass(frozen=True, slots=True)
class Lives:
    """A login, a topology, or a question for the time: nothing but the answer is wanted."""

    answer: Message


@dataclass(frozen=True, slots=True)
class Reported:
    """Values. `stale`: told before, kept back or of the future; it is acknowledged all the same, or it comes again."""

    message: Message
    answer: Message
    stale: bool = False


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A command arrived. It does not say that anything moved."""

    message: Message


Event = Lives | Reported | Acknowledged


class Session:
    """What one meter says. `odd` counts messages that made no sense, `stale` reports that were not taken."""

    def __init__(self, serial: str) -> None:
        self._serial = serial
        self._last_at: int | None = None
        self._last: tuple[int, str] | None = None  # time and number of the last report
        self.odd = 0
        self.stale = 0

    def receive(self, route: Route, data: bytes, *, at: int, zone: str) -> Event | None:
        """`at`: seconds since 1970 now; `zone`: of the site, for a meter that says its time without one. Never
        raises."""
        try:
            said = message(data)
        except RemoteProtocolError:
            self.odd += 1
            return None
        if said.serial != self._serial:
            self.odd += 1
            return None
        if route is Route.COMMAND_UP and said.method is Method.OPERATE and said.result is not None:
            return Acknowledged(said)
        if route is Route.DATA_UP and said.method is Method.UPDATE and said.reported is not None:
            stale = self._stale(said, at, zone)
            self.stale += stale
            return Reported(said, acknowledge(said, at=at), stale)
        if route is Route.SYSTEM_UP and said.method in (Method.LOGIN, Method.TIME, Method.TOPOLOGY):
            return Lives(acknowledge(said, at=at))
        self.odd += 1
        return None

    def _stale(self, said: Message, at: int, zone: str) -> bool:
        sent_at = _instant(said, zone)
        if sent_at is None:
            # no time can be read out of it: a number that came just before is all that shows a repeat
            again = said.message_id != "" and self._last == (-1, str(said.message_id))
            self._last = (-1, str(said.message_id))
            return again
        if not at - REPORT_AGE_MAX_S <= sent_at <= at + REPORT_AHEAD_MAX_S:
            return True
        if self._last_at is not None and sent_at < self._last_at <= at + REPORT_AHEAD_MAX_S:
            return True
        key = (sent_at, str(said.message_id))
        again, self._last, self._last_at = key == self._last, key, sent_at
        return again


def _instant(said: Message, zone: str) -> int | None:
    """Seconds since 1970 as the sender has it; None where it says none that can be read."""
    if said.sent_at is not None:
        return said.sent_at
    try:
        told = datetime.fromisoformat(said.sent_text)
    except ValueError:
        return None
    told = told if told.tzinfo is not None else told.replace(tzinfo=ZoneInfo(zone))
    try:
        return int(told.timestamp())
    except (OverflowError, ValueError):
        return None


def trimmed(said: Message, read: Callable[[str], bool]) -> Message:
    """The same with those values alone that somebody reads: what is passed on stays small."""
    kept = {name: value for name, value in (said.reported or {}).items() if read(name)}
    return replace(said, reported=kept, asked=None)
