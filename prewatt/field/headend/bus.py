"""One bus in bytes and time: quiet between frames, drain after a timeout, what was learnt about lateness.

The bus moves bytes for conversations; it decides nothing about meters.
"""

import asyncio
from collections.abc import Callable

from prewatt.core.meters.drivers import Await, Consult, Conversation, Finished, Send
from prewatt.core.meters.jobs import Outcome, Verdict
from prewatt.field.headend.advice import Adviser, no_adviser
from prewatt.field.headend.air import WIRED, Patience, heard_by_all
from prewatt.field.headend.limits import (
    BITS_PER_CHARACTER,
    LATENESS_HALF_LIFE_S,
    LATENESS_MARGIN,
    MAX_INBOX_BYTES,
    MAX_STEPS,
    QUIET_CHARACTERS,
    QUIET_MIN_S,
)
from prewatt.field.headend.transports import Link, SpeedLink
from prewatt.field.headend.waiter import Waiter


class Learnt:
    """The worst delay seen lately; fades, so that one bad minute does not slow a line for ever."""

    __slots__ = ("_at", "_limit_s", "_value_s")

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._value_s = 0.0
        self._at = 0.0

    def saw(self, delay_s: float, now: float) -> None:
        value_s = min(self._limit_s, delay_s * LATENESS_MARGIN)
        if value_s >= self.value_s(now):
            self._value_s, self._at = value_s, now

    def value_s(self, now: float) -> float:
        if not self._value_s:
            return 0.0
        faded: float = self._value_s * 0.5 ** ((now - self._at) / LATENESS_HALF_LIFE_S)
        return faded


