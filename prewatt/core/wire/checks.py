"""Check sums of wire protocols."""

from typing import Final

_POLYNOMIAL: Final = 0xA001  # 8005h reflected, CRC-16/MODBUS


def _byte_table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ _POLYNOMIAL if value & 1 else value >> 1
        table.append(value)
    return tuple(table)


# One byte a step: a table for whole words halves the steps, but it is three megabytes of numbers, and among the work of
# a head-end they are never in the cache when they are needed.
_TABLE: Final = _byte_table()


def crc16_modbus(data: bytes | bytearray | memoryview, crc: int = 0xFFFF) -> int:
    """CRC-16/MODBUS (start FFFFh, or the CRC of what came before); on the wire the low byte goes first."""
    table = _TABLE
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc
