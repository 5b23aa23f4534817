"""What the key vaults of this site are like: nothing is made, nothing is written, and no key's value is shown.

For `prewatt vault status` and `prewatt doctor`, with Django set up.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from prewatt.core.refusals import Refused
from prewatt.office.tokens import keys, rack, sealed
from prewatt.office.tokens.models import StoredKey, StsMeter, VaultSeal
from prewatt.office.tokens.pkcs11_vault import Pkcs11Vault
from prewatt.office.tokens.vault import KeyVault

OPEN, UNUSED = "open", "unused"  # unused: well, and nothing lies in it yet


@dataclass(frozen=True, kw_only=True)
class SeenVault:
    """A vault of the settings. `state`: `OPEN`, `UNUSED`, or the code of `refused`."""

    provider: str
    state: str
    refused: Refused | None = None
    vault: KeyVault | None = None


@dataclass(frozen=True, kw_only=True)
class SeenKey:
    """A vending key that is in use. `state`: `OPEN`, or the code why it makes no tokens; `meters` hold keys made of
    it."""

    row: StoredKey
    state: str
    meters: int


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Everything, at once. `wrong` names what a person must mend."""

    vaults: tuple[SeenVault, ...]
    keys: tuple[SeenKey, ...]

    @property
    def wrong(self) -> tuple[str, ...]:
        """One short text for each thing; empty when all is well."""
        vaults = tuple(f"{each.provider}: {each.state}" for each in self.vaults if each.refused is not None)
        names = tuple(
            f"key {each.row.pk} ({each.row.sgc} {each.row.krn}): {each.state}"
            for each in self.keys if each.state != OPEN
        )  # fmt: skip
        return vaults + names


def look() -> Seen:
    """Open what the settings name, as a process that sells would, and ask each vault for the check values of its keys.

    A key with another check value than the one that was noted says `vault_key_damaged`.
    """
    vaults = tuple(_vaults(settings.PREWATT_VAULT))
    by_provider = {each.provider: each for each in vaults}
    found = tuple(_key(row, by_provider) for row in StoredKey.objects.filter(ended_at=None).order_by("pk"))
    return Seen(vaults=vaults, keys=found)


def _vaults(told: Mapping[str, Any]) -> Iterator[SeenVault]:
    if told["key_file"] or told["passphrase_file"]:
        try:
            yield _sealed(told)
        except Refused as refused:
            yield SeenVault(provider="sealed", state=refused.code, refused=refused)
    if told["library"]:
        try:
            device = Pkcs11Vault(
                library=Path(told["library"]), token_label=told["token"],
                pin=sealed.private_line(Path(told["pin_file"])),
            )  # fmt: skip
            yield SeenVault(provider=device.provider, state=UNUSED, vault=device)  # its keys say whether it answers
        except Refused as refused:
            yield SeenVault(provider="pkcs11", state=refused.code, refused=refused)


def _sealed(told: Mapping[str, Any]) -> SeenVault:
    key_file = Path(told["key_file"]) if told["key_file"] else None
    row = VaultSeal.objects.filter(pk=1).first()
    if row is None and key_file is not None and told["demo_key_file"] and not key_file.exists():
        return SeenVault(provider="sealed", state=UNUSED)  # a demo makes itself one when it needs it
    if told["production"] and not told["software"]:
        raise Refused("vault_software_in_production")
    passphrase = Path(told["passphrase_file"]) if told["passphrase_file"] else None
    secret = rack.secret_of(rack.VaultSettings(key_file=key_file, passphrase_file=passphrase))
    assert secret is not None, "one of the two is set"
    if row is None:
        return SeenVault(provider="sealed", state=UNUSED)
    seal = sealed.Seal(kind=row.kind, salt=bytes(row.salt), log_n=row.scrypt_log_n, probe=bytes(row.probe))
    vault = sealed.SealedVault(seal, secret, production=told["production"], allowed_in_production=told["software"])
    return SeenVault(provider=vault.provider, state=OPEN, vault=vault)


def _key(row: StoredKey, vaults: Mapping[str, SeenVault]) -> SeenKey:
    seen = vaults.get(row.provider)
    meters = StsMeter.objects.filter(
        sgc=row.sgc, krn=row.krn, kt=row.kt, ken=row.ken, dkga=row.dkga, base_date=row.base_date,
        meter__removed_at=None,
    ).count()  # fmt: skip
    if seen is None or seen.vault is None:
        return SeenKey(row=row, state="vault_closed", meters=meters)
    try:
        same = seen.vault.check_value(keys.name_of(row)) == row.check_value
    except Refused as refused:
        return SeenKey(row=row, state=refused.code, meters=meters)
    return SeenKey(row=row, state=OPEN if same else "vault_key_damaged", meters=meters)
