"""The status words of a simulated DL/T 645 meter (04000501 to 04000507, all of them by 040005FF): what happened to it,
in the bits of the standard; and the bits that a profile names elsewhere."""

from collections.abc import Iterable
from typing import Final

from prewatt.core.meters.dataitems import COMMAND_OPEN, WORD
from prewatt.core.meters.model import Flag
from prewatt.core.meters.quantities import StatusBit
from prewatt.core.wire.dlt645 import STATUS
from prewatt.field.simulator.circuit import Circuit
from prewatt.field.simulator.site import Force

FIRST_DI: Final = 0x04000501
ALL_DI: Final = 0x040005FF
PHASES: Final = "abc"


def of_phase(circuit: Circuit) -> dict[str, bool]:
    """What is so of each phase of a settled circuit, by its name in words 4 to 6: they are loaded alike."""
    state, facts = circuit.state, circuit.status()
    off = StatusBit.VOLTAGE_LIMITS in facts
    return {
        "under_voltage": off and state.volts_permille < 1_000,
        "over_voltage": off and state.volts_permille > 1_000,
        "overload": StatusBit.OVERLOAD_TRIP in facts or 0 < state.load_limit_w < circuit.power_w(),
        "reverse_flow": StatusBit.REVERSE_POWER in facts,
    }


def words_of(circuit: Circuit, *, phases: int, word_3: int, programmable: bool) -> tuple[int, ...]:
    """The seven words of a settled circuit."""
    state, facts, phase = circuit.state, circuit.status(), of_phase(circuit)
    named: list[dict[str, bool]] = [
        {"overdraft": state.purse and state.balance_wh < 0},
        {f"{letter}_active_reverse": phase["reverse_flow"] for letter in PHASES[:phases]},
        {"programming_allowed": programmable, "pre_trip_alarm": bool({StatusBit.ALARM_1, StatusBit.ALARM_2} & facts)},
        *(phase if place < phases else {} for place in range(len(PHASES))),
        {},
    ]
    words = [
        sum(1 << names.index(name) for name, true in each.items() if true)
        for names, each in zip(STATUS, named, strict=True)
    ]
    words[2] |= word_3
    if state.force != Force.TRIP and (state.overload_tripped or state.malicious_tripped):
        words[2] &= ~(1 << COMMAND_OPEN)  # nobody told it to: it opened by itself, and its key closes it
    return tuple(words)


def placed(address: int, words: tuple[int, ...]) -> dict[int, int]:
    """Where in the answer to an identifier which word stands; empty for one that has none."""
    if address == ALL_DI:
        return {place * WORD: word for place, word in enumerate(words)}
    place = address - FIRST_DI
    return {0: words[place]} if 0 <= place < len(words) else {}


def flagged(flags: Iterable[Flag], address: int, facts: frozenset[StatusBit]) -> dict[int, int]:
    """The same for words that the standard does not know and a profile does: each fact that is so sets its bits."""
    words: dict[int, int] = {}
    for flag in flags:
        if flag.address == address:
            bits = sum(1 << bit for bit in flag.set) if flag.fact in facts else 0
            words[flag.at] = words.get(flag.at, 0) | bits
    return words
