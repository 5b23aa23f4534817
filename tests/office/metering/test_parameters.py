"""What may be claimed of a parameter: a write that was not read back is unknown until somebody reads."""

from datetime import timedelta

import pytest

from prewatt.core.meters.jobs import Verdict
from prewatt.core.meters.quantities import Quantity
from prewatt.core.refusals import Refused
from prewatt.office.estate.models import Meter
from prewatt.office.metering import parameters, settings
from prewatt.office.metering.models import JobRow, WantedSetting
from prewatt.office.metering.parameters import LastWrite, ParameterState, state_of
from prewatt.office.staff.actors import of_operator
from tests.cast import NOON, Cast, assemble

LEVEL_1 = Quantity.ALARM_LEVEL_1
BEFORE, AFTER = NOON - timedelta(hours=1), NOON + timedelta(hours=1)
S, V = ParameterState, Verdict


def ended(verdict: Verdict | None, *, sent: bool = True) -> LastWrite:
    return LastWrite(verdict=verdict, sent=sent, ended_at=NOON)


@pytest.mark.parametrize(
    ("wanted", "read", "read_at", "write", "expected"),
    [
        (80, 80, BEFORE, None, S.AGREES),
        (80, 50, BEFORE, None, S.DIFFERS),
        (80, None, None, None, S.UNREAD),
        (None, 50, BEFORE, None, S.READ_ONLY),
        (80, 50, BEFORE, LastWrite(verdict=None, sent=False, ended_at=None), S.WRITING),
        (80, 50, BEFORE, LastWrite(verdict=V.SILENT, sent=False, ended_at=None), S.WRITING),
        (80, 50, BEFORE, LastWrite(verdict=V.UNKNOWN, sent=True, ended_at=None), S.UNKNOWN),
        (80, 80, NOON, ended(V.DONE), S.AGREES),
        (80, 50, NOON, ended(V.REFUSED), S.REFUSED),
        (80, 80, AFTER, ended(V.REFUSED), S.AGREES),
        (80, 50, BEFORE, ended(V.UNKNOWN), S.UNKNOWN),
        (80, 80, BEFORE, ended(V.UNKNOWN), S.UNKNOWN),
        (80, 50, AFTER, ended(V.UNKNOWN), S.DIFFERS),
        (80, 80, AFTER, ended(V.UNKNOWN), S.AGREES),
        (80, None, None, ended(V.UNKNOWN), S.UNKNOWN),
        (80, 50, BEFORE, ended(V.SILENT, sent=False), S.DIFFERS),
        (80, 50, BEFORE, ended(V.SILENT), S.UNKNOWN),
        (80, 50, BEFORE, ended(None), S.UNKNOWN),
        (80, 50, BEFORE, ended(None, sent=False), S.DIFFERS),
    ],
)
def test_only_a_read_after_the_write_says_what_the_meter_holds(
    wanted: int | None, read: int | None, read_at: object, write: LastWrite | None, expected: ParameterState
) -> None:
    assert state_of(wanted=wanted, read=read, read_at=read_at, write=write) is expected  # type: ignore[arg-type]


@pytest.fixture
def cast() -> Cast:
    return assemble()


def known(cast: Cast) -> parameters.Parameter:
    agreed = settings.agreed_with(settings.supply_of(cast.shop_101))
    return next(each for each in parameters.of_circuit(cast.shop_101.pk, agreed) if each.quantity is LEVEL_1)


def write(cast: Cast, value: int, key: str, *, hours: int = 0) -> int:
    return settings.write(
        cast.shop_101, {LEVEL_1: value}, reason=f"because of {key}", actor=of_operator(cast.bob), request_key=key,
        at=NOON + timedelta(hours=hours),
    )  # fmt: skip


def finish(job_id: int, verdict: str, value: int | None, *, hours: int = 0, sent: bool = True) -> None:
    values = {} if value is None else {"alarm_level_1": value}
    JobRow.objects.filter(pk=job_id).update(
        state="done", verdict=verdict, values=values, ever_sent=sent, finished_at=NOON + timedelta(hours=hours)
    )


@pytest.mark.django_db
def test_an_unknown_write_is_resolved_by_reading_and_may_be_written_again(cast: Cast) -> None:
    assert (known(cast).state, known(cast).wanted) == (S.UNREAD, 50_000)
    first = write(cast, 80_000, "a")
    assert (known(cast).state, known(cast).wanted, known(cast).reason) == (S.WRITING, 80_000, "because of a")
    finish(first, "unknown", 50_000)
    assert (known(cast).state, known(cast).read) == (S.UNKNOWN, None), "a value from before the write proves nothing"

    asked = parameters.read_settings(cast.shop_101, request_key="r", at=NOON + timedelta(hours=1), actor="operator:1")
    finish(asked, "done", 50_000, hours=1)
    assert (known(cast).state, known(cast).read, known(cast).wanted) == (S.DIFFERS, 50_000, 80_000)

    again = write(cast, 80_000, "b", hours=2)
    finish(again, "done", 80_000, hours=2)
    assert settings.settle(cast.shop_101.pk)
    assert (known(cast).state, known(cast).read) == (S.AGREES, 80_000)
    with pytest.raises(Refused, match="settings_unchanged"):
        write(cast, 80_000, "c", hours=3)


