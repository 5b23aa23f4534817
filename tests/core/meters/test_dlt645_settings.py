"""A parameter of a DL/T 645 meter: written once by function 14, and only a read says what came of it."""

import pytest

from prewatt.core.meters import catalogue
from prewatt.core.meters.jobs import Intent, Job, Verdict
from prewatt.core.meters.quantities import Quantity
from tests.core.meters.bench import Fault
from tests.core.meters.bench645 import DataLine, DataMeter

DDZY = catalogue()["ningju-ddzy1218"]
LIMIT = Quantity.LOAD_LIMIT
SET = Job(intent=Intent.WRITE_SETTINGS, settings={LIMIT: 6_500})
DONE, REFUSED, SILENT, UNKNOWN = Verdict.DONE, Verdict.REFUSED, Verdict.SILENT, Verdict.UNKNOWN


def meter(**changes: object) -> DataMeter:
    return DataMeter(DDZY, values={LIMIT: 5_000}, **changes)  # type: ignore[arg-type]


def test_it_is_written_once_and_read_back() -> None:
    one = meter()
    outcome = DataLine(one).run(SET)
    assert (outcome.verdict, outcome.values[LIMIT], outcome.sent) == (DONE, 6_500, True)
    assert (one.values[LIMIT], one.writes) == (6_500, 1)


def test_what_it_holds_already_is_not_written() -> None:
    one = DataMeter(DDZY, values={LIMIT: 6_500})
    assert (DataLine(one).run(SET).verdict, one.writes) == (DONE, 0)


# the steps: 0 the old value, 1 the write, 2 the witness
@pytest.mark.parametrize(
    ("step", "fault", "expected"),
    [
        (0, Fault.REQUEST_LOST, (DONE, None)),
        (0, Fault.EXCEPTION, (DONE, None)),  # an optional value that is refused once is written all the same
        (1, Fault.REQUEST_LOST, (UNKNOWN, "write_unanswered")),
        (1, Fault.REPLY_LOST, (DONE, None)),
        (1, Fault.REPLY_CORRUPT, (DONE, None)),
        (1, Fault.EXCEPTION, (REFUSED, "dlt645_other_error")),
        (2, Fault.REPLY_LOST, (DONE, None)),
    ],
)
def test_only_a_read_says_what_came_of_it(step: int, fault: Fault, expected: tuple[Verdict, str | None]) -> None:
    one = meter()
    outcome = DataLine(one, faults={step: fault}).run(SET)
    assert (outcome.verdict, outcome.code) == expected
    assert one.writes <= 1
    assert (one.values[LIMIT] == 6_500) is (expected[0] is DONE)


def test_a_wrong_password_changes_nothing_and_a_meter_that_only_says_yes_is_unknown() -> None:
    locked = meter(password="123456")
    outcome = DataLine(locked).run(SET)
    assert (outcome.verdict, outcome.code) == (REFUSED, "dlt645_password_or_unauthorised")
    outcome = DataLine(meter(deaf=True)).run(SET)
    assert (outcome.verdict, outcome.code) == (UNKNOWN, "write_not_applied")
