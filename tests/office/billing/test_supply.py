"""What the running balances say of a server-held supply, and how it reaches the relay."""

from datetime import datetime, timedelta
from itertools import product

import pytest
from django.db import connection

from prewatt.core.meters.jobs import Wish
from prewatt.core.meters.quantities import StatusBit
from prewatt.core.refusals import Refused
from prewatt.core.tariffs import supply as rule
from prewatt.office.alarms import rules
from prewatt.office.alarms.models import Alarm
from prewatt.office.billing import supply
from prewatt.office.estate.models import Circuit, Line, Site, SupplyPoint
from prewatt.office.metering import wishes
from prewatt.office.metering.models import JobRow, LineState, RelayWish
from prewatt.office.staff.models import AuditRow
from tests.cast import NOON
from tests.office.billing.scene import OPENING_WH, Shop, another, opened, query, waiting

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
LATER = NOON + MINUTE
CLOSED, OPEN, LEFT_ALONE = (1, StatusBit.KEPT_ON), (0, StatusBit.COMMAND_TRIP), (1, None)


def seen(shop: Shop, how: tuple[int, StatusBit | None], at: datetime) -> None:
    """Telemetry: the relay, and the force by which it stands so."""
    relay, bit = how
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE metering_latest SET at = %s, relay = %s, status = %s WHERE circuit_id = %s",
            [at, relay, wishes.BITS[bit] if bit else 0, shop.circuit.pk],
        )


def told(shop: Shop) -> list[str]:
    """What waits to be told to the relay."""
    return [row.payload["wish"] for row in JobRow.objects.filter(circuit=shop.circuit, state="queued").order_by("pk")]


def obeyed(shop: Shop, at: datetime) -> None:
    """The head-end has told it, and the meter follows."""
    [wish] = told(shop)
    JobRow.objects.filter(circuit=shop.circuit).update(state="done", finished_at=at - timedelta(days=400))
    seen(shop, OPEN if wish == "trip" else CLOSED, at)


def decided(shop: Shop) -> tuple[str | None, str]:
    row = RelayWish.objects.get(circuit=shop.circuit)
    return row.decided, row.decided_cause


def test_nothing_is_decided_before_the_opening_reading() -> None:
    shop = waiting()
    assert supply.sweep(at=LATER) == 0 and not RelayWish.objects.filter(circuit=shop.circuit).exists()


def test_opened_without_credit_it_is_cut_and_paid_it_is_closed_by_force() -> None:
    shop = opened()
    assert supply.sweep(at=LATER) == 1
    assert (decided(shop), told(shop)) == (("open", "credit"), ["trip"])
    shop.pay(5_000)
    assert supply.sweep(at=LATER + MINUTE) == 1
    assert (decided(shop), told(shop)) == (("closed", "credit"), ["keep_on"])  # the cut that waited is gone
    assert supply.sweep(at=LATER + 2 * MINUTE) == 0
    assert AuditRow.objects.filter(action="metering.decided", object_id=str(shop.circuit.pk)).count() == 2


@pytest.mark.parametrize(("balance", "wanted"), [(1, "closed"), (0, "closed"), (-1999, "closed"), (-2000, "open")])
def test_it_is_cut_when_the_overdraft_is_used_up(balance: int, wanted: str) -> None:
    shop = opened(overdraft=2000)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE ledger_runningbalance SET balance_minor = %s", [balance])
    supply.sweep(at=LATER)
    assert decided(shop)[0] == wanted


def test_sql_finds_what_the_rule_would_change() -> None:
    """`_CHANGED` says `rule.cut` once more, to fetch little: over all its cases the two agree."""
    shop = opened()
    for balance, overdraft, never in product((-501, -500, -499, -1, 0, 1), (0, 500), (False, True)):
        with connection.cursor() as cursor:
            cursor.execute("UPDATE ledger_runningbalance SET balance_minor = %s", [balance])
            cursor.execute("UPDATE metering_relaywish SET decided = NULL, decided_at = NULL")
        SupplyPoint.objects.filter(pk=shop.supply.pk).update(overdraft=overdraft)
        Circuit.objects.filter(pk=shop.circuit.pk).update(never_cut=never)
        assert supply.sweep(at=LATER) == 1 and supply.sweep(at=LATER) == 0
        facts = rule.Facts(balance_minor=balance, overdraft_minor=overdraft, never_cut=never)
        assert decided(shop)[0] == ("closed" if rule.decide(facts, at=LATER).closed else "open"), facts


