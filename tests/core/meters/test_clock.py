"""Telling a meter the time: one write or one broadcast, then a look whether it goes by it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from prewatt.core.meters import catalogue
from prewatt.core.meters.jobs import Intent, Job, Outcome, Verdict
from prewatt.core.meters.quantities import Quantity
from prewatt.core.wire.dlt645 import Frame, Function
from tests.core.meters.bench import FakeMeter, Fault, Line
from tests.core.meters.bench645 import DataLine, DataMeter

SPM, ACREL, DDZY = (catalogue()[each] for each in ("pilot-spm9511", "acrel-ddsy1352", "ningju-ddzy1218"))
NOW = int(datetime(2026, 11, 21, 4, 0, 0, tzinfo=UTC).timestamp())  # noon in Shanghai
SET = Job(intent=Intent.SET_CLOCK, clock=NOW, zone_s=8 * 3600)
DONE, REFUSED, UNKNOWN = Verdict.DONE, Verdict.REFUSED, Verdict.UNKNOWN


def said(outcome: Outcome) -> tuple[Verdict, str | None]:
    return outcome.verdict, outcome.code


def test_a_modbus_clock_is_written_once_and_read_back() -> None:
    meter = FakeMeter(SPM, values={Quantity.CLOCK: NOW - 400})
    outcome = Line(meter).run(SET)
    assert (said(outcome), meter.writes, meter.values[Quantity.CLOCK]) == ((DONE, None), 1, NOW)
    assert outcome.values[Quantity.CLOCK] == NOW and outcome.sent


def test_a_clock_that_goes_right_is_left_alone() -> None:
    meter = FakeMeter(SPM, values={Quantity.CLOCK: NOW + 9})
    assert (said(Line(meter).run(SET)), meter.writes) == ((DONE, None), 0)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault.REQUEST_LOST, (UNKNOWN, "write_not_applied")),
        (Fault.REPLY_LOST, (DONE, None)),
        (Fault.EXCEPTION, (REFUSED, "modbus_exception_04")),
    ],
)
def test_what_the_meter_shows_decides_not_what_it_answers(fault: Fault, expected: tuple[Verdict, str | None]) -> None:
    meter = FakeMeter(SPM, values={Quantity.CLOCK: NOW - 400})
    assert said(Line(meter, faults={2: fault}).run(SET)) == expected


def test_a_clock_that_cannot_be_set_is_not_asked_for() -> None:
    line = Line(FakeMeter(ACREL))
    assert (said(line.run(SET)), line.sends) == ((REFUSED, "setting_not_supported"), 0)
    wires = DataLine(DataMeter(DDZY))
    assert said(wires.run(replace(SET, clock=None))) == (REFUSED, "setting_not_supported")


def test_the_register_read_brings_the_clock_where_it_is_asked_for() -> None:
    meter = FakeMeter(SPM, values={Quantity.CLOCK: NOW})
    assert Quantity.CLOCK not in Line(meter).run(Job(intent=Intent.READ_REGISTERS)).values
    assert Line(meter).run(Job(intent=Intent.READ_REGISTERS, with_clock=True)).values[Quantity.CLOCK] == NOW
    local = DataLine(DataMeter(DDZY)).run(Job(intent=Intent.READ_REGISTERS, with_clock=True))
    assert (local.verdict, local.values[Quantity.CLOCK]) == (DONE, NOW + 8 * 3600), "as the meter shows it"
    bare = DataLine(DataMeter(DDZY, missing={0x04000101})).run(Job(intent=Intent.READ_REGISTERS, with_clock=True))
    assert bare.verdict is DONE and Quantity.CLOCK not in bare.values


class Taking(DataMeter):
    """A meter that takes broadcasts."""

    heard = ""

    def handle(self, request: Frame) -> Frame | None:
        if request.function == Function.BROADCAST_TIME:
            self.heard = request.data.hex()
            if not self.deaf:
                self.clock = datetime.strptime(self.heard, "%S%M%H%d%m%y")
            return None
        return super().handle(request)


def broadcast(off: timedelta, *, deaf: bool, at: datetime) -> tuple[tuple[Verdict, str | None], str]:
    """What came of it, and the frame that was heard."""
    meter = Taking(DDZY, clock=at + off, deaf=deaf)
    job = replace(SET, clock=int(at.replace(tzinfo=UTC).timestamp()) - SET.zone_s)
    return said(DataLine(meter).run(job)), meter.heard


@pytest.mark.parametrize(
    ("off_s", "at", "deaf", "expected", "heard"),
    [
        (-90, datetime(2026, 11, 21, 12, 7, 47), False, (DONE, None), "470712211126"),
        (90, datetime(2026, 11, 21, 12, 7, 47), True, (REFUSED, "clock_not_taken"), "470712211126"),
        (5, datetime(2026, 11, 21, 12, 7, 47), False, (DONE, None), ""),
        (-90, datetime(2026, 11, 21, 23, 55, 1), False, (REFUSED, "clock_near_midnight"), ""),
        (-90, datetime(2026, 11, 22, 0, 4, 59), False, (REFUSED, "clock_near_midnight"), ""),
        (90, datetime(2026, 11, 21, 23, 54, 0), False, (REFUSED, "clock_near_midnight"), ""),
    ],
)
def test_a_broadcast_is_sent_second_first_and_never_around_midnight(
    off_s: int, at: datetime, deaf: bool, expected: tuple[Verdict, str | None], heard: str
) -> None:
    assert broadcast(timedelta(seconds=off_s), deaf=deaf, at=at) == (expected, heard)


class Written(DataMeter):
    """A meter whose date and time can be written; `keeps` says which of them it really takes."""

    keeps: tuple[str, ...] = ("%S%M%H", "%d%m%y")

    def _write(self, request: Frame) -> Frame:
        answer = super()._write(request)
        told = request.data[12:].hex()
        form, told = ("%S%M%H", told) if request.di == 0x04000102 else ("%d%m%y", told[2:])
        if not answer.refused and form in self.keeps:
            new = datetime.strptime(told, form)
            old = self.clock
            day, time = (old.date(), new.time()) if form == "%S%M%H" else (new.date(), old.time())
            self.clock = datetime.combine(day, time)
        return answer


DAYS = timedelta(days=3, hours=2)
LATE = datetime(2026, 11, 21, 12, 7, 47)


@pytest.mark.parametrize(
    ("off", "keeps", "password", "expected", "writes"),
    [
        (-DAYS, Written.keeps, "000000", (DONE, None), 2),
        (DAYS, Written.keeps, "000000", (DONE, None), 2),
        (timedelta(seconds=301), Written.keeps, "000000", (DONE, None), 2),
        (-DAYS, ("%d%m%y",), "000000", (Verdict.DISPUTED, "settings_partly_written"), 2),
        (-DAYS, (), "000000", (UNKNOWN, "write_not_applied"), 2),
        (-DAYS, Written.keeps, "123456", (REFUSED, "dlt645_password_or_unauthorised"), 1),
        (timedelta(hours=-12, minutes=-8), Written.keeps, "000000", (REFUSED, "clock_near_midnight"), 0),
    ],
)
def test_a_clock_that_no_broadcast_can_set_right_is_written_date_first(
    off: timedelta, keeps: tuple[str, ...], password: str, expected: tuple[Verdict, str | None], writes: int
) -> None:
    meter = Written(DDZY, clock=LATE + off, password=password)
    meter.keeps = keeps
    job = replace(SET, clock=int(LATE.replace(tzinfo=UTC).timestamp()) - SET.zone_s)
    assert (said(DataLine(meter).run(job)), meter.writes) == (expected, writes)
    if expected[0] is DONE:
        assert meter.clock == LATE


@pytest.mark.parametrize(
    ("fault", "at", "expected"),
    [(Fault.REPLY_LOST, 2, (Verdict.DISPUTED, "settings_partly_written")), (Fault.REPLY_LOST, 3, (DONE, None)),
     (Fault.REQUEST_LOST, 2, (UNKNOWN, "write_unanswered"))],
)  # fmt: skip
def test_a_written_clock_is_believed_as_it_is_shown(
    fault: Fault, at: int, expected: tuple[Verdict, str | None]
) -> None:
    meter = Written(DDZY, clock=LATE - DAYS)
    job = replace(SET, clock=int(LATE.replace(tzinfo=UTC).timestamp()) - SET.zone_s)
    assert said(DataLine(meter, faults={at: fault}).run(job)) == expected
