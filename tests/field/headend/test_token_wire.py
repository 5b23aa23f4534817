"""The head-end enters tokens into the simulated site: real sockets, a bad line, the site killed in between."""

import asyncio
import time
from functools import partial
from pathlib import Path

import pytest

from prewatt.core.meters.jobs import Intent, Job, Verdict
from prewatt.core.meters.mailbox import CircuitPlan, LinePlan, MeterPlan, PollSettings
from tests.field.headend.test_simulator import BAD, WITHIN_S, all_settled
from tests.field.headend.test_sockets import SlowEar, run, served, until
from tests.field.simulator.plant import assert_books, free_port, line
from tests.field.simulator.running import Simulator
from tests.field.simulator.token_desk import NUMBER, credit, key_change, keypad

UNIT = 7
TOKENS = 3


@pytest.mark.processes
def test_tokens_are_entered_once_over_a_bad_line_and_through_a_kill(tmp_path: Path) -> None:
    port = free_port()
    wired = keypad(profile="sts-rs485", unit=UNIT, wired=True, load={"kind": "none"})
    site = Simulator(tmp_path, lines=[line(port=port)], keypads=[wired]).start()
    plan = LinePlan(
        line_id=1, site_id=1, transport="rtu-over-tcp", host="127.0.0.1", port=port, baud=115_200,
        meters=(
            MeterPlan(meter_id=1, number=NUMBER, profile="sts-rs485", unit=UNIT,
                      circuits=(CircuitPlan(circuit_id=1, index=1),)),
        ),
    )  # fmt: skip

    async def story() -> None:
        office = SlowEar(time.monotonic, PollSettings(status_s=5, register_s=30))
        office.retry_s = 1.0
        office.add(1, plan)
        await asyncio.to_thread(site.ask, "/lines/a/faults", BAD)
        async with served(office):
            for position, digits in enumerate([*(credit(10, each) for each in range(TOKENS)), *key_change()]):
                row = office.ask(plan, Job(intent=Intent.ENTER_TOKEN, token=digits))
                if position == 1:
                    await asyncio.to_thread(site.kill)
                    await asyncio.to_thread(site.start)
                    await asyncio.to_thread(site.ask, "/lines/a/faults", BAD)
                await until(partial(all_settled, [row]), within_s=WITHIN_S)
                assert row.settled is not None and row.settled.verdict is Verdict.DONE, row.settled

    try:
        run(story())
        [shown] = [each for each in site.meters() if each["number"] == NUMBER]
        [circuit] = shown["circuits"]
        assert_books(circuit)
        assert [order["amount"] for order in circuit["accepted"]] == [1_000] * TOKENS
    finally:
        site.stop()