def test_circuits_of_one_balance_are_cut_and_restored_together() -> None:
    shop = opened()
    second = another(shop, shop.cast.lift)
    assert supply.sweep(at=LATER) == 2
    assert (told(shop), told(second)) == (["trip"], ["trip"])
    shop.pay(100)
    assert supply.sweep(at=LATER) == 2
    assert (told(shop), told(second)) == (["keep_on"], ["keep_on"])


def test_a_meter_left_to_its_own_purse_is_forced_closed_though_it_is_closed() -> None:
    shop = opened()
    shop.pay(5_000)
    supply.sweep(at=LATER)
    obeyed(shop, LATER + MINUTE)
    assert wishes.sweep(at=LATER + 2 * MINUTE) == 0  # forced closed: all is well
    seen(shop, LEFT_ALONE, LATER + 2 * MINUTE)
    assert wishes.sweep(at=LATER + 3 * MINUTE) == 1 and told(shop) == ["keep_on"]


def test_a_meter_that_is_seen_to_stand_so_by_force_is_told_nothing() -> None:
    shop = opened()
    seen(shop, OPEN, LATER)
    assert supply.sweep(at=LATER) == 1 and told(shop) == []
    assert RelayWish.objects.get(circuit=shop.circuit).agreed_at == LATER
    seen(shop, CLOSED, LATER + MINUTE)
    assert wishes.sweep(at=LATER + MINUTE) == 1 and told(shop) == ["trip"]
    shop.pay(5_000)
    assert supply.sweep(at=LATER + 2 * MINUTE) == 1
    assert told(shop) == ["keep_on"], "a cut was on its way: what was seen before says nothing"


def test_it_is_told_again_and_again_until_telemetry_agrees() -> None:
    shop = opened()
    supply.sweep(at=LATER)
    for minutes in (1, 2, 3):
        at = LATER + minutes * MINUTE
        JobRow.objects.update(state="done", verdict="refused", finished_at=NOON - timedelta(days=400))
        seen(shop, CLOSED, at)
        assert wishes.sweep(at=at) == 1 and told(shop) == ["trip"]
    obeyed(shop, LATER + 9 * MINUTE)
    assert wishes.sweep(at=LATER + 10 * MINUTE) == 0


@pytest.mark.parametrize("by_key", [True, False])
def test_a_permitted_close_waits_for_the_key_in_peace_where_the_site_wants_that(by_key: bool) -> None:
    shop = opened()
    Site.objects.filter(pk=shop.cast.site.pk).update(closes_by_key=by_key)
    supply.sweep(at=LATER)
    obeyed(shop, LATER + MINUTE)
    shop.pay(5_000)
    supply.sweep(at=LATER + 2 * MINUTE)
    JobRow.objects.update(state="done", finished_at=NOON - timedelta(days=400))
    at = LATER + 9 * MINUTE
    seen(shop, (0, StatusBit.AWAIT_KEY), at)
    state = supply.of_circuits([shop.circuit.pk], at=at)[shop.circuit.pk].decision.state
    if not by_key:  # as a meter looks that tripped for reasons of its own
        assert state is not rule.SupplyState.AWAITING_KEY
        assert wishes.sweep(at=at) == 1
        rules.evaluate(at=at, status_poll_s=60, rules=rules.shipped())
        assert Alarm.objects.filter(circuit_id=shop.circuit.pk, kind="late_restore").exists()
        return
    assert (state, wishes.sweep(at=at), told(shop)) == (rule.SupplyState.AWAITING_KEY, 0, [])
    rules.evaluate(at=at, status_poll_s=60, rules=rules.shipped())
    assert not Alarm.objects.filter(circuit_id=shop.circuit.pk, kind__in=("late_restore", "wish_unmet")).exists()
    seen(shop, OPEN, at + MINUTE)  # somebody opened it otherwise meanwhile
    assert wishes.sweep(at=at + MINUTE) == 1 and told(shop) == ["keep_on"]
    rules.evaluate(at=at + MINUTE, status_poll_s=60, rules=rules.shipped())
    assert Alarm.objects.filter(circuit_id=shop.circuit.pk, kind="late_restore").exists()


