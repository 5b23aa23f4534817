"""GET /healthz: its shape, what a death does to it soon, and what must not touch it."""

import os
import signal
import time
from typing import Any

import pytest

from prewatt import __version__
from tests.acceptance.caller import ask, crowded
from tests.acceptance.conftest import Site

pytestmark = pytest.mark.processes
STATUSES = {"ok", "degraded", "down"}
NOTICED_S = 15.0


def look(site: Site) -> tuple[int, dict[str, Any]]:
    """(0, {}) where nobody answers."""
    try:
        answer = ask("GET", f"{site.url}/healthz")
    except OSError:
        return 0, {}
    return answer.status, answer.json


def healthy(site: Site, within_s: float = 60) -> dict[str, Any]:
    deadline = time.monotonic() + within_s * crowded()
    while True:
        status, body = look(site)
        if status == 200:
            return body
        assert time.monotonic() < deadline, (status, body)
        time.sleep(0.2)


def test_it_has_the_agreed_shape(site: Site) -> None:
    body = healthy(site)
    assert set(body) == {"status", "version", "database", "headends", "worker", "stream", "lines", "circuits"}
    assert body["status"] == "ok" and body["version"] == __version__ and body["database"] == {"status": "ok"}
    assert body["headends"] and all(set(each) == {"id", "status", "age_s"} for each in body["headends"])
    for part in (body["worker"], body["stream"], *body["headends"]):
        assert part["status"] == "ok" and 0 <= part["age_s"] < NOTICED_S
    assert set(body["lines"]) == {"total", "up"} and set(body["circuits"]) == {"total", "fresh"}
    assert body["circuits"]["total"] == len(site.first_circuits)
    assert body["lines"]["total"] == len({each["line"] for each in site.first_meters})


def test_it_needs_no_key_and_tells_nothing_else(site: Site) -> None:
    assert ask("GET", f"{site.url}/healthz", None, {"X-API-Key": "wrong"}).status == 200


@pytest.mark.parametrize("part", ["worker", "headend", "stream", "web", "database"])
def test_a_death_is_told_soon_and_the_part_comes_back(site: Site, part: str) -> None:
    healthy(site)
    if part == "database":
        pid = int((site.running.home / "postgres" / "data" / "postmaster.pid").read_text().split()[0])
    else:
        found = site.running.child(part)
        assert found is not None
        pid = found
    os.kill(pid, signal.SIGKILL)
    died, told = time.monotonic(), None
    while told is None and time.monotonic() - died < NOTICED_S:
        status, body = look(site)
        told = (status, body) if status != 200 else None
        time.sleep(0.02)
    assert told is not None, f"/healthz never told that {part} was dead"
    assert told[0] in (0, 503)
    if told[0] == 503:
        assert told[1]["status"] in STATUSES - {"ok"}
        parts = {"worker": told[1]["worker"], "stream": told[1]["stream"], "database": told[1]["database"]}
        if part in parts:
            assert parts[part]["status"] != "ok"
        if part == "headend":
            assert all(each["status"] != "ok" for each in told[1]["headends"])
    healthy(site)


def test_while_the_database_is_dead_the_api_says_so_in_its_shape(site: Site) -> None:
    healthy(site)
    pid = int((site.running.home / "postgres" / "data" / "postmaster.pid").read_text().split()[0])
    os.kill(pid, signal.SIGKILL)
    shop, seen = site.first_circuits[0], set[tuple[int, str]]()
    died = time.monotonic()
    while time.monotonic() - died < 3:
        for answer in (site.api("GET", "/circuits?limit=1"), site.api.sell(shop, 1000, "database-away")):
            if answer.status >= 400:
                seen.add(answer.refusal)
            elif answer.status == 201 and answer.json["id"] not in site.sold:
                site.sold.append(answer.json["id"])
    healthy(site)
    assert seen <= {(503, "database_away"), (503, "storage_full"), (409, "key_busy")}, seen


def test_a_line_that_is_down_only_changes_the_figures(site: Site) -> None:
    healthy(site)
    line = site.first_meters[-1]["line"]
    site.sim("POST", f"/lines/{line}/faults", {"down": True})
    deadline = time.monotonic() + 30 * crowded()
    while True:
        status, body = look(site)
        assert status == 200 and body["status"] == "ok"
        if body["lines"]["up"] == body["lines"]["total"] - 1:
            break
        assert time.monotonic() < deadline, body
        time.sleep(0.3)
    site.sim("POST", "/reset-faults")
    deadline = time.monotonic() + 60 * crowded()
    while look(site)[1]["lines"]["up"] < len({each["line"] for each in site.first_meters}):
        assert time.monotonic() < deadline
        time.sleep(0.3)
