"""One-time codes by time (RFC 6238) from a shared secret (RFC 4226, HMAC-SHA-1): what every telephone app computes.

SHA-1, six digits and 30 s are the values that all apps understand; some ignore any others without a word.
"""

import base64
import hashlib
import hmac
from typing import Final
from urllib.parse import quote

STEP_S: Final = 30  # RFC 6238, 5.2: the default
DIGITS: Final = 6  # RFC 4226, R4: six or more
SECRET_BYTES: Final = 20  # RFC 4226, R6: 160 bits are recommended
DRIFT_STEPS: Final = 1  # RFC 6238, 5.2: one step for the way and for clocks that differ by half a minute


def hotp(secret: bytes, counter: int, digits: int = DIGITS) -> str:
    """The code of one counter (RFC 4226, 5.3), `digits` decimal digits with leading zeros."""
    assert secret and counter >= 0 and 6 <= digits <= 8, (len(secret), counter, digits)
    mac = hmac.new(secret, counter.to_bytes(8, "big"), hashlib.sha1).digest()
    offset = mac[-1] & 0x0F
    number = int.from_bytes(mac[offset : offset + 4], "big") & 0x7FFF_FFFF
    return str(number % 10**digits).zfill(digits)


def step_of(epoch_s: int) -> int:
    """The time step of a moment, in whole seconds since 1970."""
    assert epoch_s >= 0, epoch_s
    return epoch_s // STEP_S


def accepted_step(secret: bytes, code: str, *, epoch_s: int, after_step: int) -> int | None:
    """The step whose code this is, from one before now to one after; None when it is none of them.

    Steps up to `after_step` were used already and open nothing (RFC 6238, 5.2). Every candidate is compared in
    constant time and all of them are, so that the time taken says nothing.
    """
    digits = "".join(code.split())
    if len(digits) != DIGITS or not (digits.isascii() and digits.isdecimal()):
        return None
    now, found = step_of(epoch_s), None
    for step in range(max(0, now - DRIFT_STEPS), now + DRIFT_STEPS + 1):
        if hmac.compare_digest(hotp(secret, step), digits) and step > after_step:
            found = step if found is None else found
    return found


def base32(secret: bytes) -> str:
    """The secret as people type it: base 32 without padding (RFC 4648)."""
    return base64.b32encode(secret).decode().rstrip("=")


def address(secret: bytes, *, issuer: str, name: str) -> str:
    """The otpauth address that a QR code carries; apps show `issuer` and `name`."""
    label = f"{quote(issuer, safe='')}:{quote(name, safe='')}"
    return f"otpauth://totp/{label}?secret={base32(secret)}&issuer={quote(issuer, safe='')}"
