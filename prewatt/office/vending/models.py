"""Sales, their delivery to the meter, and the acts that correct them."""

from django.db import models
from django.db.models import CheckConstraint, F, Q, UniqueConstraint

from prewatt.office.estate.models import Circuit, Contract, SupplyPoint
from prewatt.office.metering.models import JobRow
from prewatt.office.payments.models import Payment, Tender
from prewatt.office.tokens.models import StsMeter, TokenRequest


class Till(models.Model):
    """A counter window (窗口), or an API key's own till. Receipts are numbered per till."""

    site_id = models.BigIntegerField()
    code = models.CharField(max_length=8)  # "W1"; printed before the receipt number
    name = models.CharField(max_length=32)
    needs_shift = models.BooleanField(default=True)  # an API key's till needs none
    next_receipt = models.IntegerField(default=1)

    class Meta:
        constraints = [UniqueConstraint(name="till_code", fields=["site_id", "code"])]


class Shift(models.Model):
    """One cashier at one till, from opening float to a hand-over that agrees (交班)."""

    till = models.ForeignKey(Till, on_delete=models.PROTECT)
    operator_id = models.BigIntegerField()
    opened_at = models.DateTimeField()
    float_minor = models.BigIntegerField(default=0)  # cash in the drawer when opened
    closed_at = models.DateTimeField(null=True)
    counted_minor = models.BigIntegerField(null=True)
    expected_minor = models.BigIntegerField(null=True)  # frozen at hand-over
    note = models.CharField(max_length=255, blank=True)

    class Meta:
        constraints = [
            UniqueConstraint(name="one_open_shift_per_till", fields=["till"], condition=Q(closed_at__isnull=True))
        ]


class CircuitCredit(models.Model):
    """What the platform holds to be true of a meter's purse; its row is the lock of a sale.

    `purchase_count` is the last count that we know to be applied: read at opening, moved by
    confirmed deliveries, or set by a person who settles a dispute.
    """

    circuit = models.OneToOneField(Circuit, primary_key=True, on_delete=models.PROTECT)
    site_id = models.BigIntegerField()
    purchase_count = models.IntegerField()
    # energy is rounded up to the meter's resolution; what that gave too much is taken off the next sale
    carried_minor = models.DecimalField(max_digits=20, decimal_places=9, default=0)
    updated_at = models.DateTimeField()


class PursePrice(models.Model):
    """What a purse in money was last read back to drain by; no row: never. See `purse_prices`."""

    supply_point = models.OneToOneField(SupplyPoint, primary_key=True, on_delete=models.PROTECT)
    price = models.DecimalField(max_digits=12, decimal_places=6)  # company's currency per kWh
    read_at = models.DateTimeField()


class SaleLimit(models.Model):
    """Smallest and largest sale of a site, minor units. No row: the defaults of `vending.limits`."""

    site_id = models.BigIntegerField(primary_key=True)
    smallest_minor = models.BigIntegerField()
    largest_minor = models.BigIntegerField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [
            CheckConstraint(
                name="sale_limit_order",
                condition=Q(smallest_minor__gt=0, largest_minor__gte=F("smallest_minor")),
            )
        ]


class SaleState(models.TextChoices):
    SOLD = "sold"
    REVERSED = "reversed"


