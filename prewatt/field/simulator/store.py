"""The simulated site's own memory: one SQLite file, synced before a meter's reply leaves.

It is to the meters what their flash memory is: state per meter, every order ever applied, the faults set
by hand. What a write changes and the order behind it are one transaction. Energy is kept by a snapshot
every two seconds; between two snapshots nothing but time has passed, and a meter computes the same again.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Final, Protocol

from prewatt.core.meters.jobs import OrderKind
from prewatt.field.simulator.circuit import Accepted, CircuitState
from prewatt.field.simulator.faults import Faults, faults_from
from prewatt.field.simulator.line import NotKept
from prewatt.field.simulator.meter import Meter, MeterState

FILE_NAME: Final = "meters.sqlite3"
VERSION: Final = 1
BUSY_S: Final = 5.0

_TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS site (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS meter (number TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS fault (line TEXT PRIMARY KEY, faults TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS keypad (number TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS accepted (number TEXT NOT NULL, circuit INTEGER NOT NULL, count INTEGER NOT NULL,"
    " kind TEXT NOT NULL, amount_wh INTEGER NOT NULL, at_ms INTEGER NOT NULL,"
    " PRIMARY KEY (number, circuit, count)) WITHOUT ROWID",
)
_METER_FIELDS: Final = tuple(each.name for each in fields(MeterState))
_CIRCUIT_FIELDS: Final = tuple(each.name for each in fields(CircuitState))


class Keypad(Protocol):
    """An STS meter, as far as its memory goes."""

    @property
    def number(self) -> str: ...

    def encoded(self) -> str: ...


class StoreDamaged(Exception):
    """The file is not one of ours, or from another version."""


def _encode(meter: Meter) -> str:
    state = {name: getattr(meter.state, name) for name in _METER_FIELDS}
    circuits = [
        {name: getattr(circuit.state, name) for name in _CIRCUIT_FIELDS} for circuit in meter.circuits.values()
    ]
    return json.dumps({"meter": state, "circuits": circuits}, separators=(",", ":"))


def _orders(number: str, accepted: Sequence[tuple[int, Accepted]]) -> list[tuple[object, ...]]:
    return [
        (number, circuit, order.count, order.kind.value, order.amount_wh, order.at_ms) for circuit, order in accepted
    ]


class Store:
    """Opens or makes the file below `directory`; one process at a time."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        try:
            self._db = sqlite3.connect(directory / FILE_NAME, timeout=BUSY_S, isolation_level=None)
            # One owner: a second simulator on the same meters would sell the same credit twice.
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute("BEGIN IMMEDIATE")
            for table in _TABLES:
                self._db.execute(table)
            self._db.execute("INSERT OR IGNORE INTO site VALUES ('version', ?)", (VERSION,))
            self._db.execute("COMMIT")
            version = self._db.execute("SELECT value FROM site WHERE key = 'version'").fetchone()[0]
        except sqlite3.Error as error:
            raise StoreDamaged(str(error)) from error
        if version != VERSION:
            raise StoreDamaged(f"version {version}, expected {VERSION}")
        self._written: dict[str, str] = {}
        self.snapshot_ms: int | None = self._site("snapshot_ms")

    def close(self) -> None:
        self._db.close()

    def _site(self, key: str) -> int | None:
        row = self._db.execute("SELECT value FROM site WHERE key = ?", (key,)).fetchone()
        return None if row is None else int(row[0])

    # reading, at start

    def states(self) -> dict[str, tuple[MeterState, list[CircuitState]]]:
        """Everything the meters remember, by number."""
        found = {}
        for number, text in self._db.execute("SELECT number, state FROM meter"):
            value = json.loads(text)
            try:
                circuits = [CircuitState(**each) for each in value["circuits"]]
                found[number] = (MeterState(**value["meter"]), circuits)
            except (KeyError, TypeError) as error:
                raise StoreDamaged(f"meter {number}: {error}") from error
        return found

    def keypads(self) -> dict[str, str]:
        """What the STS meters remember, by number, as their `encoded` gave it."""
        return dict(self._db.execute("SELECT number, state FROM keypad"))

    def accepted(self) -> dict[tuple[str, int], list[Accepted]]:
        """Every order ever applied, by meter number and circuit, in the order of their counts."""
        found: dict[tuple[str, int], list[Accepted]] = {}
        rows = "SELECT number, circuit, count, kind, amount_wh, at_ms FROM accepted ORDER BY number, circuit, count"
        for number, circuit, count, kind, amount_wh, at_ms in self._db.execute(rows):
            order = Accepted(count=count, kind=OrderKind(kind), amount_wh=amount_wh, at_ms=at_ms)
            found.setdefault((number, circuit), []).append(order)
        return found

    def faults(self) -> dict[str, Faults]:
        """Faults set by hand, by line."""
        rows = self._db.execute("SELECT line, faults FROM fault")
        return {line: faults_from(json.loads(text)) for line, text in rows}

    # writing

    def keep(self, meter: Meter, accepted: Sequence[tuple[int, Accepted]]) -> None:
        """A meter and the orders it just applied, in one synced transaction."""
        state = _encode(meter)
        orders = _orders(meter.number, accepted)
        self._transaction(
            [("REPLACE INTO meter VALUES (?, ?)", [(meter.number, state)])]
            + [("INSERT INTO accepted VALUES (?, ?, ?, ?, ?, ?)", orders)] * bool(orders)
        )
        self._written[meter.number] = state

    def keep_keypad(
        self, number: str, circuits: Sequence[Keypad], accepted: Sequence[tuple[int, Accepted]] = ()
    ) -> None:
        """Circuits of an STS meter after a token: its effect, its TID and what it did to the credit in one synced
        transaction."""
        states = [(each.number, each.encoded()) for each in circuits]
        orders = _orders(number, accepted)
        self._transaction(
            [("REPLACE INTO keypad VALUES (?, ?)", states)]
            + [("INSERT INTO accepted VALUES (?, ?, ?, ?, ?, ?)", orders)] * bool(orders)
        )
        self._written.update(states)

    def snapshot(self, meters: Iterable[Meter], at_ms: int, keypads: Iterable[Keypad] = ()) -> None:
        """All meters that are not as they were written last, and the time they all have been settled to."""
        states = {meter.number: _encode(meter) for meter in meters}
        typed = {keypad.number: keypad.encoded() for keypad in keypads}
        changed, told = (
            [(number, state) for number, state in each.items() if self._written.get(number) != state]
            for each in (states, typed)
        )
        self._transaction(
            [
                ("REPLACE INTO meter VALUES (?, ?)", changed),
                ("REPLACE INTO keypad VALUES (?, ?)", told),
                ("REPLACE INTO site VALUES ('snapshot_ms', ?)", [(at_ms,)]),
            ]
        )
        self._written.update([*changed, *told])
        self.snapshot_ms = at_ms

    def keep_faults(self, faults: Mapping[str, Faults]) -> None:
        """Replace what is kept for these lines."""
        rows = [(line, json.dumps(asdict(each))) for line, each in faults.items()]
        self._transaction([("REPLACE INTO fault VALUES (?, ?)", rows)])

    def _transaction(self, statements: Sequence[tuple[str, Sequence[tuple[object, ...]]]]) -> None:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for statement, rows in statements:
                self._db.executemany(statement, rows)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise NotKept(str(error)) from error
