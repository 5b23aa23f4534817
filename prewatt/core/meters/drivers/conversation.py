"""The face of every driver: bytes and deadlines out, bytes and time-outs in, one outcome at the end."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from prewatt.core.meters.jobs import Job, Outcome
from prewatt.core.meters.model import Profile
from prewatt.core.meters.security import Answer, Question


@dataclass(frozen=True, kw_only=True, slots=True)
class MeterAddress:
    """Where a meter is and who it must be: `number` is what is printed on it ("" when not known yet).

    `neighbours` are the numbers of all meters on its bus: whoever says another one of these is not this meter.
    """

    unit: int
    number: str
    neighbours: frozenset[str] = frozenset()
    identity: str = ""  # of the link that is this meter's alone, where it has one
    closes_by_key: bool = False  # a supply that comes back is permitted, and closed by the meter's key
    lacks: frozenset[int] = frozenset()  # identifiers it refused again and again: asked for no more, for a while


@dataclass(frozen=True, slots=True)
class Send:
    """Put `data` on the line, then wait for bytes: receive() when some come, timed_out() after `timeout_ms`.

    `baud`: at this speed, on a link whose speed is ours to set; None: at the line's own.
    """

    data: bytes
    timeout_ms: int
    baud: int | None = None


@dataclass(frozen=True, slots=True)
class Await:
    """Send nothing; wait for bytes until `deadline_ms` after the last Send left, then call timed_out()."""

    deadline_ms: int


@dataclass(frozen=True, slots=True)
class Consult:
    """Send nothing; ask the security provider, in a thread of its own, then call answered(). A caller that cannot ask,
    or whose patience ends, calls timed_out(): nothing was sent for this, and nothing will be."""

    question: Question


@dataclass(frozen=True, slots=True)
class Finished:
    """The conversation is over."""

    outcome: Outcome


class Conversation(Protocol):
    """One job with one meter. The line calls next(), does what it says, and reports what happened:

        while not isinstance(step := conversation.next(), Finished):
            if isinstance(step, Send): write(step.data)
            data = read until the deadline
            conversation.receive(data) if data else conversation.timed_out()

    A lost link is reported by timed_out() again and again until Finished comes; it never takes more than
    a few calls. After an outcome other than DONE or REFUSED the line keeps quiet and drains before it
    speaks to the next meter.
    """

    def next(self) -> Send | Await | Consult | Finished: ...

    def answered(self, answer: Answer) -> None: ...

    def receive(self, data: bytes) -> None: ...

    def timed_out(self) -> None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Bus:
    """What a driver must know of the line. `link_ms` is what the way to the bus adds to a reply."""

    transport: str  # "rtu" | "tcp"
    baud: int
    link_ms: int
    transaction: int  # first Modbus TCP transaction number of this conversation


Driver = Callable[[Profile, MeterAddress, Job, Bus], Conversation]
