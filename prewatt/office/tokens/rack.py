"""The vaults of this process, by provider; and the software vault opened from the settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from django.db import transaction

from prewatt.core.refusals import Refused
from prewatt.office.tokens import errors as _errors  # noqa: F401  registers the texts
from prewatt.office.tokens.models import VaultSeal
from prewatt.office.tokens.sealed import Seal, SealedVault, Secret, key_file, new_seal, passphrase_file
from prewatt.office.tokens.vault import KeyVault


@dataclass(frozen=True, kw_only=True)
class Rack:
    """The open vaults of a process. A provider that is not among them is closed, not wrong: another process may have
    it."""

    vaults: Mapping[str, KeyVault] = field(default_factory=dict)

    def vault(self, provider: str) -> KeyVault:
        """Raises Refused `vault_closed` (retry)."""
        found = self.vaults.get(provider)
        if found is None:
            raise Refused("vault_closed", retry=True)
        return found


@dataclass(frozen=True, kw_only=True)
class VaultSettings:
    """Where the secret of the software vault lies; neither: the vault stays closed. Both: the key file counts."""

    key_file: Path | None = None
    passphrase_file: Path | None = None
    production: bool = True
    software_in_production: bool = False


CLOSED: Final = VaultSettings()


def secret_of(settings: VaultSettings) -> Secret | None:
    """Raises Refused `vault_secret_missing`, `vault_secret_weak`."""
    if settings.key_file is not None:
        return key_file(settings.key_file)
    return passphrase_file(settings.passphrase_file) if settings.passphrase_file is not None else None


def open_software(settings: VaultSettings, *, at: datetime) -> SealedVault | None:
    """The software vault; sealed with this secret when it is used for the first time. None when no secret is set.

    Raises Refused `vault_software_in_production` (before anything is written), `vault_secret_wrong`,
    `vault_secret_weak`,
    `vault_secret_missing`.
    """
    secret = secret_of(settings)
    if secret is None:
        return None
    if settings.production and not settings.software_in_production:
        raise Refused("vault_software_in_production")
    return SealedVault(
        seal_of(secret, at), secret, production=settings.production,
        allowed_in_production=settings.software_in_production,
    )  # fmt: skip


def seal_of(secret: Secret, at: datetime) -> Seal:
    """The seal of this database; made with this secret when there is none."""
    row = VaultSeal.objects.filter(pk=1).first()
    if row is None:
        made = new_seal(secret)
        with transaction.atomic():
            row, _ = VaultSeal.objects.get_or_create(
                pk=1,
                defaults={"kind": made.kind, "salt": made.salt, "scrypt_log_n": made.log_n, "probe": made.probe,
                          "made_at": at},
            )  # fmt: skip
    return Seal(kind=row.kind, salt=bytes(row.salt), log_n=row.scrypt_log_n, probe=bytes(row.probe))
