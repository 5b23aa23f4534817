"""Meters that want a write first: unlocked, written, locked, and nothing doubled whatever the line does."""

from dataclasses import dataclass, field, replace
from datetime import UTC

import pytest

from prewatt.core.meters import load
from prewatt.core.meters.catalogue import shipped_text
from prewatt.core.meters.drivers import Finished, MeterAddress, Send, converse
from prewatt.core.meters.jobs import Intent, Job, Outcome, Verdict, Wish
from prewatt.core.meters.own import check_own, line_of
from prewatt.core.meters.quantities import Quantity
from prewatt.core.refusals import Refused
from prewatt.core.wire.modbus import (
    ExceptionReply,
    Reply,
    Request,
    RtuServerDecoder,
    WriteMultiple,
    WriteReply,
    encode_rtu_reply,
)
from prewatt.field.simulator.meter import Meter
from prewatt.field.simulator.own_models import NUMBER
from prewatt.field.simulator.site import CircuitSite, MeterSite, Settings
from tests.core.meters.bench import UNIT, Fault, Line
from tests.core.meters.control_word import OURS
from tests.core.meters.test_shared_words import Played, Words, relay

TABLE = "\n[unlock]\naddress = 0x900\nvalue = 0x5AA5\nlock = 0\nassumed = true\n"
LOCKED = load(OURS + TABLE)
BY_ITSELF = load(OURS + TABLE.replace("lock = 0\n", ""))


def shipped(code: str) -> str:
    """A shipped model that would be unlocked."""
    return shipped_text(code).replace(f'code = "{code}"', 'code = "ours"') + TABLE


LIMIT = Job(intent=Intent.WRITE_SETTINGS, settings={Quantity.LOAD_LIMIT: 17_000})


@dataclass
class Safe(Words):
    """Takes nothing unless it was unlocked. `mute`, `stubborn`: it says nothing to the unlocking, or no."""

    open: bool = False
    said: list[tuple[int, int]] = field(default_factory=list)  # every write heard: address, first word
    stubborn: bool = False

    def handle(self, request: Request) -> Reply:
        if not isinstance(request, WriteMultiple):
            return super().handle(request)
        word = int.from_bytes(request.data[:2], "big")
        self.said.append((request.address, word))
        if request.address == 0x900:
            if self.stubborn:
                return ExceptionReply(function=request.function, code=3)
            self.open = word == 0x5AA5
            return WriteReply(function=request.function, address=request.address, count=request.count)
        if not self.open:
            return ExceptionReply(function=request.function, code=4)
        return super().handle(request)


def safe(stubborn: bool = False) -> tuple[Line, Safe]:
    meter = Safe(LOCKED, {0x21: 0x5580, 0x30: 0x0941, 0x31: 300}, stubborn=stubborn)
    return Line(meter), meter  # type: ignore[arg-type]


@pytest.mark.parametrize(("job", "address"), [(LIMIT, 0x30), (relay(Wish.TRIP), 0x21)])
def test_it_is_unlocked_written_once_and_locked(job: Job, address: int) -> None:
    line, meter = safe()
    assert line.run(job, number="").verdict is Verdict.DONE
    assert [at for at, _ in meter.said] == [0x900, address, 0x900]
    assert (meter.said[0][1], meter.said[2][1], meter.open) == (0x5AA5, 0, False)
    assert line.run(job, number="").verdict is Verdict.DONE
    assert len(meter.said) == 3, "what stands so already is not unlocked for"


def test_a_meter_that_does_not_unlock_is_written_nothing() -> None:
    line, meter = safe(stubborn=True)
    outcome = line.run(LIMIT, number="")
    assert (outcome.verdict, outcome.code, outcome.sent) == (Verdict.REFUSED, "modbus_exception_03", False)
    assert (meter.said, meter.writes) == ([(0x900, 0x5AA5)], 0)
    line, meter = safe()
    line.faults[2] = Fault.REPLY_LOST
    outcome = line.run(LIMIT, number="")
    assert (outcome.verdict, outcome.code, outcome.sent) == (Verdict.REFUSED, "unlock_unanswered", False)
    assert (meter.said, meter.writes, meter.open) == ([(0x900, 0x5AA5), (0x900, 0)], 0, False)


@pytest.mark.parametrize("job", [LIMIT, relay(Wish.TRIP)])
@pytest.mark.parametrize("fault", [each for each in Fault if each is not Fault.NONE])
@pytest.mark.parametrize("at", range(6))
def test_whatever_one_exchange_suffers_nothing_is_written_twice_and_a_second_job_settles_it(
    job: Job, fault: Fault, at: int
) -> None:
    line, meter = safe()
    line.faults[at] = fault
    first = line.run(job, number="")
    assert meter.writes <= 1
    assert first.verdict is not Verdict.REFUSED or meter.writes == 0 or first.code == "modbus_exception_04"
    stands = (meter.words[0x21], meter.words[0x30]) in ((0x5599, 0x0941), (0x5580, 0x1141))
    assert first.verdict is not Verdict.DONE or stands
    line.faults = {}
    second = line.run(job, number="")
    assert second.verdict is Verdict.DONE
    assert (meter.words[0x21], meter.words[0x30]) in ((0x5599, 0x0941), (0x5580, 0x1141))
    assert meter.writes == 1, "what was written once and stands is not written again"


