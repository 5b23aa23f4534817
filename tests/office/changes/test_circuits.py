"""Changing contract and custody of a circuit: one reading ends the old and begins the new, and no money is lost."""

from datetime import timedelta

import pytest
from django.db import connection

from prewatt.core.refusals import Refused
from prewatt.office.changes.circuits import Change, change_contract, to_meter, to_server
from prewatt.office.changes.openings import HeldTerms
from prewatt.office.estate.models import Contract, Customer, SupplyPoint
from prewatt.office.ledger import books
from prewatt.office.metering.models import RelayWish
from prewatt.office.staff.actors import of_operator
from prewatt.office.staff.models import AuditRow
from prewatt.office.vending import openings
from prewatt.office.vending.audits import audit_books
from prewatt.office.vending.models import Opening, Receipt
from tests.cast import NOON, lately_read
from tests.office.billing.scene import HOUR, MINUTE, OPENING_WH, Shop, another, opened

pytestmark = pytest.mark.django_db
AT = NOON + HOUR


@pytest.fixture
def shop() -> Shop:
    """Paid 50.00, used 1 kWh by 12:55, and it is 13:00."""
    made = opened()
    made.pay(5000)
    made.read(HOUR - 5 * MINUTE, OPENING_WH + 1000)
    return made


def change(shop: Shop, key: str = "x1", **changes: object) -> Change:
    given: dict[str, object] = {
        "key": key, "supply": shop.supply, "reason": "sold the shop", "till": shop.cast.window,
        "actor": of_operator(shop.cast.bob), "at": AT, **changes,
    }  # fmt: skip
    return Change(**given)  # type: ignore[arg-type]


def customer(shop: Shop) -> Customer:
    made: Customer = Customer.objects.create(company=shop.cast.company, name="Zhao")
    return made


def agreed(shop: Shop) -> None:
    assert [finding for finding in audit_books() if finding.check != "money"] == []


def test_another_customer_takes_the_circuit_with_its_balance(shop: Shop) -> None:
    new = customer(shop)
    row = change_contract(change(shop), customer=new, contract=None, carry=True)
    assert change_contract(change(shop), customer=new, contract=None, carry=True).pk == row.pk
    old, made = SupplyPoint.objects.get(pk=shop.supply.pk), row.supply_point
    made.refresh_from_db()
    read_at = NOON + HOUR - 5 * MINUTE
    assert (row.state, old.state, old.valid_to, made.valid_from) == ("done", "closed", read_at, read_at)
    assert (made.state, made.opening_wh, made.alarm_1) == ("open", OPENING_WH + 1000, shop.supply.alarm_1)
    assert Contract.objects.get(pk=shop.contract.pk).state == "closed"
    assert (made.contract.customer_id, made.contract.state) == (new.pk, "open")
    assert made.credit_account_id is not None
    assert (shop.balance, books.running(made.credit_account_id)) == (0, 5000 - 92)
    assert list(Receipt.objects.order_by("pk").values_list("kind", flat=True)) == ["closing", "opening"]
    assert AuditRow.objects.get(action="changes.contract").reason == "sold the shop"
    shop.read(HOUR + MINUTE, OPENING_WH + 2000)
    shop.sweep(HOUR + MINUTE)
    assert books.running(made.credit_account_id) == 5000 - 184
    agreed(shop)


def test_debt_goes_over_too_and_without_carrying_it_is_refused(shop: Shop) -> None:
    shop.read(HOUR - MINUTE, OPENING_WH + 100_000)
    with pytest.raises(Refused) as caught:
        change_contract(change(shop), customer=customer(shop), contract=None, carry=False)
    assert (caught.value.code, caught.value.params) == ("balance_not_settled", {"balance": 5000 - 9200})
    assert SupplyPoint.objects.get(pk=shop.supply.pk).state == "open"
    row = change_contract(change(shop), customer=customer(shop), contract=None, carry=True)
    assert row.supply_point.credit_account_id is not None
    assert books.running(row.supply_point.credit_account_id) == 5000 - 9200
    agreed(shop)


def test_a_shared_balance_stays_with_the_other_circuit(shop: Shop) -> None:
    shop.cast.shop_103.meter.profile = "acrel-ddsy1352"
    other = another(shop, shop.cast.shop_103)
    row = change_contract(change(shop), customer=customer(shop), contract=None, carry=False)
    assert row.supply_point.credit_account_id is not None
    assert (other.balance, books.running(row.supply_point.credit_account_id)) == (5000 - 92, 0)
    assert Contract.objects.get(pk=shop.contract.pk).state == "open"


