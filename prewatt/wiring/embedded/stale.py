"""What an earlier server left behind: processes that still end, lock files that nobody holds any more.

PostgreSQL itself refuses to start when the pid in its lock file is a zombie or was given to somebody else. The truth is
in the process table: every process of a cluster works in its data directory, a zombie in none.
"""

import logging
import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path

from prewatt.wiring.embedded.owner import Owner
from prewatt.wiring.embedded.place import Place
from prewatt.wiring.processes import ProcessStat, all_processes
from prewatt.wiring.refusals import StartRefused

logger = logging.getLogger(__name__)

# A postmaster whose parent was killed is doing a fast shutdown with a checkpoint: time first, then ever less politely.
_ASK_AFTER_S = 15.0
_QUIT_AFTER_S = 30.0
_KILL_AFTER_S = 40.0
_GIVE_UP_AFTER_S = 50.0
# Backends without a postmaster end by themselves at their next wait; one that computes does not.
_KILL_ORPHANS_AFTER_S = 3.0
_STEP_S = 0.02


def processes_in(directory: Path, owner: Owner) -> list[ProcessStat]:
    """Live PostgreSQL processes whose working directory is `directory`."""
    try:
        wanted = directory.stat()
    except FileNotFoundError:
        return []
    candidates = [stat for stat in all_processes() if stat.alive and _is_postgres(stat.pid)]
    found, hidden = _working_in(candidates, (wanted.st_dev, wanted.st_ino))
    if hidden and owner.dropped:
        # Root without the right to look into foreign processes (usual in containers): ask as the owner.
        found += _as_owner(hidden, (wanted.st_dev, wanted.st_ino), owner)
    return found


def _is_postgres(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip() in {"postgres", "initdb"}
    except (FileNotFoundError, ProcessLookupError):
        return False


def _working_in(
    candidates: Iterable[ProcessStat], wanted: tuple[int, int]
) -> tuple[list[ProcessStat], list[ProcessStat]]:
    found: list[ProcessStat] = []
    hidden: list[ProcessStat] = []
    for stat in candidates:
        try:
            here = os.stat(f"/proc/{stat.pid}/cwd")
        except PermissionError:
            hidden.append(stat)
        except (FileNotFoundError, ProcessLookupError):
            continue
        else:
            if (here.st_dev, here.st_ino) == wanted:
                found.append(stat)
    return found, hidden


def _as_owner(candidates: list[ProcessStat], wanted: tuple[int, int], owner: Owner) -> list[ProcessStat]:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setgroups([])
            os.setresgid(owner.gid, owner.gid, owner.gid)
            os.setresuid(owner.uid, owner.uid, owner.uid)
            found, _ = _working_in(candidates, wanted)
            os.write(writer, " ".join(str(stat.pid) for stat in found).encode())
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader) as stream:
        pids = {int(word) for word in stream.read().split()}
    os.waitpid(child, 0)
    return [stat for stat in candidates if stat.pid in pids]


def clear_stale(place: Place, owner: Owner) -> None:
    """Wait for (in the end: kill) old processes of this cluster, then remove its lock files. The caller holds the
    instance lock. Raises `database_busy`."""
    begun = time.monotonic()
    while found := processes_in(place.data, owner):
        waited = time.monotonic() - begun
        parents = {stat.pid for stat in found}
        masters = [stat for stat in found if stat.parent not in parents]
        orphans = all(_postmaster_pid(place.data) != stat.pid for stat in masters)
        if waited > _GIVE_UP_AFTER_S:
            pids = ", ".join(str(stat.pid) for stat in found)
            raise StartRefused("database_busy", path=place.data, detail=f"pid {pids}")
        signum = _pressure(waited, orphans=orphans)
        if signum is not None:
            logger.warning("old database processes get %s: %s", signum.name, sorted(parents))
            for stat in found if orphans else masters:
                _send(stat.pid, signum)
            time.sleep(0.5)
        time.sleep(_STEP_S)
    # Missing-ok: a postmaster that just finished removes them itself.
    for left in (place.data / "postmaster.pid", *place.socket_files()):
        left.unlink(missing_ok=True)


def _pressure(waited: float, *, orphans: bool) -> signal.Signals | None:
    if orphans:
        return signal.SIGKILL if waited > _KILL_ORPHANS_AFTER_S else None
    if waited > _KILL_AFTER_S:
        return signal.SIGKILL
    if waited > _QUIT_AFTER_S:
        return signal.SIGQUIT
    return signal.SIGINT if waited > _ASK_AFTER_S else None


def _postmaster_pid(data: Path) -> int:
    try:
        return int((data / "postmaster.pid").read_text(encoding="ascii").split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return 0


def _send(pid: int, signum: signal.Signals) -> None:
    try:
        os.kill(pid, signum)
    except (ProcessLookupError, PermissionError) as error:
        logger.warning("signal to %d failed: %s", pid, error)
