"""A site that is no demo: founded by commands, with a field of foreign meters, as a manager would have it."""

import csv
import json
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tests.journeys.foreign import ForeignLine, ForeignMeter
from tests.journeys.running import COMMAND, ROOT, NoAnswer, Running

PATIENCE_S = 120.0  # for a state to come; it comes within some polls on a quiet machine
COMMAND_S = 180.0
PRICE = "0.8125"
ZONE = ZoneInfo("Asia/Shanghai")


def today() -> str:
    return datetime.now(ZONE).date().isoformat()


def number_of(unit: int) -> str:
    return f"{unit + 10:012d}"


def sheets(port: int, contracts: Sequence[str]) -> dict[str, list[dict[str, object]]]:
    """One meter with one room for each entry of `contracts`: units 1, 2, ... behind one serial server."""
    long_ago = "2026-01-01"
    points = [(contract, number_of(unit)) for unit, contract in enumerate(contracts, 1)]
    return {
        "buildings": [{"code": "A", "name": "东楼"}],
        "rooms": [{"building": "A", "floor": "1", "code": f"{100 + n}", "name": f"商铺 {100 + n}"}
                  for n in range(1, len(points) + 1)],
        "gateways": [
            {"code": "G1", "name": "配电间", "transport": "rtu-over-tcp", "host": "127.0.0.1", "port": port}
        ],
        "meters": [
            {"number": number, "profile": "acrel-ddsy1352", "gateway": "G1", "unit": unit, "ratio": 1}
            for unit, (_, number) in enumerate(points, 1)
        ],
        "circuits": [
            {"meter": number, "index": 1, "room": f"A/{100 + n}", "never_cut": 0}
            for n, (_, number) in enumerate(points, 1)
        ],
        "plans": [{"code": "P1", "name": "商业", "price": PRICE, "valid_from": long_ago}],
        "customers": [{"id": f"K-{each}", "name": f"租户 {each}", "class": "", "phone": ""}
                      for each in dict.fromkeys(contracts)],
        "contracts": [{"number": each, "customer": f"K-{each}", "opened_on": long_ago}
                      for each in dict.fromkeys(contracts)],
        "supply_points": [
            {"contract": contract, "meter": number, "circuit": 1, "plan": "P1", "custody": "server",
             "overdraft_minor": 0, "alarm_1_minor": 1000, "alarm_2_minor": 300, "from": today()}
            for contract, number in points
        ],
    }  # fmt: skip


def written(folder: Path, content: Mapping[str, list[dict[str, object]]]) -> Path:
    folder.mkdir()
    for name, rows in content.items():
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as out:
            to = csv.DictWriter(out, fieldnames=list(rows[0]))
            to.writeheader()
            to.writerows(rows)
    return folder


class Afternoon:
    """The site, its meters, and what they say of each other."""

    def __init__(self, directory: Path, contracts: Sequence[str], **env: str) -> None:
        self.site = Running.in_directory(directory, {"PREWATT_DEMO": "0", **env})
        self.contracts = contracts
        meters = [
            # the place of the number is known from one source only: some hold nothing there
            ForeignMeter(unit=unit, number=number_of(unit) if unit % 2 else "0", energy_wh=1_234_560.0 * unit)
            for unit in range(1, len(contracts) + 1)
        ]
        self.line = ForeignLine(*meters, port=self.site.base + 5).plug()
        self.folder = directory / "sheets"
        self.key = ""

    def foreign(self, unit: int) -> ForeignMeter:
        return self.line.meters[unit - 1]

    def init(self) -> "subprocess.CompletedProcess[str]":
        return self.command("init", "--company", "湖滨物业", "--currency", "CNY", "--timezone", "Asia/Shanghai",
                            "--site", "湖滨", "--admin", "li")  # fmt: skip

    def founded(self) -> "Afternoon":
        """A company and the whole field, ready to start."""
        done = self.init()
        assert done.returncode == 0, done.stderr
        self.key = str(json.loads(done.stdout.removeprefix("PREWATT-INIT "))["api_key"])
        done = self.command("import", str(written(self.folder, sheets(self.line.port, self.contracts))))
        assert done.returncode == 0, (done.stdout, done.stderr)
        return self

    def end(self) -> None:
        if self.site.process is not None:
            self.site.stop()
        self.line.end()

    def command(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*COMMAND, *words], cwd=ROOT, env=self.site.environment(), capture_output=True, text=True,
            timeout=COMMAND_S, check=False,
        )  # fmt: skip

    def start(self) -> None:
        self.site.start()
        self.site.ready["api_key"] = self.key

    def circuit(self, meter: str) -> dict[str, Any]:
        return next(each for each in self.site.circuits() if each["meter_number"] == meter)

    def until(self, meter: str, good: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        deadline, found = time.monotonic() + PATIENCE_S, dict[str, Any]()
        while time.monotonic() < deadline:
            try:
                found = self.circuit(meter)
            except NoAnswer:
                continue
            if good(found):
                return found
            time.sleep(0.3)
        raise AssertionError((found, [each.writes[-3:] for each in self.line.meters], self.site.errors()))

    def paid(self, meter: str, amount_minor: int) -> dict[str, Any]:
        status, sale = self.site.sell(self.circuit(meter), amount_minor)
        assert status == 201, sale
        assert sale["delivery"]["state"] == "confirmed", "the books are where a server-held credit is delivered to"
        return dict(sale)

    def statement(self, contract: str, start: datetime | None = None, end: datetime | None = None) -> dict[str, Any]:
        start, end = start or datetime(2026, 1, 1, tzinfo=UTC), end or datetime.now(UTC) + timedelta(hours=1)
        query = f"from={start:%Y-%m-%dT%H:%M:%SZ}&to={end:%Y-%m-%dT%H:%M:%SZ}"
        status, found = self.site.api("GET", f"/contracts/{contract}/statement?{query}")
        assert status == 200, found
        return dict(found)
