"""The throw-away server of a bench: as durable as a real one, gone afterwards."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from prewatt.wiring.config import Config
from prewatt.wiring.embedded import EmbeddedPostgres, find_binaries, tuning
from prewatt.wiring.embedded.place import SOCKET_PORT
from prewatt.wiring.embedded.server import ROLE
from prewatt.wiring.parts.ground import set_environment
from prewatt.wiring.refusals import StartRefused

ESTATE = Path(__file__).with_name("estate.sql")
LINES_PER_GATEWAY = 4  # a usual serial server
METERS_PER_LINE = 30


@dataclass(frozen=True, kw_only=True)
class Ground:
    """A running server with a migrated database to copy from."""

    postgres: EmbeddedPostgres
    home: Path

    def database(self, name: str) -> str:
        """A fresh copy of the migrated database under this name; its address."""
        with psycopg.connect(self.postgres.dsn_of("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE prewatt")  # names of ours
        return self.postgres.dsn_of(name)

    def environment(self, dsn: str) -> Mapping[str, str]:
        """What a process of ours needs to work on that database."""
        return {**os.environ, "PREWATT_DATABASE_URL": dsn, "PREWATT_HOME": str(self.home)}

    @property
    def address(self) -> list[str]:
        """Options of PostgreSQL's own programs."""
        return ["-h", str(self.postgres.place.sockets), "-p", str(SOCKET_PORT), "-U", ROLE]


@contextmanager
def throw_away(config: Config) -> Iterator[Ground]:
    """The server for as long as the block lasts, with the settings a lasting database of this machine gets."""
    home = Path(tempfile.mkdtemp(prefix="prewatt-bench-"))
    home.chmod(0o711)  # as root, the server's own user must be able to pass
    try:
        durable = {"fsync": "on", "full_page_writes": "on", **tuning.by_machine(home)}
        server = EmbeddedPostgres(home / "db", ephemeral=True, pg_bin=config.pg_bin, settings=durable)
        with server:
            ground = Ground(postgres=server, home=home / "home")
            _migrate(config, ground)
            yield ground
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _migrate(config: Config, ground: Ground) -> None:
    os.environ.setdefault("PREWATT_SECRET_KEY", "bench " * 10)  # of a database that lives for minutes
    set_environment(config, ground.postgres.dsn)
    import django
    from django.core.management import call_command
    from django.db import connection

    django.setup(set_prefix=False)
    call_command("migrate", interactive=False, verbosity=0)
    connection.close()  # the database is about to be copied


def use(dsn: str) -> None:
    """Point this process's Django at another database of the server."""
    from django.db import connection
    from psycopg.conninfo import conninfo_to_dict

    connection.close()
    connection.settings_dict["NAME"] = conninfo_to_dict(dsn)["dbname"]


def build(dsn: str, *, circuits: int, port: int = 1, per_line: int = METERS_PER_LINE, days: int = 0) -> None:
    """Fill an empty database with `circuits` opened circuits and `days` of daily use behind each."""
    words = {
        ":circuits": str(circuits), ":per_line": str(per_line), ":lines_per_gateway": str(LINES_PER_GATEWAY),
        ":port": str(port), ":days": str(days), ":each": f"generate_series(1, {circuits})",
        ":then": "now() - interval '30 days'", ":now": "now()",
    }  # fmt: skip
    script = ESTATE.read_text(encoding="utf-8")
    for word in sorted(words, key=len, reverse=True):
        script = script.replace(word, words[word])
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(script.encode())
        connection.execute("VACUUM (ANALYZE, FREEZE)")


def pgbench(config: Config) -> Path:
    """The yardstick's program, of the same version as the server. Raises `postgres_missing`."""
    binaries = find_binaries(config.pg_bin or None)
    program = binaries.bin / "pgbench"
    if program.is_file():
        return program
    elsewhere = shutil.which("pgbench")
    if elsewhere is None:
        raise StartRefused("postgres_missing", detail=f"{binaries.bin}: no pgbench")
    return Path(elsewhere)
