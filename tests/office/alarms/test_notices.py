"""Notices: one for each token and recipient, through an append-only outbox and a notifier that may misbehave."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from django.db import DatabaseError, transaction
from pytest_django import Settings

from prewatt.core.refusals import Refused
from prewatt.office.alarms import outbox, sending, token_notices
from prewatt.office.alarms.models import Notice, NoticeState, NoticeStep
from prewatt.office.alarms.notifiers import NOTIFIERS, Answer, Message, Verdict, configured, hidden
from prewatt.office.estate.models import Customer
from prewatt.office.staff.models import AuditRow, Role
from prewatt.office.tokens.asks import MeterTestAsk
from prewatt.office.tokens.issuing import digits_of
from prewatt.office.tokens.models import TokenRequest
from tests.office.tokens.scene import NOON, Scene, credit, person, scene

pytestmark = pytest.mark.django_db


@dataclass
class Scripted:
    """A provider that answers as told, one answer for each try; the last one for all further ones."""

    answers: list[Answer | OSError]
    code: str = "scripted"
    real: bool = True
    seen: list[Message] = field(default_factory=list)

    def send(self, message: Message) -> Answer:
        self.seen.append(message)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, OSError):
            raise answer
        return answer


ACCEPTED = Answer(verdict=Verdict.ACCEPTED, reference="r1")
LATER = Answer(verdict=Verdict.LATER)


@pytest.fixture
def stage(settings: Settings) -> Scene:
    settings.PREWATT_NOTIFIER = "log"
    return scene()


def made(stage: Scene, message_id: str = "m1") -> TokenRequest:
    asked = stage.asked(credit(), message_id)
    stage.made(credit(), message_id)
    return TokenRequest.objects.select_related("sts_meter__meter").get(pk=asked.request_id)


def put(stage: Scene, request: TokenRequest) -> int:
    [tenant] = token_notices.recipients(request)
    sent = token_notices.send(request, customer_id=tenant.customer_id, language="en", actor=stage.alice, at=NOON)
    return sent.notice_id


def course(notice_id: int) -> list[str]:
    return list(NoticeStep.objects.filter(notice_id=notice_id).order_by("place").values_list("state", flat=True))


def test_a_token_is_one_notice_for_each_recipient_however_often_it_is_sent(stage: Scene) -> None:
    request = made(stage)
    first = put(stage, request)
    assert put(stage, request) == first and course(first) == ["queued"], "it waits already"
    provider = Scripted([ACCEPTED])
    assert sending.sweep(notifier=provider, at=NOON) == 1 and sending.sweep(notifier=provider, at=NOON) == 0
    assert put(stage, request) == first
    assert sending.sweep(notifier=provider, at=NOON) == 1
    assert Notice.objects.count() == 1
    assert course(first) == ["queued", "submitting", "accepted", "queued", "submitting", "accepted"]
    assert len({message.text for message in provider.seen}) == 1 and len({each.key for each in provider.seen}) == 1
    [digits] = digits_of(request.pk) or ()
    assert " ".join(digits[at : at + 4] for at in range(0, 20, 4)) in provider.seen[0].text
    assert TokenRequest.objects.count() == 1, "nothing new was made"
    put(stage, made(stage, "m2"))
    assert Notice.objects.count() == 2, "another token"
    Customer.objects.update(phone="13911113333")
    put(stage, request)
    assert Notice.objects.count() == 3, "another recipient"


def test_digits_are_in_no_row_trail_log_or_repr(stage: Scene, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    request = made(stage)
    notice_id = put(stage, request)
    sending.sweep(notifier=configured("log"), at=NOON)
    [digits] = digits_of(request.pk) or ()
    message = Message(key="k", recipient="13900002286", language="en", text=digits)
    rows = [*Notice.objects.values(), *NoticeStep.objects.values(), *AuditRow.objects.values()]
    kept = [*map(str, rows), caplog.text, repr(message)]
    spaced = " ".join(digits[at : at + 4] for at in range(0, 20, 4))
    assert course(notice_id)[-1] == "accepted" and "139****2286" in caplog.text
    assert not [each for each in kept if digits in each or spaced in each]
    assert "13900002286" not in caplog.text, "nor whole numbers"


@pytest.mark.parametrize(
    ("answer", "after"),
    [
        (ACCEPTED, ["submitting", "accepted"]),
        (Answer(verdict=Verdict.REFUSED, code="blacklisted"), ["submitting", "refused"]),
        (LATER, ["submitting", "queued"]),
        (TimeoutError(), ["submitting", "unknown"]),
    ],
)
def test_what_the_provider_answers_is_the_course(stage: Scene, answer: Answer | OSError, after: list[str]) -> None:
    notice_id = put(stage, made(stage))
    sending.sweep(notifier=Scripted([answer]), at=NOON)
    assert course(notice_id) == ["queued", *after]


def test_later_is_tried_again_by_itself_and_unknown_only_by_a_person(stage: Scene) -> None:
    request = made(stage)
    notice_id, provider = put(stage, request), Scripted([LATER, ConnectionResetError(), ACCEPTED])
    sending.sweep(notifier=provider, at=NOON)
    sending.sweep(notifier=provider, at=NOON + timedelta(seconds=30))
    assert len(provider.seen) == 1, "not at once"
    sending.sweep(notifier=provider, at=NOON + outbox.AGAIN_AFTER)
    sending.sweep(notifier=provider, at=NOON + timedelta(hours=1))
    assert course(notice_id)[-1] == "unknown" and len(provider.seen) == 2
    put(stage, request)
    sending.sweep(notifier=provider, at=NOON + timedelta(hours=1))
    assert course(notice_id)[-1] == "accepted" and Notice.objects.count() == 1


def test_who_dies_while_submitting_leaves_unknown_and_two_senders_submit_once(stage: Scene) -> None:
    notice_id = put(stage, made(stage))
    [seen_by_both] = outbox.due(at=NOON)
    first, second = Scripted([ACCEPTED]), Scripted([ACCEPTED])
    outbox.send(seen_by_both, notifier=first, text_of=sending.text_of, at=NOON)
    assert outbox.send(seen_by_both, notifier=second, text_of=sending.text_of, at=NOON) is None
    assert (len(first.seen), len(second.seen)) == (1, 0)
    dead = outbox.put(
        key="token:0:x", site_id=1, kind="token", about="token:0", customer_id=1, recipient="1", language="en",
        actor="system", at=NOON,
    )  # fmt: skip
    NoticeStep.objects.create(notice_id=dead.notice_id, place=2, state=NoticeState.SUBMITTING, actor="system", at=NOON)
    sending.sweep(notifier=first, at=NOON + timedelta(seconds=30))
    assert course(dead.notice_id)[-1] == "submitting", "it may still be at it"
    sending.sweep(notifier=first, at=NOON + outbox.STALE)
    assert course(dead.notice_id)[-1] == "unknown" and len(first.seen) == 1
    assert course(notice_id) == ["queued", "submitting", "accepted"]


def test_a_provider_that_never_takes_it_is_asked_a_bounded_number_of_times(stage: Scene) -> None:
    request = made(stage)
    notice_id, provider, at = put(stage, request), Scripted([LATER]), NOON
    for _try in range(outbox.TRIES_MOST + 5):
        sending.sweep(notifier=provider, at=at)
        at += outbox.AGAIN_AFTER
    assert course(notice_id)[-1] == "refused" and len(provider.seen) == outbox.TRIES_MOST
    with pytest.raises(Refused, match="notice_too_often"):
        put(stage, request)


def test_what_nobody_could_send_in_a_day_expires(stage: Scene) -> None:
    notice_id = put(stage, made(stage))
    sending.sweep(notifier=None, at=NOON + timedelta(hours=23))
    assert course(notice_id) == ["queued"], "nothing is lost while no notifier is there"
    sending.sweep(notifier=None, at=NOON + outbox.LIVES)
    assert course(notice_id) == ["queued", "expired"]


Act = Callable[[Scene, TokenRequest], object]


def _without_notifier(stage: Scene, request: TokenRequest) -> object:
    from django.conf import settings

    settings.PREWATT_NOTIFIER = "none"
    return put_to(stage, request)


def put_to(stage: Scene, request: TokenRequest, customer_id: int = 0) -> object:
    customer_id = customer_id or token_notices.recipients(request)[0].customer_id
    return token_notices.send(request, customer_id=customer_id, language="en", actor=stage.alice, at=NOON)


def _without_number(stage: Scene, request: TokenRequest) -> object:
    Customer.objects.update(phone="none")
    return put_to(stage, request)


def _electrician_sends_credit(stage: Scene, request: TokenRequest) -> object:
    customer_id, eli = token_notices.recipients(request)[0].customer_id, person("eli", Role.ELECTRICIAN)
    return token_notices.send(request, customer_id=customer_id, language="en", actor=eli, at=NOON)


def _not_made_yet(stage: Scene, request: TokenRequest) -> object:
    asked = stage.asked(MeterTestAsk(control=1), "m9")
    return put_to(stage, TokenRequest.objects.select_related("sts_meter").get(pk=asked.request_id))


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (_without_notifier, "notifier_none"),
        (_without_number, "notice_no_number"),
        (lambda stage, request: put_to(stage, request, 10**9), "notice_nobody"),
        (_electrician_sends_credit, "not_permitted"),
        (_not_made_yet, "token_not_made"),
    ],
)
def test_a_refused_sending_writes_nothing(stage: Scene, act: Act, code: str) -> None:
    request = made(stage)
    with pytest.raises(Refused) as caught:
        act(stage, request)
    assert caught.value.code == code and not Notice.objects.exists()


@pytest.mark.parametrize("table", ["alarms_notice", "alarms_noticestep"])
def test_the_outbox_is_append_only_below_the_verbs_too(stage: Scene, table: str) -> None:
    from django.db import connection

    put(stage, made(stage))
    for sql in (f"UPDATE {table} SET actor = 'x'", f"DELETE FROM {table}"):
        with pytest.raises(DatabaseError, match="append_only"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql)


def test_each_step_may_follow_only_where_the_table_says(stage: Scene) -> None:
    assert set(outbox.NEXT) == {"", *NoticeState.values}
    assert all(after <= set(NoticeState.values) for after in outbox.NEXT.values())
    assert outbox.BY_HAND <= {state for state, after in outbox.NEXT.items() if "queued" in after}
    last = outbox.last(put(stage, made(stage)))
    for state in set(NoticeState.values) - outbox.NEXT["queued"]:
        with pytest.raises(AssertionError):
            outbox._step(last, NoticeState(state), at=NOON)


@pytest.mark.parametrize("code", sorted(NOTIFIERS))
def test_every_notifier_keeps_the_contract(code: str) -> None:
    one = configured(code)
    assert one is not None and one.code == code and configured("none") is None
    good = Message(key="k", recipient="13900002286", language="en", text="hello")
    bad = Message(key="k", recipient="nobody", language="en", text="hello")
    assert one.send(good).verdict is Verdict.ACCEPTED and one.send(bad).verdict is Verdict.REFUSED


def test_a_message_says_the_order_and_short_numbers_are_hidden_whole() -> None:
    many = ["12345678901234567890", "09876543210987654321"]
    assert "(1) 1234 5678 9012 3456 7890; (2) 0987 6543 2109 8765 4321" in token_notices.text("1", many, language="en")
    assert "请按顺序全部输入" in token_notices.text("1", many, language="zh-hans")
    assert hidden("12345") == "****" and hidden("13900002286") == "139****2286"
