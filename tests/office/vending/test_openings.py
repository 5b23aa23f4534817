"""Opening and closing a contract: what the meter says decides each step."""

from collections.abc import Mapping

import pytest

from prewatt.core.refusals import Refused
from prewatt.office.estate.models import Contract, SupplyPoint
from prewatt.office.ledger import books
from prewatt.office.metering.models import JobRow
from prewatt.office.staff.actors import of_operator
from prewatt.office.staff.models import Operator
from prewatt.office.vending import closings, opening_steps, openings
from prewatt.office.vending.models import CircuitCredit, Delivery, Opening, Receipt
from tests.cast import NOON, Cast, assemble

pytestmark = pytest.mark.django_db
PURSE = {"meter_number": 2603110_00003, "balance": 0, "purchase_count": 7, "energy_import_total": 123_450}


@pytest.fixture
def cast() -> Cast:
    return assemble()


def start(cast: Cast, **changes: object) -> Opening:
    command = openings.OpenCommand(
        **{
            "key": "form-1", "circuit": cast.shop_103, "customer": cast.contract_101.customer,
            "terms": openings.Terms(plan=cast.plan, alarm_1=50_000, alarm_2=10_000, load_limit_w=8_000),
            "till": cast.window, "actor": of_operator(cast.alice), "at": NOON, **changes,
        }  # type: ignore[arg-type]
    )  # fmt: skip
    return openings.open_contract(command)


def answer(row: Opening, verdict: str = "done", code: str = "", values: Mapping[str, int] | None = None) -> str:
    """The meter's answer to the question at work, and the step it allows."""
    row.refresh_from_db()
    state = "queued" if verdict == "unknown" else "done"
    assert row.job_id is not None
    JobRow.objects.filter(pk=row.job_id).update(state=state, verdict=verdict, code=code, values=dict(values or {}))
    opening_steps.advance(row.pk, at=NOON)
    row.refresh_from_db()
    return row.state


def job(row: Opening) -> dict[str, object]:
    row.refresh_from_db()
    assert row.job is not None
    return dict(row.job.payload)


def test_an_empty_meter_is_read_set_and_opened(cast: Cast) -> None:
    row = start(cast)
    assert (row.state, row.contract.state, job(row)["intent"]) == ("reading", "opening", "read_purse")
    assert answer(row, values=PURSE) == "writing"
    assert job(row)["settings"] == {
        "alarm_level_1": 50_000, "alarm_level_2": 10_000, "overdraft_limit": 0, "hoarding_limit": 0,
        "load_limit": 8_000,
    }  # fmt: skip
    assert answer(row) == "done"
    supply = SupplyPoint.objects.get(pk=row.supply_point_id)
    assert (supply.state, supply.contract.state) == ("open", "open")
    assert CircuitCredit.objects.get(circuit=cast.shop_103).purchase_count == 7
    slip = Receipt.objects.get(kind="opening")
    assert (slip.data["receipt_number"], slip.data["purchase_count"]) == ("W1-000001", 7)


def test_the_same_key_opens_once(cast: Cast) -> None:
    assert start(cast).pk == start(cast).pk
    assert JobRow.objects.count() == 1


def test_credit_in_the_meter_waits_for_a_stated_act_and_is_taken_over_into_the_books(cast: Cast) -> None:
    row = start(cast)
    assert answer(row, values={**PURSE, "balance": 100_000}) == "needs_act"
    openings.choose(row, Opening.Act.TAKE_OVER, actor=of_operator(cast.alice), at=NOON)
    assert answer(row) == "done"
    assert books.books(cast.company.pk).deferred_income_minor == 9200, "100 kWh at 0.92"


def test_credit_in_the_meter_can_be_cleared_by_an_order_of_its_own_count(cast: Cast) -> None:
    row = start(cast, act=Opening.Act.CLEAR)
    assert answer(row, values={**PURSE, "balance": -2_000}) == "clearing"
    assert job(row)["order"] == {"count": 8, "kind": "clear", "amount": 0}
    assert answer(row) == "writing"
    assert answer(row) == "done"
    assert CircuitCredit.objects.get(circuit=cast.shop_103).purchase_count == 8
    assert books.books(cast.company.pk).debit_minor == 0


