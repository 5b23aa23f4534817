"""Shifts from their page: open, the drawer, a hand-over that agrees, and who sees whose."""

import pytest

from prewatt.office.vending.models import Shift
from tests.web.console import sell_desk
from tests.web.console.sell_desk import Desk, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Alice's shift was opened through the page, with 500.00 in the drawer."""
    made = sell_desk.make(monkeypatch)
    Shift.objects.all().delete()
    answer = made.alice.post("/console/shift/open", {"till": str(made.cast.window.pk), "float": "500.00"})
    assert answer.status_code == 302
    made.shift = Shift.objects.get()
    return made


def test_the_drawer_is_the_float_and_the_cash(desk: Desk) -> None:
    desk.sell()
    text = text_of(desk.alice.get("/console/shift"))
    assert "¥550.00" in text and "¥500.00" in text and "1 sales" in text


def test_a_drawer_that_agrees_is_handed_over_and_leaves_a_slip(desk: Desk) -> None:
    desk.sell()
    done = desk.alice.post("/console/shift/hand-over", {"counted": "550"})
    assert done["Location"] == f"/console/shifts/{desk.shift.pk}"
    slip = text_of(desk.alice.get(done["Location"]))
    assert "Hand-over slip" in slip and "¥550.00" in slip and "pw-receipt" in slip
    assert "No shift of yours is open" in text_of(desk.alice.get("/console/shift"))


def test_a_drawer_that_differs_stays_open_and_says_by_how_much(desk: Desk) -> None:
    desk.sell()
    answer = desk.alice.post("/console/shift/hand-over", {"counted": "540"})
    text = text_of(answer)
    assert answer.status_code == 422 and 'data-code="drawer_differs"' in text
    assert "Counted ¥540.00, expected ¥550.00, difference −¥10.00" in text
    assert Shift.objects.get().closed_at is None


def test_a_cashier_cannot_accept_a_difference_and_a_manager_needs_a_reason(desk: Desk) -> None:
    answer = desk.alice.post("/console/shift/hand-over", {"counted": "499", "accept": "1", "note": "lost a coin"})
    assert answer.status_code == 422 and 'data-code="not_permitted"' in text_of(answer)
    address = f"/console/shifts/{desk.shift.pk}/close"
    assert desk.alice.get(address).status_code == 404
    assert desk.bob.post(address, {"counted": "499", "note": ""}).status_code == 422
    assert desk.bob.post(address, {"counted": "499", "note": "lost a coin"}).status_code == 302
    shift = Shift.objects.get()
    assert (shift.counted_minor, shift.expected_minor, shift.note) == (49_900, 50_000, "lost a coin")


@pytest.mark.parametrize(
    ("till", "float_", "code"),
    [("0", "1", "till_unknown"), ("x", "1", "till_unknown"), ("own", "one", "amount_malformed"),
     ("own", "-1", "amount_malformed_minor"),
     ("own", "1", "shift_open_already")],
)  # fmt: skip
def test_a_shift_that_cannot_be_opened_says_why(desk: Desk, till: str, float_: str, code: str) -> None:
    typed = {"till": str(desk.cast.window.pk) if till == "own" else till, "float": float_}
    answer = desk.bob.post("/console/shift/open", typed)
    assert answer.status_code == 422 and f'data-code="{code}"' in text_of(answer)
    assert Shift.objects.count() == 1


def test_a_cashier_sees_his_own_shifts_and_a_manager_all(desk: Desk) -> None:
    carol = type(desk.cast.alice).objects.create(
        username="carol", name="Carol", role="cashier", created_at=desk.at, password="!"
    )
    carol.scopes.create(site_id=desk.cast.site.pk)
    desk.alice.post("/console/shift/hand-over", {"counted": "500"})
    address = f"/console/shifts/{desk.shift.pk}"
    assert desk.client(carol).get(address).status_code == 404
    assert desk.bob.get(address).status_code == 200
    assert desk.charlie.get(address).status_code == 403
    assert "Alice" in text_of(desk.bob.get("/console/shift"))
