"""What each intent reads, and how long and at what a driver looks before it claims anything of a meter."""

from collections.abc import Mapping
from typing import Final

from prewatt.core.meters.jobs import Intent
from prewatt.core.meters.model import Group
from prewatt.core.meters.quantities import Quantity

RELAY_READS: Final = 3  # a contactor moves within a second; then a person has to look
RELAY_SETTLE_MS: Final = 600
TRY_MISSES: Final = 2  # blocks in a row without any answer: nobody is there
CLOCK_SETTLED_S: Final = 10  # a clock that goes right to this was set: reads and repeats take seconds
CLOCK_JUMP_S: Final = 300  # DL/T 645 meters leave a broadcast that moves them further aside
# Quiet before each further look. Where the past would show the same: longer than a duplicate takes. Where only the
# past could show it, and a person would be called or money given back: longer than any reply is late.
LOOK_AGAIN_MS: Final = (1_200, 2_400, 4_800, 4_800)
LOOK_HARD_MS: Final = (6_500, 6_500, 6_500)

# What two looks must agree on before anything is claimed; the rest may move meanwhile.
PURSE: Final = (
    Quantity.PURCHASE_COUNT,
    Quantity.LAST_ORDER_KIND,
    Quantity.LAST_ORDER_AMOUNT,
    Quantity.PURCHASED_TOTAL,
    Quantity.ORDER_RESULT,
)
SUPPLY: Final = (Quantity.FORCE_CONTROL, Quantity.FORCED_STATE, Quantity.RELAY, Quantity.STATUS)
READ_GROUPS: Final[Mapping[Intent, tuple[Group, ...]]] = {
    Intent.READ_STATUS: (Group.STATUS,),
    Intent.READ_REGISTERS: (Group.REGISTERS,),
    Intent.READ_PURSE: (Group.IDENTITY, Group.STATUS, Group.PURSE, Group.SETTINGS),
}
