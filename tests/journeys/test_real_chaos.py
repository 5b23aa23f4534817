"""Kills over sales, charges, cuts and restores of server-held credit (issue 3, section 3).

Foreign meters keep the truth: what they counted, and when their relay turned. After the kills each contract's
books must equal an independent reckoning from the answered sales and the meters' own counters.
"""

import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.real import PRICE, Afternoon, number_of
from tests.journeys.running import ROOT, NoAnswer

pytestmark = [pytest.mark.soak, pytest.mark.processes]
METERS = 12
TAGGED = METERS  # under a maintenance tag from before the first sale: sold to, never closed
VICTIMS = ("web", "stream", "headend", "worker", "database")
SUPERVISOR_EVERY = 12  # one blow in so many falls on the supervisor itself
KILL_EVERY_S = (0.4, 2.6)
SELLERS = 3
LOADS_W = (0, 0, 20_000, 60_000, 150_000)  # balances run around zero, so that supplies are cut and restored
STALE_S = 30.0  # a trip may have been decided before a sale this recent
DRAINED_WH = 10.0  # the counter's step: what the meter knows and no reading can
CALM_S = 180.0


@dataclass
class Played:
    """What the players did and saw."""

    paid: list[tuple[float, int, int]] = field(default_factory=list)  # answered at, unit, minor units
    ids: set[str] = field(default_factory=set)
    kills: Counter[str] = field(default_factory=Counter)
    unanswered: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def paid_of(self, unit: int, before: float = float("inf")) -> int:
        return sum(amount for at, each, amount in self.paid if each == unit and at < before)


@pytest.fixture
def field_of_twelve(tmp_path: Path) -> Iterator[Afternoon]:
    found = Afternoon(tmp_path, [f"C-{unit}" for unit in range(1, METERS + 1)], PREWATT_POLL_S="5")
    try:
        found.founded().start()
        yield found
    finally:
        found.end()


def sell_until(afternoon: Afternoon, circuits: dict[int, dict[str, object]], until: float, seed: int,
               played: Played) -> None:  # fmt: skip
    chance, number = random.Random(seed), 0
    while time.monotonic() < until:
        unit, amount, number = chance.randint(1, METERS), chance.randint(100, 400), number + 1
        status, answer = 0, dict[str, Any]()
        while status != 201:
            try:
                status, answer = afternoon.site.sell(circuits[unit], amount, f"real-{seed}-{number}")
            except NoAnswer:
                with played.lock:
                    played.unanswered += 1
                time.sleep(0.2)
                continue
            assert status == 201 or answer["error"]["code"] == "key_busy", answer
        with played.lock:
            assert answer["id"] not in played.ids, "one key, one sale"
            played.ids.add(answer["id"])
            played.paid.append((time.monotonic(), unit, amount))
        time.sleep(chance.uniform(0.2, 1.5))


def kill_until(afternoon: Afternoon, until: float, seed: int, played: Played) -> None:
    chance = random.Random(seed)
    while time.monotonic() < until:
        for foreign in afternoon.line.meters:
            if chance.random() < 0.2:
                foreign.turn()
                foreign.load_w = chance.choice(LOADS_W)
        time.sleep(chance.uniform(*KILL_EVERY_S))
        if chance.randrange(SUPERVISOR_EVERY) == 0:
            afternoon.site.kill_supervisor()
            played.kills["supervisor"] += 1
            afternoon.start()
        else:
            victim = chance.choice(VICTIMS)
            played.kills[victim] += afternoon.site.kill(victim)


def wrong_cuts(afternoon: Afternoon, opened_wh: dict[int, int], played: Played) -> list[str]:
    """Trips of a circuit that was surely in credit: by its own counter, and by sales answered well before."""
    told = []
    for foreign in afternoon.line.meters:
        for at, closed, energy_wh in foreign.turns:
            used = (energy_wh - opened_wh[foreign.unit]) / 1000 * float(PRICE) * 100
            if not closed and played.paid_of(foreign.unit, at - STALE_S) - used > 1:
                told.append(f"unit {foreign.unit} was cut with {played.paid_of(foreign.unit)} paid, {used:.0f} used")
    return told