@pytest.mark.parametrize(
    ("verdict", "code", "values", "ended"),
    [
        ("done", "", {**PURSE, "meter_number": 1}, "meter_number_differs"),
        ("done", "", {"meter_number": PURSE["meter_number"]}, "custody_not_supported"),
        ("refused", "modbus_exception_02", {}, "modbus_exception_02"),
        ("disputed", "meter_number_differs", {}, "meter_number_differs"),
    ],
)
def test_a_meter_that_does_not_agree_ends_the_opening(
    cast: Cast, verdict: str, code: str, values: Mapping[str, int], ended: str
) -> None:
    row = start(cast)
    assert answer(row, verdict, code, values) == "refused"
    assert row.code == ended
    assert Contract.objects.get(pk=row.contract_id).state == "closed"
    assert start(cast, key="form-2").state == "reading", "the circuit is free again"


def test_a_silent_meter_is_asked_again_and_an_answer_that_comes_twice_steps_once(cast: Cast) -> None:
    row = start(cast)
    first = row.job_id
    assert answer(row, "silent") == "reading"
    assert row.job_id != first
    assert answer(row, values=PURSE) == "writing"
    writing = row.job_id
    opening_steps.advance(row.pk, at=NOON)
    row.refresh_from_db()
    assert (row.state, row.job_id) == ("writing", writing)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        (lambda cast: {"circuit": cast.shop_101}, "circuit_supplied"),
        (lambda cast: {"circuit": cast.lift}, "circuit_common"),
        (lambda cast: {"terms": openings.Terms(plan=cast.plan, alarm_1=1, alarm_2=2)}, "levels_order"),
        (lambda cast: {"key": ""}, "key_required"),
        (lambda cast: {"actor": of_operator(_finance(cast))}, "not_permitted"),
    ],
)
def test_what_cannot_be_opened_is_refused_with_nothing_written(cast: Cast, changes: object, code: str) -> None:
    before = Contract.objects.count()
    with pytest.raises(Refused, match=code):
        start(cast, **changes(cast))  # type: ignore[operator]
    assert (Contract.objects.count(), JobRow.objects.count()) == (before, 0)


def _finance(cast: Cast) -> Operator:
    cast.bob.role = "finance"
    return cast.bob


def close(cast: Cast, key: str = "close-1") -> Opening:
    supply = SupplyPoint.objects.select_related("contract", "circuit").get(pk=cast.supply_101.pk)
    return closings.close_contract(supply, key=key, till=cast.window, actor=of_operator(cast.bob), at=NOON)


@pytest.mark.parametrize(
    ("balance", "state", "code"),
    [(0, "done", ""), (10, "refused", "credit_unsettled"), (-10, "refused", "debt_unsettled")],
)
def test_closing_is_decided_by_what_the_meter_holds(cast: Cast, balance: int, state: str, code: str) -> None:
    row = close(cast)
    assert row.contract.state in ("open", "closing")
    assert answer(row, values={"balance": balance, "purchase_count": 5, "energy_import_total": 9}) == state
    assert row.code == code
    contract = Contract.objects.get(pk=cast.contract_101.pk)
    assert contract.state == ("closed" if state == "done" else "open")
    assert Receipt.objects.filter(kind="closing").count() == (1 if state == "done" else 0)


def test_a_closing_waits_for_what_was_agreed_to_since_it_was_asked(cast: Cast) -> None:
    """A make-up is on its way while the meter still says nothing: closed by that, its credit would be nobody's."""
    row = close(cast)
    Delivery.objects.create(
        site_id=cast.site.pk, circuit=cast.shop_101, origin="make_up", kind="purchase", amount=1000, value_minor=92,
        expected_count=6, state="waiting", orders=1, created_at=NOON,
    )  # fmt: skip
    assert answer(row, values={"balance": 0, "purchase_count": 5, "energy_import_total": 9}) == "refused"
    assert (row.code, Contract.objects.get(pk=cast.contract_101.pk).state) == ("delivery_unsettled", "open")


def test_a_meter_that_tells_no_balance_closes_nothing(cast: Cast) -> None:
    row = close(cast)
    assert (answer(row, values={"purchase_count": 5}), row.code) == ("refused", "balance_unknown")
