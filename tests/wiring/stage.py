"""What the process tests share: homes, free ports, processes that are started and surely ended, waiting."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from prewatt.wiring.leftovers import carries_mark
from prewatt.wiring.processes import all_processes, read_stat

ROOT = Path(__file__).resolve().parent.parent.parent
T = TypeVar("T")
PATIENCE_S = 60.0  # far above what is expected: the machine may be busy; what is measured is asserted apart


def free_ports() -> int:
    """The first of three neighbouring free ports."""
    for first in range(20_000 + os.getpid() % 10_000, 60_000, 7):
        try:
            for port in range(first, first + 3):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first
    raise AssertionError("no free ports")


def eventually(look: Callable[[], T], *, within_s: float = PATIENCE_S, what: str = "") -> T:
    """The first true thing `look` gives."""
    end = time.monotonic() + within_s
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < end, f"not within {within_s} s: {what or look}"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    """Whether a process lives and is not just a zombie."""
    stat = read_stat(pid)
    return stat is not None and stat.alive


def marked(home: Path) -> set[int]:
    """The live processes that a supervisor of this home started."""
    return {stat.pid for stat in all_processes() if stat.alive and carries_mark(stat.pid, home)}


def fetch(url: str) -> str:
    """The body of a page, "" when nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


@dataclass
class Running:
    """A process under test. Its group is killed at the end of the test, whatever happened."""

    process: subprocess.Popen[str]
    home: Path

    def line(self) -> str:
        """The next line of its stdout."""
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def said(self) -> dict[str, Any]:
        """The next line of its stdout as JSON (after PREWATT-READY, if that is there)."""
        line = self.line()
        assert line, self.errors()
        found: dict[str, Any] = json.loads(line.removeprefix("PREWATT-READY "))
        return found

    def errors(self) -> str:
        """All of its stderr; waits for its end."""
        return self.process.communicate(timeout=PATIENCE_S)[1]

    def end(self, signum: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, wait; the exit code."""
        self.process.send_signal(signum)
        return self.process.wait(PATIENCE_S)


def start(module: str, *words: str, home: Path, **environment: str) -> Running:
    """Start `python -m module words` with a clean set of PREWATT_ variables."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PREWATT_", "LC_", "LANG"))}
    process = subprocess.Popen(
        [sys.executable, "-m", module, *words],
        cwd=ROOT,
        env={**clean, "PREWATT_HOME": str(home), **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    return Running(process=process, home=home)


def sweep(running: Running) -> None:
    """Leave nothing behind: the process, its group, and what carries its mark."""
    if running.process.poll() is None:
        running.process.kill()
    running.process.wait(PATIENCE_S)
    for stream in (running.process.stdout, running.process.stderr):
        if stream is not None:
            stream.close()
    for pid in marked(running.home):
        os.kill(pid, signal.SIGKILL)
