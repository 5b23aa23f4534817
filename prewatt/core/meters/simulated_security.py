"""The SIMULATED security provider: for the demo, the simulated meters and tests, and for nothing else.

The real algorithm runs in a chip and is not public. This one makes its check codes from a key that is printed here, so
anybody can make them: no meter that is sold takes them, and production refuses it.
"""

import hmac
from collections.abc import Callable
from typing import Final

from prewatt.core.meters.security import CIPHER, DIVERSIFIER, MAC, RANDOM, Challenge, Part, Session
from prewatt.core.refusals import Refused

NAME: Final = "simulated"
_PRINTED: Final = b"prewatt simulated security provider: this is no secret"


def _digest(meter: str, purpose: bytes, *parts: bytes) -> bytes:
    key = hmac.digest(_PRINTED, meter.encode("ascii"), "sha256")
    return hmac.digest(key, b"|".join((purpose, *(each.hex().encode("ascii") for each in parts))), "sha256")


def cipher_of(meter: str, random: bytes, diversifier: bytes) -> bytes:
    """What proves to a simulated meter that its master knows the key."""
    return _digest(meter, b"authenticate", random, diversifier)[:CIPHER]


def mac_of(meter: str, session_random: bytes, part: Part) -> bytes:
    """The check code of one part, within the session that the meter's random number began."""
    return _digest(meter, b"mac", session_random, part.di.to_bytes(4, "little"), part.data)[:MAC]


class SimulatedProvider:
    """A `SecurityProvider` without any security; `chance`: so many random bytes. Raises Refused
    `security_provider_simulated` in production."""

    name = NAME
    simulated = True

    def __init__(self, *, production: bool, chance: Callable[[int], bytes]) -> None:
        if production:
            raise Refused("security_provider_simulated")
        self._chance = chance

    def challenge(self, meter: str) -> Challenge:
        random, diversifier = self._chance(RANDOM), self._chance(DIVERSIFIER)
        return Challenge(cipher=cipher_of(meter, random, diversifier), random=random, diversifier=diversifier)

    def seal(self, meter: str, session: Session, parts: tuple[Part, ...]) -> tuple[bytes, ...]:
        return tuple(mac_of(meter, session.random, part) for part in parts)
