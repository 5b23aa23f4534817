"""Shifts: a drawer must agree with the books before it is handed over."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from prewatt.core.refusals import Refused
from prewatt.office.ledger.books import balance_of_key, books
from prewatt.office.ledger.models import AccountKind
from prewatt.office.payments.models import Tender
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.models import AuditRow
from prewatt.office.vending import shifts
from prewatt.office.vending.limits import limits_of, set_limits
from prewatt.office.vending.models import Receipt, Shift
from prewatt.office.vending.receipts import number_of, printed
from tests.office.vending.scene import AT, Scene, build

pytestmark = pytest.mark.django_db


@pytest.fixture
def scene() -> Scene:
    return build(3)


def code_of(act: Callable[[], object]) -> str:
    with pytest.raises(Refused) as caught:
        act()
    return caught.value.code


def drawer_key(shift: Shift) -> str:
    return f"cash:till:{shift.till_id}:shift:{shift.pk}"


def test_a_drawer_that_agrees_is_handed_over_and_empty(scene: Scene) -> None:
    shift = shifts.open_shift(till_id=scene.w2.pk, float_minor=20_000, actor=scene.bob, at=AT)
    scene.sell(0, key="a", actor=scene.bob, till_id=scene.w2.pk)
    scene.sell(1, key="b", actor=scene.bob, till_id=scene.w2.pk, tender="pos_card", reference="P1")
    now = shifts.drawer(shift)
    assert (now.expected_minor, now.float_minor, now.sales) == (25_000, 20_000, 2)
    assert {each.tender: each.in_minor for each in now.totals if each.count} == {
        Tender.CASH: 5000,
        Tender.POS_CARD: 5000,
    }
    later = AT + timedelta(hours=8)
    done = shifts.hand_over(shift, counted_minor=25_000, actor=scene.bob, at=later)
    assert (done.closed_at, done.expected_minor, done.counted_minor) == (later, 25_000, 25_000)
    assert balance_of_key(site_id=scene.site.pk, key=drawer_key(shift)) == 0
    found = books(scene.company.pk)
    assert (found.of(AccountKind.HANDED_OVER), found.of(AccountKind.OVER_SHORT)) == (5000, 0)
    assert shifts.drawer(done).expected_minor == 25_000  # frozen
    assert code_of(lambda: shifts.hand_over(done, counted_minor=0, actor=scene.bob, at=later)) == "shift_closed"
    assert code_of(lambda: scene.sell(2, key="c", actor=scene.bob, till_id=scene.w2.pk)) == "shift_not_open"
    assert [row.action for row in AuditRow.objects.filter(object_type="shift").order_by("id")] == [
        "vending.shift_open", "vending.shift_hand_over",
    ]  # fmt: skip


@pytest.mark.parametrize("counted", [4_900, 5_100])
def test_a_difference_needs_a_manager_and_a_reason(scene: Scene, counted: int) -> None:
    scene.sell()
    with pytest.raises(Refused) as caught:
        shifts.hand_over(scene.shift, counted_minor=counted, actor=scene.alice, at=AT)
    assert (caught.value.code, caught.value.params) == ("drawer_differs", {"counted": counted, "expected": 5000})
    assert code_of(lambda: accept(scene, counted, scene.alice)) == "not_permitted"
    assert code_of(lambda: accept(scene, counted, scene.bob, note=" ")) == "reason_needed"
    accept(scene, counted, scene.bob)
    found = books(scene.company.pk)
    assert found.of(AccountKind.OVER_SHORT) == 5000 - counted
    assert (found.of(AccountKind.HANDED_OVER), found.cash_minor) == (counted, 0)
    assert found.debit_minor == found.credit_minor


def accept(scene: Scene, counted: int, actor: Actor, note: str = "a note was torn") -> Shift:
    return shifts.hand_over(
        scene.shift,
        counted_minor=counted,
        actor=actor,
        at=AT,
        accept_difference=True,
        note=note,
    )


def test_a_till_has_one_open_shift_and_it_is_its_cashiers(scene: Scene) -> None:
    assert code_of(lambda: opened(scene, scene.w1.pk)) == "shift_open_already"
    assert code_of(lambda: opened(scene, scene.api.pk)) == "till_needs_no_shift"
    assert code_of(lambda: opened(scene, 10**9)) == "till_unknown"
    assert code_of(lambda: shifts.hand_over(scene.shift, counted_minor=0, actor=scene.bob, at=AT)) == "shift_not_yours"
    assert shifts.open_shift_of(scene.alice.operator_id, scene.site.pk) == scene.shift
    assert shifts.open_shift_of(scene.bob.operator_id, scene.site.pk) is None


def opened(scene: Scene, till_id: int) -> Shift:
    return shifts.open_shift(till_id=till_id, float_minor=0, actor=scene.bob, at=AT)


def test_tills_have_a_code_of_their_own(scene: Scene) -> None:
    made = shifts.add_till(site_id=scene.site.pk, code="W3", name="三号", actor=None, at=AT)
    assert made.needs_shift
    assert (
        code_of(lambda: shifts.add_till(site_id=scene.site.pk, code="W3", name="x", actor=None, at=AT)) == "till_exists"
    )
    assert code_of(lambda: shifts.add_till(site_id=1, code="W 3", name="x", actor=None, at=AT)) == "till_malformed"
    assert code_of(lambda: shifts.add_till(site_id=1, code="W4", name="x", actor=scene.bob, at=AT)) == "not_permitted"


def test_a_site_has_limits_of_its_own(scene: Scene) -> None:
    set_limits(site_id=scene.site.pk, smallest_minor=1000, largest_minor=4000, actor=scene.bob, at=AT)
    assert limits_of(scene.site.pk) == (1000, 4000)
    assert code_of(lambda: scene.sell()) == "amount_above_limit"
    assert code_of(lambda: scene.sell(amount_minor=999)) == "amount_too_small"
    assert code_of(
        lambda: set_limits(site_id=scene.site.pk, smallest_minor=5, largest_minor=4, actor=scene.bob, at=AT)
    ) == "limits_malformed"  # fmt: skip


def test_reprints_are_counted_and_leave_a_trail(scene: Scene) -> None:
    scene.sell()
    receipt = Receipt.objects.get()
    assert number_of(receipt.data) == "W1-000001"
    assert [printed(receipt, actor=scene.alice, at=AT) for _ in range(3)] == [1, 2, 3]
    assert AuditRow.objects.filter(action="vending.reprint").count() == 2
