"""The simulated site as a whole: its lines and meters, what they remember, and what a visitor may do.

Everything happens in one thread, so what `describe` gives is one moment of all meters. No socket and no
clock: times are arguments, in ms since 1970 UTC.
"""

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from prewatt.core.meters import Profile, catalogue
from prewatt.core.meters.profile import Protocol as ProtocolName
from prewatt.core.refusals import Refused
from prewatt.field.simulator.card_slot import CardRead, CardReader, NoCardReader, eject, has_slot, insert
from prewatt.field.simulator.circuit import Accepted, CircuitState
from prewatt.field.simulator.data_meter import DataMeter
from prewatt.field.simulator.events import Event, happen
from prewatt.field.simulator.faults import NO_FAULTS, Faults
from prewatt.field.simulator.fields import SiteError
from prewatt.field.simulator.line import NotKept, SimulatedLine
from prewatt.field.simulator.meter import Meter, MeterState
from prewatt.field.simulator.site import MeterSite, Site
from prewatt.field.simulator.store import Store, StoreDamaged

if TYPE_CHECKING:  # the cipher behind it is dear, and most sites have no such meter
    from prewatt.field.simulator.keypad import Entered, KeypadMeter, Memory
    from prewatt.field.simulator.keypad_line import WiredKeypad

Remembered = tuple[MeterState, tuple[CircuitState, ...]]
SNAPSHOT_MS: Final = 2_000
POWER_CUT_MS: Final = 10_000  # away for longer: the whole site had no power

_log = logging.getLogger(__name__)


