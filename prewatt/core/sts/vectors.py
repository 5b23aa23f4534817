"""The array forms of what the scalar modules do one by one: ciphers, CRC, digits, identifiers.

Arrays of unsigned 64-bit words, one element per token or meter. Every function gives exactly what its
scalar counterpart gives; tests/core/sts compares them by property. Needs numpy.
"""

from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from prewatt.core.sts.crc import COVERED_BYTES, crc16
from prewatt.core.sts.ids import IIN_11, IIN_13, PAN_DIGITS
from prewatt.core.sts.misty1 import fi_tables
from prewatt.core.sts.sta import ROUNDS, lookups
from prewatt.core.sts.tables import PRODUCTION

U64 = npt.NDArray[np.uint64]
U16 = npt.NDArray[np.uint16]
Bytes = npt.NDArray[np.uint8]  # two-dimensional: one row per element
Flags = npt.NDArray[np.bool_]
Tokens = npt.NDArray[np.bytes_]  # dtype S20

_WORD: Final = np.uint64
_BYTE_MASK: Final = _WORD(0xFF)
_NIBBLE_LOW_BITS: Final = _WORD(0x1111111111111111)
_CHOICE_BITS: Final = _WORD(0x0303030303030303)
_CHOICE_SHIFTED: Final = _WORD(0x300)
_TEN_TO_10: Final = 10**10


@lru_cache(maxsize=1)
def sta_tables() -> U64:
    """Shape (8, 1024): byte position, then choice << 8 | byte."""
    return np.array(lookups(PRODUCTION).encrypt, dtype=np.uint64).reshape(8, 1024)


def first_round_keys(keys: U64) -> U64:
    """Complement, then rotate right by 12."""
    flipped = ~keys
    return (flipped >> _WORD(12)) | (flipped << _WORD(52))


def sta_encrypt(keys: U64, blocks: U64) -> U64:
    """EA07, production tables: block i under key i."""
    assert keys.shape == blocks.shape, "one key per block"
    tables = sta_tables()
    key, block = first_round_keys(keys), blocks.copy()
    index, choice, part, moved = (np.empty_like(block) for _ in range(4))
    for _ in range(ROUNDS):
        # the two key bits of each byte, bits 8b+3 and 8b+7, side by side at 8b
        np.right_shift(key, _WORD(3), out=choice)
        choice &= _NIBBLE_LOW_BITS
        np.right_shift(choice, _WORD(3), out=index)
        choice |= index
        choice &= _CHOICE_BITS
        moved.fill(0)
        for place in range(8):
            if place == 0:
                np.left_shift(choice, _WORD(8), out=part)
            else:
                np.right_shift(choice, _WORD(8 * place - 8), out=part)
            part &= _CHOICE_SHIFTED
            np.right_shift(block, _WORD(8 * place), out=index)
            index &= _BYTE_MASK
            index |= part
            # "clip" only spares numpy its copy: an index is below 1024 by construction
            np.take(tables[place], index.view(np.int64), out=part, mode="clip")
            moved |= part
        block, moved = moved, block
        key = (key << _WORD(1)) | (key >> _WORD(63))
    return block


@lru_cache(maxsize=1)
def _fi_arrays() -> tuple[U16, U16]:
    first, second = fi_tables()
    return np.array(first, dtype=np.uint16), np.array(second, dtype=np.uint16)


def misty1_encrypt(keys: Bytes, blocks: U64) -> U64:
    """EA11: block i under the 16-byte key in row i."""
    assert keys.shape == (len(blocks), 16), "one key of 16 bytes per block"
    first, second = _fi_arrays()
    words = [keys[:, at].astype(np.uint16) << np.uint16(8) | keys[:, at + 1] for at in range(0, 16, 2)]
    ek = [*words, *(second[first[word] ^ words[(at + 1) % 8]] for at, word in enumerate(words))]

    def mix(left: U16, right: U16, k: int) -> tuple[U16, U16]:
        half = k // 2
        if k % 2 == 0:
            and_key, or_key = ek[half], ek[(half + 6) % 8 + 8]
        else:
            and_key, or_key = ek[(half + 2) % 8 + 8], ek[(half + 4) % 8]
        right = right ^ (left & and_key)
        return left ^ (right | or_key), right

    def round_of(left: U16, right: U16, k: int) -> tuple[U16, U16]:
        left = second[first[left ^ ek[k]] ^ ek[(k + 5) % 8 + 8]] ^ right
        right = second[first[right ^ ek[(k + 2) % 8]] ^ ek[(k + 1) % 8 + 8]] ^ left
        left = second[first[left ^ ek[(k + 7) % 8]] ^ ek[(k + 3) % 8 + 8]] ^ right
        return right ^ ek[(k + 4) % 8], left

    a, b, c, d = ((blocks >> _WORD(shift)).astype(np.uint16) for shift in (48, 32, 16, 0))
    for k in range(0, 8, 2):
        (a, b), (c, d) = mix(a, b, k), mix(c, d, k + 1)
        high, low = round_of(a, b, k)
        c, d = c ^ high, d ^ low
        high, low = round_of(c, d, k + 1)
        a, b = a ^ high, b ^ low
    (a, b), (c, d) = mix(a, b, 8), mix(c, d, 9)
    return sum_words(c, d, a, b)


