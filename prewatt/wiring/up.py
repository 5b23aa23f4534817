"""`prewatt up`: the database, its migrations, the demo site and all processes under one supervisor, until told to stop.

The main thread does it all: the kernel's death signal follows the thread that spawned a child.
"""

import http.client
import json
import logging
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import TextIO

import psycopg

from prewatt.core.refusals import CHINESE
from prewatt.wiring import backup_watch, database, migrations, ports, production
from prewatt.wiring.backup_home import refuse_unfinished
from prewatt.wiring.config import Config
from prewatt.wiring.embedded.place import make_home
from prewatt.wiring.embedded.server import EmbeddedPostgres
from prewatt.wiring.home import DEMO_NAME, demo_dial_in, demo_logins, lock_instance, secret_key
from prewatt.wiring.leftovers import MARK, kill_leftovers
from prewatt.wiring.processes import dies_with_parent, kill_group
from prewatt.wiring.refusals import Exit, StartRefused, language
from prewatt.wiring.supervisor import Child, Supervisor
from prewatt.wiring.watch import Patience, Watch

logger = logging.getLogger(__name__)

TICK_S = 0.1
CHILDREN_STOP_S = 11.0
DATABASE_STOP_S = 6.0  # together below the 20 s of a clean stop
STEP_STOP_S = 3.0  # for a migration or demo load that is told to end
DEATHS_BEFORE_READY = 5  # a child that cannot start at all: refused at the start, not retried for ever
HEALTH_TIMEOUT_S = 3.0
HEALTH_EVERY_S = 0.2
_HEALTH_LIMIT_BYTES = 16_384
STILL_WAITING_EVERY_S = 15.0
TRIM_EVERY_S = 60.0
DATABASE_RETRY_S = 2.0
_LOG_TAIL_LINES = 12
SILENT = "no answer"
MODULE = "prewatt.wiring.cli"


class _Stopped(Exception):
    """A signal asked for a clean stop while something was still being started."""


def command(*words: str) -> tuple[str, ...]:
    """A sub-command of ours as a process of its own, with the interpreter that runs now."""
    return (sys.executable, "-m", MODULE, *words)


def children(config: Config) -> list[Child]:
    """What runs, in the order of its stop: nobody may ask any more, then work in hand ends, then the site goes."""
    found = [
        Child(name="web", command=command("web"), stage=0, patience_s=3.0),
        Child(name="stream", command=command("stream"), stage=0, patience_s=3.0),
        Child(name="headend", command=command("headend", "--name", "headend-1"), stage=1, patience_s=5.0),
        Child(name="worker", command=command("worker"), stage=1, patience_s=5.0),
    ]
    if backup_watch.planned() is not None:
        found.append(Child(name="backup", command=command("keep-backups"), stage=0, patience_s=3.0))
    if config.demo:
        found.append(Child(name="simulate", command=command("simulate"), stage=2, patience_s=2.0))
    return found


def child_environment(config: Config, *, dsn: str, secret: str) -> dict[str, str]:
    """Everything a child needs, said in full: it must not read a default differently than we did."""
    return {
        **os.environ,
        "PREWATT_HOME": str(config.home),
        "PREWATT_BIND": config.bind,
        "PREWATT_PORT": str(config.port),
        "PREWATT_STREAM_PORT": str(config.stream_port),
        "PREWATT_SIM_PORT": str(config.sim_port),
        "PREWATT_DIAL_IN_PORT": str(config.dial_in_port),
        "PREWATT_DIAL_IN_BIND": config.dial_in_bind,
        "PREWATT_DIAL_IN_TLS_PORT": str(config.dial_in_tls_port),
        "PREWATT_DEMO": "1" if config.demo else "0",
        "PREWATT_POLL_S": str(config.poll_s),
        "PREWATT_REGISTER_S": str(config.register_s),
        "PREWATT_DATABASE_URL": dsn,
        "PREWATT_SECRET_KEY": secret,
        "PREWATT_PUBLIC_URL": config.public_url,
        "PREWATT_PLAIN_HTTP": "1" if config.plain_http else "0",
        # the live stream answers the console's origin, which a proxy moves
        "PREWATT_ORIGINS": os.environ.get("PREWATT_ORIGINS") or config.public_url,
        "PREWATT_SUPERVISED": "1",
        "PYTHONUNBUFFERED": "1",
        MARK: str(config.home),
    }


