"""An office in memory: the `Mailbox` with leases, epochs, claims and a switch for the database."""

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar

from prewatt.core.meters.jobs import Intent, Job, Outcome, Verdict
from prewatt.core.meters.mailbox import (
    Call,
    ClaimedJob,
    JobReport,
    Known,
    Lease,
    LineHealth,
    LinePlan,
    MeterSilence,
    PollResult,
    PollSettings,
    ScanOrder,
    ScanReport,
    ScanWork,
)

T = TypeVar("T")
LEASE_S = 10.0
RETRY_S = 5.0
SETTLED = (Verdict.DONE, Verdict.REFUSED, Verdict.DISPUTED)
REACHED = ("rtu-over-tcp", "modbus-tcp")  # a gateway behind these is called by us, whatever its modem is named


class DatabaseAway(Exception):
    """Stands for whatever the database driver raises."""


@dataclass
class GatewayRow:
    plans: list[LinePlan]
    revision: int = 1
    epoch: int = 0
    owner: str | None = None
    valid_until: float = 0.0

    @property
    def dials_in(self) -> bool:
        return any(plan.identity and plan.transport not in REACHED for plan in self.plans)


@dataclass
class JobRow:
    job_id: int
    gateway_id: int
    line_id: int
    meter_id: int
    circuit_id: int
    job: Job
    priority: int
    due_at: float
    claim: int = 0
    claimed_until: float = 0.0
    claim_epoch: int = 0
    settled: Outcome | None = None
    settled_at: float | None = None
    outcomes: list[Outcome] = field(default_factory=list)


def _told(row: JobRow) -> Job:
    """As the mailbox gives it out: a token that may have reached its meter before is asked for first."""
    sent = any(each.sent for each in row.outcomes) or row.claim > len(row.outcomes) + 1
    return replace(row.job, again=sent) if row.job.intent is Intent.ENTER_TOKEN else row.job


