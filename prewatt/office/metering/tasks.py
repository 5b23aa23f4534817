"""Background jobs of metering. Each looks at the rows again before it acts."""

from procrastinate.contrib.django import app

from prewatt.office.metering import addresses, clocks, freezes, partitions, retention, settings, wishes
from prewatt.office.metering.clock import database_now
from prewatt.office.metering.models import RelayWish


@app.task(name="metering.relay_done", queue="office")
def relay_done(circuit_id: int) -> None:
    """A relay job has an outcome: note when telemetry agrees with the wish."""
    row = RelayWish.objects.select_related("circuit__meter").filter(circuit_id=circuit_id, agreed_at=None).first()
    if row is not None and wishes.agrees(row, wishes.latest(row.circuit)):
        unchanged = RelayWish.objects.filter(pk=row.pk, set_at=row.set_at, decided_at=row.decided_at)
        unchanged.update(agreed_at=database_now())


@app.task(name=addresses.TASK, queue="office")
def address_done(meter_id: int) -> None:
    """Another address or speed has an outcome: the record follows what was read back."""
    addresses.settle(meter_id, at=database_now())


@app.task(name=settings.TASK, queue="office")
def settings_done(circuit_id: int) -> None:
    """Settings written by hand have an outcome: what was read back is what is agreed."""
    settings.settle(circuit_id)


@app.periodic(cron="* * * * * */10")
@app.task(name="metering.sweep_wishes", queue="office", queueing_lock="metering.sweep_wishes", pass_context=False)
def sweep_wishes(timestamp: int) -> None:
    wishes.sweep(at=database_now())


@app.periodic(cron="*/5 * * * *")
@app.task(name="metering.clocks", queue="office", queueing_lock="metering.clocks")
def set_clocks(timestamp: int) -> None:
    clocks.sweep(at=database_now())


@app.periodic(cron="* * * * * */5")
@app.task(name="metering.gaps", queue="office", queueing_lock="metering.gaps")
def fill_gaps(timestamp: int) -> None:
    freezes.sweep(at=database_now())


@app.periodic(cron="7 * * * *")
@app.task(name="metering.partitions", queue="office", queueing_lock="metering.partitions")
def make_partitions(timestamp: int) -> None:
    partitions.make(around=database_now().date())


@app.periodic(cron="*/10 * * * *")
@app.task(name="metering.retention", queue="office", queueing_lock="metering.retention")
def drop_old_jobs(timestamp: int) -> None:
    retention.sweep(at=database_now())
