"""Who may do what, where; and the trail of what was done, which nobody can edit."""

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models import CheckConstraint, Q, UniqueConstraint


class Role(models.TextChoices):
    """What an operator is for. The acts each may do are in `staff.roles`."""

    CASHIER = "cashier"
    MANAGER = "manager"
    FINANCE = "finance"
    ELECTRICIAN = "electrician"
    ADMINISTRATOR = "administrator"


class OperatorDoor(BaseUserManager["Operator"]):
    """Django's log-in needs `get_by_natural_key`; operators are made by `staff.operators.add`."""

    def get_by_natural_key(self, username: str | None) -> "Operator":
        return self.get(username=username)


class Operator(AbstractBaseUser):
    """A member of staff (操作员). Never deleted: the trail refers to him; `is_active` ends him."""

    username = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=64)
    role = models.CharField(max_length=16, choices=Role.choices)
    language = models.CharField(max_length=8, default="zh-hans")
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField()
    must_change_password = models.BooleanField(default=False)  # somebody else chose it: no page before his own
    totp_secret = models.BinaryField(default=b"")  # 160 random bits; empty: no second factor
    totp_on_at = models.DateTimeField(null=True)  # since when it is asked for; a secret before is being enrolled
    totp_last_step = models.BigIntegerField(default=0)  # of the last code taken: none opens twice

    USERNAME_FIELD = "username"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]
    objects: ClassVar[Any] = OperatorDoor()

    def __str__(self) -> str:
        return self.username


class Scope(models.Model):
    """One company, site or building that an operator was given: exactly one of the three.

    Plain ids, since the estate stands above this floor; `estate.scope` turns them into rows.
    """

    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, related_name="scopes")
    company_id = models.BigIntegerField(null=True)
    site_id = models.BigIntegerField(null=True)
    building_id = models.BigIntegerField(null=True)

    class Meta:
        constraints = [
            CheckConstraint(
                name="scope_exactly_one",
                condition=(
                    Q(company_id__isnull=False, site_id__isnull=True, building_id__isnull=True)
                    | Q(company_id__isnull=True, site_id__isnull=False, building_id__isnull=True)
                    | Q(company_id__isnull=True, site_id__isnull=True, building_id__isnull=False)
                ),
            ),
            UniqueConstraint(
                name="scope_once",
                fields=["operator", "company_id", "site_id", "building_id"],
                nulls_distinct=False,
            ),
        ]


class RecoveryCode(models.Model):
    """Opens once in place of a code from the telephone. Only a hash is kept."""

    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, related_name="recovery_codes")
    code_hash = models.CharField(max_length=64)  # sha256 hex: the code is 80 random bits
    used_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [UniqueConstraint(name="recovery_code_once", fields=["operator", "code_hash"])]


class LoginGuard(models.Model):
    """How often a log-in failed lately: for a name from an address, for an address, for a name."""

    kind = models.CharField(max_length=8)  # pair, address, name, code (`staff.guard`)
    subject = models.CharField(max_length=200)
    failures = models.IntegerField(default=0)
    last_at = models.DateTimeField()
    blocked_until = models.DateTimeField(null=True)

    class Meta:
        constraints = [UniqueConstraint(name="login_guard_once", fields=["kind", "subject"])]
        indexes = [models.Index(fields=["last_at"], name="login_guard_age")]


class OperatorSession(models.Model):
    """Where an operator is or was logged in. Django's own session row is what opens pages; this one is its face."""

    session_key = models.CharField(max_length=40, unique=True)
    operator = models.ForeignKey(Operator, on_delete=models.PROTECT)
    address = models.CharField(max_length=45)
    browser = models.CharField(max_length=200, blank=True)
    began_at = models.DateTimeField()
    seen_at = models.DateTimeField()  # to a minute
    ended_at = models.DateTimeField(null=True)
    ended_why = models.CharField(max_length=16, blank=True)  # `staff.sessions.Why`

    class Meta:
        indexes = [
            models.Index(fields=["operator", "-seen_at"], name="session_of_operator"),
            models.Index(fields=["operator", "address"], name="session_address"),
        ]


class CompanyRule(models.Model):
    """What a company asks of those who work for it. A plain id, since the estate stands above this floor."""

    company_id = models.BigIntegerField(unique=True)
    second_factor = models.BooleanField(default=False)  # for the roles that move money


class ApiKey(models.Model):
    """A third party's key. Acts as its operator; sells on a till of its own. Only a hash is kept."""

    name = models.CharField(max_length=64)
    key_hash = models.CharField(max_length=64, unique=True)  # sha256 hex: the key is 256 random bits
    operator = models.ForeignKey(Operator, on_delete=models.PROTECT)
    till_id = models.BigIntegerField(null=True)
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)


class AuditRow(models.Model):
    """One thing done. Append-only: the database refuses UPDATE, DELETE and TRUNCATE."""

    at = models.DateTimeField()
    actor = models.CharField(max_length=80)  # "operator:7", "key:3", "system"
    action = models.CharField(max_length=64)  # "vending.sell", "staff.operator_add"
    site_id = models.BigIntegerField(null=True)
    object_type = models.CharField(max_length=32)
    object_id = models.CharField(max_length=64)
    reason = models.CharField(max_length=255, blank=True)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["object_type", "object_id", "-id"], name="audit_object"),
            models.Index(fields=["site_id", "-id"], name="audit_site"),
        ]
