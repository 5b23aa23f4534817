"""What is asked of scheduled backups and what came of them, as files and the environment say. Light: `up` reads it."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from prewatt.wiring import backup_plan
from prewatt.wiring.refusals import StartRefused

KEY_NAME: Final = "PREWATT_BACKUP_KEY"
DIR_NAME: Final = "PREWATT_BACKUP_DIR"
HOUR_NAME: Final = "PREWATT_BACKUP_HOUR"
STATUS_NAME: Final = "backup.json"
HOUR_DEFAULT: Final = 2  # local: after the day's last sale, before the first


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Where scheduled backups go, and at which local hour they are made."""

    directory: Path
    hour: int


@dataclass(frozen=True, kw_only=True)
class Status:
    """What came of the last backup; `code` is empty after a good one."""

    at: datetime
    code: str
    text: str
    bytes: int


def planned(environ: Mapping[str, str] | None = None) -> Plan | None:
    """What the environment asks for; None without a key or a directory. Raises `setting_invalid`."""
    env = os.environ if environ is None else environ
    directory, hour = env.get(DIR_NAME, "").strip(), env.get(HOUR_NAME, "").strip() or str(HOUR_DEFAULT)
    if not directory or not env.get(KEY_NAME, ""):
        return None
    if not hour.isdecimal() or int(hour) > 23:
        raise StartRefused("setting_invalid", name=HOUR_NAME, detail=f"{hour!r} is not within 0..23")
    return Plan(directory=Path(directory).expanduser().absolute(), hour=int(hour))


def status(home: Path) -> Status | None:
    """What the keeper said last; None before its first backup, or when that is not readable."""
    try:
        said = json.loads((home / STATUS_NAME).read_text(encoding="utf-8"))
        return Status(
            at=datetime.fromisoformat(said["at"]), code=str(said["code"]), text=str(said["text"]),
            bytes=int(said["bytes"]),
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError):
        return None


def newest(directory: Path) -> datetime | None:
    """When the newest scheduled backup in a directory was made, by its name."""
    try:
        found = [at for name in os.listdir(directory) if (at := backup_plan.made_at(name)) is not None]
    except FileNotFoundError:
        return None
    return max(found, default=None)
