"""Exchanging a meter: the old one's last word and the new one's first, nothing billed twice, no credit lost."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prewatt.core.meters.jobs import Wish
from prewatt.core.refusals import Refused
from prewatt.office.billing import charges, releases
from prewatt.office.billing.models import Progress
from prewatt.office.changes import swap_steps
from prewatt.office.changes.final import Stated
from prewatt.office.changes.models import Swap, SwapPart
from prewatt.office.changes.openings import refuse
from prewatt.office.changes.swaps import Read, SwapCommand, swap
from prewatt.office.estate.models import Circuit, Contract, Meter, SupplyPoint
from prewatt.office.ledger import books
from prewatt.office.ledger.models import AccountKind
from prewatt.office.metering import wishes
from prewatt.office.metering.models import JobRow, MaintenanceTag, RelayWish
from prewatt.office.reports import circuits
from prewatt.office.staff.actors import of_operator
from prewatt.office.staff.models import AuditRow
from prewatt.office.vending import opening_steps
from prewatt.office.vending.audits import audit_books
from prewatt.office.vending.models import CircuitCredit, Delivery, Opening
from tests.cast import NOON
from tests.office.billing.scene import HOUR, MINUTE, OPENING_WH, Shop, opened, put, query
from tests.office.vending.scene import AT as TEN
from tests.office.vending.scene import Scene, build, meter_says

pytestmark = pytest.mark.django_db
AT = NOON + HOUR
NUMBER = "260311990001"


def code_of(command: SwapCommand) -> str:
    """The refusal; nothing was written."""
    rows = (Meter.objects.count(), JobRow.objects.count(), AuditRow.objects.count(), Opening.objects.count())
    with pytest.raises(Refused) as caught:
        swap(command)
    assert rows == (Meter.objects.count(), JobRow.objects.count(), AuditRow.objects.count(), Opening.objects.count())
    assert not Meter.objects.exclude(removed_at=None).exists()
    assert not SupplyPoint.objects.filter(state="open").exclude(valid_to=None).exists()
    return caught.value.code


# --- held by the books -----------------------------------------------------------------------


@pytest.fixture
def shop() -> Shop:
    """Paid 50.00 at NOON, used 1 kWh by 12:55, and it is 13:00."""
    made = opened()
    made.pay(5000)
    made.read(HOUR - 5 * MINUTE, OPENING_WH + 1000)
    return made


def held(shop: Shop, **changes: object) -> SwapCommand:
    given: dict[str, object] = {
        "key": "x1", "meter": shop.circuit.meter, "number": NUMBER, "profile": "acrel-ddsy1352",
        "line": shop.cast.line, "unit": shop.circuit.meter.unit, "ct_ratio": 1, "reason": "the display is dead",
        "till": shop.cast.window, "actor": of_operator(shop.cast.bob), "at": AT, **changes,
    }  # fmt: skip
    return SwapCommand(**given)  # type: ignore[arg-type]


def agreed() -> None:
    assert [each for each in audit_books() if each.check != "money"] == []


def part_of(made: Swap) -> SwapPart:
    swap_steps.sweep(at=AT + HOUR)
    return SwapPart.objects.select_related("new_supply", "new_circuit__meter", "opening").get(swap=made)


def test_the_balance_stays_and_charging_goes_on_from_the_new_meters_first_reading(shop: Shop) -> None:
    made = swap(held(shop, read={1: Read(first_wh=40)}))
    assert swap(held(shop, read={1: Read(first_wh=40)})).pk == made.pk, "the same key exchanges once"
    old = SupplyPoint.objects.get(pk=shop.supply.pk)
    part = part_of(made)
    read_at = AT - 5 * MINUTE
    assert (old.state, old.valid_to, part.final_wh, part.stated) == ("closed", read_at, OPENING_WH + 1000, False)
    assert (part.new_supply.credit_account_id, part.new_supply.contract_id) == (shop.account, shop.contract.pk)
    assert shop.balance == 5000 - 92
    charges.sweep(at=AT)
    part.new_supply.refresh_from_db()
    assert (part.new_supply.state, part.new_supply.opening_wh, part.new_supply.opening_at) == ("open", 40, read_at)
    put([(part.new_circuit, AT + HOUR, 2040, 0)])
    charges.sweep(at=AT + 2 * HOUR)
    assert shop.balance == 5000 - 3 * 92
    old_meter, new_meter = Meter.objects.get(pk=made.old_meter_id), made.new_meter
    assert (old_meter.unit, old_meter.removed_at, new_meter.removed_at) == (new_meter.unit, AT, None)
    assert (part.new_circuit.room, part.new_circuit.meter.number) == (shop.circuit.room, NUMBER)
    assert Contract.objects.get(pk=shop.contract.pk).state == "open"
    listed = circuits.page(shop.cast.bob, after_id=0, limit=99, at=AT, stale=HOUR)
    assert NUMBER in {each.meter_number for each in listed} and len(listed) == 4, "the old one is listed no more"
    assert AuditRow.objects.get(action="changes.swap").reason == "the display is dead"
    agreed()


def test_a_new_meter_of_the_books_that_was_given_up_is_opened_again_from_where_it_stood(shop: Shop) -> None:
    shop.read(HOUR - 4 * MINUTE, OPENING_WH + 1005)
    made = swap(held(shop, read={1: Read(first_wh=40)}))
    part = part_of(made)
    carried = Progress.objects.get(pk=part.new_supply_id).carried_minor
    assert 0 < carried < 1
    refuse(part.opening, part.new_supply, "cancelled", at=AT + MINUTE)
    assert part_of(made).state == "not_opened"
    swap_steps.again(part_of(made), actor=of_operator(shop.cast.bob), at=AT + 2 * MINUTE)
    again = part_of(made)
    assert again.new_supply_id != part.new_supply_id
    assert Progress.objects.get(pk=again.new_supply_id).carried_minor == carried, "the fraction goes over too"
    put([(again.new_circuit, AT + HOUR, 1040, 0)])
    charges.sweep(at=AT + 2 * HOUR)
    assert shop.balance == 5000 - 184, "1.005 and 1 kWh at 0.92"
    agreed()


def test_a_meter_that_is_dead_ends_at_what_somebody_read_of_it(shop: Shop) -> None:
    word = Stated(at=AT - MINUTE, energy_wh=OPENING_WH + 5000)
    assert code_of(held(shop, read={1: Read(stated=word)})) == "swap_needs_evidence"
    made = swap(held(shop, read={1: Read(stated=word, first_wh=0)}, evidence="Wu Lei, photograph 7"))
    assert (part_of(made).final_wh, shop.balance, made.evidence) == (
        OPENING_WH + 5000, 5000 - 5 * 92, "Wu Lei, photograph 7",
    )  # fmt: skip
    shop.read(HOUR, OPENING_WH + 9000)  # the old address answers once more
    charges.sweep(at=AT + HOUR)
    assert shop.balance == 5000 - 5 * 92, "nothing after the last word is billed"
    agreed()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"number": "260311000002"}, "swap_same_meter"),
        ({"number": "260311000001"}, "meter_number_taken"),
        ({"unit": 3}, "unit_taken"),
        ({"profile": "no-such"}, "meter_profile_unknown"),
        ({"reason": " "}, "reason_needed"),
        ({"at": AT + HOUR}, "reading_not_fresh"),
        ({"read": {1: Read(stated=Stated(at=AT + MINUTE, energy_wh=OPENING_WH + 2000))}}, "swap_in_future"),
        ({"read": {1: Read(stated=Stated(at=AT - 10 * MINUTE, energy_wh=OPENING_WH + 2000))}}, "swap_before_reading"),
        ({"read": {1: Read(stated=Stated(at=AT - MINUTE, energy_wh=OPENING_WH + 500))}}, "swap_reading_below"),
        ({"read": {1: Read(stated=Stated(at=AT - MINUTE, energy_wh=10**10))}}, "reading_not_billed"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_leaves_all_as_it_was(
    shop: Shop, changes: dict[str, object], code: str
) -> None:
    shop.sweep(HOUR - 5 * MINUTE)
    if changes.get("number") == "260311000002":
        changes = {"number": shop.circuit.meter.number}
    elif changes.get("number"):
        changes = {"number": shop.cast.shop_101.meter.number}
    assert code_of(held(shop, evidence="Wu Lei, photograph 7", **changes)) == code
    assert shop.balance == 5000 - 92


def test_only_a_manager_exchanges_and_nothing_while_a_command_is_under_way(shop: Shop) -> None:
    assert code_of(held(shop, actor=of_operator(shop.cast.alice))) == "not_permitted"
    query(
        "SELECT metering_enqueue('relay:1', %s, 'relay', '{\"intent\": \"relay\"}', 0::smallint, %s, NULL, '', '{}',"
        " 'operator:1')",
        [shop.circuit.pk, AT],
    )
    assert code_of(held(shop)) == "meter_busy"


def test_what_people_said_of_a_circuit_goes_over_to_the_new_meter(shop: Shop) -> None:
    """Somebody works there, and the supply is to stay cut: the new meter is told so before anybody asks."""
    one, actor = shop.circuit, "operator:7"
    wishes.hang_tag(one, name="Wu Lei", reason="new cable", until=AT + HOUR, actor=actor, at=NOON)
    wishes.set_wish(one, Wish.TRIP, reason="court order", until=None, actor=actor, request_key="w1", at=NOON)
    JobRow.objects.update(state="done", finished_at=NOON)
    assert code_of(held(shop, profile="chint-ddsu666")) == "handed_to_no_relay"
    new = part_of(swap(held(shop))).new_circuit
    tag, wish = MaintenanceTag.objects.get(removed_at=None), RelayWish.objects.get()
    assert (tag.circuit_id, tag.name, tag.until, tag.set_at, tag.actor) == (new.pk, "Wu Lei", AT + HOUR, NOON, actor)
    assert (wish.circuit_id, wish.wish, wish.reason, wish.actor) == (new.pk, "trip", "court order", actor)
    job = JobRow.objects.get(intent="relay", state="queued")
    assert (job.circuit_id, job.payload["wish"]) == (new.pk, "trip")
    told = AuditRow.objects.filter(object_id=str(new.pk), action__startswith="metering.")
    assert {"metering.tag_hang", "metering.wish"} <= {each.action for each in told}


@pytest.mark.parametrize(("minutes", "profile", "goes"), [(90, "acrel-ddsy1352", True), (30, "acrel-ddsy1352", False),
                                                          (90, "chint-ddsu666", False)])  # fmt: skip
def test_keeping_on_goes_over_while_it_lasts_and_the_new_meter_can_be_cut(
    shop: Shop, minutes: int, profile: str, goes: bool
) -> None:
    until = NOON + minutes * MINUTE
    wishes.load_wish(shop.circuit, Wish.KEEP_ON, reason="a sick child", until=until, actor="operator:7", at=NOON)
    new = part_of(swap(held(shop, profile=profile))).new_circuit
    assert [(each.circuit_id, each.wish, each.until) for each in RelayWish.objects.all()] == (
        [(new.pk, "keep_on", until)] if goes else []
    )
    assert JobRow.objects.filter(intent="relay", circuit=new, state="queued").exists() is goes


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    last=st.integers(0, 50_000), first=st.integers(0, 900_000), used=st.lists(st.integers(0, 9_000), max_size=4),
    stated=st.booleans(),
)  # fmt: skip
def test_what_is_billed_is_what_both_counters_moved(last: int, first: int, used: list[int], stated: bool) -> None:
    """Old final less old last charged, and the new meter's last less its first; one fraction of a fen is carried on."""
    with connection.cursor() as cursor:
        cursor.execute("SAVEPOINT example")
    try:
        shop = opened()
        shop.pay(900_000)
        final = OPENING_WH + last
        if not stated:
            shop.read(HOUR - 5 * MINUTE, final)
        word = Stated(at=AT - MINUTE, energy_wh=final) if stated else None
        made = swap(held(shop, read={1: Read(stated=word, first_wh=first)}, evidence="Wu Lei, photograph 7"))
        part, counter = part_of(made), first
        for hours, each in enumerate(used, start=2):
            counter += each
            put([(part.new_circuit, NOON + hours * HOUR, counter, 0)])
            charges.sweep(at=NOON + hours * HOUR)
        [[billed]] = query("SELECT coalesce(sum(energy_wh), 0)::bigint FROM billing_charge", [])
        assert billed == last + sum(used)
        assert shop.balance == 900_000 - (last + sum(used)) * 92 // 1000
        agreed()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ROLLBACK TO SAVEPOINT example")


