"""Leases, fencing, the database away, plans that change, the clean stop."""

import asyncio
import logging
from collections.abc import Sequence

import pytest

from prewatt.core.meters.jobs import Intent, Job, Verdict
from prewatt.core.meters.mailbox import PollSettings
from prewatt.field.headend.limits import MAX_POLLS_HELD
from tests import virtual_time
from tests.field.headend.meters import PURCHASE, Faults, plan_of
from tests.field.headend.office import LEASE_S, Office, moved
from tests.field.headend.world import World, credit, world


def owners(here: World) -> list[str | None]:
    return sorted((row.owner for row in here.office.gateways.values()), key=str)


def writes(here: World, line_id: int) -> list[float]:
    return [at for at, _, pdu in here.wires[line_id].requests if pdu[0] == 16]


def test_two_head_ends_share_the_gateways_and_one_takes_over_when_the_other_dies() -> None:
    async def story() -> None:
        here = world(PollSettings(status_s=10, register_s=600))
        for line in range(1, 11):
            here.add(plan_of(line, 3))
        first = here.start("head-1")
        await asyncio.sleep(5)
        assert owners(here) == ["head-1"] * 10
        here.start("head-2")
        await asyncio.sleep(15)
        assert owners(here) == ["head-1"] * 5 + ["head-2"] * 5
        assert all(bus.clients == 1 for bus in here.buses.values()), "each bus has one master"
        first.kill()
        await asyncio.sleep(LEASE_S * 2 + 15)
        assert owners(here) == ["head-2"] * 10
        count = len(here.office.polls)
        await asyncio.sleep(12)
        assert len({item.circuit_id for item in here.office.polls[count:]}) == 30
        assert all(wire.collisions == 0 for wire in here.wires.values())
        await here.end()

    virtual_time.run(story())


def test_a_head_end_that_was_stopped_in_the_middle_of_a_sale_writes_nothing_before_its_lease_is_renewed() -> None:
    async def story() -> None:
        here = world()
        plan = plan_of(1, 2)
        wire = here.add(plan)
        here.start()
        await asyncio.sleep(30)
        loop = virtual_time.running()
        stopped_at = list[float]()

        def stop_after_the_first_read(unit: int, pdu: bytes) -> None:
            if here.office.jobs and not stopped_at and pdu[0] == 3:
                stopped_at.append(loop.time())
                loop.skip(LEASE_S * 3)  # SIGSTOP between the read of the count and the write

        ticks = list[float]()
        tick = here.office.tick

        def watched_tick(*, headend: str, held: Sequence[int] = (), broker: str = "") -> object:
            ticks.append(loop.time())
            return tick(headend=headend, held=held, broker=broker)

        here.office.tick = watched_tick  # type: ignore[method-assign,assignment]
        wire.hook = stop_after_the_first_read
        here.office.ask(plan, credit(1))
        await here.settled(within_s=LEASE_S * 3 + 30)
        assert stopped_at
        renewed = min(at for at in ticks if at > stopped_at[0] + LEASE_S)
        assert all(at > renewed for at in writes(here, 1)), (renewed, writes(here, 1))
        assert wire.units[1].accepted == [(1, PURCHASE, 100)]
        await here.end()

    virtual_time.run(story())


def test_a_head_end_whose_mailbox_hangs_falls_silent_before_another_may_take_over() -> None:
    async def story() -> None:
        here = world(PollSettings(status_s=2, register_s=600))
        plan = plan_of(1, 8)
        wire = here.add(plan)
        first = here.start("head-1")
        await asyncio.sleep(20)
        hung_at = virtual_time.running().time()

        async def hang(function: object) -> None:
            await asyncio.Event().wait()

        first.headend._desk = hang  # type: ignore[assignment]
        await asyncio.sleep(30)
        last = wire.requests[-1][0]
        valid_until = here.office.gateways[1].valid_until
        assert hung_at + 4 < last < valid_until, "it goes on for a while, and stops in time"
        assert here.buses[1].clients == 0, "the serial server is free for the next master"
        here.start("head-2")
        await asyncio.sleep(20)
        assert here.office.gateways[1].owner == "head-2" and wire.requests[-1][0] > valid_until
        first.task.cancel()
        await here.running[1].stop()

    virtual_time.run(story())


