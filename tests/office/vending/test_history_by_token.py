"""Sales of the past by token: their digits are made as they are loaded, and meters take them."""

from datetime import timedelta

import pytest

from prewatt.core.refusals import Refused
from prewatt.office.tokens import issuing
from prewatt.office.tokens.models import TokenRequest
from prewatt.office.vending.history import PastSale, load
from prewatt.office.vending.models import Delivery, Receipt, Sale
from tests.office.tokens.scene import NOON
from tests.office.vending.token_scene import TokenScene, build

pytestmark = pytest.mark.django_db


def past(scene: TokenScene, hour: int) -> PastSale:
    at = NOON - timedelta(hours=hour)
    return PastSale(
        key=f"past-{hour}", contract_number=scene.contract.number, circuit_id=scene.circuit.pk,
        till_id=scene.shift.till_id, shift_id=scene.shift.pk, actor=scene.alice, at=at, amount_minor=5_000,
        balance=None, confirmed_at=at,
    )  # fmt: skip


def test_they_stand_as_if_sold_then_and_the_meter_takes_their_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = build(monkeypatch)
    rows = [past(scene, hour) for hour in (6, 4, 2)]
    assert load(rows, rack=scene.vaults) == 3
    assert load(rows, rack=scene.vaults) == 0
    requests = list(TokenRequest.objects.order_by("id"))
    assert [(each.state, each.asked_at) for each in requests] == [("made", row.at) for row in rows]
    assert [each.tid for each in requests] == sorted({each.tid or 0 for each in requests})
    assert set(Delivery.objects.values_list("state", flat=True)) == {"confirmed"}
    assert (Sale.objects.count(), Receipt.objects.filter(kind="sale").count()) == (3, 3)
    scene.agree()
    meter = scene.keypad()
    for request in requests:
        digits = issuing.digits_of(request.pk)
        assert digits is not None and meter.enter(digits[0], 0).answer.is_taken
    assert meter.state.registers[0] * 100 == sum(Sale.objects.values_list("credit", flat=True))
    assert scene.sell(at=NOON).sale.state == "sold", "and it goes on at the counter"


def test_without_a_vault_nothing_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = build(monkeypatch)
    with pytest.raises(Refused, match="history_refused"):
        load([past(scene, 3)])
    assert not Sale.objects.exists() and not TokenRequest.objects.exists()
