"""Acrel meters over MQTT: topics and JSON messages, both ends.

Topics: `sys/dev|server/{product}/{serial}` (login, time, topology), `data/up/{product}/{serial}` (reports),
`indicate/server|dev/{product}/{serial}` (commands and their acknowledgement). An acknowledgement says that
a command arrived, never that the relay moved: that is read in the next report. Sources:
savasbagkur-del/energy-mqtt-platform, Kelvinkins/MeterProSolution.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, Final

from prewatt.core.wire.errors import LocalProtocolError, RemoteProtocolError

MAX_MESSAGE: Final = 64 * 1024  # bytes
MAX_PART: Final = 64  # characters of a product key, a serial, a message id
MAX_VALUES: Final = 256  # of one report
MAX_DIGITS: Final = 20  # of one number
OK: Final = 1


class Route(StrEnum):
    """The first two parts of a topic."""

    SYSTEM_UP = "sys/dev"
    SYSTEM_DOWN = "sys/server"
    DATA_UP = "data/up"
    COMMAND_DOWN = "indicate/server"
    COMMAND_UP = "indicate/dev"


class Method(StrEnum):
    """What a message is for."""

    LOGIN = "login"
    TIME = "time"
    TOPOLOGY = "topology"
    UPDATE = "update"
    OPERATE = "operate"


@dataclass(frozen=True, kw_only=True, slots=True)
class Topic:
    """Where a message goes or comes from."""

    route: Route
    product: str
    serial: str

    def path(self) -> str:
        """The topic as MQTT has it; raises LocalProtocolError `topic`."""
        if not (_is_part(self.product) and _is_part(self.serial)):
            raise LocalProtocolError("topic", f"{self.product!r}, {self.serial!r}")
        return f"{self.route}/{self.product}/{self.serial}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """One message. `reported` are the meter's values by its own names (Ua, EPI, Balance, SwitchSta, ...).

    `result` is 1 for an acknowledgement that took it, None where there is none; `asked` is the inner
    payload of a command. `message_id` comes back as it came: some meters number their messages.
    """

    method: Method
    serial: str
    message_id: str | int
    result: int | None = None
    sent_at: int | None = None  # seconds since 1970, by the sender's clock
    reported: Mapping[str, Decimal | str] | None = None
    asked: Mapping[str, Decimal | str] | None = None
    sent_text: str = ""  # the time of sending where it is told as a text: ISO 8601, mostly


def _is_part(text: str) -> bool:
    return 0 < len(text) <= MAX_PART and text.isprintable() and not any(sign in text for sign in "/+#")


def topic(path: str) -> Topic:
    """Raises RemoteProtocolError `topic`."""
    first, _, rest = path.partition("/")
    second, _, names = rest.partition("/")
    product, _, serial = names.partition("/")
    known = {str(each): each for each in Route}
    route = known.get(f"{first}/{second}")
    if route is None or not _is_part(product) or not _is_part(serial):
        raise RemoteProtocolError("topic", path[:100])
    return Topic(route=route, product=product, serial=serial)


def message(data: bytes) -> Message:
    """Raises RemoteProtocolError `length`, `json`, `method`, `field`, `too_many`."""
    if len(data) > MAX_MESSAGE:
        raise RemoteProtocolError("length", str(len(data)))
    try:
        given = json.loads(data, parse_float=_number, parse_int=_number, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise RemoteProtocolError("json", type(error).__name__) from error
    if not isinstance(given, dict):
        raise RemoteProtocolError("json", "no object")
    known = {str(each): each for each in Method}
    method = known.get(str(given.get("method")).lower())
    if method is None:
        raise RemoteProtocolError("method", str(given.get("method"))[:MAX_PART])
    serial = _text(given.get("sn"))
    return Message(
        method=method,
        serial=serial,
        message_id=_message_id(given.get("msgid", "")),
        result=_whole(given.get("res")),
        sent_at=_whole(given.get("timestamp")),
        reported=_values(given.get("reported"), serial),
        asked=_values(given.get("payload"), serial),
        sent_text=_time_text(given.get("timestamp")),
    )


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _number(text: str) -> Decimal:
    """A number of a meter is short and has no exponent to speak of."""
    if len(text) > MAX_DIGITS:
        raise ValueError("number")
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise ValueError("number") from error


def _message_id(given: object) -> str | int:
    whole = None if isinstance(given, str) else _whole(given)
    return _text(given) if whole is None else whole


def _text(given: object) -> str:
    """A serial or a message id, which some meters send as a number."""
    if isinstance(given, Decimal):
        given = str(given)
    if not isinstance(given, str) or len(given) > MAX_PART or not given.isprintable():
        raise RemoteProtocolError("field", repr(given)[:MAX_PART])
    return given


def _whole(given: object) -> int | None:
    """An integer, sent as a number or as text; None for anything else (reports bring times as text)."""
    if isinstance(given, str) and given.isascii() and given.isdecimal() and len(given) <= MAX_DIGITS:
        return int(given)
    if isinstance(given, Decimal) and abs(given) < 10**MAX_DIGITS and given == given.to_integral_value():
        return int(given)
    return None


def _time_text(given: object) -> str:
    """A time that is no whole number, as it was sent; "" for what is none."""
    plain = isinstance(given, str) and len(given) <= MAX_PART and given.isprintable() and _whole(given) is None
    return str(given) if plain else ""


def _values(given: object, serial: str) -> Mapping[str, Decimal | str] | None:
    """Plain values by name; those of the meter itself may stand one level down under its serial."""
    if not isinstance(given, dict):
        return None
    own = given.get(serial)
    flat: dict[str, Any] = {**given, **own} if isinstance(own, dict) else given
    if len(flat) > MAX_VALUES:
        raise RemoteProtocolError("too_many", str(len(flat)))
    return {
        name: Decimal(value) if isinstance(value, bool) else value
        for name, value in flat.items()
        if isinstance(value, (bool, Decimal, str))
    }


def encode(given: Message) -> bytes:
    """JSON bytes; raises LocalProtocolError `field`, `length`."""
    if not _is_part(given.serial) or len(str(given.message_id)) > MAX_PART:
        raise LocalProtocolError("field", f"{given.serial!r}, {given.message_id!r}")
    body: dict[str, object] = {"method": str(given.method), "sn": given.serial, "msgid": given.message_id}
    for name, number in (("res", given.result), ("timestamp", given.sent_at)):
        if number is not None:
            body[name] = number
    if given.sent_text and given.sent_at is None:
        body["timestamp"] = given.sent_text
    for name, values in (("reported", given.reported), ("payload", given.asked)):
        if values is not None:
            body[name] = {key: _plain(value) for key, value in values.items()}
    data = _join(body).encode("ascii")
    if len(data) > MAX_MESSAGE:
        raise LocalProtocolError("length", str(len(data)))
    return data


class _Raw(str):
    """A number already written as JSON."""


def _plain(value: Decimal | str) -> object:
    if isinstance(value, str):
        return value
    if not value.is_finite() or len(f"{value:f}") > MAX_DIGITS:
        raise LocalProtocolError("field", str(value)[:MAX_PART])
    return _Raw(f"{value:f}")


def _join(given: object) -> str:
    """JSON whose decimals keep their digits, which the standard writer would send through binary fractions."""
    if isinstance(given, _Raw):
        return str(given)
    if isinstance(given, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{_join(value)}" for name, value in given.items()) + "}"
    return json.dumps(given)


def acknowledge(given: Message, *, at: int) -> Message:
    """The server's answer to a login, a topology or a report; `at` in seconds since 1970."""
    return Message(method=given.method, serial=given.serial, message_id=given.message_id, result=OK, sent_at=at)


def switch(serial: str, message_id: str | int, *, closed: bool, name: str, at: int) -> Message:
    """Force the relay. `name` is what the platform calls the meter."""
    state = Decimal(1 if closed else 0)
    asked: dict[str, Decimal | str] = {
        "addr": serial,
        "do1": state,
        "meterName": name,
        "method": "FORCESWITCH",
        "ForceSwitch": state,
    }
    return Message(method=Method.OPERATE, serial=serial, message_id=message_id, sent_at=at, asked=asked)


def refresh(serial: str, message_id: str | int, *, at: int) -> Message:
    """Ask for a report now."""
    asked: dict[str, Decimal | str] = {"method": "REFRESH", "addr": serial}
    return Message(method=Method.OPERATE, serial=serial, message_id=message_id, sent_at=at, asked=asked)


def acknowledges(command: Message, reply: Message) -> bool:
    """Does `reply` say that this command arrived? It does not say that anything moved."""
    same = (command.method, command.serial) == (reply.method, reply.serial)
    return same and str(command.message_id) == str(reply.message_id) and reply.result == OK
