"""Two head-ends on hosts of their own share two hundred gateways: one is killed, sleeps, or loses its cable."""

import os
import signal
import time
from collections.abc import Callable, Iterator

import pytest

from tests.journeys.hosts import GATEWAYS, METERS_EACH, OPENING_COUNT, Host, Hosts, hosts, possible
from tests.journeys.running import crowd
from tests.system import with_right

pytestmark = [
    pytest.mark.soak, pytest.mark.processes,
    with_right(possible(), "needs root with the right to make network namespaces (iproute2)"),
]  # fmt: skip
TAKEN_OVER_S = 10.0  # every line served again
LOOK_S = 2.0  # the poll
ASLEEP_S = 15.0  # longer than a lease
ROUNDS: list[str] = []


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    directory = tmp_path_factory.mktemp("hosts")
    for each in (directory, *directory.parents[:2]):
        each.chmod(0o711)  # as root, the database's own user must be able to pass
    with hosts(directory) as stage:
        stage.headend("first", stage.first)
        stage.headend("second", stage.second)
        yield stage


def fenced(stage: Hosts) -> None:
    """Each meter has what was sold to it and nothing else, and the office says the same."""
    stage.settled()
    for number, circuit in stage.meters().items():
        assert circuit["purchase_count"] == OPENING_COUNT + len(ROUNDS), number
        counts = [order["count"] for order in circuit["accepted"]]
        assert counts == list(range(OPENING_COUNT + 1, OPENING_COUNT + len(ROUNDS) + 1)), number
    strange = stage.asked(
        "SELECT count(*) FROM metering_reading r JOIN metering_reading s ON s.circuit_id = r.circuit_id AND s.at > r.at"
        " WHERE s.purchase_count < r.purchase_count"
    )
    assert strange == [(0,)], "a reading that shows the past was stored"


def served_after(stage: Hosts, key: str, hurt: Callable[[], object]) -> float:
    """Sell to every meter and hurt while the sales are on their way: seconds until every line was read again."""
    selling = stage.sell(key)
    ROUNDS.append(key)
    time.sleep(1.0)
    hurt()
    took_s = stage.served_again(stage.now(), TAKEN_OVER_S * crowd() + LOOK_S)
    assert selling.wait(120) == 0
    return took_s


def lost(stage: Hosts, name: str) -> None:
    """The head-end of that name holds nothing any more."""
    deadline = time.monotonic() + 60
    while stage.owners().get(name):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_the_lines_of_a_killed_head_end_are_served_again_within_ten_seconds(stage: Hosts) -> None:
    stage.shared()
    took_s = served_after(stage, "killed", lambda: os.killpg(stage.processes["first"].pid, signal.SIGKILL))
    print(f"\n{GATEWAYS} gateways, {GATEWAYS * METERS_EACH} meters")
    print(f"all lines served again {took_s:.1f} s after the kill")
    fenced(stage)


def test_a_head_end_that_slept_changes_nothing_when_it_wakes(stage: Hosts) -> None:
    stage.processes["first"].wait()
    stage.headend("first", stage.first)
    stage.shared()
    sleeper = stage.processes["second"]
    took_s = served_after(stage, "slept", lambda: os.killpg(sleeper.pid, signal.SIGSTOP))
    print(f"all lines served again {took_s:.1f} s after it fell asleep")
    stage.settled()
    time.sleep(ASLEEP_S)
    os.killpg(sleeper.pid, signal.SIGCONT)
    fenced(stage)
    stage.shared()
    fenced(stage)


def test_a_host_without_its_cable_is_taken_over_and_comes_back(stage: Hosts) -> None:
    stage.shared()
    host: Host = stage.first
    took_s = served_after(stage, "cable", host.pull)
    print(f"all lines served again {took_s:.1f} s after the cable was pulled")
    stage.settled()
    lost(stage, "first")
    host.plug()
    fenced(stage)
    if stage.processes["first"].poll() is not None:  # it may give up for its supervisor to start it again
        stage.headend("first", stage.first)
    stage.shared()
    fenced(stage)
