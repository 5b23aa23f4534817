"""The vaults of this process, opened once when the first token is made, from `settings.PREWATT_VAULT`.

A secret that does not open leaves the vault closed and says so once in the log: sales by token then refuse, requests
wait, and the rest of the office goes on.
"""

import logging
import os
import threading
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from django.conf import settings

from prewatt.core.refusals import ENGLISH, Refused
from prewatt.office.tokens.pkcs11_vault import Pkcs11Vault
from prewatt.office.tokens.rack import Rack, VaultSettings, open_software
from prewatt.office.tokens.sealed import KEY_BYTES, private_line
from prewatt.office.tokens.vault import KeyVault

log = logging.getLogger(__name__)
_lock: Final = threading.Lock()
_opened: list[Rack] = []  # one, when it was opened whole


def rack(*, at: datetime) -> Rack:
    """The open vaults. Never raises for a vault that does not open: asked for it, the rack says `vault_closed`."""
    with _lock:
        if _opened:
            return _opened[0]
        told: dict[str, Any] = settings.PREWATT_VAULT
        found, whole = Rack(vaults=_open(told, at)), True
        for provider, wanted in (("sealed", told["key_file"] or told["passphrase_file"]), ("pkcs11", told["library"])):
            whole = whole and (not wanted or provider in found.vaults)
        if whole:
            _opened.append(found)
        return found


def forget() -> None:
    """Open anew at the next token: for tests, and after the settings changed."""
    with _lock:
        _opened.clear()


def _open(told: dict[str, Any], at: datetime) -> dict[str, KeyVault]:
    vaults: dict[str, KeyVault] = {}
    try:
        software = open_software(software_settings(told), at=at)
        if software is not None:
            vaults[software.provider] = software
        if told["library"]:
            device = Pkcs11Vault(
                library=Path(told["library"]), token_label=told["token"], pin=private_line(Path(told["pin_file"]))
            )
            vaults[device.provider] = device
    except Refused as refused:
        log.error("key vault: %s: %s", refused.code, refused.message(ENGLISH))
    return vaults


def software_settings(told: dict[str, Any]) -> VaultSettings:
    """The settings of the software vault; a demo makes itself a key file, a real site never."""
    key_file = Path(told["key_file"]) if told["key_file"] else None
    if key_file is not None and told["demo_key_file"] and not key_file.exists():
        make_key_file(key_file)
    return VaultSettings(
        key_file=key_file,
        passphrase_file=Path(told["passphrase_file"]) if told["passphrase_file"] else None,
        production=told["production"],
        software_in_production=told["software"],
    )


def make_key_file(path: Path) -> None:
    """32 random bytes that the owner alone can read; a file that is there stays as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(handle, os.urandom(KEY_BYTES))
        os.fsync(handle)
    finally:
        os.close(handle)
    try:
        os.link(fresh, path)  # fails where another process was first: never half a file, never two
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
