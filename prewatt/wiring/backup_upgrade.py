"""`prewatt upgrade-database`: the embedded database's files from an older major PostgreSQL to the programs of today.

Dumped from the old server, loaded into a new one beside it, compared, and only then exchanged. The old data directory
stays as `data.<major>` until `--confirm`. An exchange that was broken off is taken back by the next run.
"""

import json
import logging
import os
import shutil
import time
from pathlib import Path
from typing import Final, TextIO

from prewatt.wiring import backup_home
from prewatt.wiring.backup import HOME, PASSPHRASE, ended_by_signals
from prewatt.wiring.backup_kept import keep
from prewatt.wiring.backup_restore import check, load
from prewatt.wiring.backup_watch import KEY_NAME
from prewatt.wiring.config import Config
from prewatt.wiring.diagnosis import data_directory
from prewatt.wiring.embedded.binaries import Binaries, bins, find_binaries, major_version
from prewatt.wiring.embedded.server import EmbeddedPostgres
from prewatt.wiring.home import lock_instance, secret_key
from prewatt.wiring.refusals import Exit, StartRefused

logger = logging.getLogger(__name__)

WHAT: Final = "upgrade-database"
_BESIDE: Final = "upgrade"  # a directory of the home, for the time of the upgrade


def run(config: Config, *, confirm: bool, out: TextIO) -> int:
    """Upgrade, or with `confirm` delete what an upgrade left; one JSON line; the exit code."""
    if config.database_url:
        raise StartRefused("upgrade_external")
    data = data_directory(config)
    if not data.exists() and not _old(data):
        raise StartRefused("backup_nothing", path=config.home)
    instance = lock_instance(config.home)
    try:
        with ended_by_signals():
            said = _confirm(data) if confirm else _upgrade(config, data)
    finally:
        os.close(instance)
    out.write(json.dumps(said, ensure_ascii=False) + "\n")
    return Exit.OK


def _old(data: Path) -> list[Path]:
    """Data directories that upgrades left."""
    return sorted(path for path in data.parent.glob(f"{data.name}.*") if path.suffix[1:].isdecimal())


def _confirm(data: Path) -> dict[str, object]:
    old = _old(data)
    if not old or not (data / "PG_VERSION").is_file():
        raise StartRefused("upgrade_not_confirmed", path=data.parent)
    for path in old:
        shutil.rmtree(path)
    return {"deleted": [path.name for path in old]}


def _upgrade(config: Config, data: Path) -> dict[str, object]:
    begun = time.monotonic()
    _take_back(config, data)
    backup_home.refuse_unfinished(config.home)
    found = int((data / "PG_VERSION").read_text(encoding="ascii"))
    programs = find_binaries(config.pg_bin)
    if found == programs.major:
        return {"upgraded": False, "major": found}
    if found > programs.major:
        raise StartRefused("wrong_major_version", path=data, found=found, wanted=programs.major)
    old = _programs_of(found)
    movable = not config.home_named
    with EmbeddedPostgres(config.home, movable=movable, pg_bin=str(old.bin)) as postgres:
        taken = keep(config, postgres.dsn, why="upgrade")
    backup_home.begin(config.home, WHAT)
    beside = data.parent.parent / _BESIDE
    try:
        key = os.environ.get(KEY_NAME, "") or secret_key(config.home)
        checked = check(taken.path, key=key, server=programs.major, pg_bin=config.pg_bin)
        # beside the old data: on the same disk, in a place the database's user can reach
        with EmbeddedPostgres(beside, pg_bin=config.pg_bin) as postgres:
            load(checked, postgres.dsn)
        kept = data.with_name(f"{data.name}.{found}")
        data.rename(kept)
        (beside / "postgres" / "data").rename(data)
    except (StartRefused, OSError) as error:
        _take_back(config, data)
        if isinstance(error, StartRefused) and error.code == "interrupted":
            raise
        raise StartRefused("upgrade_failed", detail=error) from error
    shutil.rmtree(beside)
    backup_home.finish(config.home)
    return {
        "upgraded": True, "from": found, "to": programs.major, "kept": str(kept), "backup": str(taken.path),
        "sealed_with": PASSPHRASE if os.environ.get(KEY_NAME, "") else HOME, "books": taken.books,
        "seconds": round(time.monotonic() - begun, 1),
    }  # fmt: skip


def _take_back(config: Config, data: Path) -> None:
    """After an upgrade that did not end: the old files under their old name, nothing beside them."""
    if backup_home.unfinished(config.home) != WHAT:
        return
    beside = data.parent.parent / _BESIDE
    left = _old(data)
    if not data.exists() and left:
        left[-1].rename(data)
    if beside.exists():
        shutil.rmtree(beside)
    backup_home.finish(config.home)
    logger.warning("an upgrade that was broken off was tidied up")


def _programs_of(major: int) -> Binaries:
    """Server programs of an older major version. Raises `backup_tools_missing`."""
    for directory in bins(""):
        if (directory / "initdb").is_file() and major_version(directory / "postgres") == major:
            return Binaries(bin=directory, major=major, source="system")
    raise StartRefused("backup_tools_missing", program="postgres", major=major)
