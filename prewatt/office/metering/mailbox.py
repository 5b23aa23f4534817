"""The mailbox that the head-end works from: plain synchronous psycopg, batched, no ORM.

Implements `core.meters.mailbox.Mailbox`. One connection serves claim, report, store and tick (the
head-end calls them from one thread at a time), a second one waits for notifications. A connection
that broke is made anew at the next call; the head-end keeps what it could not deliver.
"""

import json
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final, LiteralString

import psycopg
from psycopg.rows import dict_row

from prewatt.core.meters import catalogue
from prewatt.core.meters.jobs import Intent, Outcome
from prewatt.core.meters.mailbox import (
    NOT_PROVED,
    Call,
    CircuitPlan,
    ClaimedJob,
    JobReport,
    Known,
    Lease,
    LineHealth,
    LinePlan,
    MeterPlan,
    MeterSilence,
    PollResult,
    PollSettings,
    ScanReport,
    ScanWork,
)
from prewatt.core.meters.own import OwnVersion, load_own, parted
from prewatt.core.meters.quantities import Quantity, StatusBit
from prewatt.core.refusals import Refused
from prewatt.office.metering import others
from prewatt.office.metering.displays import Display, display_of_own, displays_json
from prewatt.office.metering.heartbeats import tell_broker
from prewatt.office.metering.jobs import decode, frame_json, prices_read_json, retold, schedule_read_json
from prewatt.office.metering.scan_post import exchange

LEASE_TTL = timedelta(seconds=6)  # a dead head-end's gateways are served again within 10 s
STATEMENT_TIMEOUT_MS = 10_000  # a store that takes longer is retried, it must not hang the wires
# A head-end that falls asleep within a transaction holds the rows of its gateways: its successor must get them in time
IDLE_IN_TRANSACTION_MS = 4_000
# A host that lost its cable hears nothing more, not even a refusal: without these it would wait for hours
_DEAD_PEER: Final[dict[str, Any]] = {
    "tcp_user_timeout": 8_000, "keepalives_idle": 4, "keepalives_interval": 2, "keepalives_count": 2,
}  # fmt: skip
MAX_STRANGERS_LISTED = 1000  # names; who makes them up must not fill the disk, and nobody reads further
STRANGERS_KEPT = timedelta(days=14)  # not heard of for so long: off the list
CAUSES = [bit.value for bit in StatusBit]
_Q = Quantity
RATES = (_Q.ENERGY_IMPORT_SHARP, _Q.ENERGY_IMPORT_PEAK, _Q.ENERGY_IMPORT_FLAT, _Q.ENERGY_IMPORT_VALLEY)
_COLUMNS: LiteralString = (
    "site_id, circuit_id, gateway_id, epoch, at, full_read, source, energy_wh, power_w, balance, purchase_count,"
    " last_order_kind, last_order_amount, purchased_total, use_past_zero, relay, status, rates_wh, voltage_mv,"
    " current_ma"
)
_TYPES = [
    "int8", "int8", "int8", "int8", "timestamptz", "bool", "int2", "int8", "int4", "int8", "int4",
    "int2", "int8", "int8", "int8", "int2", "int4", "int8[]", "int4[]", "int4[]",
]  # fmt: skip
SOURCE_POLL, SOURCE_COMMAND = 0, 1
_SAYS_CLOCK = (Intent.SET_CLOCK, Intent.READ_PURSE)  # others read it on their way, long before they end

Row = tuple[Any, ...]


def reading_row(
    *, site_id: int, circuit_id: int, gateway_id: int, epoch: int, at: Any, full: bool, source: int,
    values: dict[Quantity, int],
) -> Row:  # fmt: skip
    """One row of `incoming`: what was read, None where the meter said nothing."""
    get = values.get
    rates = [get(q) for q in RATES]
    volts = [v for v in (get(_Q.VOLTAGE_A), get(_Q.VOLTAGE_B), get(_Q.VOLTAGE_C)) if v is not None]
    amps = [v for v in (get(_Q.CURRENT_A), get(_Q.CURRENT_B), get(_Q.CURRENT_C)) if v is not None]
    return (
        site_id, circuit_id, gateway_id, epoch, at, full, source,
        get(_Q.ENERGY_IMPORT_TOTAL), get(_Q.POWER_ACTIVE), get(_Q.BALANCE), get(_Q.PURCHASE_COUNT),
        get(_Q.LAST_ORDER_KIND), get(_Q.LAST_ORDER_AMOUNT), get(_Q.PURCHASED_TOTAL), get(_Q.USE_PAST_ZERO),
        get(_Q.RELAY), get(_Q.STATUS),
        rates if rates[0] is not None else None, volts or None, amps or None,
    )  # fmt: skip


