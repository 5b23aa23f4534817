"""STS attributes of meters, vending keys, token requests and their digits, key-change campaigns.

A token request is everything that determines the digits, stored before anything is encoded; the digits are another row,
written once. What may change of a request is its course (state, tries, what is known of the meter's answer): the
database refuses every other change (`sql/0001_tokens.sql`).
"""

from datetime import timedelta
from typing import Final

from django.db import models
from django.db.models import CheckConstraint, F, Q, UniqueConstraint

from prewatt.office.estate.models import Company, Meter, Site

SWEEP_AFTER: Final = timedelta(seconds=5)  # a request that waits so long has lost whoever asked for it


class VaultSeal(models.Model):
    """What the software vault's own key is derived with, and a value only the right one opens. One row."""

    kind = models.CharField(max_length=12)  # "passphrase" | "key_file"
    salt = models.BinaryField()
    scrypt_log_n = models.SmallIntegerField()
    probe = models.BinaryField()
    made_at = models.DateTimeField()


class StoredKey(models.Model):
    """A vending key (售电密钥) as the office knows it: its names, its limits, and its value only sealed.

    What names the key never changes; a key with other names is another key.
    """

    class Provider(models.TextChoices):
        SEALED = "sealed"  # value sealed in this row
        PKCS11 = "pkcs11"  # value in a PKCS#11 device, found by its label; DKGA04 alone
        MODULE = "module"  # a security module that makes the tokens itself

    company = models.ForeignKey(Company, null=True, on_delete=models.PROTECT)  # who may vend with it; null: all
    sgc = models.CharField(max_length=6)
    krn = models.SmallIntegerField()
    kt = models.SmallIntegerField()
    ken = models.SmallIntegerField()
    dkga = models.CharField(max_length=2)
    base_date = models.SmallIntegerField()
    provider = models.CharField(max_length=8, choices=Provider.choices)
    sealed = models.BinaryField(default=b"")
    label = models.CharField(max_length=64, blank=True)
    check_value = models.CharField(max_length=6)  # three bytes in hex, to compare over the telephone
    tokens_a_day = models.IntegerField(null=True)  # null: no limit
    tenths_a_day = models.BigIntegerField(null=True)  # of credit in units
    money_e5_a_day = models.BigIntegerField(null=True)  # of credit in currency, 10^-5 base units
    added_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            UniqueConstraint(
                name="stored_key_once", fields=["sgc", "krn", "kt", "dkga", "base_date", "ken"],
                condition=Q(ended_at__isnull=True),
            ),
            CheckConstraint(
                name="stored_key_somewhere",
                condition=(Q(provider="sealed") & ~Q(sealed=b""))
                | (~Q(provider="sealed") & Q(sealed=b"") & ~Q(label="")),
            ),
        ]  # fmt: skip


class KeyDay(models.Model):
    """What was asked of a vending key on a day (UTC): counted in the transaction that stores the request."""

    key = models.ForeignKey(StoredKey, on_delete=models.PROTECT)
    day = models.DateField()
    tokens = models.IntegerField(default=0)
    tenths = models.BigIntegerField(default=0)
    money_e5 = models.BigIntegerField(default=0)

    class Meta:
        constraints = [UniqueConstraint(name="key_day_once", fields=["key", "day"])]


class StsMeter(models.Model):
    """What an STS meter holds, as far as we know: the key it decrypts with is the one named here.

    `revision` grows with each change; a request prepared before a change is refused.
    """

    site = models.ForeignKey(Site, on_delete=models.PROTECT)
    meter = models.OneToOneField(Meter, on_delete=models.PROTECT, related_name="sts")
    meter_pan = models.CharField(max_length=18)
    ea = models.CharField(max_length=2)
    tct = models.CharField(max_length=2, default="02")  # token carrier: 01 magnetic card, 02 keypad, 07 virtual
    dkga = models.CharField(max_length=2)
    sgc = models.CharField(max_length=6)
    ti = models.CharField(max_length=2)
    krn = models.SmallIntegerField()
    kt = models.SmallIntegerField()
    ken = models.SmallIntegerField(default=255)
    base_date = models.SmallIntegerField()
    three_tokens = models.BooleanField(default=False)  # EA07: learns its supply group from a third key-change token
    credit_kind = models.SmallIntegerField(default=0)  # class 0 subclass: 0 electricity, 4 electricity in currency
    revision = models.IntegerField(default=1)
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [UniqueConstraint(name="sts_meter_pan_once", fields=["meter_pan"])]
        indexes = [models.Index(fields=["site", "id"], name="sts_meter_site")]


