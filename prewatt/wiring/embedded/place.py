"""Where the embedded database lives: data, socket, log and programs, for the user it runs as.

Three cases. The owner can reach PREWATT_HOME: everything lies there. He cannot and the home is only the default:
the data goes to /var/lib/prewatt/<hash>. He cannot and the home was named by the user: the data lies there all the
same, and the server is started *inside* its directory and told `-D /proc/self/cwd`, which passes no parent directory;
a named home is obeyed and no right of any directory is changed.
"""

import hashlib
import os
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from prewatt.wiring.embedded.binaries import Binaries
from prewatt.wiring.embedded.owner import Owner
from prewatt.wiring.refusals import StartRefused

SYSTEM_ROOT = Path("/var/lib/prewatt")
SOCKET_PORT = 5432  # names the socket file only; nothing listens on TCP
_SOCKET_NAME = f".s.PGSQL.{SOCKET_PORT}"
_SOCKET_PATH_LIMIT = 107  # sun_path holds 108 bytes with its closing zero
_HERE = "/proc/self/cwd"


@dataclass(frozen=True, kw_only=True)
class Place:
    """The directories of one embedded database."""

    base: Path  # holds data, data.new, log and, if short enough, the socket
    sockets: Path
    reachable: bool  # False: the owner cannot walk to `base`, see the module text

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.base / "data"

    @property
    def fresh(self) -> Path:
        """Where initdb works; renamed to `data` when complete, so half a cluster is never taken for a whole one."""
        return self.base / "data.new"

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.base / "postgres.log"

    def named(self, directory: Path) -> str:
        """How the server is told its data directory; it is always started with that directory as its own."""
        return str(directory) if self.reachable else _HERE

    def socket_files(self) -> tuple[Path, Path]:
        """The socket and its lock file."""
        return self.sockets / _SOCKET_NAME, self.sockets / f"{_SOCKET_NAME}.lock"


def home_hash(home: Path) -> str:
    """Twelve hex digits that stand for a PREWATT_HOME."""
    return hashlib.sha256(os.fsencode(home)).hexdigest()[:12]


def make_home(home: Path) -> None:
    """Make PREWATT_HOME if need be. Raises `home_unusable`."""
    try:
        missing = [path for path in (home, *home.parents) if not path.exists()]
        home.mkdir(parents=True, exist_ok=True)
        for path in missing:  # ours: a strict umask must not lock the database user out of them
            path.chmod(0o755)
        if not os.access(home, os.W_OK | os.X_OK):
            raise PermissionError(f"no right to write {home}")
    except OSError as error:
        raise StartRefused("home_unusable", path=home, detail=error.strerror or str(error)) from error


def choose_place(home: Path, *, movable: bool, owner: Owner) -> Place:
    """Choose and make the directories. `movable`: the home is only the default. Raises `home_unreachable`,
    `socket_dir_foreign`."""
    base = home / "postgres"
    reachable = not owner.dropped or _can_pass(home, owner)
    if not reachable and movable:
        base = SYSTEM_ROOT / home_hash(home) / "postgres"
        try:
            make_home(base.parent)
        except StartRefused as error:
            raise StartRefused("home_unreachable", user=owner.name, path=home) from error
        reachable = _can_pass(base.parent, owner)
    try:
        base.mkdir(mode=0o700, exist_ok=True)
        owner.take(base)
        if not owner.dropped and not os.access(base, os.W_OK | os.X_OK):
            raise PermissionError
    except PermissionError as error:
        raise StartRefused("home_unreachable", user=owner.name, path=base) from error
    sockets = base / "socket"
    if not reachable or len(os.fsencode(sockets / _SOCKET_NAME)) > _SOCKET_PATH_LIMIT - len(".lock"):
        sockets = _short_root(owner) / f"prewatt-{owner.uid}-{home_hash(base)}"
    _private(sockets, owner)
    return Place(base=base, sockets=sockets, reachable=reachable)


def _can_pass(directory: Path, owner: Owner) -> bool:
    """Whether the owner can walk to a directory (not: write it)."""
    probe = directory / ".reach"
    try:
        probe.mkdir(mode=0o700, exist_ok=True)
        owner.take(probe)
        return owner.may_use(probe)
    finally:
        if probe.is_dir():
            probe.rmdir()


def _short_root(owner: Owner) -> Path:
    """A short directory for the socket: /run for root, else the session's run-time directory, else /tmp."""
    if owner.dropped and os.access("/run", os.W_OK):
        return Path("/run")
    session = os.environ.get("XDG_RUNTIME_DIR", "")
    if session and not owner.dropped and os.access(session, os.W_OK | os.X_OK):
        return Path(session)
    return Path("/tmp")


def _private(directory: Path, owner: Owner) -> None:
    """Make a 0700 directory of the owner; refuse one that somebody else prepared."""
    try:
        directory.mkdir(mode=0o700)
    except FileExistsError:
        found = directory.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {owner.uid, os.geteuid()} or found.st_mode & 0o077:
            raise StartRefused("socket_dir_foreign", path=directory) from None
    owner.take(directory)


def reachable_binaries(binaries: Binaries, owner: Owner) -> Binaries:
    """The same programs where the owner can run them: as they lie, else a copy. Raises `home_unreachable`."""
    if not owner.dropped or (owner.may_run(binaries.postgres) and owner.may_run(binaries.initdb)):
        return binaries
    prefix = binaries.bin.parent
    made = binaries.postgres.stat()
    mark = hashlib.sha256(f"{prefix}:{made.st_mtime_ns}:{made.st_size}".encode()).hexdigest()[:12]
    target = SYSTEM_ROOT / f"postgres-{binaries.major}-{mark}"
    copied = Binaries(bin=target / "prefix" / "install" / "bin", major=binaries.major, source=binaries.source)
    if not copied.postgres.is_file():
        try:
            make_home(SYSTEM_ROOT)
            _copy_programs(prefix, target)
        except OSError as error:
            raise StartRefused("home_unreachable", user=owner.name, path=binaries.bin) from error
    if not owner.may_run(copied.postgres):
        raise StartRefused("home_unreachable", user=owner.name, path=copied.bin)
    return copied


def _copy_programs(prefix: Path, target: Path) -> None:
    """Copy an installation. The wheel's programs look for their libraries two directories up, so that is kept."""
    work = Path(tempfile.mkdtemp(prefix="copy-", dir=target.parent))
    try:
        leave = shutil.ignore_patterns("*.a", "include", "pkgconfig", "__pycache__", "doc", "man")
        shutil.copytree(prefix, work / "prefix" / "install", symlinks=True, ignore=leave)
        libraries = prefix.parent.with_name(f"{prefix.parent.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, work / libraries.name, symlinks=True)
        for path in (work, *work.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o111 else 0o644)
        try:
            work.rename(target)
        except OSError:
            if not target.is_dir():  # else another start was quicker, with the same content
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
