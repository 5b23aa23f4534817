"""Deliveries: what came of an order, told to the books. Every verb may run twice, late or never."""

import logging
from datetime import datetime
from typing import Final

from django.db import DatabaseError, OperationalError, connection, transaction

from prewatt.core.refusals import Refused
from prewatt.office.ledger.call import call
from prewatt.office.metering.jobs import hasten
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.audit import audit
from prewatt.office.staff.roles import Act
from prewatt.office.vending import act_errors as _errors  # noqa: F401  registers the texts
from prewatt.office.vending.models import Delivery, DeliveryState

logger = logging.getLogger(__name__)

SWEEP_BATCH: Final = 500  # per round; a round each ten seconds is far above any site's open deliveries


def settle(delivery_id: int, *, at: datetime) -> DeliveryState | None:
    """Bring a delivery to where its job is, under the circuit's lock; its state then. None: no such row.

    Done: confirmed, count moved, entry (credit in delivery to deferred income). Refused: refused with
    the meter's code, the money stays. Silent: waiting. Silent or unknown after a write may have left:
    unknown. Read back as neither: disputed, for a person.
    """
    row = call("SELECT vending_settle(%s, %s)", [delivery_id, at])
    return DeliveryState(row[0]) if row is not None and row[0] is not None else None


def check_now(delivery: Delivery, *, actor: Actor, at: datetime) -> bool:
    """Ask the meter now what came of an order, instead of at the next try; the same order, the same count.

    False: it is being asked at this moment. Raises Refused `not_permitted`, `delivery_not_waiting`, `delivery_by_token`
    (no meter is asked: `by_token.hand_out` tries again).
    """
    actor.require(Act.READ_NOW)
    with transaction.atomic():
        row = Delivery.objects.select_for_update(no_key=True).get(pk=delivery.pk)
        if row.token_request_id is not None:
            raise Refused("delivery_by_token")
        if row.state not in (DeliveryState.WAITING, DeliveryState.SENT, DeliveryState.UNKNOWN) or row.job_id is None:
            raise Refused("delivery_not_waiting")
        hastened = hasten(row.job_id)
        audit(
            at=at, actor=actor.key, action="vending.check_now", site_id=row.site_id, object_type="delivery",
            object_id=str(row.pk), after={"state": row.state, "hastened": hastened},
        )  # fmt: skip
    return hastened


def sweep(*, at: datetime) -> int:
    """Settle open deliveries that are behind their job (their background job was lost); how many."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT delivery_id FROM vending_behind(%s)", [SWEEP_BATCH])
        behind = [row[0] for row in cursor.fetchall()]
    for delivery_id in behind:
        try:
            settle(delivery_id, at=at)
        except OperationalError:  # not this one's fault: the database is away
            raise
        except (DatabaseError, Refused) as fault:
            if isinstance(fault, Refused) and fault.retry:  # or full
                raise
            # the oldest come first: one that fails must not keep the others waiting
            logger.exception("delivery %s could not be settled", delivery_id)
    return len(behind)


def watch_load(*, at: datetime) -> int:
    """Note power seen after a confirmed purchase, or none by its deadline; how many were decided."""
    row = call("SELECT vending_watch_load(%s, %s)", [at, SWEEP_BATCH])
    assert row is not None
    return int(row[0])
