"""Meters that were exchanged (换表): what the old one said last, what the new one began with, how its credit went on."""

from django.db import models
from django.db.models import CheckConstraint, Q, UniqueConstraint

from prewatt.office.estate.models import Circuit, Meter, SupplyPoint
from prewatt.office.vending.models import Delivery, Opening, Till


class Swap(models.Model):
    """One meter put up in the place of another. Never changed afterwards but by what was handed over."""

    site_id = models.BigIntegerField()
    old_meter = models.ForeignKey(Meter, on_delete=models.PROTECT, related_name="+")
    new_meter = models.ForeignKey(Meter, on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(max_length=255)
    evidence = models.CharField(max_length=255, blank=True)  # where somebody stated what he read: who, the photograph
    request_key = models.CharField(max_length=160)
    actor = models.CharField(max_length=80)
    actor_name = models.CharField(max_length=64)
    till = models.ForeignKey(Till, on_delete=models.PROTECT)
    at = models.DateTimeField()
    handed = models.JSONField(default=list)  # what was wanted of the old meter and is of the new: `swap_wants`
    handed_at = models.DateTimeField(null=True)  # all of it has been, as far as it can be

    class Meta:
        constraints = [
            UniqueConstraint(name="swap_request", fields=["request_key"]),
            UniqueConstraint(name="swap_once", fields=["old_meter"]),
        ]
        indexes = [models.Index(fields=["id"], name="swap_to_hand_over", condition=Q(handed_at__isnull=True))]


class SwapPart(models.Model):
    """One circuit of it that somebody is supplied by. Energy in Wh with the CT ratio, credit in the circuit's unit."""

    class State(models.TextChoices):
        OPENING = "opening"  # the new meter is asked, and set
        CARRYING = "carrying"  # the credit is on its way into it
        DONE = "done"
        NOT_OPENED = "not_opened"  # the new meter did not agree: open again
        NOT_CARRIED = "not_carried"  # it refused the credit, which stands in the books: carry again

    swap = models.ForeignKey(Swap, on_delete=models.PROTECT, related_name="parts")
    index = models.SmallIntegerField()
    old_supply = models.OneToOneField(SupplyPoint, on_delete=models.PROTECT, related_name="+")
    new_supply = models.ForeignKey(SupplyPoint, on_delete=models.PROTECT, related_name="+")
    new_circuit = models.ForeignKey(Circuit, on_delete=models.PROTECT, related_name="+")
    opening = models.ForeignKey(Opening, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=11, choices=State.choices)
    final_at = models.DateTimeField()
    final_wh = models.BigIntegerField()
    stated = models.BooleanField()  # by a person; else read by us
    first_wh = models.BigIntegerField(null=True)  # the new meter's, where it was stated; else its first reading
    credit = models.BigIntegerField(default=0)  # that the old meter still held; 0 where the books hold it
    value_minor = models.BigIntegerField(default=0)  # what of deferred income stands for it
    carried_minor = models.DecimalField(max_digits=20, decimal_places=9, default=0)  # as CircuitCredit.carried_minor
    act = models.CharField(max_length=9, blank=True)  # Opening.Act: what becomes of credit found in the new meter
    tries = models.SmallIntegerField(default=0)  # orders that were to carry the credit
    delivery = models.ForeignKey(Delivery, null=True, on_delete=models.PROTECT, related_name="+")
    done_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            UniqueConstraint(name="swap_part", fields=["swap", "index"]),
            CheckConstraint(name="swap_credit_positive", condition=Q(credit__gte=0, value_minor__gte=0)),
        ]
        indexes = [
            models.Index(
                fields=["id"], name="swap_at_work", condition=Q(state__in=["opening", "carrying"])
            ),
        ]
