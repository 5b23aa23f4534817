"""Event records of a simulated DL/T 645 meter: how often and how long something was, and the last ten times of it.

Layouts are those the wire decoder reads (`core.wire.dlt645`, tables A.4 and A.5 of DL/T 645-2007). What this meter
cannot know of an event (reactive energy, energy of each phase) is shown as "no such value", and so is a record that is
not there.

| identifiers | what |
| --- | --- |
| 033000nn | written to by function 14: when, by whom, what |
| 03300Dnn | cover open: from, to, energies before and after |
| 031100nn | power lost: from, to |
| 0302, 0303, 030E, 030F and 11, 12, 1B, 1C | voltage too low, too high, power reversed, overload: by phase |
| 1D00, 1E00 | tripped, closed: when, by whom, energies |
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from prewatt.core.wire.dlt645 import Item, Kind, bcd, layout_of

MOST: Final = 10  # records of a kind
MINUTE_S: Final = 60
STEP_WH: Final = 10
NOBODY: Final = "00000000"  # the operator where the meter acted by itself
NOTHING: Final = b"\xff"
Held = Mapping[str, Any]


class Happening(StrEnum):
    """What is recorded."""

    PROGRAMMED = "programmed"
    COVER = "cover"
    POWER = "power"
    UNDER_VOLTAGE = "under_voltage"
    OVER_VOLTAGE = "over_voltage"
    REVERSE = "reverse_flow"
    OVERLOAD = "overload"
    TRIP = "trip"
    CLOSE = "close"


SPANS: Final = (
    Happening.COVER, Happening.UNDER_VOLTAGE, Happening.OVER_VOLTAGE, Happening.REVERSE, Happening.OVERLOAD,
)  # fmt: skip
_WHOLE: Final = {0x033000: Happening.PROGRAMMED, 0x03300D: Happening.COVER, 0x031100: Happening.POWER}
_PHASED: Final = {
    0x02: Happening.UNDER_VOLTAGE, 0x03: Happening.OVER_VOLTAGE, 0x0E: Happening.REVERSE, 0x0F: Happening.OVERLOAD,
}  # fmt: skip
_BY_FIELD: Final = {
    0x11: Happening.UNDER_VOLTAGE, 0x12: Happening.OVER_VOLTAGE, 0x1B: Happening.REVERSE, 0x1C: Happening.OVERLOAD,
    0x1D: Happening.TRIP, 0x1E: Happening.CLOSE,
}  # fmt: skip
_LETTERS: Final = "abc"


@dataclass(frozen=True, kw_only=True, slots=True)
class Now:
    """The meter's own wall time and what its two counters show, in Wh."""

    at: datetime
    counters: tuple[int, int]


def happened(
    held: Held, kind: Happening, now: Now, *, since: datetime | None = None, operator: str = NOBODY,
    di: int | None = None,
) -> dict[str, Any]:  # fmt: skip
    """One more record. `since`: it is over already and began then; `operator`: hex, highest byte first."""
    book: Held = held.get(kind.value, {"count": 0, "seconds": 0, "rows": []})
    began = now.at if since is None else since
    row = {
        "at": began.isoformat(), "end": None if since is None else now.at.isoformat(), "before": list(now.counters),
        "after": None if since is None else list(now.counters), "operator": operator, "di": di,
    }  # fmt: skip
    gone = 0 if since is None else max(0, int((now.at - since).total_seconds()))
    made = {"count": book["count"] + 1, "seconds": book["seconds"] + gone, "rows": [row, *book["rows"]][:MOST]}
    return {**held, kind.value: made}


def noticed(held: Held, facts: frozenset[Happening], closed: bool, now: Now, operator: str) -> dict[str, Any] | None:
    """What began, ended, opened or closed since the last look; None where nothing did. The first look notices nothing
    of the relay: how it stood before is not known."""
    made = dict(held)
    for kind in SPANS:
        book = made.get(kind.value)
        runs = book is not None and bool(book["rows"]) and book["rows"][0]["end"] is None
        if kind in facts and not runs:
            made = happened(made, kind, now)
        elif runs and kind not in facts and book is not None:
            first, *others = book["rows"]
            gone = max(0, int((now.at - datetime.fromisoformat(first["at"])).total_seconds()))
            first = {**first, "end": now.at.isoformat(), "after": list(now.counters)}
            made[kind.value] = {**book, "seconds": book["seconds"] + gone, "rows": [first, *others]}
    if made.get("closed", closed) != closed:
        made = happened(made, Happening.CLOSE if closed else Happening.TRIP, now, operator=operator)
    made["closed"] = closed
    return None if made == held else made


def fetch(held: Held, di: int, *, phases: int, now: datetime) -> bytes | None:
    """The value behind an identifier; None for one that names no event of this meter."""
    group, what, part, which = di.to_bytes(4, "big")
    kind, phase = _WHOLE.get(di >> 8), 0
    if group == 0x03 and kind is None:
        kind, phase = _PHASED.get(what), part
    elif kind is None:
        kind, phase = _BY_FIELD.get(group), what
    layout = layout_of(di)
    if kind is None or layout is None or phase > phases:
        return None
    book: Held = held.get(kind.value, {"count": 0, "seconds": 0, "rows": []})
    counted = which == 0 if group == 0x03 else part == 0
    rows = book["rows"]
    row = rows[which - 1] if not counted and which <= len(rows) else None
    return b"".join(_total(each, book, phases, now) if counted else _field(each, row) for each in layout.items)


def _total(item: Item, book: Held, phases: int, now: datetime) -> bytes:
    letter, _, rest = item.name.rpartition("_")
    if letter and letter not in _LETTERS[:phases]:
        return NOTHING * item.size
    if rest == "count":
        return bcd.write(book["count"] % 10 ** (2 * item.size), item.size)
    rows = book["rows"]
    running = bool(rows) and rows[0]["end"] is None
    since_s = int((now - datetime.fromisoformat(rows[0]["at"])).total_seconds()) if running else 0
    return bcd.write((book["seconds"] + max(0, since_s)) // MINUTE_S % 10 ** (2 * item.size), item.size)


def _field(item: Item, row: Held | None) -> bytes:
    value: bytes | None = None
    if row is not None:
        if item.kind is Kind.MOMENT:
            value = _moment(row["end"] if item.name == "ended_at" else row["at"])
        elif item.name == "operator":
            value = bytes.fromhex(row["operator"])[::-1]
        elif item.name == "identifier1" and row["di"] is not None:
            value = int(row["di"]).to_bytes(item.size, "little")
        elif (wh := _energy(item.name, row)) is not None:
            value = bcd.write(wh // STEP_WH % 10 ** (2 * item.size), item.size)
    return NOTHING * item.size if value is None else value


def _moment(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(f"{datetime.fromisoformat(text):%S%M%H%d%m%y}")


def _energy(name: str, row: Held) -> int | None:
    """What a field of the meter's two active counters says; None for any other, and for what is not over yet."""
    place = 1 if name.startswith("reverse_") else 0
    match name.removeprefix("reverse_"):
        case "total" | "total_before":
            return int(row["before"][place])
        case "total_after" if row["after"] is not None:
            return int(row["after"][place])
        case "gain" if row["after"] is not None:
            return int(row["after"][place]) - int(row["before"][place])
        case _:
            return None
