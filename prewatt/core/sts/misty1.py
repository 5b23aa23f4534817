"""EA11: MISTY1 as RFC 2994 describes it, 64-bit block, 128-bit key, 8 rounds, all big-endian.

FI is written as two look-ups of 16 bits with the key in between: its first half (S9, S7) does not see
the key, its second half (S9) sees it already mixed in.
"""

from functools import lru_cache
from typing import Final

from prewatt.core.sts.tables import MISTY1_S7, MISTY1_S9

_LOW9: Final = 0x1FF
_LOW7: Final = 0x7F


def _first_half(value: int) -> int:
    left, right = MISTY1_S9[value >> 7] ^ value & _LOW7, value & _LOW7
    return ((MISTY1_S7[right] ^ left) & _LOW7) << 9 | left


def _second_half(value: int) -> int:
    right = value >> 9
    return right << 9 | MISTY1_S9[value & _LOW9] ^ right


@lru_cache(maxsize=1)
def fi_tables() -> tuple[list[int], list[int]]:
    """Both halves of FI over all 16-bit values."""
    return [_first_half(value) for value in range(1 << 16)], [_second_half(value) for value in range(1 << 16)]


def key_schedule(key: bytes) -> tuple[int, ...]:
    """The 16 subkeys of 16 bits: the key's words, then FI of each word under the next."""
    assert len(key) == 16, "an EA11 key is 16 bytes"
    first, second = fi_tables()
    words = [int.from_bytes(key[at : at + 2], "big") for at in range(0, 16, 2)]
    mixed = [second[first[word] ^ words[(at + 1) % 8]] for at, word in enumerate(words)]
    return (*words, *mixed)


class Misty1:
    """The cipher under one key; blocks are 64-bit integers. An instance holds key material: do not log it."""

    __slots__ = ("_fl", "_fo")

    def __init__(self, key: bytes) -> None:
        ek = key_schedule(key)
        # per round: KO1, KI1, KO2, KI2, KO3, KI3, KO4
        self._fo = tuple(
            (
                ek[k],
                ek[(k + 5) % 8 + 8],
                ek[(k + 2) % 8],
                ek[(k + 1) % 8 + 8],
                ek[(k + 7) % 8],
                ek[(k + 3) % 8 + 8],
                ek[(k + 4) % 8],
            )
            for k in range(8)
        )
        # per FL function: the AND key, the OR key
        self._fl = tuple(
            (ek[k // 2], ek[(k // 2 + 6) % 8 + 8]) if k % 2 == 0 else (ek[(k // 2 + 2) % 8 + 8], ek[(k // 2 + 4) % 8])
            for k in range(10)
        )

    def _round(self, half: int, k: int) -> int:
        """FO: three FI in a small Feistel ladder."""
        first, second = fi_tables()
        ko1, ki1, ko2, ki2, ko3, ki3, ko4 = self._fo[k]
        t1 = half & 0xFFFF
        t0 = second[first[half >> 16 ^ ko1] ^ ki1] ^ t1
        t1 = second[first[t1 ^ ko2] ^ ki2] ^ t0
        t0 = second[first[t0 ^ ko3] ^ ki3] ^ t1
        return (t1 ^ ko4) << 16 | t0

    def _mix(self, half: int, k: int) -> int:
        """FL."""
        and_key, or_key = self._fl[k]
        right = half & 0xFFFF ^ half >> 16 & and_key
        return (half >> 16 ^ (right | or_key)) << 16 | right

    def _unmix(self, half: int, k: int) -> int:
        and_key, or_key = self._fl[k]
        left = half >> 16 ^ (half & 0xFFFF | or_key)
        return left << 16 | half & 0xFFFF ^ left & and_key

    def encrypt(self, block: int) -> int:
        """One block; 0 <= block < 2**64."""
        left, right = block >> 32, block & 0xFFFFFFFF
        for k in range(0, 8, 2):
            left, right = self._mix(left, k), self._mix(right, k + 1)
            right ^= self._round(left, k)
            left ^= self._round(right, k + 1)
        return self._mix(right, 9) << 32 | self._mix(left, 8)

    def decrypt(self, block: int) -> int:
        """The inverse of `encrypt`."""
        right, left = self._unmix(block >> 32, 9), self._unmix(block & 0xFFFFFFFF, 8)
        for k in range(6, -2, -2):
            left ^= self._round(right, k + 1)
            right ^= self._round(left, k)
            left, right = self._unmix(left, k), self._unmix(right, k + 1)
        return left << 32 | right
