"""Head-ends, an office in memory and buses in memory under one virtual clock."""

import asyncio
import random
from dataclasses import dataclass, field

from prewatt.core.meters import catalogue
from prewatt.core.meters.jobs import Intent, Job, Order, OrderKind
from prewatt.core.meters.mailbox import LinePlan, PollSettings
from prewatt.field.headend import HeadEnd, Transport
from prewatt.field.headend.memory import MemoryBus, opener
from tests import virtual_time
from tests.field.headend.meters import Faults, Wire, meters_of
from tests.field.headend.office import LEASE_S, Office, in_place, short_of_hearing


def credit(count: int, amount_wh: int = 1_000) -> Job:
    return Job(intent=Intent.CREDIT, order=Order(count=count, kind=OrderKind.PURCHASE, amount=amount_wh))


@dataclass
class Running:
    """A head-end that runs; `kill` is kill -9, `stop` is a clean stop."""

    headend: HeadEnd
    stopper: asyncio.Event
    task: asyncio.Task[None]

    async def stop(self) -> None:
        self.stopper.set()
        await self.task

    def kill(self) -> None:
        for line in self.headend.lines:
            line.close()
        self.task.cancel()


@dataclass
class World:
    """One gateway per line, gateway id = line id, unless the test adds its own."""

    office: Office
    plans: dict[int, LinePlan] = field(default_factory=dict)
    wires: dict[int, Wire] = field(default_factory=dict)
    buses: dict[int, MemoryBus] = field(default_factory=dict)
    running: list[Running] = field(default_factory=list)

    def add(self, plan: LinePlan, *, faults: Faults | None = None, seed: int = 1, gateway: bool = True) -> Wire:
        wire = Wire(
            meters_of(plan),
            baud=plan.baud,
            faults=faults or Faults(),
            chance=random.Random(seed),
            now=virtual_time.running().time,
        )
        self.plans[plan.line_id], self.wires[plan.line_id] = plan, wire
        self.buses[plan.line_id] = MemoryBus(wire.answer)
        if gateway:
            self.office.add(plan.line_id, plan)
        return wire

    def start(self, name: str = "head-1", *, office: Office | None = None) -> Running:
        loop = virtual_time.running()
        headend = HeadEnd(
            office or self.office,
            name=name,
            catalogue=catalogue(),
            clock=loop.wall,
            lease_s=LEASE_S,
            transports={"memory": Transport(opener=opener(self.buses), framing="rtu")},
            steady=loop.time,
            chance=random.Random(2).random,
            desk=in_place,
            ear=short_of_hearing,
        )
        stopper = asyncio.Event()
        running = Running(headend, stopper, loop.create_task(headend.run(stopper)))
        self.running.append(running)
        return running

    async def end(self) -> None:
        for running in self.running:
            if not running.task.done():
                await running.stop()

    async def settled(self, *, within_s: float) -> float:
        """Wait until all jobs are settled; how long it took."""
        loop = virtual_time.running()
        start = loop.time()
        while any(row.settled is None for row in self.office.jobs.values()):
            assert loop.time() - start < within_s, [row for row in self.office.jobs.values() if row.settled is None][:3]
            await asyncio.sleep(0.05)
        return loop.time() - start


def world(settings: PollSettings | None = None) -> World:
    return World(Office(virtual_time.running().time, settings))
