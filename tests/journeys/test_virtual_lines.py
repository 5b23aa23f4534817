"""Selling over bad lines in virtual time: thousands of orders, each told truly. PREWATT_SEED replays a run."""

import asyncio
import random
from collections import Counter
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any

import pytest

from prewatt.core.meters.jobs import Order, OrderKind, Verdict
from prewatt.core.meters.quantities import Quantity
from prewatt.core.meters.registers import order_write
from prewatt.core.wire.modbus import Function, WriteMultiple
from prewatt.field.headend.limits import RECONNECT_MAX_S
from tests import virtual_time
from tests.field.simulator.plant import circuit_of
from tests.journeys.memory import Story, now_ms, seed_of

SETTLE_S = 60.0
ORDERS_PER_METER = 30

BAD_LINES: list[tuple[str, str, Mapping[str, object]]] = [
    ("lost", "rtu-over-tcp", {"lose_request": 0.05, "lose_reply": 0.2, "late_reply": 0.05, "late_ms": 1_500,
                              "duplicate_reply": 0.02}),
    ("late and doubled", "rtu-over-tcp", {"late_reply": 0.15, "late_ms": 1_500, "duplicate_reply": 0.2}),
    ("later than any quiet time", "rtu-over-tcp", {"lose_reply": 0.1, "late_reply": 0.1, "late_ms": 2_900,
                                                   "duplicate_reply": 0.1}),
    ("corrupt", "rtu-over-tcp", {"corrupt": 0.15, "noise": 0.1, "collision": 0.05, "duplicate_reply": 0.05}),
    ("lost", "modbus-tcp", {"lose_request": 0.05, "lose_reply": 0.2, "late_reply": 0.05, "late_ms": 1_500,
                            "duplicate_reply": 0.02}),
]  # fmt: skip


def tell(story: Coroutine[Any, Any, None], seed: int) -> None:
    print(f"seed {seed}")
    virtual_time.run(story)


async def shop(story: Story, unit: int, orders: int) -> None:
    """One circuit: an order as soon as the last one is settled, so that replies of the last meet the next."""
    chance = random.Random(story.seed * 1000 + unit)
    for number in range(orders):
        kind = OrderKind.RETURN if number % 9 == 8 else OrderKind.PURCHASE
        amount = 1_000 if kind is OrderKind.RETURN else 10 * chance.randrange(200, 5_000)
        outcome = await story.settled(story.sell(unit, amount, kind), within_s=1_800)
        assert outcome.verdict is Verdict.DONE, f"seed {story.seed}, meter {unit}: {outcome}"


@pytest.mark.parametrize("seed", [1, 20261120])
@pytest.mark.parametrize(("name", "transport", "faults"), BAD_LINES)
def test_every_order_is_settled_once_and_told_truly_over_a_bad_line(
    tmp_path: Path, name: str, transport: str, faults: Mapping[str, object], seed: int
) -> None:
    seed = seed_of(seed)

    async def told() -> None:
        # a fast bus: whole conversations pass while a reply is late, so what is stale meets the next order's reads
        story = Story(
            tmp_path, seed, lines=8, meters=2, transport=transport, baud=115_200, turnaround_ms=2, status_s=5
        )
        story.faults(**faults)
        story.start()
        await asyncio.gather(*(shop(story, unit, ORDERS_PER_METER) for unit in range(1, 17)))
        story.reckon()
        verdicts = Counter(outcome.verdict for row in story.office.jobs.values() for outcome in row.outcomes)
        assert verdicts[Verdict.DONE] == 16 * ORDERS_PER_METER, f"seed {seed}: {verdicts}"
        assert not verdicts[Verdict.DISPUTED] and not verdicts[Verdict.REFUSED], f"seed {seed}: {verdicts}"
        await story.end()

    tell(told(), seed)


def outcomes_of(story: Story) -> list[Verdict]:
    return [outcome.verdict for row in story.office.jobs.values() for outcome in row.outcomes]


def test_done_one_order_one_conversation_on_a_good_line(tmp_path: Path) -> None:
    seed = seed_of(3)

    async def told() -> None:
        story = Story(tmp_path, seed)
        story.start()
        await asyncio.sleep(30)
        asked_at = virtual_time.running().time()
        outcome = await story.settled(story.sell(2, 5_000), within_s=5)
        assert (outcome.verdict, outcome.values[Quantity.PURCHASE_COUNT]) == (Verdict.DONE, 1)
        assert virtual_time.running().time() - asked_at < 2
        assert outcomes_of(story) == [Verdict.DONE]
        story.reckon()
        await story.end()

    tell(told(), seed)


