"""Where a Modbus meter keeps its own address: the table `[bus]` of a profile, for models whose makers say it."""

import struct
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from prewatt.core.meters.scales import provenance
from prewatt.core.meters.tables import Table

FIRST_UNIT: Final = 1
LAST_UNIT: Final = 247


class AddressForm(StrEnum):
    """How the address lies there."""

    WORD = "word"
    FLOAT = "float"  # IEEE 754 single, high word first
    HIGH_BYTE = "high_byte"  # of a word whose low byte is something else and stays


@dataclass(frozen=True, kw_only=True, slots=True)
class BusAddress:
    """The register of the address. `key_needed`: the meter takes it only after a key at the meter was pressed."""

    address: int
    form: AddressForm
    key_needed: bool
    source: str
    assumed: bool

    @property
    def words(self) -> int:
        return 2 if self.form is AddressForm.FLOAT else 1

    def encoded(self, unit: int, held: bytes) -> bytes:
        """What to write; `held` is what stands there now."""
        match self.form:
            case AddressForm.WORD:
                return struct.pack(">H", unit)
            case AddressForm.FLOAT:
                return struct.pack(">f", unit)
            case AddressForm.HIGH_BYTE:
                return bytes((unit, held[1]))

    def unit_of(self, data: bytes) -> int | None:
        """The address that is written; None for what no meter can have."""
        if len(data) != self.words * 2:
            return None
        return next((unit for unit in range(FIRST_UNIT, LAST_UNIT + 1) if self.encoded(unit, data) == data), None)


def bus_address_of(root: Table) -> BusAddress | None:
    """Raises Refused with a `profile_...` code."""
    if not root.has("bus"):
        return None
    table = root.table("bus")
    source, assumed = provenance(table, "bus")
    made = BusAddress(
        address=table.address("address"), form=table.word("form", AddressForm),
        key_needed=table.flag("key_needed"), source=source, assumed=assumed,
    )  # fmt: skip
    table.done()
    return made
