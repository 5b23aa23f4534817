"""`prewatt backup FILE`: the whole site in one sealed file, of one instant, also while sales are made.

The file gets its name when it is whole, on the disk, and was read back; until then there is none.
"""

import errno
import fcntl
import json
import logging
import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import IO, Final, TextIO

import psycopg

from prewatt import __version__
from prewatt.wiring import database
from prewatt.wiring.backup_books import Books, applied, figures, holds_something
from prewatt.wiring.backup_file import Manifest, verify
from prewatt.wiring.backup_home import collect, refuse_unfinished
from prewatt.wiring.backup_seal import CHUNK_BYTES, Sealer, sync
from prewatt.wiring.backup_tools import Tools, address, find_tools, running, server_major
from prewatt.wiring.backup_watch import KEY_NAME
from prewatt.wiring.config import Config
from prewatt.wiring.diagnosis import data_directory
from prewatt.wiring.parts.ground import some_database
from prewatt.wiring.refusals import Exit, StartRefused

logger = logging.getLogger(__name__)

PASSPHRASE, HOME = "passphrase", "home"  # what a backup may be sealed with
_MIB: Final = 1024 * 1024
_SPARE_MIB: Final = 16
_LOCK_WAIT: Final = "30s"  # for a partition that is being made; what waits behind us must not wait for long
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A backup that stands: where, how large, how long it took, and what the books said in its snapshot."""

    path: Path
    made_at: str
    bytes: int
    seconds: float
    books: Books


def passphrase() -> str:
    """PREWATT_BACKUP_KEY. Raises `backup_key_missing`."""
    given = os.environ.get(KEY_NAME, "")
    if not given:
        raise StartRefused("backup_key_missing")
    return given


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """A signal ends the work by an exception, so that nothing half done is left."""

    def end(number: int, frame: FrameType | None) -> None:
        raise StartRefused("interrupted")

    before = {each: signal.signal(each, end) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def run(config: Config, *, file: str, out: TextIO) -> int:
    """Back up into `file`; one JSON line on `out`; the exit code."""
    key = passphrase()
    target = Path(file).expanduser().absolute()
    refuse_target(target)
    refuse_unfinished(config.home)
    if not config.database_url and not (data_directory(config) / "PG_VERSION").is_file():
        raise StartRefused("backup_nothing", path=config.home)
    with ended_by_signals(), some_database(config) as dsn:
        taken = take(dsn, target, home=config.home, key=key, sealed_with=PASSPHRASE, pg_bin=config.pg_bin)
    said = {"file": str(taken.path), "made_at": taken.made_at, "bytes": taken.bytes, "seconds": round(taken.seconds, 1)}
    out.write(json.dumps({**said, "books": taken.books}, ensure_ascii=False) + "\n")
    return Exit.OK


def refuse_target(target: Path) -> None:
    """Raises `backup_file_unusable` where a file cannot be made."""
    if not target.parent.is_dir():
        raise StartRefused("backup_file_unusable", path=target, detail=f"no directory {target.parent}")
    if target.exists() and not target.is_file():
        raise StartRefused("backup_file_unusable", path=target, detail="not a file")
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise StartRefused("backup_file_unusable", path=target, detail=f"no right to write {target.parent}")


def take(dsn: str, target: Path, *, home: Path, key: str, sealed_with: str, pg_bin: str) -> Taken:
    """Back up the database and what of the home it needs. Raises `StartRefused`; then there is no new file, and one
    that had the name before is still there."""
    begun = time.monotonic()
    made_at = datetime.now(UTC).isoformat(timespec="seconds")
    work = target.with_name(f".{target.name}.part")
    try:
        with database.connect(dsn) as connection:
            if not holds_something(connection):
                raise StartRefused("backup_nothing", path=home)
            tools = find_tools(server_major(connection), pg_bin=pg_bin)
            _refuse_full(connection, target)
            with _open_work(work) as out:
                sealer = Sealer(out, passphrase=key, made_at=made_at, prewatt=__version__, key=sealed_with)
                books = _write(sealer, connection, dsn, tools=tools, home=home, made_at=made_at)
                sealer.finish()
                sync(out)
                if verify(work, passphrase=key, tools=tools).books != books:
                    raise StartRefused("backup_failed", detail="read back otherwise than written")
                size = work.stat().st_size
                work.replace(target)
                _sync_directory(target.parent)
    except psycopg.Error as error:
        raise StartRefused("backup_failed", detail=f"{type(error).__name__}: {error}") from error
    except OSError as error:
        if error.errno in _FULL:
            raise StartRefused("backup_disk_full", path=target, free_mib=0, need_mib=_SPARE_MIB) from error
        raise StartRefused("backup_failed", detail=error.strerror or str(error)) from error
    return Taken(path=target, made_at=made_at, bytes=size, seconds=time.monotonic() - begun, books=books)


@contextmanager
def _open_work(work: Path) -> Iterator[IO[bytes]]:
    """The file under its name for the time of writing; what a killed backup left is written over, one that is being
    written is left alone. Gone with the block, unless it was renamed."""
    descriptor = os.open(work, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        try:
            fcntl.flock(out, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StartRefused("backup_file_unusable", path=work, detail="another backup writes it") from None
        try:
            out.truncate(0)
            yield out
        finally:
            work.unlink(missing_ok=True)


def _write(
    sealer: Sealer, connection: database.Connection, dsn: str, *, tools: Tools, home: Path, made_at: str
) -> Books:
    """Manifest, files and dump of one snapshot, which stays open until the dump has ended."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        row = connection.execute("SELECT pg_export_snapshot()").fetchone()
        assert row is not None
        # the meters of a demo go on counting: as little as can be lies between their memory and the books
        files = collect(home)
        books = figures(connection)
        manifest = Manifest(
            made_at=made_at, server=server_major(connection), tools=tools.major, migrations=applied(connection),
            books=books, files=[(name, len(data)) for name, data in files.items()],
        )  # fmt: skip
        sealer.write(manifest.packed())
        for data in files.values():
            sealer.write(data)
        shown, environment = address(dsn)
        command: list[str | Path] = [
            tools.dump, "-Fc", "--no-owner", "--no-privileges", f"--lock-wait-timeout={_LOCK_WAIT}",
            f"--snapshot={row[0]}", "-d", shown,
        ]  # fmt: skip
        with running(command, environment=environment, reads=False) as program:
            _copy(program.pipe, sealer)
            fault = program.fault()
        if fault:
            raise StartRefused("backup_failed", detail=fault)
    return books


def _copy(source: IO[bytes], sealer: Sealer) -> None:
    while piece := source.read(CHUNK_BYTES):
        sealer.write(piece)


def _refuse_full(connection: database.Connection, target: Path) -> None:
    """A dump has no indexes and is compressed: it was seen to take a tenth of the database; a third is asked for."""
    row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    assert row is not None and isinstance(row[0], int)
    need_mib = row[0] // 3 // _MIB + _SPARE_MIB
    free_mib = shutil.disk_usage(target.parent).free // _MIB
    if free_mib < need_mib:
        raise StartRefused("backup_disk_full", path=target, free_mib=free_mib, need_mib=need_mib)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
