"""What a stranger finds when the site says that it is ready, before he touches anything."""

import re
import time
from collections import Counter

import pytest

from tests.acceptance.conftest import Site

pytestmark = pytest.mark.processes
QUIET_S = 25
ROLES = {"cashier", "manager", "finance", "electrician", "administrator"}


def test_the_ready_line_names_all_doors_a_key_and_a_login_for_each_role(site: Site) -> None:
    assert set(site.ready) == {"url", "stream_url", "sim_url", "api_key", "logins"}
    base = int(site.url.rpartition(":")[2])
    assert site.ready["stream_url"] == f"http://127.0.0.1:{base + 1}"
    assert site.ready["sim_url"] == f"http://127.0.0.1:{base + 2}"
    assert {each["role"] for each in site.ready["logins"]} == ROLES
    assert all(set(each) == {"role", "username", "password"} for each in site.ready["logins"])


def test_all_six_states_are_there(site: Site) -> None:
    states = Counter(each["state"] for each in site.first_circuits)
    assert set(states) == {"normal", "alarm_1", "alarm_2", "arrears", "not_opened", "offline"}
    assert states["not_opened"] == 6 and states["offline"] == 2 + 6  # two are silent, six are STS meters on no line
    assert 7 <= states["alarm_1"] <= 12 and 4 <= states["alarm_2"] <= 7 and 2 <= states["arrears"] <= 4


def test_the_mall_and_the_dormitory_stand_with_one_kept_on(site: Site) -> None:
    assert len(site.first_circuits) >= 360
    assert [each["wish"] for each in site.first_circuits].count("keep_on") == 1
    assert {each["wish"] for each in site.first_circuits} == {"keep_on", "automatic"}
    assert all(re.fullmatch(r"\d{12}", each["meter_number"]) for each in site.first_circuits)
    assert {each["custody"] for each in site.first_circuits} == {"meter", "server"}


def test_every_meter_of_the_site_is_one_of_the_simulators(site: Site) -> None:
    shown = {(each["meter_number"], each["circuit_index"], each["profile"]) for each in site.first_circuits}
    there = {(each["number"], one["index"], each["profile"]) for each in site.first_meters for one in each["circuits"]}
    assert shown == there


def paid_in(site: Site) -> dict[str, int]:
    """Purchases of each circuit: what is charged as electricity is used is no sale."""
    return {each["id"]: each["purchase_count"] for each in site.api.all_of("/circuits")}


def test_nothing_is_on_its_way_and_the_site_sells_nothing_by_itself(site: Site) -> None:
    before = site.api.get("/books")
    assert before["in_delivery_minor"] == 0 and before["debit_minor"] == before["credit_minor"]
    paid = paid_in(site)
    assert all(one["accepted"] == [] for each in site.first_meters for one in each["circuits"])
    time.sleep(max(0.0, site.first_at + QUIET_S - time.monotonic()))
    assert site.api.get("/books")["cash_minor"] == before["cash_minor"] and paid_in(site) == paid
    assert all(one["accepted"] == [] for each in site.meters().values() for one in each["circuits"])


@pytest.mark.soak
def test_for_two_minutes_it_sells_nothing_by_itself(site: Site) -> None:
    before, paid = site.api.get("/books"), paid_in(site)
    time.sleep(120)
    assert site.api.get("/books")["cash_minor"] == before["cash_minor"] and paid_in(site) == paid


def test_the_credit_shown_is_the_credit_in_the_meter(site: Site) -> None:
    """Loads run on, so what was read some seconds ago may be a little more than what is left."""
    meters, told = site.meters(), []
    for each in site.api.all_of("/circuits"):
        [one] = [one for one in meters[each["meter_number"]]["circuits"] if one["index"] == each["circuit_index"]]
        if each["state"] == "offline" or each["balance"] is None:
            continue
        if each["custody"] == "server":
            assert one["balance"] is None, "the books hold it, the meter holds none"
            continue
        if each["purchase_count"] != one["purchase_count"] or abs(each["balance"] - one["balance"]) > 2000:
            told.append((each, one))
    assert told == []
