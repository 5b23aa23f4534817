"""Freezes on their way from the head-end into the tables: by the clock they were shown by, once each, and fenced."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from prewatt.core.meters.freezes import COUNTERS, Freeze, FreezeKind, FreezeSpan
from prewatt.core.meters.jobs import Intent, Job, Outcome, Verdict
from prewatt.core.meters.mailbox import JobReport
from prewatt.core.meters.quantities import Quantity
from prewatt.office.metering import freezes
from prewatt.office.metering.jobs import decode, encode, enqueue
from prewatt.office.metering.mailbox import PostgresMailbox
from prewatt.office.metering.models import JobRow
from tests.cast import Cast
from tests.office.metering.test_mailbox import cast, mailboxes  # noqa: F401  fixtures

pytestmark = pytest.mark.django_db(transaction=True)
MIDNIGHT = datetime(2026, 11, 19, 16, tzinfo=UTC)  # the 20th begins in Shanghai
DAY = timedelta(days=1)


def span(*, local: bool) -> FreezeSpan:
    return FreezeSpan(kind=FreezeKind.DAY, since=0, until=2**31, local=local)


def frozen(at: datetime, wh: int, *, local: bool, rates: bool = True) -> Freeze:
    shown = int(at.timestamp()) + (8 * 3600 if local else 0)
    values = dict.fromkeys(COUNTERS, wh // 4) if rates else {}
    return Freeze(kind=FreezeKind.DAY, shown=shown, values={**values, Quantity.ENERGY_IMPORT_TOTAL: wh})


def test_a_job_for_freezes_survives_its_encoding() -> None:
    job = Job(intent=Intent.READ_FREEZES, circuit_index=2, freezes=span(local=True))
    assert decode(encode(job)) == job


@pytest.mark.parametrize("local", [True, False])
def test_what_was_frozen_is_kept_once_by_its_true_time(
    cast: Cast,  # noqa: F811
    mailboxes: list[PostgresMailbox],  # noqa: F811
    local: bool,
) -> None:
    one, at = mailboxes[0], datetime.now(UTC)
    leases = one.tick(headend="one")
    for key, first in (("a", 1_000_000), ("b", 7_000_000)):
        enqueue(
            key=key, circuit_id=cast.shop_101.pk, at=at - DAY, actor="system",
            job=Job(intent=Intent.READ_FREEZES, freezes=span(local=local)),
        )  # fmt: skip
        [claimed] = one.claim(headend="one", leases=leases, limit=1)
        told = (frozen(MIDNIGHT, first, local=local), frozen(MIDNIGHT + DAY, first + 4_000, local=local, rates=False))
        outcome = Outcome(verdict=Verdict.DONE, freezes=told)
        done = JobReport(claimed=claimed, outcome=outcome, started_at=at, finished_at=at)
        stale = replace(done, claimed=replace(claimed, epoch=claimed.epoch - 1))
        one.report([stale])
        assert JobRow.objects.get(key=key).state == "claimed"
        one.report([done])
    kept = freezes.listed(cast.site.pk, cast.shop_101.pk, FreezeKind.DAY)
    assert [(each.at, each.energy_wh) for each in kept] == [(MIDNIGHT + DAY, 1_004_000), (MIDNIGHT, 1_000_000)]
    assert [each.rates_wh for each in kept] == [None, [250_000] * 4]
