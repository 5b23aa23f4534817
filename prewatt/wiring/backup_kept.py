"""What is kept in PREWATT_HOME by itself: a backup before each change of a database that holds something."""

import logging
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from prewatt.wiring import database, migrations
from prewatt.wiring.backup import HOME, PASSPHRASE, Taken, take
from prewatt.wiring.backup_books import applied, holds_something
from prewatt.wiring.backup_home import BACKUPS_NAME
from prewatt.wiring.backup_watch import KEY_NAME
from prewatt.wiring.config import Config
from prewatt.wiring.home import secret_key

logger = logging.getLogger(__name__)

KEPT: Final = 3
SUFFIX: Final = ".backup"


def keep_before(config: Config, dsn: str) -> Taken | None:
    """A backup before migrations; None where there are none to apply, or nothing to lose. Raises `StartRefused`: then
    nothing may be migrated (`prewatt migrate --no-backup` goes on without)."""
    with database.connect(dsn) as connection:
        done = applied(connection)
        if not done or not migrations.missing(connection) or not holds_something(connection):
            return None
    return keep(config, dsn, why="before-migration")


def keep(config: Config, dsn: str, *, why: str) -> Taken:
    """A backup below the home, sealed with PREWATT_BACKUP_KEY, or else with the home's own secret; the newest
    `KEPT` of a kind stay."""
    directory = config.home / BACKUPS_NAME
    directory.mkdir(mode=0o700, exist_ok=True)
    given = os.environ.get(KEY_NAME, "")
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    taken = take(
        dsn, directory / f"{why}-{stamp}{SUFFIX}", home=config.home, key=given or secret_key(config.home),
        sealed_with=PASSPHRASE if given else HOME, pg_bin=config.pg_bin,
    )  # fmt: skip
    logger.info("backed up to %s (%d bytes)", taken.path, taken.bytes)
    for old in sorted(directory.glob(f"{why}-*{SUFFIX}"))[:-KEPT]:
        _forget(old)
    return taken


def _forget(path: Path) -> None:
    try:
        path.unlink()
    except OSError as error:  # it only takes room
        logger.warning("%s could not be removed: %s", path, error)
