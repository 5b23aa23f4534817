"""Every intent with a DL/T 645 meter, on a line that fails at each step in each way; then what the meter really did."""

import itertools
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prewatt.core.meters import catalogue, load
from prewatt.core.meters.dataitems import decode_answer, encode_answer
from prewatt.core.meters.drivers import Finished, MeterAddress, Send, address_of, clock_broadcast, converse
from prewatt.core.meters.drivers.looks import READ_GROUPS
from prewatt.core.meters.jobs import Intent, Job, Order, OrderKind, Outcome, Verdict, Wish
from prewatt.core.meters.model import DATA_KINDS, Group, Kind
from prewatt.core.meters.quantities import Quantity, StatusBit
from prewatt.core.refusals import Refused
from prewatt.core.wire.dlt645 import Command, Frame, decode, encode
from tests.core.meters.bench import NUMBER, Fault
from tests.core.meters.bench645 import COMMAND_OPEN, KEPT, OPEN, DataLine, DataMeter
from tests.core.meters.test_profile import toml

DDZY, DTZY = catalogue()["ningju-ddzy1218"], catalogue()["ningju-dtzy1218"]
DONE, REFUSED, SILENT, UNKNOWN = Verdict.DONE, Verdict.REFUSED, Verdict.SILENT, Verdict.UNKNOWN
STATUS, REGISTERS, PURSE = (Job(intent=each) for each in (Intent.READ_STATUS, Intent.READ_REGISTERS, Intent.READ_PURSE))
TRIP, KEEP_ON, AUTOMATIC = (Job(intent=Intent.RELAY, wish=wish) for wish in (Wish.TRIP, Wish.KEEP_ON, Wish.AUTOMATIC))
FAULTS = [fault for fault in Fault if fault not in (Fault.NONE, Fault.GATEWAY_EXCEPTION)]
HELD = {
    Quantity.POWER_ACTIVE: -1_840,
    Quantity.ENERGY_IMPORT_TOTAL: 12_345_670,
    Quantity.ENERGY_EXPORT_TOTAL: 10,
    Quantity.VOLTAGE_A: 230_400,
    Quantity.CURRENT_A: -8_001,
    Quantity.POWER_FACTOR: -979,
    Quantity.FREQUENCY: 50_010,
    Quantity.BALANCE: 120_000,
    Quantity.PURCHASE_COUNT: 23,
    Quantity.LOAD_LIMIT: 5_000,
}


def meter(**changes: object) -> DataMeter:
    made = DataMeter(DDZY, values=dict(HELD))
    for name, value in changes.items():
        setattr(made, name, value)
    return made


# --- reads -----------------------------------------------------------------------------------


def test_a_status_poll_reads_relay_facts_and_power() -> None:
    line = DataLine(meter(word=OPEN | COMMAND_OPEN))
    outcome = line.run(STATUS)
    assert (outcome.verdict, line.sends, outcome.sent) == (DONE, 2, False)
    assert outcome.values == {
        Quantity.RELAY: 0,
        Quantity.STATUS: DDZY.status_word(frozenset({StatusBit.COMMAND_TRIP})),
        Quantity.POWER_ACTIVE: -1_840,
    }


def test_a_status_poll_of_a_server_held_circuit_brings_the_energy_it_is_charged_by() -> None:
    line = DataLine(DataMeter(DTZY, values=dict(HELD)))
    outcome = line.run(replace(STATUS, with_energy=True))
    assert (outcome.verdict, line.sends) == (DONE, 3)
    assert outcome.values[Quantity.ENERGY_IMPORT_TOTAL] == 12_345_670


def test_an_opening_read_brings_number_and_purse_and_leaves_out_what_the_meter_has_not() -> None:
    one = meter(missing={0x00900100, 0x04000402})
    outcome = DataLine(one).run(PURSE)
    assert outcome.verdict is DONE
    assert Quantity.BALANCE not in outcome.values and Quantity.METER_NUMBER not in outcome.values
    assert outcome.values[Quantity.PURCHASE_COUNT] == 23
    assert Quantity.ALARM_LEVEL_1 not in outcome.values, "all FF is no value"


