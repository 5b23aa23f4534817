"""The steps of server-held openings and closings: each looks at the rows again and does what the readings allow."""

import logging
from datetime import datetime
from typing import Final

from django.db import DatabaseError, OperationalError, transaction
from django.db.models import Q

from prewatt.core.refusals import Refused
from prewatt.office.billing.settlements import settle
from prewatt.office.changes.closings import finish
from prewatt.office.changes.held import opening_slip
from prewatt.office.estate.models import SupplyPoint
from prewatt.office.vending.models import Opening
from prewatt.office.vending.opening_rows import ask_again, locked, move

logger = logging.getLogger(__name__)
State = Opening.State
SWEEP_BATCH: Final = 100  # openings and closings are rare; a round each five seconds


def follow(opening_id: int, *, at: datetime) -> State:
    """Take the step that the readings allow; the state then. Runs twice without harm."""
    with transaction.atomic():
        row = locked(opening_id)
        if row.state != State.READING or row.supply_point.custody != "server":
            return State(row.state)
        supply = SupplyPoint.objects.select_for_update(no_key=True).get(pk=row.supply_point_id)
        if row.kind == Opening.Kind.CLOSE:
            ended = finish(row, supply, at=at)
        else:
            ended = _opened(row, supply, at=at)
        if not ended and row.job is not None and row.job.state in ("done", "dropped"):
            ask_again(row, at=at)  # silent, or its reading was not good: the next one may be
    return State(row.state)


def _opened(row: Opening, supply: SupplyPoint, *, at: datetime) -> bool:
    """The first good reading opens it, whoever saw it first."""
    settle(supply, at=at)
    supply.refresh_from_db()
    if supply.opening_at is None:
        return False
    row.supply_point = supply
    values = {"energy_import_total": supply.opening_wh}
    Opening.objects.filter(pk=row.pk).update(read_values=values)
    move(row, State.DONE, done_at=at, read_values=values)
    opening_slip(row, at=at)
    return True


def sweep(*, at: datetime) -> int:
    """Follow what the polls have read, or a lost job left behind; how many rows were looked at."""
    waiting = list(
        Opening.objects.filter(state=State.READING, supply_point__custody="server")
        .filter(
            Q(kind=Opening.Kind.OPEN, supply_point__opening_at__isnull=False)
            | Q(job__state__in=["done", "dropped"])
        )
        .order_by("pk").values_list("pk", flat=True)[:SWEEP_BATCH]
    )  # fmt: skip
    for pk in waiting:
        try:
            follow(pk, at=at)
        except OperationalError:  # not this one's fault: the database is away
            raise
        except (DatabaseError, Refused) as fault:
            if isinstance(fault, Refused) and fault.retry:  # or full
                raise
            logger.exception("opening %s could not be followed", pk)  # one that fails must not keep others waiting
    return len(waiting)
