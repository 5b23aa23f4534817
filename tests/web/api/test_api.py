"""The third-party API as a caller sees it: shapes, codes, scope, replay."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from prewatt.office.estate.models import Circuit, Contract, SupplyPoint
from prewatt.office.metering.clock import database_now
from prewatt.office.metering.models import JobRow, RelayWish
from prewatt.office.staff import keys
from prewatt.office.staff.models import Operator
from prewatt.office.vending.models import Sale
from tests.cast import Cast, assemble, lately_read
from tests.office.billing.scene import Shop
from tests.office.billing.test_intake import told

pytestmark = pytest.mark.django_db


class Caller:
    """A third party with a key."""

    def __init__(self, secret: str) -> None:
        self.replayed: str | None = None
        self.client = Client(headers={"X-API-Key": secret, "Accept-Language": "en"})

    def get(self, path: str, **headers: str) -> tuple[int, Any]:
        answer = self.client.get(f"/api/v1{path}", headers=headers)
        return answer.status_code, answer.json()

    def post(self, path: str, body: object, **headers: str) -> tuple[int, Any]:
        text = body if isinstance(body, str) else json.dumps(body)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.client.post(f"/api/v1{path}", text, content_type="application/json", headers=named)
        self.replayed = answer.headers.get("Idempotent-Replayed")
        return answer.status_code, answer.json()


@pytest.fixture
def cast() -> Cast:
    made = assemble()
    lately_read(made.shop_101, at=timezone.now())
    return made


def key_of(operator: Operator, cast: Cast) -> Caller:
    made = keys.make(name="integrator", operator=operator, till_id=cast.till.pk, actor=None, at=timezone.now())
    return Caller(made.secret)


@pytest.fixture
def bob(cast: Cast) -> Caller:
    return key_of(cast.bob, cast)


def sale(cast: Cast, **changes: object) -> dict[str, object]:
    return {"contract_number": "30010101", "circuit_id": str(cast.shop_101.pk), "amount_minor": 5000, "tender": "cash",
            **changes}  # fmt: skip


def code(answer: tuple[int, Any]) -> tuple[int, str]:
    status, body = answer
    assert set(body["error"]) == {"code", "message", "retry"}
    assert body["error"]["message"] and body["error"]["message"] != body["error"]["code"]
    return status, body["error"]["code"]


def test_a_sale_is_made_shown_and_replayed(cast: Cast, bob: Caller) -> None:
    status, first = bob.post("/sales", sale(cast), Idempotency_Key="a1")
    assert status == 201
    assert bob.replayed is None
    assert {name: first[name] for name in ("state", "amount_minor", "currency", "credit", "credit_unit")} == {
        "state": "sold", "amount_minor": 5000, "currency": "CNY", "credit": 54_350, "credit_unit": "Wh",
    }  # fmt: skip
    assert (first["delivery"]["state"], first["delivery"]["expected_count"]) == ("waiting", 6)
    assert [step["state"] for step in first["delivery"]["steps"]] == ["waiting"]
    assert bob.post("/sales", sale(cast), Idempotency_Key="a1") == (201, first)
    replayed: str | None = bob.replayed
    assert replayed == "true"
    assert bob.get(f"/sales/{first['id']}") == (200, first)
    assert Sale.objects.count() == 1


@pytest.mark.parametrize(
    ("changes", "headers", "answer"),
    [
        ({}, {}, (400, "key_required")),
        ({}, {"Idempotency_Key": "x" * 65}, (400, "key_required")),
        ({"amount_minor": "5000"}, {"Idempotency_Key": "b"}, (400, "malformed")),
        ({"amount_minor": 50.5}, {"Idempotency_Key": "b"}, (400, "malformed")),
        ({"amount_minor": True}, {"Idempotency_Key": "b"}, (400, "malformed")),
        ({"amount_minor": 10**30}, {"Idempotency_Key": "b"}, (400, "malformed")),
        ({"tender": "gold"}, {"Idempotency_Key": "b"}, (400, "malformed")),
        ({"discount": 1}, {"Idempotency_Key": "b"}, (400, "malformed")),
        ({"amount_minor": 0}, {"Idempotency_Key": "b"}, (422, "amount_malformed_minor")),
        ({"amount_minor": -5}, {"Idempotency_Key": "b"}, (422, "amount_malformed_minor")),
        ({"amount_minor": 1}, {"Idempotency_Key": "b"}, (422, "amount_too_small")),
        ({"contract_number": "99"}, {"Idempotency_Key": "b"}, (404, "contract_unknown")),
        ({"circuit_id": "99999"}, {"Idempotency_Key": "b"}, (404, "circuit_unknown")),
        ({"circuit_id": "abc"}, {"Idempotency_Key": "b"}, (404, "circuit_unknown")),
        ({"contract_number": "30010102"}, {"Idempotency_Key": "b"}, (404, "circuit_not_of_contract")),
    ],
)  # fmt: skip
def test_a_wrong_sale_is_refused_with_its_code_and_nothing_is_sold(
    cast: Cast, bob: Caller, changes: dict[str, object], headers: dict[str, str], answer: tuple[int, str]
) -> None:
    assert code(bob.post("/sales", sale(cast, **changes), **headers)) == answer
    assert not Sale.objects.exists() and not JobRow.objects.exists()


def test_a_server_held_sale_is_confirmed_at_once_in_money_and_reversed(cast: Cast, bob: Caller) -> None:
    body = sale(cast, contract_number="30010102", circuit_id=str(cast.shop_102.pk))
    status, made = bob.post("/sales", body, Idempotency_Key="c")
    assert (status, made["state"], made["credit"], made["credit_unit"]) == (201, "sold", 5000, "CNY")
    assert (made["delivery"]["state"], made["delivery"]["expected_count"], made["delivery"]["read_count"]) == (
        "confirmed", 1, 1,
    )  # fmt: skip
    assert bob.post("/sales", body, Idempotency_Key="c") == (201, made)
    circuit = bob.get(f"/circuits/{cast.shop_102.pk}")[1]
    assert (circuit["custody"], circuit["credit_unit"], circuit["balance"], circuit["purchase_count"]) == (
        "server", "CNY", 5000, 1,
    )  # fmt: skip
    assert bob.get("/books")[1]["deferred_income_minor"] == 5000
    supply = bob.get(f"/sales/{made['id']}/supply")[1]
    assert (supply["wish"], supply["decided"], supply["load_observed_at"]) == ("automatic", None, None)
    _, taken_back = bob.post(f"/sales/{made['id']}/reversal", {"reason": "wrong shop"})
    assert (taken_back["state"], taken_back["delivery"]["state"]) == ("reversed", "refused")
    assert taken_back["delivery"]["steps"][-1]["code"] == "reversed"
    assert bob.get(f"/circuits/{cast.shop_102.pk}")[1]["balance"] == 0


def test_a_server_held_circuit_is_sold_to_before_its_opening_reading(cast: Cast, bob: Caller) -> None:
    SupplyPoint.objects.filter(pk=cast.supply_102.pk).update(state="opening")
    Contract.objects.filter(number="30010102").update(state="opening")
    body = sale(cast, contract_number="30010102", circuit_id=str(cast.shop_102.pk))
    assert bob.post("/sales", body, Idempotency_Key="c")[0] == 201
    circuit = bob.get(f"/circuits/{cast.shop_102.pk}")[1]
    assert (circuit["state"], circuit["balance"], circuit["contract_number"]) == ("not_opened", 5000, "30010102")


def test_the_same_key_with_another_body_and_a_second_sale_while_one_is_open_are_refused(
    cast: Cast, bob: Caller
) -> None:
    bob.post("/sales", sale(cast), Idempotency_Key="a1")
    assert code(bob.post("/sales", sale(cast, amount_minor=6000), Idempotency_Key="a1")) == (422, "key_reused")
    assert code(bob.post("/sales", sale(cast), Idempotency_Key="a2")) == (409, "delivery_open")


def test_an_undelivered_sale_is_reversed_once(cast: Cast, bob: Caller) -> None:
    _, made = bob.post("/sales", sale(cast), Idempotency_Key="a1")
    status, reversed_sale = bob.post(f"/sales/{made['id']}/reversal", {"reason": "wrong shop"})
    assert (status, reversed_sale["state"], reversed_sale["delivery"]["state"]) == (201, "reversed", "refused")
    assert reversed_sale["delivery"]["steps"][-1]["code"] == "reversed"
    assert bob.post(f"/sales/{made['id']}/reversal", {"reason": "wrong shop"}) == (201, reversed_sale)
    assert code(bob.post(f"/sales/{made['id']}/reversal", {"reason": "again"})) == (409, "sale_reversed")
    _, books = bob.get("/books")
    assert (books["debit_minor"], books["credit_minor"]) == (10_000, 10_000)
    assert (books["cash_minor"], books["in_delivery_minor"]) == (0, 0)


def test_circuits_are_listed_in_pages_with_what_the_meter_said(cast: Cast, bob: Caller) -> None:
    status, first = bob.get("/circuits?limit=3")
    assert status == 200 and len(first["items"]) == 3
    _, second = bob.get(f"/circuits?limit=3&cursor={first['next']}")
    assert len(second["items"]) == 1 and second["next"] is None
    shop, server, closed = first["items"]
    assert shop == {
        "id": str(cast.shop_101.pk), "meter_number": "260311000001", "circuit_index": 1, "room": "A-101",
        "contract_number": "30010101", "profile": "pilot-spm9511", "custody": "meter", "credit_unit": "Wh",
        "balance": 100_000, "purchase_count": 5, "energy_wh": 1_000_000, "power_w": 850, "relay": "closed",
        "wish": "automatic", "state": "normal", "read_at": shop["read_at"],
    }  # fmt: skip
    assert (server["custody"], server["balance"], server["relay"]) == ("server", 0, "unknown")
    assert (closed["state"], closed["contract_number"]) == ("not_opened", None)
    assert bob.get(f"/circuits/{shop['id']}") == (200, shop)


def test_contracts_and_customers(cast: Cast, bob: Caller) -> None:
    assert bob.get("/contracts/30010101")[1] == {
        "number": "30010101", "customer_id": str(cast.contract_101.customer_id), "state": "open",
        "circuit_ids": [str(cast.shop_101.pk)],
    }  # fmt: skip
    assert [row["number"] for row in bob.get("/contracts")[1]["items"]] == ["30010101", "30010102"]
    [customer] = bob.get("/customers")[1]["items"]
    assert customer["contract_numbers"] == ["30010101", "30010102"]


@pytest.mark.parametrize("path", ["/circuits/{c}", "/contracts/30010101", "/sales/1"])
def test_charlie_gets_a_404_for_what_he_may_not_see(cast: Cast, bob: Caller, path: str) -> None:
    bob.post("/sales", sale(cast), Idempotency_Key="a1")
    charlie = key_of(cast.charlie, cast)
    status, _ = code(charlie.get(path.format(c=cast.shop_101.pk)))
    assert status == 404
    assert charlie.get("/circuits") == (200, {"items": [], "next": None})
    assert code(charlie.post("/sales", sale(cast), Idempotency_Key="z")) == (404, "contract_unknown")


@pytest.mark.parametrize("secret", ["", "nonsense", "密钥", "x" * 500])
def test_without_a_key_nothing_is_shown(cast: Cast, secret: str) -> None:
    assert code(Caller(secret.encode("ascii", "replace").decode()).get("/circuits")) == (401, "key_invalid")


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/circuits?cursor=zzz", (400, "cursor_malformed")),
        ("/circuits?limit=201", (400, "malformed")),
        ("/circuits?limit=0", (400, "malformed")),
        ("/circuits/99999999999999999999999", (404, "circuit_unknown")),
        ("/sales/abc", (404, "sale_unknown")),
    ],
)
def test_malformed_questions_are_refused(bob: Caller, path: str, answer: tuple[int, str]) -> None:
    assert code(bob.get(path)) == answer


def test_a_body_that_is_no_json_is_refused(bob: Caller) -> None:
    assert code(bob.post("/sales", "{", Idempotency_Key="a")) == (400, "body_not_json")


def test_the_relay_takes_a_wish_and_says_what_it_lacks(cast: Cast, bob: Caller) -> None:
    path = f"/circuits/{cast.shop_101.pk}/relay"
    assert code(bob.post(path, {"wish": "keep_on", "reason": "cold store"})) == (422, "wish_needs_until")
    until = "2099-01-01T00:00:00Z"
    assert code(bob.post(path, {"wish": "trip", "reason": "x", "until": until})) == (422, "wish_until_not_allowed")
    assert code(bob.post(path, {"wish": "trip", "reason": "  "})) == (422, "wish_needs_reason")
    status, body = bob.post(path, {"wish": "keep_on", "reason": "cold store", "until": until})
    assert (status, body["wish"]) == (202, "keep_on")
    assert bob.get(f"/circuits/{cast.shop_101.pk}")[1]["wish"] == "keep_on"
    assert JobRow.objects.get().payload["wish"] == "keep_on"


def test_a_circuit_that_must_never_be_cut_is_not_cut(cast: Cast, bob: Caller) -> None:
    Circuit.objects.filter(pk=cast.shop_101.pk).update(never_cut=True)
    answer = bob.post(f"/circuits/{cast.shop_101.pk}/relay", {"wish": "trip", "reason": "x"})
    assert code(answer) == (422, "never_cut")
    assert not RelayWish.objects.exists()


def test_a_cashiers_key_may_sell_but_not_switch(cast: Cast) -> None:
    alice = key_of(cast.alice, cast)
    answer = alice.post(f"/circuits/{cast.shop_101.pk}/relay", {"wish": "trip", "reason": "x"})
    assert code(answer) == (422, "not_permitted")


def test_messages_come_in_the_callers_language(bob: Caller) -> None:
    _, english = bob.get("/sales/1")
    _, chinese = bob.get("/sales/1", **{"Accept-Language": "zh-CN,zh;q=0.9"})
    assert english["error"]["message"].isascii()
    assert not chinese["error"]["message"].isascii()


def test_the_documentation_page_loads_nothing_from_elsewhere(client: Client) -> None:
    page = client.get("/api/v1/docs").content.decode()
    assert "http://" not in page and "https://" not in page
    assert "/sales/{sale_id}/reversal" in client.get("/api/v1/openapi.json").content.decode()


def test_readings_of_a_circuit_come_newest_first_with_what_is_thought_of_each(cast: Cast, bob: Caller) -> None:
    begins = database_now() - timedelta(minutes=10)
    shop = Shop(cast, cast.shop_103, cast.contract_101, cast.supply_101)
    for minute, wh in enumerate((1_000_000, 5_000, 1_000_100)):
        told(shop, begins + timedelta(minutes=minute), wh)
    path = f"/circuits/{cast.shop_103.pk}/readings"
    status, page = bob.get(f"{path}?limit=2")
    assert status == 200 and page["next"]
    assert [(each["energy_wh"], each["good"], each["mark"]) for each in page["items"]] == [
        (1_000_100, True, "good"), (5_000, False, "backward"),
    ]  # fmt: skip
    assert set(page["items"][0]) == {
        "at", "energy_wh", "power_w", "balance", "purchase_count", "relay", "source", "good", "mark",
    }  # fmt: skip
    assert (page["items"][0]["relay"], page["items"][0]["source"]) == ("closed", "poll")
    _, rest = bob.get(f"{path}?limit=2&cursor={page['next']}")
    assert [each["energy_wh"] for each in rest["items"]] == [1_000_000] and rest["next"] is None
    assert code(bob.get("/circuits/999999/readings")) == (404, "circuit_unknown")
    assert code(bob.get(f"{path}?cursor=k{'9' * 18}")) == (400, "cursor_malformed")
