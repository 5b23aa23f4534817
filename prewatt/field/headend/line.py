"""A line: one bus behind a gateway, its commands, its poll clocks and its health.

The line is one task: connect, then commands before polls, one conversation at a time, until it is
closed. It never stops for a meter that is silent and it shares nothing with its neighbours but the outbox.
"""

import asyncio
import heapq
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace

from prewatt.core.meters.drivers import converse
from prewatt.core.meters.jobs import Intent, Job, Outcome, Verdict
from prewatt.core.meters.mailbox import (
    ClaimedJob,
    JobReport,
    LineHealth,
    LinePlan,
    MeterSilence,
    PollResult,
    ScanState,
    ScanWork,
)
from prewatt.core.meters.media import medium_of
from prewatt.core.meters.quantities import Quantity
from prewatt.field.headend.air import over, patience_of
from prewatt.field.headend.bus import Bus, open_line_waiter
from prewatt.field.headend.ground import Ground
from prewatt.field.headend.limits import (
    HEALTH_REPORT_S,
    LINE_REPORT_S,
    MAX_READ_WAIT_S,
    MISSES_TO_LOG,
    RECONNECT_FIRST_S,
    RECONNECT_JITTER,
    RECONNECT_MAX_S,
    SILENT_LINE_CONVERSATIONS,
    SILENT_LINE_RECONNECT,
    TRANSACTIONS_APART,
    WANTED_S,
)
from prewatt.field.headend.ratio import on_primary, primary
from prewatt.field.headend.scans import LineScans
from prewatt.field.headend.schedule import Poll, PollClock, PolledCircuit, phase
from prewatt.field.headend.shelf import spoken
from prewatt.field.headend.transports import LinkError

log = logging.getLogger("prewatt.headend")

READS = frozenset(each for each in Intent if each.value.startswith("read_") or each is Intent.TRY)


