"""Names of bits: error words, status words, relay commands (DL/T 645-2007 annexes, 2013 filing, meter firmware)."""

from enum import IntEnum
from typing import Final

# ERR of a refused read, write or command: one byte
ERRORS: Final = (
    "other_error",
    "no_requested_data",
    "password_or_unauthorised",
    "baud_rate_unchangeable",
    "too_many_year_zones",
    "too_many_day_periods",
    "too_many_rates",
    "reserved",
)

# SERR of a refused cost control, State Grid style: two bytes; the last three stand in one source only
COST_ERRORS: Final = (
    "other_error",
    "repeated_recharge",
    "esam_check_failed",
    "identity_authentication_failed",
    "customer_number_mismatch",
    "recharge_count_error",
    "hoarding_limit_exceeded",
    "address_abnormal",
    "meter_suspended",
    "close_failed",
)

_PHASE: Final = (
    "voltage_loss",
    "under_voltage",
    "over_voltage",
    "current_loss",
    "over_current",
    "overload",
    "reverse_flow",
    "phase_break",
    "current_break",
)
# bits 1 to 5 are the standard's (annex C), from 8 on the filing's; public decoders and firmwares read them so
_WORD_1: Final = (
    "",
    "demand_by_interval",
    "clock_battery_low",
    "reading_battery_low",
    "active_reverse",
    "reactive_reverse",
    "",
    "",
    "control_loop_fault",
    "esam_fault",
    "",
    "",
    "program_fault",
    "memory_fault",
    "overdraft",
    "clock_fault",
)
_WORD_2: Final = (
    "a_active_reverse",
    "b_active_reverse",
    "c_active_reverse",
    "",
    "a_reactive_reverse",
    "b_reactive_reverse",
    "c_reactive_reverse",
)
_WORD_3: Final = (
    "day_table_2",
    "auxiliary_supply",
    "battery_supply",
    "programming_allowed",
    "relay_open",
    "zone_table_2",
    "relay_command_open",
    "pre_trip_alarm",
    "prepaid_energy",
    "prepaid_money",
    "price_set_2",
    "ladder_set_2",
    "kept_on",
    "identity_open",
    "local_account_not_opened",
    "remote_account_not_opened",
)
_WORD_7: Final = (
    "voltage_sequence",
    "current_sequence",
    "voltage_unbalance",
    "current_unbalance",
    "auxiliary_supply_lost",
    "power_lost",
    "demand_exceeded",
    "power_factor_low",
    "severe_current_unbalance",
    "reverse_flow",
    "all_phases_lost",
)
STATUS: Final = (_WORD_1, _WORD_2, _WORD_3, _PHASE, _PHASE, _PHASE, _WORD_7)


def _filled(names: tuple[str, ...], bits: int = 16) -> tuple[str, ...]:
    return names + ("",) * (bits - len(names))


# what a meter reports by itself (filing of 2013, 04001501): 12 bytes, each bit something that happened
REPORT: Final = (
    "relay_fault", "esam_fault", "card_fault", "clock_battery_low", "program_fault", "memory_fault", "", "clock_fault",
    "reading_battery_low", "overdraft", "cover_opened", "terminal_cover_opened", "magnet", "supply_fault", "tripped",
    "closed",
    *(f"{phase}_{name}" if name else "" for phase in "abc" for name in _filled(_PHASE)),
    *_filled(_WORD_7),
    "programmed", "meter_cleared", "demand_cleared", "events_cleared", "clock_set", "day_tables_written",
    "zone_tables_written", "weekend_written", "holidays_written", "active_combination_written",
    "reactive_combination_1_written", "reactive_combination_2_written", "settlement_days_written", "prices_written",
    "ladder_written", "keys_changed",
)  # fmt: skip


class Command(IntEnum):
    """N1 of function 1C. Public sources disagree in print; captures settle 1A to 1C."""

    TRIP = 0x1A
    PERMIT_CLOSE = 0x1B  # somebody must press the key at the meter
    CLOSE = 0x1C
    ALARM_ON = 0x2A
    ALARM_OFF = 0x2B
    KEEP_POWER_ON = 0x3A
    KEEP_POWER_OFF = 0x3B


# one bit per rate in the byte of function 17
BAUD_BITS: Final = {600: 0x02, 1200: 0x04, 2400: 0x08, 4800: 0x10, 9600: 0x20, 19200: 0x40}
BAUD_OF: Final = {bit: rate for rate, bit in BAUD_BITS.items()}
