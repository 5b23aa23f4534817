"""Jobs as rows: the encoding of `core.meters.jobs.Job`, and the verbs that put jobs into the mailbox."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from prewatt.core.meters.freezes import FreezeKind, FreezeSpan
from prewatt.core.meters.jobs import Frame, Intent, Job, Order, OrderKind, Wish
from prewatt.core.meters.own import check_own
from prewatt.core.meters.prices import Ladder, PriceRead, PriceSet
from prewatt.core.meters.quantities import Quantity
from prewatt.core.meters.schedule import Period, Schedule, ScheduleRead, Zone
from prewatt.core.refusals import Refused
from prewatt.office.metering import errors as _errors  # noqa: F401  registers the texts

PRIORITY = {
    Intent.CREDIT: 0,
    Intent.RELAY: 0,
    Intent.READ_PURSE: 1,
    Intent.READ_STATUS: 1,
    Intent.READ_REGISTERS: 1,
    Intent.TRY: 1,
    Intent.ENTER_TOKEN: 1,  # the digits are delivered; what was paid for over the line goes first
    Intent.WRITE_SETTINGS: 2,
    Intent.SET_CLOCK: 2,
    Intent.READDRESS: 2,
    Intent.CHANGE_BAUD: 2,
    Intent.READ_FREEZES: 2,
    Intent.READ_SCHEDULE: 1,
    Intent.WRITE_SCHEDULE: 2,
    Intent.READ_PRICES: 1,
    Intent.WRITE_PRICES: 2,
}
READ_NOW_LIFE = timedelta(seconds=120)  # nobody waits longer at a counter for a reading


def encode(job: Job) -> dict[str, Any]:
    """A job as the JSON that its row carries."""
    payload: dict[str, Any] = {"intent": job.intent.value, "circuit_index": job.circuit_index}
    if job.order is not None:
        payload["order"] = {"count": job.order.count, "kind": job.order.kind.value, "amount": job.order.amount}
    if job.wish is not None:
        payload["wish"] = job.wish.value
    if job.settings:
        payload["settings"] = {quantity.value: value for quantity, value in job.settings.items()}
    if job.zone_s:
        payload["zone_s"] = job.zone_s
    if job.token:
        payload |= {"token": job.token, "again": job.again}
    if job.freezes is not None:
        payload["freezes"] = {**asdict(job.freezes), "kind": job.freezes.kind.value}
    if job.schedule is not None:
        payload |= {"schedule": schedule_json(job.schedule), "swap_at": job.swap_at}
    if job.prices is not None:
        payload |= {"prices": prices_json(job.prices), "swap_at": job.swap_at}
    if job.unit:
        payload |= {"unit": job.unit, "again": job.again}
    if job.baud:
        payload["baud"] = job.baud
    if job.draft:
        payload["draft"] = job.draft
    return payload


def decode(payload: Mapping[str, Any]) -> Job:
    """The job in a row. Raises KeyError or ValueError on what this version does not know."""
    order = payload.get("order")
    return Job(
        intent=Intent(payload["intent"]),
        circuit_index=payload["circuit_index"],
        order=Order(count=order["count"], kind=OrderKind(order["kind"]), amount=order["amount"]) if order else None,
        wish=Wish(payload["wish"]) if "wish" in payload else None,
        settings={Quantity(name): value for name, value in payload.get("settings", {}).items()},
        zone_s=payload.get("zone_s", 0),
        token=payload.get("token", ""),
        again=payload.get("again", False),
        freezes=_span(payload["freezes"]) if "freezes" in payload else None,
        schedule=schedule_of(payload["schedule"]) if "schedule" in payload else None,
        prices=prices_of(payload["prices"]) if "prices" in payload else None,
        swap_at=payload.get("swap_at", 0),
        draft=payload.get("draft", ""),
        unit=payload.get("unit", 0),
        baud=payload.get("baud", 0),
    )


def _span(held: Mapping[str, Any]) -> FreezeSpan:
    return FreezeSpan(
        kind=FreezeKind(held["kind"]), since=held["since"], until=held["until"], local=held["local"],
    )  # fmt: skip


def schedule_json(schedule: Schedule) -> dict[str, Any]:
    """Times of use as a row carries them: zones as [month, day, table], periods as [minute, rate]."""
    return {
        "zones": [[each.month, each.day, each.table] for each in schedule.zones],
        "tables": [[[each.minute, each.rate] for each in periods] for periods in schedule.tables],
    }


def schedule_of(held: Mapping[str, Any]) -> Schedule:
    """The times of use in a row."""
    return Schedule(
        zones=tuple(Zone(month=month, day=day, table=table) for month, day, table in held["zones"]),
        tables=tuple(
            tuple(Period(minute=minute, rate=rate) for minute, rate in periods) for periods in held["tables"]
        ),
    )


def schedule_read_json(read: ScheduleRead) -> dict[str, Any]:
    """What a meter showed, as the row of the job that read it carries it."""
    return _shown_json(read, schedule_json)


def schedule_read_of(held: Mapping[str, Any]) -> ScheduleRead:
    """The same out of a row."""
    return ScheduleRead(**_shown_of(held, schedule_of))


def _shown_json(read: ScheduleRead | PriceRead, to_json: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    return {
        "in_force": None if read.in_force is None else to_json(read.in_force),
        "standby": None if read.standby is None else to_json(read.standby),
        "swap_at": read.swap_at,
        "swaps_differ": read.swaps_differ,
    }


def _shown_of(held: Mapping[str, Any], of_json: Callable[[Mapping[str, Any]], Any]) -> dict[str, Any]:
    sets = {name: None if held[name] is None else of_json(held[name]) for name in ("in_force", "standby")}
    return {**sets, "swap_at": held["swap_at"], "swaps_differ": held.get("swaps_differ", False)}


def prices_json(prices: PriceSet) -> dict[str, Any]:
    """A set of prices as a row carries it: millionths per kWh, sharp to valley; thresholds of the ladder in Wh."""
    ladder = prices.ladder
    held = None if ladder is None else {"thresholds": list(ladder.thresholds), "prices": list(ladder.prices)}
    return {"rates": list(prices.rates), "ladder": held}


def prices_of(held: Mapping[str, Any]) -> PriceSet:
    """The set in a row."""
    ladder = held["ladder"]
    return PriceSet(
        rates=tuple(held["rates"]),
        ladder=None if ladder is None else Ladder(
            thresholds=tuple(ladder["thresholds"]), prices=tuple(ladder["prices"])
        ),
    )  # fmt: skip


def prices_read_json(read: PriceRead) -> dict[str, Any]:
    """What a meter showed, as the row of the job that read it carries it."""
    return _shown_json(read, prices_json)


def prices_read_of(held: Mapping[str, Any]) -> PriceRead:
    """The same out of a row."""
    return PriceRead(**_shown_of(held, prices_of))


def retold(job: Job, *, ever_sent: bool) -> Job:
    """The job as it is given out: one that enters a token hears whether an earlier try may have reached the meter."""
    return replace(job, again=True) if ever_sent and job.intent is Intent.ENTER_TOKEN else job


def enqueue(
    *,
    key: str,
    circuit_id: int,
    job: Job,
    at: datetime,
    actor: str,
    expires_at: datetime | None = None,
    then_task: str = "",
    then_args: Mapping[str, Any] | None = None,
) -> int:
    """Put a job into the mailbox, in the caller's transaction. The same key returns the job that stands.

    Raises Refused `meter_without_line`: a meter that is never online has no mailbox.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT metering_enqueue(%s, %s, %s, %s::jsonb, %s::smallint, %s, %s, %s, %s::jsonb, %s)",
            [key, circuit_id, job.intent.value, json.dumps(encode(job)), PRIORITY[job.intent], at, expires_at,
             then_task, json.dumps(dict(then_args or {})), actor],
        )  # fmt: skip
        row = cursor.fetchone()
    assert row is not None
    if row[0] is None:
        raise Refused("meter_without_line")
    return int(row[0])


