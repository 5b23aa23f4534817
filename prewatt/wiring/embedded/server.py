"""The life of one embedded PostgreSQL server: start, watch, restart, stop."""

import errno
import logging
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

import psycopg

from prewatt.wiring.embedded import tuning
from prewatt.wiring.embedded.binaries import Binaries, find_binaries
from prewatt.wiring.embedded.owner import Owner, database_owner
from prewatt.wiring.embedded.place import SOCKET_PORT, Place, choose_place, make_home, reachable_binaries
from prewatt.wiring.embedded.stale import clear_stale, processes_in
from prewatt.wiring.home import lock_file
from prewatt.wiring.processes import all_processes, dies_with_parent, read_stat
from prewatt.wiring.refusals import StartRefused

logger = logging.getLogger(__name__)

ROLE = "prewatt"
DATABASE = "prewatt"
LOCK_NAME = "postgres.lock"
DSN_NAME = "postgres.dsn"  # where other commands of the same home find the running server
_MIB = 1024 * 1024
FREE_TO_MAKE_MIB = 160  # a new cluster takes 40 MiB, its first log segments 64, the demo site the rest
FREE_TO_START_MIB = 40  # two log segments of 16 MiB and a little
_INITDB_TIMEOUT_S = 180
_STALL_S = 60.0  # without any sign of life a start is given up; with one it may take as long as it needs
_POLL_S = 0.02
_STOP_S = 10.0
# A fast shutdown writes a checkpoint; one that does not end is made an immediate one, which only costs a recovery.
_STOPS = ((signal.SIGINT, 0.8), (signal.SIGQUIT, 0.15), (signal.SIGKILL, 0.05))  # shares of the time given
_LOG_LIMIT_BYTES = 16 * _MIB
_LOG_TAIL_BYTES = 4096
_CONNECT_TIMEOUT_S = 5


