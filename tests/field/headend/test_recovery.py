"""What fails at once or again and again: a slow or dead database, a building's worth of gateways, one that flaps."""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

import pytest

from prewatt.core.meters import catalogue
from prewatt.core.meters.jobs import Verdict
from prewatt.core.meters.mailbox import PollSettings
from prewatt.field.headend import HeadEnd, Transport
from prewatt.field.headend.limits import FLUSH_ROWS, MAX_POLLS_HELD, RECONNECT_JITTER, RECONNECT_MAX_S, STORE_ROWS
from prewatt.field.headend.memory import MemoryBus, opener
from prewatt.field.headend.outbox import Outbox
from prewatt.field.headend.transports import Link, Listener
from tests import virtual_time
from tests.field.headend.meters import plan_of
from tests.field.headend.office import LEASE_S, JobRow, short_of_hearing
from tests.field.headend.world import Running, World, credit, world

T = TypeVar("T")
BUSES = 300


class Doors(MemoryBus):
    """A bus that remembers when somebody tried to open it."""

    def watch(self, tries: list[float]) -> "Doors":
        self.tries = tries
        return self

    async def open(self, listener: Listener) -> Link:
        self.tries.append(virtual_time.running().time())
        return await super().open(listener)


def slowly(seconds: float) -> Callable[[Callable[[], T]], object]:
    """A desk whose every call of the database takes so long."""

    async def desk(function: Callable[[], T]) -> T:
        await asyncio.sleep(seconds)
        return function()

    return desk


def start_slowly(here: World, seconds: float) -> Running:
    loop = virtual_time.running()
    headend = HeadEnd(
        here.office, name="slow", catalogue=catalogue(), clock=loop.wall, lease_s=LEASE_S, steady=loop.time,
        transports={"memory": Transport(opener=opener(here.buses), framing="rtu")}, chance=random.Random(3).random,
        desk=slowly(seconds), ear=short_of_hearing,  # type: ignore[arg-type]
    )  # fmt: skip
    stopper = asyncio.Event()
    running = Running(headend, stopper, loop.create_task(headend.run(stopper)))
    here.running.append(running)
    return running


def test_a_slow_database_delays_the_heartbeat_by_one_call_and_never_by_all() -> None:
    """Seven duties of 1.4 s each are longer than a lease: it was lost at every round, and every line with it."""

    async def story() -> None:
        here = world(PollSettings(status_s=20, register_s=600))
        for line in range(1, 13):
            here.add(plan_of(line, 2))
        start_slowly(here, 1.4)
        await asyncio.sleep(180)
        before = len(here.office.polls)
        await asyncio.sleep(60)
        assert {row.epoch for row in here.office.gateways.values()} == {1}, "no lease was ever lost"
        told = Counter(item.circuit_id for item in here.office.polls[before:])
        assert len(told) == 24 and min(told.values()) >= 2
        await here.end()

    virtual_time.run(story())


def test_a_batch_that_puts_the_lease_at_risk_is_followed_by_smaller_ones() -> None:
    outbox = Outbox(wake=lambda: None)
    for seconds, rows in ((2.0, STORE_ROWS), (5.0, STORE_ROWS // 2), (9.0, FLUSH_ROWS), (9.0, FLUSH_ROWS)):
        outbox.stored(seconds)
        assert outbox.rows == rows
    for seconds, rows in ((2.0, FLUSH_ROWS), (0.1, 2 * FLUSH_ROWS), (0.1, STORE_ROWS), (0.1, STORE_ROWS)):
        outbox.stored(seconds)
        assert outbox.rows == rows


def test_a_database_that_is_dead_for_five_minutes_costs_readings_and_never_an_order() -> None:
    async def story() -> None:
        here = world(PollSettings(status_s=10, register_s=600))
        plans = [plan_of(line, 8) for line in range(1, 6)]
        wires = [here.add(plan) for plan in plans]
        running = here.start()
        await asyncio.sleep(30)

        def dies_at_the_write(unit: int, pdu: bytes) -> None:
            if pdu[0] == 16:
                here.office.away = True

        for wire in wires:
            wire.hook = dies_at_the_write
        rows = [here.office.ask(plan, credit(1), meter=each) for plan in plans for each in range(4)]
        await asyncio.sleep(300)
        assert here.office.away and len(running.headend._outbox.polls) < 200 <= MAX_POLLS_HELD
        assert len(running.headend._outbox.reports) <= len(rows)
        assert not running.headend.lines, "whose lease nobody can renew says nothing"
        here.office.away = False
        for wire in wires:
            wire.hook = None
        await here.settled(within_s=120)
        assert {row.settled.verdict for row in rows if row.settled} == {Verdict.DONE}
        for wire in wires:
            assert [len(wire.units[unit].accepted) for unit in range(1, 9)] == [1] * 4 + [0] * 4
        await here.end()

    virtual_time.run(story())


def test_many_gateways_that_went_at_once_are_not_tried_in_step() -> None:
    async def story() -> None:
        here = world(PollSettings(status_s=30, register_s=3_600))
        tries: list[float] = []
        for line in range(1, BUSES + 1):
            here.add(plan_of(line, 1))
            here.buses[line] = Doors(here.buses[line].answer).watch(tries)
        here.start()
        await asyncio.sleep(60)
        tries.clear()
        for bus in here.buses.values():
            bus.cut()
        await asyncio.sleep(300)
        later = Counter(int(at) for at in tries if at > tries[0] + 120)
        longest_s = RECONNECT_MAX_S * (1 + RECONNECT_JITTER)
        fair = BUSES / RECONNECT_MAX_S
        assert max(later.values()) < 2.5 * fair, later.most_common(3)
        assert max(Counter(round(at, 2) for at in tries).values()) < BUSES / 10, "not even the first time"
        for bus in here.buses.values():
            bus.mend()
        await asyncio.sleep(longest_s + 1)
        assert sum(bus.clients for bus in here.buses.values()) == BUSES
        before = len(here.office.polls)
        await asyncio.sleep(35)
        assert {item.circuit_id // 1000 for item in here.office.polls[before:]} == set(range(1, BUSES + 1))
        await here.end()

    virtual_time.run(story())


def test_a_gateway_that_flaps_is_not_hammered_fills_no_log_and_is_sold_to(caplog: pytest.LogCaptureFixture) -> None:
    """It takes a connection, answers for two seconds, and is gone again; for twenty minutes."""

    async def story() -> int:
        here = world(PollSettings(status_s=10, register_s=3_600))
        tries: list[float] = []
        plan, neighbour = plan_of(1, 4), plan_of(2, 4)
        wire = here.add(plan)
        here.add(neighbour)
        bus = here.buses[1] = Doors(here.buses[1].answer).watch(tries)
        here.start()
        await asyncio.sleep(30)
        sales: list[JobRow] = []
        for turn in range(400):
            if turn % 100 == 50:
                sales.append(here.office.ask(plan, credit(len(sales) + 1)))
            await asyncio.sleep(2)
            bus.cut()
            bus.mend()
            await asyncio.sleep(1)
        mine = Counter(item.circuit_id // 1000 for item in here.office.polls)
        assert mine[2] > 450 and mine[1] > mine[2] // 2, mine
        await here.settled(within_s=300)
        assert len(wire.units[1].accepted) == len(sales) == 4
        await here.end()
        return len(tries)

    with caplog.at_level(logging.INFO, "prewatt"):
        tried = virtual_time.run(story())
    assert tried < 450, "one try a flap"
    assert len([each for each in caplog.records if "line_" in each.message]) <= 2 * 22, "twice a minute at most"
