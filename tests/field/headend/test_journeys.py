"""What a head-end does with good buses and bad ones, under a virtual clock and a seed."""

import asyncio
from collections import Counter

import pytest

from prewatt.core.meters.jobs import Intent, Job, Verdict, Wish
from prewatt.core.meters.mailbox import PollSettings
from prewatt.core.meters.quantities import Quantity
from tests import virtual_time
from tests.field.headend.meters import PURCHASE, Faults, plan_of
from tests.field.headend.office import at_of
from tests.field.headend.world import credit, world

SEED = 20260302


def test_every_meter_is_polled_each_minute_and_read_in_full_each_half_hour() -> None:
    async def story() -> None:
        here = world()
        plan = plan_of(1, 32)
        wire = here.add(plan)
        here.start()
        await asyncio.sleep(3600)
        await here.end()
        for meter in plan.meters:
            circuit_id = meter.circuits[0].circuit_id
            times = at_of(here.office.polls, circuit_id)
            assert 59 <= len(times) <= 63
            assert max((b - a).total_seconds() for a, b in zip(times, times[1:], strict=False)) <= 61
            assert 2 <= len(at_of(here.office.polls, circuit_id, full=True)) <= 4
        assert wire.collisions == 0
        status = next(item for item in here.office.polls if not item.full)
        assert status.values[Quantity.BALANCE] == 100_000, "100.00 kWh in Wh"
        assert status.values[Quantity.POWER_ACTIVE] == 500 and status.values[Quantity.RELAY] == 1
        full = next(item for item in here.office.polls if item.full)
        assert full.values[Quantity.ENERGY_IMPORT_TOTAL] == 1_234_560
        assert (status.site_id, status.epoch) == (1, 1)
        assert here.office.lines[-1].up and here.office.lines[-1].timeouts == 0 and here.office.lines[-1].replies > 0

    virtual_time.run(story())


