"""A dead station is one alarm, not one for each gateway, line or meter behind it."""

from datetime import timedelta

import pytest

from prewatt.office.alarms.models import Alarm
from prewatt.office.alarms.rules import evaluate, shipped
from prewatt.office.estate import stations
from prewatt.office.estate.models import Gateway, Line, Station
from prewatt.office.ledger.models import RunningBalance
from prewatt.office.metering.models import LineState
from tests.cast import NOON, Cast, assemble, lately_read

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)


class Scene:
    """The cast's gateway and two more at station S1, and one that stands alone."""

    def __init__(self) -> None:
        self.cast: Cast = assemble()
        RunningBalance.objects.update(balance_minor=1_000_000)
        site = self.cast.site
        self.station = stations.add_station(site, code="S1", name="Cabinet", actor="system", at=NOON)
        self.lines = [self.cast.line]
        for number in range(2, 5):
            gateway = Gateway.objects.create(site=site, code=f"G{number}9", name="", host="10.0.0.1")
            self.lines.append(Line.objects.create(gateway=gateway, code="1", transport="modbus-tcp", port=502))
        for line in self.lines[:3]:
            stations.assign(Gateway.objects.get(line=line), self.station, actor="system", at=NOON)
        self.health(*[True] * 4)
        for circuit in (self.cast.shop_101, self.cast.shop_102):
            lately_read(circuit, at=NOON)

    def health(self, *up: bool, since_s: int = -60) -> None:
        for line, good in zip(self.lines, up, strict=True):
            state = {"up": good, "since": NOON + since_s * SECOND, "at": NOON}
            LineState.objects.update_or_create(line=line, defaults=state)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def run(seconds: int) -> list[str]:
    evaluate(at=NOON + seconds * SECOND, status_poll_s=10, rules=shipped())
    found = Alarm.objects.filter(cleared_at=None).order_by("kind", "pk")
    return [f"{each.kind}:{each.station_id or each.line_id or ''}" for each in found]


def test_all_gateways_out_of_contact_are_one_alarm(scene: Scene) -> None:
    station = f"station_lost:{scene.station.pk}"
    scene.health(False, False, False, True, since_s=0)
    assert run(10) == [], "a short break is none"
    assert run(20) == [station] and run(60) == [station] and run(600) == [station]
    scene.health(False, False, False, False, since_s=0)
    assert run(660) == [f"line_lost:{scene.lines[3].pk}", station], "what stands alone is told alone"


def test_one_gateway_that_answers_keeps_a_station_alive(scene: Scene) -> None:
    scene.health(False, True, False, True, since_s=0)
    assert run(60) == [f"line_lost:{scene.lines[0].pk}", f"line_lost:{scene.lines[2].pk}"]


def test_when_the_last_gateway_goes_the_station_takes_the_place_of_its_lines(scene: Scene) -> None:
    scene.health(False, True, True, True, since_s=0)
    assert run(40) == [f"line_lost:{scene.lines[0].pk}"]
    scene.health(False, False, False, True, since_s=60)
    assert run(90) == [f"station_lost:{scene.station.pk}"]
    scene.health(False, True, True, True, since_s=120)
    assert run(160) == [], "lines come back one by one"
    assert run(160 + 200) == [f"line_lost:{scene.lines[0].pk}"], "and it gives back what stays away"


def test_meters_that_come_back_one_by_one_are_not_called_lost_at_once(scene: Scene) -> None:
    scene.health(False, False, False, True, since_s=0)
    run(20)
    scene.health(True, True, True, True, since_s=200)
    assert run(205) == [], "nobody has read them yet"
    assert [each.split(":")[0] for each in run(400)] == ["meter_lost", "meter_lost"], "but for a while only"


def test_a_gateway_that_was_never_tried_says_nothing(scene: Scene) -> None:
    LineState.objects.filter(line=scene.lines[2]).delete()
    scene.health(False, False, True, True, since_s=0)
    LineState.objects.filter(line=scene.lines[2]).delete()
    assert run(60) == [f"station_lost:{scene.station.pk}"]
    assert Station.objects.count() == 1
