"""Check sums of wire protocols."""

import struct
from functools import cache
from typing import Final

_POLYNOMIAL: Final = 0xA001  # 8005h reflected, CRC-16/MODBUS


def _byte_table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ _POLYNOMIAL if value & 1 else value >> 1
        table.append(value)
    return tuple(table)


def _word_table(single: tuple[int, ...]) -> tuple[int, ...]:
    """The register is as wide as the data word, so one look-up replaces two byte steps and the shifts."""
    return tuple(single[single[low] & 0xFF ^ high] ^ single[low] >> 8 for high in range(256) for low in range(256))


_BYTES: Final = _byte_table()
_WORDS: Final = _word_table(_BYTES)


@cache
def _words_of(count: int) -> struct.Struct:
    return struct.Struct(f"<{count}H")


MAX_CACHED: Final = 1024  # bytes; longer input would only grow the cache of formats


def crc16_modbus(data: bytes | bytearray | memoryview, crc: int = 0xFFFF) -> int:
    """CRC-16/MODBUS (start FFFFh, or the CRC of what came before); on the wire the low byte goes first."""
    size = len(data)
    if size > MAX_CACHED:
        for byte in data:
            crc = crc >> 8 ^ _BYTES[crc & 0xFF ^ byte]
        return crc
    table = _WORDS
    for word in _words_of(size >> 1).unpack_from(data):
        crc = table[crc ^ word]
    if size & 1:
        crc = crc >> 8 ^ _BYTES[crc & 0xFF ^ data[-1]]
    return crc
