"""What the intake thinks of readings: the same as `core.meters.judging`, for any course of a counter."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prewatt.core.meters.judging import CODES, Doubt, Judged, Reading, marked
from prewatt.office.estate.models import Circuit
from prewatt.office.metering.clock import database_now
from prewatt.office.metering.displays import displays_json
from tests.cast import Cast, assemble

pytestmark = pytest.mark.django_db
END_WH = 1_000_000_000  # of shop 102's display
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def absorb(circuit: Circuit, *told: Reading, displays: str | None = None) -> None:
    """One batch of the head-end."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT metering_incoming()")
        cursor.execute("DELETE FROM incoming")
        cursor.executemany(
            "INSERT INTO incoming (site_id, circuit_id, at, full_read, source, energy_wh, power_w, relay, status)"
            " VALUES (%s, %s, %s, false, 0, %s, %s, 1, 0)",
            [(circuit.site_id, circuit.pk, each.at, each.wh, each.power_w) for each in told],
        )
        cursor.execute("SELECT metering_absorb(ARRAY['credit_trip'], %s)", [displays or displays_json({})])


def rows(sql: str, *values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall())


def stored(circuit: Circuit) -> dict[datetime, tuple[int, int | None]]:
    """Quality and mark of each stored reading."""
    found = rows("SELECT at, quality, mark FROM metering_reading WHERE circuit_id = %s", circuit.pk)
    return {at: (quality, mark) for at, quality, mark in found}


def code(judged: Judged) -> tuple[int, int | None]:
    return int(judged.quality), CODES[judged.mark] or None


@pytest.fixture
def cast() -> Cast:
    return assemble()


STEPS = st.tuples(
    st.sampled_from([1, 7, 60, 60, 60, 1800, 1800, 7_199, 7_200, 7_201, 90_000, -1, -600, 0]),
    st.sampled_from(["on", "on", "still", "still", "fall", "little", "leap", "end", "back", "silent", "ahead"]),
    st.integers(0, 40_000),
    st.sampled_from([None, -500, 0, 900, 6_000, 60_000]),
)


def course(steps: Sequence[tuple[int, str, int, int | None]], begins: datetime, now: datetime) -> list[Reading]:
    """Frames of a counter that goes on, stands, lies and comes back, begins anew; of a host whose clock is off."""
    at, wh, true = begins, END_WH - 300_000, END_WH - 300_000
    told: list[Reading] = []
    for seconds, kind, amount, power in steps:
        at += timedelta(seconds=seconds)
        wh = {
            "on": wh + amount, "still": wh, "fall": amount, "little": max(0, wh - amount),
            "leap": wh + 100_000 * amount, "end": END_WH - 1 - amount if amount % 2 else amount,
            "back": true + amount, "silent": wh, "ahead": wh,
        }[kind]  # fmt: skip
        if kind == "on":
            true = wh
        when = now + timedelta(minutes=20, seconds=len(told)) if kind == "ahead" else at
        told.append(Reading(at=when, wh=None if kind == "silent" else wh, power_w=power))
    return told


@given(steps=st.lists(STEPS, min_size=1, max_size=14), batch=st.integers(1, 5), ratio=st.sampled_from([1, 40]))
@settings(
    max_examples=60, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_the_database_judges_as_the_definition_does(
    cast: Cast, steps: list[tuple[int, str, int, int | None]], batch: int, ratio: int
) -> None:
    circuit, now = cast.shop_102, database_now()
    circuit.meter.ct_ratio = ratio
    circuit.meter.save(update_fields=["ct_ratio"])
    rows("WITH a AS (DELETE FROM metering_reading), b AS (DELETE FROM metering_daily) DELETE FROM metering_latest"
         " RETURNING 1")  # fmt: skip
    told = course(steps, now - timedelta(days=30), now)
    parts = [told[place : place + batch] for place in range(0, len(told), batch)]
    order = [each for part in parts for each in sorted(part, key=lambda one: one.at)]
    expected = marked(order, now=now, end_wh=END_WH * ratio, ratio=ratio)
    for part in parts:
        absorb(circuit, *part)
    kept: dict[datetime, tuple[int, int | None]] = {}
    for reading, judged in zip(order, expected, strict=True):
        kept.setdefault(reading.at, code(judged))  # the same instant twice is one reading
    assert stored(circuit) == kept
    known = expected[-1].known
    assert known is not None
    [(at, wh, energy_at, still, sure_at, sure_wh)] = rows(
        "SELECT at, energy_wh, energy_at, still_ws, sure_at, sure_wh FROM metering_latest WHERE circuit_id = %s",
        circuit.pk,
    )
    assert (at, wh, energy_at, still) == (known.at, known.wh, known.energy_at, known.still_ws)
    assert known.doubt == (None if sure_at is None else Doubt(at=sure_at, wh=sure_wh))
    used = sum(each.used_wh or 0 for each in expected)
    assert used >= 0 and all((each.used_wh or 0) >= 0 for each in expected), "nothing is ever used backwards"
    assert rows("SELECT coalesce(sum(used_wh), 0) FROM metering_daily") == [(used,)]


def test_readings_of_an_older_release_keep_their_meaning(cast: Cast) -> None:
    circuit, at = cast.shop_102, database_now() - timedelta(days=2)
    old = import_module("prewatt.office.metering.migrations.0022_marks")
    said = [(0, 0, END_WH - 500), (1, 1, 100), (2, 0, 100), (3, 1, 5), (4, 0, 600), (300, 0, 900), (600, 0, 950)]
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO metering_reading (site_id, circuit_id, at, full_read, source, quality, mark, energy_wh)"
            " VALUES (%s, %s, %s, true, 0, %s, nullif(%s, 0), %s)",
            [(circuit.site_id, circuit.pk, at + n * MINUTE, quality, quality, wh) for n, quality, wh in said],
        )
        for begins, ends, state in ((4, 300, "filled"), (300, 600, "empty")):
            cursor.execute(
                "INSERT INTO metering_gap (site_id, circuit_id, from_at, to_at, before_wh, state, tries, freezes,"
                " due_at, waits_until) VALUES (%s, %s, %s, %s, 0, %s, 0, 0, %s, %s)",
                [circuit.site_id, circuit.pk, at + begins * MINUTE, at + ends * MINUTE, state, at, at],
            )
        cursor.execute(old._OLD, [displays_json({})])
        cursor.execute(old._GAPS)
    found = rows("SELECT quality, mark FROM metering_reading WHERE circuit_id = %s ORDER BY at", circuit.pk)
    assert found == [(0, None), (1, 5), (0, None), (1, 1), (0, None), (0, 8), (0, 7)]
