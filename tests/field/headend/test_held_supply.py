"""A server-held circuit over real sockets: closed, drained, cut, paid, restored, paid again while the line was down.

The books are three lines here; the rule, the head-end, the wire and the simulated meter are those of the product. A
tap on the wire keeps every write.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from prewatt.core.meters.jobs import Intent, Job, Wish
from prewatt.core.meters.mailbox import CircuitPlan, LinePlan, MeterPlan, PollSettings
from prewatt.core.meters.quantities import Quantity
from prewatt.core.tariffs.supply import Facts, decide
from tests.field.headend.office import JobRow
from tests.field.headend.test_sockets import SlowEar, run, served, until
from tests.field.simulator.plant import free_port, line, meter
from tests.field.simulator.running import Simulator

WITHIN_S = 90.0
MINOR_PER_WH = 1
FORCE = 0x0057
WRITE = 0x10


class Tap:
    """A Modbus TCP serial server's front: passes bytes on, keeps the words of each write, and can be unplugged."""

    def __init__(self, port: int, behind: int) -> None:
        self.writes: list[tuple[int, tuple[int, ...]]] = []
        self._port, self._behind = port, behind
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def plug(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)

    async def unplug(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in list(self._open):
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onward, behind = await asyncio.open_connection("127.0.0.1", self._behind)
        self._open |= {writer, behind}
        back = asyncio.create_task(self._copy(onward, behind, writer))
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readexactly(6)
                body = await reader.readexactly(int.from_bytes(head[4:6], "big"))
                if body[1] == WRITE:
                    words = [int.from_bytes(body[at : at + 2], "big") for at in range(7, len(body), 2)]
                    self.writes.append((int.from_bytes(body[2:4], "big"), tuple(words)))
                behind.write(head + body)
                await behind.drain()
        behind.close()
        await back

    async def _copy(
        self, onward: asyncio.StreamReader, behind: asyncio.StreamWriter, writer: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await onward.read(4096):
                writer.write(data)
                await writer.drain()
        writer.close()
        self._open -= {writer, behind}


class Books:
    """What was paid less what the polls say was used; tells the relay what the rule decides, when it changes."""

    def __init__(self, office: SlowEar, plan: LinePlan) -> None:
        self._office, self._plan = office, plan
        self._closed: bool | None = None
        self.paid = 0
        self.jobs: list[JobRow] = []

    @property
    def balance(self) -> int:
        read = [poll.values[Quantity.ENERGY_IMPORT_TOTAL] for poll in list(self._office.polls) if not poll.full]
        return self.paid - (read[-1] - read[0]) * MINOR_PER_WH if read else self.paid

    def sweep(self) -> None:
        closed = decide(Facts(balance_minor=self.balance), at=datetime.now(UTC)).closed
        if closed != self._closed and any(not poll.full for poll in self._office.polls):
            self._closed = closed
            job = Job(intent=Intent.RELAY, wish=Wish.KEEP_ON if closed else Wish.TRIP)
            self.jobs.append(self._office.ask(self._plan, job))


@contextlib.asynccontextmanager
async def sweeping(books: Books) -> AsyncIterator[None]:
    async def often() -> None:
        while True:
            books.sweep()
            await asyncio.sleep(0.1)

    task = asyncio.create_task(often())
    try:
        yield
    finally:
        task.cancel()


@pytest.mark.processes
def test_opened_drained_cut_paid_restored_also_after_the_line_was_down_and_never_left_to_its_own_purse(
    tmp_path: Path,
) -> None:
    front, back = free_port(), free_port()
    held = meter(1, profile="acrel-ddsy1352", relay={"force": "trip"}, opening={"energy_wh": 5_000_000})
    site = Simulator(tmp_path, held, lines=[line(transport="modbus-tcp", port=back)]).start()
    number = held["number"]
    plan = LinePlan(
        line_id=1, site_id=1, transport="modbus-tcp", host="127.0.0.1", port=front, baud=115_200,
        meters=(
            MeterPlan(
                meter_id=1, number=number, profile="acrel-ddsy1352", unit=1,
                circuits=(CircuitPlan(circuit_id=1, index=1, server_held=True),),
            ),
        ),
    )  # fmt: skip

    async def stands(relay: str) -> None:
        end = time.monotonic() + WITHIN_S
        while (await asyncio.to_thread(site.circuit, number))["relay"] != relay:
            assert time.monotonic() < end, f"never {relay}"
            await asyncio.sleep(0.1)

    async def load(watts: int) -> None:
        status, text = await asyncio.to_thread(site.ask, f"/meters/{number}", {"load_w": watts})
        assert status < 300, text

    async def story() -> None:
        office = SlowEar(time.monotonic, PollSettings(status_s=2, register_s=600))
        office.retry_s = 1.0
        office.add(1, plan)
        books, tap = Books(office, plan), Tap(front, back)
        await tap.plug()
        books.paid = 2_000
        async with served(office), sweeping(books):
            await stands("closed")
            assert tap.writes == [(FORCE, (1, 0))]
            await load(1_000_000)
            await stands("open")
            assert books.balance <= 0 and tap.writes[-1] == (FORCE, (1, 1))
            await load(0)
            books.paid += 100_000
            await stands("closed")
            await load(9_000_000)
            await stands("open")
            await load(0)
            await until(lambda: books.jobs[-1].settled, within_s=WITHIN_S)
            await tap.unplug()
            await until(lambda: office.lines and not office.lines[-1].up, within_s=WITHIN_S)
            books.paid += 10_000_000  # the money comes while nobody can be reached
            await until(lambda: books.jobs[-1].job.wish is Wish.KEEP_ON, within_s=WITHIN_S)
            await asyncio.sleep(1)
            assert books.jobs[-1].settled is None
            await tap.plug()
            await stands("closed")
            await until(lambda: books.jobs[-1].settled, within_s=WITHIN_S)
        wanted = [(FORCE, (1, 0)), (FORCE, (1, 1))] * 2 + [(FORCE, (1, 0))]
        assert tap.writes == wanted, "one write for each change, and the force is never given up"
        await tap.unplug()

    try:
        run(story())
    finally:
        site.stop()
