"""Compiled kernels for batches, when numba is installed; without it the numpy path does the same work.

Two primitives are worth compiling: EA07 with a key per block, and HMAC-SHA-256 over many short messages
under one key. Both are compared with their scalar counterparts by property test where numba is present.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from typing import Final

import numpy as np
import numpy.typing as npt

from prewatt.core.sts.sta import ROUNDS
from prewatt.core.sts.vectors import U64, Bytes, first_round_keys, sta_tables

_HASH_BLOCK: Final = 64
U32 = npt.NDArray[np.uint32]
_PRIMES: Final = [n for n in range(2, 312) if all(n % d for d in range(2, n))]  # the first 64


def _root_bits(number: int, power: int) -> int:
    """The first 32 fractional bits of the `power`-th root: where SHA-256 takes its constants from."""
    target, low, high = number << 32 * power, 0, 1 << 48
    while high - low > 1:
        middle = (low + high) // 2
        if middle**power <= target:
            low = middle
        else:
            high = middle
    return low & 0xFFFFFFFF


@dataclass(frozen=True, kw_only=True)
class Kernels:
    """The compiled primitives. `hmac_sha256` takes a key of at most 64 bytes and rows of at most 55."""

    sta_encrypt: Callable[[U64, U64], U64]
    hmac_sha256: Callable[[bytes, Bytes], Bytes]


@lru_cache(maxsize=1)
def kernels() -> Kernels | None:
    """The kernels, or None when numba is not installed. The first call in a fresh installation compiles."""
    if find_spec("numba") is None:
        return None
    jit = import_module("numba").njit(cache=True, nogil=True)
    sta_blocks, sha256_blocks = jit(_sta_blocks), jit(_sha256_blocks)
    constants = np.array([_root_bits(prime, 3) for prime in _PRIMES], dtype=np.uint32)
    start = np.array([_root_bits(prime, 2) for prime in _PRIMES[:8]], dtype=np.uint32)

    def sta_encrypt(keys: U64, blocks: U64) -> U64:
        out = np.empty_like(blocks)
        sta_blocks(sta_tables(), first_round_keys(keys), blocks, out, ROUNDS)
        return out

    def compress(state: U32, blocks: Bytes) -> U32:
        out = np.empty((len(blocks), 8), dtype=np.uint32)
        sha256_blocks(state, blocks.view(">u4").astype(np.uint32), constants, out)
        return out

    def hmac_sha256(key: bytes, rows: Bytes) -> Bytes:
        assert len(key) <= _HASH_BLOCK, "a longer key would have to be hashed first"
        padded = np.frombuffer(key.ljust(_HASH_BLOCK, b"\0"), dtype=np.uint8)[None, :]
        inner, outer = (compress(start, padded ^ np.uint8(pad))[0] for pad in (0x36, 0x5C))
        first = compress(inner, _last_block(rows)).astype(">u4").view(np.uint8)
        return compress(outer, _last_block(first)).astype(">u4").view(np.uint8)

    return Kernels(sta_encrypt=sta_encrypt, hmac_sha256=hmac_sha256)


def _last_block(rows: Bytes) -> Bytes:
    """Rows of at most 55 bytes as the second and last hash block of a message: the end mark, the length."""
    length = rows.shape[1]
    assert length <= 55, "one hash block each"
    blocks = np.zeros((len(rows), _HASH_BLOCK), dtype=np.uint8)
    blocks[:, :length] = rows
    blocks[:, length] = 0x80
    blocks[:, -2:] = divmod((_HASH_BLOCK + length) * 8, 256)
    return blocks


def _sta_blocks(tables: U64, keys: U64, blocks: U64, out: U64, rounds: int) -> None:  # pragma: no cover
    one, three, byte_mask = np.uint64(1), np.uint64(3), np.uint64(0xFF)
    for at in range(len(blocks)):
        key, block = keys[at], blocks[at]
        for _ in range(rounds):
            moved = np.uint64(0)
            for place in range(8):
                shift = np.uint64(8 * place)
                low = key >> (shift + three) & one
                high = key >> (shift + np.uint64(7)) & one
                choice = low << np.uint64(8) | high << np.uint64(9)
                moved |= tables[place, choice | (block >> shift & byte_mask)]
            block = moved
            key = key << one | key >> np.uint64(63)
        out[at] = block


def _sha256_blocks(start: U32, blocks: U32, constants: U32, out: U32) -> None:  # pragma: no cover
    """The state behind each block of sixteen words, all from the same `start`."""
    w = np.empty(64, dtype=np.uint32)
    for row in range(len(blocks)):
        w[:16] = blocks[row]
        for at in range(16, 64):
            x, y = w[at - 15], w[at - 2]
            s0 = (x >> 7 | x << 25) ^ (x >> 18 | x << 14) ^ (x >> 3)
            s1 = (y >> 17 | y << 15) ^ (y >> 19 | y << 13) ^ (y >> 10)
            w[at] = np.uint32(w[at - 16] + s0 + w[at - 7] + s1)
        a, b, c, d = start[0], start[1], start[2], start[3]
        e, f, g, h = start[4], start[5], start[6], start[7]
        for at in range(64):
            s1 = (e >> 6 | e << 26) ^ (e >> 11 | e << 21) ^ (e >> 25 | e << 7)
            t1 = np.uint32(h + s1 + (e & f ^ ~e & g) + constants[at] + w[at])
            s0 = (a >> 2 | a << 30) ^ (a >> 13 | a << 19) ^ (a >> 22 | a << 10)
            t2 = np.uint32(s0 + (a & b ^ a & c ^ b & c))
            h, g, f, e = g, f, e, np.uint32(d + t1)
            d, c, b, a = c, b, a, np.uint32(t1 + t2)
        out[row, 0], out[row, 1], out[row, 2], out[row, 3] = start[0] + a, start[1] + b, start[2] + c, start[3] + d
        out[row, 4], out[row, 5], out[row, 6], out[row, 7] = start[4] + e, start[5] + f, start[6] + g, start[7] + h