def test_a_value_the_meter_must_have_and_refuses_ends_the_read_with_its_reason() -> None:
    outcome = DataLine(meter(missing={0x00010000})).run(REGISTERS)
    assert (outcome.verdict, outcome.code) == (REFUSED, "dlt645_no_requested_data")


@pytest.mark.parametrize("job", [STATUS, REGISTERS, PURSE], ids=lambda job: job.intent)
def test_reads_survive_one_fault_and_change_nothing(job: Job) -> None:
    good = DataLine(meter()).run(job)
    assert good.verdict is DONE
    blocks = [block for group in READ_GROUPS[job.intent] for block in DDZY.blocks.get(group, ())]
    for fault, step in itertools.product(FAULTS, range(len(blocks))):
        if fault is Fault.EXCEPTION:
            continue
        one = meter()
        assert DataLine(one, faults={step: fault}).run(job) == good, (fault, step)
        assert one.writes == 0


def test_an_answer_in_parts_is_read_whole() -> None:
    bulk = load(toml("ningju-dtzy1218").replace('di = "0001FF00"\nsize = 20', 'di = "0001FF00"\nsize = 200'))
    long = bytes.fromhex("67452301") * 100
    one = DataMeter(bulk, extra={0x0001FF00: long})
    line = DataLine(one)
    outcome = line.run(REGISTERS)
    assert outcome.verdict is DONE
    assert outcome.values[Quantity.ENERGY_IMPORT_VALLEY] == 12_345_670
    assert line.sends == len(bulk.blocks[Group.REGISTERS]) + 2, "400 bytes come in three parts"


@pytest.mark.parametrize("step", range(1, 3))
@pytest.mark.parametrize("fault", [each for each in FAULTS if each is not Fault.EXCEPTION])
def test_a_part_that_is_lost_late_or_doubled_is_asked_for_again(fault: Fault, step: int) -> None:
    long = bytes(range(10)) * 20 + bytes.fromhex("67452301") * 50
    one = DataMeter(DTZY, extra={0x0001FF00: bytes.fromhex("67452301") * 5 + long})
    good = DataLine(one).run(REGISTERS)
    assert DataLine(one, faults={step: fault}).run(REGISTERS) == good


def test_frames_of_other_meters_and_heartbeats_are_passed_over() -> None:
    own, other = meter(), meter(number="202611200001", values=HELD | {Quantity.POWER_ACTIVE: 9_000})
    talk = converse(DDZY, MeterAddress(unit=1, number=NUMBER), STATUS, transport="rtu")
    heartbeat = encode(Frame(address="260311005299", control=0x91, data=bytes.fromhex("8080808001")))
    for _ in range(2):
        step = talk.next()
        assert isinstance(step, Send)
        request = decode(step.data)
        foreign = other.handle(replace(request, address=other.number))
        answer = own.handle(request)
        assert foreign is not None and answer is not None
        talk.receive(heartbeat + encode(foreign) + step.data)  # an echo too
        assert not isinstance(talk.next(), Finished)
        talk.receive(encode(answer))
    ended = talk.next()
    assert isinstance(ended, Finished)
    assert ended.outcome.values[Quantity.POWER_ACTIVE] == -1_840


def test_a_silent_meter_is_asked_twice_and_a_read_with_no_number_asks_whoever_is_there() -> None:
    line = DataLine(meter(), faults=dict.fromkeys(range(9), Fault.REQUEST_LOST))
    assert (line.run(STATUS).code, line.sends) == ("no_reply", 2)
    talk = converse(DDZY, MeterAddress(unit=1, number=""), STATUS, transport="rtu")
    step = talk.next()
    assert isinstance(step, Send)
    assert step.data.hex().upper() == "FEFEFEFE68AAAAAAAAAAAA68110432383337B516"