class Up:
    """One run of everything. `parts` and `steps` are seams for tests; the default is the product."""

    def __init__(
        self,
        config: Config,
        *,
        out: TextIO,
        err: TextIO,
        parts: Callable[[Config], Sequence[Child]] = children,
        steps: Callable[["Up"], None] | None = None,
        missing: Callable[[Config], str] | None = None,
    ) -> None:
        self.config = config
        self._out = out
        self._err = err
        self._parts = parts
        self._steps = steps or _prepare
        self._missing = missing or what_is_missing
        self._stop = False
        self._postgres: EmbeddedPostgres | None = None
        self._database_up = True
        self._database_try_at = 0.0
        self._database_fault = ""
        self._supervisor: Supervisor | None = None
        self._watch: Watch | None = None
        self._patience = Patience()
        self.dsn = ""
        self.environment: Mapping[str, str] = {}

    def run(self) -> Exit:
        """Start, serve, stop. Raises `StartRefused`; whatever happens, nothing is left running."""
        production.check_settings(self.config)
        production.check_home(self.config)
        make_home(self.config.home)
        refuse_unfinished(self.config.home)
        instance = lock_instance(self.config.home)
        reader = self._catch_signals()
        try:
            kill_leftovers(self.config.home)
            ports.check_free(self.config)
            self._start()
            self._serve(reader)
        except _Stopped:
            logger.info("stopped while starting")
        finally:
            # A second signal must not break the stop; its outcome is the same.
            self._shut_down()
            os.close(instance)
        return Exit.OK

    def run_step(self, *words: str) -> int:
        """Run a sub-command to its end (its output goes to its log); its exit code. Ends with us."""
        log_path = self.config.logs / f"{words[0]}.log"
        self.config.logs.mkdir(mode=0o750, exist_ok=True)
        with open(log_path, "ab") as log:
            process = subprocess.Popen(
                command(*words),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(self.environment),
                process_group=0,
                preexec_fn=dies_with_parent(signal.SIGKILL),
            )
        while process.poll() is None:
            if self._stop:
                process.terminate()
                try:
                    process.wait(STEP_STOP_S)
                except subprocess.TimeoutExpired:
                    kill_group(process.pid, signal.SIGKILL)
                    process.wait()
                raise _Stopped
            time.sleep(TICK_S / 2)
        return process.returncode

    def _catch_signals(self) -> int:
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(signum, self._on_signal)
        return reader

    def _on_signal(self, signum: int, frame: FrameType | None) -> None:
        self._stop = True

    def _start(self) -> None:
        config = self.config
        if config.database_url:
            self.dsn = config.database_url
        else:
            self._postgres = EmbeddedPostgres(config.home, movable=not config.home_named, pg_bin=config.pg_bin)
            try:
                self.dsn = self._postgres.start(cancelled=lambda: self._stop)
            except StartRefused:
                if self._stop:
                    raise _Stopped from None
                raise
        self._check_stop()
        self.environment = child_environment(config, dsn=self.dsn, secret=_secret(config))
        self._steps(self)
        self._check_stop()
        if config.demo and not config.dial_in_port:  # the demo's own meter with a modem calls this machine alone
            port = demo_dial_in(config.home)
            self.environment = {
                **self.environment, "PREWATT_DIAL_IN_PORT": str(port), "PREWATT_DIAL_IN_BIND": "127.0.0.1"
            }  # fmt: skip
        self._supervisor = Supervisor(
            self._parts(config),
            home=config.home,
            environment=self.environment,
            on_death=self._tell_death,
            may_start=lambda: self._database_up,
        )

    def _check_stop(self) -> None:
        if self._stop:
            raise _Stopped

    def _serve(self, reader: int) -> None:
        supervisor = self._supervisor
        assert supervisor is not None
        ready, missing = False, ""
        health_at = trim_at = 0.0
        begun = say_at = time.monotonic()
        while not self._stop:
            self._watch_database()
            supervisor.tick()
            now = time.monotonic()
            if not ready:
                self._refuse_hopeless(supervisor)
                if now >= health_at:
                    missing = self._missing(self.config)
                    ready = not missing
                    health_at = time.monotonic() + HEALTH_EVERY_S
                    if ready:
                        self._announce(now - begun)
                        self._watch = Watch(self.dsn, answers=lambda: not self._missing(self.config).startswith(SILENT))
                        self._watch.start()
                if not ready and now - say_at > STILL_WAITING_EVERY_S:
                    say_at = now
                    logger.warning("not healthy yet after %d s: %s", now - begun, missing)
            self._end_hung(supervisor)
            if now >= trim_at:
                trim_at = now + TRIM_EVERY_S
                supervisor.trim_logs()
                if self._postgres is not None:
                    self._postgres.trim_log()
            select.select([reader], [], [], TICK_S)

    def _refuse_hopeless(self, supervisor: Supervisor) -> None:
        for name, deaths in supervisor.deaths().items():
            if deaths >= DEATHS_BEFORE_READY:
                log = supervisor.log_of(name)
                self._err.write(_tail(log))
                raise StartRefused("child_failed", part=name, path=log)

    def _end_hung(self, supervisor: Supervisor) -> None:
        """A child that gives no sign of life is killed, and so started again."""
        look = self._watch.last if self._watch is not None else None
        if look is None or not self._database_up:
            return
        for name in self._patience.hung(look, running_s=supervisor.running_s(), now=time.monotonic()):
            logger.error("%s lives but does nothing; it is ended and started again", name)
            supervisor.kill(name)

    def _watch_database(self) -> None:
        """Bring a dead embedded server back; the children wait or reconnect by themselves."""
        postgres = self._postgres
        if postgres is None:
            return
        if postgres.running():
            if not self._database_up and postgres.ready():
                logger.warning("the database is back")
                self._database_up = True
                self._database_fault = ""
            return
        if self._database_up:
            logger.error("the database ended; starting it again")
            self._database_up = False
        if time.monotonic() >= self._database_try_at:
            self._database_try_at = time.monotonic() + DATABASE_RETRY_S
            try:
                postgres.launch()
            except (StartRefused, OSError) as error:
                if str(error) != self._database_fault:  # said when it begins, not every two seconds
                    logger.error("the database could not be started: %s", error)
                self._database_fault = str(error)

    def _tell_death(self, name: str) -> None:
        """Let the health page know at once, instead of when the last beat has grown old."""
        from prewatt.office.metering.heartbeats import forget

        part = {"headend": "headend:headend-1"}.get(name, name)
        try:
            with database.connect(self.dsn, timeout_s=2) as connection:
                forget(connection, part=part)
        except (StartRefused, psycopg.Error) as error:
            logger.warning("the death of %s could not be told: %s", name, type(error).__name__)

    def _announce(self, seconds: float) -> None:
        config = self.config
        line: dict[str, object] = {"url": config.url, "stream_url": config.stream_url}
        logins: list[dict[str, str]] = []
        if config.demo:  # a real site tells no secret, whatever lies in its home
            demo = demo_logins(config.home)
            logins = [{"role": one.role, "username": one.username, "password": one.password} for one in demo.logins]
            line |= {"sim_url": config.sim_url, "api_key": demo.api_key, "logins": logins}
        logger.info("healthy %.1f s after the database", seconds)
        self._err.write(_welcome(config, logins))
        self._err.flush()
        self._out.write(f"PREWATT-READY {json.dumps(line, ensure_ascii=False)}\n")
        self._out.flush()

    def _shut_down(self) -> None:
        begun = time.monotonic()
        if self._watch is not None:
            self._watch.stop()
        if self._supervisor is not None:
            self._supervisor.stop(deadline_s=CHILDREN_STOP_S)
        if self._postgres is not None:
            self._postgres.stop(within_s=DATABASE_STOP_S)
        logger.info("stopped in %.1f s", time.monotonic() - begun)


