"""Background jobs of vending. Each looks at the rows again before it acts."""

from procrastinate.contrib.django import app

from prewatt.office.metering.clock import database_now
from prewatt.office.vending import deliveries, opening_steps, price_sets, purse_prices, recounts
from prewatt.office.vending.models import TokenEntry


@app.task(name="vending.settle", queue="office")
def settle(delivery_id: int) -> None:
    """Deferred by the mailbox in the transaction that stores an outcome."""
    deliveries.settle(delivery_id, at=database_now())


@app.periodic(cron="* * * * * */10")
@app.task(name="vending.sweep", queue="office", queueing_lock="vending.sweep")
def sweep(timestamp: int) -> None:
    """Finds what a lost job left behind, and the load after a confirmation."""
    deliveries.sweep(at=database_now())
    deliveries.watch_load(at=database_now())


@app.task(name="vending.token_entered", queue="office")
def token_entered(request_id: int) -> None:
    """A token that was sent over the line has an outcome."""
    from prewatt.office.vending import token_wire  # what makes tokens is dear

    token_wire.settle(request_id, at=database_now())


@app.periodic(cron="* * * * * */10")
@app.task(name="vending.sweep_tokens", queue="office", queueing_lock="vending.sweep_tokens")
def sweep_tokens(timestamp: int) -> None:
    """Tokens on their way over the line whose job was lost."""
    if TokenEntry.objects.filter(state__in=[TokenEntry.State.QUEUED, TokenEntry.State.SENDING]).exists():
        from prewatt.office.vending import token_wire

        token_wire.sweep(at=database_now())


@app.task(name="vending.opening", queue="office")
def opening(opening_id: int) -> None:
    """A meter answered a question of an opening or closing."""
    opening_steps.advance(opening_id, at=database_now())


@app.periodic(cron="* * * * * */10")
@app.task(name="vending.sweep_openings", queue="office", queueing_lock="vending.sweep_openings")
def sweep_openings(timestamp: int) -> None:
    opening_steps.sweep(at=database_now())


@app.periodic(cron="* * * * * */10")
@app.task(name="vending.recount", queue="office", queueing_lock="vending.recount")
def recount(timestamp: int) -> None:
    """After a restore: meters that were read since. Otherwise one look at an empty table."""
    recounts.look(at=database_now())


@app.task(name=price_sets.TASK, queue="office")
def price_done(supply_id: int) -> None:
    """A price was written into a purse that holds money."""
    purse_prices.settle(supply_id, at=database_now())


@app.periodic(cron="* * * * * */10")
@app.task(name="vending.prices", queue="office", queueing_lock="vending.prices")
def write_prices(timestamp: int) -> None:
    """Purses in money that drain by another price than the one in force."""
    purse_prices.sweep(at=database_now())
