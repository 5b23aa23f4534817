"""Background jobs of billing. Each looks at the rows again before it acts."""

from procrastinate.contrib.django import app

from prewatt.office.billing import charges, releases, supply
from prewatt.office.metering.clock import database_now


@app.periodic(cron="* * * * * */5")
@app.task(name="billing.charge", queue="office", queueing_lock="billing.charge")
def charge(timestamp: int) -> None:
    charges.sweep(at=database_now())


@app.periodic(cron="* * * * * */5")
@app.task(name="billing.supply", queue="office", queueing_lock="billing.supply")
def decide_supply(timestamp: int) -> None:
    supply.sweep(at=database_now())


@app.periodic(cron="20 * * * *")
@app.task(name="billing.release", queue="office", queueing_lock="billing.release")
def release(timestamp: int) -> None:
    """Each hour, since days end at another hour at each site; a day is released once."""
    releases.sweep(at=database_now())
