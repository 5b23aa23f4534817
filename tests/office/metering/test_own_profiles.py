"""The mailbox and a site's own meter models: the text comes with the plan, and what a draft makes of a meter is no
reading."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from django.db import connection

from prewatt.core.meters.catalogue import catalogue, shipped_text
from prewatt.core.meters.jobs import Intent, Job, Outcome, Verdict
from prewatt.core.meters.mailbox import JobReport, PollResult, PollSettings
from prewatt.core.meters.own import OwnVersion
from prewatt.core.meters.quantities import Quantity
from prewatt.core.refusals import Refused
from prewatt.office.changes.profiles import move_to
from prewatt.office.estate.models import Gateway, Line, Meter
from prewatt.office.estate.profiles import save_version
from prewatt.office.metering.jobs import decode, try_it
from prewatt.office.metering.mailbox import PostgresMailbox, local_clocks
from prewatt.office.metering.models import JobRow, MeterClock
from prewatt.office.staff.actors import of_operator
from prewatt.office.staff.models import Operator, Role
from tests.cast import NOON, Cast, assemble
from tests.office.metering.test_mailbox import conninfo

pytestmark = pytest.mark.django_db(transaction=True)
OURS = shipped_text("pilot-spm9511").replace('code = "pilot-spm9511"', 'code = "ours"')
WALL = OURS.replace('way = "register"', 'way = "register"\nlocal = true')


@pytest.fixture
def cast() -> Cast:
    return assemble()


@pytest.fixture
def mailbox() -> Iterator[PostgresMailbox]:
    made = PostgresMailbox(conninfo(), settings=PollSettings())
    yield made
    made.close()


def own(cast: Cast, text: str) -> str:
    row = save_version(cast.site, text=text, based_on="", note="why", everywhere=False, actor="operator:1", at=NOON)
    return f"{row.code}@{row.version}"


def move(cast: Cast, name: str) -> None:
    electrician = Operator.objects.create(
        username=f"e-{name}", name="Erin", role=Role.ELECTRICIAN, created_at=NOON, password="!"
    )
    move_to(cast.shop_103.meter, name, reason="why", actor=of_operator(electrician), at=NOON)


def test_a_plan_brings_the_text_of_each_own_version_its_meters_name_and_a_move_brings_the_next(
    cast: Cast, mailbox: PostgresMailbox
) -> None:
    [line] = mailbox.plan(gateway_id=cast.gateway.pk)
    assert line.profiles == ()
    first, second = own(cast, OURS), own(cast, OURS + "\n# of 2026\n")
    for name, text in ((first, OURS), (second, OURS + "\n# of 2026\n")):
        revision = Gateway.objects.get().revision
        move(cast, name)
        assert Gateway.objects.get().revision == revision + 1, "the head-end asks for its plan again"
        [line] = mailbox.plan(gateway_id=cast.gateway.pk)
        assert line.profiles == (OwnVersion(code=name, text=text),)
        assert [meter.profile for meter in line.meters].count(name) == 1


def test_what_a_draft_makes_of_a_meter_is_shown_and_is_no_reading(cast: Cast, mailbox: PostgresMailbox) -> None:
    now = datetime.now(UTC)
    with connection.cursor() as cursor:
        cursor.execute("SELECT metering_make_partitions((now() AT TIME ZONE 'UTC')::date, 1, 2)")
    for draft, readings in ((OURS, 0), ("", 1)):
        try_it(circuit_id=cast.shop_101.pk, index=1, request_key=str(readings), at=now, actor="operator:1", draft=draft)
        [claimed] = mailbox.claim(headend="one", leases=mailbox.tick(headend="one"), limit=1)
        assert claimed.job == Job(intent=Intent.TRY, draft=draft)
        outcome = Outcome(verdict=Verdict.DONE, values={Quantity.ENERGY_IMPORT_TOTAL: 99_000, Quantity.BALANCE: 1})
        mailbox.report([JobReport(claimed=claimed, outcome=outcome, started_at=now, finished_at=now)])
        assert JobRow.objects.get(pk=claimed.job_id).values == {"energy_import_total": 99_000, "balance": 1}
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM metering_reading WHERE circuit_id = %s", [cast.shop_101.pk])
            assert cursor.fetchone() == (readings,)


def test_a_draft_that_is_not_sound_or_does_not_fit_the_line_is_not_asked(cast: Cast) -> None:
    data = shipped_text("ningju-ddzy1218").replace('code = "ningju-ddzy1218"', 'code = "ours"')
    Line.objects.update(transport="modbus-tcp")
    for draft, code in ((OURS.replace("phases = 1", "phases = 2"), "profile_value"),
                        (data, "meter_needs_transparent_line")):  # fmt: skip
        with pytest.raises(Refused, match=code):
            try_it(circuit_id=cast.shop_101.pk, index=1, request_key="k", at=NOON, actor="operator:1", draft=draft)
    assert not JobRow.objects.exists()
    assert decode({"intent": "try", "circuit_index": 1}).draft == "", "of an older release"


@pytest.mark.parametrize(("text", "ahead_s"), [(OURS, 8 * 3600), (WALL, 0)])
def test_a_clock_is_judged_as_the_own_model_says_it_shows_the_time(
    cast: Cast, mailbox: PostgresMailbox, text: str, ahead_s: int
) -> None:
    assert not any("@" in code for code in local_clocks()) and set(local_clocks()) <= set(catalogue())
    move(cast, own(cast, text))
    now = datetime.now(UTC).replace(microsecond=0)
    [lease] = mailbox.tick(headend="one")
    mailbox.plan(gateway_id=cast.gateway.pk)
    poll = PollResult(
        gateway_id=cast.gateway.pk, epoch=lease.epoch, site_id=cast.site.pk, circuit_id=cast.shop_103.pk, at=now,
        full=True, values={Quantity.CLOCK: int(now.timestamp()) + 8 * 3600, Quantity.ENERGY_IMPORT_TOTAL: 1},
    )  # fmt: skip
    mailbox.store(polls=[poll], silences=[], lines=[])
    assert MeterClock.objects.get(meter=Meter.objects.get(pk=cast.shop_103.meter_id)).ahead_s == ahead_s
