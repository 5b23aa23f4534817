"""A settings write changes what it is told to and nothing else: meters that move a neighbour, seen in the raw block."""

from dataclasses import dataclass, field, replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prewatt.core.meters import Profile, catalogue, load
from prewatt.core.meters.jobs import Intent, Job, Verdict
from prewatt.core.meters.model import Block, Group, Protocol
from prewatt.core.meters.quantities import Quantity
from prewatt.core.refusals import Refused
from prewatt.core.wire.modbus import ReadReply, ReadRequest, Reply, Request, WriteMultiple, WriteReply
from tests.core.meters.bench import FakeMeter, Fault, Line
from tests.core.meters.bench645 import DataLine, DataMeter
from tests.core.meters.test_profile import SPM

DONE, UNKNOWN, DISPUTED = Verdict.DONE, Verdict.UNKNOWN, Verdict.DISPUTED
MOVED = "settings_moved_another"
MODELS = [each for each in catalogue().values() if each.settings and each.protocol is Protocol.MODBUS]
GAPS = catalogue()["pilot-spm2506-6"]  # two words of its block are nobody's


@dataclass
class Mover(FakeMeter):
    """Turns bits of words over when it is written to. `deaf`: and takes nothing; `slides`: a write lands one register
    further on; `runs`: a word that counts by itself."""

    turned: dict[int, int] = field(default_factory=dict)  # address -> bits
    deaf: bool = False
    slides: bool = False
    runs: int = -1
    reads: int = 0

    def handle(self, request: Request) -> Reply:
        if isinstance(request, WriteMultiple):
            reply = WriteReply(function=request.function, address=request.address, count=request.count)
            if self.deaf:
                self.writes += 1
            elif self.slides:
                self.writes += 1
                self._slide(request)
            else:
                reply = super().handle(request)  # type: ignore[assignment]
            return reply
        reply = super().handle(request)  # type: ignore[assignment]
        return reply if not isinstance(request, ReadRequest) else self._shown(request, reply)

    def _slide(self, request: WriteMultiple) -> None:
        for place in range(0, len(request.data), 2):
            self.turned[request.address + place // 2 + 1] = int.from_bytes(request.data[place : place + 2], "big")

    def _shown(self, request: ReadRequest, reply: Reply) -> Reply:
        if not isinstance(reply, ReadReply):
            return reply
        self.reads += 1
        data = bytearray(reply.data)
        turned = (self.turned if self.writes else {}) | ({self.runs: self.reads} if self.runs >= 0 else {})
        for address, bits in turned.items():
            at = (address - request.address) * 2
            if 0 <= at < len(data):
                data[at : at + 2] = (int.from_bytes(data[at : at + 2], "big") ^ bits).to_bytes(2, "big")
        return ReadReply(function=reply.function, data=bytes(data))


def block_of(profile: Profile) -> Block:
    (block,) = profile.blocks[Group.SETTINGS]
    return block


def words_of(profile: Profile, quantity: Quantity) -> set[int]:
    register = profile.registers[quantity]
    return set(range(register.address, register.address + register.words))


def job(profile: Profile, quantity: Quantity) -> Job:
    """Another value than the meter has, one that a switch can take too."""
    held = FakeMeter(profile).values[quantity]
    value = 1 if held == 0 and profile.registers[quantity].factor.numerator == 1 else held + 10_000
    return Job(intent=Intent.WRITE_SETTINGS, settings={quantity: value})


def living(profile: Profile, *addresses: int) -> Profile:
    """The same model with words of its settings block declared to move by themselves."""
    block = replace(block_of(profile), live=addresses)
    return replace(profile, blocks={**profile.blocks, Group.SETTINGS: (block,)})


@st.composite
def cases(draw: st.DrawFn) -> tuple[Profile, Quantity, int, int]:
    """A model, what is written, a word of its block that is not, and the bits of it that turn over."""
    profile = draw(st.sampled_from([each for each in MODELS if len(each.settings) > 1]))
    quantity = draw(st.sampled_from(sorted(profile.settings)))
    block = block_of(profile)
    others = sorted(set(range(block.address, block.address + block.count)) - words_of(profile, quantity))
    return profile, quantity, draw(st.sampled_from(others)), draw(st.integers(1, 0xFFFF))


@given(case=cases(), deaf=st.booleans())
def test_whatever_else_of_the_block_moves_goes_to_a_person(
    case: tuple[Profile, Quantity, int, int], deaf: bool
) -> None:
    profile, quantity, address, bits = case
    meter = Mover(profile, turned={address: bits}, deaf=deaf)
    outcome = Line(meter).run(job(profile, quantity))
    assert (outcome.verdict, outcome.code, outcome.sent, meter.writes) == (DISPUTED, MOVED, True, 1)


@given(case=cases())
def test_a_word_that_is_declared_to_move_is_no_harm_and_another_is(case: tuple[Profile, Quantity, int, int]) -> None:
    profile, quantity, address, bits = case
    covered = set().union(*(words_of(profile, each) for each in profile.settings))
    if address in covered:  # what is written itself is read by its value, declared or not
        return
    wanted = job(profile, quantity)
    assert Line(Mover(living(profile, address), runs=address)).run(wanted).verdict is DONE
    assert Line(Mover(living(profile, address), turned={address: bits})).run(wanted).verdict is DONE
    outcome = Line(Mover(profile, turned={address: bits})).run(wanted)
    assert (outcome.verdict, outcome.code) == (DISPUTED, MOVED)


@given(case=cases(), step=st.integers(0, 5), fault=st.sampled_from(list(Fault)))
def test_no_fault_of_the_line_makes_a_moved_neighbour_a_success(
    case: tuple[Profile, Quantity, int, int], step: int, fault: Fault
) -> None:
    profile, quantity, address, bits = case
    meter = Mover(profile, turned={address: bits})
    outcome = Line(meter, faults={step: fault}).run(job(profile, quantity))
    assert outcome.verdict is not DONE and meter.writes <= 1
    assert outcome.verdict in (DISPUTED, UNKNOWN) or meter.writes == 0 or not outcome.sent or fault is Fault.EXCEPTION


@given(case=cases(), step=st.integers(0, 5), fault=st.sampled_from(list(Fault)))
def test_no_fault_of_the_line_makes_a_good_meter_a_bad_one(
    case: tuple[Profile, Quantity, int, int], step: int, fault: Fault
) -> None:
    profile, quantity, _address, _bits = case
    outcome = Line(Mover(profile), faults={step: fault}).run(job(profile, quantity))
    assert outcome.code != MOVED


@pytest.mark.parametrize("profile", MODELS, ids=lambda each: each.code)
def test_a_meter_that_shifts_words_is_never_taken_for_written(profile: Profile) -> None:
    for quantity in sorted(profile.settings):
        wanted = job(profile, quantity)
        outcome = Line(Mover(profile, slides=True)).run(wanted)
        assert outcome.verdict is not DONE, quantity
        assert Line(Mover(profile)).run(wanted).verdict is DONE, "and one that does not is"


def test_a_gap_that_runs_by_itself_is_never_claimed_to_be_the_write_s_and_never_forgiven_unsaid() -> None:
    covered = set().union(*(words_of(GAPS, each) for each in GAPS.settings))
    block = block_of(GAPS)
    gap = min(set(range(block.address, block.address + block.count)) - covered)
    wanted = job(GAPS, Quantity.ALARM_LEVEL_1)
    outcome = Line(Mover(GAPS, runs=gap)).run(wanted)
    assert (outcome.verdict, outcome.code) == (UNKNOWN, "write_unanswered"), "no two looks agree"
    assert Line(Mover(living(GAPS, gap), runs=gap)).run(wanted).verdict is DONE


@pytest.mark.parametrize("live", ["[255]", "[530]", "[512, 512]", "[true]", '["512"]', "512", "[512.0]"])
def test_what_is_declared_to_move_lies_in_its_block(live: str) -> None:
    text = SPM.replace('group = "settings"\n', f'group = "settings"\nlive = {live}\n', 1)
    assert text != SPM
    with pytest.raises(Refused) as refused:
        load(text)
    assert refused.value.code == "profile_value"


# --- DL/T 645: each parameter is an identifier ---------------------------------------------------

DATA_MODELS = [each for each in catalogue().values() if each.protocol is Protocol.DLT645 and len(each.settings) > 1]


@dataclass
class DataMover(DataMeter):
    """Turns a byte of another identifier over when it is written to."""

    turned: int = 0  # identifier
    bits: int = 0

    def _value(self, di: int) -> bytes | None:
        data = super()._value(di)
        if data is None or di != self.turned or not self.writes:
            return data
        return bytes((data[0] ^ self.bits, *data[1:]))


@given(
    profile=st.sampled_from(DATA_MODELS), picked=st.randoms(use_true_random=False), bits=st.integers(1, 0xFF),
    deaf=st.booleans(),
)  # fmt: skip
def test_another_identifier_that_moves_goes_to_a_person(
    profile: Profile, picked: Random, bits: int, deaf: bool
) -> None:
    quantity, other = picked.sample(sorted(profile.settings), 2)
    wanted = Job(intent=Intent.WRITE_SETTINGS, settings={quantity: 7})
    meter = DataMover(profile, turned=profile.registers[other].address, bits=bits, deaf=deaf)
    meter.values = dict.fromkeys(profile.settings, 0)
    outcome = DataLine(meter).run(wanted)
    assert (outcome.verdict, outcome.code, meter.writes) == (DISPUTED, MOVED, 1)
    good = DataMover(profile)
    good.values = dict.fromkeys(profile.settings, 0)
    assert DataLine(good).run(wanted).verdict is DONE


def test_an_identifier_that_was_refused_before_says_nothing_of_the_write() -> None:
    blocks = tuple(replace(each, optional=True) for each in DATA_MODELS[0].blocks[Group.SETTINGS])
    profile = replace(DATA_MODELS[0], blocks={**DATA_MODELS[0].blocks, Group.SETTINGS: blocks})
    wanted = Job(intent=Intent.WRITE_SETTINGS, settings={min(profile.settings): 7})
    for step in range(len(blocks)):
        meter = DataMeter(profile, values=dict.fromkeys(profile.settings, 0))
        assert DataLine(meter, faults={step: Fault.EXCEPTION}).run(wanted).code != MOVED
