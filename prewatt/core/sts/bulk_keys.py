"""Decoder keys for many meters of one supply group: DKGA02 and DKGA04 in bulk.

A meter is a row of 18 digits (its PAN, already checked) and a row of 2 (its tariff index).
"""

import hashlib
from dataclasses import dataclass
from typing import Final

import numpy as np

from prewatt.core.sts import compiled
from prewatt.core.sts.dea import des_encrypt
from prewatt.core.sts.ids import Dkga, Ea, KeyType, MeterPan
from prewatt.core.sts.keys import VendingKey, control_block, dkga04_message
from prewatt.core.sts.vectors import Bytes

_HASH_BLOCK: Final = 64
_ZERO: Final = np.uint8(ord("0"))
_ANY_PAN: Final = MeterPan.of_drn("00000000000").digits
MESSAGE_BYTES: Final = 49
_TI_AT: Final = 11  # where DKGA04's message holds the tariff index
_PAN_AT: Final = 27  # and the PAN


@dataclass(frozen=True, kw_only=True)
class Meters:
    """Checked meters: `pans` (n, 18) and `tis` (n, 2), digits as numbers 0..9."""

    pans: Bytes
    tis: Bytes

    def __post_init__(self) -> None:
        assert self.pans.shape[1] == 18 and self.tis.shape[1] == 2, "digits of PAN and TI"
        assert len(self.pans) == len(self.tis), "one tariff index per meter"


def decoder_keys(key: VendingKey, meters: Meters, ea: Ea, kernels: compiled.Kernels | None) -> Bytes:
    """One row of 8 (EA07) or 16 (EA11) bytes per meter, most significant first."""
    if key.dkga is Dkga.DES:
        return _dkga02(key, meters)
    return _dkga04(key, meters, ea, kernels)


def _dkga02(key: VendingKey, meters: Meters) -> Bytes:
    digits: Bytes = meters.pans[:, 1:17].copy()  # the last 16 digits of IIN + DRN
    if key.kt is KeyType.DCTK:
        digits[:, 5:] = 0  # 0000 before 13 digits leaves nothing but zeros either way
        digits[meters.pans[:, 0] == 0] = 0
    data: Bytes = digits[:, 0::2] << np.uint8(4) | digits[:, 1::2]
    control = np.frombuffer(control_block(key, "00"), dtype=np.uint8)
    data ^= control
    # TI stands in nibbles 7 and 8 of the control block: low half of byte 3, high half of byte 4
    data[:, 3] ^= meters.tis[:, 0]
    data[:, 4] ^= meters.tis[:, 1] << np.uint8(4)
    made = np.frombuffer(des_encrypt(key.value, data.tobytes()), dtype=np.uint8).reshape(-1, 8)
    keys: Bytes = made ^ data ^ np.frombuffer(key.value, dtype=np.uint8)
    return keys


def messages(key: VendingKey, meters: Meters, ea: Ea) -> Bytes:
    """DKGA04's 49 bytes for each meter."""
    pattern = np.frombuffer(dkga04_message(key, _ANY_PAN, "00", ea), dtype=np.uint8)
    rows = np.repeat(pattern[None, :], len(meters.pans), axis=0)
    rows[:, _TI_AT : _TI_AT + 2] = meters.tis + _ZERO
    rows[:, _PAN_AT : _PAN_AT + 18] = meters.pans + _ZERO
    return rows


def _dkga04(key: VendingKey, meters: Meters, ea: Ea, kernels: compiled.Kernels | None) -> Bytes:
    rows = messages(key, meters, ea)
    if kernels is not None:
        return kernels.hmac_sha256(key.value, rows)[:, : ea.key_bytes]
    # HMAC by hand: both paddings are hashed once and copied per meter, which hmac.new cannot
    padded = key.value.ljust(_HASH_BLOCK, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in padded))
    outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in padded))
    data = rows.tobytes()
    found = []
    for start in range(0, len(data), MESSAGE_BYTES):
        first, second = inner.copy(), outer.copy()
        first.update(data[start : start + MESSAGE_BYTES])
        second.update(first.digest())
        found.append(second.digest())
    return np.frombuffer(b"".join(found), dtype=np.uint8).reshape(-1, 32)[:, : ea.key_bytes]
