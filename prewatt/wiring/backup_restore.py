"""`prewatt restore FILE`: a backup into an empty PREWATT_HOME, or into an empty external database.

The whole file is read and found whole before anything is made. What a restore has made and cannot finish it removes;
one that was killed leaves a mark, which nothing but another restore passes.
"""

import json
import logging
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TextIO

import psycopg

from prewatt.wiring import backup_home, database, migrations
from prewatt.wiring.backup import ended_by_signals, passphrase
from prewatt.wiring.backup_books import Books, figures, tables
from prewatt.wiring.backup_file import Manifest, read_front, refuse_newer, verify
from prewatt.wiring.backup_tools import Tools, address, find_tools, running, server_major
from prewatt.wiring.config import Config
from prewatt.wiring.diagnosis import data_directory
from prewatt.wiring.embedded.binaries import find_binaries
from prewatt.wiring.embedded.place import make_home
from prewatt.wiring.embedded.server import LOCK_NAME as SERVER_LOCK
from prewatt.wiring.embedded.server import EmbeddedPostgres
from prewatt.wiring.home import LOCK_NAME, lock_instance
from prewatt.wiring.parts import migrate
from prewatt.wiring.parts.ground import set_up_django
from prewatt.wiring.refusals import Exit, StartRefused

logger = logging.getLogger(__name__)

