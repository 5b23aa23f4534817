"""What readings say of a meter itself: its counter stands still under load, fell or leapt, its clock is off.

Where the books hold the credit a counter that fell or leapt is told as `reading_held`, with what is billed.
"""

from typing import Final

from prewatt.core.meters.gaps import HOUR_S
from prewatt.core.meters.judging import AHEAD, STILL_WH
from prewatt.office.metering.freezes import CLOCK_OFF_S

STILL_WS: Final = STILL_WH * HOUR_S
AHEAD_S: Final = AHEAD.seconds  # a host whose readings come from the future: one alarm of the site

DUE: Final = f"""
INSERT INTO alarm_due (site_id, kind, circuit_id, hold, balance)
SELECT l.site_id, 'reading_frozen', l.circuit_id, false, NULL::bigint
FROM metering_latest l JOIN estate_circuit c ON c.id = l.circuit_id
JOIN estate_meter m ON m.id = c.meter_id AND m.removed_at IS NULL
WHERE l.still_ws >= {STILL_WS} AND l.still_ws >= {STILL_WS}::bigint * m.ct_ratio
UNION ALL SELECT l.site_id, 'reading_doubted', l.circuit_id, false, NULL
FROM metering_latest l JOIN estate_circuit c ON c.id = l.circuit_id
JOIN estate_meter m ON m.id = c.meter_id AND m.removed_at IS NULL
WHERE l.sure_at < %(held_from)s AND NOT EXISTS (
    SELECT FROM estate_supplypoint s WHERE s.circuit_id = l.circuit_id AND s.custody = 'server'
    AND s.state IN ('opening', 'open', 'closing'))
UNION ALL SELECT m.site_id, 'clock_off', (SELECT min(c.id) FROM estate_circuit c WHERE c.meter_id = m.id), false, NULL
FROM metering_meterclock k JOIN estate_meter m ON m.id = k.meter_id AND m.removed_at IS NULL
WHERE abs(k.ahead_s) > {CLOCK_OFF_S} AND (k.asked_at IS NULL OR k.read_at > k.asked_at + interval '10 min')
UNION ALL SELECT DISTINCT l.site_id, 'clock_off', NULL::bigint, false, NULL::bigint
FROM metering_latest l WHERE l.at > %(at)s + interval '{AHEAD_S} s'
"""
