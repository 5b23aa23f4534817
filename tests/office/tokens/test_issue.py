"""From request to digits: what a meter takes, what a crash leaves, and what can never happen twice."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from prewatt.core.refusals import Refused
from prewatt.core.sts import Answer, BaseDate, CreditKind, ManagementKind, time_of
from prewatt.office.staff.models import AuditRow
from prewatt.office.tokens import issuing, keys, requests
from prewatt.office.tokens.asks import CreditAsk, ExtendedAsk, ManagementAsk, MeterTestAsk
from prewatt.office.tokens.models import StoredKey, StsMeter, TokenRequest
from prewatt.office.tokens.rack import Rack
from prewatt.office.tokens.vault import KeyChangeOrder, KeyName, Order, one_by_one
from tests.office.tokens.scene import NOON, Scene, credit, more_meters, scene

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture
def play() -> Scene:
    return scene()


class Faulty:
    """A security module that misbehaves on request: away, or its answer lost after the token was made."""

    provider = "sealed"

    def __init__(self, inner: Rack, *, code: str, retry: bool) -> None:
        self.inner, self.refused, self.asked = inner.vault("sealed"), Refused(code, retry=retry), 0

    def issue(self, order: Order) -> tuple[str, ...]:
        self.asked += 1
        self.inner.issue(order)
        raise self.refused

    def issue_sets(self, orders: Iterable[KeyChangeOrder]) -> Iterator[tuple[str, ...] | Refused]:
        return one_by_one(self, orders)

    def check_value(self, key: KeyName) -> str:
        return self.inner.check_value(key)


@contextmanager
def unguarded() -> Iterator[Any]:
    """A cursor that steps around the triggers, as no process of ours may."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        yield cursor
        cursor.execute("SET session_replication_role = origin")


def refusal(code: str) -> "pytest.RaisesExc[Refused]":
    return pytest.raises(Refused, match=code)


def test_the_meter_takes_what_was_sold_and_refuses_it_the_second_time(play: Scene) -> None:
    asked = play.asked(credit(1234))
    [digits] = issuing.issue(asked.request_id, rack=play.rack, at=NOON)
    keypad = play.keypad()

    assert (asked.carried, len(digits), time_of(asked.tid or 0, BaseDate.Y2014)) == (1234, 20, NOON.replace(second=0))
    assert keypad.enter(digits, 0).answer is Answer.ACCEPT and keypad.state.registers[0] == 1234
    assert keypad.enter(digits, 1).answer is Answer.USED


def test_the_books_get_what_the_token_carries(play: Scene) -> None:
    assert play.asked(credit(20_001)).carried == 20_004  # steps of ten from 16384 on, rounded up


@pytest.mark.parametrize(
    "what",
    [
        ManagementAsk(kind=ManagementKind.POWER_LIMIT, amount=5000),
        ManagementAsk(kind=ManagementKind.CLEAR_TAMPER),
        ManagementAsk(kind=ManagementKind.PHASE_UNBALANCE, amount=300),
        ExtendedAsk(index=3, control_value=17),
        MeterTestAsk(control=1),
    ],
)
def test_management_and_test_tokens_are_taken(play: Scene, what: ManagementAsk | ExtendedAsk | MeterTestAsk) -> None:
    [digits] = play.made(what)
    assert play.keypad().enter(digits, 0).answer is Answer.ACCEPT


