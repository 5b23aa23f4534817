"""Relays on a running site: wishes, warning and credit trips, what blocks a closing; peers; stop and warm start.

One instance for all stories of this file, started as a user would. Telemetry (GET /circuits) is what counts:
the simulator's own word is asked only where the meter's inside matters.
"""

import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from prewatt.core.meters import catalogue
from prewatt.core.meters.quantities import Quantity
from tests.journeys.running import SETTLE_S, STOP_LIMIT_S, WARM_LIMIT_S, Running, books_at_rest, crowd
from tests.system import need

pytestmark = [pytest.mark.processes]
POLL_S = 5
SEEN_S = 30.0  # some polls; the machine may be busy
UNTIL_S = 60.0  # how late the end of a keep-on may be
HUGE_W = 9_000_000  # eats kilowatt-hours within the five seconds an overload is ridden through


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, loaded: Path) -> Iterator[Running]:
    directory = tmp_path_factory.mktemp("supply")
    running = Running.in_directory(directory, {"PREWATT_POLL_S": str(POLL_S)}, loaded=loaded).start()
    try:
        running.calm()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def rooms(site: Running) -> Iterator[Callable[[str], dict[str, Any]]]:
    by_room = {circuit["room"]: circuit for circuit in site.circuits()}
    yield lambda room: by_room[room]


def telemetry(site: Running, circuit: dict[str, Any], within_s: float = SEEN_S, **wanted: object) -> dict[str, Any]:
    """The circuit once its newest telemetry shows `wanted`."""
    deadline = time.monotonic() + within_s
    now: dict[str, Any] = {}
    while time.monotonic() < deadline:
        status, now = site.api("GET", f"/circuits/{circuit['id']}")
        assert status == 200, now
        if all(now[name] == value for name, value in wanted.items()):
            return now
        time.sleep(0.2)
    raise AssertionError(f"{circuit['room']} does not show {wanted} within {within_s} s: {now}")


def wish(site: Running, circuit: dict[str, Any], what: str, until: datetime | None = None) -> tuple[int, Any]:
    body = {"wish": what, "reason": "a story of the tests", "until": until.isoformat() if until else None}
    return site.api("POST", f"/circuits/{circuit['id']}/relay", body)


def load(site: Running, circuit: dict[str, Any], load_w: int) -> None:
    site.sim("POST", f"/meters/{circuit['meter_number']}", {"load_w": load_w})


def meter_of(site: Running, circuit: dict[str, Any]) -> dict[str, Any]:
    [meter] = [each for each in site.sim("GET", "/meters") if each["number"] == circuit["meter_number"]]
    return dict(meter)


def burn(site: Running, circuit: dict[str, Any], relay: str = "open") -> None:
    """A load so large that the credit is used within seconds, until the relay has moved."""
    load(site, circuit, HUGE_W)
    deadline = time.monotonic() + 20
    while meter_of(site, circuit)["circuits"][0]["relay"] != relay:
        assert time.monotonic() < deadline, f"{circuit['room']} is not {relay} after 20 s of {HUGE_W} W"
        time.sleep(0.1)
    load(site, circuit, 1_500)


