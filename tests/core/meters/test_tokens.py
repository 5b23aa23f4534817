"""Twenty digits over a line that loses, delays and doubles: taken at most once, and what is told is true."""

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import settings as chosen
from hypothesis import strategies as st

from prewatt.core.meters import Profile, catalogue, load
from prewatt.core.meters.drivers import MeterAddress, converse
from prewatt.core.meters.jobs import Intent, Job, Outcome, Verdict
from prewatt.core.meters.quantities import Quantity
from prewatt.core.meters.token_face import TokenAnswer
from prewatt.core.refusals import Refused, texts
from prewatt.core.sts import TID_STORE, MeterProfile
from tests.core.meters.bench import NUMBER, UNIT, Fault, Line
from tests.core.meters.test_profile import toml
from tests.core.meters.token_bench import NEW, TokenMeter, credit, key_change

SPM: Final = catalogue()["pilot-spm2506-12"]
RS485: Final = catalogue()["sts-rs485"]
TOKEN: Final = credit(500)
FAULTS: Final = [each for each in Fault if each is not Fault.BROKEN_STREAM]
MOST_TRIES: Final = 12


def job(digits: str = TOKEN, *, again: bool = False, index: int = 1) -> Job:
    return Job(intent=Intent.ENTER_TOKEN, token=digits, again=again, circuit_index=index)


def run(meter: TokenMeter, digits: str = TOKEN, *, again: bool = False, **line: Any) -> Outcome:
    return Line(meter, **line).run(job(digits, again=again))


def told(outcome: Outcome) -> tuple[Verdict, str | None]:
    return outcome.verdict, outcome.code


def to_the_end(meter: TokenMeter, digits: str, faults: list[dict[int, Fault]], transport: str = "rtu") -> Outcome:
    """As the mailbox does: again and again while nothing is known, each time saying whether something may have left."""
    sent = False
    for turn in range(MOST_TRIES):
        line = Line(meter, transport=transport, faults=faults[turn] if turn < len(faults) else {})
        outcome = line.run(job(digits, again=sent))
        sent = sent or outcome.sent
        if outcome.verdict not in (Verdict.SILENT, Verdict.UNKNOWN):
            return outcome
        assert outcome.verdict is not Verdict.SILENT or not outcome.sent
    raise AssertionError("never known")


@pytest.mark.parametrize("profile", [SPM, RS485], ids=["spm2506", "rs485"])
@pytest.mark.parametrize("transport", ["rtu", "tcp"])
def test_a_token_is_written_once_and_what_it_brought_is_read(profile: Profile, transport: str) -> None:
    meter = TokenMeter(profile)
    before = meter.values[Quantity.BALANCE] = 10_000
    outcome = run(meter, transport=transport)
    assert told(outcome) == (Verdict.DONE, None) and outcome.sent
    assert (meter.taken, meter.writes) == ([TOKEN], 1)
    assert outcome.values[Quantity.TOKEN_CREDIT] == 50_000
    assert outcome.values[Quantity.BALANCE] - before == 50_000, "what the purse shows now comes with it"


def test_what_the_meter_shows_as_judged_is_not_written_again() -> None:
    meter = TokenMeter(SPM)
    meter.enter(TOKEN)  # somebody typed it in
    outcome = run(meter)
    assert (told(outcome), meter.writes, outcome.sent) == ((Verdict.DONE, None), 0, False)


def test_a_token_that_was_typed_in_before_another_one_is_used_and_counts_as_entered() -> None:
    meter = TokenMeter(SPM)
    meter.enter(TOKEN)
    meter.enter(credit(10, 6_000_001))
    outcome = run(meter)
    assert told(outcome) == (Verdict.DONE, "meter_token_used")
    assert Quantity.TOKEN_CREDIT not in outcome.values and meter.taken.count(TOKEN) == 1


def test_a_token_of_another_key_is_refused_with_what_the_meter_says() -> None:
    meter = TokenMeter(SPM)
    outcome = run(meter, credit(500, key=NEW))
    assert told(outcome) == (Verdict.REFUSED, "meter_token_crc")
    assert outcome.values[Quantity.TOKEN_RESULT] == 5 and not meter.taken


def test_a_token_the_register_has_no_room_for_may_be_sent_again_when_there_is_some() -> None:
    meter = TokenMeter(SPM, limits=MeterProfile(register_tops=(400,) * 8))
    assert told(run(meter)) == (Verdict.REFUSED, "meter_token_overflow")
    meter.limits = MeterProfile()
    assert told(run(meter)) == (Verdict.DONE, None)
    assert meter.taken == [TOKEN]


