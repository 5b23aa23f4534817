"""What goes wrong on a line, by name and under a seed: single faults with their probabilities, or a whole profile.

    "faults": {"seed": 7, "lose_reply": 0.2, "late_reply": 0.05, "late_ms": 1500}     # a bad wire
    "faults": {"seed": 7, "profile": "plc"}                                          # a power-line concentrator (载波)
    "faults": {"seed": 7, "profile": "radio", "lose_reply": 0.3}    # a radio one (无线), worse than usual

A profile is a set of values for everything else; what is named beside it counts instead. Behind a concentrator a
request is passed on over `hops` meters, there and back, each taking up to `hop_ms`, and something holds it up for
`tail_ms` on average; the concentrator does one thing at a time, so it is busy all the while. A burst of noise loses
everything for about `burst_ms`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Final

from prewatt.field.simulator.fields import Fields, SiteError

LATE_LIMIT_MS: Final = 600_000
HOPS_LIMIT: Final = 15
TAILS: Final = 4  # a delay's tail is cut off at so many times its mean
_PROBABILITIES: Final = (
    "lose_request", "lose_reply", "late_reply", "duplicate_reply", "corrupt", "noise", "collision", "burst",
)  # fmt: skip
_TIMES: Final = ("late_ms", "duplicate_ms", "hop_ms", "tail_ms", "burst_ms")


@dataclass(frozen=True, kw_only=True)
class Faults:
    """Named faults of one line: probabilities 0..1 per request under `seed`; `down` closes the gateway."""

    seed: int = 0
    profile: str = ""
    lose_request: float = 0.0  # the meter never sees it
    lose_reply: float = 0.0  # the meter acted, nobody hears
    late_reply: float = 0.0  # the reply comes `late_ms` after its time
    late_ms: int = 2_000
    duplicate_reply: float = 0.0  # the reply comes twice
    duplicate_ms: int = 400  # within so long
    corrupt: float = 0.0  # one byte of request or reply is changed on the wire
    noise: float = 0.0  # stray bytes before the reply
    collision: float = 0.0  # another station speaks over the reply
    hops: int = 0  # meters that pass it on, at most
    hop_ms: int = 0  # what each takes one way, at most
    tail_ms: int = 0  # what it is held up beside, on average
    burst: float = 0.0  # a burst of noise begins
    burst_ms: int = 0  # and lasts, on average
    down: bool = False


NO_FAULTS: Final = Faults()
PROFILES: Final[Mapping[str, Mapping[str, int | float]]] = {
    "plc": {
        "lose_request": 0.04, "lose_reply": 0.06, "late_reply": 0.04, "late_ms": 6_000, "duplicate_reply": 0.05,
        "duplicate_ms": 2_500, "corrupt": 0.01, "hops": 4, "hop_ms": 400, "tail_ms": 300, "burst": 0.02,
        "burst_ms": 8_000,
    },
    "radio": {
        "lose_request": 0.03, "lose_reply": 0.05, "late_reply": 0.03, "late_ms": 3_000, "duplicate_reply": 0.08,
        "duplicate_ms": 1_200, "noise": 0.02, "collision": 0.02, "hops": 6, "hop_ms": 120, "tail_ms": 200,
        "burst": 0.01, "burst_ms": 3_000,
    },
}  # fmt: skip


def faults_from(value: object, where: str = "faults") -> Faults:
    """Read one fault setting (site file, POST /lines/{id}/faults); what is not named is off, or as its profile says."""
    fields = Fields.of(value, where)
    profile = fields.text("profile") if fields.left.get("profile") else str(fields.left.pop("profile", ""))
    if profile and profile not in PROFILES:
        raise SiteError("not_a_choice", f"{where}.profile", f"must be one of {', '.join(PROFILES)}")
    usual = PROFILES.get(profile, {})
    fields.left = {**usual, **fields.left}
    faults = Faults(
        seed=fields.integer("seed", 0, 2**63 - 1, 0),
        profile=profile,
        hops=fields.integer("hops", 0, HOPS_LIMIT, 0),
        down=fields.flag("down"),
        **{name: fields.integer(name, 0, LATE_LIMIT_MS, getattr(NO_FAULTS, name)) for name in _TIMES},
        **{name: fields.probability(name) for name in _PROBABILITIES},  # type: ignore[arg-type]
    )
    fields.done()
    return faults


class Way:
    """The chance of delays and bursts: a generator of its own, so that faults on a wire run as they always did."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._chance = Random(f"way {faults.seed}")
        self._noisy_until_ms = 0

    def one_way_ms(self) -> int:
        """What the concentrator needs in one direction, this time."""
        hops = self._chance.randint(1, self._faults.hops) if self._faults.hops else 0
        passed_ms = sum(self._chance.randint(self._faults.hop_ms // 2, self._faults.hop_ms) for _ in range(hops))
        return passed_ms + self._held_up_ms(self._faults.tail_ms) // 2

    def noisy(self, now_ms: int) -> bool:
        """Does a burst swallow what is sent now?"""
        begins = self._chance.random() < self._faults.burst
        lasts_ms = self._held_up_ms(self._faults.burst_ms)
        if begins and now_ms >= self._noisy_until_ms:
            self._noisy_until_ms = now_ms + lasts_ms
        return now_ms < self._noisy_until_ms

    def _held_up_ms(self, mean_ms: int) -> int:
        drawn = int(self._chance.expovariate(1.0) * mean_ms)
        return min(drawn, TAILS * mean_ms)
