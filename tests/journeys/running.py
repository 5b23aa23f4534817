"""A whole Prewatt as a user starts it: real processes, real sockets, real clock, and ways to hurt it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any

BASES = 1_400  # ten ports each, below those the system gives away by itself
START_S = 180.0  # cold, on two busy cores: migrations and sixty days of history
STOP_S = 25.0
CALL_S = 10.0
STOP_LIMIT_S = 20.0  # a clean stop
WARM_LIMIT_S = 5.0  # a second start, on two quiet cores
SETTLE_S = 60.0  # with the faults gone every open delivery is settled within this
ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-c", "from prewatt.wiring.cli import main; raise SystemExit(main())"]
PARTS = ("web", "stream", "headend", "worker", "simulate")


def free_base() -> int:
    """Three free ports in a row: web, stream, simulator.

    Lanes of the soak have neighbouring process numbers: each looks from a place far from the other's, for one whose
    instance is just being killed holds no port. A port that only waits for its last packets to die is as good as free.
    """
    first = os.getpid() * 37 % BASES
    for base in (18_000 + (first + n) % BASES * 10 for n in range(BASES)):
        try:
            for port in range(base, base + 3):
                with socket.socket() as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return base
    raise AssertionError("no three free ports")


def crowd() -> float:
    """How many times slower this machine is than a quiet one: what wants a core, per core; 1 at least."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


class NoAnswer(Exception):
    """The server could not be reached, or broke off: nothing is known of the request."""


