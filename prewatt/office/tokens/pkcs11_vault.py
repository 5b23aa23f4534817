"""DKGA04 vending keys in a PKCS#11 device: the device signs, the decoder key comes to us, the vending key never does.

Needs the optional package `python-pkcs11` (requirements-pkcs11.lock). A device refuses HMAC keys shorter than 32 bytes,
so the key is put in padded with zeros, which gives the same HMAC. DKGA02 needs the value of the key itself and is
refused.
"""

import threading
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from prewatt.core.refusals import Refused
from prewatt.core.sts import DecoderKey, Dkga, MeterPan, VendingKey
from prewatt.core.sts.ids import check_ti
from prewatt.core.sts.keys import dkga04_message
from prewatt.office.tokens.sealed import CHECKED
from prewatt.office.tokens.vault import Holder, KeyChangeOrder, KeyName, Order, issue_with, one_by_one

PADDED_BYTES: Final = 32
# what is the key's fault and not the device's
_KEY_FAULTS: Final = (
    "NoSuchKey", "MultipleObjectsReturned", "KeySizeRange", "KeyTypeInconsistent", "KeyHandleInvalid",
)  # fmt: skip
_NO_VALUE: Final = bytes(Dkga.HMAC.key_bytes)  # stands where the engine wants a value: the message holds none of it


class Pkcs11Vault:
    """One token of a device, by its label, logged into with its user PIN. Raises Refused `vault_unavailable`."""

    provider = "pkcs11"

    def __init__(self, *, library: Path, token_label: str, pin: str) -> None:
        self._library, self._token_label, self._pin = library, token_label, pin
        self._lock = threading.Lock()  # a session signs one thing at a time
        self._session: Any = None
        try:
            self._p11 = import_module("pkcs11")
        except ImportError:
            raise Refused("vault_unavailable", retry=True) from None

    def __repr__(self) -> str:
        return f"<Pkcs11Vault {self._token_label}>"

    def issue(self, order: Order) -> tuple[str, ...]:
        return issue_with(self, order)

    def issue_sets(self, orders: Iterable[KeyChangeOrder]) -> Iterator[tuple[str, ...] | Refused]:
        return one_by_one(self, orders)

    def decoder_key(self, key: KeyName, holder: Holder) -> DecoderKey:
        """Raises Refused `vault_cannot` for DKGA02, what the engine refuses, `device_key_missing`,
        `vault_unavailable`."""
        named = _named(key)
        MeterPan.parse(holder.meter_pan)
        check_ti(holder.ti)
        message = dkga04_message(named, holder.meter_pan, holder.ti, holder.ea)
        return DecoderKey(
            ea=holder.ea, value=self._signed(key.label, message)[: holder.ea.key_bytes], ken=key.ken,
            base_date=key.base_date, meter_pan=holder.meter_pan, sgc=key.sgc, ti=holder.ti, krn=key.krn, kt=key.kt,
        )  # fmt: skip

    def check_value(self, key: KeyName) -> str:
        _named(key)
        return self._signed(key.label, CHECKED)[:3].hex()

    def _signed(self, label: str, message: bytes) -> bytes:
        p11 = self._p11
        with self._lock:
            try:
                key = self._opened().get_key(key_type=p11.KeyType.GENERIC_SECRET, label=label)
                return bytes(key.sign(message, mechanism=p11.Mechanism.SHA256_HMAC))
            except tuple(getattr(p11.exceptions, name) for name in _KEY_FAULTS):
                raise Refused("device_key_missing") from None
            except p11.exceptions.PKCS11Error:
                self._session = None  # the next call logs in anew
                raise Refused("vault_unavailable", retry=True) from None

    def _opened(self) -> Any:
        if self._session is None:
            try:
                device = self._p11.lib(str(self._library)).get_token(token_label=self._token_label)
                try:
                    self._session = device.open(user_pin=self._pin)
                except self._p11.exceptions.UserAlreadyLoggedIn:  # a login holds for the whole process
                    self._session = device.open()
            except RuntimeError:  # the library cannot be loaded
                raise Refused("vault_unavailable", retry=True) from None
        return self._session


def padded(value: bytes) -> bytes:
    """A vending key as it is put into a device."""
    assert len(value) == Dkga.HMAC.key_bytes, "DKGA04 keys have 20 bytes"
    return value.ljust(PADDED_BYTES, b"\0")


def _named(key: KeyName) -> VendingKey:
    """The key's names as the engine checks them; its value stays in the device."""
    if key.dkga is not Dkga.HMAC:
        raise Refused("vault_cannot", dkga=key.dkga.value)
    return VendingKey(
        dkga=key.dkga, value=_NO_VALUE, sgc=key.sgc, krn=key.krn, kt=key.kt, base_date=key.base_date, ken=key.ken
    )
