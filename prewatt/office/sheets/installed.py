"""What is installed in a site, as the sheets of a take-over say it."""

from collections.abc import Mapping, Sequence
from typing import Final

from prewatt.office.estate.models import Site
from prewatt.office.sheets.rows import Parsed
from prewatt.office.sheets.shape import SHEETS
from prewatt.office.sheets.standing import look

UNSAID: Final = frozenset({"key"})  # a secret: no file of ours holds one
Table = Sequence[Sequence[str | int]]


def installed(site: Site) -> Mapping[str, Table]:
    """Cells by sheet, in the order of its columns: buildings, rooms, stations, gateways with their lines, meters, STS
    attributes, and the circuits of which something is said. Reads only."""
    there = look(site, meters=(), contracts=())
    rooms = sorted(there.rooms.values(), key=lambda each: (each.building, each.floor, each.code))
    gateways = sorted(there.gateways.values(), key=lambda each: each.code)
    circuits = [row for _, row in sorted(there.circuits.items()) if row.room or row.never_cut]
    held: Mapping[str, Sequence[Parsed]] = {
        "buildings": [there.buildings[each] for each in sorted(there.buildings)],
        "rooms": rooms,
        "stations": [there.stations[each] for each in sorted(there.stations)],
        "gateways": gateways,
        "meters": [there.meters[each] for each in sorted(there.meters)],
        "sts": [there.sts[each] for each in sorted(there.sts)],
        "circuits": circuits,
    }
    return {sheet: [[_cell(row, column) for column in SHEETS[sheet]] for row in rows] for sheet, rows in held.items()}


def _cell(row: Parsed, column: str) -> str | int:
    found = "" if column in UNSAID else getattr(row, column)
    return int(found) if isinstance(found, int) else str(found)
