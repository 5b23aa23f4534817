"""*Try it*: every block is asked once, nothing is written, and what was said is kept as it went."""

import pytest

from prewatt.core.meters import catalogue
from prewatt.core.meters.jobs import Intent, Job, Verdict
from prewatt.core.meters.model import Group
from prewatt.core.meters.quantities import Quantity
from prewatt.core.meters.registers import layouts
from prewatt.core.wire.modbus import Function, ReadRequest, encode_rtu_request
from tests.core.meters.bench import MOST_STEPS, FakeMeter, Fault, Line

SPM = catalogue()["pilot-spm9511"]
TRY = Job(intent=Intent.TRY)
BLOCKS = [layout for group in Group for layout in layouts(SPM, group, 1)]


@pytest.mark.parametrize("transport", ["rtu", "tcp"])
def test_every_block_is_read_once_and_nothing_is_written(transport: str) -> None:
    meter = FakeMeter(SPM)
    outcome = Line(meter, transport, {}).run(TRY)
    assert outcome.verdict is Verdict.DONE and meter.writes == 0 and not outcome.sent
    assert [(each.address, each.count) for each in outcome.frames] == [
        (layout.address, layout.block.count) for layout in BLOCKS
    ]
    for frame, layout in zip(outcome.frames, BLOCKS, strict=True):
        assert layout.decode(frame.words).items() <= outcome.values.items()
        assert frame.words in frame.received, "the words stand in the bytes that came"
    assert outcome.values[Quantity.BALANCE] == meter.values[Quantity.BALANCE]


def test_the_bytes_are_those_of_the_line() -> None:
    outcome = Line(FakeMeter(SPM), "rtu", {}).run(TRY)
    first = outcome.frames[0]
    request = ReadRequest(function=Function(first.function), address=first.address, count=first.count)
    assert first.sent == encode_rtu_request(first.sent[0], request)
    assert first.received[:2] == first.sent[:2] and len(first.received) == 3 + 2 * first.count + 2


def test_a_refused_block_is_told_and_the_rest_is_read_all_the_same() -> None:
    outcome = Line(FakeMeter(SPM), "rtu", {1: Fault.EXCEPTION}).run(TRY)
    assert outcome.verdict is Verdict.REFUSED and outcome.code == "modbus_exception_04"
    assert len(outcome.frames) == len(BLOCKS)
    refused = outcome.frames[1]
    assert refused.words == b"" and refused.received[1] == refused.function | 0x80


def test_noise_is_kept_as_it_came() -> None:
    outcome = Line(FakeMeter(SPM), "rtu", {0: Fault.NOISE_FIRST}).run(TRY)
    first = outcome.frames[0]
    assert outcome.verdict is Verdict.DONE and len(first.received) > 3 + 2 * first.count + 2
    assert first.words in first.received


def test_where_nobody_answers_it_ends_soon_with_what_was_asked() -> None:
    dead = dict.fromkeys(range(MOST_STEPS), Fault.REQUEST_LOST)
    outcome = Line(FakeMeter(SPM), "rtu", dead).run(TRY)
    assert outcome.verdict is Verdict.SILENT and outcome.code == "no_reply"
    assert {each.received for each in outcome.frames} == {b""} and len(outcome.frames) == 4, "two blocks, twice each"


def test_no_other_job_keeps_frames() -> None:
    assert Line(FakeMeter(SPM), "rtu", {}).run(Job(intent=Intent.READ_STATUS)).frames == ()
