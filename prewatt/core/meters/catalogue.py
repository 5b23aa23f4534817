"""The profiles that come with the product."""

from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType

from prewatt.core.meters.model import Profile
from prewatt.core.meters.profile import load


@cache
def catalogue() -> Mapping[str, Profile]:
    """Profile code -> profile, read once; raises Refused when a file of the package is damaged."""
    found: dict[str, Profile] = {}
    folder = resources.files("prewatt.core.meters").joinpath("profiles")
    for file in sorted(folder.iterdir(), key=lambda each: each.name):
        if not file.name.endswith(".toml"):
            continue
        profile = load(file.read_text(encoding="utf-8"))
        assert file.name == f"{profile.code}.toml", file.name
        found[profile.code] = profile
    return MappingProxyType(found)