class PostgresMailbox:
    """A `Mailbox` over one PostgreSQL database, given by its conninfo string."""

    def __init__(self, conninfo: str, *, settings: PollSettings) -> None:
        self._conninfo = conninfo
        self._settings = settings
        self._connection: psycopg.Connection[Row] | None = None
        self._listener: psycopg.Connection[Row] | None = None
        self._in_hand: set[tuple[int, int]] = set()  # (job, claim) given out and not reported yet
        self._own_clocks: dict[str, bool] = {}  # own version -> its clock shows the site's wall time
        self._broker_told: str | None = None
        self._own_displays: dict[str, Display] = {}
        self._displays = displays_json({})
        self._claim_in_doubt = False  # the last claim broke off: it may be committed and nobody has its jobs
        self._lock = threading.Lock()

    def _connect(self) -> psycopg.Connection[Row]:
        connection = self._connection
        if connection is None or connection.closed or connection.broken:
            connection = psycopg.connect(
                self._conninfo,
                autocommit=True,
                connect_timeout=3,
                options=f"-c statement_timeout={STATEMENT_TIMEOUT_MS} -c timezone=UTC"
                f" -c idle_in_transaction_session_timeout={IDLE_IN_TRANSACTION_MS}",
                application_name="prewatt-headend",
                **_DEAD_PEER,
            )
            connection.execute("SELECT metering_incoming()")
            self._connection = connection
        return connection

    def join(self, *, headend: str) -> None:
        """Make today's partitions and say that this head-end lives.

        A process that joins has nothing in hand. Where one of its name died, its leases get a new epoch: what
        was claimed under the old one would else be waited for, by a successor who never had it.
        """
        with self._lock, self._connect().transaction():
            connection = self._connect()
            connection.execute("SELECT metering_make_partitions((now() AT TIME ZONE 'UTC')::date, 1, 7)")
            connection.execute("UPDATE metering_gatewaylease SET epoch = epoch + 1 WHERE owner = %s", [headend])
        self.tick(headend=headend)

    def leave(self, *, headend: str) -> None:
        with self._lock, self._connect().transaction():
            connection = self._connect()
            connection.execute(
                "UPDATE metering_gatewaylease SET owner = '', valid_until = clock_timestamp() WHERE owner = %s",
                [headend],
            )
            connection.execute("DELETE FROM metering_heartbeat WHERE part = %s", ["headend:" + headend])

    def tick(self, *, headend: str, held: Sequence[int] = (), broker: str = "") -> Sequence[Lease]:
        with self._lock:
            arguments = [headend, LEASE_TTL, list(held)]
            rows = self._connect().execute("SELECT * FROM metering_tick(%s, %s, %s::bigint[])", arguments).fetchall()
            if broker != self._broker_told:
                tell_broker(self._connect(), headend=headend, code=broker)
                self._broker_told = broker
        return [Lease(gateway_id=gateway, epoch=epoch, revision=revision) for gateway, epoch, revision in rows]

    def called(self, *, headend: str, calls: Sequence[Call]) -> Sequence[Known]:
        columns = [[getattr(call, name) for call in calls] for name in ("identity", "kind", "peer", "detail", "fresh")]
        with self._lock:
            told = [headend, *columns, MAX_STRANGERS_LISTED, STRANGERS_KEPT]
            rows = self._connect().execute(_CALLED, told).fetchall()
            wrong = [call for call in calls if not call.proved]
            if wrong:
                names = [[getattr(call, name) for call in wrong] for name in ("identity", "kind", "peer")]
                self._connect().execute(_NOT_PROVED, [NOT_PROVED, headend, *names])
            return [
                Known(identity=identity, gateway_id=gateway, refused=no, secret=secret, sealed=sealed, timezone=zone)
                for identity, gateway, no, secret, sealed, zone in rows
            ]

    def scans(self, *, headend: str, leases: Sequence[Lease], reports: Sequence[ScanReport]) -> ScanWork:
        with self._lock, self._connect().transaction():
            return exchange(self._connect(), headend, leases, reports)

    def plan(self, *, gateway_id: int) -> Sequence[LinePlan]:
        with self._lock:
            rows = self._connect().execute(_PLAN, [gateway_id]).fetchall()
        lines: dict[int, dict[str, Any]] = {}
        for line_id, site, transport, host, port, baud, identity, heartbeat, zone, by_key, medium, *behind in rows:
            meter_id, number, profile, unit, circuits = behind
            line = lines.setdefault(
                line_id,
                {"line_id": line_id, "site_id": site, "transport": transport, "host": host, "port": port,
                 "baud": baud, "identity": identity, "heartbeat": heartbeat, "timezone": zone, "medium": medium,
                 "closes_by_key": by_key, "meters": []},
            )  # fmt: skip
            if meter_id is not None:
                line["meters"].append(
                    MeterPlan(
                        meter_id=meter_id,
                        number=number,
                        profile=profile,
                        unit=unit,
                        circuits=tuple(
                            CircuitPlan(circuit_id=c, index=i, ratio=r, server_held=s) for c, i, r, s in circuits
                        ),
                    )
                )
        own = self._own_of({each.profile for line in lines.values() for each in line["meters"]})
        return [
            LinePlan(
                **{**line, "meters": tuple(line["meters"])},
                profiles=tuple(own[name] for name in sorted({each.profile for each in line["meters"]} & own.keys())),
            )
            for line in lines.values()
        ]

    def _own_of(self, names: set[str]) -> dict[str, OwnVersion]:
        """The sites' own versions that meters name. Remembered are those whose clocks show local time."""
        wanted = [name for name in sorted(names) if parted(name) is not None]
        if not wanted:
            return {}
        with self._lock:
            rows = self._connect().execute(_OWN, [wanted]).fetchall()
        found = {name: OwnVersion(code=name, text=text) for name, text in rows}
        for name in found.keys() - self._own_clocks.keys():
            self._own_clocks[name] = shows_local_time(found[name])
            if (display := display_of_own(found[name])) is not None:
                self._own_displays[name] = display
                self._displays = displays_json(self._own_displays)
        return found

    def poll_settings(self) -> PollSettings:
        return self._settings

    def claim(self, *, headend: str, leases: Sequence[Lease], limit: int) -> Sequence[ClaimedJob]:
        if not leases:
            return []
        arguments = [headend, [lease.gateway_id for lease in leases], [lease.epoch for lease in leases], limit]
        with self._lock, self._connect().cursor(row_factory=dict_row) as cursor:
            if self._claim_in_doubt:
                jobs, claims = [job for job, _ in self._in_hand], [claim for _, claim in self._in_hand]
                cursor.execute(_NOT_IN_HAND, [arguments[1], arguments[2], headend, jobs, claims])
            self._claim_in_doubt = True
            rows = cursor.execute("SELECT * FROM metering_claim(%s, %s, %s, %s)", arguments).fetchall()
            self._claim_in_doubt = False
            self._in_hand.update((row["id"], row["claim"]) for row in rows)
        return [
            ClaimedJob(
                job_id=row["id"],
                claim=row["claim"],
                gateway_id=row["gateway_id"],
                epoch=row["claimed_epoch"],
                line_id=row["line_id"],
                meter_id=row["meter_id"],
                circuit_id=row["circuit_id"],
                priority=row["priority"],
                job=retold(decode(row["payload"]), ever_sent=row["ever_sent"]),
            )
            for row in rows
        ]

    def report(self, reports: Sequence[JobReport]) -> None:
        with self._lock, self._connect().transaction():
            connection = self._connect()
            kept = []
            for report in reports:
                claimed, outcome = report.claimed, report.outcome
                row = connection.execute(
                    "SELECT metering_report(%s, %s, %s, %s, %s, %s, %s::jsonb, %s)",
                    [claimed.job_id, claimed.claim, claimed.gateway_id, claimed.epoch, outcome.verdict.value,
                     outcome.code, json.dumps({k.value: v for k, v in outcome.values.items()}), outcome.sent],
                ).fetchone()  # fmt: skip
                if row is not None and row[0] and outcome.values and not claimed.job.draft:
                    kept.append(report)  # what a draft takes a register for is no reading
                if row is not None and row[0] and outcome.freezes:
                    connection.execute(_KEEP_FREEZES, _frozen(report))
                if row is not None and row[0] and outcome.frames:
                    said = json.dumps([frame_json(each) for each in outcome.frames])
                    connection.execute(_FRAMES, [said, claimed.job_id])
                if row is not None and row[0] and outcome.schedule is not None:
                    shown = json.dumps(schedule_read_json(outcome.schedule))
                    connection.execute(_SCHEDULE, [shown, claimed.job_id])
                if row is not None and row[0] and outcome.prices is not None:
                    connection.execute(_PRICES, [json.dumps(prices_read_json(outcome.prices)), claimed.job_id])
            if kept:
                sites = self._sites([report.claimed.circuit_id for report in kept])
                self._absorb([_job_row(report, sites[report.claimed.circuit_id], report.outcome) for report in kept])
                timely = [each for each in kept if each.claimed.job.intent in _SAYS_CLOCK]
                self._clocks([(r.claimed.circuit_id, r.finished_at, r.outcome.values, r.claimed) for r in timely])
        self._in_hand.difference_update((report.claimed.job_id, report.claimed.claim) for report in reports)

    def store(
        self, *, polls: Sequence[PollResult], silences: Sequence[MeterSilence], lines: Sequence[LineHealth]
    ) -> None:
        with self._lock, self._connect().transaction():
            if polls:
                self._due_now([(poll.gateway_id, poll.circuit_id) for poll in polls])
                self._absorb([
                    reading_row(
                        site_id=poll.site_id, circuit_id=poll.circuit_id, gateway_id=poll.gateway_id,
                        epoch=poll.epoch, at=poll.at, full=poll.full, source=SOURCE_POLL, values=poll.values,
                    )
                    for poll in polls
                ])  # fmt: skip
                self._clocks([(poll.circuit_id, poll.at, poll.values, poll) for poll in polls])
                others.keep(self._connect(), polls)
            connection = self._connect()
            if silences:
                arguments = [(s.meter_id, s.silent, s.misses, s.at, s.gateway_id, s.epoch) for s in silences]
                connection.cursor().executemany(_SILENCE, arguments)
            if lines:
                connection.cursor().executemany(
                    _LINE,
                    [(h.line_id, h.up, h.error or "", h.at, h.replies, h.timeouts, h.gateway_id, h.epoch)
                     for h in lines],
                )  # fmt: skip

    def wait(self, *, timeout_s: float) -> bool:
        listener = self._listener
        if listener is None or listener.closed or listener.broken:
            listener = psycopg.connect(self._conninfo, autocommit=True, connect_timeout=3, **_DEAD_PEER)
            listener.execute("LISTEN prewatt_jobs")
            self._listener = listener
            return True  # something may have come while nobody listened
        return any(True for _ in listener.notifies(timeout=timeout_s, stop_after=1))

    def close(self) -> None:
        for connection in (self._connection, self._listener):
            if connection is not None:
                connection.close()
        self._connection = self._listener = None

    def _due_now(self, answered: list[tuple[int, int]]) -> None:
        """A meter that was silent answers again: what waits for it is tried at once, whatever its back-off."""
        gateways, circuits = ({each[place] for each in answered} for place in (0, 1))
        self._connect().execute(_DUE_NOW, [list(gateways), list(circuits)])

    def _clocks(
        self, read: Sequence[tuple[int, datetime, Mapping[Quantity, int], PollResult | ClaimedJob]]
    ) -> None:
        """Keep what the clocks of meters showed, as far as the lease still stands."""
        local = [*local_clocks(), *(name for name, shows in self._own_clocks.items() if shows)]
        shown = [
            (local, values[_Q.CLOCK], at, circuit_id, lease.gateway_id, lease.epoch)
            for circuit_id, at, values, lease in read
            if _Q.CLOCK in values
        ]
        if shown:
            self._connect().cursor().executemany(_CLOCK, shown)

    def _sites(self, circuit_ids: list[int]) -> dict[int, int]:
        rows = self._connect().execute("SELECT id, site_id FROM estate_circuit WHERE id = ANY(%s)", [circuit_ids])
        return {int(circuit): int(site) for circuit, site in rows.fetchall()}

    def _absorb(self, rows: list[Row]) -> None:
        """Copy rows and let the database judge them, inside the caller's transaction."""
        connection = self._connect()
        with connection.cursor() as cursor:
            with cursor.copy(f"COPY incoming ({_COLUMNS}) FROM STDIN (FORMAT BINARY)") as copy:
                copy.set_types(_TYPES)
                for row in rows:
                    copy.write_row(row)
            cursor.execute("SELECT metering_absorb(%s::text[], %s::jsonb)", [CAUSES, self._displays])


