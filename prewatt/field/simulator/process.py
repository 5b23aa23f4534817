"""The simulator as a process: opens its memory, its buses and its page, and runs until told to stop."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TextIO

from prewatt.core.meters import catalogue
from prewatt.field.recorder import Recorder
from prewatt.field.simulator.api import Api
from prewatt.field.simulator.bus import Bus
from prewatt.field.simulator.card_slot import CardReader
from prewatt.field.simulator.faces import Face, face_of, shared
from prewatt.field.simulator.fields import SiteError
from prewatt.field.simulator.http import HttpServer
from prewatt.field.simulator.own_models import own_models
from prewatt.field.simulator.recording import load_recording
from prewatt.field.simulator.replay import ReplayedLine
from prewatt.field.simulator.site import Site, load_site
from prewatt.field.simulator.store import Store
from prewatt.field.simulator.world import POWER_CUT_MS, SNAPSHOT_MS, World

TICK_S: Final = SNAPSHOT_MS / 1_000

_log = logging.getLogger(__name__)


class PortTaken(Exception):
    """A line's port or the page's port cannot be listened on."""

    def __init__(self, host: str, port: int, error: OSError) -> None:
        super().__init__(f"{host}:{port}: {error.strerror or error}")
        self.port = port


@dataclass(frozen=True, kw_only=True)
class Ready:
    """The simulator serves. `places`: where each line is to be met, for people to read."""

    http_port: int
    line_ports: dict[str, int]
    places: dict[str, list[str]] = field(default_factory=dict)


class _Clock:
    """Time that never runs backward and ignores a host clock that is set; only a host that slept is noticed."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._wall_ms = now_ms
        self._loop = asyncio.get_running_loop()
        self._from_ms, self._from_s = now_ms(), self._loop.time()

    def now_ms(self) -> int:
        return self._from_ms + int((self._loop.time() - self._from_s) * 1_000)

    def slept(self) -> bool:
        """Whether the host was suspended: the wall clock is far ahead. Then go on from the wall clock."""
        wall_ms = self._wall_ms()
        if wall_ms - self.now_ms() <= POWER_CUT_MS:
            return False
        self._from_ms, self._from_s = wall_ms, self._loop.time()
        return True


async def run(
    site_file: Path,
    state_dir: Path,
    host: str,
    http_port: int,
    *,
    now_ms: Callable[[], int],
    stop: asyncio.Event,
    ready: Callable[[Ready], None] | None = None,
    record: TextIO | None = None,
    card_reader: CardReader | None = None,
) -> None:
    """Play the site of `site_file` with the memory in `state_dir`, page and API on `host:http_port`.

    `now_ms` is the wall clock in ms since 1970 UTC, `stop` ends it, `ready` is called once everything listens, and
    what is said on the lines is written to `record`; `card_reader` reads the cards in the meters' slots. Raises
    `SiteError` (the file), `StoreDamaged` (the memory, or another simulator has it open), `PortTaken`.
    """
    site = load_site(site_file)
    store = Store(state_dir)
    clock = _Clock(now_ms)
    buses: dict[str, Face] = {}
    server: HttpServer | None = None
    try:
        known = {**catalogue(), **own_models(site.models, site_file.parent)}
        world = World(site, store, now_ms=clock.now_ms(), profiles=known, card_reader=card_reader)
        recorder = None if record is None else Recorder(record)
        together = shared(world.lines.values())
        for line in world.lines.values():
            line.record(recorder)
            first, *further = together[line.site.id]
            if line is not first:
                buses[line.site.id] = buses[first.site.id]
                continue
            buses[line.site.id] = bus = face_of(
                line, files=site_file.parent, memory=state_dir, now_ms=clock.now_ms, before_output=world.refresh,
                further=further,
            )  # fmt: skip
            try:
                await bus.open()
            except OSError as error:
                if not line.site.listens:
                    raise SiteError("unopened", f"site.lines.{line.site.id}", str(error)) from error
                raise PortTaken(line.site.host, line.site.port, error) from error
        ports = {line_id: bus.port for line_id, bus in buses.items()}
        api = Api(
            world,
            now_ms=clock.now_ms,
            ports=lambda: ports,
            faults_changed=lambda line_id: buses[line_id].apply_faults(),
            host=host,
        )
        server = HttpServer(api.handle)
        try:
            http_port = await server.open(host, http_port)
        except OSError as error:
            raise PortTaken(host, http_port, error) from error
        if ready is not None:
            ready(Ready(http_port=http_port, line_ports=ports, places=_places(site, buses)))
        await _keep_time(world, clock, stop)
        world.snapshot(clock.now_ms())
    finally:
        if server is not None:
            server.close()
        for bus in buses.values():
            bus.close()
        store.close()


def _places(site: Site, buses: Mapping[str, Face]) -> dict[str, list[str]]:
    """Where each line is met: its port where it listens, and what its face has to say."""
    listening = {line.id for line in site.lines if line.listens}
    return {
        line_id: [f"port {bus.port}"] * (line_id in listening) + [bus.note] * bool(bus.note)
        for line_id, bus in buses.items()
    }


async def replay(
    recording: Path,
    *,
    now_ms: Callable[[], int],
    stop: asyncio.Event,
    ready: Callable[[Ready], None] | None = None,
    ports: Mapping[str, int] | None = None,
) -> None:
    """Answer as a recording says, each line at its own place or at one of `ports` (0: any). No meters, no page.

    Raises `SiteError` (the recording), `PortTaken`."""
    lines = [ReplayedLine(each) for each in load_recording(recording)]
    clock = _Clock(now_ms)
    buses: dict[str, Bus] = {}
    try:
        for line in lines:
            buses[line.site.id] = bus = Bus(line, now_ms=clock.now_ms)
            bus.port = (ports or {}).get(line.site.id, bus.port)
            try:
                await bus.open()
            except OSError as error:
                raise PortTaken(line.site.host, bus.port, error) from error
        if ready is not None:
            found = {line_id: bus.port for line_id, bus in buses.items()}
            ready(Ready(http_port=0, line_ports=found, places={each: [f"port {port}"] for each, port in found.items()}))
        await stop.wait()
    finally:
        for bus in buses.values():
            bus.close()


async def _keep_time(world: World, clock: _Clock, stop: asyncio.Event) -> None:
    """Snapshot every two seconds until told to stop."""
    while not stop.is_set():
        try:
            await asyncio.wait_for(stop.wait(), TICK_S)
        except TimeoutError:
            if clock.slept():
                _log.warning("the host was asleep: the simulated site had no power meanwhile")
                world.sleep(clock.now_ms())
            world.snapshot(clock.now_ms())
