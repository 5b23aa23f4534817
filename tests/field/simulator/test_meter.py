"""What a meter's registers show, and what writes to them do, through the profile's addresses."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from prewatt.core.meters.catalogue import catalogue
from prewatt.core.meters.jobs import Wish
from prewatt.core.meters.model import Group, Profile
from prewatt.core.meters.quantities import Quantity, StatusBit
from prewatt.core.meters.registers import decode_value, encode_value, layouts, relay_write
from prewatt.core.wire.modbus import (
    ExceptionReply,
    Function,
    ReadReply,
    ReadRequest,
    Request,
    WriteMultiple,
    WriteReply,
    WriteSingle,
    write_registers,
)
from prewatt.field.simulator.meter import Handled, Meter
from tests.field.simulator.plant import ACREL, HOUR_MS, NOON_MS, SPM, meter, site

SHANGHAI = ZoneInfo("Asia/Shanghai")
SETTINGS = {"alarm_level_1_wh": 20_000, "alarm_level_2_wh": 5_000, "hoarding_limit_wh": 500_000}
STEADY = {"kind": "constant", "peak_w": 1_200}


def spm(*, ct_ratio: int = 1, profile: Profile = SPM, **circuit: Any) -> Meter:
    parts = meter(profile=profile.code, **circuit)
    parts["ct_ratio"] = ct_ratio
    return Meter(site(parts).meters[0], profile, SHANGHAI, at_ms=NOON_MS)


def read(of: Meter, group: Group, at_ms: int = NOON_MS) -> dict[Quantity, int]:
    found: dict[Quantity, int] = {}
    for layout in layouts(of.profile, group, 1):
        request = ReadRequest(
            function=Function(layout.block.function), address=layout.address, count=layout.block.count
        )
        reply = of.handle(request, at_ms).reply
        assert isinstance(reply, ReadReply)
        found |= layout.decode(reply.data)
    return found


def order(of: Meter, count: int, kind: int, raw: int, at_ms: int = NOON_MS) -> Handled:
    block = of.profile.order
    assert block is not None
    return of.handle(write_registers(block.address, [count, kind, raw >> 16 & 0xFFFF, raw & 0xFFFF]), at_ms)


def wish(of: Meter, wanted: Wish, at_ms: int = NOON_MS) -> Handled:
    write = relay_write(of.profile, wanted, 1)
    assert write is not None
    return of.handle(write_registers(write[0], write[1]), at_ms)


def exception(handled: Handled) -> int:
    assert isinstance(handled.reply, ExceptionReply) and not handled.accepted
    return handled.reply.code


def test_the_purse_is_shown_in_hundredths_of_a_kilowatt_hour() -> None:
    one = spm(
        opening={"balance_wh": 85_009, "purchase_count": 3, "purchased_total_wh": 300_000, "energy_wh": 1_215_000,
                 "last_order": {"kind": "purchase", "amount_wh": 100_000}},
        settings=SETTINGS, load=STEADY,
    )  # fmt: skip
    status = read(one, Group.STATUS)
    assert status[Quantity.BALANCE] == 85_000
    assert status[Quantity.PURCHASE_COUNT] == 3
    assert (status[Quantity.LAST_ORDER_KIND], status[Quantity.LAST_ORDER_AMOUNT]) == (1, 100_000)
    assert status[Quantity.PURCHASED_TOTAL] == 300_000
    assert (status[Quantity.RELAY], status[Quantity.POWER_ACTIVE]) == (1, 1_200)
    assert read(one, Group.SETTINGS)[Quantity.HOARDING_LIMIT] == 500_000
    identity = read(one, Group.IDENTITY)
    assert (identity[Quantity.METER_NUMBER], identity[Quantity.MODEL_CODE]) == (202500000001, 9511)
    later = read(one, Group.REGISTERS, NOON_MS + HOUR_MS)
    assert later[Quantity.ENERGY_IMPORT_TOTAL] == 1_216_200
    assert 5_000 < later[Quantity.CURRENT_A] < 6_500 and 215_000 < later[Quantity.VOLTAGE_A] < 235_000


def test_a_negative_balance_is_shown_as_one() -> None:
    assert read(spm(opening={"balance_wh": -12_340}), Group.STATUS)[Quantity.BALANCE] == -12_340


def test_an_order_is_applied_once_echoed_and_refused_out_of_turn() -> None:
    one = spm(settings=SETTINGS)
    first = order(one, 1, 1, 10_000)
    assert isinstance(first.reply, WriteReply) and first.kept and first.accepted[0][1].amount_wh == 100_000
    again = order(one, 1, 1, 10_000)
    assert isinstance(again.reply, WriteReply) and not again.accepted
    assert read(one, Group.STATUS)[Quantity.BALANCE] == 100_000
    for count, kind, raw, result in ((1, 1, 9_999, 1), (3, 1, 1, 1), (2, 1, 40_001, 2), (2, 2, 10_001, 3), (2, 9, 1, 4),
                                     (2, 1, 0, 4), (2, 3, 1, 4), (2, 1, 0xFFFFFFFF, 4)):  # fmt: skip
        assert exception(order(one, count, kind, raw)) == 3
        status = read(one, Group.STATUS)
        assert (status[Quantity.ORDER_RESULT], status[Quantity.BALANCE]) == (result, 100_000)
    assert order(one, 2, 3, 0).accepted[0][1].amount_wh == -100_000
    assert read(one, Group.STATUS)[Quantity.ORDER_RESULT] == 0


def test_the_relay_follows_the_three_wishes() -> None:
    one = spm(opening={"balance_wh": 0}, load=STEADY)
    assert read(one, Group.STATUS)[Quantity.RELAY] == 0
    wish(one, Wish.KEEP_ON)
    status = read(one, Group.STATUS)
    assert status[Quantity.RELAY] == 1 and StatusBit.KEPT_ON in SPM.bits(status[Quantity.STATUS])
    wish(one, Wish.TRIP)
    status = read(one, Group.STATUS)
    assert status[Quantity.RELAY] == 0 and StatusBit.COMMAND_TRIP in SPM.bits(status[Quantity.STATUS])
    wish(one, Wish.AUTOMATIC)
    status = read(one, Group.STATUS)
    assert status[Quantity.RELAY] == 0 and StatusBit.CREDIT_TRIP in SPM.bits(status[Quantity.STATUS])


def test_settings_are_written_and_read_back() -> None:
    one = spm()
    register = SPM.registers[Quantity.ALARM_LEVEL_1]
    write = WriteMultiple(
        function=Function.WRITE_REGISTERS, address=register.address, count=2, data=encode_value(register, 30_000)
    )
    assert one.handle(write, NOON_MS).kept
    assert read(one, Group.SETTINGS)[Quantity.ALARM_LEVEL_1] == 30_000
    assert one.circuits[1].state.alarm_level_1_wh == 30_000


ODD: list[tuple[Request, int]] = [
    (ReadRequest(function=Function.READ_HOLDING_REGISTERS, address=0x7000, count=1), 2),
    (ReadRequest(function=Function.READ_HOLDING_REGISTERS, address=0x0100, count=19), 2),
    (ReadRequest(function=Function.READ_INPUT_REGISTERS, address=0x0100, count=1), 1),
    (ReadRequest(function=Function.READ_COILS, address=0, count=1), 1),
    (WriteSingle(function=Function.WRITE_COIL, address=0, value=0xFF00), 1),
    (write_registers(0x7000, [1]), 2),
    (write_registers(SPM.registers[Quantity.BALANCE].address, [0, 1]), 2),
    (write_registers(SPM.registers[Quantity.PURCHASE_COUNT].address, [7]), 2),
    (write_registers(SPM.registers[Quantity.ALARM_LEVEL_1].address, [7]), 2),
    (write_registers(SPM.registers[Quantity.FORCE_CONTROL].address, [2]), 3),
]


@pytest.mark.parametrize(("request_", "code"), ODD)
def test_what_the_map_does_not_allow_is_an_exception_and_changes_nothing(request_: Request, code: int) -> None:
    one = spm(opening={"balance_wh": 500})
    before = one.remember()
    handled = one.handle(request_, NOON_MS)
    assert exception(handled) == code and not handled.kept
    assert one.remember() == before


def test_an_acrel_has_no_purse_and_obeys_forced_control() -> None:
    one = spm(profile=ACREL, load={"kind": "constant", "peak_w": 2_000})
    assert one.circuits[1].relay_closed() and not one.has_purse
    status = read(one, Group.STATUS)
    assert (status[Quantity.FORCE_CONTROL], status[Quantity.FORCED_STATE]) == (1, 0)
    assert status[Quantity.POWER_ACTIVE] == 2_000
    wish(one, Wish.TRIP)
    assert read(one, Group.STATUS)[Quantity.POWER_ACTIVE] == 0
    handed_over = one.handle(write_registers(0x57, [0, 0]), NOON_MS)
    assert handed_over.kept and not one.circuits[1].relay_closed(), "its own purse is empty"


def test_a_plain_meter_counts_and_can_be_told_nothing() -> None:
    one = spm(profile=catalogue()["eastron-sdm630"], opening={"energy_wh": 1_234_560}, load=STEADY)
    assert read(one, Group.REGISTERS)[Quantity.ENERGY_IMPORT_TOTAL] == 1_234_560
    assert read(one, Group.STATUS) == {Quantity.POWER_ACTIVE: 1_200}
    assert read(one, Group.REGISTERS, NOON_MS + HOUR_MS)[Quantity.ENERGY_IMPORT_TOTAL] == 1_235_760
    assert exception(one.handle(write_registers(0x48, [0, 0]), NOON_MS)) == 2, "energy is never written"


def test_a_relay_register_of_its_own_cuts_and_restores() -> None:
    one = spm(profile=catalogue()["hiking-dds238-zn-sr"], load=STEADY)
    assert read(one, Group.STATUS) == {Quantity.POWER_ACTIVE: 1_200, Quantity.RELAY: 1}
    wish(one, Wish.TRIP)
    assert read(one, Group.STATUS) == {Quantity.POWER_ACTIVE: 0, Quantity.RELAY: 0}
    wish(one, Wish.AUTOMATIC)
    assert read(one, Group.STATUS)[Quantity.RELAY] == 1
    assert exception(one.handle(write_registers(0x1A, [2]), NOON_MS)) == 3
    assert exception(spm().handle(write_registers(0x101, [0]), NOON_MS)) == 2, "there the relay is only shown"


def test_behind_transformers_an_acrel_shows_secondary_values() -> None:
    one = spm(profile=ACREL, ct_ratio=40, opening={"energy_wh": 4_000_000}, load={"kind": "constant", "peak_w": 40_000})
    assert read(one, Group.REGISTERS)[Quantity.ENERGY_IMPORT_TOTAL] == 100_000
    assert read(one, Group.STATUS)[Quantity.POWER_ACTIVE] == 1_000
    assert read(one, Group.REGISTERS, NOON_MS + HOUR_MS)[Quantity.ENERGY_IMPORT_TOTAL] == 101_000


def test_a_power_no_register_can_hold_does_not_stop_the_meter() -> None:
    one = spm(profile=ACREL, load={"kind": "constant", "peak_w": 900_000})
    assert Quantity.POWER_ACTIVE in read(one, Group.STATUS)


def test_the_clock_drifts_and_can_be_set() -> None:
    one = spm()
    drift_ms = one.clock_ms(NOON_MS + 10 * 86_400_000) - (NOON_MS + 10 * 86_400_000)
    assert 0 < abs(drift_ms) <= 20 * 864 * 10
    register = SPM.registers[Quantity.CLOCK]
    write = WriteMultiple(
        function=Function.WRITE_REGISTERS, address=register.address, count=2,
        data=encode_value(register, NOON_MS // 1_000 - 3_600),
    )  # fmt: skip
    one.handle(write, NOON_MS)
    assert one.clock_ms(NOON_MS) == NOON_MS - HOUR_MS
    assert decode_value(register, encode_value(register, read(one, Group.IDENTITY)[Quantity.CLOCK])) is not None


def test_registers_freeze_at_the_meters_own_midnight() -> None:
    one = spm(opening={"balance_wh": 10_000_000}, load=STEADY)
    one.settle(NOON_MS + 31 * 86_400_000)
    freezes = one.circuits[1].state.day_freezes
    assert [day for day, *_ in freezes][:2] == ["2026-03-03", "2026-03-04"] and len(freezes) == 31
    energies = [row[1] for row in freezes]
    assert energies[0] in range(14_399, 14_402)
    assert all(right - left in range(28_798, 28_803) for left, right in zip(energies, energies[1:], strict=False))
    assert [day for day, *_ in one.circuits[1].state.month_freezes] == ["2026-04-01"]
    assert datetime.fromtimestamp(one.state.next_freeze_ms / 1_000, SHANGHAI).hour in (0, 23)


def test_energy_is_counted_by_rate_and_the_parts_make_the_whole() -> None:
    opening = {"balance_wh": 10**7, "energy_wh": 50_000, "sharp_wh": 4_000, "peak_wh": 20_000, "valley_wh": 10_000}
    one = spm(opening=opening, load=STEADY)
    shown = read(one, Group.REGISTERS, NOON_MS + 24 * HOUR_MS)
    parts = [shown[Quantity(f"energy_import_{rate}")] for rate in ("sharp", "peak", "flat", "valley")]
    assert parts == [4_000 + 2 * 1_200, 20_000 + 5 * 1_200, 16_000 + 9 * 1_200, 10_000 + 8 * 1_200]
    assert sum(parts) == shown[Quantity.ENERGY_IMPORT_TOTAL] == 50_000 + 24 * 1_200


def test_a_meter_can_go_back_to_what_it_remembered() -> None:
    one = spm(settings=SETTINGS)
    memory = one.remember()
    order(one, 1, 1, 10_000)
    one.go_back(memory)
    assert one.circuits[1].state.purchase_count == 0
    assert one.circuits[1].state.last_kind == ""


def test_a_breaker_with_a_shunt_trip_is_opened_by_wire_and_closed_by_hand() -> None:
    breaker = spm(profile=catalogue()["acrel-dtsy1352-shunt"], load=STEADY)
    [circuit] = breaker.circuits.values()
    assert circuit.relay_closed()
    wish(breaker, Wish.TRIP)
    wish(breaker, Wish.KEEP_ON)
    assert read(breaker, Group.STATUS)[Quantity.FORCED_STATE] == 0 and not circuit.relay_closed()
    circuit.press_key()
    assert circuit.relay_closed()
