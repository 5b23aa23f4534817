"""The part of a profile that depends on its protocol, as a loader of that protocol reads it."""

from collections.abc import Mapping
from dataclasses import dataclass

from prewatt.core.meters.model import Block, Flag, OrderBlock, Register, RelayCommand
from prewatt.core.meters.quantities import StatusBit
from prewatt.core.wire.dlt645 import Access


@dataclass(frozen=True, kw_only=True)
class Map:
    """What is where, and how it is asked for."""

    circuits: int
    stride: int
    read_function: int
    max_block: int
    registers: tuple[Register, ...]
    blocks: tuple[Block, ...]
    order: OrderBlock | None
    relay: RelayCommand | None
    status_bits: Mapping[StatusBit, int]
    flags: tuple[Flag, ...] = ()
    access: Access | None = None
    address_base: int = 0