def test_the_operators_word_stands_before_the_credit_and_stays_his() -> None:
    shop = opened()
    shop.pay(5_000)
    supply.sweep(at=LATER)
    obeyed(shop, LATER + MINUTE)
    say(shop, Wish.TRIP, at=LATER + 2 * MINUTE)
    obeyed(shop, LATER + 3 * MINUTE)
    assert supply.sweep(at=LATER + 4 * MINUTE) == 0 and wishes.sweep(at=LATER + 4 * MINUTE) == 0
    say(shop, Wish.AUTOMATIC, at=LATER + 5 * MINUTE)
    assert told(shop) == ["keep_on"] and RelayWish.objects.get(circuit=shop.circuit).wish == "automatic"


def test_kept_on_it_outlives_its_credit_and_is_cut_within_a_minute_of_the_end() -> None:
    shop = opened()
    shop.pay(100)
    supply.sweep(at=LATER)
    obeyed(shop, LATER)
    say(shop, Wish.KEEP_ON, at=LATER, until=LATER + 30 * MINUTE)
    obeyed(shop, LATER + MINUTE)
    shop.read_and_sweep(10 * MINUTE, 1_010_000)
    assert supply.sweep(at=LATER + 10 * MINUTE) == 1 and decided(shop)[0] == "open"
    seen(shop, CLOSED, LATER + 10 * MINUTE)
    assert told(shop) == [] and wishes.sweep(at=LATER + 29 * MINUTE) == 0
    assert wishes.sweep(at=LATER + 30 * MINUTE) == 1 and told(shop) == ["trip"]


def test_nothing_is_closed_under_a_maintenance_tag_and_all_is_once_it_is_off() -> None:
    shop = opened()
    supply.sweep(at=LATER)
    obeyed(shop, LATER)
    wishes.hang_tag(shop.circuit, name="Zhang", reason="x", until=LATER + timedelta(days=1), actor="bob", at=LATER)
    shop.pay(5_000)
    assert supply.sweep(at=LATER + MINUTE) == 1 and told(shop) == []
    seen(shop, OPEN, LATER + 2 * MINUTE)
    assert wishes.sweep(at=LATER + 2 * MINUTE) == 0
    assert one(shop).decision.state is rule.SupplyState.BLOCKED
    wishes.remove_tag(shop.circuit, actor="bob", at=LATER + 3 * MINUTE)
    assert wishes.sweep(at=LATER + 3 * MINUTE) == 1 and told(shop) == ["keep_on"]


@pytest.mark.parametrize("how", [None, StatusBit.OVERLOAD_TRIP, StatusBit.HAND_OPENED, StatusBit.KEPT_ON])
def test_what_somebody_or_something_else_has_opened_is_not_closed_for_money(how: StatusBit | None) -> None:
    shop = opened()
    supply.sweep(at=LATER)
    obeyed(shop, LATER)
    seen(shop, (0, how), LATER)
    shop.pay(5_000)
    assert supply.sweep(at=LATER + MINUTE) == 1 and told(shop) == []
    seen(shop, (0, how), LATER + 2 * MINUTE)
    assert wishes.sweep(at=LATER + 2 * MINUTE) == 0
    assert (one(shop).decision.state, one(shop).decision.closed) == (rule.SupplyState.BLOCKED, True)
    assert "late_restore" in alarms_of(shop, LATER + 10 * MINUTE), "a person has to look"


def test_over_mqtt_no_status_word_comes_so_the_position_is_all_there_is() -> None:
    shop = opened()
    Line.objects.filter(meter=shop.circuit.meter).update(transport="mqtt")
    dark, lit = (0, None), (1, None)
    assert supply.sweep(at=LATER) == 1 and told(shop) == ["trip"]
    JobRow.objects.update(state="done", finished_at=NOON - timedelta(days=400))
    seen(shop, dark, LATER)
    assert wishes.sweep(at=LATER + MINUTE) == 0, "it is not told again for want of a bit that never comes"
    shop.pay(5_000)
    assert supply.sweep(at=LATER + 2 * MINUTE) == 1 and told(shop) == ["keep_on"]
    JobRow.objects.update(state="done", finished_at=NOON - timedelta(days=400))
    seen(shop, lit, LATER + 3 * MINUTE)
    assert wishes.sweep(at=LATER + 4 * MINUTE) == 0
    assert one(shop).decision.state is rule.SupplyState.SUPPLIED


