"""Keeps child processes running: starts, watches, restarts with back-off, stops in order.

Knows nothing of what the children do. All times are monotonic: a host clock that jumps changes nothing here. Each child
leads a process group; before a restart the whole old group is killed, because a server's workers outlive it.
"""

import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from prewatt.wiring.leftovers import MARK, ChildRecord, write_records
from prewatt.wiring.processes import dies_with_parent, group_members, kill_group, read_stat

logger = logging.getLogger(__name__)

BACK_OFF_FIRST_S = 0.25
BACK_OFF_MOST_S = 8.0
STEADY_AFTER_S = 20.0  # a child that ran this long starts again with the shortest wait
LOG_LIMIT_BYTES = 8 * 1024 * 1024
_STEP_S = 0.02
_GROUP_GONE_S = 3.0


@dataclass(frozen=True, kw_only=True)
class Child:
    """One process to keep: `stage` says when it is stopped (0 first), `patience_s` how long it may take for that."""

    name: str
    command: tuple[str, ...]
    stage: int = 0
    patience_s: float = 4.0
    environment: Mapping[str, str] = field(default_factory=dict)


class _Kept:
    """A child with its present process."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.process: subprocess.Popen[bytes] | None = None
        self.started_ticks = 0
        self.begun_at = 0.0
        self.due_at = 0.0
        self.wait_s = BACK_OFF_FIRST_S
        self.deaths = 0


class Supervisor:
    """`on_death(name)` is told at once when a child died by itself; `may_start()` false holds restarts back (the
    database is away, say)."""

    def __init__(
        self,
        children: Sequence[Child],
        *,
        home: Path,
        environment: Mapping[str, str],
        clock: Callable[[], float] = time.monotonic,
        on_death: Callable[[str], None] = lambda name: None,
        may_start: Callable[[], bool] = lambda: True,
    ) -> None:
        assert len({child.name for child in children}) == len(children), "two children of one name"
        self._kept = [_Kept(child) for child in children]
        self._home = home
        self._logs = home / "log"
        self._environment = dict(environment)
        self._clock = clock
        self._on_death = on_death
        self._may_start = may_start

    def log_of(self, name: str) -> Path:
        """Where a child's output goes."""
        return self._logs / f"{name}.log"

    def deaths(self) -> dict[str, int]:
        """How often each child died since its last steady run."""
        return {kept.child.name: kept.deaths for kept in self._kept}

    def pids(self) -> dict[str, int]:
        """The processes that run now."""
        return {kept.child.name: kept.process.pid for kept in self._kept if kept.process is not None}

    def running_s(self) -> dict[str, float]:
        """How long each present process runs."""
        now = self._clock()
        return {kept.child.name: now - kept.begun_at for kept in self._kept if kept.process is not None}

    def kill(self, name: str) -> None:
        """End a child that lives but does nothing; `tick` finds it dead and starts it again."""
        for kept in self._kept:
            if kept.child.name == name and kept.process is not None:
                kill_group(kept.process.pid, signal.SIGKILL)

    def tick(self) -> None:
        """Look after everybody once: reap, tell, restart what is due. Cheap; call it a few times a second."""
        changed = False
        for kept in self._kept:
            if kept.process is not None and kept.process.poll() is not None:
                self._bury(kept)
                changed = True
            if kept.process is None and self._clock() >= kept.due_at and self._may_start():
                self._spawn(kept)
                changed = True
            elif kept.process is not None and self._clock() - kept.begun_at > STEADY_AFTER_S:
                kept.wait_s, kept.deaths = BACK_OFF_FIRST_S, 0
        if changed:
            self._record()

    def stop(self, *, deadline_s: float) -> None:
        """Ask stage after stage to end, then insist; nobody is left when this returns. `deadline_s` bounds it all."""
        end = self._clock() + deadline_s
        for stage in sorted({kept.child.stage for kept in self._kept}):
            running = [kept for kept in self._kept if kept.child.stage == stage and kept.process is not None]
            for kept in running:
                if kept.process is not None:
                    _ask(kept.process, signal.SIGTERM)
            patience = max((kept.child.patience_s for kept in running), default=0.0)
            self._await_end(running, min(self._clock() + patience, end))
            for kept in running:
                self._end_group(kept)
        self._record()

    def _spawn(self, kept: _Kept) -> None:
        child = kept.child
        log_path = self.log_of(child.name)
        try:
            self._logs.mkdir(mode=0o750, exist_ok=True)
            if log_path.exists() and log_path.stat().st_size > LOG_LIMIT_BYTES:
                log_path.replace(log_path.with_suffix(".log.1"))
            with open(log_path, "ab") as log:
                process = subprocess.Popen(
                    child.command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env={**self._environment, **child.environment, MARK: str(self._home)},
                    process_group=0,  # Ctrl-C at the terminal must reach the supervisor only
                    preexec_fn=dies_with_parent(signal.SIGKILL),
                )
        except (OSError, subprocess.SubprocessError) as error:  # no memory, no disk: try again later
            logger.error("%s could not be started: %s", child.name, error)
            self._wait_longer(kept)
            return
        stat = read_stat(process.pid)
        kept.process = process
        kept.started_ticks = stat.started if stat is not None else 0
        kept.begun_at = self._clock()

    def _bury(self, kept: _Kept) -> None:
        process = kept.process
        assert process is not None and process.returncode is not None
        code = process.returncode
        reason = signal.Signals(-code).name if code < 0 else f"exit {code}"
        self._end_group(kept)
        kept.deaths += 1
        self._wait_longer(kept)
        logger.warning("%s ended (%s); again in %.2g s", kept.child.name, reason, kept.due_at - self._clock())
        self._on_death(kept.child.name)

    def _wait_longer(self, kept: _Kept) -> None:
        kept.due_at = self._clock() + kept.wait_s
        kept.wait_s = min(kept.wait_s * 2, BACK_OFF_MOST_S)

    def _end_group(self, kept: _Kept) -> None:
        """Kill what is left of a child's group and reap the child."""
        process, kept.process = kept.process, None
        if process is None:
            return
        deadline = self._clock() + _GROUP_GONE_S
        # The leader may be reaped already; while members live, its number is not given to anybody else.
        while group_members(process.pid) and self._clock() < deadline:
            kill_group(process.pid, signal.SIGKILL)
            process.poll()
            time.sleep(_STEP_S)
        process.poll()

    def _await_end(self, running: Sequence[_Kept], until: float) -> None:
        while self._clock() < until:
            if all(kept.process is None or kept.process.poll() is not None for kept in running):
                return
            time.sleep(_STEP_S)

    def _record(self) -> None:
        records = [
            ChildRecord(name=kept.child.name, pid=kept.process.pid, started=kept.started_ticks)
            for kept in self._kept
            if kept.process is not None
        ]
        write_records(self._home, records)

    def trim_logs(self) -> None:
        """Keep the logs below their limit; they are written in append mode, so cutting them is safe."""
        for kept in self._kept:
            try:
                if self.log_of(kept.child.name).stat().st_size > LOG_LIMIT_BYTES:
                    os.truncate(self.log_of(kept.child.name), 0)
            except FileNotFoundError:
                continue


def _ask(process: subprocess.Popen[bytes], signum: signal.Signals) -> None:
    if process.poll() is None:
        process.send_signal(signum)