def call(method: str, url: str, body: object = None, headers: Mapping[str, str] | None = None) -> tuple[int, Any]:
    """Status and JSON of one request. Raises NoAnswer where no answer came, or only a server's failure."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        url, data, {"Content-Type": "application/json", **(headers or {})}, method=method
    )
    try:
        with urllib.request.urlopen(request, timeout=CALL_S) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        if error.code >= 500:
            raise NoAnswer(f"{error.code}") from error
        try:
            return error.code, json.load(error)
        except (OSError, ValueError, HTTPException) as broken:
            raise NoAnswer(str(broken)) from broken
    except (OSError, ValueError, EOFError, HTTPException) as error:  # the last: broken off within the answer
        raise NoAnswer(str(error)) from error


@dataclass
class Running:
    """One instance. `home` outlives its processes, so that it can be killed and started again."""

    home: Path
    env: Mapping[str, str] = field(default_factory=dict)
    base: int = field(default_factory=free_base)
    ready: dict[str, Any] = field(default_factory=dict)
    process: "subprocess.Popen[bytes] | None" = None
    _said: int = 0  # bytes of standard error before the last start

    @classmethod
    def in_directory(
        cls, directory: Path, env: Mapping[str, str] | None = None, *, loaded: Path | None = None
    ) -> "Running":
        """An instance below a scratch directory of pytest's; `loaded`: it goes on from a copy of that home."""
        for each in (directory, *directory.parents[:2]):
            each.chmod(0o711)  # as root, the database's own user must be able to pass
        if loaded is not None:
            subprocess.run(["cp", "-a", str(loaded), str(directory / "home")], check=True)  # with the owners
        return cls(home=directory / "home", env=env or {})

    def environment(self) -> dict[str, str]:
        """What a command of this instance is started with."""
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PREWATT_")},
            "PREWATT_HOME": str(self.home), "PREWATT_PORT": str(self.base), "PYTHONPATH": str(ROOT), **self.env,
        }  # fmt: skip
        environment.pop("DJANGO_SETTINGS_MODULE", None)
        return environment

    def start(self) -> "Running":
        """Start and wait for the READY line."""
        out = self.launch()
        assert self.process is not None
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            for line in out.read_text(encoding="utf-8").splitlines():
                if line.startswith("PREWATT-READY "):
                    self.ready = json.loads(line.removeprefix("PREWATT-READY "))
                    return self
            assert self.process.poll() is None, self.errors()
            time.sleep(0.1)
        self.kill_supervisor()
        raise AssertionError(f"not ready within {START_S} s: {self.errors()}")

    def launch(self) -> Path:
        """Start without waiting; where its standard output goes."""
        out = self.home.parent / f"{self.home.name}.out"
        with out.open("wb") as stdout, (self.home.parent / f"{self.home.name}.err").open("ab") as stderr:
            self._said = stderr.tell()
            self.process = subprocess.Popen(
                [*COMMAND, "up"], stdout=stdout, stderr=stderr, env=self.environment(), start_new_session=True
            )
        return out

    def said(self, words: str, *, within_s: float) -> None:
        """Wait until `up` has said this on its standard error, since it was last started."""
        deadline = time.monotonic() + within_s
        errors = self.home.parent / f"{self.home.name}.err"
        while words.encode() not in errors.read_bytes()[self._said :]:
            assert time.monotonic() < deadline, f"never said: {words}: {self.errors()}"
            time.sleep(0.02)

    def errors(self) -> str:
        return (self.home.parent / f"{self.home.name}.err").read_text(encoding="utf-8", errors="replace")[-3000:]

    def stop(self) -> int:
        """Stop cleanly; the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_S)
        finally:
            self.kill_supervisor()

    def kill_supervisor(self) -> None:
        """kill -9 of `prewatt up` itself. Its children must not outlive it for long."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def child(self, name: str) -> int | None:
        """The process of one part, as the supervisor wrote it down."""
        try:
            state = json.loads((self.home / "children.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return next((int(one["pid"]) for one in state["children"] if one["name"] == name), None)

    def kill(self, name: str) -> bool:
        """kill -9 of one part, or of the database's first process; False when it does not run just now."""
        if name == "database":
            try:
                pid = int((self.home / "postgres" / "data" / "postmaster.pid").read_text().split()[0])
            except (OSError, ValueError, IndexError):
                return False
        else:
            found = self.child(name)
            if found is None:
                return False
            pid = found
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True

    # ---- the public API and the simulator's

    def api(self, method: str, path: str, body: object = None, key: str = "") -> tuple[int, Any]:
        headers = {"X-API-Key": self.ready["api_key"], "Accept-Language": "en"}
        if key:
            headers["Idempotency-Key"] = key
        return call(method, f"{self.ready['url']}/api/v1{path}", body, headers)

    def sim(self, method: str, path: str, body: object = None) -> Any:
        status, answer = call(method, self.ready["sim_url"] + path, body)
        assert status == 200, (status, answer)
        return answer

    def circuits(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor: str | None = ""
        while cursor is not None:
            status, page = self.api("GET", f"/circuits?limit=200&cursor={cursor}")
            assert status == 200, page
            found += page["items"]
            cursor = page["next"]
        return found

    def shops(self) -> list[dict[str, Any]]:
        """Circuits that credit can be sold to by the wire and that answer."""
        return [
            each for each in self.circuits()
            if each["contract_number"] and each["custody"] == "meter" and each["state"] != "offline"
        ]  # fmt: skip

    def sell(self, circuit: Mapping[str, Any], amount_minor: int, key: str = "") -> tuple[int, Any]:
        body = {"contract_number": circuit["contract_number"], "circuit_id": circuit["id"],
                "amount_minor": amount_minor, "tender": "cash"}  # fmt: skip
        return self.api("POST", "/sales", body, key or str(uuid.uuid4()))

    def sale(self, sale_id: str) -> dict[str, Any]:
        status, found = self.api("GET", f"/sales/{sale_id}")
        assert status == 200, found
        return dict(found)

    def until(self, sale_id: str, *states: str, within_s: float) -> dict[str, Any]:
        """The sale once its delivery is in one of `states`."""
        deadline = time.monotonic() + within_s
        found: dict[str, Any] = {}
        while time.monotonic() < deadline:
            try:
                found = self.sale(sale_id)
            except NoAnswer:
                time.sleep(0.2)
                continue
            if found["delivery"]["state"] in states:
                return found
            time.sleep(0.1)
        raise AssertionError(f"not {states} within {within_s} s: {found}")

    def calm(self) -> None:
        """No load anywhere and no fault: what is left is what the orders did."""
        self.sim("POST", "/reset-faults")
        for meter in self.sim("GET", "/meters"):
            self.sim("POST", f"/meters/{meter['number']}", {"load_w": 0})

    def healthy(self, within_s: float) -> dict[str, Any]:
        deadline = time.monotonic() + within_s
        last: object = None
        while time.monotonic() < deadline:
            try:
                status, last = call("GET", self.ready["url"] + "/healthz")
                if status == 200:
                    assert isinstance(last, dict)
                    return last
            except NoAnswer as error:
                last = error
            time.sleep(0.2)
        raise AssertionError(f"not healthy within {within_s} s: {last}\n{self.errors()}")


BOOKS_STILL_S = 15.0  # three charging sweeps
BOOKS_LIMIT_S = 180.0


def books_at_rest(read: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The books once nothing moves them: with all loads at zero the last watt-hours of server-held circuits have
    been read and charged."""
    found, since, until = read(), time.monotonic(), time.monotonic() + BOOKS_LIMIT_S
    while time.monotonic() - since < BOOKS_STILL_S:
        assert time.monotonic() < until, f"the books never rest: {found}"
        time.sleep(1)
        if (now := read()) != found:
            found, since = now, time.monotonic()
    return found


def broken_invariants(running: Running, sales: list[dict[str, Any]]) -> list[str]:
    """What does not hold (issue, section 6, INVARIANT); empty when all does. Loads must be at zero."""
    told: list[str] = []
    meters = running.sim("GET", "/meters")
    numbers = {each["id"]: (each["meter_number"], each["circuit_index"]) for each in running.circuits()}
    accepted: dict[tuple[str, int], Counter[tuple[int, int]]] = {}
    for meter in meters:
        for circuit in meter["circuits"]:
            if circuit["balance"] is None:
                continue
            where = (meter["number"], circuit["index"])
            orders = circuit["accepted"]
            total = circuit["opening"] + sum(order["amount"] for order in orders)
            if total != circuit["balance"] + circuit["consumed"]:
                told.append(f"{where}: opening + accepted = {total}, balance + consumed differ: {circuit}")
            counts = [order["count"] for order in orders]
            if counts and counts != list(range(counts[0], counts[0] + len(counts))):
                told.append(f"{where}: counts are not distinct and gapless: {counts}")
            accepted[where] = Counter((order["count"], order["amount"]) for order in orders)
    for sale in sales:
        where = numbers[sale["circuit_id"]]
        order = (sale["delivery"]["expected_count"], sale["credit"])
        if sale["delivery"]["state"] == "confirmed":
            if not accepted[where][order]:
                told.append(f"confirmed, but not in the meter: {sale}")
            accepted[where][order] -= 1
        elif sale["delivery"]["state"] not in ("refused", "disputed"):
            told.append(f"not settled: {sale}")
    for where, left in accepted.items():
        if surplus := +left:
            told.append(f"{where}: in the meter, but no confirmed sale: {dict(surplus)}")
    _, books = running.api("GET", "/books")
    if books["debit_minor"] != books["credit_minor"]:
        told.append(f"the books do not balance: {books}")
    return told