def test_a_lease_lost_in_the_middle_of_a_sale_changes_nothing_and_the_next_owner_finishes_it_once() -> None:
    async def story() -> None:
        here = world()
        plan = plan_of(1, 2)
        wire = here.add(plan)
        here.start("head-1")
        await asyncio.sleep(30)
        row = here.office.gateways[1]

        def taken_while_the_write_is_on_its_way(unit: int, pdu: bytes) -> None:
            if pdu[0] == 16 and row.owner == "head-1":
                row.owner, row.epoch, row.valid_until = "head-2", row.epoch + 1, row.valid_until
                here.office.alive["head-2"] = here.office.now()
                here.office.jobs[1].claimed_until = 0.0

        wire.hook = taken_while_the_write_is_on_its_way
        sale = here.office.ask(plan, credit(1))
        await asyncio.sleep(4)
        assert wire.units[1].accepted == [(1, PURCHASE, 100)]
        assert sale.outcomes == [] and here.office.stale >= 1, "the report of the old epoch is dropped"
        await here.running[0].stop()
        here.start("head-2")
        await here.settled(within_s=20)
        assert sale.settled is not None and sale.settled.verdict is Verdict.DONE
        assert wire.units[1].accepted == [(1, PURCHASE, 100)] and len(writes(here, 1)) == 1
        await here.end()

    virtual_time.run(story())


def test_a_short_absence_of_the_database_loses_no_report_and_sends_nothing_twice() -> None:
    async def story() -> None:
        here = world(PollSettings(status_s=2, register_s=600))
        plan = plan_of(1, 8)
        wire = here.add(plan)
        here.start()
        await asyncio.sleep(20)

        def away_at_the_write(unit: int, pdu: bytes) -> None:
            if pdu[0] == 16:
                here.office.away = True

        wire.hook = away_at_the_write
        sale = here.office.ask(plan, credit(1))
        await asyncio.sleep(5)
        assert wire.units[1].accepted and sale.settled is None
        before = len(here.office.polls)
        here.office.away, wire.hook = False, None
        assert await here.settled(within_s=10.0) < 5
        assert sale.claim == 1 and [item.verdict for item in sale.outcomes] == [Verdict.DONE]
        assert len(writes(here, 1)) == 1
        await asyncio.sleep(5)
        assert len(here.office.polls) > before + 10, "readings made meanwhile are stored afterwards"
        await here.end()

    virtual_time.run(story())


