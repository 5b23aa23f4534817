"""Background jobs of changes. Each looks at the rows again before it acts."""

from procrastinate.contrib.django import app

from prewatt.office.changes import steps, swap_steps, swap_wants
from prewatt.office.metering.clock import database_now


@app.periodic(cron="* * * * * */5")
@app.task(name="changes.sweep", queue="office", queueing_lock="changes.sweep")
def sweep(timestamp: int) -> None:
    """Openings and closings of server-held supply whose reading has come, and meters that were exchanged."""
    steps.sweep(at=database_now())
    swap_steps.sweep(at=database_now())
    swap_wants.sweep(at=database_now())


@app.task(name="changes.follow", queue="office")
def follow(opening_id: int) -> None:
    """A meter answered the question of an opening or closing."""
    steps.follow(opening_id, at=database_now())
