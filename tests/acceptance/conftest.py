"""One instance for the whole suite, started as a user starts it and only ever touched from outside.

PREWATT_ACCEPTANCE_HOME names one that runs already (its stdout in HOME.out beside it): for writing tests.
"""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.caller import Answer, Caller, ask
from tests.journeys.running import Running

GIVEN_ENV = "PREWATT_ACCEPTANCE_HOME"


@dataclass(frozen=True, kw_only=True)
class Site:
    """The running site, what it said when it was ready, and what stood there at first sight."""

    running: Running
    api: Caller
    first_circuits: list[dict[str, Any]]
    first_meters: list[dict[str, Any]]
    first_at: float
    first: str  # the same moment as the API writes it
    taken: list[str] = field(default_factory=list)
    sold: list[str] = field(default_factory=list)

    @property
    def ready(self) -> dict[str, Any]:
        return self.running.ready

    @property
    def url(self) -> str:
        return str(self.ready["url"])

    def sim(self, method: str, path: str, body: object = None) -> Answer:
        return ask(method, self.ready["sim_url"] + path, body)

    def meters(self) -> dict[str, dict[str, Any]]:
        return {each["number"]: each for each in self.sim("GET", "/meters").json}

    def meter(self, circuit: dict[str, Any]) -> dict[str, Any]:
        return self.meters()[circuit["meter_number"]]

    def in_meter(self, circuit: dict[str, Any]) -> dict[str, Any]:
        """The circuit as its meter has it."""
        found = self.meter(circuit)["circuits"]
        return next(each for each in found if each["index"] == circuit["circuit_index"])

    def shop(self, behind: str = "") -> dict[str, Any]:
        """A circuit in good order that no other test was given; `behind` is how the name of its line begins."""
        lines = {each["number"]: each["line"] for each in self.first_meters}
        for each in self.first_circuits:
            if each["contract_number"] and each["state"] == "normal" and each["wish"] == "automatic":
                fits = each["custody"] == "meter" and lines[each["meter_number"]].startswith(behind)
                if fits and each["id"] not in self.taken:
                    self.taken.append(each["id"])
                    return each
        raise AssertionError("the demo has no more circuits in good order")

    def sell(self, circuit: dict[str, Any], amount_minor: int, key: str = "") -> dict[str, Any]:
        """A sale that must be taken; it is reckoned up at the end."""
        answer = self.api.sell(circuit, amount_minor, key)
        assert answer.status == 201, answer.text
        if answer.json["id"] not in self.sold:
            self.sold.append(answer.json["id"])
        return dict(answer.json)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    given = os.environ.get(GIVEN_ENV)
    if given:
        said = Path(f"{given}.out").read_text(encoding="utf-8")
        [line] = [each for each in said.splitlines() if each.startswith("PREWATT-READY ")]
        running = Running(home=Path(given), ready=json.loads(line.removeprefix("PREWATT-READY ")))
    else:
        directory = tmp_path_factory.mktemp("acceptance")
        for each in (directory, *directory.parents[:2]):
            each.chmod(0o711)  # as root, the database's own user must be able to pass
        running = Running(home=directory / "home", env={"PREWATT_POLL_S": "10"}).start()
    api = Caller(url=running.ready["url"], key=running.ready["api_key"])
    try:
        yield Site(
            running=running, api=api, first_circuits=api.all_of("/circuits"),
            first_meters=ask("GET", running.ready["sim_url"] + "/meters").json, first_at=time.monotonic(),
            first=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
        )  # fmt: skip
    finally:
        if not given:
            running.stop()


@pytest.fixture(autouse=True)
def _no_faults_are_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each test begins and ends with lines in good order."""
    yield
    if "site" in request.fixturenames:
        request.getfixturevalue("site").sim("POST", "/reset-faults")
