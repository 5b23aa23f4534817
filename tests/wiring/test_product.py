"""The whole product under its supervisor: a cold start with the demo, kills of everything, a warm start, a clean stop.

One story, because a cold start is dear.
Times are those of a busy machine; `prewatt bench` and the README hold the goals.
"""

import json
import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from prewatt.wiring.refusals import Exit
from tests.wiring.stage import Running, alive, eventually, free_ports, marked

pytestmark = pytest.mark.processes

CLI = "prewatt.wiring.cli"
COLD_S, WARM_S, STOP_S = 400, 200, 60
PATIENCE_S = 60  # the product promises 5 s; a busy machine is no failure
PARTS = {"web", "stream", "headend", "worker", "simulate"}


def health(url: str) -> tuple[int, dict[str, Any]]:
    """Status and body of the health page; 0 when nobody answers."""
    try:
        with urllib.request.urlopen(f"{url}/healthz", timeout=5) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)
    except OSError:
        return 0, {}


def children(home: Path) -> dict[str, int]:
    """The leaders by name."""
    state = json.loads((home / "children.json").read_text(encoding="utf-8"))
    return {one["name"]: one["pid"] for one in state["children"]}


def shown(url: str, home: Path, part: str, old: int) -> bool:
    """The death of a part shows, or it is mended already."""
    return not_well(url) or children(home).get(part, old) != old


def written_once(home: Path) -> list[tuple[str, int, int]]:
    """The logs of what a home needs once; each run of a step would open and write its log again."""
    return [(name, *_size_and_time(home / "log" / f"{name}.log")) for name in ("migrate", "demo")]


def _size_and_time(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


def postmaster(home: Path) -> int:
    """Its process, 0 between two."""
    try:
        said = (home / "postgres" / "data" / "postmaster.pid").read_text(encoding="ascii").split()
    except FileNotFoundError:
        return 0
    return int(said[0]) if said else 0


def is_well(url: str) -> bool:
    return health(url)[0] == 200


def not_well(url: str) -> bool:
    return health(url)[0] != 200


def test_from_a_cold_start_through_every_kill_to_a_clean_stop(home: Path, run: Callable[..., Running]) -> None:
    environment = {"PREWATT_PORT": str(free_ports()), "PREWATT_POLL_S": "5"}
    begun = time.monotonic()
    first = run(CLI, "up", home=home, **environment)
    ready = first.said()
    assert time.monotonic() - begun < COLD_S
    url = ready["url"]
    assert ready["api_key"] and {"cashier", "manager"} <= {login["role"] for login in ready["logins"]}
    status, body = health(url)
    assert status == 200 and body["circuits"]["total"] > 300 and body["lines"]["total"] > 0
    assert set(children(home)) == PARTS

    for part in ("headend", "worker", "stream", "web"):
        old = children(home)[part]
        os.kill(old, signal.SIGKILL)
        eventually(partial(shown, url, home, part, old), within_s=PATIENCE_S, what=f"the death of {part} shows")
        eventually(lambda: is_well(url), what=f"{part} is back")
        assert not alive(old) and set(children(home)) == PARTS

    killed = postmaster(home)
    os.kill(killed, signal.SIGKILL)
    eventually(  # a question that meets the new one at its door is answered by it
        lambda: health(url)[1].get("status") == "down" or postmaster(home) not in (0, killed),
        within_s=PATIENCE_S, what="the death of the database shows, or it is over already",
    )  # fmt: skip
    eventually(lambda: is_well(url), what="the database is back and so is everybody")

    old_ones, steps = marked(home), written_once(home)
    assert all(size > 0 for _, size, _ in steps)
    first.process.kill()
    eventually(lambda: not any(alive(pid) for pid in old_ones), within_s=PATIENCE_S, what="all die with the supervisor")
    assert health(url)[0] == 0

    begun = time.monotonic()
    second = run(CLI, "up", home=home, **environment)
    assert second.said() == ready, "the same site, the same logins"
    assert time.monotonic() - begun < WARM_S
    assert is_well(url) and not marked(home) & old_ones
    assert written_once(home) == steps, "a warm start neither migrates nor loads again"
    with urllib.request.urlopen(f"{ready['sim_url']}/meters", timeout=10) as answer:
        assert len(json.load(answer)) > 300
    begun = time.monotonic()
    assert second.end(signal.SIGINT) == Exit.OK
    assert time.monotonic() - begun < STOP_S
    assert not marked(home)
