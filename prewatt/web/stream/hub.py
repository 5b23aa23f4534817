"""From the database's notifications to the listeners: gathered, read once per kind of listener, sent.

The office notifies `prewatt_live` with {"site", "circuits"} or {"site", "sale"} when a row was stored. The hub gathers
circuits until its next turn, at most one turn a second, so a circuit is told at most once a second and a first change
goes out at once. Rows are read by the board's own statement, with the listener's scope inside it, so what may not be
seen is never read. Each turn looks at the sessions again.
"""

import asyncio
import json
import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

import psycopg
from django.db import connection as django_connection
from django.utils import translation
from psycopg import AsyncConnection

from prewatt.office.reports.board import BOARD_SQL, parameters, to_row
from prewatt.web.console.tiles import tile
from prewatt.web.console.views_base import stale_limit
from prewatt.web.stream.gate import may_see, operators_of

CHANNEL = "prewatt_live"
TURN_S = 1.0  # a circuit is told at most this often
BEAT_S = 3.0  # the page calls itself cut off after three missed beats
SWEEP_S = 5.0  # who fell silent is found by looking: silence notifies nobody
RESYNC_S = 60.0  # everything is compared again: a lost notification is mended within a minute
RETRY_S = 1.0  # between attempts to reach the database
QUEUE_MOST = 64  # messages a slow listener may owe; then he is let go and his page polls
LISTENERS_MOST = 4096
PER_SESSION_MOST = 16  # tabs
SALES_MOST = 1000  # gathered per turn
CONNECT_KEYS = ("dbname", "user", "password", "host", "port", "options", "sslmode", "connect_timeout")

log = logging.getLogger(__name__)


@dataclass(eq=False, kw_only=True)
class Listener:
    """One open page. `board`: it shows tiles; else it only wants beats and sales."""

    session: str
    operator: int
    site: int
    language: str
    board: bool
    since_s: int
    queue: asyncio.Queue[bytes | None] = field(default_factory=lambda: asyncio.Queue(QUEUE_MOST))

    @property
    def kind(self) -> tuple[int, int, str]:
        """Listeners of one kind are told the same."""
        return (self.operator, self.site, self.language)


def event(name: str, data: object) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}\n\n".encode()


def connect_arguments() -> dict[str, Any]:
    """Where Django's own database is, also while tests have renamed it."""
    given = django_connection.get_connection_params()
    return {name: given[name] for name in CONNECT_KEYS if given.get(name)}


