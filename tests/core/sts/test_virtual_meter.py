"""The virtual meter: every answer of the table, and what it remembers."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prewatt.core.sts import (
    ALL_REGISTERS,
    CURRENCY_FUNCTIONS,
    TID_STORE,
    Answer,
    CreditKind,
    CurrencyCredit,
    DecoderKey,
    Ea,
    Extended,
    KeyChange,
    KeyType,
    Management,
    ManagementKind,
    MeterProfile,
    MeterState,
    MeterTest,
    PowerFailed,
    Token,
    TwoSlotMemory,
    UnitsCredit,
    VirtualMeter,
    encode,
    new_meter,
)
from prewatt.core.sts.memory import WRITE_STEPS
from tests.core.sts.cases import decoder_key

KEY = decoder_key()
NEW_KEY = decoder_key(krn=2)


def _meter(key: DecoderKey = KEY, *, made: int | None = None, profile: MeterProfile | None = None) -> VirtualMeter:
    return VirtualMeter(memory=TwoSlotMemory(new_meter(key, manufactured_tid=made)), profile=profile)


def _credit(tid: int, tenths: int = 100, key: DecoderKey = KEY) -> str:
    token = UnitsCredit(kind=CreditKind.ELECTRICITY, tid=tid, rnd=5, amount_tenths=tenths)
    return encode(token, replace(key, ken=255)).digits


def _manage(kind: ManagementKind, tid: int, value: int = 0) -> str:
    return encode(Management(kind=kind, tid=tid, rnd=5, value=value), KEY).digits


def _enter(meter: VirtualMeter, digits: str, at_s: int = 0) -> Answer:
    return meter.enter(digits, at_s).answer


def test_a_credit_token_counts_once() -> None:
    meter = _meter()
    assert _enter(meter, _credit(1000, 123)) is Answer.ACCEPT
    assert _enter(meter, _credit(1000, 123)) is Answer.USED
    assert _enter(meter, _credit(1000, 999)) is Answer.USED, "another amount at the same minute is no other token"
    assert meter.state.registers[0] == 123


def test_tokens_may_come_in_any_order_until_fifty_newer_ones_are_stored() -> None:
    meter = _meter()
    for tid in range(2000, 2000 + TID_STORE - 1):
        assert _enter(meter, _credit(tid)) is Answer.ACCEPT
    assert _enter(meter, _credit(1000)) is Answer.ACCEPT, "the fiftieth place was free"
    assert _enter(meter, _credit(999)) is Answer.OLD
    assert _enter(meter, _credit(1500)) is Answer.ACCEPT, "the lowest, 1000, is dropped"
    assert _enter(meter, _credit(1000)) is Answer.OLD
    assert meter.state.registers[0] == 100 * (TID_STORE + 1)


def test_a_new_meter_finds_tokens_older_than_itself_old() -> None:
    meter = _meter(made=5000)
    assert _enter(meter, _credit(4999)) is Answer.OLD
    assert _enter(meter, _credit(5000)) is Answer.USED
    assert _enter(meter, _credit(5001)) is Answer.ACCEPT


@given(st.lists(st.integers(0, 120), max_size=150))
def test_the_store_never_lets_a_token_count_twice(tids: list[int]) -> None:
    meter, taken = _meter(), set()
    for tid in tids:
        if _enter(meter, _credit(tid, 1)) is Answer.ACCEPT:
            assert tid not in taken
            taken.add(tid)
    assert meter.state.registers[0] == len(taken)


def test_credit_and_management_tokens_share_the_store() -> None:
    meter = _meter()
    assert _enter(meter, _credit(1000)) is Answer.ACCEPT
    assert _enter(meter, _manage(ManagementKind.CLEAR_TAMPER, 1000)) is Answer.USED


def test_wrong_digits_and_a_wrong_key_look_the_same() -> None:
    meter = _meter()
    right = _credit(1000)
    wrong = right[:-1] + str((int(right[-1]) + 1) % 10)
    assert _enter(meter, wrong) is Answer.CRC
    assert _enter(meter, _credit(1000, key=NEW_KEY)) is Answer.CRC
    assert _enter(meter, right) is Answer.ACCEPT


@pytest.mark.parametrize("digits", ["", "123", "99999999999999999999", "abcdefghijklmnopqrst"])
def test_what_is_no_token_is_a_format_error(digits: str) -> None:
    assert _enter(_meter(), digits) is Answer.FORMAT


def test_an_expired_key_takes_nothing_but_a_key_change() -> None:
    meter = _meter(replace(KEY, ken=0))
    assert _enter(meter, _credit(0xFFFF)) is Answer.ACCEPT
    assert _enter(meter, _credit(0x10000)) is Answer.KEY_EXPIRED
    for digits in KeyChange(old=KEY, new=NEW_KEY, rollover=False).tokens():
        meter.enter(digits.digits, 0)
    assert _enter(meter, _credit(0x10000, key=NEW_KEY)) is Answer.ACCEPT


def test_a_default_key_takes_no_credit_but_takes_a_limit() -> None:
    for kt in (KeyType.DDTK, KeyType.DITK):
        meter = _meter(replace(KEY, kt=kt))
        assert _enter(meter, _credit(1000)) is Answer.DDTK
        assert _enter(meter, _manage(ManagementKind.POWER_LIMIT, 1000, 5000)) is Answer.ACCEPT
        assert meter.state.power_limit_w == 5000


def test_the_order_of_the_checks_is_time_before_expiry_before_key_type() -> None:
    meter = _meter(replace(KEY, kt=KeyType.DUTK, ken=1))
    assert _enter(meter, _credit(0x10000)) is Answer.ACCEPT
    meter.memory.store(replace(meter.state, key=replace(KEY, kt=KeyType.DDTK, ken=0)))
    assert _enter(meter, _credit(0x10000)) is Answer.USED
    assert _enter(meter, _credit(0x10001)) is Answer.KEY_EXPIRED
    assert _enter(meter, _credit(5)) is Answer.DDTK


def test_credit_that_would_overflow_leaves_the_token_good() -> None:
    meter = _meter(profile=MeterProfile(register_tops=(150,) * 8))
    assert _enter(meter, _credit(1000, 100)) is Answer.ACCEPT
    assert _enter(meter, _credit(1001, 100)) is Answer.OVERFLOW
    assert _enter(meter, _manage(ManagementKind.CLEAR_CREDIT, 1002, 0)) is Answer.ACCEPT
    assert _enter(meter, _credit(1001, 100)) is Answer.ACCEPT
    assert meter.state.registers[0] == 100


def test_clearing_clears_one_register_or_all_and_knows_its_own() -> None:
    state = MeterState(key=KEY, registers=tuple(range(1, 9)))
    meter = VirtualMeter(memory=TwoSlotMemory(state))
    assert _enter(meter, _manage(ManagementKind.CLEAR_CREDIT, 1, 5)) is Answer.RANGE
    assert _enter(meter, _manage(ManagementKind.CLEAR_CREDIT, 2, 0)) is Answer.ACCEPT
    assert meter.state.registers == (0, 2, 3, 4, 5, 6, 7, 8)
    assert _enter(meter, _manage(ManagementKind.CLEAR_CREDIT, 3, ALL_REGISTERS)) is Answer.ACCEPT
    assert meter.state.registers == (0,) * 8


def test_limits_out_of_range_are_refused() -> None:
    meter = _meter(profile=MeterProfile(power_limit_low_w=100, power_limit_high_w=10_000))
    assert _enter(meter, _manage(ManagementKind.POWER_LIMIT, 1, 99)) is Answer.RANGE
    assert _enter(meter, _manage(ManagementKind.PHASE_UNBALANCE, 1, 10_001)) is Answer.RANGE
    assert _enter(meter, _manage(ManagementKind.PHASE_UNBALANCE, 1, 10_000)) is Answer.ACCEPT
    assert meter.state.phase_unbalance_w == 10_000


def test_functions_the_meter_does_not_have() -> None:
    meter = _meter()
    water = encode(UnitsCredit(kind=CreditKind.WATER, tid=1, rnd=5, amount_tenths=1), KEY).digits
    assert _enter(meter, water) is Answer.FUNCTION
    assert _enter(meter, _manage(ManagementKind.TARIFF_RATE, 1, 3)) is Answer.FUNCTION


def test_a_meter_in_money_takes_and_gives_back_money() -> None:
    meter = _meter(profile=MeterProfile(functions=CURRENCY_FUNCTIONS))

    def money(tid: int, amount_e5: int) -> str:
        token = CurrencyCredit(kind=CreditKind.ELECTRICITY_CURRENCY, tid=tid, amount_e5=amount_e5)
        return encode(token, KEY).digits

    assert _enter(meter, money(1, 12_000)) is Answer.ACCEPT
    assert _enter(meter, money(2, -2_000)) is Answer.ACCEPT
    assert _enter(meter, money(3, -10_001)) is Answer.RANGE
    assert meter.state.registers[4] == 10_000
    assert _enter(meter, _credit(4)) is Answer.FUNCTION


def test_tamper_flags_and_settings_are_kept() -> None:
    meter = VirtualMeter(memory=TwoSlotMemory(MeterState(key=KEY, tampered=True)))
    everything = MeterProfile(functions=meter.profile.functions | {(2, 2), (2, 7)})
    meter.profile = everything
    tokens: list[Token] = [
        Management(kind=ManagementKind.CLEAR_TAMPER, tid=1, rnd=0),
        Management(kind=ManagementKind.TARIFF_RATE, tid=2, rnd=0, value=77),
        Management(kind=ManagementKind.WATER_FACTOR, tid=3, rnd=0, value=88),
        Extended(tid=4, rnd=0, index=9, control_value=1000),
        Extended(tid=5, rnd=0, index=63, flag_index=300, flag_value=1),
    ]
    for token in tokens:
        assert _enter(meter, encode(token, KEY).digits) is Answer.ACCEPT
    state = meter.state
    assert (state.tampered, state.tariff_rate, state.water_factor) == (False, 77, 88)
    assert (state.controls, state.flags) == ({9: 1000}, {300: 1})


@pytest.mark.parametrize(
    ("subclass", "code", "answer"),
    [
        (0, 0, Answer.ACCEPT),
        (0, 34, Answer.ACCEPT),
        (0, 35, Answer.MAKER),
        (1, 0, Answer.ACCEPT),
        (1, 34, Answer.MAKER),
    ],
)
def test_test_tokens_are_for_one_make_or_all_and_any_number_of_times(subclass: int, code: int, answer: Answer) -> None:
    meter = _meter(profile=MeterProfile(maker_digits=2, maker_code=34))
    digits = encode(MeterTest(subclass=subclass, maker_code=code, control=1)).digits
    assert [_enter(meter, digits), _enter(meter, digits)] == [answer, answer]


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)])
def test_the_four_tokens_of_a_key_change_come_in_any_order(order: tuple[int, ...]) -> None:
    old, new = decoder_key(Ea.MISTY1), decoder_key(Ea.MISTY1, krn=2, ken=99)
    meter = _meter(old)
    tokens = KeyChange(old=old, new=new, rollover=False).tokens()
    answers = [_enter(meter, tokens[at].digits) for at in order]
    assert answers == [*(Answer(f"key_part_{at + 1}") for at in order[:3]), Answer.ACCEPT]
    held = meter.state.key
    assert (held.value, held.ken, held.krn, held.kt, held.ti, held.sgc) == (
        new.value,
        99,
        2,
        KeyType.DUTK,
        "07",
        "123456",
    )


def test_three_tokens_wait_for_the_third() -> None:
    meter = _meter()
    tokens = KeyChange(old=KEY, new=NEW_KEY, rollover=False, three_tokens=True).tokens()
    assert [_enter(meter, each.digits) for each in tokens] == [Answer.KEY_PART_1, Answer.KEY_PART_2, Answer.ACCEPT]
    assert meter.state.key.sgc == "123456"


def test_the_old_key_stays_in_force_until_the_last_token() -> None:
    meter = _meter()
    first, second = KeyChange(old=KEY, new=NEW_KEY, rollover=False).tokens()
    assert _enter(meter, first.digits) is Answer.KEY_PART_1
    assert _enter(meter, _credit(1000)) is Answer.ACCEPT
    assert _enter(meter, second.digits) is Answer.ACCEPT
    assert _enter(meter, _credit(1001)) is Answer.CRC, "made under the old key: lost once the key has changed"
    assert _enter(meter, _credit(1000, key=NEW_KEY)) is Answer.USED, "no rollover: the store is kept"


def test_a_rollover_clears_the_store_and_keeps_the_credit() -> None:
    meter = _meter(made=0xFFFF00)
    assert _enter(meter, _credit(0xFFFF01)) is Answer.ACCEPT
    for each in KeyChange(old=KEY, new=NEW_KEY, rollover=True).tokens():
        meter.enter(each.digits, 0)
    assert meter.state.registers[0] == 100
    assert meter.state.tid_store == ()
    assert _enter(meter, _credit(1000, key=NEW_KEY)) is Answer.ACCEPT


def test_half_a_set_is_forgotten_after_the_time_out() -> None:
    meter = _meter(profile=MeterProfile(key_change_timeout_s=90))
    first, second = KeyChange(old=KEY, new=NEW_KEY, rollover=False).tokens()
    assert _enter(meter, first.digits, 1000) is Answer.KEY_PART_1
    assert _enter(meter, second.digits, 1091) is Answer.KEY_PART_2, "the first part is gone"
    assert _enter(meter, first.digits, 1181) is Answer.ACCEPT


def test_parts_of_two_sets_never_mix_into_one_key() -> None:
    meter, third_key = _meter(), decoder_key(krn=3)
    one = KeyChange(old=KEY, new=NEW_KEY, rollover=False).tokens()
    other = KeyChange(old=KEY, new=third_key, rollover=False).tokens()
    assert _enter(meter, one[0].digits) is Answer.KEY_PART_1
    assert _enter(meter, one[0].digits) is Answer.KEY_PART_1, "the same part again does no harm"
    assert _enter(meter, other[0].digits) is Answer.KEY_PART_1, "a new set begins"
    assert _enter(meter, other[1].digits) is Answer.ACCEPT
    assert meter.state.key.value == third_key.value


def test_a_forbidden_key_type_is_refused_at_the_first_part() -> None:
    factory = replace(KEY, kt=KeyType.DITK)
    to_common = KeyChange(old=factory, new=replace(NEW_KEY, kt=KeyType.DCTK), rollover=False).tokens()
    assert _enter(_meter(replace(KEY, kt=KeyType.DUTK)), to_common[0].digits) is Answer.KEY_TYPE


def test_wrong_entries_lock_the_keypad_for_ever_longer() -> None:
    meter = _meter(profile=MeterProfile(lockout_first_s=10))
    wrong, at_s = "00000000000000000000", 0
    for wait_s in (10, 20, 40, 80, 160, 320, 640, 1280, 1280):
        assert _enter(meter, wrong, at_s) is Answer.CRC
        assert _enter(meter, _credit(1000), at_s + wait_s - 1) is Answer.LOCKED_OUT
        at_s += wait_s
    assert _enter(meter, _credit(1000), at_s) is Answer.ACCEPT
    assert _enter(meter, wrong, at_s) is Answer.CRC
    assert _enter(meter, _credit(1001), at_s + 10) is Answer.ACCEPT, "a good token starts the count again"


@pytest.mark.parametrize("step", range(WRITE_STEPS))
def test_a_power_failure_never_parts_the_effect_from_its_tid(step: int) -> None:
    meter = _meter()
    assert _enter(meter, _credit(1)) is Answer.ACCEPT
    meter.memory.fail_after = step
    with pytest.raises(PowerFailed):
        meter.enter(_credit(1000), 0)
    assert _enter(meter, _credit(1000)) is Answer.ACCEPT, "not stored: the token is still good"
    assert _enter(meter, _credit(1000)) is Answer.USED
    assert _enter(meter, _credit(1)) is Answer.USED, "and what was there before is there still"
    assert meter.state.registers[0] == 200


@given(st.lists(st.tuples(st.integers(0, 40), st.none() | st.integers(0, WRITE_STEPS)), max_size=60))
def test_whatever_fails_when_the_register_holds_exactly_the_stored_tokens(
    entries: list[tuple[int, int | None]],
) -> None:
    meter = _meter()
    for tid, fail_after in entries:
        meter.memory.fail_after = fail_after
        try:
            meter.enter(_credit(tid, 1), 0)
        except PowerFailed:
            pass
        meter.memory.fail_after = None
        assert meter.state.registers[0] == len(meter.state.tid_store)


@given(st.text("0123456789", min_size=18, max_size=22))
def test_random_digits_are_answered_and_change_nothing(digits: str) -> None:
    meter = _meter()
    before = meter.state
    answer = _enter(meter, digits)
    if not answer.is_taken:
        assert meter.state == before
