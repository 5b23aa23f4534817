"""Selling to a meter that is never online: credit travels as twenty digits."""

import pytest

from prewatt.core.refusals import Refused
from prewatt.core.sts import Answer
from prewatt.office.metering.models import JobRow
from prewatt.office.tokens.models import TokenRequest
from prewatt.office.vending.models import Delivery, Sale
from prewatt.office.vending.read import sale_view
from tests.office.tokens.scene import NOON
from tests.office.vending.token_scene import TokenScene, build, delivery_of

NOW_S = int(NOON.timestamp())
pytestmark = pytest.mark.django_db


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> TokenScene:
    return build(monkeypatch)


def code_of(scene: TokenScene, **changes: object) -> str:
    before = Sale.objects.count(), Delivery.objects.count(), TokenRequest.objects.count(), scene.books()
    with pytest.raises(Refused) as caught:
        scene.sell(**changes)  # type: ignore[arg-type]
    assert (Sale.objects.count(), Delivery.objects.count(), TokenRequest.objects.count(), scene.books()) == before
    return caught.value.code


def test_a_sale_gives_digits_that_the_meter_takes(scene: TokenScene) -> None:
    sale = scene.sell().sale
    assert (sale.credit, sale.credit_unit) == (54_400, "Wh")  # 50.00 at 0.92, up to the next tenth
    [digits] = sale_view(sale)["tokens"]
    meter = scene.keypad()
    assert meter.enter(digits, NOW_S).answer is Answer.ACCEPT
    assert meter.state.registers[0] == 544
    delivery = delivery_of(scene.sell())
    assert (delivery.state, delivery.expected_count, delivery.job_id, JobRow.objects.count()) == ("confirmed", 1, None, 0)
    assert scene.books() == (0, 5000, 5000)
    scene.agree()
