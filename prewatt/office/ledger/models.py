"""Accounts, entries and closed days. Transfers are a plain SQL table (`sql/0001_books.sql`).

An entry (凭证) is written by the SQL function `ledger_book` alone: each transfer moves a positive
amount from one account to another, so an unbalanced entry cannot be written down.
"""

from django.db import models
from django.db.models import Q, UniqueConstraint


class AccountKind(models.TextChoices):
    """What an account stands for. Debit-natured: cash, clearing, make_up_cost, over_short."""

    CASH = "cash"  # the drawer of one till in one shift
    CLEARING = "clearing"  # POS, merchant QR, bank transfer, until the provider pays out
    IN_DELIVERY = "in_delivery"  # credit sold, not yet confirmed by the meter
    DEFERRED_INCOME = "deferred_income"  # credit in the meter, not used yet
    INCOME = "income"
    REFUND_PAYABLE = "refund_payable"  # credit taken back, money not yet paid out
    MAKE_UP_COST = "make_up_cost"  # credit given without payment (补电)
    OVER_SHORT = "over_short"  # what a drawer had too much or too little at hand-over
    HANDED_OVER = "handed_over"  # cash that left the drawer to the safe
    OPENING = "opening"  # credit that a meter already held when it was opened


class Account(models.Model):
    """One account of one company's books. No balance is kept on the row: no hot row."""

    company_id = models.BigIntegerField()
    site_id = models.BigIntegerField()
    kind = models.CharField(max_length=24, choices=AccountKind.choices)
    key = models.CharField(max_length=80)  # "cash:till:3:shift:12", "in_delivery"

    class Meta:
        constraints = [UniqueConstraint(name="account_key", fields=["site_id", "key"])]


class Entry(models.Model):
    """A journal entry. Append-only."""

    company_id = models.BigIntegerField()
    site_id = models.BigIntegerField()
    key = models.CharField(max_length=120)  # made by the caller; booked once
    kind = models.CharField(max_length=32)
    actor = models.CharField(max_length=80)
    reason = models.CharField(max_length=255, blank=True)
    at = models.DateTimeField()
    reverses = models.ForeignKey("self", null=True, on_delete=models.PROTECT, db_index=False)

    class Meta:
        constraints = [
            UniqueConstraint(name="entry_key", fields=["site_id", "key"]),
            # few entries reverse one: the others need no line in an index
            UniqueConstraint(name="entry_reversed_once", fields=["reverses"], condition=Q(reverses__isnull=False)),
        ]


class RunningBalance(models.Model):
    """What stands on one server-held credit account, credit positive; kept by `ledger_book_running` alone.

    The supply decision asks for it of each circuit every few seconds, so it is not added up each time. Every act on
    such an account locks its row, and `vending.audits` compares it with the transfers.
    """

    account_id = models.BigIntegerField(primary_key=True)
    site_id = models.BigIntegerField()
    balance_minor = models.BigIntegerField()  # below zero: used before it was paid
    updated_at = models.DateTimeField()


class ClosedDay(models.Model):
    """A day of a site into which nothing is booked any more."""

    site_id = models.BigIntegerField()
    day = models.DateField()
    closed_at = models.DateTimeField()
    actor = models.CharField(max_length=80)

    class Meta:
        constraints = [UniqueConstraint(name="closed_day_once", fields=["site_id", "day"])]
