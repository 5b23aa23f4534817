"""Processes as Linux shows them: spawning one that dies with us, and telling whether an old one still lives.

A process is identified by its number *and* its start time (field 22 of /proc/PID/stat, clock ticks since boot), because
numbers are used again, at once after a container restart.
"""

import ctypes
import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from prewatt.wiring.refusals import StartRefused

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)  # loaded before any fork: loading afterwards could deadlock
_START_TIME_FIELD = 22
_STATE_FIELD = 3
_UTIME_FIELD = 14
_CUTIME_FIELD = 16
_PGRP_FIELD = 5
_PPID_FIELD = 4


@dataclass(frozen=True, kw_only=True)
class ProcessStat:
    """What /proc/PID/stat says; times in clock ticks."""

    pid: int
    parent: int
    group: int
    state: str
    started: int
    cpu: int
    reaped_cpu: int  # of children that ended

    @property
    def alive(self) -> bool:
        """A zombie or a dead process only waits for being reaped."""
        return self.state not in "ZXx"


def read_stat(pid: int) -> ProcessStat | None:
    """The process, or None when there is none (any more)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command name (field 2) may hold spaces and brackets: everything after the last bracket is regular.
    fields = ["", "", *text.rpartition(")")[2].split()]
    return ProcessStat(
        pid=pid,
        state=fields[_STATE_FIELD - 1],
        parent=int(fields[_PPID_FIELD - 1]),
        group=int(fields[_PGRP_FIELD - 1]),
        started=int(fields[_START_TIME_FIELD - 1]),
        cpu=int(fields[_UTIME_FIELD - 1]) + int(fields[_UTIME_FIELD]),
        reaped_cpu=int(fields[_CUTIME_FIELD - 1]) + int(fields[_CUTIME_FIELD]),
    )


def all_processes() -> Iterator[ProcessStat]:
    """Every process this machine (or container) shows."""
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            stat = read_stat(int(entry))
            if stat is not None:
                yield stat


def boot_id() -> str:
    """Changes with each boot; start times are comparable within one boot only."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def dies_with_parent(deathsig: signal.Signals) -> Callable[[], None]:
    """A `preexec_fn`: the kernel sends `deathsig` when the thread that spawned the child ends.

    CPython runs it after the change of user, which would clear the setting. The spawning thread must be the main
    thread, because the signal follows the thread, not the process. Raises `not_main_thread`.
    """
    if threading.current_thread() is not threading.main_thread():
        raise StartRefused("not_main_thread")
    parent = os.getpid()

    def set_deathsig() -> None:
        if _LIBC.prctl(_PR_SET_PDEATHSIG, int(deathsig), 0, 0, 0) != 0:
            os._exit(127)
        if os.getppid() != parent:  # the parent died between fork and prctl
            os._exit(127)
        # The supervisor blocks its signals while it starts things; the child must not inherit that.
        signal.pthread_sigmask(signal.SIG_SETMASK, set())

    return set_deathsig


def kill_group(group: int, signum: signal.Signals) -> bool:
    """Send a signal to a process group; False when it is gone."""
    assert group > 1, "never our own group, never everybody"
    try:
        os.killpg(group, signum)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def group_members(group: int) -> list[ProcessStat]:
    """Live (not zombie) members of a process group."""
    return [stat for stat in all_processes() if stat.group == group and stat.alive]


def forked_die_with_server() -> None:
    """Called in a server before it forks its workers: each ends at once when the server ends. A worker that outlives
    it would serve on beside the next one."""
    server = os.getpid()

    def follow() -> None:
        if _LIBC.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) != 0 or os.getppid() != server:
            os._exit(1)  # the server died before we asked

    os.register_at_fork(after_in_child=follow)
