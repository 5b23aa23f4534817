"""The cipher of Acrel gateways as the makers have it: AES-128-CBC, key = initial vector = secret (jerryxiaosa/ems4j).

It keeps a looker-on from reading; it is no protection against anybody who knows or guesses the secret, and says nothing
about who sent what. It is needed to talk to them, and for nothing else here.
"""

from typing import Final

from prewatt.core.wire.acrel_gateway import Seal, Unsealed
from prewatt.core.wire.errors import RemoteProtocolError

SECRET_BYTES: Final = 16


class MakersSeal:
    """Raises ValueError for a secret of another length."""

    def __init__(self, secret: str) -> None:
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # dear; few sites need it

        key = secret.encode()
        if len(key) != SECRET_BYTES:
            raise ValueError(f"a secret has {SECRET_BYTES} bytes")
        self._cipher = Cipher(algorithms.AES(key), modes.CBC(key))

    def close(self, plain: bytes) -> bytes:
        from cryptography.hazmat.primitives.padding import PKCS7

        padder, to = PKCS7(128).padder(), self._cipher.encryptor()
        return to.update(padder.update(plain) + padder.finalize()) + to.finalize()

    def open(self, sealed: bytes) -> bytes:
        """Raises RemoteProtocolError `cipher`."""
        from cryptography.hazmat.primitives.padding import PKCS7

        to, unpadder = self._cipher.decryptor(), PKCS7(128).unpadder()
        try:
            return unpadder.update(to.update(sealed) + to.finalize()) + unpadder.finalize()
        except ValueError as error:
            raise RemoteProtocolError("cipher", "not sealed with this secret") from error


def seal_of(secret: str, *, sealed: bool) -> Seal:
    """What a gateway with this secret sends under."""
    return MakersSeal(secret) if sealed else Unsealed()
