"""The record of acceptance: what it holds, that it stays as it was written, and its printed page in both languages."""

from datetime import timedelta

import pytest
from django.db import ProgrammingError, connection, transaction

from prewatt.core.meters.jobs import Intent, Job, Wish
from prewatt.core.refusals import Refused
from prewatt.office.estate.models import Line
from prewatt.office.metering import acceptance
from prewatt.office.metering.jobs import enqueue
from prewatt.office.metering.models import Acceptance, JobRow, MeterClock
from prewatt.office.staff.audit import trail_of
from tests.cast import NOON, Cast, assemble
from tests.web.console.test_scans import as_, electrician_of

pytestmark = pytest.mark.django_db
BY = "operator:7"


@pytest.fixture
def cast() -> Cast:
    return assemble()


def read(cast: Cast, minutes_ago: int, energy_wh: int, source: int = 0) -> None:
    at = NOON - timedelta(minutes=minutes_ago)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO metering_reading (site_id, circuit_id, at, full_read, source, quality, energy_wh)"
            " VALUES (%s, %s, %s, true, %s, 0, %s)",
            [cast.site.pk, cast.shop_101.pk, at, source, energy_wh],
        )


def tried(cast: Cast, actor: str, verdict: str = "done") -> None:
    job = enqueue(
        key=f"relay:{actor}:{verdict}", circuit_id=cast.shop_101.pk, job=Job(intent=Intent.RELAY, wish=Wish.TRIP),
        at=NOON, actor=actor,
    )  # fmt: skip
    JobRow.objects.filter(pk=job).update(state="done", verdict=verdict, finished_at=NOON - timedelta(minutes=5))


def accept(cast: Cast, line: Line | None, name: str = "Wang") -> Acceptance:
    return acceptance.accept(cast.site, line, accepted_by=name, remark="ok", poll_s=60, actor=BY, at=NOON)


def test_the_record_holds_what_is_known_and_asks_nothing(cast: Cast) -> None:
    for minutes in range(30, 0, -1):
        if minutes % 10:
            read(cast, minutes, 1_000 + 30 - minutes)
    read(cast, 15 * 60, 5, source=4)  # loaded history is no first reading
    MeterClock.objects.create(meter=cast.shop_101.meter, ahead_s=-12, read_at=NOON)
    tried(cast, "system")
    tried(cast, "operator:7", verdict="refused")
    before = JobRow.objects.count()
    rows = acceptance.accepted_of(accept(cast, cast.line).data)
    assert JobRow.objects.count() == before
    (row,) = [each for each in rows if each.number == cast.shop_101.meter.number]
    assert (row.first_wh, row.clock_ahead_s, row.replies, row.asked) == (1_001, -12, 27, 29)
    assert row.relay_at == "", "the system's own command and a refused one are no trial of a person"
    assert (row.unit, row.room) == (cast.shop_101.meter.unit, "A-101")
    assert 0 < row.assumed <= row.registers
    tried(cast, "operator:7")
    (row,) = [each for each in acceptance.accepted_of(accept(cast, None).data) if each.number == row.number]
    assert (row.relay_wish, row.relay_by) == ("trip", "operator:7") and row.relay_at
    assert [each.action for each in trail_of("acceptance", str(Acceptance.objects.latest("pk").pk))]


def test_a_record_stays_as_it_was_written(cast: Cast) -> None:
    made = accept(cast, cast.line)
    for act in (lambda: made.delete(), lambda: Acceptance.objects.update(remark="better")):
        with pytest.raises(ProgrammingError, match="append_only"), transaction.atomic():
            act()


def test_what_cannot_be_accepted_is_refused(cast: Cast) -> None:
    with pytest.raises(Refused) as nameless:
        accept(cast, cast.line, name="  ")
    assert nameless.value.code == "acceptance_needs_name"
    empty = Line.objects.create(gateway=cast.gateway, code="9", transport="modbus-tcp", port=502)
    with pytest.raises(Refused) as nobody:
        accept(cast, empty)
    assert nobody.value.code == "acceptance_empty"
    assert Acceptance.objects.count() == 0


@pytest.mark.parametrize(("language", "title"), [("en", "Record of acceptance on site"), ("zh-hans", "现场验收记录")])
def test_an_electrician_writes_one_and_prints_it_again(cast: Cast, language: str, title: str) -> None:
    electrician = as_(electrician_of(cast), language)
    assert electrician.get("/console/acceptance").status_code == 200
    told = {"line": str(cast.line.pk), "accepted_by": "Wang Wei", "remark": "second floor"}
    answer = electrician.post("/console/acceptance", told)
    record = Acceptance.objects.get()
    assert answer["Location"] == f"/console/acceptance/{record.pk}"
    page = electrician.get(answer["Location"]).content.decode()
    assert title in page and "Wang Wei" in page and "second floor" in page
    assert cast.shop_101.meter.number in page and "data-print" in page
    assert "Wang Wei" in electrician.get("/console/acceptance").content.decode()
    assert electrician.post("/console/acceptance", {**told, "accepted_by": ""}).status_code == 422


def test_a_cashier_reads_records_and_writes_none(cast: Cast) -> None:
    record = accept(cast, cast.line)
    cashier = as_(cast.alice)
    assert cashier.get(f"/console/acceptance/{record.pk}").status_code == 200
    assert cashier.post("/console/acceptance", {"accepted_by": "Alice"}).status_code == 404
    assert as_(cast.charlie).get(f"/console/acceptance/{record.pk}").status_code in (403, 404)
    assert Acceptance.objects.count() == 1
