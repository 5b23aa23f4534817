"""What a full read says beside its reading: the newest is kept, under the lease, for people to see."""

from datetime import UTC, datetime, timedelta

import pytest

from prewatt.core.meters.mailbox import Lease, PollResult, PollSettings
from prewatt.core.meters.quantities import Quantity
from prewatt.office.metering.mailbox import PostgresMailbox
from prewatt.office.metering.models import AlsoRead
from prewatt.office.metering.others import KEPT_ELSEWHERE, others_of
from prewatt.office.reports.meters import latest_of
from tests.cast import Cast, assemble
from tests.office.metering.test_mailbox import conninfo

pytestmark = pytest.mark.django_db(transaction=True)
Q = Quantity
BASE = {Q.ENERGY_IMPORT_TOTAL: 1_000_000, Q.POWER_ACTIVE: 400, Q.STATUS: 0, Q.RELAY: 1}


@pytest.fixture
def cast() -> Cast:
    return assemble()


@pytest.fixture
def mailbox() -> PostgresMailbox:
    return PostgresMailbox(conninfo(), settings=PollSettings())


def lease_of(cast: Cast, mailbox: PostgresMailbox) -> Lease:
    line = cast.shop_101.meter.line
    assert line is not None
    return next(each for each in mailbox.tick(headend="a") if each.gateway_id == line.gateway_id)


def poll(
    cast: Cast, lease: Lease, at: datetime, *, full: bool = True, epoch: int | None = None, **said: int
) -> PollResult:
    values = {**BASE, **{Quantity(name): value for name, value in said.items()}}
    circuit = cast.shop_101
    return PollResult(
        site_id=circuit.site_id, circuit_id=circuit.pk, gateway_id=lease.gateway_id, at=at,
        epoch=lease.epoch if epoch is None else epoch,
        full=full, values=values,
    )  # fmt: skip


def test_the_newest_of_each_is_kept_and_shown_with_its_time(cast: Cast, mailbox: PostgresMailbox) -> None:
    lease = lease_of(cast, mailbox)
    first = datetime.now(UTC) - timedelta(minutes=5)
    last = first + timedelta(minutes=3)
    for given in (
        poll(cast, lease, first, power_factor=970, energy_export_total=12_000),
        poll(cast, lease, last, power_factor=985),
        poll(cast, lease, first + timedelta(minutes=1), power_factor=111),  # came late
        poll(cast, lease, last + timedelta(minutes=1), full=False, power_factor=222),
        poll(cast, lease, last + timedelta(minutes=1), epoch=lease.epoch - 1, power_factor=333),  # its lease is over
    ):
        mailbox.store(polls=[given], silences=[], lines=[])
    row = AlsoRead.objects.get(circuit=cast.shop_101)
    assert (row.at, row.said) == (last, {"power_factor": 985, "energy_export_total": 12_000})
    latest = latest_of(cast.site.pk, cast.shop_101.pk)
    assert (latest["others"], latest["others_at"]) == (row.said, last)
    mailbox.close()


def test_several_of_one_circuit_in_a_batch_leave_the_newest(cast: Cast, mailbox: PostgresMailbox) -> None:
    lease = lease_of(cast, mailbox)
    at = datetime.now(UTC) - timedelta(minutes=5)
    given = [poll(cast, lease, at + timedelta(seconds=s), frequency=50_000 + s) for s in (20, 40, 10)]
    mailbox.store(polls=given, silences=[], lines=[])
    assert AlsoRead.objects.get(circuit=cast.shop_101).said == {"frequency": 50_040}
    mailbox.close()


def test_a_quantity_is_kept_here_or_elsewhere() -> None:
    said = dict.fromkeys(Quantity, 1)
    assert {Quantity(name) for name in others_of(said)} | KEPT_ELSEWHERE == set(Quantity)
