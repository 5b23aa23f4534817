"""A standby set beside the one in force, on either wire: written part by part, read back, and only then the swap time.

What the meter answered to a write decides nothing: a meter was seen that refused one and had changed half of it. A swap
time that still stands from before would bring a set that was left half written, so it is moved out of the way first.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar

from prewatt.core.meters.drivers.exchange import Pause
from prewatt.core.meters.drivers.looks import LOOK_AGAIN_MS
from prewatt.core.meters.jobs import Intent, Job, Outcome, Verdict
from prewatt.core.meters.schedule import PARKED, STATUS_WORD, read_swap, swap_bytes
from prewatt.core.refusals import Refused

WRITES: Final = (Intent.WRITE_SCHEDULE, Intent.WRITE_PRICES)
SWAP_MARGIN_S: Final = 600  # a meter this near to a swap is not written to, nor is one asked to swap this soon

Talking = Generator[Any, Any, Outcome]
Raw = dict[int, bytes]


class Wire(Protocol):
    """What the two protocols do each in their way. `doubtful`: a late reply may pass for another's, so that only two
    looks that agree say anything."""

    doubtful: bool

    def end(self, verdict: Verdict, code: str | None = None) -> Outcome: ...

    def fetch(self, address: int) -> Generator[Any, Any, bytes | Outcome]: ...

    def put(self, address: int, data: bytes) -> Generator[Any, Any, tuple[bool, str | None]]:
        """One write, once: whether it was answered, and the code of a refusal."""


@dataclass(kw_only=True, slots=True)
class Seen:
    """What one look brought: bytes by address; which of the two sets each part in force is of."""

    raw: Raw = field(default_factory=dict)
    in_force: tuple[int, ...] = ()


Looking = Generator[Any, Any, Seen | Outcome]


class Sets(Protocol):
    """Which two sets: times of use, or prices."""

    data: bool  # DL/T 645
    swaps: tuple[int, ...]  # addresses of the swap times

    def look(self, wire: Wire) -> Looking: ...

    def told(self, outcome: Outcome, seen: Seen) -> Outcome:
        """The outcome with what the meter showed."""

    def wanted(self, seen: Seen) -> Raw | str:
        """What is to lie in the standby set, in the order in which it is written; the code of a refusal where the meter
        has less room than its model."""


class Table(Protocol):
    """What a profile says of two sets."""

    @property
    def writable(self) -> bool: ...


_Whole = TypeVar("_Whole")
_Table = TypeVar("_Table", bound=Table)


def refused_of(
    table: _Table | None, wanted: _Whole | None, check: Callable[[_Whole, _Table], None], job: Job, *, unknown: str,
    single: str,
) -> str | None:  # fmt: skip
    """Why a conversation cannot be begun: `unknown` where the model shows no sets, `single` where it has no standby."""
    if table is None:
        return unknown
    if job.intent not in WRITES:
        return None
    if wanted is None:
        return unknown
    if not table.writable:
        return single
    try:
        check(wanted, table)
    except Refused as refused:
        return refused.code
    return _swap_refused(job)


def talk_of_sets(wire: Wire, sets: Sets, job: Job) -> Talking:
    """Both sets and when they swap; where it writes, the standby set, then the swap times, each written once and read
    back. Callers have asked `refused_of`."""
    seen = yield from _sure_look(wire, sets)
    if isinstance(seen, Outcome):
        return seen
    if job.intent not in WRITES:
        return sets.told(wire.end(Verdict.DONE), seen)
    if _near_swap(sets, seen, job):
        return sets.told(wire.end(Verdict.REFUSED, "schedule_swap_near"), seen)
    wanted = sets.wanted(seen)
    if isinstance(wanted, str):
        return sets.told(wire.end(Verdict.REFUSED, wanted), seen)
    return (yield from _renewed(wire, sets, seen, wanted, job.swap_at))


def bits_in_force(wire: Wire, bits: Sequence[int]) -> Generator[Any, Any, tuple[int, ...] | Outcome]:
    """Which set of each part is in force, by these bits of status word 3."""
    word = yield from wire.fetch(STATUS_WORD)
    if isinstance(word, Outcome):
        return word
    held = int.from_bytes(word[:2], "little")
    return tuple(held >> bit & 1 for bit in bits)


def gathered(wire: Wire, addresses: Sequence[int], raw: Raw) -> Generator[Any, Any, Outcome | None]:
    """Fetch each into `raw`; an Outcome where the meter did not give it."""
    for address in addresses:
        data = yield from wire.fetch(address)
        if isinstance(data, Outcome):
            return data
        raw[address] = data
    return None


def _sure_look(wire: Wire, sets: Sets) -> Looking:
    """Both sets and the swap times, as sure as the wire lets anybody be."""
    seen = yield from sets.look(wire)
    if not wire.doubtful or isinstance(seen, Outcome):
        return seen
    for quiet_ms in LOOK_AGAIN_MS:
        yield Pause(quiet_ms)
        again = yield from sets.look(wire)
        if isinstance(again, Outcome) or again == seen:
            return again
        seen = again
    return wire.end(Verdict.SILENT, "reads_differ")


def _swap_refused(job: Job) -> str | None:
    """Why the swap time that is asked for cannot be."""
    assert job.clock is not None, "the line says what time it is"
    if job.swap_at < job.clock + job.zone_s + SWAP_MARGIN_S:
        return "schedule_swap_past"
    return "schedule_swap_far" if job.swap_at >= PARKED else None


def _near_swap(sets: Sets, seen: Seen, job: Job) -> bool:
    """Is the meter about to swap, or has it just?"""
    assert job.clock is not None
    held = [read_swap(seen.raw[each], data=sets.data) for each in sets.swaps]
    return any(each is not None and abs(each - job.clock - job.zone_s) < SWAP_MARGIN_S for each in held)


def _renewed(wire: Wire, sets: Sets, seen: Seen, wanted: Raw, swap_at: int) -> Talking:
    """Swap times out of the way where one stands, then the standby set, then the swap times; each read back."""
    swaps = {address: swap_bytes(swap_at, data=sets.data) for address in sets.swaps}
    steps = [wanted, swaps]
    differs = any(seen.raw.get(address) != data for address, data in wanted.items())
    pending = [each for each in sets.swaps if read_swap(seen.raw[each], data=sets.data) is not None]
    if differs and pending:
        steps.insert(0, {address: swap_bytes(PARKED, data=sets.data) for address in pending})
    for step in steps:
        after = yield from _written(wire, sets, step, seen)
        if isinstance(after, Outcome):
            return after
        seen = after
    return sets.told(wire.end(Verdict.DONE), seen)


def _written(wire: Wire, sets: Sets, wanted: Mapping[int, bytes], seen: Seen) -> Looking:
    """Write what differs, each once; what is read afterwards decides. The look, or why the conversation ends.

    After a write that nobody answered (a modem never does) the meter is read before the next one: only what stands
    there is built upon. What it refused ends the writing.
    """
    old = {address: seen.raw[address] for address in wanted}
    answered, no, wrote = True, None, False
    look: Seen | Outcome | None = None  # what stands since the last write, where it was looked at
    for address, data in wanted.items():
        if old[address] == data:
            continue
        wrote, look = True, None
        answered, no = yield from wire.put(address, data)
        if not answered:
            look = yield from _sure_look(wire, sets)
            if isinstance(look, Outcome) or look.raw.get(address) != data or look.in_force != seen.in_force:
                break  # the rest would be a guess
        if no is not None:
            break
    if not wrote:
        return seen
    after = look if look is not None else (yield from _sure_look(wire, sets))
    if isinstance(after, Outcome):
        return wire.end(Verdict.UNKNOWN, no or "write_unanswered")
    now = {address: after.raw.get(address) for address in wanted}
    if after.in_force == seen.in_force and now == wanted:
        return after
    verdict, code = Verdict.DISPUTED, "settings_partly_written"
    if after.in_force == seen.in_force and now == old:
        verdict, code = Verdict.UNKNOWN, "write_not_applied" if answered else "write_unanswered"
        if no is not None:
            verdict, code = Verdict.REFUSED, no
    elif after.in_force == seen.in_force and not answered and all(
        held in (old[address], wanted[address]) for address, held in now.items()
    ):
        verdict, code = Verdict.UNKNOWN, "write_unanswered"  # each part is what it was or what it is to be
    return sets.told(wire.end(verdict, code), after)
