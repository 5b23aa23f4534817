"""Opening, reading and closing where nobody asks the meter: by what a person saw on it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection

from prewatt.core.refusals import Refused
from prewatt.core.sts import ManagementKind
from prewatt.office.billing import releases
from prewatt.office.changes import circuits
from prewatt.office.changes.by_token import (
    Registers,
    TokenOpening,
    TokenTerms,
    close_by_token,
    open_by_token,
    read_by_hand,
)
from prewatt.office.changes.openings import HeldTerms
from prewatt.office.estate.models import Circuit, Contract, SupplyPoint
from prewatt.office.metering.jobs import read_now
from prewatt.office.tokens import course, proposals
from prewatt.office.tokens.asks import ManagementAsk
from prewatt.office.vending import closings, returns
from prewatt.office.vending.models import CircuitCredit, Opening, Receipt
from tests.office.tokens.scene import NOON
from tests.office.vending.token_scene import OPENED, TokenScene, build

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> TokenScene:
    return build(monkeypatch)


def command(scene: TokenScene, **changes: object) -> TokenOpening:
    """Bob opens shop 101's meter, which has a line and credit over the network now."""
    cast = scene.tokens.cast
    given: dict[str, object] = {
        "key": "o2", "circuit": scene.circuit, "customer": scene.contract.customer, "contract": None,
        "registers": None, "terms": TokenTerms(plan=cast.plan), "till": cast.window, "actor": scene.bob, "at": NOON,
        **changes,
    }  # fmt: skip
    return TokenOpening(**given)  # type: ignore[arg-type]


def close(scene: TokenScene, energy_wh: int, credit_wh: int = 0, **changes: object) -> Opening:
    given: dict[str, object] = {
        "key": "c1", "till": scene.tokens.cast.window, "actor": scene.bob, "at": NOON + DAY, **changes,
    }  # fmt: skip
    read = Registers(energy_wh=energy_wh, credit_wh=credit_wh)
    return close_by_token(scene.supply, read, **given)  # type: ignore[arg-type]


def income(scene: TokenScene, at: object) -> int:
    """What the nights until then made of deferred income."""
    releases.sweep(at=at)  # type: ignore[arg-type]
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(sum(amount_minor), 0)::bigint FROM billing_release")
        row = cursor.fetchone()
    scene.agree()
    return int(row[0]) if row else 0


def test_a_supply_by_token_is_open_at_once_and_asks_no_meter(scene: TokenScene) -> None:
    supply, contract = SupplyPoint.objects.get(pk=scene.supply.pk), Contract.objects.get(pk=scene.contract.pk)
    assert (supply.carrier, supply.custody, supply.state, contract.state) == ("token", "meter", "open", "open")
    assert (contract.opened_at, scene.circuit.meter.line_id) == (OPENED, None)
    slip = Receipt.objects.get(kind="opening").data
    assert (slip["carrier"], slip["balance"], slip["energy_wh"]) == ("token", None, None)
    assert open_by_token(command(scene, key="o1")).supply_point_id == supply.pk, "the same key gives the first one"
    scene.agree()


def test_what_the_registers_show_at_opening_is_taken_over(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = build(monkeypatch, registers=Registers(energy_wh=7_000_000, credit_wh=20_000))
    row = Opening.objects.get(supply_point=scene.supply)
    assert (row.act, row.state, row.read_values["balance"]) == ("take_over", "done", 20_000)
    assert scene.books() == (0, 1840, 0)
    scene.agree()


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ("supplied", "circuit_supplied"), ("common", "circuit_common"), ("no attributes", "sts_meter_unknown"),
        ("currency", "token_credit_kind"), ("half a tenth", "registers_malformed"), ("nobody", "customer_unknown"),
        ("two circuits", "token_one_circuit"),
    ],
)  # fmt: skip
def test_what_cannot_be_opened_by_token_is_refused_and_leaves_nothing(
    scene: TokenScene, wrong: str, code: str
) -> None:
    cast, wish = scene.tokens.cast, command(scene)
    if wrong == "common":
        wish = replace(wish, circuit=cast.lift)
    elif wrong == "no attributes":
        wish = replace(wish, circuit=cast.shop_103)
    elif wrong == "half a tenth":
        wish = replace(wish, registers=Registers(energy_wh=0, credit_wh=50))
    elif wrong == "nobody":
        wish = replace(wish, customer=None)
    elif wrong == "currency":
        scene.sts.credit_kind = 4
        scene.sts.save(update_fields=["credit_kind"])
    elif wrong == "two circuits":
        Circuit.objects.create(site=cast.site, meter=scene.circuit.meter, index=2)
    before = SupplyPoint.objects.count(), Contract.objects.count(), Opening.objects.count()
    with pytest.raises(Refused, match=code):
        open_by_token(wish)
    assert (SupplyPoint.objects.count(), Contract.objects.count(), Opening.objects.count()) == before


def test_a_meter_without_a_line_is_never_asked(scene: TokenScene) -> None:
    with pytest.raises(Refused, match="meter_without_line"):
        read_now(request_key="r", circuit_indexes={scene.circuit.pk: 1}, at=NOON, actor="system")
    with pytest.raises(Refused, match="carrier_token"):
        closings.close_contract(scene.supply, key="c", till=scene.tokens.cast.window, actor=scene.bob, at=NOON)
    change = circuits.Change(
        key="h", supply=scene.supply, reason="x", till=scene.tokens.cast.window, actor=scene.bob, at=NOON
    )
    with pytest.raises(Refused, match="carrier_token"):
        circuits.to_server(change, terms=HeldTerms(plan=scene.tokens.cast.plan, alarm_1=0, alarm_2=0))


def test_a_register_that_falls_or_comes_twice_is_refused(scene: TokenScene) -> None:
    first = Registers(energy_wh=500_000, credit_wh=0)
    read_by_hand(scene.supply, first, actor=scene.alice, at=NOON)
    with pytest.raises(Refused, match="registers_again"):
        read_by_hand(scene.supply, first, actor=scene.alice, at=NOON)
    with pytest.raises(Refused, match="registers_backward"):
        read_by_hand(scene.supply, replace(first, energy_wh=499_900), actor=scene.alice, at=NOON + DAY)


def test_income_follows_the_registers_that_were_read(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = build(monkeypatch, registers=Registers(energy_wh=1_000_000, credit_wh=0))
    scene.sell(amount_minor=9200)  # 100 kWh
    assert income(scene, NOON + 2 * DAY) == 0, "nobody has read it: it may all be in the meter"
    read_by_hand(scene.supply, Registers(energy_wh=1_040_000, credit_wh=60_000), actor=scene.alice, at=NOON + 2 * DAY)
    assert income(scene, NOON + 4 * DAY) == 3680
    assert scene.books()[:2] == (0, 5520)


def test_of_a_meter_that_was_not_read_at_opening_the_first_reading_says_what_was_used(scene: TokenScene) -> None:
    scene.sell(amount_minor=9200)
    read_by_hand(scene.supply, Registers(energy_wh=5_000_000, credit_wh=60_000), actor=scene.alice, at=NOON + 2 * DAY)
    assert income(scene, NOON + 4 * DAY) == 3680
    read_by_hand(scene.supply, Registers(energy_wh=5_010_000, credit_wh=50_000), actor=scene.alice, at=NOON + 5 * DAY)
    assert income(scene, NOON + 7 * DAY) == 4600
    assert scene.books()[:2] == (0, 4600)


@pytest.mark.parametrize("read_before", [True, False])
def test_a_closing_by_the_register_leaves_nothing_deferred(scene: TokenScene, read_before: bool) -> None:
    scene.sell(amount_minor=9200)
    if read_before:
        read_by_hand(scene.supply, Registers(energy_wh=20_000, credit_wh=80_000), actor=scene.alice, at=NOON)
    closing = close(scene, 100_000)
    assert close(scene, 100_000).pk == closing.pk
    supply, contract = SupplyPoint.objects.get(pk=scene.supply.pk), Contract.objects.get(pk=scene.contract.pk)
    assert (supply.state, supply.valid_to, contract.state) == ("closed", NOON + DAY, "closed")
    assert Receipt.objects.get(kind="closing").data["energy_wh"] == 100_000
    assert income(scene, NOON + 4 * DAY) == 9200 and scene.books()[:2] == (0, 0)
    with pytest.raises(Refused, match="circuit_not_of_contract"):
        scene.sell(key="k2", at=NOON + 2 * DAY)


def test_credit_in_the_meter_keeps_a_contract_open_until_it_is_cleared_and_paid_out(scene: TokenScene) -> None:
    scene.sell(amount_minor=9200)
    with pytest.raises(Refused, match="credit_unsettled"):
        close(scene, 40_000, 60_000)
    what = ManagementAsk(kind=ManagementKind.CLEAR_CREDIT)
    proposal = proposals.propose(
        scene.sts, what, request_key="p", reason="moves out", register_tenths=600, actor=scene.alice, at=NOON
    )
    asked = proposals.agree(proposal, actor=scene.bob, at=NOON)
    from prewatt.office.tokens import issuing

    issuing.issue(asked.request_id, rack=scene.rack, at=NOON)
    course.entered(asked.request_id, how="keypad", actor=scene.bob.key, at=NOON)
    returns.give_back(
        contract_number=scene.contract.number, circuit_id=scene.circuit.pk, credit=60_000, reason="x", actor=scene.bob,
        key="t", at=NOON,
    )  # fmt: skip
    with pytest.raises(Refused, match="money_unsettled"):
        close(scene, 40_000)
    scene.agree()


def test_the_count_of_tokens_goes_on_when_the_circuit_is_opened_again(scene: TokenScene) -> None:
    scene.sell()
    close(scene, 54_400)
    again = open_by_token(command(scene, at=NOON + 2 * DAY))
    assert again.contract_id != scene.contract.pk
    assert CircuitCredit.objects.get(circuit=scene.circuit).purchase_count == 1
    scene.agree()
