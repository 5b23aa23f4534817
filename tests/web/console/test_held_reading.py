"""A reading that is not billed is shown, and a manager can bill on from it."""

import pytest
from django.test import Client

from prewatt.core.refusals import Refused
from prewatt.office.billing import settlements
from prewatt.office.staff.models import AuditRow
from tests.cast import NOON
from tests.office.billing.scene import HOUR, OPENING_WH, Shop, opened
from tests.office.vending.scene import actor_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop() -> Shop:
    """The meter was exchanged for one that stands at 5 kWh."""
    made = opened()
    made.read_and_sweep(HOUR, OPENING_WH + 1000)
    made.read_and_sweep(2 * HOUR, 5000)
    assert made.progress.held == "backward"
    return made


def client_of(shop: Shop, name: str) -> Client:
    client = Client()
    client.cookies["django_language"] = "en"
    client.force_login(getattr(shop.cast, name))
    return client


def test_the_contract_page_says_which_reading_is_not_billed_and_why(shop: Shop) -> None:
    path = f"/console/contracts/{shop.contract.number}"
    held = f"{path}/held/{shop.circuit.pk}"
    told = client_of(shop, "bob").get(path).content.decode()
    assert "(5.00 kWh) is not billed: 1,001.00 kWh were billed before" in told
    assert held in told
    assert held not in client_of(shop, "alice").get(path).content.decode()


def test_a_manager_bills_on_from_it_with_a_reason(shop: Shop) -> None:
    path = f"/console/contracts/{shop.contract.number}/held/{shop.circuit.pk}"
    bob = client_of(shop, "bob")
    assert bob.get(path).status_code == 200
    assert bob.post(path, {"reason": ""}).status_code == 422
    assert bob.post(path, {"reason": "meter exchanged"}).status_code == 302

    shop.read_and_sweep(3 * HOUR, 6000)
    assert [charge.wh for charge in shop.charges] == [1000, 1000]
    assert shop.progress.held == ""
    assert AuditRow.objects.filter(action="billing.go_on_from_held", reason="meter exchanged").count() == 1


def test_who_may_not_or_sees_nothing_gets_nowhere(shop: Shop) -> None:
    path = f"/console/contracts/{shop.contract.number}/held/{shop.circuit.pk}"
    for name in ("alice", "charlie"):
        assert client_of(shop, name).post(path, {"reason": "x"}).status_code in (302, 403, 404)
    assert shop.progress.held == "backward"


def test_a_reading_that_is_held_no_more_is_refused(shop: Shop) -> None:
    shop.read_and_sweep(3 * HOUR, OPENING_WH + 2000)
    with pytest.raises(Refused) as refused:
        settlements.go_on_from_held(
            shop.supply, held_at=NOON + 2 * HOUR, reason="x", actor=actor_of(shop.cast.bob), at=NOON + 4 * HOUR
        )
    assert refused.value.code == "reading_not_held"
    assert [charge.wh for charge in shop.charges] == [1000, 1000]
