"""SIM: the shape of /meters, faults that replace each other, loads and keys, and a memory that survives SIGKILL."""

import os
import signal
import time
from typing import Any

import pytest

from tests.acceptance.caller import ask, crowded, eventually
from tests.acceptance.conftest import Site

pytestmark = pytest.mark.processes


def line_of(site: Site) -> str:
    return str(site.first_meters[0]["line"])


def test_meters_have_the_agreed_shape(site: Site) -> None:
    for each in site.sim("GET", "/meters").json:
        assert set(each) == {"number", "profile", "host", "port", "unit", "line", "circuits"}
        assert each["host"] == "127.0.0.1" and 1 <= each["unit"] <= 247 and type(each["port"]) is int
        for one in each["circuits"]:
            assert set(one) == {"index", "opening", "balance", "purchase_count", "relay", "consumed", "accepted"}
            held = each["profile"].startswith("acrel") and not each["profile"].endswith("-purse")
            kinds = {type(one["opening"]), type(one["balance"])}
            assert kinds == ({type(None)} if held else {int})
            assert type(one["consumed"]) is int and one["relay"] in ("open", "closed")
            for order in one["accepted"]:
                assert set(order) == {"count", "kind", "amount", "at"} and order["at"].endswith("Z")
                assert order["kind"] in ("purchase", "return", "clear") and type(order["amount"]) is int


@pytest.mark.parametrize(
    "body", [{"lose": 1}, {"lose_reply": 2}, {"lose_reply": -0.1}, {"lose_reply": "x"}, {"seed": None}, {"down": 1},
             {"late_ms": -1}, [], 7, b"{", b"\0", b"\xff"],
)  # fmt: skip
def test_faults_that_nobody_knows_are_refused(site: Site, body: Any) -> None:
    answer = site.sim("POST", f"/lines/{line_of(site)}/faults", body)
    assert answer.status == 400 and answer.code


def test_unknown_lines_meters_and_addresses_are_404(site: Site) -> None:
    for path in ("/lines/none/faults", "/meters/000", "/nothing", "/lines/%00/faults"):
        assert site.sim("POST", path, {}).status == 404
    assert site.sim("POST", f"/meters/{site.first_meters[0]['number']}", {"load": 1}).status == 400
    assert site.sim("GET", "/reset-faults").status == 405


def test_faults_replace_all_earlier_ones_and_reset_leaves_the_meters_as_they_are(site: Site) -> None:
    shop = site.shop()
    line = site.meter(shop)["line"]
    assert site.sim("POST", f"/lines/{line}/faults", {"down": True, "seed": 1}).status == 200
    before = site.in_meter(shop)["balance"]
    assert site.sim("POST", f"/lines/{line}/faults", {"late_reply": 0.1, "late_ms": 50}).status == 200
    sale = site.sell(shop, 1500)
    assert site.api.settled(sale["id"], 60)["delivery"]["state"] == "confirmed", "the line must be up again"
    assert site.sim("POST", f"/lines/{line}/faults", {"down": True}).status == 200
    assert site.sim("POST", "/reset-faults").status == 200
    assert site.in_meter(shop)["balance"] > before


def test_only_what_is_named_changes_and_a_load_holds(site: Site) -> None:
    shop = site.shop()
    path = f"/meters/{shop['meter_number']}"
    assert site.sim("POST", path, {"load_w": 600_000}).status == 200
    assert site.sim("POST", path, {"press_key": True}).status == 200
    before = site.in_meter(shop)["consumed"]
    time.sleep(2)
    assert site.in_meter(shop)["consumed"] - before > 200, "power times time: 600 kW for two seconds is 333 Wh"
    assert site.sim("POST", path, {"load_w": 0}).status == 200
    still = site.in_meter(shop)
    time.sleep(1.5)
    assert site.in_meter(shop)["consumed"] == still["consumed"] and site.in_meter(shop)["balance"] == still["balance"]


def test_a_silent_meter_only_changes_the_figures(site: Site) -> None:
    shop = site.shop()
    path = f"/meters/{shop['meter_number']}"
    assert site.sim("POST", path, {"silent": True}).status == 200
    time.sleep(3)
    health = ask("GET", f"{site.url}/healthz")
    assert health.status == 200, health.text
    assert site.sim("POST", path, {"silent": False}).status == 200


def test_the_simulators_memory_survives_sigkill(site: Site) -> None:
    shop = site.shop()
    sale = site.sell(shop, 2500)
    site.api.settled(sale["id"], 60)
    site.sim("POST", f"/meters/{shop['meter_number']}", {"load_w": 0})
    before = site.in_meter(shop)
    pid = site.running.child("simulate")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)

    def back() -> dict[str, Any] | None:
        try:
            return site.in_meter(shop)
        except OSError:
            return None

    after = eventually(back, lambda found: found is not None, 30 * crowded())
    assert {**after, "consumed": 0, "balance": 0} == {**before, "consumed": 0, "balance": 0}
    total = after["opening"] + sum(order["amount"] for order in after["accepted"])
    assert total == after["balance"] + after["consumed"]
    assert abs(after["consumed"] - before["consumed"]) <= 1
    time.sleep(1)
    again = site.sell(shop, 1000)
    assert site.api.settled(again["id"], 60)["delivery"]["state"] == "confirmed"


def test_it_answers_only_pages_of_its_own_on_loopback(site: Site) -> None:
    foreign = ask("POST", site.ready["sim_url"] + "/reset-faults", None, {"Origin": "https://evil.example"})
    assert foreign.status == 403
    assert ask("GET", site.ready["sim_url"] + "/meters", None, {"Host": "evil.example"}).status == 403
