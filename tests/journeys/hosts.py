"""Hosts of their own on one machine: network namespaces with a cable that can be pulled.

The site (200 serial servers, each an address of its own) is one host, each head-end another; the database answers on
the bridge between them through socat, so that a host without its cable loses the meters and the database at once.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from prewatt.wiring.bench import ground
from prewatt.wiring.embedded import EmbeddedPostgres
from prewatt.wiring.embedded.place import SOCKET_PORT
from tests.journeys.running import ROOT
from tests.system import find, need

GATEWAYS, METERS_EACH = 200, 3
NET = "10.77"
DATABASE, SITE = f"{NET}.0.1", f"{NET}.1"
LINE_PORT, HTTP_PORT, DATABASE_PORT = 502, 8080, 5432
PATIENCE_S = 90.0
OPENING_COUNT, OPENING_WH = 5, 100_000
_GATEWAYS = f"""
INSERT INTO estate_gateway (id, site_id, code, name, host, revision)
    SELECT 1000000 + l.id, 1, 'H' || l.id, '', '{SITE}.' || l.id, 1 FROM estate_line l;
UPDATE estate_line SET gateway_id = 1000000 + id, port = {LINE_PORT};
DELETE FROM estate_gateway WHERE id < 1000000;
UPDATE estate_line SET baud = 115200;
"""


def site_of(gateways: int, meters_each: int) -> dict[str, Any]:
    """The simulated site that stands behind the estate of a bench (`estate.sql`)."""
    lines = [
        {"id": f"L{n}", "name": f"L{n}", "gateway": f"H{n}", "transport": "rtu-over-tcp", "host": f"{SITE}.{n}",
         "port": LINE_PORT, "baud": 115_200}
        for n in range(1, gateways + 1)
    ]  # fmt: skip
    opening = {
        "energy_wh": 1_000_000, "balance_wh": OPENING_WH, "purchase_count": OPENING_COUNT,
        "purchased_total_wh": 2 * OPENING_WH, "last_order": {"kind": "purchase", "amount_wh": 5_000},
    }  # fmt: skip
    load = {"kind": "none", "annual_kwh": 0, "peak_w": 0, "seed": 1}
    settings = {"hoarding_limit_wh": 900_000_000}
    circuit = {"index": 1, "opening": opening, "settings": settings, "load": load, "relay": {}}
    meters = [
        {"number": f"26{n:010d}", "profile": "pilot-spm9511", "unit": 1 + (n - 1) % meters_each,
         "line": f"L{1 + (n - 1) // meters_each}", "circuits": [circuit]}
        for n in range(1, gateways * meters_each + 1)
    ]  # fmt: skip
    return {"format": "prewatt-site-1", "name": "hosts", "timezone": "Asia/Shanghai", "lines": lines, "meters": meters}


def ip(*words: str) -> None:
    subprocess.run([need("ip"), *words], check=True, capture_output=True, text=True, timeout=30)


def possible() -> bool:
    """May this user make namespaces here? A right of the machine, which no package brings."""
    if os.geteuid() != 0 or find("ip") is None:
        return False
    try:
        with bridge(["try"]):
            return True
    except subprocess.CalledProcessError:
        return False


@dataclass(kw_only=True)
class Host:
    """A namespace on the bridge. `prefix` runs a command in it."""

    name: str
    cable: str  # its end of the cable, on our side

    @property
    def prefix(self) -> list[str]:
        return [str(need("ip")), "netns", "exec", self.name]

    def pull(self) -> None:
        ip("link", "set", self.cable, "down")

    def plug(self) -> None:
        ip("link", "set", self.cable, "up")


@dataclass(kw_only=True)
class Hosts:
    """The site, its database and the hosts of two head-ends."""

    dsn: str  # on this host
    home: Path
    stands: ground.Ground
    site: Host
    first: Host
    second: Host
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def headend(self, name: str, host: Host) -> "subprocess.Popen[bytes]":
        """Start a head-end on a host, as `prewatt headend` is started there."""
        name_there = psycopg.conninfo.conninfo_to_dict(self.dsn)["dbname"]
        there = f"postgresql://prewatt@{DATABASE}:{DATABASE_PORT}/{name_there}"
        environment = {
            **self.stands.environment(there), "PREWATT_POLL_S": "2", "PREWATT_REGISTER_S": "1800",
            "PREWATT_LOG_LEVEL": "WARNING", "PYTHONPATH": str(ROOT),
        }  # fmt: skip
        command = [*host.prefix, sys.executable, "-m", "prewatt.wiring.cli", "headend", "--name", name]
        with (self.home / f"{name}.err").open("ab") as stderr:
            process = subprocess.Popen(command, env=environment, stderr=stderr, start_new_session=True)
        self.processes[name] = process
        return process

    def asked(self, question: str, *words: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            return connection.execute(question.encode(), words).fetchall()

    def owners(self) -> dict[str, int]:
        """Gateways by the head-end that holds them."""
        rows = self.asked(
            "SELECT owner, count(*) FROM metering_gatewaylease WHERE valid_until > clock_timestamp() GROUP BY owner"
        )
        return {str(owner): int(count) for owner, count in rows}

    def shared(self) -> None:
        """Wait until both head-ends hold about half of the gateways, and all are held."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            found = self.owners()
            if len(found) == 2 and sum(found.values()) == GATEWAYS and min(found.values()) > GATEWAYS // 3:
                return
            assert time.monotonic() < deadline, (found, self.errors())
            time.sleep(0.2)

    def served_again(self, since: object, within_s: float) -> float:
        """Seconds until every line was read after `since`, a moment of the database's clock."""
        began = time.monotonic()
        while True:
            [(missing, took_s)] = self.asked(
                "SELECT count(*), extract(epoch FROM clock_timestamp() - %s::timestamptz) FROM estate_line l WHERE NOT"
                " EXISTS (SELECT FROM estate_meter m JOIN estate_circuit c ON c.meter_id = m.id"
                " JOIN metering_latest a ON a.circuit_id = c.id WHERE m.line_id = l.id AND a.at > %s::timestamptz)",
                since, since,
            )  # fmt: skip
            if not missing:
                return float(took_s)
            assert time.monotonic() - began < within_s, f"{missing} lines not served: {self.owners()} {self.errors()}"
            time.sleep(0.1)

    def now(self) -> object:
        return self.asked("SELECT clock_timestamp()")[0][0]

    def sell(self, key: str) -> "subprocess.Popen[str]":
        """One sale to every meter, by a process that begins at once."""
        process = subprocess.Popen(
            [sys.executable, "-m", "prewatt.wiring.bench.seller", "1", str(GATEWAYS * METERS_EACH), "1", "600", key],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=self.stands.environment(self.dsn),
        )  # fmt: skip
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline().strip() == "ready"
        process.stdin.write("go\n")
        process.stdin.flush()
        return process

    def settled(self) -> None:
        """Wait until no delivery is open."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            rows = self.asked("SELECT state, count(*) FROM vending_delivery GROUP BY state")
            states = {str(state): int(count) for state, count in rows}
            if set(states) == {"confirmed"}:
                return
            assert time.monotonic() < deadline, (states, self.owners(), self.errors())
            time.sleep(0.3)

    def meters(self) -> dict[str, dict[str, Any]]:
        """Circuit 1 of every meter as the site has it."""
        said = subprocess.run(
            [*self.site.prefix, sys.executable, "-c",
             f"import urllib.request as r; print(r.urlopen('http://{SITE}.1:{HTTP_PORT}/meters').read().decode())"],
            check=True, capture_output=True, text=True, timeout=60,
        ).stdout  # fmt: skip
        return {each["number"]: each["circuits"][0] for each in json.loads(said)}

    def errors(self) -> str:
        return "\n".join(each.read_text(errors="replace")[-1500:] for each in sorted(self.home.glob("*.err")))


SIMULATOR = """
import asyncio, sys, time
from pathlib import Path
from prewatt.field.simulator import run
async def main():
    await run(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]), stop=asyncio.Event(),
              now_ms=lambda: time.time_ns() // 1_000_000, ready=lambda told: print("ready", flush=True))