class World:
    """All meters of a site file over the memory in `store`. `card_reader`: the engine of their card slots."""

    def __init__(
        self, site: Site, store: Store, *, now_ms: int, profiles: Mapping[str, Profile] | None = None,
        card_reader: CardReader | None = None,
    ) -> None:  # fmt: skip
        self.site = site
        self._card_reader = card_reader or NoCardReader()
        self._store = store
        self._failing = False
        known = catalogue() if profiles is None else profiles
        states = store.states()
        self.meters: dict[str, Meter] = {}
        numbered = {line.id for line in site.lines if line.numbered}
        for position, each in enumerate(site.meters):
            profile = _profile(each, known, each.line in numbered, f"site.meters[{position}]")
            state, circuits = states.get(each.number, (None, []))
            if circuits and len(circuits) != len(each.circuits):
                raise StoreDamaged(f"meter {each.number} had {len(circuits)} circuits, now {len(each.circuits)}")
            kind = DataMeter if profile.protocol is ProtocolName.DLT645 else Meter
            self.meters[each.number] = kind(
                each, profile, site.timezone, at_ms=now_ms, state=state, circuits=circuits
            )
        self.keypads = _keypads(site, store.keypads(), now_ms) if site.keypads else {}
        self.wired = _wired(self.keypads, known, site, now_ms)
        self.accepted: dict[tuple[str, int], list[Accepted]] = store.accepted()
        self._wake(now_ms)
        by_line: dict[str, list[Meter]] = {line.id: [] for line in site.lines}
        for meter in [*self.meters.values(), *self.wired.values()]:
            by_line[meter.site.line].append(meter)
        self.lines = {line.id: SimulatedLine(line, by_line[line.id], self) for line in site.lines}
        for line_id, faults in store.faults().items():
            if line_id in self.lines:
                self.lines[line_id].set_faults(faults)
        self.snapshot(now_ms)

    def _wake(self, now_ms: int) -> None:
        """Go on after a pause. A short one is time like any other; a long one was a power cut of the site.

        The last life may have gone on for one snapshot interval after its last snapshot and shown registers
        from there, so that much is counted; a register never runs backward.
        """
        last_ms = self._store.snapshot_ms
        if last_ms is not None and now_ms - last_ms > POWER_CUT_MS:
            for meter in self._all():
                meter.settle(last_ms + SNAPSHOT_MS)
            self.sleep(now_ms)
        elif last_ms is not None and last_ms - now_ms > POWER_CUT_MS:
            _log.warning("the host clock was set back by %s s: the meters go on from now", (last_ms - now_ms) // 1_000)
            for meter in self._all():
                meter.set_back(now_ms)

    def _all(self) -> "list[Meter | KeypadMeter]":
        firsts = [(number, each) for number, each in self.keypads.items() if not each.site.of]
        return [*self.meters.values(), *(self.wired.get(number, each) for number, each in firsts)]

    def sleep(self, now_ms: int) -> None:
        """The whole site had no power until now."""
        for meter in self._all():
            meter.sleep(now_ms)

    # memory

    def keep(self, meter: Meter, accepted: Sequence[tuple[int, Accepted]] = ()) -> None:
        """The `Keeper` of the lines: durable first, then known."""
        if meter.number in self.keypads:
            circuits = [each for each in self.keypads.values() if each.site.meter_number == meter.number]
            self._store.keep_keypad(meter.number, circuits, accepted)
        else:
            self._store.keep(meter, accepted)
        for index, order in accepted:
            self.accepted.setdefault((meter.number, index), []).append(order)

    def snapshot(self, now_ms: int) -> None:
        """Settle all meters and keep them. A failure is told once; orders are refused meanwhile by `keep`."""
        self.settle(now_ms)
        try:
            self._store.snapshot(self.meters.values(), now_ms, self.keypads.values())
        except NotKept as error:
            if not self._failing:
                _log.error("the meters' memory cannot be written: %s", error)
            self._failing = True
            return
        if self._failing:
            _log.info("the meters' memory can be written again")
        self._failing = False

    def settle(self, now_ms: int) -> None:
        """Let time pass for every meter."""
        for meter in self._all():
            meter.settle(now_ms)

    def refresh(self, now_ms: int) -> None:
        """Before anything is shown: no older than one snapshot interval may be what a crash would forget."""
        last_ms = self._store.snapshot_ms
        if last_ms is None or now_ms - last_ms >= SNAPSHOT_MS:
            self.snapshot(now_ms)

    # what a visitor may do

    def set_faults(self, line_id: str, faults: Faults) -> None:
        """Replace all faults of a line. Raises `SiteError` unknown_line, `NotKept`."""
        line = self.lines.get(line_id)
        if line is None:
            raise SiteError("unknown_line", "line", f"no line {line_id}")
        self._store.keep_faults({line_id: faults})
        line.set_faults(faults)

    def reset_faults(self) -> None:
        """No faults on any line; the meters stay as they are."""
        self._store.keep_faults(dict.fromkeys(self.lines, NO_FAULTS))
        for line in self.lines.values():
            line.set_faults(NO_FAULTS)

    def command(self, number: str, at_ms: int, **changes: object) -> None:
        """Change what is named: `load_w` (None: back to its curve), `silent`, `press_key`, `programming_key`; for all
        circuits of the meter, or for the one in `index`. Raises `SiteError` unknown_meter, unknown_circuit,
        `NotKept`."""
        if number in self.keypads:
            return self._command_keypad(number, at_ms, changes)
        meter = self.meters.get(number)
        if meter is None:
            raise SiteError("unknown_meter", "meter", f"no meter {number}")
        meter.settle(at_ms)
        index = changes.get("index")
        if index is not None and index not in meter.circuits:
            raise SiteError("unknown_circuit", "index", f"meter {number} has no circuit {index}")
        memory = meter.remember()
        for position, circuit in meter.circuits.items():
            if index is not None and index != position:
                continue
            if "load_w" in changes:
                load_w = changes["load_w"]
                assert load_w is None or isinstance(load_w, int)
                circuit.connect_load(load_w)
            if changes.get("press_key"):
                circuit.press_key()
        if "silent" in changes:
            meter.state.silent = bool(changes["silent"])
        if changes.get("programming_key"):
            meter.press_programming_key(at_ms)
        meter.settle(at_ms)
        try:
            self.keep(meter)
        except NotKept:
            meter.go_back(memory)
            raise

    def happen(self, number: str, event: Event, index: int | None, at_ms: int) -> None:
        """Let something happen to a meter, or to one of its circuits. Raises `SiteError` unknown_meter,
        unknown_circuit, event_needs, `NotKept`."""
        keypad = self.keypads.get(number)
        if keypad is not None and keypad.site.of:  # the page of a further circuit of an STS meter
            number, index = keypad.site.of, keypad.site.index
        meter = self.meters.get(number) or self.wired.get(number)
        if meter is None:
            raise SiteError("unknown_meter", "meter", f"no meter {number}")
        if index is not None and index not in meter.circuits:
            raise SiteError("unknown_circuit", "index", f"meter {number} has no circuit {index}")
        meter.settle(at_ms)
        memory = meter.remember()
        try:
            happen(meter, event, index, at_ms)
            meter.settle(at_ms)  # what it writes down of it, it writes down now
            self.keep(meter)
        except (NotKept, SiteError):
            meter.go_back(memory)
            raise

    def insert_card(self, number: str, image: bytes, at_ms: int) -> CardRead:
        """Put a card into a meter's slot. Raises `SiteError` unknown_meter and as `card_slot.insert`, `NotKept`."""
        meter = self._card_meter(number, at_ms)
        memory = meter.remember()
        read = insert(meter, image, self._card_reader, at_ms)
        self._keep_card(meter, memory, read.accepted)
        return read

    def eject_card(self, number: str, at_ms: int) -> bytes:
        """The card as the meter gives it back. Raises `SiteError` unknown_meter and as `card_slot.eject`, `NotKept`."""
        meter = self._card_meter(number, at_ms)
        memory = meter.remember()
        image = eject(meter)
        self._keep_card(meter, memory, ())
        return image

    def card(self, number: str) -> dict[str, object]:
        """What is in a meter's slot. Raises `SiteError` unknown_meter, no_card_slot."""
        meter = self.meters.get(number)
        if meter is None:
            raise SiteError("unknown_meter", "meter", f"no meter {number}")
        if not has_slot(meter):
            raise SiteError("no_card_slot", "card", f"meter {number} takes no cards")
        return {"image": meter.state.card, "says": meter.state.card_says}

    def _card_meter(self, number: str, at_ms: int) -> Meter:
        meter = self.meters.get(number)
        if meter is None:
            raise SiteError("unknown_meter", "meter", f"no meter {number}")
        meter.settle(at_ms)
        return meter

    def _keep_card(self, meter: Meter, memory: Remembered, accepted: Sequence[tuple[int, Accepted]]) -> None:
        try:
            self.keep(meter, accepted)
        except NotKept:
            meter.go_back(memory)
            raise

    def keypad(self, number: str) -> "KeypadMeter":
        """An STS meter, by its number or the DRN on its label. Raises `SiteError` unknown_meter."""
        found = self.keypads.get(number) or next((each for each in self.keypads.values() if each.drn == number), None)
        if found is None:
            raise SiteError("unknown_meter", "meter", f"no meter {number}")
        return found

    def enter(self, number: str, digits: str, at_ms: int) -> "Entered":
        """Type a token into an STS meter; what it says is durable before it is shown. Raises `SiteError`
        unknown_meter, `NotKept` with the meter as it was."""
        meter = self.keypad(number)
        meter.settle(at_ms)
        memory = meter.remember()
        entered = meter.enter(digits, at_ms)
        self._keep_keypad(meter, memory, meter.applied)
        return entered

    def connect(self, number: str, load_w: int | None, at_ms: int) -> None:
        """Set the load of an STS meter by hand, or give it back to its curve. Raises as `enter`."""
        meter = self.keypad(number)
        meter.settle(at_ms)
        memory = meter.remember()
        meter.circuit.connect_load(load_w)
        self._keep_keypad(meter, memory)

    def hold_key(self, number: str, at_ms: int) -> None:
        """Somebody closes the switch of an STS meter that tripped over its power limit. Raises as `enter`."""
        meter = self.keypad(number)
        meter.settle(at_ms)
        memory = meter.remember()
        meter.circuit.press_key()
        self._keep_keypad(meter, memory)

    def _command_keypad(self, number: str, at_ms: int, changes: Mapping[str, object]) -> None:
        """Of one circuit, the first where none is named; silent is one that has a bus to be silent on."""
        index = changes.get("index", 1)
        circuit = number if index == 1 else f"{number}-{index}"
        if circuit not in self.keypads:
            raise SiteError("unknown_circuit", "index", f"meter {number} has no circuit {index}")
        if "load_w" in changes:
            load_w = changes["load_w"]
            assert load_w is None or isinstance(load_w, int)
            self.connect(circuit, load_w, at_ms)
        if changes.get("press_key"):
            self.hold_key(circuit, at_ms)
        if "silent" in changes and number in self.wired:
            meter = self.wired[number]
            memory = meter.remember()
            meter.state.silent = bool(changes["silent"])
            try:
                self.keep(meter)
            except NotKept:
                meter.go_back(memory)
                raise

    def _keep_keypad(self, meter: "KeypadMeter", memory: "Memory", accepted: Accepted | None = None) -> None:
        orders = [(meter.site.index, accepted)] if accepted is not None else []
        number = meter.site.meter_number
        try:
            self._store.keep_keypad(number, [meter], orders)
        except NotKept:
            meter.go_back(memory)
            raise
        for index, order in orders:
            self.accepted.setdefault((number, index), []).append(order)

    # what can be seen

    def describe(self, now_ms: int, ports: Mapping[str, int]) -> list[dict[str, object]]:
        """All meters at one moment, as GET /meters gives them. `ports` are the lines' real ports."""
        self.refresh(now_ms)
        self.settle(now_ms)
        return [self._meter(meter, ports) for meter in self._all()]

    def _meter(self, meter: "Meter | KeypadMeter", ports: Mapping[str, int]) -> dict[str, object]:
        """Of an STS meter that is not wired the line is the one that it hangs beside, unplugged."""
        line = self.lines[meter.site.line].site
        return {
            "number": meter.number,
            "profile": meter.site.profile,
            "host": line.host,
            "port": ports.get(line.id, line.port),
            "unit": meter.unit if isinstance(meter, Meter) else meter.site.unit,
            **({"address": meter.address} if isinstance(meter, DataMeter) and meter.readdressed else {}),
            "line": line.id,
            "circuits": [self._circuit(meter, index) for index in meter.circuits],
        }

    def _circuit(self, meter: "Meter | KeypadMeter", index: int) -> dict[str, object]:
        circuit = meter.circuits[index]
        state = circuit.state
        return {
            "index": index,
            "opening": state.opening_wh if state.purse else None,
            "balance": state.balance_wh if state.purse else None,
            "purchase_count": state.purchase_count,
            "relay": "closed" if circuit.relay_closed() else "open",
            "consumed": circuit.consumed(),
            "accepted": [
                {"count": order.count, "kind": order.kind.value, "amount": order.amount_wh, "at": iso(order.at_ms)}
                for order in self.accepted.get((meter.number, index), ())
            ],
        }


def iso(at_ms: int) -> str:
    """ISO 8601 in UTC with milliseconds."""
    seconds, ms = divmod(at_ms, 1_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{ms:03d}Z"


def _keypads(site: Site, kept: Mapping[str, str], now_ms: int) -> "dict[str, KeypadMeter]":
    """The STS meters with what they remember. Raises `SiteError` (a key), `StoreDamaged`."""
    from prewatt.field.simulator.keypad import KeypadMeter, decoded

    found: dict[str, KeypadMeter] = {}
    lines = {line.id for line in site.lines}
    numbers = {meter.number for meter in site.meters}
    units = {(meter.line, meter.unit) for meter in site.meters}
    for each in site.keypads:
        where = f"site.keypads.{each.number}"
        if each.line not in lines:
            raise SiteError("unknown_line", f"{where}.line", f"no line {each.line}")
        if not each.of and (each.number in numbers or (each.line, each.unit) in units):
            raise SiteError("duplicate", where, f"{each.number}, or unit {each.unit} of its line, is there twice")
        units.add((each.line, each.unit))
        memory = None
        if each.number in kept:
            try:
                memory = decoded(kept[each.number])
            except (KeyError, TypeError, ValueError, Refused) as error:
                raise StoreDamaged(f"STS meter {each.number}: {type(error).__name__}") from error
        found[each.number] = KeypadMeter(each, site.timezone, at_ms=now_ms, memory=memory)
    return found


def _wired(
    keypads: "Mapping[str, KeypadMeter]", known: Mapping[str, Profile], site: Site, now_ms: int
) -> "dict[str, WiredKeypad]":
    """The line's side of STS meters that are on one. Raises `SiteError`."""
    if not any(each.site.wired for each in keypads.values()):
        return {}
    from prewatt.field.simulator.keypad_line import wired

    return wired(keypads.values(), known, site.timezone, at_ms=now_ms)


def _profile(meter: MeterSite, known: Mapping[str, Profile], numbered: bool, where: str) -> Profile:
    profile = known.get(meter.profile)
    if profile is None:
        raise SiteError("unknown_profile", f"{where}.profile", f"no profile {meter.profile}")
    if not profile.wired:
        raise SiteError("bad_profile", f"{where}.profile", f"a {profile.code} is on no line: it belongs under keypads")
    if profile.protocol is ProtocolName.DLT645 and numbered:
        raise SiteError("bad_profile", f"{where}.profile", f"a {profile.code} speaks no Modbus TCP")
    if len(meter.circuits) > profile.circuits:
        raise SiteError("bad_circuits", f"{where}.circuits", f"a {profile.code} has {profile.circuits}")
    if not meter.circuits:
        raise SiteError("bad_circuits", f"{where}.circuits", "a meter has at least one circuit")
    return profile
