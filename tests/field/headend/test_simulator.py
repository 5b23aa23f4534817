"""The head-end sells to the simulated site over real sockets, on a bad line, with the site killed in between."""

import asyncio
import json
import time
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from prewatt.core.meters.jobs import Verdict
from prewatt.core.meters.mailbox import CircuitPlan, LinePlan, MeterPlan, PollSettings
from tests.field.headend.office import JobRow
from tests.field.headend.test_sockets import SlowEar, run, served, until
from tests.field.headend.world import credit
from tests.field.simulator.plant import assert_books, free_port, line, meter
from tests.field.simulator.running import Simulator

METERS, ORDERS = 3, 3
PROFILES = ("pilot-spm9511", "acrel-dtsy1352-nk-purse", "pilot-spm9511")  # of the three: one purse holds money
SEED = 20260302
BAD = {
    "seed": SEED,
    "lose_request": 0.02,
    "lose_reply": 0.2,
    "late_reply": 0.05,
    "late_ms": 300,
    "duplicate_reply": 0.02,
}
WITHIN_S = 150.0


def any_settled(rows: list[JobRow]) -> bool:
    return any(row.settled for row in rows)


def all_settled(rows: list[JobRow]) -> bool:
    return all(row.settled for row in rows)


def plan_of_site(port: int, transport: str) -> LinePlan:
    return LinePlan(
        line_id=1,
        site_id=1,
        transport=transport,
        host="127.0.0.1",
        port=port,
        baud=115_200,
        meters=tuple(
            MeterPlan(
                meter_id=unit,
                number=f"20250000{unit:04d}",
                profile=PROFILES[unit - 1],
                unit=unit,
                circuits=(CircuitPlan(circuit_id=unit, index=1),),
            )
            for unit in range(1, METERS + 1)
        ),
    )


@pytest.mark.processes
@pytest.mark.parametrize("transport", ["rtu-over-tcp", "modbus-tcp"])
def test_no_credit_is_lost_or_doubled_between_head_end_and_site(transport: str, tmp_path: Path) -> None:
    port = free_port()
    site = Simulator(
        tmp_path,
        *(meter(unit, profile=PROFILES[unit - 1]) for unit in range(1, METERS + 1)),
        lines=[line(transport=transport, port=port)],
    ).start()

    async def story() -> None:
        office = SlowEar(time.monotonic, PollSettings(status_s=5, register_s=30))
        office.retry_s = 1.0
        plan = plan_of_site(port, transport)
        office.add(1, plan)
        status, text = await asyncio.to_thread(site.ask, "/lines/a/faults", BAD)
        assert status < 300, text
        async with served(office):
            for count in range(1, ORDERS + 1):
                rows = [office.ask(plan, credit(count, 1_000 * count), meter=position) for position in range(METERS)]
                if count == 2:
                    await until(partial(any_settled, rows), within_s=WITHIN_S)
                    await asyncio.to_thread(site.kill)
                    await asyncio.to_thread(site.start)
                    await asyncio.to_thread(site.ask, "/lines/a/faults", BAD)
                await until(partial(all_settled, rows), within_s=WITHIN_S)
        verdicts = Counter(row.settled.verdict for row in office.jobs.values() if row.settled is not None)
        assert verdicts == {Verdict.DONE: METERS * ORDERS}, f"seed {SEED}: {verdicts}"

    try:
        run(story())
        for each in site.meters():
            (circuit,) = each["circuits"]
            assert_books(circuit)
            amounts = [order["amount"] for order in circuit["accepted"]]
            assert amounts == [1_000 * count for count in range(1, ORDERS + 1)], f"seed {SEED}: {json.dumps(circuit)}"
    finally:
        site.stop()
