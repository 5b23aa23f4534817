"""Real threads on real connections, and connections that die: one sale each, books that balance."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction

from prewatt.core.refusals import Refused
from prewatt.office.estate.models import SupplyPoint
from prewatt.office.ledger.books import books, running
from prewatt.office.metering.models import JobRow
from prewatt.office.vending import deliveries, returns, shifts
from prewatt.office.vending.models import Act, CircuitCredit, Delivery, Receipt, Sale, Shift
from prewatt.office.vending.reversals import reverse
from tests.office.vending.scene import AT, Scene, build, hold, meter_says

pytestmark = pytest.mark.django_db(transaction=True)
WAIT_S = 20


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = build(8)
    yield made
    found = books(made.company.pk)
    assert found.debit_minor == found.credit_minor
    sold = sum(Sale.objects.filter(state="sold").values_list("amount_minor", flat=True))
    refunded = sum(Act.objects.filter(kind="refund").values_list("amount_minor", flat=True))
    assert found.in_delivery_minor + found.deferred_income_minor == sold - refunded


def at_once(*acts: Callable[[], object]) -> list[str]:
    """Run them in threads that start together; "sold", "replayed", "done" or the code of the refusal of each."""
    barrier = threading.Barrier(len(acts))

    def one(act: Callable[[], object]) -> str:
        try:
            barrier.wait(WAIT_S)
            result = act()
            return "replayed" if getattr(result, "replayed", False) else "done"
        except Refused as refused:
            return refused.code
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        return [future.result(WAIT_S) for future in [pool.submit(one, act) for act in acts]]


@pytest.mark.parametrize("round_", range(5))
def test_the_same_key_twice_at_once_sells_once(scene: Scene, round_: int) -> None:
    results = at_once(*[lambda: scene.sell(key="same")] * 6)
    assert results.count("done") == 1
    assert set(results) <= {"done", "replayed", "key_busy"}
    assert Sale.objects.count() == Delivery.objects.count() == JobRow.objects.count() == 1


@pytest.mark.parametrize("round_", range(5))
def test_two_buttons_at_once_sell_once_to_a_circuit(scene: Scene, round_: int) -> None:
    results = at_once(*[lambda n=n: scene.sell(key=f"k{n}") for n in range(6)])
    assert sorted(results) == ["delivery_open"] * 5 + ["done"]
    assert Delivery.objects.get().expected_count == 4


def test_eight_who_sell_to_one_balance_of_the_books_at_once_all_sell(scene: Scene) -> None:
    account = hold(scene, 0)
    SupplyPoint.objects.update(contract=scene.contracts[0])
    for n in range(1, 8):
        hold(scene, n, key=f"credit:contract:{scene.contracts[0].pk}")
    number = scene.contracts[0].number
    assert at_once(
        *[lambda n=n: scene.sell(n % 4, key=f"k{n}", contract_number=number) for n in range(8)]
    ) == ["done"] * 8
    assert running(account) == 8 * 5000
    assert {sale.balance_before for sale in Sale.objects.all()} == set(range(0, 40_000, 5000))
    assert sorted(Delivery.objects.values_list("expected_count", flat=True)) == [1, 1, 1, 1, 2, 2, 2, 2]


def test_two_cashiers_on_one_contract_sell_once(scene: Scene) -> None:
    Shift.objects.create(till=scene.w2, operator_id=scene.bob.operator_id, opened_at=AT)
    results = at_once(
        lambda: scene.sell(key="a"),
        lambda: scene.sell(key="b", actor=scene.bob, till_id=scene.w2.pk),
        lambda: scene.sell(key="c", actor=scene.key, till_id=scene.api.pk),
    )
    assert sorted(results) == ["delivery_open", "delivery_open", "done"]


def test_eight_circuits_on_one_till_get_eight_receipts_without_a_gap(scene: Scene) -> None:
    assert at_once(*[lambda n=n: scene.sell(n, key=f"k{n}") for n in range(8)]) == ["done"] * 8
    assert sorted(Receipt.objects.values_list("number", flat=True)) == list(range(1, 9))


def test_a_second_writer_that_moved_the_count_makes_the_sale_disputed(scene: Scene) -> None:
    """The order carries the count that the platform knows, not the one that a poll has seen."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO metering_latest (site_id, circuit_id, at, purchase_count, balance) VALUES (%s, %s, %s, 4, 99)",
            [scene.site.pk, scene.circuits[0].pk, AT],
        )
    delivery = Delivery.objects.get(sale=scene.sell().sale)
    assert delivery.expected_count == 4
    meter_says(
        delivery.pk, "disputed", code="meter_count_wrong", values='{"purchase_count": 4, "last_order_amount": 7}'
    )
    assert deliveries.settle(delivery.pk, at=AT) == "disputed"


@pytest.mark.parametrize("round_", range(3))
def test_an_outcome_told_many_times_at_once_is_booked_once(scene: Scene, round_: int) -> None:
    delivery = Delivery.objects.get(sale=scene.sell().sale)
    meter_says(delivery.pk, "done", values='{"purchase_count": 4}')
    assert at_once(*[lambda: deliveries.settle(delivery.pk, at=AT)] * 5) == ["done"] * 5
    assert books(scene.company.pk).deferred_income_minor == 5000
    assert delivery.steps.filter(state="confirmed").count() == 1


