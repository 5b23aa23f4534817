"""Compiled kernels for batches, when numba is installed; without it the numpy path does the same work.

Two primitives are worth compiling: EA07 with a key per block, and HMAC-SHA-256 over many short messages
under one key. Both are compared with their scalar counterparts by property test where numba is present.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

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
    sta_blocks = jit(_sta_blocks)
    compress = jit(_compress)
    hmac_rows = jit(_hmac_rows)
    round_constants = np.array([_root_bits(prime, 3) for prime in _PRIMES], dtype=np.uint32)
    start = np.array([_root_bits(prime, 2) for prime in _PRIMES[:8]], dtype=np.uint32)

    def sta_encrypt(keys: U64, blocks: U64) -> U64:
        out = np.empty_like(blocks)
        sta_blocks(sta_tables(), first_round_keys(keys), blocks, out, ROUNDS)
        return out

    def hmac_sha256(key: bytes, rows: Bytes) -> Bytes:
        assert len(key) <= _HASH_BLOCK and rows.shape[1] <= 55, "one hash block each"
        states = []
        for pad in (0x36, 0x5C):
            words = np.frombuffer(bytes(byte ^ pad for byte in key.ljust(_HASH_BLOCK, b"\0")), dtype=">u4")
            state, schedule = start.copy(), np.empty(64, dtype=np.uint32)
            schedule[:16] = words
            compress(state, schedule, round_constants)
            states.append(state)
        out = np.empty((len(rows), 8), dtype=np.uint32)
        hmac_rows(np.ascontiguousarray(rows), states[0], states[1], round_constants, out, compress)
        return out.astype(">u4").view(np.uint8).reshape(len(rows), 32)

    return Kernels(sta_encrypt=sta_encrypt, hmac_sha256=hmac_sha256)


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


def _compress(state: U32, w: U32, constants: U32) -> None:  # pragma: no cover
    """One SHA-256 block: `w` holds sixteen words and room for the schedule; `state` is replaced."""
    for at in range(16, 64):
        x, y = w[at - 15], w[at - 2]
        s0 = (x >> 7 | x << 25) ^ (x >> 18 | x << 14) ^ (x >> 3)
        s1 = (y >> 17 | y << 15) ^ (y >> 19 | y << 13) ^ (y >> 10)
        w[at] = np.uint32(w[at - 16] + s0 + w[at - 7] + s1)
    a, b, c, d, e, f, g, h = state[0], state[1], state[2], state[3], state[4], state[5], state[6], state[7]
    for at in range(64):
        s1 = (e >> 6 | e << 26) ^ (e >> 11 | e << 21) ^ (e >> 25 | e << 7)
        t1 = np.uint32(h + s1 + (e & f ^ ~e & g) + constants[at] + w[at])
        s0 = (a >> 2 | a << 30) ^ (a >> 13 | a << 19) ^ (a >> 22 | a << 10)
        t2 = np.uint32(s0 + (a & b ^ a & c ^ b & c))
        h, g, f, e = g, f, e, np.uint32(d + t1)
        d, c, b, a = c, b, a, np.uint32(t1 + t2)
    state[0] += a
    state[1] += b
    state[2] += c
    state[3] += d
    state[4] += e
    state[5] += f
    state[6] += g
    state[7] += h


def _hmac_rows(
    rows: Bytes, inner: U32, outer: U32, constants: U32, out: U32, compress: Any
) -> None:  # pragma: no cover
    """HMAC of each row, from the states behind the two paddings."""
    length = rows.shape[1]
    w = np.empty(64, dtype=np.uint32)
    for at in range(len(rows)):
        for word in range(16):
            value = np.uint32(0)
            for byte in range(4):
                place = 4 * word + byte
                if place < length:
                    value = np.uint32(value << 8 | rows[at, place])
                elif place == length:
                    value = np.uint32(value << 8 | 0x80)
                else:
                    value = np.uint32(value << 8)
            w[word] = value
        w[15] = np.uint32((64 + length) * 8)
        state = inner.copy()
        compress(state, w, constants)
        w[:8] = state
        w[8] = np.uint32(0x80000000)
        w[9:15] = 0
        w[15] = np.uint32((64 + 32) * 8)
        state = outer.copy()
        compress(state, w, constants)
        out[at] = state
