"""What one meter says over MQTT: answered each time, counted once, and only while it is of now."""

import json
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from prewatt.core.wire import acrel_mqtt
from prewatt.core.wire.acrel_mqtt import (
    Acknowledged,
    Lives,
    RemoteProtocolError,
    Reported,
    Route,
    Session,
    Topic,
    identity_of,
    place_of_identity,
)

SERIAL = "26112000000001"
PRODUCT = "NzIxOTYzNTc4MDEwNDMxNDg4"  # as long as real ones
NOW = 1_795_000_000
ZONE = "Asia/Shanghai"


def said(method: str = "update", **more: Any) -> bytes:
    return json.dumps({"sn": SERIAL, "method": method, "msgid": 1, "timestamp": NOW, **more}).encode()


def report(**more: Any) -> bytes:
    return said(reported={"EPI": 1.5}, **more)


def receive(session: Session, data: bytes, route: Route = Route.DATA_UP) -> acrel_mqtt.Event | None:
    return session.receive(route, data, at=NOW, zone=ZONE)


def test_a_login_a_report_and_an_acknowledgement_are_told_apart() -> None:
    session = Session(SERIAL)
    login = receive(session, said("login"), Route.SYSTEM_UP)
    assert isinstance(login, Lives) and (login.answer.result, login.answer.sent_at) == (1, NOW)
    told = receive(session, report())
    assert isinstance(told, Reported) and not told.stale and told.answer.result == 1
    done = receive(session, said("operate", res=1), Route.COMMAND_UP)
    assert isinstance(done, Acknowledged)
    assert session.odd == 0


def local(seconds: int) -> str:
    from datetime import datetime

    return datetime.fromtimestamp(NOW + seconds, ZoneInfo(ZONE)).strftime("%Y-%m-%d %H:%M:%S")


@pytest.mark.parametrize(
    ("timestamp", "stale"),
    [
        (NOW - 599, False),
        (NOW - 601, True),
        (NOW + 601, True),
        (str(NOW), False),
        (local(-5), False),
        (local(-8 * 3600), True),
        (local(-5).replace(" ", "T") + "+08:00", False),
        (local(-5).replace(" ", "T") + "Z", True),  # eight hours ahead
        ("yesterday", False),
        (None, False),
    ],
)
def test_a_report_counts_only_while_it_is_of_now_and_is_acknowledged_all_the_same(
    timestamp: int | str | None, stale: bool
) -> None:
    told = receive(Session(SERIAL), report(timestamp=timestamp))
    assert isinstance(told, Reported)
    assert (told.stale, told.answer.result) == (stale, 1)


def test_a_report_that_comes_twice_or_after_a_later_one_counts_once() -> None:
    session = Session(SERIAL)
    sent = [report(), report(), report(msgid=2), report(msgid=3, timestamp=NOW - 1), report(msgid=4, timestamp=NOW + 1)]
    told = [receive(session, each) for each in sent]
    assert [isinstance(each, Reported) and each.stale for each in told] == [False, True, False, True, False]
    assert session.stale == 2


def test_without_a_time_only_a_number_shows_a_repeat() -> None:
    session = Session(SERIAL)
    numbers = [7, 7, 8, "", ""]
    told = [receive(session, report(msgid=each, timestamp=None)) for each in numbers]
    assert [isinstance(each, Reported) and each.stale for each in told] == [False, True, False, False, False]


@pytest.mark.parametrize(
    ("route", "data"),
    [
        (Route.DATA_UP, b"{"),
        (Route.DATA_UP, said()),  # no values
        (Route.DATA_UP, said("login")),
        (Route.SYSTEM_UP, report()),
        (Route.COMMAND_UP, said("operate")),  # a command, not its acknowledgement
        (Route.DATA_UP, report().replace(SERIAL.encode(), b"26112000000002")),  # of another meter under this topic
    ],
)
def test_what_makes_no_sense_is_counted_and_not_answered(route: Route, data: bytes) -> None:
    session = Session(SERIAL)
    assert receive(session, data, route) is None
    assert session.odd == 1


def test_an_identity_is_the_place_in_the_topics() -> None:
    identity = identity_of(Topic(route=Route.DATA_UP, product=PRODUCT, serial=SERIAL))
    assert identity == f"mqtt/{PRODUCT}/{SERIAL}"
    assert place_of_identity(identity) == (PRODUCT, SERIAL)
    with pytest.raises(RemoteProtocolError, match="identity"):
        identity_of(Topic(route=Route.DATA_UP, product="p" * 64, serial="s" * 64))


@pytest.mark.parametrize(
    "text", ["", "mqtt/", "mqtt/p", "mqtt/p/", "mqtt//s", "mqtt/p/s/t", "mqtt/+/s", "p/s", "mqtt/p/表"]
)
def test_what_is_no_place_is_no_identity(text: str) -> None:
    assert place_of_identity(text) is None
