"""Another address for a meter from its page: asked for with a reason; the record follows what was read back."""

import pytest
from django.test import Client

from prewatt.core.meters.jobs import Intent
from prewatt.core.refusals import Refused
from prewatt.office.estate.models import Line, Meter
from prewatt.office.metering import addresses
from prewatt.office.metering.jobs import decode
from prewatt.office.metering.models import JobRow
from prewatt.office.staff.actors import of_operator
from prewatt.office.staff.audit import trail_of
from prewatt.office.staff.models import Operator, Role, Scope
from tests.cast import NOON, Cast, assemble

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast() -> Cast:
    return assemble()


@pytest.fixture
def erin(cast: Cast) -> Operator:
    made: Operator = Operator.objects.create(
        username="erin", name="Erin", role=Role.ELECTRICIAN, created_at=NOON, password="!"
    )
    Scope.objects.create(operator=made, site_id=cast.site.pk)
    return made


@pytest.fixture
def meter(cast: Cast) -> Meter:
    meter: Meter = cast.shop_101.meter
    meter.profile = "hiking-dds238-zn-s"
    meter.save(update_fields=["profile"])
    return meter


def as_(operator: Operator, language: str = "en") -> Client:
    client = Client()
    client.force_login(operator)
    client.cookies["django_language"] = language
    return client


def ended(meter: Meter, verdict: str, code: str = "") -> None:
    JobRow.objects.filter(meter_id=meter.pk).update(state="done", verdict=verdict, code=code, finished_at=NOON)
    addresses.settle(meter.pk, at=NOON)
    meter.refresh_from_db()


def ask(client: Client, meter: Meter, unit: str, key: str) -> int:
    told = {"unit": unit, "reason": "two at one address", "request_key": key}
    return int(client.post(f"/console/meters/{meter.pk}/address", told).status_code)


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_the_record_follows_what_was_read_back_and_nothing_else(meter: Meter, erin: Operator, language: str) -> None:
    client, old = as_(erin, language), meter.unit
    page = f"/console/meters/{meter.pk}/address"
    assert page in client.get(f"/console/meters/{meter.pk}").content.decode()
    assert client.get(page).status_code == 200
    assert ask(client, meter, "99", "k1") == 302 and ask(client, meter, "99", "k1") == 302
    (row,) = JobRow.objects.filter(meter_id=meter.pk)
    job = decode(row.payload)
    assert (job.intent, job.unit, job.again) == (Intent.READDRESS, 99, False)
    assert 'data-verdict="running"' in client.get(page).content.decode()
    assert ask(client, meter, "98", "k2") == 422
    ended(meter, "unknown", "write_unanswered")
    assert meter.unit == old
    assert ("Not known" if language == "en" else "结果未知") in client.get(page).content.decode()
    assert ask(client, meter, "99", "k3") == 302
    job = decode(JobRow.objects.latest("pk").payload)
    assert job.again, "an earlier try may have reached the meter"
    ended(meter, "done")
    assert meter.unit == 99
    assert 'data-verdict="done"' in client.get(page).content.decode()
    actions = [each.action for each in trail_of("meter", str(meter.pk))]
    assert "metering.readdress" in actions and "estate.meter_move" in actions


def test_an_address_that_is_taken_or_makes_no_sense_is_refused(cast: Cast, meter: Meter, erin: Operator) -> None:
    def code(unit: int) -> str:
        with pytest.raises(Refused) as refused:
            addresses.readdress(meter, unit=unit, reason="", actor=of_operator(erin), request_key=str(unit), at=NOON)
        return refused.value.code

    assert code(cast.shop_102.meter.unit) == "unit_taken"
    assert (code(0), code(248), code(meter.unit)) == (
        "unit_out_of_range",
        "unit_out_of_range",
        "address_not_changeable",
    )
    meter.profile = "ningju-ddzy1218"
    assert code(0) == "meter_not_alone", "the wildcard speaks to every meter of the line"
    meter.profile = "pilot-spm9511"
    assert code(9) == "address_not_changeable"
    assert not JobRow.objects.exists()


def test_a_speed_is_offered_where_the_line_can_follow(cast: Cast, meter: Meter, erin: Operator) -> None:
    meter.profile = "ningju-ddzy1218"
    meter.save(update_fields=["profile"])
    assert addresses.speeds(meter) == ()
    cast.gateway.host = "/dev/ttyUSB0"
    cast.gateway.save(update_fields=["host"])
    alone = Line.objects.create(gateway=cast.gateway, code="S", transport="serial-8e1", port=0, baud=2400)
    Line.objects.exclude(pk=alone.pk).filter(gateway=cast.gateway).update(transport="serial-8n1")
    meter.line = alone
    meter.save(update_fields=["line"])
    assert 9600 in addresses.speeds(meter) and 2400 not in addresses.speeds(meter)
    addresses.change_baud(meter, baud=9600, reason="", actor=of_operator(erin), request_key="b", at=NOON)
    assert decode(JobRow.objects.get().payload).baud == 9600
    ended(meter, "unknown", "write_unanswered")
    alone.refresh_from_db()
    assert alone.baud == 2400, "the line follows only a meter that answered"


def test_who_may_not_enter_meters_writes_no_address(cast: Cast, meter: Meter) -> None:
    cashier = as_(cast.alice)
    assert cashier.get(f"/console/meters/{meter.pk}/address").status_code == 403
    assert ask(cashier, meter, "99", "k") == 403
    assert not JobRow.objects.exists()
