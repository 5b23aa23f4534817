"""What is known of each writable parameter of a circuit's meter: read when, wanted by whom, and how the two stand.

A write that was refused or not answered says nothing of the meter: only a read of it afterwards does. Whatever a job
read by the way (opening, a try, a read of the settings) counts as well.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from django.db import connection

from prewatt.core.meters.jobs import Intent, Job, Verdict
from prewatt.core.meters.quantities import Quantity
from prewatt.office.estate.models import Circuit
from prewatt.office.metering.jobs import READ_NOW_LIFE, enqueue
from prewatt.office.metering.models import JobRow, JobState, WantedSetting

MOST_READS: Final = 50  # jobs that are looked through for the newest value of each
MOST_VERSIONS: Final = 50  # that a page shows


class ParameterState(StrEnum):
    """How what was read and what is wanted stand to each other."""

    AGREES = "agrees"
    DIFFERS = "differs"
    UNKNOWN = "unknown"  # a write may have left and no read has shown what came of it
    WRITING = "writing"
    REFUSED = "refused"  # the meter said no, and shows something else
    UNREAD = "unread"
    READ_ONLY = "read_only"  # nothing is agreed about it


@dataclass(frozen=True, kw_only=True, slots=True)
class LastWrite:
    """The newest write of one parameter. `ended_at` None: it is at work, or waits; `sent`: a frame may have left."""

    verdict: Verdict | None
    sent: bool
    ended_at: datetime | None
    code: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Parameter:
    """One writable parameter. Values in the unit of the quantity; `wanted_by` is an actor's key, "" where it was agreed
    at opening."""

    quantity: Quantity
    state: ParameterState
    read: int | None
    read_at: datetime | None
    wanted: int | None
    wanted_by: str
    wanted_at: datetime | None
    reason: str
    code: str


def state_of(
    *, wanted: int | None, read: int | None, read_at: datetime | None, write: LastWrite | None
) -> ParameterState:
    """What may be claimed. `read_at`: when the read ended that brought `read`."""
    if write is not None and write.ended_at is None:
        return ParameterState.UNKNOWN if write.verdict is Verdict.UNKNOWN else ParameterState.WRITING
    seen_since = write is None or (read_at is not None and write.ended_at is not None and read_at > write.ended_at)
    if write is not None and not seen_since and write.sent and write.verdict in (None, Verdict.UNKNOWN, Verdict.SILENT):
        return ParameterState.UNKNOWN
    if wanted is None:
        return ParameterState.READ_ONLY
    if read is None:
        return ParameterState.UNREAD
    if read == wanted:
        return ParameterState.AGREES
    return ParameterState.REFUSED if write is not None and write.verdict is Verdict.REFUSED else ParameterState.DIFFERS


def of_circuit(
    circuit_id: int, agreed: Mapping[Quantity, int], *, since: datetime | None = None
) -> list[Parameter]:
    """Every parameter that something is agreed or was wanted of. `since`: versions before it are another contract's."""
    reads, wanted = _reads(circuit_id), newest(circuit_id, since=since)
    found = []
    for quantity in dict.fromkeys([*agreed, *wanted]):
        read, read_at = reads.get(quantity, (None, None))
        row = wanted.get(quantity)
        write = None if row is None else write_of(row.job)
        value = agreed.get(quantity) if row is None else row.value
        found.append(
            Parameter(
                quantity=quantity, state=state_of(wanted=value, read=read, read_at=read_at, write=write), read=read,
                read_at=read_at, wanted=value, wanted_by="" if row is None else row.actor,
                wanted_at=None if row is None else row.set_at, reason="" if row is None else row.reason,
                code="" if write is None else write.code,
            )
        )  # fmt: skip
    return found


def only_read(circuit_id: int, quantity: Quantity) -> Parameter:
    """One of which nothing is agreed: what the meter showed, if it was ever read."""
    read, read_at = _reads(circuit_id).get(quantity, (None, None))
    state = ParameterState.UNREAD if read is None else ParameterState.READ_ONLY
    return Parameter(
        quantity=quantity, state=state, read=read, read_at=read_at, wanted=None, wanted_by="", wanted_at=None,
        reason="", code="",
    )  # fmt: skip


def versions(circuit_id: int, *, most: int = MOST_VERSIONS) -> Sequence[WantedSetting]:
    """What was wanted of this circuit's meter, newest first, with the job that carried it."""
    return list(WantedSetting.objects.filter(circuit_id=circuit_id).select_related("job").order_by("-pk")[:most])


def shown(circuit_id: int) -> dict[Quantity, int]:
    """What the meter showed last of each quantity that was ever read with its settings or its purse."""
    return {quantity: value for quantity, (value, _at) in _reads(circuit_id).items()}


def read_settings(circuit: Circuit, *, request_key: str, at: datetime, actor: str) -> int:
    """Ask the meter for its purse and settings: what resolves an unknown; the id of the job."""
    return enqueue(
        key=f"read:{request_key}:{circuit.pk}:{Intent.READ_PURSE.value}", circuit_id=circuit.pk,
        job=Job(intent=Intent.READ_PURSE, circuit_index=circuit.index), at=at, actor=actor,
        expires_at=at + READ_NOW_LIFE,
    )  # fmt: skip


def _reads(circuit_id: int) -> dict[Quantity, tuple[int, datetime]]:
    """The newest value that the meter showed of each quantity. What a conversation read that ended unknown or silent
    may be from before its write, so it does not count."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT values, finished_at FROM metering_job WHERE circuit_id = %s AND state = 'done'"
            " AND intent IN ('read_purse', 'write_settings', 'try') AND verdict IN ('done', 'refused', 'disputed')"
            " ORDER BY id DESC LIMIT %s",
            [circuit_id, MOST_READS],
        )
        rows = cursor.fetchall()
    found: dict[Quantity, tuple[int, datetime]] = {}
    for held, at in rows:
        values: dict[str, Any] = json.loads(held) if isinstance(held, str) else held
        for name, value in values.items():
            found.setdefault(Quantity(name), (int(value), at))
    return found


def newest(circuit_id: int, *, since: datetime | None = None) -> dict[Quantity, WantedSetting]:
    """What is wanted of each parameter now, with the job that carried it. `since` as in `of_circuit`."""
    rows = WantedSetting.objects.filter(circuit_id=circuit_id).select_related("job")
    if since is not None:
        rows = rows.filter(set_at__gte=since)
    found = rows.order_by("quantity", "-pk").distinct("quantity")
    return {Quantity(row.quantity): row for row in found}


def write_of(job: JobRow) -> LastWrite:
    """What came of a write, for `state_of`."""
    ended = job.state in (JobState.DONE, JobState.DROPPED)
    return LastWrite(
        verdict=Verdict(job.verdict) if job.verdict else None, sent=job.ever_sent,
        ended_at=job.finished_at if ended else None, code=job.code,
    )  # fmt: skip