def test_a_circuit_joins_a_contract_that_stands_and_its_balance(shop: Shop) -> None:
    standing = Contract.objects.get(number="30010101")
    row = change_contract(change(shop), customer=None, contract=standing, carry=True)
    assert row.contract_id == standing.pk
    for wrong in (row.contract, standing):
        with pytest.raises(Refused) as caught:
            change_contract(
                change(shop, "x2", supply=row.supply_point), customer=None, contract=wrong, carry=True
            )
        assert caught.value.code == "change_same_contract"


@pytest.mark.parametrize(
    ("what", "code"), [("old", "reading_not_fresh"), ("backward", "reading_not_billed"), ("alice", "not_permitted")]
)
def test_a_change_needs_a_fresh_reading_and_a_manager(shop: Shop, what: str, code: str) -> None:
    changes: dict[str, object] = {}
    if what == "old":
        changes["at"] = AT + HOUR
    elif what == "backward":
        shop.sweep(HOUR - 5 * MINUTE)
        shop.read(HOUR - MINUTE, OPENING_WH)
    else:
        changes["actor"] = of_operator(shop.cast.alice)
    with pytest.raises(Refused) as caught:
        change_contract(change(shop, "x1", **changes), customer=customer(shop), contract=None, carry=True)
    assert caught.value.code == code
    assert Opening.objects.count() == 0


def test_a_meter_whose_purse_is_empty_gives_its_credit_to_the_books(shop: Shop) -> None:
    cast = shop.cast
    held = change(shop, supply=cast.supply_101)
    terms = HeldTerms(plan=cast.plan, alarm_1=5000, alarm_2=1000, shared=False)

    def told(at: timedelta, balance: int) -> None:
        lately_read(cast.shop_101, at=AT + at, balance=balance)
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO metering_reading (site_id, circuit_id, at, full_read, source, quality, balance)"
                " VALUES (%s, %s, %s, false, 0, 0, %s)",
                [cast.site.pk, cast.shop_101.pk, AT + at, balance],
            )

    def refused() -> str:
        with pytest.raises(Refused) as caught:
            to_server(held, terms=terms)
        return caught.value.code

    told(-HOUR, 0)
    lately_read(cast.shop_101, at=AT - MINUTE, balance=0)
    assert refused() == "balance_unknown", "a frame without one came since, beside which the balance of then stands"
    told(-4 * MINUTE, 20)
    assert refused() == "credit_unsettled"
    told(-3 * MINUTE, -20)
    assert refused() == "debt_unsettled"
    told(-2 * MINUTE, 0)
    row = to_server(held, terms=terms)
    assert to_server(held, terms=terms).pk == row.pk
    old = SupplyPoint.objects.get(pk=cast.supply_101.pk)
    assert (old.state, old.valid_to, row.supply_point.custody, row.contract_id) == (
        "closed", AT, "server", cast.contract_101.pk,
    )  # fmt: skip
    assert Contract.objects.get(pk=cast.contract_101.pk).state == "open"
    with pytest.raises(Refused) as caught:
        to_server(change(shop, "x2"), terms=terms)
    assert caught.value.code == "change_same_custody"


def test_a_circuit_of_the_books_goes_back_to_its_meter_when_nothing_is_left(shop: Shop) -> None:
    cast, terms = shop.cast, openings.Terms(plan=shop.cast.plan, alarm_1=50_000, alarm_2=10_000)
    with pytest.raises(Refused) as caught:
        to_meter(change(shop), terms=terms)
    assert caught.value.code == "custody_not_supported"  # the Acrel's credit command is not public
    SupplyPoint.objects.filter(circuit=cast.shop_103).delete()
    other = another(shop, cast.shop_103, shared=False)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE estate_meter SET profile = 'pilot-spm9511' WHERE id = %s", [cast.shop_103.meter_id])
    RelayWish.objects.create(
        circuit=cast.shop_103, wish="automatic", actor="system", set_at=NOON, decided="open", decided_at=NOON
    )
    other.read(HOUR - MINUTE, OPENING_WH)
    row = to_meter(change(other, "x2"), terms=terms)
    assert (row.state, row.supply_point.custody, row.contract_id) == ("reading", "meter", shop.contract.pk)
    assert not RelayWish.objects.filter(circuit=cast.shop_103, decided__isnull=False).exists()
    assert to_meter(change(other, "x2"), terms=terms).pk == row.pk
