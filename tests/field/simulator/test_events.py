"""What happens to a meter, and what it shows and says then."""

from pathlib import Path
from typing import Any

import pytest

from prewatt.core.meters import catalogue
from prewatt.core.meters.behaviour import Reverse
from prewatt.core.meters.quantities import Quantity, StatusBit
from prewatt.core.wire.modbus import Function, ReadReply, ReadRequest, encode_rtu_request
from prewatt.field.simulator import SiteError
from prewatt.field.simulator.events import WATCHDOG_MS, Event
from prewatt.field.simulator.lcd import lines, page
from prewatt.field.simulator.line import NotKept
from prewatt.field.simulator.page import visit
from prewatt.field.simulator.world import World
from tests.field.simulator.plant import HOUR_MS, NOON_MS, NUMBER, assert_books, circuit_of, meter, replies, stop, world

HELD: dict[str, Any] = {
    "opening": {"balance_wh": 100_000, "purchase_count": 1, "purchased_total_wh": 100_000},
    "settings": {"load_limit_w": 4_000, "malicious_step_w": 1_500, "alarm_level_1_wh": 5_000},
    "load": {"kind": "constant", "peak_w": 1_000},
}


@pytest.fixture
def shop(tmp_path: Path) -> World:
    return world(tmp_path, meter(**HELD))


def after(a_world: World, event: Event, *, wait_ms: int = 60_000, at_ms: int = NOON_MS) -> frozenset[StatusBit]:
    """Let it happen, let time pass; what the status says then."""
    a_world.happen(NUMBER, event, 1, at_ms)
    a_world.settle(at_ms + wait_ms)
    return a_world.meters[NUMBER].circuits[1].status()


@pytest.mark.parametrize(
    ("event", "bit"),
    [
        (Event.OVERLOAD, StatusBit.OVERLOAD_TRIP),
        (Event.MALICIOUS_LOAD, StatusBit.MALICIOUS_LOAD_TRIP),
        (Event.COVER_OPEN, StatusBit.TAMPER),
        (Event.REVERSE, StatusBit.REVERSE_POWER),
        (Event.VOLTAGE_HIGH, StatusBit.VOLTAGE_LIMITS),
        (Event.VOLTAGE_LOW, StatusBit.VOLTAGE_LIMITS),
    ],
)
def test_the_status_word_says_what_happened(shop: World, event: Event, bit: StatusBit) -> None:
    assert after(shop, event) == {bit}
    values = shop.meters[NUMBER].values(1, NOON_MS + 60_000)
    assert values[Quantity.STATUS] == 1 << catalogue()["pilot-spm9511"].status_bits[bit]
    opens = bit in (StatusBit.OVERLOAD_TRIP, StatusBit.MALICIOUS_LOAD_TRIP)
    assert values[Quantity.RELAY] == (not opens), "a cover alone, say, opens nothing"


def test_an_overload_of_many_appliances_is_no_forbidden_load(shop: World) -> None:
    shop.settle(NOON_MS + 1_000)  # it has seen what is connected
    assert after(shop, Event.OVERLOAD, at_ms=NOON_MS + 2_000) == {StatusBit.OVERLOAD_TRIP}


def test_a_forbidden_load_is_known_by_being_resistive(shop: World) -> None:
    assert after(shop, Event.MOTOR) == frozenset()
    values = shop.meters[NUMBER].values(1, NOON_MS + 60_000)
    assert values[Quantity.POWER_ACTIVE] == 2_500 and values[Quantity.POWER_FACTOR] < 800
    shop.command(NUMBER, NOON_MS + 60_000, load_w=1_000)
    shop.settle(NOON_MS + 70_000)
    assert after(shop, Event.MALICIOUS_LOAD, at_ms=NOON_MS + 80_000) == {StatusBit.MALICIOUS_LOAD_TRIP}


