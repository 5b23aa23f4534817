"""Where counters begin anew (display width), as the intake is told it: by profile, before the ratio of a meter."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Final

from prewatt.core.meters import Profile, catalogue
from prewatt.core.meters.own import OwnVersion, load_own
from prewatt.core.refusals import Refused

WH: Final = 1000  # in a kWh
Display = tuple[int, bool]  # Wh, and whether the meter's ratio multiplies them


def display_of(profile: Profile | None) -> Display | None:
    """None: nobody knows where its counter begins anew."""
    if profile is None or profile.rollover_kwh is None:
        return None
    return profile.rollover_kwh * WH, not profile.ratio_applied


def end_wh(profile: Profile | None, ratio: int) -> int | None:
    """Where the counter of a meter begins anew, Wh on the primary side."""
    display = display_of(profile)
    return None if display is None else display[0] * (ratio if display[1] else 1)


def display_of_own(version: OwnVersion) -> Display | None:
    try:
        return display_of(load_own(version))
    except Refused:  # of an older release: its meters are not asked
        return None


def displays_of(profiles: Mapping[str, Profile]) -> dict[str, Display]:
    """Of each profile that says it."""
    found = {code: display_of(profile) for code, profile in profiles.items()}
    return {code: display for code, display in found.items() if display is not None}


def displays_json(profiles: Mapping[str, Display]) -> str:
    """The argument `p_displays` of `metering_absorb`: shipped profiles and these."""
    return _shipped() if not profiles else json.dumps({**json.loads(_shipped()), **profiles})


@cache
def _shipped() -> str:
    return json.dumps(displays_of(catalogue()))
