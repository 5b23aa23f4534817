"""Orders under faults while processes are killed: no credit lost, none doubled (issue, section 5).

A short run belongs to every check; `make soak` sells for PREWATT_SOAK_S seconds. The seed is printed and
replays the same choices (not the same interleaving: the clock is real).
"""

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.running import PARTS, SETTLE_S, NoAnswer, Running, broken_invariants

SELLERS = 12
FAULTS = {"lose_reply": 0.2, "late_reply": 0.05, "late_ms": 1500, "duplicate_reply": 0.02}
VICTIMS = (*PARTS, "database", "supervisor")
SHORT_S = 30.0
MONEY_ODDS = 2  # each purse in money is as likely as so many others of a seller's thirty
KILL_EVERY_S = (3.0, 9.0)
POINTS = ("any time", "just sold", "sent")  # when the blow falls: what the killer has seen of an order of its own
SEEN_WITHIN_S = 3.0
SETTLED = ("confirmed", "refused", "disputed")
HEARD_S = 90.0
PURSES = 2  # in money, of the demo: one on a line, one that dials in
READING_S = 0.1  # to show one sale, on a busy machine
SOAK_S = 900.0  # some two thousand orders on two cores


@dataclass
class Tally:
    """What the sellers did, told at the end."""

    sales: dict[str, str] = field(default_factory=dict)  # request key -> sale id
    refusals: Counter[str] = field(default_factory=Counter)
    unanswered: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    doubtful: list[tuple[str, dict[str, Any]]] = field(default_factory=list)  # of the killer's, asked again at the end
    calm_at: datetime = datetime.max  # when the last fault and kill were over
    settle_s: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)


@pytest.fixture
def site(tmp_path: Path, loaded: Path) -> Iterator[Running]:
    running = Running.in_directory(tmp_path, {"PREWATT_POLL_S": "10"}, loaded=loaded).start()
    try:
        running.calm()
        yield running
    finally:
        running.stop()


def sell_until(site: Running, shops: list[dict[str, Any]], until: float, seed: int, tally: Tally) -> None:
    """One seller: an order with its key, asked again with the same key until an answer is certain."""
    chance = random.Random(seed)
    number = 0
    while time.monotonic() < until:
        shop, number = chance.choice(shops), number + 1
        key, amount = f"chaos-{seed}-{number}", chance.randint(1, 300) * 100
        while True:
            try:
                status, answer = site.sell(shop, amount, key)
            except NoAnswer:
                with tally.lock:
                    tally.unanswered += 1
                time.sleep(0.3)
                continue
            if status == 201:
                with tally.lock:
                    assert tally.sales.setdefault(key, answer["id"]) == answer["id"]
                break
            code = answer["error"]["code"]
            if code != "key_busy":
                with tally.lock:
                    tally.refusals[code] += 1
                time.sleep(0.2)
                break
            time.sleep(0.1)


def strike(site: Running, victim: str, point: str, tally: Tally) -> None:
    if victim == "supervisor":
        site.kill_supervisor()
        tally.kills[f"{victim}, {point}"] += 1
        site.start()
    elif site.kill(victim):
        tally.kills[f"{victim}, {point}"] += 1


def lie_in_wait(site: Running, shop: dict[str, Any], point: str, key: str, tally: Tally) -> None:
    """Sell, and return once the order is where the blow shall fall (or after a while: then it falls anyway)."""
    try:
        status, answer = site.sell(shop, 1_000, key)
        if status != 201:
            return
        tally.sales[key] = answer["id"]
        deadline = time.monotonic() + SEEN_WITHIN_S
        while point == "sent" and time.monotonic() < deadline:
            if site.sale(answer["id"])["delivery"]["state"] != "waiting":
                return
    except NoAnswer:
        tally.unanswered += 1
        tally.doubtful.append((key, shop))


def kill_until(site: Running, shops: list[dict[str, Any]], until: float, seed: int, tally: Tally) -> None:
    """Every victim in turn, in an order of chance, at a point of chance."""
    chance = random.Random(seed)
    victims: list[str] = []
    for number in range(10**6):
        time.sleep(chance.uniform(*KILL_EVERY_S))
        if time.monotonic() > until - KILL_EVERY_S[0]:
            return
        victims = victims or chance.sample(VICTIMS, len(VICTIMS))
        victim, point = victims.pop(), chance.choice(POINTS)
        if point != "any time":
            lie_in_wait(site, chance.choice(shops), point, f"killer-{seed}-{number}", tally)
        strike(site, victim, point, tally)