def test_energy_that_comes_back_is_counted_apart_and_pays_nobody(shop: World) -> None:
    shop.happen(NUMBER, Event.REVERSE, 1, NOON_MS)
    shop.settle(NOON_MS + HOUR_MS)
    circuit = shop.meters[NUMBER].circuits[1]
    values = shop.meters[NUMBER].values(1, NOON_MS + HOUR_MS)
    assert values[Quantity.POWER_ACTIVE] == -1_500 and values[Quantity.ENERGY_EXPORT_TOTAL] == 1_500
    assert (circuit.state.balance_wh, circuit.state.consumed_wh) == (100_000, 0)
    shop.happen(NUMBER, Event.REVERSE_END, 1, NOON_MS + HOUR_MS)
    shop.settle(NOON_MS + 2 * HOUR_MS)
    assert (circuit.state.consumed_wh, circuit.state.export_wh) == (1_000, 1_500)
    assert_books(circuit_of(shop, NOON_MS + 2 * HOUR_MS))


@pytest.mark.parametrize(
    ("reverse", "import_wh", "export_wh", "left_wh"),
    [(Reverse.ADDS, 1_500, 0, 98_500), (Reverse.SEPARATE, 0, 1_500, 100_000), (Reverse.IGNORED, 0, 0, 100_000)],
)
def test_energy_that_comes_back_counts_as_the_profile_says(
    shop: World, reverse: Reverse, import_wh: int, export_wh: int, left_wh: int
) -> None:
    circuit = shop.meters[NUMBER].circuits[1]
    circuit.reverse, before = reverse, circuit.state.energy_wh
    shop.happen(NUMBER, Event.REVERSE, 1, NOON_MS)
    shop.settle(NOON_MS + HOUR_MS)
    state = circuit.state
    assert (state.energy_wh - before, state.export_wh, state.balance_wh) == (import_wh, export_wh, left_wh)
    assert shop.meters[NUMBER].values(1, NOON_MS + HOUR_MS)[Quantity.POWER_ACTIVE] == -1_500
    assert_books(circuit_of(shop, NOON_MS + HOUR_MS))


def test_a_simulated_meter_does_with_it_what_its_model_does(tmp_path: Path) -> None:
    for unit, (code, reverse) in enumerate(
        [("pilot-spm9571", Reverse.ADDS), ("ningju-dtzy1218", Reverse.SEPARATE), ("pilot-spm9511", Reverse.SEPARATE)], 1
    ):
        a_world = world(tmp_path / code, meter(unit, profile=code))
        assert next(iter(a_world.meters.values())).circuits[1].reverse is reverse, code
        stop(a_world)


@pytest.mark.parametrize(
    ("event", "low", "high"),
    [(Event.VOLTAGE_HIGH, 264_000, 290_000), (Event.VOLTAGE_LOW, 150_000, 176_000),
     (Event.VOLTAGE_NORMAL, 215_000, 235_000)],
)  # fmt: skip
def test_the_voltage_leaves_its_limits(shop: World, event: Event, low: int, high: int) -> None:
    after(shop, event)
    assert low < shop.meters[NUMBER].values(1, NOON_MS)[Quantity.VOLTAGE_A] < high


def test_a_meter_that_hangs_answers_nobody_until_its_watchdog_starts_it_and_forgets_nothing(tmp_path: Path) -> None:
    shop = world(tmp_path, meter(**HELD))
    line = shop.lines["a"]
    line.connect(1)
    read = encode_rtu_request(1, ReadRequest(function=Function.READ_HOLDING_REGISTERS, address=0, count=1))
    shop.happen(NUMBER, Event.HANG, None, NOON_MS)
    assert line.answer(1, read, NOON_MS + 1_000) == []
    assert [text for _, text in lines(shop.meters[NUMBER], 1, "en", NOON_MS + 1_000)] == [
        "Hung, waiting for the watchdog"
    ]
    stop(shop)
    shop = world(tmp_path, meter(**HELD), at_ms=NOON_MS + 5_000)
    line = shop.lines["a"]
    line.connect(1)
    assert line.answer(1, read, NOON_MS + 6_000) == [], "also after the process was killed"
    assert isinstance(replies(line.answer(1, read, NOON_MS + WATCHDOG_MS))[0], ReadReply)
    assert ("Watchdog restarts", "1") in lines(shop.meters[NUMBER], 1, "en", NOON_MS + WATCHDOG_MS)
    assert shop.meters[NUMBER].circuits[1].state.purchase_count == 1


