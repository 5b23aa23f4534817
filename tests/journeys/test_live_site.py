"""The main job on a running site: sell, see it arrive, lose replies, lose gateways, kill processes.

One instance for all stories of this file, started as a user would; each story uses circuits of its own.
"""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymodbus.client import ModbusTcpClient
from pymodbus.framer import FramerType

from prewatt.core.meters import catalogue
from prewatt.core.meters.jobs import Order, OrderKind
from prewatt.core.meters.registers import order_write
from tests.journeys.running import PARTS, SETTLE_S, NoAnswer, Running, broken_invariants, call

pytestmark = [pytest.mark.processes]
SALES: list[str] = []  # every sale of this file, for the reckoning at the end
FOREIGN: set[str] = set()  # circuits that a second writer touched


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, loaded: Path) -> Iterator[Running]:
    running = Running.in_directory(tmp_path_factory.mktemp("site"), {"PREWATT_POLL_S": "5"}, loaded=loaded).start()
    try:
        running.calm()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def shops(site: Running) -> Iterator[Iterator[dict[str, Any]]]:
    """Circuits on different lines, each given out once."""
    found = [each for each in site.shops() if each["state"] == "normal"]
    yield iter(found)


def sold(site: Running, shop: dict[str, Any], amount_minor: int = 5000) -> dict[str, Any]:
    status, sale = site.sell(shop, amount_minor)
    assert status == 201, sale
    SALES.append(sale["id"])
    return dict(sale)


def line_of(site: Running, shop: dict[str, Any]) -> str:
    [meter] = [each for each in site.sim("GET", "/meters") if each["number"] == shop["meter_number"]]
    return str(meter["line"])


def test_fifty_yuan_are_confirmed_on_the_meter(site: Running, shops: Iterator[dict[str, Any]]) -> None:
    shop = next(shops)
    sale = sold(site, shop)
    done = site.until(sale["id"], "confirmed", within_s=SETTLE_S)
    [meter] = [each for each in site.sim("GET", "/meters") if each["number"] == shop["meter_number"]]
    [circuit] = meter["circuits"]
    assert circuit["purchase_count"] == done["delivery"]["expected_count"] == done["delivery"]["read_count"]
    assert circuit["accepted"][-1]["amount"] == sale["credit"]


def test_two_buttons_at_once_with_one_key_are_one_sale(site: Running, shops: Iterator[dict[str, Any]]) -> None:
    shop, answers = next(shops), list[tuple[int, Any]]()
    presses = [threading.Thread(target=lambda: answers.append(site.sell(shop, 3000, "one-form"))) for _ in range(4)]
    for press in presses:
        press.start()
    for press in presses:
        press.join()
    made = {body["id"] for status, body in answers if status == 201}
    assert len(made) == 1
    assert all(status == 201 or body["error"]["code"] == "key_busy" for status, body in answers)
    SALES.extend(made)


def test_a_lost_gateway_delays_and_its_return_delivers_once(site: Running, shops: Iterator[dict[str, Any]]) -> None:
    shop = next(shops)
    line = line_of(site, shop)
    site.sim("POST", f"/lines/{line}/faults", {"down": True})
    time.sleep(1)
    sale = sold(site, shop)
    waiting = site.until(sale["id"], "waiting", within_s=10)
    read = waiting["delivery"]["read_count"]
    assert read is None or read < sale["delivery"]["expected_count"]
    status, refused = site.sell(shop, 2000)
    assert (status, refused["error"]["code"]) == (409, "delivery_open")
    site.sim("POST", f"/lines/{line}/faults", {})
    site.until(sale["id"], "confirmed", within_s=SETTLE_S)