def read_now(*, request_key: str, circuit_indexes: Mapping[int, int], at: datetime, actor: str) -> list[int]:
    """Read circuits at once (立即抄表): {circuit id: index} -> job ids, one result per circuit.

    Status and registers are two conversations; the register read brings the status with it.
    """
    return [
        enqueue(
            key=f"read:{request_key}:{circuit_id}:{intent.value}",
            circuit_id=circuit_id,
            job=Job(intent=intent, circuit_index=index),
            at=at,
            actor=actor,
            expires_at=at + READ_NOW_LIFE,
        )
        for circuit_id, index in circuit_indexes.items()
        for intent in (Intent.READ_STATUS, Intent.READ_REGISTERS)
    ]


def try_it(*, circuit_id: int, index: int, request_key: str, at: datetime, actor: str, draft: str = "") -> int:
    """Read everything a circuit has to say and keep the frames (试读): the id of its job.

    `draft` is the text of a profile to be tried in place of the meter's own; what it makes of the registers is shown
    to whoever tries, and is no reading. Refuses what `check_own` does, meter_needs_transparent_line,
    meter_without_line.
    """
    if draft:
        check_draft(draft, circuit_id)
    return enqueue(
        key=f"try:{request_key}:{circuit_id}",
        circuit_id=circuit_id,
        job=Job(intent=Intent.TRY, circuit_index=index, draft=draft),
        at=at,
        actor=actor,
        expires_at=at + READ_NOW_LIFE,
    )


def check_draft(text: str, circuit_id: int) -> None:
    """Whether a draft can be tried on the line of a circuit. Refuses as `try_it`."""
    profile = check_own(text)
    # the head-end has this module without Django's models
    from prewatt.office.estate.models import Line
    from prewatt.office.estate.wires import check_speaks

    transport = Line.objects.filter(meter__circuit=circuit_id).values_list("transport", flat=True).first()
    check_speaks(profile, transport or "")


def frame_json(frame: Frame) -> dict[str, Any]:
    """A frame as the JSON that its row carries."""
    return {"function": frame.function, "address": frame.address, "count": frame.count, "sent": frame.sent.hex(),
            "received": frame.received.hex(), "words": frame.words.hex()}  # fmt: skip


def frames_of(stored: Sequence[Mapping[str, Any]]) -> tuple[Frame, ...]:
    """The frames in a row of a finished try."""
    return tuple(
        Frame(
            function=each["function"], address=each["address"], count=each["count"], sent=bytes.fromhex(each["sent"]),
            received=bytes.fromhex(each["received"]), words=bytes.fromhex(each["words"]),
        )
        for each in stored
    )  # fmt: skip


def hasten(job_id: int) -> bool:
    """Let a queued job be due now instead of after its back-off; False: a head-end has it, or it has ended."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE metering_job SET due_at = least(due_at, clock_timestamp()) WHERE id = %s AND state = 'queued'"
            " RETURNING pg_notify('prewatt_jobs', gateway_id::text)",
            [job_id],
        )
        return cursor.fetchone() is not None


def drop_queued(*, circuit_ids: Iterable[int], intent: Intent, code: str) -> int:
    """Drop commands whose reason has gone, as long as no head-end has taken them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE metering_job SET state = 'dropped', code = %s, finished_at = now()"
            " WHERE circuit_id = ANY(%s) AND intent = %s AND state = 'queued'",
            [code, list(circuit_ids), intent.value],
        )
        return int(cursor.rowcount)
