"""Last night's backup, taken while the shops were sold to; the machine is lost; another goes on with the same books.

The meters were not lost: they counted on. What was sold after the backup is in the meters and not in the books.
"""

import itertools
import json
import shutil
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.running import COMMAND, NoAnswer, Running

pytestmark = [pytest.mark.processes]
KEY = {"PREWATT_BACKUP_KEY": "a passphrase on paper in the safe"}
COMMAND_S = 240
PATIENCE_S = 180.0  # a busy machine; each wait ends when the state is there
PACE_S = 0.1  # between two sales: the shops last for longer than a backup takes


def command(running: Running, *words: str) -> dict[str, Any]:
    """A command on an instance's home; its JSON line."""
    done = subprocess.run(
        [*COMMAND, *words], env=running.environment(), capture_output=True, text=True, timeout=COMMAND_S, check=False
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


class Counter:
    """A window where one sale follows the other: shop after shop, each with what was answered and when."""

    def __init__(self, site: Running, shops: list[dict[str, Any]]) -> None:
        self.site, self.shops = site, shops
        self.answered: list[tuple[float, dict[str, Any]]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def _work(self) -> None:
        for shop in itertools.cycle(self.shops):
            if self._stop.wait(PACE_S):
                return
            try:
                status, sale = self.site.sell(shop, 1000)
            except NoAnswer:
                continue
            if status == 201:
                self.answered.append((time.monotonic(), sale))

    def __enter__(self) -> "Counter":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def reach(self, count: int) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while len(self.answered) < count:
            assert time.monotonic() < deadline and self._thread.is_alive(), f"{len(self.answered)} of {count} sales"
            time.sleep(0.05)


def orders(running: Running, shop: dict[str, Any]) -> list[dict[str, Any]]:
    """What a shop's meter has accepted, ever."""
    [meter] = [each for each in running.sim("GET", "/meters") if each["number"] == shop["meter_number"]]
    return list(meter["circuits"][0]["accepted"])


def test_a_backup_taken_while_selling_is_the_same_books_on_another_machine_and_the_meters_are_read_first(
    tmp_path_factory: pytest.TempPathFactory, loaded: Path
) -> None:
    env = {"PREWATT_POLL_S": "5", **KEY}
    site = Running.in_directory(tmp_path_factory.mktemp("night"), env, loaded=loaded).start()
    file = site.home.parent / "night.backup"
    try:
        site.calm()
        shops = [each for each in site.shops() if each["state"] == "normal"]
        untouched, busy = shops[0], shops[1:]
        with Counter(site, busy) as counter:
            counter.reach(10)
            began = time.monotonic()
            taken = command(site, "backup", str(file))
            ended = time.monotonic()
            counter.reach(len(counter.answered) + 3)
        before = [sale for at, sale in counter.answered if at < began]
        after = [sale for at, sale in counter.answered if at > ended]
        lost = site.until(after[0]["id"], "confirmed", within_s=PATIENCE_S)
    finally:
        site.stop()

    new = Running.in_directory(tmp_path_factory.mktemp("other"), env)
    restored = command(new, "restore", str(file))
    assert restored["books"] == taken["books"] and restored["findings"] == []
    # the meters are no part of the machine that was lost
    shutil.rmtree(new.home / "simulator")
    shutil.copytree(site.home / "simulator", new.home / "simulator")
    try:
        new.start()
        for sale in before:
            assert new.sale(sale["id"])["number"] == sale["number"]
        status, gone = new.api("GET", f"/sales/{lost['id']}")
        assert status == 404, gone
        _, books = new.api("GET", "/books")
        assert books["debit_minor"] == books["credit_minor"]

        # sold to at once: the order waits until the count was read, then it goes out
        status, sale = new.sell(untouched, 2000)
        assert status == 201, sale
        done = new.until(sale["id"], "confirmed", within_s=PATIENCE_S)
        assert done["delivery"]["read_count"] == done["delivery"]["expected_count"]

        # the same amount again where the meter has it already: never taken for done, a person is asked
        deadline = time.monotonic() + PATIENCE_S
        [shop] = [each for each in busy if each["id"] == lost["circuit_id"]]
        had = orders(new, shop)
        status, again = new.sell(shop, 1000)
        while status == 201 and time.monotonic() < deadline:
            state = new.sale(again["id"])["delivery"]["state"]
            assert state != "confirmed", "the customer paid, and the meter only echoed yesterday's order"
            if state == "disputed":
                break
            time.sleep(0.2)
        assert status == 201 and state == "disputed" or again["error"]["code"] == "recount_disputed", again
        assert orders(new, shop) == had and lost["delivery"]["expected_count"] in [order["count"] for order in had]
    finally:
        if new.process is not None:
            new.stop()
