"""The looks of `prewatt doctor`: each says what it saw, or raises `Wrong` with what it saw. None changes anything."""

import fcntl
import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import wraps
from pathlib import Path

from prewatt.wiring import backup_plan, backup_watch
from prewatt.wiring import database as outside
from prewatt.wiring import migrations as recorded
from prewatt.wiring import ports as listening
from prewatt.wiring.config import NAMES, Config
from prewatt.wiring.embedded.binaries import find_binaries
from prewatt.wiring.embedded.owner import database_owner
from prewatt.wiring.embedded.place import SYSTEM_ROOT, home_hash
from prewatt.wiring.home import LOCK_NAME
from prewatt.wiring.parts.ground import running_database, set_up_django
from prewatt.wiring.refusals import StartRefused, language

ROOT = Path(__file__).resolve().parent.parent.parent
OLDEST_PYTHON = (3, 11)
OLDEST_GLIBC = (2, 28)
LEAST_FREE_MIB = 1024  # below this a site should act; below 40 MiB the database refuses to start
CLOCK_MOST = timedelta(seconds=2)  # between this host and the database's
_MIB = 1024 * 1024
_PROGRAM_TIMEOUT_S = 10
_NAMES_SHOWN = 6
AT_REST = "embedded, at rest"


class Wrong(Exception):
    """Something is not as it must be; `seen` says what was found."""

    def __init__(self, seen: str) -> None:
        super().__init__(seen)
        self.seen = seen


def at_the_database(look: Callable[[str], str]) -> Callable[[Config], str]:
    """A look at the running database, by its address. An embedded one that rests is well."""

    @wraps(look)
    def looked(config: Config) -> str:
        if at_rest(config):
            return AT_REST
        return look(running_database(config))

    return looked


def through_django(look: Callable[[], str]) -> Callable[[Config], str]:
    """The same with our own eyes, which cannot read an older structure: that is told under "migrations"."""

    @wraps(look)
    def looked(config: Config) -> str:
        if at_rest(config):
            return AT_REST
        dsn = running_database(config)
        with outside.connect(dsn) as connection:
            if recorded.missing(connection):
                return "-"
        set_up_django(config, dsn)
        return look()

    return looked


def python_version(config: Config) -> str:
    """3.11 or newer."""
    seen = f"{platform.python_version()} ({sys.executable})"
    if sys.version_info[:2] < OLDEST_PYTHON:
        raise Wrong(seen)
    return seen


def glibc_version(config: Config) -> str:
    """What the PostgreSQL of the packages was built against."""
    name, version = platform.libc_ver()
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    seen = f"{name or 'unknown'} {version}".strip()
    if name != "glibc" or numbers < OLDEST_GLIBC:
        raise Wrong(seen)
    return seen


def packages(config: Config) -> str:
    """What is installed against the lock."""
    lock = ROOT / "requirements.lock"
    if not lock.is_file():
        raise Wrong(f"{lock.name} is missing")
    wanted = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)(.*)$", lock.read_text(encoding="utf-8"), re.MULTILINE)
    differing: list[str] = []
    for name, version, rest in wanted:
        if ";" in rest:  # for another system or Python: pip has decided
            continue
        try:
            found = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found = "missing"
        if found != version:
            differing.append(f"{name} {found} (locked {version})")
    if differing:
        raise Wrong("; ".join(differing[:_NAMES_SHOWN]))
    return f"{len(wanted)} as locked"


def settings(config: Config) -> str:
    """Variables that look like ours and are not: a typing error would be ignored silently."""
    known = NAMES | {"PREWATT_INSTANCE", "PREWATT_SUPERVISED", "PREWATT_SEED", "PREWATT_TALLY", "PREWATT_BENCH_QUICK"}
    strange = sorted(
        name
        for name in os.environ
        if name.startswith("PREWATT_") and name not in known and not name.startswith(("PREWATT_TEST_", "PREWATT_SOAK_"))
    )
    if strange:
        raise Wrong(f"unknown: {', '.join(strange[:_NAMES_SHOWN])}")
    return f"{config.url} {config.stream_url} demo={int(config.demo)}"


def home(config: Config) -> str:
    """PREWATT_HOME can be written, or made."""
    nearest = config.home
    while not nearest.exists():
        nearest = nearest.parent
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        raise Wrong(str(nearest))
    return str(config.home)


def disk(config: Config) -> str:
    """Free space where the data lies."""
    nearest = data_directory(config)
    while not nearest.exists():
        nearest = nearest.parent
    free_mib = shutil.disk_usage(nearest).free // _MIB
    seen = f"{free_mib} MiB ({nearest})"
    if free_mib < LEAST_FREE_MIB:
        raise Wrong(seen)
    return seen


