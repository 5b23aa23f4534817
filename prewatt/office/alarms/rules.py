"""Alarm rules: when an alarm is raised and when it clears. Set-based; alarms never switch anything.

Credit levels exclude each other: a circuit in arrears has the arrears alarm, not the low-credit ones too. A loop that
is paid afterwards has neither.
"""

import tomllib
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.db import connection, transaction

from prewatt.core.meters.quantities import StatusBit
from prewatt.office.alarms import readings, stations
from prewatt.office.metering import pay_modes, wishes

_BIT = {bit: 1 << position for position, bit in enumerate(StatusBit)}


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Thresholds that are not the meter's own."""

    hysteresis_permille: int
    meter_polls: int
    meter_floor_s: int
    line_s: int
    dark_polls: int
    dark_line_s: int
    dark_percent: int
    dark_circuits: int
    dark_grace_s: int
    unmet_s: int
    held_s: int


def shipped() -> Rules:
    """The defaults in `rules.toml`. Raises KeyError or ValueError on a file that lacks or misspells one."""
    data = tomllib.loads((Path(__file__).parent / "rules.toml").read_text(encoding="utf-8"))
    return Rules(
        hysteresis_permille=int(data["credit"]["hysteresis_permille"]),
        meter_polls=int(data["lost"]["meter_polls"]),
        meter_floor_s=int(data["lost"]["meter_floor_s"]),
        line_s=int(data["lost"]["line_s"]),
        dark_polls=int(data["blackout"]["polls"]),
        dark_line_s=int(data["blackout"]["line_s"]),
        dark_percent=int(data["blackout"]["percent"]),
        dark_circuits=int(data["blackout"]["circuits"]),
        dark_grace_s=int(data["blackout"]["grace_s"]),
        unmet_s=int(data["wish"]["unmet_s"]),
        held_s=int(data["reading"]["held_s"]),
    )


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What one run did."""

    raised: int
    cleared: int


def evaluate(*, at: datetime, status_poll_s: int, rules: Rules) -> Changes:
    """Raise what is due and clear what is over, for all sites, in one transaction. Safe to run at any time, twice."""
    stale = timedelta(seconds=max(rules.meter_floor_s, rules.meter_polls * status_poll_s))
    arguments: dict[str, int | datetime | list[str]] = {
        "at": at,
        "stale_from": at - stale,
        "line_from": at - timedelta(seconds=rules.line_s),
        "dark_from": at - timedelta(seconds=rules.dark_polls * status_poll_s),
        "dark_line_from": at - timedelta(seconds=rules.dark_line_s),
        "dark_percent": rules.dark_percent,
        "dark_circuits": rules.dark_circuits,
        "lit_from": at - timedelta(seconds=rules.dark_grace_s + rules.dark_polls * status_poll_s),
        "unmet_from": at - timedelta(seconds=rules.unmet_s),
        "held_from": at - timedelta(seconds=rules.held_s),
        "hysteresis": rules.hysteresis_permille,
        "pay_modes": pay_modes.with_modes(),
        "overload": _BIT[StatusBit.OVERLOAD_TRIP],
        "malicious": _BIT[StatusBit.MALICIOUS_LOAD_TRIP],
        "warning": _BIT[StatusBit.WARNING_TRIP],
        "tamper": _BIT[StatusBit.TAMPER],
        "reverse": _BIT[StatusBit.REVERSE_POWER],
        "voltage": _BIT[StatusBit.VOLTAGE_LIMITS],
        "open_s": max(rules.unmet_s, 2 * status_poll_s),
        "slow_power": readings.slow_power(),
        **wishes.profile_lists(),
    }
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('alarms.evaluate'))")
        cursor.execute(stations.DEAD, arguments)
        cursor.execute(_DUE_TABLE, arguments)
        cursor.execute(readings.DUE, arguments)
        cursor.execute(stations.FOLD, arguments)
        cursor.execute(_CLEAR, arguments)
        cleared = cursor.rowcount
        cursor.execute(_RAISE, arguments)
        raised = cursor.rowcount
        cursor.execute("DROP TABLE alarm_due, alarm_dead_line")
    return Changes(raised=raised, cleared=cleared)


# What should be open now; `hold` rows keep an open alarm open (hysteresis) but raise none.
_DUE_TABLE = f"""
CREATE TEMP TABLE alarm_due ON COMMIT DROP AS
WITH fact AS (
    SELECT c.site_id, c.id AS circuit_id, m.line_id, r.building_id, ls.since AS line_since, l.at AS read_at,
        coalesce(l.status, 0) AS status,
        CASE s.custody WHEN 'server' THEN b.balance_minor ELSE l.balance END AS balance,
        s.alarm_1, s.alarm_2, s.id AS supply_point_id, s.id IS NOT NULL AS opened, c.use,
        coalesce(ls.up, false) AS line_up,
        {wishes.EFFECTIVE} AS wish, w.decided IS NOT NULL AND w.wish = 'automatic' AS server_held,
        {wishes.EFFECTIVE_SINCE} AS wished_at, l.at IS NOT NULL AND {wishes.DIFFERS}
            AND NOT ({wishes.AWAITS_KEY} AND {wishes.EFFECTIVE} <> 'trip') AS differs,
        {pay_modes.postpaid("s", "l", permille="%(hysteresis)s")} AS postpaid
    FROM estate_circuit c
    JOIN estate_meter m ON m.id = c.meter_id AND m.removed_at IS NULL
    LEFT JOIN estate_supplypoint s ON s.circuit_id = c.id AND s.state IN ('open', 'closing')
    LEFT JOIN ledger_runningbalance b ON b.account_id = s.credit_account_id
    LEFT JOIN metering_latest l ON l.site_id = c.site_id AND l.circuit_id = c.id
    LEFT JOIN metering_relaywish w ON w.circuit_id = c.id
    LEFT JOIN metering_linestate ls ON ls.line_id = m.line_id
    LEFT JOIN estate_room r ON r.id = c.room_id
), quiet AS (  -- who would be heard of: silent, by the meter or by its line
    SELECT site_id, building_id, line_id, line_up,
        CASE WHEN line_up THEN read_at < %(dark_from)s ELSE line_since < %(dark_line_from)s END AS silent
    FROM fact WHERE read_at IS NOT NULL AND (opened OR use = 'common')
        AND NOT EXISTS (SELECT FROM alarm_dead_line x WHERE x.line_id = fact.line_id)  -- its station tells
), dark AS (  -- a building of which nearly all is silent at once: a blackout, and not only one line
    SELECT site_id, building_id FROM quiet GROUP BY site_id, building_id
    HAVING count(*) >= %(dark_circuits)s AND count(*) FILTER (WHERE silent) * 100 >= count(*) * %(dark_percent)s
        AND (bool_or(silent AND line_up) OR count(DISTINCT line_id) FILTER (WHERE silent) > 1)
), folded AS (  -- whose silence the blackout tells, also for a while after it: meters come back one by one
    SELECT f.circuit_id, f.line_id, EXISTS (
        SELECT FROM dark d WHERE d.site_id = f.site_id AND d.building_id IS NOT DISTINCT FROM f.building_id)
        OR EXISTS (SELECT FROM alarms_alarm a WHERE a.site_id = f.site_id AND a.kind = 'blackout'
                   AND (a.cleared_at > %(lit_from)s OR a.cleared_at IS NULL  -- it clears in this run
                        AND NOT EXISTS (SELECT FROM dark d WHERE d.site_id = f.site_id))) AS hold
    FROM fact f
), credit AS (
    SELECT *, CASE WHEN balance <= 0 THEN 3 WHEN balance <= alarm_2 THEN 2 WHEN balance <= alarm_1 THEN 1 ELSE 0 END
        AS level FROM fact WHERE opened AND balance IS NOT NULL AND line_id IS NOT NULL  -- read by hand, it was so once
        AND NOT postpaid
)
SELECT site_id, 'arrears' AS kind, circuit_id, NULL::bigint AS line_id, false AS hold, balance
    FROM credit WHERE level = 3
