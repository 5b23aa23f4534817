"""Processes of ours on the test's own database: head-ends, a worker, a simulated site. The console is asked in this
process by Django's client, so that a journey over pages and wires costs three processes and no browser."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.db import connection
from django.test import Client

from prewatt.office.staff.models import Operator
from tests.journeys.running import COMMAND, ROOT, STOP_S, call

PATIENCE_S = 90.0


def until(good: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not good():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.1)


def dsn() -> str:
    """Where a process finds the database of this test."""
    settings = connection.settings_dict
    names = (("dbname", "NAME"), ("user", "USER"), ("password", "PASSWORD"), ("host", "HOST"), ("port", "PORT"))
    return " ".join(f"{name}={settings[key]}" for name, key in names if settings[key])


def asked(question: str, *words: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(question, words)
        return list(cursor.fetchall())


def as_(operator: Operator) -> Client:
    """The console as this person sees it, in English."""
    client = Client()
    client.force_login(operator)
    client.cookies["django_language"] = "en"
    return client


@dataclass(kw_only=True)
class Parts:
    """Each as `prewatt <words>` starts it; `env` for all of them."""

    home: Path
    env: Mapping[str, str] = field(default_factory=dict)
    running: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def start(self, name: str, *words: str, **more: str) -> None:
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("PREWATT_")},
            "PREWATT_HOME": str(self.home), "PREWATT_DATABASE_URL": dsn(), "PYTHONPATH": str(ROOT),
            "PREWATT_POLL_S": "2", "PREWATT_REGISTER_S": "2", **self.env, **more,
        }  # fmt: skip
        environment.pop("DJANGO_SETTINGS_MODULE", None)
        with self.out(name).open("ab") as stdout, (self.home / f"{name}.err").open("ab") as stderr:
            self.running[name] = subprocess.Popen(
                [*COMMAND, *words], env=environment, stdout=stdout, stderr=stderr, start_new_session=True
            )

    def out(self, name: str) -> Path:
        return self.home / f"{name}.out"

    def head_end(self, name: str, **more: str) -> None:
        self.start(name, "headend", "--name", name, **more)

    def signal(self, name: str, number: signal.Signals) -> None:
        os.killpg(self.running[name].pid, number)

    def said(self) -> str:
        return "\n".join(each.read_text(errors="replace")[-2000:] for each in sorted(self.home.glob("*.err")))

    def end(self) -> None:
        playing = self.running.get("site")
        if playing is not None and playing.poll() is None:
            playing.terminate()  # it takes the names of its serial ports away
            with contextlib.suppress(subprocess.TimeoutExpired):
                playing.wait(STOP_S)
        for each in self.running.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(each.pid, signal.SIGKILL)
            each.wait(STOP_S)


class SimulatedSite:
    """A site played by its file; what its page and its meters say."""

    def __init__(self, parts: Parts, site: Mapping[str, object]) -> None:
        file = parts.home / "site.json"
        file.write_text(json.dumps({"format": "prewatt-site-1", "name": "journey", **site}), encoding="utf-8")
        parts.start("site", "simulate", "--site", str(file), "--page-port", "0")
        out = parts.out("site")
        until(lambda: "ready" in out.read_text().splitlines(), f"the site plays: {parts.said()}")
        told = [line.split() for line in out.read_text().splitlines()]
        self.page = next(words[1].rstrip("/") for words in told if words[0] == "page")
        self.ports = {words[1]: int(words[3]) for words in told if words[0] == "line" and words[2] == "port"}

    def post(self, path: str, body: object) -> None:
        status, answer = call("POST", self.page + path, body)
        assert status == 200, (status, answer)

    def meter(self, number: str) -> dict[str, Any]:
        status, answer = call("GET", self.page + "/meters")
        assert status == 200, answer
        return next(each for each in answer if each["number"] == number)
