"""Acrel gateways that dial in: proof before anything else, reports as readings, the tunnel as a bus. Real sockets."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from prewatt.core.meters.jobs import Intent, Job, Order, OrderKind, Verdict, Wish
from prewatt.core.meters.mailbox import Known, LinePlan
from prewatt.core.meters.quantities import Quantity
from prewatt.core.wire import acrel_gateway
from prewatt.core.wire.acrel_gateway import (
    Decoder,
    Frame,
    LoginStep,
    MeterReport,
    Report,
    Tunnelled,
    Type,
)
from prewatt.field.gateway_seal import MakersSeal
from prewatt.field.headend import gateway_call, limits, line, switchboard
from prewatt.field.headend.gateway_call import GatewayCall
from tests.field.headend.test_dial_in import LOCAL, WITHIN_S, here, now_ms, plan, settled_late, site
from tests.field.headend.test_sockets import run, until, wall
from tests.field.simulator.plant import assert_books, circuit_of

GATEWAY = "GW-001"
SECRET = "0123456789abcdef"
SPM = "pilot-spm9511"
DATA = "ningju-ddzy1218"
READ = bytes.fromhex("010300000001840A")


@pytest.fixture(autouse=True)
def _short_link(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switchboard, "LINK_MS", 500)


def behind(profile: str = SPM, **more: Any) -> LinePlan:
    return replace(plan(GATEWAY, profile, **more), transport="acrel-gateway", port=1)


def dialing(**more: Any) -> dict[str, Any]:
    return {"caller": "acrel-gateway", "identity": GATEWAY, "secret": SECRET, "report_s": 1, **more}


@pytest.mark.parametrize(("profile", "zipped"), [(SPM, False), (DATA, True)])
def test_a_gateway_proves_itself_reports_and_is_sold_to_cut_and_restored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profile: str, zipped: bool
) -> None:
    told: list[dict[Quantity, int]] = []
    monkeypatch.setattr(gateway_call, "REPORT_AHEAD_MAX", timedelta(days=1))  # the played site lives at noon
    monkeypatch.setattr(line.Line, "reported", lambda _line, unit, values: told.append(dict(values)))

    async def story() -> None:
        wanted = behind(profile)
        async with here() as found:
            found.office.add(1, wanted)
            found.office.secrets[GATEWAY] = SECRET
            async with site(tmp_path, found.board.port, profile, **dialing(zipped=zipped)) as dialer:
                meter = next(iter(dialer.line.by_unit.values()))
                await until(lambda: any(not item.full for item in found.office.polls), within_s=WITHIN_S)
                if profile == SPM:
                    order = Order(count=1, kind=OrderKind.PURCHASE, amount=50_000)
                    sold = await settled_late(found, wanted, Job(intent=Intent.CREDIT, order=order))
                    assert sold.verdict is Verdict.DONE, sold
                    played: Any = dialer.line._keeper
                    assert_books(circuit_of(played, now_ms()))
                    assert meter.circuits[1].state.purchase_count == 1
                for wish, relay in ((Wish.TRIP, False), (Wish.AUTOMATIC, True)):
                    job = await settled_late(found, wanted, Job(intent=Intent.RELAY, wish=wish))
                    assert job.verdict is Verdict.DONE, job
                    assert meter.circuits[1].relay_closed() is relay
                await until(lambda: told, within_s=WITHIN_S)
                assert told[0][Quantity.ENERGY_IMPORT_TOTAL] >= 0 and 220_000 < told[0][Quantity.VOLTAGE_A] < 240_000
                (call,) = {(each.identity, each.kind, each.detail) for each in found.office.calls}
                assert call == (GATEWAY, "acrel-gateway", "building SIM")

    run(story())


class Gateway:
    """One connection by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer
        self._decoder, self._frames = Decoder(limits.MAX_BEFORE_NAME * 64), list[Frame]()

    @classmethod
    async def call(cls, port: int, identity: str = GATEWAY) -> "Gateway":
        gateway = cls(*await asyncio.open_connection("127.0.0.1", port))
        gateway.say(acrel_gateway.login_frame(LoginStep(operation="request", gateway=identity)))
        return gateway

    def say(self, frame: Frame) -> None:
        self.writer.write(acrel_gateway.encode(frame))

    async def hear(self) -> Frame | None:
        """The next frame; None when we were hung up on."""
        while not self._frames:
            try:
                data = await asyncio.wait_for(self._reader.read(4096), WITHIN_S)
            except ConnectionError:
                return None
            if not data:
                return None
            self._frames += self._decoder.receive(data)
        return self._frames.pop(0)

    async def log_in(self, secret: str = SECRET) -> str:
        asked = await self.hear()
        assert asked is not None
        sequence = acrel_gateway.login_step(asked).detail
        self.say(
            acrel_gateway.login_frame(
                LoginStep(operation="md5", gateway=GATEWAY, detail=acrel_gateway.proof(secret, sequence))
            )
        )
        told = await self.hear()
        return "" if told is None else acrel_gateway.login_step(told).detail