asyncio.run(main())
"""


@contextmanager
def bridge(names: Sequence[str], *, address: str = "") -> Iterator[list[Host]]:
    """Namespaces of these names on a bridge that has this address. They are gone afterwards."""
    tag = f"pw{os.getpid() % 10_000}"
    made: list[Host] = []
    with ExitStack() as ends:
        ip("link", "add", f"{tag}b", "type", "bridge")
        ends.callback(ip, "link", "del", f"{tag}b")
        if address:
            ip("addr", "add", f"{address}/16", "dev", f"{tag}b")
        ip("link", "set", f"{tag}b", "up")
        for number, name in enumerate(names):
            space, ours = f"{tag}-{name}", f"{tag}v{number}"
            ip("netns", "add", space)
            ends.callback(ip, "netns", "del", space)  # its end of the cable goes with it, and ours with that
            ip("link", "add", ours, "type", "veth", "peer", "name", "eth0", "netns", space)
            ip("link", "set", ours, "master", f"{tag}b", "up")
            inside = ["-n", space]
            ip(*inside, "link", "set", "lo", "up")
            ip(*inside, "addr", "add", f"{NET}.{number + 1}.{'1' if number == 0 else '254'}/16", "dev", "eth0")
            ip(*inside, "link", "set", "eth0", "up")
            made.append(Host(name=space, cable=ours))
        yield made


@contextmanager
def hosts(directory: Path) -> Iterator[Hosts]:
    """All of it, running, without a head-end. Needs root, socat and iproute2."""
    socat = need("socat")
    with ExitStack() as ends:
        site, first, second = ends.enter_context(bridge(["site", "first", "second"], address=DATABASE))
        for n in range(2, GATEWAYS + 1):
            ip("-n", site.name, "addr", "add", f"{SITE}.{n}/16", "dev", "eth0")
        server = ends.enter_context(EmbeddedPostgres(directory / "db", ephemeral=True))
        stands = ground.Ground(postgres=server, home=directory / "home")
        dsn = server.dsn
        os.environ.setdefault("PREWATT_SECRET_KEY", "hosts " * 10)  # of a database that lives for minutes
        migrate = [sys.executable, "-m", "prewatt.wiring.cli", "migrate"]
        made = subprocess.run(migrate, env=stands.environment(dsn), capture_output=True, text=True, timeout=120)
        assert made.returncode == 0, made.stderr[-2000:]
        ground.build(dsn, circuits=GATEWAYS * METERS_EACH, per_line=METERS_EACH)
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(_GATEWAYS.encode())
            connection.execute(
                "UPDATE metering_latest SET balance = %s, purchase_count = %s, energy_wh = 1000000, relay = 1,"
                " status = 0",
                [OPENING_WH, OPENING_COUNT],
            )
        found = Hosts(dsn=dsn, home=directory, stands=stands, site=site, first=first, second=second)
        (directory / "site.json").write_text(json.dumps(site_of(GATEWAYS, METERS_EACH)), encoding="utf-8")
        relay = [
            str(socat), f"TCP-LISTEN:{DATABASE_PORT},bind={DATABASE},fork,reuseaddr",
            f"UNIX-CONNECT:{stands.postgres.place.sockets}/.s.PGSQL.{SOCKET_PORT}",
        ]  # fmt: skip
        simulator = [
            *site.prefix, sys.executable, "-c", SIMULATOR, str(directory / "site.json"), str(directory / "state"),
            f"{SITE}.1", str(HTTP_PORT),
        ]  # fmt: skip
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with (directory / "others.err").open("ab") as stderr:
            found.processes["relay"] = subprocess.Popen(relay, stderr=stderr, start_new_session=True)
            found.processes["worker"] = subprocess.Popen(
                [sys.executable, "-m", "prewatt.wiring.cli", "worker"], env=stands.environment(dsn), stderr=stderr,
            )  # fmt: skip
            playing = found.processes["site"] = subprocess.Popen(
                simulator, env=environment, stdout=subprocess.PIPE, stderr=stderr
            )
        try:
            assert playing.stdout is not None
            assert playing.stdout.readline().strip() == b"ready", found.errors()
            yield found
        finally:
            for process in found.processes.values():
                process.kill()
                process.wait()
            subprocess.run(["pkill", "-9", "-f", relay[1]], check=False)  # its children, one a connection