def test_a_line_that_claims_to_be_fast_is_waited_for_as_the_model_needs() -> None:
    def timeout_ms(baud: int) -> int:
        step = converse(DTZY, MeterAddress(unit=1, number=NUMBER), REGISTERS, transport="rtu", baud=baud).next()
        assert isinstance(step, Send)
        return step.timeout_ms

    assert timeout_ms(115_200) == timeout_ms(9_600) == timeout_ms(2_400) < timeout_ms(1_200)


@pytest.mark.parametrize(
    ("number", "address"),
    [("260311005207", "260311005207"), ("123456", "000000123456"), ("99260311005207", "260311005207"), ("", "A" * 12)],
)
def test_a_meter_answers_to_the_last_twelve_digits_of_its_number(number: str, address: str) -> None:
    assert address_of(number) == address


# --- relay -----------------------------------------------------------------------------------


def _true(outcome: Outcome, one: DataMeter, closed: bool) -> None:
    """What is claimed is what the meter did."""
    if outcome.verdict is DONE and outcome.code != "await_key":
        assert one.closed is closed
    if outcome.verdict is SILENT:
        assert not outcome.sent
    if outcome.verdict is UNKNOWN:
        assert outcome.sent and outcome.code
    assert len(one.told) == len(set(one.told)), "a command was given twice"


@pytest.mark.parametrize("step", range(9))
@pytest.mark.parametrize("fault", [Fault.NONE, *FAULTS])
@pytest.mark.parametrize(
    ("job", "word", "closed"),
    [(TRIP, KEPT, False), (TRIP, 0, False), (KEEP_ON, OPEN | COMMAND_OPEN, True), (AUTOMATIC, 0, True)],
    ids=["trip what is kept on", "trip", "close and keep", "keep"],
)
def test_a_wish_with_one_fault(job: Job, word: int, closed: bool, fault: Fault, step: int) -> None:
    one = meter(word=word)
    outcome = DataLine(one, faults={step: fault}).run(job)
    _true(outcome, one, closed)
    assert one.writes <= 2
    if fault is Fault.NONE:
        assert outcome.verdict is DONE
    if outcome.verdict is not DONE:
        again = DataLine(one).run(job)
        assert again.verdict is DONE, (outcome, again)
        assert one.closed is closed


@pytest.mark.parametrize(("first", "second"), list(itertools.product(FAULTS, FAULTS)))
def test_a_trip_with_two_faults_in_a_row_is_never_claimed_falsely(first: Fault, second: Fault) -> None:
    for step in range(8):
        one = meter(word=KEPT)
        _true(DataLine(one, faults={step: first, step + 1: second}).run(TRIP), one, False)


def test_a_trip_gives_up_kept_power_first_and_a_close_keeps_it_again() -> None:
    one = meter(word=KEPT)
    assert DataLine(one).run(TRIP).verdict is DONE
    assert (one.told, one.closed) == ([Command.KEEP_POWER_OFF, Command.TRIP], False)
    assert DataLine(one).run(TRIP).verdict is DONE
    assert one.writes == 2, "what it follows is not written"
    one.told.clear()
    outcome = DataLine(one).run(AUTOMATIC)
    assert (outcome.verdict, one.told, one.closed) == (DONE, [Command.KEEP_POWER_ON, Command.CLOSE], True)
    assert outcome.values[Quantity.RELAY] == 1
    assert DDZY.bits(outcome.values[Quantity.STATUS]) == {StatusBit.KEPT_ON}


def test_a_command_runs_out_half_an_hour_later_by_the_meter_s_own_clock() -> None:
    one = meter(clock=datetime(2025, 12, 31, 23, 50, 1))
    assert DataLine(one).run(TRIP).verdict is DONE
    assert one.valid_until == [datetime(2026, 1, 1, 0, 20, 1)]
    late = meter(clock=datetime(2025, 1, 1), word=0)

    def a_day_on(meter: DataMeter) -> None:
        meter.clock += timedelta(days=1)

    outcome = DataLine(late, before={4: a_day_on}).run(TRIP)
    assert (outcome.verdict, outcome.code, late.told) == (REFUSED, "dlt645_other_error", [])