def _frozen(report: JobReport) -> list[Any]:
    """The arguments of `metering_keep_freezes`."""
    freezes, span = report.outcome.freezes, report.claimed.job.freezes
    rates = [[each.values.get(rate) for rate in RATES] for each in freezes]
    return [
        report.claimed.circuit_id, freezes[0].kind.value, span is not None and span.local,
        [each.shown for each in freezes], [each.values[_Q.ENERGY_IMPORT_TOTAL] for each in freezes],
        json.dumps([each if None not in each else None for each in rates]), report.finished_at,
    ]  # fmt: skip


_KEEP_FREEZES: LiteralString = (
    "SELECT metering_keep_freezes(%s, %s, %s, %s::bigint[], %s::bigint[], %s::jsonb, %s)"
)

_CLOCK: LiteralString = """
INSERT INTO metering_meterclock AS t (meter_id, ahead_s, read_at, actor)
SELECT m.id, v.clock - extract(epoch FROM CASE WHEN m.profile = ANY (v.local)
    THEN (v.at AT TIME ZONE s.timezone) AT TIME ZONE 'UTC' ELSE v.at END)::bigint, v.at, ''
FROM (SELECT %s::text[] AS local, %s::bigint AS clock, %s::timestamptz AS at, %s::bigint AS circuit_id) v
JOIN estate_circuit c ON c.id = v.circuit_id JOIN estate_meter m ON m.id = c.meter_id
JOIN estate_site s ON s.id = m.site_id
WHERE EXISTS (SELECT FROM metering_gatewaylease WHERE gateway_id = %s AND epoch = %s)
ON CONFLICT (meter_id) DO UPDATE SET ahead_s = excluded.ahead_s, read_at = excluded.read_at
"""


