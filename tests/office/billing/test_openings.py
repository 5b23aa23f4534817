"""Opening a supply point whose credit the books hold."""

from datetime import timedelta

import pytest

from prewatt.core.refusals import Refused
from prewatt.office.billing.models import Progress
from prewatt.office.billing.openings import open_server_held
from prewatt.office.estate.models import Contract, Customer, SupplyPoint
from prewatt.office.ledger import books
from tests.cast import NOON, Cast, assemble

OVERDRAFT, ALARM_1, ALARM_2 = 2000, 5000, 1000


@pytest.fixture
def cast() -> Cast:
    SupplyPoint.objects.filter(circuit=(made := assemble()).shop_102).update(valid_to=NOON - timedelta(days=1))
    return made


def contract_of(cast: Cast, number: str = "30019999", state: str = "opening") -> Contract:
    customer = Customer.objects.create(company=cast.company, name="Wang")
    made: Contract = Contract.objects.create(site=cast.site, number=number, customer=customer, state=state)
    return made


def opened(cast: Cast, contract: Contract, **changes: object) -> SupplyPoint:
    given: dict[str, object] = {
        "circuit": cast.shop_102, "plan": cast.plan, "overdraft": OVERDRAFT, "alarm_1": ALARM_1, "alarm_2": ALARM_2,
        "valid_from": NOON, "actor": "system", "at": NOON, **changes,
    }  # fmt: skip
    return open_server_held(contract, **given)  # type: ignore[arg-type]


@pytest.mark.django_db
def test_it_waits_for_its_opening_reading_with_credit_in_money(cast: Cast) -> None:
    supply = opened(cast, contract_of(cast))

    supply.refresh_from_db()
    assert (supply.state, supply.custody, supply.credit_unit) == ("opening", "server", "CNY")
    assert (supply.opening_at, supply.opening_wh, supply.valid_from) == (None, None, NOON)
    assert (supply.overdraft, supply.alarm_1, supply.alarm_2) == (OVERDRAFT, ALARM_1, ALARM_2)
    assert supply.credit_account_id is not None and books.running(supply.credit_account_id) == 0
    assert Progress.objects.get(pk=supply.pk).charged_at is None


@pytest.mark.django_db
def test_circuits_of_one_contract_share_an_account_unless_told_otherwise(cast: Cast) -> None:
    contract = contract_of(cast)
    cast.lift.use = "tenant"
    shared = opened(cast, contract)
    another = opened(cast, contract, circuit=cast.lift, shared=True)
    SupplyPoint.objects.filter(pk=another.pk).update(state="closed", valid_to=NOON + timedelta(hours=1))
    own = opened(cast, contract, circuit=cast.lift, shared=False, valid_from=NOON + timedelta(hours=1))

    assert shared.credit_account_id == another.credit_account_id != own.credit_account_id


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("thresholds_order", {"alarm_1": 0, "alarm_2": 1}),
        ("thresholds_order", {"overdraft": -1}),
        ("plan_without_price", {"valid_from": NOON - timedelta(days=900)}),
    ],
)
@pytest.mark.django_db
def test_what_cannot_be_is_refused_and_leaves_nothing(cast: Cast, code: str, changes: dict[str, object]) -> None:
    SupplyPoint.objects.filter(circuit=cast.shop_102).update(valid_from=NOON - timedelta(days=999),
                                                             valid_to=NOON - timedelta(days=901))  # fmt: skip
    before = SupplyPoint.objects.count()
    with pytest.raises(Refused) as refused:
        opened(cast, contract_of(cast), **changes)

    assert refused.value.code == code
    assert (SupplyPoint.objects.count(), Progress.objects.count()) == (before, 0)


@pytest.mark.django_db
def test_a_circuit_has_one_contract_at_a_time(cast: Cast) -> None:
    opened(cast, contract_of(cast))
    with pytest.raises(Refused) as refused:
        opened(cast, contract_of(cast, "30018888"))

    assert refused.value.code == "circuit_has_contract"
    assert refused.value.params["number"] == "30019999"


@pytest.mark.parametrize(
    ("code", "shop", "state"),
    [
        ("circuit_not_for_tenants", "lift", "opening"),
        ("contract_ended", "shop_102", "closing"),
        ("contract_ended", "shop_102", "closed"),
    ],
)
@pytest.mark.django_db
def test_circuits_and_contracts_that_do_not_fit_are_refused(cast: Cast, code: str, shop: str, state: str) -> None:
    with pytest.raises(Refused) as refused:
        opened(cast, contract_of(cast, state=state), circuit=getattr(cast, shop))

    assert refused.value.code == code


@pytest.mark.django_db
def test_a_meter_whose_profile_does_not_allow_it_is_refused(cast: Cast) -> None:
    cast.shop_102.meter.profile = "unheard-of"
    with pytest.raises(Refused) as refused:
        opened(cast, contract_of(cast))

    assert refused.value.code == "server_custody_unsupported"
