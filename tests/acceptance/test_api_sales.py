"""POST /sales and what follows: the shape of a SALE, the rules of the key, refusals, reversal."""

import json
import threading
import time
from collections.abc import Mapping
from typing import Any

import pytest

from tests.acceptance.caller import Answer, order
from tests.acceptance.conftest import Site
from tests.acceptance.test_api_reading import UTC_TIME

pytestmark = pytest.mark.processes
MOVING = {"state", "steps", "read_count", "next_try_at"}  # what a replayed SALE may show differently
STATES = {"waiting", "sent", "confirmed", "refused", "unknown", "disputed"}


def lasting(sale: Mapping[str, Any]) -> dict[str, Any]:
    """What of a SALE must never change."""
    kept = {name: value for name, value in sale.items() if name not in ("state", "delivery")}
    return {**kept, "delivery": {name: value for name, value in sale["delivery"].items() if name not in MOVING}}


def test_a_sale_is_on_the_meter_soon(site: Site) -> None:
    shop = site.shop()
    before, books = site.in_meter(shop), site.api.get("/books")
    sale = site.sell(shop, 5000)
    done = site.api.settled(sale["id"], 60)
    now = site.in_meter(shop)
    assert done["delivery"]["state"] == "confirmed", done
    assert now["purchase_count"] == before["purchase_count"] + 1 == done["delivery"]["expected_count"]
    [accepted] = now["accepted"][len(before["accepted"]) :]
    assert accepted["count"] == now["purchase_count"]
    assert (accepted["kind"], accepted["amount"]) == ("purchase", sale["credit"])
    after = site.api.get("/books")
    assert after["cash_minor"] == books["cash_minor"] + 5000
    assert after["deferred_income_minor"] == books["deferred_income_minor"] + 5000
    shown = site.api.get(f"/circuits/{shop['id']}")
    assert shown["purchase_count"] == now["purchase_count"]


def test_a_sale_has_the_agreed_shape_from_the_first_answer_to_the_last(site: Site) -> None:
    sale = site.sell(site.shop(), 2500)
    for each in (sale, site.api.settled(sale["id"], 60)):
        assert set(each) == {"id", "number", "state", "amount_minor", "currency", "credit", "credit_unit", "circuit_id",
                             "delivery"}  # fmt: skip
        delivery = each["delivery"]
        assert set(delivery) == {"state", "expected_count", "read_count", "steps", "next_try_at"}
        assert each["state"] == "sold" and delivery["state"] in STATES and delivery["steps"]
        assert each["amount_minor"] == 2500 and each["currency"] == "CNY" and each["credit_unit"] == "Wh"
        assert type(each["id"]) is type(each["number"]) is type(each["circuit_id"]) is str
        assert type(each["credit"]) is type(delivery["expected_count"]) is int and each["credit"] > 0
        assert all({"state", "at"} <= set(step) and UTC_TIME.fullmatch(step["at"]) for step in delivery["steps"])
        assert [step["at"] for step in delivery["steps"]] == sorted(step["at"] for step in delivery["steps"])
        assert delivery["next_try_at"] is None or UTC_TIME.fullmatch(delivery["next_try_at"])


def test_the_same_key_and_body_is_the_same_sale_again(site: Site) -> None:
    shop = site.shop()
    first = site.api.sell(shop, 3000, "again")
    site.sold.append(first.json["id"])
    assert first.status == 201 and "idempotent-replayed" not in first.headers
    site.api.settled(first.json["id"], 60)
    second = site.api.sell(shop, 3000, "again")
    assert second.status == 201 and second.headers["idempotent-replayed"] == "true"
    assert lasting(second.json) == lasting(first.json)
    assert second.json == site.api.get(f"/sales/{first.json['id']}")
    shuffled = json.dumps(dict(reversed(order(shop, 3000).items())), indent=3).encode()
    third = site.api("POST", "/sales", shuffled, Idempotency_Key="again")
    assert third.status == 201 and third.json["id"] == first.json["id"], "order and blanks of a body say nothing"
    assert len(site.in_meter(shop)["accepted"]) == 1


def test_the_same_key_with_another_body_is_refused(site: Site) -> None:
    shop, other = site.shop(), site.shop()
    site.sell(shop, 3000, "taken")
    assert site.api.sell(shop, 3001, "taken").refusal == (422, "key_reused")
    assert site.api.sell(other, 3000, "taken").refusal == (422, "key_reused")


