"""The sealed stream of a backup: encrypted, authenticated, seen to be whole. Described in docs/algorithms/backup.md.

Chunks of fixed size, each sealed under a counter and a mark of the last one: a chunk that is changed, moved, missing or
added is noticed, and so is an end that is not the end. A key lives for one file, since its salt does.
"""

import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import constant_time, hashes, hmac
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from prewatt.wiring.refusals import StartRefused

MAGIC: Final = b"PREWATT-BACKUP 1\n"
FAMILY: Final = b"PREWATT-BACKUP "
CHUNK_BYTES: Final = 64 * 1024
_TAG_BYTES: Final = 16
_HEADER_LIMIT: Final = 4096  # of the readable line; ours takes some 400 bytes
_SALT_BYTES: Final = 16
_N, _R, _P = 2**16, 8, 1  # 64 MiB and a fifth of a second for each guess
_N_MOST: Final = 2**20  # a foreign header may not ask for more than a GiB
_COUNTER_BYTES: Final = 11
_CIPHER: Final = "AES-256-GCM"


@dataclass(frozen=True, kw_only=True)
class Header:
    """What can be read without the key: `key` says which one is needed ("passphrase" | "home")."""

    made_at: str
    prewatt: str
    key: str
    salt: bytes
    n: int
    r: int
    p: int

    def text(self) -> dict[str, Any]:
        """As it is written, without its check."""
        return {
            "cipher": _CIPHER, "chunk": CHUNK_BYTES, "kdf": "scrypt", "n": self.n, "r": self.r, "p": self.p,
            "salt": self.salt.hex(), "key": self.key, "made_at": self.made_at, "prewatt": self.prewatt,
        }  # fmt: skip


def _keys(passphrase: str, header: Header) -> tuple[bytes, bytes]:
    """The key of the chunks, and the one that says whether the passphrase is right before any chunk is read."""
    derived = Scrypt(salt=header.salt, length=64, n=header.n, r=header.r, p=header.p).derive(passphrase.encode())
    return derived[:32], derived[32:]


def _check(key: bytes, header: Header) -> bytes:
    mac = hmac.HMAC(key, hashes.SHA256())
    mac.update(json.dumps(header.text(), sort_keys=True).encode())
    return mac.finalize()


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(_COUNTER_BYTES, "big") + bytes([last])


class Sealer:
    """Writes a sealed stream. Without `finish` what was written is refused by every reader."""

    def __init__(self, out: IO[bytes], *, passphrase: str, made_at: str, prewatt: str, key: str) -> None:
        header = Header(
            made_at=made_at, prewatt=prewatt, key=key, salt=secrets.token_bytes(_SALT_BYTES), n=_N, r=_R, p=_P
        )
        seal, check = _keys(passphrase, header)
        self._out = out
        self._cipher = AESGCM(seal)
        self._number = 0
        self._held = bytearray()
        said = {**header.text(), "check": _check(check, header).hex()}
        out.write(MAGIC + json.dumps(said, sort_keys=True).encode() + b"\n")

    def write(self, data: bytes) -> None:
        """Seal more. A full chunk is held back until it is known not to be the last."""
        self._held += data
        while len(self._held) > CHUNK_BYTES:
            self._seal(bytes(self._held[:CHUNK_BYTES]), last=False)
            del self._held[:CHUNK_BYTES]

    def finish(self) -> None:
        """Seal the last chunk (it may be empty) as such."""
        self._seal(bytes(self._held), last=True)
        self._held.clear()

    def _seal(self, chunk: bytes, *, last: bool) -> None:
        self._out.write(self._cipher.encrypt(_nonce(self._number, last), chunk, None))
        self._number += 1


def read_header(source: IO[bytes], *, path: object) -> tuple[Header, bytes]:
    """The readable part and its check; the stream stands behind it. Raises `backup_*`."""
    magic = source.read(len(MAGIC))
    if magic != MAGIC:
        raise StartRefused("backup_other_version" if magic.startswith(FAMILY) else "backup_not_ours", path=path)
    line = source.readline(_HEADER_LIMIT)
    try:
        said = json.loads(line)
        header = Header(
            made_at=str(said["made_at"]), prewatt=str(said["prewatt"]), key=str(said["key"]),
            salt=bytes.fromhex(said["salt"]), n=int(said["n"]), r=int(said["r"]), p=int(said["p"]),
        )  # fmt: skip
        check = bytes.fromhex(said["check"])
        known = {**said, "check": None} == {**header.text(), "check": None}
    except (ValueError, KeyError, TypeError):
        raise StartRefused("backup_damaged", path=path, detail="header") from None
    if not known or (header.r, header.p) != (_R, _P) or not 2**14 <= header.n <= _N_MOST or header.n & (header.n - 1):
        raise StartRefused("backup_other_version", path=path)
    return header, check


class Opener:
    """Reads a sealed stream. Every method raises `backup_damaged` where a chunk is not as it was sealed."""

    def __init__(self, source: IO[bytes], *, passphrase: str, path: object) -> None:
        self.header, check = read_header(source, path=path)
        seal, checking = _keys(passphrase, self.header)
        if not constant_time.bytes_eq(check, _check(checking, self.header)):
            raise StartRefused("backup_wrong_key", path=path)
        self._source = source
        self._path = path
        self._cipher = AESGCM(seal)
        self._chunks = self._open()
        self._held = b""

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes, or the file is damaged. `size` is small: what belongs to the front of the stream."""
        while len(self._held) < size:
            more = next(self._chunks, None)
            if more is None:
                raise self._damaged("ends too early")
            self._held += more
        found, self._held = self._held[:size], self._held[size:]
        return found

    def rest(self) -> Iterator[bytes]:
        """What is left, piece by piece, to a proven end."""
        held, self._held = self._held, b""
        if held:
            yield held
        yield from self._chunks

    def _open(self) -> Iterator[bytes]:
        number, sealed = 0, self._source.read(CHUNK_BYTES + _TAG_BYTES)
        while True:
            following = self._source.read(CHUNK_BYTES + _TAG_BYTES)
            last = not following
            try:
                yield self._cipher.decrypt(_nonce(number, last), sealed, None)
            except (InvalidTag, ValueError):
                detail = "cut off" if last else f"chunk {number}"
                raise self._damaged(detail) from None
            if last:
                return
            number, sealed = number + 1, following

    def _damaged(self, detail: str) -> StartRefused:
        return StartRefused("backup_damaged", path=self._path, detail=detail)


def sync(out: IO[bytes]) -> None:
    """To the disk, really."""
    out.flush()
    os.fsync(out.fileno())