@cache
def local_clocks() -> list[str]:
    """Codes of the profiles whose clock shows the site's wall time; the others show UTC."""
    return [code for code, profile in catalogue().items() if profile.clock is not None and profile.clock.local]


def shows_local_time(version: OwnVersion) -> bool:
    try:
        clock = load_own(version).clock
    except Refused:  # of an older release: its meters are not asked
        return False
    return clock is not None and clock.local


_OWN: LiteralString = """
SELECT code || '@' || version, text FROM estate_profileversion WHERE code || '@' || version = ANY (%s::text[])
"""
_SCHEDULE: LiteralString = "UPDATE metering_job SET schedule = %s::jsonb WHERE id = %s"
_PRICES: LiteralString = "UPDATE metering_job SET prices = %s::jsonb WHERE id = %s"
_FRAMES: LiteralString = "UPDATE metering_job SET frames = %s::jsonb WHERE id = %s"


def _job_row(report: JobReport, site_id: int, outcome: Outcome) -> Row:
    claimed = report.claimed
    return reading_row(
        site_id=site_id,
        circuit_id=claimed.circuit_id,
        gateway_id=claimed.gateway_id,
        epoch=claimed.epoch,
        at=report.finished_at,
        full=False,
        source=SOURCE_COMMAND,
        values=dict(outcome.values),
    )


