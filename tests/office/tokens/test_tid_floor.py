"""After a restore no token identifier is used again, whatever was issued in the hours that the books do not know."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError, connection, transaction

from prewatt.core.refusals import Refused
from prewatt.core.sts import Answer, Ea, ManagementKind, decode
from prewatt.office.tokens import keys, tid_floors
from prewatt.office.tokens.asks import ManagementAsk
from prewatt.office.tokens.models import StsMeter, TokenRequest
from prewatt.office.tokens.requests import TIDS_AHEAD
from prewatt.office.tokens.vault import Holder
from tests.office.tokens.scene import NOON, Scene, credit, scene

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture
def stage() -> Scene:
    return scene()


def issued(stage: Scene, count: int, *, at: datetime, name: str) -> list[int]:
    """Identifiers of so many tokens asked for at this moment."""
    return [stage.asked(credit(500 + n), f"{name}{n}", at=at).tid or 0 for n in range(count)]


@contextmanager
def lost() -> Iterator[None]:
    """Hours that the database of the backup does not know."""
    mark = transaction.savepoint()
    yield
    transaction.savepoint_rollback(mark)


def test_what_ran_a_day_ahead_and_was_lost_is_not_used_again(stage: Scene) -> None:
    issued(stage, 3, at=NOON, name="before")
    with lost():
        gone = issued(stage, 40, at=NOON + MINUTE, name="lost")
        furthest = _minutes(NOON + MINUTE) + TIDS_AHEAD
        TokenRequest.objects.bulk_create([_ran_ahead(furthest - 1)])
        gone += issued(stage, 1, at=NOON + MINUTE, name="last")
        assert gone[-1] == furthest
        with pytest.raises(Refused, match="token_tids_ahead"):
            issued(stage, 1, at=NOON + MINUTE, name="beyond")
    restored = NOON + 2 * MINUTE
    tid_floors.after_restore(at=restored, backed_up_at=NOON)
    fresh = issued(stage, 5, at=restored + 10 * MINUTE, name="after")
    assert min(fresh) > furthest and not set(fresh) & set(gone) and len(set(fresh)) == 5


def _ran_ahead(tid: int) -> TokenRequest:
    """A token of this meter with an identifier near the end of its day ahead."""
    row = TokenRequest.objects.latest("pk")
    row.pk, row.message_id, row.tid = None, "ahead", tid
    return row


def _minutes(at: datetime) -> int:
    return (at - datetime(2014, 1, 1, tzinfo=UTC)) // MINUTE


def test_a_backup_restored_twice_at_once_gives_no_identifier_twice(stage: Scene) -> None:
    """The first restore is itself lost with all that was issued after it: the bound to the clock holds all the same."""
    seen: set[int] = set()
    for restore in range(4):
        at = NOON + restore * 3 * MINUTE
        with lost():
            tid_floors.after_restore(at=at, backed_up_at=NOON)
            for minute in range(3):
                with pytest.raises(Refused, match="token_after_restore"):
                    for n in range(10):
                        tid = stage.asked(credit(), f"r{restore}-{minute}-{n}", at=at + minute * MINUTE).tid
                        assert tid is not None and tid not in seen, "never again"
                        seen.add(tid)
    assert len(seen) == 4 * 2, "one token for each minute that passed"


def test_after_a_day_a_meter_takes_tokens_as_before(stage: Scene) -> None:
    tid_floors.after_restore(at=NOON, backed_up_at=NOON)
    later = NOON + TIDS_AHEAD * MINUTE + 2 * MINUTE
    tids = issued(stage, 30, at=later, name="later")
    assert tids[0] == _minutes(later) and len(set(tids)) == 30


def test_the_meter_takes_the_first_token_after_a_restore(stage: Scene) -> None:
    keypad = stage.keypad()
    [before] = stage.made(credit(), "before")
    assert keypad.enter(before, 0).answer is Answer.ACCEPT
    tid_floors.after_restore(at=NOON, backed_up_at=NOON)
    [after] = stage.made(credit(), "after", at=NOON + MINUTE)
    assert keypad.enter(after, 60).answer is Answer.ACCEPT


def test_the_later_of_backup_and_clock_counts_and_the_reserved_minute_is_passed(stage: Scene) -> None:
    """The new machine's clock may lag; a token asked for at 00:01 had taken 00:02."""
    assert tid_floors.after_restore(at=NOON, backed_up_at=NOON + timedelta(hours=5)) == datetime(
        2026, 11, 24, 9, 0, tzinfo=UTC
    )
    night = datetime(2026, 11, 23, 0, 1, 30, tzinfo=UTC)
    assert tid_floors.after_restore(at=night, backed_up_at=NOON - timedelta(days=9)) == datetime(
        2026, 11, 24, 0, 2, tzinfo=UTC
    )


def test_the_reserved_minute_of_a_day_that_is_lost_is_not_used_again(stage: Scene) -> None:
    what = ManagementAsk(kind=ManagementKind.POWER_LIMIT, amount=5000)
    tid_floors.after_restore(at=NOON, backed_up_at=NOON)
    for days in (0, 1):
        with pytest.raises(Refused, match="token_reserved_used"):
            stage.asked(what, f"r{days}", at=NOON + timedelta(days=days), reserved=True)
    assert stage.asked(what, "r2", at=NOON + timedelta(days=2), reserved=True).tid == _minutes(
        datetime(2026, 11, 25, 0, 1, tzinfo=UTC)
    )


def test_a_request_that_stood_keeps_its_identifier_and_its_digits(stage: Scene) -> None:
    asked = stage.asked(credit(), "m1")
    tid_floors.after_restore(at=NOON + MINUTE, backed_up_at=NOON)
    again = stage.asked(credit(), "m1", at=NOON + 5 * MINUTE)
    assert (again.request_id, again.tid, again.fresh) == (asked.request_id, asked.tid, False)
    [digits] = stage.made(credit(), "m1")
    sts = StsMeter.objects.get(pk=stage.sts.pk)
    holder = Holder(meter_pan=sts.meter_pan, ti=sts.ti, ea=Ea(sts.ea))
    key = stage.vault.decoder_key(keys.name_of(keys.key_of(sts)), holder)
    assert getattr(decode(digits, key).token, "tid", None) == asked.tid


def test_a_floor_is_never_taken_back(stage: Scene) -> None:
    tid_floors.after_restore(at=NOON, backed_up_at=NOON)
    for sql in ("UPDATE tokens_tidfloor SET until = now()", "DELETE FROM tokens_tidfloor"):
        with pytest.raises(DatabaseError, match="append_only"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql)
