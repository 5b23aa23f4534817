"""Meter addresses of DL/T 645-2007 (section 5.2.2): 12 digits, wildcards and the broadcast."""

from typing import Final

from prewatt.core.wire.errors import LocalProtocolError

DIGITS: Final = 12
ANYONE: Final = "A" * DIGITS  # whoever is there: for a line with one meter
BROADCAST: Final = "9" * DIGITS  # everyone; nobody answers
WILDCARD: Final = "AA"


def check(address: str) -> str:
    """The address when a request may go there: digits, the highest pairs perhaps AA; else LocalProtocolError."""
    rest = address
    while rest.startswith(WILDCARD):
        rest = rest[2:]
    if len(address) != DIGITS or not (rest == "" or (rest.isascii() and rest.isdecimal() and len(rest) % 2 == 0)):
        raise LocalProtocolError("address", f"not an address: {address!r}")
    return address


def is_wildcard(address: str) -> bool:
    return address.startswith(WILDCARD)


def meant(pattern: str, own: str) -> bool:
    """Does a frame sent to `pattern` mean the meter `own`? AA stands for any pair, the broadcast for everyone."""
    if pattern in (own, BROADCAST):
        return True
    pairs = range(0, DIGITS, 2)
    return len(pattern) == len(own) == DIGITS and all(
        pattern[at : at + 2] in (WILDCARD, own[at : at + 2]) for at in pairs
    )
