"""What readings say of a meter itself: its counter stands still under load, fell or leapt, its clock is off, power
flows though its relay is open.

Where the books hold the credit a counter that fell or leapt is told as `reading_held`, with what is billed.
"""

from typing import Final

from prewatt.core.meters.gaps import HOUR_S
from prewatt.core.meters.judging import AHEAD, STILL_WH
from prewatt.core.meters.model import Group
from prewatt.core.meters.quantities import Quantity
from prewatt.office.estate.profiles import all_profiles
from prewatt.office.metering.freezes import CLOCK_OFF_S

STILL_WS: Final = STILL_WH * HOUR_S
AHEAD_S: Final = AHEAD.seconds  # a host whose readings come from the future: one alarm of the site
OPEN_W: Final = 10  # an open relay lets nothing through; less is the meter's own noise

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
-- power read well after the relay was first seen open: with each status, or (slow) only with the registers
UNION ALL SELECT l.site_id, 'power_while_open', l.circuit_id, false, NULL
FROM metering_latest l JOIN estate_circuit c ON c.id = l.circuit_id
JOIN estate_meter m ON m.id = c.meter_id AND m.removed_at IS NULL
WHERE l.relay = 0 AND abs(l.power_w) > {OPEN_W}::bigint * m.ct_ratio
    AND CASE WHEN m.profile = ANY(%(slow_power)s) THEN l.full_at ELSE l.at END
        > l.relay_at + %(open_s)s * interval '1 s'
"""


def slow_power() -> list[str]:
    """Codes of the profiles that read their power with the registers alone."""
    return [
        code for code, profile in all_profiles().items()
        if (power := profile.registers.get(Quantity.POWER_ACTIVE)) is not None and power.group is not Group.STATUS
    ]  # fmt: skip
