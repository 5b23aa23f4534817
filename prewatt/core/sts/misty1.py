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


# One pair of rounds: FL's AND and OR keys for the left and for the right half, then FO's seven keys twice
# (KO1, KI1, KO2, KI2, KO3, KI3, KO4).
PairKeys = tuple[tuple[int, int, int, int], tuple[int, ...], tuple[int, ...]]


class Misty1:
    """The cipher under one key; blocks are 64-bit integers. An instance holds key material: do not log it.

    Halves are kept as two words of 16 bits each, high first: FL and FO work on those.
    """

    __slots__ = ("_first", "_last", "_pairs", "_second")

    def __init__(self, key: bytes) -> None:
        ek = key_schedule(key)
        self._first, self._second = fi_tables()

        def fl(k: int) -> tuple[int, int, int, int]:
            """Keys of FL number k (even) for the left half and k+1 for the right."""
            half = k // 2
            left = ek[half % 8], ek[(half + 6) % 8 + 8]
            return *left, ek[(half + 2) % 8 + 8], ek[(half + 4) % 8]

        def fo(k: int) -> tuple[int, ...]:
            mixed = [ek[(k + shift) % 8 + 8] for shift in (5, 1, 3)]
            plain = [ek[(k + shift) % 8] for shift in (0, 2, 7, 4)]
            return plain[0], mixed[0], plain[1], mixed[1], plain[2], mixed[2], plain[3]

        self._pairs: tuple[PairKeys, ...] = tuple((fl(k), fo(k), fo(k + 1)) for k in range(0, 8, 2))
        self._last = fl(8)

    def encrypt(self, block: int) -> int:
        """One block; 0 <= block < 2**64."""
        first, second = self._first, self._second
        a, b, c, d = block >> 48, block >> 32 & 0xFFFF, block >> 16 & 0xFFFF, block & 0xFFFF
        for (and_l, or_l, and_r, or_r), even, odd in self._pairs:
            b ^= a & and_l
            a ^= b | or_l
            d ^= c & and_r
            c ^= d | or_r
            ko1, ki1, ko2, ki2, ko3, ki3, ko4 = even
            t = second[first[a ^ ko1] ^ ki1] ^ b
            u = second[first[b ^ ko2] ^ ki2] ^ t
            d ^= second[first[t ^ ko3] ^ ki3] ^ u
            c ^= u ^ ko4
            ko1, ki1, ko2, ki2, ko3, ki3, ko4 = odd
            t = second[first[c ^ ko1] ^ ki1] ^ d
            u = second[first[d ^ ko2] ^ ki2] ^ t
            b ^= second[first[t ^ ko3] ^ ki3] ^ u
            a ^= u ^ ko4
        and_l, or_l, and_r, or_r = self._last
        b ^= a & and_l
        a ^= b | or_l
        d ^= c & and_r
        c ^= d | or_r
        return c << 48 | d << 32 | a << 16 | b

    def decrypt(self, block: int) -> int:
        """The inverse of `encrypt`, its steps backwards."""
        first, second = self._first, self._second
        c, d, a, b = block >> 48, block >> 32 & 0xFFFF, block >> 16 & 0xFFFF, block & 0xFFFF
        and_l, or_l, and_r, or_r = self._last
        a ^= b | or_l
        b ^= a & and_l
        c ^= d | or_r
        d ^= c & and_r
        for (and_l, or_l, and_r, or_r), even, odd in reversed(self._pairs):
            ko1, ki1, ko2, ki2, ko3, ki3, ko4 = odd
            t = second[first[c ^ ko1] ^ ki1] ^ d
            u = second[first[d ^ ko2] ^ ki2] ^ t
            b ^= second[first[t ^ ko3] ^ ki3] ^ u
            a ^= u ^ ko4
            ko1, ki1, ko2, ki2, ko3, ki3, ko4 = even
            t = second[first[a ^ ko1] ^ ki1] ^ b
            u = second[first[b ^ ko2] ^ ki2] ^ t
            d ^= second[first[t ^ ko3] ^ ki3] ^ u
            c ^= u ^ ko4
            a ^= b | or_l
            b ^= a & and_l
            c ^= d | or_r
            d ^= c & and_r
        return a << 48 | b << 32 | c << 16 | d
