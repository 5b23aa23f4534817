"""Every face of a simulated line with the head-end's own way to it: TCP, TLS, UDP, a serial port, a broker."""

import asyncio
import contextlib
import json
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from prewatt.core.meters import catalogue
from prewatt.core.meters.mailbox import LinePlan
from prewatt.core.wire.acrel_mqtt import Route
from prewatt.field.headend import LinkError, Trust, transports_of
from prewatt.field.simulator.dialing import CallerKind
from prewatt.field.simulator.faces import Face, face_of
from prewatt.field.simulator.faults import faults_from
from prewatt.field.simulator.fields import SiteError
from prewatt.field.simulator.mqtt_box import MqttBox
from prewatt.field.simulator.site import Transport, load_site
from prewatt.field.simulator.world import World
from tests.field.headend.meters import plan_of
from tests.field.headend.test_sockets import run, until
from tests.field.simulator.plant import NOON_MS, line, meter, site, stop, world

FILES = Path(__file__).parents[3] / "docs" / "recipes" / "files"
READ = bytes.fromhex("010300000001840a")
READ_TCP = bytes.fromhex("000100000006010300000001")
LISTENING = [each for each in Transport if each not in (Transport.DIAL_IN, Transport.MQTT)]
NAMES = {"product": "NzIx", "serial": "26112000000001"}


@dataclass
class Ear:
    heard: list[bytes] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)

    def received(self, data: bytes) -> None:
        self.heard.append(data)

    def lost(self, error: str) -> None:
        self.gone.append(error)


def now_ms() -> int:
    return NOON_MS + int(time.monotonic() * 1_000)


def a_line(transport: Transport, directory: Path, **more: Any) -> dict[str, Any]:
    if transport.value.startswith("serial"):
        more["serial"] = {"pty": str(directory / "ttySIM0"), **more.get("serial", {})}
        more["baud"] = more.get("baud", 9_600)
    return line(transport=transport.value, **more)


@contextlib.asynccontextmanager
async def opened(directory: Path, a_site_line: dict[str, Any]) -> AsyncIterator[tuple[World, Face]]:
    played = world(directory, meter(), lines=[a_site_line], at_ms=now_ms())
    face = face_of(played.lines["a"], files=directory, memory=directory, now_ms=now_ms, before_output=played.refresh)
    await face.open()
    try:
        yield played, face
    finally:
        face.close()
        stop(played)


def to(face: Face, transport: Transport, directory: Path, *, baud: int = 9_600) -> LinePlan:
    host = str(directory / "ttySIM0") if transport.value.startswith("serial") else "127.0.0.1"
    return plan_of(1, 1, transport=transport.value, host=host, port=face.port, baud=baud)


def ways(directory: Path) -> Any:
    own = directory / "line-a.pem"
    return transports_of(Trust(ca_file=str(own) if own.exists() else ""))


@pytest.mark.parametrize("transport", LISTENING, ids=str)
def test_the_head_end_reaches_a_meter_by_every_kind_of_link_until_the_line_is_down(
    transport: Transport, tmp_path: Path
) -> None:
    async def story() -> None:
        async with opened(tmp_path, a_line(transport, tmp_path)) as (played, face):
            ear, tcp = Ear(), transport.value.startswith("modbus")
            link = await ways(tmp_path)[transport.value].opener(to(face, transport, tmp_path), ear)
            asked = READ_TCP if tcp else READ
            link.write(asked)
            await until(lambda: len(b"".join(ear.heard)) >= (11 if tcp else 7), within_s=60)
            played.lines["a"].set_faults(faults_from({"down": True}))
            face.apply_faults()
            if transport is Transport.RTU_OVER_UDP:
                heard = len(ear.heard)
                link.write(asked)
                await asyncio.sleep(0.1)
                assert len(ear.heard) == heard, "a box without power says nothing, not even that it is away"
            else:
                await until(lambda: ear.gone, within_s=60)
            link.close()
            played.lines["a"].set_faults(faults_from({}))
            face.apply_faults()
            await until(lambda: transport is Transport.RTU_OVER_UDP or reachable(face, tmp_path), within_s=60)
            ear, again = Ear(), await ways(tmp_path)[transport.value].opener(to(face, transport, tmp_path), Ear())
            again.close()

    run(story())


def reachable(face: Face, directory: Path) -> bool:
    server = getattr(face, "_server", None)
    return server is not None or (directory / "ttySIM0").exists()


def test_a_meter_on_a_cable_hears_its_own_speed_and_a_head_repeats_what_it_sends(tmp_path: Path) -> None:
    kind = Transport.SERIAL_8E1

    async def story() -> None:
        async with opened(tmp_path, a_line(kind, tmp_path, baud=2_400, serial={"echo": True})) as (played, face):
            ear = Ear()
            link = await ways(tmp_path)[kind.value].opener(to(face, kind, tmp_path, baud=9_600), ear)
            link.write(READ)
            await until(lambda: b"".join(ear.heard) == READ, within_s=60)
            await until(lambda: played.lines["a"].next_due_ms() is None, within_s=60)
            assert b"".join(ear.heard) == READ, "at another speed nobody answers"
            link.speed(2_400)
            link.write(READ)
            await until(lambda: len(b"".join(ear.heard)) == 2 * len(READ) + 7, within_s=60)
            link.close()

    run(story())
    assert not (tmp_path / "ttySIM0").is_symlink(), "the cable goes with the simulator"


