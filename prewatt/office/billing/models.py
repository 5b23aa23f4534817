"""How far each server-held supply point is charged. Charges are a plain SQL table (`sql/0001_charges.sql`)."""

from django.db import models
from django.db.models import CheckConstraint, Q


class Progress(models.Model):
    """One row for each server-held supply point; its lock is that of charging it.

    `charged_at` and `charged_wh` are the last reading up to which all was billed, None until the opening reading.
    `held_*` is the newest reading that could not be billed, for people to see; empty when all is well.
    """

    class Held(models.TextChoices):
        BACKWARD = "backward"  # stands below what was billed already
        JUMP = "jump"  # more than the circuit could have used since
        UNPRICED = "unpriced"  # no price is in force for a part of the time

    supply_point_id = models.BigIntegerField(primary_key=True)
    site_id = models.BigIntegerField()
    circuit_id = models.BigIntegerField()
    account_id = models.BigIntegerField()  # as SupplyPoint.credit_account_id
    valid_from = models.DateTimeField()  # readings before it are not looked at
    charged_at = models.DateTimeField(null=True)
    charged_wh = models.BigIntegerField(null=True)
    # the fraction of a minor unit that was used and is not taken yet: 0 <= carried < 1
    carried_minor = models.DecimalField(max_digits=20, decimal_places=9, default=0)
    rollover_wh = models.BigIntegerField(null=True)  # the counter begins anew at this many Wh, CT ratio applied
    held = models.CharField(max_length=8, choices=Held.choices, blank=True)
    held_at = models.DateTimeField(null=True)
    held_wh = models.BigIntegerField(null=True)

    class Meta:
        constraints = [
            CheckConstraint(
                name="progress_opened_whole",
                condition=Q(charged_at__isnull=True, charged_wh__isnull=True)
                | Q(charged_at__isnull=False, charged_wh__isnull=False),
            ),
            CheckConstraint(name="progress_carried", condition=Q(carried_minor__gte=0, carried_minor__lt=1)),
        ]
