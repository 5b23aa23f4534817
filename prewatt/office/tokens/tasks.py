"""Background jobs of tokens. Each looks at the rows again before it acts.

Every process that sets Django up reads this file: what encodes tokens (numpy, ciphers) is imported by the job that has
something to encode.
"""

import logging
from datetime import UTC, datetime, timedelta
from typing import Final

from django.db import connection
from procrastinate.contrib.django import app

from prewatt.core.refusals import Refused
from prewatt.office.tokens.models import SWEEP_AFTER, Campaign, CampaignMeter, TokenRequest

ROUND: Final = timedelta(seconds=20)  # what one round of a campaign may take: other jobs wait meanwhile
log = logging.getLogger(__name__)


def _now() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        row = cursor.fetchone()
    assert row is not None
    at: datetime = row[0]
    return at.astimezone(UTC)


@app.periodic(cron="* * * * * */10")
@app.task(name="tokens.sweep", queue="office", queueing_lock="tokens.sweep")
def sweep(timestamp: int) -> None:
    """Tokens whose process died between request and digits."""
    at = _now()
    if TokenRequest.objects.filter(state=TokenRequest.State.WAITING, asked_at__lte=at - SWEEP_AFTER).exists():
        from prewatt.office.tokens import issuing, opened

        issuing.sweep(rack=opened.rack(at=at), at=at, after=SWEEP_AFTER)


@app.periodic(cron="* * * * * */30")
@app.task(name="tokens.issue_campaigns", queue="office", queueing_lock="tokens.issue_campaigns")
def issue_campaigns(timestamp: int) -> None:
    """Running campaigns, batch after batch for some seconds. Those that go with a purchase are issued by it."""
    begun = _now()
    for campaign in Campaign.objects.filter(state=Campaign.State.RUNNING, with_next_purchase=False).order_by("id"):
        left = CampaignMeter.objects.filter(campaign=campaign, state=CampaignMeter.State.NOT_ISSUED)
        while left.exists() and (at := _now()) < begun + ROUND and _batch(campaign.pk, at):
            pass


def _batch(campaign_id: int, at: datetime) -> bool:
    """One batch; False when nothing was to be claimed (another process holds what is left) or the vault refused."""
    from prewatt.office.tokens import campaign_issue, opened

    try:
        return campaign_issue.issue_batch(campaign_id, rack=opened.rack(at=at), at=at).claimed > 0
    except Refused as refused:
        log.warning("campaign %d: %s", campaign_id, refused.code)
        return False
