"""Scans in the office: asked for, begun by whoever has the lease, reported, stopped, broken off."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from prewatt.core.meters.identify import Proposal, Why
from prewatt.core.meters.jobs import Frame
from prewatt.core.meters.mailbox import Lease, PollSettings, ScanOrder, ScanReport, ScanState
from prewatt.core.meters.model import Protocol
from prewatt.core.meters.scanning import Found
from prewatt.core.refusals import Refused
from prewatt.office.estate.models import Line
from prewatt.office.metering import scans
from prewatt.office.metering.mailbox import PostgresMailbox
from prewatt.office.metering.models import LineScan
from prewatt.office.staff.audit import trail_of
from tests.cast import Cast, assemble
from tests.office.metering.test_mailbox import conninfo, expire_leases

pytestmark = pytest.mark.django_db(transaction=True)
AT = datetime.now(UTC).replace(microsecond=0)
BY = "operator:1"
BOTH = (Protocol.MODBUS, Protocol.DLT645)
FRAME = Frame(function=3, address=0, count=1, sent=b"\x09\x03", received=b"\x09\x03\x02", words=b"\x00\x01")
FOUND = Found(
    protocol=Protocol.MODBUS, address="9", baud=9600, frames=(FRAME,),
    proposals=(Proposal(codes=("a", "b"), permille=901, why=(Why.VOLTAGE,), number="202500000009", assumed=True),),
)  # fmt: skip


@pytest.fixture
def cast() -> Cast:
    return assemble()


@pytest.fixture
def line(cast: Cast) -> Line:
    return Line.objects.select_related("gateway").order_by("pk")[0]


@pytest.fixture
def mailboxes() -> Iterator[list[PostgresMailbox]]:
    made = [PostgresMailbox(conninfo(), settings=PollSettings()) for _ in range(2)]
    yield made
    for each in made:
        each.close()


def begin(line: Line, **more: object) -> LineScan:
    told = {"protocols": BOTH, "actor": BY, "at": datetime.now(UTC), **more}
    return scans.begin(line, **told)  # type: ignore[arg-type]


def code_of(line: Line, **more: object) -> str:
    with pytest.raises(Refused) as refused:
        begin(line, **more)
    return refused.value.code


def taken(mailbox: PostgresMailbox, name: str, *reports: ScanReport) -> tuple[Sequence[ScanOrder], Sequence[int]]:
    leases: Sequence[Lease] = mailbox.tick(headend=name)
    work = mailbox.scans(headend=name, leases=leases, reports=reports)
    return list(work.orders), list(work.stop)


def report(order: ScanOrder, **more: object) -> ScanReport:
    told = {"state": ScanState.RUNNING, "at": AT, "asked": 5, "total": 249, **more}
    return ScanReport(order=order, **told)  # type: ignore[arg-type]


def test_a_scan_is_begun_once_reported_and_ends_with_what_was_found(
    line: Line, mailboxes: list[PostgresMailbox]
) -> None:
    scan, one = begin(line), mailboxes[0]
    ((order,), _) = taken(one, "one")
    assert (order.line_id, order.plan.bauds, order.plan.protocols) == (line.pk, (line.baud,), BOTH)
    assert taken(one, "one") == ([], [])
    taken(one, "one", report(order, found=(FOUND,)))
    scan.refresh_from_db()
    assert (scan.state, scan.asked, scan.total, len(scan.found)) == ("running", 5, 249, 1)
    taken(one, "one", report(order, asked=9), report(order, asked=249, state=ScanState.DONE))
    scan.refresh_from_db()
    assert scan.state == "done" and scan.finished_at is not None and scan.asked == 249
    (answered,) = scans.found_of(scan.found)
    assert answered.frames == (FRAME,) and answered.proposals[0].codes == ("a", "b")
    assert answered.proposals[0].why == (Why.VOLTAGE,)
    assert [each.action for each in trail_of("line", str(line.pk))][-1] == "metering.scan_begin"


def test_only_who_has_the_lease_says_how_far_a_scan_is(line: Line, mailboxes: list[PostgresMailbox]) -> None:
    scan = begin(line)
    one, two = mailboxes
    ((order,), _) = taken(one, "one")
    taken(one, "one", report(replace(order, epoch=order.epoch + 7), state=ScanState.DONE))
    scan.refresh_from_db()
    assert scan.state == "running"
    expire_leases()
    assert taken(two, "two")[0] == []  # broken off, not begun anew: its questions may have been at work
    scan.refresh_from_db()
    assert (scan.state, scan.code) == ("failed", "scan_interrupted")
    taken(one, "one", report(order, state=ScanState.DONE))
    scan.refresh_from_db()
    assert scan.state == "failed"


def test_one_that_runs_is_told_to_stop_and_one_that_waits_is_over_at_once(
    line: Line, mailboxes: list[PostgresMailbox]
) -> None:
    waiting = begin(line)
    scans.stop(waiting, actor=BY, at=AT)
    waiting.refresh_from_db()
    assert waiting.state == "stopped"
    running = begin(line)
    ((order,), _) = taken(mailboxes[0], "one")
    scans.stop(running, actor=BY, at=AT)
    assert taken(mailboxes[0], "one")[1] == [running.pk]
    taken(mailboxes[0], "one", report(order, state=ScanState.STOPPED))
    assert taken(mailboxes[0], "one")[1] == []
    with pytest.raises(Refused) as refused:
        scans.stop(running, actor=BY, at=AT)
    assert refused.value.code == "scan_over"


def test_what_nobody_begins_within_ten_minutes_has_failed(line: Line, mailboxes: list[PostgresMailbox]) -> None:
    scan = begin(line, at=datetime.now(UTC) - timedelta(minutes=11))
    assert taken(mailboxes[0], "one")[0] == []
    scan.refresh_from_db()
    assert (scan.state, scan.code) == ("failed", "scan_not_begun")


def test_what_cannot_be_scanned_is_refused(line: Line) -> None:
    assert code_of(line, protocols=()) == "scan_nothing_chosen"
    assert code_of(line, first=0) == "scan_range"
    assert code_of(line, first=9, last=8) == "scan_range"
    assert code_of(line, last=248) == "scan_range"
    assert code_of(line, bauds=(1200,)) == "scan_speed_fixed"
    begin(line)
    assert code_of(line) == "scan_running"
    assert LineScan.objects.count() == 1
    line.transport = "modbus-tcp"
    assert code_of(line) == "scan_transparent"
    line.medium = "plc"
    assert code_of(line) == "scan_concentrator"


def test_the_last_twenty_scans_of_a_line_are_kept(line: Line) -> None:
    for _ in range(scans.KEPT + 3):
        scans.stop(begin(line), actor=BY, at=AT)
    assert LineScan.objects.filter(line=line).count() == scans.KEPT