def test_what_cannot_happen_is_refused_and_nothing_is_changed(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = shop.meters[NUMBER].circuits[1].state
    bare.load_limit_w = bare.malicious_step_w = 0
    for event in (Event.OVERLOAD, Event.MALICIOUS_LOAD, Event.MOTOR):
        with pytest.raises(SiteError, match="no load limit|no forbidden step"):
            shop.happen(NUMBER, event, 1, NOON_MS)
    for number, index, code in (("1", 1, "unknown_meter"), (NUMBER, 9, "unknown_circuit")):
        with pytest.raises(SiteError) as refused:
            shop.happen(number, Event.HANG, index, NOON_MS)
        assert refused.value.code == code

    def full(*_: object) -> None:
        raise NotKept("disk")

    monkeypatch.setattr(shop, "keep", full)
    with pytest.raises(NotKept):
        shop.happen(NUMBER, Event.COVER_OPEN, 1, NOON_MS)
    assert not shop.meters[NUMBER].circuits[1].state.tamper


def test_the_page_offers_what_can_happen_and_the_display_has_every_line_of_the_maker(shop: World) -> None:
    text = visit(shop, shop.meters[NUMBER], "en")
    assert 'value="cover_open"' in text and 'value="cover_closed"' not in text and 'value="overload"' in text
    assert f"/lcd/{NUMBER}" in text
    shown = dict(lines(shop.meters[NUMBER], 1, "zh", NOON_MS))
    wanted = ("剩余电量", "剩余可用天数", "累计用电量", "累计购电量", "信用额度", "透支电量", "负荷阈值", "付费模式", "电压", "电流",
              "有功功率", "无功功率", "视在功率", "功率因数", "频率", "时间")  # fmt: skip
    assert not set(wanted) - shown.keys()
    assert (shown["剩余电量"], shown["负荷阈值"], shown["累计用电量"]) == ("100.00 kWh", "4,000 W", "0.0 kWh")
    shop.settle(NOON_MS + 60 * HOUR_MS)
    assert dict(lines(shop.meters[NUMBER], 1, "zh", NOON_MS + 60 * HOUR_MS))["剩余可用天数"].isdigit()
    assert "Load threshold" in page(shop.meters[NUMBER], "en", NOON_MS)


def test_a_three_phase_meter_shows_the_power_of_each_phase(tmp_path: Path) -> None:
    three = world(tmp_path, meter(profile="pilot-spm9513", **HELD)).meters[NUMBER]
    shown = dict(lines(three, 1, "en", NOON_MS))
    assert (shown["Active power"], shown["Active power by phase"]) == ("1,000 W", "333 W 333 W 334 W")


def test_a_card_meter_shows_the_lines_of_its_manual(tmp_path: Path) -> None:
    card = world(tmp_path, meter(profile="ningju-ddzy1218", opening={"energy_wh": 123_456_789_012})).meters[NUMBER]
    shown = dict(lines(card, 1, "zh", NOON_MS))
    wanted = ("最近一次购电量", "电表常数", "用户号", "表号", "报警电量", "断电报警电量", "囤积电量", "负荷阈值", "剩余电量",
              "总用电量", "错误代码")  # fmt: skip
    assert not set(wanted) - shown.keys()
    assert (shown["用户号"], shown["错误代码"]) == ("--------", "--------"), "no card opened its account, none is wrong"
    card.state.card, card.state.card_says = "00", "CE-05"
    assert dict(lines(card, 1, "zh", NOON_MS))["错误代码"] == "CE-05"
    assert shown["总用电量"] == "456789.01 kWh", "eight digits, two after the point, over the top from 0"


@pytest.mark.parametrize(
    ("profile", "held_wh", "shown"),
    [
        ("pilot-spm9511", 9_999_999_990, "9999999.9 kWh"),
        ("pilot-spm9511", 10_000_000_100, "0.1 kWh"),
        ("pilot-spm2506-6", 99_999_999_900, "99999999.9 kWh"),
        ("acrel-dtsy1352", 999_999_990, "999999.99 kWh"),
        ("ningju-ddzy1218", 1_000_000_010, "0.01 kWh"),
    ],
)
def test_a_counter_is_as_wide_as_the_models_display(tmp_path: Path, profile: str, held_wh: int, shown: str) -> None:
    still = {"kind": "constant", "peak_w": 0}
    a_world = world(tmp_path, meter(profile=profile, opening={"energy_wh": held_wh}, load=still))
    assert shown in [value for _, value in lines(a_world.meters[NUMBER], 1, "en", NOON_MS)]
