"""Two head-ends at one MQTT broker over PostgreSQL: one is killed, one sleeps; TLS that does not fit is told."""

import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from prewatt.core.meters.jobs import Wish
from prewatt.office.estate import wires
from prewatt.office.estate.models import Circuit
from prewatt.office.metering import wishes
from prewatt.office.metering.models import JobRow
from prewatt.office.staff.models import Operator, Role, Scope
from tests.cast import OPENED, Cast, assemble
from tests.journeys.broker import BrokerMeter, Town, site
from tests.journeys.parts import Parts, as_, asked, until
from tests.journeys.running import crowd

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]
METERS = 6
TAKEN_OVER_S = 10.0
ASLEEP_S = 12.0  # longer than a lease
NUMBER = 777  # of a report


class Stage:
    """Meters at the broker, entered beforehand, and their head-ends."""

    def __init__(self, cast: Cast, heads: Parts, town: Town, meters: list[BrokerMeter]) -> None:
        self.cast, self.heads, self.town, self.meters = cast, heads, town, meters
        self.circuits: list[Circuit] = []
        at = datetime.now(UTC)
        for n, meter in enumerate(meters, 1):
            by: dict[str, Any] = {"actor": "operator:1", "at": at}
            gateway = wires.add_gateway(cast.site, code=f"M{n}", name="", identity=meter.identity, **by)
            line = wires.add_line(gateway, code="1", transport="mqtt", port=0, baud=9600, **by)
            made = wires.add_meter(
                line, number=meter.serial, profile="acrel-ddsy1352", unit=1, ct_ratio=1, room=None, common=True, **by
            )
            self.circuits.append(Circuit.objects.get(meter=made))

    def owners(self) -> set[str]:
        ours = [each.meter.line.gateway_id for each in self.circuits if each.meter.line]
        rows = asked("SELECT owner FROM metering_gatewaylease WHERE gateway_id = ANY (%s)", ours)
        return {owner for (owner,) in rows}

    def served(self, since: datetime) -> bool:
        ours = [each.pk for each in self.circuits]
        [(read,)] = asked("SELECT count(*) FROM metering_latest WHERE circuit_id = ANY (%s) AND at > %s", ours, since)
        return bool(read == len(ours))

    def served_again(self, since: datetime) -> float:
        until(lambda: self.served(since), f"all are read again: {self.owners()} {self.heads.said()}")
        return (datetime.now(UTC) - since).total_seconds()

    def broker_fault(self, name: str, since: datetime = OPENED) -> str | None:
        """What a head-end says of its broker; None: it does not live."""
        question = "SELECT coalesce(detail->>'broker', '') FROM metering_heartbeat WHERE part = %s AND at > %s"
        return next((why for (why,) in asked(question, f"headend:{name}", since)), None)

    def acknowledged_once(self, meter: BrokerMeter) -> None:
        """A report that nobody asked for is answered, by one of two."""
        self.town.report(meter, NUMBER)
        until(lambda: ("update", NUMBER) in meter.answers, "its report is acknowledged")
        time.sleep(1)
        assert meter.answers.count(("update", NUMBER)) == 1

    def wish(self, circuit: Circuit, wish: Wish, key: str) -> int:
        return wishes.set_wish(
            circuit, wish, reason="a test", until=None, actor="operator:1", request_key=key, at=datetime.now(UTC)
        )


@pytest.fixture
def stage(tmp_path: Path, transactional_db: None) -> Iterator[Stage]:
    meters = [BrokerMeter(serial=f"2611200000000{n}") for n in range(METERS)]
    with site(tmp_path, meters) as (heads, town):
        yield Stage(assemble(), heads, town, meters)


def test_two_head_ends_at_one_broker_lose_and_double_nothing(stage: Stage) -> None:
    heads = stage.heads
    heads.head_end("first")
    stage.served_again(datetime.now(UTC))
    assert stage.owners() == {"first"}, "who came first has them all: nobody takes one from a head-end that lives"
    heads.head_end("second")
    heads.head_end("astray", PREWATT_LINK_CA_FILE=str(heads.home / "other.pem"))
    until(lambda: stage.broker_fault("second") == "", "a second head-end")
    until(lambda: stage.broker_fault("astray") == "tls_not_trusted", f"the wrong authority is told: {heads.said()}")
    page = _lines_page(stage)
    assert "astray" in page and "not of an authority we trust" in page and "first" not in page
    until(lambda: "mqtt_broker_up" in (heads.home / "second.err").read_text(), "it listens, too")
    stage.acknowledged_once(stage.meters[1])
    a_sleeper_changes_nothing(stage)
    stage.acknowledged_once(stage.meters[2])

    heads.signal("second", signal.SIGKILL)
    took_s = stage.served_again(datetime.now(UTC))
    print(f"\n{METERS} meters at a broker served again {took_s:.1f} s after the kill")
    assert took_s < TAKEN_OVER_S * crowd() and stage.owners() == {"first"}
    assert [each.switched for each in stage.meters] == [[0, 1], *[[]] * (METERS - 1)]


def a_sleeper_changes_nothing(stage: Stage) -> None:
    """It falls asleep between its question and its order; meanwhile the other carries it out, and people change their
    mind. What the meter answered then is still on its way to the sleeper."""
    heads, meter, circuit = stage.heads, stage.meters[0], stage.circuits[0]
    meter.before_reply = lambda: heads.signal("first", signal.SIGSTOP)
    job = stage.wish(circuit, Wish.TRIP, "cut")
    slept_at = datetime.now(UTC)
    until(lambda: JobRow.objects.get(pk=job).verdict == "done", f"the other cuts: {stage.owners()} {heads.said()}")
    assert meter.switched == [0] and stage.owners() == {"second"}
    again = stage.wish(circuit, Wish.AUTOMATIC, "on")
    until(lambda: JobRow.objects.get(pk=again).verdict == "done", f"and it is taken back: {heads.said()}")
    stage.served_again(datetime.now(UTC))
    time.sleep(max(0.0, ASLEEP_S - (datetime.now(UTC) - slept_at).total_seconds()))
    [(_, last)] = before = asked("SELECT count(*), max(at) FROM metering_reading WHERE circuit_id = %s", circuit.pk)
    heads.signal("first", signal.SIGCONT)
    woke_at = datetime.now(UTC)
    until(lambda: stage.broker_fault("first", since=woke_at) == "", "it beats again")
    stage.served_again(datetime.now(UTC))
    assert meter.switched == [0, 1] and meter.closed and stage.owners() == {"second"}
    counted = "SELECT count(*), max(at) FROM metering_reading WHERE circuit_id = %s AND at <= %s"
    assert asked(counted, circuit.pk, last) == before, "nothing of before was stored afterwards"


def _lines_page(stage: Stage) -> str:
    electrician, _ = Operator.objects.get_or_create(
        username="dave", defaults={"name": "Dave", "role": Role.ELECTRICIAN, "created_at": OPENED, "password": "!"}
    )
    Scope.objects.get_or_create(operator=electrician, site_id=stage.cast.site.pk)
    return as_(electrician).get("/console/lines").content.decode()
