"""A simulated DL/T 645 meter: the same circuits and memory as any other, another face.

It answers for the identifiers of its profile and for its clock, obeys function 1C while the command's end has not come
by its own clock, takes orders by function 03 (`charging`), another address or speed (`commissioning`), and the time
from a broadcast that moves it by no more than five minutes.
"""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final

from prewatt.core.meters.dataitems import COMMAND_OPEN, KEPT_ON, RELAY_OPEN, WORD, decode_item, encode_answer
from prewatt.core.meters.model import Block
from prewatt.core.meters.quantities import Quantity
from prewatt.core.refusals import Refused
from prewatt.core.wire.dlt645 import (
    ANYONE,
    BROADCAST,
    Access,
    Command,
    Frame,
    Function,
    LocalProtocolError,
    answer_read,
    clock_bytes,
    meant,
    place_in,
    refuse,
    reply,
)
from prewatt.core.wire.dlt645.items import moment
from prewatt.field.simulator.charging import ChargeState, Charging, error_word
from prewatt.field.simulator.circuit import Accepted
from prewatt.field.simulator.commissioning import (
    ADDRESS_DI,
    NUMBER_DI,
    SPEED_FIXED,
    write_address,
    write_speed,
)
from prewatt.field.simulator.event_records import NOBODY, Happening, Now, fetch, happened, noticed
from prewatt.field.simulator.frozen import frozen_item
from prewatt.field.simulator.meter import Meter
from prewatt.field.simulator.site import Force
from prewatt.field.simulator.status_words import flagged, of_phase, placed, words_of

OTHER, NO_DATA, UNAUTHORISED = 0x01, 0x02, 0x04  # error words
CONTROL_BYTES: Final = 16
NOT_OPENED: Final = 15  # bit of status word 3: no account was opened over the line
WRITE_HEAD: Final = 12  # identifier, authority and password, operator
JUMP_MS: Final = 300_000
_CLOCKS: Final = {0x04000101: "WWDDMMYY", 0x04000102: "ssmmhh", 0x0400010C: "ssmmhhWWDDMMYY"}


@dataclass(frozen=True, kw_only=True)
class HandledFrame:
    """What came of a frame. `reply` None: the meter keeps silent; `kept`: something durable changed."""

    reply: Frame | None
    kept: bool = False
    accepted: tuple[tuple[int, Accepted], ...] = ()  # circuit index and order


