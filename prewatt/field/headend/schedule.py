"""When to read what: two clocks per circuit, spread evenly, and back-off for meters that are silent."""

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from prewatt.core.meters import Profile
from prewatt.core.meters.dataitems import ALL_WORDS
from prewatt.core.meters.drivers import MeterAddress
from prewatt.core.meters.jobs import Intent, Job
from prewatt.core.meters.mailbox import CircuitPlan, LinePlan, MeterPlan, PollSettings
from prewatt.field.headend.limits import MAX_BACK_OFF_CYCLES, STARTUP_SPREAD_S

SPARABLE = frozenset({ALL_WORDS})  # a driver has another question in its place
GOLDEN = 0.6180339887498949  # consecutive ids times this, modulo one, are spread more evenly than by chance


def phase(number: int) -> float:
    """A place in [0, 1) for an id: the same in every process, evenly spread for consecutive ids."""
    return (number * GOLDEN) % 1.0


@dataclass(slots=True)
class MeterHealth:
    """What is known of one meter's silence; shared by its circuits."""

    misses: int = 0
    probe_at: float = 0.0  # loop time before which a silent meter is left alone
    wanted_until: float = 0.0  # but not before this one: a command for it is open
    reported_silent: bool = False
    reported_at: float = 0.0
    logged: bool = False
    refusal: str | None = None  # code of the last poll the meter refused
    lacks: frozenset[int] = frozenset()  # identifiers that two status polls in a row were refused
    refused: frozenset[int] = frozenset()  # by the last one
    told: bool = False  # it has answered a status poll that left nothing out

    def missed(self, now: float, cycle_s: float) -> None:
        self.misses += 1
        cycles = min(MAX_BACK_OFF_CYCLES, 1 << min(self.misses - 1, 8))
        # half a cycle early, so that the grid point meant is never missed by a hair
        self.probe_at = now + (cycles - 0.5) * cycle_s

    def polled(self, lacks: frozenset[int], *, full: bool) -> None:
        """What a meter has not is asked for once more after each register read: one refusal may be a late one."""
        self.told = self.told or not (lacks or full)
        self.lacks, self.refused = (frozenset(), frozenset()) if full else (self.refused & lacks, lacks)

    def without(self) -> frozenset[int]:
        """What not to ask for now. Some meters say nothing at all to what they have not: one that is silent, and never
        gave everything, is tried without it each other time."""
        return self.lacks or (SPARABLE if self.misses % 2 and not self.told else frozenset())

    def answered(self) -> None:
        self.misses = 0
        self.probe_at = 0.0


@dataclass(slots=True, eq=False)
class PolledCircuit:
    """One circuit on the clocks of its line, with what each poll of it needs made once."""

    meter: MeterPlan
    address: MeterAddress
    circuit: CircuitPlan
    profile: Profile
    health: MeterHealth
    reads: tuple[Job, Job]  # the status poll, the register read


@cache  # a handful for each circuit of the largest model, shared by all meters
def _reads(index: int, server_held: bool, with_clock: bool) -> tuple[Job, Job]:
    return (
        Job(intent=Intent.READ_STATUS, circuit_index=index, with_energy=server_held),
        Job(intent=Intent.READ_REGISTERS, circuit_index=index, with_balance=not server_held, with_clock=with_clock),
    )


def reads_of(circuit: CircuitPlan, profile: Profile) -> tuple[Job, Job]:
    """What is asked of a circuit: its status, with the energy it is charged by where the books hold its credit; its
    registers, with the balance of the same moment where the meter holds it, and with the clock, which one circuit says
    for the meter."""
    return _reads(circuit.index, circuit.server_held, circuit.index == 1 and profile.clock is not None)


@dataclass(frozen=True, slots=True)
class Poll:
    """A read that is due."""

    target: PolledCircuit
    full: bool
    late_s: float  # behind its time: on a bus that is too slow a cycle is longer than the settings say


