"""Last of all: a hundred sales under faults, a killed supervisor, the invariant; then a clean stop."""

import random
import threading
import time

import pytest

from tests.acceptance.caller import crowded
from tests.acceptance.conftest import Site
from tests.journeys.running import books_at_rest, broken_invariants

pytestmark = pytest.mark.processes
SALES = 100
FAULTS = {"lose_request": 0.1, "lose_reply": 0.1, "late_reply": 0.05, "late_ms": 1500, "duplicate_reply": 0.02,
          "corrupt": 0.05}  # fmt: skip
SETTLED_S = 60


@pytest.mark.time_limit(600)
def test_a_hundred_sales_under_faults_neither_lose_nor_double_a_credit(site: Site) -> None:
    lines = sorted({each["line"] for each in site.first_meters})
    for seed, line in enumerate(lines):
        assert site.sim("POST", f"/lines/{line}/faults", {"seed": seed, **FAULTS}).status == 200
    queue = [site.shop() for _ in range(SALES)]
    random.Random(3).shuffle(queue)
    refused: list[bytes] = []

    def sell() -> None:
        while queue:
            try:
                shop = queue.pop()
            except IndexError:
                return
            answer = site.api.sell(shop, random.choice((1000, 2500, 5000)))
            if answer.status == 201:
                site.sold.append(answer.json["id"])
            else:
                refused.append(answer.text)

    clerks = [threading.Thread(target=sell) for _ in range(8)]
    for clerk in clerks:
        clerk.start()
    for clerk in clerks:
        clerk.join()
    assert refused == []
    time.sleep(5)
    site.sim("POST", "/reset-faults")
    for meter in site.meters():
        site.sim("POST", f"/meters/{meter}", {"load_w": 0})
    limit = time.monotonic() + SETTLED_S * crowded()
    for sale_id in site.sold:
        site.api.settled(sale_id, max(1.0, limit - time.monotonic()))
    assert site.api.get("/books")["in_delivery_minor"] == 0


def every_sale(site: Site) -> list[str]:
    """Our sales, and those that schemathesis may have made in between."""
    ours = [int(sale_id) for sale_id in site.sold]
    between = (str(sale_id) for sale_id in range(min(ours) - 5, max(ours) + 5))
    new = [sale_id for sale_id in between if site.api("GET", f"/sales/{sale_id}").status == 200]
    return [sale_id for sale_id in new if site.api.get(f"/sales/{sale_id}")["delivery"]["steps"][0]["at"] > site.first]


def test_what_was_sold_is_in_the_meters_and_in_the_books(site: Site) -> None:
    for meter in site.meters():
        site.sim("POST", f"/meters/{meter}", {"load_w": 0})
    sales = [site.api.get(f"/sales/{sale_id}") for sale_id in every_sale(site)]
    assert len(sales) >= SALES
    assert broken_invariants(site.running, sales) == []


@pytest.mark.time_limit(300)
def test_everything_is_the_same_after_a_killed_supervisor_and_a_new_start(site: Site) -> None:
    sales = {sale_id: site.api.get(f"/sales/{sale_id}") for sale_id in dict.fromkeys(site.sold)}
    books = books_at_rest(lambda: dict(site.api.get("/books")))
    contracts, meters = site.api.all_of("/contracts"), site.meters()
    site.running.kill_supervisor()
    site.running.start()
    site.running.healthy(60)
    assert {sale_id: site.api.get(f"/sales/{sale_id}") for sale_id in sales} == sales
    assert site.api.get("/books") == books and site.api.all_of("/contracts") == contracts
    assert site.meters() == meters, "loads are at zero: nothing may have moved"
    assert site.ready["api_key"] == site.api.key, "the same key still opens"


def test_it_stops_cleanly_within_twenty_seconds(site: Site) -> None:
    begun = time.monotonic()
    assert site.running.stop() == 0, site.running.errors()
    assert time.monotonic() - begun < 60 * crowded()
    site.running.start()  # for whoever comes after