# --- held by the meter -----------------------------------------------------------------------


@pytest.fixture
def scene() -> Iterator[Scene]:
    """Sold 100 kWh for 92.00, of which the old meter still held 60 at 11:58; it is 12:00."""
    made = build(1)
    SupplyPoint.objects.update(valid_from=TEN)
    polled(made, TEN, 1_000_000, 0)
    sale = made.sell(amount_minor=9200, at=TEN + MINUTE).sale
    delivery = Delivery.objects.get(sale=sale)
    settle(delivery, TEN + MINUTE)
    polled(made, TEN + 118 * MINUTE, 1_040_000, 60_000)
    yield made
    assert audit_books() == []
    for part in SwapPart.objects.select_related("new_circuit"):
        polled(made, NOW + 5 * HOUR, 20_000, 0, part.new_circuit)
    query("SELECT billing_begin_purses(%s)", [NOW + 6 * HOUR])
    [[purses]] = query(
        "SELECT coalesce(sum(p.deferred_minor + d.minor - p.counted_minor), 0)::bigint FROM billing_purse p"
        " CROSS JOIN LATERAL billing_delivered(p.supply_point_id, %s) d",
        [NOW + timedelta(days=9)],
    )
    waiting = [each for each in SwapPart.objects.select_related("delivery") if each.state not in ("done", "carrying")]
    waits = sum(each.value_minor for each in waiting)
    assert books.books(made.company.pk).of(AccountKind.DEFERRED_INCOME) == purses + waits