@pytest.mark.django_db
def test_every_version_stays_with_who_wanted_it_and_why(cast: Cast) -> None:
    finish(write(cast, 80_000, "a"), "refused", 50_000)
    assert (known(cast).state, known(cast).wanted) == (S.REFUSED, 80_000)
    finish(write(cast, 50_000, "b", hours=1), "done", 50_000, hours=1)
    assert (known(cast).state, known(cast).wanted) == (S.AGREES, 50_000), "what was refused is taken back"
    told = [(row.before, row.value, row.reason, row.actor) for row in parameters.versions(cast.shop_101.pk)]
    bob = of_operator(cast.bob).key
    assert told == [(50_000, 50_000, "because of b", bob), (50_000, 80_000, "because of a", bob)]
    assert write(cast, 50_000, "b") == WantedSetting.objects.latest("pk").job_id, "the same key asks once"


@pytest.mark.django_db
def test_the_load_limit_is_the_meters_own_whoever_holds_the_credit(cast: Cast) -> None:
    held = settings.supply_of(cast.shop_102)
    assert held.custody == "server"
    assert settings.writable(cast.shop_102) == []  # a plain Acrel has none
    Meter.objects.filter(pk=cast.shop_102.meter_id).update(profile="pilot-spm9511")
    cast.shop_102.meter.refresh_from_db()
    own = [Quantity.MALICIOUS_SWITCH, Quantity.MALICIOUS_STEP]
    assert settings.writable(cast.shop_102) == [Quantity.LOAD_LIMIT, *own]
    settings.write(
        cast.shop_102, {Quantity.LOAD_LIMIT: 4_000}, reason="r", actor=of_operator(cast.bob), request_key="l", at=NOON
    )
    finish(JobRow.objects.get().pk, "done", None)
    JobRow.objects.update(values={"load_limit": 4_000})
    assert settings.settle(cast.shop_102.pk)
    assert settings.agreed_with(settings.supply_of(cast.shop_102))[Quantity.LOAD_LIMIT] == 4_000
    with pytest.raises(Refused, match="settings_not_open"):
        settings.write(
            cast.shop_102, {LEVEL_1: 80_000}, reason="r", actor=of_operator(cast.bob), request_key="k", at=NOON
        )


@pytest.mark.django_db
def test_what_no_contract_says_goes_by_what_the_meter_showed(cast: Cast) -> None:
    bob, trips, step = of_operator(cast.bob), Quantity.ALARM_TRIPS_1, Quantity.MALICIOUS_STEP

    def asked(wanted: dict[Quantity, int], key: str, hours: int) -> int:
        at = NOON + timedelta(hours=hours)
        return settings.write(cast.shop_101, wanted, reason=key, actor=bob, request_key=key, at=at)

    def stands(quantity: Quantity) -> ParameterState:
        agreed = settings.agreed_with(settings.supply_of(cast.shop_101))
        return next(each.state for each in parameters.of_circuit(cast.shop_101.pk, agreed) if each.quantity is quantity)

    assert set(settings.OWN) - {Quantity.PAY_MODE} < set(settings.writable(cast.shop_101))
    with pytest.raises(Refused, match="value_out_of_range"):
        asked({trips: 2}, "no switch", 0)
    first = asked({trips: 1}, "a", 0)
    assert (WantedSetting.objects.get().before, stands(trips)) == (None, S.WRITING)
    JobRow.objects.filter(pk=first).update(
        state="done", verdict="done", values={"alarm_trips_1": 1, "malicious_step": 800}, ever_sent=True,
        finished_at=NOON,
    )  # fmt: skip
    assert not settings.settle(cast.shop_101.pk), "the contract says nothing of it"
    assert stands(trips) is S.AGREES
    for known in ({trips: 1}, {step: 800}):
        with pytest.raises(Refused, match="settings_unchanged"):
            asked(known, "b", 1)
    JobRow.objects.filter(pk=asked({step: 0}, "c", 2)).update(
        state="done", verdict="unknown", ever_sent=True, finished_at=NOON + timedelta(hours=2)
    )
    assert stands(step) is S.UNKNOWN and WantedSetting.objects.latest("pk").before == 800
    asked({step: 0}, "d", 3)