def test_mbpoll_reads_a_meter_of_the_running_demo(site: Running, rooms: Callable[[str], dict[str, Any]]) -> None:
    room = rooms("4-201")  # behind a Modbus-TCP gateway
    meter = meter_of(site, room)
    count = catalogue()[room["profile"]].registers[Quantity.PURCHASE_COUNT]
    found = subprocess.run(
        [need("mbpoll"), "-m", "tcp", "-p", str(meter["port"]), "-a", str(meter["unit"]), "-0",
         "-r", str(count.address), "-c", "1", "-t", "4", "-1", meter["host"]],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    assert found.stdout.split("]:")[1].split()[0] == str(meter["circuits"][0]["purchase_count"])


def test_a_trip_is_seen_in_the_telemetry_and_automatic_gives_the_supply_back(
    site: Running, rooms: Callable[[str], dict[str, Any]]
) -> None:
    shop = rooms("A-502")
    load(site, shop, 1_200)
    telemetry(site, shop, relay="closed", power_w=1_200)
    assert wish(site, shop, "trip")[0] == 202
    now = telemetry(site, shop, relay="open", power_w=0, wish="trip")
    assert now["balance"] > 0, "there was credit left"
    assert wish(site, shop, "automatic")[0] == 202
    telemetry(site, shop, relay="closed", power_w=1_200, wish="automatic")
    load(site, shop, 0)


def test_a_warning_trips_and_a_sale_closes(site: Running, rooms: Callable[[str], dict[str, Any]]) -> None:
    shop = rooms("B-104")  # stands close above its second alarm, which trips as a warning
    burn(site, shop)
    now = telemetry(site, shop, relay="open", power_w=0, state="alarm_2")
    assert now["balance"] > 0, "a warning trips with credit left"
    assert now["wish"] == "automatic"
    status, sale = site.sell(shop, 10_000)
    assert status == 201, sale
    site.until(sale["id"], "confirmed", within_s=SETTLE_S)
    telemetry(site, shop, relay="closed", power_w=1_500)
    load(site, shop, 0)


def test_used_up_credit_trips_and_a_sale_closes(site: Running, rooms: Callable[[str], dict[str, Any]]) -> None:
    shop = rooms("D-07")  # some four kilowatt-hours left
    burn(site, shop)
    now = telemetry(site, shop, relay="open", power_w=0)
    assert now["balance"] <= 0 and now["state"] == "arrears", now
    assert now["wish"] == "automatic", "the wish is the operator's: credit trips without one"
    status, sale = site.sell(shop, 5_000)
    assert status == 201, sale
    done = site.until(sale["id"], "confirmed", within_s=SETTLE_S)
    telemetry(site, shop, relay="closed", power_w=1_500)
    assert done["credit"] == sale["credit"] > 0
    load(site, shop, 0)


def test_kept_on_holds_a_supply_without_credit_until_its_end(
    site: Running, rooms: Callable[[str], dict[str, Any]]
) -> None:
    shop = rooms("A-305")  # dark since Saturday: no credit
    load(site, shop, 300)
    telemetry(site, shop, relay="open")
    assert wish(site, shop, "keep_on")[1]["error"]["code"] == "wish_needs_until"
    ends_at = datetime.now(UTC) + timedelta(seconds=15)
    assert wish(site, shop, "keep_on", ends_at)[0] == 202
    telemetry(site, shop, within_s=15, relay="closed", power_w=300, wish="keep_on")
    left_s = (ends_at - datetime.now(UTC)).total_seconds()
    telemetry(site, shop, within_s=left_s + UNTIL_S, wish="automatic", relay="open", power_w=0)
    assert datetime.now(UTC) >= ends_at, "not before its end"
    load(site, shop, 0)


def test_an_overload_blocks_closing_until_somebody_was_there(
    site: Running, rooms: Callable[[str], dict[str, Any]]
) -> None:
    shop = rooms("A-503")
    load(site, shop, 9_500)  # its limit is 8,000 W
    telemetry(site, shop, relay="open", power_w=0)
    until = datetime.now(UTC) + timedelta(hours=1)
    for what, end in (("keep_on", until), ("automatic", None)):
        status, refused = wish(site, shop, what, end)
        assert status in (409, 422) and refused["error"]["code"] == "close_blocked_overload", (what, refused)
    load(site, shop, 500)
    site.sim("POST", f"/meters/{shop['meter_number']}", {"press_key": True})
    telemetry(site, shop, relay="closed", power_w=500)
    assert wish(site, shop, "keep_on", until)[0] == 202
    telemetry(site, shop, wish="keep_on", relay="closed")
    assert wish(site, shop, "automatic")[0] == 202
    load(site, shop, 0)


def test_a_sale_that_waits_for_its_line_is_reversed_and_never_arrives(
    site: Running, rooms: Callable[[str], dict[str, Any]]
) -> None:
    shop = rooms("B-502")
    meter = meter_of(site, shop)
    count = meter["circuits"][0]["purchase_count"]
    site.sim("POST", f"/lines/{meter['line']}/faults", {"down": True})
    time.sleep(1)
    status, sale = site.sell(shop, 3_000)
    assert status == 201, sale
    site.until(sale["id"], "waiting", within_s=SEEN_S)
    status, reversed_sale = site.api("POST", f"/sales/{sale['id']}/reversal", {"reason": "wrong shop"})
    assert status == 201, reversed_sale
    assert (reversed_sale["state"], reversed_sale["delivery"]["state"]) == ("reversed", "refused")
    assert reversed_sale["delivery"]["steps"][-1]["code"] == "reversed"
    site.sim("POST", f"/lines/{meter['line']}/faults", {})
    status, again = site.sell(shop, 4_000)
    assert status == 201, again
    assert again["delivery"]["expected_count"] == sale["delivery"]["expected_count"] == count + 1
    site.until(again["id"], "confirmed", within_s=SETTLE_S)
    accepted = meter_of(site, shop)["circuits"][0]["accepted"]
    assert [order["amount"] for order in accepted] == [again["credit"]]
    status, refused = site.api("POST", f"/sales/{again['id']}/reversal", {"reason": "too late"})
    assert status == 409, refused
    assert site.sale(sale["id"])["state"] == "reversed"


def test_it_stops_cleanly_and_goes_on_with_the_same_data(site: Running, capsys: pytest.CaptureFixture[str]) -> None:
    site.calm()
    time.sleep(3 * POLL_S)  # the last watt-hours have been read
    before = {each["id"]: (each["balance"], each["purchase_count"]) for each in site.circuits()}
    books = books_at_rest(lambda: dict(site.api("GET", "/books")[1]))
    began = time.monotonic()
    assert site.stop() == 0
    stopped_s = time.monotonic() - began
    began = time.monotonic()
    site.start()
    started_s = time.monotonic() - began
    with capsys.disabled():
        print(f"\nstopped in {stopped_s:.1f} s, serving again after {started_s:.1f} s")
    assert stopped_s <= STOP_LIMIT_S
    assert {"url", "stream_url", "sim_url", "api_key", "logins"} <= site.ready.keys()
    assert {each["id"]: (each["balance"], each["purchase_count"]) for each in site.circuits()} == before
    assert site.api("GET", "/books")[1] == books
    assert started_s <= WARM_LIMIT_S * crowd(), f"a warm start took {started_s:.1f} s"
