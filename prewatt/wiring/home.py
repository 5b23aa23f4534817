"""Files of PREWATT_HOME that belong to the whole: the instance lock, the secret, what the demo told us."""

import fcntl
import json
import os
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path

from prewatt.wiring.refusals import StartRefused

LOCK_NAME = "prewatt.lock"
SECRET_NAME = "secret"
DEMO_NAME = "demo.json"
SITE_NAME = "site.json"  # the demo load writes it, the simulator plays it
VAULT_NAME = "vault.key"  # what opens a demo's key vault
SIMULATOR_NAME = "simulator"  # directory of what the simulated meters remember
_SECRET_BYTES = 48
_LOCK_PATIENCE_S = 1.5  # a holder that was killed a moment ago needs a while to die on a busy machine
_LOCK_STEP_S = 0.05


@dataclass(frozen=True, kw_only=True)
class Login:
    """One operator of the demo site."""

    role: str
    username: str
    password: str


@dataclass(frozen=True, kw_only=True)
class DemoLogins:
    """What the demo load left for the READY line; empty without a demo."""

    api_key: str | None = None
    logins: tuple[Login, ...] = field(default=())


def lock_file(path: Path) -> int:
    """Hold a lock on a file; the descriptor keeps it, and the kernel lets go when we die. Raises `already_running`."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + _LOCK_PATIENCE_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(descriptor)
                raise StartRefused("already_running", path=path.parent) from None
            time.sleep(_LOCK_STEP_S)
        else:
            return descriptor


def lock_instance(home: Path) -> int:
    """Hold the only instance of a home. Raises `already_running`."""
    return lock_file(home / LOCK_NAME)


def write_private(path: Path, text: str) -> None:
    """Write a file of mode 0600, whole or not at all."""
    work = path.with_name(f".{path.name}.{os.getpid()}")
    work.unlink(missing_ok=True)
    descriptor = os.open(work, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        work.replace(path)
    finally:
        work.unlink(missing_ok=True)


def secret_key(home: Path) -> str:
    """The key that signs sessions, made once per home."""
    path = home / SECRET_NAME
    try:
        found = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        found = ""
    if not found:
        found = secrets.token_urlsafe(_SECRET_BYTES)
        write_private(path, found + "\n")
    return found


def demo_logins(home: Path) -> DemoLogins:
    """What `prewatt demo` wrote; nothing when there is no demo or its file is damaged."""
    try:
        said = json.loads((home / DEMO_NAME).read_text(encoding="utf-8"))
        logins = tuple(
            Login(role=str(one["role"]), username=str(one["username"]), password=str(one["password"]))
            for one in said["logins"]
        )
        return DemoLogins(api_key=str(said["api_key"]), logins=logins)
    except FileNotFoundError:
        return DemoLogins()
    except (ValueError, KeyError, TypeError):
        return DemoLogins()


def demo_dial_in(home: Path) -> int:
    """Where the meters of the demo site dial in; 0: nobody does, or there is no such site."""
    try:
        lines = json.loads((home / SITE_NAME).read_text(encoding="utf-8"))["lines"]
    except (OSError, ValueError, KeyError, TypeError):
        return 0
    return next((int(line["port"]) for line in lines if line.get("transport") == "dial-in"), 0)