@pytest.mark.parametrize("key", ["", "x" * 65, "x" * 9000, "caf\xe9"])
def test_without_a_usable_key_nothing_is_sold(site: Site, key: str) -> None:
    shop = site.shop()
    headers = {"Idempotency_Key": key} if key else {}
    assert site.api("POST", "/sales", order(shop, 3000), **headers).refusal == (400, "key_required")
    assert site.in_meter(shop)["accepted"] == []


@pytest.mark.parametrize("key", ["x", "x" * 64, "a b!~{}\"'\\"])
def test_every_key_of_one_to_64_ascii_characters_is_taken(site: Site, key: str) -> None:
    site.sell(site.shop(), 1000, key)


def test_twelve_at_once_with_one_key_are_one_sale(site: Site) -> None:
    shop, answers = site.shop(), list[Answer]()
    presses = [threading.Thread(target=lambda: answers.append(site.api.sell(shop, 3000, "dozen"))) for _ in range(12)]
    for press in presses:
        press.start()
    for press in presses:
        press.join()
    made = {answer.json["id"] for answer in answers if answer.status == 201}
    assert len(answers) == 12 and len(made) == 1
    assert all(answer.status == 201 or answer.refusal == (409, "key_busy") for answer in answers)
    site.sold.extend(made)
    site.api.settled(next(iter(made)), 60)
    assert len(site.in_meter(shop)["accepted"]) == 1


def test_two_cashiers_on_one_contract_at_once_sell_once(site: Site) -> None:
    shop, answers = site.shop(), list[Answer]()
    presses = [threading.Thread(target=lambda: answers.append(site.api.sell(shop, 3000))) for _ in range(2)]
    for press in presses:
        press.start()
    for press in presses:
        press.join()
    good = [answer for answer in answers if answer.status == 201]
    assert good and all(answer.status == 201 or answer.code == "delivery_open" for answer in answers)
    site.sold.extend(answer.json["id"] for answer in good)
    for answer in good:
        site.api.settled(answer.json["id"], 60)
    assert len(site.in_meter(shop)["accepted"]) == len(good)


@pytest.mark.parametrize(
    ("change", "status"),
    [({"amount_minor": 0}, 422), ({"amount_minor": -1}, 422), ({"amount_minor": 99}, 422),
     ({"amount_minor": 5_000_001}, 422), ({"amount_minor": 10**15}, 422), ({"amount_minor": 10**40}, 400),
     ({"amount_minor": "5000"}, 400), ({"amount_minor": 50.5}, 400), ({"amount_minor": True}, 400),
     ({"amount_minor": None}, 400), ({"tender": "gold"}, 400), ({"tender": None}, 400), ({"extra": 1}, 400),
     ({"contract_number": "none"}, 404), ({"contract_number": ""}, 404), ({"contract_number": "\0"}, 400),
     ({"contract_number": "x" * 9000}, 400), ({"contract_number": 1}, 400), ({"circuit_id": "0"}, 404),
     ({"circuit_id": "\0"}, 404), ({"circuit_id": "x"}, 404), ({"circuit_id": 7}, 400), ({"circuit_id": None}, 400)],
)  # fmt: skip
def test_a_wrong_order_is_refused_and_nothing_is_sold(site: Site, change: dict[str, Any], status: int) -> None:
    shop = next(each for each in site.first_circuits if each["contract_number"] and each["state"] == "normal")
    before = site.api.get("/books")["cash_minor"]
    answer = site.api("POST", "/sales", {**order(shop, 5000), **change}, Idempotency_Key=f"wrong-{time.monotonic_ns()}")
    assert answer.status == status and answer.code, answer.text
    assert site.api.get("/books")["cash_minor"] == before


@pytest.mark.parametrize(
    "body", [b"", b"{", b"null", b"[]", b"7", b'"x"', b"\0\0", b"\xff\xfe", b"{}", b"[" * 9000, b"9" * 9000,
             b'{"amount_minor":NaN}', b"a=b", b"{" * 200_000],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["application/json", "text/plain", "application/x-www-form-urlencoded"])
def test_a_body_of_rubbish_is_a_400(site: Site, body: bytes, kind: str) -> None:
    for path in ("/sales", "/sales/1/reversal", "/circuits/1/relay"):
        answer = site.api("POST", path, body, Idempotency_Key="rubbish", Content_Type=kind)
        assert answer.status == 400 and answer.code in ("malformed", "body_not_json"), (path, answer.text[:200])


