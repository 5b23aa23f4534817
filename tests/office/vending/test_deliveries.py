"""A delivery follows its job: every outcome at every state, run twice, late, or never."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from prewatt.core.refusals import Refused
from prewatt.office.ledger.books import books
from prewatt.office.ledger.models import ClosedDay, Entry
from prewatt.office.metering.models import JobRow
from prewatt.office.vending import deliveries
from prewatt.office.vending.models import CircuitCredit, Delivery, DeliveryStep
from prewatt.office.vending.read import sale_view
from tests.office.vending.scene import AT, Scene, build, meter_says, read_latest

pytestmark = pytest.mark.django_db


@pytest.fixture
def scene() -> Scene:
    return build()


def sold(scene: Scene) -> Delivery:
    return Delivery.objects.get(sale=scene.sell().sale)


def states(delivery: Delivery) -> list[str]:
    return list(DeliveryStep.objects.filter(delivery=delivery).order_by("id").values_list("state", flat=True))


def money(scene: Scene) -> tuple[int, int, int]:
    found = books(scene.company.pk)
    assert found.debit_minor == found.credit_minor
    return found.cash_minor, found.in_delivery_minor, found.deferred_income_minor


def count(scene: Scene) -> int:
    return CircuitCredit.objects.get(circuit=scene.circuits[0]).purchase_count


def test_done_confirms_once_however_often_it_is_told(scene: Scene) -> None:
    delivery = sold(scene)
    meter_says(delivery.pk, "done", values='{"purchase_count": 4, "balance": 54350}')
    assert [deliveries.settle(delivery.pk, at=AT) for _ in range(3)] == ["confirmed"] * 3
    assert states(delivery) == ["waiting", "sent", "confirmed"]
    assert money(scene) == (5000, 0, 5000)
    assert count(scene) == 4
    delivery.refresh_from_db()
    assert delivery.confirmed_values == {"purchase_count": 4, "balance": 54350}
    assert delivery.load_deadline is not None and delivery.settled_at is not None


def test_refused_keeps_the_money_in_one_account(scene: Scene) -> None:
    delivery = sold(scene)
    meter_says(delivery.pk, "refused", code="meter_hoarding_limit", values='{"purchase_count": 3}')
    assert deliveries.settle(delivery.pk, at=AT) == "refused"
    delivery.refresh_from_db()
    assert (delivery.code, delivery.read_count, count(scene)) == ("meter_hoarding_limit", 3, 3)
    assert money(scene) == (5000, 5000, 0)


def test_silence_waits_and_says_when_it_tries_again(scene: Scene) -> None:
    delivery = sold(scene)
    meter_says(delivery.pk, "silent", sent=False, again=True)
    assert deliveries.settle(delivery.pk, at=AT) == "waiting"
    view = sale_view(delivery.sale)["delivery"]  # type: ignore[arg-type]
    assert view["next_try_at"] is not None
    assert [step["state"] for step in view["steps"]] == ["waiting"]


def test_unknown_stays_unknown_through_silence(scene: Scene) -> None:
    """Once a write may have left, silence does not make it unsent."""
    delivery = sold(scene)
    meter_says(delivery.pk, "unknown", sent=True, again=True)
    assert deliveries.settle(delivery.pk, at=AT) == "unknown"
    meter_says(delivery.pk, "silent", sent=False, again=True)
    assert deliveries.settle(delivery.pk, at=AT) == "unknown"
    JobRow.objects.update(state="claimed")
    assert deliveries.settle(delivery.pk, at=AT) == "unknown"
    meter_says(delivery.pk, "done", values='{"purchase_count": 4}')
    assert deliveries.settle(delivery.pk, at=AT) == "confirmed"
    assert states(delivery) == ["waiting", "sent", "unknown", "confirmed"]
    assert money(scene) == (5000, 0, 5000)


def test_silence_after_a_claim_that_may_have_sent_is_unknown(scene: Scene) -> None:
    """A head-end died between claim and report; the next one was met with silence."""
    delivery = sold(scene)
    JobRow.objects.update(ever_sent=True)
    meter_says(delivery.pk, "silent", sent=False, again=True)
    assert deliveries.settle(delivery.pk, at=AT) == "unknown"


def test_disputed_waits_for_a_person_with_what_was_read(scene: Scene) -> None:
    delivery = sold(scene)
    meter_says(delivery.pk, "disputed", code="count_moved", values='{"purchase_count": 7, "balance": 1}')
    assert deliveries.settle(delivery.pk, at=AT) == "disputed"
    delivery.refresh_from_db()
    assert (delivery.read_count, delivery.read_values["balance"], count(scene)) == (7, 1, 3)
    assert money(scene) == (5000, 5000, 0)


def test_done_with_another_count_than_ours_is_disputed(scene: Scene) -> None:
    delivery = sold(scene)
    meter_says(delivery.pk, "done", values='{"purchase_count": 5}')
    assert deliveries.settle(delivery.pk, at=AT) == "disputed"


def test_a_claimed_job_is_sent_and_goes_back_to_waiting(scene: Scene) -> None:
    delivery = sold(scene)
    JobRow.objects.update(state="claimed", claimed_at=AT, claim=1, attempts=1)
    assert deliveries.settle(delivery.pk, at=AT) == "sent"
    meter_says(delivery.pk, "silent", sent=False, again=True)
    assert deliveries.settle(delivery.pk, at=AT) == "waiting"


@pytest.mark.parametrize("loss", ["dropped", "done-silent"])
def test_an_order_that_lost_its_carrier_gets_another_with_the_same_count(scene: Scene, loss: str) -> None:
    delivery = sold(scene)
    first = delivery.job_id
    if loss == "dropped":
        JobRow.objects.update(state="dropped")
    else:
        meter_says(delivery.pk, "silent", sent=False)
    assert deliveries.settle(delivery.pk, at=AT) == "waiting"
    delivery.refresh_from_db()
    assert delivery.job_id != first and delivery.orders == 2
    payloads = list(JobRow.objects.order_by("id").values_list("payload", flat=True))
    assert payloads[0] == payloads[1]


def test_the_sweep_finds_what_a_lost_job_left_behind(scene: Scene) -> None:
    delivery = sold(scene)
    assert deliveries.sweep(at=AT) == 0
    meter_says(delivery.pk, "done", values='{"purchase_count": 4}')
    assert deliveries.sweep(at=AT) == 1
    assert deliveries.sweep(at=AT) == 0
    delivery.refresh_from_db()
    assert delivery.state == "confirmed"


def test_load_is_observed_after_confirmation_or_said_to_be_missing(scene: Scene) -> None:
    one, two = sold(scene), Delivery.objects.get(sale=scene.sell(1, key="k2").sale)
    for delivery in (one, two):
        meter_says(delivery.pk, "done", values='{"purchase_count": 4}')
        deliveries.settle(delivery.pk, at=AT)
    one.refresh_from_db()
    assert one.settled_at is not None
    later = one.settled_at + timedelta(seconds=5)
    read_latest(scene, 0, balance=1, at=later, power_w=850)
    read_latest(scene, 1, balance=1, at=later, power_w=0)
    assert deliveries.watch_load(at=later) == 1
    assert deliveries.watch_load(at=later + timedelta(seconds=61)) == 1
    assert deliveries.watch_load(at=later + timedelta(seconds=90)) == 0
    assert states(one)[-1] == "load_observed"
    assert states(two)[-1] == "load_not_seen"
    assert [step["state"] for step in sale_view(one.sale)["delivery"]["steps"]] == [  # type: ignore[arg-type]
        "waiting", "sent", "confirmed",
    ]  # fmt: skip


def test_entry_keys_make_a_second_confirmation_impossible(scene: Scene) -> None:
    delivery = sold(scene)
    meter_says(delivery.pk, "done", values='{"purchase_count": 4}')
    deliveries.settle(delivery.pk, at=AT)
    assert Entry.objects.filter(key=f"confirm:{delivery.pk}").count() == 1


def test_an_outcome_of_a_day_closed_meanwhile_is_booked_today(scene: Scene) -> None:
    delivery = sold(scene)
    meter_says(delivery.pk, "done", values='{"purchase_count": 4}')
    finished = JobRow.objects.get(delivery=delivery).finished_at
    assert finished is not None
    day = finished.astimezone(ZoneInfo("Asia/Shanghai")).date()
    ClosedDay.objects.create(site_id=scene.site.pk, day=day, closed_at=finished, actor="operator:1")
    later = finished + timedelta(days=1)
    assert deliveries.settle(delivery.pk, at=later) == "confirmed"
    assert Entry.objects.get(key=f"confirm:{delivery.pk}").at == later


def test_a_delivery_that_does_not_exist_is_no_error(scene: Scene) -> None:
    assert deliveries.settle(10**9, at=AT) is None


def test_an_unknown_delivery_is_checked_at_once_with_the_same_order(scene: Scene) -> None:
    sale = scene.sell().sale
    delivery = Delivery.objects.get(sale=sale)
    meter_says(delivery.pk, "unknown", code="no_reply", again=True)
    JobRow.objects.update(due_at=AT + timedelta(days=3650))
    deliveries.settle(delivery.pk, at=AT)
    delivery.refresh_from_db()
    assert deliveries.check_now(delivery, actor=scene.alice, at=AT)
    assert JobRow.objects.get().due_at < AT + timedelta(days=3650)
    JobRow.objects.update(state="claimed")
    assert not deliveries.check_now(delivery, actor=scene.alice, at=AT)
    with pytest.raises(Refused) as caught:
        deliveries.check_now(delivery, actor=scene.fay, at=AT)
    assert caught.value.code == "not_permitted"
    Delivery.objects.filter(pk=delivery.pk).update(state="refused")
    with pytest.raises(Refused) as caught:
        deliveries.check_now(delivery, actor=scene.alice, at=AT)
    assert caught.value.code == "delivery_not_waiting"