def test_tokens_of_one_minute_take_the_following_minutes_and_never_the_reserved_one(play: Scene) -> None:
    midnight = NOON.replace(hour=0, minute=0)
    tids = [play.asked(credit(), f"m{n}", at=midnight).tid or 0 for n in range(3)]

    assert [(time_of(tid, BaseDate.Y2014) - midnight.replace(second=0)) // MINUTE for tid in tids] == [0, 2, 3]
    later = play.asked(credit(), "later", at=midnight + 2 * MINUTE).tid
    assert later == tids[-1] + 1  # what stands is never gone back behind
    assert play.asked(credit(), "much later", at=midnight + 60 * MINUTE).tid == tids[0] + 60


def test_the_reserved_minute_is_given_once_a_day_and_to_management_alone(play: Scene) -> None:
    limit = ManagementAsk(kind=ManagementKind.POWER_LIMIT, amount=1000)
    tid = play.asked(limit, reserved=True).tid or 0

    assert time_of(tid, BaseDate.Y2014) == NOON.replace(hour=0, minute=1, second=0)
    with refusal("token_reserved_used"):
        play.asked(limit, "m2", reserved=True)
    with refusal("token_reserved_kind"):
        play.asked(credit(), "m3", reserved=True)
    assert play.asked(limit, "m4", reserved=True, at=NOON + timedelta(days=1)).tid == tid + 1440


def test_no_identifier_is_used_again_under_another_base_date(play: Scene) -> None:
    first = play.asked(credit()).tid or 0
    with unguarded() as cursor:  # as if this had been a token of the base date before
        cursor.execute("UPDATE tokens_tokenrequest SET base_date = 1993")

    assert play.asked(credit(), "m2").tid == first + 1


def test_identifiers_do_not_run_ahead_for_more_than_a_day(play: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "TIDS_AHEAD", 2)
    for n in range(3):
        play.asked(credit(), f"m{n}")
    with refusal("token_tids_ahead"):
        play.asked(credit(), "m3")
    assert TokenRequest.objects.count() == 3


def test_a_message_sent_again_gives_the_same_request_and_the_same_digits(play: Scene) -> None:
    first, digits = play.asked(credit()), play.made(credit())
    again = play.asked(credit(), at=NOON + timedelta(hours=5))

    assert (again.request_id, again.tid, again.fresh) == (first.request_id, first.tid, False)
    assert issuing.issue(again.request_id, rack=Rack(), at=NOON) == digits  # stored: no vault is needed
    with refusal("token_message_reused"):
        play.asked(credit(501))


def test_a_message_of_one_meter_is_not_taken_for_another(play: Scene) -> None:
    play.asked(credit())
    [other] = more_meters(play.cast, 1)
    with refusal("token_message_reused"), transaction.atomic():
        requests.ask(requests.prepare(other, credit(), at=NOON), message_id="m1", actor="system")


def test_an_answer_lost_after_the_token_was_made_gives_the_same_digits_later(play: Scene) -> None:
    asked = play.asked(credit())
    lossy = Faulty(play.rack, code="vault_unavailable", retry=True)
    with refusal("vault_unavailable"):
        issuing.issue(asked.request_id, rack=Rack(vaults={"sealed": lossy}), at=NOON)
    row = TokenRequest.objects.get(pk=asked.request_id)
    assert (row.state, row.tries, row.code) == ("waiting", 1, "vault_unavailable")
    assert issuing.sweep(rack=play.rack, at=NOON) == 0  # too fresh: whoever asked may be at it
    assert issuing.sweep(rack=play.rack, at=NOON + MINUTE) == 1

    [digits] = issuing.digits_of(asked.request_id) or ()
    assert play.keypad().enter(digits, 0).answer is Answer.ACCEPT
    assert issuing.issue(asked.request_id, rack=Rack(vaults={"sealed": lossy}), at=NOON) == (digits,)
    assert lossy.asked == 1


def test_a_closed_vault_keeps_the_request(play: Scene) -> None:
    asked = play.asked(credit())
    with refusal("vault_closed") as refused:
        issuing.issue(asked.request_id, rack=Rack(), at=NOON)
    assert refused.value.retry and TokenRequest.objects.get().state == "waiting"


def test_what_the_vault_refuses_for_good_is_refused_for_good(play: Scene) -> None:
    asked = play.asked(credit())
    strict = Faulty(play.rack, code="vault_key_damaged", retry=False)
    for rack in (Rack(vaults={"sealed": strict}), play.rack):
        with refusal("token_refused") as refused:
            issuing.issue(asked.request_id, rack=rack, at=NOON)
        assert refused.value.params == {"why": "vault_key_damaged"}
    assert issuing.digits_of(asked.request_id) is None


def test_a_request_is_withdrawn_before_it_has_digits_and_never_after(play: Scene) -> None:
    asked = play.asked(credit())
    issuing.withdraw(asked.request_id, reason="paid back", actor=play.bob.key, at=NOON)
    with refusal("token_withdrawn"):
        issuing.issue(asked.request_id, rack=play.rack, at=NOON)

    play.made(credit(), "m2")
    with refusal("token_made"):
        issuing.withdraw(TokenRequest.objects.latest("pk").pk, reason="", actor=play.bob.key, at=NOON)


def test_a_reprint_shows_the_stored_digits_and_leaves_a_trace(play: Scene) -> None:
    digits = play.made(credit())
    request = TokenRequest.objects.get()
    printed = issuing.reprint(request.pk, actor=play.alice, at=NOON)

    assert (printed.digits, printed.again, printed.carried) == (digits, True, 500)
    trail = list(AuditRow.objects.filter(action__startswith="tokens.").order_by("pk").values_list("action", flat=True))
    assert trail[-3:] == ["tokens.ask", "tokens.made", "tokens.reprint"]
    assert not [row for row in AuditRow.objects.all() if digits[0] in str(row.after)], "a trail is no place for cash"


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE tokens_token SET digits = ARRAY['00000000000000000000']",
        "DELETE FROM tokens_token",
        "DELETE FROM tokens_tokenrequest",
        "UPDATE tokens_tokenrequest SET tid = tid + 1",
        "UPDATE tokens_tokenrequest SET state = 'waiting'",
        "UPDATE tokens_storedkey SET sealed = 'x'",
    ],
)
def test_the_database_keeps_what_was_made(play: Scene, sql: str) -> None:
    play.made(credit())
    with pytest.raises(DatabaseError, match="append_only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)


def test_two_tokens_of_a_meter_cannot_share_an_identifier_even_below_every_verb(play: Scene) -> None:
    play.made(credit())
    row = TokenRequest.objects.get()
    row.pk, row.message_id, row.content = None, "forged", {"ask": "credit"}
    with pytest.raises(DatabaseError, match="token_tid_once"), transaction.atomic():
        row.save(force_insert=True, update_fields=None)


def test_a_daily_limit_is_reached_and_not_passed(play: Scene) -> None:
    keys.limit(play.old, tokens_a_day=3, tenths_a_day=1000, money_e5_a_day=None, reason="trial", actor=play.eva,
               at=NOON)  # fmt: skip
    play.asked(credit(400))
    play.asked(credit(400))  # the same message counts once
    with refusal("vending_limit") as refused:
        play.asked(credit(601), "m2")
    assert refused.value.params == {"limit": 1000}
    play.asked(credit(600), "m3")
    play.asked(ManagementAsk(kind=ManagementKind.CLEAR_TAMPER), "m4")
    with refusal("vending_limit"):
        play.asked(ManagementAsk(kind=ManagementKind.CLEAR_TAMPER), "m5")
    used = keys.used_on(play.old, NOON.date())
    assert (used.tokens, used.tenths, TokenRequest.objects.count()) == (3, 1000, 3)
    assert play.asked(credit(), "m6", at=NOON + timedelta(days=1)).fresh


@pytest.mark.parametrize(
    ("code", "what", "changes"),
    [
        ("token_amount_zero", credit(0), {}),
        ("token_amount_negative", credit(-1), {}),
        ("token_amount_too_large", credit(20_000_000), {}),
        ("token_credit_kind", CreditAsk(kind=CreditKind.WATER, amount=5), {}),
        ("token_second_person", credit(free=True), {}),
        ("token_second_person", ManagementAsk(kind=ManagementKind.CLEAR_CREDIT), {}),
        ("vending_key_unknown", credit(), {"krn": 7}),
        ("vending_key_default", credit(), {"kt": 1}),
        ("key_expired", credit(), {"ken": 85}),
        ("issue_time_before_base_date", credit(), {"base_date": 2035}),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_nothing(
    play: Scene, code: str, what: CreditAsk, changes: dict[str, int]
) -> None:
    if changes:
        StsMeter.objects.update(**changes)
        if "krn" not in changes:
            with unguarded():
                StoredKey.objects.filter(pk=play.old.pk).update(**changes)
    with refusal(code):
        play.asked(what)
    assert not TokenRequest.objects.exists()


def test_a_request_prepared_before_the_meter_changed_is_refused(play: Scene) -> None:
    prepared = requests.prepare(play.sts, credit(), at=NOON)
    StsMeter.objects.update(revision=2)
    with refusal("sts_meter_changed"), transaction.atomic():
        requests.ask(prepared, message_id="m1", actor="system")


def test_an_ended_key_makes_no_more_tokens(play: Scene) -> None:
    with refusal("vending_key_in_use"):
        keys.end(play.old, reason="lost", actor=play.eva, at=NOON)
    prepared = requests.prepare(play.sts, credit(), at=NOON)
    StoredKey.objects.filter(pk=play.old.pk).update(ended_at=NOON)
    with refusal("vending_key_ended"), transaction.atomic():
        requests.ask(prepared, message_id="m1", actor="system")
