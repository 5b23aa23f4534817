"""Prewatt: an open prepaid-electricity platform."""

import re
from pathlib import Path

_HEADING = re.compile(r"## (\d+\.\d+\.\d+)\b")


def _version() -> str:
    """The newest heading of the changelog, so that nobody can release without saying what changed."""
    with (Path(__file__).resolve().parent.parent / "CHANGELOG.md").open(encoding="utf-8") as changelog:
        found = next((match for line in changelog if (match := _HEADING.match(line))), None)
    assert found is not None, "CHANGELOG.md begins with the version it tells of"
    return found[1]


__version__ = _version()