class Sale(models.Model):
    """A sale of electricity (售电).

    Its foreign keys are not checked by the database: `vending_sell` alone inserts sales, with ids that it has just
    read or made, and nothing they name is ever deleted; docs/decisions/foreign-keys.md has the figures.
    """

    site_id = models.BigIntegerField()
    number = models.CharField(max_length=20)  # S2611230006
    request_key = models.CharField(max_length=160)  # "<actor>:<key of the form or of the API caller>"
    request_hash = models.CharField(max_length=64)  # sha256 of the canonical body
    contract = models.ForeignKey(Contract, db_constraint=False, on_delete=models.PROTECT)
    circuit = models.ForeignKey(Circuit, db_constraint=False, on_delete=models.PROTECT, db_index=False)
    supply_point = models.ForeignKey(SupplyPoint, db_constraint=False, on_delete=models.PROTECT, db_index=False)
    till = models.ForeignKey(Till, db_constraint=False, on_delete=models.PROTECT, db_index=False)
    shift = models.ForeignKey(Shift, null=True, db_constraint=False, on_delete=models.PROTECT, db_index=False)
    actor = models.CharField(max_length=80)
    actor_name = models.CharField(max_length=64)
    at = models.DateTimeField()
    state = models.CharField(max_length=8, choices=SaleState.choices)
    tender = models.CharField(max_length=16, choices=Tender.choices)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    plan_version_id = models.BigIntegerField()
    price = models.DecimalField(max_digits=12, decimal_places=6)  # per kWh, of that version
    credit = models.BigIntegerField()  # what the order carries, credit unit
    credit_unit = models.CharField(max_length=3)
    balance_before = models.BigIntegerField(null=True)  # as read, with its time
    balance_before_at = models.DateTimeField(null=True)
    repaid_overdraft = models.BigIntegerField(default=0)  # part of the credit that repays permitted overdraft
    repaid_past_zero = models.BigIntegerField(default=0)  # and use past zero (过零电量)
    carried_before = models.DecimalField(max_digits=20, decimal_places=9)  # as CircuitCredit.carried_minor
    carried_after = models.DecimalField(max_digits=20, decimal_places=9)
    # one sale's own: both are found by the number (payment_key is "sale:<number>")
    payment = models.ForeignKey(Payment, db_constraint=False, on_delete=models.PROTECT, db_index=False)
    entry_id = models.BigIntegerField()

    class Meta:
        constraints = [
            # the key is the caller's, whatever he asks for with it: unique over all sites
            UniqueConstraint(name="sale_request", fields=["request_key"]),
            UniqueConstraint(name="sale_number", fields=["number"]),
            CheckConstraint(name="sale_positive", condition=Q(amount_minor__gt=0, credit__gt=0)),
        ]
        indexes = [
            models.Index(fields=["site_id", "-at"], name="sale_site_at"),
            models.Index(fields=["circuit", "-at"], name="sale_circuit_at"),
            models.Index(fields=["shift"], name="sale_shift", condition=Q(shift__isnull=False)),
        ]


class DeliveryState(models.TextChoices):
    WAITING = "waiting"
    SENT = "sent"
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    DISPUTED = "disputed"


OPEN_DELIVERY_STATES = ("waiting", "sent", "unknown", "disputed")  # a disputed one waits for a person


class Delivery(models.Model):
    """One order on its way to a meter (下发). At most one open per circuit.

    `origin` says which act it carries out: a sale, a make-up (补电), a return (退电), a clear at closing, credit that goes
    on from the meter that stood here before (换表).
    """

    class Origin(models.TextChoices):
        SALE = "sale"
        MAKE_UP = "make_up"
        RETURN = "return"
        CLEAR = "clear"
        SWAP = "swap"

    site_id = models.BigIntegerField()
    circuit = models.ForeignKey(Circuit, on_delete=models.PROTECT)
    origin = models.CharField(max_length=8, choices=Origin.choices)
    sale = models.OneToOneField(Sale, null=True, on_delete=models.PROTECT)
    job = models.ForeignKey(  # the newest; a rewrite makes another; unchecked: docs/decisions/foreign-keys.md
        JobRow, null=True, on_delete=models.PROTECT, db_index=False, db_constraint=False
    )
    orders = models.SmallIntegerField(default=1)  # how many jobs carried the order so far
    kind = models.CharField(max_length=8)  # core OrderKind
    amount = models.BigIntegerField()  # credit unit, as in the order
    value_minor = models.BigIntegerField()  # what stands in the books for it
    expected_count = models.IntegerField()
    state = models.CharField(max_length=9, choices=DeliveryState.choices)
    code = models.CharField(max_length=48, blank=True)  # of the last outcome
    read_count = models.IntegerField(null=True)  # purchase count last read
    read_values = models.JSONField(default=dict)  # everything read with it, for a person
    next_try_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)
    confirmed_values = models.JSONField(default=dict)  # balance, count, relay after confirmation
    load_seen_at = models.DateTimeField(null=True)  # first reading with power after confirmation
    load_deadline = models.DateTimeField(null=True)
    # server-held: the account that holds it. Confirmed as it is made, with no job; `amount` is minor units.
    credit_account_id = models.BigIntegerField(null=True)
    # by token: its request, confirmed with the digits; of a return the clear-credit token that took the credit out
    token_request = models.ForeignKey(TokenRequest, null=True, on_delete=models.PROTECT, db_index=False)

    class Meta:
        constraints = [
            UniqueConstraint(
                name="one_open_delivery_per_circuit", fields=["circuit"], condition=Q(state__in=OPEN_DELIVERY_STATES)
            ),
        ]
        indexes = [
            models.Index(
                fields=["load_deadline"], name="delivery_load", condition=Q(load_deadline__isnull=False)
            ),
            models.Index(
                fields=["site_id", "created_at"], name="delivery_open", condition=Q(state__in=OPEN_DELIVERY_STATES)
            ),
        ]


