"""POST /circuits/{id}/relay: what is accepted, what comes of it in the meter, and whose word `wish` is."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.acceptance.caller import crowded, eventually
from tests.acceptance.conftest import Site

pytestmark = pytest.mark.processes
REACHED_S = 30.0


def later(hours: float) -> str:
    return (datetime.now(UTC) + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")


def wish(site: Site, circuit: dict[str, Any], word: str, until: str | None = None) -> None:
    body = {"wish": word, "reason": "acceptance", "until": until}
    answer = site.api("POST", f"/circuits/{circuit['id']}/relay", body)
    assert answer.status == 202, answer.text


def reaches(site: Site, circuit: dict[str, Any], relay: str, word: str) -> dict[str, Any]:
    """The circuit once both the meter and the API have its relay there."""
    eventually(lambda: site.in_meter(circuit)["relay"], lambda found: found == relay, REACHED_S * crowded())
    return dict(eventually(
        lambda: site.api.get(f"/circuits/{circuit['id']}"),
        lambda found: found["relay"] == relay and found["wish"] == word, REACHED_S * crowded(),
    ))  # fmt: skip


def test_tripped_then_automatic_is_dark_then_lit(site: Site) -> None:
    shop = site.shop()
    site.sim("POST", f"/meters/{shop['meter_number']}", {"load_w": 700})
    wish(site, shop, "trip")
    dark = eventually(lambda: reaches(site, shop, "open", "trip"), lambda found: found["power_w"] == 0, REACHED_S)
    assert dark["state"] == "normal", "a state tells of the credit, not of the relay"
    wish(site, shop, "automatic")
    eventually(lambda: reaches(site, shop, "closed", "automatic"), lambda found: found["power_w"] > 500, REACHED_S)


def test_a_common_area_meter_follows_orders_too(site: Site) -> None:
    common = next(
        each for each in site.first_circuits if each["custody"] == "server" and each["contract_number"] is None
    )
    wish(site, common, "trip")
    reaches(site, common, "open", "trip")
    wish(site, common, "keep_on", later(1))
    reaches(site, common, "closed", "keep_on")
    wish(site, common, "automatic")
    reaches(site, common, "closed", "automatic")


def almost_empty(site: Site) -> dict[str, Any]:
    """A lit circuit whose credit a big load eats in seconds, and whose meter does not cut as a warning."""
    left = [
        each for each in site.first_circuits
        if each["state"] in ("alarm_1", "alarm_2") and each["relay"] == "closed" and each["id"] not in site.taken
    ]  # fmt: skip
    found = min(left, key=lambda each: each["balance"])
    site.taken.append(found["id"])
    return dict(found)


def test_credit_that_runs_out_trips_the_supply_and_a_sale_restores_it_without_touching_the_wish(site: Site) -> None:
    """The meter does both by itself; the wish stays the operator's `automatic`."""
    poor = almost_empty(site)
    site.sim("POST", f"/meters/{poor['meter_number']}", {"load_w": site.in_meter(poor)["balance"] * 360})  # ten seconds
    eventually(lambda: site.in_meter(poor)["relay"], lambda found: found == "open", 60)
    dark = eventually(lambda: reaches(site, poor, "open", "automatic"), lambda found: found["balance"] <= 0, REACHED_S)
    assert dark["state"] == "arrears" and -50 <= dark["balance"] <= 0
    site.sim("POST", f"/meters/{poor['meter_number']}", {"load_w": 0})
    sale = site.sell(poor, 10_000)
    assert site.api.settled(sale["id"], 60)["delivery"]["state"] == "confirmed"
    lit = eventually(lambda: reaches(site, poor, "closed", "automatic"), lambda found: found["balance"] > 0, REACHED_S)
    assert lit["state"] == "normal"


def test_kept_on_stays_lit_past_zero_and_automatic_lets_the_meter_decide(site: Site) -> None:
    poor = almost_empty(site)
    wish(site, poor, "keep_on", later(2))
    reaches(site, poor, "closed", "keep_on")
    site.sim("POST", f"/meters/{poor['meter_number']}", {"load_w": 5_000_000})
    eventually(lambda: site.in_meter(poor)["balance"], lambda found: found < 0, 60)
    site.sim("POST", f"/meters/{poor['meter_number']}", {"load_w": 0})
    time.sleep(1)
    assert site.in_meter(poor)["relay"] == "closed"
    wish(site, poor, "automatic")
    reaches(site, poor, "open", "automatic")


@pytest.mark.parametrize(
    ("body", "status"),
    [({}, 400), ({"wish": "off", "reason": "x"}, 400), ({"wish": "trip"}, 400), ({"wish": "trip", "reason": ""}, 422),
     ({"wish": "trip", "reason": "\0"}, 400), ({"wish": "trip", "reason": "x" * 9000}, 400),
     ({"wish": "trip", "reason": "x", "more": 1}, 400), ({"wish": "keep_on", "reason": "x", "until": None}, 422),
     ({"wish": "keep_on", "reason": "x"}, 422), ({"wish": "keep_on", "reason": "x", "until": "soon"}, 400),
     ({"wish": "keep_on", "reason": "x", "until": "2020-01-01T00:00:00Z"}, 422),
     ({"wish": "keep_on", "reason": "x", "until": "2099-02-30T00:00:00Z"}, 400),
     ({"wish": "keep_on", "reason": "x", "until": "2099-01-01"}, 400),
     ({"wish": "keep_on", "reason": "x", "until": 4070908800}, 400),
     ({"wish": "keep_on", "reason": "x", "until": "9999-12-31T23:59:59-12:00"}, 400),
     ({"wish": "keep_on", "reason": "x", "until": "0001-01-01T00:00:00+12:00"}, 400),
     ({"wish": "keep_on", "reason": "x", "until": "\0"}, 400),
     ({"wish": "trip", "reason": "x", "until": "2099-01-01T00:00:00Z"}, 422),
     ({"wish": "automatic", "reason": "x", "until": "2099-01-01T00:00:00Z"}, 422)],
)  # fmt: skip
def test_a_wrong_wish_is_refused_and_changes_nothing(site: Site, body: dict[str, Any], status: int) -> None:
    shop = next(each for each in site.first_circuits if each["contract_number"] and each["wish"] == "automatic")
    answer = site.api("POST", f"/circuits/{shop['id']}/relay", body)
    assert answer.status == status and answer.code, answer.text
    assert site.api.get(f"/circuits/{shop['id']}")["wish"] == "automatic"


def test_an_end_is_understood_in_any_zone(site: Site) -> None:
    shop = site.shop()
    body = {"wish": "keep_on", "reason": "x", "until": "2099-01-01T08:00:00+08:00"}
    answer = site.api("POST", f"/circuits/{shop['id']}/relay", body)
    assert answer.status == 202 and answer.json["until"] == "2099-01-01T00:00:00.000Z"
    wish(site, shop, "automatic")


def test_an_unknown_circuit_is_a_404(site: Site) -> None:
    body = {"wish": "trip", "reason": "x", "until": None}
    assert site.api("POST", "/circuits/999999/relay", body).refusal == (404, "circuit_unknown")
