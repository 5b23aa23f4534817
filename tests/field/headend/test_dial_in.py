"""Meters and serial servers that call us, over real sockets: the head-end here, the simulated site there."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from prewatt.core.meters import catalogue
from prewatt.core.meters.jobs import Intent, Job, Verdict, Wish
from prewatt.core.meters.mailbox import CircuitPlan, LinePlan, MeterPlan, PollSettings
from prewatt.core.meters.quantities import Quantity
from prewatt.core.wire import acrel4g, dlt645
from prewatt.field.headend import HeadEnd, Switchboard, limits, switchboard
from prewatt.field.headend import line as line_module
from prewatt.field.simulator.dialer import Dialer
from tests.field.headend import office
from tests.field.headend.office import moved
from tests.field.headend.test_sockets import SlowEar, run, settled, until, wall
from tests.field.simulator.plant import NOON_MS, line, meter, stop, world

SERIAL = "26112000000001"
TEXT = "GATE-7"
WITHIN_S = 60.0
LOCAL = ZoneInfo("Asia/Shanghai")


def now_ms() -> int:
    return NOON_MS + int(time.monotonic() * 1000) % 10**9


def plan(identity: str, profile: str, *, units: int = 1, heartbeat: str = "") -> LinePlan:
    return LinePlan(
        line_id=1, site_id=1, transport="dial-in", host="", port=0, baud=115_200, identity=identity,
        heartbeat=heartbeat, timezone="Asia/Shanghai",
        meters=tuple(
            MeterPlan(
                meter_id=unit, number=f"20250000{unit:04d}", profile=profile, unit=unit,
                circuits=(CircuitPlan(circuit_id=1000 + unit, index=1),),
            )
            for unit in range(1, units + 1)
        ),
    )  # fmt: skip


class Here:
    """A head-end that may be called, on a port of its own."""

    def __init__(self, an_office: SlowEar, *, port: int = 0, name: str = "head-1", lease_s: float = 10.0) -> None:
        self.office = an_office
        self.board = Switchboard("127.0.0.1", port, clock=wall, status_s=1)
        self.headend = HeadEnd(
            an_office, name=name, catalogue=catalogue(), clock=wall, switchboard=self.board, lease_s=lease_s
        )
        self._stop = asyncio.Event()
        self.task = asyncio.create_task(self.headend.run(self._stop))

    async def stop(self) -> None:
        self._stop.set()
        await asyncio.wait_for(self.task, 20)

    def kill(self) -> None:
        """As kill -9: sockets are gone, no lease is given back."""
        self.board.close()
        self.task.cancel()


@contextlib.asynccontextmanager
async def here(**settings: int) -> AsyncIterator[Here]:
    found = Here(SlowEar(time.monotonic, PollSettings(**{"status_s": 1, "register_s": 600, **settings})))
    await until(lambda: found.board.port, within_s=WITHIN_S)
    try:
        yield found
    finally:
        if not found.task.done():
            await found.stop()


@contextlib.asynccontextmanager
async def site(directory: Path, port: int, profile: str, units: int = 1, **dialing: Any) -> AsyncIterator[Dialer]:
    """A simulated line that calls this port."""
    meters = [meter(unit, profile=profile, load={"kind": "constant", "peak_w": 3000}) for unit in range(1, units + 1)]
    bus = line(transport="dial-in", port=port, dialing=dialing)
    played = world(directory, *meters, lines=[bus], at_ms=now_ms())
    dialer = Dialer(played.lines["a"], now_ms=now_ms, before_output=played.refresh)
    await dialer.open()
    try:
        yield dialer
    finally:
        dialer.close()
        stop(played)


async def called(found: Here, plan_: LinePlan) -> None:
    """Wait until something of this line was read."""
    ids = {circuit.circuit_id for each in plan_.meters for circuit in each.circuits}
    await until(lambda: any(item.circuit_id in ids for item in found.office.polls), within_s=WITHIN_S)


def test_an_acrel_meter_calls_reports_and_is_cut_and_restored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_module, "LINE_REPORT_S", 0.2)

    async def story() -> None:
        wanted = plan(SERIAL, "acrel-dtsy1352-4g")
        async with here() as found:
            found.office.add(1, wanted)
            dialing: dict[str, Any] = {"caller": "acrel-4g", "identity": SERIAL, "report_s": 1}
            async with site(tmp_path, found.board.port, "acrel-dtsy1352-4g", **dialing) as dialer:
                await until(lambda: any(not item.full for item in found.office.polls), within_s=WITHIN_S)
                await until(
                    lambda: any(item.values.get(Quantity.VOLTAGE_B) for item in found.office.polls), within_s=WITHIN_S
                )
                reported = next(item for item in found.office.polls if item.values.get(Quantity.VOLTAGE_B))
                assert reported.full and 220_000 < reported.values[Quantity.VOLTAGE_B] < 240_000
                assert Quantity.BALANCE not in reported.values, "a server-held circuit's purse is not believed"
                for wish, relay in ((Wish.TRIP, 0), (Wish.AUTOMATIC, 1)):
                    job = await settled_late(found, wanted, Job(intent=Intent.RELAY, wish=wish))
                    assert (job.verdict, job.values[Quantity.RELAY]) == (Verdict.DONE, relay), job
                    assert dialer.line.meters[1].circuits[1].relay_closed() is bool(relay)
                written, told = wall(), found.office.lines
                await until(lambda: any(each.at > written for each in told), within_s=WITHIN_S)
                assert not sum(each.timeouts for each in told), "a serial for an answer is no reason to wait"
                (call,) = {(each.identity, each.kind) for each in found.office.calls}
                assert call == (SERIAL, "acrel-4g")
                assert "ICCID 8986" in found.office.calls[0].detail

    run(story())


async def settled_late(found: Here, wanted: LinePlan, job: Job) -> Any:
    """Over a mobile network, where a write has no answer of its own."""
    row = found.office.ask(wanted, job)
    await until(lambda: row.settled is not None, within_s=WITHIN_S)
    return row.settled


def test_a_dlt645_meter_with_a_modem_is_known_by_the_address_in_its_heartbeat(tmp_path: Path) -> None:
    own = "202500000001"  # as `plan` numbers it

    async def story() -> None:
        wanted = plan(own, "ningju-ddzy1218")
        async with here() as found:
            found.office.add(1, wanted)
            dialing: dict[str, Any] = {"caller": "dlt645", "identity": own, "heartbeat_s": 1}
            async with site(tmp_path, found.board.port, "ningju-ddzy1218", **dialing) as dialer:
                await called(found, wanted)
                (call,) = {(each.identity, each.kind) for each in found.office.calls}
                assert call == (own, "dlt645")
                for wish, relay in ((Wish.TRIP, 0), (Wish.AUTOMATIC, 1)):
                    job = await settled_late(found, wanted, Job(intent=Intent.RELAY, wish=wish))
                    assert (job.verdict, job.values[Quantity.RELAY]) == (Verdict.DONE, relay), job
                    (played,) = dialer.line.by_unit.values()
                    assert played.circuits[1].relay_closed() is bool(relay)
                assert [item.error for item in found.office.lines if item.error] == []

    run(story())


@pytest.mark.parametrize("cut", [1, 4, 5, 12, 20])
def test_a_heartbeat_in_pieces_names_one_stranger_and_its_next_names_the_same(cut: int) -> None:
    said = bytes.fromhex("80808080")
    frames = [
        dlt645.encode(dlt645.Frame(address="260311005299", control=0x91, data=said + bytes((count,))))
        for count in (1, 2)
    ]  # fmt: skip

    async def story() -> None:
        async with here() as found:

            def more(before: int) -> bool:
                return len(found.office.calls) > before

            for frame in frames:
                _, writer = await asyncio.open_connection("127.0.0.1", found.board.port)
                calls = len(found.office.calls)
                writer.write(frame[:cut])
                await writer.drain()
                await asyncio.sleep(2 * limits.NAME_PAUSE_S)
                writer.write(frame[cut:])
                await until(partial(more, calls), within_s=WITHIN_S)
                writer.close()
            assert {(each.identity, each.kind) for each in found.office.calls} == {("260311005299", "dlt645")}

    run(story())


def test_a_serial_server_says_its_text_before_every_packet_and_its_heartbeat_between(tmp_path: Path) -> None:
    async def story() -> None:
        wanted = plan(TEXT, "pilot-spm9511", units=3, heartbeat="ALIVE")
        async with here() as found:
            found.office.add(1, wanted)
            texts: dict[str, Any] = {"identity": TEXT, "heartbeat": "ALIVE", "heartbeat_s": 1, "every_packet": True}
            async with site(tmp_path, found.board.port, "pilot-spm9511", units=3, **texts):
                await until(lambda: {item.circuit_id for item in found.office.polls} == {1001, 1002, 1003},
                            within_s=WITHIN_S)  # fmt: skip
                assert [item.error for item in found.office.lines if item.error] == []
                opened = await settled(found.office.ask(wanted, Job(intent=Intent.READ_PURSE), meter=1))
                assert opened.settled is not None
                assert opened.settled.values[Quantity.METER_NUMBER] == 202500000002

    run(story())


def test_a_new_connection_replaces_one_that_is_half_open(tmp_path: Path) -> None:
    async def story() -> None:
        wanted = plan(TEXT, "pilot-spm9511")
        async with here() as found:
            found.office.add(1, wanted)
            # a box that lost its power: its connection stands here, and nobody is behind it
            _, dead = await asyncio.open_connection("127.0.0.1", found.board.port)
            dead.write(TEXT.encode())
            await until(lambda: found.headend.lines and found.headend.lines[0].up, within_s=WITHIN_S)
            async with site(tmp_path, found.board.port, "pilot-spm9511", identity=TEXT):
                await called(found, wanted)
                assert found.board.held == [1]
            dead.close()

    run(story())


def test_a_stranger_hears_nothing_until_somebody_takes_him_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switchboard, "ASK_STRANGER_AGAIN_S", 1.0)

    async def story() -> None:
        async with here() as found:
            reader, writer = await asyncio.open_connection("127.0.0.1", found.board.port)
            who = acrel4g.Registration(serial=SERIAL, iccid="", signal=1, versions=(0, 0, 0), interval=5)
            writer.write(acrel4g.encode(acrel4g.registration_frame(who)))
            await until(lambda: found.office.calls, within_s=WITHIN_S)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.read(1), 0.5)
            assert found.board.held == [] and not found.headend.lines
            found.office.add(1, plan(SERIAL, "acrel-dtsy1352-4g"))
            answer = await asyncio.wait_for(reader.readexactly(7), WITHIN_S)
            assert answer == bytes.fromhex("7B7B84BF237D7D")
            assert [call.fresh for call in found.office.calls][:2] == [True, False], "asked about again, called once"
            writer.write(acrel4g.encode(acrel4g.Frame(command=0x93)))
            await until(lambda: found.headend.lines and found.headend.lines[0].up, within_s=WITHIN_S)
            writer.write(acrel4g.encode(acrel4g.Frame(command=0x93)))
            clock = await answer_to_93(reader)
            assert abs(clock - wall().astimezone(LOCAL).replace(tzinfo=None)).total_seconds() < WITHIN_S
            writer.close()

    run(story())


async def answer_to_93(reader: asyncio.StreamReader) -> datetime:
    decoder = acrel4g.Decoder()
    while True:
        data = await asyncio.wait_for(reader.read(4096), WITHIN_S)
        assert data, "hung up"
        for frame in decoder.receive(data):
            if frame.command == acrel4g.Command.TIME:
                return acrel4g.clock_of(frame.payload)


def test_who_was_refused_is_hung_up_on() -> None:
    async def story() -> None:
        async with here() as found:
            found.office.refused.add("INTRUDER")
            reader, writer = await asyncio.open_connection("127.0.0.1", found.board.port)
            writer.write(b"INTRUDER\r\n")
            with contextlib.suppress(ConnectionError):
                assert await asyncio.wait_for(reader.read(1), WITHIN_S) == b""
            writer.close()

    run(story())


def test_callers_find_the_next_head_end_when_theirs_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(office, "LEASE_S", 4.0)

    async def story() -> None:
        wanted = plan(TEXT, "pilot-spm9511")
        async with here() as found:
            found.office.add(1, wanted)
            async with site(tmp_path, found.board.port, "pilot-spm9511", identity=TEXT) as dialer:
                await called(found, wanted)
                first = found.office.gateways[1].epoch
                found.kill()
                await asyncio.sleep(0.1)
                found.office.polls.clear()
                second = Here(found.office, port=found.board.port, name="head-2", lease_s=4.0)
                await called(second, wanted)
                assert found.office.gateways[1].epoch == first + 1, "another owner, another epoch"
                assert dialer.calls >= 2
                await second.stop()

    run(story())


def test_a_caller_that_hangs_up_gives_its_gateway_back_and_gets_it_again(tmp_path: Path) -> None:
    async def story() -> None:
        wanted = plan(TEXT, "pilot-spm9511")
        async with here() as found:
            found.office.add(1, wanted)
            async with site(tmp_path, found.board.port, "pilot-spm9511", identity=TEXT) as dialer:
                await called(found, wanted)
                dialer.close()
                await until(lambda: found.office.gateways[1].owner is None, within_s=WITHIN_S)
                assert found.office.lines[-1].error == "closed"
                found.office.polls.clear()
                await dialer.open()
                await called(found, wanted)

    run(story())


def test_a_storm_of_callers_loses_nobody_and_limits_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switchboard, "MAX_STRANGERS_PER_ADDRESS", 20)

    async def story() -> None:
        async with here(status_s=60) as found:
            known = [f"BOX-{number}" for number in range(300)]
            for number, name in enumerate(known):
                bus = plan(name, "pilot-spm9511")
                found.office.add(number + 1, LinePlan(**{**vars(bus), "line_id": number + 1}))
            names = known + [f"STRANGER-{number}" for number in range(40)]
            writers = []
            for name in names:
                _, writer = await asyncio.open_connection("127.0.0.1", found.board.port)
                writer.write(name.encode())
                writers.append(writer)
            await until(lambda: len(found.headend.lines) == 300, within_s=WITHIN_S)
            assert sorted(found.board.held) == list(range(1, 301))
            await until(lambda: found.board.turned_away == 20, within_s=WITHIN_S)
            for writer in writers:
                writer.close()

    run(story())


def test_who_says_nothing_or_too_much_is_cut_off() -> None:
    async def story() -> None:
        async with here() as found:
            quiet_reader, quiet = await asyncio.open_connection("127.0.0.1", found.board.port)
            loud_reader, loud = await asyncio.open_connection("127.0.0.1", found.board.port)
            loud.write(b"\x7b\x7a" * limits.MAX_BEFORE_NAME)
            with contextlib.suppress(ConnectionError):
                assert await asyncio.wait_for(loud_reader.read(1), WITHIN_S) == b""
            found.board.sweep(asyncio.get_running_loop().time() + limits.NAME_WITHIN_S)
            with contextlib.suppress(ConnectionError):
                assert await asyncio.wait_for(quiet_reader.read(1), WITHIN_S) == b""
            for writer in (quiet, loud):
                writer.close()

    run(story())


def test_a_caller_stays_on_the_line_when_a_lease_is_late(tmp_path: Path) -> None:
    async def story() -> None:
        wanted = plan(TEXT, "pilot-spm9511")
        async with here() as found:
            found.office.add(1, wanted)
            async with site(tmp_path, found.board.port, "pilot-spm9511", identity=TEXT) as dialer:
                await called(found, wanted)
                caller = found.board._named[TEXT]
                await until(lambda: not caller._asked and caller._all_taken(), within_s=WITHIN_S)  # between two polls
                found.headend._fall_silent()
                assert not found.headend.lines
                found.office.polls.clear()
                await called(found, wanted)
                assert dialer.calls == 1

    run(story())


def test_a_gateway_that_gets_another_name_lets_the_old_caller_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switchboard, "KNOWN_AGAIN_S", 1.0)

    async def story() -> None:
        wanted = plan(TEXT, "pilot-spm9511")
        async with here() as found:
            found.office.add(1, wanted)
            async with site(tmp_path, found.board.port, "pilot-spm9511", identity=TEXT):
                await called(found, wanted)
                found.office.change(1, moved(wanted, identity="ANOTHER"))
                await until(lambda: not found.board.held and not found.headend.lines, within_s=WITHIN_S)
                assert found.office.gateways[1].owner is None
                found.office.change(1, wanted)
                found.office.polls.clear()
                await called(found, wanted)

    run(story())


def test_a_meter_that_thinks_itself_registered_is_known_by_its_heartbeat() -> None:
    async def story() -> None:
        async with here() as found:
            found.office.add(1, plan(SERIAL, "acrel-dtsy1352-4g"))
            _, writer = await asyncio.open_connection("127.0.0.1", found.board.port)
            writer.write(acrel4g.encode(acrel4g.heartbeat_frame(SERIAL)))
            await until(lambda: found.headend.lines and found.headend.lines[0].up, within_s=WITHIN_S)
            writer.close()

    run(story())


def test_those_who_hold_a_place_in_silence_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switchboard, "MAX_UNNAMED", 5)

    async def story() -> None:
        async with here() as found:
            found.office.add(1, plan(TEXT, "pilot-spm9511"))
            quiet = [await asyncio.open_connection("127.0.0.1", found.board.port) for _ in range(5)]
            _, writer = await asyncio.open_connection("127.0.0.1", found.board.port)
            writer.write(TEXT.encode())
            await until(lambda: found.board.held == [1], within_s=WITHIN_S)
            assert found.board.turned_away == 1
            for each in (writer, *(other for _, other in quiet)):
                each.close()

    run(story())
