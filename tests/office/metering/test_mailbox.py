"""The mailbox as two head-ends see it: leases, claims, fencing, readings."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from unittest.mock import Mock

import psycopg
import pytest
from django.db import connection

from prewatt.core.meters.jobs import Frame, Intent, Job, Order, OrderKind, Outcome, Verdict
from prewatt.core.meters.mailbox import ClaimedJob, JobReport, Lease, LineHealth, PollResult, PollSettings
from prewatt.core.meters.quantities import Quantity, StatusBit
from prewatt.office.estate.models import SupplyPoint
from prewatt.office.metering.jobs import decode, drop_queued, encode, enqueue, frames_of, try_it
from prewatt.office.metering.mailbox import PostgresMailbox
from prewatt.office.metering.models import JobRow, LineState, SupplyEvent
from tests.cast import Cast, assemble

pytestmark = pytest.mark.django_db(transaction=True)
ORDER = Order(count=6, kind=OrderKind.PURCHASE, amount=54_350)
CREDIT_JOB = Job(intent=Intent.CREDIT, order=ORDER)


def conninfo() -> str:
    settings = connection.get_connection_params()
    keys = ("dbname", "user", "password", "host", "port")
    return " ".join(f"{key}='{settings[key]}'" for key in keys if settings.get(key))


@pytest.fixture
def cast() -> Cast:
    return assemble()


@pytest.fixture
def mailboxes() -> Iterator[list[PostgresMailbox]]:
    made = [PostgresMailbox(conninfo(), settings=PollSettings()) for _ in range(2)]
    yield made
    for mailbox in made:
        mailbox.close()


def credit(cast: Cast, key: str = "sale:1", job: Job = CREDIT_JOB) -> int:
    return enqueue(
        key=key, circuit_id=cast.shop_101.pk, job=job, at=datetime.now(UTC) - timedelta(seconds=1), actor="operator:1"
    )


def report(claimed: ClaimedJob, verdict: Verdict, **values: int) -> JobReport:
    at = datetime.now(UTC)
    read = {Quantity(name): value for name, value in values.items()}
    return JobReport(
        claimed=claimed, outcome=Outcome(verdict=verdict, values=read, sent=True), started_at=at, finished_at=at
    )


def expire_leases() -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE metering_gatewaylease SET valid_until = clock_timestamp() - interval '1 s'")
        cursor.execute("UPDATE metering_heartbeat SET at = clock_timestamp() - interval '1 min'")


@pytest.mark.parametrize(
    "job",
    [
        CREDIT_JOB,
        Job(intent=Intent.READ_STATUS, circuit_index=2),
        Job(intent=Intent.WRITE_SETTINGS, settings={Quantity.ALARM_LEVEL_1: 50_000}),
    ],
)
def test_a_job_survives_its_encoding(job: Job) -> None:
    assert decode(encode(job)) == job


def test_the_same_key_returns_the_job_that_stands(cast: Cast) -> None:
    assert credit(cast) == credit(cast)
    assert JobRow.objects.count() == 1


def test_one_head_end_owns_the_gateway_and_gets_the_job_once(cast: Cast, mailboxes: list[PostgresMailbox]) -> None:
    one, two = mailboxes
    credit(cast)
    leases = one.tick(headend="one")
    assert [lease.gateway_id for lease in leases] == [cast.gateway.pk]
    assert list(two.tick(headend="two")) == []
    [claimed] = one.claim(headend="one", leases=leases, limit=10)
    assert claimed.job.order == ORDER and claimed.line_id == cast.line.pk
    assert list(one.claim(headend="one", leases=leases, limit=10)) == []
    assert list(two.claim(headend="two", leases=leases, limit=10)) == [], "a lease of another's is worth nothing"


def test_a_dead_head_ends_job_is_taken_over_and_its_late_report_changes_nothing(
    cast: Cast, mailboxes: list[PostgresMailbox]
) -> None:
    one, two = mailboxes
    credit(cast)
    [old] = one.claim(headend="one", leases=one.tick(headend="one"), limit=1)
    expire_leases()
    leases = two.tick(headend="two")
    assert leases[0].epoch == old.epoch + 1
    [new] = two.claim(headend="two", leases=leases, limit=1)
    assert new.job_id == old.job_id and new.claim == old.claim + 1
    assert JobRow.objects.get().ever_sent, "the dead one may have sent it"
    one.report([report(old, Verdict.REFUSED, purchase_count=5)])
    assert JobRow.objects.get().state == "claimed"
    two.report([report(new, Verdict.DONE, purchase_count=6, balance=154_350)])
    row = JobRow.objects.get()
    assert (row.state, row.verdict, row.values["purchase_count"]) == ("done", "done", 6)


def test_a_successor_of_the_same_name_takes_over_what_the_dead_one_had_in_hand(
    cast: Cast, mailboxes: list[PostgresMailbox]
) -> None:
    dead, successor = mailboxes
    credit(cast)
    [old] = dead.claim(headend="one", leases=dead.tick(headend="one"), limit=1)
    successor.join(headend="one")
    leases = successor.tick(headend="one")
    assert leases[0].epoch == old.epoch + 1
    [new] = successor.claim(headend="one", leases=leases, limit=1)
    assert new.job_id == old.job_id
    dead.report([report(old, Verdict.DONE, purchase_count=6)])
    assert JobRow.objects.get().state == "claimed", "a killed process has nothing more to say"
    assert JobRow.objects.get().ever_sent


def test_what_a_claim_took_that_broke_off_is_claimed_again_and_what_is_in_hand_is_not(
    cast: Cast, mailboxes: list[PostgresMailbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    mailbox = mailboxes[0]
    leases = mailbox.tick(headend="one")
    credit(cast)
    [in_hand] = mailbox.claim(headend="one", leases=leases, limit=10)
    enqueue(key="lost", circuit_id=cast.shop_102.pk, job=CREDIT_JOB, at=datetime.now(UTC), actor="x")
    with monkeypatch.context() as patch:
        # the commit went through and its answer did not
        patch.setattr(psycopg.Cursor, "fetchall", Mock(side_effect=psycopg.OperationalError("server closed")))
        with pytest.raises(psycopg.OperationalError):
            mailbox.claim(headend="one", leases=leases, limit=10)
    assert set(JobRow.objects.values_list("state", flat=True)) == {"claimed"}
    [again] = mailbox.claim(headend="one", leases=leases, limit=10)
    assert again.job_id != in_hand.job_id
    assert not JobRow.objects.get(key="lost").ever_sent, "nobody had it, so nothing of it was sent"
    mailbox.report([report(in_hand, Verdict.DONE, purchase_count=6)])
    assert JobRow.objects.get(pk=in_hand.job_id).state == "done"


@pytest.mark.parametrize(("code", "age", "state"), [
    ("not_in_plan", timedelta(), "queued"), ("no_reply", timedelta(), "done"),
    ("not_in_plan", timedelta(minutes=1), "done"),
])  # fmt: skip
def test_what_is_asked_of_a_meter_just_entered_waits_until_the_head_end_has_heard_of_it(
    cast: Cast, mailboxes: list[PostgresMailbox], code: str, age: timedelta, state: str
) -> None:
    job_id = credit(cast, job=Job(intent=Intent.TRY))
    JobRow.objects.filter(pk=job_id).update(created_at=datetime.now(UTC) - age)
    [mailbox, _] = mailboxes
    [claimed] = mailbox.claim(headend="one", leases=mailbox.tick(headend="one"), limit=1)
    mailbox.report([replace(report(claimed, Verdict.SILENT), outcome=Outcome(verdict=Verdict.SILENT, code=code))])
    assert JobRow.objects.get(pk=job_id).state == state


@pytest.mark.parametrize(
    ("verdict", "state"),
    [("done", "done"), ("refused", "done"), ("disputed", "done"), ("silent", "queued"), ("unknown", "queued")],
)
def test_silent_and_unknown_credit_is_tried_again_with_the_same_order(
    cast: Cast, mailboxes: list[PostgresMailbox], verdict: str, state: str
) -> None:
    mailbox = mailboxes[0]
    credit(cast)
    [claimed] = mailbox.claim(headend="one", leases=mailbox.tick(headend="one"), limit=1)
    mailbox.report([report(claimed, Verdict(verdict))])
    row = JobRow.objects.get()
    assert (row.state, row.verdict) == (state, verdict)
    assert decode(row.payload) == CREDIT_JOB
    if state == "queued":
        assert timedelta(seconds=1) < row.due_at - datetime.now(UTC) < timedelta(seconds=16)


def test_one_circuit_has_one_job_at_work(cast: Cast, mailboxes: list[PostgresMailbox]) -> None:
    mailbox = mailboxes[0]
    leases = mailbox.tick(headend="one")
    credit(cast)
    credit(cast, key="read:1", job=Job(intent=Intent.READ_STATUS))
    [first] = mailbox.claim(headend="one", leases=leases, limit=10)
    assert first.job.intent is Intent.CREDIT, "credit before reads"
    assert list(mailbox.claim(headend="one", leases=leases, limit=10)) == []
    mailbox.report([report(first, Verdict.DONE)])
    [second] = mailbox.claim(headend="one", leases=leases, limit=10)
    assert second.job.intent is Intent.READ_STATUS


def test_what_expired_or_was_dropped_is_never_sent(cast: Cast, mailboxes: list[PostgresMailbox]) -> None:
    mailbox = mailboxes[0]
    past = datetime.now(UTC) - timedelta(seconds=5)
    read = Job(intent=Intent.READ_STATUS)
    enqueue(key="old", circuit_id=cast.shop_101.pk, job=read, at=past, actor="x", expires_at=past)
    enqueue(key="gone", circuit_id=cast.shop_102.pk, job=read, at=past, actor="x")
    assert drop_queued(circuit_ids=[cast.shop_102.pk], intent=Intent.READ_STATUS, code="superseded") == 1
    assert list(mailbox.claim(headend="one", leases=mailbox.tick(headend="one"), limit=10)) == []
    assert set(JobRow.objects.values_list("state", "code")) == {("dropped", "expired"), ("dropped", "superseded")}


def poll(cast: Cast, lease: Lease, at: datetime, **values: int) -> PollResult:
    return PollResult(
        gateway_id=lease.gateway_id, epoch=lease.epoch, site_id=cast.site.pk, circuit_id=cast.shop_101.pk, at=at,
        full=False, values={Quantity(name): value for name, value in values.items()},
    )  # fmt: skip


def latest(cast: Cast) -> tuple[object, ...]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT energy_wh, power_w, balance, relay FROM metering_latest WHERE circuit_id = %s", [cast.shop_101.pk]
        )
        row = cursor.fetchone()
    return tuple(row) if row else ()


def qualities() -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT quality FROM metering_reading ORDER BY at")
        return [row[0] for row in cursor.fetchall()]


def test_readings_are_judged_kept_and_the_newest_stands(cast: Cast, mailboxes: list[PostgresMailbox]) -> None:
    mailbox = mailboxes[0]
    mailbox.join(headend="one")
    [lease] = mailbox.tick(headend="one")
    start = datetime.now(UTC) - timedelta(minutes=10)
    for minute, energy in enumerate([1_000_000, 1_000_500, 999_000, 90_000_000]):
        at = start + timedelta(minutes=minute)
        mailbox.store(
            polls=[poll(cast, lease, at, energy_import_total=energy, power_active=850, balance=50_000, relay=1)],
            silences=[], lines=[],
        )  # fmt: skip
    assert qualities() == [0, 0, 1, 2]
    assert latest(cast) == (90_000_000, 850, 50_000, 1)
    with connection.cursor() as cursor:
        cursor.execute("SELECT used_wh FROM metering_daily")
        assert cursor.fetchall() == [(500,)], "neither the step back nor the jump is use"


def test_an_opening_is_noted_with_its_cause(cast: Cast, mailboxes: list[PostgresMailbox]) -> None:
    mailbox = mailboxes[0]
    [lease] = mailbox.tick(headend="one")
    now = datetime.now(UTC)
    bit = 1 << list(StatusBit).index(StatusBit.OVERLOAD_TRIP)
    mailbox.store(polls=[poll(cast, lease, now - timedelta(minutes=1), relay=1, status=0)], silences=[], lines=[])
    mailbox.store(polls=[poll(cast, lease, now, relay=0, status=bit, balance=7)], silences=[], lines=[])
    event = SupplyEvent.objects.get()
    assert (event.kind, event.cause, event.balance) == ("opened", "overload_trip", 7)


def test_a_paused_head_end_stores_nothing(cast: Cast, mailboxes: list[PostgresMailbox]) -> None:
    one, two = mailboxes
    [old] = one.tick(headend="one")
    expire_leases()
    two.tick(headend="two")
    now = datetime.now(UTC)
    lost = LineHealth(
        gateway_id=old.gateway_id, epoch=old.epoch, line_id=cast.line.pk, at=now, up=False, replies=0, timeouts=3
    )
    one.store(polls=[poll(cast, old, now, balance=1)], silences=[], lines=[lost])
    assert latest(cast) == () and not LineState.objects.exists()


def test_two_head_ends_share_the_gateways_and_give_them_back(cast: Cast, mailboxes: list[PostgresMailbox]) -> None:
    from prewatt.office.estate.models import Gateway

    for number in range(2, 7):
        Gateway.objects.create(site=cast.site, code=f"G{number}", name="x", host="127.0.0.1")
    one, two = mailboxes
    assert len(one.tick(headend="one")) == 6
    assert len(two.tick(headend="two")) == 0, "all are taken; the first gives back at its next tick"
    assert len(one.tick(headend="one")) == 3
    assert len(two.tick(headend="two")) == 3
    one.leave(headend="one")
    assert len(two.tick(headend="two")) == 6


def test_the_plan_lists_meters_with_their_circuits(cast: Cast, mailboxes: list[PostgresMailbox]) -> None:
    [line] = mailboxes[0].plan(gateway_id=cast.gateway.pk)
    assert (line.host, line.port, line.transport) == ("127.0.0.1", 4001, "rtu-over-tcp")
    assert [meter.unit for meter in line.meters] == [1, 2, 3, 4]
    assert line.meters[0].circuits[0].circuit_id == cast.shop_101.pk


def test_a_new_job_wakes_the_listener(cast: Cast, mailboxes: list[PostgresMailbox]) -> None:
    mailbox = mailboxes[0]
    assert mailbox.wait(timeout_s=0.1), "the first call looks at what came before"
    assert not mailbox.wait(timeout_s=0.1)
    credit(cast)
    assert mailbox.wait(timeout_s=2.0)


def test_the_frames_of_a_try_are_kept_with_its_row_and_its_values_are_readings(
    cast: Cast, mailboxes: list[PostgresMailbox]
) -> None:
    one, _ = mailboxes
    try_it(circuit_id=cast.shop_101.pk, index=1, request_key="a", at=datetime.now(UTC), actor="operator:1")
    leases = one.tick(headend="one")
    [claimed] = one.claim(headend="one", leases=leases, limit=1)
    assert claimed.job == Job(intent=Intent.TRY) and claimed.priority == 1
    frame = Frame(function=3, address=0x10, count=1, sent=b"\x01\x03\x00\x10", received=b"\xff\x01\x03", words=b"\x00*")
    at = datetime.now(UTC)
    outcome = Outcome(verdict=Verdict.DONE, values={Quantity.BALANCE: 42}, frames=(frame,))
    one.report([JobReport(claimed=claimed, outcome=outcome, started_at=at, finished_at=at)])
    row = JobRow.objects.get()
    assert row.state == "done" and row.frames is not None and frames_of(row.frames) == (frame,)
    with connection.cursor() as cursor:
        cursor.execute("SELECT balance FROM metering_latest WHERE circuit_id = %s", [cast.shop_101.pk])
        assert cursor.fetchone() == (42,)


def test_a_meter_that_answers_again_has_its_open_commands_tried_at_once(
    cast: Cast, mailboxes: list[PostgresMailbox]
) -> None:
    [mailbox, _] = mailboxes
    credit(cast)
    [lease] = mailbox.tick(headend="one")
    [claimed] = mailbox.claim(headend="one", leases=[lease], limit=1)
    mailbox.report([report(claimed, Verdict.SILENT)])
    assert list(mailbox.claim(headend="one", leases=[lease], limit=1)) == [], "it backs off"
    mailbox.store(
        polls=[
            PollResult(
                gateway_id=lease.gateway_id, epoch=lease.epoch, site_id=cast.site.pk, circuit_id=circuit,
                at=datetime.now(UTC), full=False, values={Quantity.RELAY: 1},
            )
            for circuit in (cast.shop_101.pk, cast.shop_103.pk)
        ],
        silences=[], lines=[],
    )  # fmt: skip
    [again] = mailbox.claim(headend="one", leases=[lease], limit=1)
    assert (again.job_id, again.claim) == (claimed.job_id, claimed.claim + 1)


def test_a_circuit_that_becomes_server_held_is_planned_anew_with_its_energy(
    cast: Cast, mailboxes: list[PostgresMailbox]
) -> None:
    [mailbox, _] = mailboxes
    ended = datetime.now(UTC) - timedelta(days=1)
    SupplyPoint.objects.filter(circuit=cast.shop_102).update(state="closed", valid_to=ended)
    [before] = mailbox.tick(headend="one")
    assert server_held(mailbox, cast) == []
    SupplyPoint.objects.create(
        contract=cast.contract_101, circuit=cast.shop_102, custody="server", credit_unit="CNY", state="opening",
        valid_from=datetime.now(UTC),
    )  # fmt: skip
    [after] = mailbox.tick(headend="one")
    assert after.revision == before.revision + 1 and server_held(mailbox, cast) == [cast.shop_102.pk]


def server_held(mailbox: PostgresMailbox, cast: Cast) -> list[int]:
    [plan] = mailbox.plan(gateway_id=cast.gateway.pk)
    return [each.circuit_id for meter in plan.meters for each in meter.circuits if each.server_held]