def heard(site: Running) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The circuits that are sold to, and those of them whose meters hold money: both of these have been read since the
    start, one after it has dialled in."""
    deadline = time.monotonic() + HEARD_S
    while True:
        shops = site.shops()
        money = [shop for shop in shops if shop["credit_unit"] != "Wh"]
        if len(money) == PURSES:
            return shops, money
        assert time.monotonic() < deadline, f"of the purses in money only these answer: {money}"
        time.sleep(0.5)


def run_chaos(site: Running, seconds: float, seed: int) -> Tally:
    """Sell under faults and kills for a while, then calm down and reckon."""
    shops, money = heard(site)
    lines = sorted({meter["line"] for meter in site.sim("GET", "/meters")})
    for number, line in enumerate(lines):
        site.sim("POST", f"/lines/{line}/faults", {"seed": seed + number, **FAULTS})
    tally, until = Tally(), time.monotonic() + seconds
    with ThreadPoolExecutor(SELLERS) as pool:
        sellers = [
            pool.submit(
                sell_until, site, shops[each + 1 :: SELLERS + 1] + money * MONEY_ODDS, until, seed + each, tally
            )
            for each in range(SELLERS)
        ]
        kill_until(site, shops[:: SELLERS + 1], until, seed, tally)
    for seller in sellers:
        seller.result()  # a seller that fell over has an order nobody asked after
    site.healthy(90)
    for key, shop in tally.doubtful:
        status, answer = site.sell(shop, 1_000, key)
        assert status in (201, 409), answer
        if status == 201:
            tally.sales[key] = answer["id"]
    site.calm()
    tally.calm_at = datetime.now(UTC)
    return tally


def reckon(site: Running, tally: Tally) -> None:
    """Every sale settled in time, none disputed, and the invariant of the issue holds."""
    sales: list[dict[str, Any]] = []
    waiting = list(tally.sales.values())
    with ThreadPoolExecutor(SELLERS) as readers:
        while waiting:
            now = list(readers.map(site.sale, waiting))
            sales += [sale for sale in now if sale["delivery"]["state"] in SETTLED]
            waiting = [sale["id"] for sale in now if sale["delivery"]["state"] not in SETTLED]
            late = (datetime.now(UTC) - tally.calm_at).total_seconds() > SETTLE_S + READING_S * len(tally.sales)
            assert not (waiting and late), f"{len(waiting)} deliveries still open: {waiting[:5]}"
            time.sleep(0.5)
    # by the steps' own times: reading a thousand sales takes a while too
    last = max((datetime.fromisoformat(sale["delivery"]["steps"][-1]["at"]) for sale in sales), default=tally.calm_at)
    tally.settle_s = max(0.0, (last - tally.calm_at).total_seconds())
    states = Counter(sale["delivery"]["state"] for sale in sales)
    assert any(sale["credit_unit"] != "Wh" for sale in sales), "nothing was sold into a purse in money"
    assert states["disputed"] == 0, [sale for sale in sales if sale["delivery"]["state"] == "disputed"][:3]
    assert broken_invariants(site, sales) == []
    assert tally.settle_s <= SETTLE_S, f"the last delivery settled {tally.settle_s:.1f} s after the faults"


def tell(capsys: pytest.CaptureFixture[str], seed: int, seconds: float, tally: Tally) -> None:
    with capsys.disabled():
        os.write(1, (
            f"\nchaos seed {seed}: {len(tally.sales)} orders in {seconds:.0f} s, kills {dict(tally.kills)}, "
            f"requests without an answer {tally.unanswered}, refused {dict(tally.refusals)}, "
            f"all settled {tally.settle_s:.1f} s after the faults\n"
        ).encode())  # fmt: skip


@pytest.mark.processes
def test_half_a_minute_of_faults_and_kills_loses_no_credit(site: Running, capsys: pytest.CaptureFixture[str]) -> None:
    seed = int(os.environ.get("PREWATT_SEED", "1"))
    tally = run_chaos(site, SHORT_S, seed)
    try:
        reckon(site, tally)
    finally:
        tell(capsys, seed, SHORT_S, tally)
    assert len(tally.sales) >= 10
    assert sum(tally.kills.values()) >= 3


@pytest.mark.soak
@pytest.mark.processes
def test_orders_under_faults_and_kills_for_as_long_as_asked(
    site: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds = float(os.environ.get("PREWATT_SOAK_S", str(SOAK_S)))
    seed = int(os.environ.get("PREWATT_SEED", str(random.SystemRandom().randrange(10**6))))
    tally = run_chaos(site, seconds, seed)
    try:
        reckon(site, tally)
    finally:
        tell(capsys, seed, seconds, tally)
    assert tally.sales