@pytest.mark.parametrize("missing", [0x04000101, 0x04000102])
def test_without_the_meter_s_clock_nothing_is_sent(missing: int) -> None:
    one = meter(missing={missing})
    outcome = DataLine(one).run(TRIP)
    assert (outcome.verdict, outcome.code, outcome.sent) == (REFUSED, "dlt645_no_requested_data", False)
    broken = meter(extra={0x04000101: bytes.fromhex("00451399"), 0x04000102: bytes(3)})
    outcome = DataLine(broken).run(TRIP)
    assert (outcome.verdict, outcome.code, broken.writes) == (REFUSED, "meter_clock_unreadable", 0)


def test_a_clock_at_the_end_of_its_century_commands_nothing() -> None:
    one = meter(clock=datetime(2099, 12, 31, 23, 45))
    assert (DataLine(one).run(TRIP).code, one.writes) == ("meter_clock_unreadable", 0)


def test_a_wrong_password_is_said_and_nothing_moved() -> None:
    one = meter(password="123456")
    outcome = DataLine(one).run(TRIP)
    assert (outcome.verdict, outcome.code, one.closed) == (REFUSED, "dlt645_password_or_unauthorised", True)


def test_an_answer_is_not_a_movement() -> None:
    outcome = DataLine(meter(deaf=True)).run(TRIP)
    assert (outcome.verdict, outcome.code) == (UNKNOWN, "write_not_applied")
    outcome = DataLine(meter(stuck=True)).run(TRIP)
    assert (outcome.verdict, outcome.code) == (UNKNOWN, "relay_not_moved")


def test_a_meter_that_cannot_keep_the_power_on_is_closed_all_the_same_and_says_what_it_refused() -> None:
    one = meter(word=OPEN | COMMAND_OPEN, refuses={Command.KEEP_POWER_ON})
    outcome = DataLine(one).run(AUTOMATIC)
    assert (outcome.verdict, outcome.code, one.closed) == (REFUSED, "dlt645_other_error", True)
    assert outcome.values[Quantity.RELAY] == 1
    unlit = meter(word=OPEN | COMMAND_OPEN, refuses={Command.KEEP_POWER_ON, Command.CLOSE})
    assert (DataLine(unlit).run(AUTOMATIC).verdict, unlit.closed) == (REFUSED, False)


def test_a_delayed_trip_is_not_given_again() -> None:
    one = meter(word=COMMAND_OPEN)
    outcome = DataLine(one).run(TRIP)
    assert (outcome.verdict, outcome.code, one.writes) == (SILENT, "relay_not_moved", 0)
    behind_kept_power = meter(word=COMMAND_OPEN | KEPT)
    assert DataLine(behind_kept_power).run(TRIP).verdict is DONE
    assert not behind_kept_power.closed


def test_a_permitted_close_waits_for_the_key() -> None:
    profile = load(toml("ningju-ddzy1218").replace('"close"]', '"permit_close"]'))
    one = DataMeter(profile, word=OPEN | COMMAND_OPEN, needs_key=True)
    outcome = DataLine(one).run(KEEP_ON)
    assert (outcome.verdict, outcome.code) == (DONE, "await_key")
    assert StatusBit.AWAIT_KEY in profile.bits(outcome.values[Quantity.STATUS])
    writes = one.writes
    assert DataLine(one).run(KEEP_ON).code == "await_key"
    assert one.writes == writes, "it is permitted already"
    one.word &= ~OPEN  # the key
    assert DataLine(one).run(KEEP_ON) == replace(DataLine(one).run(KEEP_ON), code=None)


@pytest.mark.parametrize("wish", [KEEP_ON, AUTOMATIC])
def test_where_the_site_leaves_closing_to_the_key_it_is_only_permitted(wish: Job) -> None:
    one = meter(word=OPEN | COMMAND_OPEN)
    one.needs_key = True
    outcome = DataLine(one).run(wish, closes_by_key=True)
    assert (outcome.verdict, outcome.code) == (DONE, "await_key")
    assert StatusBit.AWAIT_KEY in DDZY.bits(outcome.values[Quantity.STATUS])
    writes = one.writes
    assert DataLine(one).run(wish, closes_by_key=True).code == "await_key"
    assert one.writes == writes, "it is permitted already"
    one.word &= ~OPEN  # the key
    assert DataLine(one).run(wish, closes_by_key=True).code is None
    assert DataLine(one).run(TRIP, closes_by_key=True).verdict is DONE and not one.closed


