"""The rows of openings and closings, and the small moves every step is made of."""

from datetime import datetime, timedelta
from typing import Any, Final

from prewatt.core.meters.jobs import Job
from prewatt.office.estate.models import Contract, SupplyPoint
from prewatt.office.metering.jobs import decode, enqueue
from prewatt.office.vending.models import Opening

RETRY_AFTER: Final = timedelta(seconds=15)  # a meter that was silent is asked again
State = Opening.State


def ask(opening: Opening, job: Job, *, at: datetime, wait: timedelta = timedelta(0)) -> None:
    """Put the next job of a conversation into the mailbox. `tries` makes its key; a replay finds what stands."""
    tries = opening.tries + 1
    job_id = enqueue(
        key=f"opening:{opening.pk}:{opening.state}:{tries}",
        circuit_id=opening.supply_point.circuit_id,
        job=job,
        at=at + wait,
        actor=opening.actor,
        # server-held ones are followed where charging is known, above
        then_task="changes.follow" if opening.supply_point.custody == "server" else "vending.opening",
        then_args={"opening_id": opening.pk},
    )
    Opening.objects.filter(pk=opening.pk).update(job_id=job_id, tries=tries)
    opening.job_id, opening.tries = job_id, tries


def locked(opening_id: int) -> Opening:
    """The row under its lock, with what the steps need. Raises Opening.DoesNotExist."""
    Opening.objects.select_for_update().get(pk=opening_id)
    return Opening.objects.select_related("contract__site__company", "supply_point__circuit__meter", "job").get(
        pk=opening_id
    )


def move(row: Opening, state: State, **more: Any) -> None:
    """Go to a state; the count of jobs begins anew."""
    row.state, row.tries = state, 0
    Opening.objects.filter(pk=row.pk).update(state=state, tries=0, **more)
    for name, value in more.items():
        setattr(row, name, value)


def ask_again(row: Opening, *, at: datetime) -> None:
    """The same question after a while: the meter was silent."""
    assert row.job is not None
    ask(row, decode(row.job.payload), at=at, wait=RETRY_AFTER)


def end_refused(row: Opening, code: str, *, at: datetime) -> None:
    """End the conversation. An opening leaves nothing supplied; a closing leaves the contract open."""
    move(row, State.REFUSED, code=code, done_at=at)
    if row.kind == Opening.Kind.OPEN:
        SupplyPoint.objects.filter(pk=row.supply_point_id).update(state="closed", valid_to=at)
        # a contract that stood before, or has other circuits, goes on
        if not SupplyPoint.objects.filter(contract_id=row.contract_id).exclude(state="closed").exists():
            Contract.objects.filter(pk=row.contract_id, state="opening").update(state="closed", closed_at=at)
    else:
        SupplyPoint.objects.filter(pk=row.supply_point_id).update(state="open")
        Contract.objects.filter(pk=row.contract_id).update(state="open")
