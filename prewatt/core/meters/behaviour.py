"""What a model does by itself that no register says: how energy counts that flows back."""

from dataclasses import dataclass
from enum import StrEnum

from prewatt.core.meters.scales import provenance
from prewatt.core.meters.tables import Table


class Reverse(StrEnum):
    """How energy counts that flows from the tenant to the net (反向电量)."""

    ADDS = "adds"  # to the total, against theft: behind rooftop solar the tenant pays for what he feeds in
    SEPARATE = "separate"  # in a counter of its own
    IGNORED = "ignored"


@dataclass(frozen=True, kw_only=True, slots=True)
class Behaviour:
    """The table `[behaviour]`."""

    reverse: Reverse
    source: str
    assumed: bool

    @property
    def harms_solar(self) -> bool:
        """Must not stand where somebody may feed in."""
        return self.reverse is Reverse.ADDS


def behaviour_of(root: Table) -> Behaviour | None:
    """The table; None where nothing is known. Raises Refused `profile_missing`, `profile_value`,
    `profile_no_source`."""
    if not root.has("behaviour"):
        return None
    table = root.table("behaviour")
    source, assumed = provenance(table, "behaviour")
    made = Behaviour(reverse=table.word("reverse", Reverse), source=source, assumed=assumed)
    table.done()
    return made
