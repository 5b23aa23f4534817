"""What a test needs of the machine beyond the Python packages: said loudly, never silently missing.

`need("mbpoll")` gives the path of a program. Where it is missing, a user sees a skipped test that
names the package to install; with CI set the test fails, because there a skip would be a hole.
"""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

# What only root can be shown cannot be installed: a user who is not root passes these by, also in CI
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: the rights of other users are at stake")



def with_right(given: bool, reason: str) -> pytest.MarkDecorator:
    """For a test that needs a right of the machine which, as root's, no package brings."""
    return pytest.mark.skipif(not given, reason=reason)


# program -> the Debian package that brings it
PACKAGE_OF = {
    "chromium": "chromium",
    "mbpoll": "mbpoll",
    "socat": "socat",
    "gcc": "gcc",
    "pgbench": "postgresql-contrib",
    "postgres": "postgresql",
    "fc-list": "fontconfig",
    "nginx": "nginx-light",
    "systemd-analyze": "systemd",
    "softhsm2-util": "softhsm2",
    "ip": "iproute2",
    "mosquitto": "mosquitto",
    "openssl": "openssl",
}
OTHER_NAMES = {"chromium": ("chromium-browser", "google-chrome", "google-chrome-stable")}
SERVER_DIRECTORIES = "/usr/lib/postgresql/*/bin"  # Debian keeps server programs off the PATH


def in_ci() -> bool:
    """True when the full check runs, where nothing may be missing."""
    return os.environ.get("CI", "").lower() not in ("", "0", "false", "no")


def missing(what: str, *, install: str) -> NoReturn:
    """Skip for a user, fail in CI; both say what to install."""
    text = f"{what} is not installed; install it with: apt-get install {install}"
    if in_ci():
        pytest.fail(text, pytrace=False)
    pytest.skip(text)


def find(program: str) -> Path | None:
    """The path of a program, also when it is a PostgreSQL server program that is not on the PATH."""
    for name in (program, *OTHER_NAMES.get(program, ())):
        found = shutil.which(name)
        if found:
            return Path(found)
    for directory in sorted(Path("/").glob(SERVER_DIRECTORIES.lstrip("/")), reverse=True):
        if (directory / program).is_file():
            return directory / program
    return None


def need(program: str) -> Path:
    """The path of a program, or the test ends here."""
    return find(program) or missing(program, install=PACKAGE_OF.get(program, program))


def need_file(path: Path, *, install: str) -> Path:
    """A file the system must bring (a header, a font), or the test ends here."""
    return path if path.exists() else missing(str(path), install=install)