def polled(
    scene: Scene, at: datetime, wh: int, balance: int, circuit: Circuit | None = None, *, count: int | None = None
) -> None:
    one = circuit or scene.circuits[0]
    query(
        "INSERT INTO metering_reading (site_id, circuit_id, at, full_read, source, quality, energy_wh, balance,"
        " purchase_count) VALUES (%s, %s, %s, true, 0, 0, %s, %s, %s) RETURNING 1",
        [one.site_id, one.pk, at, wh, balance, count],
    )


def settle(delivery: Delivery, at: datetime, verdict: str = "done", balance: int = 0) -> None:
    count = delivery.expected_count - (verdict != "done")
    meter_says(delivery.pk, verdict, values=json.dumps({"purchase_count": count, "balance": balance}))
    query("UPDATE metering_job SET finished_at = %s WHERE id = %s RETURNING 1", [at, delivery.job_id])
    query("SELECT vending_settle(%s, %s)", [delivery.pk, at])


NOW = TEN + 2 * HOUR


def purse(scene: Scene, **changes: object) -> SwapCommand:
    meter = scene.circuits[0].meter
    given: dict[str, object] = {
        "key": "x1", "meter": meter, "number": NUMBER, "profile": "pilot-spm9511", "line": scene.line,
        "unit": meter.unit, "ct_ratio": 1, "reason": "the display is dead", "till": scene.api, "actor": scene.bob,
        "at": NOW, **changes,
    }  # fmt: skip
    return SwapCommand(**given)  # type: ignore[arg-type]


