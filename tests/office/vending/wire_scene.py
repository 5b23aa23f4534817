"""A meter that takes its tokens over a line too: the jobs in the mailbox, carried out against a meter in memory."""

import json
from datetime import timedelta
from typing import Any

from django.db import connection

from prewatt.core.meters import catalogue
from prewatt.core.meters.jobs import Intent, Outcome
from prewatt.office.estate.models import Meter
from prewatt.office.metering.jobs import decode, retold
from prewatt.office.metering.models import GatewayLease, JobRow, JobState
from prewatt.office.vending import token_wire
from tests.core.meters.bench import Line
from tests.core.meters.token_bench import TokenMeter
from tests.office.tokens.scene import NOON
from tests.office.vending.token_scene import TokenScene

SOON = NOON + timedelta(seconds=10)


def on_line(scene: TokenScene) -> TokenScene:
    """The meter hangs on a line, its keypad in the room, and was read just now."""
    cast = scene.tokens.cast
    Meter.objects.filter(pk=scene.circuit.meter_id).update(line=cast.line, unit=9, profile="sts-rs485")
    GatewayLease.objects.update_or_create(
        gateway=cast.gateway, defaults={"owner": "h", "epoch": 1, "valid_until": NOON + timedelta(days=99)}
    )
    read(scene)
    return scene


def read(scene: TokenScene) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO metering_latest (site_id, circuit_id, at, full_at, energy_wh, balance, status)"
            " VALUES (%s, %s, %s, %s, 100000, 5000, 0)",
            [scene.site_id, scene.circuit.pk, NOON, NOON],
        )


def meter_of(scene: TokenScene, **changes: Any) -> TokenMeter:
    return TokenMeter(catalogue()["sts-rs485"], sts=scene.keypad().state, **changes)


def open_jobs() -> list[JobRow]:
    return list(JobRow.objects.filter(intent=Intent.ENTER_TOKEN, state=JobState.QUEUED).order_by("pk"))


def report(job: JobRow, outcome: Outcome) -> None:
    """As the head-end that had claimed it."""
    JobRow.objects.filter(pk=job.pk).update(
        state="claimed", claim=job.claim + 1, claimed_by="h", claimed_epoch=1, attempts=job.attempts + 1
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT metering_report(%s, %s, %s, 1, %s, %s, %s::jsonb, %s)",
            [job.pk, job.claim + 1, job.gateway_id, outcome.verdict.value, outcome.code,
             json.dumps({quantity.value: value for quantity, value in outcome.values.items()}), outcome.sent],
        )  # fmt: skip
        assert cursor.fetchone() == (True,)


def talk(meter: TokenMeter, **faults: Any) -> Outcome | None:
    """One conversation about what lies in the mailbox; then the worker looks."""
    jobs = open_jobs()
    assert len(jobs) <= 1, "one token in flight"
    if not jobs:
        return None
    [job] = jobs
    outcome = Line(meter, **faults).run(retold(decode(job.payload), ever_sent=job.ever_sent))
    report(job, outcome)
    token_wire.settle(job.then_args["request_id"], at=SOON)
    return outcome


def to_the_end(meter: TokenMeter) -> None:
    for _ in range(60):
        if talk(meter) is None:
            return
    raise AssertionError("it never ends")