def test_a_name_that_is_something_else_is_no_place_for_a_cable(tmp_path: Path) -> None:
    (tmp_path / "ttySIM0").write_text("mine")

    async def story() -> None:
        with pytest.raises(OSError):
            async with opened(tmp_path, a_line(Transport.SERIAL_8N1, tmp_path)):
                raise AssertionError("opened")

    run(story())
    assert (tmp_path / "ttySIM0").read_text() == "mine"


def test_a_box_shows_the_certificate_it_made_and_nobody_believes_it_who_was_not_told(tmp_path: Path) -> None:
    kind = Transport.RTU_OVER_TLS

    async def story() -> None:
        async with opened(tmp_path, a_line(kind, tmp_path)) as (_, face):
            assert face.note == f"certificate {tmp_path / 'line-a.pem'}"
            assert os.stat(tmp_path / "line-a.pem").st_mode & 0o077 == 0
            with pytest.raises(LinkError, match="tls_not_trusted"):
                await transports_of(Trust())[kind.value].opener(to(face, kind, tmp_path), Ear())

    run(story())


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"transport": "serial-8e1"}, "bad_serial"),
        ({"transport": "serial-8e1", "serial": {"pty": "/p", "device": "/d"}}, "bad_serial"),
        ({"transport": "rtu-over-tcp", "serial": {"pty": "/p"}}, "bad_serial"),
        ({"transport": "rtu-over-tcp", "tls": {}}, "bad_tls"),
        ({"transport": "mqtt"}, "bad_mqtt"),
        ({"transport": "mqtt", "mqtt": {**NAMES, "serial": "a/b"}}, "bad_text"),
        ({"transport": "mqtt", "mqtt": {**NAMES, "ca_file": "x.pem"}}, "bad_mqtt"),
    ],
)
def test_what_a_line_says_must_belong_to_it(wrong: dict[str, Any], code: str) -> None:
    with pytest.raises(SiteError) as refused:
        site(lines=[line(**wrong)])
    assert refused.value.code == code


def test_at_a_broker_a_line_has_one_meter() -> None:
    with pytest.raises(SiteError) as refused:
        site(meter(1), meter(2), lines=[line(transport="mqtt", mqtt=NAMES)])
    assert refused.value.code == "bad_mqtt"


def box(directory: Path, **faults: Any) -> MqttBox:
    parts = meter(profile="acrel-ddsy1352", opening={"energy_wh": 100_500})
    played = world(directory, parts, lines=[line(transport="mqtt", mqtt=NAMES)])
    played.lines["a"].set_faults(faults_from(faults))
    made = MqttBox(played.lines["a"])
    made.log_in(NOON_MS)
    made.hear("sys/server/NzIx/26112000000001", told("login", res=1), NOON_MS)
    made.advance(NOON_MS)
    return made


def told(method: str, **more: Any) -> bytes:
    return json.dumps({"sn": NAMES["serial"], "method": method, "msgid": "7-1", **more}).encode()


def operate(made: MqttBox, at_ms: int = NOON_MS, **payload: Any) -> list[dict[str, Any]]:
    made.hear(made.mqtt.path(Route.COMMAND_DOWN), told("operate", payload=payload), at_ms)
    return [json.loads(each.data) for each in made.advance(at_ms + 60_000)]


def test_a_meter_at_a_broker_acknowledges_switches_and_says_in_its_report_what_is_so(tmp_path: Path) -> None:
    made = box(tmp_path)
    ack, told_now = operate(made, method="REFRESH")
    assert (ack["msgid"], ack["res"]) == ("7-1", 1)
    assert (told_now["reported"]["EPI"], told_now["reported"]["SwitchSta"]) == (100.5, 1)
    assert [each["res"] for each in operate(made, method="FORCESWITCH", ForceSwitch=0)] == [1]
    assert operate(made, method="REFRESH")[1]["reported"]["SwitchSta"] == 0
    assert [each["res"] for each in operate(made, method="DANCE")] == [0]
    made.meter.state.silent = True
    assert operate(made, method="REFRESH") == []


def test_line_faults_hold_at_a_broker_too(tmp_path: Path) -> None:
    assert operate(box(tmp_path / "1", lose_request=1), method="FORCESWITCH", ForceSwitch=0) == []
    deaf = box(tmp_path / "2", lose_reply=1)
    assert operate(deaf, method="FORCESWITCH", ForceSwitch=0) == []
    assert not deaf.meter.circuits[1].relay_closed(), "it acted, and nobody heard"
    assert len(operate(box(tmp_path / "3", duplicate_reply=1), method="REFRESH")) == 4
    late = box(tmp_path / "4", late_reply=1, late_ms=90_000)
    assert operate(late, method="REFRESH") == [] and len(late.advance(NOON_MS + 95_000)) == 2


def test_the_example_site_plays_one_of_each_face_and_of_each_who_calls() -> None:
    example = load_site(FILES / "every-face.toml")
    assert {each.transport for each in example.lines} == set(Transport)
    callers = [each.dialing for each in example.lines if each.dialing is not None]
    assert {each.caller for each in callers} == set(CallerKind) and {each.tls for each in callers} == {True, False}
    known = catalogue()
    assert all(each.profile in known for each in example.meters)
    assert {each.line for each in example.meters} == {each.id for each in example.lines}