def answered(opening: Opening, *, balance: int = 0, verdict: str = "done") -> str:
    """The new meter says who it is and what it holds, then takes its settings."""
    for _ in range(3):
        opening.refresh_from_db()
        if opening.state in ("done", "refused"):
            break
        values = {"meter_number": int(NUMBER), "balance": balance, "purchase_count": 3}
        assert opening.job_id is not None
        JobRow.objects.filter(pk=opening.job_id).update(state="done", verdict=verdict, values=values, finished_at=NOW)
        opening_steps.advance(opening.pk, at=NOW + MINUTE)
    opening.refresh_from_db()
    return opening.state


def carried(made: Swap, *, at: datetime = NOW) -> SwapPart:
    swap_steps.sweep(at=at)
    return SwapPart.objects.select_related("delivery", "opening", "new_circuit").get(swap=made)


def test_what_the_old_meter_held_goes_into_the_new_one_with_its_money(scene: Scene) -> None:
    CircuitCredit.objects.update(carried_minor="0.4")
    polled(scene, NOW - MINUTE, 3, 0, count=1)  # it is up already, and answers at the old one's address
    made = swap(purse(scene))
    part = carried(made)
    assert (part.state, part.credit, part.value_minor) == ("opening", 60_000, 5520), "60 of 100 kWh, 92.00"
    assert SupplyPoint.objects.get(pk=part.old_supply_id).state == "closed"
    assert answered(part.opening) == "done"
    part = carried(made)
    assert part.delivery is not None and (part.state, part.delivery.origin, part.delivery.expected_count) == (
        "carrying", "swap", 4,
    )  # fmt: skip
    assert (part.delivery.amount, part.delivery.value_minor) == (60_000, 5520)
    assert books.books(scene.company.pk).of(AccountKind.IN_DELIVERY) == 5520
    settle(part.delivery, NOW + MINUTE, balance=60_000)
    assert (carried(made).state, carried(made).done_at) == ("done", NOW)
    credit = CircuitCredit.objects.get(circuit=part.new_circuit)
    assert (credit.purchase_count, str(credit.carried_minor.normalize())) == (4, "0.4")
    polled(scene, NOW + 2 * MINUTE, 10, 60_000, part.new_circuit)
    polled(scene, NOW + HOUR, 15_010, 45_000, part.new_circuit)
    releases.sweep(at=NOW + timedelta(days=1))
    assert books.books(scene.company.pk).of(AccountKind.INCOME) == 40 * 92 + 15 * 92
    releases.sweep(at=NOW + timedelta(days=2))
    assert books.books(scene.company.pk).of(AccountKind.DEFERRED_INCOME) == 45 * 92