class DeliveryStep(models.Model):
    """What happened to a delivery, in order. Append-only."""

    delivery = models.ForeignKey(Delivery, on_delete=models.PROTECT, related_name="steps")
    state = models.CharField(max_length=16)  # a DeliveryState, or "load_observed", "rewritten", "settled_by_hand"
    at = models.DateTimeField()
    code = models.CharField(max_length=48, blank=True)
    detail = models.JSONField(default=dict)


class Act(models.Model):
    """A correction at the desk, kept apart from sales: make-up, return, refund, rewrite, reversal, settlement.

    `second_person` is the operator who agreed, where the act demands one.
    """

    class Kind(models.TextChoices):
        REWRITE = "rewrite"  # 补写
        MAKE_UP = "make_up"  # 补电
        RETURN = "return"  # 退电
        REFUND = "refund"  # 退费
        REVERSAL = "reversal"  # 冲正
        SETTLEMENT = "settlement"  # a disputed delivery settled by a person

    class State(models.TextChoices):
        ASKED = "asked"  # waits for the second person
        RUNNING = "running"  # waits for the meter
        DONE = "done"
        REFUSED = "refused"

    site_id = models.BigIntegerField()
    kind = models.CharField(max_length=12, choices=Kind.choices)
    state = models.CharField(max_length=8, choices=State.choices)
    request_key = models.CharField(max_length=160)
    request_hash = models.CharField(max_length=64)
    circuit = models.ForeignKey(Circuit, on_delete=models.PROTECT)
    sale = models.ForeignKey(Sale, null=True, on_delete=models.PROTECT)
    delivery = models.ForeignKey(Delivery, null=True, on_delete=models.PROTECT)
    credit = models.BigIntegerField(default=0)
    amount_minor = models.BigIntegerField(default=0)
    reason = models.CharField(max_length=255)
    evidence = models.JSONField(default=dict)  # what a person read at the meter, for a settlement
    actor = models.CharField(max_length=80)
    second_person = models.CharField(max_length=80, blank=True)
    till = models.ForeignKey(Till, null=True, on_delete=models.PROTECT)
    shift = models.ForeignKey(Shift, null=True, on_delete=models.PROTECT)
    entry_id = models.BigIntegerField(null=True)
    at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [UniqueConstraint(name="act_request", fields=["request_key"])]
        indexes = [models.Index(fields=["site_id", "kind", "-at"], name="act_site")]


class Receipt(models.Model):
    """A numbered receipt (收据, 非发票) with everything it prints, frozen. Reprints are counted."""

    class Kind(models.TextChoices):
        SALE = "sale"
        RETURN = "return"
        OPENING = "opening"
        CLOSING = "closing"
        REVERSAL = "reversal"
        REFUND = "refund"

    site_id = models.BigIntegerField()
    till = models.ForeignKey(Till, db_constraint=False, on_delete=models.PROTECT, db_index=False)
    number = models.IntegerField()
    kind = models.CharField(max_length=8, choices=Kind.choices)
    sale = models.ForeignKey(Sale, null=True, on_delete=models.PROTECT)
    act = models.ForeignKey(Act, null=True, on_delete=models.PROTECT, db_index=False)
    contract = models.ForeignKey(Contract, null=True, db_constraint=False, on_delete=models.PROTECT, db_index=False)
    data = models.JSONField()
    at = models.DateTimeField()
    prints = models.IntegerField(default=0)

    class Meta:
        constraints = [UniqueConstraint(name="receipt_number", fields=["till", "number"])]
        indexes = [models.Index(fields=["act"], name="receipt_act", condition=Q(act__isnull=False))]


