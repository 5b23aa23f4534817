"""The head-end's side of scans: plain psycopg inside the mailbox's transaction. Only the database's clock counts."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, LiteralString

import psycopg

from prewatt.core.meters.mailbox import Lease, ScanOrder, ScanReport, ScanState, ScanWork
from prewatt.core.meters.model import Protocol
from prewatt.core.meters.scanning import Found, ScanPlan
from prewatt.office.metering.jobs import frame_json


def plan_of(stored: Mapping[str, Any]) -> ScanPlan:
    """The plan in a row."""
    return ScanPlan(
        protocols=tuple(Protocol(each) for each in stored["protocols"]), first=stored["first"], last=stored["last"],
        bauds=tuple(stored["bauds"]),
    )  # fmt: skip


def found_json(found: Found) -> dict[str, Any]:
    """Somebody who answered as JSON."""
    return {
        "protocol": found.protocol.value, "address": found.address, "baud": found.baud, "garbled": found.garbled,
        "proposals": [
            {"codes": list(each.codes), "permille": each.permille, "why": [why.value for why in each.why],
             "number": each.number, "assumed": each.assumed}
            for each in found.proposals
        ],
        "frames": [frame_json(each) for each in found.frames],
    }  # fmt: skip


def exchange(
    connection: "psycopg.Connection[tuple[Any, ...]]", headend: str, leases: Sequence[Lease],
    reports: Sequence[ScanReport],
) -> ScanWork:  # fmt: skip
    """Keep reports of leases that stand, begin what waits, name what is to stop."""
    for report in reports:
        found = None if report.found is None else json.dumps([found_json(each) for each in report.found])
        order = report.order
        connection.execute(
            _REPORT,
            [report.state.value, report.code, report.asked, report.total, found,
             report.state is ScanState.RUNNING, order.scan_id, order.epoch, order.gateway_id, order.epoch],
        )  # fmt: skip
    if not leases:
        return ScanWork()
    arguments = [[lease.gateway_id for lease in leases], [lease.epoch for lease in leases], headend]
    if not connection.execute(_OPEN, arguments[:1]).fetchone():
        return ScanWork()
    connection.execute(_INTERRUPTED, arguments)
    begun = connection.execute(_BEGIN, arguments).fetchall()
    stop = connection.execute(_STOP, arguments[:2]).fetchall()
    return ScanWork(
        orders=[
            ScanOrder(scan_id=scan, gateway_id=gateway, epoch=epoch, line_id=line, plan=plan_of(plan))
            for scan, gateway, epoch, line, plan in begun
        ],
        stop=[scan for (scan,) in stop],
    )


_REPORT: LiteralString = """
UPDATE metering_linescan SET state = %s, code = %s, asked = %s, total = %s, found = coalesce(%s::jsonb, found),
    said_at = clock_timestamp(), finished_at = CASE WHEN %s THEN NULL ELSE clock_timestamp() END
WHERE id = %s AND state = 'running' AND epoch = %s
  AND EXISTS (SELECT FROM metering_gatewaylease WHERE gateway_id = %s AND epoch = %s)
"""

_OPEN: LiteralString = """
SELECT 1 FROM metering_linescan WHERE state IN ('waiting', 'running') AND gateway_id = ANY (%s::bigint[]) LIMIT 1
"""

# Whose head-end went, who was not heard of for five minutes, and what nobody began within ten.
_INTERRUPTED: LiteralString = """
UPDATE metering_linescan s SET state = 'failed', finished_at = clock_timestamp(),
    code = CASE WHEN s.state = 'running' THEN 'scan_interrupted' ELSE 'scan_not_begun' END
FROM unnest(%s::bigint[], %s::bigint[]) AS held(gateway_id, epoch)
JOIN metering_gatewaylease l ON l.gateway_id = held.gateway_id AND l.epoch = held.epoch AND l.owner = %s
WHERE s.gateway_id = held.gateway_id
  AND ((s.state = 'running' AND (s.epoch <> held.epoch OR s.said_at < clock_timestamp() - interval '5 minutes'))
       OR (s.state = 'waiting' AND s.created_at < clock_timestamp() - interval '10 minutes'))
"""

_BEGIN: LiteralString = """
UPDATE metering_linescan s SET state = 'running', epoch = held.epoch, begun_at = clock_timestamp(),
    said_at = clock_timestamp()
FROM unnest(%s::bigint[], %s::bigint[]) AS held(gateway_id, epoch)
JOIN metering_gatewaylease l ON l.gateway_id = held.gateway_id AND l.epoch = held.epoch AND l.owner = %s
    AND l.valid_until > clock_timestamp()
WHERE s.gateway_id = held.gateway_id AND s.state = 'waiting'
RETURNING s.id, s.gateway_id, s.epoch, s.line_id, s.plan
"""

_STOP: LiteralString = """
SELECT s.id FROM metering_linescan s
JOIN unnest(%s::bigint[], %s::bigint[]) AS held(gateway_id, epoch) ON held.gateway_id = s.gateway_id
WHERE s.state = 'running' AND s.stop_asked
"""
