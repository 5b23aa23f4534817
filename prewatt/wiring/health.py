"""GET /healthz: whether all parts live, from their heartbeats, by the database's clock.

It must answer quickly when the database is dead or hangs, so it uses a connection of its own with short limits, never
Django's. Silent meters and lines that are down change only the figures.
"""

import os
from collections.abc import Sequence
from typing import Any

import psycopg
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache

from prewatt import __version__
from prewatt.office.metering.heartbeats import Beat, beats
from prewatt.wiring import config as configuration

OK, DEGRADED, DOWN = "ok", "degraded", "down"
LATE_AFTER_S = 3.8  # parts beat every 1 to 1.5 s; a death must show within 5 s
DEAD_AFTER_S = 15.0
FORGOTTEN_AFTER_S = 600.0  # a head-end of several that went for good
FRESH_POLLS = 3  # a circuit is fresh when read within so many status polls
_CONNECT_TIMEOUT_S = 2
_STATEMENT_TIMEOUT_MS = 1500
_HEADEND = "headend:"


@never_cache
def healthz(request: HttpRequest) -> JsonResponse:
    """200 when all is well, else 503; the body says what is not."""
    poll_s = configuration.read().poll_s
    try:
        with psycopg.connect(
            os.environ.get("PREWATT_DATABASE_URL", ""),
            autocommit=True,
            connect_timeout=_CONNECT_TIMEOUT_S,
            application_name="prewatt-health",
            options=f"-c statement_timeout={_STATEMENT_TIMEOUT_MS}",
        ) as connection:
            found = beats(connection)
            lines = _lines(connection)
            circuits = _circuits(connection, fresh_s=FRESH_POLLS * poll_s)
    except psycopg.Error:
        body = report(found=[], database=DOWN, lines=(0, 0), circuits=(0, 0))
    else:
        body = report(found=found, database=OK, lines=lines, circuits=circuits)
    return JsonResponse(body, status=200 if body["status"] == OK else 503)


def report(
    *, found: Sequence[Beat], database: str, lines: tuple[int, int], circuits: tuple[int, int]
) -> dict[str, Any]:
    """The body: parts from their beats, figures as (total, good)."""
    ages = {beat.part: beat.age_s for beat in found}
    headends = [
        {"id": part.removeprefix(_HEADEND), "status": state(age), "age_s": age}
        for part, age in ages.items()
        if part.startswith(_HEADEND)
    ]
    living = [one for one in headends if one["status"] == OK]
    if living:  # the work is done by others: a head-end that is long gone is no news any more
        headends = [one for one in headends if ages[f"{_HEADEND}{one['id']}"] < FORGOTTEN_AFTER_S]
    worker, stream = _part(ages.get("worker")), _part(ages.get("stream"))
    states = [one["status"] for one in (*headends, worker, stream)]
    overall = OK if headends and all(one == OK for one in states) else DEGRADED
    if database != OK:
        overall = DOWN
    return {
        "status": overall,
        "version": __version__,
        "database": {"status": database},
        "headends": headends,
        "worker": worker,
        "stream": stream,
        "lines": {"total": lines[0], "up": lines[1]},
        "circuits": {"total": circuits[0], "fresh": circuits[1]},
    }


def state(age_s: float | None) -> str:
    """The state of a part by the age of its last beat; None: it never beat, or is known to be gone."""
    if age_s is None or age_s > DEAD_AFTER_S:
        return DOWN
    return OK if age_s <= LATE_AFTER_S else DEGRADED


def _part(age_s: float | None) -> dict[str, Any]:
    return {"status": state(age_s), "age_s": age_s}


def _lines(connection: "psycopg.Connection[Any]") -> tuple[int, int]:
    row = connection.execute(
        "SELECT count(*), count(*) FILTER (WHERE s.up AND g.owner <> '' AND g.valid_until > clock_timestamp())"
        " FROM estate_line l LEFT JOIN metering_linestate s ON s.line_id = l.id"
        " LEFT JOIN metering_gatewaylease g ON g.gateway_id = l.gateway_id"
    ).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def _circuits(connection: "psycopg.Connection[Any]", *, fresh_s: int) -> tuple[int, int]:
    row = connection.execute(
        "SELECT count(*), count(t.at) FILTER (WHERE t.at > now() - make_interval(secs => %s))"
        " FROM estate_circuit c JOIN estate_meter m ON m.id = c.meter_id AND m.removed_at IS NULL"
        " LEFT JOIN metering_latest t ON t.site_id = c.site_id AND t.circuit_id = c.id",
        (fresh_s,),
    ).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])
