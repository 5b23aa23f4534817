from django.db import migrations

from prewatt.office.sqlfiles import functions_again


class Migration(migrations.Migration):
    """Databases of before November 21st had other functions: a sale by token, and all that server-held credit asks."""

    dependencies = [("vending", "0012_by_token"), ("metering", "0013_meter_clock"), ("ledger", "0004_running_balance")]
    operations = [
        functions_again(
            "vending", "0001_sell", "0002_settle", "0003_acts", "0004_shifts", "0005_history", "0006_held",
            "0007_recount", "0008_carried",
        ),
    ]  # fmt: skip