def test_a_credit_is_confirmed_within_five_seconds_on_a_full_bus_at_9600() -> None:
    async def story() -> None:
        # status period 1 s: the bus never rests
        here = world(PollSettings(status_s=1, register_s=30))
        plan = plan_of(1, 32)
        wire = here.add(plan)
        here.start()
        await asyncio.sleep(30)
        took = []
        for number in range(60):
            here.office.ask(plan, credit(number // 32 + 1), meter=number % 32)
            took.append(await here.settled(within_s=5.0))
            await asyncio.sleep(0.37)
        assert all(meter.accepted and meter.count == len(meter.accepted) for meter in wire.units.values())
        assert sum(len(meter.accepted) for meter in wire.units.values()) == 60
        assert wire.collisions == 0
        assert max(took) < 2.0, max(took)
        await here.end()

    virtual_time.run(story())


def test_a_credit_is_confirmed_within_five_seconds_beside_dead_meters() -> None:
    async def story() -> None:
        here = world(PollSettings(status_s=1, register_s=30))
        plan = plan_of(1, 32)
        wire = here.add(plan)
        for unit in (3, 9, 17, 30):
            wire.units[unit].dead = True
        here.start()
        await asyncio.sleep(30)
        for number in range(40):
            here.office.ask(plan, credit(number + 1), meter=0)
            await here.settled(within_s=5.0)
            await asyncio.sleep(0.73)
        assert wire.units[1].accepted == [(number + 1, PURCHASE, 100) for number in range(40)]
        await here.end()

    virtual_time.run(story())


def test_a_row_of_dead_meters_that_are_paid_for_stops_neither_polls_nor_sales_of_the_living() -> None:
    async def story() -> None:
        here = world(PollSettings(status_s=10, register_s=600))
        plan = plan_of(1, 32)
        wire = here.add(plan)
        dead = range(1, 11)
        for unit in dead:
            wire.units[unit].dead = True
        here.start()
        await asyncio.sleep(120)
        loop = virtual_time.running()
        for unit in dead:
            here.office.ask(plan, credit(1), meter=unit - 1)
        await asyncio.sleep(30)
        count = len(here.office.polls)
        for number in range(20):
            sale = here.office.ask(plan, credit(number // 20 + 1), meter=11 + number)
            await asyncio.sleep(5)
            assert sale.settled is not None and sale.settled.verdict is Verdict.DONE, number
        polls = Counter(item.circuit_id for item in here.office.polls[count:] if not item.full)
        assert len(polls) == 22 and min(polls.values()) >= 7, "ten cycles have passed"
        tried = Counter(unit for at, unit, _ in wire.requests if at > loop.time() - 100 and unit in dead)
        assert len(tried) == 10 and min(tried.values()) >= 2, "the paid-for ones are tried all the same"
        assert all(item.up for item in here.office.lines), "ten dead meters are no dead link"
        for unit in dead:
            wire.units[unit].dead = False
        await here.settled(within_s=60.0)
        assert all(wire.units[unit].accepted == [(1, PURCHASE, 100)] for unit in dead)
        await here.end()

    virtual_time.run(story())


def test_commands_go_before_polls_and_never_cut_one_in_flight() -> None:
    async def story() -> None:
        here = world(PollSettings(status_s=1, register_s=30))
        plan = plan_of(1, 8)
        wire = here.add(plan)
        here.start()
        await asyncio.sleep(20)
        read_now = [
            here.office.ask(plan, Job(intent=Intent.READ_STATUS), meter=number, priority=1) for number in range(6)
        ]
        sale = here.office.ask(plan, credit(1), meter=7)
        await here.settled(within_s=5.0)
        assert sale.settled_at is not None
        assert all(row.settled_at is not None and row.settled_at >= sale.settled_at for row in read_now)
        assert wire.collisions == 0
        await here.end()

    virtual_time.run(story())


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_order_is_lost_or_doubled_on_a_bad_line(seed: int) -> None:
    async def story() -> None:
        here = world(PollSettings(status_s=20, register_s=300))
        plans = [plan_of(line, 10) for line in range(1, 6)]
        bad = Faults(lose_request=0.05, lose_reply=0.2, late=0.05, duplicate=0.02, corrupt=0.02)
        for plan in plans:
            here.add(plan, faults=bad, seed=seed * 100 + plan.line_id)
        here.start()
        counts = Counter[int]()
        for _ in range(4):
            for plan in plans:
                for position in range(10):
                    meter_id = plan.meters[position].meter_id
                    counts[meter_id] += 1
                    here.office.ask(plan, credit(counts[meter_id], 1_000 + 10 * counts[meter_id]), meter=position)
            await here.settled(within_s=900)
        verdicts = Counter(row.settled.verdict for row in here.office.jobs.values() if row.settled is not None)
        assert verdicts == {Verdict.DONE: 200}, f"seed {seed}: {verdicts}"
        for wire in here.wires.values():
            for meter in wire.units.values():
                assert meter.accepted == [(n, PURCHASE, 100 + n) for n in range(1, 5)], f"seed {seed}: {meter}"
                assert meter.balance == 10_000 + sum(amount for _, _, amount in meter.accepted)
        unknown = [row for row in here.office.jobs.values() if any(o.verdict is Verdict.UNKNOWN for o in row.outcomes)]
        assert unknown, "the faults were real: some writes had no reply"
        await here.end()

    virtual_time.run(story())


def test_a_late_reply_is_never_taken_for_the_next_ones_answer() -> None:
    async def story() -> None:
        here = world(PollSettings(status_s=5, register_s=20))
        plan = plan_of(1, 8)
        wire = here.add(plan, faults=Faults(late=0.2, late_s=0.9), seed=SEED)
        for unit, meter in wire.units.items():
            meter.balance, meter.energy = unit * 1_000, unit * 100_000
        here.start()
        await asyncio.sleep(3600)
        await here.end()
        assert wire.collisions == 0, "nothing is sent while a late reply may still come"
        assert len(here.office.polls) > 3000
        for item in here.office.polls:
            unit = item.circuit_id % 1000
            quantity, value = (
                (Quantity.ENERGY_IMPORT_TOTAL, unit * 1_000_000) if item.full else (Quantity.BALANCE, unit * 10_000)
            )
            assert item.values[quantity] == value, f"seed {SEED}: {item}"

    virtual_time.run(story())


def test_a_line_learns_how_late_its_gateway_is_and_waits_longer() -> None:
    async def story() -> None:
        here = world(PollSettings(status_s=10, register_s=600))
        plan = plan_of(1, 4)
        # later than timeout and drain together: only what was seen can tell
        wire = here.add(plan, faults=Faults(late=0.3, late_s=2.5), seed=SEED)
        here.start()
        await asyncio.sleep(1800)
        learnt_from, wire.collisions = wire.collisions, 0
        await asyncio.sleep(1800)
        assert wire.collisions <= 2, (learnt_from, wire.collisions)
        await here.end()

    virtual_time.run(story())


def test_duplicates_do_not_disturb_and_the_gap_grows_where_they_come_late() -> None:
    async def story() -> None:
        here = world(PollSettings(status_s=2, register_s=30))
        plan = plan_of(1, 8)
        wire = here.add(plan, faults=Faults(duplicate=0.3), seed=SEED)
        here.start()
        await asyncio.sleep(600)
        polled = len(here.office.polls)
        assert polled > 8 * 200, polled
        for number in range(20):
            here.office.ask(plan, credit(number + 1), meter=2)
            await here.settled(within_s=5.0)
        assert len(wire.units[3].accepted) == 20
        await here.end()

    virtual_time.run(story())


def test_four_dead_meters_of_thirty_two_slow_the_others_by_less_than_a_third() -> None:
    async def polls_of_the_living(dead: tuple[int, ...]) -> int:
        here = world(PollSettings(status_s=1, register_s=1800))
        plan = plan_of(1, 32)
        wire = here.add(plan)
        for unit in dead:
            wire.units[unit].dead = True
        here.start()
        await asyncio.sleep(900)
        await here.end()
        living = Counter(item.circuit_id for item in here.office.polls if item.circuit_id % 1000 not in (5, 6, 7, 8))
        assert max(living.values()) - min(living.values()) <= 0.05 * max(living.values())
        return min(living.values())

    healthy = virtual_time.run(polls_of_the_living(()))
    beside_dead = virtual_time.run(polls_of_the_living((5, 6, 7, 8)))
    assert healthy / beside_dead < 1.30, (healthy, beside_dead)


def test_a_meter_that_comes_back_is_found_and_told_once() -> None:
    async def story() -> None:
        here = world(PollSettings(status_s=5, register_s=600))
        plan = plan_of(1, 4)
        wire = here.add(plan)
        here.start()
        await asyncio.sleep(60)
        wire.units[2].dead = True
        await asyncio.sleep(300)
        wire.units[2].dead = False
        await asyncio.sleep(120)
        edges = [(item.meter_id, item.silent) for item in here.office.silences]
        assert edges[0] == (1002, True) and edges[-1] == (1002, False)
        assert edges.count((1002, False)) == 1
        assert 2 <= edges.count((1002, True)) <= 6, "on the edge and then at most each minute"
        assert {meter_id for meter_id, _ in edges} == {1002}
        assert all(item.up for item in here.office.lines), "a dead meter is no dead link"
        await here.end()

    virtual_time.run(story())


def test_a_silent_meter_with_a_command_is_tried_whenever_the_office_asks() -> None:
    async def story() -> None:
        here = world()
        plan = plan_of(1, 4)
        wire = here.add(plan)
        wire.units[2].dead = True
        here.start()
        await asyncio.sleep(1200)
        sale = here.office.ask(plan, credit(1), meter=1)
        await asyncio.sleep(120)
        assert len(sale.outcomes) >= 10 and {item.verdict for item in sale.outcomes} == {Verdict.SILENT}
        assert not any(item.sent for item in sale.outcomes)
        wire.units[2].dead = False
        assert await here.settled(within_s=60.0) < 15
        assert wire.units[2].accepted == [(1, PURCHASE, 100)]
        await here.end()

    virtual_time.run(story())


def test_a_gateway_that_is_gone_for_an_hour_while_paid_for_settles_on_its_return() -> None:
    async def story() -> None:
        here = world()
        plan, neighbour = plan_of(1, 10), plan_of(2, 10)
        wire = here.add(plan)
        here.add(neighbour)
        here.start()
        await asyncio.sleep(120)
        here.buses[1].cut()
        sale = here.office.ask(plan, credit(1), meter=4)
        away_from = len(here.office.polls)
        await asyncio.sleep(3600)
        meanwhile = Counter(item.circuit_id // 1000 for item in here.office.polls[away_from:] if not item.full)
        assert meanwhile[1] <= 10 and 590 <= meanwhile[2] <= 615, meanwhile
        assert sale.settled is None and {item.verdict for item in sale.outcomes} == {Verdict.SILENT}
        assert here.office.lines and {item.error for item in here.office.lines if not item.up} <= {
            "closed",
            "connect_refused",
        }
        here.buses[1].mend()
        assert await here.settled(within_s=60.0) < 30
        assert wire.units[5].accepted == [(1, PURCHASE, 100)]
        await asyncio.sleep(75)
        fresh = {item.circuit_id for item in here.office.polls[-400:] if item.circuit_id < 2000}
        assert len(fresh) == 10, "all meters are read again within a cycle"
        await here.end()

    virtual_time.run(story())


def test_a_silent_bus_is_one_link_alarm_and_is_found_within_two_cycles() -> None:
    async def story() -> None:
        here = world()
        plan = plan_of(1, 16)
        wire = here.add(plan)
        here.start()
        await asyncio.sleep(120)
        for meter in wire.units.values():
            meter.dead = True
        await asyncio.sleep(1800)
        assert [(item.up, item.error) for item in here.office.lines[-1:]] == [(False, "silent")]
        assert len({item.meter_id for item in here.office.silences}) <= 4, "not an alarm for each meter behind it"
        for meter in wire.units.values():
            meter.dead = False
        count = len(here.office.polls)
        await asyncio.sleep(120)
        assert {item.circuit_id for item in here.office.polls[count:]} == {1000 + unit for unit in range(1, 17)}
        assert here.office.lines[-1].up
        await here.end()

    virtual_time.run(story())


def test_a_relay_wish_and_settings_reach_the_meter() -> None:
    async def story() -> None:
        here = world()
        plan = plan_of(1, 2)
        wire = here.add(plan)
        here.start()
        await asyncio.sleep(5)
        here.office.ask(plan, Job(intent=Intent.RELAY, wish=Wish.TRIP), meter=1)
        await here.settled(within_s=5.0)
        assert wire.units[2].relay == 0 and wire.units[1].relay == 1
        await here.end()

    virtual_time.run(story())


def test_a_second_writer_that_moved_the_count_makes_the_order_refused_or_disputed_never_doubled() -> None:
    async def story() -> None:
        here = world()
        plan = plan_of(1, 2)
        wire = here.add(plan)
        wire.units[1].count, wire.units[1].kind, wire.units[1].amount, wire.units[1].total = 3, PURCHASE, 777, 2_331
        here.start()
        sale = here.office.ask(plan, credit(2), meter=0)
        await here.settled(within_s=10.0)
        assert sale.settled is not None and sale.settled.verdict in (Verdict.DISPUTED, Verdict.REFUSED)
        assert wire.units[1].accepted == []
        await here.end()

    virtual_time.run(story())
