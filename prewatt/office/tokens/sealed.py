"""The software vault: vending keys sealed with AES-256-GCM under a key derived from a passphrase or kept in a file.

No certified security module, and not meant to be one: in production it opens only by an explicit setting, and refuses
the test keys that everybody knows. A key's value exists in clear for the time of one call and in no text.
"""

import hmac
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby, islice
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from prewatt.core.refusals import Refused
from prewatt.core.sts import DecoderKey, Dkga, Ea, VendingKey
from prewatt.core.sts.batch import KeyChangeCampaign, KeyChangeRow
from prewatt.core.sts.dea import des_encrypt
from prewatt.office.tokens.vault import Holder, KeyChangeOrder, KeyName, Order, issue_with, own

PASSPHRASE_LEAST: Final = 16  # characters: scrypt slows a guess, it does not make a short word long
KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
SALT_BYTES: Final = 16
LOG_N: Final = 15  # scrypt: 32 MiB and about a tenth of a second, once a process
PROBE: Final = b"prewatt key vault"
CHECKED: Final = b"prewatt check value"
SETS_AT_ONCE: Final = 8192  # what `core.sts.batch` works on at once
RUN_LEAST: Final = 5  # bytes of one pattern in a row; one random key in half a million has it by chance


@dataclass(frozen=True, kw_only=True)
class Secret:
    """What opens the vault: a passphrase, or 32 bytes of a key file."""

    kind: str  # "passphrase" | "key_file"
    value: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Seal:
    """What is kept of a secret: enough to say whether it is the right one."""

    kind: str
    salt: bytes
    log_n: int
    probe: bytes


def passphrase(text: str) -> Secret:
    """Raises Refused `vault_secret_weak`."""
    if len(text) < PASSPHRASE_LEAST:
        raise Refused("vault_secret_weak", least=PASSPHRASE_LEAST)
    return Secret(kind="passphrase", value=text.encode())


def passphrase_file(path: Path) -> Secret:
    """The first line of a file that its owner alone can read. Raises `vault_secret_missing`, `vault_secret_weak`."""
    return passphrase(private_line(path))


def private_line(path: Path) -> str:
    """The first line of a file that its owner alone can read: a passphrase, or the PIN of a device."""
    return _private(path).partition(b"\n")[0].decode("utf-8", "replace").strip()


def key_file(path: Path) -> Secret:
    """Exactly 32 bytes in a file that its owner alone can read. Raises `vault_secret_missing`, `vault_secret_weak`."""
    value = _private(path)
    if len(value) != KEY_BYTES:
        raise Refused("vault_secret_weak", least=PASSPHRASE_LEAST)
    return Secret(kind="key_file", value=value)


def _private(path: Path) -> bytes:
    try:
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise Refused("vault_secret_weak", least=PASSPHRASE_LEAST)
        return path.read_bytes()
    except OSError:
        raise Refused("vault_secret_missing") from None


def new_seal(secret: Secret) -> Seal:
    """The seal of a vault that is used for the first time."""
    salt = os.urandom(SALT_BYTES)
    wrap = _wrap(secret, salt, LOG_N)
    return Seal(kind=secret.kind, salt=salt, log_n=LOG_N, probe=_seal(wrap, PROBE, PROBE))


def _wrap(secret: Secret, salt: bytes, log_n: int) -> AESGCM:
    if secret.kind == "key_file":  # random already: bound to the salt, so that two vaults with one file differ
        return AESGCM(hmac.digest(secret.value, salt, "sha256"))
    return AESGCM(Scrypt(salt=salt, length=KEY_BYTES, n=1 << log_n, r=8, p=1).derive(secret.value))


def _seal(wrap: AESGCM, clear: bytes, bound: bytes) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + wrap.encrypt(nonce, clear, bound)


