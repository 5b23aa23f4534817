"""Ciphered records over a stream, sans-IO: our own framing, no maker's and no standard's.

Both ends hold one key of 32 bytes. Whoever dialled sends a greeting, the other answers with his; from both greetings'
random bytes and the key, HKDF-SHA256 (RFC 5869) makes other keys for each connection and direction, so that nothing
recorded can be played again and no nonce is used twice. Then records, the first of each side empty: whoever holds
another key is found out before a byte of payload goes. See docs/recipes/sealed-line.md for the bytes.
"""

import hmac
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES: Final = 32
RANDOM_BYTES: Final = 32
MOST_PLAIN: Final = 4096  # of one record: a serial line's frames have some hundred bytes
MAGIC: Final = b"PWSL\x01"  # Prewatt sealed line, version 1
GREETING_BYTES: Final = len(MAGIC) + 1 + RANDOM_BYTES
LENGTH_BYTES: Final = 2
MOST_RECORDS: Final = 1 << 48  # far beyond any line's life, far below what a key may seal
GCM_TAG: Final = 16
BLOCK: Final = 8  # of 3DES
MAC: Final = 32  # of HMAC-SHA256


class Suite(IntEnum):
    """How records are ciphered. Both ends must be told the same."""

    AES_256_GCM = 1
    TRIPLE_DES_CBC = 2  # for rules that name it: CBC under HMAC-SHA256; 3DES itself is out of date