WHAT: Final = "restore"
_SHOWN: Final = 6
_LOCKS: Final = {LOCK_NAME, SERVER_LOCK}


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A backup that was read to its proven end, and the tools to load it."""

    path: Path
    key: str
    manifest: Manifest
    tools: Tools


def run(config: Config, *, file: str, out: TextIO) -> int:
    """Restore; one JSON line on `out`; the exit code. Raises `StartRefused`: then nothing was restored, unless the
    code is `restored_with_findings`."""
    begun = time.monotonic()
    key = passphrase()
    path = Path(file).expanduser().absolute()
    if not path.is_file() or not os.access(path, os.R_OK):
        raise StartRefused("backup_file_unusable", path=path, detail="no such file, or no right to read it")
    with ended_by_signals():
        _refuse_not_empty(config)
        checked = check(path, key=key, server=_target_major(config), pg_bin=config.pg_bin)
        with _made(config) as dsn:
            said = _restore(config, dsn, checked)
    out.write(json.dumps({**said, "seconds": round(time.monotonic() - begun, 1)}, ensure_ascii=False) + "\n")
    findings = said["findings"]
    if findings:
        assert isinstance(findings, list)
        raise StartRefused("restored_with_findings", detail="; ".join(findings[:_SHOWN]))
    return Exit.OK


def check(path: Path, *, key: str, server: int, pg_bin: str) -> Checked:
    """Read a backup to its end. Raises `backup_*` where it cannot be restored on a server of this major version."""
    with open(path, "rb") as source:
        manifest = read_front(source, passphrase=key, path=path).manifest
    refuse_newer(manifest, path=path)
    if manifest.server > server:
        raise StartRefused("backup_other_version", path=path)
    tools = find_tools(max(manifest.tools, server), pg_bin=pg_bin)
    verify(path, passphrase=key, tools=tools)
    return Checked(path=path, key=key, manifest=manifest, tools=tools)


def load(checked: Checked, dsn: str) -> dict[str, bytes]:
    """Load the dump in one transaction and compare the books; the small files of the backup. Raises
    `restore_failed`, `restore_books_differ`."""
    shown, environment = address(dsn)
    command: list[str | Path] = [
        checked.tools.restore, "--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", "-d", shown,
    ]  # fmt: skip
    with open(checked.path, "rb") as source:
        opened = read_front(source, passphrase=checked.key, path=checked.path)
        with running(command, environment=environment, reads=True) as program:
            try:
                for piece in opened.stream.rest():
                    program.pipe.write(piece)
                program.pipe.close()
            except BrokenPipeError:
                logger.warning("pg_restore ended early")
            fault = program.fault()
    if fault:
        raise StartRefused("restore_failed", detail=fault)
    with database.connect(dsn) as connection:
        compare(checked.manifest.books, figures(connection))
        connection.execute("ANALYZE")  # a dump brings no statistics: the first minutes would be slow
    return dict(opened.files)


def compare(wanted: Books, found: Books) -> None:
    """Raises `restore_books_differ`."""
    differing = [f"{name}: {found.get(name)} of {value}" for name, value in wanted.items() if found.get(name) != value]
    if differing:
        raise StartRefused("restore_books_differ", detail="; ".join(differing[:_SHOWN]))


def _refuse_not_empty(config: Config) -> None:
    """An empty home, or one that a killed restore left, and no data elsewhere. Raises `restore_home_not_empty`."""
    if config.database_url:
        with database.connect(config.database_url) as connection:
            if tables(connection):
                raise StartRefused("restore_home_not_empty", path="PREWATT_DATABASE_URL")
    if backup_home.unfinished(config.home) == WHAT:
        return
    if config.home.is_dir() and {path.name for path in config.home.iterdir()} - _LOCKS:
        raise StartRefused("restore_home_not_empty", path=config.home)
    if not config.database_url and data_directory(config).exists():
        raise StartRefused("restore_home_not_empty", path=data_directory(config))


def _target_major(config: Config) -> int:
    if config.database_url:
        database.check(config.database_url)
        with database.connect(config.database_url) as connection:
            return server_major(connection)
    return find_binaries(config.pg_bin).major


@contextmanager
def _made(config: Config) -> Iterator[str]:
    """A home that is ours for as long as the block lasts, and a running empty database. Whole afterwards, or gone."""
    was_there = config.home.is_dir()
    make_home(config.home)
    instance = lock_instance(config.home)
    try:
        _wipe(config)
        backup_home.begin(config.home, WHAT)
        if config.database_url:
            try:
                yield config.database_url
            except BaseException:
                _drop_all(config.database_url)
                raise
        else:
            with EmbeddedPostgres(config.home, movable=not config.home_named, pg_bin=config.pg_bin) as postgres:
                yield postgres.dsn
        backup_home.finish(config.home)
    except BaseException:
        _wipe(config)
        if not was_there:
            shutil.rmtree(config.home, ignore_errors=True)
        raise
    finally:
        os.close(instance)


def _wipe(config: Config) -> None:
    data = data_directory(config)
    if not data.is_relative_to(config.home) and data.parent.is_dir():
        shutil.rmtree(data.parent.parent)
    backup_home.empty(config.home, keep=_LOCKS)


def _drop_all(dsn: str) -> None:
    """The database was empty when we began: what is in it is ours."""
    try:
        with database.connect(dsn) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
    except (psycopg.Error, StartRefused) as error:
        logger.error("what was restored could not be removed from the database: %s", error)


def _restore(config: Config, dsn: str, checked: Checked) -> dict[str, object]:
    """Load, bring up to date, end what belonged to the old machine, look at the books."""
    try:
        backup_home.put_back(config.home, load(checked, dsn))
        with database.connect(dsn) as connection:
            wanting = migrations.missing(connection)
        if wanting:
            migrate.bring_up_to_date(config, dsn, out=sys.stderr)
        set_up_django(config, dsn, part="demo")
        at = datetime.now(UTC)
        from prewatt.office.staff import sessions
        from prewatt.office.tokens import tid_floors
        from prewatt.office.vending import recounts
        from prewatt.office.vending.audits import CHECKS, audit_books

        sessions.end_everybody(at=at)
        waiting = recounts.begin(at=at)
        floor = tid_floors.after_restore(at=at, backed_up_at=datetime.fromisoformat(checked.manifest.made_at))
        found = [f"{each.check}: {each.subject}: {each.seen}" for each in audit_books()]
    except psycopg.Error as error:
        raise StartRefused("restore_failed", detail=f"{type(error).__name__}: {error}") from error
    return {
        "restored": True, "home": str(config.home), "made_at": checked.manifest.made_at,
        "files": [name for name, _ in checked.manifest.files],
        "books": checked.manifest.books, "checks": len(CHECKS), "findings": found, "meters_to_read": waiting,
        "token_times_after": floor.isoformat(),
    }  # fmt: skip
