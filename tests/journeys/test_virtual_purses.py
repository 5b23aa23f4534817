"""Credits over every family of wallet, in virtual time: replies lost, late and doubled, gateways cut, head-ends killed.

None lost, none doubled, none told falsely (`memory.Witness` looks at the meter whenever a verdict is reported), every
unknown resolved by reading. The soak sells 10,000 to each family. PREWATT_SEED replays a run.
"""

import asyncio
import itertools
import os
import random
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from prewatt.core.meters import catalogue
from prewatt.core.meters.jobs import OrderKind, Verdict
from tests import virtual_time
from tests.journeys.memory import Story, seed_of

FAMILIES: Final = {  # wallet family: a model of it
    "plain count": "pilot-spm9511",
    "plain count, money": "acrel-dtsy1352-nk-purse",
    "plain count, money, over a modem": "acrel-dtsy1352-4g-purse",
    "order number": "generic-dlt645-order",
    "State Grid, simulated provider": "generic-dlt645-grid",
}
# the shares of the contract, and late by more than a whole conversation takes on so fast a bus
FAULTS: Final[Mapping[str, object]] = {
    "lose_reply": 0.2, "late_reply": 0.05, "late_ms": 1_500, "duplicate_reply": 0.02,
}  # fmt: skip
LINES: Final = 16
TROUBLE_EVERY_S, CUT_FOR_S, DEAD_FOR_S = (0.5, 30), (0.5, 10), (0.1, 20)
SETTLE_S: Final = 3_600
SHORT_ORDERS, SOAK_ORDERS, CI_ORDERS = 4, 625, 20  # of each of the 16 meters: 64, 10,000, 320
SOAK_FROM_S: Final = 600  # a soak shorter than this is that of a check, which has no room for ten thousand


class Sold:
    """What a run came to."""

    def __init__(self) -> None:
        self.cuts = self.kills = 0
        self.ended = False


async def shop(story: Story, unit: int, orders: int) -> None:
    """One meter: an order as soon as the last one is settled. Each ninth is a return, where the family has any."""
    chance = random.Random(story.seed * 1000 + unit)
    returns = catalogue()[story.profile].carries(OrderKind.RETURN)
    for number in range(orders):
        kind = OrderKind.RETURN if returns and number % 9 == 8 else OrderKind.PURCHASE
        amount = 1_000 if kind is OrderKind.RETURN else 10 * chance.randrange(200, 5_000)
        outcome = await story.settled(story.sell(unit, amount, kind), within_s=SETTLE_S)
        assert outcome.verdict is Verdict.DONE, f"seed {story.seed}, meter {unit}: {outcome}"


async def trouble(story: Story, sold: Sold) -> None:
    """Gateways lose their power and head-ends are killed, for as long as there is somebody to sell to."""
    chance = random.Random(story.seed)
    for number in itertools.count():
        await asyncio.sleep(chance.uniform(*TROUBLE_EVERY_S) if number > 1 else 2)
        if sold.ended:
            return
        if number % 4 == 1:
            sold.kills += 1
            await story.kill()
            await asyncio.sleep(chance.uniform(*DEAD_FOR_S))
            story.start()
            continue
        sold.cuts += 1
        wire = chance.choice(story.wires)
        wire.cut()
        await asyncio.sleep(chance.uniform(*CUT_FOR_S))
        wire.mend()


def sell(directory: Path, profile: str, orders: int, seed: int) -> tuple[Story, Sold]:
    """Sell `orders` to each of sixteen meters on lines of their own; what is claimed of them is held against them."""
    held: list[tuple[Story, Sold]] = []

    async def told() -> None:
        story = Story(
            directory, seed, lines=LINES, meters=1, profile=profile, baud=115_200, turnaround_ms=2, status_s=20,
            settings={"hoarding_limit_wh": 0}, modem="26112000000001" if "-4g-" in profile else "",
        )  # fmt: skip
        sold = Sold()
        held.append((story, sold))
        story.faults(**FAULTS)
        story.start()
        troubles = asyncio.get_running_loop().create_task(trouble(story, sold))
        await asyncio.gather(*(shop(story, unit, orders) for unit in range(1, LINES + 1)))
        sold.ended = True
        await troubles
        story.reckon()
        await story.end()

    print(f"seed {seed}")
    virtual_time.run(told())
    return held[0]


def verdicts_of(story: Story) -> Counter[Verdict]:
    return Counter(outcome.verdict for row in story.office.jobs.values() for outcome in row.outcomes)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_credit_arrives_once_whatever_the_line_and_the_head_end_do(tmp_path: Path, family: str) -> None:
    seed = seed_of(20261121)
    story, sold = sell(tmp_path, FAMILIES[family], SHORT_ORDERS, seed)
    verdicts = verdicts_of(story)
    assert verdicts[Verdict.DONE] == LINES * SHORT_ORDERS, f"seed {seed}: {verdicts}"
    assert not verdicts[Verdict.DISPUTED] and not verdicts[Verdict.REFUSED], f"seed {seed}: {verdicts}"
    assert sold.cuts and sold.kills, f"seed {seed}: nothing happened to the lines"


@pytest.mark.soak
@pytest.mark.parametrize("family", FAMILIES)
def test_ten_thousand_credits_over_each_family(tmp_path: Path, family: str) -> None:
    seed = seed_of(1)
    long = float(os.environ.get("PREWATT_SOAK_S", str(SOAK_FROM_S))) >= SOAK_FROM_S
    orders = SOAK_ORDERS if long else CI_ORDERS
    began, cpu = time.monotonic(), time.process_time()
    story, sold = sell(tmp_path, FAMILIES[family], orders, seed)
    verdicts = verdicts_of(story)
    unsure = sum(any(each.verdict is Verdict.UNKNOWN for each in row.outcomes) for row in story.office.jobs.values())
    print(
        f"{family}: {LINES * orders} credits, {sum(verdicts.values())} conversations, unknown and resolved {unsure},"
        f" disputed {verdicts[Verdict.DISPUTED]}, refused {verdicts[Verdict.REFUSED]}; gateways cut {sold.cuts},"
        f" head-ends killed {sold.kills}; {time.process_time() - cpu:.0f} s CPU, {time.monotonic() - began:.0f} s"
    )
    assert verdicts[Verdict.DONE] == LINES * orders, f"seed {seed}: {verdicts}"
    assert not verdicts[Verdict.DISPUTED] and not verdicts[Verdict.REFUSED], f"seed {seed}: {verdicts}"
    assert unsure > orders // 4, f"seed {seed}: the lines were too good to prove anything"
