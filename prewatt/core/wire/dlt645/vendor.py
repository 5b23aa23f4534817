"""What is outside the standard and public: two blocks and the heartbeat of one maker's 4G prepaid meter, physically
tested."""

from typing import Final

from prewatt.core.wire.dlt645.items import Item, Kind

BULK_DI: Final = 0x028011FF
PARAMETER_DI: Final = 0x070104FF
HEARTBEAT_DI: Final = 0x80808080  # of a reply that nobody asked for: the meter says that it lives


def _row(names: str, size: int, decimals: int = 0, unit: str = "") -> tuple[Item, ...]:
    return tuple(Item(name=name, size=size, decimals=decimals, unit=unit) for name in names.split())


def _signed(names: str, size: int, decimals: int, unit: str) -> tuple[Item, ...]:
    return tuple(Item(name=name, size=size, decimals=decimals, unit=unit, signed=True) for name in names.split())


# everything a poll needs in one answer: 65 bytes
_BULK: Final = (
    *_row("balance overdraft", 4, 2, "currency"),
    *_row("ua ub uc", 2, 1, "V"),
    *_signed("ia ib ic", 3, 3, "A"),
    *_signed("p_total p_a p_b p_c", 3, 4, "kW"),
    *_signed("pf_total pf_a pf_b pf_c", 2, 3, ""),
    *_row("energy_total energy_rate1 energy_rate2 energy_rate3 energy_rate4", 4, 2, "kWh"),
    Item(name="status", size=2, kind=Kind.HEX),
)

# all prepaid settings at once: 143 bytes; the meaning of the swap dates' ten digits is not proven
_PARAMETERS: Final = (
    *(
        Item(name=name, size=5, kind=Kind.DIGITS)
        for name in ("price_swap_at", "ladder_swap_at", "zone_swap_at", "day_table_swap_at")
    ),
    *_row("zone_count day_table_count period_count rate_count ladder_count", 1),
    *_row("pt_ratio ct_ratio", 3),
    *_row("alarm_amount_1 alarm_amount_2 overdraft_limit hoarding_limit close_permit_limit", 4, 2, "currency"),
    *_row("load_limit", 3, 4, "kW"),
    Item(name="load_trip_delay", size=1, kind=Kind.BINARY, unit="s"),
    *_row("set1_price1 set1_price2 set1_price3 set1_price4", 4, 4, "currency/kWh"),
    *_row("set2_price1 set2_price2 set2_price3 set2_price4", 4, 4, "currency/kWh"),
    *_row("set1_step1 set1_step2 set1_step3", 4, 4, "kWh"),
    *_row("set1_step_price1 set1_step_price2 set1_step_price3 set1_step_price4", 4, 4, "currency/kWh"),
    *_row("set2_step1 set2_step2 set2_step3", 4, 4, "kWh"),
    *_row("set2_step_price1 set2_step_price2 set2_step_price3 set2_step_price4", 4, 4, "currency/kWh"),
)

VENDOR_BLOCKS: Final[dict[int, tuple[Item, ...]]] = {BULK_DI: _BULK, PARAMETER_DI: _PARAMETERS}