@pytest.mark.parametrize("wish", [KEEP_ON, AUTOMATIC])
def test_a_meter_that_tripped_for_overload_is_neither_closed_nor_kept_on(wish: Job) -> None:
    words = bytes(4) + (OPEN | COMMAND_OPEN).to_bytes(2, "little") + b"\x20" + bytes(7)
    one = meter(extra={0x040005FF: words})
    outcome = DataLine(one).run(wish)
    assert (outcome.verdict, outcome.code, one.writes) == (REFUSED, "closing_blocked_overload_trip", 0)


@pytest.mark.parametrize(
    ("job", "number", "transport", "code"),
    [
        (TRIP, "", "rtu", "meter_number_missing"),
        (TRIP, NUMBER, "tcp", "transport_not_supported"),
        (STATUS, NUMBER, "tcp", "transport_not_supported"),
        (replace(STATUS, circuit_index=2), NUMBER, "rtu", "circuit_not_in_profile"),
        (Job(intent=Intent.RELAY), NUMBER, "rtu", "wish_not_supported"),
        (Job(intent=Intent.CREDIT, order=Order(count=1, kind=OrderKind.PURCHASE, amount=1)), NUMBER, "rtu",
         "custody_not_supported"),
        (Job(intent=Intent.CREDIT), NUMBER, "rtu", "order_missing"),
        (Job(intent=Intent.WRITE_SETTINGS, settings={Quantity.ALARM_LEVEL_1: 1}), NUMBER, "rtu",
         "setting_not_supported"),
        (Job(intent=Intent.WRITE_SETTINGS, settings={Quantity.LOAD_LIMIT: -1}), NUMBER, "rtu", "value_out_of_range"),
        (Job(intent=Intent.WRITE_SETTINGS, settings={Quantity.LOAD_LIMIT: 10**5}), NUMBER, "rtu", "value_out_of_range"),
        (Job(intent=Intent.WRITE_SETTINGS, settings={Quantity.LOAD_LIMIT: 1}), "", "rtu", "meter_number_missing"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_before_a_byte_leaves(job: Job, number: str, transport: str, code: str) -> None:
    line = DataLine(meter(), transport)
    outcome = line.run(job, number=number)
    assert (outcome.verdict, outcome.code, line.sends) == (REFUSED, code, 0)


def test_a_try_asks_every_block_and_shows_what_was_said() -> None:
    line = DataLine(meter(missing={0x00010000}))
    outcome = line.run(Job(intent=Intent.TRY))
    blocks = [block for group in Group for block in DDZY.blocks.get(group, ())]
    assert (outcome.verdict, outcome.code) == (REFUSED, "dlt645_no_requested_data")
    assert [frame.address for frame in outcome.frames] == [block.address for block in blocks]
    assert outcome.values[Quantity.POWER_ACTIVE] == -1_840


def test_the_clock_is_broadcast_second_first() -> None:
    sent = clock_broadcast(datetime(2026, 11, 21, 14, 7, 47))
    assert sent.hex().upper() == "FEFEFEFE689999999999996808067A3A475444596016"


# --- profile ---------------------------------------------------------------------------------

TEXT = toml("ningju-ddzy1218")


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('di = "04000402"\nsize = 6', 'di = "4000402"\nsize = 6', "profile_identifier"),
        ('di = "04000402"\nsize = 6', "di = 67109890\nsize = 6", "profile_value"),
        ('type = "not_bit"', 'type = "u16"', "profile_unknown_type"),
        ('type = "digits"\nsize = 6', 'type = "digits"\nsize = 9', "profile_value"),
        ('di = "02030000"\ntype', 'di = "02030100"\ntype', "profile_not_in_block"),
        ('di = "04000402"\ntype = "digits"\nsize = 6', 'di = "04000402"\nat = 1\ntype = "digits"\nsize = 6',
         "profile_not_in_block"),
        ("circuits = 1", "circuits = 2", "profile_value"),
        ('"balance"\ngroup = "purse"\ndi = "00900100"', '"balance"\ngroup = "purse"\ndi = "03320601"',
         "profile_overlap"),
        ("set = [4, 6]", "set = []", "profile_value"),
        ('fact = "kept_on"', 'fact = "coffee"', "profile_value"),
        ('fact = "kept_on"\ndi = "040005FF"', 'fact = "kept_on"\ndi = "04000504"', "profile_not_in_block"),
        ('trip = ["keep_power_off", "trip"]', 'trip = ["explode"]', "profile_value"),
        ("valid_minutes = 30", "valid_minutes = 10000", "profile_value"),
        ('password = "000000"', 'password = "geheim"', "profile_value"),
        ('[relay]', '[relay]\ncolour = "grey"', "profile_unknown_key"),
        ('di = "040005FF"\nvalid_minutes', 'di = "04000504"\nvalid_minutes', "profile_control"),
        ('switch = "internal"', 'switch = "none"', "profile_relay"),
    ],
)  # fmt: skip
def test_a_profile_with_a_fault_is_refused(old: str, new: str, code: str) -> None:
    assert old in TEXT
    with pytest.raises(Refused) as caught:
        load(TEXT.replace(old, new, 1))
    assert caught.value.code == code


def test_a_password_never_stands_in_a_refusal() -> None:
    with pytest.raises(Refused) as caught:
        load(TEXT.replace('password = "000000"', 'password = "geheim"'))
    assert "geheim" not in caught.value.message("en")


@given(st.data())
def test_what_a_meter_shows_a_driver_reads(data: st.DataObject) -> None:
    profile = data.draw(st.sampled_from([DDZY, DTZY]))
    values: dict[Quantity, int] = {}
    for quantity, register in profile.registers.items():
        assert register.kind in DATA_KINDS
        if register.kind is Kind.NOT_BIT:
            values[quantity] = data.draw(st.integers(0, 1))
            continue
        most = 8 * 10 ** (2 * register.size - 1) - register.factor.denominator
        raw = data.draw(st.integers(-most if register.kind is Kind.SIGNED_DIGITS else 0, most))
        values[quantity] = raw * register.factor.numerator // register.factor.denominator
    read: dict[Quantity, int] = {}
    held = profile.registers.values()
    for blocks in profile.blocks.values():
        for block in blocks:
            answer = encode_answer(held, block, values, {})
            read |= decode_answer(held, profile.flags, block, answer)
    del read[Quantity.STATUS]
    assert read.keys() == values.keys()
    for quantity, register in profile.registers.items():
        assert abs(read[quantity] - values[quantity]) <= max(1, register.factor.numerator)


@pytest.mark.parametrize("job", [TRIP, KEEP_ON, AUTOMATIC])
def test_nothing_is_switched_by_a_status_word_of_ones(job: Job) -> None:
    line = DataLine(meter(word=0xFFFF))
    outcome = line.run(job)
    assert outcome.verdict is SILENT and not outcome.sent


@given(st.binary(max_size=40))
def test_no_bytes_of_an_answer_break_the_reading(noise: bytes) -> None:
    for profile in (DDZY, DTZY):
        for blocks in profile.blocks.values():
            for block in blocks:
                decode_answer(profile.registers.values(), profile.flags, block, noise)


@given(st.lists(st.binary(max_size=60), max_size=12))
def test_no_noise_on_the_line_breaks_a_conversation(parts: list[bytes]) -> None:
    talk = converse(DDZY, MeterAddress(unit=1, number=NUMBER), TRIP, transport="rtu")
    for part in itertools.chain(parts, itertools.repeat(b"", 60)):
        step = talk.next()
        if isinstance(step, Finished):
            assert step.outcome.verdict is SILENT and not step.outcome.sent
            return
        if part:
            talk.receive(part)
        else:
            talk.timed_out()
    pytest.fail("the conversation does not end")