def test_refused_the_meter_says_why_and_holds_nothing_of_it(tmp_path: Path) -> None:
    seed = seed_of(4)

    async def told() -> None:
        story = Story(tmp_path, seed, settings={"hoarding_limit_wh": 50_000})
        story.faults(late_reply=0.1, late_ms=1_500, duplicate_reply=0.3)
        story.start()
        for unit in range(1, 9):
            assert (await story.settled(story.sell(unit, 40_000), within_s=300)).verdict is Verdict.DONE
            refused = await story.settled(story.sell(unit, 20_000), within_s=300)
            assert (refused.verdict, refused.code) == (Verdict.REFUSED, "meter_hoarding_limit"), f"seed {seed}"
            story.sold[unit].pop()
        story.reckon()
        await story.end()

    tell(told(), seed)


def test_silent_a_gateway_gone_for_an_hour_while_paid_for_delivers_on_its_return(tmp_path: Path) -> None:
    seed = seed_of(5)

    async def told() -> None:
        story = Story(tmp_path, seed, lines=2)
        bad = {"lose_reply": 0.2, "late_reply": 0.05, "duplicate_reply": 0.02}
        story.faults(**bad)
        story.start()
        await asyncio.sleep(60)
        story.wires[0].cut()
        await asyncio.sleep(5)
        paid = {unit: story.sell(unit, 1_000 * unit) for unit in range(1, 17)}
        await asyncio.sleep(3600)
        for unit, row in paid.items():
            beyond = unit <= story.meters
            assert (row.settled is None) == beyond, f"seed {seed}, meter {unit}: the other line goes on"
            if beyond:
                assert {outcome.verdict for outcome in row.outcomes} == {Verdict.SILENT}
                assert not any(outcome.sent for outcome in row.outcomes)
        story.faults()
        story.wires[0].mend()
        for row in paid.values():
            assert (await story.settled(row, within_s=SETTLE_S + RECONNECT_MAX_S)).verdict is Verdict.DONE
        story.reckon()
        await story.end()

    tell(told(), seed)


def test_unknown_a_write_that_is_not_answered_is_resolved_by_the_count_whatever_came_of_it(tmp_path: Path) -> None:
    seed = seed_of(6)

    async def told() -> None:
        story = Story(tmp_path, seed, meters=16)
        story.start()
        await asyncio.sleep(30)
        story.faults(lose_reply=0.6, lose_request=0.1)
        paid = {unit: story.sell(unit, 1_000 * unit) for unit in range(1, 17)}
        await asyncio.sleep(120)
        story.faults()
        for row in paid.values():
            assert (await story.settled(row, within_s=SETTLE_S)).verdict is Verdict.DONE
        unsure = [row for row in paid.values() if any(each.verdict is Verdict.UNKNOWN for each in row.outcomes)]
        assert len(unsure) >= 3, f"seed {seed}: {Counter(outcomes_of(story))}"
        told = [each for row in unsure for each in row.outcomes if each.verdict is Verdict.UNKNOWN]
        assert all(each.sent and each.code for each in told)
        found = [row.settled for row in unsure if row.settled is not None and not row.settled.sent]
        assert found, f"seed {seed}: one at least had arrived, and was found by the count without another write"
        story.reckon()
        await story.end()

    tell(told(), seed)


@pytest.mark.parametrize("faults", [{}, {"late_reply": 0.1, "late_ms": 1_500, "duplicate_reply": 0.2}])
def test_disputed_a_second_writer_is_told_with_what_was_read_and_nothing_is_written(
    tmp_path: Path, faults: dict[str, object]
) -> None:
    seed = seed_of(7)

    async def told() -> None:
        story = Story(tmp_path, seed)
        story.faults(**faults)
        story.start()
        for unit in range(1, 9):
            assert (await story.settled(story.sell(unit, 5_000), within_s=300)).verdict is Verdict.DONE
            by_hand(story, unit, Order(count=2, kind=OrderKind.PURCHASE, amount=1_230))
            disputed = await story.settled(story.sell(unit, 7_000), within_s=300)
            assert (disputed.verdict, disputed.code) == (Verdict.DISPUTED, "meter_count_taken"), f"seed {seed}"
            assert not disputed.sent and disputed.values[Quantity.LAST_ORDER_AMOUNT] == 1_230
            assert disputed.values[Quantity.BALANCE] == 6_230
            circuit = circuit_of(story.site, now_ms(), f"20250000{unit:04d}")
            assert [order["amount"] for order in circuit["accepted"]] == [5_000, 1_230]
        await story.end()

    tell(told(), seed)


def by_hand(story: Story, unit: int, order: Order) -> None:
    """A handheld at the meter: its order reaches the meter by no line of ours."""
    meter = story.site.meters[f"20250000{unit:04d}"]
    address, data = order_write(meter.profile, order, 1)
    write = WriteMultiple(function=Function.WRITE_REGISTERS, address=address, count=len(data) // 2, data=data)
    handled = meter.handle(write, now_ms())
    assert len(handled.accepted) == 1
    story.site.keep(meter, handled.accepted)