def _prepare(up: Up) -> None:
    """Version, migrations, demo site: each only when needed."""
    config = up.config
    version = database.check(up.dsn)
    logger.info("database: PostgreSQL %s", version)
    production.check_company(config, up.dsn)
    with database.connect(up.dsn) as connection:
        wanting = migrations.missing(connection)
    if wanting:
        logger.info("migrating: %d steps", len(wanting))
        if up.run_step("migrate") != 0:
            raise StartRefused("migration_failed", detail=_last_line(config.logs / "migrate.log"))
    production.check_demo_gone(config, up.dsn)
    if config.demo:
        with database.connect(up.dsn) as connection:
            row = connection.execute("SELECT EXISTS (SELECT FROM estate_company)").fetchone()
        if row is not None and not row[0]:
            logger.info("loading the demo site (once)")
            (config.home / DEMO_NAME).unlink(missing_ok=True)
            if up.run_step("demo") != 0:
                raise StartRefused("demo_failed", detail=_last_line(config.logs / "demo.log"))


def _secret(config: Config) -> str:
    """The one that was given (several hosts must share one), else that of the home."""
    return os.environ.get("PREWATT_SECRET_KEY") or secret_key(config.home)


def what_is_missing(config: Config) -> str:
    """What our own health page complains of, in its own words; "" when all is well."""
    host = config.url.partition("://")[2].rpartition(":")[0].strip("[]")
    connection = http.client.HTTPConnection(host, config.port, timeout=HEALTH_TIMEOUT_S)
    try:
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        said = answer.read(_HEALTH_LIMIT_BYTES).decode("utf-8", "replace")
        return "" if answer.status == http.HTTPStatus.OK else said or str(answer.status)
    except (OSError, http.client.HTTPException) as error:
        return f"{SILENT}: {type(error).__name__}"
    finally:
        connection.close()


def _welcome(config: Config, logins: Sequence[Mapping[str, str]]) -> str:
    zh = language() == CHINESE
    lines = ["", f"  Prewatt  {config.public_url or config.url}/console/", ""]
    if logins:
        lines.append("  演示登录（用户名 / 密码）：" if zh else "  demo logins (user / password):")
        lines += [f"    {one['username']:<12} {one['password']:<16} {one['role']}" for one in logins]
    if config.demo:
        lines += ["", f"  {'模拟站点' if zh else 'simulated site'}  {config.sim_url}/"]
    lines += ["", "  按 Ctrl-C 停止" if zh else "  Ctrl-C stops everything", "", ""]
    return "\n".join(lines)


def _tail(path: Path) -> str:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return "".join(f"  | {line}\n" for line in lines[-_LOG_TAIL_LINES:])


def _last_line(path: Path) -> str:
    try:
        lines = [line for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    except OSError:
        lines = []
    return f"{lines[-1] if lines else '-'} ({path})"
