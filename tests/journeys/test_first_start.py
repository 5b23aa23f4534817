"""A first start that is killed in its middle, again and again, ends as if it had never been."""

import time
from pathlib import Path

import pytest

from tests.journeys.running import Running, broken_invariants

pytestmark = [pytest.mark.processes]
SAID_S = 120.0
STATES = {"normal", "alarm_1", "alarm_2", "arrears", "not_opened", "offline"}


def test_killed_while_migrating_and_while_loading_the_demo_it_starts_as_if_new(tmp_path: Path, loaded: Path) -> None:
    running = Running.in_directory(tmp_path)
    for words, after_s in (("migrating:", 1.0), ("loading the demo site", 4.0)):
        running.launch()
        running.said(words, within_s=SAID_S)
        time.sleep(after_s)
        running.kill_supervisor()
    running.start()
    try:
        found = running.circuits()
        assert {circuit["state"] for circuit in found} == STATES
        running.calm()
        assert broken_invariants(running, []) == []
        _, books = running.api("GET", "/books")
        assert books["in_delivery_minor"] == 0, "the demo has no delivery open at first sight"
    finally:
        assert running.stop() == 0
    undisturbed = Running.in_directory(tmp_path_twin(tmp_path), loaded=loaded).start()
    try:
        assert len(undisturbed.circuits()) == len(found)
        _, same = undisturbed.api("GET", "/books")
        assert same["cash_minor"] == books["cash_minor"], "nothing was loaded twice"
    finally:
        undisturbed.stop()


def tmp_path_twin(directory: Path) -> Path:
    twin = directory / "twin"
    twin.mkdir()
    return twin
