"""What a full read says beside what a reading has columns for: power factor, frequency, what flowed back, forces.

Only the newest of each is kept, for people who look at a meter; nothing is charged or decided by it.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, LiteralString

from prewatt.core.meters.mailbox import PollResult
from prewatt.core.meters.quantities import Quantity

_Q = Quantity
# what readings, clocks and meters have columns for
KEPT_ELSEWHERE: Final = frozenset({
    _Q.METER_NUMBER, _Q.CLOCK, _Q.ENERGY_IMPORT_TOTAL, _Q.ENERGY_IMPORT_SHARP, _Q.ENERGY_IMPORT_PEAK,
    _Q.ENERGY_IMPORT_FLAT, _Q.ENERGY_IMPORT_VALLEY, _Q.POWER_ACTIVE, _Q.VOLTAGE_A, _Q.VOLTAGE_B, _Q.VOLTAGE_C,
    _Q.CURRENT_A, _Q.CURRENT_B, _Q.CURRENT_C, _Q.BALANCE, _Q.PURCHASE_COUNT, _Q.LAST_ORDER_KIND,
    _Q.LAST_ORDER_AMOUNT, _Q.PURCHASED_TOTAL, _Q.USE_PAST_ZERO, _Q.RELAY, _Q.STATUS,
})  # fmt: skip


def others_of(values: Mapping[Quantity, int]) -> dict[str, int]:
    """The part of what was read that has no column."""
    return {quantity.value: value for quantity, value in values.items() if quantity not in KEPT_ELSEWHERE}


def keep(cursor: Any, polls: Sequence[PollResult]) -> None:
    """Of full reads, as far as their leases still stand; what came late does not replace what is newer.

    Args:
        cursor: psycopg's, within the transaction that stores the readings.
    """
    newest: dict[int, tuple[PollResult, str]] = {}
    for poll in polls:
        if poll.full and (said := others_of(poll.values)):
            held = newest.get(poll.circuit_id)
            if held is None or held[0].at < poll.at:
                newest[poll.circuit_id] = (poll, json.dumps(said))
    if newest:
        rows = list(newest.values())
        cursor.execute(_KEEP, [
            [poll.circuit_id for poll, _ in rows], [poll.at for poll, _ in rows], [said for _, said in rows],
            [poll.gateway_id for poll, _ in rows], [poll.epoch for poll, _ in rows],
        ])  # fmt: skip


_KEEP: LiteralString = """
INSERT INTO metering_alsoread AS t (circuit_id, at, said)
SELECT n.circuit_id, n.at, n.said::jsonb
FROM unnest(%s::bigint[], %s::timestamptz[], %s::text[], %s::bigint[], %s::bigint[])
    AS n(circuit_id, at, said, gateway_id, epoch)
JOIN metering_gatewaylease l ON l.gateway_id = n.gateway_id AND l.epoch = n.epoch
ORDER BY n.circuit_id
ON CONFLICT (circuit_id) DO UPDATE SET at = excluded.at, said = t.said || excluded.said WHERE t.at <= excluded.at
"""