class SealBroken(Exception):
    """What came is not from somebody with our key, or was changed on its way. The connection is over.

    `reason` is one of "greeting", "suite", "length", "record", "reflected".
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _Box(Protocol):
    """One direction: numbered records under keys of their own."""

    def seal(self, number: int, plain: bytes) -> bytes: ...

    def open(self, number: int, body: bytes) -> bytes: ...


class _Gcm:
    keys: Final = 32

    def __init__(self, material: bytes) -> None:
        self._aead = AESGCM(material)

    def seal(self, number: int, plain: bytes) -> bytes:
        return self._aead.encrypt(number.to_bytes(12, "big"), plain, None)

    def open(self, number: int, body: bytes) -> bytes:
        try:
            return self._aead.decrypt(number.to_bytes(12, "big"), body, None)
        except InvalidTag as error:
            raise SealBroken("record") from error


class _Cbc:
    """Encrypt, then authenticate: number, vector and cipher text. The vector is the encrypted number."""

    keys: Final = 24 + 24 + 32

    def __init__(self, material: bytes) -> None:
        self._cipher, self._vector, self._mac = material[:24], material[24:48], material[48:]

    def seal(self, number: int, plain: bytes) -> bytes:
        fill = BLOCK - len(plain) % BLOCK
        to = Cipher(TripleDES(self._cipher), modes.CBC(self._start(number))).encryptor()
        body = to.update(plain + bytes([fill]) * fill) + to.finalize()
        return body + self._tag(number, body)

    def open(self, number: int, body: bytes) -> bytes:
        sealed, tag = body[:-MAC], body[-MAC:]
        if not sealed or len(sealed) % BLOCK or not hmac.compare_digest(tag, self._tag(number, sealed)):
            raise SealBroken("record")
        to = Cipher(TripleDES(self._cipher), modes.CBC(self._start(number))).decryptor()
        plain = to.update(sealed) + to.finalize()
        return plain[: -plain[-1]]

    def _start(self, number: int) -> bytes:
        to = Cipher(TripleDES(self._vector), modes.ECB()).encryptor()  # one block: a number never comes twice
        return to.update(number.to_bytes(BLOCK, "big")) + to.finalize()

    def _tag(self, number: int, body: bytes) -> bytes:
        return hmac.digest(self._mac, number.to_bytes(BLOCK, "big") + body, "sha256")


_BOXES: Final[dict[Suite, type[_Gcm] | type[_Cbc]]] = {Suite.AES_256_GCM: _Gcm, Suite.TRIPLE_DES_CBC: _Cbc}
MOST_BODY: Final = MOST_PLAIN + BLOCK + MAC


@dataclass(kw_only=True)
class _Way:
    box: _Box
    number: int = 0

    def next(self) -> int:
        if self.number >= MOST_RECORDS:
            raise SealBroken("record")
        self.number += 1
        return self.number - 1


class Sealed:
    """One end of a sealed connection. `random`: 32 bytes that never came before.

    Send `greeting` as soon as the connection stands, where `dialled`; give what arrives to `receive`, send what
    `to_send` holds after each call, and seal once `ready`.
    """

    def __init__(self, key: bytes, *, suite: Suite, dialled: bool, random: bytes) -> None:
        if len(key) != KEY_BYTES or len(random) != RANDOM_BYTES:
            raise ValueError(f"a key has {KEY_BYTES} bytes, a greeting {RANDOM_BYTES} random ones")
        self._key, self._suite, self._dialled, self._random = key, suite, dialled, random
        self._came = bytearray()
        self._out: _Way | None = None
        self._in: _Way | None = None
        self.greeting = MAGIC + bytes([suite]) + random
        self.ready = False
        self.to_send = self.greeting if dialled else b""

    def seal(self, plain: bytes) -> bytes:
        """Records of some bytes, as many as are needed. Only when `ready`."""
        if not self.ready or self._out is None:
            raise ValueError("not ready: the other end has not shown its key")
        parts = (plain[at : at + MOST_PLAIN] for at in range(0, len(plain), MOST_PLAIN))
        return b"".join(self._record(self._out, part) for part in parts)

    def receive(self, data: bytes) -> bytes:
        """The payload in what arrived, in order. Raises SealBroken, after which this end is of no more use."""
        self._came += data
        if self._in is None:
            if len(self._came) < GREETING_BYTES:
                self._early()
                return b""
            self._greeted(bytes(self._came[:GREETING_BYTES]))
            del self._came[:GREETING_BYTES]
        plain = bytearray()
        while (body := self._body()) is not None:
            assert self._in is not None
            opened = self._in.box.open(self._in.next(), body)
            if not self.ready and opened:
                raise SealBroken("record")  # the first record shows the key and carries nothing
            self.ready = True
            plain += opened
        return bytes(plain)

    def _early(self) -> None:
        """A stranger is known by his first bytes: no waiting for a greeting that will not come."""
        if bytes(self._came[: len(MAGIC)]) != MAGIC[: len(self._came)]:
            raise SealBroken("greeting")

    def _greeted(self, greeting: bytes) -> None:
        theirs = greeting[-RANDOM_BYTES:]
        if not greeting.startswith(MAGIC):
            raise SealBroken("greeting")
        if greeting[len(MAGIC)] != self._suite:
            raise SealBroken("suite")
        if theirs == self._random:
            raise SealBroken("reflected")
        first, second = (self._random, theirs) if self._dialled else (theirs, self._random)
        made = _BOXES[self._suite]
        material = HKDF(
            algorithm=SHA256(), length=2 * made.keys, salt=first + second, info=MAGIC + bytes([self._suite])
        ).derive(self._key)
        of_dialler, of_listener = _Way(box=made(material[: made.keys])), _Way(box=made(material[made.keys :]))
        self._out, self._in = (of_dialler, of_listener) if self._dialled else (of_listener, of_dialler)
        self.to_send += (b"" if self._dialled else self.greeting) + self._record(self._out, b"")

    def _body(self) -> bytes | None:
        if len(self._came) < LENGTH_BYTES:
            return None
        length = int.from_bytes(self._came[:LENGTH_BYTES], "big")
        if not GCM_TAG <= length <= MOST_BODY:
            raise SealBroken("length")
        if len(self._came) < LENGTH_BYTES + length:
            return None
        body = bytes(self._came[LENGTH_BYTES : LENGTH_BYTES + length])
        del self._came[: LENGTH_BYTES + length]
        return body

    def _record(self, way: _Way, plain: bytes) -> bytes:
        body = way.box.seal(way.next(), plain)
        return len(body).to_bytes(LENGTH_BYTES, "big") + body