class EmbeddedPostgres:
    """One PostgreSQL in `home`, our child, gone when we are gone.

    `ephemeral`: thrown away by `stop` and not safe against power loss. `movable`: `home` is only a default, the data
    may go to /var/lib/prewatt when the database user cannot reach it. `settings` override what we choose. Every method
    raises `StartRefused` with a stable code. Must be started from the main thread.
    """

    def __init__(
        self,
        home: Path,
        *,
        ephemeral: bool = False,
        movable: bool = False,
        pg_bin: str | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.home = home.absolute()
        self.ephemeral = ephemeral
        self._movable = movable
        self._pg_bin = pg_bin
        self._settings = dict(settings or {})
        self._lock: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._owner: Owner | None = None
        self._place: Place | None = None
        self._binaries: Binaries | None = None

    def __enter__(self) -> "EmbeddedPostgres":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def place(self) -> Place:
        """Where it lives; known once started."""
        assert self._place is not None, "not started"
        return self._place

    @property
    def pid(self) -> int | None:
        """The postmaster's number while we believe it runs."""
        return None if self._process is None else self._process.pid

    @property
    def dsn(self) -> str:
        """`postgresql://` address for psycopg, libpq programs and our settings."""
        return self.dsn_of(DATABASE)

    def dsn_of(self, database: str) -> str:
        """The address of another database of the same server."""
        host = quote(str(self.place.sockets), safe="")
        return f"postgresql://{ROLE}@/{quote(database, safe='')}?host={host}&port={SOCKET_PORT}"

    def start(self, *, cancelled: Callable[[], bool] = lambda: False) -> str:
        """Make the cluster if need be, start it, wait until it serves; the address. `cancelled` ends the wait."""
        assert self._process is None, "started twice"
        make_home(self.home)
        self._lock = lock_file(self.home / LOCK_NAME)
        try:
            self._prepare()
            self.launch()
            self._wait_ready(cancelled)
            self._make_database()
            (self.home / DSN_NAME).write_text(self.dsn + "\n", encoding="utf-8")
        except OSError as error:
            self.stop()
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                need = FREE_TO_START_MIB
                raise StartRefused("database_disk_full", path=self.home, free_mib=0, need_mib=need) from error
            raise
        except BaseException:
            self.stop()
            raise
        return self.dsn

    def running(self) -> bool:
        """Whether the postmaster lives (reaps it when not)."""
        return self._process is not None and self._process.poll() is None

    def launch(self) -> None:
        """Start the server program without waiting for it. After a crash: waits until the old backends are gone."""
        assert self._owner is not None and self._binaries is not None and not self.running()
        self._check_space(FREE_TO_START_MIB)
        clear_stale(self.place, self._owner)
        self._write_access_rules()
        self.trim_log()
        command = [str(self._binaries.postgres), "-D", self.place.named(self.place.data)]
        for name, value in self._all_settings().items():
            command += ["-c", f"{name}={value}"]
        with open(self.place.log, "ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.place.data,
                env=_environment(),
                process_group=0,  # Ctrl-C at the terminal must reach the supervisor only
                preexec_fn=dies_with_parent(signal.SIGINT),
                **self._owner.spawn,
            )

    def ready(self) -> bool:
        """Whether it takes connections now."""
        try:
            with psycopg.connect(self.dsn_of("postgres"), connect_timeout=_CONNECT_TIMEOUT_S):
                return True
        except psycopg.OperationalError:
            return False

    def stop(self, *, within_s: float = _STOP_S) -> None:
        """Fast shutdown with a checkpoint; harder when that hangs. Safe to call at any time, also twice."""
        process, self._process = self._process, None
        if process is not None:
            for signum, share in _STOPS:
                if process.poll() is None:
                    process.send_signal(signum)
                try:
                    process.wait(max(share * within_s, 0.5))
                    break
                except subprocess.TimeoutExpired:
                    logger.warning("the database did not stop after %s", signum.name)
        if self._lock is not None:
            (self.home / DSN_NAME).unlink(missing_ok=True)
            self._tidy()
            os.close(self._lock)
            self._lock = None

    def trim_log(self) -> None:
        """Keep the server's log below its limit; it is written in append mode, so cutting it is safe at any time."""
        try:
            if self.place.log.exists() and self.place.log.stat().st_size > _LOG_LIMIT_BYTES:
                shutil.copyfile(self.place.log, self.place.log.with_suffix(".log.1"))
                os.truncate(self.place.log, 0)
        except OSError as error:  # a full disk, say: the log is not worth a stop
            logger.warning("the database log could not be cut: %s", error)

    def _prepare(self) -> None:
        binaries = find_binaries(self._pg_bin)
        self._owner = database_owner(existing=self.home / "postgres" / "data")
        self._place = choose_place(self.home, movable=self._movable, owner=self._owner)
        self._binaries = reachable_binaries(binaries, self._owner)
        version = self.place.data / "PG_VERSION"
        if version.is_file():
            found = version.read_text(encoding="ascii").strip()
            if found != str(self._binaries.major):
                raise StartRefused(
                    "wrong_major_version", path=self.place.data, found=found, wanted=self._binaries.major
                )
        else:
            self._check_space(FREE_TO_MAKE_MIB)
            self._initdb()

    def _initdb(self) -> None:
        assert self._owner is not None and self._binaries is not None
        fresh = self.place.fresh
        deadline = time.monotonic() + 10
        while processes_in(fresh, self._owner) and time.monotonic() < deadline:
            time.sleep(_POLL_S)  # of an initdb that was killed a moment ago
        if fresh.exists():
            shutil.rmtree(fresh)
        fresh.mkdir(mode=0o700)
        self._owner.take(fresh)
        command = [str(self._binaries.initdb), "-D", self.place.named(fresh), "-U", ROLE, "-k", "-E", "UTF8"]
        command += ["--locale=C.UTF-8", "--auth=reject", "--no-instructions", *(["-N"] if self.ephemeral else [])]
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            cwd=fresh,
            env=_environment(),
            process_group=0,
            preexec_fn=dies_with_parent(signal.SIGKILL),
            **self._owner.spawn,
        ) as process:
            try:
                said = process.communicate(timeout=_INITDB_TIMEOUT_S)[0]
            except subprocess.TimeoutExpired:
                process.kill()
                said = f"no end after {_INITDB_TIMEOUT_S} s"
        if process.returncode != 0:
            self._raise_if_full(said, FREE_TO_MAKE_MIB)
            raise StartRefused("database_init_failed", detail=" / ".join(said.strip().splitlines()[-3:]))
        fresh.rename(self.place.data)

    def _all_settings(self) -> dict[str, str]:
        chosen = dict(tuning.EPHEMERAL) if self.ephemeral else tuning.by_machine(self.place.data)
        return {
            **tuning.ALWAYS,
            **chosen,
            "port": str(SOCKET_PORT),
            "unix_socket_directories": str(self.place.sockets),
            **self._settings,
        }

    def _write_access_rules(self) -> None:
        """Only the owner and root, known by the kernel (peer), and only through the private socket."""
        assert self._owner is not None and self._binaries is not None
        users = {self._owner.name, "root"}
        lines = [f'{ROLE} "{user}" {ROLE}' for user in sorted(users)]
        if self._binaries.major >= 16:  # `all` as database user came with 16
            lines += [f'{ROLE} "{user}" all' for user in sorted(users)]
        rules = {"pg_hba.conf": f"local all all peer map={ROLE}\n", "pg_ident.conf": "\n".join(lines) + "\n"}
        for name, text in rules.items():
            path = self.place.data / name
            if path.read_text(encoding="utf-8") != text:
                path.write_text(text, encoding="utf-8")
                self._owner.take(path)

    def _wait_ready(self, cancelled: Callable[[], bool]) -> None:
        moved_at, mark = time.monotonic(), (0, 0)
        while not self.ready():
            if not self.running():
                raise self._start_failure()
            if cancelled():
                raise StartRefused("database_start_failed", detail="cancelled", path=self.place.log)
            if (now := self._signs_of_life()) != mark:
                moved_at, mark = time.monotonic(), now
            elif time.monotonic() - moved_at > _STALL_S:
                raise StartRefused("database_start_stalled", seconds=int(_STALL_S), path=self.place.log)
            time.sleep(_POLL_S)

    def _signs_of_life(self) -> tuple[int, int]:
        """Bytes logged and processor time used by the server and its children: both stand still only when it hangs."""
        assert self._process is not None
        pid = self._process.pid
        own = read_stat(pid)
        cpu = sum(stat.cpu for stat in all_processes() if stat.parent == pid) + (own.cpu if own else 0)
        return self.place.log.stat().st_size, cpu

    def _start_failure(self) -> StartRefused:
        with open(self.place.log, "rb") as log:
            log.seek(max(0, self.place.log.stat().st_size - _LOG_TAIL_BYTES))
            tail = log.read().decode("utf-8", "replace")
        self._raise_if_full(tail, FREE_TO_START_MIB)
        fatal = [line for line in tail.splitlines() if "FATAL" in line or "PANIC" in line or "postgres:" in line]
        detail = fatal[-1] if fatal else "no reason given"
        return StartRefused("database_start_failed", detail=detail, path=self.place.log)

    def _make_database(self) -> None:
        address = self.dsn_of("postgres")
        with psycopg.connect(address, autocommit=True, connect_timeout=_CONNECT_TIMEOUT_S) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone()
            if found is None:
                connection.execute(f"CREATE DATABASE {DATABASE}")  # a constant of ours

    def _check_space(self, need_mib: int) -> None:
        free_mib = shutil.disk_usage(self.place.base).free // _MIB
        if free_mib < need_mib:
            raise StartRefused("database_disk_full", path=self.place.base, free_mib=free_mib, need_mib=need_mib)

    def _raise_if_full(self, said: str, need_mib: int) -> None:
        if "No space left on device" in said or "Disk quota exceeded" in said:
            free_mib = shutil.disk_usage(self.place.base).free // _MIB
            raise StartRefused("database_disk_full", path=self.place.base, free_mib=free_mib, need_mib=need_mib)

    def _tidy(self) -> None:
        if self._place is None:
            return
        if self._place.sockets.parent != self._place.base:  # in a common directory: leave nothing there
            shutil.rmtree(self._place.sockets, ignore_errors=True)
        if self.ephemeral:
            shutil.rmtree(self._place.base, ignore_errors=True)
            (self.home / LOCK_NAME).unlink(missing_ok=True)


def _environment() -> dict[str, str]:
    """A small, known environment: no PGDATA, no locale and no library path of the caller."""
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": "/"}