class Line:
    """One bus. `start` it once, `submit` jobs, `close` it for ever."""

    def __init__(self, plan: LinePlan, *, gateway_id: int, epoch: int, ground: Ground) -> None:
        self.plan = plan
        self.gateway_id = gateway_id
        self.epoch = epoch
        self._ground = ground
        self._loop = asyncio.get_running_loop()
        self._waiter = open_line_waiter()
        self._patience = patience_of(medium_of(plan.medium))
        self._bus = Bus(
            baud=plan.baud, quiet_s=self._quiet_s(), waiter=self._waiter, now=self._loop.time, patience=self._patience,
            adviser=ground.adviser,
        )  # fmt: skip
        self._transport = over(ground.transports[plan.transport], medium_of(plan.medium))
        self._polls = PollClock(ground.settings)
        self._polls.load(plan, ground.catalogue, self._loop.time())
        self._commands: list[tuple[bool, int, int, float, ClaimedJob]] = []  # to a silent meter, priority, ...
        self._sequence = 0
        self._closing = False
        self._lost: str | None = None
        self._error: str | None = None  # why the line is down, None while it is up or not tried yet
        self._logged = False  # it is down, or was, and no reply has come again yet
        self._said = False  # and that stands in the log
        self._say_at = 0.0  # loop time before which a line that flaps is not told of again
        self._silent_in_a_row = 0  # conversations without one byte
        self._fell_silent = 0  # of these, with meters that had answered before
        self._others_until = 0.0  # loop time before which due polls go before commands to silent meters
        self._talked = False  # this connection has brought a reply
        self._counted = (0, 0)
        self._transaction = 0
        self._scans = LineScans(self._ground.catalogue, self._loop.time, ground.clock, ground.scanned)
        self._report_at = self._loop.time() + phase(plan.line_id) * LINE_REPORT_S
        self._task: asyncio.Task[None] | None = None

    def _quiet_s(self) -> float:
        """What the slowest model of the bus needs."""
        known = (self._ground.catalogue.get(meter.profile) for meter in self.plan.meters)
        return max((each.quiet_ms for each in known if each is not None), default=0) / 1000

    @property
    def up(self) -> bool:
        """The link is open. A silent bus still takes commands: a meter may answer them."""
        return self._bus.link is not None and not self._closing

    # --- what the head-end calls -------------------------------------------------------------------------------------

    def start(self) -> None:
        assert self._task is None, "a line starts once"
        self._task = self._loop.create_task(self._run(), name=f"line-{self.plan.line_id}")

    def replan(self, plan: LinePlan) -> bool:
        """Take over new meters; False when the endpoint itself changed and the line must be opened anew."""
        old = self.plan
        if replace(plan, meters=(), profiles=()) != replace(old, meters=(), profiles=()):
            return False
        if plan != old:
            self.plan = plan
            self._bus.calm(self._quiet_s())
            self._polls.load(plan, self._ground.catalogue, self._loop.time())
            self._waiter.signal()
        return True

    def submit(self, claimed: ClaimedJob) -> None:
        """Queue a command. On a line that is down it is silent at once, so that the office sets the next try.

        The meter of a command that would change it is polled at every turn from now on, whatever its back-off.
        """
        target = self._polls.circuits.get(claimed.circuit_id)
        if target is not None and claimed.job.intent not in READS:
            target.health.wanted_until = self._loop.time() + WANTED_S
        if self._closing or not self.up:
            self._give_back(claimed, "line_down" if not self._closing else "line_closed")
            return
        for index, (*_, waiting) in enumerate(self._commands):
            if waiting.job_id == claimed.job_id:
                # claimed again while it waited here: only the newer claim may be reported
                del self._commands[index]
                heapq.heapify(self._commands)
                self._ground.settled(waiting)
                break
        self._sequence += 1
        silent = target is not None and target.health.misses > 0
        heapq.heappush(self._commands, (silent, claimed.priority, self._sequence, self._loop.time(), claimed))
        self._waiter.signal()

    def scan(self, work: ScanWork) -> None:
        """Begin or end scans, as far as they are of this line."""
        self._scans.follow(work, self.plan, self._transport, self.epoch)
        self._waiter.signal()

    def close(self) -> None:
        """Stop talking at once; what waits is given back, what is in flight is reported as far as it is known."""
        self._closing = True
        self._scans.end(ScanState.FAILED, code="line_closed")
        self._hang_up()
        self._give_all_back("line_closed")

    def finish(self) -> None:
        """Take no further work, end the conversation in flight, then close."""
        self._closing = True
        self._give_all_back("line_closed")
        self._waiter.signal()

    async def closed(self) -> None:
        if self._task is not None:
            await self._task

    # --- the listener's side -----------------------------------------------------------------------------------------

    def received(self, data: bytes) -> None:
        self._bus.received(data)

    def lost(self, error: str) -> None:
        self._lost = error
        self._bus.closed()

    def reported(self, unit: int, values: Mapping[Quantity, int]) -> None:
        """What a meter said unasked is stored as if it had been asked; while the database is away polls are not."""
        if self._closing or self._ground.outbox.full or not self._ground.holds(self._loop.time()):
            return
        for target in self._polls.circuits.values():
            if target.meter.unit == unit and target.circuit.index == 1:
                self._keep(target, primary(values, target.profile, target.circuit.ratio), full=True)

    def _stopped(self) -> bool:
        return self._closing

    # --- the task ----------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        wait_s = RECONNECT_FIRST_S
        # what is open behind this line is tried at each poll interval at least
        within_s = self._ground.settings.status_s / (1 + RECONNECT_JITTER)
        longest_s = max(RECONNECT_FIRST_S, min(RECONNECT_MAX_S, within_s))
        while not self._stopped():
            error = await self._connect()
            if error is None:
                error = await self._serve()
                if self._talked:
                    wait_s = RECONNECT_FIRST_S
            if self._stopped():
                break
            self._down(error)
            jitter = 1 + RECONNECT_JITTER * (2 * self._ground.chance() - 1)
            until = self._loop.time() + wait_s * jitter
            while not self._stopped() and self._loop.time() < until:
                await self._waiter.wait(until)
            wait_s = min(longest_s, wait_s * 2)
        self._hang_up()

    async def _connect(self) -> str | None:
        """Open the link; the reason when it did not open."""
        self._lost = None
        async with self._ground.connecting:
            if self._stopped():
                return "closed"
            try:
                link = await self._transport.opener(self.plan, self)
            except LinkError as fault:
                return fault.code
        if self._stopped():
            link.close()
            return "closed"
        self._bus.opened(link)
        self._talked = False
        return None

    async def _serve(self) -> str:
        """Talk until the link is gone; says why it went."""
        if self._error != "silent":
            self._up()
        while self.up:
            try:
                await self._one()
            except Exception:  # the line's process loop: a fault in one conversation must not end the bus
                log.exception("conversation_failed line=%s", self.plan.line_id)
                await self._pause()
        error = self._lost or "closed"
        self._hang_up()
        return error

    async def _pause(self) -> None:
        until = self._loop.time() + RECONNECT_FIRST_S
        while not self._closing and self._loop.time() < until:
            await self._waiter.wait(until)

    async def _one(self) -> None:
        """One command, or one poll, or a wait for either."""
        now = self._loop.time()
        if self._report_at <= now:
            self._health()
        if self._commands and self._first(now):
            await self._command(*heapq.heappop(self._commands)[3:])
            return
        if self._scans.insist():
            await self._probe()
            return
        paused = self._ground.outbox.full
        poll = None if paused else self._polls.take(
            now, line_silent=self._error == "silent", for_wanted=now >= self._others_until
        )
        if poll is not None:
            await self._poll(poll)
            return
        if self._commands:
            await self._command(*heapq.heappop(self._commands)[3:])
            return
        if self._scans.running:
            await self._probe()
            return
        due = now + 1.0 if paused else self._polls.next_due()
        await self._waiter.wait(self._report_at if due is None else min(due, self._report_at))

    def _first(self, now: float) -> bool:
        """Does a command go before the polls? To a silent meter only when the last such command was followed by
        as much time for others: a row of paid-for but dead meters, each tried again and again, would else stop
        their neighbours."""
        return not self._commands[0][0] or now >= self._others_until

    async def _probe(self) -> None:
        await self._scans.probe(self._bus, may_send=self._may_send, give_up=self._stopped)
        if self._bus.fenced:
            await self._pause()

    async def _command(self, since: float, claimed: ClaimedJob) -> None:
        target = self._polls.circuits.get(claimed.circuit_id)
        longest_s = MAX_READ_WAIT_S if claimed.job.intent in READS else self._patience.command_wait_s
        if self._loop.time() - since > longest_s:
            # its reason may have gone while it waited behind others: the office looks again before the next claim
            self._give_back(claimed, "waited_too_long")
            return
        if target is None:
            self._give_back(claimed, "not_in_plan")
            return
        started_at, began = self._ground.clock(), self._loop.time()
        silent, replies = target.health.misses > 0, self._bus.replies
        try:
            # a second try to a meter that was silent before, and is still, is not spent while somebody else waits
            outcome = await self._talk(
                target,
                claimed.job,
                lambda: self._closing or (silent and bool(self._commands) and self._bus.replies == replies),
            )
        except Exception:
            log.exception("command_failed line=%s job=%s", self.plan.line_id, claimed.job_id)
            # nobody knows what left: the careful verdict, the next claim reads the witness
            outcome = Outcome(verdict=Verdict.UNKNOWN, code="driver_failed", sent=True)
        if claimed.job.intent not in READS and outcome.verdict not in (Verdict.SILENT, Verdict.UNKNOWN):
            target.health.wanted_until = 0.0
        if silent:
            self._others_until = 2 * self._loop.time() - began
        self._ground.settled(claimed)
        self._ground.outbox.report(
            JobReport(claimed=claimed, outcome=outcome, started_at=started_at, finished_at=self._ground.clock())
        )

    async def _poll(self, poll: Poll) -> None:
        target = poll.target
        probe, began = target.health.misses > 0, self._loop.time()
        answered = False
        try:
            # A probe of a silent meter spends one try only, and nobody waits for a second while a command does.
            once = probe or self._patience.polls_once
            job = target.reads[poll.full]
            outcome = await self._talk(
                target, job, lambda: once or self._closing or bool(self._commands), late_s=poll.late_s
            )
            answered = outcome.verdict is not Verdict.SILENT
            self._refusals(target, outcome)
            if probe and began < target.health.wanted_until:
                self._others_until = 2 * self._loop.time() - began
        finally:
            self._polls.done(poll, self._loop.time(), answered=answered)
        if outcome.verdict is Verdict.DONE:
            target.health.polled(outcome.lacks, full=poll.full)
            self._keep(target, outcome.values, full=poll.full)

    def _keep(self, target: PolledCircuit, values: Mapping[Quantity, int], *, full: bool) -> None:
        self._ground.outbox.poll(
            PollResult(
                gateway_id=self.gateway_id, epoch=self.epoch, site_id=self.plan.site_id,
                circuit_id=target.circuit.circuit_id, at=self._ground.clock(), full=full, values=dict(values),
            )
        )  # fmt: skip

    async def _talk(
        self, target: PolledCircuit, job: Job, give_up: Callable[[], bool], *, late_s: float = 0.0
    ) -> Outcome:
        replies = self._bus.replies
        # replies of an earlier conversation must not carry a transaction number of this one
        self._transaction = (self._transaction + TRANSACTIONS_APART) & 0xFFFF
        if job.intent in (Intent.SET_CLOCK, Intent.WRITE_SCHEDULE, Intent.WRITE_PRICES):
            job = replace(job, clock=int(self._ground.clock().timestamp()))
        lacks = target.health.without()
        conversation = converse(
            spoken(job, target.profile),
            replace(target.address, lacks=lacks) if lacks else target.address,
            job,
            transport=self._transport.framing,
            baud=self.plan.baud,
            link_ms=self._transport.link_ms,
            transaction=self._transaction,
        )
        outcome = await self._bus.converse(conversation, may_send=self._may_send, give_up=give_up)
        outcome = on_primary(outcome, target.profile, target.circuit.ratio)
        if self._bus.fenced:
            await self._pause()  # until the lease is renewed or the line is closed; it says nothing about meters
        elif self._bus.link is not None and not self._closing:
            answered = outcome.verdict is not Verdict.SILENT
            self._heard(target, answered=answered, bytes_came=self._bus.replies > replies, late_s=late_s)
        return outcome

    def _may_send(self, until: float) -> bool:
        return self._ground.holds(self._loop.time() if self._transport.sole else until)

    # --- health ------------------------------------------------------------------------------------------------------

    def _heard(self, target: PolledCircuit, *, answered: bool, bytes_came: bool, late_s: float) -> None:
        """Book what a conversation says about the link and, apart from it, about the meter."""
        if bytes_came:
            self._silent_in_a_row = self._fell_silent = 0
            self._talked = True
            if self._error == "silent":
                self._up()
            if self._logged:
                # a connection alone is no proof: a gateway that accepts and hangs up would fill the log
                self._logged = False
                if self._said:
                    log.info("line_up line=%s", self.plan.line_id)
        else:
            self._silent_in_a_row += 1
            self._fell_silent += target.health.misses == 0
            if self._error != "silent" and self._all_silent(target):
                self._down("silent")
            if self._error == "silent" and self._silent_in_a_row % SILENT_LINE_RECONNECT == 0:
                # a half-open socket looks like a silent bus: only a new connection tells them apart
                self._lost = "silent"
                self._hang_up()
        now = self._loop.time()
        health = target.health
        if answered:
            if health.reported_silent:
                self._silence(target, now, silent=False)
            if health.logged:
                log.info("meter_answers meter=%s misses=%d", target.meter.number, health.misses)
                health.logged = False
            health.answered()
            return
        health.missed(now, self._ground.settings.status_s + late_s)
        if self._error == "silent" or self._logged:
            return  # one link alarm instead of 32 meter alarms
        if not health.reported_silent or now - health.reported_at >= HEALTH_REPORT_S:
            self._silence(target, now, silent=True)
        if health.misses >= MISSES_TO_LOG and not health.logged:
            health.logged = True
            log.warning("meter_silent meter=%s line=%s", target.meter.number, self.plan.line_id)

    def _all_silent(self, last: PolledCircuit) -> bool:
        """Is it the link? Several meters that had answered fell silent in a row, or nobody is left who answers.
        Meters known to be dead say nothing about it, however often they are tried."""
        if self._fell_silent >= max(2, min(SILENT_LINE_CONVERSATIONS, len(self.plan.meters))):
            return True
        others = (health for health in self._polls.healths.values() if health is not last.health)
        return self._silent_in_a_row > 1 and all(health.misses > 0 for health in others)

    def _refusals(self, target: PolledCircuit, outcome: Outcome) -> None:
        """A meter that answers a poll with an exception has the wrong profile or an old firmware."""
        health = target.health
        if outcome.verdict is Verdict.REFUSED and health.refusal != outcome.code:
            health.refusal = outcome.code
            log.warning("meter_refuses meter=%s code=%s", target.meter.number, outcome.code)
        elif outcome.verdict is Verdict.DONE and health.refusal is not None:
            health.refusal = None
            log.info("meter_accepts meter=%s", target.meter.number)

    def _silence(self, target: PolledCircuit, now: float, *, silent: bool) -> None:
        health = target.health
        health.reported_silent, health.reported_at = silent, now
        self._ground.outbox.silence(
            MeterSilence(
                gateway_id=self.gateway_id, epoch=self.epoch, meter_id=target.meter.meter_id, at=self._ground.clock(),
                silent=silent, misses=health.misses,
            )
        )  # fmt: skip

    def _up(self) -> None:
        self._error = None
        self._polls.resume(self._loop.time())
        self._silent_in_a_row = self._fell_silent = 0
        self._health()

    def _down(self, error: str) -> None:
        """The line is down, or open and silent. Logged once until a reply has come again, once a minute at most."""
        was, self._error = self._error, error
        if not self.up:
            self._give_all_back("line_down")
            self._scans.line_down()
        if not self._logged:
            now = self._loop.time()
            self._logged, self._said = True, now >= self._say_at
            if self._said:
                self._say_at = now + HEALTH_REPORT_S
                log.warning("line_down line=%s error=%s", self.plan.line_id, error)
        if was != error:
            self._health()

    def _health(self) -> None:
        now = self._loop.time()
        self._report_at = now + LINE_REPORT_S
        replies, timeouts = self._bus.replies, self._bus.timeouts
        self._ground.outbox.line(
            LineHealth(
                gateway_id=self.gateway_id,
                epoch=self.epoch,
                line_id=self.plan.line_id,
                at=self._ground.clock(),
                up=self._error is None,
                replies=replies - self._counted[0],
                timeouts=timeouts - self._counted[1],
                error=self._error,
            )
        )
        self._counted = (replies, timeouts)

    # --- endings -----------------------------------------------------------------------------------------------------

    def _hang_up(self) -> None:
        link = self._bus.link
        self._bus.closed()
        if link is not None:
            link.close()

    def _give_all_back(self, code: str) -> None:
        commands, self._commands = self._commands, []
        for *_, claimed in commands:
            self._give_back(claimed, code)

    def _give_back(self, claimed: ClaimedJob, code: str) -> None:
        """Nothing left our side for this job: silent, and the office sets the next try."""
        at = self._ground.clock()
        outcome = Outcome(verdict=Verdict.SILENT, code=code)
        self._ground.settled(claimed)
        self._ground.outbox.report(JobReport(claimed=claimed, outcome=outcome, started_at=at, finished_at=at))
