"""Bits of a word that others share: read, changed, written and read back, with every other bit kept."""

from dataclasses import dataclass, replace
from datetime import UTC

import pytest

from prewatt.core.meters import Profile
from prewatt.core.meters.jobs import Intent, Job, Verdict, Wish
from prewatt.core.meters.own import check_own
from prewatt.core.meters.quantities import Quantity, StatusBit
from prewatt.core.wire.modbus import ReadReply, ReadRequest, Reply, Request, WriteMultiple, WriteReply
from prewatt.field.simulator.meter import Meter
from prewatt.field.simulator.own_models import NUMBER, check_reads_back
from prewatt.field.simulator.site import CircuitSite, MeterSite, Opening, Settings
from tests.core.meters.bench import AnyLine, Fault, Line
from tests.core.meters.control_word import MODEL, OURS


@dataclass
class Words:
    """A meter that is words and nothing else: circuit 1 of our model. `spills`: bits that a write turns over."""

    profile: Profile
    words: dict[int, int]
    writes: int = 0
    spills: int = 0
    deaf: bool = False

    def handle(self, request: Request) -> Reply:
        if isinstance(request, ReadRequest):
            asked = range(request.address, request.address + request.count)
            data = b"".join(self.words.get(each, 0).to_bytes(2, "little") for each in asked)
            return ReadReply(function=request.function, data=data)
        assert isinstance(request, WriteMultiple)
        self.writes += 1
        for place in range(request.count if not self.deaf else 0):
            word = int.from_bytes(request.data[place * 2 : place * 2 + 2], "little")
            if request.address + place == 0x21:  # the contact follows the force
                word = word & ~1 | (word >> 3 & word >> 4 & 1)
            self.words[request.address + place] = word ^ self.spills
        return WriteReply(function=request.function, address=request.address, count=request.count)


def wired(control: int = 0x5580, **more: bool | int) -> tuple[Line, Words]:
    """0x5580: bits of nobody are set beside the command, which is off, and the contact is closed."""
    meter = Words(MODEL, {0x21: control, 0x30: 0x0941, 0x31: 300, 0x32: 0xBEEF}, **more)  # type: ignore[arg-type]
    line: AnyLine[Words] = Line(meter)  # type: ignore[arg-type, assignment]
    return line, meter  # type: ignore[return-value]


def relay(wish: Wish) -> Job:
    return Job(intent=Intent.RELAY, wish=wish)


def test_a_relay_in_bits_follows_and_every_other_bit_stays() -> None:
    line, meter = wired()
    for wish, word in [(Wish.TRIP, 0x5599), (Wish.KEEP_ON, 0x5588), (Wish.AUTOMATIC, 0x5580)]:
        outcome = line.run(relay(wish), number="")
        assert (outcome.verdict, outcome.code) == (Verdict.DONE, None), wish
        assert meter.words[0x21] == word
    assert meter.writes == 3
    assert line.run(relay(Wish.AUTOMATIC), number="").verdict is Verdict.DONE
    assert meter.writes == 3, "what stands so already is not written"


@pytest.mark.parametrize("job", [relay(Wish.TRIP), Job(intent=Intent.WRITE_SETTINGS, settings={Quantity.PAY_MODE: 1})])
def test_a_bit_that_changed_since_the_first_look_is_not_put_back(job: Job) -> None:
    """A late reply shows the meter's past: what it says of the other bits must not be written over them."""
    line, meter = wired()
    line.before[1] = lambda _: meter.words.update({0x21: 0x5180, 0x30: 0x0945})
    assert line.run(job, number="").verdict is Verdict.DONE
    assert (meter.words[0x21] & 0xFFE6, meter.words[0x30] & 0xFFFD) == (0x5180, 0x0945)
    assert meter.writes == 1


def test_a_meter_that_turns_another_bit_of_the_word_is_disputed() -> None:
    line, meter = wired(spills=0x4000)
    outcome = line.run(relay(Wish.TRIP), number="")
    assert (outcome.verdict, outcome.code) == (Verdict.DISPUTED, "settings_moved_another")
    assert meter.writes == 1