class Office:
    """`now` is any steady clock in seconds; all rules are those of `prewatt.core.meters.mailbox`."""

    def __init__(self, now: Callable[[], float], settings: PollSettings | None = None) -> None:
        self.now = now
        self.settings = settings or PollSettings()
        self.gateways: dict[int, GatewayRow] = {}
        self.jobs: dict[int, JobRow] = {}
        self.polls: list[PollResult] = []
        self.silences: list[MeterSilence] = []
        self.lines: list[LineHealth] = []
        self.reports: list[JobReport] = []
        self.calls: list[Call] = []
        self.refused: set[str] = set()
        self.scan_orders: list[ScanOrder] = []
        self.scan_reports: list[ScanReport] = []
        self.scan_stops: set[int] = set()
        self.secrets: dict[str, str] = {}  # by identity, of gateways that must prove who they are
        self.stale = 0  # reports and results dropped by epoch or claim
        self.away = False
        self.retry_s = RETRY_S
        self.alive: dict[str, float] = {}
        self.left: list[str] = []
        self._called = False

    # --- what a test does --------------------------------------------------------------------------------------------

    def add(self, gateway_id: int, *plans: LinePlan) -> None:
        self.gateways[gateway_id] = GatewayRow(list(plans))

    def change(self, gateway_id: int, *plans: LinePlan) -> None:
        row = self.gateways[gateway_id]
        row.plans, row.revision = list(plans), row.revision + 1

    def ask(self, plan: LinePlan, job: Job, *, meter: int = 0, priority: int = 0) -> JobRow:
        """Store a job for a meter (by position in the plan) of a line."""
        target = plan.meters[meter]
        circuit = next(item for item in target.circuits if item.index == job.circuit_index)
        gateway_id = next(
            key for key, row in self.gateways.items() if any(p.line_id == plan.line_id for p in row.plans)
        )
        row = JobRow(
            len(self.jobs) + 1,
            gateway_id,
            plan.line_id,
            target.meter_id,
            circuit.circuit_id,
            job,
            priority,
            self.now(),
        )
        self.jobs[row.job_id] = row
        self._called = True
        return row

    # --- the mailbox -------------------------------------------------------------------------------------------------

    def _reached(self) -> None:
        if self.away:
            raise DatabaseAway

    def join(self, *, headend: str) -> None:
        self._reached()
        self.alive[headend] = self.now()

    def leave(self, *, headend: str) -> None:
        self._reached()
        self.alive.pop(headend, None)
        self.left.append(headend)
        for row in self.gateways.values():
            if row.owner == headend:
                row.owner = None

    def called(self, *, headend: str, calls: Sequence[Call]) -> Sequence[Known]:
        self._reached()
        self.calls += calls
        names = {plan.identity: key for key, row in self.gateways.items() for plan in row.plans if plan.identity}
        return [
            Known(
                identity=call.identity, gateway_id=names.get(call.identity), refused=call.identity in self.refused,
                secret=self.secrets.get(call.identity, ""), timezone="Asia/Shanghai",
            )  # fmt: skip
            for call in calls
        ]

    def _hold(self, headend: str, held: Sequence[int], now: float) -> None:
        """Gateways that dial in go with their connection."""
        for key, row in self.gateways.items():
            if not row.dials_in:
                continue
            if row.owner == headend and key not in held:
                row.owner = None
            elif row.owner == headend:
                row.valid_until = now + LEASE_S
            elif key in held and (row.owner is None or row.valid_until <= now):
                row.owner, row.epoch, row.valid_until = headend, row.epoch + 1, now + LEASE_S

    def tick(self, *, headend: str, held: Sequence[int] = (), broker: str = "") -> Sequence[Lease]:
        self._reached()
        now = self.now()
        self.alive[headend] = now
        heads = sum(1 for seen in self.alive.values() if now - seen < LEASE_S)
        shared = [row for row in self.gateways.values() if not row.dials_in]
        share = math.ceil(len(shared) / heads)
        owned = [row for row in shared if row.owner == headend and row.valid_until > now]
        for row in owned[share:]:
            row.owner = None
        for row in owned[:share]:
            row.valid_until = now + LEASE_S
        self._hold(headend, held, now)
        room = share - len(owned)
        for row in shared:
            if room > 0 and row not in owned and (row.owner is None or row.valid_until <= now):
                row.owner, row.epoch, row.valid_until, room = headend, row.epoch + 1, now + LEASE_S, room - 1
        return [
            Lease(gateway_id=key, epoch=row.epoch, revision=row.revision)
            for key, row in self.gateways.items()
            if row.owner == headend
        ]

    def plan(self, *, gateway_id: int) -> Sequence[LinePlan]:
        self._reached()
        return list(self.gateways[gateway_id].plans)

    def poll_settings(self) -> PollSettings:
        self._reached()
        return self.settings

    def claim(self, *, headend: str, leases: Sequence[Lease], limit: int) -> Sequence[ClaimedJob]:
        self._reached()
        now = self.now()
        epochs = {lease.gateway_id: lease.epoch for lease in leases}
        due = [
            row
            for row in self.jobs.values()
            if row.settled is None
            and row.due_at <= now
            and (row.claimed_until <= now or row.claim_epoch != self.gateways[row.gateway_id].epoch)
            and row.gateway_id in epochs
            and self.gateways[row.gateway_id].owner == headend
        ]
        claimed: dict[int, ClaimedJob] = {}
        for row in sorted(due, key=lambda item: (item.priority, item.due_at, item.job_id)):
            if row.circuit_id in claimed or len(claimed) >= limit:
                continue
            row.claim += 1
            row.claimed_until, row.claim_epoch = now + 60.0, epochs[row.gateway_id]
            claimed[row.circuit_id] = ClaimedJob(
                job_id=row.job_id,
                claim=row.claim,
                gateway_id=row.gateway_id,
                epoch=epochs[row.gateway_id],
                line_id=row.line_id,
                meter_id=row.meter_id,
                circuit_id=row.circuit_id,
                priority=row.priority,
                job=_told(row),
            )
        return list(claimed.values())

    def _fresh(self, gateway_id: int, epoch: int) -> bool:
        fresh = self.gateways[gateway_id].epoch == epoch
        self.stale += not fresh
        return fresh

    def report(self, reports: Sequence[JobReport]) -> None:
        self._reached()
        for report in reports:
            self.reports.append(report)
            row = self.jobs[report.claimed.job_id]
            if not self._fresh(report.claimed.gateway_id, report.claimed.epoch):
                continue
            if report.claimed.claim != row.claim or row.settled is not None:
                self.stale += 1
                continue
            row.outcomes.append(report.outcome)
            row.claimed_until = 0.0
            if report.outcome.verdict in SETTLED:
                row.settled, row.settled_at = report.outcome, self.now()
            else:
                row.due_at = self.now() + self.retry_s

    def store(
        self, *, polls: Sequence[PollResult], silences: Sequence[MeterSilence], lines: Sequence[LineHealth]
    ) -> None:
        self._reached()
        self.polls += [item for item in polls if self._fresh(item.gateway_id, item.epoch)]
        self.silences += [item for item in silences if self._fresh(item.gateway_id, item.epoch)]
        self.lines += [item for item in lines if self._fresh(item.gateway_id, item.epoch)]

    def scans(self, *, headend: str, leases: Sequence[Lease], reports: Sequence[ScanReport]) -> ScanWork:
        self._reached()
        self.scan_reports += [each for each in reports if self._fresh(each.order.gateway_id, each.order.epoch)]
        owned = {lease.gateway_id: lease.epoch for lease in leases}
        mine = [each for each in self.scan_orders if each.gateway_id in owned]
        self.scan_orders = [each for each in self.scan_orders if each not in mine]
        return ScanWork(
            orders=[replace(each, epoch=owned[each.gateway_id]) for each in mine], stop=sorted(self.scan_stops)
        )

    def wait(self, *, timeout_s: float) -> bool:
        """Does not block: the test's ear waits under its own clock."""
        self._reached()
        called, self._called = self._called, False
        return called


async def in_place(function: Callable[[], T]) -> T:
    """The desk's thread under a virtual clock."""
    await asyncio.sleep(0)
    return function()


async def short_of_hearing(function: Callable[[], T]) -> T:
    """The ear's thread under a virtual clock: hears within 100 ms."""
    await asyncio.sleep(0.1)
    return function()


def moved(plan: LinePlan, **changes: object) -> LinePlan:
    """The same line with other settings."""
    return replace(plan, **changes)  # type: ignore[arg-type]


def at_of(results: Sequence[PollResult], circuit_id: int, *, full: bool = False) -> list[datetime]:
    """When a circuit was read."""
    return [item.at for item in results if item.circuit_id == circuit_id and item.full is full]
