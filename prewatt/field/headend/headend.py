"""The head-end: leases, lines and the two threads that speak with the mailbox.

One asyncio loop moves all bytes. One thread makes every call that is a transaction (tick, plan, claim,
report, store), one thread listens. When the lease cannot be renewed the head-end falls silent on all lines
before another may take them (self-fencing), also when it was only paused: each frame asks `Fence.holds`.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial

from prewatt.core.meters import Profile
from prewatt.core.meters.jobs import Outcome, Verdict
from prewatt.core.meters.mailbox import ClaimedJob, JobReport, Lease, LinePlan, Mailbox, PollSettings
from prewatt.field.headend.advice import Adviser, no_adviser
from prewatt.field.headend.boards import Board
from prewatt.field.headend.fence import Fence, steady_clock
from prewatt.field.headend.ground import Ground
from prewatt.field.headend.limits import (
    CLAIM_IDLE_S,
    DOWN_GATEWAY_CLAIM_S,
    FLUSH_ROWS,
    FLUSH_S,
    MAILBOX_RETRY_FIRST_S,
    MAILBOX_RETRY_MAX_S,
    MAX_CLAIM,
    MAX_CONNECTING,
    MAX_IN_HAND,
    MAX_IN_HAND_PER_GATEWAY,
    PLANS_PER_ROUND,
    PLANS_S,
    STOP_FLUSH_S,
    STOP_TALKING_S,
    TICK_S,
    TICK_SOON_S,
    WAIT_S,
    WATCH_S,
)
from prewatt.field.headend.line import Line
from prewatt.field.headend.outbox import Outbox
from prewatt.field.headend.scans import ScanPost
from prewatt.field.headend.shelf import Shelf
from prewatt.field.headend.threads import PoolThread, Thread
from prewatt.field.headend.transports import TRANSPORTS, Transport
from prewatt.field.headend.waiter import Waiter

log = logging.getLogger("prewatt.headend")


class _Gateway:
    """What is owned of one gateway."""

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self.loaded: int | None = None  # revision of the plan that stands
        self.lines: dict[int, Line] = {}
        self.in_hand = 0
        self.tried_at: float | None = None  # last claim made although no line was up


class HeadEnd:
    """Claims gateways, polls their meters, carries out jobs.

    `mailbox`    the office, synchronous; called from two threads
    `name`       unique among head-ends; the key of the heartbeat
    `catalogue`  profiles by code
    `clock`      aware UTC wall time, for what is stored
    `lease_s`    how long the office keeps a gateway for a head-end that does not tick
    `switchboard`  where meters and serial servers come to by themselves, if they may
    """

    def __init__(
        self,
        mailbox: Mailbox,
        *,
        name: str,
        catalogue: Mapping[str, Profile],
        clock: Callable[[], datetime],
        lease_s: float = 10.0,
        transports: Mapping[str, Transport] = TRANSPORTS,
        steady: Callable[[], float] = steady_clock,
        chance: Callable[[], float] = random.random,
        desk: Thread | None = None,
        ear: Thread | None = None,
        switchboard: Board | None = None,
        around: Callable[[str, Transport], Transport] = lambda _, transport: transport,
        adviser: Adviser = no_adviser,
    ) -> None:
        self._mailbox = mailbox
        self._name = name
        self._catalogue = Shelf(catalogue)
        self._clock = clock
        self._lease_s = lease_s
        self._switchboard = switchboard
        known = transports if switchboard is None else {**transports, **switchboard.transports}
        self._transports = {code: around(code, each) for code, each in known.items()}
        self._steady, self._chance, self._adviser = steady, chance, adviser
        self._threads = [PoolThread("desk"), PoolThread("ear")]
        self._desk: Thread = desk or self._threads[0]
        self._ear: Thread = ear or self._threads[1]
        self._gateways: dict[int, _Gateway] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._in_hand = 0
        self._claim_now = True
        self._tick_at = self._claim_at = self._flush_at = 0.0
        self._report_failed = self._stopping = self._away = False
        self._unknown: set[str] = set()

    # --- faces -------------------------------------------------------------------------------------------------------

    @property
    def lines(self) -> Sequence[Line]:
        """Lines that are served now."""
        return [line for gateway in self._gateways.values() for line in gateway.lines.values()]

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop`; then end conversations, store what was found and give the leases back."""
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._waiter = Waiter(loop)
        self._outbox = Outbox(wake=self._waiter.signal)
        self._fence = Fence(self._lease_s, self._steady, loop.time)
        self._post = ScanPost(loop.time)
        stopper = loop.create_task(self._await_stop(stop))
        helpers = [stopper]
        try:
            if await self._enter():
                helpers += [loop.create_task(self._listen()), loop.create_task(self._watch())]
                if self._switchboard is not None:
                    helpers.append(loop.create_task(self._switchboard.stay_open(self._waiter.signal, self._soon)))
                await self._serve()
                await self._leave()
        finally:
            self._stopping = True
            for task in helpers:
                task.cancel()
            for gateway_id in list(self._gateways):
                self._drop(gateway_id)
            if self._switchboard is not None:
                self._switchboard.close()
            for thread in self._threads:
                thread.end()

    async def _await_stop(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._stopping = True
        self._waiter.signal()

    # --- the mailbox loop --------------------------------------------------------------------------------------------

    async def _enter(self) -> bool:
        """Join and learn the clocks; waits for a database that is not there yet. False when stopped first."""
        wait_s = MAILBOX_RETRY_FIRST_S
        while not self._stopping:
            try:
                await self._desk(lambda: self._mailbox.join(headend=self._name))
                settings = await self._desk(self._mailbox.poll_settings)
            except Exception as fault:  # noqa: BLE001 process loop: whatever the driver raises, we wait
                self._mailbox_failed(fault)
                await self._sleep(wait_s)
                wait_s = min(MAILBOX_RETRY_MAX_S, wait_s * 2)
                continue
            self._mailbox_well()
            self._ground = self._stand(settings)
            return True
        return False

    def _stand(self, settings: PollSettings) -> Ground:
        return Ground(
            outbox=self._outbox,
            catalogue=self._catalogue,
            transports=self._transports,
            settings=settings,
            clock=self._clock,
            chance=self._chance,
            holds=self._fence.holds,
            connecting=asyncio.Semaphore(MAX_CONNECTING),
            adviser=self._adviser,
            settled=self._settled,
            scanned=self._post.say,
        )

    async def _sleep(self, seconds: float) -> None:
        until = self._loop.time() + seconds
        while not self._stopping and self._loop.time() < until:
            await self._waiter.wait(until)

    async def _serve(self) -> None:
        wait_s = MAILBOX_RETRY_FIRST_S
        while not self._stopping:
            fault = await self._round()
            if fault is not None:
                self._mailbox_failed(fault)
                self._tick_at = 0.0
                await self._sleep(wait_s)
                wait_s = min(MAILBOX_RETRY_MAX_S, wait_s * 2)
                continue
            self._mailbox_well()
            wait_s = MAILBOX_RETRY_FIRST_S
            if not self._more_to_do():
                await self._waiter.wait(min(self._tick_at, self._flush_at, self._claim_at))

    async def _round(self) -> Exception | None:
        """Each duty once; the first fault. A duty that fails does not keep the others from their turn, but
        without a heartbeat nothing else is tried: the database is away. Where it is slow, a lease that wears is
        renewed between two duties: it waits for one of them and not for all.
        """
        first: Exception | None = None
        duties = (self._send_reports, self._claim, self._ask_who_called, self._store, self._load_plans, self._scans)
        for number, duty in enumerate(duties):
            for each in (self._tick, duty) if not number or self._fence.wears() else (duty,):
                try:
                    await each()
                except Exception as fault:  # noqa: BLE001 process loop: keep what is known
                    if each == self._tick:
                        return fault
                    first = first or fault
        return first

    def _more_to_do(self) -> bool:
        return (
            self._claim_now
            or (self._switchboard is not None and self._switchboard.waiting)
            or bool(self._outbox.reports)
            or len(self._outbox.polls) >= FLUSH_ROWS
            or any(gateway.loaded != gateway.lease.revision for gateway in self._gateways.values())
        )

    def _mailbox_failed(self, fault: Exception) -> None:
        if not self._away:
            self._away = True
            # the class alone: a driver's text may carry the address with its password
            log.warning("mailbox_away headend=%s error=%s", self._name, type(fault).__name__)

    def _mailbox_well(self) -> None:
        if self._away:
            self._away = False
            log.info("mailbox_back headend=%s", self._name)

    async def _tick(self) -> None:
        now = self._loop.time()
        if now < self._tick_at:
            return
        self._tick_at = now + TICK_S
        called_at = self._steady()
        board = self._switchboard
        held, broker = ([], "") if board is None else (board.held, board.broker_fault)
        leases = await self._desk(lambda: self._mailbox.tick(headend=self._name, held=held, broker=broker))
        self._fence.renewed(called_at)
        if not self._fence.holds(self._loop.time()):
            self._tick_at = 0.0  # the answer took so long that it says nothing about now
            return
        owned = {lease.gateway_id: lease for lease in leases}
        for gateway_id, gateway in list(self._gateways.items()):
            lease = owned.get(gateway_id)
            if lease is None or lease.epoch != gateway.lease.epoch:
                self._drop(gateway_id)
        for gateway_id, lease in owned.items():
            gateway = self._gateways.setdefault(gateway_id, _Gateway(lease))
            gateway.lease = lease

    async def _ask_who_called(self) -> None:
        """Who dialled in since; a gateway gained this way is asked for soon."""
        board = self._switchboard
        if board is not None and board.waiting:
            calls = board.to_ask()
            if board.answered(await self._desk(lambda: self._mailbox.called(headend=self._name, calls=calls))):
                self._soon()

    def _soon(self) -> None:
        """A gateway's connection is here: it is asked for soon, many at a time."""
        self._tick_at = min(self._tick_at, self._loop.time() + TICK_SOON_S)
        self._waiter.signal()

    async def _load_plans(self) -> None:
        """Open what was gained and follow what changed, a few gateways at a time so that all else has its turn."""
        began = self._loop.time()
        stale = [gateway for gateway in self._gateways.values() if gateway.loaded != gateway.lease.revision]
        for gateway in stale[:PLANS_PER_ROUND]:
            lease = gateway.lease
            plans = await self._desk(partial(self._mailbox.plan, gateway_id=lease.gateway_id))
            if self._gateways.get(lease.gateway_id) is gateway:
                self._follow(gateway, plans)
                gateway.loaded = lease.revision
            if self._fence.wears() or self._loop.time() - began > PLANS_S:
                return

    def _follow(self, gateway: _Gateway, plans: Sequence[LinePlan]) -> None:
        self._catalogue.learn(plans)
        wanted = {plan.line_id: plan for plan in plans if self._known(plan)}
        for line_id, line in list(gateway.lines.items()):
            if line_id not in wanted or not line.replan(wanted[line_id]):
                self._close(gateway.lines.pop(line_id))
        for line_id, plan in wanted.items():
            if line_id not in gateway.lines:
                line = Line(plan, gateway_id=gateway.lease.gateway_id, epoch=gateway.lease.epoch, ground=self._ground)
                gateway.lines[line_id] = line
                line.start()

    def _known(self, plan: LinePlan) -> bool:
        """Say once what this head-end cannot serve: a transport or a profile it does not have."""
        for code in {plan.transport} - self._transports.keys():
            self._say_unknown("transport", code)
            return False
        for code in {meter.profile for meter in plan.meters} - self._catalogue.keys():
            self._say_unknown("profile", code)
        return True

    def _say_unknown(self, kind: str, code: str) -> None:
        if f"{kind} {code}" not in self._unknown:
            self._unknown.add(f"{kind} {code}")
            log.error("%s_unknown code=%s", kind, code)

    # --- leases lost -------------------------------------------------------------------------------------------------

    def _drop(self, gateway_id: int) -> None:
        for line in self._gateways.pop(gateway_id).lines.values():
            self._close(line)

    def _close(self, line: Line) -> None:
        line.close()
        task = self._loop.create_task(line.closed())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _watch(self) -> None:
        """Beside the mailbox loop, because a call that hangs must not keep the lines open."""
        while not self._stopping:
            await asyncio.sleep(WATCH_S)
            if self._gateways and not self._fence.holds(self._loop.time()):
                self._fall_silent()

    def _fall_silent(self) -> None:
        """The lease may belong to somebody else by now: not one more byte, and the links are free for him."""
        log.warning("lease_overdue headend=%s gateways=%d", self._name, len(self._gateways))
        for gateway_id in list(self._gateways):
            self._drop(gateway_id)

    # --- jobs --------------------------------------------------------------------------------------------------------

    async def _claim(self) -> None:
        """Take due jobs for lines that can carry them out; at once again when there may be more."""
        now = self._loop.time()
        if not self._claim_now and now < self._claim_at:
            return
        self._claim_now, self._claim_at = False, now + CLAIM_IDLE_S
        room = min(MAX_CLAIM, MAX_IN_HAND - self._in_hand)
        leases = self._claimable()
        if room <= 0 or not leases:
            return
        claimed = await self._desk(lambda: self._mailbox.claim(headend=self._name, leases=leases, limit=room))
        for job in claimed:
            self._hand_out(job)
        if len(claimed) >= room:
            self._claim_now = True

    def _claimable(self) -> list[Lease]:
        now = self._loop.time()
        leases = []
        for gateway in self._gateways.values():
            if gateway.in_hand >= MAX_IN_HAND_PER_GATEWAY or not gateway.lines:
                continue
            if not any(line.up for line in gateway.lines.values()):
                if gateway.tried_at is not None and now - gateway.tried_at < DOWN_GATEWAY_CLAIM_S:
                    continue
                gateway.tried_at = now
            leases.append(gateway.lease)
        return leases

    def _hand_out(self, claimed: ClaimedJob) -> None:
        gateway = self._gateways.get(claimed.gateway_id)
        line = None if gateway is None else gateway.lines.get(claimed.line_id)
        if gateway is None or line is None or line.epoch != claimed.epoch:
            at = self._clock()
            outcome = Outcome(verdict=Verdict.SILENT, code="not_in_plan")
            self._outbox.report(JobReport(claimed=claimed, outcome=outcome, started_at=at, finished_at=at))
            return
        self._in_hand, gateway.in_hand = self._in_hand + 1, gateway.in_hand + 1
        line.submit(claimed)

    def _settled(self, claimed: ClaimedJob) -> None:
        self._in_hand -= 1
        gateway = self._gateways.get(claimed.gateway_id)
        if gateway is not None and gateway.lease.epoch == claimed.epoch:
            gateway.in_hand = max(0, gateway.in_hand - 1)
            if gateway.in_hand == MAX_IN_HAND_PER_GATEWAY - 1:
                self._claim_now = True

    async def _scans(self) -> None:
        """Say how far scans are, begin new ones, stop those that are to stop."""
        if not self._post.due():
            return
        owned = [gateway.lease for gateway in self._gateways.values() if gateway.lines]
        work = await self._desk(self._post.exchange(self._mailbox, headend=self._name, leases=owned))
        for line in self.lines if work.stop or work.orders else ():
            line.scan(work)

    async def _listen(self) -> None:
        """Hear of new jobs at once; a deaf ear costs `CLAIM_IDLE_S`, not a sale."""
        while not self._stopping:
            try:
                called = await self._ear(lambda: self._mailbox.wait(timeout_s=WAIT_S))
            except Exception:  # noqa: BLE001 process loop: the desk says in the log that the database is away
                await asyncio.sleep(MAILBOX_RETRY_MAX_S)
                continue
            if called:
                self._claim_now = True
                self._waiter.signal()

    # --- results -----------------------------------------------------------------------------------------------------

    async def _send_reports(self) -> None:
        """Reports stay here until they are stored; repeating one changes nothing, its claim is its key."""
        waiting = self._outbox.reports
        reports = waiting[:1] if self._report_failed else list(waiting)
        if not reports:
            return
        try:
            await self._desk(lambda: self._mailbox.report(reports))
        except BaseException:
            # one that the office cannot take must not hold up the others: singly, the failed one last
            self._report_failed = True
            waiting.append(waiting.pop(0))
            raise
        del waiting[: len(reports)]
        self._report_failed = bool(waiting) and self._report_failed

    async def _store(self) -> None:
        now = self._loop.time()
        if now < self._flush_at and len(self._outbox.polls) < FLUSH_ROWS and not self._stopping:
            return
        self._flush_at = now + FLUSH_S
        batch = self._outbox.take()
        if batch is None:
            return
        try:
            await self._desk(lambda: self._mailbox.store(polls=batch.polls, silences=batch.silences, lines=batch.lines))
        except BaseException:
            self._outbox.put_back(batch)
            raise
        self._outbox.stored(self._loop.time() - now)

    async def _leave(self) -> None:
        """Let conversations end, store what they found, give the leases back at once."""
        for line in (lines := self.lines):
            line.finish()
        endings = [self._loop.create_task(line.closed()) for line in lines]
        if endings:
            await asyncio.wait(endings, timeout=STOP_TALKING_S)
        for gateway_id in list(self._gateways):
            self._drop(gateway_id)
        if self._closing:
            await asyncio.wait(self._closing, timeout=1.0)
        try:
            async with asyncio.timeout(STOP_FLUSH_S):
                await self._send_reports()
                while self._outbox.polls or self._outbox.lines or self._outbox.silences:
                    await self._store()
                await self._desk(lambda: self._mailbox.leave(headend=self._name))
        except Exception as fault:  # noqa: BLE001 process end: the leases run out by themselves
            self._mailbox_failed(fault)
