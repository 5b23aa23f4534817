"""What an earlier supervisor left running, found and killed before anything new is started.

Children die with their parent (a signal the kernel sends), but a grandchild may not, and a kernel signal can come a
moment after the next start. So each start writes down the process groups it makes, and the next one removes what is
left of them. A number alone proves nothing: a leader must have the recorded start time, any other member must carry the
mark of this home in its environment.
"""

import json
import logging
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prewatt.wiring.home import write_private
from prewatt.wiring.processes import ProcessStat, all_processes, boot_id

logger = logging.getLogger(__name__)

STATE_NAME = "children.json"
MARK = "PREWATT_INSTANCE"  # in the environment of every child and grandchild: the home it belongs to
_GONE_S = 5.0  # a killed process leaves the table at once, unless it hangs in the kernel
_STEP_S = 0.02


@dataclass(frozen=True, kw_only=True)
class ChildRecord:
    """A child as it was started: its number is also that of its process group."""

    name: str
    pid: int
    started: int  # clock ticks since boot


def write_records(home: Path, records: Sequence[ChildRecord]) -> None:
    """Write down who runs. A full disk must not stop supervision: the mark in the environment still tells."""
    state = {
        "boot_id": boot_id(),
        "children": [{"name": one.name, "pid": one.pid, "started": one.started} for one in records],
    }
    try:
        write_private(home / STATE_NAME, json.dumps(state) + "\n")
    except OSError as error:
        logger.warning("the list of children could not be written: %s", error)


def read_records(home: Path) -> list[ChildRecord]:
    """Who ran when the list was last written; nobody after a reboot or with a damaged list."""
    try:
        state = json.loads((home / STATE_NAME).read_text(encoding="utf-8"))
        if state["boot_id"] != boot_id():
            return []
        return [
            ChildRecord(name=str(one["name"]), pid=int(one["pid"]), started=int(one["started"]))
            for one in state["children"]
        ]
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError):
        logger.warning("the list of children is damaged and left aside")
        return []


def carries_mark(pid: int, home: Path) -> bool:
    """Whether a process was started by a supervisor of this home (or by a child of one)."""
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False
    return f"{MARK}={home}".encode() in environment.split(b"\0")


def find_leftovers(home: Path) -> list[ProcessStat]:
    """Live processes of an earlier supervisor of this home. The caller holds the instance lock."""
    leaders = {one.pid: one.started for one in read_records(home)}
    found: list[ProcessStat] = []
    for stat in all_processes():
        if not stat.alive or stat.pid == os.getpid():
            continue
        if leaders.get(stat.pid) == stat.started or carries_mark(stat.pid, home):
            found.append(stat)
    return found


def kill_leftovers(home: Path) -> int:
    """Kill them and wait until they are gone; how many there were."""
    killed: set[int] = set()
    deadline = time.monotonic() + _GONE_S
    while (found := find_leftovers(home)) and time.monotonic() < deadline:
        for stat in found:
            if stat.pid not in killed:
                logger.warning("an old process is ended: pid %d", stat.pid)
                killed.add(stat.pid)
            try:
                os.kill(stat.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError) as error:
                logger.warning("pid %d could not be ended: %s", stat.pid, error)
        time.sleep(_STEP_S)
    return len(killed)