class TokenProposal(models.Model):
    """A token that takes two persons: credit that nobody paid for, or clearing what a meter holds."""

    class Decision(models.TextChoices):
        OPEN = "open"
        AGREED = "agreed"
        DECLINED = "declined"

    request_key = models.CharField(max_length=96, unique=True)
    digest = models.CharField(max_length=64)
    sts_meter = models.ForeignKey(StsMeter, on_delete=models.PROTECT)
    content = models.JSONField()  # `asks.to_json`
    reason = models.CharField(max_length=255)
    register_tenths = models.BigIntegerField(null=True)  # clear credit: what the meter showed, as evidence
    asked_by = models.BigIntegerField()  # operator
    asked_at = models.DateTimeField()
    decision = models.CharField(max_length=8, choices=Decision.choices, default=Decision.OPEN)
    decided_by = models.BigIntegerField(null=True)
    decided_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            CheckConstraint(
                name="proposal_two_persons", condition=Q(decided_by__isnull=True) | ~Q(decided_by=F("asked_by"))
            ),
            CheckConstraint(
                name="proposal_decided_whole",
                condition=Q(decision="open", decided_by__isnull=True, decided_at__isnull=True)
                | (~Q(decision="open") & Q(decided_by__isnull=False, decided_at__isnull=False)),
            ),
        ]


class TokenRequest(models.Model):
    """Everything that determines the digits of one token, or of one key-change set."""

    class State(models.TextChoices):
        WAITING = "waiting"  # no digits yet: issued again and again until there are
        MADE = "made"  # the digits stand; it is delivered and cannot be taken back
        REFUSED = "refused"  # the vault will not make it; there are no digits and will be none
        WITHDRAWN = "withdrawn"  # taken back before there were digits

    class Kind(models.TextChoices):
        CREDIT = "credit"
        FREE_CREDIT = "free_credit"
        MANAGEMENT = "management"
        CLEAR_CREDIT = "clear_credit"
        TEST = "test"
        KEY_CHANGE = "key_change"

    # a campaign writes a million of these: no index that no question needs
    message_id = models.CharField(max_length=96)
    digest = models.CharField(max_length=64)  # of what was asked: the same message with another content is refused
    site = models.ForeignKey(Site, on_delete=models.PROTECT, db_index=False)
    sts_meter = models.ForeignKey(StsMeter, on_delete=models.PROTECT, db_index=False)
    kind = models.CharField(max_length=12, choices=Kind.choices)
    content = models.JSONField()  # `asks.to_json`
    carried = models.BigIntegerField(null=True)  # what the token really carries, in the unit asked: book this
    meter_pan = models.CharField(max_length=18)
    ea = models.CharField(max_length=2)
    ti = models.CharField(max_length=2)
    key = models.ForeignKey(  # null: class 1
        StoredKey, null=True, on_delete=models.PROTECT, related_name="requests", db_index=False
    )
    new_key = models.ForeignKey(
        StoredKey, null=True, on_delete=models.PROTECT, related_name="key_changes", db_index=False
    )
    base_date = models.SmallIntegerField(null=True)
    tid = models.IntegerField(null=True)
    rnd = models.SmallIntegerField(null=True)
    proposal = models.OneToOneField(TokenProposal, null=True, on_delete=models.PROTECT, related_name="request")
    reference = models.CharField(max_length=64, blank=True)  # what it belongs to: "sale:17", "campaign:3"
    reason = models.CharField(max_length=255, blank=True)
    actor = models.CharField(max_length=80)
    asked_at = models.DateTimeField()
    # its course; all above is fixed
    state = models.CharField(max_length=9, choices=State.choices, default=State.WAITING)
    tries = models.IntegerField(default=0)
    code = models.CharField(max_length=64, blank=True)  # of the last refusal of the vault
    made_at = models.DateTimeField(null=True)
    entered_at = models.DateTimeField(null=True)  # known to have been accepted by the meter
    entered_how = models.CharField(max_length=32, blank=True)

    class Meta:
        constraints = [
            UniqueConstraint(name="token_message_once", fields=["message_id"]),
            # the very promise: one token identifier of a meter never stands for two contents, across base dates too
            UniqueConstraint(name="token_tid_once", fields=["meter_pan", "tid"], condition=Q(tid__isnull=False)),
            CheckConstraint(
                name="token_two_persons",
                condition=~Q(kind__in=["free_credit", "clear_credit"]) | Q(proposal__isnull=False),
            ),
            CheckConstraint(
                name="token_tid_where_timed",
                condition=Q(kind__in=["test", "key_change"], tid__isnull=True, rnd__isnull=True)
                | (
                    ~Q(kind__in=["test", "key_change"])
                    & Q(tid__gte=0, tid__lte=0xFFFFFF, rnd__gte=0, rnd__lte=15, key__isnull=False)
                ),
            ),
        ]
        indexes = [
            models.Index(fields=["sts_meter", "-id"], name="token_of_meter"),
            models.Index(fields=["id"], name="token_waiting", condition=Q(state="waiting")),
            models.Index(fields=["reference"], name="token_reference", condition=Q(kind="credit")),
        ]


