"""Who owns the database files, and whether that user can reach them.

PostgreSQL refuses to run as root, so root hands it to a service user. Rights of directories that are not ours are never
changed; where the service user cannot pass, the callers of this module go elsewhere or refuse.
"""

import grp
import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from prewatt.wiring.refusals import StartRefused

_SERVICE_USERS = ("postgres", "nobody")
_TRY_TIMEOUT_S = 20


class SpawnAs(TypedDict, total=False):
    """Keyword arguments of `subprocess.Popen` that change the user; empty when nothing is to change."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, kw_only=True)
class Owner:
    """The user the database runs as."""

    name: str
    uid: int
    gid: int
    dropped: bool  # True: we are root and the database is not

    @property
    def spawn(self) -> SpawnAs:
        """For `subprocess.Popen(**owner.spawn)`."""
        return SpawnAs(user=self.uid, group=self.gid, extra_groups=[]) if self.dropped else SpawnAs()

    def take(self, path: Path) -> None:
        """Hand a file or directory of ours to the owner."""
        if self.dropped:
            os.chown(path, self.uid, self.gid)

    def may_run(self, program: Path) -> bool:
        """Whether the owner can execute a program where it lies, with all its libraries. Tried, not computed."""
        return self._try([str(program), "--version"])

    def may_use(self, directory: Path) -> bool:
        """Whether the owner can enter and write a directory. Tried as that user: modes alone do not show ACLs."""
        return self._try(["/bin/sh", "-c", 'cd "$1" && test -w .', "sh", str(directory)])

    def _try(self, command: list[str]) -> bool:
        try:
            tried = subprocess.run(
                command,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                timeout=_TRY_TIMEOUT_S,
                check=False,
                **self.spawn,
            )
        except (OSError, subprocess.SubprocessError):
            return False
        return tried.returncode == 0


def database_owner(*, existing: Path | None = None) -> Owner:
    """Ourselves; for root whoever owns the `existing` data directory (a first start without root stays usable), else
    the service user. Raises `no_service_user`, `unknown_os_user`."""
    uid = os.geteuid()
    if uid == 0 and existing is not None and existing.is_dir() and existing.stat().st_uid != 0:
        entry = _user(existing.stat().st_uid)
        return Owner(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid, dropped=True)
    if uid != 0:
        entry = _user(uid)
        return Owner(name=entry.pw_name, uid=uid, gid=os.getegid(), dropped=False)
    for name in _SERVICE_USERS:
        try:
            entry = pwd.getpwnam(name)
            grp.getgrgid(entry.pw_gid)
        except KeyError:
            continue
        return Owner(name=name, uid=entry.pw_uid, gid=entry.pw_gid, dropped=True)
    raise StartRefused("no_service_user")


def _user(uid: int) -> pwd.struct_passwd:
    try:
        return pwd.getpwuid(uid)
    except KeyError:
        raise StartRefused("unknown_os_user", uid=uid) from None