_PLAN: LiteralString = """
SELECT l.id, g.site_id, l.transport, g.host, l.port, l.baud, g.identity, g.heartbeat, s.timezone, s.closes_by_key,
    l.medium, m.id, m.number, m.profile, m.unit,
    (SELECT json_agg(json_build_array(c.id, c.index, m.ct_ratio, EXISTS (
        SELECT FROM estate_supplypoint sp WHERE sp.circuit_id = c.id AND sp.custody = 'server' AND sp.state <> 'closed'
     )) ORDER BY c.index) FROM estate_circuit c WHERE c.meter_id = m.id)
FROM estate_line l JOIN estate_gateway g ON g.id = l.gateway_id JOIN estate_site s ON s.id = g.site_id
LEFT JOIN estate_meter m ON m.line_id = l.id AND m.removed_at IS NULL
    AND EXISTS (SELECT FROM estate_circuit c WHERE c.meter_id = m.id)
WHERE g.id = %s ORDER BY l.id, m.unit
"""

_CALLED: LiteralString = """
SELECT c.identity, c.gateway_id, c.refused, coalesce(g.secret, ''), coalesce(g.sealed, true),
    coalesce(s.timezone, 'UTC')
FROM metering_called(%s, %s::text[], %s::text[], %s::text[], %s::text[], %s::boolean[], %s, %s) c
LEFT JOIN estate_gateway g ON g.id = c.gateway_id LEFT JOIN estate_site s ON s.id = g.site_id
"""

