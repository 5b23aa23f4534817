"""Meters that counted on since a restore: listed for those who see them, settled by those who may."""

from datetime import timedelta

import pytest
from django.test import Client

from prewatt.office.staff.models import Operator
from prewatt.office.vending import recounts
from prewatt.office.vending.models import CircuitCredit
from tests.cast import NOON, Cast, assemble, lately_read

pytestmark = pytest.mark.django_db
PAGE = "/console/restored"


@pytest.fixture
def cast() -> Cast:
    made = assemble()
    recounts.begin(at=NOON)
    lately_read(made.shop_101, at=NOON + timedelta(minutes=1), count=7)  # the books say 5
    recounts.look(at=NOON + timedelta(minutes=1))
    return made


def client_of(operator: Operator, language: str = "en") -> Client:
    client = Client()
    client.force_login(operator)
    client.cookies["django_language"] = language
    return client


@pytest.mark.parametrize(("language", "word"), [("en", "more purchases than the books"), ("zh-hans", "购电次数")])
def test_books_and_meter_stand_side_by_side_in_both_languages(cast: Cast, language: str, word: str) -> None:
    shown = client_of(cast.bob, language).get(PAGE)
    text = shown.content.decode()
    assert shown.status_code == 200 and word in text and cast.shop_101.meter.number in text
    assert client_of(cast.bob, language).get("/console/alarms").content.decode().count(PAGE) == 1


def test_a_manager_takes_the_count_over_and_the_list_is_empty(cast: Cast) -> None:
    bob = client_of(cast.bob)
    typed = {"circuit": str(cast.shop_101.pk), "count": "7", "reason": "two slips of this morning"}
    done = bob.post(PAGE, typed)
    assert done.status_code == 200 and cast.shop_101.meter.number not in done.content.decode()
    assert CircuitCredit.objects.get(pk=cast.shop_101.pk).purchase_count == 7


@pytest.mark.parametrize(
    ("who", "changes", "status"),
    [
        ("alice", {}, 422),  # a cashier may look
        ("bob", {"count": "6"}, 422),  # not what was read last
        ("bob", {"reason": " "}, 422),
        ("bob", {"circuit": "999999"}, 404),
        ("charlie", {}, 404),  # sees nothing
    ],
)  # fmt: skip
def test_what_may_not_be_done_changes_nothing(cast: Cast, who: str, changes: dict[str, str], status: int) -> None:
    typed = {"circuit": str(cast.shop_101.pk), "count": "7", "reason": "seen", **changes}
    answer = client_of(getattr(cast, who)).post(PAGE, typed)
    assert answer.status_code in (status, 403 if who == "charlie" else status)
    assert CircuitCredit.objects.get(pk=cast.shop_101.pk).purchase_count == 5