def sum_words(*words: U16) -> U64:
    """Four 16-bit words, most significant first, as one word of 64 bits."""
    result = np.zeros(len(words[0]), dtype=np.uint64)
    for word in words:
        result = result << _WORD(16) | word
    return result


@lru_cache(maxsize=4)
def _crc_tables(token_class: int) -> tuple[int, U64]:
    """The CRC of six zero bytes behind the class byte, and what each byte value adds at each place."""
    zero = crc16(bytes([token_class] + [0] * (COVERED_BYTES - 1)))
    table = np.empty((COVERED_BYTES - 1, 256), dtype=np.uint64)
    for place in range(COVERED_BYTES - 1):
        for value in range(256):
            covered = bytearray(COVERED_BYTES)
            covered[0], covered[1 + place] = token_class, value
            table[place, value] = crc16(bytes(covered)) ^ zero
    return zero, table


def with_crc(token_class: int, bits48: U64) -> U64:
    """Clear 48 bits -> the 64-bit block. Not for currency tokens, whose CRC covers one byte more."""
    zero, table = _crc_tables(token_class)
    crc = np.full_like(bits48, zero)
    for place in range(COVERED_BYTES - 1):
        value = bits48 >> _WORD(8 * (COVERED_BYTES - 2 - place)) & _BYTE_MASK
        crc ^= table[place].take(value.view(np.int64))
    return bits48 << _WORD(16) | crc


@lru_cache(maxsize=1)
def _digit_table() -> Bytes:
    """Row n: the four ASCII digits of n."""
    return np.frombuffer("".join(f"{n:04d}" for n in range(10_000)).encode(), dtype=np.uint8).reshape(10_000, 4)


def to_digits(blocks: U64, token_class: int) -> Tokens:
    """64-bit blocks -> twenty digits each, the class put in."""
    high = blocks >> _WORD(27) & _WORD(3)
    low = blocks & ~_WORD(3 << 27) | _WORD(token_class << 27)
    # value = high * 2^64 + low = quotient * 10^10 + rest, without leaving 64 bits
    upper, lower = divmod(1 << 64, _TEN_TO_10)
    rest = low % _WORD(_TEN_TO_10) + high * _WORD(lower)
    quotient = low // _WORD(_TEN_TO_10) + high * _WORD(upper) + rest // _WORD(_TEN_TO_10)
    rest %= _WORD(_TEN_TO_10)
    table = _digit_table()
    shown = np.empty((len(blocks), 20), dtype=np.uint8)
    for start, half in ((0, quotient), (10, rest)):
        top, bottom = half // _WORD(10**8), half % _WORD(10**8)
        shown[:, start : start + 2] = table[top.view(np.int64), 2:]
        shown[:, start + 2 : start + 6] = table[(bottom // _WORD(10**4)).view(np.int64)]
        shown[:, start + 6 : start + 10] = table[(bottom % _WORD(10**4)).view(np.int64)]
    digits: Tokens = shown.view("S20").reshape(-1)
    return digits


def digit_rows(texts: list[str], length: int) -> tuple[Bytes, Flags]:
    """Digit strings -> their digits, one row each, and which rows are exactly `length` ASCII digits.

    Rows that are not hold zeros: the caller gives them to the scalar path, which says what is wrong.
    """
    joined = "".join(texts)
    fits: Flags = np.ones(len(texts), dtype=np.bool_)
    if not joined.isascii() or set(map(len, texts)) != {length}:
        fits = np.array([len(text) == length and text.isascii() for text in texts], dtype=np.bool_)
        joined = "".join(text if fit else "0" * length for text, fit in zip(texts, fits.tolist(), strict=True))
    rows = np.frombuffer(joined.encode("ascii"), dtype=np.uint8).reshape(-1, length) - np.uint8(ord("0"))
    digits = (rows <= 9).all(axis=1)
    rows[~digits] = 0
    return rows, fits & digits


_DOUBLED: Final = np.array((0, 2, 4, 6, 8, 1, 3, 5, 7, 9), dtype=np.uint8)


def luhn_holds(rows: Bytes) -> Flags:
    """Whether the last digit of each row is the check digit of those before it."""
    total = rows[:, ::-1][:, ::2].sum(axis=1, dtype=np.uint16)
    total += _DOUBLED[rows[:, ::-1][:, 1::2]].sum(axis=1, dtype=np.uint16)
    held: Flags = total % np.uint16(10) == 0
    return held


def pans_hold(rows: Bytes) -> Flags:
    """Whether each row of 18 digits is a meter PAN: known IIN, both check digits right."""
    assert rows.shape[1] == PAN_DIGITS, rows.shape
    short = (rows[:, : len(IIN_11)] == np.array([int(each) for each in IIN_11], dtype=np.uint8)).all(axis=1)
    long = (rows[:, : len(IIN_13)] == 0).all(axis=1)
    drn_holds = np.where(short, luhn_holds(rows[:, 6:17]), luhn_holds(rows[:, 4:17]))
    held: Flags = luhn_holds(rows) & drn_holds & (short | long)
    return held
