"""Payments: money that came in or went out, by which tender, with which reference."""

from django.db import models
from django.db.models import CheckConstraint, Q, UniqueConstraint


class Tender(models.TextChoices):
    """How it was paid. All but cash are recorded with a reference; gateways come later."""

    CASH = "cash"
    POS_CARD = "pos_card"
    MERCHANT_QR = "merchant_qr"
    BANK_TRANSFER = "bank_transfer"


class PaymentState(models.TextChoices):
    CREATED = "created"
    CONFIRMED = "confirmed"
    UNKNOWN = "unknown"
    CLOSED = "closed"


class Payment(models.Model):
    """One movement of money with a customer. `amount_minor` > 0 comes in, < 0 goes out."""

    site_id = models.BigIntegerField()
    key = models.CharField(max_length=120)
    tender = models.CharField(max_length=16, choices=Tender.choices)
    amount_minor = models.BigIntegerField()
    reference = models.CharField(max_length=64, blank=True)
    state = models.CharField(max_length=12, choices=PaymentState.choices)
    till_id = models.BigIntegerField()
    shift_id = models.BigIntegerField(null=True)
    at = models.DateTimeField()

    class Meta:
        constraints = [
            UniqueConstraint(name="payment_key", fields=["site_id", "key"]),
            CheckConstraint(name="payment_not_zero", condition=~Q(amount_minor=0)),
        ]
        indexes = [
            models.Index(fields=["shift_id", "tender"], name="payment_shift", condition=Q(shift_id__isnull=False))
        ]