class Bus:
    """One conversation at a time over one link."""

    def __init__(
        self,
        *,
        baud: int,
        quiet_s: float,
        waiter: Waiter,
        now: Callable[[], float],
        adviser: Adviser = no_adviser,
        patience: Patience = WIRED,
    ) -> None:
        assert baud > 0, baud
        self._adviser = adviser
        self.link: Link | None = None
        self._speed: Callable[[int], None] | None = None  # of a link whose speed is ours to set
        self._baud = baud
        self.replies = 0
        self.timeouts = 0
        self.fenced = False  # the last frame was not sent because the lease was not ours
        self._waiter = waiter
        self._now = now
        self._baud = baud
        self._patience = patience
        self.calm(quiet_s)
        self._late = Learnt(patience.drain_s)
        self._gap = Learnt(patience.gap_s)
        self._all_heard_at: float | None = None  # loop time of the last frame that every meter hears
        self._inbox = bytearray()
        self._listening = False
        self._clear_at = 0.0  # loop time before which nothing may be sent
        self._head = -1  # first byte of the last frame sent
        self._missed_head = -1  # and of the last one that had no reply in time
        self._timed_out_at: float | None = None  # when that reply was due
        self._answered_at: float | None = None  # when the last reply came
        self._draining = False  # nothing was sent since the time-out

    def calm(self, quiet_s: float) -> None:
        """How quiet the meters of this bus want it between frames."""
        characters_s = QUIET_CHARACTERS * BITS_PER_CHARACTER / self._baud
        self._quiet_s = max(QUIET_MIN_S, quiet_s, self._patience.quiet_s, characters_s)

    def opened(self, link: Link) -> None:
        self.link = link
        self._speed = link.speed if isinstance(link, SpeedLink) else None
        self._inbox.clear()
        # a gateway may still hold a reply meant for the master before us
        self._clear_at = self._now() + max(self._quiet_s, self._patience.opening_s)

    def closed(self) -> None:
        self.link = None
        self._waiter.signal()

    def received(self, data: bytes) -> None:
        """Bytes from the link: for the conversation, or late and dropped."""
        if not data:
            return
        now = self._now()
        if self._is_late(data[0], now):
            assert self._timed_out_at is not None
            self._late.saw(now - self._timed_out_at, now)
        elif not self._listening and self._answered_at is not None and now - self._answered_at < self._patience.twice_s:
            self._gap.saw(now - self._answered_at, now)
        if self._listening:
            self._inbox += data[: MAX_INBOX_BYTES - len(self._inbox)]
            self._waiter.signal()
        else:
            self._clear_at = max(self._clear_at, now + self._quiet_s)

    def _is_late(self, head: int, now: float) -> bool:
        """Is this what an earlier request waited for? A frame's first byte is its address on every bus here."""
        if self._timed_out_at is None or self._inbox or now - self._timed_out_at > self._patience.drain_s:
            return False
        return self._draining or head == self._missed_head != self._head

    async def converse(
        self, conversation: Conversation, *, may_send: Callable[[float], bool], give_up: Callable[[], bool]
    ) -> Outcome:
        """Run one conversation to its end.

        `may_send(until)` is asked before each frame: False (the lease is not ours until then) ends the
        conversation without sending. `give_up` is asked before anything is sent after a timeout: True spends
        no further try. A conversation that is cut is told of timeouts, so that its own rules say SILENT or
        UNKNOWN.
        """
        sent_at, timeout_ms = self._now(), 0
        missed = False  # the last thing the conversation was told is a timeout
        for _ in range(MAX_STEPS):
            step = conversation.next()
            if isinstance(step, Finished):
                return step.outcome
            if isinstance(step, Consult):
                conversation.answered(await self._adviser(step.question))
                continue
            if isinstance(step, Send):
                await self._clear()
                sent_at, timeout_ms = self._now(), step.timeout_ms
                ends_at = sent_at + timeout_ms / 1000
                self.fenced = not may_send(ends_at)
                given_up = missed and give_up()
                if self.fenced or self.link is None or given_up or self._too_loud(step.data, sent_at):
                    return abandon(conversation)
                self._inbox.clear()
                self._head, self._draining = step.data[0], False
                if self._speed is not None:
                    self._speed(step.baud or self._baud)
                self.link.write(step.data)
            else:
                ends_at = sent_at + step.deadline_ms / 1000
            data = await self._bytes(ends_at)
            missed = not data
            if data:
                conversation.receive(data)
                continue
            if self.link is None:
                return abandon(conversation)
            if isinstance(step, Send) or step.deadline_ms == timeout_ms:
                # neither a pause nor the conversation's own drain: a reply was due by now
                self._unanswered(ends_at, timeout_ms / 1000)
            conversation.timed_out()
        return abandon(conversation)

    def _too_loud(self, data: bytes, now: float) -> bool:
        """Would this make every meter speak or pass it on, too soon after the last one that did?"""
        if not self._patience.broadcast_s or not heard_by_all(data):
            return False
        if self._all_heard_at is not None and now - self._all_heard_at < self._patience.broadcast_s:
            return True
        self._all_heard_at = now
        return False

    def _unanswered(self, due_at: float, timeout_s: float) -> None:
        """A reply may still come: keep quiet for as long again, or as long as this line was seen to need."""
        self.timeouts += 1
        self._timed_out_at, self._missed_head, self._draining = due_at, self._head, True
        self._answered_at = None
        self._clear_at = due_at + max(timeout_s, self._late.value_s(due_at))

    async def _clear(self) -> None:
        """Wait for quiet. What arrives meanwhile moves the end, but never beyond what a reply can be late, nor the
        quiet after opening."""
        latest = self._now() + max(self._patience.drain_s, self._patience.opening_s)
        while self.link is not None:
            until = min(self._clear_at, latest)
            if self._now() >= until:
                return
            await self._waiter.wait(until)

    async def _bytes(self, deadline: float) -> bytes:
        """What arrives before the deadline; empty when nothing did or the link is gone."""
        self._listening = True
        try:
            while not self._inbox and self.link is not None and self._now() < deadline:
                await self._waiter.wait(deadline)
        finally:
            self._listening = False
        if not self._inbox:
            return b""
        now = self._now()
        data = bytes(self._inbox)
        self._inbox.clear()
        self.replies += 1
        self._answered_at = now
        self._clear_at = now + max(self._quiet_s, self._gap.value_s(now))
        return data


def abandon(conversation: Conversation) -> Outcome:
    """End a conversation without another byte: time runs out for it until it says what is known."""
    for _ in range(MAX_STEPS):
        step = conversation.next()
        if isinstance(step, Finished):
            return step.outcome
        assert isinstance(step, Send | Await | Consult)
        conversation.timed_out()
    # A driver that does not end may have sent anything: the careful verdict.
    return Outcome(verdict=Verdict.UNKNOWN, code="conversation_endless", sent=True)


def open_line_waiter() -> Waiter:
    """The waiter of a line's task, on the running loop."""
    return Waiter(asyncio.get_running_loop())
