"""Operators (操作员): added, given roles and scopes, deactivated. Each change leaves its row in the trail.

`actor` None is the system itself: the first run makes the first administrator.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from django.contrib.auth.hashers import check_password, make_password
from django.db import IntegrityError, transaction

from prewatt.core.refusals import Refused
from prewatt.office.staff import sessions
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.audit import audit
from prewatt.office.staff.models import Operator, Role, Scope
from prewatt.office.staff.roles import Act

MIN_PASSWORD: Final = 8  # NIST SP 800-63B, 5.1.1.2
MAX_PASSWORD: Final = 128  # hashing costs; nobody types more
LANGUAGES: Final = ("zh-hans", "en")
_USERNAME: Final = re.compile(r"[a-z0-9._-]{1,64}")


def add(
    *,
    username: str,
    name: str,
    role: Role | str,
    password: str,
    actor: Actor | None,
    at: datetime,
    language: str = "zh-hans",
    must_change: bool | None = None,
) -> Operator:
    """A new operator without any scope. He sees nothing until `give_scope`.

    A password that somebody else chose opens one page only, the one where he chooses his own: `must_change` None
    means so wherever there is an actor.

    Raises Refused `not_permitted`, `operator_malformed`, `operator_exists`, `role_unknown`,
    `password_too_short`, `password_too_long`.
    """
    _require(actor)
    known = _role(role)
    if _USERNAME.fullmatch(username) is None or not 1 <= len(name.strip()) <= 64 or language not in LANGUAGES:
        raise Refused("operator_malformed")
    hashed = _hashed(password)
    try:
        with transaction.atomic():
            made: Operator = Operator.objects.create(
                username=username, name=name.strip(), role=known, password=hashed, language=language, created_at=at,
                must_change_password=actor is not None if must_change is None else must_change,
            )  # fmt: skip
            _audit(
                made,
                "staff.operator_add",
                actor,
                at,
                after={"username": username, "name": made.name, "role": known.value},
            )
    except IntegrityError:
        raise Refused("operator_exists", username=username) from None
    return made


def add_with_scope(
    *,
    username: str,
    name: str,
    role: Role | str,
    password: str,
    scope: Mapping[str, int | None],
    actor: Actor | None,
    at: datetime,
) -> Operator:
    """A new operator with the first of what he may see, both or neither. `scope`: as `give_scope` names it.

    Raises Refused as `add` and `give_scope`.
    """
    with transaction.atomic():
        made = add(username=username, name=name, role=role, password=password, actor=actor, at=at)
        give_scope(made, **scope, actor=actor, at=at)
    return made


def change_role(operator: Operator, role: Role | str, *, actor: Actor | None, at: datetime, reason: str = "") -> None:
    """Raises Refused `not_permitted`, `own_role`, `role_unknown`. The same role again changes nothing."""
    _require(actor)
    _not_himself(operator, actor)
    known = _role(role)
    with transaction.atomic():
        row = Operator.objects.select_for_update().get(pk=operator.pk)
        if row.role != known:
            Operator.objects.filter(pk=row.pk).update(role=known)
            _audit(
                row,
                "staff.operator_role",
                actor,
                at,
                reason=reason,
                before={"role": row.role},
                after={"role": known.value},
            )
    operator.role = known


def set_active(operator: Operator, active: bool, *, actor: Actor | None, at: datetime, reason: str = "") -> None:
    """Deactivate, or let in again. Raises Refused `not_permitted`, `own_role`."""
    _require(actor)
    _not_himself(operator, actor)
    with transaction.atomic():
        if Operator.objects.filter(pk=operator.pk, is_active=not active).update(is_active=active):
            if not active:
                sessions.end_all(operator.pk, why=sessions.Why.DEACTIVATED, at=at)
            _audit(
                operator, "staff.operator_active", actor, at, reason=reason,
                before={"is_active": not active}, after={"is_active": active},
            )  # fmt: skip
    operator.is_active = active


def set_password(
    operator: Operator, password: str, *, actor: Actor | None, at: datetime, but_session: str = "",
    must_change: bool | None = None,
) -> None:  # fmt: skip
    """His own, or another's by an administrator, which he must then change. The trail says that it changed, never
    to what. Every session of his ends, except `but_session`, from which he changes it. `must_change` as in `add`.

    Raises Refused `not_permitted`, `password_too_short`, `password_too_long`, `password_unchanged`.
    """
    his_own = actor is not None and actor.operator_id == operator.pk
    if actor is not None and not his_own:
        actor.require(Act.OPERATORS)
    hashed = _hashed(password)
    if his_own and check_password(password, operator.password):
        raise Refused("password_unchanged")
    must_change = actor is not None and not his_own if must_change is None else must_change
    with transaction.atomic():
        Operator.objects.filter(pk=operator.pk).update(password=hashed, must_change_password=must_change)
        sessions.end_all(operator.pk, why=sessions.Why.PASSWORD, at=at, but=but_session)
        _audit(operator, "staff.operator_password", actor, at)
    operator.password, operator.must_change_password = hashed, must_change


def set_language(operator: Operator, language: str) -> None:
    """How he reads the console: a preference, not a right; no trail. Raises Refused `operator_malformed`."""
    if language not in LANGUAGES:
        raise Refused("operator_malformed")
    Operator.objects.filter(pk=operator.pk).update(language=language)
    operator.language = language


def give_scope(
    operator: Operator,
    *,
    company_id: int | None = None,
    site_id: int | None = None,
    building_id: int | None = None,
    actor: Actor | None,
    at: datetime,
) -> Scope:
    """Let him see one company, site or building. Raises Refused `not_permitted`, `scope_malformed`, `scope_exists`."""
    _require(actor)
    named = {"company_id": company_id, "site_id": site_id, "building_id": building_id}
    if sum(value is not None for value in named.values()) != 1:
        raise Refused("scope_malformed")
    try:
        with transaction.atomic():
            scope = Scope.objects.create(operator=operator, **named)
            _audit(operator, "staff.scope_give", actor, at, site_id=site_id, after=_only(named))
    except IntegrityError:
        raise Refused("scope_exists") from None
    return scope


def take_scope(operator: Operator, scope_id: int, *, actor: Actor | None, at: datetime, reason: str = "") -> None:
    """Raises Refused `not_permitted`, `scope_unknown`."""
    _require(actor)
    with transaction.atomic():
        scope = Scope.objects.select_for_update().filter(pk=scope_id, operator=operator).first()
        if scope is None:
            raise Refused("scope_unknown")
        named = {"company_id": scope.company_id, "site_id": scope.site_id, "building_id": scope.building_id}
        scope.delete()
        _audit(operator, "staff.scope_take", actor, at, site_id=named["site_id"], reason=reason, before=_only(named))


def _require(actor: Actor | None) -> None:
    if actor is not None:
        actor.require(Act.OPERATORS)


def _not_himself(operator: Operator, actor: Actor | None) -> None:
    if actor is not None and actor.operator_id == operator.pk:
        raise Refused("own_role")


def _role(role: Role | str) -> Role:
    try:
        return Role(role)
    except ValueError:
        raise Refused("role_unknown", role=str(role)[:16]) from None


def _hashed(password: str) -> str:
    if len(password) < MIN_PASSWORD:
        raise Refused("password_too_short", least=MIN_PASSWORD)
    if len(password) > MAX_PASSWORD:
        raise Refused("password_too_long", most=MAX_PASSWORD)
    return make_password(password)


def _only(named: dict[str, int | None]) -> dict[str, Any]:
    return {name: value for name, value in named.items() if value is not None}


def _audit(
    operator: Operator,
    action: str,
    actor: Actor | None,
    at: datetime,
    *,
    site_id: int | None = None,
    reason: str = "",
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    audit(
        at=at,
        actor=actor.key if actor else "system",
        action=action,
        site_id=site_id,
        object_type="operator",
        object_id=str(operator.pk),
        reason=reason,
        before=before,
        after=after,
    )
