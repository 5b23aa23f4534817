"""What happened to supply and links: beginnings with their ends, and a dead station (通讯子站) as one. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

TOGETHER: Final = timedelta(minutes=5)  # lines of a station that go or come so near to it are told with it
_ENDS: Final = {"opened": "closed", "line_lost": "line_back", "meter_lost": "meter_back"}


@dataclass(frozen=True, kw_only=True)
class Happening:
    """A change of supply or of a link, with its end where it has one within the window. Of a station that was dead
    (`station_lost`) `gateway` is empty and `circuits` are those of all its lines."""

    kind: str
    cause: str
    at: datetime
    ended_at: datetime | None
    circuit_id: int | None
    room: str
    room_name: str
    gateway: str
    gateway_name: str
    line_id: int | None
    circuits: int
    balance: int | None
    credit_unit: str
    power_w: int | None
    station: str = ""
    station_name: str = ""


@dataclass(frozen=True, kw_only=True)
class StationLine:
    """A line of a station as it is now: up or down since when, and the circuits behind it."""

    station_id: int
    station: str
    station_name: str
    line_id: int
    up: bool
    since: datetime
    circuits: int


def paired(events: Sequence[dict[str, Any]]) -> tuple[Happening, ...]:
    """Pairs each beginning with the next end of the same circuit or line; an end without a beginning is left out."""
    found = []
    for place, event in enumerate(events):
        end_kind = _ENDS.get(event["kind"])
        if end_kind is None:
            continue
        ends = (
            later["at"]
            for later in events[place + 1 :]
            if later["kind"] == end_kind
            and later["circuit_id"] == event["circuit_id"]
            and later["line_id"] == event["line_id"]
        )
        fields: dict[str, Any] = {
            name: event[name] or "" for name in ("room", "room_name", "gateway", "gateway_name", "cause")
        }
        plain: dict[str, Any] = {
            name: event[name] for name in ("kind", "circuit_id", "line_id", "circuits", "balance", "credit_unit")
        }
        end = next(ends, None)
        found.append(
            Happening(
                at=datetime.fromisoformat(event["at"]), ended_at=datetime.fromisoformat(end) if end else None,
                power_w=event["power_w"], **plain, **fields,
            )
        )  # fmt: skip
    return tuple(found)


def with_stations(happenings: Sequence[Happening], lines: Iterable[StationLine]) -> tuple[Happening, ...]:
    """The same with one happening in the place of those of the lines of a station while all of them were lost."""
    found = list(happenings)
    stations: dict[int, list[StationLine]] = {}
    for line in lines:
        stations.setdefault(line.station_id, []).append(line)
    for standing in stations.values():
        ids = {line.line_id for line in standing}
        dead = _dead(standing, [each for each in found if each.kind == "line_lost" and each.line_id in ids])
        if not dead:
            continue
        found = [each for each in found if not (each.line_id in ids and any(_told_by(each, one) for one in dead))]
        found += dead
    return tuple(sorted(found, key=lambda each: (each.at, not each.station)))


def _dead(standing: Sequence[StationLine], lost: Sequence[Happening]) -> list[Happening]:
    """When all lines of a station were lost at once."""
    times = {line.line_id: _lost_times(line, lost) for line in standing}
    if not lost or any(not spans for spans in times.values()):
        return []
    dead = []
    for begins in sorted({each.at for each in lost}):
        covering = [
            next((end for at, end in spans if at <= begins and (end is None or begins < end)), begins)
            for spans in times.values()
        ]
        if begins in covering:
            continue
        ends = [end for end in covering if end is not None]
        model = replace(lost[0], room="", room_name="", gateway="", gateway_name="", circuit_id=None, line_id=None)
        dead.append(
            replace(
                model, kind="station_lost", at=begins, ended_at=min(ends, default=None),
                circuits=sum(line.circuits for line in standing), station=standing[0].station,
                station_name=standing[0].station_name,
            )
        )  # fmt: skip
    return dead


def _lost_times(line: StationLine, lost: Sequence[Happening]) -> list[tuple[datetime, datetime | None]]:
    """From when to when a line was lost; one that is down since before the window too."""
    spans = [(each.at, each.ended_at) for each in lost if each.line_id == line.line_id]
    if not line.up and not any(end is None for _at, end in spans):
        spans.append((line.since, None))
    return spans


def _told_by(each: Happening, station: Happening) -> bool:
    """Does the station's happening tell that of its line?"""
    if each.kind != "line_lost" or not -TOGETHER <= station.at - each.at <= TOGETHER:
        return False
    if station.ended_at is None or each.ended_at is None:
        return each.ended_at is station.ended_at
    return each.ended_at - station.ended_at <= TOGETHER