UNION ALL SELECT site_id, 'low_credit_2', circuit_id, NULL, level <> 2, balance FROM credit
    WHERE level = 2 OR (level < 2 AND balance * 1000 <= alarm_2 * (1000 + %(hysteresis)s))
UNION ALL SELECT site_id, 'low_credit_1', circuit_id, NULL, level <> 1, balance FROM credit
    WHERE level = 1 OR (level < 1 AND balance * 1000 <= alarm_1 * (1000 + %(hysteresis)s))
UNION ALL SELECT site_id, 'overload', circuit_id, NULL, false, balance FROM fact WHERE status & %(overload)s <> 0
UNION ALL SELECT site_id, 'malicious_load', circuit_id, NULL, false, balance FROM fact WHERE status & %(malicious)s <> 0
UNION ALL SELECT site_id, 'warning_trip', circuit_id, NULL, false, balance FROM fact WHERE status & %(warning)s <> 0
UNION ALL SELECT site_id, 'tamper', circuit_id, NULL, false, balance FROM fact WHERE status & %(tamper)s <> 0
UNION ALL SELECT site_id, 'reverse_power', circuit_id, NULL, false, balance FROM fact WHERE status & %(reverse)s <> 0
UNION ALL SELECT site_id, 'voltage_limits', circuit_id, NULL, false, balance FROM fact WHERE status & %(voltage)s <> 0
UNION ALL SELECT site_id, 'meter_lost', circuit_id, NULL, o.hold, balance
    FROM fact JOIN folded o USING (circuit_id)
    WHERE read_at < %(stale_from)s AND line_up AND (opened OR use = 'common')
