"""The profiles that come with the product."""

from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Final

from prewatt.core.meters.model import Profile
from prewatt.core.meters.profile import load

_FOLDER: Final = resources.files("prewatt.core.meters").joinpath("profiles")


@cache
def catalogue() -> Mapping[str, Profile]:
    """Profile code -> profile, read once; raises Refused when a file of the package is damaged."""
    found: dict[str, Profile] = {}
    for file in sorted(_FOLDER.iterdir(), key=lambda each: each.name):
        if not file.name.endswith(".toml"):
            continue
        profile = load(file.read_text(encoding="utf-8"))
        assert file.name == f"{profile.code}.toml", file.name
        found[profile.code] = profile
    return MappingProxyType(found)


def shipped_text(code: str) -> str:
    """The file of a profile of the catalogue, to be copied from."""
    assert code in catalogue(), code
    return _FOLDER.joinpath(f"{code}.toml").read_text(encoding="utf-8")