def test_credit_that_is_in_the_new_meter_is_cleared_before_the_old_ones_comes(scene: Scene) -> None:
    made = swap(purse(scene))
    part = carried(made)
    assert part.opening.job_id is not None
    JobRow.objects.filter(pk=part.opening.job_id).update(
        state="done", verdict="done", values={"meter_number": int(NUMBER), "balance": 5_000, "purchase_count": 3}
    )
    opening_steps.advance(part.opening.pk, at=NOW)
    part.opening.refresh_from_db()
    assert part.opening.state == "clearing" and part.opening.job is not None
    assert part.opening.job.payload["order"] == {"count": 4, "kind": "clear", "amount": 0}


def test_a_credit_that_is_refused_stands_in_the_books_and_is_sent_again(scene: Scene) -> None:
    made = swap(purse(scene))
    answered(carried(made).opening)
    part = carried(made)
    assert part.delivery is not None
    settle(part.delivery, NOW + MINUTE, "refused")
    assert carried(made).state == "not_carried"
    assert books.books(scene.company.pk).of(AccountKind.IN_DELIVERY) == 0
    assert swap_steps.again(part, actor=scene.bob, at=NOW + MINUTE) == "carrying"
    part = carried(made, at=NOW + MINUTE)
    assert part.delivery is not None and part.delivery.expected_count == 4
    settle(part.delivery, NOW + 2 * MINUTE, balance=60_000)
    assert carried(made, at=NOW + 2 * MINUTE).state == "done"
    with pytest.raises(Refused, match="swap_part_ended"):
        swap_steps.again(part, actor=scene.bob, at=NOW)


def test_a_new_meter_that_does_not_agree_is_opened_again_and_the_credit_waits(scene: Scene) -> None:
    made = swap(purse(scene))
    assert answered(carried(made).opening, verdict="disputed") == "refused"
    part = carried(made)
    assert (part.state, part.delivery) == ("not_opened", None)
    assert Contract.objects.get(pk=scene.contracts[0].pk).state == "open"
    assert swap_steps.again(part, actor=scene.bob, at=NOW + MINUTE) == "opening"
    assert answered(carried(made).opening) == "done"
    assert carried(made).state == "carrying"


def test_a_stated_credit_is_kept_and_never_more_than_was_read(scene: Scene) -> None:
    def word(credit: int | None, at: datetime = NOW - MINUTE, wh: int = 1_041_000) -> dict[int, Read]:
        return {1: Read(stated=Stated(at=at, energy_wh=wh, credit=credit))}

    seen = {"evidence": "Wu Lei, photograph 7"}
    assert code_of(purse(scene, read=word(60_010), **seen)) == "swap_credit_above_read"
    assert code_of(purse(scene, read=word(None), **seen)) == "swap_reading_missing"
    assert code_of(purse(scene, read=word(-10), **seen)) == "swap_debt"
    assert code_of(purse(scene, read=word(59_000, wh=1_000), **seen)) == "swap_reading_below"
    assert code_of(purse(scene, read=word(59_000, at=NOW - 3 * MINUTE), **seen)) == "swap_before_reading"
    part = carried(swap(purse(scene, read=word(59_000), **seen)))
    assert (part.credit, part.value_minor, part.final_wh, part.stated) == (59_000, 5428, 1_041_000, True)


def test_a_credit_on_its_way_a_debt_and_a_stale_reading_stop_it(scene: Scene) -> None:
    assert code_of(purse(scene, at=NOW + HOUR)) == "reading_not_fresh"
    polled(scene, NOW - MINUTE, 1_100_000, -2_000)
    assert code_of(purse(scene)) == "swap_debt"
    polled(scene, NOW - MINUTE / 2, 1_100_000, 0)
    scene.sell(key="k2", amount_minor=920, at=NOW)
    assert code_of(purse(scene)) == "delivery_unsettled"
    Delivery.objects.filter(state="waiting").update(state="disputed")
    query("INSERT INTO vending_deliverystep (delivery_id, state, at, code, detail) SELECT id, 'disputed', %s, '', '{}'"
          " FROM vending_delivery WHERE state = 'disputed' RETURNING 1", [NOW])  # fmt: skip
    assert code_of(purse(scene)) == "delivery_unsettled"