class Hub:
    """All listeners of this process, one connection that listens and one that reads."""

    def __init__(self) -> None:
        self.listeners: set[Listener] = set()
        self.ready = asyncio.Event()  # the database tells us what happens
        self._circuits: dict[int, set[int]] = defaultdict(set)
        self._sales: dict[int, set[int]] = defaultdict(set)
        self._told: dict[tuple[int, int, str], dict[int, dict[str, object]]] = {}
        self._wake = asyncio.Event()
        self._reading = asyncio.Lock()
        self._reader: AsyncConnection | None = None
        self._tasks: list[asyncio.Task[None]] = []

    # ------------------------------------------------------------ life

    def start(self) -> None:
        if not self._tasks:
            self._tasks = [
                asyncio.create_task(self._forever(part)) for part in (self._listen, self._turns, self._beats)
            ]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        for listener in list(self.listeners):
            self.drop(listener)
        if self._reader is not None:
            await self._reader.close()
            self._reader = None

    async def _forever(self, part: Callable[[], Awaitable[None]]) -> None:
        """Run a part again when the database was away. The fault is logged when it begins and when it ends."""
        failing = False
        while True:
            try:
                if failing:
                    await self._read(_alive)
                    log.warning("stream: database answers again")
                    failing = False
                await part()
            except (psycopg.Error, OSError) as error:
                if not failing:
                    log.warning("stream: database does not answer: %s", type(error).__name__)
                failing = True
                await asyncio.sleep(RETRY_S)

    async def _read(self, work: Callable[[AsyncConnection], Awaitable[Any]]) -> Any:
        """Run reads on the one connection, in turn; a broken one is replaced at the next use."""
        async with self._reading:
            if self._reader is None or self._reader.closed:
                self._reader = await AsyncConnection.connect(**connect_arguments(), autocommit=True)
            try:
                return await work(self._reader)
            except psycopg.OperationalError:
                await self._reader.close()
                raise

    # ------------------------------------------------------------ listeners

    async def admit(self, *, session: str, site: int, language: str, board: bool, since_s: int) -> Listener | None:
        """A new listener; None when the session is dead or the site is not his. Raises psycopg.Error."""
        found: dict[str, int] = await self._read(lambda link: operators_of(link, [session]))
        operator = found.get(session)
        if operator is None or not await self._read(lambda link: may_see(link, operator, site)):
            return None
        crowd = sum(each.session == session for each in self.listeners)
        if crowd >= PER_SESSION_MOST or len(self.listeners) >= LISTENERS_MOST:
            return None
        listener = Listener(
            session=session, operator=operator, site=site, language=language, board=board, since_s=since_s
        )
        self.listeners.add(listener)
        listener.queue.put_nowait(event("beat", {"at": _now_ms()}))
        if board:
            await self._welcome(listener)
        return listener

    async def _welcome(self, listener: Listener) -> None:
        """Tell what was read after the page was written, so that nothing falls between the two."""
        tiles = await self._tiles(listener.kind, None)
        self._told.setdefault(listener.kind, {}).update(tiles)
        news = [each for each in tiles.values() if isinstance(each["at"], int) and each["at"] >= listener.since_s]
        if news:
            self._put(listener, event("tiles", {"at": _now_ms(), "tiles": news}))

    def drop(self, listener: Listener) -> None:
        """Forget a listener; his connection ends when his queue is empty."""
        self.listeners.discard(listener)
        if not any(each.kind == listener.kind for each in self.listeners):
            self._told.pop(listener.kind, None)
        if listener.queue.full():
            listener.queue.get_nowait()
        listener.queue.put_nowait(None)

    def _put(self, listener: Listener, message: bytes) -> None:
        if listener.queue.qsize() >= QUEUE_MOST - 1:
            self.drop(listener)
        else:
            listener.queue.put_nowait(message)

    # ------------------------------------------------------------ in

    async def _listen(self) -> None:
        link = await AsyncConnection.connect(**connect_arguments(), autocommit=True)
        async with link:
            await link.execute(f"LISTEN {CHANNEL}")
            self.ready.set()
            self._resync()  # what was notified while nobody listened
            async for notice in link.notifies():
                self.take(notice.payload)

    def take(self, payload: str) -> None:
        """One notification. What is not understood is left out: the resync mends it."""
        try:
            told = json.loads(payload)
            site = int(told["site"])
            circuits = [int(each) for each in told.get("circuits", ())]
            sale = int(told["sale"]) if "sale" in told else None
        except (ValueError, TypeError, KeyError, AttributeError):
            return
        self._circuits[site].update(circuits)
        if sale is not None and len(self._sales[site]) < SALES_MOST:
            self._sales[site].add(sale)
        self._wake.set()

    def _resync(self) -> None:
        for listener in self.listeners:
            if listener.board:
                self._circuits[listener.site].update(self._told.get(listener.kind, {}))
        self._wake.set()

    # ------------------------------------------------------------ out

    async def _turns(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            began = time.monotonic()
            circuits, self._circuits = self._circuits, defaultdict(set)
            sales, self._sales = self._sales, defaultdict(set)
            try:
                await self._turn(circuits, sales)
            except psycopg.Error:
                for site, ids in circuits.items():  # kept for the next attempt
                    self._circuits[site] |= ids
                self._wake.set()
                raise
            await asyncio.sleep(max(0.0, TURN_S - (time.monotonic() - began)))

    async def _turn(self, circuits: dict[int, set[int]], sales: dict[int, set[int]]) -> None:
        wanted = [each for each in self.listeners if circuits.get(each.site) or sales.get(each.site)]
        if not wanted:
            return
        await self._check(wanted)
        kinds = {each.kind for each in self.listeners if each.board and circuits.get(each.site)}
        for kind in kinds:
            await self._tell_tiles(kind, circuits[kind[1]])
        for site, ids in sales.items():
            for listener in [each for each in self.listeners if each.site == site]:
                for sale in sorted(ids):
                    self._put(listener, event("sale", {"sale": sale}))

    async def _check(self, listeners: Iterable[Listener]) -> None:
        """End those whose session has ended or whose site was taken from them."""
        some = list(listeners)
        alive: dict[str, int] = await self._read(lambda link: operators_of(link, [each.session for each in some]))
        seen: dict[tuple[int, int], bool] = {}
        for listener in some:
            pair = (listener.operator, listener.site)
            if alive.get(listener.session) == listener.operator and pair not in seen:
                seen[pair] = await self._read(partial(_sees, pair))
            if alive.get(listener.session) != listener.operator or not seen[pair]:
                if listener in self.listeners:
                    self._put(listener, event("ended", {"at": _now_ms()}))
                    self.drop(listener)

    async def _tell_tiles(self, kind: tuple[int, int, str], ids: set[int]) -> None:
        told = self._told.setdefault(kind, {})
        news = {key: data for key, data in (await self._tiles(kind, sorted(ids))).items() if told.get(key) != data}
        if not news:
            return
        told.update(news)
        message = event("tiles", {"at": _now_ms(), "tiles": list(news.values())})
        for listener in [each for each in self.listeners if each.kind == kind and each.board]:
            self._put(listener, message)

    async def _tiles(self, kind: tuple[int, int, str], ids: list[int] | None) -> dict[int, dict[str, object]]:
        """Circuit -> tile data, as this kind of listener may see and read it."""
        operator, site, language = kind
        at, stale = datetime.now(UTC), stale_limit()

        async def rows(link: AsyncConnection) -> list[Any]:
            return await (await link.execute(BOARD_SQL, parameters(operator, site, at, ids))).fetchall()

        found = await self._read(rows)
        with translation.override(language):
            return {row[0]: tile(to_row(row, at, stale), at).data() for row in found}

    # ------------------------------------------------------------ by the clock

    async def _beats(self) -> None:
        swept = resynced = time.monotonic()
        while True:
            await asyncio.sleep(BEAT_S)
            if not self.listeners:
                continue
            await self._check(list(self.listeners))
            beat = event("beat", {"at": _now_ms()})
            for listener in list(self.listeners):
                self._put(listener, beat)
            now = time.monotonic()
            if now - resynced >= RESYNC_S:
                swept = resynced = now
                self._resync()
            elif now - swept >= SWEEP_S:
                swept = now
                self._sweep()

    def _sweep(self) -> None:
        """Circuits whose last value has grown stale since it was told are told again, as lost."""
        limit = int(time.time()) - int(stale_limit().total_seconds())
        for kind, told in self._told.items():
            late = {
                key
                for key, data in told.items()
                if data["c"] not in ("lost", "unopened") and isinstance(data["at"], int) and 0 < data["at"] < limit
            }
            if late:
                self._circuits[kind[1]] |= late
                self._wake.set()


async def _sees(pair: tuple[int, int], link: AsyncConnection) -> bool:
    return await may_see(link, *pair)


async def _alive(link: AsyncConnection) -> None:
    await link.execute("SELECT 1")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
