"""Meters at a broker: whose turn it is, what is answered and stored; once against a real mosquitto."""

import asyncio
import contextlib
import json
import socket
import subprocess
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from prewatt.core.meters import catalogue
from prewatt.core.meters.jobs import Intent, Job, Verdict, Wish
from prewatt.core.meters.mailbox import CircuitPlan, Known, LinePlan, PollSettings
from prewatt.core.meters.quantities import Quantity
from prewatt.field.headend import Boards, Broker, BrokerPost, HeadEnd, LinkError, MqttBoard, answers, mqtt_board
from prewatt.field.simulator.broker_call import BrokerCall
from tests.field.headend.test_dial_in import WITHIN_S, plan
from tests.field.headend.test_sockets import SlowEar, run, until, wall
from tests.field.simulator.plant import line, meter, stop, world
from tests.system import need

PRODUCT, SERIAL = "NzIxOTYzNTc4MDEwNDMxNDg4", "26112000000001"
PLACE = f"{PRODUCT}/{SERIAL}"
IDENTITY = f"mqtt/{PLACE}"
MODEL = "acrel-ddsy1352"
WANTED = replace(plan(IDENTITY, MODEL), transport="mqtt")
USER, PASSWORD = "headend", "correct horse"


def said(method: str = "update", *, number: object = 1, **more: Any) -> bytes:
    body = {"sn": SERIAL, "method": method, "msgid": number, "timestamp": int(wall().timestamp()), **more}
    return json.dumps(body).encode()


def report(**more: Any) -> bytes:
    return said(reported={"EPI": 100.5, "Ua": 230.1, "SwitchSta": 1, "P": 2.5}, **more)


class Quiet:
    """No broker: what is to be published stays."""

    async def keep(self, board: MqttBoard) -> None:
        board.reached()
        await asyncio.Event().wait()