def killed_after(meter: Safe, sends: int) -> None:
    """A head-end that dies behind its n-th request, which the meter still hears."""
    talk = converse(LOCKED, MeterAddress(unit=UNIT, number=""), relay(Wish.TRIP), transport="rtu")
    while sends:
        step = talk.next()
        assert not isinstance(step, Finished)
        if not isinstance(step, Send):
            talk.timed_out()
            continue
        sends -= 1
        ((unit, request),) = RtuServerDecoder().receive(step.data)
        talk.receive(encode_rtu_reply(unit, meter.handle(request)))


@pytest.mark.parametrize(("sends", "said", "open_"), [(2, 0, False), (3, 1, True), (4, 2, True), (5, 3, False)])
def test_a_head_end_that_dies_in_between_doubles_nothing_when_it_is_back(sends: int, said: int, open_: bool) -> None:
    line, meter = safe()
    killed_after(meter, sends)
    assert (len(meter.said), meter.open) == (said, open_)
    outcome = line.run(relay(Wish.TRIP), number="")
    assert outcome.verdict is Verdict.DONE
    assert (meter.writes, meter.words[0x21]) == (1, 0x5599)


def test_reads_and_orders_unlock_nothing() -> None:
    line, meter = safe()
    for intent in (Intent.READ_STATUS, Intent.READ_REGISTERS, Intent.READ_PURSE, Intent.TRY):
        line.run(Job(intent=intent), number="")
    assert meter.said == []


@pytest.mark.parametrize(("profile", "writes"), [(LOCKED, 1), (BY_ITSELF, 1)])
def test_a_simulated_meter_of_such_a_model_takes_nothing_while_it_is_locked(profile: object, writes: int) -> None:
    model = LOCKED if profile is LOCKED else BY_ITSELF
    circuits = tuple(CircuitSite(index=index, settings=Settings(load_limit_w=9_000)) for index in (1, 2))
    site = MeterSite(number=NUMBER, profile="ours", unit=UNIT, line="", circuits=circuits)
    played = Played(Meter(site, model, UTC, at_ms=1_772_424_000_000))
    line = Line(played)  # type: ignore[arg-type]

    def done(job: Job) -> Outcome:
        return line.run(job, number=NUMBER)

    assert done(LIMIT).verdict is Verdict.DONE
    assert done(replace(relay(Wish.TRIP), circuit_index=2)).verdict is Verdict.DONE
    assert not played.meter.circuits[2].relay_closed() and played.meter.state.unlocked is False
    straight = replace(model, unlock=None)
    played.profile = straight
    outcome = done(Job(intent=Intent.WRITE_SETTINGS, settings={Quantity.LOAD_LIMIT: 8_000}))
    assert (outcome.verdict, outcome.code) == (Verdict.REFUSED, "modbus_exception_03")
    assert played.meter.values(1, played.at_ms)[Quantity.LOAD_LIMIT] == 17_000


@pytest.mark.parametrize(
    ("text", "old", "new", "code", "line"),
    [
        (OURS + TABLE, "address = 0x900", "address = 0x33", "profile_unlock", "[unlock]"),
        (OURS + TABLE, "address = 0x900", "address = 0x61", "profile_unlock", "[unlock]"),
        (OURS + TABLE, "value = 0x5AA5", "value = 0x5AA50", "profile_value", "value = 0x5AA50"),
        (OURS + TABLE, "lock = 0\n", "lock = 0x5AA5\n", "profile_value", "lock = 0x5AA5"),
        (OURS + TABLE, "lock = 0\nassumed = true", "lock = 0", "profile_no_source", None),
        (OURS + TABLE, "value = 0x5AA5\n", "", "profile_missing", "[unlock]"),
        (shipped("chint-ddsu666"), "", "", "profile_unlock", "[unlock]"),
        (shipped("pilot-spm2506-6"), "", "", "profile_unlock", "[unlock]"),
        (shipped("ningju-ddzy1218"), "", "", "profile_unknown_key", "[unlock]"),
    ],
)  # fmt: skip
def test_an_unlocking_that_opens_nothing_or_writes_elsewhere_is_refused(
    text: str, old: str, new: str, code: str, line: str | None
) -> None:
    head, tail = text.rsplit("[unlock]", 1)
    wrong = head + "[unlock]" + tail.replace(old, new, 1)
    with pytest.raises(Refused) as refused:
        check_own(wrong)
    assert refused.value.code == code
    at = line_of(wrong, refused.value)
    assert line is None or (at is not None and wrong.splitlines()[at - 1].startswith(line))
