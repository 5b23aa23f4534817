"""Background jobs of alarms."""

from django.conf import settings
from procrastinate.contrib.django import app

from prewatt.office.alarms import rules, sending, token_notices
from prewatt.office.metering.clock import database_now


@app.periodic(cron="* * * * * */10")
@app.task(name="alarms.evaluate", queue="office", queueing_lock="alarms.evaluate")
def evaluate(timestamp: int) -> None:
    rules.evaluate(at=database_now(), status_poll_s=settings.PREWATT_POLL_S, rules=rules.shipped())


@app.periodic(cron="* * * * * */10")
@app.task(name="alarms.send_notices", queue="office", queueing_lock="alarms.send_notices")
def send_notices(timestamp: int) -> None:
    """Messages to persons that wait in the outbox."""
    sending.sweep(notifier=token_notices.notifier(), at=database_now())
