"""Selling at the counter, without a browser: what the form takes, what it refuses, and that it sells once."""

import re

import pytest

from prewatt.office.estate.models import Contract, Customer, SupplyPoint
from prewatt.office.vending.models import CircuitCredit, Sale, Shift
from tests.cast import OPENED, lately_read
from tests.web.console import sell_desk
from tests.web.console.sell_desk import READ, Desk, text_of

pytestmark = pytest.mark.django_db
HOOKS = ("sell-find", "sell-amount", "sell-submit")


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    return sell_desk.make(monkeypatch)


def test_the_three_moves_are_there_from_the_start(desk: Desk) -> None:
    text = text_of(desk.alice.get("/console/sell"))
    for hook in HOOKS:
        assert text.count(f'data-test="{hook}"') == 1
    assert 'name="request_key" value=""' not in text


@pytest.mark.parametrize(
    "typed", ["A-101", "a101", "30010101", "260311000001", "13900002286", "Shop A-101", "Li Xingye"]
)
def test_whatever_names_one_customer_sells_to_him(desk: Desk, typed: str) -> None:
    SupplyPoint.objects.filter(circuit=desk.cast.shop_102).update(state="closed", valid_to=OPENED.replace(day=2))
    sale = desk.sell(find=typed)
    assert (sale.circuit_id, sale.amount_minor, sale.shift_id) == (desk.cast.shop_101.pk, 5_000, desk.shift.pk)


def test_the_same_form_pressed_twice_sells_once(desk: Desk) -> None:
    assert desk.sell().pk == desk.sell().pk
    assert Sale.objects.count() == 1


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ({"amount": "0"}, "amount_malformed_minor"),
        ({"amount": "-5"}, "amount_malformed_minor"),
        ({"amount": "five"}, "amount_malformed"),
        ({"amount": "1.234"}, "amount_too_precise"),
        ({"amount": "0.5"}, "amount_too_small"),
        ({"amount": "60000"}, "amount_above_limit"),
        ({"amount": "2000"}, "hoarding_limit"),
        ({"find": "no such room"}, "contract_unknown"),
        ({"find": ""}, "contract_unknown"),
        ({"find": "A-103"}, "circuit_not_of_contract"),
        ({"tender": "gold"}, "tender_unknown"),
        ({"tender": "pos_card"}, "reference_needed"),
        ({"request_key": ""}, "key_required"),
    ],
)
def test_a_refusal_says_its_code_keeps_what_was_typed_and_sells_nothing(
    desk: Desk, typed: dict[str, str], code: str
) -> None:
    answer = desk.alice.post("/console/sell", desk.form(**typed))
    text = text_of(answer)
    assert answer.status_code == 422
    assert f'data-code="{code}"' in text
    assert f'value="{desk.form(**typed)["amount"]}"' in text
    assert not Sale.objects.exists()


def test_over_the_limit_says_how_much_fits_and_offers_it(desk: Desk) -> None:
    text = text_of(desk.alice.post("/console/sell", desk.form(amount="2000")))
    # 2,000.00 kWh may be held, 100.00 are: 1,900.00 kWh x 0.92
    assert "¥1,748.00" in text
    assert 'data-amount="1748.00"' in text


def test_two_that_fit_are_shown_to_choose_from(desk: Desk) -> None:
    text = text_of(desk.alice.post("/console/sell", desk.form(find="A-10")))
    assert re.findall(r'<span class="room">(A-10\d)</span>', text) == ["A-101", "A-102", "A-103"]
    assert not Sale.objects.exists()


def test_of_two_with_one_name_the_one_with_a_contract_is_meant(desk: Desk) -> None:
    customer = Customer.objects.get(contract__number="30010101")
    Contract.objects.create(site=desk.cast.site, number="30010109", customer=customer, state="open", opened_at=OPENED)
    assert desk.sell(find="A-101").contract_id == desk.cast.contract_101.pk


def test_without_a_shift_the_page_opens_one_in_place_and_takes_no_money(desk: Desk) -> None:
    Shift.objects.all().delete()
    answer = desk.alice.post("/console/sell", desk.form())
    text = text_of(answer)
    assert answer.status_code == 422
    assert 'data-code="shift_not_open"' in text and 'data-test="shift-open"' in text
    assert not Sale.objects.exists()
    opened = desk.alice.post(
        "/console/shift/open", {"till": str(desk.cast.window.pk), "float": "500", "next": "/console/sell"}
    )
    assert (opened.status_code, opened["Location"]) == (302, "/console/sell")
    assert desk.sell().till_id == desk.cast.window.pk


def test_the_quote_is_an_equation_before_anybody_pays(desk: Desk) -> None:
    lately_read(desk.cast.shop_101, at=READ, balance=-12_350)
    text = text_of(desk.alice.get(f"/console/sell/quote?circuit={desk.cast.shop_101.pk}&amount=500"))
    figures = re.findall(r'<div class="v">([^<]*)', text)
    assert figures == ["¥500.00", "12.35", "531.13"]
    assert "543.48 kWh" in text and "worth ¥11.36" in text and "balance then 531.13" in text
    assert not Sale.objects.exists()


def test_the_typeahead_names_the_only_one_and_hides_the_middle_of_a_phone(desk: Desk) -> None:
    text = text_of(desk.alice.get("/console/sell/find", {"find": "A-101"}))
    assert f'data-exact="{desk.cast.shop_101.pk}"' in text
    assert "139****2286" in text and "13900002286" not in text
    assert 'data-exact=""' in text_of(desk.alice.get("/console/sell/find", {"find": "A-10"}))


def test_after_a_lost_answer_the_key_finds_the_sale_and_nobody_elses(desk: Desk) -> None:
    assert desk.alice.get("/console/sell/asked", {"key": "k1"}).status_code == 404
    sale = desk.sell()
    answer = desk.alice.get("/console/sell/asked", {"key": "k1"})
    assert answer.json() == {"url": f"/console/sales/{sale.pk}"}
    assert desk.bob.get("/console/sell/asked", {"key": "k1"}).status_code == 404


def test_a_script_gets_the_address_and_a_refusal_in_parts(desk: Desk) -> None:
    headers = {"HX-Request": "true"}
    refused = desk.alice.post("/console/sell", desk.form(amount="x"), headers=headers)
    assert refused.status_code == 422
    assert text_of(refused).lstrip().startswith('<div id="sell-who">')
    sold = desk.alice.post("/console/sell", desk.form(), headers=headers)
    assert sold.status_code == 201
    assert sold.json() == {"url": f"/console/sales/{Sale.objects.get().pk}"}


def test_who_has_no_scope_or_another_role_does_not_sell(desk: Desk) -> None:
    assert desk.charlie.get("/console/sell").status_code == 403
    assert desk.charlie.post("/console/sell", desk.form()).status_code == 403
    type(desk.cast.bob).objects.filter(pk=desk.cast.bob.pk).update(role="finance")
    assert desk.bob.post("/console/sell", desk.form()).status_code == 403
    assert not Sale.objects.exists()
    assert desk.alice.get(f"/console/sell/circuits/{10**15}").status_code == 404


def test_a_purchase_on_its_way_is_not_paid_again(desk: Desk) -> None:
    desk.sell()
    answer = desk.alice.post("/console/sell", desk.form(request_key="k2"))
    assert answer.status_code == 422
    assert 'data-code="delivery_open"' in text_of(answer)
    assert "Do not take payment again" in text_of(answer)
    assert CircuitCredit.objects.get(circuit=desk.cast.shop_101).purchase_count == 5
