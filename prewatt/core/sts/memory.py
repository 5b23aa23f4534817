"""The virtual meter's memory, and the power failures it must survive.

Two slots, each sealed last: a state is written into the slot that is not in force, then sealed with the
next number. Whatever moment the power fails, one sealed slot holds either the state before the token or
the state after it, effect and TID together.
"""

from dataclasses import dataclass
from typing import Final

from prewatt.core.sts.meter import MeterProfile, MeterState, Verdict, judge

WRITE_STEPS: Final = 3  # unseal, write, seal


class PowerFailed(Exception):
    """The supply went away in the middle of a write; what was written so far stays."""


@dataclass
class _Slot:
    state: MeterState | None = None
    seal: int = 0  # 0: not sealed


class TwoSlotMemory:
    """Non-volatile memory. `fail_after` steps from now the power fails, once (None: never)."""

    def __init__(self, state: MeterState) -> None:
        self._slots = (_Slot(state, 1), _Slot())
        self.fail_after: int | None = None

    def _step(self) -> None:
        if self.fail_after is None:
            return
        if self.fail_after == 0:
            self.fail_after = None
            raise PowerFailed
        self.fail_after -= 1

    def load(self) -> MeterState:
        """The state of the newest sealed slot: what the meter finds when the power comes back."""
        newest = max(self._slots, key=lambda slot: slot.seal)
        assert newest.seal > 0 and newest.state is not None, "one slot is always sealed"
        return newest.state

    def store(self, state: MeterState) -> None:
        """Write the other slot and seal it."""
        spare, current = sorted(self._slots, key=lambda slot: slot.seal)
        self._step()
        spare.seal = 0
        self._step()
        spare.state = state
        self._step()
        spare.seal = current.seal + 1


class VirtualMeter:
    """A meter with a keypad: `enter` judges twenty digits and remembers what came of it."""

    def __init__(self, *, memory: TwoSlotMemory, profile: MeterProfile | None = None) -> None:
        self.memory = memory
        self.profile = profile or MeterProfile()

    @property
    def state(self) -> MeterState:
        return self.memory.load()

    def enter(self, digits: str, at_s: int) -> Verdict:
        """The meter's answer; raises PowerFailed when the memory does, with nothing half done."""
        before = self.memory.load()
        verdict = judge(before, self.profile, digits, at_s)
        if verdict.state != before:
            self.memory.store(verdict.state)
        return verdict
