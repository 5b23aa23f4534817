"""Selling by token on the pages: the warning before paying, the digits, the receipt, the lists, opening and closing."""

import re
from datetime import timedelta
from io import BytesIO
from itertools import count
from types import SimpleNamespace

import pytest
from django.test import Client
from pytest_django import Settings
from python_calamine import CalamineWorkbook

from prewatt.office.alarms.models import Notice
from prewatt.office.estate.models import Customer, Meter, SupplyPoint
from prewatt.office.staff.models import Operator, Scope
from prewatt.office.tokens import course, issuing
from prewatt.office.tokens.models import TokenRequest
from prewatt.office.vending import deliveries
from prewatt.office.vending.models import Act, Opening, Receipt, Sale
from prewatt.office.vending.read import sale_view
from prewatt.web.console import views_base
from tests.office.tokens.scene import NOON
from tests.office.vending.token_scene import TokenScene, build
from tests.web.console.sell_desk import text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> TokenScene:
    times = count()  # nobody reads a meter twice in a moment
    monkeypatch.setattr(views_base, "timezone", SimpleNamespace(now=lambda: NOON + timedelta(seconds=next(times))))
    return build(monkeypatch, hoarding_limit=900_000)


def client(operator: Operator) -> Client:
    made = Client()
    made.force_login(operator)
    made.cookies["django_language"] = "en"
    return made


def page(scene: TokenScene, path: str, *, manager: bool = False) -> str:
    cast = scene.tokens.cast
    answer = client(cast.bob if manager else cast.alice).get(path)
    assert answer.status_code == 200, path
    return text_of(answer)


def sold(scene: TokenScene) -> Sale:
    form = {"find": "", "circuit": str(scene.circuit.pk), "amount": "50", "tender": "cash", "request_key": "k1"}
    answer = client(scene.tokens.cast.alice).post("/console/sell", form)
    assert answer.status_code == 302, text_of(answer)
    return Sale.objects.get()


def grouped(digits: str) -> str:
    return " ".join(re.findall("....", digits))


