"""A full disk: no sale is taken that cannot be kept, nothing is lost, and room brings everything back."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.caller import Answer, Caller, crowded
from tests.journeys.running import Running
from tests.system import missing, root_only

pytestmark = [pytest.mark.processes, root_only]
SIZE = "700m"
BALLAST = "ballast"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """An instance whose home is a small file system of its own."""
    place: Path = tmp_path_factory.mktemp("small")
    for each in (place, *place.parents[:2]):
        each.chmod(0o711)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0711", "tmpfs", str(place)]
    if subprocess.run(mount, check=False).returncode:
        missing("the right to mount a small disk", install="a machine that allows it")
    running = Running(home=place / "home", env={"PREWATT_POLL_S": "10"})
    try:
        yield running.start()
    finally:
        (place / BALLAST).unlink(missing_ok=True)
        running.stop()
        subprocess.run(["umount", "-l", str(place)], check=False)


def fill(place: Path) -> None:
    """Nothing more can be written below `place`."""
    with open(place / BALLAST, "ab", buffering=0) as ballast:
        for size in (1 << 20, 1 << 12):
            try:
                while True:
                    ballast.write(b"\0" * size)
            except OSError:
                continue


@pytest.mark.time_limit(600)
def test_no_sale_is_taken_that_cannot_be_kept_and_room_brings_all_back(small: Running) -> None:
    api = Caller(url=small.ready["url"], key=small.ready["api_key"])
    shops = [each for each in api.all_of("/circuits") if each["contract_number"] and each["state"] == "normal"]
    first = api.sell(shops[0], 5000, "before")
    kept = api.settled(first.json["id"], 60)
    place = small.home.parent
    told: set[tuple[int, str]] = set()
    taken: list[Answer] = []
    limit = time.monotonic() + 90
    while time.monotonic() < limit and not told:
        fill(place)
        for each in shops[1:60]:
            try:
                answer = api.sell(each, 5000, f"full-{each['id']}")
            except OSError:
                continue
            if answer.status == 201:
                taken.append(answer)
            else:
                told.add(answer.refusal)
    assert told <= {(503, "storage_full"), (503, "database_away")} and told, told
    (place / BALLAST).unlink()
    small.healthy(120 * crowded())
    for answer in [first, *taken]:  # what was answered 201 stands; a meter that could not keep it has refused it
        done = api.settled(answer.json["id"], 90 * crowded())
        assert done["amount_minor"] == 5000 and done["delivery"]["state"] in ("confirmed", "refused")
    assert api.get(f"/sales/{first.json['id']}") == kept
    sold = {answer.json["circuit_id"] for answer in taken}
    refused = next(each for each in shops[1:60] if each["id"] not in sold)
    again = api.sell(refused, 5000, f"full-{refused['id']}")  # the same key, once there is room
    assert again.status == 201 and "idempotent-replayed" not in again.headers
    assert api.settled(again.json["id"], 60 * crowded())["delivery"]["state"] == "confirmed"
    books = api.get("/books")
    assert books["debit_minor"] == books["credit_minor"]
