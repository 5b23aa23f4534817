"""DEA (DES) blocks: what DKGA02 needs, and EA09 as a plain block cipher for testing.

The library offers triple DES; one key three times over is single DES.
"""

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes


def des_encrypt(key: bytes, blocks: bytes) -> bytes:
    """ECB over whole blocks of 8 bytes under one 8-byte key; parity bits are ignored by the cipher."""
    return _cipher(key, blocks).encryptor().update(blocks)


def des_decrypt(key: bytes, blocks: bytes) -> bytes:
    """The inverse of `des_encrypt`."""
    return _cipher(key, blocks).decryptor().update(blocks)


def _cipher(key: bytes, blocks: bytes) -> Cipher[modes.ECB]:
    assert len(key) == 8, "a DES key is 8 bytes"
    assert len(blocks) % 8 == 0, "DES works on blocks of 8 bytes"
    return Cipher(TripleDES(key * 3), modes.ECB())