def postgres_programs(config: Config) -> str:
    """Which programs would be used."""
    if config.database_url:
        return "PREWATT_DATABASE_URL"
    found = find_binaries(config.pg_bin)
    return f"PostgreSQL {found.major} ({found.source}: {found.bin}), {database_owner().name}"


def postgres_data(config: Config) -> str:
    """The data directory fits the programs."""
    version = data_directory(config) / "PG_VERSION"
    if config.database_url or not version.is_file():
        return "-"
    found = version.read_text(encoding="ascii").strip()
    programs = find_binaries(config.pg_bin)
    if found != str(programs.major):
        raise StartRefused("wrong_major_version", path=version.parent, found=found, wanted=programs.major)
    return f"PostgreSQL {found} ({version.parent})"


@at_the_database
def database(dsn: str) -> str:
    """A running database can be reached."""
    return f"PostgreSQL {outside.check(dsn)}"


@at_the_database
def migrations(dsn: str) -> str:
    """The structure is that of this version."""
    with outside.connect(dsn) as connection:
        wanting = recorded.missing(connection)
    if wanting:
        names = ", ".join(sorted(f"{label}.{name}" for label, name in wanting)[:_NAMES_SHOWN])
        raise Wrong(f"{len(wanting)} missing: {names}")
    return f"{len(recorded.on_disk())} applied"


@through_django
def books() -> str:
    """Sales, deliveries, receipts, payments and entries agree."""
    from prewatt.office.vending.audits import CHECKS, audit_books

    found = audit_books()
    if found:
        raise Wrong("; ".join(f"{each.check}: {each.subject}: {each.seen}" for each in found[:_NAMES_SHOWN]))
    return f"{len(CHECKS)} checks agree"


def backups(config: Config) -> str:
    """Scheduled backups are asked for; a demo has nothing to lose."""
    plan = backup_watch.planned()
    if plan is None and not config.demo:
        raise Wrong("PREWATT_BACKUP_KEY, PREWATT_BACKUP_DIR")
    return "-" if plan is None else f"{plan.directory}, {plan.hour}:00"


def backup_last(config: Config) -> str:
    """The last scheduled backup was made, and not long ago."""
    plan = backup_watch.planned()
    if plan is None:
        return "-"
    last = backup_watch.status(config.home)
    if last is not None and last.code:
        raise Wrong(f"{last.at.isoformat(timespec='seconds')} {last.code}: {last.text}")
    newest = backup_watch.newest(plan.directory)
    if newest is None:
        return "-"  # the first is made when prewatt up runs
    if datetime.now(UTC) - newest > backup_plan.OVERDUE_AFTER:
        raise Wrong(newest.isoformat(timespec="seconds"))
    return newest.isoformat(timespec="seconds")


@through_django
def key_vault() -> str:
    """What the settings name opens, and so does every vending key."""
    from prewatt.wiring.vault_look import look

    seen = look()
    if seen.wrong:
        raise Wrong("; ".join(seen.wrong[:_NAMES_SHOWN]))
    named = [f"{each.row.sgc} {each.row.krn} ({each.row.check_value})" for each in seen.keys[:_NAMES_SHOWN]]
    return "; ".join([*(f"{each.provider} {each.state}" for each in seen.vaults), *named]) or "-"


@through_django
def own_models() -> str:
    """This release takes every meter model that sites made their own; one without meters harms nobody."""
    from prewatt.office.estate.profiles import refused_versions

    named = [
        f"{each.name} ({each.meters}): {each.refused.code}, {each.refused.message(language())}"
        for each in refused_versions() if each.meters
    ]  # fmt: skip
    if named:
        raise Wrong("; ".join([*named[:_NAMES_SHOWN], *(["..."] if len(named) > _NAMES_SHOWN else [])]))
    return "-"


def log_in(config: Config) -> str:
    """On a real site, who moves money logs in with more than a password."""
    if config.demo or at_rest(config):
        return "-"
    with outside.connect(running_database(config)) as connection:
        table = connection.execute("SELECT to_regclass('staff_companyrule')").fetchone()
        if table is None or table[0] is None:
            return "-"  # told under "migrations"
        row = connection.execute(
            "SELECT (SELECT count(*) FROM estate_company),"
            " (SELECT count(*) FROM staff_companyrule WHERE second_factor), count(*), count(totp_on_at)"
            " FROM staff_operator WHERE is_active AND role <> 'electrician'"
        ).fetchone()
    companies, ruled, people, enrolled = (int(str(each)) for each in row or (0, 0, 0, 0))
    seen = f"second factor: {enrolled}/{people} operators, required by {ruled}/{companies} companies"
    if ruled < companies:
        raise Wrong(seen)
    return seen