def test_a_circuit_of_another_contract_and_one_that_is_not_opened_are_refused(site: Site) -> None:
    shop, other = site.shop(), site.shop()
    mixed = site.api("POST", "/sales", {**order(shop, 5000), "circuit_id": other["id"]}, Idempotency_Key="mix")
    assert mixed.refusal == (404, "circuit_not_of_contract")
    empty = next(each for each in site.first_circuits if each["state"] == "not_opened")
    if empty["contract_number"] is None:
        empty = {**empty, "contract_number": shop["contract_number"]}
    assert site.api.sell(empty, 5000).code in ("circuit_not_of_contract", "contract_not_open")


def test_a_common_area_meter_has_no_contract_and_cannot_be_sold_to(site: Site) -> None:
    common = next(
        each for each in site.first_circuits if each["custody"] == "server" and each["contract_number"] is None
    )
    shop = site.shop()
    answer = site.api("POST", "/sales", {**order(shop, 5000), "circuit_id": common["id"]}, Idempotency_Key="common")
    assert answer.code == "circuit_not_of_contract"
    assert site.in_meter(common)["accepted"] == []


def test_while_a_delivery_is_open_no_second_sale_is_taken(site: Site) -> None:
    shop = site.shop()
    site.sim("POST", f"/lines/{site.meter(shop)['line']}/faults", {"down": True})
    time.sleep(0.5)
    sale = site.sell(shop, 2000)
    assert site.api.sell(shop, 2000).refusal == (409, "delivery_open")
    site.sim("POST", "/reset-faults")
    done = site.api.settled(sale["id"], 60)
    assert done["delivery"]["state"] == "confirmed"


def test_a_sale_that_waits_can_be_reversed_once_and_one_in_the_meter_cannot(site: Site) -> None:
    shop = site.shop()
    site.sim("POST", f"/lines/{site.meter(shop)['line']}/faults", {"down": True})
    time.sleep(0.5)
    before = site.api.get("/books")
    first = site.api.sell(shop, 2000, "to-reverse")
    time.sleep(2.5)  # the head-end has tried and knows that nothing was sent
    sale = site.api.get(f"/sales/{first.json['id']}")
    assert sale["delivery"]["state"] == "waiting"
    assert site.api("POST", f"/sales/{sale['id']}/reversal", {"reason": " "}).refusal == (422, "reason_needed")
    answer = site.api("POST", f"/sales/{sale['id']}/reversal", {"reason": "wrong shop"})
    assert answer.status == 201
    back = answer.json
    assert (back["state"], back["delivery"]["state"]) == ("reversed", "refused")
    assert back["delivery"]["steps"][-1]["code"] == "reversed" and back["delivery"]["steps"][-1]["state"] == "refused"
    assert lasting(back) == lasting(first.json)
    again = site.api("POST", f"/sales/{sale['id']}/reversal", {"reason": "once more"})
    assert again.status == 409
    replay = site.api.sell(shop, 2000, "to-reverse")
    assert replay.status == 201 and replay.json == site.api.get(f"/sales/{sale['id']}") == back
    site.sim("POST", "/reset-faults")
    after = site.api.get("/books")
    assert (after["cash_minor"], after["in_delivery_minor"]) == (before["cash_minor"], before["in_delivery_minor"])
    time.sleep(3)
    assert site.in_meter(shop)["accepted"] == []
    later = site.sell(shop, 2000)
    assert site.api.settled(later["id"], 60)["delivery"]["state"] == "confirmed"
    refused = site.api("POST", f"/sales/{later['id']}/reversal", {"reason": "too late"})
    assert refused.refusal == (409, "credit_in_meter")


@pytest.mark.parametrize(
    "body", [{}, {"reason": None}, {"reason": 1}, {"reason": "\0"}, {"reason": "x" * 9000}, {"reason": "x", "more": 1}]
)
def test_a_malformed_reversal_is_a_400(site: Site, body: dict[str, Any]) -> None:
    assert site.api("POST", "/sales/1/reversal", body).status == 400


def test_a_reversal_of_nothing_is_a_404(site: Site) -> None:
    assert site.api("POST", "/sales/999999999/reversal", {"reason": "x"}).refusal == (404, "sale_unknown")