def reckon(afternoon: Afternoon, circuits: dict[int, dict[str, object]], opened_wh: dict[int, int],
           played: Played) -> None:  # fmt: skip
    for unit in circuits:
        foreign = afternoon.foreign(unit)
        energy_wh = int(foreign.energy_wh) // 10 * 10 - opened_wh[unit]
        due = int((Decimal(energy_wh) / 1000 * Decimal(PRICE) * 100).quantize(Decimal(1), ROUND_HALF_EVEN))
        left = played.paid_of(unit) - due
        found = afternoon.until(
            number_of(unit),
            lambda it, left=left, unit=unit: abs(it["balance"] - left) <= 1 and it["relay"] in (  # type: ignore[misc]
                ("open",) if unit == TAGGED else ("open", "closed") if abs(left) <= 1
                else ("closed",) if left > 0 else ("open",)),
        )  # fmt: skip
        told = afternoon.statement(f"C-{unit}")
        assert told["paid_minor"] == played.paid_of(unit), "nothing lost, nothing doubled"
        assert told["closing_minor"] == found["balance"] == told["paid_minor"] - told["used_minor"]
        assert sum(line["energy_wh"] for line in told["lines"]) == energy_wh
    assert not any(closed for _, closed, _ in afternoon.foreign(TAGGED).turns), "closed onto a maintenance tag"
    assert wrong_cuts(afternoon, opened_wh, played) == []
    assert all(write in ((0x57, [1, 0]), (0x57, [1, 1])) for each in afternoon.line.meters for write in each.writes)
    _, books = afternoon.site.api("GET", "/books")
    assert books["debit_minor"] == books["credit_minor"]


def test_kills_over_sales_charges_cuts_and_restores(
    field_of_twelve: Afternoon, capsys: pytest.CaptureFixture[str]
) -> None:
    afternoon = field_of_twelve
    seconds = float(os.environ.get("PREWATT_KILL_S", os.environ.get("PREWATT_SOAK_S", "900")))
    seed = int(os.environ.get("PREWATT_SEED", str(random.SystemRandom().randrange(10**6))))
    circuits: dict[int, dict[str, object]] = {
        unit: afternoon.until(number_of(unit), lambda it: it["state"] == "arrears" and it["relay"] == "open")
        for unit in range(1, METERS + 1)
    }
    opened_wh = {unit: int(str(each["energy_wh"])) for unit, each in circuits.items()}
    subprocess.run(
        [sys.executable, "-m", "tests.journeys.hang_tag", number_of(TAGGED)], cwd=ROOT, check=True, timeout=60,
        env={**afternoon.site.environment(),
             "PREWATT_DATABASE_URL": (afternoon.site.home / "postgres.dsn").read_text(encoding="utf-8").strip()},
    )  # fmt: skip
    played, until = Played(), time.monotonic() + seconds
    faults: list[BaseException] = []

    def seller(number: int) -> None:
        try:
            sell_until(afternoon, circuits, until, seed + number, played)
        except BaseException as fault:
            faults.append(fault)
            raise

    sellers = [threading.Thread(target=seller, args=(number,)) for number in range(SELLERS)]
    for each in sellers:
        each.start()
    try:
        kill_until(afternoon, until, seed, played)
    finally:
        for each in sellers:
            each.join()
        for foreign in afternoon.line.meters:
            foreign.turn()
            foreign.load_w = 0
    assert faults == []
    afternoon.site.healthy(CALM_S)
    try:
        reckon(afternoon, circuits, opened_wh, played)
    finally:
        turned = [len(each.turns) for each in afternoon.line.meters]
        with capsys.disabled():
            os.write(1, (
                f"\nkills seed {seed}: {len(played.paid)} sales in {seconds:.0f} s, {sum(played.kills.values())} kills "
                f"{dict(played.kills)}, relay writes {sum(turned)}, requests without an answer {played.unanswered}\n"
            ).encode())  # fmt: skip
    assert played.paid and sum(played.kills.values()) >= seconds / 10
