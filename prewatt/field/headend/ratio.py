"""Secondary values times the CT/PT multiplier (倍率), where the meter does not apply it itself."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from prewatt.core.meters import Profile
from prewatt.core.meters.jobs import Outcome
from prewatt.core.meters.quantities import Quantity

MULTIPLIED: Final = frozenset(
    {
        Quantity.ENERGY_IMPORT_TOTAL,
        Quantity.ENERGY_IMPORT_SHARP,
        Quantity.ENERGY_IMPORT_PEAK,
        Quantity.ENERGY_IMPORT_FLAT,
        Quantity.ENERGY_IMPORT_VALLEY,
        Quantity.ENERGY_EXPORT_TOTAL,
        Quantity.POWER_ACTIVE,
        Quantity.POWER_REACTIVE,
        Quantity.POWER_APPARENT,
        Quantity.POWER_A,
        Quantity.POWER_B,
        Quantity.POWER_C,
    }
)


def primary(values: Mapping[Quantity, int], profile: Profile, ratio: int) -> dict[Quantity, int]:
    """Energy and power as they are on the primary side; everything else as it was read."""
    assert ratio >= 1, ratio
    if ratio == 1 or profile.ratio_applied:
        return dict(values)
    return {quantity: value * ratio if quantity in MULTIPLIED else value for quantity, value in values.items()}


def on_primary(outcome: Outcome, profile: Profile, ratio: int) -> Outcome:
    """The same of all that a conversation brought; as it is where there is nothing to multiply, as nearly always."""
    if ratio == 1 or profile.ratio_applied:
        return outcome
    freezes = tuple(replace(each, values=primary(each.values, profile, ratio)) for each in outcome.freezes)
    return replace(outcome, values=primary(outcome.values, profile, ratio), freezes=freezes)
