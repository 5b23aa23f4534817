"""Jobs over MQTT against a played meter: read back before anything is claimed, refused by name what it cannot do."""

import json
from collections.abc import Callable
from decimal import Decimal

import pytest

from prewatt.core.meters import catalogue
from prewatt.core.meters.drivers import Finished, MeterAddress, Send, converse
from prewatt.core.meters.drivers.acrel_mqtt import CAN, told_over_mqtt
from prewatt.core.meters.jobs import Intent, Job, Outcome, Verdict, Wish
from prewatt.core.meters.quantities import Quantity

SERIAL = "26112000000001"
METER = MeterAddress(unit=1, number=SERIAL, identity=f"mqtt/prod/{SERIAL}")
PROFILES = catalogue()
MODEL = "acrel-ddsy1352"


class Played:
    """A meter that acknowledges, and reports when it is asked to."""

    def __init__(
        self, *, closed: bool = True, obeys: bool = True, result: int | None = 1, reports: bool = True,
        relay: bool = True,
    ) -> None:  # fmt: skip
        self.closed, self.obeys, self.result, self.reports, self.relay = closed, obeys, result, reports, relay
        self.asked: list[str] = []

    def hear(self, data: bytes) -> list[dict[str, object]]:
        command = json.loads(data)
        inner = command["payload"]
        self.asked.append(f"{inner['method']} {inner.get('ForceSwitch', '')}".strip())
        said: list[dict[str, object]] = []
        if inner["method"] == "FORCESWITCH" and self.obeys and self.result == 1:
            self.closed = inner["ForceSwitch"] == 1
        if self.result is not None:
            said.append({"sn": SERIAL, "method": "operate", "msgid": command["msgid"], "res": self.result})
        if inner["method"] == "REFRESH" and self.reports:
            values: dict[str, object] = {"EPI": 12345.67, "Ua": 229.4, "P": 1.2, "Balance": 5}
            if self.relay:
                values["SwitchSta"] = int(self.closed)
            said.append({"sn": SERIAL, "method": "update", "msgid": "r", "reported": values})
        return said


def talk(meter: Played, job: Job, *, model: str = MODEL, lose: Callable[[str], bool] = lambda _: False) -> Outcome:
    conversation = converse(PROFILES[model], METER, job, transport="mqtt")
    waiting: list[dict[str, object]] = []
    for _ in range(100):
        step = conversation.next()
        if isinstance(step, Finished):
            return step.outcome
        if isinstance(step, Send):
            waiting = [each for each in meter.hear(step.data) if not lose(str(each["method"]))]
        if waiting:
            conversation.receive(json.dumps(waiting.pop(0)).encode() + b"\n")
        else:
            conversation.timed_out()
    raise AssertionError("it does not end")


def relay(wish: Wish) -> Job:
    return Job(intent=Intent.RELAY, wish=wish)


def test_a_read_is_a_report_that_was_asked_for() -> None:
    meter = Played()
    told = talk(meter, Job(intent=Intent.READ_STATUS, with_energy=True))
    assert told.verdict is Verdict.DONE and not told.sent
    assert told.values == {
        Quantity.ENERGY_IMPORT_TOTAL: 12_345_670, Quantity.VOLTAGE_A: 229_400, Quantity.RELAY: 1,
    }  # fmt: skip
    assert meter.asked == ["REFRESH"]


def test_an_acknowledgement_is_no_reading() -> None:
    told = talk(Played(reports=False), Job(intent=Intent.READ_STATUS))
    assert (told.verdict, told.code, told.sent) == (Verdict.SILENT, "no_reply", False)


@pytest.mark.parametrize(
    ("wish", "closed", "asked"),
    [
        (Wish.TRIP, True, ["REFRESH", "FORCESWITCH 0", "REFRESH"]),
        (Wish.AUTOMATIC, False, ["REFRESH", "FORCESWITCH 1", "REFRESH"]),
        (Wish.KEEP_ON, False, ["REFRESH", "FORCESWITCH 1", "REFRESH"]),
        (Wish.TRIP, False, ["REFRESH"]),
        (Wish.AUTOMATIC, True, ["REFRESH"]),
    ],
)
def test_the_relay_is_told_once_where_it_stands_otherwise_and_read_back(
    wish: Wish, closed: bool, asked: list[str]
) -> None:
    meter = Played(closed=closed)
    told = talk(meter, relay(wish))
    assert told.verdict is Verdict.DONE and told.values[Quantity.RELAY] == (wish is not Wish.TRIP)
    assert (meter.asked, meter.closed) == (asked, wish is not Wish.TRIP)
    assert told.sent is (len(asked) > 1)


@pytest.mark.parametrize(
    ("meter", "lost", "verdict", "code"),
    [
        (Played(obeys=False), (), Verdict.UNKNOWN, "relay_not_moved"),  # acknowledged, and nothing moved
        (Played(obeys=False, result=None), (), Verdict.UNKNOWN, "write_unanswered"),
        (Played(result=0), (), Verdict.REFUSED, "mqtt_refused"),
        (Played(), ("operate",), Verdict.DONE, None),  # the report says it, whatever became of the acknowledgement
        (Played(relay=False), (), Verdict.REFUSED, "mqtt_relay_untold"),
        (Played(reports=False), (), Verdict.SILENT, "no_reply"),
    ],
)
def test_only_a_report_says_that_the_relay_moved(
    meter: Played, lost: tuple[str, ...], verdict: Verdict, code: str | None
) -> None:
    told = talk(meter, relay(Wish.TRIP), lose=lambda method: method in lost)
    assert (told.verdict, told.code) == (verdict, code)
    assert meter.asked.count("FORCESWITCH 0") == told.sent


def test_a_meter_that_falls_silent_after_the_command_is_unknown() -> None:
    meter = Played()
    told = talk(meter, relay(Wish.TRIP), lose=lambda method: method == "update" and "FORCESWITCH 0" in meter.asked)
    assert (told.verdict, told.code, told.sent) == (Verdict.UNKNOWN, "write_unanswered", True)


@pytest.mark.parametrize("intent", sorted(set(Intent) - CAN))
def test_what_the_protocol_has_no_command_for_is_refused_by_name_and_nothing_leaves(intent: Intent) -> None:
    meter = Played()
    told = talk(meter, Job(intent=intent))
    assert told.verdict is Verdict.REFUSED and (told.code or "").startswith("mqtt_no_")
    assert (meter.asked, told.sent) == ([], False)


def test_a_shunt_trip_cannot_be_closed_from_afar() -> None:
    told = talk(Played(), relay(Wish.TRIP), model="acrel-dtsy1352-shunt")
    assert (told.verdict, told.code) == (Verdict.REFUSED, "wish_not_supported")


def test_what_is_no_value_of_a_meter_is_left_out() -> None:
    assert told_over_mqtt({"EPI": Decimal(-1), "Ua": "x", "SwitchSta": Decimal(3), "Ia": Decimal("1e30")}) == {}
    assert told_over_mqtt({"EPIJ": Decimal(1), "EPIF": Decimal(1), "EPIP": Decimal(1)}) == {}  # three rates of four
