"""What every conversation over Modbus shares: reads that are looked at twice, the one write, who answers."""

from collections.abc import Callable, Collection, Generator, Sequence
from functools import lru_cache
from typing import Final

from prewatt.core.meters.codes import UNDECIDED_EXCEPTIONS, exception_code
from prewatt.core.meters.drivers.conversation import MeterAddress
from prewatt.core.meters.drivers.exchange import Ask, Pause
from prewatt.core.meters.drivers.looks import LOOK_HARD_MS
from prewatt.core.meters.jobs import Outcome, Verdict
from prewatt.core.meters.model import Group, Profile
from prewatt.core.meters.quantities import Quantity, StatusBit
from prewatt.core.meters.registers import Layout, layouts
from prewatt.core.wire.modbus import (
    ExceptionReply,
    Function,
    ReadReply,
    ReadRequest,
    Reply,
    WriteMultiple,
    WriteReply,
)

CACHED_REQUESTS: Final = 4096  # the blocks of all models and circuits, each with and without its spare register

Values = dict[Quantity, int]


class Talk:
    """What one conversation has read so far, and the reads every script needs."""

    def __init__(self, profile: Profile, meter: MeterAddress, circuit_index: int) -> None:
        self.profile = profile
        self.meter = meter
        self.circuit_index = circuit_index
        self.values: Values = {}
        self.raw: dict[int, bytes] = {}  # block address -> bytes of the last read
        self.sent = False
        self.taken = False  # of the last write a modem said that it arrived, and nothing else was answered
        self._varied = False  # was the last read one register longer?

    def end(self, verdict: Verdict, code: str | None = None) -> Outcome:
        return Outcome(verdict=verdict, code=code, values=self.values, sent=self.sent)

    def word(self, group: Group, address: int) -> bytes | None:
        """One word of circuit 1's map as the last read of the group brought it; None when it did not."""
        for layout in layouts(self.profile, group, self.circuit_index):
            at = (address - layout.block.address) * 2
            if 0 <= at < layout.size and layout.address in self.raw:
                return self.raw[layout.address][at : at + 2]
        return None

    def read(
        self, group: Group, *, vary: bool = False, holding: Quantity | None = None
    ) -> Generator[Ask | Pause, Reply | None, Outcome | None]:
        """Read a group, or only its blocks `holding` a quantity, into `values`; an Outcome when the meter did not
        give it.

        `vary` asks for one register more where the profile allows it, so that a late reply to an
        earlier read of the same block cannot pass for this one.
        """
        self._varied = vary
        for layout in layouts(self.profile, group, self.circuit_index):
            if holding is not None and not layout.holds(holding):
                continue
            spare = layout.block.spare if vary else 0
            reply = yield Ask(read_request(layout, spare))
            if isinstance(reply, ReadReply):
                self.values.update(layout.decode(reply.data))
                self.raw[layout.address] = reply.data[: layout.size]
                continue
            if layout.block.optional and rejection(reply) is not None:
                continue
            return self.unread(reply)
        if self.profile.relay is not None and self.profile.relay.derived:
            self.derive_relay()
        return None

    def look_again(
        self, group: Group, quantities: Collection[Quantity], pauses_ms: Sequence[int],
        beside: Callable[[], object] = lambda: None,
    ) -> Generator[Ask | Pause, Reply | None, Outcome | None]:  # fmt: skip
        """Read until two reads in a row agree on `quantities` and what `beside` says of them; an Outcome when they
        never do or the meter falls silent.

        RTU numbers nothing: a late or doubled reply to an earlier question of the same length passes for the
        answer to this one and shows the meter's past. So what one look showed is not yet said of the meter: the
        line falls quiet, and the next look has another length.
        """
        for quiet_ms in pauses_ms:
            before = {quantity: self.values.pop(quantity, None) for quantity in quantities}, beside()
            yield Pause(quiet_ms)
            ended = yield from self.read(group, vary=not self._varied)
            if ended is not None:
                return ended
            if before == ({quantity: self.values.get(quantity) for quantity in quantities}, beside()):
                return None
        return self.end(Verdict.SILENT, "reads_differ")

    def unread(self, reply: Reply | None) -> Outcome:
        """What a read ends with that brought nothing."""
        if isinstance(reply, ExceptionReply):
            code = exception_code(reply.code)
            if reply.code not in UNDECIDED_EXCEPTIONS:
                return self.end(Verdict.REFUSED, code)
            return self.end(Verdict.SILENT, code)
        return self.end(Verdict.SILENT, "no_reply")

    def derive_relay(self) -> None:
        """No telemetry: under force control the forced state is what the relay was told, else nothing is known.

        The status word says so too: a force that is no longer there must be seen, not the last known relay.
        """
        if not {Quantity.FORCE_CONTROL, Quantity.FORCED_STATE} <= self.values.keys():
            return
        self.values.pop(Quantity.RELAY, None)
        facts: set[StatusBit] = set()
        if self.values[Quantity.FORCE_CONTROL] == 1:
            tripped = self.values[Quantity.FORCED_STATE] != 0
            self.values[Quantity.RELAY] = 0 if tripped else 1
            facts.add(StatusBit.COMMAND_TRIP if tripped else StatusBit.KEPT_ON)
        self.values[Quantity.STATUS] = self.profile.status_word(frozenset(facts))

    def identify(self, *, mute: bool = False) -> Generator[Ask | Pause, Reply | None, Outcome | None]:
        """Before any write: is this the meter we mean? An Outcome when it is not, or does not say.

        `mute`, for what moves no credit: where the map only assumes the register, it proves nothing by another number,
        unless that is a neighbour's; and a meter that refuses to be asked cannot be told apart.
        """
        register = self.profile.registers.get(Quantity.METER_NUMBER)
        if register is None or not self.meter.number:
            return None
        mute = mute and register.assumed
        ended = yield from self.read(Group.IDENTITY)
        if ended is not None:
            return None if mute and ended.verdict is Verdict.REFUSED else ended
        if self._is_ours() or (mute and not self._is_a_neighbour()):
            return None
        ended = yield from self.look_again(Group.IDENTITY, (Quantity.METER_NUMBER,), LOOK_HARD_MS)
        if ended is not None:
            return ended
        if self._is_ours() or (mute and not self._is_a_neighbour()):
            return None
        return self.end(Verdict.DISPUTED, "meter_number_differs")

    def _is_ours(self) -> bool:
        # a number with unreadable digits has no value, and is not ours either
        return self._says(self.meter.number)

    def _is_a_neighbour(self) -> bool:
        return any(self._says(number) for number in self.meter.neighbours)

    def _says(self, number: str) -> bool:
        return str(self.values.get(Quantity.METER_NUMBER, -1)) == (number.lstrip("0") or "0")

    def write(self, address: int, data: bytes) -> Generator[Ask | Pause, Reply | None, Reply | None]:
        """One function 10h request, once."""
        self.sent = True
        request = WriteMultiple(function=Function.WRITE_REGISTERS, address=address, count=len(data) // 2, data=data)
        ask = Ask(request, write=True)
        reply = yield ask
        self.taken = ask.taken
        return reply

    def told(
        self, address: int, data: bytes
    ) -> Generator[Ask | Pause, Reply | None, tuple[Outcome | None, Reply | None]]:
        """The one write of settings, clock or relay, between unlocking and locking where the model wants that: what it
        ends with before anything was written, or the reply.

        Whether it was locked again is not asked: what was written is settled by the reads that follow, and the next
        write unlocks it anyway.
        """
        unlock = self.profile.unlock
        if unlock is None:
            return None, (yield from self.write(address, data))
        ask = Ask(_one_word(unlock.address, unlock.value), write=True)
        reply = yield ask
        no = rejection(reply)
        opened = isinstance(reply, WriteReply) or ask.taken
        if opened:
            reply = yield from self.write(address, data)
        if unlock.lock is not None and no is None:  # also where nobody said whether it is open
            yield Ask(_one_word(unlock.address, unlock.lock), write=True)
        return (None, reply) if opened else (self.end(Verdict.REFUSED, no or "unlock_unanswered"), None)


def _one_word(address: int, value: int) -> WriteMultiple:
    return WriteMultiple(function=Function.WRITE_REGISTERS, address=address, count=1, data=value.to_bytes(2, "big"))


@lru_cache(maxsize=CACHED_REQUESTS)
def _request(function: int, address: int, count: int) -> ReadRequest:
    return ReadRequest(function=Function(function), address=address, count=count)


def read_request(layout: Layout, spare: int) -> ReadRequest:
    return _request(layout.block.function, layout.address, layout.block.count + spare)


def rejection(reply: Reply | None) -> str | None:
    """The code of an exception by which the meter itself decided against a write."""
    if isinstance(reply, ExceptionReply) and reply.code not in UNDECIDED_EXCEPTIONS:
        return exception_code(reply.code)
    return None
