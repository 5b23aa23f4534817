"""What happens to one conversation on a line: drawn from the line's faults under their seed."""

from dataclasses import dataclass
from random import Random
from typing import Final

from prewatt.field.simulator.faults import Faults, Way

NOISE_BYTES: Final = 8


@dataclass(frozen=True, kw_only=True)
class Fate:
    """Drawn whole, so that a seed gives the same run whatever is asked."""

    request_lost: bool
    there_ms: int  # what the way takes in each direction, beside the bus
    back_ms: int
    reply_lost: bool
    late_ms: int  # 0: in time
    duplicated_after_ms: int  # 0: not
    corrupt_at: int  # -1: not
    noise: bytes
    collision: bytes

    @property
    def spoils(self) -> bool:
        """Is the reply not what was said?"""
        return bool(self.collision) or self.corrupt_at >= 0

    def spoil(self, data: bytes) -> bytes:
        """The reply as it looks after a changed byte or another station's voice."""
        spoiled = bytearray(data)
        if self.corrupt_at >= 0:
            spoiled[self.corrupt_at % len(spoiled)] ^= 1 << self.corrupt_at % 8
        for position, byte in enumerate(self.collision):
            spoiled[position % len(spoiled)] ^= byte | 1
        return bytes(spoiled)


class Fates:
    """One chance for a line; new faults begin it anew."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._chance = Random(faults.seed)
        self._way = Way(faults)

    def draw(self, now_ms: int) -> Fate:
        """Always the same number of draws, so that one probability does not shift the others' chance."""
        chance, faults = self._chance, self._faults
        lose_request, lose_reply, late, duplicate, corrupt, noise, collision = (chance.random() for _ in range(7))
        garbage, spot = chance.randbytes(NOISE_BYTES), chance.randrange(256)
        corrupted = corrupt < faults.corrupt
        in_request = corrupted and spot % 2 == 0  # a meter does not answer a frame with a wrong CRC
        noisy = self._way.noisy(now_ms)
        return Fate(
            request_lost=lose_request < faults.lose_request or in_request or noisy,
            there_ms=self._way.one_way_ms(),
            back_ms=self._way.one_way_ms(),
            reply_lost=lose_reply < faults.lose_reply,
            late_ms=faults.late_ms if late < faults.late_reply else 0,
            duplicated_after_ms=1 + spot * faults.duplicate_ms // 256 if duplicate < faults.duplicate_reply else 0,
            corrupt_at=spot if corrupted and not in_request else -1,
            noise=garbage[: 1 + spot % NOISE_BYTES] if noise < faults.noise else b"",
            collision=garbage if collision < faults.collision else b"",
        )
