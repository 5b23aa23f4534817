"""Loops that are paid afterwards: the purse of the meter counts on below zero, and nobody is short of anything.

What a meter showed last counts, as on its page: a read of its settings, or what was read back when they were written.
"""

from functools import cache

from prewatt.core.meters import catalogue
from prewatt.core.meters.quantities import Quantity


@cache
def with_modes() -> list[str]:
    """Codes of the shipped profiles whose loops can be paid in advance or afterwards: the parameter `pay_modes`."""
    return [code for code, profile in catalogue().items() if Quantity.PAY_MODE in profile.registers]


def postpaid(supply: str, latest: str, *, permille: str = "0") -> str:
    """SQL, with the parameter `pay_modes`: is a circuit `c` of meter `m` paid afterwards? Asked only of one whose
    balance is at its levels, or above them by no more than `permille`: elsewhere it is false and costs nothing."""
    return f"""CASE WHEN (m.profile = ANY(%(pay_modes)s::text[]) OR strpos(m.profile, '@') > 0)  -- or one's own
        AND {supply}.custody = 'meter'
        AND {latest}.balance * 1000 <= greatest({supply}.alarm_1, 0) * (1000 + {permille})
    THEN coalesce((
        SELECT (j."values"->>'{Quantity.PAY_MODE.value}')::int FROM metering_job j
        WHERE j.circuit_id = c.id AND j.state = 'done' AND j.intent IN ('read_purse', 'write_settings', 'try')
            AND j.verdict IN ('done', 'refused', 'disputed') AND j."values" ? '{Quantity.PAY_MODE.value}'
        ORDER BY j.id DESC LIMIT 1), 0) = 1
    ELSE false END"""