# beside the strangers: the name is a gateway's, so these are never more than there are gateways
_NOT_PROVED: LiteralString = """
INSERT INTO metering_caller (identity, kind, peer, detail, headend, first_at, last_at, calls)
SELECT a.identity, a.kind, a.peer, %s, %s, clock_timestamp(), clock_timestamp(), 1
FROM unnest(%s::text[], %s::text[], %s::text[]) AS a(identity, kind, peer)
JOIN estate_gateway g ON g.identity = a.identity AND g.secret <> ''
ON CONFLICT (identity) DO UPDATE SET detail = excluded.detail, kind = excluded.kind, peer = excluded.peer,
    headend = excluded.headend, last_at = excluded.last_at
"""

_DUE_NOW: LiteralString = """
UPDATE metering_job SET due_at = clock_timestamp()
WHERE gateway_id = ANY (%s) AND circuit_id = ANY (%s) AND state = 'queued' AND due_at > clock_timestamp()
  AND (verdict = 'silent' OR (verdict = 'unknown' AND code = 'write_unanswered'))
"""

# What a claim took that broke off before it could say so: never begun, so it is only put back.
_NOT_IN_HAND: LiteralString = """
UPDATE metering_job j SET state = 'queued'
FROM unnest(%s::bigint[], %s::bigint[]) AS held(gateway_id, epoch)
WHERE j.state = 'claimed' AND j.claimed_by = %s AND j.gateway_id = held.gateway_id AND j.claimed_epoch = held.epoch
  AND (j.id, j.claim) NOT IN (SELECT * FROM unnest(%s::bigint[], %s::bigint[]))
"""

_FENCE: LiteralString = (
    " WHERE EXISTS (SELECT FROM metering_gatewaylease WHERE gateway_id = %s AND epoch = %s)"
)

_SILENCE: LiteralString = (
    """
INSERT INTO metering_meterstate AS t (meter_id, silent, misses, since, at)
SELECT v.meter_id, v.silent, v.misses, v.at, v.at
FROM (SELECT %s::bigint AS meter_id, %s::boolean AS silent, %s::integer AS misses, %s::timestamptz AS at) v"""
    + _FENCE
    + """
ON CONFLICT (meter_id) DO UPDATE SET silent = excluded.silent, misses = excluded.misses, at = excluded.at,
    since = CASE WHEN t.silent = excluded.silent THEN t.since ELSE excluded.at END
"""
)

_LINE: LiteralString = (
    """
WITH v AS (SELECT %s::bigint AS line_id, %s::boolean AS up, %s::text AS error, %s::timestamptz AS at,
                  %s::bigint AS replies, %s::bigint AS timeouts),
edge AS (
    INSERT INTO metering_supplyevent (site_id, line_id, kind, cause, at)
    SELECT g.site_id, v.line_id, CASE WHEN v.up THEN 'line_back' ELSE 'line_lost' END, '', v.at
    FROM v JOIN metering_linestate s ON s.line_id = v.line_id AND s.up <> v.up
    JOIN estate_line l ON l.id = v.line_id JOIN estate_gateway g ON g.id = l.gateway_id
)
INSERT INTO metering_linestate AS t (line_id, up, error, since, at, replies, timeouts, last_reply_at)
SELECT v.line_id, v.up, v.error, v.at, v.at, v.replies, v.timeouts, CASE WHEN v.replies > 0 THEN v.at END
FROM v"""
    + _FENCE
    + """
ON CONFLICT (line_id) DO UPDATE SET up = excluded.up, error = excluded.error, at = excluded.at,
    since = CASE WHEN t.up = excluded.up THEN t.since ELSE excluded.at END,
    replies = t.replies + excluded.replies, timeouts = t.timeouts + excluded.timeouts,
    last_reply_at = coalesce(excluded.last_reply_at, t.last_reply_at)
"""
)
