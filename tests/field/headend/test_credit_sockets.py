"""Both DL/T 645 wallet families over a real socket, beside each other on one bus, with a slow security provider."""

import asyncio
import secrets
import time
from pathlib import Path

from prewatt.core.meters import catalogue
from prewatt.core.meters.jobs import Verdict
from prewatt.core.meters.mailbox import CircuitPlan, LinePlan, MeterPlan, PollSettings
from prewatt.core.meters.security import AskChallenge, Challenge, Declined
from prewatt.core.meters.simulated_security import SimulatedProvider
from prewatt.field.headend import Advice, HeadEnd
from prewatt.field.simulator.bus import Bus
from tests.field.headend.test_sockets import SlowEar, run, until, wall
from tests.field.headend.world import credit
from tests.field.simulator.plant import NOON_MS, assert_books, circuit_of, meter, stop, world

FAMILIES = {1: "generic-dlt645-order", 2: "generic-dlt645-grid"}


def number_of(unit: int) -> str:
    return f"20250000{unit:04d}"


class Slow(SimulatedProvider):
    """A device elsewhere: what it says takes a while. `seen` are the turns the event loop made meanwhile."""

    def __init__(self, turns: list[int]) -> None:
        super().__init__(production=False, chance=secrets.token_bytes)
        self.turns, self.seen = turns, 0

    def challenge(self, meter: str) -> Challenge:
        before = len(self.turns)
        time.sleep(0.3)
        self.seen = len(self.turns) - before
        return super().challenge(meter)


def test_both_families_are_sold_to_over_a_real_socket_and_a_slow_provider_stops_nobody(tmp_path: Path) -> None:
    async def story() -> None:
        began = time.monotonic()

        def now_ms() -> int:
            return NOON_MS + int((time.monotonic() - began) * 1000)

        site = world(tmp_path, *(meter(unit, profile=code) for unit, code in FAMILIES.items()))
        bus = Bus(site.lines["a"], now_ms=now_ms, before_output=lambda at_ms: None)
        await bus.open()
        plan = LinePlan(
            line_id=1, site_id=1, transport="rtu-over-tcp", host="127.0.0.1", port=bus.port, baud=115_200,
            meters=tuple(
                MeterPlan(meter_id=unit, number=number_of(unit), profile=code, unit=unit,
                          circuits=(CircuitPlan(circuit_id=unit, index=1),))
                for unit, code in FAMILIES.items()
            ),
        )  # fmt: skip
        office = SlowEar(time.monotonic, PollSettings(status_s=1, register_s=60))
        office.add(1, plan)
        turns: list[int] = []

        async def count_turns() -> None:
            while True:
                turns.append(1)
                await asyncio.sleep(0.01)

        counting = asyncio.create_task(count_turns())
        provider, halt = Slow(turns), asyncio.Event()
        headend = HeadEnd(office, name="head-1", catalogue=catalogue(), clock=wall, adviser=Advice(provider))
        task = asyncio.create_task(headend.run(halt))
        for count in (1, 2):
            for place, unit in enumerate(FAMILIES):
                row = office.ask(plan, credit(count), meter=place)
                await until(lambda asked=row: asked.settled is not None, within_s=60)  # type: ignore[misc]
                assert row.settled is not None and row.settled.verdict is Verdict.DONE, (unit, row.outcomes)
        await until(lambda: {item.circuit_id for item in office.polls} == set(FAMILIES), within_s=60)
        halt.set()
        await asyncio.wait_for(task, 60)
        counting.cancel()
        bus.close()
        for unit in FAMILIES:
            circuit = circuit_of(site, now_ms(), number_of(unit))
            assert circuit["purchase_count"] == 2
            assert_books(circuit)
        assert provider.seen > 1, "the loop went on while the provider was asked"
        stop(site)

    run(story())


def test_a_provider_that_breaks_is_away() -> None:
    class Broken(SimulatedProvider):
        def challenge(self, meter: str) -> Challenge:
            raise OSError("the device is unplugged")

    async def story() -> None:
        advice = Advice(Broken(production=False, chance=secrets.token_bytes))
        assert await advice(AskChallenge(meter=number_of(2))) == Declined(code="security_provider_away")

    run(story())
