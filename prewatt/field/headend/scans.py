"""Scans: one question at a time between the polls of a line, and what the office hears of it.

Customers go first: a probe is sent when no command waits and no poll is due. Only on a bus that is never idle it takes
its turn all the same, one in `SCAN_TURN_S`, so that a scan ends.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from prewatt.core.meters import Profile
from prewatt.core.meters.drivers.conversation import Bus as BusFacts
from prewatt.core.meters.mailbox import Lease, LinePlan, Mailbox, ScanOrder, ScanReport, ScanState, ScanWork
from prewatt.core.meters.scanning import Probe, Scan
from prewatt.field.headend.bus import Bus
from prewatt.field.headend.limits import SCAN_DOWN_S, SCAN_LOOK_S, SCAN_SAY_S, SCAN_TURN_S
from prewatt.field.headend.transports import Transport

Say = Callable[[ScanReport], None]


class LineScan:
    """The scan of one line. The line asks for `next` when it has time, then tells `answered` or `unsent`."""

    def __init__(
        self,
        order: ScanOrder,
        line: LinePlan,
        transport: Transport,
        *,
        catalogue: Mapping[str, Profile],
        now: Callable[[], float],
        clock: Callable[[], datetime],
        say: Say,
    ) -> None:
        self.order = order
        self._now, self._clock, self._say = now, clock, say
        facts = BusFacts(transport=transport.framing, baud=line.baud, link_ms=transport.link_ms, transaction=1)
        self._scan = Scan(
            order.plan, bus=facts, profiles=catalogue, known_units={each.unit for each in line.meters},
            known_numbers={each.number[-12:].zfill(12) for each in line.meters},
        )  # fmt: skip
        self._again: Probe | None = None
        self._turn_at = self._said_at = now()
        self._told = 0  # meters the office knows of
        self._down_since: float | None = None
        self.over = False
        self._report(ScanState.RUNNING)

    def insists(self) -> bool:
        """The bus was busy with others for so long that it is our turn before the polls."""
        return self._now() >= self._turn_at

    def next(self) -> Probe | None:
        """The next question; None ends the scan."""
        probe, self._again = self._again or self._scan.next(), None
        if probe is None:
            self.end(ScanState.DONE)
        return probe

    def answered(self) -> None:
        self._down_since = None
        self._turn_at = self._now() + SCAN_TURN_S
        if self._now() - self._said_at >= SCAN_SAY_S:
            self._report(ScanState.RUNNING)

    def unsent(self, probe: Probe) -> None:
        """The link was lost, or not ours, while it was asked: it says nothing about the meter."""
        probe.again()
        self._again = probe

    def line_down(self) -> None:
        """The line could not be opened; after a while there is no sense in waiting."""
        if self._down_since is None:
            self._down_since = self._now()
        elif self._now() - self._down_since > SCAN_DOWN_S:
            self.end(ScanState.FAILED, "line_down")

    def end(self, state: ScanState, code: str = "") -> None:
        if not self.over:
            self.over = True
            self._report(state, code)

    def _report(self, state: ScanState, code: str = "") -> None:
        self._said_at = self._now()
        found = tuple(self._scan.found) if self.over or len(self._scan.found) != self._told else None
        self._told = len(self._scan.found)
        total = self._scan.asked if state is ScanState.DONE else self._scan.total
        self._say(
            ScanReport(
                order=self.order, state=state, at=self._clock(), asked=self._scan.asked, total=total, found=found,
                code=code,
            )
        )  # fmt: skip


class LineScans:
    """The place of a line for its one scan."""

    def __init__(
        self, catalogue: Mapping[str, Profile], now: Callable[[], float], clock: Callable[[], datetime], say: Say
    ) -> None:
        self._catalogue, self._now, self._clock, self._say = catalogue, now, clock, say
        self._scan: LineScan | None = None

    @property
    def running(self) -> bool:
        return self._scan is not None

    def insist(self) -> bool:
        return self._scan is not None and self._scan.insists()

    def follow(self, work: ScanWork, line: LinePlan, transport: Transport, epoch: int) -> None:
        """Begin and end what is meant for this line, under its own lease."""
        for scan_id in work.stop:
            self.end(ScanState.STOPPED, scan_id=scan_id)
        for order in work.orders:
            if order.line_id == line.line_id and order.epoch == epoch:
                self._begin(order, line, transport)

    def _begin(self, order: ScanOrder, line: LinePlan, transport: Transport) -> None:
        """One that ran here ends."""
        self.end(ScanState.STOPPED)
        self._scan = LineScan(
            order, line, transport, catalogue=self._catalogue, now=self._now, clock=self._clock, say=self._say
        )

    def end(self, state: ScanState, *, code: str = "", scan_id: int | None = None) -> None:
        """End the scan that runs here, or (`scan_id`) the one that is meant."""
        if self._scan is not None and scan_id in (None, self._scan.order.scan_id):
            self._scan.end(state, code)
            self._scan = None

    def line_down(self) -> None:
        if self._scan is not None:
            self._scan.line_down()
            self._scan = None if self._scan.over else self._scan

    async def probe(self, bus: Bus, *, may_send: Callable[[float], bool], give_up: Callable[[], bool]) -> None:
        """One question. What it misses says nothing about the health of the line."""
        scan = self._scan
        probe = None if scan is None else scan.next()
        if scan is None or probe is None:
            self._scan = None
            return
        replies, timeouts = bus.replies, bus.timeouts
        await bus.converse(probe, may_send=may_send, give_up=give_up)
        bus.replies, bus.timeouts = replies, timeouts
        if bus.fenced or bus.link is None:
            scan.unsent(probe)
        else:
            scan.answered()


class ScanPost:
    """What was said of scans and is not stored yet, newest per scan; and when to ask the office again."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._reports: dict[int, ScanReport] = {}
        self._look_at = 0.0

    def say(self, report: ScanReport) -> None:
        self._reports[report.order.scan_id] = _merged(self._reports.get(report.order.scan_id), report)

    def due(self) -> bool:
        return self._now() >= self._look_at

    def exchange(self, mailbox: Mailbox, *, headend: str, leases: Sequence[Lease]) -> Callable[[], ScanWork]:
        """The call to make in the mailbox's thread; what it could not store is kept."""
        self._look_at = self._now() + SCAN_LOOK_S
        reports, self._reports = self._reports, {}

        def call() -> ScanWork:
            try:
                return mailbox.scans(headend=headend, leases=leases, reports=list(reports.values()))
            except BaseException:
                for scan_id, older in reports.items():
                    newer = self._reports.get(scan_id)
                    self._reports[scan_id] = older if newer is None else _merged(older, newer)
                raise

        return call


def _merged(older: ScanReport | None, newer: ScanReport) -> ScanReport:
    if older is None or newer.found is not None or older.found is None:
        return newer
    return replace(newer, found=older.found)