def test_a_refusal_that_stands_from_before_is_not_taken_for_the_answer_to_a_write_that_was_lost() -> None:
    meter = TokenMeter(SPM, limits=MeterProfile(register_tops=(400,) * 8))
    meter.enter(TOKEN)
    meter.limits = MeterProfile()
    outcome = run(meter, faults={2: Fault.REQUEST_LOST})
    assert told(outcome) == (Verdict.UNKNOWN, "write_unanswered") and not meter.taken


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("at", range(6))
def test_one_fault_anywhere_leaves_one_entry_and_a_true_word(at: int, fault: Fault) -> None:
    meter = TokenMeter(SPM)
    outcome = run(meter, faults={at: fault})
    assert len(meter.taken) <= 1
    if outcome.verdict is Verdict.DONE:
        assert meter.taken == [TOKEN]
    elif outcome.verdict is Verdict.REFUSED:
        assert not meter.taken and fault is Fault.EXCEPTION
    else:
        assert outcome.verdict in (Verdict.SILENT, Verdict.UNKNOWN)
        assert outcome.sent or not meter.taken, "nothing left, so nothing happened"


@given(
    turns=st.lists(st.dictionaries(st.integers(0, 8), st.sampled_from(FAULTS), max_size=4), max_size=4),
    transport=st.sampled_from(["rtu", "tcp"]),
    digits=st.sampled_from([TOKEN, credit(500, key=NEW)]),
    typed=st.booleans(),
)
@chosen(max_examples=150, deadline=None)
def test_over_every_fault_a_token_has_effect_once_at_most_and_the_word_is_true(
    turns: list[dict[int, Fault]], transport: str, digits: str, typed: bool
) -> None:
    meter = TokenMeter(SPM)
    if typed:
        meter.enter(digits)
    outcome = to_the_end(meter, digits, turns, transport)
    assert meter.sts.registers[0] == 500 * len(meter.taken) and len(meter.taken) <= 1
    if outcome.verdict is Verdict.DONE:
        assert meter.taken == [digits]
    elif outcome.verdict is Verdict.REFUSED:
        assert not meter.taken or typed, "what we sent was taken, and we say that it was refused"
        assert digits != TOKEN or outcome.code == "modbus_exception_04", "a word of the meter, not of the token"
    assert outcome.code is None or outcome.code in texts


@given(turns=st.lists(st.dictionaries(st.integers(0, 6), st.sampled_from(FAULTS), max_size=3), max_size=3))
@chosen(max_examples=80, deadline=None)
def test_a_key_change_set_is_never_told_as_refused_once_the_meter_took_it(turns: list[dict[int, Fault]]) -> None:
    """Its last token, written again, answers "CRC error": the meter has the new key by then."""
    meter = TokenMeter(SPM)
    for digits in key_change():
        outcome = to_the_end(meter, digits, turns)
        if outcome.verdict is not Verdict.DONE:
            assert outcome.verdict is Verdict.DISPUTED or outcome.code == "modbus_exception_04", outcome
            return
    assert meter.sts.key.value == NEW.value


def test_a_set_that_was_taken_and_whose_token_was_typed_in_again_is_left_to_a_person() -> None:
    meter = TokenMeter(SPM)
    for digits in key_change():
        meter.enter(digits)
    last = key_change()[-1]
    meter.enter(last)
    assert told(run(meter, last, again=True)) == (Verdict.DISPUTED, "meter_token_crc")
    assert told(run(meter, last)) == (Verdict.REFUSED, "meter_token_crc")


def test_an_old_token_is_left_to_a_person_where_an_earlier_try_may_have_got_through() -> None:
    meter = TokenMeter(SPM)
    meter.enter(TOKEN)
    for each in range(TID_STORE):
        meter.enter(credit(1, 6_100_000 + each))
    assert told(run(meter, again=True)) == (Verdict.DISPUTED, "meter_token_old")


def test_a_meter_that_answers_the_write_and_judges_nothing_stays_unknown() -> None:
    meter = TokenMeter(SPM, deaf=True)
    assert told(run(meter)) == (Verdict.UNKNOWN, "write_not_applied")
    meter.echo = TOKEN  # shown, and still judged
    assert told(run(meter, again=True)) == (Verdict.UNKNOWN, "write_not_applied")


