"""The seam between head-end and office: values and the protocol, no code that does anything.

`office.metering.mailbox` implements `Mailbox` in plain synchronous psycopg; `field.headend` calls
it from at most two threads; `wiring` introduces them. Every write carries the epoch of the lease,
so that a paused head-end that wakes up can change nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

from prewatt.core.meters.jobs import Job, Outcome
from prewatt.core.meters.own import OwnVersion
from prewatt.core.meters.quantities import Quantity
from prewatt.core.meters.scanning import Found, ScanPlan


@dataclass(frozen=True, kw_only=True)
class CircuitPlan:
    """One circuit to poll."""

    circuit_id: int
    index: int
    ratio: int = 1  # CT/PT multiplier applied to energy and power when the meter does not
    server_held: bool = False  # charged by what is read: each status poll brings the total energy


@dataclass(frozen=True, kw_only=True)
class MeterPlan:
    """One meter on a line, as the head-end needs it."""

    meter_id: int
    number: str
    profile: str  # code of the TOML profile
    unit: int  # Modbus unit id
    circuits: tuple[CircuitPlan, ...]


@dataclass(frozen=True, kw_only=True)
class LinePlan:
    """One bus behind a gateway: one conversation at a time."""

    line_id: int
    site_id: int
    transport: str  # "rtu-over-tcp" | "modbus-tcp" | "dial-in" | "acrel-gateway" | "mqtt"
    host: str
    port: int
    baud: int
    meters: tuple[MeterPlan, ...]
    identity: str = ""  # dial-in: what the caller says of itself first, as `core.wire.serialserver.shown` writes it
    heartbeat: str = ""  # dial-in: what a serial server puts between its bytes to say that it lives
    timezone: str = "UTC"  # of the site: what a meter is told that asks for the time
    profiles: tuple[OwnVersion, ...] = ()  # the site's own versions that `meters` name; shipped ones are known
    closes_by_key: bool = False  # the site has a supply that comes back closed at the meter, by its key
    medium: str = ""  # what lies between the gateway and the meters, `core.meters.media.Medium`


@dataclass(frozen=True, kw_only=True)
class Lease:
    """A gateway this head-end owns until `valid_until` (database clock), fenced by `epoch`."""

    gateway_id: int
    epoch: int
    revision: int  # changes when anything below changed; then `plan` is fetched again


@dataclass(frozen=True, kw_only=True)
class ClaimedJob:
    """A command or an on-demand read taken from the mailbox under a lease."""

    job_id: int
    claim: int  # grows with each claim of this job; a report with an older claim is ignored
    gateway_id: int
    epoch: int
    line_id: int
    meter_id: int
    circuit_id: int
    priority: int  # smaller is sooner: 0 credit and relay, 1 read now, 2 settings
    job: Job


@dataclass(frozen=True, kw_only=True)
class JobReport:
    """What came of a claimed job."""

    claimed: ClaimedJob
    outcome: Outcome
    started_at: datetime
    finished_at: datetime


@dataclass(frozen=True, kw_only=True)
class PollResult:
    """One poll of one circuit that was answered. Values in the units of `Quantity`."""

    gateway_id: int
    epoch: int
    site_id: int
    circuit_id: int
    at: datetime
    full: bool  # False: status poll; True: register read
    values: dict[Quantity, int]


@dataclass(frozen=True, kw_only=True)
class MeterSilence:
    """A meter that did not answer, or does again: written on the edge and then at most each minute."""

    gateway_id: int
    epoch: int
    meter_id: int
    at: datetime
    silent: bool
    misses: int


@dataclass(frozen=True, kw_only=True)
class LineHealth:
    """The state of a link, apart from its meters."""

    gateway_id: int
    epoch: int
    line_id: int
    at: datetime
    up: bool
    replies: int  # since the last report
    timeouts: int  # since the last report
    error: str | None = None  # stable code: connect_refused, connect_timeout, closed, silent


# who said the name of a gateway and a wrong key is kept with this, beside the strangers
NOT_PROVED: Final = "caller_not_proved"


@dataclass(frozen=True, kw_only=True)
class Call:
    """Somebody dialled in and said who he is. `detail` is for a person who must decide about a stranger."""

    identity: str
    kind: str  # "acrel-4g" | "acrel-gateway" | "dlt645" | "serial-server" | "acrel-mqtt"
    peer: str  # address he calls from
    detail: str = ""
    fresh: bool = True  # a new connection, not one that is asked about again
    proved: bool = True  # False: he said a gateway's name and a wrong key; he is gone, and people are told


@dataclass(frozen=True, kw_only=True)
class Known:
    """Who a caller is. A stranger (no gateway, not refused) waits until a person decides."""

    identity: str
    gateway_id: int | None
    refused: bool = False
    secret: str = field(default="", repr=False)  # what an Acrel gateway must prove to know; "": another kind
    sealed: bool = True  # and whether what it sends afterwards is ciphered with it
    timezone: str = "UTC"  # of its site: what it is told that asks for the time


@dataclass(frozen=True, kw_only=True)
class ScanOrder:
    """A line that a person wants scanned, taken under a lease."""

    scan_id: int
    gateway_id: int
    epoch: int
    line_id: int
    plan: ScanPlan


class ScanState(StrEnum):
    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class ScanReport:
    """How far a scan is. `found` None: as it was reported last."""

    order: ScanOrder
    state: ScanState
    at: datetime
    asked: int
    total: int
    found: tuple[Found, ...] | None = None
    code: str = ""  # why it failed


@dataclass(frozen=True, kw_only=True)
class ScanWork:
    """What is to do about scans: begin these, stop those."""

    orders: Sequence[ScanOrder] = ()
    stop: Sequence[int] = ()


@dataclass(frozen=True, kw_only=True)
class PollSettings:
    """How often to read."""

    status_s: int = 60
    register_s: int = 1800


class Mailbox(Protocol):
    """All that a head-end asks of the office. Synchronous; each call is one transaction."""

    def join(self, *, headend: str) -> None: ...

    def leave(self, *, headend: str) -> None:
        """Give all leases back at once (clean stop)."""

    def tick(self, *, headend: str, held: Sequence[int] = (), broker: str = "") -> Sequence[Lease]:
        """Heartbeat: renew leases, take a fair share of free ones, give surplus back; what is owned now.

        Gateways that dial in are not shared out: a free one goes to whoever has its connection (`held`), and
        goes back when the connection is lost. `broker`: why its MQTT broker is not reached, a stable code, for people
        to see; "" where it is, or none is named.
        """

    def plan(self, *, gateway_id: int) -> Sequence[LinePlan]: ...

    def poll_settings(self) -> PollSettings: ...

    def claim(self, *, headend: str, leases: Sequence[Lease], limit: int) -> Sequence[ClaimedJob]:
        """Due jobs of owned gateways; at most one per circuit, oldest first within a priority."""

    def report(self, reports: Sequence[JobReport]) -> None:
        """Finish or re-queue jobs and store what was read. Stale epochs and claims change nothing."""

    def store(
        self,
        *,
        polls: Sequence[PollResult],
        silences: Sequence[MeterSilence],
        lines: Sequence[LineHealth],
    ) -> None:
        """Binary COPY of readings, upsert of latest rows, health. Stale epochs are dropped."""

    def scans(self, *, headend: str, leases: Sequence[Lease], reports: Sequence[ScanReport]) -> ScanWork:
        """Keep how far scans are, take new ones of owned gateways, hear which are to stop. Stale epochs are dropped."""

    def called(self, *, headend: str, calls: Sequence[Call]) -> Sequence[Known]:
        """Who these callers are; strangers are written down for people to see."""

    def wait(self, *, timeout_s: float) -> bool:
        """Block until a job may be waiting (LISTEN) or the time is over. Own connection, own thread."""