def test_who_does_not_know_the_secret_replaces_nobody_and_is_hung_up_on() -> None:
    async def story() -> None:
        async with here() as found:
            found.office.add(1, behind())
            found.office.secrets[GATEWAY] = SECRET
            true = await Gateway.call(found.board.port)
            assert await true.log_in() == "pass"
            await until(lambda: found.headend.lines, within_s=WITHIN_S)
            false = await Gateway.call(found.board.port)
            assert await false.log_in("another secret..") == "fail"
            assert await false.hear() is None
            assert found.board.held == [1] and found.headend.lines
            await until(lambda: any(not each.proved for each in found.office.calls), within_s=WITHIN_S)
            by_name = Gateway(*await asyncio.open_connection("127.0.0.1", found.board.port))
            by_name.writer.write(GATEWAY.encode())  # the text of a serial server: a name is no proof
            assert await by_name.hear() is None
            again = await Gateway.call(found.board.port)
            assert await again.log_in() == "pass"
            while await true.hear() is not None:
                pass  # its requests, then it is replaced
            assert found.board.held == [1]
            for each in (true, false, by_name, again):
                each.writer.close()

    run(story())


def test_a_stranger_is_asked_nothing_until_his_key_is_entered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switchboard, "ASK_STRANGER_AGAIN_S", 1.0)

    async def story() -> None:
        async with here() as found:
            gateway = await Gateway.call(found.board.port)
            await until(lambda: found.office.calls, within_s=WITHIN_S)
            assert found.board.held == []
            found.office.secrets[GATEWAY] = SECRET
            found.office.add(1, behind())
            assert await gateway.log_in() == "pass"
            await until(lambda: found.board.held == [1], within_s=WITHIN_S)
            gateway.writer.close()

    run(story())


def test_each_line_has_a_port_and_hears_what_comes_from_it_alone() -> None:
    async def story() -> None:
        first, second = behind(), replace(behind(), line_id=2, port=2)
        async with here() as found:
            found.office.add(1, first, second)
            found.office.secrets[GATEWAY] = SECRET
            gateway = await Gateway.call(found.board.port)
            assert await gateway.log_in() == "pass"
            seal, asked = MakersSeal(SECRET), set[int]()
            while asked != {1, 2}:
                frame = await gateway.hear()
                assert frame is not None and frame.type is Type.COMMAND
                told = acrel_gateway.tunnelled(frame, seal)
                assert told.address == told.rtu[0] == 1
                asked.add(told.port)
            gateway.writer.close()

    run(story())


class Face:
    """The connection as the call sees it."""

    def __init__(self) -> None:
        self.said: list[Frame] = []
        self.over: str | None = None
        self.in_time = wall()

    def say(self, data: bytes) -> None:
        self.said.append(acrel_gateway.decode(data))

    def named(self, identity: str) -> None:
        assert identity == GATEWAY

    def proved(self) -> None: ...

    def not_proved(self) -> None:
        self.over = "not proved"

    def settled(self) -> bool:
        return True

    def hang_up(self, why: str = "closed") -> None:
        self.over = why

    def wall(self) -> Any:
        return self.in_time