def test_a_late_look_of_before_the_first_try_does_not_lead_to_a_second_write() -> None:
    """The reply to the very first look comes again when the second try looks."""
    meter = TokenMeter(SPM)
    line = Line(meter, faults={1: Fault.REPLY_TWICE})
    assert line.run(job()).verdict is Verdict.DONE
    stale = Line(TokenMeter(SPM), faults={1: Fault.REPLY_VERY_LATE})
    stale.run(job())
    again = Line(meter, stale=stale.stale)
    assert told(again.run(job(again=True))) == (Verdict.DONE, None)
    assert meter.writes == 1


def test_an_answer_the_profile_does_not_know_is_left_to_a_person() -> None:
    meter = TokenMeter(SPM)
    meter.enter(credit(500, key=NEW))
    meter.echo, meter.raw = TOKEN, 77
    assert told(run(meter, again=True)) == (Verdict.DISPUTED, "meter_token_answer_unknown")


def test_the_token_of_one_loop_is_written_where_that_loop_takes_it() -> None:
    talk = converse(SPM, MeterAddress(unit=UNIT, number=""), job(index=3), transport="tcp")
    asked = talk.next()
    assert SPM.token is not None and SPM.token.wire is not None
    address = (SPM.token.wire.start + 2 * SPM.stride).to_bytes(2, "big")
    assert asked.data[8:10] == address  # type: ignore[union-attr]


@pytest.mark.parametrize("code", ["pilot-spm9511", "ningju-ddzy1218"])
def test_a_model_without_such_a_face_refuses_before_a_byte_leaves(code: str) -> None:
    talk = converse(catalogue()[code], MeterAddress(unit=1, number=NUMBER), job(), transport="rtu")
    outcome = talk.next().outcome  # type: ignore[union-attr]
    assert told(outcome) == (Verdict.REFUSED, "token_not_supported") and not outcome.sent


def test_a_job_without_digits_is_refused_and_one_shows_none_of_them() -> None:
    assert told(Line(TokenMeter(SPM)).run(Job(intent=Intent.ENTER_TOKEN))) == (Verdict.REFUSED, "token_missing")
    assert TOKEN not in repr(job())


def test_every_answer_has_its_words() -> None:
    for answer in TokenAnswer:
        assert answer.code is None or answer.code in texts


# the table


WIRE: Final = toml("pilot-spm2506-12")
KEYPAD: Final = toml("sts-keypad")


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("address = 0x0420", "address = 0x0402", "profile_overlap"),
        ("address = 0x0420", "address = 0x042A", "profile_value"),
        ("result = 0x042D", "result = 0x0430", "profile_value"),
        ("echo = 0x0428", "echo = 0x0428\nsmell = 1", "profile_unknown_key"),
        ('spare = 1\nassumed = true\n\n[token.wire.results]', 'spare = 1\n\n[token.wire.results]', "profile_no_source"),
        ('1 = "accepted"\n2', "2", "profile_value"),
        ('3 = "used"', '3 = "spent"', "profile_value"),
        ('3 = "used"', '0 = "used"', "profile_value"),
        ("spare = 1\nassumed = true\n\n[token.wire.results]", "spare = 2\nassumed = true\n\n[token.wire.results]",
         "profile_value"),
    ],
)
def test_a_table_that_could_mislead_is_refused(old: str, new: str, code: str) -> None:
    assert WIRE.count(old) == 1, old
    with pytest.raises(Refused) as refused:
        load(WIRE.replace(old, new))
    assert refused.value.code == code


def test_the_echo_may_be_the_written_registers_themselves() -> None:
    text = WIRE.replace("address = 0x0420", "address = 0x0428").replace("echo = 0x0428\n", "")
    wire = load(text).token
    assert wire is not None and wire.wire is not None and wire.wire.address == wire.wire.echo


def test_a_keypad_meter_has_no_wire_and_nothing_else_may_be_without_one() -> None:
    profile = catalogue()["sts-keypad"]
    assert not profile.wired and not profile.takes_orders and not profile.registers
    wire = WIRE[WIRE.index("[token.wire]") : WIRE.index("[relay]")]
    for text in (KEYPAD.split("[token]")[0], KEYPAD.replace("max_block = 1", "max_block = 9") + wire):
        with pytest.raises(Refused) as refused:
            load(text)
        assert refused.value.code in ("profile_token", "profile_no_witness")


def test_each_size_of_an_spm2506_takes_a_token_in_every_loop() -> None:
    for circuits in (6, 12, 18, 24, 36):
        profile = catalogue()[f"pilot-spm2506-{circuits}"]
        assert profile.circuits == circuits and profile.takes_orders
        assert profile.token is not None and profile.token.wire is not None and not profile.token.wire.shared