@dataclass
class PollClock:
    """The two clocks of one line: status polls and register reads.

    Of two that are due the one goes first that is later measured by its own period: nearly always the
    status poll, and on a bus that is too slow for its settings neither clock starves.
    """

    settings: PollSettings
    circuits: dict[int, PolledCircuit] = field(default_factory=dict)
    healths: dict[int, MeterHealth] = field(default_factory=dict)
    _status: list[tuple[float, int]] = field(default_factory=list)
    _register: list[tuple[float, int]] = field(default_factory=list)
    _resumed_at: float = 0.0

    def load(self, plan: LinePlan, catalogue: Mapping[str, Profile], now: float) -> None:
        """Take over a plan; circuits that stay keep their times, new ones are spread from now."""
        known = self.circuits
        self.circuits = {}
        healths = self.healths
        self.healths = {}
        spread_s = min(STARTUP_SPREAD_S, float(self.settings.status_s))
        numbers = frozenset(each.number for each in plan.meters)
        for meter in plan.meters:
            profile = catalogue.get(meter.profile)
            if profile is None:
                continue
            health = self.healths[meter.meter_id] = healths.get(meter.meter_id) or MeterHealth()
            address = MeterAddress(
                unit=meter.unit, number=meter.number, neighbours=numbers, identity=plan.identity,
                closes_by_key=plan.closes_by_key,
            )  # fmt: skip
            for circuit in meter.circuits:
                number = circuit.circuit_id
                reads = reads_of(circuit, profile)
                self.circuits[number] = PolledCircuit(meter, address, circuit, profile, health, reads)
                if number not in known:
                    first = now + phase(number) * spread_s
                    heapq.heappush(self._status, (first, number))
                    heapq.heappush(self._register, (first + phase(number + 1) * self.settings.status_s, number))
        if known.keys() - self.circuits.keys():
            self._status = [item for item in self._status if item[1] in self.circuits]
            self._register = [item for item in self._register if item[1] in self.circuits]
            heapq.heapify(self._status)
            heapq.heapify(self._register)

    def resume(self, now: float) -> None:
        """The bus speaks again: what was silent with it is tried at its next turn, not after its back-off, and
        the time it was away does not count as lateness."""
        self._resumed_at = now
        for health in self.healths.values():
            health.probe_at = 0.0

    def next_due(self) -> float | None:
        """Loop time of the next read, None when there is nothing to poll."""
        if not self._status:
            return self._register[0][0] if self._register else None
        if not self._register:
            return self._status[0][0]
        return min(self._status[0][0], self._register[0][0])

    def take(self, now: float, *, line_silent: bool = False, for_wanted: bool = True) -> Poll | None:
        """The read to make now, None when none is due. The caller gives it back to `done`.

        While the whole line is silent nobody can be held up, so every meter is probed each cycle and
        the bus is found again within one. `for_wanted`: there is time for silent meters with an open command.
        """
        # Every pass takes one item out and puts it back later than now, so this ends.
        while True:
            status_late_s = now - self._status[0][0] if self._status else -1.0
            register_late_s = now - self._register[0][0] if self._register else -1.0
            if status_late_s < 0 and register_late_s < 0:
                return None
            full = register_late_s * self.settings.status_s > status_late_s * self.settings.register_s
            if register_late_s < 0 or status_late_s < 0:
                full = status_late_s < 0
            due, number = heapq.heappop(self._register if full else self._status)
            target = self.circuits[number]
            health = target.health
            left_alone = now < health.probe_at and not line_silent and not (for_wanted and now < health.wanted_until)
            if health.misses and (full or left_alone):
                self._push(number, full=full, now=now, soon=True)
                continue
            return Poll(target, full, now - max(due, min(self._resumed_at, now)))

    def done(self, poll: Poll, now: float, *, answered: bool) -> None:
        """Set the next time of this read. A register read that failed is due again after a status period."""
        number = poll.target.circuit.circuit_id
        if self.circuits.get(number) is not None:
            self._push(number, full=poll.full, now=now, soon=not answered)

    def _push(self, number: int, *, full: bool, now: float, soon: bool) -> None:
        period = float(self.settings.register_s if full and not soon else self.settings.status_s)
        offset = phase(number) * period
        # the next point of this circuit's own grid, so that late polls do not gather in a heap
        due = ((now - offset) // period + 1) * period + offset
        heapq.heappush(self._register if full else self._status, (max(due, now + 0.001), number))