def test_what_trips_for_a_cause_of_its_own_is_not_closed_through_its_bits() -> None:
    line, meter = wired(control=0x5D89)  # bit 11 is the overload, the contact stands open
    assert MODEL.bits(5) == {StatusBit.WARNING_TRIP, StatusBit.OVERLOAD_TRIP}
    outcome = line.run(relay(Wish.KEEP_ON), number="")
    assert (outcome.verdict, outcome.code) == (Verdict.REFUSED, "closing_blocked_overload_trip")
    assert meter.writes == 0


@pytest.mark.parametrize("fault", [each for each in Fault if each is not Fault.NONE])
@pytest.mark.parametrize("at", range(4))
def test_whatever_one_exchange_suffers_bits_are_written_once_and_a_second_job_settles_it(fault: Fault, at: int) -> None:
    line, meter = wired()
    line.faults[at] = fault
    first = line.run(relay(Wish.TRIP), number="")
    assert meter.writes <= 1
    assert meter.words[0x21] & 0xFFE6 == 0x5580, "no bit of another"
    assert first.verdict is not Verdict.DONE or meter.words[0x21] == 0x5599
    line.faults = {}
    second = line.run(relay(Wish.TRIP), number="")
    assert second.verdict is Verdict.DONE
    assert (meter.words[0x21], meter.writes <= 2) == (0x5599, True)


def test_a_write_that_was_lost_is_unknown_until_a_read_says_so() -> None:
    line, meter = wired(deaf=True)
    outcome = line.run(relay(Wish.TRIP), number="")
    assert (outcome.verdict, outcome.code) == (Verdict.UNKNOWN, "write_not_applied")
    assert meter.words[0x21] == 0x5580


def test_settings_in_parts_keep_the_rest_of_their_word() -> None:
    line, meter = wired()
    wanted = {Quantity.LOAD_LIMIT: 17_000, Quantity.PAY_MODE: 1, Quantity.HOARDING_LIMIT: 500_000}
    outcome = line.run(Job(intent=Intent.WRITE_SETTINGS, settings=wanted), number="")
    assert (outcome.verdict, outcome.code) == (Verdict.DONE, None)
    assert [meter.words[each] for each in (0x30, 0x31, 0x32)] == [0x1143, 600, 0xBEEF]
    assert meter.writes == 1
    meter.spills = 0x0001
    outcome = line.run(Job(intent=Intent.WRITE_SETTINGS, settings={Quantity.LOAD_LIMIT: 9_000}), number="")
    assert (outcome.verdict, outcome.code) == (Verdict.DISPUTED, "settings_moved_another")


class Played:
    """A simulated meter as a line knows it."""

    def __init__(self, meter: Meter) -> None:
        self.meter, self.profile, self.at_ms = meter, meter.profile, 1_772_424_000_000

    def handle(self, request: Request) -> Reply:
        return self.meter.handle(request, self.at_ms).reply


def test_the_simulator_plays_such_a_model_and_the_driver_reads_and_switches_it() -> None:
    check_reads_back(check_own(OURS), "ours")
    circuits = tuple(
        CircuitSite(index=index, opening=Opening(energy_wh=4_321_000), settings=Settings(load_limit_w=9_000))
        for index in (1, 2)
    )
    site = MeterSite(number=NUMBER, profile="ours", unit=11, line="", circuits=circuits)
    played = Played(Meter(site, MODEL, UTC, at_ms=1_772_424_000_000))
    line: AnyLine[Played] = Line(played)  # type: ignore[arg-type, assignment]
    for wish, closed in [(Wish.TRIP, False), (Wish.KEEP_ON, True), (Wish.TRIP, False)]:
        outcome = line.run(replace(relay(wish), circuit_index=2), number=NUMBER)
        assert outcome.verdict is Verdict.DONE, (wish, outcome)
        assert played.meter.circuits[2].relay_closed() is closed
        assert played.meter.circuits[1].relay_closed()
    wanted = {Quantity.LOAD_LIMIT: 12_000, Quantity.PAY_MODE: 1}
    outcome = line.run(Job(intent=Intent.WRITE_SETTINGS, settings=wanted), number=NUMBER)
    assert outcome.verdict is Verdict.DONE, outcome
    held = [played.meter.values(index, played.at_ms)[Quantity.LOAD_LIMIT] for index in (1, 2)]
    assert held == [12_000, 9_000]