def test_a_lost_reply_is_unknown_until_the_count_is_read(site: Running) -> None:
    """Some one conversation in seven loses the replies to the write and to the witness: many lines at once."""
    lines = {each["number"]: str(each["line"]) for each in site.sim("GET", "/meters")}
    by_line: dict[str, list[dict[str, Any]]] = {}
    for shop in reversed([each for each in site.shops() if each["state"] == "normal"]):
        by_line.setdefault(lines[shop["meter_number"]], []).append(shop)
    for number, line in enumerate(by_line):
        site.sim("POST", f"/lines/{line}/faults", {"seed": 70 + number, "lose_reply": 0.6})
    sales = [sold(site, shop) for shops in by_line.values() for shop in shops[:2]]
    deadline = time.monotonic() + 120
    unsure: dict[str, Any] | None = None
    while unsure is None and time.monotonic() < deadline:
        now = [site.sale(sale["id"]) for sale in sales]
        unsure = next((sale for sale in now if "unknown" in steps_of(sale)), None)
    site.sim("POST", "/reset-faults")
    assert unsure is not None, "no reply to a write was lost within 120 s: the story was not told"
    settled = [site.until(sale["id"], "confirmed", within_s=SETTLE_S) for sale in sales]
    [resolved] = [sale for sale in settled if sale["id"] == unsure["id"]]
    assert steps_of(resolved).index("unknown") < steps_of(resolved).index("confirmed")
    assert resolved["delivery"]["read_count"] == resolved["delivery"]["expected_count"]


def steps_of(sale: dict[str, Any]) -> list[str]:
    return [step["state"] for step in sale["delivery"]["steps"]]


def test_a_second_writer_makes_the_sale_disputed_and_nothing_is_overwritten(
    site: Running, shops: Iterator[dict[str, Any]]
) -> None:
    shop = next(shops)
    [meter] = [each for each in site.sim("GET", "/meters") if each["number"] == shop["meter_number"]]
    count = meter["circuits"][0]["purchase_count"]
    profile = catalogue()[shop["profile"]]
    address, block = order_write(profile, Order(count=count + 1, kind=OrderKind.PURCHASE, amount=1230), 1)
    words = [int.from_bytes(block[at : at + 2]) for at in range(0, len(block), 2)]
    client = ModbusTcpClient(meter["host"], port=meter["port"], framer=FramerType.RTU, timeout=3)
    assert client.connect()  # type: ignore[no-untyped-call]
    assert not client.write_registers(address, words, device_id=meter["unit"]).isError()
    client.close()  # type: ignore[no-untyped-call]
    FOREIGN.add(shop["id"])
    sale = sold(site, shop)
    settled = site.until(sale["id"], "disputed", within_s=SETTLE_S)
    assert settled["delivery"]["read_count"] == count + 1
    status, refused = site.sell(shop, 2000)
    assert (status, refused["error"]["code"]) == (409, "delivery_open")
    SALES.remove(sale["id"])


@pytest.mark.parametrize("part", [*PARTS, "database"])
def test_a_killed_part_is_noticed_comes_back_and_loses_nothing(
    site: Running, shops: Iterator[dict[str, Any]], part: str
) -> None:
    sale = sold(site, next(shops))
    assert site.kill(part)
    deadline, noticed = time.monotonic() + 20, False
    while not noticed and time.monotonic() < deadline:
        try:
            status, _ = call("GET", site.ready["url"] + "/healthz")
            noticed = status != 200
        except NoAnswer:
            noticed = True
        time.sleep(0.02)
    site.healthy(60)
    site.until(sale["id"], "confirmed", within_s=SETTLE_S)
    assert noticed or part == "simulate", f"/healthz never told that {part} was dead"


def test_a_killed_supervisor_leaves_nothing_serving_beside_its_successor(
    site: Running, shops: Iterator[dict[str, Any]]
) -> None:
    sale = sold(site, next(shops))
    site.kill_supervisor()
    site.start()
    site.healthy(60)
    site.until(sale["id"], "confirmed", within_s=SETTLE_S)


def test_the_books_and_the_meters_agree_in_the_end(site: Running) -> None:
    sales = [site.until(sale_id, "confirmed", within_s=SETTLE_S) for sale_id in SALES]
    foreign = {each["meter_number"] for each in site.circuits() if each["id"] in FOREIGN}
    told = [line for line in broken_invariants(site, sales) if not any(number in line for number in foreign)]
    assert told == []
    assert len(sales) >= 10
