"""One simulated meter: what its registers show and what a write to them does. No socket, no clock of ours.

It takes a Modbus request and a time and gives a reply. What must survive is in `MeterState`; whoever runs
the meter keeps that (`store`) before the reply leaves. Addresses come from the profile, nothing else does:
the accounting is the circuit's own.
"""

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from math import isqrt
from typing import Any, Final

from prewatt.core.meters import Profile
from prewatt.core.meters.jobs import Order
from prewatt.core.meters.model import Switch
from prewatt.core.meters.quantities import Quantity
from prewatt.core.meters.registers import RegisterImage, WrittenOrder, decode_order
from prewatt.core.meters.wallet import PRICES
from prewatt.core.refusals import Refused
from prewatt.core.wire.modbus import (
    ExceptionCode,
    ExceptionReply,
    Function,
    ReadReply,
    ReadRequest,
    Reply,
    Request,
    WriteMultiple,
    WriteReply,
    WriteSingle,
)
from prewatt.field.simulator.circuit import (
    Accepted,
    Circuit,
    CircuitState,
    OrderRefused,
    first_state,
)
from prewatt.field.simulator.commissioning import KEY_MS, held, write_unit
from prewatt.field.simulator.frozen import ring_words
from prewatt.field.simulator.pricing import Pricing
from prewatt.field.simulator.reckoned import reckoned
from prewatt.field.simulator.site import Force, MeterSite
from prewatt.field.simulator.timetable import Timetable
from prewatt.field.simulator.town import LiveLoad, RateClock

PPM: Final = 1_000_000
DRIFT_PPM: Final = 20  # a good crystal; each meter has its own within this
DAY_MS: Final = 86_400_000
COUNT_LIMIT: Final = 0xFFFF
NET_MV: Final = 220_000  # of a model whose plate nobody knows
PULSES: Final = 1600  # imp/kWh, the same

PHASE_POWERS: Final = (Quantity.POWER_A, Quantity.POWER_B, Quantity.POWER_C)
_SETTINGS: Final[Mapping[Quantity, str]] = {
    Quantity.ALARM_LEVEL_1: "alarm_level_1_wh",
    Quantity.ALARM_LEVEL_2: "alarm_level_2_wh",
    Quantity.OVERDRAFT_LIMIT: "overdraft_limit_wh",
    Quantity.HOARDING_LIMIT: "hoarding_limit_wh",
    Quantity.LOAD_LIMIT: "load_limit_w",
    Quantity.MALICIOUS_STEP: "malicious_step_w",
    **{price: price.value for price in PRICES},
}
_FLAGS: Final[Mapping[Quantity, tuple[str, bool]]] = {  # and whether a 1 sets them
    Quantity.MALICIOUS_SWITCH: ("malicious_off", False),
    Quantity.ALARM_TRIPS_1: ("warning_trip_1", True),
    Quantity.ALARM_TRIPS_2: ("warning_trip", True),
    Quantity.PAY_MODE: ("postpaid", True),
}
_FORCES: Final = frozenset({Quantity.FORCE_CONTROL, Quantity.FORCED_STATE})
_SWITCHING: Final = _FORCES | {Quantity.RELAY} | _FLAGS.keys()  # 0 or 1
_FORCE_WORDS: Final[Mapping[str, tuple[int, int]]] = {
    Force.AUTOMATIC.value: (0, 0),
    Force.KEEP_ON.value: (1, 0),
    Force.TRIP.value: (1, 1),
}


