"""Operators, scopes and keys: each change leaves a row that nobody can edit."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.hashers import check_password
from django.db import DatabaseError, connection, transaction

from prewatt.core.refusals import Refused
from prewatt.office.staff import keys, operators
from prewatt.office.staff.actors import Actor, of_key, of_operator
from prewatt.office.staff.audit import audit, trail, trail_of, trail_of_staff
from prewatt.office.staff.models import ApiKey, AuditRow, Operator, Role, Scope

pytestmark = pytest.mark.django_db
AT = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)


def added(username: str = "alice", role: Role = Role.CASHIER, actor: Actor | None = None) -> Operator:
    return operators.add(
        username=username, name=username.title(), role=role, password="correct horse", actor=actor, at=AT
    )


@pytest.fixture
def ada() -> Actor:
    return of_operator(added("ada", Role.ADMINISTRATOR))


def code_of(act: Callable[[], object]) -> str:
    rows = AuditRow.objects.count()
    with pytest.raises(Refused) as caught:
        act()
    assert AuditRow.objects.count() == rows
    return caught.value.code


def trace(operator: Operator) -> list[tuple[str, object, object]]:
    return [(row.action, row.before, row.after) for row in trail_of("operator", str(operator.pk))]


def test_an_operator_is_added_with_a_hashed_password_and_a_row(ada: Actor) -> None:
    alice = added(actor=ada)
    assert check_password("correct horse", alice.password)
    assert trace(alice) == [("staff.operator_add", None, {"username": "alice", "name": "Alice", "role": "cashier"})]
    assert trail_of_staff()[0].actor == ada.key
    assert "correct horse" not in str(list(AuditRow.objects.values()))


def test_bad_operators_are_refused(ada: Actor) -> None:
    added(actor=ada)

    def adding(**changes: str) -> Callable[[], object]:
        given: dict[str, Any] = {"username": "bob", "name": "Bob", "role": "manager", "password": "long enough"}
        given |= changes
        return lambda: operators.add(**given, actor=ada, at=AT)

    assert code_of(adding(username="alice")) == "operator_exists"
    assert code_of(adding(username="Bob Smith")) == "operator_malformed"
    assert code_of(adding(name=" ")) == "operator_malformed"
    assert code_of(adding(language="fr")) == "operator_malformed"
    assert code_of(adding(role="owner")) == "role_unknown"
    assert code_of(adding(password="short")) == "password_too_short"
    assert code_of(adding(password="x" * 129)) == "password_too_long"


def test_only_administrators_change_operators_and_nobody_himself(ada: Actor) -> None:
    alice = added()
    bob = of_operator(added("bob", Role.MANAGER))
    assert code_of(lambda: added("eve", actor=bob)) == "not_permitted"
    assert code_of(lambda: operators.change_role(alice, Role.MANAGER, actor=bob, at=AT)) == "not_permitted"
    assert code_of(lambda: operators.give_scope(alice, site_id=1, actor=bob, at=AT)) == "not_permitted"
    herself = Operator.objects.get(pk=ada.operator_id)
    assert code_of(lambda: operators.change_role(herself, Role.CASHIER, actor=ada, at=AT)) == "own_role"
    assert code_of(lambda: operators.set_active(herself, False, actor=ada, at=AT)) == "own_role"


def test_role_activity_and_password_leave_rows(ada: Actor) -> None:
    alice = added(actor=ada)
    operators.change_role(alice, Role.MANAGER, actor=ada, at=AT, reason="promoted")
    operators.change_role(alice, Role.MANAGER, actor=ada, at=AT)
    operators.set_active(alice, False, actor=ada, at=AT)
    operators.set_active(alice, False, actor=ada, at=AT)
    operators.set_password(alice, "another one", actor=ada, at=AT)
    assert trace(alice)[:3] == [
        ("staff.operator_password", None, None),
        ("staff.operator_active", {"is_active": True}, {"is_active": False}),
        ("staff.operator_role", {"role": "cashier"}, {"role": "manager"}),
    ]
    assert len(trace(alice)) == 4
    assert code_of(lambda: of_operator(Operator.objects.get(pk=alice.pk))) == "operator_inactive"


def test_everybody_may_change_his_own_password_and_nobody_elses() -> None:
    alice, bob = added(), added("bob")
    operators.set_password(alice, "my own new one", actor=of_operator(alice), at=AT)
    assert (
        code_of(lambda: operators.set_password(bob, "not mine at all", actor=of_operator(alice), at=AT))
        == "not_permitted"
    )


def test_a_scope_names_exactly_one_thing_once(ada: Actor) -> None:
    alice = added()
    scope = operators.give_scope(alice, site_id=7, actor=ada, at=AT)
    assert code_of(lambda: operators.give_scope(alice, site_id=7, actor=ada, at=AT)) == "scope_exists"
    assert code_of(lambda: operators.give_scope(alice, actor=ada, at=AT)) == "scope_malformed"
    assert code_of(lambda: operators.give_scope(alice, site_id=1, company_id=1, actor=ada, at=AT)) == "scope_malformed"
    operators.take_scope(alice, scope.pk, actor=ada, at=AT, reason="moved")
    assert code_of(lambda: operators.take_scope(alice, scope.pk, actor=ada, at=AT)) == "scope_unknown"
    assert not Scope.objects.exists()
    assert [row[0] for row in trace(alice)][:2] == ["staff.scope_take", "staff.scope_give"]
    assert [row.reason for row in trail([7])] == ["moved", ""]


def test_a_key_opens_until_it_ends_and_is_kept_as_a_hash(ada: Actor) -> None:
    bob = added("bob", Role.MANAGER)
    made = keys.make(name="shop", operator=bob, till_id=3, actor=ada, at=AT)
    assert made.secret not in str(list(ApiKey.objects.values())) and len(made.secret) > 40
    found = keys.verify(made.secret, at=AT)
    assert found.pk == made.row.pk
    actor = of_key(found)
    assert (actor.key, actor.name, actor.role, actor.operator_id) == (f"key:{found.pk}", "shop", "manager", bob.pk)
    keys.end(made.row, actor=ada, at=AT)
    keys.end(made.row, actor=ada, at=AT)
    assert code_of(lambda: keys.verify(made.secret, at=AT)) == "key_invalid"
    assert [row.action for row in trail_of("api_key", str(found.pk))] == ["staff.key_end", "staff.key_make"]


@pytest.mark.parametrize("secret", ["", "pw_wrong", "键", "x" * 129])
def test_what_is_no_key_opens_nothing(secret: str) -> None:
    assert code_of(lambda: keys.verify(secret, at=AT)) == "key_invalid"


def test_the_key_of_an_operator_who_left_opens_nothing(ada: Actor) -> None:
    bob = added("bob", Role.MANAGER)
    made = keys.make(name="shop", operator=bob, till_id=None, actor=ada, at=AT)
    operators.set_active(bob, False, actor=ada, at=AT + timedelta(seconds=1))
    assert code_of(lambda: keys.verify(made.secret, at=AT)) == "key_invalid"


@pytest.mark.parametrize(
    "statement",
    ["UPDATE staff_auditrow SET reason = 'x'", "DELETE FROM staff_auditrow", "TRUNCATE staff_auditrow"],
)
def test_the_database_itself_refuses_to_change_the_trail(statement: str) -> None:
    audit(at=AT, actor="operator:1", action="a.b", object_type="thing", object_id="1", site_id=4, reason="r" * 300)
    assert len(trail([4])[0].reason) == 255
    with pytest.raises(DatabaseError, match="append_only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_an_operator_and_his_first_scope_are_entered_together_or_not_at_all(ada: Actor) -> None:
    def enter(**scope: int) -> Operator:
        return operators.add_with_scope(
            username="anna", name="Anna", role=Role.CASHIER, password="first-pass-1", scope=scope, actor=ada, at=AT
        )

    assert code_of(enter) == "scope_malformed" and not Operator.objects.filter(username="anna").exists()
    assert Scope.objects.get(operator=enter(site_id=7)).site_id == 7