class Opening(models.Model):
    """The conversation with a meter at opening (开户) or closing (销户) of a contract, as far as it got.

    Opening: reading -> (needs_act ->) (clearing ->) writing -> done; closing: reading -> done. `refused`
    ends it with a code; nothing is supplied, or nothing is closed, then.
    """

    class Kind(models.TextChoices):
        OPEN = "open"
        CLOSE = "close"

    class State(models.TextChoices):
        READING = "reading"
        NEEDS_ACT = "needs_act"  # the meter holds credit: take it over or clear it
        CLEARING = "clearing"
        WRITING = "writing"
        DONE = "done"
        REFUSED = "refused"

    class Act(models.TextChoices):
        NONE = ""
        TAKE_OVER = "take_over"
        CLEAR = "clear"

    site_id = models.BigIntegerField()
    kind = models.CharField(max_length=5, choices=Kind.choices)
    state = models.CharField(max_length=9, choices=State.choices)
    act = models.CharField(max_length=9, choices=Act.choices, blank=True)
    contract = models.ForeignKey(Contract, on_delete=models.PROTECT)
    supply_point = models.ForeignKey(SupplyPoint, on_delete=models.PROTECT)
    job = models.ForeignKey(JobRow, null=True, on_delete=models.PROTECT, db_index=False)
    tries = models.IntegerField(default=0)  # jobs so far in this state
    read_values = models.JSONField(default=dict)  # what the meter said first
    code = models.CharField(max_length=48, blank=True)
    request_key = models.CharField(max_length=160)
    actor = models.CharField(max_length=80)
    actor_name = models.CharField(max_length=64)
    till = models.ForeignKey(Till, on_delete=models.PROTECT)
    at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            UniqueConstraint(name="opening_request", fields=["request_key"]),
            UniqueConstraint(
                name="one_opening_at_work", fields=["supply_point"], condition=~Q(state__in=["done", "refused"])
            ),
        ]


class TokenEntry(models.Model):
    """A token on its way to its meter over the line: one row for each request that was ever sent so.

    At most one of a meter is `sending`. A set of several tokens goes one after the other, `part` counts those taken.
    """

    class State(models.TextChoices):
        QUEUED = "queued"  # its turn comes
        SENDING = "sending"  # `job_id` is in the mailbox
        ENTERED = "entered"
        REFUSED = "refused"  # the meter said no; `code` says why
        UNCLEAR = "unclear"  # it may have been taken: a person has to look
        STOPPED = "stopped"  # not sent after all; `code` says why

    request = models.OneToOneField(TokenRequest, primary_key=True, on_delete=models.PROTECT, related_name="entry")
    sts_meter = models.ForeignKey(StsMeter, on_delete=models.PROTECT)
    circuit = models.ForeignKey(Circuit, on_delete=models.PROTECT, db_index=False)  # whose place it is written to
    state = models.CharField(max_length=8, choices=State.choices, default=State.QUEUED)
    part = models.SmallIntegerField(default=0)
    round = models.IntegerField(default=1)  # sent anew so many times
    ever_sent = models.BooleanField(default=False)  # in a round before this one a write may have reached the meter
    job_id = models.BigIntegerField(null=True)
    code = models.CharField(max_length=48, blank=True)
    actor = models.CharField(max_length=80)
    asked_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [
            UniqueConstraint(name="token_entry_one_sending", fields=["sts_meter"], condition=Q(state="sending")),
            CheckConstraint(name="token_entry_job", condition=~Q(state="sending") | Q(job_id__isnull=False)),
        ]
        indexes = [
            models.Index(fields=["sts_meter"], name="token_entry_open", condition=Q(state__in=["queued", "sending"]))
        ]
