"""Vending keys, decoder keys, and how the one makes the other: DKGA02 and DKGA04.

DKGA01 (early meters, no vectors), DKGA03 and EA09 (withdrawn in edition 3, no vectors) are left out:
what cannot be checked against anything must not make tokens (docs/algorithms/sts.md, section 4).
Key values never show in `repr`.
"""

import hmac
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Protocol

from prewatt.core.sts.dea import des_encrypt
from prewatt.core.sts.ids import (
    KEN_NEVER,
    Dkga,
    Ea,
    KeyType,
    MeterPan,
    check_ken,
    check_krn,
    check_kt,
    check_sgc,
    check_ti,
)
from prewatt.core.sts.misty1 import Misty1
from prewatt.core.sts.refusals import StsCode, refuse
from prewatt.core.sts.sta import Sta
from prewatt.core.sts.tid import BaseDate

PREPARED_KEYS: Final = 64  # prepared ciphers kept; a vending process works with few keys at a time
_CONTROL_PAD: Final = "ffffff"
_SEPARATOR: Final = 0


class BlockCipher(Protocol):
    """A 64-bit block cipher under one key."""

    def encrypt(self, block: int) -> int: ...

    def decrypt(self, block: int) -> int: ...


@dataclass(frozen=True, kw_only=True)
class DecoderKey:
    """The key a meter holds, and what is known about it; what is None is not known.

    `value` is 8 bytes for EA07, 16 for EA11, most significant byte first. Refuses other lengths.
    """

    ea: Ea
    value: bytes = field(repr=False)
    ken: int = KEN_NEVER
    base_date: BaseDate | None = None
    meter_pan: str | None = None
    sgc: str | None = None
    ti: str | None = None
    krn: int | None = None
    kt: KeyType | None = None

    def __post_init__(self) -> None:
        check_ken(self.ken)
        if self.sgc is not None:
            check_sgc(self.sgc)
        if self.ti is not None:
            check_ti(self.ti)
        if self.krn is not None:
            check_krn(self.krn)
        if len(self.value) != self.ea.key_bytes:
            raise refuse(StsCode.KEY_LENGTH, field="decoder_key", length=self.ea.key_bytes)

    def cipher(self) -> BlockCipher:
        """The prepared cipher, from a small cache."""
        return prepared(self.ea, self.value)


@lru_cache(maxsize=PREPARED_KEYS)
def prepared(ea: Ea, value: bytes) -> BlockCipher:
    """EA07 with the production tables, or EA11, ready for blocks."""
    return Sta(value) if ea is Ea.STA else Misty1(value)


@dataclass(frozen=True, kw_only=True)
class VendingKey:
    """A supply group's key: 8 bytes for DKGA02, 20 for DKGA04; refuses what the standard does not allow."""

    dkga: Dkga
    value: bytes = field(repr=False)
    sgc: str
    krn: int
    kt: KeyType
    base_date: BaseDate | None  # DKGA04 binds it into the key; for DKGA02 it only dates the tokens
    ken: int = KEN_NEVER

    def __post_init__(self) -> None:
        check_sgc(self.sgc)
        check_krn(self.krn)
        check_kt(self.kt)
        check_ken(self.ken)
        if len(self.value) != self.dkga.key_bytes:
            raise refuse(StsCode.KEY_LENGTH, field="vending_key", length=self.dkga.key_bytes)
        if self.dkga is Dkga.HMAC and self.kt is KeyType.DCTK:
            raise refuse(StsCode.COMMON_KEY_UNDEFINED)
        if self.dkga is Dkga.HMAC and self.base_date is None:
            raise refuse(StsCode.FIELD_MISSING, field="base_date")

    def decoder_key(self, *, meter_pan: str, ti: str, ea: Ea) -> DecoderKey:
        """The key of one meter (18-digit PAN) at one tariff index.

        Refuses wrong check digits first, and EA11 under DKGA02.
        """
        pan = MeterPan.parse(meter_pan)
        check_ti(ti)
        if self.dkga is Dkga.DES and ea is not Ea.STA:
            raise refuse(StsCode.DKGA_EA_MISMATCH)
        value = dkga02(self, pan, ti) if self.dkga is Dkga.DES else dkga04(self, meter_pan, ti, ea)
        return DecoderKey(
            ea=ea,
            value=value,
            ken=self.ken,
            base_date=self.base_date,
            meter_pan=meter_pan,
            sgc=self.sgc,
            ti=ti,
            krn=self.krn,
            kt=self.kt,
        )


def pan_block(pan: MeterPan, kt: KeyType) -> bytes:
    """DKGA02: the last 16 digits of IIN + DRN, packed; a common key (KT 3) has zeros for the DRN."""
    drn = "0" * len(pan.drn) if kt is KeyType.DCTK else pan.drn
    return bytes.fromhex((pan.iin + drn).rjust(16, "0")[-16:])


def control_block(key: VendingKey, ti: str) -> bytes:
    """DKGA02: one nibble each of KT, SGC, TI, KRN, then FFFFFF."""
    return bytes.fromhex(f"{key.kt:d}{key.sgc}{ti}{key.krn:x}{_CONTROL_PAD}")


def dkga02(key: VendingKey, pan: MeterPan, ti: str) -> bytes:
    """DES(VK, D) xor D xor VK with D = PAN block xor control block. The base date is no input."""
    data = _xor(pan_block(pan, key.kt), control_block(key, ti))
    return _xor(_xor(des_encrypt(key.value, data), data), key.value)


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def dkga04_message(key: VendingKey, meter_pan: str, ti: str, ea: Ea) -> bytes:
    """The 49 bytes DKGA04 signs: ASCII digits, each field behind its length, and the key length in bits."""
    assert key.base_date is not None, "checked when the key was made"
    first = ("04", key.base_date.code, ea.value, ti)
    second = (key.sgc, f"{key.kt:d}", f"{key.krn:d}", meter_pan)
    parts = [bytes([len(first)]), *(_counted(item) for item in first), bytes([_SEPARATOR])]
    parts += [bytes([len(second)]), *(_counted(item) for item in second)]
    return b"".join(parts) + (ea.key_bytes * 8).to_bytes(4, "big")


def _counted(digits: str) -> bytes:
    return bytes([len(digits)]) + digits.encode("ascii")


def dkga04(key: VendingKey, meter_pan: str, ti: str, ea: Ea) -> bytes:
    """The first 8 or 16 bytes of HMAC-SHA-256; base date and EA are bound in."""
    return hmac.digest(key.value, dkga04_message(key, meter_pan, ti, ea), "sha256")[: ea.key_bytes]
