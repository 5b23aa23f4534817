"""Foreign contracts: what lies outside a key's scope is not there for it. And what its role may not do."""

import os
import subprocess
import sys
import time

import pytest

from tests.acceptance.caller import Caller, order
from tests.acceptance.conftest import Site
from tests.journeys.running import ROOT

pytestmark = pytest.mark.processes
MALL, DORMITORY = "1", "4"  # buildings of the demo: A座 and 宿舍1单元


def key_of(site: Site, role: str, place: str) -> Caller:
    """A key of a new operator, made where an administrator makes it: in the books of this site."""
    dsn = (site.running.home / "postgres.dsn").read_text(encoding="utf-8").strip()
    made = subprocess.run(
        [sys.executable, "-m", "tests.acceptance.make_key", f"{role}{time.monotonic_ns()}", role, place],
        env={**os.environ, "PREWATT_DATABASE_URL": dsn, "PYTHONPATH": str(ROOT)}, cwd=ROOT,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    return Caller(url=site.url, key=made.stdout.strip())


@pytest.fixture(scope="module")
def dormitory(site: Site) -> Caller:
    return key_of(site, "manager", DORMITORY)


@pytest.fixture(scope="module")
def nobody(site: Site) -> Caller:
    return key_of(site, "manager", "none")


def test_lists_hold_only_what_is_in_scope(site: Site, dormitory: Caller) -> None:
    seen, all_of_them = dormitory.all_of("/circuits"), site.api.all_of("/circuits")
    assert 0 < len(seen) < len(all_of_them)
    assert {each["id"] for each in seen} <= {each["id"] for each in all_of_them}
    assert 0 < len(dormitory.all_of("/contracts")) < len(site.api.all_of("/contracts"))
    assert 0 < len(dormitory.all_of("/customers")) < len(site.api.all_of("/customers"))


def test_a_foreign_contract_is_a_404_everywhere(site: Site, dormitory: Caller) -> None:
    mine = {each["id"] for each in dormitory.all_of("/circuits")}
    foreign = next(each for each in site.first_circuits if each["id"] not in mine and each["contract_number"])
    ours = next(each for each in site.first_circuits if each["id"] in mine and each["contract_number"])
    assert dormitory("GET", f"/circuits/{foreign['id']}").refusal == (404, "circuit_unknown")
    assert dormitory("GET", f"/contracts/{foreign['contract_number']}").refusal == (404, "contract_unknown")
    assert dormitory.sell(foreign, 5000).refusal == (404, "contract_unknown")
    mixed = {**order(ours, 5000), "circuit_id": foreign["id"]}
    assert dormitory("POST", "/sales", mixed, Idempotency_Key="mixed").refusal == (404, "circuit_unknown")
    trip = {"wish": "trip", "reason": "not mine", "until": None}
    assert dormitory("POST", f"/circuits/{foreign['id']}/relay", trip).refusal == (404, "circuit_unknown")
    assert site.in_meter(foreign)["relay"] == "closed" or foreign["relay"] == "open"


def test_a_foreign_sale_is_a_404_and_stays_as_it_is(site: Site, dormitory: Caller) -> None:
    mine = {each["id"] for each in dormitory.all_of("/circuits")}
    foreign = site.shop()
    while foreign["id"] in mine:
        foreign = site.shop()
    sale = site.sell(foreign, 1000)
    assert dormitory("GET", f"/sales/{sale['id']}").refusal == (404, "sale_unknown")
    assert dormitory("POST", f"/sales/{sale['id']}/reversal", {"reason": "x"}).refusal == (404, "sale_unknown")
    assert site.api.settled(sale["id"], 60)["state"] == "sold"


def test_an_operator_without_scope_sees_nothing(site: Site, nobody: Caller) -> None:
    assert [nobody.all_of(path) for path in ("/circuits", "/contracts", "/customers")] == [[], [], []]
    shop = next(each for each in site.first_circuits if each["contract_number"])
    assert nobody("GET", f"/circuits/{shop['id']}").refusal == (404, "circuit_unknown")
    assert nobody.sell(shop, 5000).refusal == (404, "contract_unknown")
    assert nobody("GET", "/books").status == 404


def test_a_role_that_may_not_sell_or_switch_is_refused(site: Site) -> None:
    finance = key_of(site, "finance", MALL)
    shop = next(each for each in finance.all_of("/circuits") if each["contract_number"])
    assert finance.sell(shop, 5000).refusal == (422, "not_permitted")
    trip = {"wish": "trip", "reason": "x", "until": None}
    assert finance("POST", f"/circuits/{shop['id']}/relay", trip).refusal == (422, "not_permitted")
