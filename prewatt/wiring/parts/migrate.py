"""Bringing the database up to date."""

from typing import TextIO

from prewatt.wiring import database, migrations
from prewatt.wiring.backup_kept import keep_before
from prewatt.wiring.config import Config
from prewatt.wiring.parts.ground import set_up_django, some_database


def run(config: Config, *, out: TextIO, backup: bool = True) -> int:
    """Apply what is missing; the exit code. A database that holds something is backed up first."""
    with some_database(config) as dsn:
        database.check(dsn)
        if backup:
            keep_before(config, dsn)
        bring_up_to_date(config, dsn, out=out)
    return 0


def bring_up_to_date(config: Config, dsn: str, *, out: TextIO) -> None:
    """Apply what is missing. One at a time, also when several hosts start at once."""
    set_up_django(config, dsn)
    from django.core.management import call_command

    with database.connect(dsn) as lock:
        lock.execute("SELECT pg_advisory_lock(%s)", (migrations.LOCK_KEY,))
        call_command("migrate", interactive=False, verbosity=1, stdout=out, stderr=out)
