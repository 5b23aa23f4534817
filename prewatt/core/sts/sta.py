"""EA07, the Standard Transfer Algorithm: 16 rounds of substitution and permutation, 64-bit block and key.

Each round substitutes the 16 nibbles (nibble i by table 2 where bit 4i+3 of the round key is one, else
by table 1), permutes the 64 bits, and rotates the round key left by one. The first round key is the
complement of the key rotated right by 12 (sts.md, section 4.1).

Substitution and permutation of one byte are one table look-up here: for each of the 8 byte positions
and each of the 4 choices its two key bits make, 256 words of 64 bits whose OR is the round's result.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from prewatt.core.sts.tables import PRODUCTION, StaTables

ROUNDS: Final = 16
MASK64: Final = (1 << 64) - 1
_FIRST_ROTATION: Final = 12

ByteTable = tuple[int, ...]
Round = tuple[ByteTable, ByteTable, ByteTable, ByteTable, ByteTable, ByteTable, ByteTable, ByteTable]


def rotate_left(value: int, by: int) -> int:
    """A 64-bit rotation."""
    by %= 64
    return (value << by | value >> (64 - by)) & MASK64


def first_round_key(key: int) -> int:
    """Complement, then rotate right by 12."""
    return rotate_left(~key & MASK64, 64 - _FIRST_ROTATION)


def permute(value: int, permutation: Sequence[int]) -> int:
    """Bit i of `value` goes to position permutation[i]."""
    moved = 0
    for bit, place in enumerate(permutation):
        moved |= (value >> bit & 1) << place
    return moved


def inverse(permutation: Sequence[int]) -> tuple[int, ...]:
    """The permutation that undoes `permutation`."""
    result = [0] * len(permutation)
    for source, target in enumerate(permutation):
        result[target] = source
    return tuple(result)


@dataclass(frozen=True)
class Lookups:
    """`encrypt[byte position][choice][byte]` and its inverse; choice bit 0 is the low nibble's table."""

    encrypt: tuple[tuple[ByteTable, ...], ...]
    decrypt: tuple[tuple[ByteTable, ...], ...]
    permute: Round  # the bare permutation and its inverse, byte by byte
    unpermute: Round


def _byte_tables(
    boxes: tuple[tuple[int, ...], tuple[int, ...]], permutation: Sequence[int]
) -> tuple[tuple[ByteTable, ...], ...]:
    nibbles = [
        [[permute(box[value] << 4 * place, permutation) for value in range(16)] for box in boxes] for place in range(16)
    ]
    return tuple(
        tuple(
            tuple(
                nibbles[2 * place][choice & 1][byte & 15] | nibbles[2 * place + 1][choice >> 1][byte >> 4]
                for byte in range(256)
            )
            for choice in range(4)
        )
        for place in range(8)
    )


def _byte_permutation(permutation: Sequence[int]) -> Round:
    t0, t1, t2, t3, t4, t5, t6, t7 = (
        tuple(permute(byte << 8 * place, permutation) for byte in range(256)) for place in range(8)
    )
    return t0, t1, t2, t3, t4, t5, t6, t7


@lru_cache(maxsize=8)  # two sets are shipped, a few more may be a user's own
def lookups(tables: StaTables) -> Lookups:
    """The look-up form of a table set."""
    back = inverse(tables.permutation)
    return Lookups(
        encrypt=_byte_tables((tables.substitution_1, tables.substitution_2), tables.permutation),
        decrypt=_byte_tables((inverse(tables.substitution_1), inverse(tables.substitution_2)), back),
        permute=_byte_permutation(tables.permutation),
        unpermute=_byte_permutation(back),
    )


def _choice(round_key: int, place: int) -> int:
    """Which tables byte `place` uses: bit 0 for its low nibble, bit 1 for its high one."""
    return round_key >> (8 * place + 3) & 1 | (round_key >> (8 * place + 7) & 1) << 1


class Sta:
    """The cipher under one key; blocks are 64-bit integers, most significant byte first.

    `key` is 8 bytes, most significant first. An instance holds key material: do not log it.
    """

    __slots__ = ("_decrypt_rounds", "_encrypt_rounds", "_key", "_lookups")

    def __init__(self, key: bytes, tables: StaTables = PRODUCTION) -> None:
        assert len(key) == 8, "an EA07 key is 8 bytes"
        self._lookups = lookups(tables)
        self._key = first_round_key(int.from_bytes(key, "big"))
        self._encrypt_rounds: tuple[Round, ...] | None = None
        self._decrypt_rounds: tuple[Round, ...] | None = None

    def _rounds(self, tables: tuple[tuple[ByteTable, ...], ...]) -> tuple[Round, ...]:
        rounds = []
        for number in range(ROUNDS):
            key = rotate_left(self._key, number)
            t0, t1, t2, t3, t4, t5, t6, t7 = (tables[place][_choice(key, place)] for place in range(8))
            rounds.append((t0, t1, t2, t3, t4, t5, t6, t7))
        return tuple(rounds)

    def encrypt(self, block: int) -> int:
        """One block; 0 <= block < 2**64."""
        rounds = self._encrypt_rounds
        if rounds is None:
            rounds = self._encrypt_rounds = self._rounds(self._lookups.encrypt)
        for t0, t1, t2, t3, t4, t5, t6, t7 in rounds:
            b0, b1, b2, b3, b4, b5, b6, b7 = block.to_bytes(8, "little")
            block = t0[b0] | t1[b1] | t2[b2] | t3[b3] | t4[b4] | t5[b5] | t6[b6] | t7[b7]
        return block

    def decrypt(self, block: int) -> int:
        """The inverse of `encrypt`.

        The look-ups hold "inverse substitution, then inverse permutation", so the block is unpermuted
        once before the rounds and permuted once after them.
        """
        rounds = self._decrypt_rounds
        if rounds is None:
            rounds = self._decrypt_rounds = self._rounds(self._lookups.decrypt)[::-1]
        for t0, t1, t2, t3, t4, t5, t6, t7 in (self._lookups.unpermute, *rounds, self._lookups.permute):
            b0, b1, b2, b3, b4, b5, b6, b7 = block.to_bytes(8, "little")
            block = t0[b0] | t1[b1] | t2[b2] | t3[b3] | t4[b4] | t5[b5] | t6[b6] | t7[b7]
        return block
