"""What a DL/T 645 meter says of itself in its seven status words, and a meter that has the third one alone."""

import pytest

from prewatt.core.meters import load
from prewatt.core.meters.dataitems import decode_answer
from prewatt.core.meters.jobs import Verdict
from prewatt.core.meters.model import Group
from prewatt.core.meters.quantities import Quantity, StatusBit
from tests.core.meters.bench645 import COMMAND_OPEN, KEPT, OPEN, DataLine, DataMeter
from tests.core.meters.test_dlt645 import DDZY, DTZY, HELD, KEEP_ON, STATUS, TEXT, TRIP, meter

DONE, REFUSED = Verdict.DONE, Verdict.REFUSED
ALL_WORDS = 0x040005FF


def test_status_words_that_are_cut_or_full_of_ones_say_nothing() -> None:
    for profile in (DDZY, DTZY):
        (block,) = [each for each in profile.blocks[Group.STATUS] if each.address == ALL_WORDS]
        facts = {Quantity.STATUS, Quantity.RELAY}
        third = bytes(4) + b"\x50\x00"
        cases: tuple[tuple[bytes, set[Quantity]], ...] = (
            (third + bytes(8), facts), (third, facts), (third[:5], {Quantity.STATUS}), (b"", set()),
            (b"\xff" * 14, set()),
        )  # fmt: skip
        for data, told in cases:
            read = decode_answer(profile.registers.values(), profile.flags, block, data)
            assert read.keys() & facts == told, data
        ones = decode_answer(profile.registers.values(), profile.flags, block, third + b"\xff" * 8)
        assert profile.bits(ones[Quantity.STATUS]) == {StatusBit.COMMAND_TRIP}, "no phase, no faults of it"


@pytest.mark.parametrize(
    ("place", "word", "facts"),
    [
        (1, 1, {StatusBit.REVERSE_POWER}),
        (1, 1 << 1, {StatusBit.REVERSE_POWER}),  # phase B
        (1, 1 << 4, set()),  # reactive
        (2, 1 << 4, {StatusBit.AWAIT_KEY}),
        (3, 1 << 5, {StatusBit.OVERLOAD_TRIP}),
        (4, 1 << 1, {StatusBit.VOLTAGE_LIMITS}),
        (5, 1 << 2 | 1 << 5, {StatusBit.VOLTAGE_LIMITS, StatusBit.OVERLOAD_TRIP}),
        (5, 1 << 7, {StatusBit.VOLTAGE_LIMITS}),  # the phase is lost
        (6, 0x000F, set()),
    ],
)
def test_a_status_poll_tells_what_any_word_says_and_of_one_phase_no_more_than_one(
    place: int, word: int, facts: set[StatusBit]
) -> None:
    words = bytes(place * 2) + word.to_bytes(2, "little") + bytes((6 - place) * 2)
    for profile in (DTZY, DDZY):
        line = DataLine(DataMeter(profile, values=dict(HELD), extra={ALL_WORDS: words}))
        outcome = line.run(STATUS)
        assert (outcome.verdict, line.sends) == (DONE, 2)
        beyond = profile is DDZY and (place in (4, 5) or (place == 1 and word != 1))
        assert profile.bits(outcome.values[Quantity.STATUS]) == (set() if beyond else facts)


def test_a_meter_that_has_word_3_alone_is_read_and_switched_and_asked_for_the_others_no_more_for_a_while() -> None:
    one = meter(missing={ALL_WORDS}, word=KEPT)
    line = DataLine(one)
    first = line.run(STATUS)
    assert (first.verdict, line.sends, first.lacks) == (DONE, 3, frozenset({ALL_WORDS}))
    assert DDZY.bits(first.values[Quantity.STATUS]) == {StatusBit.KEPT_ON} and first.values[Quantity.RELAY] == 1
    line = DataLine(one)
    again = line.run(STATUS, lacks=first.lacks)
    assert (line.sends, again) == (2, first)
    assert DataLine(one).run(TRIP).verdict is DONE and not one.closed
    one.missing.add(0x04000503)
    refused = DataLine(one).run(STATUS)
    assert (refused.verdict, refused.code) == (REFUSED, "dlt645_no_requested_data")
    assert DataLine(meter()).run(STATUS).lacks == frozenset()


def test_a_model_of_ones_own_may_name_word_3_alone() -> None:
    head, _, tail = TEXT.partition('[[flag]]\nfact = "reverse_power"')
    text = (head + tail[tail.index("[settings]") :]).replace('di = "040005FF"\nsize = 14', 'di = "04000503"\nsize = 2')
    profile = load(text.replace('di = "040005FF"\nat = 4\n', 'di = "04000503"\n').replace("040005FF", "04000503"))
    one = DataMeter(profile, values=dict(HELD), word=OPEN | COMMAND_OPEN)
    assert profile.bits(DataLine(one).run(STATUS).values[Quantity.STATUS]) == {StatusBit.COMMAND_TRIP}
    assert DataLine(one).run(KEEP_ON).verdict is DONE and one.closed
