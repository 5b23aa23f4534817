"""Guessing is slow, sessions end, and a second factor opens once."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session

from prewatt.core import totp
from prewatt.core.refusals import Refused
from prewatt.office.staff import guard, operators, second_factor, sessions
from prewatt.office.staff.actors import Actor, of_operator
from prewatt.office.staff.models import AuditRow, LoginGuard, Operator, OperatorSession, Role

pytestmark = pytest.mark.django_db
AT = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
COUNTER, STRANGER = "10.0.0.5", "203.0.113.9"


def added(username: str = "alice", role: Role = Role.CASHIER, actor: Actor | None = None) -> Operator:
    return operators.add(
        username=username, name=username.title(), role=role, password="correct horse", actor=actor, at=AT
    )


def session_of(operator: Operator, *, address: str = COUNTER, at: datetime = AT) -> str:
    store = SessionStore()
    store.create()
    assert store.session_key
    sessions.begin(operator, session_key=store.session_key, address=address, browser="Chrome", at=at)
    return store.session_key


def wait_s(act: Callable[[], object]) -> int:
    """The seconds a refused try is told to wait."""
    with pytest.raises(Refused) as caught:
        act()
    assert caught.value.code == "login_blocked" and caught.value.retry
    return int(str(caught.value.params["seconds"]))


def code_of(act: Callable[[], object]) -> str:
    with pytest.raises(Refused) as caught:
        act()
    return caught.value.code


def fails(name: str, address: str, times: int, at: datetime = AT) -> None:
    for _ in range(times):
        guard.begin(name, address, at=at)


# ---------------------------------------------------------------- guessing


def test_five_wrong_passwords_are_free_then_each_try_costs_twice_the_wait_of_the_last() -> None:
    at, waits = AT, []
    fails("alice", STRANGER, 4)
    for _ in range(8):
        guard.begin("alice", STRANGER, at=at)
        waits.append(wait_s(lambda now=at: guard.begin("alice", STRANGER, at=now)))  # type: ignore[misc]
        at += timedelta(seconds=waits[-1])
    assert waits == [15, 30, 60, 120, 240, 480, 900, 900]


def test_waiting_is_not_prolonged_by_knocking() -> None:
    fails("alice", STRANGER, 5)
    for second in range(0, 15, 3):
        now = AT + timedelta(seconds=second)
        assert wait_s(lambda now=now: guard.begin("alice", STRANGER, at=now)) == 15 - second  # type: ignore[misc]
    guard.begin("alice", STRANGER, at=AT + timedelta(seconds=15))


def test_names_that_nobody_has_are_counted_like_all_others() -> None:
    added()
    for name in ("alice", "nobody"):
        fails(name, STRANGER, 5)
        assert wait_s(lambda name=name: guard.begin(name, STRANGER, at=AT)) == 15  # type: ignore[misc]


def test_one_address_that_tries_many_names_has_to_wait() -> None:
    for number in range(guard.FREE["address"]):
        guard.begin(f"name{number}", STRANGER, at=AT)
    assert wait_s(lambda: guard.begin("another", STRANGER, at=AT)) == 15
    guard.begin("another", "198.51.100.1", at=AT)


def test_an_ipv6_subscriber_is_one_address_and_a_mapped_one_its_ipv4() -> None:
    assert guard.address_of("2001:db8:1:2:3::4") == guard.address_of("2001:db8:1:2::9") == "2001:db8:1:2::"
    assert guard.address_of("::ffff:10.0.0.5") == COUNTER and guard.address_of("nonsense") == ""


def test_a_stranger_who_goes_on_guessing_cannot_keep_the_administrator_from_his_own_counter() -> None:
    ada = added("ada", Role.ADMINISTRATOR)
    session_of(ada)
    for number in range(guard.FREE["name"]):
        guard.begin("ada", f"198.51.100.{number}", at=AT)
    assert wait_s(lambda: guard.begin("ada", "192.0.2.1", at=AT)) == 15, "many machines, one name"
    guard.succeeded(guard.begin("ada", COUNTER, at=AT))


def test_no_wait_is_longer_than_a_quarter_of_an_hour_and_a_day_of_rest_forgets() -> None:
    assert guard.delay("pair", 10_000) == timedelta(minutes=15)
    fails("alice", STRANGER, 5)
    fails("alice", STRANGER, 5, at=AT + timedelta(hours=25))
    assert LoginGuard.objects.get(kind="pair").failures == 5


def test_a_right_password_takes_its_try_back() -> None:
    fails("alice", STRANGER, 3)
    guard.succeeded(guard.begin("alice", STRANGER, at=AT))
    assert not LoginGuard.objects.filter(kind="pair").exists()
    assert LoginGuard.objects.get(kind="address").failures == 3


# ---------------------------------------------------------------- sessions


def test_a_session_is_listed_with_its_place_and_ending_it_closes_the_door() -> None:
    alice = added()
    key = session_of(alice)
    [shown] = sessions.live_of(alice.pk, at=AT)
    assert (shown.address, shown.browser) == (COUNTER, "Chrome")
    sessions.end(shown.pk, operator=alice, actor=of_operator(alice), at=AT)
    assert not Session.objects.filter(session_key=key).exists() and not sessions.live_of(alice.pk, at=AT)
    assert code_of(lambda: sessions.end(shown.pk, operator=alice, actor=of_operator(alice), at=AT)) == "session_unknown"


def test_only_an_administrator_ends_the_session_of_another() -> None:
    alice, bob, ada = added(), added("bob", Role.MANAGER), added("ada", Role.ADMINISTRATOR)
    session_of(alice)
    [shown] = sessions.live_of(alice.pk, at=AT)
    assert code_of(lambda: sessions.end(shown.pk, operator=alice, actor=of_operator(bob), at=AT)) == "not_permitted"
    sessions.end(shown.pk, operator=alice, actor=of_operator(ada), at=AT)
    assert OperatorSession.objects.get().ended_why == "ended"
    assert AuditRow.objects.filter(action="staff.session_end", actor=f"operator:{ada.pk}").count() == 1


@pytest.mark.parametrize("change", ["password", "deactivated"])
def test_sessions_end_with_the_password_and_with_the_operator(change: str) -> None:
    alice, ada = added(), of_operator(added("ada", Role.ADMINISTRATOR))
    session_of(alice)
    session_of(alice, address=STRANGER)
    if change == "password":
        operators.set_password(alice, "another horse", actor=ada, at=AT)
    else:
        operators.set_active(alice, False, actor=ada, at=AT)
    assert not Session.objects.exists()
    assert set(OperatorSession.objects.values_list("ended_why", flat=True)) == {change}


def test_who_changes_his_own_password_stays_where_he_is() -> None:
    alice = added()
    here, elsewhere = session_of(alice), session_of(alice, address=STRANGER)
    operators.set_password(alice, "another horse", actor=of_operator(alice), at=AT, but_session=here)
    assert set(Session.objects.values_list("session_key", flat=True)) == {here}
    assert OperatorSession.objects.get(session_key=elsewhere).ended_why == "password"


def test_a_password_chosen_by_another_must_be_changed_and_not_to_itself() -> None:
    ada = of_operator(added("ada", Role.ADMINISTRATOR))
    alice = added(actor=ada)
    assert alice.must_change_password and not Operator.objects.get(username="ada").must_change_password
    his = of_operator(alice)
    assert code_of(lambda: operators.set_password(alice, "correct horse", actor=his, at=AT)) == "password_unchanged"
    operators.set_password(alice, "another horse", actor=his, at=AT)
    assert not Operator.objects.get(username="alice").must_change_password
    operators.set_password(alice, "chosen by ada", actor=ada, at=AT)
    assert Operator.objects.get(username="alice").must_change_password


# ---------------------------------------------------------------- the second factor


def now_code(operator: Operator, at: datetime) -> str:
    secret = bytes(Operator.objects.get(pk=operator.pk).totp_secret)
    return totp.hotp(secret, totp.step_of(int(at.timestamp())))


def enrolled(operator: Operator) -> list[str]:
    secret = second_factor.enrol(operator, at=AT)
    assert second_factor.enrol(operator, at=AT) == secret, "a reload shows the same picture"
    return second_factor.confirm(operator, now_code(operator, AT), actor=of_operator(operator), at=AT)


def test_it_is_on_only_after_the_first_code() -> None:
    alice = added()
    second_factor.enrol(alice, at=AT)
    his = of_operator(alice)
    assert code_of(lambda: second_factor.confirm(alice, "000000", actor=his, at=AT)) == "code_wrong"
    assert code_of(lambda: second_factor.check(alice, now_code(alice, AT), at=AT)) == "second_factor_off"
    assert len(second_factor.confirm(alice, now_code(alice, AT), actor=his, at=AT)) == second_factor.RECOVERY_CODES
    assert second_factor.is_on(Operator.objects.get(pk=alice.pk))
    assert code_of(lambda: second_factor.enrol(alice, at=AT)) == "second_factor_on"


def test_each_code_opens_once() -> None:
    alice = added()
    enrolled(alice)
    assert code_of(lambda: second_factor.check(alice, now_code(alice, AT), at=AT)) == "code_wrong"
    later = AT + timedelta(seconds=30)
    second_factor.check(alice, now_code(alice, later), at=later)
    assert code_of(lambda: second_factor.check(alice, now_code(alice, later), at=later)) == "code_wrong"


def test_a_recovery_code_opens_once_and_leaves_a_row() -> None:
    alice = added()
    codes = enrolled(alice)
    second_factor.check(alice, codes[0].upper().replace("-", " "), at=AT)
    assert code_of(lambda: second_factor.check(alice, codes[0], at=AT)) == "code_wrong"
    assert second_factor.codes_left(alice) == second_factor.RECOVERY_CODES - 1
    assert AuditRow.objects.filter(action="staff.recovery_code_used").count() == 1
    assert all(code.replace("-", "") not in str(list(AuditRow.objects.values())) for code in codes)


def test_new_recovery_codes_end_the_old_ones() -> None:
    alice = added()
    old = enrolled(alice)
    later = AT + timedelta(seconds=60)
    made = second_factor.new_recovery_codes(alice, now_code(alice, later), actor=of_operator(alice), at=later)
    assert code_of(lambda: second_factor.check(alice, old[1], at=later)) == "code_wrong"
    second_factor.check(alice, made[1], at=later)


def test_a_rule_of_the_company_holds_for_the_roles_that_move_money() -> None:
    needed = {role for role in Role if second_factor.required(role, by_company=True)}
    assert needed == {Role.CASHIER, Role.MANAGER, Role.FINANCE, Role.ADMINISTRATOR}
    assert not any(second_factor.required(role, by_company=False) for role in Role)
    ada = of_operator(added("ada", Role.ADMINISTRATOR))
    second_factor.set_rule(7, True, actor=ada, at=AT)
    second_factor.set_rule(7, True, actor=ada, at=AT)
    assert second_factor.rule_of(7) and not second_factor.rule_of(8)
    assert AuditRow.objects.filter(action="staff.second_factor_rule").count() == 1
    alice = of_operator(added())
    assert code_of(lambda: second_factor.set_rule(7, False, actor=alice, at=AT)) == "not_permitted"


def test_it_is_taken_off_by_its_code_or_by_an_administrator_and_not_against_the_rule() -> None:
    alice, ada = added(), of_operator(added("ada", Role.ADMINISTRATOR))
    enrolled(alice)
    his, later = of_operator(alice), AT + timedelta(seconds=60)
    code = now_code(alice, later)
    ruled = code_of(lambda: second_factor.take_off(alice, actor=his, at=later, code=code, by_company=True))
    assert ruled == "second_factor_needed"
    assert code_of(lambda: second_factor.take_off(alice, actor=his, at=later, code="000000")) == "code_wrong"
    second_factor.take_off(alice, actor=ada, at=later)
    assert code_of(lambda: second_factor.check(alice, code, at=later)) == "second_factor_off"
    assert not Operator.objects.get(pk=alice.pk).totp_secret and second_factor.codes_left(alice) == 0


def test_the_house_itself_lets_the_only_administrator_in_again() -> None:
    ada = added("ada", Role.ADMINISTRATOR)
    enrolled(ada)
    fails("ada", STRANGER, 5)
    guard.forgive("ada", actor=None, at=AT)
    guard.begin("ada", STRANGER, at=AT)
    second_factor.take_off(ada, actor=None, at=AT)
    assert not second_factor.is_on(Operator.objects.get(pk=ada.pk))
    assert AuditRow.objects.filter(actor="system", action="staff.second_factor_off").count() == 1