def test_a_tag_takes_back_the_closing_that_waits() -> None:
    shop = opened()
    shop.pay(5_000)
    supply.sweep(at=LATER)
    assert told(shop) == ["keep_on"]
    wishes.hang_tag(shop.circuit, name="Zhang", reason="x", until=LATER + timedelta(days=1), actor="bob", at=LATER)
    assert told(shop) == []


def test_what_must_never_be_cut_is_held_closed_without_credit() -> None:
    shop = opened()
    Circuit.objects.filter(pk=shop.circuit.pk).update(never_cut=True)
    shop.circuit.refresh_from_db()
    assert supply.sweep(at=LATER) == 1
    assert (decided(shop), told(shop)) == (("closed", "never_cut"), ["keep_on"])
    with pytest.raises(Refused, match="never_cut"):
        wishes.decide(shop.circuit, False, cause="credit", at=LATER)


def test_a_plain_meter_is_told_nothing() -> None:
    shop = opened()
    shop.circuit.meter.profile = "eastron-sdm120"
    shop.circuit.meter.save(update_fields=["profile"])
    assert supply.sweep(at=LATER) == 0
    assert one(shop).decision.state is rule.SupplyState.UNSWITCHED


def test_an_ended_supply_point_releases_its_relay_as_it_stands() -> None:
    shop = opened()
    supply.sweep(at=LATER)
    SupplyPoint.objects.filter(pk=shop.supply.pk).update(state="closed", valid_to=LATER)
    assert supply.sweep(at=LATER + MINUTE) == 1
    assert not RelayWish.objects.filter(circuit=shop.circuit).exists() and told(shop) == []
    seen(shop, OPEN, LATER + 2 * MINUTE)
    assert supply.sweep(at=LATER + 2 * MINUTE) == wishes.sweep(at=LATER + 2 * MINUTE) == 0, "it stays cut"


def test_the_operators_word_outlives_the_supply_point() -> None:
    shop = opened()
    supply.sweep(at=LATER)
    say(shop, Wish.TRIP, at=LATER)
    SupplyPoint.objects.filter(pk=shop.supply.pk).update(state="closed", valid_to=LATER)
    assert supply.sweep(at=LATER + MINUTE) == 1
    row = RelayWish.objects.get(circuit=shop.circuit)
    assert (row.wish, row.decided, row.decided_cause) == ("trip", None, "")


def test_the_steps_after_a_payment_are_shown() -> None:
    shop = opened()
    supply.sweep(at=LATER)
    obeyed(shop, LATER)
    assert (one(shop).decision.state, one(shop).opened_by) == (rule.SupplyState.CUT, rule.Opening.CREDIT)
    assert one(shop).level is rule.Level.ARREARS
    shop.pay(900)
    supply.sweep(at=LATER + MINUTE)
    wished = one(shop)
    assert (wished.decision.state, wished.wished_at, wished.agreed_at) == (
        rule.SupplyState.RESTORING, LATER + MINUTE, None
    )  # fmt: skip
    obeyed(shop, LATER + 2 * MINUTE)
    assert (one(shop).decision.state, one(shop).load_seen) == (rule.SupplyState.SUPPLIED, False)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE metering_latest SET power_w = 850")
    assert one(shop).load_seen and one(shop).level is rule.Level.ALARM_2


def test_alarm_levels_and_arrears_come_from_the_books_with_hysteresis() -> None:
    shop = opened(alarm_1=5_000, alarm_2=1_000)
    kinds = []
    for key, amount in enumerate((1, 999, 4_001, 50, 50, 1_000)):  # 1, 1000, 5001, 5051, 5101, 6101
        kinds.append(alarms_of(shop, NOON))
        shop.pay(amount, key=f"pay:{key}")
    kinds.append(alarms_of(shop, NOON))
    assert kinds == [["arrears"], ["low_credit_2"], ["low_credit_2"], [], [], [], []]
    with connection.cursor() as cursor:
        cursor.execute("UPDATE ledger_runningbalance SET balance_minor = 5000")
    assert alarms_of(shop, NOON) == ["low_credit_1"]
    shop.pay(50, key="pay:h1")
    assert alarms_of(shop, NOON) == ["low_credit_1"]  # 5050: not above its level by two per cent
    shop.pay(51, key="pay:h2")
    assert alarms_of(shop, NOON) == []


