"""Replies that come late, at random, for an hour: no value is stored that the meter did not hold when it was read.

Every half second each meter draws another power than ever before, so that a stored power tells when it was true.
"""

import asyncio
import os
import random
from pathlib import Path

import pytest

from prewatt.core.meters.quantities import Quantity
from tests import virtual_time
from tests.journeys.memory import CLOCK_AT, Story, now_ms, seed_of

SPM, DDZY = "pilot-spm9511", "ningju-ddzy1218"  # one that is sold to, and one of DL/T 645 that is always supplied
STEP_S = 0.5
STEP_W = 10  # the register's resolution
BASE_W = 10_000
METERS = 8
CREDIT_WH = 900_000  # nobody is cut off meanwhile
LATE_MS = (50, 2_900)  # later than any time-out, and within it
# a reading is true of some moment since it was asked for: time-outs, frames and a step;
# DL/T 645 asks each item by itself
CONVERSATION_S = {SPM: 1.5, DDZY: 2.0}
SHORT_S = 120.0
SOAK_S = 5 * float(os.environ.get("PREWATT_SOAK_S", "720"))  # of the virtual clock: an hour, and a quarter of one in CI
READ_OF_ALL = {SPM: 0.3, DDZY: 0.15}  # even on such a line so many of the due polls are stored


async def draw(story: Story, seconds: float) -> None:
    """Another load each step, another lateness every twenty seconds."""
    chance = random.Random(story.seed)
    end, step = virtual_time.running().time() + seconds, 0
    while virtual_time.running().time() < end:
        if step % 40 == 0:
            late = {"late_reply": chance.uniform(0.05, 0.4), "late_ms": chance.randint(*LATE_MS)}
            story.faults(**late, duplicate_reply=chance.choice([0, 0.05]), lose_reply=chance.choice([0, 0.1]))
        for unit in range(1, METERS + 1):
            story.site.command(f"20250000{unit:04d}", now_ms(), load_w=BASE_W + STEP_W * step)
        step += 1
        await asyncio.sleep(STEP_S)


@pytest.mark.parametrize("seconds", [SHORT_S, pytest.param(SOAK_S, marks=pytest.mark.soak)])
@pytest.mark.parametrize(
    ("transport", "profile"),
    [("rtu-over-tcp", SPM), ("modbus-tcp", SPM), pytest.param("rtu-over-tcp", DDZY, id="dlt645")],
)
def test_no_value_of_the_past_is_stored(tmp_path: Path, transport: str, profile: str, seconds: float) -> None:
    seed = seed_of(20261121)

    async def told() -> None:
        story = Story(
            tmp_path, seed, meters=METERS, transport=transport, profile=profile, baud=115_200, turnaround_ms=2,
            status_s=2,
        )  # fmt: skip
        story.start()
        for unit in range(1, METERS + 1) if profile == SPM else ():
            await story.settled(story.sell(unit, CREDIT_WH), within_s=60)
        story.office.polls.clear()
        began = virtual_time.running().time()
        await draw(story, seconds)
        stored, oldest = 0, 0.0
        for poll in story.office.polls:
            power = poll.values.get(Quantity.POWER_ACTIVE)
            at_s = (poll.at - virtual_time.START).total_seconds() + CLOCK_AT - began
            if power is None:
                continue
            stored += 1
            ended_s = ((power - BASE_W) / STEP_W + 1) * STEP_S  # when the meter began to draw the next power
            oldest = max(oldest, at_s - ended_s)
            age_s = at_s - ended_s
            assert -STEP_S - 0.01 <= age_s <= CONVERSATION_S[profile], f"seed {seed}: {poll}, {age_s:.2f} s"
        assert stored >= READ_OF_ALL[profile] * METERS * seconds / story.status_s, stored
        print(f"{stored} readings of {seconds:.0f} s over {transport} of {profile}, the oldest {oldest:.2f} s old")
        await story.end()

    virtual_time.run(told())
