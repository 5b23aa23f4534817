"""The health page follows the heartbeats, and answers quickly without a database."""

import time
from collections.abc import Sequence
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from prewatt.office.metering.heartbeats import Beat, beat, beats, forget
from prewatt.wiring.health import DEAD_AFTER_S, FORGOTTEN_AFTER_S, LATE_AFTER_S, report

ALL = {"headend:a": 0.5, "worker": 1.0, "stream": 0.2}


def said(ages: dict[str, float], database: str = "ok") -> dict[str, Any]:
    found: Sequence[Beat] = [Beat(part=part, age_s=age) for part, age in ages.items()]
    return report(found=found, database=database, lines=(3, 2), circuits=(360, 350))


def test_all_is_well_in_the_pinned_shape() -> None:
    body = said(ALL)
    version = body.pop("version")
    assert isinstance(version, str) and version
    assert body == {
        "status": "ok",
        "database": {"status": "ok"},
        "headends": [{"id": "a", "status": "ok", "age_s": 0.5}],
        "worker": {"status": "ok", "age_s": 1.0},
        "stream": {"status": "ok", "age_s": 0.2},
        "lines": {"total": 3, "up": 2},
        "circuits": {"total": 360, "fresh": 350},
    }


@pytest.mark.parametrize(
    ("changed", "overall"),
    [
        ({"worker": LATE_AFTER_S + 0.1}, "degraded"),
        ({"stream": LATE_AFTER_S + 0.1}, "degraded"),
        ({"headend:a": LATE_AFTER_S + 0.1}, "degraded"),
        ({"headend:b": DEAD_AFTER_S + 1}, "degraded"),
        ({"headend:b": FORGOTTEN_AFTER_S + 1}, "ok"),
        ({"headend:a": FORGOTTEN_AFTER_S + 1}, "degraded"),
        ({"unknown": 9999.0}, "ok"),
    ],
)
def test_a_part_that_falls_silent_shows(changed: dict[str, float], overall: str) -> None:
    assert said({**ALL, **changed})["status"] == overall


@pytest.mark.parametrize("part", sorted(ALL))
def test_a_part_that_never_came_or_is_known_to_be_gone_shows_at_once(part: str) -> None:
    assert said({name: age for name, age in ALL.items() if name != part})["status"] == "degraded"


def test_a_death_shows_within_five_seconds() -> None:
    longest_between_beats_s = 1.5  # the head-end's; the others beat each second
    assert LATE_AFTER_S > 2 * longest_between_beats_s, "one late beat is no death"
    assert LATE_AFTER_S + 0.1 < 5


def test_without_a_database_all_is_down() -> None:
    body = said({}, database="down")
    assert (body["status"], body["worker"]["status"], body["headends"]) == ("down", "down", [])


@pytest.mark.django_db
def test_beats_are_kept_by_the_database_clock_and_forgotten() -> None:
    connection.ensure_connection()
    own = connection.connection
    beat(own, part="worker", detail={"jobs": 3})
    beat(own, part="worker")
    [found] = [each for each in beats(own) if each.part == "worker"]
    assert 0 <= found.age_s < 20
    forget(own, part="worker")
    assert [each for each in beats(own) if each.part == "worker"] == []


@pytest.mark.parametrize("address", ["postgresql:///x?host=/nonexistent", "postgresql://127.0.0.1:1/x"])
def test_the_page_answers_quickly_without_a_database(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREWATT_DATABASE_URL", address)
    begun = time.monotonic()
    answer = Client().get("/healthz")
    assert time.monotonic() - begun < 15
    assert answer.status_code == 503
    assert answer.json()["status"] == "down" and answer.json()["database"] == {"status": "down"}
    assert "no-store" in answer["Cache-Control"]