class Ear:
    """A line that hears."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.told: list[tuple[int, dict[Quantity, int]]] = []
        self.ended: list[str] = []

    def received(self, data: bytes) -> None:
        self.heard.append(data)

    def lost(self, error: str) -> None:
        self.ended.append(error)

    def reported(self, unit: int, values: Any) -> None:
        self.told.append((unit, dict(values)))


def a_board() -> MqttBoard:
    board = MqttBoard(Quiet(), clock=wall, status_s=1)
    board.reached()
    return board


def know(board: MqttBoard, gateway_id: int | None = 1) -> None:
    board.answered([Known(identity=each.identity, gateway_id=gateway_id) for each in board.to_ask()])


async def published(board: MqttBoard) -> list[tuple[str, dict[str, Any]]]:
    found = []
    with contextlib.suppress(TimeoutError):
        while True:
            each = await asyncio.wait_for(board.outgoing(), 0.05)
            found.append((each.topic, json.loads(each.data)))
    return found


def test_who_has_the_line_answers_also_what_was_said_before_and_the_others_only_listen() -> None:
    async def story() -> None:
        ours, others, ear = a_board(), a_board(), Ear()
        for board in (ours, others):
            board.heard(f"sys/dev/{PLACE}", said("login", number=567))
            assert board.waiting and board.held == []
            (call,) = board.to_ask()
            assert (call.identity, call.kind) == (IDENTITY, "acrel-mqtt")
            know(board)
            assert board.held == [1] and not board.waiting
        await ours.open_line(WANTED, ear)
        for board in (ours, others):
            board.heard(f"data/up/{PLACE}", report())
            board.heard(f"data/up/{PLACE}", report())
        assert await published(others) == []
        answered = await published(ours)
        assert [topic for topic, _ in answered] == [f"sys/server/{PLACE}"] * 3
        assert [(body["method"], body["msgid"], body["res"]) for _, body in answered] == [
            ("login", 567, 1), ("update", 1, 1), ("update", 1, 1),
        ]  # fmt: skip
        assert ear.told == [(1, {Quantity.ENERGY_IMPORT_TOTAL: 100_500, Quantity.VOLTAGE_A: 230_100})], "once"
        assert ear.heard == []

    run(story())


def test_a_stranger_hears_nothing_and_one_who_is_moved_or_disowned_loses_his_line() -> None:
    async def story() -> None:
        board, ear = a_board(), Ear()
        board.heard(f"sys/dev/{PLACE}", said("login"))
        know(board, None)
        assert board.held == []
        with pytest.raises(LinkError, match="not_called"):
            await board.open_line(WANTED, ear)
        assert await published(board) == []
        board.sweep(board.now() + 10)
        know(board, 1)
        await board.open_line(WANTED, ear)
        board.sweep(board.now() + 70)
        know(board, 2)
        assert ear.ended == ["moved"]

    run(story())


@pytest.mark.parametrize(
    "wrong",
    [
        replace(WANTED, meters=WANTED.meters * 2),
        replace(WANTED, meters=(replace(WANTED.meters[0], circuits=(CircuitPlan(circuit_id=1, index=1, ratio=40),)),)),
    ],
)
def test_a_line_of_several_meters_or_with_a_ratio_does_not_open(wrong: LinePlan) -> None:
    async def story() -> None:
        board = a_board()
        board.heard(f"sys/dev/{PLACE}", said("login"))
        know(board)
        with pytest.raises(LinkError, match="mqtt_meter"):
            await board.open_line(wrong, Ear())

    run(story())


def test_what_waited_too_long_or_whose_line_is_closed_is_not_published() -> None:
    async def story() -> None:
        board, ear = a_board(), Ear()
        board.heard(f"sys/dev/{PLACE}", said("login"))
        know(board)
        link = await board.open_line(WANTED, ear)
        await published(board)
        command = b'{"method":"operate","sn":"%s","msgid":"1-1","payload":{}}' % SERIAL.encode()
        link.write(command)
        link.close()
        assert await published(board) == []
        again = await board.open_line(WANTED, ear)
        again.write(command)
        board._out[0] = (board.now() - mqtt_board.SEND_WITHIN_S - 1, board._out[0][1])
        assert await published(board) == []
        again.write(command)
        ((topic, body),) = await published(board)
        assert topic == f"indicate/server/{PLACE}" and abs(body["timestamp"] - wall().timestamp()) < 600
        board.broken()
        assert ear.ended == ["broker_away"] and board.held == []

    run(story())


def test_who_makes_up_names_meets_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        monkeypatch.setattr(mqtt_board, "MAX_STRANGERS", 3)
        board = a_board()
        for serial in range(10):
            board.heard(f"sys/dev/p/{serial}", said("login"))
        board.heard("sys/dev/p/" + "9" * 99, said("login"))
        board.heard("else/where", said("login"))
        assert board.turned_away == 9, "three are kept; a name that is too long and a strange topic are none"

    run(story())


def test_several_boards_are_one() -> None:
    async def story() -> None:
        first, second = a_board(), a_board()
        boards = Boards(first, second)
        second.heard(f"sys/dev/{PLACE}", said("login"))
        assert boards.waiting and [each.identity for each in boards.to_ask()] == [IDENTITY]
        assert boards.answered([Known(identity=IDENTITY, gateway_id=7)])
        assert boards.held == [7] and set(boards.transports) == {"mqtt"}
        boards.close()
        assert boards.held == []

    run(story())


# --- against a real broker -------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def mosquitto(directory: Path) -> AsyncIterator[int]:
    """A broker on a free port that wants a password."""
    program, passwords = need("mosquitto"), directory / "passwords"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    passwords.write_text("")
    subprocess.run(
        [program.parent.parent / "bin" / "mosquitto_passwd", "-b", passwords, USER, PASSWORD], check=True,
        capture_output=True,
    )  # fmt: skip
    (directory / "broker.conf").write_text(f"listener {port} 127.0.0.1\npassword_file {passwords}\nuser root\n")
    broker = subprocess.Popen(
        [program, "-c", directory / "broker.conf"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:

        def listens() -> bool:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return True
            return False

        await until(listens, within_s=WITHIN_S)
        yield port
    finally:
        broker.terminate()
        broker.wait(20)


class PlayedMeter:
    """The simulated meter at its broker. It counts commands and what it was answered."""

    def __init__(self, port: int, directory: Path) -> None:
        at_the_broker = {"product": PRODUCT, "serial": SERIAL, "user": USER, "password": PASSWORD}
        here = line(transport="mqtt", host="127.0.0.1", port=port, mqtt=at_the_broker)
        parts = meter(profile=MODEL, opening={"energy_wh": 123_450})
        self.world = world(directory, parts, lines=[here], at_ms=self.now_ms())
        self.call = BrokerCall(self.world.lines["a"], now_ms=self.now_ms, before_output=self.world.refresh)
        self.commands: list[str] = []
        self.answers: list[str] = []
        self._hear, self.call.box.hear = self.call.box.hear, self.hear  # type: ignore[method-assign]

    @staticmethod
    def now_ms() -> int:
        return int(wall().timestamp() * 1_000)

    @property
    def closed(self) -> bool:
        return self.call.box.meter.circuits[1].relay_closed()

    def hear(self, topic: str, data: bytes, at_ms: int) -> None:
        body = json.loads(data)
        if body["method"] == "operate":
            self.commands.append(body["payload"]["method"])
        else:
            self.answers.append(body["method"])
        self._hear(topic, data, at_ms)


@contextlib.asynccontextmanager
async def head_end(office: SlowEar, port: int, name: str) -> AsyncIterator[MqttBoard]:
    board = MqttBoard(
        BrokerPost(Broker(host="127.0.0.1", port=port, user=USER, password=PASSWORD)), clock=wall, status_s=1
    )
    stop = asyncio.Event()
    made = HeadEnd(office, name=name, catalogue=catalogue(), clock=wall, switchboard=board)
    task = asyncio.create_task(made.run(stop))
    try:
        yield board
    finally:
        stop.set()
        await asyncio.wait_for(task, 60)


def test_two_head_ends_at_a_real_broker_serve_a_meter_once_and_the_other_goes_on(tmp_path: Path) -> None:
    async def story() -> None:
        office = SlowEar(time.monotonic, PollSettings(status_s=1, register_s=600))
        async with mosquitto(tmp_path) as port:
            good = Broker(host="127.0.0.1", port=port, user=USER, password=PASSWORD)
            await answers(good)
            with pytest.raises(OSError):
                await answers(replace(good, password="wrong"))
            async with head_end(office, port, "head-1") as first, head_end(office, port, "head-2") as second:
                await until(lambda: first._up and second._up, within_s=WITHIN_S)
                meter = PlayedMeter(port, tmp_path / "memory")
                await meter.call.open()
                await until(lambda: {each.identity for each in office.calls} == {IDENTITY}, within_s=WITHIN_S)
                assert meter.commands == meter.answers == [], "a stranger hears nothing"
                office.add(1, WANTED)
                await until(lambda: any(not each.full for each in office.polls), within_s=WITHIN_S)
                assert office.polls[0].values[Quantity.ENERGY_IMPORT_TOTAL] == 123_450
                assert meter.answers.count("login") == 1, "one of two answers"
                await until(lambda: first.held == second.held == [1], within_s=WITHIN_S)
                for wish, closed in ((Wish.TRIP, False), (Wish.AUTOMATIC, True)):
                    row = office.ask(WANTED, Job(intent=Intent.RELAY, wish=wish))
                    await until(lambda row=row: row.settled is not None, within_s=WITHIN_S)  # type: ignore[misc]
                    assert row.settled is not None and row.settled.verdict is Verdict.DONE
                    assert meter.closed is closed
                assert meter.commands.count("FORCESWITCH") == 2
                row = office.ask(WANTED, Job(intent=Intent.SET_CLOCK))
                await until(lambda: row.settled is not None, within_s=WITHIN_S)
                assert row.settled is not None and row.settled.code == "mqtt_no_clock"
                boards = {"head-1": first, "head-2": second}
                owner = office.gateways[1].owner or ""
                (other,) = boards.keys() - {owner}
                boards[owner].broken()  # as if its way to the broker were gone: its lease goes back
                await until(lambda: office.gateways[1].owner == other, within_s=WITHIN_S)
                read = len(office.polls)
                await until(lambda: len(office.polls) > read, within_s=WITHIN_S)
                meter.call.close()
                stop(meter.world)

    run(story())
