"""The second factor (两步验证): a code from the telephone (RFC 6238), and recovery codes for when it is lost.

Enrolled in two steps: `enrol` makes a secret and shows it, `confirm` takes the first code and turns it on. It lies
in the database as it is: whoever can read that table can also write to it; backups are encrypted.
"""

import base64
import hashlib
import secrets
from datetime import datetime
from typing import Final

from django.db import transaction

from prewatt.core import totp
from prewatt.core.refusals import Refused
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.audit import audit
from prewatt.office.staff.models import CompanyRule, Operator, RecoveryCode, Role
from prewatt.office.staff.roles import Act

# Those who take, give back or book money, and those who name the people who do.
MONEY_ROLES: Final = frozenset({Role.CASHIER, Role.MANAGER, Role.FINANCE, Role.ADMINISTRATOR})
RECOVERY_CODES: Final = 10
RECOVERY_BYTES: Final = 10  # 80 bits: nothing to guess, so a plain hash keeps them
TYPED_MOST: Final = 40  # characters of a typed code that are looked at


def is_on(operator: Operator) -> bool:
    return operator.totp_on_at is not None


def required(role: str, *, by_company: bool) -> bool:
    """Whether somebody in this role must have one, when the company's rule says so."""
    return by_company and Role(role) in MONEY_ROLES


def enrol(operator: Operator, *, at: datetime) -> bytes:
    """A secret to be confirmed; the one that waits already, if any, so that a reload shows the same picture.

    Raises Refused `second_factor_on`.
    """
    with transaction.atomic():
        row: Operator = Operator.objects.select_for_update().get(pk=operator.pk)
        if is_on(row):
            raise Refused("second_factor_on")
        if not row.totp_secret:
            row.totp_secret = secrets.token_bytes(totp.SECRET_BYTES)
            Operator.objects.filter(pk=row.pk).update(totp_secret=row.totp_secret)
    return bytes(row.totp_secret)


def confirm(operator: Operator, code: str, *, actor: Actor, at: datetime) -> list[str]:
    """Turn it on with the first code; the recovery codes, shown this once.

    Raises Refused `second_factor_on`, `code_wrong`.
    """
    assert actor.operator_id == operator.pk, actor
    with transaction.atomic():
        row: Operator = Operator.objects.select_for_update().get(pk=operator.pk)
        if is_on(row):
            raise Refused("second_factor_on")
        step = _step(row, code, at)
        if step is None:
            raise Refused("code_wrong")
        Operator.objects.filter(pk=row.pk).update(totp_on_at=at, totp_last_step=step)
        made = _new_codes(row)
        _audit(row, "staff.second_factor_on", actor.key, at)
    operator.totp_on_at = at
    return made


def new_recovery_codes(operator: Operator, code: str, *, actor: Actor, at: datetime) -> list[str]:
    """Fresh recovery codes in place of all earlier ones, against a code of now.

    Raises Refused `second_factor_off`, `code_wrong`.
    """
    assert actor.operator_id == operator.pk, actor
    with transaction.atomic():
        if not _take(operator, code, at):
            raise Refused("code_wrong")
        made = _new_codes(operator)
        _audit(operator, "staff.recovery_codes", actor.key, at)
    return made


def check(operator: Operator, code: str, *, at: datetime) -> None:
    """The second step of a log-in: a code of now, or a recovery code; each opens once.

    Raises Refused `second_factor_off`, `code_wrong`.
    """
    with transaction.atomic():
        if not _take(operator, code, at):
            raise Refused("code_wrong")


def take_off(
    operator: Operator, *, actor: Actor | None, at: datetime, code: str = "", by_company: bool = False
) -> None:
    """His own against a code of now, where no rule asks for it; another's by an administrator (a lost telephone), or
    by the house itself (None).

    Raises Refused `not_permitted`, `second_factor_off`, `second_factor_needed`, `code_wrong`.
    """
    his_own = actor is not None and actor.operator_id == operator.pk
    if actor is not None and not his_own:
        actor.require(Act.OPERATORS)
    if his_own and required(operator.role, by_company=by_company):
        raise Refused("second_factor_needed")
    with transaction.atomic():
        row: Operator = Operator.objects.select_for_update().get(pk=operator.pk)
        if not is_on(row):
            raise Refused("second_factor_off")
        if his_own and not _take(row, code, at):
            raise Refused("code_wrong")
        Operator.objects.filter(pk=row.pk).update(totp_secret=b"", totp_on_at=None, totp_last_step=0)
        RecoveryCode.objects.filter(operator=row).delete()
        _audit(row, "staff.second_factor_off", actor.key if actor else "system", at)
    operator.totp_on_at, operator.totp_secret = None, b""


def codes_left(operator: Operator) -> int:
    return RecoveryCode.objects.filter(operator=operator, used_at=None).count()


def set_rule(company_id: int, second_factor: bool, *, actor: Actor, at: datetime) -> None:
    """Ask it of the money roles of a company, or no longer. The caller has checked that the company is his.

    Raises Refused `not_permitted`.
    """
    actor.require(Act.OPERATORS)
    with transaction.atomic():
        row, made = CompanyRule.objects.select_for_update().get_or_create(company_id=company_id)
        if row.second_factor == second_factor:
            return
        CompanyRule.objects.filter(pk=row.pk).update(second_factor=second_factor)
        audit(
            at=at, actor=actor.key, action="staff.second_factor_rule", object_type="company",
            object_id=str(company_id), before={"second_factor": row.second_factor},
            after={"second_factor": second_factor},
        )  # fmt: skip


def rule_of(company_id: int) -> bool:
    return CompanyRule.objects.filter(company_id=company_id, second_factor=True).exists()


def _step(row: Operator, code: str, at: datetime) -> int | None:
    if not row.totp_secret:
        return None
    return totp.accepted_step(
        bytes(row.totp_secret), code[:TYPED_MOST], epoch_s=int(at.timestamp()), after_step=row.totp_last_step
    )


def _take(operator: Operator, code: str, at: datetime) -> bool:
    """Use a code up, under the lock of the operator's row. Raises Refused `second_factor_off`."""
    row: Operator = Operator.objects.select_for_update().get(pk=operator.pk)
    if not is_on(row):
        raise Refused("second_factor_off")
    step = _step(row, code, at)
    if step is not None:
        Operator.objects.filter(pk=row.pk).update(totp_last_step=step)
        return True
    unused = RecoveryCode.objects.filter(operator=row, code_hash=_hash(code), used_at=None)
    if not unused.update(used_at=at):
        return False
    _audit(row, "staff.recovery_code_used", f"operator:{row.pk}", at)
    return True


def _new_codes(row: Operator) -> list[str]:
    RecoveryCode.objects.filter(operator=row).delete()
    made = [base64.b32encode(secrets.token_bytes(RECOVERY_BYTES)).decode().lower() for _ in range(RECOVERY_CODES)]
    RecoveryCode.objects.bulk_create([RecoveryCode(operator=row, code_hash=_hash(each)) for each in made])
    return [f"{each[:4]}-{each[4:8]}-{each[8:12]}-{each[12:]}" for each in made]


def _hash(code: str) -> str:
    """Of the letters alone: dashes and capitals are for the eye."""
    plain = "".join(each for each in code[:TYPED_MOST].lower() if each.isalnum())
    return hashlib.sha256(plain.encode()).hexdigest()


def _audit(row: Operator, action: str, actor: str, at: datetime) -> None:
    audit(at=at, actor=actor, action=action, object_type="operator", object_id=str(row.pk))