class TidFloor(models.Model):
    """What a restore has taken out of use: each token identifier of a time up to `until`, for all meters."""

    until = models.DateTimeField()  # a whole minute
    set_at = models.DateTimeField()


class Campaign(models.Model):
    """A key change for many meters (换密活动)."""

    class State(models.TextChoices):
        DRAFT = "draft"
        RUNNING = "running"
        PAUSED = "paused"
        ENDED = "ended"

    site = models.ForeignKey(Site, on_delete=models.PROTECT)
    request_key = models.CharField(max_length=96, unique=True)
    digest = models.CharField(max_length=64)
    name = models.CharField(max_length=64)
    new_key = models.ForeignKey(StoredKey, on_delete=models.PROTECT)
    new_ti = models.CharField(max_length=2, blank=True)  # "": each meter keeps its own
    with_next_purchase = models.BooleanField(default=False)  # hand the set out with the next sale
    state = models.CharField(max_length=8, choices=State.choices, default=State.DRAFT)
    actor = models.CharField(max_length=80)
    made_at = models.DateTimeField()


class CampaignMeter(models.Model):
    """How far one meter of a campaign is."""

    class State(models.TextChoices):
        NOT_ISSUED = "not_issued"
        ISSUED = "issued"  # the digits stand
        DELIVERED = "delivered"  # in the customer's or the fitter's hand: what is sold from now on has the new key
        ENTERED = "entered"  # the meter took the set
        CONFIRMED = "confirmed"  # the meter took a credit token of the new key
        REFUSED = "refused"  # no set can be made; `code` says why

    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="meters", db_index=False)
    sts_meter = models.ForeignKey(StsMeter, on_delete=models.PROTECT)
    state = models.CharField(max_length=10, choices=State.choices, default=State.NOT_ISSUED)
    code = models.CharField(max_length=64, blank=True)
    request = models.OneToOneField(TokenRequest, null=True, on_delete=models.PROTECT, related_name="campaign_meter")
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [UniqueConstraint(name="campaign_meter_once", fields=["campaign", "sts_meter"])]
        indexes = [models.Index(fields=["campaign", "state", "id"], name="campaign_meter_state")]
