"""Acrel meters over MQTT: topics, messages, and what an acknowledgement does not say."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prewatt.core.wire import acrel_mqtt
from prewatt.core.wire.acrel_mqtt import LocalProtocolError, Message, Method, RemoteProtocolError, Route, Topic

SERIAL = "26112000000001"
names = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=20)
numbers = st.decimals(-10_000_000, 10_000_000, places=3, allow_nan=False)
values = st.dictionaries(names.filter(lambda name: name != SERIAL), numbers | names, max_size=8)
messages = st.builds(
    Message,
    method=st.sampled_from(Method),
    serial=st.just(SERIAL),
    message_id=names | st.integers(0, 10**9),
    result=st.none() | st.integers(0, 9),
    sent_at=st.none() | st.integers(0, 4_000_000_000),
    reported=st.none() | values,
    asked=st.none() | values,
)


@given(messages)
def test_a_message_survives_with_every_digit(sent: Message) -> None:
    assert acrel_mqtt.message(acrel_mqtt.encode(sent)) == sent


@given(st.sampled_from(Route), names, names)
def test_a_topic_survives(route: Route, product: str, serial: str) -> None:
    given_ = Topic(route=route, product=product, serial=serial)
    assert acrel_mqtt.topic(given_.path()) == given_


@pytest.mark.parametrize(
    "path", ["", "sys/dev", "sys/dev/p", "sys/dev/p/", "sys/else/p/s", "data/up/p/s/more", "data/up/+/s"]
)
def test_a_topic_that_is_none_of_ours_is_refused(path: str) -> None:
    with pytest.raises(RemoteProtocolError, match="topic"):
        acrel_mqtt.topic(path)


@pytest.mark.parametrize("part", ["", "a/b", "#", "x" * 65])
def test_no_topic_is_made_of_parts_that_mean_something_else(part: str) -> None:
    with pytest.raises(LocalProtocolError, match="topic"):
        Topic(route=Route.DATA_UP, product=part, serial=SERIAL).path()


def test_a_report_as_meters_send_it_is_read_exactly() -> None:
    sent = (
        b'{"sn":"26112000000001","method":"update","msgid":7,"timestamp":"2026-11-20T16:30:00Z","reported":'
        b'{"state":1,"Ua":229.4,"EPI":12345.67,"Balance":-0.10,"SwitchSta":true,"x":[1],"y":null}}'
    )
    read = acrel_mqtt.message(sent)
    assert (read.method, read.message_id, read.sent_at) == (Method.UPDATE, 7, None)
    assert read.reported == {
        "state": 1,
        "Ua": Decimal("229.4"),
        "EPI": Decimal("12345.67"),
        "Balance": Decimal("-0.10"),
        "SwitchSta": 1,
    }


def test_values_one_level_down_under_the_serial_are_the_meters() -> None:
    read = acrel_mqtt.message(
        b'{"sn":"26112000000001","method":"update","reported":{"rssi":60,"26112000000001":{"EPI":1.5}}}'
    )
    assert read.reported == {"rssi": 60, "EPI": Decimal("1.5")}


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "json"),
        (b"\xff", "json"),
        (b"[]", "json"),
        (b'{"method":"update","sn":"1","reported":{"a":NaN}}', "json"),
        (b'{"method":"update","sn":"1","reported":{"a":1' + b"0" * 30 + b"}}", "json"),
        (b"[" * 60_000, "json"),
        (b"{}", "method"),
        (b'{"method":"fly","sn":"1"}', "method"),
        (b'{"method":"login"}', "field"),
        (b'{"method":"login","sn":["1"]}', "field"),
        (b'{"method":"login","sn":"' + b"1" * 65 + b'"}', "field"),
        (b" " * (acrel_mqtt.MAX_MESSAGE + 1), "length"),
        (json.dumps({"method": "update", "sn": "1", "reported": {str(n): n for n in range(300)}}).encode(), "too_many"),
    ],
)
def test_a_message_that_does_not_hold_is_refused(data: bytes, code: str) -> None:
    with pytest.raises(RemoteProtocolError) as refused:
        acrel_mqtt.message(data)
    assert refused.value.code == code


@given(st.binary(max_size=100) | st.text(max_size=50).map(lambda text: json.dumps({"method": text}).encode()))
def test_whatever_comes_only_declared_refusals_go_out(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        acrel_mqtt.message(data)


def test_commands_look_as_the_meters_expect_them() -> None:
    command = acrel_mqtt.switch(SERIAL, "m1", closed=False, name="shop 12", at=1_795_000_000)
    assert json.loads(acrel_mqtt.encode(command)) == {
        "method": "operate",
        "sn": SERIAL,
        "msgid": "m1",
        "timestamp": 1_795_000_000,
        "payload": {"addr": SERIAL, "do1": 0, "meterName": "shop 12", "method": "FORCESWITCH", "ForceSwitch": 0},
    }
    asked = acrel_mqtt.refresh(SERIAL, "m2", at=1)
    assert asked.asked == {"method": "REFRESH", "addr": SERIAL}


def test_an_acknowledgement_is_of_this_command_only() -> None:
    command = acrel_mqtt.switch(SERIAL, "m1", closed=True, name="", at=1)
    done = Message(method=Method.OPERATE, serial=SERIAL, message_id="m1", result=1)
    assert acrel_mqtt.acknowledges(command, done)
    for other in (
        Message(method=Method.OPERATE, serial=SERIAL, message_id="m2", result=1),
        Message(method=Method.OPERATE, serial=SERIAL, message_id="m1", result=0),
        Message(method=Method.OPERATE, serial=SERIAL, message_id="m1"),
        Message(method=Method.UPDATE, serial=SERIAL, message_id="m1", result=1),
        Message(method=Method.OPERATE, serial="2", message_id="m1", result=1),
    ):
        assert not acrel_mqtt.acknowledges(command, other)


def test_the_server_acknowledges_a_login_with_res_1() -> None:
    login = acrel_mqtt.message(b'{"sn":"26112000000001","method":"login","msgid":0,"timestamp":1795000000}')
    assert json.loads(acrel_mqtt.encode(acrel_mqtt.acknowledge(login, at=5))) == {
        "method": "login",
        "sn": SERIAL,
        "msgid": 0,
        "res": 1,
        "timestamp": 5,
    }


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("1e30")])
def test_what_must_not_be_sent_is_our_own_fault(value: Decimal) -> None:
    with pytest.raises(LocalProtocolError, match="field"):
        acrel_mqtt.encode(Message(method=Method.UPDATE, serial=SERIAL, message_id="", reported={"a": value}))