def _open(wrap: AESGCM, sealed: bytes, bound: bytes, code: str) -> bytes:
    try:
        return wrap.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound)
    except (InvalidTag, ValueError):
        raise Refused(code) from None


class SealedVault:
    """Opens with the right secret. Raises Refused `vault_secret_wrong`, `vault_software_in_production`."""

    provider = "sealed"

    def __init__(self, seal: Seal, secret: Secret, *, production: bool, allowed_in_production: bool = False) -> None:
        if production and not allowed_in_production:
            raise Refused("vault_software_in_production")
        if seal.kind != secret.kind:
            raise Refused("vault_secret_wrong")
        self._wrap = _wrap(secret, seal.salt, seal.log_n)
        self._production = production
        _open(self._wrap, seal.probe, PROBE, "vault_secret_wrong")

    def __repr__(self) -> str:
        return "<SealedVault>"

    def seal(self, name: KeyName, value: bytes) -> bytes:
        """What to keep of a vending key. Refuses a wrong length, and in production a public test key."""
        self._judged(name, value)
        return _seal(self._wrap, value, name.bound())

    def issue(self, order: Order) -> tuple[str, ...]:
        return issue_with(self, order)

    def decoder_key(self, key: KeyName, holder: Holder) -> DecoderKey:
        return self._vending_key(key).decoder_key(meter_pan=holder.meter_pan, ti=holder.ti, ea=holder.ea)

    def check_value(self, key: KeyName) -> str:
        return check_value(self._vending_key(key))

    def issue_sets(self, orders: Iterable[KeyChangeOrder]) -> Iterator[tuple[str, ...] | Refused]:
        """In bulk, `SETS_AT_ONCE` meters of the same two keys at a time."""
        for (key, new_key, ea, rollover, three), alike in groupby(orders, key=_shared):
            campaign = KeyChangeCampaign(
                old=self._vending_key(own(self, key)), new=self._vending_key(own(self, new_key)),
                ea=ea, rollover=rollover, three_tokens=three,
            )  # fmt: skip
            while some := list(islice(alike, SETS_AT_ONCE)):
                rows = (KeyChangeRow(each.holder.meter_pan, each.holder.ti, each.new_ti) for each in some)
                for chunk in campaign.stream(rows):
                    codes = {each.index - chunk.first_index: each.code for each in chunk.refused}
                    for at, digits in enumerate(chunk.sets()):
                        yield Refused(codes[at]) if at in codes else tuple(digits)

    def _vending_key(self, name: KeyName) -> VendingKey:
        return self._judged(name, _open(self._wrap, name.sealed, name.bound(), "vault_key_damaged"))

    def _judged(self, name: KeyName, value: bytes) -> VendingKey:
        made = VendingKey(
            dkga=name.dkga, value=value, sgc=name.sgc, krn=name.krn, kt=name.kt, base_date=name.base_date, ken=name.ken
        )
        if self._production and is_test_key(value):
            raise Refused("vault_test_key")
        return made


def _shared(order: KeyChangeOrder) -> tuple[KeyName, KeyName, Ea, bool, bool]:
    return order.key, order.new_key, order.holder.ea, order.rollover, order.three_tokens


def check_value(key: VendingKey) -> str:
    """The first three bytes of zeros under DES (DKGA02), or of an HMAC of our own text (DKGA04)."""
    if key.dkga is Dkga.DES:
        return des_encrypt(key.value, bytes(8))[:3].hex()
    return hmac.digest(key.value, CHECKED, "sha256")[:3].hex()


def is_test_key(value: bytes) -> bool:
    """True for keys with a pattern, as the published ones have: repeated or evenly stepped bytes, repeated pairs."""
    for step in (1, 2):
        gaps = [(later - one) % 256 for one, later in zip(value, value[step:], strict=False)]
        run = 1
        for before, now in zip(gaps, gaps[1:], strict=False):
            run = run + 1 if before == now else 1
            if run >= RUN_LEAST - 1:
                return True
    return False