UNION ALL SELECT site_id, 'wish_unmet', circuit_id, NULL, false, balance FROM fact
    WHERE differs AND wished_at < %(unmet_from)s AND read_at > wished_at AND NOT (server_held AND wish = 'keep_on')
-- paid and still dark: also where the meter is silent, and was seen open before the money came
UNION ALL SELECT site_id, 'late_restore', circuit_id, NULL, false, balance FROM fact
    WHERE differs AND wished_at < %(unmet_from)s AND server_held AND wish = 'keep_on'
UNION ALL SELECT f.site_id, 'reading_held', f.circuit_id, NULL, false, f.balance
    FROM fact f JOIN billing_progress p ON p.supply_point_id = f.supply_point_id
    WHERE p.held <> '' AND p.charged_at < %(held_from)s
UNION ALL SELECT DISTINCT site_id, 'blackout', NULL::bigint, NULL::bigint, false, NULL::bigint FROM dark
UNION ALL SELECT g.site_id, 'line_lost', NULL, ls.line_id,
    coalesce((SELECT bool_and(o.hold) FROM folded o WHERE o.line_id = ls.line_id), false), NULL
    FROM metering_linestate ls
    JOIN estate_line el ON el.id = ls.line_id JOIN estate_gateway g ON g.id = el.gateway_id
    WHERE NOT ls.up AND ls.since < %(line_from)s
UNION ALL SELECT d.site_id, 'disputed', d.circuit_id, NULL, false, NULL FROM vending_delivery d
    WHERE d.state = 'disputed'
-- since a restore the meter does not agree with the books; a delivery of it may be disputed too
UNION ALL SELECT r.site_id, 'disputed', r.circuit_id, NULL, false, NULL FROM vending_recount r
    WHERE r.state = 'disputed'
    AND NOT EXISTS (SELECT FROM vending_delivery d WHERE d.circuit_id = r.circuit_id AND d.state = 'disputed')
-- the newest set that a meter was told: what was read back was neither the old one nor the new, and none was told since
UNION ALL SELECT DISTINCT j.site_id, 'set_disputed', j.circuit_id, NULL::bigint, false, NULL::bigint FROM metering_job j
    WHERE j.intent IN ('write_prices', 'write_schedule') AND j.verdict = 'disputed' AND j.id IN (
        (SELECT w.job_id FROM metering_wantedprices w WHERE w.meter_id = j.meter_id ORDER BY w.id DESC LIMIT 1),
        (SELECT w.job_id FROM metering_wantedschedule w WHERE w.meter_id = j.meter_id ORDER BY w.id DESC LIMIT 1))
    AND EXISTS (SELECT FROM estate_meter m WHERE m.id = j.meter_id AND m.removed_at IS NULL)
UNION ALL SELECT s.id, 'backup_failed', NULL, NULL, false, NULL FROM estate_site s
    WHERE EXISTS (SELECT FROM metering_heartbeat h WHERE h.part = 'backup' AND h.detail->>'failed' <> '')
"""

_CLEAR = """
UPDATE alarms_alarm a SET cleared_at = %(at)s
WHERE a.cleared_at IS NULL AND NOT EXISTS (
    SELECT FROM alarm_due d WHERE d.site_id = a.site_id AND d.kind = a.kind
    AND d.circuit_id IS NOT DISTINCT FROM a.circuit_id AND d.line_id IS NOT DISTINCT FROM a.line_id
    AND d.station_id IS NOT DISTINCT FROM a.station_id)
"""

_RAISE = """
INSERT INTO alarms_alarm (site_id, kind, circuit_id, line_id, station_id, raised_at, seen_by, "values")
SELECT site_id, kind, circuit_id, line_id, station_id, %(at)s, '',
    jsonb_strip_nulls(jsonb_build_object('balance', balance))
FROM alarm_due WHERE NOT hold ON CONFLICT DO NOTHING
"""