class DataMeter(Meter):
    """A meter with one circuit that speaks DL/T 645."""

    @property
    def address(self) -> str:
        """Twelve digits; as it left the works, its number."""
        return self.state.address or self.site.address or self.number

    @property
    def readdressed(self) -> bool:
        """Was it ever called by anything but its number?"""
        return bool(self.state.address or self.site.address)

    @property
    def customer(self) -> str:
        """Whose account was opened in it; empty before."""
        return self._charging().customer

    def settle(self, at_ms: int) -> None:
        super().settle(at_ms)
        self._notice(at_ms)

    def sleep(self, at_ms: int) -> None:
        since = self._wall(self.circuits[1].state.as_of_ms)
        super().sleep(at_ms)
        self.state.events = happened(self.state.events, Happening.POWER, self._now(at_ms), since=since)

    def _notice(self, at_ms: int, operator: str = NOBODY) -> None:
        """Write down what began or ended since the last look."""
        circuit = self.circuits[1]
        facts = {Happening(name) for name, true in of_phase(circuit).items() if true}
        facts |= {Happening.COVER} if circuit.state.tamper else set()
        made = noticed(self.state.events, frozenset(facts), circuit.relay_closed(), self._now(at_ms), operator)
        if made is not None:
            self.state.events = made

    def _now(self, at_ms: int) -> Now:
        state, ratio = self.circuits[1].state, self._ratio()
        return Now(at=self._wall(at_ms), counters=(state.energy_wh // ratio, state.export_wh // ratio))

    def hears(self, frame: Frame) -> bool:
        """Is a frame for this meter?"""
        return not frame.reply and meant(frame.address, self.address)

    def handle_frame(self, frame: Frame, at_ms: int) -> HandledFrame:
        """Serve one frame that arrived whole and is for this meter. The state is settled to `at_ms` first."""
        self.settle(at_ms)
        match frame.function:
            case Function.READ | Function.READ_FOLLOWING:
                return HandledFrame(reply=self._answer(frame, at_ms))
            case Function.READ_ADDRESS:
                return HandledFrame(reply=reply(frame, self.address, bytes.fromhex(self.address)[::-1]))
            case Function.CONTROL:
                return self._control(frame, at_ms)
            case Function.COST_CONTROL if self.profile.credit is not None and frame.address != BROADCAST:
                return self._charge(frame, at_ms)
            case Function.WRITE:
                return self._write_item(frame, at_ms)
            case Function.WRITE_ADDRESS if frame.address in (ANYONE, self.address):
                taken = write_address(self.state, frame.data, at_ms)
                return HandledFrame(reply=reply(frame, self.address) if taken else None, kept=taken)
            case Function.CHANGE_BAUD:
                return self._rebaud(frame)
            case Function.BROADCAST_TIME:
                return HandledFrame(reply=None, kept=self._take_time(frame, at_ms))
            case _:
                return HandledFrame(reply=self._refuse(frame, OTHER) if frame.address != BROADCAST else None)

    def _rebaud(self, frame: Frame) -> HandledFrame:
        """The answer leaves at the speed that was."""
        taken = write_speed(self.state, frame.data)
        said = reply(frame, self.address, frame.data) if taken else self._refuse(frame, SPEED_FIXED)
        return HandledFrame(reply=said if frame.address != BROADCAST else None, kept=taken)

    def _refuse(self, frame: Frame, word: int) -> Frame:
        return refuse(frame, self.address, word)

    def _answer(self, frame: Frame, at_ms: int) -> Frame:
        value = None if frame.di is None else self._item(frame.di, at_ms)
        try:
            return self._refuse(frame, NO_DATA) if value is None else answer_read(frame, self.address, value)
        except LocalProtocolError:  # a part past the end
            return self._refuse(frame, NO_DATA)

    def _item(self, di: int, at_ms: int) -> bytes | None:
        if di in _CLOCKS:
            return clock_bytes(self._wall(at_ms), _CLOCKS[di])
        if self.timetable is not None and (times := self.timetable.fetch(self.state.schedule, di)) is not None:
            return times
        if self.pricing is not None:
            held = self.pricing.fetch(self.state.prices, self.circuits[1].state, di)
            if held is not None:
                return held
        blocks = [block for group in self.profile.blocks.values() for block in group]
        for block in blocks:
            if block.address == di:
                return self._block(block, at_ms)
        for block in blocks:  # a meter that gives all rates or phases at once gives each by itself too
            if (place := place_in(block.address, di)) is not None and place.stop <= block.count:
                return self._block(block, at_ms)[place]
        if words := placed(di, self._words(at_ms)):
            return b"".join(word.to_bytes(WORD, "little") for word in words.values())
        if (kept := fetch(self.state.events, di, phases=self.profile.phases, now=self._wall(at_ms))) is not None:
            return kept
        if di in (ADDRESS_DI, NUMBER_DI):
            return bytes.fromhex(self.address if di == ADDRESS_DI else self.number)[::-1]
        return frozen_item(self.profile, self.circuits[1].state, di, zone=self.zone, ratio=self._ratio())

    def _block(self, block: Block, at_ms: int) -> bytes:
        relay, words = self.profile.relay, placed(block.address, self._words(at_ms))
        if not words:
            words = flagged(self.profile.flags, block.address, self.circuits[1].status())
            if relay is not None and relay.address == block.address:
                words[0] = words.get(0, 0) | self.word_3()
        held = self.profile.registers.values()
        shown: dict[Quantity, int] = {}
        for quantity, value in self.values(1, at_ms).items():
            try:
                encode_answer(held, block, {quantity: value}, {})
            except Refused:  # what no display can hold is not shown
                continue
            shown[quantity] = value
        return encode_answer(held, block, shown, words)

    def _words(self, at_ms: int) -> tuple[int, ...]:
        programmable = self.state.programmable_until_ms > at_ms
        return words_of(
            self.circuits[1], phases=self.profile.phases, word_3=self.word_3(), programmable=programmable
        )

    def word_3(self) -> int:
        """Status word 3. Whatever opens does it by a command to the relay, so both bits say so; where the purse is sold
        to over the line, the second one stands for commands that come over it."""
        circuit = self.circuits[1]
        word = 0 if circuit.relay_closed() else 1 << RELAY_OPEN | 1 << COMMAND_OPEN
        word |= 0 if self.timetable is None else self.timetable.status_bits(self.state.schedule)
        word |= 0 if self.pricing is None else self.pricing.status_bits(self.state.prices)
        credit = self.profile.credit
        if credit is not None and circuit.state.force == Force.AUTOMATIC and circuit.out_of_credit():
            word &= ~(1 << COMMAND_OPEN)
        if circuit.state.hand_opened and circuit.state.force != Force.TRIP:  # nothing but the key is missing
            word &= ~(1 << COMMAND_OPEN)
        if credit is not None and credit.secured and not self._charging().customer:
            word |= 1 << NOT_OPENED
        return word | (1 << KEPT_ON if circuit.state.force == Force.KEEP_ON else 0)

    def values(self, index: int, at_ms: int) -> dict[Quantity, int]:
        """As any meter's; what it overdrew stands apart from what it holds, where the model shows it so."""
        shown = super().values(index, at_ms)
        if Quantity.OVERDRAWN in self.profile.registers:
            balance = shown[Quantity.BALANCE]
            shown[Quantity.BALANCE], shown[Quantity.OVERDRAWN] = max(0, balance), max(0, -balance)
        return shown

    def _charging(self) -> ChargeState:
        """A meter that comes with purchases has its account opened."""
        if self.state.charge:
            return ChargeState(**self.state.charge)
        return ChargeState(customer=self.number if self.circuits[1].state.purchase_count else "")

    def _charge(self, frame: Frame, at_ms: int) -> HandledFrame:
        credit = self.profile.credit
        assert credit is not None
        state = self._charging()
        clock_ms = self.clock_ms(at_ms)
        charged = Charging(credit, self.number).handle(frame, state, self.circuits[1], clock_ms)
        if charged.kept:
            self.state.charge = asdict(state)
        if charged.refusal is not None:
            word, size = error_word(credit, charged.refusal)
            return HandledFrame(reply=refuse(frame, self.address, word, size=size), kept=charged.kept)
        accepted = ((1, charged.accepted),) if charged.accepted is not None else ()
        return HandledFrame(
            reply=reply(frame, self.address, frame.data[:4] + charged.data), kept=charged.kept, accepted=accepted
        )

    def _wall(self, at_ms: int) -> datetime:
        return datetime.fromtimestamp(self.clock_ms(at_ms) // 1_000, self.zone).replace(tzinfo=None)

    def _control(self, frame: Frame, at_ms: int) -> HandledFrame:
        access = self.profile.access or Access()
        if len(frame.data) != CONTROL_BYTES or frame.data[:4] != access.secret():
            return HandledFrame(reply=self._refuse(frame, UNAUTHORISED))
        until = moment(frame.data[10:], "ssmmhhDDMMYY")
        known = {int(each) for each in Command}
        if until is None or datetime.fromisoformat(until) < self._wall(at_ms) or frame.data[8] not in known:
            return HandledFrame(reply=self._refuse(frame, OTHER))
        circuit = self.circuits[1]
        match Command(frame.data[8]):
            case Command.TRIP if circuit.state.force != Force.KEEP_ON:  # kept power beats a trip
                circuit.force(Force.TRIP)
            case Command.KEEP_POWER_ON:
                circuit.force(Force.KEEP_ON)
            case Command.KEEP_POWER_OFF if circuit.state.force == Force.KEEP_ON:
                circuit.force(Force.AUTOMATIC)
            case Command.CLOSE if circuit.state.force == Force.TRIP:
                circuit.force(Force.AUTOMATIC)
            case Command.PERMIT_CLOSE if circuit.state.force == Force.TRIP:
                circuit.state.hand_opened = True  # open until the tenant holds the key
                circuit.force(Force.AUTOMATIC)
            case _:
                pass
        self._notice(at_ms, frame.data[4:8][::-1].hex())
        self.settle(at_ms)
        return HandledFrame(reply=reply(frame, self.address), kept=True)

    def _programmed(self, frame: Frame, at_ms: int) -> HandledFrame:
        operator = frame.data[8:WRITE_HEAD][::-1].hex()
        self.state.events = happened(
            self.state.events, Happening.PROGRAMMED, self._now(at_ms), operator=operator, di=frame.di
        )
        return HandledFrame(reply=reply(frame, self.address), kept=True)

    def _write_item(self, frame: Frame, at_ms: int) -> HandledFrame:
        """Function 14: identifier, authority and password, operator, value. Only what the profile lets be written."""
        access = self.profile.access or Access()
        if frame.data[4:8] != access.secret():
            return HandledFrame(reply=self._refuse(frame, UNAUTHORISED))
        for quantity in self.profile.settings:
            register = self.profile.registers[quantity]
            value = decode_item(register, frame.data[WRITE_HEAD:]) if register.address == frame.di else None
            if value is not None:
                self._set(self.circuits[1], {quantity: value}, at_ms)
                return self._programmed(frame, at_ms)
        if self.keep_times(frame.di or 0, frame.data[WRITE_HEAD:], at_ms):
            return self._programmed(frame, at_ms)
        return HandledFrame(reply=self._refuse(frame, NO_DATA))

    def _take_time(self, frame: Frame, at_ms: int) -> bool:
        told = moment(frame.data, "ssmmhhDDMMYY")
        if told is None:
            return False
        wanted = datetime.fromisoformat(told).replace(tzinfo=self.zone)
        ahead_ms = int(wanted.timestamp()) * 1_000 - self.clock_ms(at_ms)
        if abs(ahead_ms) > JUMP_MS:
            return False
        self._set(self.circuits[1], {Quantity.CLOCK: int(wanted.timestamp())}, at_ms)
        return True