def test_a_long_absence_of_the_database_stops_the_talk_keeps_memory_bounded_and_logs_two_lines(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def story() -> None:
        here = world(PollSettings(status_s=2, register_s=600))
        wire = here.add(plan_of(1, 8))
        running = here.start()
        await asyncio.sleep(20)
        here.office.away = True
        gone_at = virtual_time.running().time()
        await asyncio.sleep(900)
        assert wire.requests[-1][0] < gone_at + LEASE_S
        assert len(running.headend._outbox.polls) < 200 <= MAX_POLLS_HELD
        here.office.away = False
        await asyncio.sleep(10)
        assert wire.requests[-1][0] > gone_at + 900
        await here.end()

    with caplog.at_level(logging.INFO, "prewatt"):
        virtual_time.run(story())
    assert [record.message.split()[0] for record in caplog.records] == ["mailbox_away", "lease_overdue", "mailbox_back"]


def test_polling_pauses_while_the_store_is_refused_and_goes_on_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prewatt.field.headend.outbox.MAX_POLLS_HELD", 50)

    async def story() -> None:
        here = world(PollSettings(status_s=1, register_s=600))
        plan = plan_of(1, 8)
        here.add(plan)
        running = here.start()
        await asyncio.sleep(20)
        store = here.office.store

        def full_disk(**batch: object) -> None:
            raise OSError("no space left")

        here.office.store = full_disk  # type: ignore[method-assign]
        await asyncio.sleep(120)
        assert len(running.headend._outbox.polls) <= 60
        here.office.ask(plan, credit(1))
        await here.settled(within_s=5.0)
        count = len(here.office.polls)
        here.office.store = store  # type: ignore[method-assign]
        await asyncio.sleep(10)
        assert len(here.office.polls) > count + 50
        await here.end()

    virtual_time.run(story())


def test_a_report_the_office_cannot_take_does_not_hold_up_the_others() -> None:
    async def story() -> None:
        here = world()
        plan = plan_of(1, 4)
        here.add(plan)
        here.start()
        await asyncio.sleep(5)
        report = here.office.report

        def poisoned(reports: object) -> None:
            if any(item.claimed.circuit_id == 1001 for item in reports):  # type: ignore[attr-defined]
                raise ValueError("a row the office cannot store")
            report(reports)  # type: ignore[arg-type]

        here.office.report = poisoned  # type: ignore[method-assign]
        rows = [here.office.ask(plan, Job(intent=Intent.READ_STATUS), meter=number) for number in range(4)]
        await asyncio.sleep(20)
        assert [row.settled is not None for row in rows] == [False, True, True, True]
        assert here.office.gateways[1].owner == "head-1"
        here.office.report = report  # type: ignore[method-assign]
        await here.settled(within_s=10.0)
        await here.end()

    virtual_time.run(story())


def test_the_log_has_an_edge_and_not_a_line_per_failure(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        here = world(PollSettings(status_s=5, register_s=600))
        plan = plan_of(1, 3)
        wire = here.add(plan)
        lost = here.add(plan_of(2, 3))
        here.start()
        await asyncio.sleep(60)
        # a hundred polls without a reply, a hundred connections that are dropped at once
        wire.units[2].dead = True
        for _ in range(100):
            here.buses[2].cut()
            await asyncio.sleep(1)
            here.buses[2].mend()
            for meter in lost.units.values():
                meter.dead = True
            await asyncio.sleep(80)
        wire.units[2].dead = False
        for meter in lost.units.values():
            meter.dead = False
        await asyncio.sleep(200)
        await here.end()

    with caplog.at_level(logging.INFO, "prewatt"):
        virtual_time.run(story())
    names = [record.message.split()[0] for record in caplog.records]
    assert sorted(names) == ["line_down", "line_up", "meter_answers", "meter_silent"], names


def test_a_job_for_a_line_that_is_down_is_silent_at_once_and_its_neighbours_go_on() -> None:
    async def story() -> None:
        here = world()
        one, two = plan_of(1, 2), plan_of(2, 2)
        here.add(one, gateway=False)
        here.add(two, gateway=False)
        here.office.add(7, one, two)
        here.buses[1].cut()
        here.start()
        await asyncio.sleep(10)
        dark, lit = here.office.ask(one, credit(1)), here.office.ask(two, credit(1))
        await asyncio.sleep(1.5)
        assert [(item.verdict, item.code, item.sent) for item in dark.outcomes] == [
            (Verdict.SILENT, "line_down", False)
        ]
        assert lit.settled is not None and lit.settled.verdict is Verdict.DONE
        here.buses[1].mend()
        await here.settled(within_s=60.0)
        await here.end()

    virtual_time.run(story())


def test_jobs_of_one_slow_gateway_do_not_fill_the_hand() -> None:
    async def story() -> None:
        here = world()
        slow, quick = plan_of(1, 200, baud=1200), plan_of(2, 5)
        here.add(slow)
        here.add(quick)
        here.start()
        await asyncio.sleep(3)
        for number in range(200):
            here.office.ask(slow, Job(intent=Intent.READ_REGISTERS), meter=number, priority=0)
        await asyncio.sleep(1)
        sale = here.office.ask(quick, credit(1), priority=0)
        await asyncio.sleep(3)
        assert sale.settled is not None and sale.settled.verdict is Verdict.DONE
        await here.settled(within_s=400)
        assert {row.settled.verdict for row in here.office.jobs.values() if row.settled} == {Verdict.DONE}
        await here.end()

    virtual_time.run(story())


def test_a_changed_plan_is_followed_without_dropping_the_link() -> None:
    async def story() -> None:
        here = world(PollSettings(status_s=5, register_s=600))
        plan = plan_of(1, 3)
        wire = here.add(plan)
        running = here.start()
        await asyncio.sleep(20)
        line = running.headend.lines[0]
        here.office.change(1, moved(plan, meters=plan.meters[:2]))
        await asyncio.sleep(5)
        count = len(wire.requests)
        await asyncio.sleep(20)
        assert {unit for _, unit, _ in wire.requests[count:]} == {1, 2}
        assert running.headend.lines == [line]
        here.office.change(1, moved(plan, baud=4800))
        await asyncio.sleep(5)
        assert running.headend.lines != [line] and here.buses[1].clients == 1
        here.office.change(1)
        await asyncio.sleep(5)
        assert running.headend.lines == [] and here.buses[1].clients == 0
        await here.end()

    virtual_time.run(story())


def test_an_unknown_transport_or_profile_is_said_once_and_costs_nobody_else(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        here = world(PollSettings(status_s=5, register_s=600))
        here.add(plan_of(1, 2, transport="pigeon"))
        here.add(plan_of(2, 2, profile="nobody-makes-this"))
        good = plan_of(3, 2)
        here.add(good)
        here.start()
        await asyncio.sleep(30)
        assert {item.circuit_id for item in here.office.polls} == {3001, 3002}
        await here.end()

    with caplog.at_level(logging.INFO, "prewatt"):
        virtual_time.run(story())
    assert sorted(record.message for record in caplog.records) == [
        "profile_unknown code=nobody-makes-this",
        "transport_unknown code=pigeon",
    ]


def test_a_clean_stop_ends_the_conversation_stores_it_and_gives_the_leases_back() -> None:
    async def story() -> None:
        here = world()
        plan = plan_of(1, 4)
        wire = here.add(plan)
        running = here.start()
        await asyncio.sleep(30)

        def stop_now(unit: int, pdu: bytes) -> None:
            if pdu[0] == 16:
                running.stopper.set()

        wire.hook = stop_now
        sale = here.office.ask(plan, credit(1))
        later = here.office.ask(plan, credit(1), meter=1)
        began = virtual_time.running().time()
        await running.task if not running.task.done() else None
        assert virtual_time.running().time() - began < 6
        assert sale.settled is not None and sale.settled.verdict is Verdict.DONE
        assert [item.verdict for item in later.outcomes] == [Verdict.SILENT] and wire.units[2].accepted == []
        assert here.office.left == ["head-1"] and here.office.gateways[1].owner is None
        assert here.buses[1].clients == 0

    virtual_time.run(story())


def test_a_head_end_waits_for_a_database_that_is_not_there_yet_and_can_be_stopped_meanwhile() -> None:
    async def story() -> None:
        here = world(PollSettings(status_s=5, register_s=600))
        here.add(plan_of(1, 2))
        here.office.away = True
        running = here.start()
        await asyncio.sleep(60)
        here.office.away = False
        await asyncio.sleep(15)
        assert here.office.polls
        await running.stop()
        here.office.away = True
        second = here.start("head-2")
        await asyncio.sleep(5)
        await asyncio.wait_for(second.stop(), 5)

    virtual_time.run(story())


def test_claims_are_repeated_by_the_office_and_the_older_one_is_never_reported() -> None:
    async def story() -> None:
        here = world()
        plan = plan_of(1, 40, baud=1200)
        here.add(plan, faults=Faults())
        here.start()
        await asyncio.sleep(3)
        rows = [here.office.ask(plan, Job(intent=Intent.READ_STATUS), meter=number) for number in range(40)]
        await asyncio.sleep(2)
        for row in rows:
            row.claimed_until = 0.0  # as if the claim had run out
        await here.settled(within_s=200)
        assert all(row.settled is not None for row in rows)
        reported = [(item.claimed.job_id, item.claimed.claim) for item in here.office.reports]
        assert len(reported) == len(set(reported)), "each claim is reported once"
        await here.end()

    virtual_time.run(story())


def test_the_office_of_these_tests_is_a_mailbox() -> None:
    from prewatt.core.meters.mailbox import Mailbox

    mailbox: Mailbox = Office(lambda: 0.0)
    assert mailbox.poll_settings() == PollSettings()
