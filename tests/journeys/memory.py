"""A head-end and a simulated site in memory, under a virtual clock and a seed: hours of selling in seconds.

The head-end, the drivers, the line with its faults and the meters with their books are the real ones. Only
the sockets (a link that calls the line) and the office (a mailbox in memory) are stand-ins.
"""

import asyncio
import os
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from prewatt.core.meters import catalogue
from prewatt.core.meters.drivers import receipt
from prewatt.core.meters.jobs import Intent, Job, Order, OrderKind, Outcome, Verdict
from prewatt.core.meters.mailbox import CircuitPlan, JobReport, LinePlan, MeterPlan, PollSettings
from prewatt.core.meters.quantities import Quantity
from prewatt.core.wire.errors import RemoteProtocolError
from prewatt.core.wire.modbus import WriteReply, decode_rtu_reply
from prewatt.field.headend import Advice, HeadEnd, Transport
from prewatt.field.headend.transports import Link, LinkError, Listener
from prewatt.field.simulator import SimulatedLine
from prewatt.field.simulator.site import faults_from
from prewatt.field.simulator.world import World
from tests import virtual_time
from tests.core.meters.bench import simulated
from tests.field.headend.office import LEASE_S, JobRow, Office, in_place, short_of_hearing
from tests.field.simulator.plant import NOON_MS, assert_books, circuit_of, line, meter, world

FRAMING: Mapping[str, Literal["rtu", "tcp"]] = {"rtu-over-tcp": "rtu", "modbus-tcp": "tcp"}
CLOCK_AT = 1000.0  # where the virtual loop's clock begins


def now_ms() -> int:
    """The simulated site's wall clock."""
    return NOON_MS + int((virtual_time.running().time() - CLOCK_AT) * 1000)


def seed_of(default: int) -> int:
    """The seed of a story; PREWATT_SEED replays another. Every failure names it."""
    return int(os.environ.get("PREWATT_SEED", str(default)))


class Wire:
    """A gateway without sockets: what a link writes goes to the line, what the line says to whoever asked. As a modem
    (`serial`) it answers a write with its serial alone."""

    def __init__(self, simulated: SimulatedLine, serial: str = "") -> None:
        self.line = simulated
        self.serial = serial
        self.reachable = True
        self._loop = virtual_time.running()
        self._links: dict[int, _Link] = {}
        self._last = 0
        self._timer: asyncio.TimerHandle | None = None

    async def open(self, listener: Listener) -> Link:
        await asyncio.sleep(0.002)
        if not self.reachable:
            raise LinkError("connect_refused")
        self._last += 1
        link = self._links[self._last] = _Link(self, self._last, listener)
        self.line.connect(self._last)
        return link

    def cut(self) -> None:
        """The gateway loses its power: what is on its way is gone, connections break, new ones are refused."""
        self.reachable = False
        self.line.cut()
        for link in list(self._links.values()):
            listener = link.listener
            link.close()
            if listener is not None:
                self._loop.call_soon(listener.lost, "closed")

    def mend(self) -> None:
        self.reachable = True

    def hang_up(self) -> None:
        """Whoever was connected is gone; what he asked is still asked, and answered to nobody or to the next one."""
        for link in list(self._links.values()):
            link.close()

    def wrote(self, number: int, data: bytes) -> None:
        self.line.receive(number, data, now_ms())
        self._arm()

    def closed(self, number: int) -> None:
        if self._links.pop(number, None) is not None:
            self.line.disconnect(number)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due_ms = self.line.next_due_ms()
        if due_ms is not None:
            self._timer = self._loop.call_later(max(0, due_ms - now_ms()) / 1000 + 0.0005, self._advance)

    def _advance(self) -> None:
        self._timer = None
        for output in self.line.advance(now_ms()):
            link = self._links.get(output.connection)
            if link is not None and link.listener is not None:
                link.listener.received(self._passed_on(output.data))
        self._arm()

    def _passed_on(self, data: bytes) -> bytes:
        try:
            written = bool(self.serial) and isinstance(decode_rtu_reply(data)[1], WriteReply)
        except RemoteProtocolError:
            written = False  # what the line spoiled goes through as it is
        return receipt(self.serial) if written else data


class _Link:
    def __init__(self, wire: Wire, number: int, listener: Listener) -> None:
        self._wire, self._number = wire, number
        self.listener: Listener | None = listener

    def write(self, data: bytes) -> None:
        if self.listener is not None:
            self._wire.wrote(self._number, data)

    def close(self) -> None:
        self.listener = None
        self._wire.closed(self._number)