def test_a_supply_that_was_paid_and_stays_dark_alarms_also_while_the_meter_is_silent() -> None:
    shop = opened()
    supply.sweep(at=LATER)
    obeyed(shop, LATER)
    shop.pay(50_000)
    supply.sweep(at=LATER + MINUTE)
    assert alarms_of(shop, LATER + 2 * MINUTE) == []
    assert alarms_of(shop, LATER + 10 * MINUTE) == ["late_restore", "meter_lost"]
    seen(shop, CLOSED, LATER + 11 * MINUTE)
    assert alarms_of(shop, LATER + 11 * MINUTE) == []


def test_a_cut_that_is_not_followed_alarms() -> None:
    shop = opened()
    supply.sweep(at=LATER)
    seen(shop, CLOSED, LATER + 10 * MINUTE)
    assert alarms_of(shop, LATER + 10 * MINUTE) == ["arrears", "wish_unmet"]


def one(shop: Shop) -> supply.Supply:
    [found] = supply.of_circuits([shop.circuit.pk], at=LATER + 5 * MINUTE).values()
    return found


def say(shop: Shop, wish: Wish, *, at: datetime, until: datetime | None = None) -> None:
    wishes.set_wish(
        shop.circuit, wish, reason="said", until=until, actor="bob", request_key=at.isoformat() + wish, at=at
    )


def alarms_of(shop: Shop, at: datetime) -> list[str]:
    LineState.objects.get_or_create(
        line=shop.cast.line, defaults={"up": True, "since": NOON - timedelta(hours=1), "at": NOON}
    )
    rules.evaluate(at=at, status_poll_s=60, rules=rules.shipped())
    found = Alarm.objects.filter(cleared_at=None, circuit_id=shop.circuit.pk)
    return sorted(found.values_list("kind", flat=True))


def test_a_reading_that_cannot_be_billed_is_told_until_it_can_be() -> None:
    shop = opened()
    shop.pay(5_000)
    shop.read_and_sweep(MINUTE, OPENING_WH - 5_000)
    assert shop.progress.held == "backward"
    assert "reading_held" not in alarms_of(shop, NOON + 2 * MINUTE), "it may mend itself"
    assert "reading_held" in alarms_of(shop, NOON + 6 * MINUTE)
    shop.read_and_sweep(7 * MINUTE, OPENING_WH + 100)
    assert "reading_held" not in alarms_of(shop, NOON + 8 * MINUTE)


def test_a_cut_is_not_sent_once_the_circuit_is_in_credit_again() -> None:
    """The last look before the wire: the decision was right, and money has come since."""
    shop = opened()
    supply.sweep(at=LATER)
    [job] = JobRow.objects.filter(circuit=shop.circuit, state="queued")
    shop.pay(5_000)
    [(in_credit,)] = query("SELECT metering_in_credit(%s)", [shop.circuit.pk])
    assert in_credit
    assert claimed(shop) == []
    job.refresh_from_db()
    assert (job.state, job.code) == ("dropped", "superseded")


def test_a_cut_that_was_silent_is_not_sent_after_a_newer_closing() -> None:
    shop = opened()
    supply.sweep(at=LATER)
    [cut] = JobRow.objects.filter(circuit=shop.circuit, state="queued")
    JobRow.objects.filter(pk=cut.pk).update(state="claimed", claimed_epoch=7)
    shop.pay(5_000)
    supply.sweep(at=LATER + MINUTE)
    JobRow.objects.filter(pk=cut.pk).update(state="queued")  # it was silent, and would be tried again
    JobRow.objects.update(due_at=NOON - timedelta(days=400))
    assert claimed(shop) == ["keep_on"]
    cut.refresh_from_db()
    assert (cut.state, cut.code) == ("dropped", "superseded")


def claimed(shop: Shop) -> list[str]:
    """What a head-end gets that asks now."""
    query("SELECT count(*) FROM metering_tick('h', interval '1 min')", [])
    [(epoch,)] = query("SELECT epoch FROM metering_gatewaylease WHERE gateway_id = %s", [shop.cast.gateway.pk])
    rows = query(
        "SELECT payload->>'wish' FROM metering_claim('h', %s::bigint[], %s::bigint[], 9)",
        [[shop.cast.gateway.pk], [epoch]],
    )
    return [wish for (wish,) in rows]
