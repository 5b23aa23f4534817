"""The token checksum: CRC-16 x^16+x^15+x^2+1, reflected (A001h), start FFFFh, its two bytes swapped.

It covers seven bytes: six zero bits, the class, then the 48 bits from the subclass on. Currency tokens
(class 0, subclasses 4-7) add one byte 01h: CRC_C (sts.md, section 3.1).
"""

from typing import Final

_POLYNOMIAL: Final = 0xA001


def _entry(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (_POLYNOMIAL if byte & 1 else 0)
    return byte


TABLE: Final = tuple(_entry(byte) for byte in range(256))
COVERED_BYTES: Final = 7
CURRENCY_SUFFIX: Final = 0x01


def crc16(data: bytes, *, currency: bool = False) -> int:
    """The 16 bits as they stand in the token block: 000b19eb230100 -> c207h."""
    value = 0xFFFF
    for byte in data:
        value = value >> 8 ^ TABLE[(value ^ byte) & 0xFF]
    if currency:
        value = value >> 8 ^ TABLE[(value ^ CURRENCY_SUFFIX) & 0xFF]
    return (value & 0xFF) << 8 | value >> 8


def block_crc(token_class: int, bits48: int) -> int:
    """The checksum of a token's clear 48 bits; CRC_C where class and subclass ask for it."""
    currency = token_class == 0 and 4 <= bits48 >> 44 <= 7
    return crc16((token_class << 48 | bits48).to_bytes(COVERED_BYTES, "big"), currency=currency)
