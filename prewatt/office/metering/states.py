"""The state of a circuit: one rule, used by the board, tables, API and export alike."""

from datetime import datetime, timedelta
from enum import StrEnum


class CircuitState(StrEnum):
    NORMAL = "normal"
    ALARM_1 = "alarm_1"
    ALARM_2 = "alarm_2"
    ARREARS = "arrears"
    NOT_OPENED = "not_opened"
    OFFLINE = "offline"


def stale_after(status_poll_s: int) -> timedelta:
    """Offline is: no good frame for three status polls (reference meters, section 10.2), never under 30 s."""
    return timedelta(seconds=max(30, 3 * status_poll_s))


def circuit_state(
    *,
    opened: bool,
    common: bool,
    read_at: datetime | None,
    at: datetime,
    stale: timedelta,
    balance: int | None,
    alarm_1: int,
    alarm_2: int,
    polled: bool = True,
) -> CircuitState:
    """State at instant `at`. Balance and levels in the circuit's credit unit.

    An empty purse is arrears also where overdraft is permitted: the tenant owes it. A common-area
    circuit has no contract and nothing to owe; it is normal or offline. A meter that is never online (not `polled`)
    is never called lost, and what a person read there lately counts as long as a reading does.
    """
    if not opened and not common:
        return CircuitState.NOT_OPENED
    if read_at is None or at - read_at > stale:
        return CircuitState.OFFLINE if polled else CircuitState.NORMAL
    if common or balance is None:
        return CircuitState.NORMAL
    if balance <= 0:
        return CircuitState.ARREARS
    if balance <= alarm_2:
        return CircuitState.ALARM_2
    if balance <= alarm_1:
        return CircuitState.ALARM_1
    return CircuitState.NORMAL
