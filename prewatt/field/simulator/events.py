"""What happens to a meter from outside or inside, by name: POST /meters/{number}/events {"event": "hang", "index": 1}.

| event | what happens | what the meter does |
| --- | --- | --- |
| overload | many appliances, together one and a half times the limit | trips after its delay; the key closes it |
| malicious_load | a resistive step as large as the forbidden one (a heater) | trips at once; the key closes it |
| motor | the same step with a poor power factor (a motor) | nothing: only a resistive step is forbidden |
| reverse, reverse_end | energy comes back (panels on the roof) | power below zero, counted apart, credit untouched |
| cover_open, cover_closed | somebody opens the cover | says so in its status; the platform does not close then |
| voltage_high, voltage_low, voltage_normal | the mains leave their limits | shows the voltage |
| hang | its processor hangs | answers nobody until its watchdog starts it again, remembering everything |
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from prewatt.field.simulator.circuit import Circuit
from prewatt.field.simulator.fields import LOAD_LIMIT_W, SiteError
from prewatt.field.simulator.meter import Meter

WATCHDOG_MS: Final = 20_000  # a meter that hangs starts again after so long
REVERSE_W: Final = 1_500  # what a small roof gives back at noon
MOST_W: Final = LOAD_LIMIT_W


class Event(StrEnum):
    """What can happen to a meter."""

    OVERLOAD = "overload"
    MALICIOUS_LOAD = "malicious_load"
    MOTOR = "motor"
    REVERSE = "reverse"
    REVERSE_END = "reverse_end"
    COVER_OPEN = "cover_open"
    COVER_CLOSED = "cover_closed"
    VOLTAGE_HIGH = "voltage_high"
    VOLTAGE_LOW = "voltage_low"
    VOLTAGE_NORMAL = "voltage_normal"
    HANG = "hang"


VOLTS_PERMILLE: Final[Mapping[Event, int]] = {
    Event.VOLTAGE_HIGH: 1_230, Event.VOLTAGE_LOW: 760, Event.VOLTAGE_NORMAL: 1_000,
}  # fmt: skip


def happen(meter: Meter, event: Event, index: int | None, at_ms: int) -> None:
    """Let it happen to a circuit (None: to all) of a meter that is settled to `at_ms`. Raises `SiteError` event_needs:
    the meter is not set up for it."""
    circuits = [circuit for position, circuit in meter.circuits.items() if index in (None, position)]
    for circuit in circuits:
        _check(circuit, event)
    if event is Event.HANG:
        meter.state.hung_until_ms = at_ms + WATCHDOG_MS
        meter.state.restarts += 1
        return
    for circuit in circuits:
        _to_circuit(circuit, event, at_ms)


def _check(circuit: Circuit, event: Event) -> None:
    state = circuit.state
    if event is Event.OVERLOAD and not state.load_limit_w:
        raise SiteError("event_needs", "event", "the circuit has no load limit")
    if event in (Event.MALICIOUS_LOAD, Event.MOTOR) and (state.malicious_off or not state.malicious_step_w):
        raise SiteError("event_needs", "event", "the circuit knows no forbidden step")


def _to_circuit(circuit: Circuit, event: Event, at_ms: int) -> None:
    state = circuit.state
    match event:
        case Event.OVERLOAD:
            wanted_w = min(MOST_W, state.load_limit_w * 3 // 2 + 1)
            state.last_load_w = wanted_w  # none of them is a forbidden step by itself
            circuit.connect_load(wanted_w)
        case Event.MALICIOUS_LOAD | Event.MOTOR:
            state.last_load_w = circuit.load_w(at_ms)[0]
            circuit.connect_load(
                min(MOST_W, state.last_load_w + state.malicious_step_w), resistive=event is Event.MALICIOUS_LOAD
            )
        case Event.REVERSE:
            state.reverse_w = REVERSE_W
        case Event.REVERSE_END:
            state.reverse_w = 0
        case Event.COVER_OPEN | Event.COVER_CLOSED:
            state.tamper = event is Event.COVER_OPEN
        case _:
            state.volts_permille = VOLTS_PERMILLE[event]
