"""The small parts: waiter, fence, outbox, what is learnt about lateness."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from prewatt.core.meters.mailbox import LineHealth, MeterSilence, PollResult
from prewatt.core.meters.quantities import Quantity
from prewatt.field.headend import Fence
from prewatt.field.headend.bus import Learnt
from prewatt.field.headend.limits import FLUSH_ROWS, MAX_POLLS_HELD, STORE_ROWS
from prewatt.field.headend.outbox import Outbox
from prewatt.field.headend.waiter import Waiter
from tests import virtual_time

AT = datetime(2026, 3, 2, tzinfo=UTC)


def poll(number: int) -> PollResult:
    return PollResult(
        gateway_id=1, epoch=1, site_id=1, circuit_id=number, at=AT, full=False, values={Quantity.BALANCE: number}
    )


def health(*, up: bool, replies: int, timeouts: int, epoch: int = 1) -> LineHealth:
    return LineHealth(gateway_id=1, epoch=epoch, line_id=1, at=AT, up=up, replies=replies, timeouts=timeouts)


def silence(meter_id: int, misses: int) -> MeterSilence:
    return MeterSilence(gateway_id=1, epoch=1, meter_id=meter_id, at=AT, silent=True, misses=misses)


# --- waiter -----------------------------------------------------------------------------------------------------------


def test_a_waiter_is_woken_by_a_signal_by_time_and_by_a_signal_given_before() -> None:
    async def story() -> None:
        loop = virtual_time.running()
        waiter = Waiter(loop)
        start = loop.time()
        assert await waiter.wait(start + 5) is False
        assert loop.time() == pytest.approx(start + 5, abs=0.01)
        loop.call_later(2, waiter.signal)
        assert await waiter.wait(None) is True
        assert loop.time() == pytest.approx(start + 7, abs=0.01)
        waiter.signal()
        assert await waiter.wait(start + 100) is True
        assert loop.time() == pytest.approx(start + 7, abs=0.01)
        assert await waiter.wait(start) is False

    virtual_time.run(story())


def test_a_waiter_that_is_cancelled_can_wait_again() -> None:
    async def story() -> None:
        loop = virtual_time.running()
        waiter = Waiter(loop)
        task = loop.create_task(waiter.wait(None))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await waiter.wait(loop.time() + 1) is False

    virtual_time.run(story())


# --- fence ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age_s", "deadline_s", "holds"),
    [
        (0.0, 0.0, True),
        (0.0, 1.5, True),
        (6.0, 1.5, True),
        (7.0, 1.5, False),  # the reply could come after the lease is gone
        (8.1, 0.0, False),
        (3600.0, 0.0, False),
    ],
)
def test_the_fence_holds_only_while_the_reply_would_still_find_the_lease(
    age_s: float, deadline_s: float, holds: bool
) -> None:
    steady = [100.0]
    fence = Fence(10.0, lambda: steady[0], lambda: 500.0)
    fence.renewed(100.0)
    steady[0] += age_s
    assert fence.holds(500.0 + deadline_s) is holds


def test_a_fence_without_any_renewal_does_not_hold() -> None:
    assert Fence(10.0, lambda: 0.0, lambda: 0.0).holds(0.0) is False


def test_a_process_that_was_stopped_is_fenced_although_the_loops_clock_stood_still() -> None:
    steady, loop_now = [100.0], 500.0
    fence = Fence(10.0, lambda: steady[0], lambda: loop_now)
    fence.renewed(100.0)
    steady[0] += 30
    assert fence.holds(loop_now + 1.0) is False


def test_a_lease_shorter_than_two_heartbeats_is_refused() -> None:
    with pytest.raises(AssertionError):
        Fence(2.0, lambda: 0.0, lambda: 0.0)


# --- outbox -----------------------------------------------------------------------------------------------------------


def test_the_outbox_wakes_its_reader_when_a_batch_is_complete() -> None:
    woken = list[int]()
    outbox = Outbox(wake=lambda: woken.append(len(outbox.polls)))
    for number in range(FLUSH_ROWS + 10):
        outbox.poll(poll(number))
    assert woken == [FLUSH_ROWS]


def test_what_could_not_be_stored_comes_first_next_time_and_the_newest_health_wins() -> None:
    outbox = Outbox(wake=lambda: None)
    outbox.poll(poll(1))
    outbox.silence(silence(7, 1))
    outbox.line(health(up=True, replies=10, timeouts=1))
    batch = outbox.take()
    assert batch is not None and outbox.take() is None
    outbox.poll(poll(2))
    outbox.silence(silence(7, 2))
    outbox.line(health(up=False, replies=5, timeouts=2))
    outbox.put_back(batch)
    again = outbox.take()
    assert again is not None
    assert [item.circuit_id for item in again.polls] == [1, 2]
    assert [item.misses for item in again.silences] == [2]
    assert [(item.up, item.replies, item.timeouts) for item in again.lines] == [(False, 15, 3)]


def test_figures_of_another_epoch_are_not_added() -> None:
    outbox = Outbox(wake=lambda: None)
    outbox.line(health(up=True, replies=10, timeouts=1, epoch=1))
    outbox.line(health(up=True, replies=2, timeouts=0, epoch=2))
    batch = outbox.take()
    assert batch is not None and [(item.epoch, item.replies) for item in batch.lines] == [(2, 2)]


def test_the_outbox_is_bounded_and_says_when_it_is_full() -> None:
    outbox = Outbox(wake=lambda: None)
    for number in range(MAX_POLLS_HELD):
        assert outbox.full is (number >= MAX_POLLS_HELD)
        outbox.poll(poll(number))
    assert len(outbox.polls) == MAX_POLLS_HELD and outbox.full
    batch = outbox.take()
    assert batch is not None and len(batch.polls) == STORE_ROWS
    assert [item.circuit_id for item in batch.polls] == list(range(STORE_ROWS)), "the oldest first"
    for number in range(STORE_ROWS + 1):
        outbox.poll(poll(-number))
    outbox.put_back(batch)
    assert len(outbox.polls) == MAX_POLLS_HELD
    assert outbox.polls[-1].circuit_id == -STORE_ROWS, "the newest stays"
    assert outbox.polls[0].circuit_id == STORE_ROWS + 1, "the oldest went"


# --- lateness ---------------------------------------------------------------------------------------------------------


def test_lateness_is_learnt_with_a_margin_bounded_and_fades() -> None:
    learnt = Learnt(6.0)
    assert learnt.value_s(0.0) == 0.0
    learnt.saw(2.0, 0.0)
    assert learnt.value_s(0.0) == pytest.approx(3.0)
    learnt.saw(0.1, 1.0)
    assert learnt.value_s(1.0) > 2.9, "a smaller delay does not make it forget"
    learnt.saw(60.0, 2.0)
    assert learnt.value_s(2.0) == 6.0
    assert learnt.value_s(2.0 + 600.0) == pytest.approx(3.0)


def test_the_virtual_clock_moves_only_by_timers() -> None:
    async def story() -> timedelta:
        loop = virtual_time.running()
        before = loop.wall()
        await asyncio.sleep(3600)
        loop.skip(60)
        return loop.wall() - before

    assert virtual_time.run(story()) == timedelta(seconds=3660)
