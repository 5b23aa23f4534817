"""The programs that dump and load a database: PostgreSQL's own, of a version that fits the server.

`pg_dump` must not be older than the server it reads, `pg_restore` not older than the `pg_dump` whose file it reads.
"""

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from prewatt.wiring import database
from prewatt.wiring.embedded.binaries import bins, major_version
from prewatt.wiring.processes import dies_with_parent
from prewatt.wiring.refusals import StartRefused

_SAID_LIMIT: Final = 4000  # bytes of what a program says about its failure
_END_S: Final = 20.0


@dataclass(frozen=True, kw_only=True)
class Tools:
    """A directory with pg_dump and pg_restore of one major version."""

    bin: Path
    major: int

    @property
    def dump(self) -> Path:
        return self.bin / "pg_dump"

    @property
    def restore(self) -> Path:
        return self.bin / "pg_restore"


def find_tools(major: int, *, pg_bin: str) -> Tools:
    """Tools for a server of this major version: of its own version if there are any, else of the next newer one.
    Raises `backup_tools_missing`."""
    found: list[Tools] = []
    for directory in bins(pg_bin):
        if not all((directory / name).is_file() for name in ("pg_dump", "pg_restore")):
            continue
        version = major_version(directory / "pg_dump")
        if isinstance(version, int) and version >= major:
            found.append(Tools(bin=directory, major=version))
    if not found:
        raise StartRefused("backup_tools_missing", program="pg_dump", major=major)
    return min(found, key=lambda tools: tools.major)


def server_major(connection: database.Connection) -> int:
    """The server's major version."""
    return connection.info.server_version // 10000


def address(dsn: str) -> tuple[str, dict[str, str]]:
    """A conninfo that may be seen in the list of processes, and the environment that holds its password."""
    parts = {name: str(value) for name, value in conninfo_to_dict(dsn).items() if value is not None}
    password = parts.pop("password", None)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREWATT_")}
    environment["LC_ALL"] = "C.UTF-8"
    if password is not None:
        environment["PGPASSWORD"] = password
    return make_conninfo("", **parts), environment


@dataclass(frozen=True, kw_only=True)
class Program:
    """A running program of PostgreSQL; `fault()` waits for its end and gives what it said, "" when all went well."""

    process: "subprocess.Popen[bytes]"
    said: IO[bytes]

    @property
    def pipe(self) -> IO[bytes]:
        pipe = self.process.stdout or self.process.stdin
        assert pipe is not None
        return pipe

    def fault(self) -> str:
        if self.process.stdin is not None and not self.process.stdin.closed:
            self.process.stdin.close()
        if self.process.wait() == 0:
            return ""
        self.said.seek(0)
        text = self.said.read(_SAID_LIMIT).decode("utf-8", "replace").strip()
        lines = [line for line in text.splitlines() if "error" in line.lower() or "fatal" in line.lower()]
        return " / ".join((lines or text.splitlines())[:3]) or f"exit {self.process.returncode}"


@contextmanager
def running(command: Sequence[str | Path], *, environment: dict[str, str], reads: bool) -> Iterator[Program]:
    """Run a program that reads from us (`reads`) or writes to us; it does not outlive the block, nor us."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE if reads else subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if reads else subprocess.PIPE,
            stderr=said,
            env=environment,
            process_group=0,  # Ctrl-C is for us: we end it
            preexec_fn=dies_with_parent(signal.SIGKILL),
        )
        try:
            yield Program(process=process, said=said)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait(_END_S)
            for pipe in (process.stdin, process.stdout):
                if pipe is not None and not pipe.closed:
                    try:
                        pipe.close()
                    except BrokenPipeError:
                        continue
