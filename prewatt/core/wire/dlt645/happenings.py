"""Events told field by field, groups 10 to 1F (DL/T 645-2007 table A.5): counts, times, and what the meter read then.

An identifier names event, phase (0 the meter), field and which of the last ten. Field 0 is a count or a time, field FF
the whole record in the order of the fields.
"""

from typing import Final

from prewatt.core.wire.dlt645.items import Item, Kind
from prewatt.core.wire.dlt645.records import (
    MAX_RECORDS,
    OPERATOR,
    PHASES,
    charges,
    energies,
    four_energies,
    moment,
    phase_state,
    unbalance,
)

ALL: Final = 0xFF
_ENDED: Final = 0x02
_COUNT: Final = Item(name="count", size=3, kind=Kind.DIGITS)
_MINUTES: Final = Item(name="minutes", size=3, kind=Kind.DIGITS, unit="min")


def _sixteen(after: str) -> tuple[Item, ...]:
    """Four energies of the meter and of each phase."""
    return tuple(item for phase in ("", *PHASES) for item in four_energies(phase, after))


def _phase_fields(*, charged: bool) -> tuple[Item, ...]:
    phases = (item for phase in PHASES for item in (*four_energies(phase, "_before"), *phase_state(phase)))
    return (
        moment("started_at"),
        *four_energies("", "_before"),
        *phases,
        *(charges() if charged else ()),
        moment("ended_at"),
        *_sixteen("_after"),
    )


_SEQUENCE: Final = (moment("started_at"), *_sixteen("_before"), moment("ended_at"), *_sixteen("_after"))
_UNBALANCE: Final = (
    moment("started_at"),
    *_sixteen("_before"),
    unbalance(),
    moment("ended_at"),
    *_sixteen("_after"),
)
_FACTOR: Final = (
    moment("started_at"),
    *four_energies("", "_before"),
    moment("ended_at"),
    *four_energies("", "_after"),
)
_VOLTAGE: Final = _phase_fields(charged=True)
_CURRENT: Final = _phase_fields(charged=False)
RELAY: Final = (moment("at"), OPERATOR, *energies())

# 10 to 13: voltage lost, low, high, phase lost; 14, 15: sequence; 16, 17: unbalance; 18 to 1A: current lost, high,
# broken; 1B: power reversed; 1C: overload; 1D, 1E: trip and close; 1F: power factor low
_FIELDS: Final[dict[int, tuple[Item, ...]]] = {
    **dict.fromkeys((0x10, 0x11, 0x12, 0x13), _VOLTAGE),
    **dict.fromkeys((0x14, 0x15, 0x1B, 0x1C), _SEQUENCE),
    **dict.fromkeys((0x16, 0x17), _UNBALANCE),
    **dict.fromkeys((0x18, 0x19, 0x1A), _CURRENT),
    **dict.fromkeys((0x1D, 0x1E), RELAY),
    0x1F: _FACTOR,
}
_BY_PHASE: Final = frozenset({0x10, 0x11, 0x12, 0x13, 0x18, 0x19, 0x1A, 0x1B, 0x1C})
_RELAY: Final = frozenset({0x1D, 0x1E})
EVENTS: Final = tuple(_FIELDS)


def fields(event: int, phase: int, field: int, which: int) -> tuple[Item, ...] | None:
    """The items behind an identifier of these groups, None for one that names nothing."""
    known = _FIELDS.get(event)
    if known is None or phase > (len(PHASES) if event in _BY_PHASE else 0):
        return None
    if field == 0:
        return {1: (_COUNT,), 2: None if event in _RELAY else (_MINUTES,)}.get(which)
    if not 1 <= which <= MAX_RECORDS:
        return None
    if event in _BY_PHASE and phase == 0:  # the latest one of any phase: when it began and ended
        return {1: (moment("started_at"),), _ENDED: (moment("ended_at"),)}.get(field)
    if field == ALL or (event in _RELAY and field == 1):  # some meters give the whole record behind its first field
        return known
    return (known[field - 1],) if field <= len(known) else None
