"""What a simulated meter reckons of itself: days its credit lasts, and how its warnings and its load watch are set."""

from typing import Final

from prewatt.core.meters.quantities import Quantity
from prewatt.field.simulator.circuit import CircuitState

DAYS: Final = 7  # of its day freezes that it looks back on
UNKNOWN: Final = 0xFFFF


def reckoned(state: CircuitState) -> dict[Quantity, int]:
    """Values in the units of `Quantity`; `UNKNOWN` days where nothing was used lately."""
    return {
        Quantity.DAYS_LEFT: _days_left(state),
        Quantity.MALICIOUS_SWITCH: int(not state.malicious_off),
        Quantity.MALICIOUS_STEP: state.malicious_step_w,
        Quantity.ALARM_TRIPS_1: int(state.warning_trip_1),
        Quantity.ALARM_TRIPS_2: int(state.warning_trip),
        Quantity.PAY_MODE: int(state.postpaid),
    }


def _days_left(state: CircuitState) -> int:
    """By what the last days took: energy, or money by the balance where it drains money."""
    days = state.day_freezes[-DAYS - 1 :]
    if not state.purse or len(days) < 2:
        return UNKNOWN
    used = (days[-1][1] - days[0][1]) if state.wallet_exponent < 0 else max(0, days[0][2] - days[-1][2])
    return min(UNKNOWN - 1, max(0, state.balance_wh) * (len(days) - 1) // used) if used > 0 else UNKNOWN
