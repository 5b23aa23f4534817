"""What a caller sees of credit that travels as tokens: the quote before paying, the digits, what is refused then."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from prewatt.office.staff import keys
from prewatt.office.tokens import issuing
from prewatt.office.vending import deliveries
from tests.office.vending.token_scene import TokenScene, build
from tests.web.api.test_api import Caller, code

pytestmark = pytest.mark.django_db


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> TokenScene:
    return build(monkeypatch, hoarding_limit=1_000_000, at=timezone.now() - timedelta(hours=1))


@pytest.fixture
def shop(scene: TokenScene) -> Caller:
    cast = scene.tokens.cast
    made = keys.make(name="shop", operator=cast.bob, till_id=cast.till.pk, actor=None, at=timezone.now())
    return Caller(made.secret)


def sold(shop: Caller, scene: TokenScene, key: str = "k1", amount_minor: int = 5000) -> tuple[int, Any]:
    body = {"contract_number": scene.contract.number, "circuit_id": str(scene.circuit.pk), "amount_minor": amount_minor}
    return shop.post("/sales", body, Idempotency_Key=key)


def quoted(shop: Caller, scene: TokenScene, amount: object = 5000, contract: str = "") -> tuple[int, Any]:
    number = contract or scene.contract.number
    return shop.get(f"/quote?contract_number={number}&circuit_id={scene.circuit.pk}&amount_minor={amount}")


def test_the_quote_says_what_is_bought_and_what_to_say_first(scene: TokenScene, shop: Caller) -> None:
    status, found = quoted(shop, scene)
    assert status == 200
    [warning] = found.pop("warnings")
    assert warning["code"] == "limit_not_judged" and "register" in warning["message"]
    assert found == {
        "contract_number": scene.contract.number, "circuit_id": str(scene.circuit.pk), "amount_minor": 5000,
        "currency": "CNY", "price": "0.9200", "credit": 54_400, "credit_unit": "Wh", "repaid": 0, "balance": None,
        "balance_at": None, "carrier": "token",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("amount", "contract", "refused"),
    [
        (1, "", (422, "amount_too_small")), (0, "", (422, "amount_malformed_minor")),
        ("x", "", (400, "malformed")), (5000, "1", (404, "contract_unknown")),
        (5000, "30010101", (404, "circuit_not_of_contract")),
    ],
)  # fmt: skip
def test_a_quote_is_refused_where_the_sale_would_be(
    scene: TokenScene, shop: Caller, amount: object, contract: str, refused: tuple[int, str]
) -> None:
    assert code(quoted(shop, scene, amount, contract)) == refused


def test_a_quote_is_there_for_every_carrier(scene: TokenScene, shop: Caller) -> None:
    cast = scene.tokens.cast
    status, found = shop.get(f"/quote?contract_number=30010102&circuit_id={cast.shop_102.pk}&amount_minor=5000")
    assert (status, found["carrier"], found["credit"], found["warnings"]) == (200, "network", 5000, [])


def test_the_digits_are_in_the_answer_and_in_every_later_one(scene: TokenScene, shop: Caller) -> None:
    status, sale = sold(shop, scene)
    assert status == 201
    [digits] = sale["tokens"]
    assert re.fullmatch("[0-9]{20}", digits) and sale["delivery"]["state"] == "confirmed"
    assert sold(shop, scene) == (201, sale) and shop.get(f"/sales/{sale['id']}") == (200, sale)
    assert code(shop.post(f"/sales/{sale['id']}/reversal", {"reason": "x"})) == (409, "token_made")


def test_while_the_vault_is_closed_the_sale_stands_without_digits(scene: TokenScene, shop: Caller) -> None:
    scene.lock_vault()
    status, sale = sold(shop, scene)
    assert (status, sale["tokens"], sale["delivery"]["state"]) == (201, [], "waiting")
    assert code(sold(shop, scene, "k2")) == (409, "delivery_open")
    scene.unlock_vault()
    later = timezone.now() + timedelta(minutes=1)
    issuing.sweep(rack=scene.rack, at=later)
    deliveries.sweep(at=later)
    found = shop.get(f"/sales/{sale['id']}")[1]
    assert (len(found["tokens"]), found["delivery"]["state"]) == (1, "confirmed")


def test_before_there_are_digits_a_sale_is_reversed(scene: TokenScene, shop: Caller) -> None:
    scene.lock_vault()
    sale = sold(shop, scene)[1]
    status, back = shop.post(f"/sales/{sale['id']}/reversal", {"reason": "x"})
    assert (status, back["state"], back["tokens"], back["delivery"]["state"]) == (201, "reversed", [], "refused")
    scene.agree()


def test_a_meter_that_is_never_online_takes_no_command(scene: TokenScene, shop: Caller) -> None:
    body = {"wish": "trip", "reason": "x"}
    assert code(shop.post(f"/circuits/{scene.circuit.pk}/relay", body)) == (422, "meter_without_line")