@pytest.mark.parametrize("round_", range(5))
def test_a_reversal_and_a_head_end_that_claims_never_both_win(scene: Scene, round_: int) -> None:
    sale = scene.sell().sale

    def claim() -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE metering_job SET state = 'claimed', claim = 1, claimed_at = now() WHERE state = 'queued'"
            )

    results = at_once(lambda: reverse(sale, reason="x", actor=scene.alice, key="r", at=AT), claim)
    job = JobRow.objects.get()
    sale.refresh_from_db()
    assert (results[0], job.state, sale.state) in {
        ("done", "dropped", "reversed"), ("delivery_unknown", "claimed", "sold"),
    }  # fmt: skip


def test_a_reversal_pressed_twice_pays_once(scene: Scene) -> None:
    sale = scene.sell().sale
    results = at_once(*[lambda n=n: reverse(sale, reason="x", actor=scene.alice, key=f"r{n}", at=AT) for n in range(4)])
    assert sorted(results) == ["done"] + ["sale_reversed"] * 3
    assert books(scene.company.pk).cash_minor == 0


def test_two_refunds_of_one_drawer_do_not_overdraw_it(scene: Scene) -> None:
    shifts.open_shift(till_id=scene.w2.pk, float_minor=6_000, actor=scene.bob, at=AT)
    refused = []
    for n in range(2):
        delivery = Delivery.objects.get(sale=scene.sell(n, key=f"k{n}").sale)
        meter_says(delivery.pk, "refused", code="modbus_exception_04")
        deliveries.settle(delivery.pk, at=AT)
        refused.append(delivery)
    results = at_once(
        *[
            lambda d=d, n=n: returns.refund(d, till_id=scene.w2.pk, reason="x", actor=scene.bob, key=f"f{n}", at=AT)
            for n, d in enumerate(refused)
        ]
    )
    assert sorted(results) == ["done", "drawer_short"]
    found = books(scene.company.pk)
    assert (found.cash_minor, found.in_delivery_minor) == (10_000 + 6_000 - 5_000, 5_000)


@pytest.mark.parametrize("round_", range(3))
def test_no_sale_slips_into_a_shift_that_is_being_handed_over(scene: Scene, round_: int) -> None:
    results = at_once(
        lambda: scene.sell(0, key="a"),
        lambda: scene.sell(1, key="b"),
        lambda: shifts.hand_over(scene.shift, counted_minor=0, actor=scene.alice, at=AT + timedelta(hours=1)),
        lambda: scene.sell(2, key="c"),
    )
    sold = [results[0], results[1], results[3]].count("done")
    scene.shift.refresh_from_db()
    if results[2] == "done":
        assert (sold, scene.shift.expected_minor) == (0, 0)
    else:
        assert results[2] == "drawer_differs" and sold > 0
    assert shifts.drawer(scene.shift).expected_minor == 5000 * sold


# --- connections that die ------------------------------------------------------------------------


def killed_after(act: Callable[[], object]) -> None:
    """Do it, and lose the connection before the commit: as if the process had been killed there."""
    with pytest.raises(DatabaseError), transaction.atomic():
        act()
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    connection.close()


def test_killed_before_the_commit_of_a_sale_leaves_nothing(scene: Scene) -> None:
    killed_after(lambda: scene.sell())
    assert (Sale.objects.count(), JobRow.objects.count(), Receipt.objects.count()) == (0, 0, 0)
    assert books(scene.company.pk).debit_minor == 0
    assert not scene.sell().replayed  # the same key, after the crash
    assert Receipt.objects.get().number == 1


def test_killed_after_the_commit_of_a_sale_the_retry_gives_the_same(scene: Scene) -> None:
    first = scene.sell()
    connection.close()
    again = scene.sell()
    assert (again.sale.pk, again.replayed) == (first.sale.pk, True)


@pytest.mark.parametrize("verdict", ["done", "refused", "disputed"])
def test_killed_while_settling_it_is_settled_by_the_next_sweep(scene: Scene, verdict: str) -> None:
    delivery = Delivery.objects.get(sale=scene.sell().sale)
    meter_says(delivery.pk, verdict, values='{"purchase_count": 4}')
    killed_after(lambda: deliveries.settle(delivery.pk, at=AT))
    assert Delivery.objects.get().state == "waiting"
    assert CircuitCredit.objects.get(circuit=scene.circuits[0]).purchase_count == 3
    assert deliveries.sweep(at=AT) == 1
    assert Delivery.objects.get().state == {"done": "confirmed"}.get(verdict, verdict)


def test_killed_while_reversing_the_command_is_still_there(scene: Scene) -> None:
    sale = scene.sell().sale
    killed_after(lambda: reverse(sale, reason="x", actor=scene.alice, key="r", at=AT))
    assert JobRow.objects.get().state == "queued"
    assert Sale.objects.get().state == "sold"
    assert not reverse(sale, reason="x", actor=scene.alice, key="r", at=AT).replayed