@at_the_database
def restored(dsn: str) -> str:
    """Since a restore every meter was read, and agrees."""
    with outside.connect(dsn) as connection:
        table = connection.execute("SELECT to_regclass('vending_recount')").fetchone()
        if table is None or table[0] is None:
            return "-"
        rows = connection.execute(
            "SELECT r.state, count(*), array_to_string((array_agg(m.number ORDER BY m.number))[1:6], ', ')"
            " FROM vending_recount r"
            " JOIN estate_circuit c ON c.id = r.circuit_id JOIN estate_meter m ON m.id = c.meter_id"
            " WHERE r.state IN ('waiting', 'disputed') GROUP BY r.state ORDER BY r.state"
        ).fetchall()
    if rows:
        raise Wrong("; ".join(f"{state} {count}: {some}" for state, count, some in rows))
    return "-"


def ports(config: Config) -> str:
    """The ports are free, or ours."""
    shown = f"{config.port}, {config.stream_port}" + (f", {config.sim_port}" if config.demo else "")
    if instance_runs(config):
        return f"{shown} (prewatt up)"
    listening.check_free(config)
    return shown


def clock(config: Config) -> str:
    """The host clock is not before this installation and agrees with the database's."""
    now = datetime.now(UTC)
    installed = datetime.fromtimestamp(Path(__file__).stat().st_mtime, UTC)
    if now < installed - timedelta(days=1):
        raise Wrong(f"{now.isoformat(timespec='seconds')} < {installed.isoformat(timespec='seconds')}")
    if at_rest(config):
        return now.isoformat(timespec="seconds")
    with outside.connect(running_database(config)) as connection:
        row = connection.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None and isinstance(row[0], datetime)
    apart = abs(row[0] - datetime.now(UTC))
    if apart > CLOCK_MOST:
        raise Wrong(f"database {row[0].isoformat(timespec='seconds')}, host {now.isoformat(timespec='seconds')}")
    return now.isoformat(timespec="seconds")


def translations(config: Config) -> str:
    """Each catalogue is compiled and not older than its source."""
    sources = sorted((ROOT / "prewatt").glob("**/locale/*/LC_MESSAGES/*.po"))
    stale = [
        str(source.relative_to(ROOT))
        for source in sources
        if not source.with_suffix(".mo").is_file() or source.with_suffix(".mo").stat().st_mtime < source.stat().st_mtime
    ]
    if stale:
        raise Wrong(", ".join(stale))
    return str(len(sources))


def django_checks(config: Config) -> str:
    """Django's own checks and ours, without a database."""
    try:
        set_up_django(config, config.database_url or "postgresql:///prewatt")
        from django.core import checks

        found = [message for message in checks.run_checks() if message.level >= checks.WARNING]
    except ImportError as error:  # a damaged or half-updated installation: a finding, no end of the examination
        raise Wrong(f"{type(error).__name__}: {error}") from error
    serious = [f"{message.id} {message.msg} ({message.hint or '-'})" for message in found if message.is_serious()]
    if serious:
        raise Wrong("; ".join(serious[:_NAMES_SHOWN]))
    return ", ".join(message.id or "?" for message in found) or "-"


def test_browser(config: Config) -> str:
    """A Chromium for the browser tests."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name)
        if found:
            return found
    raise Wrong("-")


def test_fonts(config: Config) -> str:
    """A font with Chinese characters for the browser tests."""
    try:
        asked = subprocess.run(
            ["fc-list", ":lang=zh", "family"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PROGRAM_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        raise Wrong("fc-list") from None
    families = sorted(line for line in asked.stdout.splitlines() if line)
    if not families:
        raise Wrong("-")
    return families[0]


def data_directory(config: Config) -> Path:
    """Where the data directory is or would be, as far as can be told without changing anything."""
    moved = SYSTEM_ROOT / home_hash(config.home) / "postgres" / "data"
    return moved if not config.home_named and moved.exists() else config.home / "postgres" / "data"


def at_rest(config: Config) -> bool:
    """Is the database the embedded one, and not running?"""
    return not config.database_url and not instance_runs(config)


def instance_runs(config: Config) -> bool:
    """Whether `prewatt up` holds this home."""
    try:
        descriptor = os.open(config.home / LOCK_NAME, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