def test_the_sell_page_says_that_it_is_by_token_and_warns_before_paying(
    scene: TokenScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = page(scene, f"/console/sell?circuit={scene.circuit.pk}&amount=50")
    assert 'data-test="by-token"' in text and 'data-code="limit_not_judged"' in text
    assert 'data-code="tokens_not_entered"' not in text and "never answered" not in text
    sold(scene)
    monkeypatch.setattr(course, "MARGIN", 49)
    assert 'data-code="tokens_not_entered"' in page(scene, f"/console/sell/quote?circuit={scene.circuit.pk}&amount=50")


def test_the_sales_page_sends_the_token_to_the_tenant(scene: TokenScene, settings: Settings) -> None:
    settings.PREWATT_NOTIFIER = "log"
    sale = sold(scene)
    assert "Without a telephone number" in page(scene, f"/console/sales/{sale.pk}")
    Customer.objects.filter(pk=scene.contract.customer_id).update(phone="13900005555")
    assert 'data-test="send-token"' in page(scene, f"/console/sales/{sale.pk}")
    request = TokenRequest.objects.get(reference=f"sale:{sale.pk}")
    form = {"customer": scene.contract.customer_id, "from": "sale"}
    answer = client(scene.tokens.cast.alice).post(f"/console/tokens/{request.pk}/send", form)
    assert (answer.status_code, answer["Location"]) == (302, f"/console/sales/{sale.pk}")
    assert "waits to be sent" in page(scene, f"/console/sales/{sale.pk}")
    assert Notice.objects.get().recipient == "13900005555"
    settings.PREWATT_NOTIFIER = "none"
    assert 'data-test="send-none"' in page(scene, f"/console/sales/{sale.pk}")


def test_the_sale_shows_its_digits_in_groups_of_four(scene: TokenScene) -> None:
    sale = sold(scene)
    [digits] = sale_view(sale)["tokens"]
    text = page(scene, f"/console/sales/{sale.pk}")
    shown = re.sub(r"<[^>]+>", "", text[text.index('data-test="token-digits"') :].split("</p>")[0]).split(">")[-1]
    assert shown == grouped(digits) and f'data-copy="{digits}"' in text and "<svg" in text
    assert "The token is ready" in text and "Type the twenty digits" in text
    assert 'data-state="confirmed"' in text and "Token given" in text and 'data-open=""' in text
    assert "Reverse…" not in text, "the digits are out"


def test_while_the_vault_is_closed_page_and_receipt_say_that_the_token_follows(scene: TokenScene) -> None:
    scene.lock_vault()
    sale = sold(scene)
    receipt = Receipt.objects.get(sale=sale)
    text, printed = page(scene, f"/console/sales/{sale.pk}"), page(scene, f"/console/receipts/{receipt.pk}")
    assert "The token follows" in text and 'data-open="1"' in text and "token-digits" not in text and "Reverse…" in text
    assert "The token follows: show this receipt" in printed and "token follows" in printed
    scene.unlock_vault()
    answer = client(scene.tokens.cast.alice).post(f"/console/sales/{sale.pk}/check")
    assert answer.status_code == 302 and "The token is ready" in page(scene, f"/console/sales/{sale.pk}")
    [digits] = sale_view(sale)["tokens"]
    assert f"<b class=\"code\">{grouped(digits)}</b>" in page(scene, f"/console/receipts/{receipt.pk}")


def test_the_lists_say_that_it_was_a_token(scene: TokenScene) -> None:
    sold(scene)
    assert "Token given" in page(scene, "/console/sales?from=2026-11-01")
    answer = client(scene.tokens.cast.alice).get("/console/sales.xlsx?from=2026-11-01")
    rows = CalamineWorkbook.from_filelike(BytesIO(answer.content)).get_sheet_by_index(0).to_python()
    assert (rows[0][12], rows[1][12], rows[1][9]) == ("By token", "yes", "Token given")
    text = page(scene, f"/console/contracts/{scene.contract.number}", manager=True)
    assert ", by token" in text and "Enter the registers…" in text and "Token given" in text
    assert 'data-test="read-now"' not in text, "nobody can ask this meter"


def test_showing_the_digits_again_is_an_act_with_a_reason(scene: TokenScene) -> None:
    sale = sold(scene)
    alice = client(scene.tokens.cast.alice)
    form = {"reason": "paper jam", "request_key": "w1"}
    assert "The same digits as before" in page(scene, f"/console/sales/{sale.pk}/rewrite")
    assert alice.post(f"/console/sales/{sale.pk}/rewrite", form).status_code == 302
    assert Act.objects.get().reason == "paper jam" and TokenRequest.objects.count() == 1
    refused = client(scene.tokens.cast.bob).post(f"/console/sales/{sale.pk}/return", {**form, "request_key": "t1"})
    assert refused.status_code == 422 and "clear_credit_needed" in text_of(refused)


def test_a_contract_is_read_and_closed_by_what_a_person_saw(scene: TokenScene) -> None:
    bob, address = client(scene.tokens.cast.bob), f"/console/contracts/{scene.contract.number}"
    read = {"circuit": str(scene.circuit.pk), "energy_register": "100", "credit_register": "12.3"}
    assert bob.post(f"{address}/registers", {**read, "credit_register": ""}).status_code == 422
    assert bob.post(f"{address}/registers", read).status_code == 302
    till = str(scene.tokens.cast.window.pk)
    close = {**read, "request_key": "c1", "till": till}
    refused = bob.post(f"{address}/close", close)
    assert refused.status_code == 422 and "credit_unsettled" in text_of(refused)
    answer = bob.post(f"{address}/close", {**close, "credit_register": "0", "energy_register": "112.3"})
    assert answer.status_code == 302 and SupplyPoint.objects.get(pk=scene.supply.pk).state == "closed"
    assert "Contract closed" in text_of(bob.get(answer["Location"]))


def test_a_contract_is_opened_by_token_from_the_form(scene: TokenScene) -> None:
    cast = scene.tokens.cast
    bob = client(cast.bob)
    address = f"/console/contracts/{scene.contract.number}/close"
    done = {"energy_register": "1", "credit_register": "0", "request_key": "c1", "till": str(cast.window.pk)}
    assert bob.post(address, {**done, "circuit": str(scene.circuit.pk)}).status_code == 302
    form = text_of(bob.get(f"/console/openings/new?circuit={scene.circuit.pk}"))
    assert 'value="token"' in form and 'name="credit_register"' in form and 'name="alarm_1"' not in form
    answer = bob.post("/console/openings/new", {
        "request_key": "n1", "circuit": str(scene.circuit.pk), "customer": "", "name": "New Student", "phone": "",
        "customer_class": "", "plan": str(cast.plan.pk), "till": str(cast.window.pk), "custody": "token",
        "energy_register": "1", "credit_register": "0.5", "token_limit": "",
    })  # fmt: skip
    assert answer.status_code == 302, text_of(answer)
    opening = Opening.objects.order_by("pk").last()
    assert opening is not None and (opening.state, opening.supply_point.carrier) == ("done", "token")
    assert "credit comes as tokens; selling can begin" in text_of(bob.get(answer["Location"]))


def test_the_worker_finishes_what_the_page_began(scene: TokenScene) -> None:
    scene.lock_vault()
    sale = sold(scene)
    scene.unlock_vault()
    issuing.sweep(rack=scene.rack, at=NOON.replace(minute=5))
    deliveries.sweep(at=NOON.replace(minute=5))
    assert 'data-state="confirmed"' in page(scene, f"/console/sales/{sale.pk}/live")


def test_a_meter_that_is_never_online_is_on_every_page_and_lost_on_none(scene: TokenScene) -> None:
    number, circuit = scene.circuit.meter.number, scene.circuit.pk
    for path in ("/console/meters", f"/console/meters/{scene.circuit.meter_id}", "/console/live", "/console/",
                 f"/console/live?circuit={circuit}", "/console/customers", "/console/alarms", "/console/lines",
                 f"/console/contracts/{scene.contract.number}?span=load", "/console/sell/find?find=A-103"):  # fmt: skip
        assert "never answered" not in page(scene, path, manager=True), path
    assert number in page(scene, "/console/meters", manager=True)
    text = page(scene, f"/console/meters/{scene.circuit.meter_id}", manager=True)
    assert "This meter is never online." in text and 'data-test="read-now"' not in text
    assert "wish=trip" not in text and ">Registers<" not in text, "nobody can ask it"


def test_an_administrator_registers_a_meter_without_a_line(scene: TokenScene) -> None:
    eva = client(Operator.objects.get(pk=scene.tokens.eva.operator_id))
    Scope.objects.create(operator_id=scene.tokens.eva.operator_id, site_id=scene.site_id)
    form = {"number": "360311000999", "profile": "pilot-spm9511", "line": "", "unit": "", "ratio": "1", "room": ""}
    answer = eva.post("/console/meters/new", form)
    assert answer.status_code == 302, text_of(answer)
    meter = Meter.objects.get(number="360311000999")
    assert (meter.line_id, meter.unit, meter.circuit_set.count()) == (None, 0, 1)


def test_a_make_up_shows_its_digits_once_another_person_agreed(scene: TokenScene) -> None:
    alice, bob = client(scene.tokens.cast.alice), client(scene.tokens.cast.bob)
    form = {"find": scene.circuit.meter.number, "credit": "10", "reason": "slip was unreadable", "request_key": "m1"}
    asked = alice.post("/console/acts/make-up", form)
    assert asked.status_code == 302, text_of(asked)
    assert "token-digits" not in text_of(bob.get(asked["Location"]))
    assert bob.post(f"{asked['Location']}/answer", {"answer": "agree"}).status_code == 302
    text = text_of(bob.get(asked["Location"]))
    assert "token-digits" in text and "Token given" in text
    scene.agree()
