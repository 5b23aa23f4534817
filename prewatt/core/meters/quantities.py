"""What a meter can say or be told, each with its unit.

A quantity's value is always an integer in the unit given here, whatever the meter's own scale is;
the profile converts. `credit` stands for the meter's credit unit: Wh for a purse in energy, the
currency's minor unit for a purse in money (glossary: custody, credit).
"""

from enum import StrEnum


class Quantity(StrEnum):
    """One thing a register holds. The comment gives the unit of the integer."""

    # identity
    METER_NUMBER = "meter_number"  # the 12 printed digits as an integer
    MODEL_CODE = "model_code"  # as the maker numbers it
    CLOCK = "clock"  # seconds since 1970-01-01 UTC

    # energy registers
    ENERGY_IMPORT_TOTAL = "energy_import_total"  # Wh
    ENERGY_IMPORT_SHARP = "energy_import_sharp"  # Wh
    ENERGY_IMPORT_PEAK = "energy_import_peak"  # Wh
    ENERGY_IMPORT_FLAT = "energy_import_flat"  # Wh
    ENERGY_IMPORT_VALLEY = "energy_import_valley"  # Wh
    ENERGY_EXPORT_TOTAL = "energy_export_total"  # Wh

    # momentary
    POWER_ACTIVE = "power_active"  # W, signed
    POWER_FACTOR = "power_factor"  # thousandths
    VOLTAGE_A = "voltage_a"  # mV
    VOLTAGE_B = "voltage_b"  # mV
    VOLTAGE_C = "voltage_c"  # mV
    CURRENT_A = "current_a"  # mA
    CURRENT_B = "current_b"  # mA
    CURRENT_C = "current_c"  # mA
    FREQUENCY = "frequency"  # mHz

    # the purse (meter-held credit)
    BALANCE = "balance"  # credit, signed: below zero is overdraft or use past zero
    PURCHASE_COUNT = "purchase_count"  # number of orders applied since opening
    LAST_ORDER_KIND = "last_order_kind"  # OrderKind code of the last order applied
    LAST_ORDER_AMOUNT = "last_order_amount"  # credit, signed
    PURCHASED_TOTAL = "purchased_total"  # credit, sum of all orders, signed
    USE_PAST_ZERO = "use_past_zero"  # credit used below the permitted overdraft
    ORDER_RESULT = "order_result"  # why the last order frame was refused: a code the profile names, 0 = it was not

    # settings written at opening
    ALARM_LEVEL_1 = "alarm_level_1"  # credit
    ALARM_LEVEL_2 = "alarm_level_2"  # credit
    OVERDRAFT_LIMIT = "overdraft_limit"  # credit, >= 0
    LOAD_LIMIT = "load_limit"  # W, 0 = none
    HOARDING_LIMIT = "hoarding_limit"  # credit

    # supply
    RELAY = "relay"  # 0 open, 1 closed
    STATUS = "status"  # bits named by the profile, see StatusBit
    FORCE_CONTROL = "force_control"  # 0 the meter's purse decides, 1 the server owns the relay
    FORCED_STATE = "forced_state"  # 0 close, 1 trip

    # ratios
    CT_RATIO = "ct_ratio"  # 1 = direct

    # what a purse in money drains by, for each rate its clock knows: millionths of the currency per kWh
    PRICE_SHARP = "price_sharp"
    PRICE_PEAK = "price_peak"
    PRICE_FLAT = "price_flat"  # the one price of a meter without rates
    PRICE_VALLEY = "price_valley"

    OVERDRAWN = "overdrawn"  # credit, >= 0: used beyond what was bought, where it is shown apart from the balance

    # the last token that came over the line
    TOKEN_RESULT = "token_result"  # what the meter said of it: a word the profile names
    TOKEN_CREDIT = "token_credit"  # credit, signed: what it did to the purse

    # what the meter reckons and how it watches
    DAYS_LEFT = "days_left"  # that its credit lasts, by its own reckoning
    MALICIOUS_SWITCH = "malicious_switch"  # 1: it trips on a forbidden load
    MALICIOUS_STEP = "malicious_step"  # W: a load that jumps by so much is forbidden
    ALARM_TRIPS_1 = "alarm_trips_1"  # 1: level 1 trips as a warning, 0: it signals
    ALARM_TRIPS_2 = "alarm_trips_2"

    # momentary, of which the newest alone is kept
    POWER_REACTIVE = "power_reactive"  # var, signed
    POWER_APPARENT = "power_apparent"  # VA
    POWER_A = "power_a"  # W, signed: of one phase
    POWER_B = "power_b"
    POWER_C = "power_c"

    PAY_MODE = "pay_mode"  # of a circuit: 0 prepaid, 1 postpaid: its purse switches nothing


class StatusBit(StrEnum):
    """Facts a status word can carry; a profile says which bit is which."""

    CREDIT_TRIP = "credit_trip"  # opened because the credit ran out
    WARNING_TRIP = "warning_trip"  # 预跳闸: opened with credit left, to warn
    OVERLOAD_TRIP = "overload_trip"
    MALICIOUS_LOAD_TRIP = "malicious_load_trip"
    HAND_OPENED = "hand_opened"  # opened at the meter itself
    COMMAND_TRIP = "command_trip"  # opened by our forced trip
    KEPT_ON = "kept_on"  # forced closed, 保电
    ALARM_1 = "alarm_1"
    ALARM_2 = "alarm_2"
    TAMPER = "tamper"  # cover open
    AWAIT_KEY = "await_key"  # closing is permitted, the key has not been pressed
    REVERSE_POWER = "reverse_power"  # energy comes back from the circuit
    VOLTAGE_LIMITS = "voltage_limits"  # a phase is above or below what the meter was told