@dataclass(kw_only=True, slots=True)
class MeterState:
    """Everything a meter remembers without power, apart from its circuits."""

    clock_offset_ms: int = 0  # what the clock was ahead of true time when it was last set
    clock_set_ms: int = 0
    next_freeze_ms: int = 0  # true time of the next midnight on the meter's clock
    silent: bool = False
    hung_until_ms: int = 0  # its processor hangs until its watchdog starts it again
    unlocked: bool = False  # it takes settings and commands, where its model wants to be told so first
    restarts: int = 0  # how often that was
    unit: int = 0  # another address than the site file's; 0 the same
    address: str = ""  # of DL/T 645, likewise
    baud: int = 0  # likewise
    programmable_until_ms: int = 0  # its programming key was pressed
    card: str | None = None  # bytes of the card in its slot, hex
    card_says: str = ""  # what it made of it: a code of `card_slot`
    order_results: list[int] = field(default_factory=list)  # per circuit, see Quantity.ORDER_RESULT
    charge: dict[str, Any] = field(default_factory=dict)  # `charging.ChargeState`; replaced as a whole, never changed
    schedule: dict[str, Any] = field(default_factory=dict)  # `timetable.Held`; likewise
    prices: dict[str, Any] = field(default_factory=dict)  # `pricing.Held`; likewise
    events: dict[str, Any] = field(default_factory=dict)  # `event_records.Held`; likewise


@dataclass(frozen=True, kw_only=True)
class Handled:
    """What came of a request. `kept` is false when nothing durable changed (a read)."""

    reply: Reply
    kept: bool = False
    accepted: tuple[tuple[int, Accepted], ...] = ()  # circuit index and order