class Ear:
    """A line that listens."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.told: list[tuple[int, dict[Quantity, int]]] = []
        self.over: str | None = None

    def received(self, data: bytes) -> None:
        self.heard.append(data)

    def lost(self, error: str) -> None:
        self.over = error

    def reported(self, unit: int, values: Any) -> None:
        self.told.append((unit, values))


def let_in() -> tuple[Face, GatewayCall]:
    face = Face()
    call = GatewayCall(face)
    call.receive(acrel_gateway.encode(acrel_gateway.login_frame(LoginStep(operation="request", gateway=GATEWAY))))
    call.accept(Known(identity=GATEWAY, gateway_id=1, secret=SECRET, timezone="Asia/Shanghai"))
    sequence = acrel_gateway.login_step(face.said.pop()).detail
    proof = LoginStep(operation="md5", gateway=GATEWAY, detail=acrel_gateway.proof(SECRET, sequence))
    call.receive(acrel_gateway.encode(acrel_gateway.login_frame(proof)))
    assert acrel_gateway.login_step(face.said.pop()).detail == "pass" and call.proved
    return face, call


def told_of(face: Face) -> str | None:
    return face.over


def says(call: GatewayCall, face: Face, *, ago_s: int = 0, meter: str = "01001") -> None:
    at = (face.in_time - timedelta(seconds=ago_s)).astimezone(LOCAL).replace(tzinfo=None, microsecond=0)
    told = (MeterReport(meter=meter, values=(("WPP", "433.31"), ("Ua", "229.9"), ("PowerHigh", "1"), ("x", "?"))),)
    frame = acrel_gateway.report_frame(Report(gateway=GATEWAY, at=at, meters=told), MakersSeal(SECRET))
    call.receive(acrel_gateway.encode(frame))


def test_a_report_of_now_is_taken_and_one_of_yesterday_of_strangers_or_before_a_ratio_is_not() -> None:
    face, call = let_in()
    ear = Ear()
    call.serve(behind(), ear)
    says(call, face)
    assert ear.told == [(1, {Quantity.ENERGY_IMPORT_TOTAL: 433_310, Quantity.VOLTAGE_A: 229_900})]
    for ago_s in (86_400, -86_400):
        says(call, face, ago_s=ago_s)
    for stranger in ("01002", "02001", "?"):
        says(call, face, meter=stranger)
    assert len(ear.told) == 1
    through_ct = behind()
    circuits = tuple(replace(each, ratio=40) for each in through_ct.meters[0].circuits)
    call.serve(replace(through_ct, meters=(replace(through_ct.meters[0], circuits=circuits),)), ear)
    says(call, face)
    assert len(ear.told) == 1


def test_a_heartbeat_is_answered_with_the_site_s_time_and_a_new_secret_ends_the_call() -> None:
    face, call = let_in()
    call.receive(acrel_gateway.encode(acrel_gateway.heartbeat_frame(GATEWAY)))
    local = face.in_time.astimezone(LOCAL).strftime(acrel_gateway.messages.STAMP)
    assert local.encode() in face.said.pop().body
    call.accept(Known(identity=GATEWAY, gateway_id=1, secret=SECRET, timezone="Asia/Shanghai"))
    assert face.over is None
    call.accept(Known(identity=GATEWAY, gateway_id=1, secret="fedcba9876543210"))
    assert face.over == "refused"


def test_a_gateway_without_an_entered_secret_is_not_talked_to() -> None:
    face = Face()
    call = GatewayCall(face)
    call.receive(acrel_gateway.encode(acrel_gateway.login_frame(LoginStep(operation="request", gateway=GATEWAY))))
    call.accept(Known(identity=GATEWAY, gateway_id=1))
    assert face.over == "refused" and face.said == []
    call.receive(acrel_gateway.encode(acrel_gateway.heartbeat_frame(GATEWAY)))
    assert face.said == [] and not call.proved


def test_a_line_that_ends_with_a_request_under_way_takes_the_connection_with_it() -> None:
    face, call = let_in()
    ear = Ear()
    link = call.serve(behind(), ear)
    link.write(READ)
    told = acrel_gateway.tunnelled(face.said.pop(), MakersSeal(SECRET))
    assert told == Tunnelled(port=1, address=1, rtu=READ)
    answer = Tunnelled(port=1, address=1, rtu=b"\x01\x03\x02\x00\x01")
    call.receive(acrel_gateway.encode(acrel_gateway.tunnel_frame(answer, MakersSeal(SECRET), answer=True)))
    assert ear.heard == [answer.rtu]
    link.close()
    assert face.over is None, "nothing is on its way"
    link = call.serve(behind(), ear)
    link.write(READ)
    link.close()
    assert told_of(face) == "closed"
    call.end("closed")
    assert ear.over is None, "a line that is done hears no more"
