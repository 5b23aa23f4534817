"""Background jobs of alarms."""

from django.conf import settings
from procrastinate.contrib.django import app

from prewatt.office.alarms import rules
from prewatt.office.metering.clock import database_now


@app.periodic(cron="* * * * * */10")
@app.task(name="alarms.evaluate", queue="office", queueing_lock="alarms.evaluate")
def evaluate(timestamp: int) -> None:
    rules.evaluate(at=database_now(), status_poll_s=settings.PREWATT_POLL_S, rules=rules.shipped())
