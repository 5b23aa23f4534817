"""What an operator may see, by the scope he was given."""

import pytest

from prewatt.office.estate.models import (
    Building,
    Circuit,
    Company,
    Contract,
    Customer,
    Gateway,
    Meter,
    Plan,
    Room,
    Site,
)
from prewatt.office.estate.people import add_customer
from prewatt.office.estate.scope import sites_of, visible_to
from prewatt.office.staff.models import Operator, Role, Scope
from tests.cast import NOON, Cast, assemble

pytestmark = pytest.mark.django_db
MODELS = (Company, Site, Building, Room, Gateway, Meter, Circuit, Contract, Customer, Plan)


@pytest.fixture
def cast() -> Cast:
    return assemble()


def seen(operator: Operator) -> dict[str, int]:
    return {model.__name__: visible_to(operator, model).count() for model in MODELS}


def operator(**scope: int) -> Operator:
    made: Operator = Operator.objects.create(username="dora", name="Dora", role=Role.MANAGER, created_at=NOON)
    Scope.objects.create(operator=made, **scope)
    return made


def test_charlie_sees_nothing(cast: Cast) -> None:
    assert set(seen(cast.charlie).values()) == {0}


def test_the_whole_company_and_the_site_are_seen_by_those_who_got_them(cast: Cast) -> None:
    everything = {"Company": 1, "Site": 1, "Building": 1, "Room": 4, "Gateway": 1, "Meter": 4, "Circuit": 4,
                  "Contract": 2, "Customer": 1, "Plan": 1}  # fmt: skip
    assert seen(operator(company_id=cast.company.pk)) == everything
    assert seen(cast.alice) == everything


def test_a_building_shows_its_rooms_and_not_its_neighbours(cast: Cast) -> None:
    other = Building.objects.create(site=cast.site, code="B", name="Tower B")
    dora = operator(building_id=other.pk)
    assert seen(dora) == {"Company": 1, "Site": 1, "Building": 1, "Room": 0, "Gateway": 1, "Meter": 0, "Circuit": 0,
                          "Contract": 0, "Customer": 0, "Plan": 1}  # fmt: skip


def test_another_companys_site_does_not_exist(cast: Cast) -> None:
    other = Company.objects.create(name="Other", currency="UGX", exponent=0)
    Site.objects.create(company=other, code="kla", name="Kampala")
    assert [site.code for site in sites_of(cast.alice)] == ["jinhu"]


def test_an_inactive_operator_sees_nothing(cast: Cast) -> None:
    cast.bob.is_active = False
    assert set(seen(cast.bob).values()) == {0}


def test_a_customer_without_a_contract_is_seen_where_he_may_be_given_one(cast: Cast) -> None:
    add_customer(cast.company, name="新商户", phone="", customer_class="", actor="x", at=NOON)
    assert visible_to(cast.alice, Customer).count() == 2