class Witness(Office):
    """An office that looks at the meter whenever somebody claims something of it."""

    def __init__(self, site: World, settings: PollSettings, seed: int) -> None:
        super().__init__(virtual_time.running().time, settings)
        self.site, self.seed = site, seed

    def report(self, reports: Any) -> None:
        for each in reports:
            self._check(each)
        super().report(reports)

    def _check(self, report: JobReport) -> None:
        order = report.claimed.job.order
        if order is None:
            return
        number = f"20250000{report.claimed.circuit_id:04d}"
        accepted = self.site.accepted.get((number, 1), [])
        applied = any((each.count, each.kind, abs(each.amount_wh)) == (order.count, order.kind, order.amount)
                      for each in reversed(accepted))  # fmt: skip
        held, counted = accepted[-3:], self.site.meters[number].circuits[1].state.purchase_count
        verdict, told = report.outcome.verdict, f"seed {self.seed}, meter {number}: {report.outcome} {held}"
        if verdict is Verdict.DONE:
            assert applied, "falsely confirmed, " + told
        if verdict is Verdict.REFUSED:
            assert not applied, "falsely refused, " + told
        if not report.outcome.sent and Quantity.PURCHASE_COUNT in report.outcome.values and verdict is Verdict.DISPUTED:
            assert report.outcome.values[Quantity.PURCHASE_COUNT] == counted, "not as read, " + told


@dataclass
class Story:
    """One head-end, one gateway per line, `meters` meters on each; circuit ids are the meters' units."""

    directory: Path
    seed: int
    lines: int = 1
    meters: int = 8
    profile: str = "pilot-spm9511"
    transport: str = "rtu-over-tcp"
    medium: str = ""
    modem: str = ""  # the serial of the modem in front of each bus, if there is one
    baud: int = 9600
    turnaround_ms: int = 40
    status_s: int = 20
    settings: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = [chr(ord("a") + number) for number in range(self.lines)]
        parts = [
            meter(self._unit(at, place), line=name, profile=self.profile, settings=dict(self.settings))
            for at, name in enumerate(names)
            for place in range(self.meters)
        ]
        bus = {"transport": self.transport, "baud": self.baud, "turnaround_ms": self.turnaround_ms, "gateway_ms": 2}
        buses = [line(name, **bus) for name in names]
        self.site = world(self.directory, *parts, lines=buses)
        self.wires = [Wire(self.site.lines[name], self.modem) for name in names]
        self.office = Witness(self.site, PollSettings(status_s=self.status_s, register_s=900), self.seed)
        self.plans = [self._plan(at) for at in range(self.lines)]
        for at, plan in enumerate(self.plans):
            self.office.add(at + 1, plan)
        self.sold: dict[int, list[Order]] = {}
        self.lives = 0  # of the head-end
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def _unit(self, at: int, place: int) -> int:
        return at * self.meters + place + 1

    def _plan(self, at: int) -> LinePlan:
        units = [self._unit(at, place) for place in range(self.meters)]
        return LinePlan(
            line_id=at + 1, site_id=1, transport=self.transport, host="-", port=0, baud=self.baud, medium=self.medium,
            identity=self.modem,
            meters=tuple(
                MeterPlan(
                    meter_id=unit, number=f"20250000{unit:04d}", profile=self.profile, unit=unit,
                    circuits=(CircuitPlan(circuit_id=unit, index=1),),
                )
                for unit in units
            ),
        )  # fmt: skip

    def faults(self, **named: object) -> None:
        for number, wire in enumerate(self.wires):
            wire.line.set_faults(faults_from({"seed": self.seed * 100 + number, **named}))

    def start(self) -> None:
        self.lives += 1

        async def open_wire(plan: LinePlan, listener: Listener) -> Link:
            return await self.wires[plan.line_id - 1].open(listener)

        loop = virtual_time.running()
        transport = Transport(opener=open_wire, framing=FRAMING[self.transport])
        headend = HeadEnd(
            self.office, name=f"head-{self.lives}", catalogue=catalogue(), clock=loop.wall, lease_s=LEASE_S,
            transports={self.transport: transport}, steady=loop.time, chance=random.Random(self.seed).random,
            desk=in_place, ear=short_of_hearing, adviser=Advice(simulated(), thread=in_place),
        )  # fmt: skip
        self._task = loop.create_task(headend.run(self._stop))

    async def kill(self) -> None:
        """The head-end is gone in the middle of whatever it did; its leases run out and what it held is nobody's."""
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        for wire in self.wires:
            wire.hang_up()

    async def end(self) -> None:
        self._stop.set()
        assert self._task is not None
        await self._task

    def sell(self, unit: int, amount: int, kind: OrderKind = OrderKind.PURCHASE) -> JobRow:
        """The next order of a circuit; the caller waits for the last one."""
        orders = self.sold.setdefault(unit, [])
        order = Order(count=len(orders) + 1, kind=kind, amount=amount)
        orders.append(order)
        at, place = divmod(unit - 1, self.meters)
        return self.office.ask(self.plans[at], Job(intent=Intent.CREDIT, order=order), meter=place)

    async def settled(self, row: JobRow, *, within_s: float) -> Outcome:
        deadline = virtual_time.running().time() + within_s
        while row.settled is None:
            assert virtual_time.running().time() < deadline, f"seed {self.seed}: open after {within_s} s: {row}"
            await asyncio.sleep(0.02)
        return row.settled

    def reckon(self) -> None:
        """Every order stands in its meter once, in order, and the meter's books agree."""
        for unit, orders in self.sold.items():
            circuit = circuit_of(self.site, now_ms(), f"20250000{unit:04d}")
            assert_books(circuit)
            held = [(each["count"], abs(each["amount"])) for each in circuit["accepted"]]
            assert held == [(order.count, order.amount) for order in orders], f"seed {self.seed}, meter {unit}"
