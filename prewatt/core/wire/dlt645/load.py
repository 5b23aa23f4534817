"""Load records, group 06 (DL/T 645-2007 annex B): `A0 A0 L time class1 AA ... class6 AA CS E5`, one or more an answer.

A class the meter does not record is empty. No byte of a field can be AA, so the AA part the classes. No public capture
of a load record was found: what breaks this form is left alone.
"""

from typing import Final

from prewatt.core.wire.dlt645.items import Item, Kind, Value, value_of

GROUP: Final = 0x06
MAX_LOADS: Final = 32  # in one answer
_MARK: Final = b"\xa0\xa0"
_PART: Final = b"\xaa"
_END: Final = 0xE5
_HEAD: Final = len(_MARK) + 1  # the length says how much stands between it and the sum
_TAIL: Final = 2
_AT: Final = Item(name="recorded_at", size=5, kind=Kind.MOMENT, form="mmhhDDMMYY")


def _phases(prefix: str, size: int, decimals: int, unit: str, *, total: bool, signed: bool = True) -> tuple[Item, ...]:
    names = ("total", "a", "b", "c") if total else ("a", "b", "c")
    return tuple(Item(name=prefix + name, size=size, decimals=decimals, signed=signed, unit=unit) for name in names)


def _energies(names: str, unit: str, *, signed: bool = False) -> tuple[Item, ...]:
    return tuple(Item(name=name, size=4, decimals=2, signed=signed, unit=unit) for name in names.split())


_CLASSES: Final = (
    (
        *_phases("u", 2, 1, "V", total=False, signed=False),
        *_phases("i", 3, 3, "A", total=False),
        Item(name="frequency", size=2, decimals=2, unit="Hz"),
    ),
    (*_phases("p_", 3, 4, "kW", total=True), *_phases("q_", 3, 4, "kvar", total=True)),
    _phases("pf_", 2, 3, "", total=True),
    (
        *_energies("total reverse_total", "kWh"),
        *_energies("reactive_1_total reactive_2_total", "kvarh", signed=True),
    ),
    _energies("quadrant_1_total quadrant_2_total quadrant_3_total quadrant_4_total", "kvarh"),
    (
        Item(name="demand_now", size=3, decimals=4, signed=True, unit="kW"),
        Item(name="reactive_demand_now", size=3, decimals=4, signed=True, unit="kvar"),
    ),
)


def loads(data: bytes) -> tuple[Value, ...]:
    """The values of all records behind an identifier, in order; () when the bytes are none, or too many."""
    values: list[Value] = []
    for _ in range(MAX_LOADS):
        if not data:
            return tuple(values)
        size = _HEAD + (data[2] if len(data) > 2 else 0) + _TAIL
        if not data.startswith(_MARK) or len(data) < size or data[size - 1] != _END:
            return ()
        one = _load(data[_HEAD : size - _TAIL])
        if one is None:
            return ()
        values += one
        data = data[size:]
    return ()


def _load(body: bytes) -> list[Value] | None:
    """Time and classes of one record, None where they break the form."""
    parts = body[_AT.size :].split(_PART)
    if len(parts) != len(_CLASSES) + 1 or parts[-1]:
        return None
    values = [value_of(_AT, body[: _AT.size])]
    for part, items in zip(parts, _CLASSES, strict=False):
        if part and len(part) != sum(item.size for item in items):
            return None
        at = 0
        for item in items if part else ():
            values.append(value_of(item, part[at : at + item.size]))
            at += item.size
    return values