class Meter:
    """A meter with its circuits. All times in ms since 1970 UTC."""

    def __init__(
        self,
        site: MeterSite,
        profile: Profile,
        zone: tzinfo,
        *,
        at_ms: int,
        state: MeterState | None = None,
        circuits: Sequence[CircuitState] = (),
    ) -> None:
        assert 1 <= len(site.circuits) <= profile.circuits, (site.number, profile.code)
        self.site, self.profile, self.zone = site, profile, zone
        self.number = site.number
        self.has_purse = profile.has_purse
        plate = profile.rating
        self.phase_mv = NET_MV if plate is None or plate.phase_mv is None else plate.phase_mv
        self.pulses = PULSES if plate is None or not plate.pulses else plate.pulses[0]
        self.drift_ppm = int(site.number) * 7 % (2 * DRIFT_PPM + 1) - DRIFT_PPM
        self._image = RegisterImage(profile)
        self._in_parts = any(each.mask for each in profile.registers.values())
        states = list(circuits) or [
            first_state(each, purse=self.has_purse, at_ms=at_ms, wallet=profile.wallet) for each in site.circuits
        ]
        assert len(states) == len(site.circuits), site.number
        self._works_rates = RateClock(zone)
        self.timetable = None if profile.schedule is None else Timetable(profile.schedule)
        two_sets = profile.prices is not None and profile.prices.writable
        self.pricing = Pricing(profile.prices) if two_sets and profile.prices is not None else None
        self.circuits = {
            each.index: Circuit(held, LiveLoad(each.load, zone), self._rate_at)
            for each, held in zip(site.circuits, states, strict=True)
        }
        if state is None:
            state = MeterState(clock_set_ms=at_ms, silent=site.silent, order_results=[0] * len(states))
            state.next_freeze_ms = self._next_midnight(state, at_ms)
        self.state = state
        if profile.behaviour is not None:
            for circuit in self.circuits.values():
                circuit.reverse = profile.behaviour.reverse

    @property
    def unit(self) -> int:
        """Its address on the bus, where it speaks Modbus."""
        return self.state.unit or self.site.works_unit or self.site.unit

    @property
    def baud(self) -> int:
        """The speed of its port; 0: that of its line."""
        return self.state.baud or self.site.baud

    # time

    def _wall_s(self, at_ms: int) -> int:
        """What its own clock shows of local time, counted as if it were UTC."""
        shown = datetime.fromtimestamp(self.clock_ms(at_ms) // 1_000, self.zone)
        return int(shown.replace(tzinfo=UTC).timestamp())

    def _rate_at(self, at_ms: int) -> int:
        if self.timetable is not None and self.state.schedule:
            rate = self.timetable.rate(self.state.schedule, self._wall_s(at_ms))
            if rate is not None:
                return rate
        return self._works_rates(at_ms)

    def clock_ms(self, at_ms: int) -> int:
        """What the meter takes for the time."""
        return self._clock_of(self.state, at_ms)

    def settle(self, at_ms: int) -> None:
        """Let time pass, freezing the registers at each midnight of the meter's own clock."""
        while self.state.next_freeze_ms <= at_ms:
            midnight_ms = self.state.next_freeze_ms
            day = datetime.fromtimestamp((self.clock_ms(midnight_ms) + 500) // 1_000, self.zone).date()
            self._settle_circuits(midnight_ms)
            for circuit in self.circuits.values():
                circuit.freeze(day.isoformat())
            self.state.next_freeze_ms = self._next_midnight(self.state, midnight_ms)
        self._settle_circuits(at_ms)
        if self.timetable is not None and self.state.schedule.get("waits"):
            self.state.schedule = dict(self.timetable.settled(self.state.schedule, self._wall_s(at_ms)))

    def _settle_circuits(self, at_ms: int) -> None:
        """Let them use what they use; prices swap at their moment of the meter's own clock."""
        while self.pricing is not None and (due := self.pricing.due(self.state.prices)) is not None:
            local = datetime.fromtimestamp(due[0], UTC).replace(tzinfo=self.zone).astimezone(UTC)
            swap_ms = self._when_clock_shows(self.state, int(local.timestamp()) * 1_000)
            if swap_ms > at_ms:
                break
            for circuit in self.circuits.values():
                circuit.settle(swap_ms)
            states = [circuit.state for circuit in self.circuits.values()]
            self.state.prices = dict(self.pricing.swapped(self.state.prices, states, due[1]))
        for circuit in self.circuits.values():
            circuit.settle(at_ms)

    def take_time(self, clock_s: int, at_ms: int) -> None:
        """Set the clock, as a server tells it to a meter that asked."""
        self.settle(at_ms)
        self._set(self.circuits[1], {Quantity.CLOCK: clock_s}, at_ms)

    def sleep(self, at_ms: int) -> None:
        """The supply of the whole site was gone until `at_ms`."""
        for circuit in self.circuits.values():
            circuit.skip(at_ms)

    def set_back(self, at_ms: int) -> None:
        """The time counted in was ahead of true time: go on from `at_ms`, nothing used is taken back."""
        for circuit in self.circuits.values():
            circuit.state.as_of_ms = min(circuit.state.as_of_ms, at_ms)
        self.state.clock_set_ms = min(self.state.clock_set_ms, at_ms)
        self.state.next_freeze_ms = self._next_midnight(self.state, at_ms)

    @staticmethod
    def _drifted(drift_ppm: int, since_ms: int) -> int:
        return since_ms * drift_ppm // PPM

    def _clock_of(self, state: MeterState, at_ms: int) -> int:
        return at_ms + state.clock_offset_ms + self._drifted(self.drift_ppm, at_ms - state.clock_set_ms)

    def _next_midnight(self, state: MeterState, at_ms: int) -> int:
        """The true time at which the meter's clock next begins a day, after `at_ms`."""
        clock_ms = self._clock_of(state, at_ms)
        today = datetime.fromtimestamp(clock_ms // 1_000, self.zone)
        first = today.replace(hour=0, minute=0, second=0, microsecond=0)
        for days in (1, 2):
            # through UTC and back: a day of summer time has 23 or 25 hours
            midnight = (first.replace(tzinfo=None) + timedelta(days=days)).replace(tzinfo=self.zone).astimezone(UTC)
            wanted_ms = int(midnight.timestamp()) * 1_000
            when_ms = self._when_clock_shows(state, wanted_ms)
            if when_ms > at_ms:
                return when_ms
        raise AssertionError("no midnight within two days")

    def _when_clock_shows(self, state: MeterState, wanted_ms: int) -> int:
        """The true time at which its clock shows this one."""
        since_ms = -((state.clock_set_ms + state.clock_offset_ms - wanted_ms) * PPM // (PPM + self.drift_ppm))
        return state.clock_set_ms + since_ms

    # the wire

    def handle(self, request: Request, at_ms: int) -> Handled:
        """Serve one request that arrived whole. The state is settled to `at_ms` first."""
        self.settle(at_ms)
        match request:
            case ReadRequest():
                return Handled(reply=self._read(request, at_ms))
            case WriteMultiple() if request.function is Function.WRITE_REGISTERS:
                done = WriteReply(function=request.function, address=request.address, count=request.count)
                return self._write(request.address, request.data, done, at_ms)
            case WriteSingle() if request.function is Function.WRITE_REGISTER:
                return self._write(request.address, request.value.to_bytes(2, "big"), request, at_ms)
            case _:
                return self._no(request, ExceptionCode.ILLEGAL_FUNCTION)

    def press_programming_key(self, at_ms: int) -> None:
        """Somebody at the meter lets it be programmed for a while."""
        self.state.programmable_until_ms = at_ms + KEY_MS

    def remember(self) -> tuple[MeterState, tuple[CircuitState, ...]]:
        """A copy of everything durable, to go back to when it could not be kept."""
        meter = copy(self.state)
        meter.order_results = list(meter.order_results)
        return meter, tuple(copy(circuit.state) for circuit in self.circuits.values())

    def go_back(self, memory: tuple[MeterState, tuple[CircuitState, ...]]) -> None:
        """Undo everything since `remember`."""
        self.state = memory[0]
        for circuit, state in zip(self.circuits.values(), memory[1], strict=True):
            circuit.state = state

    @staticmethod
    def _no(request: Request, code: ExceptionCode) -> Handled:
        return Handled(reply=ExceptionReply(function=int(request.function), code=int(code)))

    def _read(self, request: ReadRequest, at_ms: int) -> Reply:
        if int(request.function) not in self.profile.read_functions:
            return ExceptionReply(function=int(request.function), code=int(ExceptionCode.ILLEGAL_FUNCTION))
        if request.count > self.profile.max_block:
            return ExceptionReply(function=int(request.function), code=int(ExceptionCode.ILLEGAL_DATA_VALUE))
        for index in self.circuits:
            self._show(index, at_ms)
        data = self._image.read(request.address, request.count)
        if data is None and self.profile.freezes is not None:
            states = {index: circuit.state for index, circuit in self.circuits.items()}
            data = ring_words(
                self.profile.freezes, states, request.address, request.count, zone=self.zone, ratio=self._ratio()
            )
        if data is None and self.timetable is not None:
            data = self.timetable.fetch(self.state.schedule, request.address)
            data = data if data is not None and len(data) == request.count * 2 else None
        bus = self.profile.bus
        if data is None and bus is not None and (request.address, request.count) == (bus.address, bus.words):
            data = held(bus, self.unit)
        if data is None:
            return ExceptionReply(function=int(request.function), code=int(ExceptionCode.ILLEGAL_DATA_ADDRESS))
        return ReadReply(function=request.function, data=data)

    def keep_times(self, address: int, data: bytes, at_ms: int) -> bool:
        """A write to a standby set or a swap time; False: it is refused."""
        table, wall = self.timetable, self._wall_s(at_ms)
        held = None if table is None else table.put(self.state.schedule, address, data, wall)
        if held is not None:
            self.state.schedule = dict(held)
            return True
        if self.pricing is not None:
            held = self.pricing.put(self.state.prices, self.circuits[1].state, address, data, wall)
        if held is None:
            return False
        self.state.prices = dict(held)
        return True

    def _write(self, address: int, data: bytes, done: Reply, at_ms: int) -> Handled:
        function = int(done.function)
        written = decode_order(self.profile, address, data)
        if written is not None and written.circuit_index in self.circuits:
            return self._order(written, done)
        bus = self.profile.bus
        if bus is not None and address == bus.address:
            no = write_unit(self.state, bus, self.unit, data, at_ms)
            return Handled(reply=done if no is None else ExceptionReply(function=function, code=int(no)), kept=True)
        unlock = self.profile.unlock
        if unlock is not None and address == unlock.address:
            self.state.unlocked = data == unlock.value.to_bytes(2, "big")
            return Handled(reply=done, kept=True)
        if self.keep_times(address, data, at_ms):
            return Handled(reply=done, kept=True)
        for index in self.circuits if self._in_parts else ():  # of a word in parts, those are written that change
            self._show(index, at_ms)
        values = self._image.values(address, data)
        if values is None or any(index not in self.circuits for index in values):
            return Handled(reply=ExceptionReply(function=function, code=int(ExceptionCode.ILLEGAL_DATA_ADDRESS)))
        allowed = self.profile.settings | {Quantity.CLOCK}
        if self.profile.relay is not None:
            allowed |= _FORCES if Quantity.FORCE_CONTROL in self.profile.registers else {Quantity.RELAY}
        for part in values.values():
            if not part.keys() <= allowed:
                return Handled(reply=ExceptionReply(function=function, code=int(ExceptionCode.ILLEGAL_DATA_ADDRESS)))
            if any(value < 0 or (quantity in _SWITCHING and value > 1) for quantity, value in part.items()):
                return Handled(reply=ExceptionReply(function=function, code=int(ExceptionCode.ILLEGAL_DATA_VALUE)))
        if unlock is not None and not self.state.unlocked:
            return Handled(reply=ExceptionReply(function=function, code=int(ExceptionCode.ILLEGAL_DATA_VALUE)))
        for index, part in values.items():
            self._set(self.circuits[index], part, at_ms)
        self.state.unlocked &= unlock is not None and unlock.lock is not None  # else it locks itself again
        self.settle(at_ms)
        return Handled(reply=done, kept=True)

    def _order(self, written: WrittenOrder, done: Reply) -> Handled:
        """One credit instruction. A refusal leaves its reason in the result register and nothing else."""
        index = written.circuit_index
        try:
            if written.kind is None or not 1 <= written.count <= COUNT_LIMIT or written.amount < 0:
                raise OrderRefused("meter_order_malformed")
            if (written.amount == 0) != (written.kind.value == "clear"):
                raise OrderRefused("meter_order_malformed")
            order = Order(count=written.count, kind=written.kind, amount=written.amount)
            accepted = self.circuits[index].apply(order)
        except OrderRefused as refusal:
            self.state.order_results[index - 1] = self._result_code(refusal.code)
            no = ExceptionReply(function=int(done.function), code=int(ExceptionCode.ILLEGAL_DATA_VALUE))
            return Handled(reply=no, kept=True)
        self.state.order_results[index - 1] = 0
        return Handled(reply=done, kept=True, accepted=((index, accepted),) if accepted else ())

    def _result_code(self, code: str) -> int:
        results = self.profile.order.results if self.profile.order else {}
        return next((raw for raw, name in results.items() if name == code), max(results, default=0))

    def _set(self, circuit: Circuit, values: Mapping[Quantity, int], at_ms: int) -> None:
        for quantity, value in values.items():
            if quantity in _SETTINGS:
                setattr(circuit.state, _SETTINGS[quantity], value)
            elif quantity in _FLAGS:
                name, sets = _FLAGS[quantity]
                setattr(circuit.state, name, bool(value) is sets)
        if Quantity.CLOCK in values:
            self.state.clock_offset_ms = values[Quantity.CLOCK] * 1_000 - at_ms
            self.state.clock_set_ms = at_ms
            self.state.next_freeze_ms = self._next_midnight(self.state, at_ms)
        if Quantity.RELAY in values:  # a meter whose relay is one register knows no state of its own
            circuit.force(Force.KEEP_ON if values[Quantity.RELAY] else Force.TRIP)
        if values.keys() & _FORCES:
            control, forced = _FORCE_WORDS[circuit.state.force]
            control = values.get(Quantity.FORCE_CONTROL, control)
            forced = values.get(Quantity.FORCED_STATE, forced)
            force = Force.AUTOMATIC if not control else Force.TRIP if forced else Force.KEEP_ON
            circuit.force(force)
            if force is Force.TRIP and self.profile.switch is Switch.SHUNT_TRIP:
                circuit.state.hand_opened = True  # the breaker stays open until somebody closes it (`press_key`)

    # the registers

    def _show(self, index: int, at_ms: int) -> None:
        """Put what circuit `index` says of itself into the image; what no register can hold stays as it was."""
        for quantity, value in self.values(index, at_ms).items():
            try:
                self._image.put({quantity: value}, index)
            except Refused:
                continue

    def _ratio(self) -> int:
        """What its registers leave to the platform to multiply by."""
        return 1 if self.profile.ratio_applied else self.site.ct_ratio

    def values(self, index: int, at_ms: int) -> dict[Quantity, int]:
        """Every quantity of a settled circuit in its own unit."""
        circuit = self.circuits[index]
        state = circuit.state
        ratio = self._ratio()
        control, forced = _FORCE_WORDS[state.force]
        order = self.profile.order
        kinds = {kind.value: raw for kind, raw in order.kinds.items()} if order else {}
        shown = {
            Quantity.METER_NUMBER: int(self.number),
            Quantity.MODEL_CODE: self.profile.model_code or 0,
            Quantity.CLOCK: self.clock_ms(at_ms) // 1_000,
            Quantity.CT_RATIO: self.site.ct_ratio,
            Quantity.RELAY: int(circuit.relay_closed()),
            Quantity.STATUS: self.profile.status_word(circuit.status()),
            Quantity.FORCE_CONTROL: control,
            Quantity.FORCED_STATE: forced,
            Quantity.ENERGY_IMPORT_TOTAL: state.energy_wh // ratio,
            Quantity.ENERGY_IMPORT_SHARP: state.sharp_wh // ratio,
            Quantity.ENERGY_IMPORT_PEAK: state.peak_wh // ratio,
            Quantity.ENERGY_IMPORT_FLAT: circuit.flat_wh() // ratio,
            Quantity.ENERGY_IMPORT_VALLEY: state.valley_wh // ratio,
            Quantity.BALANCE: state.balance_wh,
            Quantity.PURCHASE_COUNT: state.purchase_count,
            Quantity.LAST_ORDER_KIND: kinds.get(state.last_kind, 0),
            Quantity.LAST_ORDER_AMOUNT: state.last_applied_wh,
            Quantity.PURCHASED_TOTAL: state.purchased_total_wh,
            Quantity.USE_PAST_ZERO: circuit.use_past_zero_wh(),
            Quantity.ORDER_RESULT: self.state.order_results[index - 1],
        }
        shown.update({quantity: getattr(state, name) for quantity, name in _SETTINGS.items()})
        shown.update(reckoned(state))
        shown[Quantity.ENERGY_EXPORT_TOTAL] = state.export_wh // ratio
        power_w = circuit.power_w()
        shown.update(self._electrical(power_w // ratio if power_w > 0 else -(-power_w // ratio), state, at_ms))
        return shown

    def mute(self, at_ms: int) -> bool:
        """Nobody hears or is heard: the bus is unplugged, or the processor hangs."""
        return self.state.silent or at_ms < self.state.hung_until_ms

    def _electrical(self, power_w: int, state: CircuitState, at_ms: int) -> dict[Quantity, int]:
        """Voltage, current and the like that fit the power; they wander a little with the minutes."""
        wander = (at_ms // 60_000 * 37 + int(self.number)) % 41 - 20
        factor = (970 if state.resistive or state.override_w is None else 780) + wander // 4
        phases = self.profile.phases
        shown = {
            Quantity.POWER_ACTIVE: power_w,
            Quantity.POWER_FACTOR: factor if power_w else 1_000,
            Quantity.FREQUENCY: 50_000 + wander,
        }
        names = (
            (Quantity.VOLTAGE_A, Quantity.CURRENT_A),
            (Quantity.VOLTAGE_B, Quantity.CURRENT_B),
            (Quantity.VOLTAGE_C, Quantity.CURRENT_C),
        )
        for position, (voltage, current) in enumerate(names[:phases]):
            at_220 = (226_000 + wander * 120 + position * 700) * state.volts_permille // 1_000
            volts_mv = at_220 * self.phase_mv // NET_MV
            shown[voltage] = volts_mv
            shown[current] = abs(power_w) * 1_000_000_000 // (phases * volts_mv * factor)
        shares = [power_w // phases] * (phases - 1)  # of each phase; the last one takes what is left over
        for quantity, share in zip(PHASE_POWERS, (*shares, power_w - sum(shares)), strict=False):
            shown[quantity] = share
        apparent_va = sum(shown[voltage] * shown[current] for voltage, current in names[:phases]) // 1_000_000
        shown[Quantity.POWER_APPARENT] = apparent_va
        shown[Quantity.POWER_REACTIVE] = isqrt(max(0, apparent_va**2 - power_w**2))
        return shown
