"""What of PREWATT_HOME belongs into a backup, beside the database: the secret, what opens the key vault, and what a
demo site needs to be played."""

import os
import shutil
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from prewatt.wiring.embedded.place import make_home
from prewatt.wiring.home import DEMO_NAME, SECRET_NAME, SIMULATOR_NAME, SITE_NAME, secret_key, write_private
from prewatt.wiring.refusals import StartRefused

BACKUPS_NAME: Final = "backups"  # what was kept before migrations and upgrades
UNFINISHED_NAME: Final = "unfinished"  # holds the word of the command that was at work
FILE_LIMIT: Final = 64 * 1024 * 1024  # of one file beside the database; a demo's meters take some 300 KiB
_MEMORY: Final = ("meters.sqlite3", "meters.sqlite3-wal")
# what opens the key vault: by name below the home, or where the setting says; the device of a hardware vault is no file
_VAULT: Final = {"vault.key": "PREWATT_VAULT_KEY_FILE", "vault.passphrase": "PREWATT_VAULT_PASSPHRASE_FILE"}
_TRIES: Final = 50
_STEP_S: Final = 0.05


def collect(home: Path) -> dict[str, bytes]:
    """Name below the home -> content. The secret is the one in force, wherever it came from."""
    make_home(home)  # with an external database there may be none yet
    secret = os.environ.get("PREWATT_SECRET_KEY", "") or secret_key(home)
    found = {SECRET_NAME: (secret + "\n").encode()}
    for name in (DEMO_NAME, SITE_NAME):
        if (home / name).is_file():
            found[name] = (home / name).read_bytes()
    for name, setting in _VAULT.items():
        path = Path(os.environ.get(setting, "") or home / name)
        if path.is_file():
            found[name] = path.read_bytes()
    found |= {f"{SIMULATOR_NAME}/{name}": data for name, data in _memory(home / SIMULATOR_NAME).items()}
    for name, data in found.items():
        if len(data) > FILE_LIMIT:
            raise StartRefused("backup_failed", detail=f"{name}: {len(data)} bytes")
    return found


def _memory(directory: Path) -> dict[str, bytes]:
    """The simulated meters' memory, all files of one moment: copied again while a writer was at it."""
    for _ in range(_TRIES):
        before = _marks(directory)
        found = {name: (directory / name).read_bytes() for name in before}
        if before == _marks(directory):
            return found
        time.sleep(_STEP_S)
    raise StartRefused("backup_failed", detail=f"{directory}: changes without a pause")


def _marks(directory: Path) -> Mapping[str, tuple[int, int]]:
    there = [directory / name for name in _MEMORY if (directory / name).is_file()]
    return {path.name: (path.stat().st_mtime_ns, path.stat().st_size) for path in there}


def put_back(home: Path, files: Mapping[str, bytes]) -> None:
    """Write what `collect` gave. Names that lead anywhere else are refused by the reader of the backup."""
    for name, data in files.items():
        path = home / name
        path.parent.mkdir(mode=0o750, exist_ok=True)
        if path.suffix in ("", ".json"):
            write_private(path, data.decode("utf-8"))
            continue
        path.touch(mode=0o600)
        path.write_bytes(data)


def known(name: str) -> bool:
    """Whether a backup may bring a file of this name."""
    return name in {SECRET_NAME, DEMO_NAME, SITE_NAME, *_VAULT} | {f"{SIMULATOR_NAME}/{each}" for each in _MEMORY}


def begin(home: Path, what: str) -> None:
    """From now until `finish`, nothing but the same command may use this home."""
    write_private(home / UNFINISHED_NAME, what + "\n")


def finish(home: Path) -> None:
    """The home is whole."""
    (home / UNFINISHED_NAME).unlink()


def unfinished(home: Path) -> str:
    """The command that was at work here and did not end; "" when all is well."""
    try:
        return (home / UNFINISHED_NAME).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""


def refuse_unfinished(home: Path) -> None:
    """Raises `home_unfinished`."""
    what = unfinished(home)
    if what:
        raise StartRefused("home_unfinished", path=home, what=what)


def empty(home: Path, *, keep: Collection[str]) -> None:
    """Remove everything in a home that we filled ourselves, but files that are locked."""
    for path in home.iterdir():
        if path.name in keep:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
